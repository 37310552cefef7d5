/* bench/internal.h - what the files of this folder share. */
#ifndef PYRO_BENCH_INTERNAL_H
#define PYRO_BENCH_INTERNAL_H

#include "bench/bench.h"

/* Can VALUE be compared? */
bool pyro_bench_known(double value);

/* -- what else the machine does --------------------------------------------------------------- */

struct pyro_machine_look {
    uint64_t at_ns;
    double busy_s, steal_s; /* of all CPUs since the machine started */
    uint64_t pages_swapped;
};
void pyro_machine_look(struct pyro_machine_look *ret_look);
/* Before anything runs: load and governor. */
void pyro_noise_begin(struct pyro_bench_noise *noise);
/* Between two runs: the lowest and highest frequency seen. */
void pyro_noise_frequency(struct pyro_bench_noise *noise);
/* From what changed since FIRST, of which our own commands used OWN_CPU_S. */
void pyro_noise_end(struct pyro_bench_noise *noise, const struct pyro_machine_look *first,
                    double own_cpu_s);

#endif
