/* probe/memory.h - track what is allocated by Python's allocators: `pyrometer run --memory`.
 *
 * The three domains (PyMem_RawMalloc(), PyMem_Malloc(), PyObject_Malloc() and their like) are wrapped; each wrapper gets the
 * allocator's own context, so that any mix of old and new function and context works while they are swapped. Wrappers
 * never take the GIL, never allocate by what they wrap, and may be called by any thread. What is allocated within another wrapper (an
 * arena's table, a large object by malloc) is counted once, by the outer one. */
#ifndef PYRO_PROBE_MEMORY_H
#define PYRO_PROBE_MEMORY_H

#include "collect/tables.h"

#include <stdbool.h>

#if !PYRO_FREE_THREADED

/* Into PROCESS's block, or TOTALS if that is not NULL, and blocks for stacks; PERIOD not 0: sampled (base/sampling.h). -1 with an
 * exception: nothing is set then. */
int pyro_memory_start(struct pyro_process_block *process, enum pyro_tracking tracks,
                      uint64_t period, struct pyro_heap_totals *totals);
/* Tell what is resident, and have the allocators as they were, where nobody has wrapped ours meanwhile. Nothing happens if it was
 * not started. */
void pyro_memory_stop(void);
/* In a forked child, in which nothing is tracked yet: begin anew, in PROCESS; NULL: do not. TRACKS, PERIOD: as its parent. */
void pyro_memory_forked(struct pyro_process_block *process, enum pyro_tracking tracks,
                        uint64_t period);

/* What is tracked. NULL: nothing is. */
struct pyro_heap *pyro_memory_heap(void);
/* What the calling thread has allocated, less what it freed, in bytes. Only differences mean anything. */
int64_t pyro_memory_net(void);
/* What the calling thread allocates from now on is not tracked (HIDE), or is. Returns what was so before. */
bool pyro_memory_hide(bool hide);
/* The BLOCK of a dead object is a new one's, without having been freed: it is who makes that one that has it from now on. Wants the GIL. */
void pyro_memory_reused(void *block);
/* What is resident of this process, in bytes. 0: not known. Allocates nothing. */
uint64_t pyro_memory_resident(void);

#else /* not tracked there */

#include "probe/python.h"

static inline int pyro_memory_start(struct pyro_process_block *process, enum pyro_tracking tracks,
                                    uint64_t period, struct pyro_heap_totals *totals)
{
    PyErr_SetString(PyExc_ImportError, "memory is not tracked in a free-threaded build of Python");
    return -1;
}
static inline void pyro_memory_stop(void)
{
}
static inline void pyro_memory_forked(struct pyro_process_block *process, enum pyro_tracking tracks,
                                      uint64_t period)
{
}

#endif

#endif
