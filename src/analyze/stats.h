/* analyze/stats.h - time per function, with callers and callees: what pstats shows, from samples or timed calls.
 *
 * Pure functions over a profile. Times in seconds. Where calls were timed (profile->timed) neither clock, process,
 * thread nor idle can be asked for, and what samples tell is 0. */
#ifndef PYRO_ANALYZE_STATS_H
#define PYRO_ANALYZE_STATS_H

#include "base/error.h"
#include "profile/summary.h"

struct pyro_stats_edge {
    uint32_t caller, callee; /* functions; PYRO_NO_ID for the root of a thread as caller */
    double time_s; /* cumulative time of the callee while called from the caller; NAN: not known */
    double self_s; /* of it, in the callee itself */
    double time_sigma_s; /* standard error of time_s; 0 where it was measured */
    uint64_t samples;    /* behind time_s */
    uint64_t ncalls;     /* exact; PYRO_NO_CALLS when not counted */
    uint64_t primitive_calls;
};

struct pyro_stats_row {
    uint32_t function;
    double tottime_s, cumtime_s; /* recursion counted once */
    double tottime_sigma_s;      /* standard error of tottime_s; shown under 30 samples */
    double cumtime_sigma_s;
    bool timed; /* the times were measured, not sampled */
    uint64_t samples_self, samples_total;
    uint64_t ncalls, primitive_calls; /* exact; PYRO_NO_CALLS when not counted */
    double probe_s; /* what counting its calls cost: taken out of the times above */
    /* A probable bug: one caller calls it so often per call of its own, and that takes time. PYRO_NO_ID: none does. */
    uint32_t repeated_by;
    uint64_t repeated; /* calls per call of that caller */
    /* Traced: generators and coroutines of it that began and ended, and how long they lived, suspended or not. */
    uint64_t lives;
    double life_s;
};

struct pyro_stats_waiting {
    const char *category; /* "database", ... */
    double time_s;
};

struct pyro_stats {
    const struct pyro_profile *profile;
    enum pyro_clock clock;
    bool idle;         /* parked threads are in the rows */
    bool traced;       /* the rows' times were measured by a tracer; the waiting below is sampled */
    double duration_s; /* of the recording */
    double total_s;    /* all that counts: the rows' tottime and no_python_s add up to it */
    double probe_s;    /* taken out of it: what counting calls cost */
    double no_python_s; /* of it: threads that stood in no Python frame */
    uint64_t samples;   /* that count */
    uint64_t ncalls,
        primitive_calls; /* of all functions, where calls were timed; else PYRO_NO_CALLS */
    size_t thread_count; /* that have such samples */
    /* Wall time whatever the clock, parked time apart: by state, ... */
    double running_s, runnable_s, waiting_s, gil_wait_s, unknown_s, parked_s;
    double gc_s, unsure_s;       /* ... and across the states */
    struct pyro_summary summary; /* the same in microseconds, and what line 1 is worded from */
    struct pyro_stats_waiting waiting[16]; /* largest first; the GIL is one of them */
    size_t waiting_count;
    struct pyro_stats_row *rows; /* sorted as asked */
    size_t row_count;
    struct pyro_stats_edge *edges; /* by callee, then time */
    size_t edge_count;
};

/* The edges into CALLEE, largest first; their number in *RET_COUNT. */
const struct pyro_stats_edge *pyro_stats_callers(const struct pyro_stats *stats, uint32_t callee,
                                                 size_t *ret_count);

enum pyro_stats_key {
    PYRO_SORT_CUMULATIVE,
    PYRO_SORT_TIME,
    PYRO_SORT_CALLS,
    PYRO_SORT_PRIMITIVE_CALLS,
    PYRO_SORT_NAME,
    PYRO_SORT_FILE,
    PYRO_SORT_LINE,
    PYRO_SORT_NFL,     /* name, file, line */
    PYRO_SORT_STDNAME, /* as pstats prints it: file, line, name */
};
/* pstats' names and their unambiguous prefixes: "cumulative" "cumtime" "time" "tottime" "calls" "ncalls" "pcalls"
 * "name" "filename" "file" "module" "line" "nfl" "stdname". -EINVAL with all of them in the message. */
int pyro_stats_key_by_name(const char *name, enum pyro_stats_key *ret_key,
                           struct pyro_error *error);

struct pyro_stats_options {
    enum pyro_clock clock;
    enum pyro_stats_key sort;
    bool idle;       /* parked threads as rows too */
    int32_t pid;     /* only this process; 0: all */
    uint32_t thread; /* only this thread; PYRO_NO_ID: all */
};
int pyro_stats_make(const struct pyro_profile *profile, const struct pyro_stats_options *options,
                    struct pyro_stats **ret_stats, struct pyro_error *error);
void pyro_stats_free(struct pyro_stats *stats);

#endif
