/* analyze/compare.h - is AFTER faster than BEFORE, and could it have been seen?
 *
 * The unit is one process, and where both sides were measured in turn, a pair of processes: each
 * value is what one process took. Everything is done with logarithms, so that twice as fast and
 * twice as slow weigh the same. The centre is a trimmed mean, so that a few processes that
 * something else held up do not decide. Pure functions: the same values give the same answer.
 * docs/decisions/0016-verdicts.md tells why these. */
#ifndef PYRO_ANALYZE_COMPARE_H
#define PYRO_ANALYZE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#define PYRO_COMPARE_CONFIDENCE 0.99
#define PYRO_COMPARE_MARGIN     0.01
#define PYRO_COMPARE_PAIRS_MIN  6 /* fewer give no verdict */
/* A machine is another one an hour later. A process differs from the next one, too: who measured in
 * one alone does not know. */
#define PYRO_COMPARE_DRIFT             0.10
#define PYRO_COMPARE_DRIFT_ONE_PROCESS 0.25

/* -- one series ------------------------------------------------------------------------------- */

void pyro_values_sort(double *values, size_t count);
/* Of SORTED values, between the two that are nearest: 0.5 is the median. NAN: there are none. */
double pyro_values_quantile(const double *sorted, size_t count, double share);

struct pyro_estimate {
    double centre;
    double half_width; /* of the interval around it; infinite where there are too few values */
    double seen_from;  /* how far off a true centre lies that is told from 0 in 19 of 20 cases */
};
/* Of any finite VALUES. -ENOMEM, -EINVAL (none). */
int pyro_estimate_make(const double *values, size_t count, double confidence,
                       struct pyro_estimate *ret_estimate);

/* -- two series ------------------------------------------------------------------------------- */

enum pyro_verdict {
    PYRO_VERDICT_UNDECIDED,
    PYRO_VERDICT_FASTER, /* after needs less, whatever is measured */
    PYRO_VERDICT_SLOWER,
    PYRO_VERDICT_SAME, /* the interval lies inside the margin */
};
enum pyro_keep {
    PYRO_KEEP_UNKNOWN, /* measure more */
    PYRO_KEEP,         /* faster, and the interval lies beyond the margin */
    PYRO_REVERT,       /* slower; or the same, and the simpler code wins */
};

struct pyro_comparison {
    enum pyro_verdict verdict;
    enum pyro_keep keep;
    double ratio; /* after / before; NAN: unknown, as all below */
    double ci_low, ci_high;
    double confidence;
    size_t pairs; /* measured apart: processes of the shorter series */
    double noise; /* half the width of the interval that a command compared with itself has here */
    double smallest_visible; /* the smallest change that would have been seen in 19 of 20 cases */
    bool apart;              /* not measured in turn */
    bool counted;            /* exact counts of one run each, which have no interval */
    double counts[2];        /* if counted, those: before, after */
};

struct pyro_compare_options {
    double confidence;
    double margin; /* 0.01: one percent */
};

/* BEFORE[i] and AFTER[i] were measured next to each other. -EINVAL: a value is not positive;
 * -ENOMEM. */
int pyro_compare_pairs(const double *before, const double *after, size_t count,
                       const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison);
/* The series were measured one after the other, maybe elsewhere: the interval is widened by DRIFT
 * (0.1: ten percent), and a difference below it gives no verdict. */
int pyro_compare_apart(const double *before, size_t before_count, const double *after,
                       size_t after_count, double drift, const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison);
/* What is known of one run of each: a ratio. */
void pyro_compare_single(double before, double after, struct pyro_comparison *ret_comparison);

/* Exact counts of one run each: what moved beyond the margin moved. From 0 to more the ratio is infinite. */
void pyro_compare_counts(double before, double after, double margin,
                         struct pyro_comparison *ret_comparison);

/* -- when to stop ----------------------------------------------------------------------------- */

/* Pairs are looked at first when there are this many, then each time so many more have come. */
#define PYRO_COMPARE_FIRST_LOOK 10
#define PYRO_COMPARE_LOOK_EVERY 5

enum pyro_enough {
    PYRO_ENOUGH_NOT_YET,
    PYRO_ENOUGH_PRECISE, /* the interval is as narrow as asked, wherever it lies */
    PYRO_ENOUGH_CLEAR,   /* beyond the margin by another half of its width */
};
/* Whether to measure on. Looking at an effect again and again until it is large makes false alarms;
 * so this looks at the width alone, or has it cross a bar that chance does not. */
enum pyro_enough pyro_compare_enough(const struct pyro_comparison *comparison, double margin,
                                     double precision);
/* Is COUNT a number of pairs to look at? */
bool pyro_compare_look(size_t count);

/* -- words ------------------------------------------------------------------------------------ */

const char *pyro_verdict_name(enum pyro_verdict verdict); /* "faster", "undecided" ... */

#endif
