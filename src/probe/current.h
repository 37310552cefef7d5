/* probe/current.h - the PyThreadState that runs, without a call of the interpreter.
 *
 * Since 3.12 the interpreter keeps it in a thread-local variable; asking for it costs a quarter of what a callback takes.
 * The variable is looked for, proved, and only used where it has the same place in all threads. */
#ifndef PYRO_PROBE_CURRENT_H
#define PYRO_PROBE_CURRENT_H

#include "probe/python.h"

#include <stddef.h>

extern ptrdiff_t pyro_current_offset; /* from the thread pointer; 0: not known */

/* Once, with the GIL, which is let go of for a moment. */
void pyro_current_find(void);

static inline PyThreadState *pyro_current_thread(void)
{
    if (__builtin_expect(!pyro_current_offset, 0))
        return PyThreadState_Get();
    return *(PyThreadState *volatile *)((char *)__builtin_thread_pointer() + pyro_current_offset);
}

#endif
