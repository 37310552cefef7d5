/* cli/memory.c - `pyrometer memory`: which lines allocated what. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/store.h"
#include "formats/import.h"
#include "report/memory.h"
#include "report/timeline.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define ROWS_SHOWN 10

struct options {
    struct pyro_report_memory choice;
    bool leaks, temporary, json;
};

static int parse_by(const char *text, void *field, struct pyro_error *error)
{
    static const char *const names[] = {"", "line", "function", "file"};
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            *(enum pyro_memory_by *)field = (enum pyro_memory_by)i;
            return 0;
        }
    return pyro_error_set(error, -EINVAL, "cannot show rows by '%s': say line, function or file",
                          text);
}

static const struct pyro_option memory_options[] = {
    {.name = "by",
     .value = "WHAT",
     .purpose = "to choose the rows",
     .choices = "line function file",
     .summary = "rows of what each allocated itself, not in what it called, by line, function or "
                "file (default: a table for each function, its lines with what they called)",
     .parse = parse_by,
     .field = offsetof(struct options, choice.by)},
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .purpose = "to limit the rows",
     .summary = "show N rows or tables (default 10; 0: all), or with 0.1 a tenth of them",
     .parse = pyro_parse_limit,
     .field = offsetof(struct options, choice.limit)},
    {.name = "peak",
     .summary = "what was held when the most was alive (default)",
     .parse = pyro_parse_nothing},
    {.name = "leaks",
     .summary = "what was still alive when the program ended",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, leaks)},
    {.name = "temporary",
     .summary = "what was freed before its thread allocated anything else",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, temporary)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {0},
};

/* Of `run --rss`: nothing else is known. */
static int print_timeline(const struct pyro_profile *profile, const struct options *options)
{
    const struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
    struct pyro_timeline *timeline = NULL;
    struct pyro_error error = {0};
    int code = pyro_timeline_make(profile, &timeline, &error);
    if (code == 0 && options->json)
        code = pyro_report_timeline_json(stdout, timeline, &error);
    else if (code == 0)
        code = pyro_report_timeline(stdout, timeline, &options->choice.limit, &style, &error);
    pyro_timeline_free(timeline);
    if (code < 0)
        pyro_print_error(&error);
    return pyro_print_finish(stdout) && code == 0 ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int print_memory(const struct pyro_profile *profile, const struct options *options)
{
    const struct pyro_report_style style = pyro_print_style(stdout, profile->info.directory);
    struct pyro_allocations *memory = NULL;
    struct pyro_error error = {0};
    bool rows = options->choice.by || options->leaks || options->temporary;
    if (!profile->heaps && profile->look_count && !rows)
        return print_timeline(profile, options);
    int code = pyro_allocations_make(profile, &memory, &error);
    if (code == 0 && options->json)
        code = pyro_report_memory_json(stdout, memory, &error);
    else if (code == 0)
        code = pyro_report_memory(stdout, memory, &options->choice, &style, &error);
    if (code == 0 && !options->json) {
        fputc('\n', stdout);
        pyro_report_quality(stdout, profile, &style);
    }
    pyro_allocations_free(memory);
    if (code < 0)
        pyro_print_error(&error);
    if (code == -ENODATA)
        return PYRO_EXIT_FILE;
    return pyro_print_finish(stdout) && code == 0 ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int run_memory(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.choice = {.over_time = true, .limit.rows = ROWS_SHOWN}};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    struct pyro_profile *profile = NULL;
    char last[PATH_MAX];
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (options.leaks && options.temporary) {
        pyro_error_set(&error, -EINVAL, "memory: --leaks or --temporary, not both");
        pyro_print_error(&error);
        return PYRO_EXIT_USAGE;
    }
    options.choice.order = options.leaks       ? PYRO_MEMORY_LEAKS
                           : options.temporary ? PYRO_MEMORY_TEMPORARY
                                               : PYRO_MEMORY_PEAK;
    const char *path =
        pyro_store_given_or_last(operands.count ? operands.items[0] : NULL, last, &error);
    if (!path || pyro_import_looks(path, &profile, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FILE;
    }
    status = print_memory(profile, &options);
    pyro_profile_free(profile);
    return status;
}

const struct pyro_command pyro_command_memory = {
    .name = "memory",
    .group = "ask a recording",
    .summary = "print which lines allocated the memory: at the peak, and what was left",
    .usage = {"memory [FILE] [--by line|function|file] [-n N] [--peak|--leaks|--temporary] "
              "[--json]"},
    .about =
        "Reads a recording that `run --memory` made; without FILE the last one. Every allocation "
        "and every free by Python's allocators and by C code was seen, so sizes and counts are "
        "exact, and so is "
        "the peak: the moment at which the most was alive, with who held it then. With "
        "--memory=sampled all of that is estimated from a random sample, and stands with a range "
        "in which the truth is with 95 % confidence, each for itself.\n\n"
        "Tables of functions show lines with what they called, as memory_profiler does; rows of "
        "--by line are what the line itself allocated, as tracemalloc has it. A block that is "
        "moved by realloc is freed and allocated anew. What a thread allocates in which no Python "
        "code runs is that of <native>; what an allocator that is linked into a library does "
        "within is seen only as the pages it maps.\n\n"
        "First a chart of what was alive and resident over time, and which lines had it at some "
        "moments: "
        "looked at from outside, ten times a second at first. Of a recording of `run --rss` what "
        "was "
        "resident, and the processes.",
    .examples = {"pyrometer run --memory app.py", "pyrometer memory",
                 "pyrometer memory --by line -n 20 --leaks", "pyrometer memory app.pyro --json"},
    .options = memory_options,
    .operands_max = 1,
    .run = run_memory,
};
