/* analyze/internal.h - what files of analyze/ share, besides rules: rule.h has that. */
#ifndef PYRO_ANALYZE_INTERNAL_H
#define PYRO_ANALYZE_INTERNAL_H

#include "analyze/stats.h"
#include "profile/counted.h"

/* Rows, edges and sums of a profile whose calls were timed, in its order. -ENOMEM. */
int pyro_stats_take_timed(struct pyro_stats *stats);

/* repeated.c: find the rows that one caller calls over and over. 0 or -ENOMEM. */
int pyro_mark_repeated(struct pyro_stats *stats, const struct pyro_counted *counted,
                       const struct pyro_totals_filter *filter);

/* findings.c: which functions are not the program's own, C functions among them: [function_count], to be freed. NULL: out of
 * memory. */
bool *pyro_mark_libraries(const struct pyro_profile *profile);

/* innocent.c: fill what is innocent of FINDING. 0 or -ENOMEM. */
struct pyro_rule_context;
struct pyro_finding;
int pyro_find_innocent(const struct pyro_rule_context *context, struct pyro_finding *finding);

#endif
