/* profile/costs.c - share the costs of counting out among stacks. */
#include "profile/costs.h"

#include "base/grow.h"
#include "base/map.h"
#include "profile/line_counts.h"

#include <errno.h>
#include <stdlib.h>

/* What is known of one caller and callee. */
struct edge {
    double starts_us; /* cost of the starts that were counted */
    double self_us;   /* sampled, the callee being innermost */
};

struct costs {
    const struct pyro_profile *profile;
    struct pyro_map ids; /* (caller, callee) -> edge */
    struct edge *edges;
    size_t count, capacity;
    double *calls_us; /* by function: cost of the call instructions in it */
    double *self_us;  /* by function: sampled */
    double *lines_us; /* by frame: cost of the events of its line */
    double *frame_us; /* by frame: sampled, it being innermost */
};

static struct edge *edge_between(struct costs *costs, uint32_t caller, uint32_t callee)
{
    bool is_new;
    uint64_t *id = pyro_map_insert(&costs->ids, caller, callee, &is_new);
    if (!id)
        return NULL;
    if (!is_new)
        return &costs->edges[*id];
    if (pyro_grow(&costs->edges, costs->count, &costs->capacity, sizeof(*costs->edges)) < 0)
        return NULL;
    *id = costs->count;
    costs->edges[costs->count] = (struct edge){0};
    return &costs->edges[costs->count++];
}

/* -- what was counted --------------------------------------------------------------------------- */

static bool is_c(const struct pyro_profile *profile, uint32_t function)
{
    return function == PYRO_NO_ID || profile->functions[function].kind == PYRO_FUNCTION_C;
}

static int add_calls(struct costs *costs, const struct pyro_calls *calls)
{
    const struct pyro_profile *profile = costs->profile;
    const struct pyro_probe *probe = &profile->probes[profile->threads[calls->thread].process];
    bool is_call = is_c(profile, calls->callee); /* an instruction; else a start */
    if (is_call) {
        if (calls->caller != PYRO_NO_ID)
            costs->calls_us[calls->caller] += (double)calls->count * probe->call_ns / 1000;
        return 0;
    }
    struct edge *edge = edge_between(costs, calls->caller, calls->callee);
    if (!edge)
        return -ENOMEM;
    edge->starts_us += (double)calls->count * probe->start_ns / 1000;
    return 0;
}

double pyro_costs_line_us(const struct pyro_profile *profile)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < profile->line_count; i++)
        hits += profile->lines[i].hits;
    return hits ? (double)profile->counters.lines_cost_us / (double)hits : 0;
}

static void add_lines(struct costs *costs, const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = costs->profile;
    double hit_us = pyro_costs_line_us(profile);
    for (size_t i = 0; hit_us > 0 && i < profile->frame_count; i++) {
        const struct pyro_frame *frame = &profile->frames[i];
        size_t at = pyro_line_counts_find(profile, frame->function, frame->line);
        for (; at < profile->line_count && profile->lines[at].function == frame->function &&
               profile->lines[at].line == frame->line;
             at++)
            if (pyro_totals_wants_thread(profile, filter, profile->lines[at].thread))
                costs->lines_us[i] += (double)profile->lines[at].hits * hit_us;
    }
}

/* -- what was sampled --------------------------------------------------------------------------- */

static struct edge *edge_of_stack(struct costs *costs, uint32_t stack)
{
    const struct pyro_profile *profile = costs->profile;
    uint32_t caller = pyro_profile_python_below(profile, profile->stacks[stack].parent);
    return edge_between(costs, pyro_profile_function_of(profile, caller),
                        pyro_profile_function_of(profile, stack));
}

static int add_stack(struct costs *costs, const struct pyro_stack_total *total, uint32_t stack)
{
    struct edge *edge = edge_of_stack(costs, stack);
    if (!edge)
        return -ENOMEM;
    edge->self_us += total->self_us;
    costs->self_us[pyro_profile_function_of(costs->profile, stack)] += total->self_us;
    costs->frame_us[costs->profile->stacks[stack].frame] += total->self_us;
    return 0;
}

/* -- taking out --------------------------------------------------------------------------------- */

/* The part of STACK's self time that was the probe's. */
static double share_of(struct costs *costs, uint32_t stack)
{
    const struct edge *edge = edge_of_stack(costs, stack);
    uint32_t function = pyro_profile_function_of(costs->profile, stack);
    uint32_t frame = costs->profile->stacks[stack].frame;
    double share = edge->starts_us / edge->self_us;
    share += costs->calls_us[function] / costs->self_us[function];
    share += costs->lines_us[frame] / costs->frame_us[frame];
    return share < 1 ? share : 1;
}

static void take_out(struct costs *costs, struct pyro_totals *totals, uint32_t stack)
{
    struct pyro_stack_total *total = &totals->stacks[stack];
    double removed_us = total->self_us * share_of(costs, stack);
    total->self_us -= removed_us;
    total->probe_us = removed_us;
    totals->functions[pyro_profile_function_of(costs->profile, stack)].probe_us += removed_us;
    totals->probe_us += removed_us;
    totals->counted_us -= removed_us;
}

int pyro_costs_take_out(struct pyro_totals *totals, const struct pyro_profile *profile,
                        const struct pyro_totals_filter *filter)
{
    if (!profile->probes || profile->call_count == 0)
        return 0;
    struct costs costs = {.profile = profile};
    costs.calls_us = calloc(profile->function_count + 1, sizeof(*costs.calls_us));
    costs.self_us = calloc(profile->function_count + 1, sizeof(*costs.self_us));
    costs.lines_us = calloc(profile->frame_count + 1, sizeof(*costs.lines_us));
    costs.frame_us = calloc(profile->frame_count + 1, sizeof(*costs.frame_us));
    bool room = costs.calls_us && costs.self_us && costs.lines_us && costs.frame_us;
    int error = room ? 0 : -ENOMEM;
    if (room)
        add_lines(&costs, filter);
    for (size_t i = 0; error == 0 && i < profile->call_count; i++)
        if (pyro_totals_wants_thread(profile, filter, profile->calls[i].thread))
            error = add_calls(&costs, &profile->calls[i]);
    for (uint32_t i = 1; error == 0 && i < profile->stack_count; i++)
        if (totals->stacks[i].self_us > 0)
            error = add_stack(&costs, &totals->stacks[i], i);
    for (uint32_t i = 1; error == 0 && i < profile->stack_count; i++)
        if (totals->stacks[i].self_us > 0)
            take_out(&costs, totals, i);
    free(costs.calls_us);
    free(costs.self_us);
    free(costs.lines_us);
    free(costs.frame_us);
    free(costs.edges);
    pyro_map_free(&costs.ids);
    return error;
}
