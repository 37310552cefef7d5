/* profile/costs.h - what counting calls and lines cost, taken out of the sampled times.
 *
 * A probe that counts calls lengthens what it counts: it runs at each start of a function, in that function's frame, and
 * at each call instruction, in the caller's. Both costs were measured in the process itself when it began, and scaled to
 * how fast the machine was since (struct pyro_probe, collect/collect.c). A start's is taken out of the samples in which the
 * function was innermost and called by that caller, a call instruction's out of those in which the caller was. Of a line that was
 * counted, the events' average cost is taken out of those that stood in it. Never more than is there. So cumulative times lose what their stacks lose. */
#ifndef PYRO_PROFILE_COSTS_H
#define PYRO_PROFILE_COSTS_H

#include "profile/totals.h"

/* Between adding up the samples and the tree: lower the self times of TOTALS' stacks, and note what was removed. 0 or
 * -ENOMEM. */
int pyro_costs_take_out(struct pyro_totals *totals, const struct pyro_profile *profile,
                        const struct pyro_totals_filter *filter);
/* What the events of a hit of a line cost on average; 0: not known. */
double pyro_costs_line_us(const struct pyro_profile *profile);

#endif
