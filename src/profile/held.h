/* profile/held.h - which lines had what was alive, at steps of time: what stacks had at moments, added up.
 *
 * A pure function over a profile. Stacks that never had much alive have no moments, and so are left out. */
#ifndef PYRO_PROFILE_HELD_H
#define PYRO_PROFILE_HELD_H

#include "profile/profile.h"

#define PYRO_HELD_LINES 16

/* What is alive of a process at a step. */
struct pyro_held {
    uint32_t process;
    uint64_t time_us;
    uint64_t live; /* bytes of all lines */
    size_t count;  /* of those that have the most, the largest first: */
    struct {
        uint32_t frame;
        uint64_t bytes; /* that it allocated itself */
    } lines[PYRO_HELD_LINES];
};

/* STEPS of them, the same distance apart, from the first moment to the last at which something may have been alive; or one, if that is
 * the same. SEE is called for each process that has something alive at each; -ENOMEM: perhaps not for all. */
int pyro_held_each(const struct pyro_profile *profile, size_t steps,
                   void (*see)(void *context, size_t step, const struct pyro_held *held),
                   void *context);

#endif
