/* profile/standing.h - time of threads that a tracer has not seen. For profile/.
 *
 * A tracer that is put into a running process knows nothing of a thread before the first event there. Until then it stood in
 * one call, so the samples taken meanwhile tell all of it. */
#ifndef PYRO_PROFILE_STANDING_H
#define PYRO_PROFILE_STANDING_H

#include "profile/profile.h"

/* One more record of each thread that was in one stack from the first sweep on, and waits there: as much of that time as is not in its
 * records. Before these are merged. 0 or -ENOMEM. */
int pyro_standing_add(struct pyro_profile *profile);

#endif
