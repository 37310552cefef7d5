/* probe/sql_text.h - what counts a query, for pyrometer.web: the same shapes, hashes and paths that probe/queries.c uses.
 *
 * There queries are seen by events of the interpreter's; a server that is not run by us has none, and tells by the hooks of its
 * libraries (python/pyrometer/web/_queries.py). */
#ifndef PYRO_PROBE_SQL_TEXT_H
#define PYRO_PROBE_SQL_TEXT_H

#include "probe/python.h"

/* sql_shape(text): a str without its values; "" where it is no str. */
PyObject *pyro_sql_text_shape(PyObject *self, PyObject *text);
/* value_hash(value): an int, or None where it cannot be compared without running code of the program's. */
PyObject *pyro_sql_text_hash(PyObject *self, PyObject *value);
/* is_library(path): is that file a library's, or Python's? */
PyObject *pyro_sql_text_is_library(PyObject *self, PyObject *path);
/* lazy_loader(path): what the qualified name of that file's function ends in that loads what an object refers to when it is asked for, or
 * None. */
PyObject *pyro_sql_text_lazy_loader(PyObject *self, PyObject *path);
/* lazy_relation(name, file, object): what that loader, whose first variable is OBJECT, loads: the attribute and its class; "" where not known. */
PyObject *pyro_sql_text_lazy_relation(PyObject *self, PyObject *arguments);
/* repetition(shape, count, distinct, unknown, many, lazily): as base/repetition.h judges: "n+1", "same", "writes" or None. */
PyObject *pyro_sql_text_repetition(PyObject *self, PyObject *arguments);

#endif
