/* collect/tables.h - the memory that probes write and the collector reads.
 *
 * One sealed memfd a recording, made by `pyrometer run` or by a probe that was injected, cut into blocks. A probe claims blocks by adding to `used`;
 * each block then belongs to one thread, or to one process under its GIL, until the recording ends: one writer. What
 * stands there is added up in place or appended, so it may be read at any moment, from a process that was killed too.
 * The collector believes nothing of it: see collect/collect.c.
 *
 * Only additions to the end of the file: `used` of a block is stored after what it counts (release, acquire). */
#ifndef PYRO_COLLECT_TABLES_H
#define PYRO_COLLECT_TABLES_H

#include "base/sampling.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PYRO_TABLES_MAGIC   UINT64_C(0x31656c6261547950) /* "PyTable1" */
#define PYRO_BLOCK_SIZE     UINT32_C(16384)
#define PYRO_BLOCKS_MAX     UINT32_C(16384) /* 256 MiB, of which only what is claimed is there */
#define PYRO_TABLES_SIZE    ((size_t)PYRO_BLOCKS_MAX * PYRO_BLOCK_SIZE)
#define PYRO_PROCESS_BLOCKS UINT32_C(8192) /* that one process may claim */
#define PYRO_CALLEE_SLOTS   256            /* a power of two */
#define PYRO_PROBE_NAME_MAX 1024 /* bytes of a file's or function's name: longer ones are cut */
#define PYRO_ID_ROOT        0u   /* the caller of what nobody called */
#define PYRO_ID_PYTHON      1u   /* as callee: calls of Python functions by a call instruction */
#define PYRO_ID_FIRST       2u
#define PYRO_HOTTEST_MAX    5

/* Block 0. */
struct pyro_tables_head {
    uint64_t magic;
    uint32_t block_size, block_count;
    _Atomic uint32_t used; /* blocks claimed, this one included; may grow past block_count */
    _Atomic uint32_t
        turned_away; /* processes that are not counted, because there was no block for them */
    /* Not 0: there was a sub-interpreter. They import sitecustomize.py too, which says so. */
    uint32_t sub_interpreters;
    uint32_t unused[9];
    /* Where no probe could be loaded, which then cannot say so itself: probe/bootstrap/sitecustomize.py writes why. */
    struct pyro_load_failure {
        int32_t pid; /* 0: none */
        uint32_t python_version;
        char reason[248];
    } failure;
};

enum pyro_block_kind {
    PYRO_BLOCK_FREE, /* claimed, not yet written; for ever so, where a process was killed there */
    PYRO_BLOCK_PROCESS,
    PYRO_BLOCK_NAMES,
    PYRO_BLOCK_EDGES,
    PYRO_BLOCK_THREAD,
    PYRO_BLOCK_CONTEXTS,
    PYRO_BLOCK_QUERIES,
    PYRO_BLOCK_OPERANDS,
    PYRO_BLOCK_ARGUMENTS,
    PYRO_BLOCK_LINES,
    PYRO_BLOCK_STACKS,
    PYRO_BLOCK_SAMPLES,
};

struct pyro_block_head {
    _Atomic uint32_t kind; /* stored last */
    uint32_t process;      /* the block of its process; of a process block its own */
    uint32_t
        thread; /* native id of whom it was claimed for; EDGES, THREAD, CONTEXTS and LINES. STACKS: the block of SAMPLES
                      * that goes with it, 0: none */
    _Atomic uint32_t
        used; /* NAMES and QUERIES: bytes, all others that grow: entries, after the head */
};

enum pyro_probe_state {
    PYRO_PROBE_STARTING,
    PYRO_PROBE_COUNTS,
    PYRO_PROBE_STOPPED, /* ended by a stop */
    PYRO_PROBE_REFUSED, /* never counted: reason */
};

/* What events took themselves: starts of functions, call instructions, and from the one to the other, with the interpreter's
 * way to both. Of one in some dozens, without those that were interrupted. */
enum pyro_gauge_kind { PYRO_GAUGE_START, PYRO_GAUGE_CALL, PYRO_GAUGE_CALL_TO_START, PYRO_GAUGES };
struct pyro_gauge {
    uint64_t ticks, count;
};

