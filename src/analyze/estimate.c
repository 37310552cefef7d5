/* analyze/estimate.c - a trimmed mean, and an interval around it by the bootstrap.
 *
 * The values are drawn again and again, as many as there are, with replacement; how much the
 * trimmed mean of those draws varies is its standard error. The interval is that many standard
 * errors wide that Student's distribution wants for the number of values kept. Taking the interval
 * from the draws themselves is too narrow where there are few values (by simulation: 10 values, up
 * to three times as many false alarms as it says). */
#include "analyze/compare.h"

#include "base/random.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIMMED           0.2    /* at each end */
#define RESAMPLES         500    /* the standard error is then known to 3 % */
#define SEED              1      /* the same values give the same answer */
#define QUANTILE_19_OF_20 1.6449 /* of the normal distribution, one side */

static int by_value(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

void pyro_values_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
}

double pyro_values_quantile(const double *sorted, size_t count, double share)
{
    if (count == 0)
        return NAN;
    double at = share * (double)(count - 1);
    size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* P(|T| <= t) of Student's distribution with a whole number of degrees of freedom: the finite
 * series by angle (Abramowitz and Stegun 26.7.3 and 26.7.4). */
static double student_inside(double t, size_t freedom)
{
    double angle = atan(t / sqrt((double)freedom)), cosine2 = cos(angle) * cos(angle);
    bool odd = freedom % 2;
    double term = odd ? cos(angle) : 1, sum = freedom > 1 ? term : 0;
    for (size_t i = odd ? 2 : 1; i + 2 <= freedom; i += 2) {
        term *= cosine2 * (double)i / (double)(i + 1);
        sum += term;
    }
    return odd ? (angle + sin(angle) * sum) * M_2_PI : sin(angle) * sum;
}

/* The t that CONFIDENCE lies within, by bisection. */
static double student_quantile(double confidence, size_t freedom)
{
    double low = 0, high = 1;
    while (student_inside(high, freedom) < confidence && high < 1e9)
        high *= 2;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(student_inside(middle, freedom) < confidence ? &low : &high) = middle;
    }
    return high;
}

/* Of SORTED, in which value I stands TIMES[I] times (NULL: once), COUNT in all, without CUT at each
 * end. */
static double trimmed_mean(const double *sorted, const uint32_t *times, size_t count, size_t cut)
{
    double sum = 0;
    for (size_t i = 0, from = 0, to; from < count - cut; i++, from = to) {
        to = from + (times ? times[i] : 1);
        size_t first = from > cut ? from : cut, last = to < count - cut ? to : count - cut;
        if (last > first)
            sum += sorted[i] * (double)(last - first);
    }
    return sum / (double)(count - 2 * cut);
}

/* TIMES has room for COUNT numbers. */
static double standard_error(const double *sorted, uint32_t *times, size_t count, size_t cut)
{
    uint64_t random = pyro_random_seed(SEED);
    double centre = trimmed_mean(sorted, NULL, count, cut), sum = 0, squares = 0;
    for (int resample = 0; resample < RESAMPLES; resample++) {
        memset(times, 0, count * sizeof(*times));
        for (size_t i = 0; i < count; i++)
            times[pyro_random_below(&random, (uint32_t)count)]++;
        double distance = trimmed_mean(sorted, times, count, cut) - centre;
        sum += distance;
        squares += distance * distance;
    }
    double variance = squares / RESAMPLES - sum / RESAMPLES * (sum / RESAMPLES);
    return sqrt(fmax(variance, 0) * (double)count / (double)(count - 1));
}

int pyro_estimate_make(const double *values, size_t count, double confidence,
                       struct pyro_estimate *ret_estimate)
{
    if (count == 0 || count > UINT32_MAX)
        return -EINVAL;
    double *sorted = reallocarray(NULL, count, sizeof(*sorted) + sizeof(uint32_t));
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, values, count * sizeof(*sorted));
    pyro_values_sort(sorted, count);
    size_t cut = (size_t)(TRIMMED * (double)count);
    ret_estimate->centre = trimmed_mean(sorted, NULL, count, cut);
    ret_estimate->half_width = ret_estimate->seen_from = INFINITY;
    if (count > 1) {
        double error = standard_error(sorted, (uint32_t *)(sorted + count), count, cut);
        ret_estimate->half_width = error * student_quantile(confidence, count - 2 * cut - 1);
        ret_estimate->seen_from = ret_estimate->half_width + QUANTILE_19_OF_20 * error;
    }
    free(sorted);
    return 0;
}
