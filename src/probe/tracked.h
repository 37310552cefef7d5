/* probe/tracked.h - what wrappers tell of blocks, be they those of Python's allocators (memory.h) or of C's (native.h).
 *
 * A wrapper sets `inside` while it does its work: what is allocated from there, by what it wraps or by us, is no event of its own. Frees
 * are told before the memory is released, all else after it was given. No call allocates by what is wrapped, or wants the GIL. */
#ifndef PYRO_PROBE_TRACKED_H
#define PYRO_PROBE_TRACKED_H

#include "probe/callers.h"

extern struct pyro_heap *pyro_tracked_heap; /* its page is wiped on fork: then it is off */

/* Of the calling thread. */
struct pyro_tracked_here {
    bool inside; /* a wrapper: what is allocated from there is counted by it */
    void *last;  /* what was allocated last */
    void *fresh; /* the same, until an object is made of it */
    int64_t net; /* bytes that it allocated, less those it freed */
};
extern __thread struct pyro_tracked_here pyro_tracked_here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline bool pyro_tracked_is_on(void)
{
    return atomic_load_explicit(&pyro_tracked_heap->on, memory_order_relaxed);
}

/* BLOCK was allocated; SIZE as pyro_heap_allocated() wants it. */
void pyro_tracked_allocated(void *block, uint64_t size);
/* BLOCK is about to be freed. */
void pyro_tracked_free(void *block);
/* BLOCK is about to be moved: its address may be another thread's as soon as it was. What is known of it, for ... */
pyro_heap_cell pyro_tracked_before_move(void *block);
/* ... what became of it: it is at MOVED now, or NULL: where it was; ... */
void pyro_tracked_moved(pyro_heap_cell cell, void *block, void *moved, uint64_t size);
/* ... or no more. */
void pyro_tracked_gone(pyro_heap_cell cell, void *block);

#endif
