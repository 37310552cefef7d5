/* cpython/entry.h - where a running interpreter takes a call from outside. Here it is only read; src/inject/ writes.
 *
 * 3.14+: a request to run a script (PEP 768), in the state of each thread. 3.11-3.13: the pending calls of the main interpreter, a
 * ring of C functions and arguments, which the eval loop calls at its next safe point: the main thread's in 3.11, any
 * thread's of the interpreter later. What stands there is checked before it is believed. */
#ifndef PYRO_CPYTHON_ENTRY_H
#define PYRO_CPYTHON_ENTRY_H

#include "cpython/runtime.h"

#define PYRO_ENTRY_SCRIPT_MAX 512                /* bytes of a script's path, its end included */
#define PYRO_BREAKER_CALLS    (UINT64_C(1) << 2) /* 3.13: there are pending calls */
#define PYRO_BREAKER_STOP     (UINT64_C(1) << 5) /* 3.14+: look up */

struct pyro_entry {
    pyro_addr interp; /* the main one */
    bool remote;      /* 3.14+; else the rest is set */
    uint32_t minor;
    pyro_addr lock;    /* 3.11, 3.12: pointer to it; 3.13: it itself, a byte */
    pyro_addr flag;    /* 3.11, 3.12: calls are there: 1; 3.13: how many */
    pyro_addr breaker; /* 3.11, 3.12: the eval loop is to look up: 1 */
    pyro_addr calls, first,
        behind;             /* the ring; where the first one lies, where the next one goes */
    uint32_t count, stride; /* of the ring's places: one less than COUNT may be used */
};

/* -ENOTSUP: before 3.11, or without a GIL; -EACCES: it is switched off there; -EPROTO: not as it should be. */
int pyro_entry_find(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    struct pyro_entry *ret_entry, struct pyro_error *error);

/* The ring at one moment: places FIRST to BEHIND are in use. */
struct pyro_entry_ring {
    uint32_t first, behind, waiting;
};
/* While all threads stand still: -EAGAIN: somebody holds its lock, or it is full; -EPROTO: not as it should be. */
int pyro_entry_ring(const struct pyro_memory *memory, const struct pyro_maps *maps,
                    const struct pyro_entry *entry, struct pyro_entry_ring *ret_ring);
/* The same while they run: it may be torn, and nothing is checked. */
int pyro_entry_peek(const struct pyro_memory *memory, const struct pyro_entry *entry,
                    struct pyro_entry_ring *ret_ring);
static inline bool pyro_entry_waits(const struct pyro_entry *entry,
                                    const struct pyro_entry_ring *ring, uint32_t place)
{
    return (place + entry->count - ring->first) % entry->count <
           (ring->behind + entry->count - ring->first) % entry->count;
}
static inline pyro_addr pyro_entry_place(const struct pyro_entry *entry, uint32_t place)
{
    return pyro_addr_plus(entry->calls, (uint64_t)place * entry->stride);
}

/* The states of the main interpreter's threads, MAX at most, the main thread's first. Returns how many. */
int pyro_entry_threads(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       const struct pyro_entry *entry, pyro_addr *threads, int max);
/* Whose turn it is to run Python, by the GIL; null: nobody's. */
pyro_addr pyro_entry_holder(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                            const struct pyro_entry *entry);

#endif
