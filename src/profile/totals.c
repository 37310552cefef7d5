/* profile/totals.c - one pass over samples, one sweep over stacks, one walk over their tree.
 *
 * The walk is what keeps recursion cheap: going down it counts how often each function and each pair is
 * on the path, so that only the outermost one takes the time of the whole subtree. */
#include "profile/totals.h"

#include "base/map.h"
#include "profile/costs.h"
#include "profile/traced.h"
#include "profile/walk.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool pyro_totals_wants(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                       size_t sample)
{
    return pyro_sample_time_us(profile, sample) >= filter->since_us &&
           pyro_totals_wants_thread(profile, filter, pyro_sample_thread(profile, sample));
}

bool pyro_totals_wants_thread(const struct pyro_profile *profile,
                              const struct pyro_totals_filter *filter, uint32_t thread)
{
    if (filter->thread != PYRO_NO_ID && filter->thread != thread)
        return false;
    return filter->pid == 0 ||
           profile->processes[profile->threads[thread].process].pid == filter->pid;
}

double pyro_totals_error_us(double time_us, double squares_us2, double all_us)
{
    double share = all_us > 0 ? time_us / all_us : 0;
    return sqrt(squares_us2 * (share < 1 ? 1 - share : 0));
}

static void add_sum(struct pyro_totals *totals, const struct pyro_profile *profile,
                    const struct pyro_sample_sum *sum)
{
    struct pyro_stack_total *stack = &totals->stacks[sum->stack];
    totals->counted_us += sum->weight_us;
    totals->counted_samples += sum->count;
    stack->self_us += sum->weight_us;
    stack->self_samples += sum->count;
    stack->tree_squares_us2 += sum->squares_us2;
    if (sum->stack != PYRO_STACK_ROOT)
        totals->functions[pyro_profile_function_of(profile, sum->stack)].self_squares_us2 +=
            sum->squares_us2;
}

static void add_samples(struct pyro_totals *totals, const struct pyro_clock_view *view,
                        const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    const struct pyro_profile_samples *samples = &profile->samples;
    if (samples->sums && filter->since_us == 0) {
        for (size_t i = 0; i < samples->sum_count; i++) {
            const struct pyro_sample_sum *sum = &samples->sums[i];
            if (pyro_totals_wants_thread(profile, filter, samples->kinds[sum->kind].thread) &&
                pyro_clock_counts_sum(view, sum))
                add_sum(totals, profile, sum);
        }
        return;
    }
    for (size_t i = 0; i < samples->count; i++) {
        if (!pyro_totals_wants(profile, filter, i) || !pyro_clock_counts(view, i))
            continue;
        double weight_us = (double)pyro_sample_weight_us(profile, i);
        add_sum(totals, profile,
                &(struct pyro_sample_sum){.stack = pyro_sample_stack(profile, i),
                                          .count = 1,
                                          .weight_us = weight_us,
                                          .squares_us2 = weight_us * weight_us});
    }
}

/* A parent has a smaller id than its children, so one sweep from the end carries all sums to the root. */
static void add_up_tree(struct pyro_totals *totals, const struct pyro_profile *profile)
{
    struct pyro_stack_total *stacks = totals->stacks;
    for (size_t i = 0; i < profile->stack_count; i++) {
        stacks[i].tree_us = stacks[i].self_us;
        stacks[i].tree_samples = stacks[i].self_samples;
    }
    for (size_t i = profile->stack_count; i-- > 1;) {
        struct pyro_stack_total *parent = &stacks[profile->stacks[i].parent];
        parent->tree_us += stacks[i].tree_us;
        parent->tree_samples += stacks[i].tree_samples;
        parent->tree_squares_us2 += stacks[i].tree_squares_us2;
    }
}

/* What is on the path from the root to the current node. */
struct walk {
    const struct pyro_profile *profile;
    struct pyro_totals *totals;
    uint32_t *stack_edge;       /* [stack_count] into totals->edges */
    uint32_t *function_on_path; /* [function_count] how often */
    uint32_t *edge_on_path;     /* [edge_capacity] */
    size_t edge_capacity;
    struct pyro_map edge_ids; /* (caller, callee) -> edge */
};

static bool grow_edges(struct walk *walk)
{
    size_t capacity = walk->edge_capacity ? walk->edge_capacity * 2 : 256;
    struct pyro_edge_total *edges =
        reallocarray(walk->totals->edges, capacity, sizeof(*walk->totals->edges));
    if (!edges)
        return false;
    walk->totals->edges = edges;
    uint32_t *on_path = reallocarray(walk->edge_on_path, capacity, sizeof(*on_path));
    if (!on_path)
        return false;
    walk->edge_on_path = on_path;
    walk->edge_capacity = capacity;
    return true;
}

