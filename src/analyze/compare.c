/* analyze/compare.c - from pairs to a verdict. */
#include "analyze/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* -- logarithms ------------------------------------------------------------------------------- */

/* -EINVAL unless all of VALUES are positive and finite. */
static int logarithms(const double *values, size_t count, double *ret_logs)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]) || values[i] <= 0)
            return -EINVAL;
        ret_logs[i] = log(values[i]);
    }
    return 0;
}

/* A distance between logarithms as a share of the whole. */
static double as_share(double distance)
{
    return isfinite(distance) ? expm1(distance) : NAN;
}

/* -- the verdict ------------------------------------------------------------------------------ */

static bool inside(const struct pyro_comparison *comparison, double margin)
{
    return comparison->ci_low >= 1 - margin && comparison->ci_high <= 1 + margin;
}

/* What the command shows when it is compared with itself may not be called a difference. */
static bool above_noise(const struct pyro_comparison *comparison)
{
    return !(fabs(log(comparison->ratio)) < log1p(comparison->noise)); /* NAN: not known */
}

static void judge(struct pyro_comparison *comparison, double margin)
{
    if (comparison->pairs < PYRO_COMPARE_PAIRS_MIN)
        return;
    if (!comparison->apart && inside(comparison, margin))
        comparison->verdict = PYRO_VERDICT_SAME;
    else if (comparison->ci_high < 1 && above_noise(comparison))
        comparison->verdict = PYRO_VERDICT_FASTER;
    else if (comparison->ci_low > 1 && above_noise(comparison))
        comparison->verdict = PYRO_VERDICT_SLOWER;
    if (comparison->verdict == PYRO_VERDICT_SAME || comparison->verdict == PYRO_VERDICT_SLOWER)
        comparison->keep = PYRO_REVERT;
    else if (comparison->verdict == PYRO_VERDICT_FASTER && comparison->ci_high < 1 - margin)
        comparison->keep = PYRO_KEEP;
}

/* CENTRE and HALF_WIDTH of the logarithm of the ratio. */
static void fill(struct pyro_comparison *comparison, double centre, double half_width,
                 double seen_from, double margin)
{
    comparison->ratio = exp(centre);
    comparison->ci_low = comparison->ci_high = NAN;
    if (isfinite(half_width)) {
        comparison->ci_low = exp(centre - half_width);
        comparison->ci_high = exp(centre + half_width);
    }
    comparison->smallest_visible = as_share(seen_from);
    if (comparison->smallest_visible < comparison->noise)
        comparison->smallest_visible = comparison->noise;
    judge(comparison, margin);
}

/* -- measured in turn ------------------------------------------------------------------------- */

/* Each command against itself: what two neighbours of one series differ by. Where there are COUNT
 * pairs, there are about as many of these. */
static int self_noise(const double *before, const double *after, size_t count, double confidence,
                      double *differences, double *ret_noise)
{
    struct pyro_estimate estimate;
    size_t found = 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        differences[found++] = before[i + 1] - before[i];
        differences[found++] = after[i + 1] - after[i];
    }
    *ret_noise = NAN;
    if (found < 2)
        return 0;
    int code = pyro_estimate_make(differences, found, confidence, &estimate);
    if (code == 0)
        *ret_noise = as_share(estimate.half_width);
    return code;
}

/* BEFORE and AFTER are logarithms; SCRATCH holds COUNT values more. */
static int compare_logs(const double *before, const double *after, double *scratch, size_t count,
                        const struct pyro_compare_options *options,
                        struct pyro_comparison *ret_comparison)
{
    struct pyro_estimate estimate;
    struct pyro_comparison comparison = {.confidence = options->confidence, .pairs = count};
    int code = self_noise(before, after, count, options->confidence, scratch, &comparison.noise);
    for (size_t i = 0; i < count; i++)
        scratch[i] = after[i] - before[i];
    if (code == 0)
        code = pyro_estimate_make(scratch, count, options->confidence, &estimate);
    if (code < 0)
        return code;
    fill(&comparison, estimate.centre, estimate.half_width, estimate.seen_from, options->margin);
    *ret_comparison = comparison;
    return 0;
}

