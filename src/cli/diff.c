/* cli/diff.c - `pyrometer diff`: what moved between two recordings. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/pair.h"
#include "cli/print.h"
#include "report/diff.h"

#include <errno.h>
#include <string.h>

struct options {
    struct pyro_diff_options diff;
    struct pyro_report_limit limit;
    enum pyro_diff_by by;
    const char *only;
    bool json;
};

static int parse_key(const char *text, void *field, struct pyro_error *error)
{
    return pyro_diff_key_by_name(text, field, error);
}

static int parse_by(const char *text, void *field, struct pyro_error *error)
{
    static const char *const names[] = {"function", "line", "edge"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *(enum pyro_diff_by *)field = (enum pyro_diff_by)i;
            return 0;
        }
    return pyro_error_set(error, -EINVAL, "'%s' is none of function, line and edge", text);
}

static const struct pyro_option diff_options[] = {
    {.letter = 's',
     .name = "sort",
     .value = "KEY",
     .summary = "the largest move first: of time in the function itself (default), cumulative or "
                "calls; or by name or filename",
     .choices = "time cumulative calls name filename",
     .parse = parse_key,
     .field = offsetof(struct options, diff.sort)},
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .summary = "show N rows (default 20; 0: all), or with 0.1 a tenth of them",
     .parse = pyro_parse_limit,
     .field = offsetof(struct options, limit)},
    {.name = "by",
     .value = "WHAT",
     .summary = "rows are functions (default), lines, or edges: caller and callee",
     .choices = "function line edge",
     .parse = parse_by,
     .field = offsetof(struct options, by)},
    {.name = "only",
     .value = "RE",
     .summary = "show only functions that match, their lines, their callers and callees",
     .parse = pyro_parse_regex,
     .field = offsetof(struct options, only)},
    {.name = "clock",
     .value = "CLOCK",
     .summary = "which time: wall (default), cpu, gil (holding the GIL) or wait",
     .choices = "wall cpu gil wait",
     .parse = pyro_parse_clock,
     .field = offsetof(struct options, diff.clock)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {0},
};

static int print_diff(const struct pyro_diff *diff, char *const *paths,
                      const struct options *options, struct pyro_error *error)
{
    const struct pyro_report_style style = pyro_print_style(stdout, NULL);
    const struct pyro_diff_table table = {
        .by = options->by,
        .key = options->diff.sort,
        .limit = options->limit,
        .only = options->only,
        .names = {paths[0], paths[1]},
    };
    return options->json ? pyro_report_diff_json(stdout, diff, options->only, error)
                         : pyro_report_diff(stdout, diff, &table, &style, error);
}

static int run_diff(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.limit.rows = PYRO_QUESTION_ROWS};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    struct pyro_pair pair;
    bool unreadable;
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (operands.count != 2) {
        pyro_print_note("diff: which two? pyrometer diff BEFORE AFTER");
        return PYRO_EXIT_USAGE;
    }
    int code = pyro_pair_open(&pair, operands.items[0], operands.items[1], &options.diff,
                              &unreadable, &error);
    if (code < 0) {
        pyro_print_error(&error);
        return unreadable ? PYRO_EXIT_FILE : code == -EINVAL ? PYRO_EXIT_USAGE : PYRO_EXIT_FAILED;
    }
    code = print_diff(pair.diff, operands.items, &options, &error);
    if (code < 0)
        pyro_print_error(&error);
    pyro_pair_close(&pair);
    return pyro_print_finish(stdout) && code == 0 ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

const struct pyro_command pyro_command_diff = {
    .name = "diff",
    .group = "ask a recording",
    .summary = "what moved between two recordings: by function, line, caller and callee",
    .usage = {"diff BEFORE AFTER [-s KEY] [-n N] [--by WHAT] [--only RE] [--clock CLOCK] [--json]"},
    .about =
        "BEFORE and AFTER are what `stats` reads: recordings of `run` and `record`, stacks of "
        "other tools, and .prof "
        "files. Functions are matched by their qualified names and files, wherever the files lie, "
        "so that a moved checkout or a git worktree is the same program; their lines may move. "
        "Lines are matched by their text.\n\n"
        "Times that were sampled have an error, shown behind each move; a move that is within "
        "three of it has a ~ and may be chance. How much runs differ from each other, one run each "
        "cannot tell: bench does.",
    .examples = {"pyrometer diff before.pyro after.pyro",
                 "pyrometer diff before.pyro after.pyro --by line -n 5",
                 "pyrometer diff old.prof new.prof -s calls",
                 "pyrometer diff before.pyro after.pyro --json"},
    .options = diff_options,
    .operands_max = 2,
    .run = run_diff,
};
