/* profile/counted.c - add up counted calls, and find out which functions recurse. */
#include "profile/counted.h"

#include "profile/traced.h"

#include <errno.h>
#include <stdlib.h>

/* -- edges -------------------------------------------------------------------------------------- */

static int by_callee(const void *left, const void *right)
{
    const struct pyro_counted_edge *a = left, *b = right;
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    return (a->caller > b->caller) - (a->caller < b->caller);
}

static size_t take_calls(struct pyro_counted *counted, const struct pyro_profile *profile,
                         const struct pyro_totals_filter *filter)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct pyro_calls *calls = &profile->calls[i];
        if (calls->callee != PYRO_NO_ID && pyro_totals_wants_thread(profile, filter, calls->thread))
            counted->edges[count++] =
                (struct pyro_counted_edge){calls->caller, calls->callee, calls->count};
    }
    return count;
}

static size_t take_traced(struct pyro_counted *counted, const struct pyro_profile *profile,
                          const struct pyro_totals_filter *filter)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        if (!traced->calls || !pyro_totals_wants_thread(profile, filter, traced->thread))
            continue;
        uint32_t below = pyro_profile_python_below(profile, profile->stacks[traced->stack].parent);
        counted->edges[count++] = (struct pyro_counted_edge){
            pyro_profile_function_of(profile, below),
            pyro_profile_function_of(profile, traced->stack), traced->calls};
    }
    return count;
}

/* Of all threads that are asked for, each pair once. */
static int gather_edges(struct pyro_counted *counted, const struct pyro_profile *profile,
                        const struct pyro_totals_filter *filter)
{
    size_t last = 0;
    counted->edges =
        calloc(profile->call_count + profile->traced_count + 1, sizeof(*counted->edges));
    if (!counted->edges)
        return -ENOMEM;
    size_t count = profile->traced_count ? take_traced(counted, profile, filter)
                                         : take_calls(counted, profile, filter);
    if (count == 0)
        return 0;
    qsort(counted->edges, count, sizeof(*counted->edges), by_callee);
    for (size_t i = 1; i < count; i++) {
        if (by_callee(&counted->edges[last], &counted->edges[i]) == 0)
            counted->edges[last].ncalls += counted->edges[i].ncalls;
        else
            counted->edges[++last] = counted->edges[i];
    }
    counted->edge_count = last + 1;
    return 0;
}

/* -- recursion ---------------------------------------------------------------------------------- */

/* Tarjan's search for strongly connected components, without recursion of our own. Edges lead from a callee to its
 * callers, as they are sorted: the components are the same. */
struct search {
    const struct pyro_counted *counted;
    size_t *first_edge;         /* [function_count + 1] of each callee */
    size_t *next_edge;          /* [function_count] where the walk of a function stands */
    uint32_t *order, *low;      /* [function_count]; order 0: not visited */
    uint32_t *path, *component; /* functions on the way, and those not yet in a component */
    bool *open;                 /* [function_count] in component */
    size_t path_count, component_count;
    uint32_t visited;
};

static void enter(struct search *search, uint32_t function)
{
    search->order[function] = search->low[function] = ++search->visited;
    search->next_edge[function] = search->first_edge[function];
    search->path[search->path_count++] = function;
    search->component[search->component_count++] = function;
    search->open[function] = true;
}

/* FUNCTION was walked: if it closes a component of several functions, these recurse through each other. */
static void leave(struct search *search, uint32_t function, uint64_t *primitive)
{
    search->path_count--;
    if (search->path_count) {
        uint32_t from = search->path[search->path_count - 1];
        if (search->low[function] < search->low[from])
            search->low[from] = search->low[function];
    }
    if (search->low[function] != search->order[function])
        return;
    bool alone = search->component[search->component_count - 1] == function;
    uint32_t member;
    do {
        member = search->component[--search->component_count];
        search->open[member] = false;
        if (!alone)
            primitive[member] = PYRO_NO_CALLS;
    } while (member != function);
}

static void walk_from(struct search *search, uint32_t start, uint64_t *primitive)
{
    enter(search, start);
    while (search->path_count) {
        uint32_t function = search->path[search->path_count - 1];
        if (search->next_edge[function] == search->first_edge[function + 1]) {
            leave(search, function, primitive);
            continue;
        }
        uint32_t caller = search->counted->edges[search->next_edge[function]++].caller;
        if (caller == PYRO_NO_ID)
            continue;
        if (!search->order[caller])
            enter(search, caller);
        else if (search->open[caller] && search->order[caller] < search->low[function])
            search->low[function] = search->order[caller];
    }
}

static void find_first_edges(struct search *search, size_t function_count)
{
    size_t at = 0;
    for (size_t i = 0; i <= function_count; i++) {
        while (at < search->counted->edge_count && search->counted->edges[at].callee < i)
            at++;
        search->first_edge[i] = at;
    }
}

static int mark_cycles(const struct pyro_counted *counted, size_t function_count)
{
    struct search search = {.counted = counted};
    search.first_edge = calloc(function_count + 1, sizeof(*search.first_edge));
    search.next_edge = calloc(function_count + 1, sizeof(*search.next_edge));
    search.order = calloc(function_count + 1, sizeof(*search.order));
    search.low = calloc(function_count + 1, sizeof(*search.low));
    search.path = calloc(function_count + 1, sizeof(*search.path));
    search.component = calloc(function_count + 1, sizeof(*search.component));
    search.open = calloc(function_count + 1, sizeof(*search.open));
    bool ok = search.first_edge && search.next_edge && search.order && search.low && search.path &&
              search.component && search.open;
    if (ok) {
        find_first_edges(&search, function_count);
        for (uint32_t i = 0; i < function_count; i++)
            if (!search.order[i])
                walk_from(&search, i, counted->primitive);
    }
    free(search.first_edge);
    free(search.next_edge);
    free(search.order);
    free(search.low);
    free(search.path);
    free(search.component);
    free(search.open);
    return ok ? 0 : -ENOMEM;
}

/* -- both --------------------------------------------------------------------------------------- */

static int count_by_edges(const struct pyro_counted *counted, size_t function_count)
{
    for (size_t i = 0; i < counted->edge_count; i++) {
        const struct pyro_counted_edge *edge = &counted->edges[i];
        counted->ncalls[edge->callee] += edge->ncalls;
        if (edge->caller != edge->callee)
            counted->primitive[edge->callee] += edge->ncalls;
    }
    return mark_cycles(counted, function_count);
}

int pyro_counted_make(struct pyro_counted *counted, const struct pyro_profile *profile,
                      const struct pyro_totals_filter *filter)
{
    *counted = (struct pyro_counted){0};
    counted->ncalls = calloc(profile->function_count + 1, sizeof(*counted->ncalls));
    counted->primitive = calloc(profile->function_count + 1, sizeof(*counted->primitive));
    int error = counted->ncalls && counted->primitive ? 0 : -ENOMEM;
    if (error == 0)
        error = gather_edges(counted, profile, filter);
    if (error == 0 && profile->traced_count)
        error = pyro_traced_count(profile, filter, counted->ncalls, counted->primitive);
    else if (error == 0)
        error = count_by_edges(counted, profile->function_count);
    if (error < 0)
        pyro_counted_clear(counted);
    return error;
}

void pyro_counted_clear(struct pyro_counted *counted)
{
    free(counted->ncalls);
    free(counted->primitive);
    free(counted->edges);
    *counted = (struct pyro_counted){0};
}
