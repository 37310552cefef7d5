/* profile/resolve.h - the parts of a profile that are derived from what a file says. Internal to profile/. */
#ifndef PYRO_PROFILE_RESOLVE_H
#define PYRO_PROFILE_RESOLVE_H

#include "profile/parse.h"

/* Samples whose top was not agreed: sure when every edge of it is known to be real, else cut to the agreed part
 * with an "[unsure]" frame on top. Sets counters.unsure. */
int pyro_resolve_unsure(struct pyro_parse *parse);

/* The stretches of the samples, and duration_us, sweeps, samples and gap_us of the counters. */
int pyro_resolve_weights(struct pyro_profile *profile);

#endif
