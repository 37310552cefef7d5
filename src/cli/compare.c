/* cli/compare.c - `pyrometer compare`: a verdict about what was measured. */
#include "cli/command.h"
#include "cli/pair.h"
#include "cli/print.h"
#include "cli/verdict.h"
#include "profile/chunk.h"
#include "report/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct pyro_verdict_options verdict;
};

static const struct pyro_option compare_options[] = {
    PYRO_VERDICT_OPTIONS(struct options),
    {0},
};

struct judgements {
    struct pyro_judgement *items;
    size_t count;
};

static int give_up(const struct pyro_error *error, int status)
{
    pyro_print_error(error);
    return status;
}

/* -- one file --------------------------------------------------------------------------------- */

/* Where the recording NAME lies, that is named in the file at PATH. */
static void place_of(const char *path, const char *name, char *place, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(place, size, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
}

/* What recordings say of the first command against the one after it that ITEM is about. */
static void explain(const char *path, const struct pyro_bench *bench, size_t item,
                    struct pyro_judgement *judgement, struct pyro_pair *pair,
                    const struct options *options)
{
    const char *names[] = {bench->commands[0].recording, bench->commands[item + 1].recording};
    char before[PATH_MAX], after[PATH_MAX];
    if (!*names[0] || !*names[1])
        return;
    place_of(path, names[0], before, sizeof(before));
    place_of(path, names[1], after, sizeof(after));
    pyro_verdict_explain(judgement, before, after, pair, &options->verdict);
}

static int explain_and_print(const char *path, const struct pyro_bench *bench,
                             struct pyro_judgement *items, size_t count, struct pyro_pair *pairs,
                             const struct options *options)
{
    for (size_t i = 0; i < count; i++)
        explain(path, bench, i, &items[i], &pairs[i], options);
    return pyro_verdict_print(items, count, &options->verdict);
}

static int compare_within(const char *path, const struct options *options)
{
    struct pyro_bench bench;
    struct pyro_error error = {0};
    struct pyro_judge_options judge = options->verdict.judge;
    if (pyro_bench_read(path, &bench, &error) < 0)
        return give_up(&error, PYRO_EXIT_FILE);
    struct pyro_judgement *items = calloc(bench.command_count + 1, sizeof(*items));
    struct pyro_pair *pairs = calloc(bench.command_count + 1, sizeof(*pairs));
    size_t count = bench.command_count ? bench.command_count - 1 : 0;
    int status = PYRO_EXIT_FAILED;
    if (bench.foreign || count == 0) {
        pyro_print_note("'%s' holds nothing that was measured in turn; give two files: pyrometer "
                        "compare BEFORE AFTER",
                        path);
        status = PYRO_EXIT_USAGE;
    } else if (items && pairs) {
        int code = 0;
        judge.compare.confidence = 1 - (1 - PYRO_COMPARE_CONFIDENCE) / (double)count;
        for (size_t i = 0; code == 0 && i < count; i++)
            code = pyro_judge(&bench, 0, &bench, i + 1, &judge, &items[i]);
        if (code < 0)
            pyro_print_note("no memory");
        else
            status = explain_and_print(path, &bench, items, count, pairs, options);
    }
    for (size_t i = 0; pairs && i < count; i++)
        pyro_pair_close(&pairs[i]);
    free(pairs);
    free(items);
    pyro_bench_free(&bench);
    return status;
}

/* -- two files -------------------------------------------------------------------------------- */

/* The command of AFTER that NAME is; where each has only one, they need not be called the same. -1:
 * none. */
static long find_partner(const struct pyro_bench *before, const struct pyro_bench *after,
                         const char *name)
{
    for (size_t i = 0; i < after->command_count; i++)
        if (strcmp(after->commands[i].name, name) == 0)
            return (long)i;
    return before->command_count == 1 && after->command_count == 1 ? 0 : -1;
}

static size_t count_partners(const struct pyro_bench *before, const struct pyro_bench *after)
{
    size_t count = 0;
    for (size_t i = 0; i < before->command_count; i++)
        count += find_partner(before, after, before->commands[i].name) >= 0;
    return count;
}

static int judge_partners(const struct pyro_bench *before, const struct pyro_bench *after,
                          const struct options *options, struct judgements *judgements)
{
    struct pyro_judge_options judge = options->verdict.judge;
    size_t partners = count_partners(before, after);
    int code = 0;
    judgements->items = calloc(partners + 1, sizeof(*judgements->items));
    if (!judgements->items)
        return -ENOMEM;
    judge.compare.confidence = 1 - (1 - PYRO_COMPARE_CONFIDENCE) / (double)(partners + !partners);
    for (size_t i = 0; code == 0 && i < before->command_count; i++) {
        long partner = find_partner(before, after, before->commands[i].name);
        if (partner >= 0)
            code = pyro_judge(before, i, after, (size_t)partner, &judge,
                              &judgements->items[judgements->count++]);
    }
    return code;
}

static int print_partners(const struct pyro_bench *before, const struct pyro_bench *after,
                          char *const *paths, const struct options *options)
{
    struct judgements judgements = {0};
    int status = PYRO_EXIT_FAILED;
    size_t alone = before->command_count - count_partners(before, after);
    if (judge_partners(before, after, options, &judgements) < 0) {
        pyro_print_note("no memory");
    } else if (judgements.count == 0) {
        pyro_print_note("'%s' and '%s' have no command or benchmark of the same name", paths[0],
                        paths[1]);
        status = PYRO_EXIT_USAGE;
    } else {
        if (alone)
            pyro_print_note("%zu of '%s' have none of their name in '%s'", alone, paths[0],
                            paths[1]);
        status = pyro_verdict_print(judgements.items, judgements.count, &options->verdict);
    }
    free(judgements.items);
    return status;
}

static int compare_files(char *const *paths, const struct options *options)
{
    struct pyro_bench before, after;
    struct pyro_error error = {0};
    if (pyro_bench_read(paths[0], &before, &error) < 0)
        return give_up(&error, PYRO_EXIT_FILE);
    if (pyro_bench_read(paths[1], &after, &error) < 0) {
        pyro_bench_free(&before);
        return give_up(&error, PYRO_EXIT_FILE);
    }
    int status = print_partners(&before, &after, paths, options);
    pyro_bench_free(&before);
    pyro_bench_free(&after);
    return status;
}

/* -- two recordings --------------------------------------------------------------------------- */

static bool is_recording(const char *path)
{
    char magic[PYRO_FILE_MAGIC_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, magic, sizeof(magic));
    if (fd >= 0)
        close(fd);
    return length == (ssize_t)sizeof(magic) && memcmp(magic, PYRO_FILE_MAGIC, sizeof(magic)) == 0;
}

static int compare_recordings(char *const *paths, const struct options *options)
{
    const struct pyro_diff_options diff_options = {.sort = PYRO_DIFF_BY_TIME};
    const struct pyro_judge_options *judge = &options->verdict.judge;
    struct pyro_error error = {0};
    struct pyro_pair pair;
    bool unreadable;
    struct pyro_judgement judgement = {
        .before = paths[0], .after = paths[1], .metric = judge->metric};
    if (judge->metric != PYRO_METRIC_WALL && !pyro_metric_is_counted(judge->metric)) {
        pyro_print_note(
            "recordings are compared by wall time, calls or queries: leave out --metric");
        return PYRO_EXIT_USAGE;
    }
    if (pyro_pair_open(&pair, paths[0], paths[1], &diff_options, &unreadable, &error) < 0)
        return give_up(&error, unreadable ? PYRO_EXIT_FILE : PYRO_EXIT_FAILED);
    pyro_compare_single((double)pair.profiles[PYRO_BEFORE]->counters.duration_us / 1e6,
                        (double)pair.profiles[PYRO_AFTER]->counters.duration_us / 1e6,
                        &judgement.metrics[PYRO_METRIC_WALL]);
    int status = PYRO_EXIT_FAILED;
    if (pyro_judge_recorded(&judgement, pair.diff, judge) < 0)
        pyro_print_note("no memory");
    else
        status = pyro_verdict_print(&judgement, 1, &options->verdict);
    if (judge->metric == PYRO_METRIC_WALL)
        pyro_print_note("one run each gives no verdict; use pyrometer bench");
    pyro_pair_close(&pair);
    return status;
}

/* -- the command ------------------------------------------------------------------------------ */

static int run_compare(const struct pyro_command *self, int argc, char **argv)
{
    struct options options;
    struct pyro_operands operands;
    int status;
    pyro_verdict_defaults(&options.verdict);
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (operands.count == 0) {
        pyro_print_note("compare: what? pyrometer compare FILE, or BEFORE AFTER");
        return PYRO_EXIT_USAGE;
    }
    if (operands.count == 1)
        return compare_within(operands.items[0], &options);
    if (is_recording(operands.items[0]) && is_recording(operands.items[1]))
        return compare_recordings(operands.items, &options);
    return compare_files(operands.items, &options);
}

const struct pyro_command pyro_command_compare = {
    .name = "compare",
    .group = "measure again",
    .summary = "faster, slower, same or undecided; keep or revert",
    .usage = {"compare FILE [--metric METRIC] [--margin PERCENT] [--fail-if WHAT] [--json]",
              "compare BEFORE AFTER [--metric METRIC] [--margin PERCENT] [--fail-if WHAT] "
              "[--json]"},
    .about =
        "Reads what `bench -o` wrote, and BEFORE and AFTER of pyperf and pytest-benchmark too. "
        "Shown are the change, the interval that holds the true change with 99 % confidence, and "
        "the verdict: faster or slower (the interval holds no zero, and the change is above the "
        "noise), same (the interval lies inside the margin), or undecided.\n\n"
        "keep: faster, the whole interval beyond the margin. revert: slower; or the same, since "
        "then the simpler code wins. Where memory went one way and time the other there is no word "
        "for both.\n\n"
        "Two files were measured at different times: nothing below 10 % is believed (25 % of "
        "pytest-benchmark, which measures in one process). Two recordings are one run each: what "
        "moved, and no verdict.\n\n"
        "Where `bench --record` made recordings, they tell why: the functions, lines and numbers "
        "of "
        "calls that moved (all of it: pyrometer diff). By calls or queries sent to a database "
        "(--metric calls, queries) it is decided by exact counts of one run each.",
    .examples = {"pyrometer compare r.json", "pyrometer compare r.json --metric peak --json",
                 "pyrometer compare r.json --fail-if slower:2%,undecided",
                 "pyrometer compare before.json after.json", "pyrometer compare a.pyro b.pyro",
                 "pyrometer compare a.pyro b.pyro --metric queries --fail-if slower"},
    .options = compare_options,
    .operands_max = 2,
    .run = run_compare,
};
