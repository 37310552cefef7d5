/* collect/internal.h - shared by collect.c, lines.c and memory.c. */
#ifndef PYRO_COLLECT_INTERNAL_H
#define PYRO_COLLECT_INTERNAL_H

#include "base/grown.h"
#include "base/map.h"
#include "base/resident.h"
#include "collect/collect.h"
#include "collect/tables.h"

#define PYRO_NO_BLOCK 0u /* block 0 is the head */

/* What we know of one block. */
struct pyro_seen_block {
    uint32_t kind, process; /* as first read */
    uint32_t
        done; /* NAMES: bytes read; OPERANDS: entries; THREAD: the native id it was last found with */
    bool over;        /* THREAD: it was seen to have ended */
    uint64_t now;     /* THREAD: what its clock of lines shows in this drain; 0: it is not there */
    uint64_t *counts; /* EDGES: written so far, of each; ARGUMENTS: the three counts of each */
    struct pyro_seen_context *contexts; /* CONTEXTS: of each */
    struct pyro_query *queries;    /* QUERIES: of each what was written so far; count 0: nothing */
    struct pyro_line_count *lines; /* LINES: of each what was written so far */
    struct pyro_stack_memory *stacks; /* STACKS: of each what was written last */
    uint64_t *moments;                /* STACKS: and what it had alive when that was written last */
};

/* Of one calling context: its stack in the recording (PYRO_NO_ID: not named yet), and what was written so far. */
struct pyro_seen_context {
    uint32_t stack;
    uint64_t
        open_ticks; /* of the slice that a thread is in at the moment: they are in no entry yet */
    struct pyro_written_context written;
};

/* Of a process block. */
struct pyro_seen_process {
    uint32_t parent, inherited;
    uint32_t recorded;   /* process in the recording; PYRO_NO_ID: not named yet */
    uint32_t *functions; /* by id: in the recording, or PYRO_NO_ID */
    uint32_t capacity;
    struct pyro_resident resident; /* when memory was last looked at */
    bool memory_due;               /* in this drain */
    struct pyro_look look;         /* that was written last (series.c) */
    bool replaced;                 /* it became another program */
    bool stop_told;                /* when tracking memory stopped */
};

/* A program that the sampler saw. */
struct pyro_seen_image {
    uint64_t id, since_us;
    int32_t pid;
};

struct pyro_collector {
    int fd;
    bool follows;
    uint8_t *memory;
    struct pyro_seen_block *blocks; /* [PYRO_BLOCKS_MAX] */
    struct pyro_seen_process **processes;
    uint64_t first_tick, first_ns; /* when the memory was made: nothing in it is older */
    uint32_t known;                /* blocks that were looked at, from the first on */
    uint32_t silent;               /* of these, those that said nothing yet */
    struct pyro_map threads;       /* (pid, native id) -> its block */
    struct pyro_seen_image *images;
    size_t image_count, image_capacity;
    struct pyro_map counted;  /* ids of images in which a probe is */
    struct pyro_map replaced; /* pid -> the first image of it in which none is */
    struct pyro_map operands; /* (block of a process and address of code, offset) -> slot */
    uint32_t hottest
        [PYRO_HOTTEST_MAX]; /* functions of the recording whose lines the probes are to count */
    size_t hottest_count;
    int32_t failed_pid;            /* whose struct pyro_load_failure was written down */
    uint64_t memory_ns, moment_ns; /* when memory is due again, and moments are (memory.c) */
    struct pyro_map newest;        /* pid -> its last block, while it is looked */
    uint64_t look_ns,
        looks; /* when it is looked at again, and how often that was done (series.c) */
};

static inline void *pyro_block_at(const struct pyro_collector *collector, uint32_t block)
{
    return collector->memory + (size_t)block * PYRO_BLOCK_SIZE;
}

static inline struct pyro_seen_process *pyro_process_of(const struct pyro_collector *collector,
                                                        uint32_t block)
{
    uint32_t at = collector->blocks[block].process;
    return at < collector->known ? collector->processes[at] : NULL;
}

static inline bool pyro_process_counts(const struct pyro_collector *collector, uint32_t process)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, process);
    return atomic_load_explicit(&shared->state, memory_order_acquire) != PYRO_PROBE_STARTING;
}

/* Nanoseconds of so many ticks; hostile figures become 0. */
static inline uint64_t pyro_process_ns(const struct pyro_process_block *process, uint64_t ticks)
{
    double ns = (double)ticks * process->tick_ns;
    return ns >= 0 && ns < 0x1p62 ? (uint64_t)ns : 0;
}

/* collect.c: function ID of a process, in the recording; PYRO_NO_ID: not named yet. */
uint32_t pyro_function_of(const struct pyro_collector *collector, uint32_t process_block,
                          uint32_t id);
/* The process of a process block, in the recording. */
uint32_t pyro_recorded_process(struct pyro_collector *collector, uint32_t block,
                               struct pyro_writer *writer);
/* Has it a name there? One that the sampler is about to name, with its command and parent, is its to name: who looks often waits for it. */
bool pyro_is_recorded(const struct pyro_collector *collector, uint32_t block,
                      const struct pyro_writer *writer);
/* Is the thread of a THREAD block where it says it is? A process may have been killed in the middle of anything; the first
 * time it is seen to be dead, that was just now (sample/recorder.c looks at once). */
bool pyro_thread_is_there(struct pyro_collector *collector, uint32_t block);

/* Know of what the probes have claimed and named by now. */
void pyro_catch_up(struct pyro_collector *collector, struct pyro_writer *writer);

/* The state the kernel shows for a thread: 'S', 'R', 'Z' ...; 0: there is none. */
char pyro_thread_state_of(int32_t pid, uint32_t native_id);

/* memory.c: write what stacks allocated, and all of each process, where that is due. */
void pyro_take_memory(struct pyro_collector *collector, struct pyro_writer *writer);

/* Which processes run a program by now in which no probe is, or none yet. */
void pyro_find_replaced(struct pyro_collector *collector);
/* memory.c: is it time to see again what stacks have alive? */
bool pyro_moment_is_due(const struct pyro_collector *collector);
/* Write what those have alive that have much, and not what they had; the next time is later. */
void pyro_take_moments(struct pyro_collector *collector, struct pyro_writer *writer);

/* lines.c: what the clock shows that the thread of a THREAD block counts lines by: of all threads, before pyro_take_lines(). */
void pyro_note_line_clock(struct pyro_collector *collector, uint32_t block);
/* Write what the lines of a LINES block grew by. */
void pyro_take_lines(struct pyro_collector *collector, uint32_t block, struct pyro_writer *writer);
/* Tell the process of a process block whose lines to count, as far as it has names for them. */
void pyro_tell_hottest(struct pyro_collector *collector, uint32_t block);
/* Set what COUNTERS have of lines. */
void pyro_read_line_counters(const struct pyro_collector *collector,
                             struct pyro_counters *counters);

#endif
