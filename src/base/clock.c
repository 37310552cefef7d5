/* base/clock.c - clocks in nanoseconds. clock_gettime cannot fail with these ids on Linux. */
#include "base/clock.h"

#include <time.h>

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * PYRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t pyro_clock_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t pyro_clock_unix_us(void)
{
    return read_clock_ns(CLOCK_REALTIME) / PYRO_NS_PER_US;
}

uint64_t pyro_clock_thread_cpu_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t pyro_clock_process_cpu_ns(void)
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void pyro_clock_sleep_until(uint64_t monotonic_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(monotonic_ns / PYRO_NS_PER_S),
        .tv_nsec = (long)(monotonic_ns % PYRO_NS_PER_S),
    };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}
