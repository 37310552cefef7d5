/* profile/uncounted.h - which calls were not counted, and why, in words.
 *
 * What a report, a JSON and `run -o` say of it: each line completes "not counted: ". */
#ifndef PYRO_PROFILE_UNCOUNTED_H
#define PYRO_PROFILE_UNCOUNTED_H

#include "profile/profile.h"

#define PYRO_UNCOUNTED_REASONS 3 /* reasons of single processes; there are seldom more */
#define PYRO_UNCOUNTED_LINES   (PYRO_UNCOUNTED_REASONS + 5)

struct pyro_uncounted {
    bool nothing; /* no call at all was counted: the one line says why */
    size_t count; /* 0: all calls were */
    char lines[PYRO_UNCOUNTED_LINES][320];
};

void pyro_uncounted_make(struct pyro_uncounted *uncounted, const struct pyro_profile *profile);

#endif
