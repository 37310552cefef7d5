/* profile/queries.c - a recorder writes what is new every few seconds; a reader wants each once. */
#include "profile/queries.h"

#include <stdlib.h>

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_key(const void *left, const void *right)
{
    const struct pyro_query *a = left, *b = right;
    const uint64_t x[] = {a->process, a->site, a->line, a->sender, a->shape};
    const uint64_t y[] = {b->process, b->site, b->line, b->sender, b->shape};
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
        if (x[i] != y[i])
            return compare_numbers(x[i], y[i]);
    return 0;
}

static int by_first(const void *left, const void *right)
{
    const struct pyro_query *a = left, *b = right;
    int by_time = compare_numbers(a->first_us, b->first_us);
    return by_time ? by_time : by_key(left, right);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void join(struct pyro_query *into, const struct pyro_query *query)
{
    into->count += query->count;
    into->timed += query->timed;
    into->time_ns += query->time_ns;
    into->distinct += query->distinct;
    into->unknown += query->unknown;
    into->longest_ns = larger(into->longest_ns, query->longest_ns);
    into->last_us = larger(into->last_us, query->last_us);
    if (query->first_us < into->first_us)
        into->first_us = query->first_us;
}

void pyro_queries_merge(struct pyro_profile *profile)
{
    size_t kept = 0;
    if (!profile->query_count)
        return;
    qsort(profile->queries, profile->query_count, sizeof(*profile->queries), by_key);
    for (size_t i = 0; i < profile->query_count; i++) {
        const struct pyro_query *query = &profile->queries[i];
        if (kept && by_key(&profile->queries[kept - 1], query) == 0)
            join(&profile->queries[kept - 1], query);
        else
            profile->queries[kept++] = *query;
    }
    profile->query_count = kept;
    qsort(profile->queries, kept, sizeof(*profile->queries), by_first);
}
