/* base/ticks.c - what the processor says of its clock. */
#include "base/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define POWER_LEAF    0x80000007u /* "advanced power management information" */
#define INVARIANT_TSC (1u << 8)
#define MOMENT_TRIES  8 /* we may lose the processor between two clocks */

bool pyro_ticks_native;

static bool is_constant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(POWER_LEAF, &a, &b, &c, &d) && (d & INVARIANT_TSC);
#elif defined(__aarch64__)
    return true; /* the architecture says so */
#else
    return false;
#endif
}

void pyro_ticks_init(void)
{
    pyro_ticks_native = is_constant();
}

struct pyro_moment pyro_moment(void)
{
    struct pyro_moment best = {0};
    uint64_t best_gap = UINT64_MAX;
    for (int i = 0; i < MOMENT_TRIES; i++) {
        uint64_t before = pyro_ticks(), ns = pyro_clock_ns(), gap = pyro_ticks() - before;
        if (gap < best_gap) {
            best_gap = gap;
            best = (struct pyro_moment){before + gap / 2, ns};
        }
    }
    return best;
}

double pyro_tick_ns_since(struct pyro_moment moment)
{
    const struct pyro_moment now = pyro_moment();
    uint64_t ticks = now.ticks - moment.ticks;
    return ticks ? (double)(now.ns - moment.ns) / (double)ticks : 1;
}

double pyro_tick_ns_over(uint64_t span_ns)
{
    const struct pyro_moment first = pyro_moment();
    while (pyro_clock_ns() - first.ns < span_ns)
        continue;
    return pyro_tick_ns_since(first);
}
