/* analyze/sent.h - how many queries a recorded program sent. */
#ifndef PYRO_ANALYZE_SENT_H
#define PYRO_ANALYZE_SENT_H

#include "profile/profile.h"

/* Exact: those of libraries that tell their text; and with DRIVERS those of which no text is known, calls of a C driver's
 * execute() by the program's own code. *RET_KNOWN is false where no calls were counted. 0 or -ENOMEM. */
int pyro_sent_queries(const struct pyro_profile *profile, bool drivers, uint64_t *ret_count,
                      bool *ret_known);
/* Were calls of C functions counted, in each process in which calls were? */
bool pyro_sent_by_drivers_known(const struct pyro_profile *profile);

#endif
