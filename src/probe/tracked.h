/* probe/tracked.h - what wrappers tell of blocks, be they those of Python's allocators (memory.h) or of C's (native.h).
 *
 * A wrapper is inside while it does its work: what is allocated from there, by what it wraps or by us, is no event of its own. Frees
 * are told before the memory is released, all else after it was given. No call allocates by what is wrapped, or wants the GIL. */
#ifndef PYRO_PROBE_TRACKED_H
#define PYRO_PROBE_TRACKED_H

#include "probe/callers.h"

extern struct pyro_heap *pyro_tracked_heap; /* its page is wiped on fork: then it is off */

/* Sessions of sampling are numbered, so that one load and one comparison tell a wrapper that it is sampled, that the thread is inside no
 * wrapper, and that its way to the next sample is of this session and its period. A thread that has none yet is of session 0. */
#define PYRO_TRACKED_INSIDE UINT32_C(1) /* a thread's */
#define PYRO_TRACKED_EXACT  UINT32_C(2) /* the heap's, and no thread's: nothing is sampled */
#define PYRO_TRACKED_FIRST  UINT32_C(3)

/* Of the calling thread. */
struct pyro_tracked_here {
    uint32_t
        open; /* `session`, or INSIDE a wrapper: what is allocated from there is counted by it */
    uint32_t session; /* that `sampling` is of */
    void *last;       /* what was allocated last */
    void *fresh;      /* the same, until an object is made of it */
    int64_t net;      /* bytes that it allocated, less those it freed; not where it is sampled */
    struct pyro_sampling sampling;
    uint64_t left; /* of it, when `last` was allocated */
};
extern __thread struct pyro_tracked_here pyro_tracked_here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline bool pyro_tracked_is_on(void)
{
    return atomic_load_explicit(&pyro_tracked_heap->on, memory_order_relaxed);
}

static inline bool pyro_tracked_is_inside(void)
{
    return pyro_tracked_here.open == PYRO_TRACKED_INSIDE;
}
static inline void pyro_tracked_set_inside(bool inside)
{
    pyro_tracked_here.open = inside ? PYRO_TRACKED_INSIDE : pyro_tracked_here.session;
}

/* Where it is on, and sampled: nearly all that wrappers see is none of ours then, and they ask this first. A hint, as is_on(): in a
 * forked child it may be true while nothing is on. */
extern _Atomic uint32_t pyro_tracked_session __attribute__((visibility("hidden")));

static inline bool pyro_tracked_samples(void)
{
    return atomic_load_explicit(&pyro_tracked_session, memory_order_relaxed) >= PYRO_TRACKED_FIRST;
}
/* From now on, with the GIL: all threads begin anew. Or nothing is, any more. */
void pyro_tracked_set_sampled(bool sampled);

/* It samples, and an allocation of SIZE bytes from inside no wrapper is none of the sample, and was counted on the way to the next one;
 * or it may have to be told of, and nothing was done. */
static inline bool pyro_tracked_passes(uint64_t size)
{
    const uint32_t session = atomic_load_explicit(&pyro_tracked_session, memory_order_relaxed);
    return __builtin_expect(pyro_tracked_here.open == session, 1) &&
           pyro_sampling_passes(&pyro_tracked_here.sampling, size);
}
/* Where it samples: a block that is about to be freed or moved is not known; NULL is as any other. */
static inline bool pyro_tracked_is_unknown(const void *block)
{
    return !pyro_heap_may_know(block);
}

/* BLOCK was allocated, and did not pass; SIZE as pyro_heap_allocated() wants it. */
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
