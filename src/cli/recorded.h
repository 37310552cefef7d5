/* cli/recorded.h - one more run of each command of a bench, outside the pairs, recorded: `bench --record`.
 *
 * It says why a command is faster; whether it is, the runs say that nobody watched. */
#ifndef PYRO_CLI_RECORDED_H
#define PYRO_CLI_RECORDED_H

#include "bench/run.h"

#include <limits.h>

struct pyro_recorded {
    char (*paths)[PATH_MAX]; /* of each command; "": it could not be recorded */
};

struct pyro_recorded_options {
    const char *output; /* of the bench: recordings lie beside it; NULL or "-": in the store */
    bool shell;
    uint32_t hash_seed; /* one for all */
};

/* Run the commands of BENCH, which are TEXTS, and note in it where recordings are. What fails is told, and is no error
 * but -ENOMEM and -EINTR. */
int pyro_recorded_make(struct pyro_recorded *recorded, struct pyro_bench *bench,
                       const char *const *texts, const struct pyro_recorded_options *options,
                       struct pyro_bench_signals *signals);
void pyro_recorded_free(struct pyro_recorded *recorded); /* a zeroed struct is fine */

#endif
