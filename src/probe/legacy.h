/* probe/legacy.h - 3.11: each thread has one profile function. Ours takes the place of one that is there, which is told what
 * happens all the same, and gets its place back.
 *
 * All calls want the GIL. */
#ifndef PYRO_PROBE_LEGACY_H
#define PYRO_PROBE_LEGACY_H

#include "probe/python.h"

/* Learn where a thread keeps its profile function, once. -1 with an exception. */
int pyro_legacy_init(void);
/* What THREAD has. NULL: none. */
pyro_tracefunc pyro_legacy_function(PyThreadState *thread);
/* Have FUNCTION called for what THREAD does; done twice is fine. -1 with an exception. */
int pyro_legacy_hook(PyThreadState *thread, pyro_tracefunc function);
/* As before, unless somebody else took FUNCTION's place. An exception that is set stays. */
void pyro_legacy_unhook(PyThreadState *thread, pyro_tracefunc function);
/* For FUNCTION to end with: whose place it took in THREAD is called, too. */
int pyro_legacy_pass_on(PyThreadState *thread, PyObject *frame, int what, PyObject *argument);

#endif
