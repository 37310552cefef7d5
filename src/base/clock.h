/* base/clock.h - time as this program uses it: CLOCK_MONOTONIC in nanoseconds. */
#ifndef PYRO_BASE_CLOCK_H
#define PYRO_BASE_CLOCK_H

#include <stdint.h>

#define PYRO_NS_PER_US 1000ull
#define PYRO_NS_PER_MS 1000000ull
#define PYRO_NS_PER_S  1000000000ull

uint64_t pyro_clock_ns(void);            /* CLOCK_MONOTONIC */
uint64_t pyro_clock_unix_us(void);       /* CLOCK_REALTIME */
uint64_t pyro_clock_thread_cpu_ns(void); /* user + system of the calling thread */
uint64_t pyro_clock_process_cpu_ns(void);
void pyro_clock_sleep_until(uint64_t monotonic_ns); /* returns early on a signal */

#endif
