/* cli/view.c - `pyrometer view`: a recording as a page in the browser. */
#include "cli/browser.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/source.h"
#include "cli/store.h"
#include "formats/import.h"
#include "profile/paths.h"
#include "view/page.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    const char *baseline, *output;
    bool no_open;
};

static const struct pyro_option view_options[] = {
    {.name = "baseline",
     .value = "FILE",
     .summary = "compare with FILE, a recording from before",
     .choices = "FILE",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, baseline)},
    {.letter = 'o',
     .name = "output",
     .value = "OUT",
     .purpose = "to write a file",
     .summary = "write the page to OUT and open nothing; - for standard output",
     .choices = "FILE",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, output)},
    {.name = "no-open",
     .summary = "say where the page is, and open nothing",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, no_open)},
    {0},
};

/* A file of its own for each page, that only the user may read: recordings hold source. */
static int make_place(char *path, size_t size, struct pyro_error *error)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/pyrometer-XXXXXX.html", folder && *folder == '/' ? folder : "/tmp");
    pyro_identity_enter_caller();
    int fd = mkstemps(path, (int)strlen(".html"));
    int failed = errno;
    pyro_identity_leave();
    if (fd < 0) {
        pyro_error_set(error, -failed, "cannot write '%s': %s", path, strerror(failed));
        pyro_error_hint(error, "say where: pyrometer view -o page.html");
        return -failed;
    }
    close(fd);
    return 0;
}

/* "scp me@build7:/tmp/pyrometer-x.html ." for whoever came by SSH; the address is the one that was dialled. */
static void advise_copy(const char *path)
{
    const char *connection = getenv("SSH_CONNECTION"), *user = getenv("USER");
    char host[256] = "HOST";
    if (connection)
        sscanf(connection, "%*255s %*255s %255s", host);
    pyro_print_note("open it on your own machine: scp %s%s%s%s%s:%s .", user ? user : "",
                    user ? "@" : "", strchr(host, ':') ? "[" : "", host,
                    strchr(host, ':') ? "]" : "", path);
}

static void show(const char *path, const struct options *options)
{
    struct stat status;
    char bytes[32];
    pyro_print_bytes(bytes, sizeof(bytes), stat(path, &status) == 0 ? (uint64_t)status.st_size : 0);
    enum pyro_screen screen = pyro_browser_screen();
    bool asked = !options->output && !options->no_open;
    if (asked && screen == PYRO_SCREEN_HERE && pyro_browser_open(path) == 0) {
        pyro_print_note("opened %s (%s)", path, bytes);
        return;
    }
    pyro_print_note("wrote %s (%s)%s", path, bytes,
                    asked && screen != PYRO_SCREEN_SSH ? ": open it in a browser" : "");
    if (asked && screen == PYRO_SCREEN_SSH)
        advise_copy(path);
}

/* FROM is the file that was read. */
static int write_page(const struct pyro_profile *profile, const struct pyro_profile *baseline,
                      const char *from, const struct options *options, struct pyro_error *error)
{
    char made[PATH_MAX];
    struct pyro_output output;
    const char *path = options->output ? options->output : made;
    if (!options->output && make_place(made, sizeof(made), error) < 0)
        return PYRO_EXIT_FAILED;
    if (pyro_output_resolve(path, "html", &output, error) < 0)
        return PYRO_EXIT_USAGE;
    output.baseline = baseline;
    /* a .prof file does not say what was run: its own name says more than "python" */
    const char *name = profile->info.command ? NULL : pyro_path_basename(from);
    const struct pyro_export_options plain = {.title = name};
    if (pyro_output_write(&output, profile, NULL, &plain, error) < 0)
        return PYRO_EXIT_FAILED;
    if (!pyro_output_is_stdout(&output))
        show(path, options);
    return PYRO_EXIT_OK;
}

static int view(const char *path, const struct options *options, struct pyro_error *error)
{
    struct pyro_profile *profile = NULL, *baseline = NULL;
    int status = PYRO_EXIT_FILE;
    int result = options->baseline ? pyro_import(&path, 1, &profile, error)
                                   : pyro_import_any(path, &profile, error);
    if (result == 0 && profile->lines_alone)
        pyro_source_read(profile);
    if (result == 0 &&
        (!options->baseline || pyro_import(&options->baseline, 1, &baseline, error) == 0))
        status = write_page(profile, baseline, path, options, error);
    pyro_profile_free(profile);
    pyro_profile_free(baseline);
    return status;
}

static int run_view(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    const char *path =
        pyro_store_given_or_last(operands.count ? operands.items[0] : NULL, last, &error);
    status = path ? view(path, &options, &error) : PYRO_EXIT_FILE;
    if (status != PYRO_EXIT_OK)
        pyro_print_error(&error);
    return status;
}

const struct pyro_command pyro_command_view = {
    .name = "view",
    .group = "start here",
    .summary = "show a recording in the browser: summary, flame graph, table, source, timeline",
    .usage = {"view [FILE] [--baseline FILE] [-o OUT] [--no-open]"},
    .about =
        "Makes one HTML file that holds the recording and all that draws it: it loads nothing, "
        "works "
        "offline, and can be sent to somebody. Without FILE it is the last recording. Reads .prof "
        "files "
        "too; these know no stacks, so their flame graph is estimated from who called whom. And "
        ".lprof files, which have lines alone, and stacks of "
        "other tools: collapsed, speedscope's, pprof's.\n\n"
        "The file is opened in the browser ($BROWSER, or what xdg-open chooses). Over SSH, or "
        "without a "
        "display, it is only written, and the place said. With --baseline the page has one view "
        "more: "
        "what moved since.",
    .examples = {"pyrometer view", "pyrometer view app.pyro -o page.html",
                 "pyrometer view output.prof", "pyrometer view after.pyro --baseline before.pyro"},
    .options = view_options,
    .operands_max = 1,
    .run = run_view,
};
