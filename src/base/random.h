/* base/random.h - numbers that look random: for order and for resampling, never for secrets.
 *
 * xorshift64*. The state is one word, which must not be 0; the same start gives the same
 * numbers. */
#ifndef PYRO_BASE_RANDOM_H
#define PYRO_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t pyro_random_seed(uint64_t seed)
{
    return seed * 0x9e3779b97f4a7c15ull | 1;
}

static inline uint64_t pyro_random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/* In [0, 1). */
static inline double pyro_random_unit(uint64_t *state)
{
    return (double)(pyro_random_next(state) >> 11) * 0x1.0p-53;
}

/* In 0 .. COUNT - 1, COUNT at least 1. */
static inline uint32_t pyro_random_below(uint64_t *state, uint32_t count)
{
    return (uint32_t)((pyro_random_next(state) >> 32) * count >> 32);
}

#endif
