/* base/sampling.h - allocations sampled by a Poisson process over their bytes: gaps, and what a sampled block stands for.
 *
 * Points fall onto the bytes that are allocated, PERIOD bytes apart on average, at random. A block is sampled if one falls into it, which
 * happens with the chance p = 1 - exp(-size / period), whatever was allocated before. It stands for 1 / p blocks of its size
 * (Horvitz and Thompson): sums of that are right on average, for any mix of sizes. What a block stands for follows from its size and one
 * bit, so that its end takes back exactly what its beginning gave (decision 40). */
#ifndef PYRO_BASE_SAMPLING_H
#define PYRO_BASE_SAMPLING_H

#include "base/grown.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>

#define PYRO_SAMPLING_PERIOD     (UINT64_C(512) << 10) /* bytes, unless another one is asked for */
#define PYRO_SAMPLING_PERIOD_MIN UINT64_C(64)
#define PYRO_SAMPLING_PERIOD_MAX (UINT64_C(16) << 20) /* then sums of squares fit 64 bits */

/* One thread's way to its next sample. */
struct pyro_sampling {
    uint64_t left;  /* bytes to the next point */
    uint64_t state; /* of base/random.h; 0: it has not begun */
};

/* What a block takes of the way: one of no bytes takes some, too. */
static inline uint64_t pyro_sampling_bytes(uint64_t size)
{
    return size | 1;
}

/* To the next point: exponential, so that what was passed since the last one does not matter. */
static inline uint64_t pyro_sampling_gap(uint64_t *state, uint64_t period)
{
    return 1 + (uint64_t)(-log1p(-pyro_random_unit(state)) * (double)period);
}

/* How many blocks one stands for: not a whole number. */
static inline double pyro_sampling_share(uint64_t period, uint64_t size)
{
    return -1 / expm1(-(double)pyro_sampling_bytes(size) / (double)period);
}

/* What a sampled block stands for. Blocks are a whole number: UP, drawn by _rounds_up() when it was sampled, tells which way. */
struct pyro_weight {
    uint64_t blocks, bytes;
};
static inline struct pyro_weight pyro_sampling_weight(uint64_t period, uint64_t size, bool up)
{
    const double share = pyro_sampling_share(period, size);
    return (struct pyro_weight){
        .blocks = (uint64_t)share + up,
        .bytes = (uint64_t)((double)size * share + 0.5),
    };
}
static inline bool pyro_sampling_rounds_up(uint64_t *state, uint64_t period, uint64_t size)
{
    const double share = pyro_sampling_share(period, size);
    return pyro_random_unit(state) < share - floor(share);
}

/* Does no point fall into a block of SIZE bytes? If one may, nothing is changed: ask pyro_sampling_take() then, once it is there. */
static inline bool pyro_sampling_passes(struct pyro_sampling *sampling, uint64_t size)
{
    const uint64_t bytes = pyro_sampling_bytes(size), left = sampling->left;
    if (__builtin_expect(bytes >= left, 0))
        return false;
    sampling->left = left - bytes;
    return true;
}

/* Is a block sampled that did not pass? Not if the thread only begins, SEED being its own, and its first point comes later. */
static inline bool pyro_sampling_take(struct pyro_sampling *sampling, uint64_t period,
                                      uint64_t size, uint64_t seed)
{
    if (!sampling->state) {
        sampling->state = pyro_random_seed(seed);
        for (int i = 0; i < 8; i++) /* seeds that are near each other part */
            (void)pyro_random_next(&sampling->state);
        sampling->left = pyro_sampling_gap(&sampling->state, period);
    }
    if (pyro_sampling_passes(sampling, size))
        return false;
    sampling->left = pyro_sampling_gap(&sampling->state, period);
    return true;
}

/* Sums over sampled blocks, from which an interval is made (analyze/interval.h). A whole mapping is always seen: it adds nothing to the
 * variances. */
struct pyro_sampled {
    uint64_t blocks, bytes;                   /* that were seen themselves */
    uint64_t bytes_variance, blocks_variance; /* in bytes^2 / period, and blocks^2 */
};

/* What PART leaves of ALL. */
static inline struct pyro_sampled pyro_sampled_left(const struct pyro_sampled *all,
                                                    const struct pyro_sampled *part)
{
    return (struct pyro_sampled){
        .blocks = pyro_grown(all->blocks, part->blocks),
        .bytes = pyro_grown(all->bytes, part->bytes),
        .bytes_variance = pyro_grown(all->bytes_variance, part->bytes_variance),
        .blocks_variance = pyro_grown(all->blocks_variance, part->blocks_variance),
    };
}

#endif
