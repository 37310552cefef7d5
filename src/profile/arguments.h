/* profile/arguments.h - arguments as they are read: added up. Internal to profile/. */
#ifndef PYRO_PROFILE_ARGUMENTS_H
#define PYRO_PROFILE_ARGUMENTS_H

#include "profile/profile.h"

/* Records of the same function become one; all are sorted by it. */
void pyro_arguments_merge(struct pyro_profile *profile);

#endif