/* What the events of one call cost in a traced process, in ticks; `inside`: the part of it that falls into the called
 * function's own time. 0 in all: not known. */
struct pyro_trace_costs {
    double python, python_inside;
    double c, c_inside;
    double call; /* the call instruction of a Python function, besides */
};

/* What the events of a function that is counted by line cost, in ticks: of a line, of a jump onto its own line, of a call, from
 * its start to its end. */
struct pyro_line_costs {
    double line, jump, call;
};

/* Which allocations are tracked. */
enum pyro_tracking {
    PYRO_TRACKS_NOTHING,
    PYRO_TRACKS_PYTHON, /* those by Python's allocators */
    PYRO_TRACKS_ALL,    /* what C code takes itself, too */
};

/* Blocks by their size: class N has those of more than 2^(N - 1) bytes and at most 2^N; class 0 those of 0 and 1. */
#define PYRO_SIZE_CLASSES 41
struct pyro_sizes_of_blocks {
    uint64_t blocks, bytes; /* allocated, freed or not */
};
static inline unsigned pyro_size_class(uint64_t size)
{
    unsigned at = size > 1 ? 64u - (unsigned)__builtin_clzll(size - 1) : 0;
    return at < PYRO_SIZE_CLASSES ? at : PYRO_SIZE_CLASSES - 1;
}

/* What a process has allocated, of which the STACKS tell by whom: one writer at a time. `mark` counts how often `live` grew past
 * `peak`. */
struct pyro_heap_totals {
    uint64_t live, peak, mark; /* bytes, bytes */
    uint64_t lost;             /* blocks that are not known of: no room for it, or no stack */
    uint64_t unseen; /* blocks whose end was not seen, only that others took their place */
    uint64_t cut;    /* frames that stacks lack: no room, or no name */
    /* When it stopped, else 0; bytes: resident now, at most so far, and of that what it takes to know all this. */
    uint64_t rss, rss_peak, own;
    uint64_t native; /* of `live`: what C code took itself */
    /* When it stopped: of rss, pages of files and shared memory, and what malloc() keeps free; besides, what is swapped. */
    uint64_t files, slack, swapped;
    uint64_t
        unhooked; /* not 0: when it stopped, Python's allocators led past it, since an unknown moment */
    struct pyro_sizes_of_blocks sizes[PYRO_SIZE_CLASSES];
    uint64_t stopped_ns; /* CLOCK_MONOTONIC: when it stopped, else 0 */
    /* Bytes between two samples, on average: live, peak and native, and all that STACKS tell, is estimated then (base/sampling.h).
     * 0: every allocation is seen. */
    uint64_t period;
};

struct pyro_process_block {
    struct pyro_block_head head;
    int32_t pid;
    uint32_t python_version; /* PY_VERSION_HEX */
    uint32_t parent;         /* block of the process this one was forked from, 0: none */
    uint32_t inherited;      /* ids below this one may be named there */
    _Atomic uint32_t state;  /* enum pyro_probe_state */
    uint32_t c_calls;        /* C functions are counted */
    _Atomic uint64_t lost;   /* calls counted nowhere else: no room */
    uint64_t image;          /* which program it runs: pyro_process_image() of target/process.h */
    /* Cost of one start of a function and of one call instruction, and what an event of each kind took itself then, in
     * ticks. */
    double start_ns, call_ns;
    double gauge_ticks[PYRO_GAUGES];
    char reason[256];
    /* Calls are timed, not only counted: CONTEXTS instead of EDGES. */
    uint32_t traces;
    double tick_ns; /* length of a tick (base/ticks.h) */
    struct pyro_trace_costs trace_costs;
    _Atomic uint64_t queries_lost; /* that found no room among QUERIES */
    struct pyro_line_costs line_costs;
    _Atomic uint64_t lines_lost; /* hits of lines that found no room among LINES */
    uint32_t marked;             /* functions that are marked @profile while no lines are counted */
    /* Written by the collector, the count last and once: functions whose lines are to be counted from then on. 0: it has no
     * name here as yet. */
    _Atomic uint32_t hottest_count;
    uint32_t hottest[PYRO_HOTTEST_MAX];
    uint32_t tracks; /* enum pyro_tracking: STACKS instead of EDGES */
    struct pyro_heap_totals heap;
};

