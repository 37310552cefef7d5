/* profile/line_totals.h - the totals of a profile, by line.
 *
 * A line of a Python function has the samples that stood in it, and those of what it called. A line that stands twice on
 * a stack, since its function recurses, got that time once. Calls that were timed, by a tracer, know no lines. */
#ifndef PYRO_PROFILE_LINE_TOTALS_H
#define PYRO_PROFILE_LINE_TOTALS_H

#include "profile/totals.h"

struct pyro_line_total {
    uint32_t function, line;
    double self_us;  /* without what it called */
    double total_us; /* with what it called */
    double total_squares_us2;
    uint64_t total_samples; /* where calls were traced: how often anything in it was entered */
};

struct pyro_line_totals {
    struct pyro_line_total *lines; /* one each, in the order of the frames */
    size_t count, capacity;
};

/* TOTALS are those of PROFILE. 0 or -ENOMEM. */
int pyro_line_totals_init(struct pyro_line_totals *lines, const struct pyro_profile *profile,
                          const struct pyro_totals *totals);
void pyro_line_totals_clear(struct pyro_line_totals *lines); /* a zeroed struct is fine */

#endif
