/* probe/scripts.h - what threads were asked to execute from outside (3.14+, PEP 768), taken back from within.
 *
 * Where nobody came by in time, all threads of a process are asked to stop the probe (inject/inject.c). One is enough: it takes
 * the request back from the others, whose script may be removed then. Wants the GIL, without which no thread begins with one. */
#ifndef PYRO_PROBE_SCRIPTS_H
#define PYRO_PROBE_SCRIPTS_H

#include "probe/python.h"

/* Take the script PATH, a str, back from all threads of this interpreter that have not begun with it; the calling one is through
 * with it. Returns how many others have begun, and are not: an int. */
PyObject *pyro_scripts_forget(PyObject *self, PyObject *path);

#endif