/* The edge from CALLER to CALLEE, made when new; PYRO_NO_ID when out of memory. */
static uint32_t edge_between(struct walk *walk, uint32_t caller, uint32_t callee)
{
    bool is_new;
    uint64_t *id = pyro_map_insert(&walk->edge_ids, caller, callee, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    struct pyro_totals *totals = walk->totals;
    if (totals->edge_count == walk->edge_capacity && !grow_edges(walk))
        return PYRO_NO_ID;
    totals->edges[totals->edge_count] =
        (struct pyro_edge_total){.caller = caller, .callee = callee};
    walk->edge_on_path[totals->edge_count] = 0;
    *id = totals->edge_count;
    return (uint32_t)totals->edge_count++;
}

/* Stacks without time are left out: a filter may hide most of them. */
static bool has_time(void *context, uint32_t stack)
{
    const struct walk *walk = context;
    return walk->totals->stacks[stack].tree_samples > 0;
}

static bool enter_stack(void *context, uint32_t stack)
{
    struct walk *walk = context;
    const struct pyro_stack_total *node = &walk->totals->stacks[stack];
    uint32_t function_id = pyro_profile_function_of(walk->profile, stack);
    uint32_t below = pyro_profile_python_below(walk->profile, walk->profile->stacks[stack].parent);
    uint32_t caller = pyro_profile_function_of(walk->profile, below);
    uint32_t edge_id = edge_between(walk, caller, function_id);
    if (edge_id == PYRO_NO_ID)
        return false;
    walk->stack_edge[stack] = edge_id;
    struct pyro_function_total *function = &walk->totals->functions[function_id];
    struct pyro_edge_total *edge = &walk->totals->edges[edge_id];
    function->self_us += node->self_us;
    function->self_samples += node->self_samples;
    edge->self_us += node->self_us;
    edge->self_samples += node->self_samples;
    if (walk->function_on_path[function_id]++ == 0) {
        function->total_us += node->tree_us;
        function->total_samples += node->tree_samples;
        function->total_squares_us2 += node->tree_squares_us2;
    }
    if (walk->edge_on_path[edge_id]++ == 0) {
        edge->total_us += node->tree_us;
        edge->total_samples += node->tree_samples;
        edge->total_squares_us2 += node->tree_squares_us2;
    }
    return true;
}

static void leave_stack(void *context, uint32_t stack)
{
    struct walk *walk = context;
    walk->function_on_path[pyro_profile_function_of(walk->profile, stack)]--;
    walk->edge_on_path[walk->stack_edge[stack]]--;
}

static int add_up_functions(struct pyro_totals *totals, const struct pyro_profile *profile)
{
    struct walk walk = {.profile = profile, .totals = totals};
    const struct pyro_walk stacks = {profile, has_time, enter_stack, leave_stack, &walk};
    int result = -ENOMEM;
    walk.stack_edge = calloc(profile->stack_count + 1, sizeof(*walk.stack_edge));
    walk.function_on_path = calloc(profile->function_count + 1, sizeof(*walk.function_on_path));
    if (walk.stack_edge && walk.function_on_path)
        result = pyro_walk_stacks(&stacks);
    free(walk.stack_edge);
    free(walk.function_on_path);
    free(walk.edge_on_path);
    pyro_map_free(&walk.edge_ids);
    return result;
}

/* Wall time of what was traced is what the tracer measured; everything else is sampled, and without what counting cost. */
static int add_up_stacks(struct pyro_totals *totals, const struct pyro_clock_view *view,
                         const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    totals->stacks = calloc(profile->stack_count + 1, sizeof(*totals->stacks));
    totals->functions = calloc(profile->function_count + 1, sizeof(*totals->functions));
    if (!totals->stacks || !totals->functions)
        return -ENOMEM;
    totals->traced = pyro_traced_answers(view);
    if (totals->traced)
        return pyro_traced_add_up(totals, view, filter);
    add_samples(totals, view, filter);
    bool waiting = view->clock == PYRO_CLOCK_WAIT; /* the probe does not */
    return waiting ? 0 : pyro_costs_take_out(totals, profile, filter);
}

int pyro_totals_init(struct pyro_totals *totals, const struct pyro_clock_view *view,
                     const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    *totals = (struct pyro_totals){0};
    int result = add_up_stacks(totals, view, filter);
    if (result == 0) {
        add_up_tree(totals, profile);
        result = add_up_functions(totals, profile);
    }
    if (result < 0)
        pyro_totals_clear(totals);
    return result;
}

int pyro_totals_probe_us(const struct pyro_profile *profile, double *ret_us)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    *ret_us = 0;
    if (!profile->probes)
        return 0;
    int result = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    pyro_clock_view_clear(&view);
    if (result < 0)
        return result;
    *ret_us = totals.probe_us;
    pyro_totals_clear(&totals);
    return 0;
}

int pyro_totals_left(const struct pyro_clock_view *view, float **ret_left)
{
    const struct pyro_profile *profile = view->profile;
    struct pyro_totals totals = {0};
    *ret_left = NULL;
    if (!profile->probes || pyro_traced_answers(view))
        return 0;
    float *left = calloc(profile->stack_count + 1, sizeof(*left));
    int result = left ? add_up_stacks(&totals, view, &PYRO_TOTALS_ALL) : -ENOMEM;
    for (size_t i = 0; result == 0 && i < profile->stack_count; i++) {
        double before_us = totals.stacks[i].self_us + totals.stacks[i].probe_us;
        left[i] = before_us > 0 ? (float)(totals.stacks[i].self_us / before_us) : 1;
    }
    pyro_totals_clear(&totals);
    if (result < 0)
        free(left);
    else
        *ret_left = left;
    return result;
}

void pyro_totals_clear(struct pyro_totals *totals)
{
    free(totals->stacks);
    free(totals->functions);
    free(totals->edges);
    *totals = (struct pyro_totals){0};
}
