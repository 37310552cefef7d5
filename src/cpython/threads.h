/* cpython/threads.h - interpreters and their threads, by following the lists (slow path: several
 * reads; the sampler does it when the list changed, dump once). */
#ifndef PYRO_CPYTHON_THREADS_H
#define PYRO_CPYTHON_THREADS_H

#include "cpython/runtime.h"

#define PYRO_INTERPRETERS_MAX 256
#define PYRO_THREADS_MAX      65536

struct pyro_thread_info {
    pyro_addr tstate;
    pyro_addr interp;
    int64_t interp_id;
    uint64_t thread_id; /* threading.get_ident() */
    pid_t
        native_id; /* as the target's pid namespace numbers it; 0 when not known (3.8-3.10 without a pthread match) */
    uint64_t unique_id; /* of the thread state, to 3.10; 0: not known */
    pid_t
        told_id; /* as the thread state tells it, 0 before 3.11: a new thread has that of its creator at first */
    pid_t
        kernel_id; /* as our pid namespace numbers it: what /proc and ptrace want; 0 when not known */
};

/* Every thread of every interpreter, at most MAX, newest first as CPython lists them. Returns the count or
 * negative errno; a list that changed under our eyes ends early, which is no error. PID 0 (a snapshot): kernel_id
 * stays 0. Before 3.11 the native id is found through pthread_t (struct pthread holds tid). */
int pyro_threads_list(pid_t pid, const struct pyro_memory *memory,
                      const struct pyro_runtime *runtime, struct pyro_thread_info *threads,
                      int max);

/* The interpreters, main first. Returns the count or negative errno. */
int pyro_interpreters_list(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                           pyro_addr *interpreters, int max);

/* The name threading gave to a thread (threading._active in sys.modules); -ENOENT when it has none. */
int pyro_thread_name(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                     const struct pyro_thread_info *thread, char *name, size_t size);

/* GIL and GC of one interpreter. */
struct pyro_interp_state {
    pyro_addr gil_holder; /* thread state that holds the GIL; null when free */
    pyro_addr
        gil; /* address of the GIL's struct (a waiter's futex lies in it), null when unknown */
    bool collecting;
};
int pyro_interp_state(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      pyro_addr interp, struct pyro_interp_state *ret_state);

#endif
