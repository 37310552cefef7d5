/* view/guess.c - a tree of calls, guessed from who called whom. */
#include "view/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The edges of PROFILE by their callers. */
struct callees {
    uint32_t *first; /* [function_count + 1] into EDGES */
    uint32_t *edges;
    double *self_us, *total_us; /* [function_count] */
};

static void free_callees(struct callees *callees)
{
    free(callees->first);
    free(callees->edges);
    free(callees->self_us);
    free(callees->total_us);
}

/* Of an edge that was only counted, nothing is known to share out. */
static double edge_us(const struct pyro_timed_edge *edge)
{
    return isfinite(edge->total_s) && edge->total_s > 0 ? edge->total_s * 1e6 : 0;
}

static int sort_callees(struct callees *callees, const struct pyro_profile *profile)
{
    size_t functions = profile->function_count, edges = profile->timed_edge_count;
    *callees = (struct callees){
        .first = calloc(functions + 2, sizeof(uint32_t)),
        .edges = calloc(edges + 1, sizeof(uint32_t)),
        .self_us = calloc(functions + 1, sizeof(double)),
        .total_us = calloc(functions + 1, sizeof(double)),
    };
    if (!callees->first || !callees->edges || !callees->self_us || !callees->total_us)
        return -ENOMEM;
    for (size_t i = 0; i < profile->timed_function_count; i++) {
        const struct pyro_timed_function *timed = &profile->timed_functions[i];
        callees->self_us[timed->function] = fmax(timed->self_s * 1e6, 0);
        callees->total_us[timed->function] = fmax(timed->total_s * 1e6, 0);
    }
    for (size_t i = 0; i < edges; i++)
        if (profile->timed_edges[i].caller != PYRO_NO_ID)
            callees->first[profile->timed_edges[i].caller + 2]++;
    for (size_t i = 2; i < functions + 2; i++)
        callees->first[i] += callees->first[i - 1];
    for (size_t i = 0; i < edges; i++)
        if (profile->timed_edges[i].caller != PYRO_NO_ID)
            callees->edges[callees->first[profile->timed_edges[i].caller + 1]++] = (uint32_t)i;
    return 0;
}

static bool add(struct pyro_guess *tree, uint32_t parent, uint32_t function, double time_us)
{
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 1024;
        uint32_t *parents = reallocarray(tree->parents, capacity, sizeof(*parents));
        if (parents)
            tree->parents = parents;
        uint32_t *functions = reallocarray(tree->functions, capacity, sizeof(*functions));
        if (functions)
            tree->functions = functions;
        float *self_us = reallocarray(tree->self_us, capacity, sizeof(*self_us));
        if (self_us)
            tree->self_us = self_us;
        if (!parents || !functions || !self_us)
            return false;
        tree->capacity = capacity;
    }
    tree->parents[tree->count] = parent;
    tree->functions[tree->count] = function;
    tree->self_us[tree->count++] = (float)time_us; /* with its callees, until they are added */
    return true;
}

/* Each function's time that no caller explains begins at the root. */
static bool add_roots(struct pyro_guess *tree, const struct pyro_profile *profile,
                      const struct callees *callees)
{
    double *called_us = calloc(profile->function_count + 1, sizeof(*called_us));
    bool ok = called_us && add(tree, 0, PYRO_NO_ID, 0);
    for (size_t i = 0; ok && i < profile->timed_edge_count; i++) {
        const struct pyro_timed_edge *edge = &profile->timed_edges[i];
        if (edge->caller != PYRO_NO_ID && edge->caller != edge->callee)
            called_us[edge->callee] += edge_us(edge);
    }
    for (uint32_t i = 0; ok && i < profile->function_count; i++) {
        double rest_us = callees->total_us[i] - called_us[i];
        if (rest_us > 1e-3 * callees->total_us[i] && rest_us >= 1)
            ok = add(tree, 0, i, rest_us);
    }
    free(called_us);
    return ok;
}

/* Is FUNCTION on the path of NODE, or is that too deep? */
static bool ends_here(const struct pyro_guess *tree, uint32_t node, uint32_t function)
{
    for (size_t depth = 0; node != 0; node = tree->parents[node])
        if (tree->functions[node] == function || ++depth >= PYRO_GUESS_DEPTH)
            return true;
    return false;
}

static bool add_callees(struct pyro_guess *tree, const struct pyro_profile *profile,
                        const struct callees *callees, uint32_t node, double least_us)
{
    uint32_t function = tree->functions[node];
    double time_us = (double)tree->self_us[node], total_us = callees->total_us[function];
    if (total_us <= 0)
        return true;
    double share = time_us / total_us, left_us = time_us;
    for (uint32_t i = callees->first[function]; i < callees->first[function + 1]; i++) {
        const struct pyro_timed_edge *edge = &profile->timed_edges[callees->edges[i]];
        double child_us = edge_us(edge) * share;
        child_us = child_us < left_us ? child_us : left_us;
        if (child_us <= 0 || edge->callee == function)
            continue;
        if (child_us < least_us || tree->count >= PYRO_GUESS_NODES ||
            ends_here(tree, node, edge->callee)) {
            tree->folded_us += child_us;
            continue;
        }
        left_us -= child_us;
        if (!add(tree, node, edge->callee, child_us))
            return false;
    }
    tree->self_us[node] = (float)left_us;
    return true;
}

int pyro_guess_make(struct pyro_guess *estimate, const struct pyro_profile *profile)
{
    struct callees callees = {0};
    double all_us = 0;
    *estimate = (struct pyro_guess){0};
    bool ok = sort_callees(&callees, profile) == 0 && add_roots(estimate, profile, &callees);
    for (size_t i = 1; ok && i < estimate->count; i++)
        all_us += (double)estimate->self_us[i];
    for (uint32_t i = 1; ok && i < estimate->count; i++) /* it grows behind I */
        ok = add_callees(estimate, profile, &callees, i, all_us * PYRO_GUESS_SHARE);
    free_callees(&callees);
    if (!ok)
        pyro_guess_clear(estimate);
    return ok ? 0 : -ENOMEM;
}

void pyro_guess_clear(struct pyro_guess *estimate)
{
    free(estimate->parents);
    free(estimate->functions);
    free(estimate->self_us);
    *estimate = (struct pyro_guess){0};
}
