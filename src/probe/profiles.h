/* probe/profiles.h - Profiles that are on, and the calls each of them sees in each thread.
 *
 * Any number of Profiles is on at a time; each has shadow stacks of its own, one a thread. All share one pyro_hooks, which
 * are set while any Profile is on. All calls want the GIL and the main interpreter.
 *
 *     pyro_profile_init() -> pyro_profile_enable() <-> pyro_profile_disable() -> pyro_profile_end()
 *
 * Without a GIL an event takes no lock: it looks at the generation, and then writes what is its own thread's alone, until it
 * ends. Up to there it calls nothing of the interpreter. Who takes a Profile away from other threads takes it out of the list,
 * makes a new generation, and has the interpreter stop all threads for a moment (pyro_events_want()): none of them is between
 * the two then, so whatever was theirs is its own. The lists and flags that all share are under the lock of probe/lock.h; who
 * sets hooks waits for its turn. */
#ifndef PYRO_PROBE_PROFILES_H
#define PYRO_PROBE_PROFILES_H

#include "probe/shadow.h"

#include <stdatomic.h>
#include <sys/types.h>

struct pyro_profile {
    PyObject *timer; /* NULL: CLOCK_MONOTONIC, in nanoseconds */
    double timeunit; /* 0: the timer's seconds become nanoseconds */
    struct pyro_shadow_rules rules;
    atomic_bool builtins; /* set by enable(), perhaps while others are in events */
    bool functions_only, all_threads;
    atomic_bool out_of_memory; /* set by events of any thread; reader: report_memory() */

    /* profiles.c's own */
    atomic_uint users;           /* whose it is, and events that may run the user's code */
    atomic_bool on;              /* changes in turn */
    atomic_bool ending;          /* open calls are being ended */
    struct pyro_thread *threads; /* under the lock, as are ... */
    struct pyro_entries ended;   /* ... of threads that are gone, these, and ... */
    int64_t removed;             /* ... this (struct pyro_shadow) */
    struct pyro_profile *next;
};

/* One thread as one Profile sees it. */
struct pyro_thread {
    struct pyro_shadow shadow;
    struct pyro_profile *profile;
    uint64_t id; /* of the PyThreadState */
    pid_t pid;
    struct pyro_life *life;
    bool wanted;                   /* profiled at this moment */
    struct pyro_thread *next;      /* of the Profile's */
    struct pyro_thread *next_here; /* of those that see this thread's events */
};

/* What sees the calling thread's events: valid for THREAD while GENERATION is pyro_profiles_generation. */
struct pyro_seen_by {
    PyThreadState *thread;
    uint64_t generation;
    struct pyro_thread *first;
    bool has_timer; /* one of them has */
};
extern __thread struct pyro_seen_by pyro_seen_by __attribute__((tls_model("initial-exec")));
extern _Atomic uint64_t
    pyro_profiles_generation; /* one more whenever a Profile goes on, off or away */

void pyro_profiles_look(PyThreadState *thread);

static inline struct pyro_thread *pyro_profiles_here(PyThreadState *thread)
{
    if (__builtin_expect(
            pyro_seen_by.thread != thread ||
                pyro_seen_by.generation !=
                    atomic_load_explicit(&pyro_profiles_generation, memory_order_relaxed),
            0))
        pyro_profiles_look(thread);
    return pyro_seen_by.first;
}

/* PROFILE's view of THREAD, the calling one; NULL: it is off, or does not look there. It is good until anything of the
 * interpreter is called. */
struct pyro_thread *pyro_profile_thread(struct pyro_profile *profile, PyThreadState *thread);

/* Does any Profile that is on look at the thread of that id, or at all? */
bool pyro_profiles_want(uint64_t thread_id);
bool pyro_profiles_want_all(void);

/* Of nobody, off, with our own clock. */
void pyro_profile_init(struct pyro_profile *profile);
/* One made by malloc() lives as long as somebody uses it: who made it does. */
void pyro_profile_hold(struct pyro_profile *profile);
void pyro_profile_release(struct pyro_profile *profile);
/* Learn what this interpreter is like, once. -1 with an exception. */
int pyro_profiles_init(void);

/* Profile the calling thread, or all; done twice is fine. -1 with an exception, then nothing changed. */
int pyro_profile_enable(struct pyro_profile *profile);
/* Off in all threads, and what is open ends now. -1 with an exception: it is not for now. */
int pyro_profile_disable(struct pyro_profile *profile);
/* Forget what was called. -1 with an exception: it is not for now. */
int pyro_profile_clear(struct pyro_profile *profile);
/* As above, whatever the moment: nothing of it is left. An exception that is set stays. */
void pyro_profile_end(struct pyro_profile *profile);
/* Add the calls of all threads to SUM. -1 with an exception. */
int pyro_profile_sum(const struct pyro_profile *profile, struct pyro_entries *sum);
/* What was taken out of the times, in ticks. */
int64_t pyro_profile_removed(const struct pyro_profile *profile);
/* Is it as pyro_profile_init() left it? */
bool pyro_profile_is_unused(const struct pyro_profile *profile);

/* What its clock shows. A timer runs the user's code, with an exception put aside; if it fails, that is reported as
 * unraisable and 0 is what it shows. */
int64_t pyro_profile_now(struct pyro_profile *profile);
/* The calling thread's events are only PROFILE's until this is called with NULL. */
void pyro_profiles_only(const struct pyro_profile *profile);

#endif
