/* probe/arguments.h - is a function called with the same arguments again?
 *
 * Of functions of the program's own that return something, some calls are looked at where they begin: their arguments are read in
 * the frame and hashed (probe/values.h, objects.h), and how many differed is added up in shared memory. Of a function that is asked the
 * same again some results are looked at, too: whether they are values, and the same for the same arguments. No value is kept, none is
 * changed, and no code of the program's runs. All calls want the GIL. */
#ifndef PYRO_PROBE_ARGUMENTS_H
#define PYRO_PROBE_ARGUMENTS_H

#include "probe/names.h"

#define PYRO_ARGUMENTS_NEVER UINT32_MAX /* of until_look: so many calls are not seen in practice */

#if PYRO_FREE_THREADED /* not yet: threads would share what was seen */

#define pyro_arguments_open 0

static inline void pyro_arguments_start(bool locals_are_known, int (*watch)(PyObject *code))
{
}

static inline void pyro_arguments_stop(void)
{
}

static inline bool pyro_arguments_end(PyObject *code, const void *frame, PyObject *value)
{
    return true;
}

static inline void pyro_arguments_forked(void)
{
}

static inline void pyro_arguments_recognise(PyObject *code, struct pyro_code_record *record)
{
}

static inline void pyro_arguments_look(PyObject *code, struct pyro_code_record *record,
                                       const void *frame)
{
    record->until_look = PYRO_ARGUMENTS_NEVER;
}

#else

/* May arguments be read in frames from now on? WATCH is called with code whose returns are to be told from then on (NULL: they are
 * anyhow). */
void pyro_arguments_start(bool locals_are_known, int (*watch)(PyObject *code));
void pyro_arguments_stop(void);
void pyro_arguments_forked(void); /* in a forked child: it counts from zero */

/* Fill in RECORD, of CODE, of the program's own, whether its arguments are compared. */
void pyro_arguments_recognise(PyObject *code, struct pyro_code_record *record);

/* FRAME, of CODE with RECORD, begins, and its turn has come: look, and say in RECORD when to look next. */
void pyro_arguments_look(PyObject *code, struct pyro_code_record *record, const void *frame);

/* FRAME, of CODE, returns VALUE. True: what it returns need not be told any more. */
bool pyro_arguments_end(PyObject *code, const void *frame, PyObject *value);
/* Calls whose returns are waited for; those that ended by an exception may stay among them. */
extern uint32_t pyro_arguments_open;

#endif /* PYRO_FREE_THREADED */

#endif
