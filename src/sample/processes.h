/* sample/processes.h - the processes that are watched: the root and, if asked, all that descend from it.
 *
 * A child is looked at again after every exec until it is a Python; programs that are none are only followed
 * to their own children. A process that ends, or becomes another program, loses its sampler. */
#ifndef PYRO_SAMPLE_PROCESSES_H
#define PYRO_SAMPLE_PROCESSES_H

#include "sample/sampler.h"

struct pyro_watched {
    pid_t pid, parent;
    uint64_t start_ticks;
    struct pyro_sampler *sampler; /* NULL: not a Python (yet) */
    uint64_t retry_ns, retry_gap_ns;
    uint64_t exe_identity; /* of the program when we last looked */
    bool ended;
};

struct pyro_processes {
    struct pyro_watched *items; /* the root first */
    size_t count, capacity;
    struct pyro_sampler_options options;
    bool subprocesses;
    struct pyro_writer *writer;
    uint64_t scan_ns; /* when to look for children next */
    size_t sweep_at;  /* in the middle of a sweep: the process in turn */
    uint64_t lost;    /* how often a sampled process ended, or became another program */
    uint64_t began_ns;
};

int pyro_processes_init(struct pyro_processes *processes, pid_t root,
                        const struct pyro_sampler_options *options, bool subprocesses);
void pyro_processes_clear(struct pyro_processes *processes);

/* Try to find the root's interpreter. Errors as pyro_sampler_open(). */
int pyro_processes_open_root(struct pyro_processes *processes, struct pyro_error *error);
/* From now on samplers write there; those already open start. */
int pyro_processes_start(struct pyro_processes *processes, struct pyro_writer *writer,
                         uint64_t now_ns);
/* Look for new children, for programs that became Python, and for processes that ended. Cheap when nothing is due. */
void pyro_processes_tend(struct pyro_processes *processes, uint64_t now_ns);
/* One sweep over every process that has a sampler, sitting on SEAT (or NULL). Returns PYRO_SEAT_DONE, or the CPU where it is
 * to be called again: it goes on with the process it had come to. */
int pyro_processes_sweep(struct pyro_processes *processes, struct pyro_seat *seat, uint64_t now_ns,
                         struct pyro_counters *counters);
/* Is there nothing left to watch? */
bool pyro_processes_ended(const struct pyro_processes *processes);
size_t pyro_processes_threads(const struct pyro_processes *processes);
size_t pyro_processes_count(const struct pyro_processes *processes);

#endif
