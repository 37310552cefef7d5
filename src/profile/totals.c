/* profile/totals.c - one pass over samples, one sweep over stacks, one walk over their tree.
 *
 * The walk is what keeps recursion cheap: going down it counts how often each function and each pair is
 * on the path, so that only the outermost one takes the time of the whole subtree. */
#include "profile/totals.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

bool pyro_totals_wants(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                       size_t sample)
{
    uint32_t thread = pyro_sample_thread(profile, sample);
    if (filter->thread != PYRO_NO_ID && filter->thread != thread)
        return false;
    return filter->pid == 0 ||
           profile->processes[profile->threads[thread].process].pid == filter->pid;
}

static uint32_t function_of(const struct pyro_profile *profile, uint32_t stack)
{
    if (stack == PYRO_STACK_ROOT)
        return PYRO_NO_ID;
    return profile->frames[profile->stacks[stack].frame].function;
}

static void add_samples(struct pyro_totals *totals, const struct pyro_clock_view *view,
                        const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    for (size_t i = 0; i < profile->samples.count; i++) {
        if (!pyro_totals_wants(profile, filter, i) || !pyro_clock_counts(view, i))
            continue;
        uint32_t stack = pyro_sample_stack(profile, i);
        double weight_us = (double)pyro_sample_weight_us(profile, i);
        totals->counted_us += weight_us;
        totals->counted_samples++;
        totals->stacks[stack].self_us += weight_us;
        totals->stacks[stack].self_samples++;
        if (stack != PYRO_STACK_ROOT)
            totals->functions[function_of(profile, stack)].self_squares_us2 +=
                weight_us * weight_us;
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
    }
}

/* The tree of stacks as lists of children, and what is on the path from the root to the current node. */
struct walk {
    const struct pyro_profile *profile;
    struct pyro_totals *totals;
    uint32_t *first_child, *next_sibling; /* [stack_count]; 0: none */
    uint32_t *stack_edge;                 /* [stack_count] into totals->edges */
    uint32_t *function_on_path;           /* [function_count] how often */
    uint32_t *edge_on_path;               /* [edge_capacity] */
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

static bool enter_stack(struct walk *walk, uint32_t stack)
{
    const struct pyro_stack_total *node = &walk->totals->stacks[stack];
    uint32_t function_id = function_of(walk->profile, stack);
    uint32_t caller = function_of(walk->profile, walk->profile->stacks[stack].parent);
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
    }
    if (walk->edge_on_path[edge_id]++ == 0) {
        edge->total_us += node->tree_us;
        edge->total_samples += node->tree_samples;
    }
    return true;
}

static void leave_stack(struct walk *walk, uint32_t stack)
{
    walk->function_on_path[function_of(walk->profile, stack)]--;
    walk->edge_on_path[walk->stack_edge[stack]]--;
}

static bool walk_tree(struct walk *walk)
{
    uint32_t stack = PYRO_STACK_ROOT;
    for (;;) {
        if (walk->first_child[stack]) {
            stack = walk->first_child[stack];
        } else {
            while (stack != PYRO_STACK_ROOT && !walk->next_sibling[stack]) {
                leave_stack(walk, stack);
                stack = walk->profile->stacks[stack].parent;
            }
            if (stack == PYRO_STACK_ROOT)
                return true;
            leave_stack(walk, stack);
            stack = walk->next_sibling[stack];
        }
        if (!enter_stack(walk, stack))
            return false;
    }
}

/* Children in the order of their ids. Stacks without time are left out: a filter may hide most of them. */
static void link_children(struct walk *walk)
{
    for (size_t i = walk->profile->stack_count; i-- > 1;) {
        if (!walk->totals->stacks[i].tree_samples)
            continue;
        uint32_t parent = walk->profile->stacks[i].parent;
        walk->next_sibling[i] = walk->first_child[parent];
        walk->first_child[parent] = (uint32_t)i;
    }
}

static int add_up_functions(struct pyro_totals *totals, const struct pyro_profile *profile)
{
    struct walk walk = {.profile = profile, .totals = totals};
    walk.first_child = calloc(profile->stack_count + 1, sizeof(*walk.first_child));
    walk.next_sibling = calloc(profile->stack_count + 1, sizeof(*walk.next_sibling));
    walk.stack_edge = calloc(profile->stack_count + 1, sizeof(*walk.stack_edge));
    walk.function_on_path = calloc(profile->function_count + 1, sizeof(*walk.function_on_path));
    bool ok = walk.first_child && walk.next_sibling && walk.stack_edge && walk.function_on_path;
    if (ok) {
        link_children(&walk);
        ok = walk_tree(&walk);
    }
    free(walk.first_child);
    free(walk.next_sibling);
    free(walk.stack_edge);
    free(walk.function_on_path);
    free(walk.edge_on_path);
    pyro_map_free(&walk.edge_ids);
    return ok ? 0 : -ENOMEM;
}

int pyro_totals_init(struct pyro_totals *totals, const struct pyro_clock_view *view,
                     const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    *totals = (struct pyro_totals){0};
    totals->stacks = calloc(profile->stack_count + 1, sizeof(*totals->stacks));
    totals->functions = calloc(profile->function_count + 1, sizeof(*totals->functions));
    int result = -ENOMEM;
    if (totals->stacks && totals->functions) {
        add_samples(totals, view, filter);
        add_up_tree(totals, profile);
        result = add_up_functions(totals, profile);
    }
    if (result < 0)
        pyro_totals_clear(totals);
    return result;
}

void pyro_totals_clear(struct pyro_totals *totals)
{
    free(totals->stacks);
    free(totals->functions);
    free(totals->edges);
    *totals = (struct pyro_totals){0};
}
