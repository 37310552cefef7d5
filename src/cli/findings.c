/* cli/findings.c - `pyrometer findings`: what of a recording is worth changing. */
#include "analyze/findings.h"

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/store.h"
#include "explain/explain.h"
#include "formats/import.h"

#include <errno.h>
#include <limits.h>

struct options {
    const char *explain;
    bool json, rules;
};

static int parse_database(const char *text, void *field, struct pyro_error *error)
{
    if (!pyro_database_of(text))
        return pyro_error_set(
            error, -EINVAL, "'%s' is no database: say sqlite:PATH or postgresql://HOST/NAME", text);
    *(const char **)field = text;
    return 0;
}

static const struct pyro_option findings_options[] = {
    {.name = "explain",
     .value = "DATABASE",
     .summary =
         "ask DATABASE (sqlite:PATH, postgresql://HOST/NAME) how it would do the queries that "
         "are told; none is run",
     .parse = parse_database,
     .field = offsetof(struct options, explain)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {.name = "rules",
     .summary = "print the rules instead: what each looks for, what would prove it wrong "
                "(docs/findings.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, rules)},
    {0},
};

static int print_findings(const struct pyro_profile *profile, const struct options *options)
{
    struct pyro_findings *findings = NULL;
    struct pyro_error error = {0};
    struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
    int code = pyro_findings_make(profile, &findings, &error);
    if (code == 0 && options->explain)
        code = pyro_explain_findings(findings, options->explain, pyro_print_error);
    if (code == 0 && options->json)
        code = pyro_report_findings_json(stdout, findings, &error);
    else if (code == 0)
        pyro_report_findings(stdout, findings, &style);
    pyro_findings_free(findings);
    if (code < 0)
        pyro_print_error(&error);
    bool written = pyro_print_finish(stdout);
    return code == 0 && written ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int run_findings(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    struct pyro_profile *profile = NULL;
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (options.rules) {
        pyro_report_rules(stdout);
        return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
    }
    const char *path =
        pyro_store_given_or_last(operands.count ? operands.items[0] : NULL, last, &error);
    if (!path || pyro_import(&path, 1, &profile, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    if (profile->timed)
        pyro_print_note("'%s' holds calls and their times; what is worth changing, samples tell: "
                        "record it with pyrometer run",
                        path);
    status = profile->timed ? PYRO_EXIT_FILE : print_findings(profile, &options);
    pyro_profile_free(profile);
    return status;
}

const struct pyro_command pyro_command_findings = {
    .name = "findings",
    .group = "ask a recording",
    .summary = "name what is worth changing: the line, why, the fix, the time it would give back",
    .usage = {"findings [FILE] [--explain DATABASE] [--json]", "findings --rules"},
    .about =
        "Rules over what was measured, of a recording that `run` made (those about queries, of a "
        "request that pyrometer.web recorded, too); without FILE the last one. `run` prints the "
        "same after its table. What would give back less than 5 % of the "
        "time, or of the memory at its peak, is not told. Rules about memory want a recording of "
        "`run --memory`.\n\n"
        "With --explain the database says how it would do the queries that findings are about, as "
        "EXPLAIN tells: whether it reads all of a table. It is only asked if it is named. The "
        "queries are "
        "not run, the connection only reads, and each question has 5 s.",
    .examples = {"pyrometer findings", "pyrometer findings app.pyro --json",
                 "pyrometer findings --explain sqlite:shop.db",
                 "pyrometer findings --explain postgresql://localhost/shop"},
    .options = findings_options,
    .operands_max = 1,
    .run = run_findings,
};
