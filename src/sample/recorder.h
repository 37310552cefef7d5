/* sample/recorder.h - watch a process, and its children if asked, and write what it does into a recording.
 *
 * Life: _attach finds the interpreter (and waits for it up to ATTACH_TIMEOUT when the process is just starting);
 * _run samples until the time is over, the target ends or *stop becomes true; _free. All calls from one thread
 * (ptrace wants that too). The target is only read, and with `exact` stopped thread by thread for each copy. */
#ifndef PYRO_SAMPLE_RECORDER_H
#define PYRO_SAMPLE_RECORDER_H

#include "base/error.h"
#include "profile/writer.h"
#include "sample/sampler.h"

#include <signal.h>
#include <sys/types.h>

struct pyro_recorder;

#define PYRO_RECORDER_FIRST_S 1
#define PYRO_RECORDER_TEND_S  5

struct pyro_recorder_progress {
    struct pyro_counters counters;
    uint64_t elapsed_ns;
    double rate_hz; /* reached since the beginning */
    uint32_t processes, threads;
};

struct pyro_recorder_options {
    pid_t pid;
    uint32_t rate_hz; /* mean; 1 ... 1,000,000 */
    double
        cpu_share; /* of a core: where this process would take more, the rate is lowered, to 2 Hz at least; 0: it is as asked */
    uint32_t begin_hz;          /* with cpu_share: the rate it begins with; 0: rate_hz */
    uint32_t first_second_hz;   /* 0: the same; the rate of the first second (for short runs) */
    uint64_t duration_ns;       /* 0: until the target ends or *stop */
    uint64_t attach_timeout_ns; /* how long a process may take to become a Python */
    bool exact;                 /* stop each thread for its copy */
    bool apart;                 /* never sit on the CPU the target runs on */
    bool subprocesses;          /* follow children, through programs that are no Python */
    bool gil_only;              /* -g: only threads that hold the GIL */
    bool tolerate_no_python;    /* the root may be no Python as long as subprocesses may show one */
    const struct pyro_callee_source *callees; /* NULL: only Python frames are seen */
    uint32_t context_at; /* as struct pyro_sampler_options; for pyro_recorder_variable() */
    /* After PYRO_RECORDER_FIRST_S, about once in PYRO_RECORDER_TEND_S from then on, and at the end: time to write down what others
     * measured. True: again in PYRO_RECORDER_FIRST_S. May be NULL. */
    bool (*tend)(void *context, struct pyro_writer *writer, struct pyro_counters *counters);
    /* Ten times a second, and at the end with LAST, at TIME_US of the recording: what is to be looked at more often. May be NULL. */
    void (*look)(void *tend_context, struct pyro_writer *writer, uint64_t time_us, bool last);
    void *tend_context;
    bool (*due)(void *context,
                uint64_t now_ns); /* it is time for a sweep: is there to be one? NULL: yes */
    void *due_context;
    void (*swept)(void *context); /* after each sweep; may be NULL */
    void *swept_context;
    /* Between two sweeps, until UNTIL_NS or less long: sleep, or do what has to be done; never on the target's CPU. NULL: sleep, there. */
    void (*pause)(void *context, uint64_t until_ns);
    void *pause_context;
    const volatile sig_atomic_t *stop; /* may be NULL */
    void (*progress)(const struct pyro_recorder_progress *progress,
                     void *context); /* about 4 times a second; may be NULL */
    void *progress_context;
};

enum pyro_recorder_end {
    PYRO_END_DURATION, /* the time asked for is over */
    PYRO_END_STOP,     /* *stop */
    PYRO_END_TARGET,   /* the target is gone */
    PYRO_END_WRITE,    /* the recording could not be written any more */
};

/* -ESRCH no such process; -EPERM with the command to type; -ENOEXEC not a Python, or gone before it was one. */
int pyro_recorder_attach(const struct pyro_recorder_options *options,
                         struct pyro_recorder **ret_recorder, struct pyro_error *error);
/* "3.12.1" of the root process; "" while it is none. Valid until free. */
const char *pyro_recorder_python(const struct pyro_recorder *recorder);
/* That Python is newer than any we know: it is read by what it tells of itself, which passed every check. */
bool pyro_recorder_guesses(const struct pyro_recorder *recorder);
/* 0 and why it ended, or an error of ours. Counters are in the writer by then. */
int pyro_recorder_run(struct pyro_recorder *recorder, struct pyro_writer *writer,
                      enum pyro_recorder_end *ret_end, struct pyro_error *error);
/* Copy SIZE bytes of the root process's memory. 0 or a negative errno. */
int pyro_recorder_copy(const struct pyro_recorder *recorder, uint64_t address, void *data,
                       size_t size);
/* As pyro_sampler_variable(), of the root process. */
int pyro_recorder_variable(const struct pyro_recorder *recorder, uint64_t variable, uint32_t hash,
                           uint64_t *ret_value);
/* The rate at which it samples now, lowered or not. */
uint32_t pyro_recorder_rate_hz(const struct pyro_recorder *recorder);
const struct pyro_counters *pyro_recorder_counters(const struct pyro_recorder *recorder);
void pyro_recorder_free(struct pyro_recorder *recorder); /* NULL is fine */

#endif
