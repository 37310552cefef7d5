/* profile/queries.h - queries as they are read: added up, in the order in which they were first sent. Internal to profile/. */
#ifndef PYRO_PROFILE_QUERIES_H
#define PYRO_PROFILE_QUERIES_H

#include "profile/profile.h"

/* Records of the same process, site, line, sender and shape become one; all are sorted by their first time. */
void pyro_queries_merge(struct pyro_profile *profile);

#endif
