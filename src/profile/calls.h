/* profile/calls.h - counted calls as they are read: added up, sorted. Internal to profile/. */
#ifndef PYRO_PROFILE_CALLS_H
#define PYRO_PROFILE_CALLS_H

#include "profile/profile.h"

/* Records of the same thread, caller and callee become one; all are sorted by these. */
void pyro_calls_merge(struct pyro_profile *profile);

#endif
