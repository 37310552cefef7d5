/* profile/totals.h - add up samples, or what was traced: per stack, per function, per caller-callee pair.
 *
 * What tables and exports have in common. Recursion is counted once: a function that stands twice on a
 * stack got that time once, and so did a pair of caller and callee. Costs one pass over the samples and
 * one walk over the tree of stacks, however deep it is. */
#ifndef PYRO_PROFILE_TOTALS_H
#define PYRO_PROFILE_TOTALS_H

#include "profile/clock.h"

struct pyro_totals_filter {
    int32_t pid;       /* only this process; 0: all */
    uint32_t thread;   /* only this thread; PYRO_NO_ID: all */
    uint64_t since_us; /* only samples taken from then on; what was counted knows no times */
};
#define PYRO_TOTALS_ALL ((struct pyro_totals_filter){.thread = PYRO_NO_ID})

bool pyro_totals_wants(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                       size_t sample);
bool pyro_totals_wants_thread(const struct pyro_profile *profile,
                              const struct pyro_totals_filter *filter, uint32_t thread);

struct pyro_stack_total {
    double self_us;        /* of the samples whose whole stack this is */
    double probe_us;       /* removed from it: what counting calls cost */
    uint64_t self_samples; /* where calls were traced, they stand here: how often it was entered */
    double tree_us;        /* those above it included */
    uint64_t tree_samples;
    double
        tree_squares_us2; /* sum of squared weights of these samples, for the standard error of tree_us */
};

struct pyro_function_total {
    double self_us, total_us;
    double self_squares_us2,
        total_squares_us2; /* sums of squared weights, for the standard errors */
    double probe_us; /* what counting calls cost: not in the times above any more, see costs.h */
    uint64_t self_samples, total_samples;
};

struct pyro_edge_total {
    /* Functions; PYRO_NO_ID as caller: the root of a thread. The caller is the nearest Python function below, also where
     * a C function stands between. */
    uint32_t caller, callee;
    double self_us;  /* of the callee, when called from the caller directly */
    double total_us; /* while the callee was on the stack, called from the caller */
    uint64_t self_samples, total_samples;
    double total_squares_us2;
};

struct pyro_totals {
    bool traced;       /* times were measured by a tracer: no sample is behind them */
    double counted_us; /* all samples that count; those without a Python frame are in stacks[0] */
    double probe_us;   /* removed from it: what counting calls cost */
    double parked_us;  /* traced: of parked threads; in the times only if these are asked for */
    uint64_t counted_samples;
    struct pyro_stack_total *stacks;       /* [stack_count] */
    struct pyro_function_total *functions; /* [function_count] */
    struct pyro_edge_total *edges; /* in no order that means anything, the same in every run */
    size_t edge_count;
};

/* The standard error of a time that was sampled: each sample counts or not, a binomial count with weights. TIME_US is what
 * these samples add up to, SQUARES_US2 their squared weights, ALL_US the time of all. */
double pyro_totals_error_us(double time_us, double squares_us2, double all_us);

/* VIEW says which samples count. 0 or -ENOMEM. */
int pyro_totals_init(struct pyro_totals *totals, const struct pyro_clock_view *view,
                     const struct pyro_totals_filter *filter);
/* What counting calls cost in all of PROFILE, as it is taken out of wall time. 0 or -ENOMEM. */
int pyro_totals_probe_us(const struct pyro_profile *profile, double *ret_us);
/* Of each stack, the part of its samples' time that is left when what counting calls cost is taken out, as
 * pyro_totals_init() does it: [stack_count], to be freed; NULL when nothing was counted. 0 or -ENOMEM. */
int pyro_totals_left(const struct pyro_clock_view *view, float **ret_left);
void pyro_totals_clear(struct pyro_totals *totals); /* a zeroed struct is fine */

#endif
