/* profile/own.h - what of a recording is Pyrometer's own. Internal to profile/.
 *
 * Before it counts, the probe takes some milliseconds of the program's time: it is loaded, and measures its own cost by
 * loops that do nothing but call. That code has the file "<pyrometer>" (probe/loops.c, probe/bootstrap/sitecustomize.py). */
#ifndef PYRO_PROFILE_OWN_H
#define PYRO_PROFILE_OWN_H

#include "profile/profile.h"

#define PYRO_OWN_FILE     "<pyrometer>"
#define PYRO_OWN_FUNCTION "[pyrometer starts to count]"

/* The time of that code stays, as one special function; its calls are left out. Before calls are merged. 0 or -ENOMEM. */
int pyro_own_set_apart(struct pyro_profile *profile);

#endif
