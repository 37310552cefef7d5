/* probe/callees.h - what a call instruction calls: Python, which counts itself when it starts, or a C function.
 *
 * C is: built-in functions and methods, method descriptors and slot wrappers, types that are no Python classes, and
 * instances of C types that can be called. They are named as cProfile names them. */
#ifndef PYRO_PROBE_CALLEES_H
#define PYRO_PROBE_CALLEES_H

#include "probe/inside.h"

/* Once. -1 with an exception. */
int pyro_callees_init(void);

/* What tells this C callee from others, also when a new object stands for it: its method definition, or the object.
 * NULL: the call starts Python code. Runs no Python code. */
const void *pyro_callee_key(PyObject *callable);
/* Is it what cProfile sees: a built-in function or method, or a method descriptor called with HAS_ARGUMENT? */
bool pyro_callee_is_function(PyObject *callable, bool has_argument);
/* "<built-in method builtins.len>": a new str, NULL with an exception. */
PyObject *pyro_callee_name(const void *key, PyObject *callable);
/* What has to live as long as KEY is in use, borrowed; NULL: nothing. */
PyObject *pyro_callee_keep(const void *key, PyObject *callable);
/* The id of the callee with KEY, named after CALLABLE when it is new. 0: no room. */
uint32_t pyro_callee_id(const void *key, PyObject *callable);

/* 3.11: will CALLABLE put another profile function in the place of ours? */
bool pyro_callee_sets_profile(PyObject *callable);

#endif
