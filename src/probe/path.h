/* probe/path.h - the calls that are open in one thread, each with its calling context: where its time goes.
 *
 * Time is cut into slices at each event; a slice belongs to the context that the thread was in. So all that passed is
 * accounted for at any moment, and a call needs no times of its own.
 *
 * Not every beginning has an end: some versions let a generator be closed without an event, and a switch of greenlets has
 * none. So each event is compared with the real frames, and where these differ the path is made anew from them. All
 * calls want the GIL, and the thread itself. */
#ifndef PYRO_PROBE_PATH_H
#define PYRO_PROBE_PATH_H

#include "probe/contexts.h"
#include "probe/inside.h"

#include <stdlib.h>

struct pyro_open_call {
    uintptr_t frame; /* its own; | PYRO_OPEN_C: the one that called the C function */
    struct pyro_context *context;
    uint64_t begin; /* ticks; 0: not seen */
};
#define PYRO_OPEN_C ((uintptr_t)1)

/* A generator or coroutine that waits to go on. */
struct pyro_suspended {
    struct pyro_context *context; /* where it began */
    uint64_t begin;
};

struct pyro_path {
    struct pyro_open_call *open; /* the root, then outermost first */
    uint32_t depth, room;
    uint32_t native_id;
    struct pyro_thread_block *shared; /* says since when the slice lasts that is not over */
    struct pyro_contexts contexts;
    struct pyro_map suspended; /* frame -> index, or 0: none */
    struct pyro_suspended *lives;
    uint32_t life_count, life_room, life_free;
};

/* For a thread whose block is SHARED (NULL: it has none). false: out of memory. */
bool pyro_path_begin(struct pyro_path *path, struct pyro_thread_block *shared, uint32_t native_id,
                     uint64_t now);
void pyro_path_clear(struct pyro_path *path);

/* Make the path end at FRAME (NULL: the root), whatever it was. false: out of memory. */
bool pyro_path_follow(struct pyro_path *path, const void *frame, uint64_t now);
bool pyro_path_grow(struct pyro_path *path);

/* FRAME is suspended, or ends for good. */
void pyro_path_suspend(struct pyro_path *path, const void *frame,
                       const struct pyro_open_call *call);
void pyro_path_end_life(struct pyro_path *path, const void *frame,
                        const struct pyro_open_call *call, uint64_t now);

static inline struct pyro_open_call *pyro_path_top(const struct pyro_path *path)
{
    return &path->open[path->depth - 1];
}

static inline void pyro_path_add(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED); /* reader: collect/collect.c */
}

/* Not below zero: a machine's processors may not agree to the tick. */
static inline uint64_t pyro_path_passed(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}

/* The slice is over, which the thread was in FROM; from NOW on it is in TO. */
static inline void pyro_path_turn(struct pyro_path *path, const struct pyro_context *from,
                                  const struct pyro_context *to, uint64_t now)
{
    pyro_path_add(&from->shared->ticks, pyro_path_passed(path->shared->since, now));
    __atomic_store_n(&path->shared->context, to->reference, __ATOMIC_RELAXED);
    __atomic_store_n(&path->shared->since, now, __ATOMIC_RELAXED);
}

/* FUNCTION is called, where the path ends. NULL: no room for it; its time is its caller's then. */
static inline struct pyro_context *pyro_path_push(struct pyro_path *path, uintptr_t frame,
                                                  uint32_t function, uint64_t begin)
{
    if (__builtin_expect(path->depth == path->room, 0) && !pyro_path_grow(path))
        return NULL;
    struct pyro_context *caller = pyro_path_top(path)->context;
    struct pyro_context *context =
        pyro_contexts_child(&path->contexts, caller, function, path->native_id);
    path->open[path->depth++] = (struct pyro_open_call){frame, context ? context : caller, begin};
    return context;
}

static inline void pyro_path_pop(struct pyro_path *path, uint64_t now)
{
    const struct pyro_open_call *top = pyro_path_top(path);
    path->depth--;
    pyro_path_turn(path, top->context, top[-1].context, now);
}

#endif
