/* profile/writer.h - write a .pyro recording, sample by sample.
 *
 * Things get their ids here, in the order in which they are first named; naming the same thing again gives the
 * same id (threads may be named again to learn a name). Chunks are flushed about once a second, so a recording is
 * readable while it grows and after a crash. Memory stays bounded by what is distinct, not by time. After a
 * failed write (disk full) calls go on doing nothing; pyro_writer_error() tells. docs/format.md is the format. */
#ifndef PYRO_PROFILE_WRITER_H
#define PYRO_PROFILE_WRITER_H

#include "base/error.h"
#include "profile/model.h"

struct pyro_writer;

/* Creates or replaces PATH ("-": standard output), mode 0600. */
int pyro_writer_open(const char *path, const struct pyro_recording_info *info,
                     struct pyro_writer **ret_writer, struct pyro_error *error);
/* Writes what is left and the end mark; closes. The first error of the whole recording is returned. NULL is fine. */
int pyro_writer_close(struct pyro_writer *writer, struct pyro_error *error);
/* 0, or the negative errno that stopped the writing. */
int pyro_writer_error(const struct pyro_writer *writer);

/* PYRO_NO_ID when out of memory or past a limit of the format (profile/chunk.h). */
uint32_t pyro_writer_string(struct pyro_writer *writer, const char *text, size_t length);
uint32_t pyro_writer_function(struct pyro_writer *writer, const struct pyro_function *function);
uint32_t pyro_writer_frame(struct pyro_writer *writer, uint32_t function, uint32_t line);
uint32_t pyro_writer_stack(struct pyro_writer *writer, uint32_t parent, uint32_t frame);
uint32_t pyro_writer_wait(struct pyro_writer *writer, const char *kind, const char *text);
uint32_t pyro_writer_process(struct pyro_writer *writer, int32_t pid, int32_t parent_pid,
                             const char *command, const char *python_version);
/* The process that was last named with PID; a new one, without a command, if none was. */
uint32_t pyro_writer_process_of(struct pyro_writer *writer, int32_t pid,
                                const char *python_version);
uint32_t pyro_writer_thread(struct pyro_writer *writer, uint32_t process, uint64_t native_id);
void pyro_writer_thread_name(struct pyro_writer *writer, uint32_t thread, const char *name);
void pyro_writer_thread_cpu(struct pyro_writer *writer, uint32_t thread, uint64_t cpu_kernel_us);

/* The caller-callee pair of functions is certainly real: samples that waited for it become sure. */
void pyro_writer_edge(struct pyro_writer *writer, uint32_t caller, uint32_t callee);
/* A line of source a frame refers to, without its newline. */
void pyro_writer_source(struct pyro_writer *writer, uint32_t file, uint32_t line, const char *text,
                        size_t length);

/* Calls that were counted, in addition to those written before. */
struct pyro_written_calls {
    uint32_t thread;
    uint32_t caller; /* function; PYRO_NO_ID: the root of a thread */
    uint32_t
        callee; /* function; PYRO_NO_ID: call instructions that called Python, see struct pyro_calls */
    uint64_t count;
};
void pyro_writer_calls(struct pyro_writer *writer, const struct pyro_written_calls *calls);

/* What was traced of one calling context, in addition to what was written before: see struct pyro_traced. */
struct pyro_written_context {
    uint32_t thread, stack;
    uint64_t calls, resumes, self_ns, calls_of_python, lives, life_ns;
};
void pyro_writer_context(struct pyro_writer *writer, const struct pyro_written_context *context);

/* Queries that were sent, in addition to those written before with the same process, site, line, sender and shape; what is no
 * count is as it is now. */
void pyro_writer_query(struct pyro_writer *writer, const struct pyro_query *query);

/* What samples saw of a line with membership tests, in addition to what was written before of the same frame; the shortest and the
 * longest are as they are now. */
void pyro_writer_lookup(struct pyro_writer *writer, const struct pyro_lookup *lookup);

/* What a function was called with, in addition to what was written before of the same one. */
void pyro_writer_arguments(struct pyro_writer *writer, const struct pyro_arguments *arguments);

/* What a counted line grew by. */
void pyro_writer_line(struct pyro_writer *writer, const struct pyro_line_count *line);

