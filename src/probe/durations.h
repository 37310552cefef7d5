/* probe/durations.h - how long calls took: a histogram since the beginning, and one of the last minutes.
 *
 * The bounds are 1, 1.5, 2, 3, 5 and 7 in each decade from a microsecond to a thousand seconds. The last minutes are slices
 * that are used again in turn: one whose number is not that of the time is empty. python/pyrometer/_timed.py has the same
 * in Python; tests/live/test_timed.py holds them together. No lock: the caller has one, or the GIL. */
#ifndef PYRO_PROBE_DURATIONS_H
#define PYRO_PROBE_DURATIONS_H

#include <stdint.h>

#define PYRO_DURATION_BOUNDS   54
#define PYRO_DURATION_SLICES   5
#define PYRO_DURATION_SLICE_NS 60000000000ull

struct pyro_durations {
    uint64_t number; /* of the slice; not used in the one since the beginning */
    uint64_t count, sum_ns, max_ns;
    uint64_t buckets[PYRO_DURATION_BOUNDS + 1]; /* the last one: longer than every bound */
};

struct pyro_durations_rolling {
    struct pyro_durations all, slices[PYRO_DURATION_SLICES];
};

/* A call that took so long ended at NOW_NS of any clock that starts later than -1 slice. */
void pyro_durations_add(struct pyro_durations_rolling *rolling, uint64_t took_ns, uint64_t now_ns);
/* What ended in this slice and those before it that are kept: four to five minutes. */
void pyro_durations_recent(const struct pyro_durations_rolling *rolling, uint64_t now_ns,
                           struct pyro_durations *ret_recent);

/* CLOCK_MONOTONIC, at half the price and with a rate that is measured once: good to 0.1 %. _init takes about a millisecond, the
 * first time. */
void pyro_durations_clock_init(void);
uint64_t pyro_durations_clock_ns(void);

#endif
