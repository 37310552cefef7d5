/* profile/counted.h - exact counts of a recording, by function and by edge. */
#ifndef PYRO_PROFILE_COUNTED_H
#define PYRO_PROFILE_COUNTED_H

#include "profile/totals.h"

struct pyro_counted_edge {
    uint32_t caller, callee; /* caller PYRO_NO_ID: the root of a thread */
    uint64_t ncalls;
};

struct pyro_counted {
    uint64_t *ncalls;                /* [function_count]; 0: never called */
    uint64_t *primitive;             /* [function_count]; PYRO_NO_CALLS: not known */
    struct pyro_counted_edge *edges; /* sorted by callee, then caller */
    size_t edge_count;
};

/* Add up what FILTER lets through. Calls are primitive when they do not come from the function itself; of a function
 * that recurses by way of others it cannot be told, unless calls were traced. 0 or -ENOMEM. */
int pyro_counted_make(struct pyro_counted *counted, const struct pyro_profile *profile,
                      const struct pyro_totals_filter *filter);
void pyro_counted_clear(struct pyro_counted *counted); /* a zeroed struct is fine */

#endif
