/* cli/lines.c - `pyrometer lines`: where in a function the time went. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/source.h"
#include "cli/store.h"
#include "formats/import.h"
#include "report/lines.h"

#include <errno.h>
#include <limits.h>

#define FUNCTIONS_SHOWN 10

struct options {
    struct pyro_report_lines choice;
    bool json;
};

static const struct pyro_option lines_options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .purpose = "to limit the functions",
     .summary = "show N functions (default 10; 0: all), or with 0.1 a tenth of them",
     .parse = pyro_parse_limit,
     .field = offsetof(struct options, choice.limit)},
    {.name = "only",
     .value = "RE",
     .purpose = "to choose functions",
     .summary = "show only functions that match, those of libraries too",
     .parse = pyro_parse_regex,
     .field = offsetof(struct options, choice.only)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {0},
};

static int print_lines(const struct pyro_profile *profile, const struct options *options)
{
    const struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
    struct pyro_lines *lines = NULL;
    struct pyro_error error = {0};
    int code = pyro_lines_make(profile, &lines, &error);
    if (code == 0 && options->json) {
        code = pyro_report_lines_json(stdout, lines, &error);
    } else if (code == 0) {
        pyro_report_headline(stdout, lines->stats, &style);
        code = pyro_report_lines(stdout, lines, &options->choice, &style, &error);
    }
    pyro_lines_free(lines);
    if (code < 0)
        pyro_print_error(&error);
    if (code == -ENODATA)
        return PYRO_EXIT_FILE;
    return pyro_print_finish(stdout) && code == 0 ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int run_lines(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.choice.limit.rows = FUNCTIONS_SHOWN};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    struct pyro_profile *profile = NULL;
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    const char *path =
        pyro_store_given_or_last(operands.count ? operands.items[0] : NULL, last, &error);
    if (!path || pyro_import_lines(path, &profile, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    if (profile->lines_alone)
        pyro_source_read(profile);
    status = print_lines(profile, &options);
    pyro_profile_free(profile);
    return status;
}

const struct pyro_command pyro_command_lines = {
    .name = "lines",
    .group = "ask a recording",
    .summary = "print where in each function the time went, line by line",
    .usage = {"lines [FILE] [-n N] [--only RE] [--json]"},
    .about =
        "Reads a recording that `run` or `record` made; without FILE the last one. The columns are "
        "those of line_profiler, the hottest function first. Of functions whose lines `run "
        "--lines` "
        "counted, hits are exact and times measured, or sampled with `--sampled-times`. Of all "
        "others times are sampled, how often a "
        "line ran is not known, and a time of fewer than 30 samples is shown with its error. A "
        "line "
        "has the time of what it called, too.\n\n"
        "Lines that took less than 1 % of their function are left out; and so are, of those that "
        "were not counted, functions below 1 % of all time and those of libraries, unless RE, a "
        "POSIX extended regular expression over the names as they are shown by `stats`, asks for "
        "them.\n\n"
        "Where `run --lines` had no names, and the program marks nothing, the hottest five "
        "functions "
        "were counted after a second that was only sampled. Each says since when, and what its "
        "sampled time was before; functions that run on without a call are not among them.\n\n"
        "FILE may be a .lprof file of line_profiler or kernprof, too.",
    .examples = {"pyrometer run --lines=enrich_order,Cart app.py", "pyrometer lines",
                 "pyrometer lines app.pyro --only 'enrich_order|Query'",
                 "pyrometer lines app.pyro --json", "pyrometer lines app.py.lprof"},
    .options = lines_options,
    .operands_max = 1,
    .run = run_lines,
};
