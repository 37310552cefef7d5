/* profile/lookups.h - membership tests as they are read: added up. Internal to profile/. */
#ifndef PYRO_PROFILE_LOOKUPS_H
#define PYRO_PROFILE_LOOKUPS_H

#include "profile/profile.h"

/* Records of the same frame become one; all are sorted by it. */
void pyro_lookups_merge(struct pyro_profile *profile);

#endif
