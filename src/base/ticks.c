/* base/ticks.c - what the processor says of its clock. */
#include "base/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define POWER_LEAF    0x80000007u /* "advanced power management information" */
#define INVARIANT_TSC (1u << 8)

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
