/* probe/line_trace.h - 3.11: one trace function in every thread. All calls want the GIL. */
#ifndef PYRO_PROBE_LINE_TRACE_H
#define PYRO_PROBE_LINE_TRACE_H

#include "probe/python.h"

/* In all threads there are; NULL: none in any. -1 with an exception. */
int pyro_line_trace_set(pyro_tracefunc function);
/* In those to come, too, or no more, where nothing else tells of them; unless somebody has threading.settrace()'s place. -1
 * with an exception. */
int pyro_line_trace_new_threads(bool set);
/* Has the program one of its own, a debugger's, which is not to be replaced? */
bool pyro_line_trace_taken(void);

#endif
