/* profile/line_counts.h - counted lines: added up, sorted, found. */
#ifndef PYRO_PROFILE_LINE_COUNTS_H
#define PYRO_PROFILE_LINE_COUNTS_H

#include "profile/profile.h"

/* Records of the same thread, function and line become one. */
void pyro_line_counts_merge(struct pyro_profile *profile);
/* Of the counts, sorted, the first one that is of FUNCTION and LINE or comes after those. */
size_t pyro_line_counts_find(const struct pyro_profile *profile, uint32_t function, uint32_t line);
/* From when on samples are beside the counts: those up to lines_from_us were before them. */
uint64_t pyro_line_counts_since_us(const struct pyro_profile *profile);

#endif
