/* bench/judge.c - from runs to comparisons, and what they say together. */
#include "bench/bench.h"

#include "analyze/sent.h"
#include "bench/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const struct pyro_comparison nothing = {
    .ratio = NAN,
    .ci_low = NAN,
    .ci_high = NAN,
    .confidence = NAN,
    .noise = NAN,
    .smallest_visible = NAN,
};

/* Runs stand in the order of their rounds, so that one pass finds the pairs: LAST is what was seen
 * of each side. */
static size_t find_pairs(const struct pyro_bench *bench, size_t before, size_t after,
                         enum pyro_metric metric, double *before_values, double *after_values)
{
    const struct pyro_bench_run *last[2] = {NULL, NULL};
    size_t count = 0;
    for (size_t i = 0; i < bench->run_count; i++) {
        const struct pyro_bench_run *run = &bench->runs[i];
        if (run->warmup || (run->command != before && run->command != after))
            continue;
        last[run->command == after] = run;
        if (!last[0] || !last[1] || last[0]->round != last[1]->round)
            continue;
        before_values[count] = pyro_bench_value(last[0], metric);
        after_values[count] = pyro_bench_value(last[1], metric);
        count += pyro_bench_known(before_values[count]) && pyro_bench_known(after_values[count]);
    }
    return count;
}

int pyro_bench_compare(const struct pyro_bench *bench, size_t before, size_t after,
                       enum pyro_metric metric, const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison)
{
    double *values = reallocarray(NULL, bench->run_count + 1, 2 * sizeof(*values));
    if (!values)
        return -ENOMEM;
    double *second = values + bench->run_count + 1;
    size_t count = find_pairs(bench, before, after, metric, values, second);
    *ret_comparison = nothing;
    int code = count ? pyro_compare_pairs(values, second, count, options, ret_comparison) : 0;
    free(values);
    return code;
}

int pyro_bench_compare_files(const struct pyro_bench *before, size_t before_command,
                             const struct pyro_bench *after, size_t after_command,
                             enum pyro_metric metric, const struct pyro_compare_options *options,
                             struct pyro_comparison *ret_comparison)
{
    double *values = reallocarray(NULL, before->run_count + after->run_count + 1, sizeof(*values));
    if (!values)
        return -ENOMEM;
    double *second = values + before->run_count;
    size_t count = pyro_bench_values(before, before_command, metric, values);
    size_t second_count = pyro_bench_values(after, after_command, metric, second);
    bool one_process = before->one_process || after->one_process;
    *ret_comparison = nothing;
    int code =
        count && second_count
            ? pyro_compare_apart(values, count, second, second_count,
                                 one_process ? PYRO_COMPARE_DRIFT_ONE_PROCESS : PYRO_COMPARE_DRIFT,
                                 options, ret_comparison)
            : 0;
    free(values);
    return code;
}

/* -- together --------------------------------------------------------------------------------- */

static bool is_better(const struct pyro_comparison *comparison, double margin)
{
    return comparison->verdict == PYRO_VERDICT_FASTER && comparison->ci_high < 1 - margin;
}

static bool is_worse(const struct pyro_comparison *comparison, double margin)
{
    return comparison->verdict == PYRO_VERDICT_SLOWER && comparison->ci_low > 1 + margin;
}

/* Time decides, unless it is as before or memory moved the other way. */
static void decide(struct pyro_judgement *judgement, double margin)
{
    const struct pyro_comparison *time = &judgement->metrics[PYRO_METRIC_WALL];
    const struct pyro_comparison *peak = &judgement->metrics[PYRO_METRIC_PEAK];
    double peak_margin = margin > PYRO_JUDGE_PEAK_MARGIN ? margin : PYRO_JUDGE_PEAK_MARGIN;
    bool less_memory = is_better(peak, peak_margin), more_memory = is_worse(peak, peak_margin);
    judgement->keep = time->keep;
    judgement->tradeoff = (is_better(time, margin) && more_memory) ||
                          (time->verdict == PYRO_VERDICT_SLOWER && less_memory);
    if (judgement->tradeoff)
        judgement->keep = PYRO_KEEP_UNKNOWN;
    else if (time->verdict == PYRO_VERDICT_SAME && less_memory)
        judgement->keep = PYRO_KEEP;
}

int pyro_judge(const struct pyro_bench *before, size_t before_command,
               const struct pyro_bench *after, size_t after_command,
               const struct pyro_judge_options *options, struct pyro_judgement *ret_judgement)
{
    bool in_turn = before == after && !before->foreign && !before->one_process;
    *ret_judgement = (struct pyro_judgement){
        .before = before->commands[before_command].name,
        .after = after->commands[after_command].name,
        .metric = options->metric,
    };
    for (int i = 0; i < PYRO_METRIC_COUNT; i++) {
        enum pyro_metric metric = (enum pyro_metric)i;
        struct pyro_comparison *comparison = &ret_judgement->metrics[i];
        int code = in_turn ? pyro_bench_compare(before, before_command, after_command, metric,
                                                &options->compare, comparison)
                           : pyro_bench_compare_files(before, before_command, after, after_command,
                                                      metric, &options->compare, comparison);
        if (code < 0)
            return code;
    }
    if (options->one_metric)
        ret_judgement->keep = ret_judgement->metrics[options->metric].keep;
    else
        decide(ret_judgement, options->compare.margin);
    return 0;
}

/* Where neither side sent any, there is nothing to compare. */
static int count_queries(struct pyro_judgement *judgement, const struct pyro_diff *why,
                         double margin)
{
    uint64_t counts[PYRO_SIDES];
    bool known[PYRO_SIDES], drivers = true;
    int code = 0;
    for (int side = 0; side < PYRO_SIDES; side++)
        drivers = drivers && pyro_sent_by_drivers_known(why->profile[side]);
    for (int side = 0; code == 0 && side < PYRO_SIDES; side++)
        code = pyro_sent_queries(why->profile[side], drivers, &counts[side], &known[side]);
    if (code == 0 && known[PYRO_BEFORE] && known[PYRO_AFTER] &&
        (counts[PYRO_BEFORE] || counts[PYRO_AFTER]))
        pyro_compare_counts((double)counts[PYRO_BEFORE], (double)counts[PYRO_AFTER], margin,
                            &judgement->metrics[PYRO_METRIC_QUERIES]);
    return code;
}

int pyro_judge_recorded(struct pyro_judgement *judgement, const struct pyro_diff *why,
                        const struct pyro_judge_options *options)
{
    double calls[PYRO_SIDES];
    judgement->why = why;
    if (pyro_diff_all_calls(why, calls))
        pyro_compare_counts(calls[PYRO_BEFORE], calls[PYRO_AFTER], options->compare.margin,
                            &judgement->metrics[PYRO_METRIC_CALLS]);
    int code = count_queries(judgement, why, options->compare.margin);
    if (options->one_metric && pyro_metric_is_counted(options->metric))
        judgement->keep = judgement->metrics[options->metric].keep;
    return code;
}

bool pyro_judgement_fails(const struct pyro_judgement *judgement,
                          const struct pyro_fail_if *fail_if)
{
    const struct pyro_comparison *comparison = &judgement->metrics[judgement->metric];
    switch (comparison->verdict) {
    case PYRO_VERDICT_FASTER:
        return fail_if->faster && comparison->ci_high < 1 - fail_if->faster_by;
    case PYRO_VERDICT_SLOWER:
        return fail_if->slower && comparison->ci_low > 1 + fail_if->slower_by;
    case PYRO_VERDICT_SAME:
        return fail_if->same;
    default:
        return fail_if->undecided;
    }
}
