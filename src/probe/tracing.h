/* probe/tracing.h - time calls: an event in, the slice of time since the last one to where it belongs.
 *
 * Deterministic: each call, return, yield and resume is seen, those of C functions too if wanted, and so is the context in
 * which it happens (probe/path.h). A function is counted when it starts, a generator or coroutine too: when it goes on, it
 * is resumed. All calls want the GIL. */
#ifndef PYRO_PROBE_TRACING_H
#define PYRO_PROBE_TRACING_H

#include "collect/tables.h"
#include "probe/python.h"

/* -1 with an exception; nothing is left behind then. */
int pyro_tracing_start(bool c_calls);
/* Off and on again. -1 with an exception. */
int pyro_tracing_switch(bool on);
/* After the start: how long a tick is, and what events cost, into PROCESS; nothing was called then. Takes some ten
 * milliseconds. -1 with an exception. */
int pyro_tracing_measure(struct pyro_process_block *process);
/* Everything as before. */
void pyro_tracing_stop(void);

#endif
