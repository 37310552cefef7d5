/* sample/sampler.h - one process: a sweep over all its threads, written into a recording.
 *
 * A sweep is one system call where the prediction holds: the interpreters' GIL and GC fields, then each
 * thread's state and stack. The edges (who called whom) of each stack are checked against those seen to stand still in
 * two looks; a stack with an edge never confirmed keeps its sure root part and is counted as unsure. */
#ifndef PYRO_SAMPLE_SAMPLER_H
#define PYRO_SAMPLE_SAMPLER_H

#include "base/error.h"
#include "cpython/threads.h"
#include "profile/writer.h"
#include "target/pause.h"
#include "target/seat.h"

struct pyro_sampler;

/* Who knows which C function a frame calls: a probe in the target. */
struct pyro_callee_source {
    /* The function (of the recording) that FRAME of CODE calls by the instruction at OFFSET (in bytes); PYRO_NO_ID: not
     * known. */
    uint32_t (*callee)(void *context, struct pyro_writer *writer, int32_t pid, uint64_t native_id,
                       uint64_t frame, uint64_t code, uint64_t offset);
    /* Where a frame of CODE has the container of a membership test at OFFSET (in bytes): a slot of its variables and values;
     * UINT32_MAX: not known. */
    uint32_t (*operand)(void *context, int32_t pid, uint64_t code, uint64_t offset);
    /* PID runs the program IMAGE (pyro_process_image()), seen since SINCE_US of the recording. */
    void (*runs)(void *context, int32_t pid, uint64_t image, uint64_t since_us);
    void *context;
};

struct pyro_sampler_options {
    bool exact;                               /* stop each thread for its copy */
    bool gil_only;                            /* only samples of threads that hold the GIL */
    const struct pyro_callee_source *callees; /* NULL: nobody knows */
    uint32_t
        context_at; /* where a thread state has its context, with the number of its changes behind it; 0: nobody asks */
};

/* Find the interpreter in PID and name its process in the recording. As pyro_runtime_find() fails. */
int pyro_sampler_open(pid_t pid, const struct pyro_sampler_options *options,
                      struct pyro_sampler **ret_sampler, struct pyro_error *error);
/* Before the first sweep. */
int pyro_sampler_start(struct pyro_sampler *sampler, struct pyro_writer *writer, int32_t parent_pid,
                       const char *command);

/* Look at every thread now (after pyro_writer_sweep()), sitting on SEAT (NULL: we do not sit beside the target). Adds to
 * COUNTERS. -ESRCH: the interpreter is gone: the process ended, or became another program. PYRO_SWEEP_ELSEWHERE:
 * nothing was taken, because the thread that runs does so on the CPU *RET_CPU: sweep again from there. Asked for once in
 * a sweep. */
#define PYRO_SWEEP_ELSEWHERE 1
int pyro_sampler_sweep(struct pyro_sampler *sampler, struct pyro_seat *seat, uint64_t now_ns,
                       struct pyro_counters *counters, int *ret_cpu);

/* Names of threads that have none yet, CPU as the kernel counts it: now and then, and at the end. */
void pyro_sampler_settle(struct pyro_sampler *sampler);

/* As pyro_process_image(). */
int pyro_sampler_image(const struct pyro_sampler *sampler, uint64_t *ret_image);
const char *pyro_sampler_python(const struct pyro_sampler *sampler); /* "3.12.1" */
bool pyro_sampler_guesses(const struct pyro_sampler *sampler);       /* newer than we know */
/* SIZE bytes of its memory. 0 or a negative errno. */
int pyro_sampler_copy(const struct pyro_sampler *sampler, uint64_t address, void *data,
                      size_t size);
/* While a sample is being written (struct pyro_writer_observer): the value of VARIABLE in the context of its thread, as pyro_context_value(). -EAGAIN: that
 * changed since its stack was copied. */
int pyro_sampler_variable(const struct pyro_sampler *sampler, uint64_t variable, uint32_t hash,
                          uint64_t *ret_value);
size_t pyro_sampler_threads(const struct pyro_sampler *sampler);
void pyro_sampler_free(struct pyro_sampler *sampler); /* NULL is fine */

#endif
