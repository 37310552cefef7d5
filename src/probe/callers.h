/* probe/callers.h - who allocates: the calling thread's own frames, found among the stacks that are known.
 *
 * At each allocation the chain of frames is walked once, two words of each (its instruction tells the code, too), and the sum
 * of it (probe/chain.h) looked up. Two chains with the same sum of 64 bits would be taken for one: among a million different ones that
 * happens in one run of 10^7. Only a chain that is new is looked at frame by frame: code, line, names. None of it calls what could
 * allocate by Python's allocators, raise, or let go of the GIL.
 *
 * Code objects are known by address. One that dies is an object that is freed, which the heap tells by a mark in its cell:
 * then all sums are forgotten.
 *
 * A frame that has not come to its first instruction that can be traced is its caller's still (it makes cells, a generator), as the
 * interpreter itself sees it. */
#ifndef PYRO_PROBE_CALLERS_H
#define PYRO_PROBE_CALLERS_H

#include "probe/heap.h"
#include "probe/inside.h"

struct pyro_callers {
    const void *frame; /* the innermost; NULL: no Python code runs here, or none we know */
    uint64_t sum;
};

/* Once, with the GIL: learn and prove what it takes. -1 with an exception. */
int pyro_callers_init(void);
/* The calling thread's, attached or not; any thread may ask. */
void pyro_callers_walk(struct pyro_callers *ret_callers);
/* Their stack in HEAP, whose lock is held. Where there is no room for a name, the nearest one below that is known; PYRO_STACK_NONE: not even that. */
uint32_t pyro_callers_stack(const struct pyro_callers *callers, struct pyro_heap *heap);
/* A cell with PYRO_HEAP_CODE was at ADDRESS, and is no more. HEAP's lock is held. */
void pyro_callers_code_died(const void *address);
/* There is a STACK of HEAP, whose lock is held, that PARENT's FUNCTION makes in a LINE: it is used again. */
void pyro_callers_learn(uint32_t stack, uint32_t parent, uint32_t function, uint32_t line);
/* Nothing is known any more: of another heap, or in a forked child, where what was known may be torn. */
void pyro_callers_forget(bool torn);

#endif