int pyro_compare_pairs(const double *before, const double *after, size_t count,
                       const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison)
{
    double *logs = reallocarray(NULL, count ? count : 1, 3 * sizeof(*logs));
    if (!logs)
        return -ENOMEM;
    int code = logarithms(before, count, logs);
    if (code == 0)
        code = logarithms(after, count, logs + count);
    if (code == 0)
        code = compare_logs(logs, logs + count, logs + 2 * count, count, options, ret_comparison);
    free(logs);
    return code;
}

/* -- measured apart --------------------------------------------------------------------------- */

static int estimate_logs(const double *values, size_t count, double confidence,
                         struct pyro_estimate *ret_estimate)
{
    double *logs = reallocarray(NULL, count ? count : 1, sizeof(*logs));
    if (!logs)
        return -ENOMEM;
    int code = logarithms(values, count, logs);
    if (code == 0)
        code = pyro_estimate_make(logs, count, confidence, ret_estimate);
    free(logs);
    return code;
}

int pyro_compare_apart(const double *before, size_t before_count, const double *after,
                       size_t after_count, double drift, const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison)
{
    struct pyro_estimate first, second;
    struct pyro_comparison comparison = {
        .confidence = options->confidence,
        .pairs = before_count < after_count ? before_count : after_count,
        .noise = drift,
        .apart = true,
    };
    int code = estimate_logs(before, before_count, options->confidence, &first);
    if (code == 0)
        code = estimate_logs(after, after_count, options->confidence, &second);
    if (code < 0)
        return code;
    double widened = log1p(drift);
    fill(&comparison, second.centre - first.centre,
         widened + hypot(first.half_width, second.half_width),
         widened + hypot(first.seen_from, second.seen_from), options->margin);
    *ret_comparison = comparison;
    return 0;
}

void pyro_compare_single(double before, double after, struct pyro_comparison *ret_comparison)
{
    *ret_comparison = (struct pyro_comparison){
        .ratio = before > 0 ? after / before : NAN,
        .ci_low = NAN,
        .ci_high = NAN,
        .confidence = NAN,
        .pairs = 1,
        .noise = NAN,
        .smallest_visible = NAN,
        .apart = true,
    };
}

void pyro_compare_counts(double before, double after, double margin,
                         struct pyro_comparison *ret_comparison)
{
    pyro_compare_single(before, after, ret_comparison);
    ret_comparison->apart = false;
    ret_comparison->counted = true;
    ret_comparison->counts[0] = before;
    ret_comparison->counts[1] = after;
    if (before == 0)
        ret_comparison->ratio = after == 0 ? 1 : INFINITY;
    double change = ret_comparison->ratio - 1;
    ret_comparison->ci_low = ret_comparison->ci_high = ret_comparison->ratio;
    ret_comparison->verdict = fabs(change) <= margin ? PYRO_VERDICT_SAME
                              : change < 0           ? PYRO_VERDICT_FASTER
                                                     : PYRO_VERDICT_SLOWER;
    ret_comparison->keep = ret_comparison->verdict == PYRO_VERDICT_FASTER ? PYRO_KEEP : PYRO_REVERT;
}

/* -- when to stop ----------------------------------------------------------------------------- */

enum pyro_enough pyro_compare_enough(const struct pyro_comparison *comparison, double margin,
                                     double precision)
{
    double centre = log(comparison->ratio);
    double half_width = log(comparison->ci_high) - centre;
    if (comparison->pairs < PYRO_COMPARE_FIRST_LOOK || !isfinite(half_width))
        return PYRO_ENOUGH_NOT_YET;
    if (half_width <= log1p(precision))
        return PYRO_ENOUGH_PRECISE;
    bool clear = fabs(centre) - 2 * half_width > -log1p(-margin) && above_noise(comparison);
    return clear ? PYRO_ENOUGH_CLEAR : PYRO_ENOUGH_NOT_YET;
}

bool pyro_compare_look(size_t count)
{
    return count >= PYRO_COMPARE_FIRST_LOOK &&
           (count - PYRO_COMPARE_FIRST_LOOK) % PYRO_COMPARE_LOOK_EVERY == 0;
}

const char *pyro_verdict_name(enum pyro_verdict verdict)
{
    static const char *const names[] = {"undecided", "faster", "slower", "same"};
    return names[verdict];
}