/* In NAMES, one behind the other, each at a multiple of 4: then name and file, not terminated. */
struct pyro_name_entry {
    uint32_t id, first_line;
    uint16_t name_size, file_size;
    uint32_t kind; /* enum pyro_function_kind */
};

struct pyro_edge_entry {
    uint32_t caller, callee;
    uint64_t count; /* written by plain aligned stores */
};
#define PYRO_BLOCK_EDGE_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_edge_entry))

/* In QUERIES, one behind the other, each at a multiple of 8: queries of one shape that the program sent from one of its own
 * lines. Then the three texts, not terminated. What counts is written by plain aligned stores under the GIL. */
#define PYRO_QUERY_TEXT_MAX  1024 /* bytes of a shape: of longer ones the middle is left out */
#define PYRO_QUERY_NAME_MAX  128  /* of a relation or its owner: longer ones are cut */
#define PYRO_PROCESS_QUERIES 4096 /* entries of a process */
struct pyro_query_entry {
    uint32_t site,
        line; /* id of the program's own function (PYRO_ID_ROOT: there is none), and where in it */
    uint32_t sender;     /* id of the library's function that was seen to send them */
    uint16_t shape_size; /* pyro_sql_shape(); 0: the text was not seen */
    uint16_t relation_size, owner_size; /* what was loaded lazily: attribute of a class; or 0 */
    uint16_t many; /* not 0: each was sent with a list of parameters (executemany) */
    uint64_t count;
    uint64_t timed, time_ns, longest_ns; /* of those that were seen to end */
    uint64_t distinct;                   /* that had other parameters than each before */
    uint64_t unknown;                    /* whose parameters could not be compared */
    uint64_t first_ns, last_ns; /* CLOCK_MONOTONIC: when the first and the last were sent */
};

/* Where the container of a membership test (`x in container`) lies while it is searched, for a sampler that sees a frame of CODE at
 * OFFSET: among its variables and values. Only of Pythons whose frames do not tell (3.11-3.13). A code object's address is used
 * again: the newest entry counts. */
struct pyro_operand_entry {
    uint64_t code;
    uint32_t offset; /* of the instruction, in bytes from the first one */
    uint32_t slot;
};
#define PYRO_BLOCK_OPERAND_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_operand_entry))

/* What a function of the program's own was called with, by those calls that were looked at. Written by plain aligned stores under
 * the GIL. */
struct pyro_argument_entry {
    uint32_t function, unused; /* an id */
    uint64_t looked;
    uint64_t distinct; /* that had other arguments than each before */
    uint64_t unknown;  /* whose arguments could not be compared */
};
#define PYRO_BLOCK_ARGUMENT_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_argument_entry))

/* A calling context: a function as it was called along one path from the root of its thread. A reference to one is
 * block << 8 | index; a parent's is smaller than its children's, 0 is the root. All are written by plain aligned stores. */
struct pyro_context_entry {
    uint32_t parent, function; /* a reference, an id */
    uint64_t calls;            /* that began here; C functions and generators too */
    uint64_t resumes;          /* times it went on here after a yield or await */
    uint64_t ticks;            /* in itself, without what it called */
    uint64_t calls_of_python;  /* call instructions in it that called Python functions */
    uint64_t lives;            /* generators and coroutines that began and ended: */
    uint64_t life_ticks;       /* from their beginning to their end, suspended or not */
    uint64_t unused;
};
#define PYRO_BLOCK_CONTEXT_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_context_entry))
#define PYRO_CONTEXT_ROOT 0u

/* In LINES: one line of a function, as one thread ran it. Times are read from the thread's clock that stands still while our
 * events cost: ticks less `lines_cost` of its THREAD block. All are written by plain aligned stores, `since` before
 * `ticks` when the thread leaves the line. */
