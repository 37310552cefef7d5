/* cli/verdict.h - what bench and compare share: their options about a verdict, and how they print
 * it. */
#ifndef PYRO_CLI_VERDICT_H
#define PYRO_CLI_VERDICT_H

#include "bench/bench.h"
#include "cli/options.h"
#include "cli/pair.h"

struct pyro_verdict_options {
    struct pyro_judge_options judge;
    struct pyro_fail_if fail_if;
    bool json;
};

/* The rows of a table of options; STRUCTURE has a member `verdict` of the type above. */
#define PYRO_VERDICT_OPTIONS(structure)                                                           \
    {.name = "metric",                                                                            \
     .value = "METRIC",                                                                           \
     .purpose = "to choose what is compared",                                                     \
     .summary =                                                                                   \
         "decide by this alone: wall, cpu, peak (memory), growth (of memory), calls "             \
         "or queries (exact, of recordings); default: wall, and peak where it moves by over 5 %", \
     .choices = "wall cpu peak growth calls queries",                                             \
     .parse = pyro_parse_metric,                                                                  \
     .field = offsetof(structure, verdict.judge)},                                                \
        {.name = "margin",                                                                        \
         .value = "PERCENT",                                                                      \
         .summary = "what is too small to matter (default 1%)",                                   \
         .parse = pyro_parse_percent,                                                             \
         .field = offsetof(structure, verdict.judge.compare.margin)},                             \
        {.name = "fail-if",                                                                       \
         .value = "WHAT",                                                                         \
         .summary =                                                                               \
             "end with status 5 if so: slower, slower:2%, faster, same, undecided; several "      \
             "with commas. The whole interval must lie beyond the percentage",                    \
         .parse = pyro_parse_fail_if,                                                             \
         .field = offsetof(structure, verdict.fail_if)},                                          \
    {                                                                                             \
        .letter = 'j', .name = "json", .summary = "print the verdict as JSON (docs/json.md)",     \
        .parse = pyro_parse_switch, .field = offsetof(structure, verdict.json)                    \
    }

void pyro_verdict_defaults(struct pyro_verdict_options *options);
/* Have two recordings explain JUDGEMENT, by PAIR, which must outlive it. What cannot be read is told, and explains
 * nothing. */
void pyro_verdict_explain(struct pyro_judgement *judgement, const char *before, const char *after,
                          struct pyro_pair *pair, const struct pyro_verdict_options *options);
/* Print the judgements; the exit status that --fail-if asks for. */
int pyro_verdict_print(const struct pyro_judgement *judgements, size_t count,
                       const struct pyro_verdict_options *options);

int pyro_parse_percent(const char *text, void *field,
                       struct pyro_error *error); /* double: 1%, 0.5 */
int pyro_parse_metric(const char *text, void *field,
                      struct pyro_error *error); /* struct pyro_judge_options */
int pyro_parse_fail_if(const char *text, void *field,
                       struct pyro_error *error); /* struct pyro_fail_if */

#endif
