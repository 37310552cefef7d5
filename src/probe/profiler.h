/* probe/profiler.h - the type Profile, as Python sees it. */
#ifndef PYRO_PROBE_PROFILER_H
#define PYRO_PROBE_PROFILER_H

#include "probe/python.h"

/* Add the type to MODULE. -1 with an exception. */
int pyro_profiler_init(PyObject *module);

#endif
