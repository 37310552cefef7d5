/* profile/traced.h - calls that were traced: each context with its exact calls and measured time.
 *
 * A tracer's events lengthen what they measure. Their cost was measured in the process itself (struct pyro_trace_cost): the
 * part between the two readings of the clock is taken out of the called function's own time, the rest out of its caller's;
 * never more than is there.
 *
 * A tracer cannot tell waiting from running; samples do. Parked time (profile/clock.h) of a thread is taken out of what it has in
 * stacks of parked threads: as much as its parked samples say, in equal parts. */
#ifndef PYRO_PROFILE_TRACED_H
#define PYRO_PROFILE_TRACED_H

#include "profile/totals.h"

/* Records of the same thread and stack become one; all are sorted by these. */
void pyro_traced_merge(struct pyro_profile *profile);

/* Is what was traced the answer to what VIEW asks for? */
bool pyro_traced_answers(const struct pyro_clock_view *view);
/* Of each record: its own time, and what was taken out of it. [traced_count], to be freed; NULL: out of memory. */
struct pyro_traced_time {
    double self_us;    /* parked time is in it only if VIEW is idle */
    double removed_us; /* the cost of tracing */
    double parked_us;
};
struct pyro_traced_time *pyro_traced_times(const struct pyro_clock_view *view);
/* The self times of TOTALS' stacks, and what was taken out. 0 or -ENOMEM. */
int pyro_traced_add_up(struct pyro_totals *totals, const struct pyro_clock_view *view,
                       const struct pyro_totals_filter *filter);

/* Calls of each function: NCALLS of all, PRIMITIVE of those within which no other one of it was open; [function_count]. 0
 * or -ENOMEM. */
int pyro_traced_count(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                      uint64_t *ncalls, uint64_t *primitive);

#endif
