/* probe/contains.h - where membership tests (`x in container`) have their container, told to the sampler.
 *
 * It lies on the value stack of the frame, whose height before 3.14 no field tells: it follows from the bytecode, by what each
 * instruction on the way to it pushes and pops, which the interpreter knows itself. Wants the GIL. */
#ifndef PYRO_PROBE_CONTAINS_H
#define PYRO_PROBE_CONTAINS_H

#include "probe/inside.h"

#if PYRO_FREE_THREADED /* not yet */

static inline void pyro_contains_note(PyObject *code)
{
}

static inline void pyro_contains_forked(void)
{
}

#else

/* CODE, of the program's own, begins for the first time: say where its tests have their containers. */
void pyro_contains_note(PyObject *code);
/* In a forked child: go on in a block of its own. */
void pyro_contains_forked(void);

#endif /* PYRO_FREE_THREADED */

#endif
