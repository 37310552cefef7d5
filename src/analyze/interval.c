/* analyze/interval.c - quantiles of a mean of two gamma distributions. */
#include "analyze/interval.h"

#include <math.h>
#include <stdbool.h>

#define TERMS_MAX    1000
#define PRECISION    1e-12
#define SHAPE_NORMAL 500 /* from here on its cube root is as good as normal (Wilson and Hilferty) */
#define HALVINGS     80
#define STEPS        20
#define SIZE_TINY    1e-300

/* A gamma distribution; mean 0: all of it lies at 0. */
struct gamma {
    double mean, variance;
};

static double normal_below(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* The series of the incomplete gamma function, good up to its mean. */
static double below_by_series(double shape, double x)
{
    double term = 1 / shape, sum = term;
    for (int i = 1; i < TERMS_MAX && term > sum * PRECISION; i++) {
        term *= x / (shape + i);
        sum += term;
    }
    return sum * exp(-x + shape * log(x) - lgamma(shape));
}

/* Its continued fraction (Lentz's way), good beyond that: what lies above X. */
static double above_by_fraction(double shape, double x)
{
    double b = x + 1 - shape, c = 1 / SIZE_TINY, d = 1 / b, fraction = d;
    for (int i = 1; i < TERMS_MAX; i++) {
        const double a = -i * (i - shape);
        b += 2;
        d = a * d + b;
        d = 1 / (fabs(d) < SIZE_TINY ? SIZE_TINY : d);
        c = b + a / c;
        c = fabs(c) < SIZE_TINY ? SIZE_TINY : c;
        fraction *= d * c;
        if (fabs(d * c - 1) < PRECISION)
            break;
    }
    return fraction * exp(-x + shape * log(x) - lgamma(shape));
}

/* The share of GAMMA that is not above X. */
static double share_below(const struct gamma *gamma, double x)
{
    if (!(gamma->mean > 0) || !(gamma->variance > 0))
        return x >= gamma->mean;
    if (!(x > 0))
        return 0;
    const double shape = gamma->mean * (gamma->mean / gamma->variance);
    const double at = x / (gamma->variance / gamma->mean);
    if (shape > SHAPE_NORMAL)
        return normal_below((cbrt(at / shape) - 1 + 1 / (9 * shape)) * 3 * sqrt(shape));
    return at < shape + 1 ? below_by_series(shape, at) : 1 - above_by_fraction(shape, at);
}

/* Where SHARE of the mean of both lies below. */
static double quantile(const struct gamma *fewer, const struct gamma *more, double share)
{
    double low = 0, high = more->mean + 40 * sqrt(more->variance);
    for (int i = 0; i < HALVINGS && high - low > PRECISION * high; i++) {
        const double middle = (low + high) / 2;
        if ((share_below(fewer, middle) + share_below(more, middle)) / 2 < share)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* WEIGHT is what one more sample would add to what was not seen, and VARIANCE to its variance. What was not seen comes in whole blocks of
 * UNIT, which the distribution does not know: half of one is added on both sides. */
static struct pyro_interval interval(const struct pyro_estimated *sums, double weight,
                                     double variance, double unit)
{
    const double unseen = sums->estimate > sums->seen ? sums->estimate - sums->seen : 0;
    const struct gamma fewer = {unseen, sums->variance > 0 ? sums->variance : 0};
    const struct gamma more = {fewer.mean + weight, fewer.variance + variance};
    const double beyond = (1 - PYRO_INTERVAL_CONFIDENCE) / 2;
    if (!(more.mean > 0) || !(more.variance > 0))
        return (struct pyro_interval){sums->seen, sums->seen};
    const double low = quantile(&fewer, &more, beyond) - unit / 2;
    const double high = quantile(&fewer, &more, 1 - beyond) + unit / 2;
    return (struct pyro_interval){sums->seen + fmax(low, 0), sums->seen + high};
}

/* The size of a block that stands for BYTES: of which it is the share that base/sampling.h tells. */
static double size_standing_for(double bytes, double period)
{
    const double wanted = bytes / period;
    if (!(wanted > 1))
        return 0;
    double x = wanted; /* from above, Newton's steps only fall */
    for (int i = 0; i < STEPS; i++) {
        const double missed = exp(-x), sampled = 1 - missed;
        const double slope = (sampled - x * missed) / (sampled * sampled);
        if (!(sampled > 0) || !(slope > 0))
            break;
        x = fmax(x - (x / sampled - wanted) / slope, 0);
    }
    return x * period;
}

struct pyro_interval pyro_interval_bytes(const struct pyro_estimated *bytes, double period)
{
    const double unseen = bytes->estimate - bytes->seen;
    const double each = unseen > 0 ? bytes->variance / unseen : 0; /* that one sample stands for */
    return interval(bytes, period, period * period, size_standing_for(each, period));
}

/* Where blocks are larger than the period, few stand for more than themselves, being rounded, and bytes tell better how many were
 * missed: as many as there are of the size that they have on average. */
struct pyro_interval pyro_interval_blocks(const struct pyro_estimated *blocks,
                                          const struct pyro_estimated *bytes)
{
    const double size = bytes->seen / (blocks->seen > 0 ? blocks->seen : 1);
    struct pyro_estimated sums = *blocks;
    if (size > 0) {
        sums.estimate = fmax(sums.estimate, sums.seen + (bytes->estimate - bytes->seen) / size);
        sums.variance = fmax(sums.variance, bytes->variance / size / size);
    }
    const double unseen = sums.estimate - sums.seen;
    const double each = unseen > 0 ? sums.variance / unseen : 1; /* that one sample stands for */
    return each > 1 ? interval(&sums, each - 1, each * (each - 1), 1) : interval(&sums, 0, 0, 0);
}
