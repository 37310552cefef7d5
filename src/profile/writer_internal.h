/* profile/writer_internal.h - a writer's insides, for writer.c and measured.c alone. */
#ifndef PYRO_PROFILE_WRITER_INTERNAL_H
#define PYRO_PROFILE_WRITER_INTERNAL_H

#include "base/map.h"
#include "base/strings.h"
#include "profile/columns.h"
#include "profile/writer.h"

/* The pending bytes: a block each. */
enum pending {
    PENDING_STRINGS,
    PENDING_FUNCTIONS,
    PENDING_FRAMES,
    PENDING_STACK_PARENTS,
    PENDING_STACK_FRAMES,
    PENDING_WAITS,
    PENDING_PROCESSES,
    PENDING_EDGES,
    PENDING_SOURCES,
    PENDING_QUERIES,
    PENDING_LOOKUPS,
    PENDING_ARGUMENTS,
    PENDING_MEMORY,
    PENDING_HEAPS,
    PENDING_RESIDENT,
    PENDING_LOOKS,
    PENDING_WATCH,
    PENDING_SIZES,
    PENDING_CONFINEMENT,
    PENDING_MOMENTS,
    PENDING_PERIODS,
    PENDING_SAMPLED,
    PENDING_CALLS, /* these refer to threads and come after them */
    PENDING_PROBES,
    PENDING_CONTEXTS,
    PENDING_TRACES,
    PENDING_LINES,
    PENDING_COUNT,
};

/* An array that grows: items of one kind, found by id. */
struct table {
    void *items;
    size_t count, capacity;
};

struct writer_thread {
    struct pyro_thread thread;
    bool changed; /* since it was last written */
};

struct pyro_writer {
    int fd;
    char *path;
    bool regular; /* a file that can be cut back after half a write */
    int error;    /* the first one; sticky */
    uint64_t bytes;

    struct pyro_buffer pending[PENDING_COUNT];
    struct pyro_column_writer columns;
    struct pyro_packer packer;
    struct pyro_buffer thread_block;
    struct pyro_buffer out;

    struct pyro_strings strings;
    struct table functions, frames, stacks, waits, threads;
    struct pyro_map function_ids, frame_ids, stack_ids, wait_ids, process_ids, thread_ids;
    struct pyro_map edges, sources; /* sets */
    struct pyro_map pids;           /* pid -> the last process that had it */
    uint64_t calls, contexts, queries, lookups, arguments, lines, memory, looks,
        moments;      /* records of them */
    uint64_t look_us; /* of the last one */

    struct pyro_function last_function;
    struct pyro_frame last_frame;
    uint32_t last_stack_frame;
    uint32_t last_caller, last_callee;
    uint32_t last_source_file, last_source_line;

    struct pyro_counters counters;
    bool counters_changed, threads_changed;
    const struct pyro_writer_observer *observer;
};

/* A definition was put into BLOCK: write it out if there is much. */
void pyro_writer_defined(struct pyro_writer *writer, enum pending block);

/* As pyro_writer_string(), of a terminated text. */
uint32_t pyro_writer_string_of(struct pyro_writer *writer, const char *text);

#endif
