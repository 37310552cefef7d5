/* collect/collect.h - what probes counted, brought into a recording.
 *
 * The collector makes the memory that probes write (collect/tables.h), hands it to the program as a file descriptor, and
 * reads it now and then. It believes nothing it reads there: a program may write what it likes into it. All calls from
 * one thread. */
#ifndef PYRO_COLLECT_COLLECT_H
#define PYRO_COLLECT_COLLECT_H

#include "base/error.h"
#include "profile/writer.h"

struct pyro_collector;

/* FOLLOWS: a program that a counted one becomes, and those it starts, are to count too. */
int pyro_collector_new(struct pyro_collector **ret_collector, bool follows,
                       struct pyro_error *error);
/* Of memory that a probe made (pyro_tables_new()): FD is the collector's own from now on, also if this fails. */
int pyro_collector_adopt(struct pyro_collector **ret_collector, int fd, struct pyro_error *error);
void pyro_collector_free(struct pyro_collector *collector); /* NULL is fine */
/* Of the memory, close-on-exec: for the child that is to have it. */
int pyro_collector_fd(const struct pyro_collector *collector);

/* Write what was counted since the last time. Functions, threads and processes are named as the sampler names them. Of
 * COUNTERS, those that tell what was not counted are set. */
void pyro_collector_drain(struct pyro_collector *collector, struct pyro_writer *writer,
                          struct pyro_counters *counters);
/* Where memory is tracked: note what is alive and resident now. To be called often; it does something at most ten times a second, and
 * with LAST. TIME_US since the recording began never decreases. */
void pyro_collector_look(struct pyro_collector *collector, struct pyro_writer *writer,
                         uint64_t time_us, bool last);
/* For a program whose memory is tracked: write what stacks have alive, if it is time for that. To be called often. */
void pyro_collector_glance(struct pyro_collector *collector, struct pyro_writer *writer);
/* A probe was found in some process, at the last drain or before. */
bool pyro_collector_found_probe(const struct pyro_collector *collector);

/* Have the probes of all processes count the lines of these functions of the recording from now on, PYRO_HOTTEST_MAX at most. */
void pyro_collector_count_lines(struct pyro_collector *collector, const uint32_t *functions,
                                size_t count);

/* PID runs the program IMAGE (pyro_process_image()) since SINCE_US of the recording: if no probe says the same by the end,
 * its calls were not counted. */
void pyro_collector_runs(struct pyro_collector *collector, int32_t pid, uint64_t image,
                         uint64_t since_us);

/* The C function that FRAME of CODE calls by the instruction at OFFSET, in thread NATIVE_ID of process PID: a function of
 * the recording; PYRO_NO_ID: none, or nobody told. */
uint32_t pyro_collector_callee(struct pyro_collector *collector, struct pyro_writer *writer,
                               int32_t pid, uint64_t native_id, uint64_t frame, uint64_t code,
                               uint64_t offset);

/* Where a frame of CODE, in process PID, has the container of the membership test at OFFSET: a slot of its variables and values;
 * UINT32_MAX: nobody told. */
uint32_t pyro_collector_operand(struct pyro_collector *collector, int32_t pid, uint64_t code,
                                uint64_t offset);

#endif
