/* profile/totals.h - add up samples: per stack, per function, per caller-callee pair.
 *
 * What tables and exports have in common. Recursion is counted once: a function that stands twice on a
 * stack got that time once, and so did a pair of caller and callee. Costs one pass over the samples and
 * one walk over the tree of stacks, however deep it is. */
#ifndef PYRO_PROFILE_TOTALS_H
#define PYRO_PROFILE_TOTALS_H

#include "profile/clock.h"

struct pyro_totals_filter {
    int32_t pid;     /* only this process; 0: all */
    uint32_t thread; /* only this thread; PYRO_NO_ID: all */
};
#define PYRO_TOTALS_ALL ((struct pyro_totals_filter){.thread = PYRO_NO_ID})

bool pyro_totals_wants(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                       size_t sample);

struct pyro_stack_total {
    double self_us; /* of the samples whose whole stack this is */
    uint64_t self_samples;
    double tree_us; /* those above it included */
    uint64_t tree_samples;
};

struct pyro_function_total {
    double self_us, total_us;
    double self_squares_us2; /* sum of squared weights, for the standard error of self_us */
    uint64_t self_samples, total_samples;
};

struct pyro_edge_total {
    uint32_t caller, callee; /* functions; PYRO_NO_ID as caller: the root of a thread */
    double self_us;          /* of the callee, when called from the caller directly */
    double total_us;         /* while the callee was on the stack, called from the caller */
    uint64_t self_samples, total_samples;
};

struct pyro_totals {
    double counted_us; /* all samples that count; those without a Python frame are in stacks[0] */
    uint64_t counted_samples;
    struct pyro_stack_total *stacks;       /* [stack_count] */
    struct pyro_function_total *functions; /* [function_count] */
    struct pyro_edge_total *edges; /* in no order that means anything, the same in every run */
    size_t edge_count;
};

/* VIEW says which samples count. 0 or -ENOMEM. */
int pyro_totals_init(struct pyro_totals *totals, const struct pyro_clock_view *view,
                     const struct pyro_totals_filter *filter);
void pyro_totals_clear(struct pyro_totals *totals); /* a zeroed struct is fine */

#endif
