/* probe/line_trace.h - 3.11: one trace function in every thread that has none. One that is there is a debugger's or the like, and stays.
 *
 * All calls want the GIL. */
#ifndef PYRO_PROBE_LINE_TRACE_H
#define PYRO_PROBE_LINE_TRACE_H

#include "probe/python.h"

/* FUNCTION, in all threads there are; or no more. -1 with an exception. */
int pyro_line_trace_set(pyro_tracefunc function);
int pyro_line_trace_clear(void);
/* In those to come, too, or no more, where nothing else tells of them; unless somebody has threading.settrace()'s place. -1
 * with an exception. */
int pyro_line_trace_new_threads(bool set);
/* Has THREAD one that is not FUNCTION? NULL: has any thread? */
bool pyro_line_trace_taken(PyThreadState *thread, pyro_tracefunc function);

#endif
