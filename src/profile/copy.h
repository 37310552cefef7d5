/* profile/copy.h - the samples of recordings, one after another, into another one.
 *
 * What was sampled is copied: sweeps, stacks, states, waits, threads, processes, source lines, membership tests. What a probe
 * counted is not. Tops that were not sure stay so. */
#ifndef PYRO_PROFILE_COPY_H
#define PYRO_PROFILE_COPY_H

#include "profile/profile.h"
#include "profile/writer.h"

struct pyro_copy {
    struct pyro_writer *writer;
    struct pyro_counters counters; /* of all that was copied */
    struct pyro_map cpu_us;        /* thread of the writer -> CPU the kernel counted */
};

/* A zeroed struct with a writer is ready. PROFILE's beginning is at OFFSET_US of the new recording, no earlier than the end of
 * the one before. 0 or -ENOMEM; other errors are the writer's. */
int pyro_copy_add(struct pyro_copy *copy, const struct pyro_profile *profile, uint64_t offset_us);
void pyro_copy_clear(struct pyro_copy *copy); /* the writer is not closed */

#endif
