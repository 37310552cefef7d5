/* probe/mappings.h - the anonymous mappings that are alive: pages that were asked for at once and may be given back in parts.
 *
 * Ranges of addresses, sorted; a search for each that comes or goes, which are few. All calls want the lock of the heap that they
 * count in. None of them allocates but by mmap(). */
#ifndef PYRO_PROBE_MAPPINGS_H
#define PYRO_PROBE_MAPPINGS_H

#include "probe/heap.h"

/* SIZE bytes at START are STACK's from now on. Of what was known there before, they take the place: it was unmapped by that. */
void pyro_mappings_add(struct pyro_heap *heap, uint32_t stack, uintptr_t start, size_t size);
/* They are no more, as far as they are known: so many bytes. A mapping counts as one block until the last part of it is gone. */
uint64_t pyro_mappings_remove(struct pyro_heap *heap, uintptr_t start, size_t size);
/* Have SEE called with each range that is known, SIZE bytes of STACK's. */
void pyro_mappings_each(void (*see)(void *context, uint32_t stack, uint64_t size), void *context);
/* None is known any more. TORN: in a forked child, where another thread may have been at it. */
void pyro_mappings_forget(bool torn);

#endif
