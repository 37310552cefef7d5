/* profile/walk.h - go once over the tree of stacks, from the root up and back. For profile/ and what adds up over stacks.
 *
 * However deep it is: nothing here recurses. Children come in the order of their ids. */
#ifndef PYRO_PROFILE_WALK_H
#define PYRO_PROFILE_WALK_H

#include "profile/profile.h"

struct pyro_walk {
    const struct pyro_profile *profile;
    /* Is there anything to see in STACK or above it? If not, it is left out. */
    bool (*wants)(void *context, uint32_t stack);
    bool (*enter)(void *context, uint32_t stack); /* false: out of memory, the walk ends */
    void (*leave)(void *context, uint32_t stack);
    void *context;
};

/* Every stack but the root. 0 or -ENOMEM. */
int pyro_walk_stacks(const struct pyro_walk *walk);

#endif
