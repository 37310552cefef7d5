/* probe/events.h - what the interpreter tells, handed to the Profiles that see it. All calls want the GIL. */
#ifndef PYRO_PROBE_EVENTS_H
#define PYRO_PROBE_EVENTS_H

#include "probe/python.h"

/* Have events come, those of C functions too if C_CALLS, or none; where they come is asked of probe/profiles.h. -1 with an
 * exception: then what came comes still, or nothing. Without a GIL all other threads stood still in between: they ended the
 * events they were in, but for what these had called of the interpreter. */
int pyro_events_want(bool any, bool c_calls);

#endif
