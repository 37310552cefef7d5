/* base/ticks.h - the processor's own clock: half the price of CLOCK_MONOTONIC, for whom even that distorts.
 *
 * The same for all processors and processes of a machine. Only its rate is unknown: measure it against
 * CLOCK_MONOTONIC over some milliseconds. */
#ifndef PYRO_BASE_TICKS_H
#define PYRO_BASE_TICKS_H

#include "base/clock.h"

#include <stdbool.h>

/* Does the processor promise a clock of constant rate, that does not stop? Else ticks are CLOCK_MONOTONIC's nanoseconds. */
extern bool pyro_ticks_native;
void pyro_ticks_init(void); /* before anything else; again is fine */

static inline uint64_t pyro_ticks(void)
{
    if (__builtin_expect(!pyro_ticks_native, 0))
        return pyro_clock_ns();
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return pyro_clock_ns();
#endif
}

/* Both clocks at one moment, as nearly as it can be had: to measure the rate from. */
struct pyro_moment {
    uint64_t ticks, ns;
};
struct pyro_moment pyro_moment(void);
/* Nanoseconds of a tick, by what both clocks did since; and since now, in SPAN_NS nanoseconds that it waits for. */
double pyro_tick_ns_since(struct pyro_moment moment);
double pyro_tick_ns_over(uint64_t span_ns);

#endif
