/* analyze/timed.c - rows and edges of calls that were timed: nothing is to be added up but the total. */
#include "analyze/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct pyro_stats_row timed_row(const struct pyro_timed_function *timed)
{
    return (struct pyro_stats_row){
        .repeated_by = PYRO_NO_ID,
        .function = timed->function,
        .tottime_s = timed->self_s,
        .cumtime_s = timed->total_s,
        .timed = true,
        .ncalls = timed->ncalls,
        .primitive_calls = timed->primitive_calls,
    };
}

/* A sampler wrote it: what stands there as calls are samples, and the times have the error of so few. */
static struct pyro_stats_row sampled_row(const struct pyro_timed_function *timed)
{
    uint64_t samples = timed->primitive_calls;
    return (struct pyro_stats_row){
        .repeated_by = PYRO_NO_ID,
        .function = timed->function,
        .tottime_s = timed->self_s,
        .cumtime_s = timed->total_s,
        .tottime_sigma_s = samples ? timed->self_s / sqrt((double)samples) : 0,
        .cumtime_sigma_s = timed->ncalls ? timed->total_s / sqrt((double)timed->ncalls) : 0,
        .samples_self = samples,
        .samples_total = timed->ncalls,
        .ncalls = PYRO_NO_CALLS,
        .primitive_calls = PYRO_NO_CALLS,
    };
}

static int take_rows(struct pyro_stats *stats)
{
    const struct pyro_profile *profile = stats->profile;
    stats->rows = calloc(profile->timed_function_count + 1, sizeof(*stats->rows));
    if (!stats->rows)
        return -ENOMEM;
    stats->row_count = profile->timed_function_count;
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_timed_function *timed = &profile->timed_functions[i];
        stats->rows[i] = profile->timed_by_samples ? sampled_row(timed) : timed_row(timed);
        stats->total_s += timed->self_s;
        stats->samples += stats->rows[i].samples_self;
        stats->ncalls += timed->ncalls;
        stats->primitive_calls += timed->primitive_calls;
    }
    if (profile->timed_by_samples)
        stats->ncalls = stats->primitive_calls = PYRO_NO_CALLS;
    return 0;
}

static int take_edges(struct pyro_stats *stats)
{
    const struct pyro_profile *profile = stats->profile;
    bool sampled = profile->timed_by_samples;
    stats->edges = calloc(profile->timed_edge_count + 1, sizeof(*stats->edges));
    if (!stats->edges)
        return -ENOMEM;
    stats->edge_count = profile->timed_edge_count;
    for (size_t i = 0; i < stats->edge_count; i++) {
        const struct pyro_timed_edge *timed = &profile->timed_edges[i];
        bool counted_only = isnan(timed->total_s);
        stats->edges[i] = (struct pyro_stats_edge){
            .caller = timed->caller,
            .callee = timed->callee,
            .time_s = timed->total_s,
            .self_s = timed->self_s,
            .time_sigma_s =
                sampled && timed->ncalls ? timed->total_s / sqrt((double)timed->ncalls) : 0,
            .samples = sampled ? timed->ncalls : 0,
            .ncalls = sampled ? PYRO_NO_CALLS : timed->ncalls,
            .primitive_calls = counted_only ? PYRO_NO_CALLS : timed->primitive_calls,
        };
    }
    return 0;
}

int pyro_stats_take_timed(struct pyro_stats *stats)
{
    int result = take_rows(stats);
    return result < 0 ? result : take_edges(stats);
}
