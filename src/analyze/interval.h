/* analyze/interval.h - how far an estimate from sampled blocks (base/sampling.h) may be off.
 *
 * What was seen is there for certain; only what was not seen is guessed, and only that has a distribution: one of the gamma kind, with the
 * mean and the variance of the sum of weights, which for blocks much smaller than the period makes the interval of a Poisson count, and for larger ones
 * shrinks with the chance to miss one. Of the two that such an interval lies between, without and with one more sample, the
 * mean is taken (mid-P): each alone would be too narrow, or too wide, where samples are few (decision 40). Pure functions. */
#ifndef PYRO_ANALYZE_INTERVAL_H
#define PYRO_ANALYZE_INTERVAL_H

#define PYRO_INTERVAL_CONFIDENCE 0.95 /* the chance that an interval has the truth in it */

struct pyro_interval {
    double low, high;
};

/* What sums over sampled blocks say. */
struct pyro_estimated {
    double seen, estimate, variance;
};

/* Of bytes, sampled each PERIOD. Where nothing was sampled: from 0 to what is rarely missed. */
struct pyro_interval pyro_interval_bytes(const struct pyro_estimated *bytes, double period);
/* Of blocks that have these BYTES, those that were missed being like those that were seen. */
struct pyro_interval pyro_interval_blocks(const struct pyro_estimated *blocks,
                                          const struct pyro_estimated *bytes);

#endif
