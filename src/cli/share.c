/* cli/share.c - `pyrometer share`: what making something free would win. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/store.h"
#include "formats/import.h"
#include "report/share.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

struct options {
    bool json;
};

static const struct pyro_option share_options[] = {
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {0},
};

static int print_unknown(const struct pyro_profile *profile, const char *name)
{
    char near[PYRO_SHARE_NEAREST][128], shown[PYRO_SHARE_NEAREST][128], advice[512] = "";
    size_t count = pyro_share_nearest(profile, name, near);
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(advice);
        pyro_report_plain(shown[i], sizeof(shown[i]), near[i]);
        snprintf(advice + used, sizeof(advice) - used, "%s%s", i ? ", " : "; near it: ", shown[i]);
    }
    pyro_report_plain(shown[0], sizeof(shown[0]), name);
    pyro_print_note("no function, file or package '%s' was seen%s", shown[0],
                    count ? advice : "; what there is: pyrometer stats");
    return PYRO_EXIT_USAGE;
}

static int print_shares(const struct pyro_profile *profile, const char *name,
                        const struct options *options)
{
    const struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
    struct pyro_shares *shares = NULL;
    struct pyro_error error = {0};
    int code = pyro_shares_make(profile, name, &shares, &error);
    if (code == 0 && shares->count == 0) {
        pyro_shares_free(shares);
        return print_unknown(profile, name);
    }
    if (code == 0 && options->json)
        code = pyro_report_shares_json(stdout, shares, name, &error);
    else if (code == 0)
        pyro_report_shares(stdout, shares, name, &style);
    if (code < 0)
        pyro_print_error(&error);
    pyro_shares_free(shares);
    return pyro_print_finish(stdout) && code == 0 ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

/* One operand is a name; but a recording alone asks for nothing. */
static bool is_file_alone(const struct pyro_operands *operands)
{
    const char *operand = operands->items[0];
    size_t length = strlen(operand);
    return operands->count == 1 && length > 5 &&
           (strcmp(operand + length - 5, ".pyro") == 0 ||
            strcmp(operand + length - 5, ".prof") == 0) &&
           access(operand, F_OK) == 0;
}

static int run_share(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (operands.count == 0 || is_file_alone(&operands)) {
        pyro_print_note("share: of what? pyrometer share [FILE] NAME, a function, file or package");
        return PYRO_EXIT_USAGE;
    }
    const char *name = operands.items[operands.count - 1];
    const char *path =
        pyro_store_given_or_last(operands.count == 2 ? operands.items[0] : NULL, last, &error);
    if (!*name) {
        pyro_print_note("share: the name may not be empty");
        return PYRO_EXIT_USAGE;
    }
    if (!path || pyro_import(&path, 1, &profile, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    status = print_shares(profile, name, &options);
    pyro_profile_free(profile);
    return status;
}

const struct pyro_command pyro_command_share = {
    .name = "share",
    .group = "ask a recording",
    .summary = "what share of the time something is, and the most one could win by making it free",
    .usage = {"share [FILE] NAME [--json]"},
    .about =
        "NAME is a function (fetch, ForeignKey.fetch, orm.execute_query, sqlite3.Cursor.execute), "
        "a "
        "file by the end of its path, or a package, module or folder (json, django.db, "
        "shop/models). Where it means several, each is shown, and functions of one name together. "
        "Without FILE the last recording is asked.\n\n"
        "Its time is that in which it, or what it called, ran or waited; recursion counts once. "
        "Making it free cannot save more than the time in which any thread was in it.",
    .examples = {"pyrometer share OrderSerializer.data", "pyrometer share app.pyro json",
                 "pyrometer share app.pyro shop/serializers.py --json"},
    .options = share_options,
    .operands_max = 2,
    .run = run_share,
};
