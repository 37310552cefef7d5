/* sample/schedule.h - when to look: at random, so that nothing in the target can be in step with us.
 *
 * Gaps between ticks are exponential with the mean asked for. We sleep as long as that is exact enough and
 * spin the rest, so high rates cost a core (or, where we are in somebody's way, only sleep). A tick that is a whole mean gap late is skipped and counted as missed. */
#ifndef PYRO_SAMPLE_SCHEDULE_H
#define PYRO_SAMPLE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct pyro_schedule {
    uint64_t random; /* state of the generator; never 0 */
    uint64_t mean_ns;
    uint64_t due_ns;       /* of the next tick */
    uint64_t missed, late; /* counted */
    uint64_t late_ns;      /* by so much the last tick was late */
    bool polite;           /* we share the CPU with the target: sleep always, and some time */
    bool to_draw;          /* the next tick is not known yet */
    uint64_t busy_ns;      /* from a tick to the next wait, smoothed */
    bool fixed;            /* a fault for tests: no jitter */
    void (*pause)(void *context,
                  uint64_t until_ns); /* in place of a sleep; may return early; NULL: sleep */
    void *pause_context;
};

void pyro_schedule_start(struct pyro_schedule *schedule, uint64_t mean_ns, uint64_t now_ns);
void pyro_schedule_set_mean(struct pyro_schedule *schedule, uint64_t mean_ns);
/* The mean for somebody who took TIMES as much of a core as he may with GAP_NS: longer where that is above 1, and shorter, but not at
 * once, below; never shorter than ASKED_NS, nor longer than half a second unless that is. */
uint64_t pyro_schedule_thrifty_gap_ns(uint64_t gap_ns, uint64_t asked_ns, double times);

/* Wait for the next tick and return the time then. Returns early, before the tick, when *STOP becomes true or at
 * LATEST_NS; *ret_due tells whether the tick has come. */
uint64_t pyro_schedule_wait(struct pyro_schedule *schedule, uint64_t latest_ns,
                            const volatile int *stop, bool *ret_due);

#endif
