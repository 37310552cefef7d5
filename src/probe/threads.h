/* probe/threads.h - what each thread writes, in shared memory: its own table of edges with the index to find them by, or,
 * traced, its calling contexts.
 *
 * A table has one writer: its thread. Tables of threads that ended stay where they are; when blocks become scarce, new
 * threads go on in them. */
#ifndef PYRO_PROBE_THREADS_H
#define PYRO_PROBE_THREADS_H

#include "probe/blocks.h"
#include "probe/gauge.h"
#include "probe/inside.h"
#if PYRO_FREE_THREADED
#include "probe/records.h"
#endif
#include "probe/path.h"

struct pyro_edge_place {
    uint64_t key; /* caller << 32 | callee; 0: free */
    uint64_t *count;
};

struct pyro_thread_table {
    struct pyro_thread_table *next; /* while its thread is gone */
    uint64_t generation;
    uint32_t serial; /* never 0, never used again */
    uint32_t native_id;
    struct pyro_gauge_hand gauge;  /* of what is shared */
    struct pyro_block_head *block; /* the newest one; NULL: none yet */
    uint32_t block_used;           /* edges in it */
    struct pyro_edge_place *places;
    uint32_t place_mask, place_count;
    struct pyro_thread_block *shared; /* what this thread does at this moment; NULL: no room */
    struct pyro_path path;            /* traced; else zero */
    struct pyro_lines_thread *lines;  /* of probe/lines.h; NULL: none yet */
};

/* Valid for THREAD while GENERATION is that of pyro_armed. */
struct pyro_here {
    PyThreadState *thread;
    uint64_t generation;
    struct pyro_thread_table *table;
};
extern __thread struct pyro_here pyro_here __attribute__((tls_model("initial-exec")));

/* Threads that are new begin a path, too. */
extern bool pyro_threads_trace;

/* This thread's table, made if need be. NULL: we are not armed, or out of memory. */
struct pyro_thread_table *pyro_threads_enter(PyThreadState *thread);

/* For an event that begins. */
static inline struct pyro_thread_table *pyro_threads_table(PyThreadState *thread)
{
#if PYRO_FREE_THREADED
    pyro_records_catch_up();
#endif
    if (__builtin_expect(
            pyro_here.thread == thread && pyro_here.generation == pyro_armed->generation, 1))
        return pyro_here.table;
    return pyro_threads_enter(thread);
}

/* Set back to zero what this thread counted or timed. */
void pyro_threads_forget(PyThreadState *thread);
#if !PYRO_FREE_THREADED
/* What all threads counted so far. */
void pyro_threads_forget_all(void);
#endif
/* pyro_gauge_take() of this thread's. */
void pyro_threads_take_gauge(PyThreadState *thread, double ret_ticks[PYRO_GAUGES]);

/* The counter of an edge. When there is no room: with a GIL, one that is reported as lost; without, NULL, for that one would
 * have many writers. */
uint64_t *pyro_threads_count(struct pyro_thread_table *table, uint32_t caller, uint32_t callee);

#endif