/* What a stack of a process allocated until now: the last one of the same process and stack counts. */
void pyro_writer_memory(struct pyro_writer *writer, const struct pyro_stack_memory *memory);
/* What a stack has alive since a moment that is no earlier than those of it written before. */
void pyro_writer_moment(struct pyro_writer *writer, const struct pyro_stack_moment *moment);
/* What all of PROCESS did; the last one counts. */
void pyro_writer_heap(struct pyro_writer *writer, uint32_t process,
                      const struct pyro_process_memory *heap);

/* Its blocks by size; the last ones count. */
void pyro_writer_sizes(struct pyro_writer *writer, const struct pyro_process_sizes *sizes);

/* What is resident now; the times never decrease. False: it was not kept, there are too many. */
bool pyro_writer_look(struct pyro_writer *writer, const struct pyro_look *look);
/* A process with PID was named. */
bool pyro_writer_knows_process(const struct pyro_writer *writer, int32_t pid);
/* What kept it small; the last one counts. */
void pyro_writer_confinement(struct pyro_writer *writer,
                             const struct pyro_confinement *confinement);
/* How it was looked; the last one counts. */
void pyro_writer_watch(struct pyro_writer *writer, const struct pyro_watch *watch);

/* How a process was counted; the last one counts. */
struct pyro_written_probe {
    uint32_t process;
    bool counted, c_calls;
    uint64_t lost;
    double start_ns, call_ns; /* see struct pyro_probe */
    const char *reason;       /* why it was not counted; "" */
    bool traced;              /* and timed, at these costs: */
    struct pyro_trace_cost trace;
};
void pyro_writer_probe(struct pyro_writer *writer, const struct pyro_written_probe *probe);

/* The next samples were all taken at TIME_US since the recording began; never decreasing. A sweep looks once at
 * every thread of every process: sweeps share the time that passes, so one a process would halve the weights. */
void pyro_writer_sweep(struct pyro_writer *writer, uint64_t time_us);

struct pyro_written_sample {
    uint32_t thread;
    uint32_t stack;  /* whole */
    uint32_t agreed; /* the root part that is sure; == stack when all of it is */
    enum pyro_state state;
    uint32_t flags; /* PYRO_SAMPLE_GIL, _GC */
    uint32_t wait;  /* pyro_writer_wait(), or PYRO_NO_ID */
};
void pyro_writer_sample(struct pyro_writer *writer, const struct pyro_written_sample *sample);

/* The latest figures; written with the next flush and at close. */
void pyro_writer_counters(struct pyro_writer *writer, const struct pyro_counters *counters);
/* Write out what is buffered now (else it happens by itself). */
int pyro_writer_flush(struct pyro_writer *writer);
uint64_t pyro_writer_bytes(const struct pyro_writer *writer); /* written so far */

/* For whoever resolves names while recording (source lines, live views): what an id stands for. */
const char *pyro_writer_text(const struct pyro_writer *writer, uint32_t string);
size_t pyro_writer_frame_count(const struct pyro_writer *writer);
struct pyro_frame pyro_writer_frame_at(const struct pyro_writer *writer, uint32_t frame);
size_t pyro_writer_function_count(const struct pyro_writer *writer);
struct pyro_function pyro_writer_function_at(const struct pyro_writer *writer, uint32_t function);
size_t pyro_writer_stack_count(const struct pyro_writer *writer); /* the root included */
struct pyro_stack pyro_writer_stack_at(const struct pyro_writer *writer, uint32_t stack);
struct pyro_wait_reason pyro_writer_wait_at(const struct pyro_writer *writer, uint32_t wait);
struct pyro_thread pyro_writer_thread_at(const struct pyro_writer *writer, uint32_t thread);

/* For whoever wants the samples themselves: called, in this order, before each sweep is written, and for each of its samples. */
struct pyro_writer_observer {
    void (*sweep)(void *context);
    void (*sample)(void *context, const struct pyro_written_sample *sample);
    void (*edge)(void *context, uint32_t caller, uint32_t callee); /* a new one */
    void *context;
};
/* NULL: nobody. OBSERVER stays the caller's, and there. */
void pyro_writer_observe(struct pyro_writer *writer, const struct pyro_writer_observer *observer);

#endif
