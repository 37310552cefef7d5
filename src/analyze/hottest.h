/* analyze/hottest.h - which functions are worth to be looked into. A pure function over a profile. */
#ifndef PYRO_ANALYZE_HOTTEST_H
#define PYRO_ANALYZE_HOTTEST_H

#include "profile/profile.h"

/* The program's own functions that were on the stack for the longest time, MAX at most, the hottest first, none below 1 % of all
 * time; what stands in a module outside of functions only where others leave room. How many, or -ENOMEM. */
int pyro_hottest_find(const struct pyro_profile *profile, uint32_t *ret_functions, size_t max);

#endif
