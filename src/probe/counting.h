/* probe/counting.h - count calls: an event in, a counter in shared memory up by one.
 *
 * 3.12+: sys.monitoring's PY_START and, if C functions are counted, CALL. 3.11: the legacy profile function. A function is
 * counted when it starts, a generator or coroutine too: not when it goes on. All calls want the GIL. */
#ifndef PYRO_PROBE_COUNTING_H
#define PYRO_PROBE_COUNTING_H

#include "probe/python.h"

/* -1 with an exception; nothing is left behind then. */
int pyro_counting_start(bool c_calls);
/* Off and on again. -1 with an exception. */
int pyro_counting_switch(bool on);
/* Everything as before. */
void pyro_counting_stop(void);

#endif
