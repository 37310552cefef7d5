/* profile/calls.c - a recorder writes what counters grew by; a reader wants their sum. */
#include "profile/calls.h"

#include <stdlib.h>

static int compare_ids(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct pyro_calls *a = left, *b = right;
    int order = compare_ids(a->thread, b->thread);
    if (order == 0)
        order = compare_ids(a->caller, b->caller);
    return order ? order : compare_ids(a->callee, b->callee);
}

void pyro_calls_merge(struct pyro_profile *profile)
{
    struct pyro_calls *calls = profile->calls;
    if (profile->call_count == 0)
        return;
    qsort(calls, profile->call_count, sizeof(*calls), compare);
    size_t last = 0;
    for (size_t i = 1; i < profile->call_count; i++) {
        if (compare(&calls[last], &calls[i]) == 0)
            calls[last].count += calls[i].count;
        else
            calls[++last] = calls[i];
    }
    profile->call_count = last + 1;
}
