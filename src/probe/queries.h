/* probe/queries.h - which queries the program sends: of which shape, from which of its lines, how often, for how long.
 *
 * Nothing is patched or imported: when a function of probe/orms.h begins, its parameters are read where they lie, and the
 * frames below are searched for the first one of the program's own. What is kept of a query is its shape (base/sql.h), never
 * a value. All calls want the GIL. */
#ifndef PYRO_PROBE_QUERIES_H
#define PYRO_PROBE_QUERIES_H

#include "probe/names.h"

/* Recognise senders and lazy loaders from now on. WATCH is called with the code of each sender: from then on its returns are to be
 * told (NULL: they are anyhow). False: queries are not seen, without harm, since this interpreter's frames have their variables
 * elsewhere. */
bool pyro_queries_start(int (*watch)(PyObject *code));
void pyro_queries_stop(void);
/* In a forked child: it counts from zero. */
void pyro_queries_forked(void);

/* Is CODE, a library's function NAME of FILE, one of those? Fills its record, which is the FIRST one, or another thread's
 * besides. */
void pyro_queries_recognise(PyObject *code, const char *name, const char *file,
                            struct pyro_code_record *record, bool first);

/* FRAME, of CODE, begins; RECORD says that it sends a query. */
void pyro_queries_begin(PyObject *code, const struct pyro_code_record *record, const void *frame);
/* FRAME, of CODE, returns. */
void pyro_queries_end(const PyObject *code, const void *frame);
/* Queries that began and did not end yet; those that ended by an exception may stay among them. */
extern uint32_t pyro_queries_open;

#endif