struct pyro_line_entry {
    uint32_t function, line; /* an id; line 0: the function as a whole */
    uint64_t hits;           /* of line 0: how often it began */
    int64_t ticks;           /* while it stood on the stack, once at a time */
    uint64_t since; /* it stands there since then, which is not in ticks yet; 0: it does not */
};
#define PYRO_BLOCK_LINE_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_line_entry))

/* In STACKS: a frame, and below it those of its callers, in which memory was allocated. One that stands for another is a
 * reference: its block << 8, | its index. Written by one thread at a time, by plain aligned stores. */
struct pyro_stack_entry {
    uint32_t parent;   /* a smaller reference; PYRO_STACK_NONE: nobody called */
    uint32_t function; /* id; PYRO_ID_ROOT: no Python ran */
    uint32_t line;
    uint32_t largest;          /* block that it allocated, in 16 bytes */
    uint64_t allocated, freed; /* bytes */
    uint64_t allocations, frees;
    /* What was alive when the `mark` was set: of this one, or, if that is not the process's, what is alive now. */
    uint64_t mark, held, held_count;
    uint64_t brief, brief_bytes; /* freed before the thread allocated anything else */
};
#define PYRO_BLOCK_STACK_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_stack_entry))

/* In SAMPLES, where allocations are sampled: what stands behind the estimates of the entry of STACKS with the same index, of which there
 * are no more then. Of what was alive at the mark as there. */
struct pyro_sampled_entry {
    struct pyro_sampled allocated, freed, held;
};
#define PYRO_BLOCK_SAMPLE_COUNT \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_sampled_entry))
#define PYRO_STACK_NONE           0u
#define PYRO_STACK_LARGEST_UNIT   16u
#define PYRO_STACK_REFERENCE_BITS 22

/* The C function that a frame calls at an instruction: what a sampler that sees FRAME at OFFSET in CODE may put on top
 * of it. Entered at the call, left as it is afterwards: another instruction, another frame or code do not match. */
struct pyro_callee_slot {
    uint64_t frame, code; /* addresses */
    uint32_t offset;      /* of the instruction, in bytes from the first one */
    uint32_t callee;
};
/* A THREAD block. When blocks are scarce, a thread goes on where one that ended left off: head.thread is its own then,
 * and its calls are added up with those of the other. */
struct pyro_thread_block {
    struct pyro_block_head head;
    /* Traced: the context it is in, PYRO_CONTEXT_ROOT when it ended, and since when: this is in no entry yet. */
    uint32_t context;
    uint64_t since; /* ticks */
    struct pyro_gauge gauges[PYRO_GAUGES];
    struct pyro_callee_slot callees[PYRO_CALLEE_SLOTS];
    uint64_t lines_cost; /* ticks that counting lines cost so far */
};

static inline uint32_t pyro_callee_slot_of(uint64_t frame)
{
    return (uint32_t)(frame >> 4 ^ frame >> 12) & (PYRO_CALLEE_SLOTS - 1);
}

/* A new one: a file descriptor, close-on-exec, or negative errno. */
int pyro_tables_new(void);
/* Map all of it: whoever wrote into it cannot have shortened it. -EPROTO: it is none. */
int pyro_tables_map(int fd, void **ret_memory);

_Static_assert(offsetof(struct pyro_tables_head, sub_interpreters) == 24,
               "as sitecustomize.py has it");
_Static_assert(offsetof(struct pyro_tables_head, failure) == 64, "as sitecustomize.py has it");
_Static_assert(sizeof(struct pyro_process_block) <= PYRO_BLOCK_SIZE, "fits a block");
_Static_assert(sizeof(struct pyro_thread_block) <= PYRO_BLOCK_SIZE, "fits a block");
_Static_assert(PYRO_BLOCK_CONTEXT_COUNT <= 256, "a reference has 8 bits for the index");
_Static_assert(PYRO_BLOCK_STACK_COUNT <= 256, "and so has this one");
_Static_assert(PYRO_BLOCK_SAMPLE_COUNT <= PYRO_BLOCK_STACK_COUNT, "each goes with one of those");
_Static_assert((PYRO_BLOCKS_MAX << 8) <= 1u << PYRO_STACK_REFERENCE_BITS, "all have a reference");

#endif
