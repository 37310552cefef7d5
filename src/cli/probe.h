/* cli/probe.h - have the program that `run` starts count its calls: hand it the probe and the memory to count into.
 *
 * By the environment: PYTHONPATH begins with the folder of our sitecustomize.py, PYROMETER_PROBE tells that what it needs
 * (probe/bootstrap/). A Python that takes neither runs as always and is not counted. */
#ifndef PYRO_CLI_PROBE_H
#define PYRO_CLI_PROBE_H

#include "base/error.h"
#include "collect/collect.h"
#include "collect/tables.h"
#include "sample/sampler.h"

#define PYRO_RUN_PROBE_SWEEPS 200 /* and a second, until the hottest functions are chosen */

struct pyro_probe_options {
    bool c_calls;              /* count those of C functions, too */
    bool traces;               /* time them */
    bool follow;               /* in the program's children as well */
    enum pyro_tracking memory; /* track what is allocated; no calls are counted then */
    uint64_t period;           /* of these only a sample, so many bytes apart on average; 0: all */
    const char *
        lines; /* count those of the functions named there (probe/wanted.h) and of marked ones; NULL: no lines */
    bool sampled_times; /* of lines: they are only counted */
};

struct pyro_run_probe {
    struct pyro_collector *collector; /* NULL: nothing is counted */
    struct pyro_callee_source callees;
    int child_fd;
    bool chooses;               /* whose lines to count, by what was sampled in the beginning */
    uint64_t began_ns, look_ns; /* not sooner than that after the beginning */
    bool lines_sampled;         /* for the counters of that name */
    const char *recording;      /* path of what is being recorded; the caller's */
    struct pyro_writer
        *writer; /* of it, while it is being recorded; the caller's; NULL: none yet */
};

/* Make the memory and set the environment for the child that is started next. -ENOENT: no probe is installed beside this
 * program. */
int pyro_run_probe_begin(struct pyro_run_probe *probe, const struct pyro_probe_options *options,
                         struct pyro_error *error);
/* The same for a process that runs already and made the memory itself: FD, which is the collector's from now on. */
int pyro_run_probe_adopt(struct pyro_run_probe *probe, const struct pyro_probe_options *options,
                         int fd, struct pyro_error *error);
/* The child has started: our own environment as before. */
void pyro_run_probe_started(struct pyro_run_probe *probe);
/* For struct pyro_recorder_options: what was counted goes into the recording. */
bool pyro_run_probe_tend(void *probe, struct pyro_writer *writer, struct pyro_counters *counters);
/* The same, more often: memory over time, where that is tracked. */
void pyro_run_probe_look(void *probe, struct pyro_writer *writer, uint64_t time_us, bool last);
/* The same, after each sweep: what is only seen by looking often. */
void pyro_run_probe_swept(void *probe);
void pyro_run_probe_end(struct pyro_run_probe *probe);

#endif
