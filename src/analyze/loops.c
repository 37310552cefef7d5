/* analyze/loops.c - where something is called again and again: by exact counts, its line by samples. */
#include "analyze/rule.h"

#define CLIMB_MAX      64
#define DOMINANT_SHARE 0.8 /* of the calls of a function: that caller stands for all */

/* The first edge into CALLEE; they are sorted by callee. */
static size_t first_edge(const struct pyro_counted *counted, uint32_t callee)
{
    size_t low = 0, high = counted->edge_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (counted->edges[middle].callee < callee)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Who calls FUNCTION, nearly always; PYRO_NO_ID: nobody does. */
static uint32_t dominant_caller(const struct pyro_counted *counted, uint32_t function)
{
    for (size_t i = first_edge(counted, function);
         i < counted->edge_count && counted->edges[i].callee == function; i++)
        if ((double)counted->edges[i].ncalls >= DOMINANT_SHARE * (double)counted->ncalls[function])
            return counted->edges[i].caller;
    return PYRO_NO_ID;
}

uint64_t pyro_loop_calls(const struct pyro_rule_context *context, uint32_t function,
                         uint32_t callee)
{
    const struct pyro_counted *counted = &context->counted;
    for (size_t i = first_edge(counted, callee);
         i < counted->edge_count && counted->edges[i].callee == callee; i++)
        if (counted->edges[i].caller == function)
            return counted->edges[i].ncalls;
    return 0;
}

struct pyro_loop pyro_loop_find(const struct pyro_rule_context *context, uint32_t function,
                                uint32_t callee, uint64_t count, uint64_t least)
{
    const struct pyro_counted *counted = &context->counted;
    for (int i = 0; i < CLIMB_MAX && function != PYRO_NO_ID; i++) {
        uint64_t calls = counted->ncalls[function];
        if (i > 0)
            count = pyro_loop_calls(context, function, callee);
        if (!calls)
            break;
        if (count / calls >= least)
            return (struct pyro_loop){function, callee, count, count / calls};
        uint32_t caller = dominant_caller(counted, function);
        callee = function;
        function = caller;
    }
    return (struct pyro_loop){PYRO_NO_ID, PYRO_NO_ID, 0, 0};
}

uint32_t pyro_loop_line(const struct pyro_rule_context *context, uint32_t function, uint32_t callee)
{
    const struct pyro_profile *profile = context->profile;
    struct pyro_map times = {0}; /* line -> microseconds */
    uint32_t best = 0;
    uint64_t best_us = 0;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        uint32_t below = profile->stacks[i].parent;
        if (pyro_profile_function_of(profile, i) != callee ||
            pyro_profile_function_of(profile, below) != function)
            continue;
        uint32_t line = profile->frames[profile->stacks[below].frame].line;
        uint64_t *time_us = pyro_map_insert(&times, line, 0, NULL);
        if (!time_us)
            break;
        *time_us += (uint64_t)context->totals.stacks[i].tree_us;
        if (*time_us > best_us) {
            best_us = *time_us;
            best = line;
        }
    }
    pyro_map_free(&times);
    return best;
}

double pyro_loop_time_s(const struct pyro_rule_context *context, uint32_t function, uint32_t callee)
{
    const struct pyro_totals *totals = &context->totals;
    for (size_t i = 0; i < totals->edge_count; i++)
        if (totals->edges[i].caller == function && totals->edges[i].callee == callee)
            return totals->edges[i].total_us / 1e6;
    return 0;
}
