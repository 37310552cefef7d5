/* profile/lookups.c - of a line that several processes run, each writes a record; a reader wants one. */
#include "profile/lookups.h"

#include <stdlib.h>

static int by_frame(const void *left, const void *right)
{
    const struct pyro_lookup *a = left, *b = right;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static void join(struct pyro_lookup *into, const struct pyro_lookup *lookup)
{
    if (lookup->lists && (!into->lists || lookup->shortest < into->shortest))
        into->shortest = lookup->shortest;
    if (lookup->longest > into->longest)
        into->longest = lookup->longest;
    into->samples += lookup->samples;
    into->testing += lookup->testing;
    into->looked += lookup->looked;
    into->lists += lookup->lists;
    into->length += lookup->length;
    into->changes += lookup->changes;
}

void pyro_lookups_merge(struct pyro_profile *profile)
{
    size_t kept = 0;
    if (!profile->lookup_count)
        return;
    qsort(profile->lookups, profile->lookup_count, sizeof(*profile->lookups), by_frame);
    for (size_t i = 0; i < profile->lookup_count; i++) {
        const struct pyro_lookup *lookup = &profile->lookups[i];
        if (kept && profile->lookups[kept - 1].frame == lookup->frame)
            join(&profile->lookups[kept - 1], lookup);
        else
            profile->lookups[kept++] = *lookup;
    }
    profile->lookup_count = kept;
}
