/* probe/gauge.h - how fast the machine is: what our own events take, measured on one in some dozens of them.
 *
 * What events cost a program is measured once, when it begins. Later the machine is slower or faster, by who shares its
 * processors; a virtual machine's speed changes by half within a second. An event that takes twice as long now as it did
 * then costs about twice as much in all: the collector scales the costs by that. */
#ifndef PYRO_PROBE_GAUGE_H
#define PYRO_PROBE_GAUGE_H

#include "base/ticks.h"
#include "collect/tables.h"

#include <stdbool.h>

#define PYRO_GAUGE_EVERY 61   /* odd, so that starts and calls that take turns are measured both */
#define PYRO_GAUGE_MAX   1000 /* ticks: more, and it was interrupted */
#define PYRO_GAUGE_MIN   50   /* events: fewer tell nothing */

struct pyro_gauge_hand {
    struct pyro_gauge *gauges; /* PYRO_GAUGES of them, to add to; NULL: nothing is kept */
    uint32_t until;            /* events until one is measured */
    uint64_t
        call_began; /* ticks: what is measured goes on to the function's start; 0: nothing does */
};

/* One measurement: begin == 0: none. */
struct pyro_measured {
    uint64_t begin;
    enum pyro_gauge_kind kind;
};

static inline uint64_t pyro_gauge_due(struct pyro_gauge_hand *hand)
{
    return __builtin_expect(hand->until-- == 0, 0) ? pyro_ticks() : 0;
}

/* A call instruction comes. */
static inline struct pyro_measured pyro_gauge_call(struct pyro_gauge_hand *hand)
{
    hand->call_began = 0; /* whatever it was that called before, it did not start */
    return (struct pyro_measured){pyro_gauge_due(hand), PYRO_GAUGE_CALL};
}

/* A function starts: what its call instruction began ends with that. */
static inline struct pyro_measured pyro_gauge_start(struct pyro_gauge_hand *hand)
{
    uint64_t began = hand->call_began;
    if (__builtin_expect(began != 0, 0)) {
        hand->call_began = 0;
        return (struct pyro_measured){began, PYRO_GAUGE_CALL_TO_START};
    }
    return (struct pyro_measured){pyro_gauge_due(hand), PYRO_GAUGE_START};
}

static inline void pyro_gauge_end(struct pyro_gauge_hand *hand, struct pyro_measured measured)
{
    if (__builtin_expect(measured.begin == 0, 1))
        return;
    uint64_t ticks = pyro_ticks() - measured.begin;
    hand->until = PYRO_GAUGE_EVERY - 1;
    if (ticks >= PYRO_GAUGE_MAX || !hand->gauges)
        return;
    struct pyro_gauge *gauge = &hand->gauges[measured.kind];
    __atomic_store_n(&gauge->ticks, gauge->ticks + ticks, __ATOMIC_RELAXED); /* reader: collect.c */
    __atomic_store_n(&gauge->count, gauge->count + 1, __ATOMIC_RELAXED);
}

/* A call instruction was seen; PYTHON: what it calls starts next. */
static inline void pyro_gauge_end_call(struct pyro_gauge_hand *hand, struct pyro_measured measured,
                                       bool python)
{
    if (python && measured.begin) {
        hand->call_began = measured.begin;
        hand->until = PYRO_GAUGE_EVERY - 1;
    } else {
        pyro_gauge_end(hand, measured);
    }
}

/* In place of what was begun: the event is not one to measure. */
static inline struct pyro_measured pyro_gauge_drop(struct pyro_gauge_hand *hand)
{
    hand->until = PYRO_GAUGE_EVERY - 1;
    hand->call_began = 0;
    return (struct pyro_measured){0};
}

/* What events of each kind took on average; 0: there were too few of them. From now on they are counted anew. */
void pyro_gauge_take(struct pyro_gauge_hand *hand, double ret_ticks[PYRO_GAUGES]);

#endif
