/* probe/marked.h - functions that the program's source marks, for `pyrometer run --lines`. Wants the GIL. */
#ifndef PYRO_PROBE_MARKED_H
#define PYRO_PROBE_MARKED_H

#include "probe/python.h"

/* For a decorator: FUNCTION itself, a new reference, whose lines are counted from now on if it is one in Python; where no
 * lines are counted, that it was marked is noted. Nothing else happens to it. */
PyObject *pyro_marked_profile(PyObject *self, PyObject *function);

#endif
