/* probe/watched.h - what pyrometer.web needs in C of a request that is measured: as a rule nobody asked about it, but it may turn out slow or failed.
 *
 * As timed.h: all of it is in every CPython since 3.11, and builds without a GIL have it in Python
 * (python/pyrometer/web/_watched.py), which says what each part is for. */
#ifndef PYRO_PROBE_WATCHED_H
#define PYRO_PROBE_WATCHED_H

#include "probe/python.h"

/* Add the type Watched to MODULE. -1 with an exception. */
int pyro_watched_init(PyObject *module);

#endif
