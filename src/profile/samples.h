/* profile/samples.h - fill the samples of a profile: a sweep, then the samples that belong to it, and so on.
 *
 * Internal to profile/; tests use it too, to make profiles by hand. A zeroed struct is empty and ready. Samples and
 * times lie in blocks that never move: while millions of them come in, nothing is copied and nothing is there twice.
 * Each call but _free allocates; after -ENOMEM nothing has changed but spare memory. */
#ifndef PYRO_PROFILE_SAMPLES_H
#define PYRO_PROFILE_SAMPLES_H

#include "profile/profile.h"

/* Open the next sweep. There may be no more than 2^32 - 1. */
int pyro_samples_sweep(struct pyro_profile_samples *samples, uint64_t time_us);

/* The id of KIND, made when it is new. Kinds that no sample has any more stay. */
int64_t pyro_samples_kind(struct pyro_profile_samples *samples,
                          const struct pyro_sample_kind *kind);

/* One more sample of the last sweep. */
int pyro_samples_add(struct pyro_profile_samples *samples, uint32_t stack, uint32_t kind);

/* From sweep FIRST_SWEEP on samples weigh WEIGHT_US, until the next call tells otherwise. The first call is for sweep
 * 0, each further one for a later sweep than the one before. */
int pyro_samples_weigh(struct pyro_profile_samples *samples, size_t first_sweep, float weight_us);

/* A sample below count, to change its stack or kind. */
static inline struct pyro_sample *pyro_samples_at(struct pyro_profile_samples *samples,
                                                  size_t sample)
{
    return &samples->blocks[sample / PYRO_SAMPLE_BLOCK][sample % PYRO_SAMPLE_BLOCK];
}

void pyro_samples_free(struct pyro_profile_samples *samples); /* leaves it zeroed */

#endif
