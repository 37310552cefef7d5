/* analyze/route.h - from where a function got most of its own time.
 *
 * "Condition.wait" says nothing of who waits for what; the line of the program's own that it was reached from does, and the library's functions in between. */
#ifndef PYRO_ANALYZE_ROUTE_H
#define PYRO_ANALYZE_ROUTE_H

#include "profile/clock.h"
#include "profile/profile.h"

struct pyro_route {
    uint32_t
        own; /* the stack up to the program's own frame that is nearest to the function; root: there is none */
    uint32_t
        leaf; /* of the stacks through that frame, the one with most of the time; it ends in the function */
    double share; /* of the function's own time, that came by that frame */
};

/* Of FUNCTION in PROFILE, whose samples CLOCK says count. 0; -ENOENT: it has no time of its own; -ENOMEM. */
int pyro_route_find(const struct pyro_profile *profile, enum pyro_clock clock, uint32_t function,
                    struct pyro_route *ret_route);

#endif
