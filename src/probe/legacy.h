/* probe/legacy.h - 3.11: each thread has one profile function, and one trace function. Ours takes the place of a profile function that
 * is there, be it the program's or another one of ours; that is told what happens all the same, and gets its place back. The place of
 * a trace function is nobody's to take (probe/line_trace.h).
 *
 * All calls want the GIL. */
#ifndef PYRO_PROBE_LEGACY_H
#define PYRO_PROBE_LEGACY_H

#include "probe/python.h"

/* Learn where a thread keeps its functions, once. -1 with an exception. */
int pyro_legacy_init(void);
/* The profile function that THREAD has, and the trace function. NULL: none. */
pyro_tracefunc pyro_legacy_function(PyThreadState *thread);
pyro_tracefunc pyro_legacy_trace_function(PyThreadState *thread);
/* Have FUNCTION called for what THREAD does; done twice is fine. -1 with an exception. */
int pyro_legacy_hook(PyThreadState *thread, pyro_tracefunc function);
/* As before: who was there gets its place back, from FUNCTION or from one of ours that has FUNCTION's place now. An exception that is set
 * stays. */
void pyro_legacy_unhook(PyThreadState *thread, pyro_tracefunc function);
/* For FUNCTION to end with: whose place it took in THREAD is called, too. */
int pyro_legacy_pass_on(PyThreadState *thread, pyro_tracefunc function, PyObject *frame, int what,
                        PyObject *argument);
/* From here on, until NULL is said, what THREAD does is ours, a calibration's, and those whose places are taken there hear nothing of it. */
void pyro_legacy_hush(PyThreadState *thread);

#endif
