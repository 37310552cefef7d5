/* cli/stats.c - `pyrometer stats`: ask a recording where the time went. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "cli/print.h"
#include "cli/store.h"
#include "formats/import.h"

#include <limits.h>
#include <string.h>

static const struct pyro_option stats_options[] = {
    {.letter = 's',
     .name = "sort",
     .value = "KEY",
     .purpose = "to sort",
     .summary =
         "sort by cumulative (default), tottime, calls, pcalls, name, filename, module, line, "
         "nfl or stdname: pstats' keys",
     .choices = "cumulative tottime calls pcalls name filename module line nfl stdname",
     .parse = pyro_parse_sort,
     .field = offsetof(struct pyro_question, sort)},
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .purpose = "to limit the rows",
     .summary = "show N rows (default 20; 0: all), or with 0.1 a tenth of them",
     .parse = pyro_parse_limit,
     .field = offsetof(struct pyro_question, limit)},
    {.name = "only",
     .value = "RE",
     .purpose = "to choose rows",
     .summary = "show only functions that match",
     .parse = pyro_parse_regex,
     .field = offsetof(struct pyro_question, only)},
    {.name = "callers",
     .value = "RE",
     .purpose = "to see callers",
     .summary = "show who calls the functions that match",
     .parse = pyro_parse_regex,
     .field = offsetof(struct pyro_question, callers)},
    {.name = "callees",
     .value = "RE",
     .purpose = "to see callees",
     .summary = "show whom the functions that match call",
     .parse = pyro_parse_regex,
     .field = offsetof(struct pyro_question, callees)},
    {.name = "clock",
     .value = "CLOCK",
     .purpose = "to choose the time that counts",
     .summary = "which time: wall (default), cpu, gil (holding the GIL) or wait",
     .choices = "wall cpu gil wait",
     .parse = pyro_parse_clock,
     .field = offsetof(struct pyro_question, clock)},
    {.letter = 'i',
     .name = "idle",
     .summary = "count parked threads too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct pyro_question, idle)},
    {.name = "by",
     .value = "WHAT",
     .purpose = "to divide the table",
     .summary = "a table for each thread or each process",
     .choices = "thread process",
     .parse = pyro_parse_split,
     .field = offsetof(struct pyro_question, split)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct pyro_question, json)},
    {0},
};

/* What only samples can tell, if QUESTION asks for it; else NULL. */
static const char *needs_samples(const struct pyro_question *question)
{
    if (question->clock != PYRO_CLOCK_WALL)
        return "--clock";
    if (question->split != PYRO_SPLIT_NONE)
        return "--by";
    return question->idle ? "--idle" : NULL;
}

static int print_answer(const struct pyro_profile *profile, const struct pyro_question *question)
{
    struct pyro_error error = {0};
    int code = pyro_question_answer(stdout, profile, question, &error);
    if (code == 0 && !question->json && !profile->timed) {
        struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
        fputc('\n', stdout);
        pyro_report_quality(stdout, profile, &style);
    }
    if (code < 0)
        pyro_print_error(&error);
    bool written = pyro_print_finish(stdout);
    return code == 0 && written ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int answer(const char *const *paths, size_t count, const struct pyro_question *question)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    if (pyro_import(paths, count, &profile, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    const char *option = profile->timed ? needs_samples(question) : NULL;
    int status = PYRO_EXIT_USAGE;
    if (profile->stateless && question->clock != PYRO_CLOCK_WALL)
        pyro_print_note("'%s' does not tell who ran and who waited: leave out --clock", paths[0]);
    else if (option)
        pyro_print_note("'%s' holds calls and their times, no samples of threads: leave out %s",
                        paths[0], option);
    else
        status = print_answer(profile, question);
    pyro_profile_free(profile);
    return status;
}

static int run_stats(const struct pyro_command *self, int argc, char **argv)
{
    struct pyro_question question = {.limit.rows = PYRO_QUESTION_ROWS};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &question, &operands, &status))
        return status;
    if (operands.count)
        return answer((const char *const *)operands.items, (size_t)operands.count, &question);
    if (pyro_store_last(last, sizeof(last), &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    return answer((const char *const[]){last}, 1, &question);
}

const struct pyro_command pyro_command_stats = {
    .name = "stats",
    .group = "ask a recording",
    .summary = "print a table of functions: where the time went",
    .usage = {"stats [FILE...] [-s KEY] [-n N] [--only RE] [--callers RE] [--callees RE] "
              "[--clock CLOCK] [--json]"},
    .about =
        "Reads a recording that `run` or `record` made; without FILE the last one. The columns and "
        "sort keys are those of pstats. One recording answers for wall time, CPU, the GIL and "
        "waiting. RE is a POSIX extended regular expression over the names as they are shown; one "
        "that begins with / is over whole paths, too.\n\n"
        "Reads the .prof files of cProfile, profile and profiling.tracing too, with their exact "
        "calls and times, and those of profiling.sampling. Several are added up as pstats does. "
        "They know neither clocks nor threads.\n\n"
        "And stacks of other tools: collapsed (py-spy's raw, Austin's, profiling.sampling's), "
        "speedscope's JSON, pprof's, gzipped or not. The content tells which, not the name. What "
        "has no times has its samples taken for a millisecond each, and says so.",
    .examples = {"pyrometer stats -s tottime -n 10", "pyrometer stats app.pyro --callers execute",
                 "pyrometer stats --clock cpu --json",
                 "pyrometer stats a.prof b.prof -s ncalls -n 0.1"},
    .options = stats_options,
    .operands_max = INT_MAX,
    .run = run_stats,
};
