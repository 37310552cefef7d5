/* probe/timed.h - what pyrometer.timed needs in C: a histogram, and a callable that times another one.
 *
 * The functions of Python that these two types use are in every CPython since 3.11, so they also work where the rest of the
 * probe refuses a Python. Builds without a GIL have them in Python (python/pyrometer/_timed.py), since nothing here is locked. */
#ifndef PYRO_PROBE_TIMED_H
#define PYRO_PROBE_TIMED_H

#include "probe/python.h"

/* Add the types Histogram and Timed to MODULE. -1 with an exception. */
int pyro_timed_init(PyObject *module);

#endif
