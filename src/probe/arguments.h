/* probe/arguments.h - is a function called with the same arguments again?
 *
 * Of functions of the program's own that return something, some calls are looked at where they begin: their arguments are read in
 * the frame and hashed (probe/values.h), and how many differed is added up in shared memory. No value is kept, none is changed, and
 * no code of the program's runs. All calls want the GIL. */
#ifndef PYRO_PROBE_ARGUMENTS_H
#define PYRO_PROBE_ARGUMENTS_H

#include "probe/names.h"

#define PYRO_ARGUMENTS_NEVER UINT32_MAX /* of until_look: so many calls are not seen in practice */

#if PYRO_FREE_THREADED /* not yet: threads would share what was seen */

static inline void pyro_arguments_start(bool locals_are_known)
{
}

static inline void pyro_arguments_forked(void)
{
}

static inline void pyro_arguments_recognise(PyObject *code, struct pyro_code_record *record)
{
}

static inline void pyro_arguments_look(struct pyro_code_record *record, const void *frame)
{
    record->until_look = PYRO_ARGUMENTS_NEVER;
}

#else

/* May arguments be read in frames from now on? */
void pyro_arguments_start(bool locals_are_known);
void pyro_arguments_forked(void); /* in a forked child: it counts from zero */

/* Fill in RECORD, of CODE, of the program's own, whether its arguments are compared. */
void pyro_arguments_recognise(PyObject *code, struct pyro_code_record *record);

/* FRAME, of a function with RECORD, begins, and its turn has come: look, and say in RECORD when to look next. */
void pyro_arguments_look(struct pyro_code_record *record, const void *frame);

#endif /* PYRO_FREE_THREADED */

#endif
