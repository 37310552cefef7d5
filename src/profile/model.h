/* profile/model.h - the terms every source fills and every view reads.
 *
 * A *sample* says: at this time this thread stood in this stack, in this state. A *stack* is a node of
 * a tree: a frame and its parent stack, the root being stack 0, which is empty. A *frame* is a line in
 * a function; a *function* is a qualified name, a file and a first line. Ids are dense and start at 0
 * (stacks: 1), in the order in which things were first seen. */
#ifndef PYRO_PROFILE_MODEL_H
#define PYRO_PROFILE_MODEL_H

#include "base/sampling.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYRO_STACK_ROOT 0u
#define PYRO_NO_ID      UINT32_MAX
#define PYRO_COUNT_MAX \
    (UINT64_C(1) << 56) /* in one record, calls or nanoseconds: sums seldom pass 2^64, and wrap */

enum pyro_function_kind {
    PYRO_FUNCTION_PYTHON,
    PYRO_FUNCTION_C,       /* "{built-in method time.sleep}" */
    PYRO_FUNCTION_SPECIAL, /* "[unsure]", "[180 frames elided]", "[gc]": no file, no line */
};

struct pyro_function {
    uint32_t name, file; /* strings */
    uint32_t first_line;
    enum pyro_function_kind kind;
};
struct pyro_frame {
    uint32_t function;
    uint32_t line; /* 0: not known */
};
struct pyro_stack {
    uint32_t parent; /* a smaller stack id */
    uint32_t frame;
    uint32_t depth; /* frames up to the root: 1 for a child of the root; derived */
};

/* A function whose every call was timed. Times are seconds, as tracers write them, so that none is rounded. */
struct pyro_timed_function {
    uint32_t function;
    uint64_t ncalls, primitive_calls; /* primitive: it was not on the stack already */
    double self_s;                    /* in it, but not in what it called */
    double total_s;                   /* of its primitive calls, with what it called */
};
/* The calls of one function from one other. */
struct pyro_timed_edge {
    uint32_t caller, callee;
    uint64_t ncalls, primitive_calls;
    double self_s, total_s; /* of the callee; NAN: they were only counted */
};

/* What a thread was doing. GIL and GC are flags, since a thread can hold the GIL and wait. */
enum pyro_state {
    PYRO_STATE_UNKNOWN,
    PYRO_STATE_RUNNING,  /* on a CPU */
    PYRO_STATE_RUNNABLE, /* wants a CPU, has none */
    PYRO_STATE_WAITING,  /* asleep in the kernel: see the sample's wait */
    PYRO_STATE_GIL_WAIT, /* asleep, waiting for the GIL */
    PYRO_STATE_COUNT,
};
const char *pyro_state_name(enum pyro_state state); /* "running", "gil_wait", ... */

enum {
    PYRO_SAMPLE_GIL = 1 << 0,    /* the thread holds the GIL */
    PYRO_SAMPLE_GC = 1 << 1,     /* in a garbage collection */
    PYRO_SAMPLE_UNSURE = 1 << 2, /* the top of the stack was not certain: replaced by [unsure] */
};

/* What a thread waits on. Kinds as in target/process.h, by name, so that the file outlives the enum. */
struct pyro_wait_reason {
    uint32_t kind; /* string: "socket", "file", "lock", "sleep", "poll", "pipe", "child", ... */
    uint32_t text; /* string: "recv 127.0.0.1:5432" */
};

struct pyro_process {
    int32_t pid, parent_pid;
    uint32_t command;        /* string */
    uint32_t python_version; /* string, "" when it is no Python */
};
struct pyro_thread {
    uint32_t process;
    uint64_t native_id;     /* as the kernel shows it to us */
    uint32_t name;          /* string; "" when unknown */
    uint64_t cpu_kernel_us; /* CPU the kernel counted while it was sampled */
};

/* Calls that were counted by a probe, exactly. */
struct pyro_calls {
    uint32_t thread;
    uint32_t caller; /* function; PYRO_NO_ID: the root of a thread */
    uint32_t
        callee; /* function; PYRO_NO_ID: how many call instructions of the caller called Python functions, which
                        are counted besides, when they start: for the cost of counting */
    uint64_t count;
};
#define PYRO_NO_CALLS UINT64_MAX /* not counted */

/* A calling context: the function at the top of STACK, as it was called along that path. What a tracer saw of it. */
struct pyro_traced {
    uint32_t thread, stack;
    uint64_t calls, resumes;  /* that it began, and went on after a yield or await */
    uint64_t self_ns;         /* in itself, the cost of tracing included (struct pyro_trace_cost) */
    uint64_t calls_of_python; /* call instructions in it that called Python functions */
    uint64_t lives,
        life_ns; /* generators and coroutines that began here and ended: how long they lived */
};

/* What the events of a call cost a traced process; `inside`: the part that falls into the called function's own time. */
struct pyro_trace_cost {
    double python_ns, python_inside_ns;
    double c_ns, c_inside_ns;
    double call_ns; /* the call instruction of a Python function, besides; the caller's own time */
};

/* Queries of one shape that a process sent to a database from one line of its own, by way of a library that tells their text. */
struct pyro_query {
    uint32_t process;
    uint32_t site, line;      /* function; PYRO_NO_ID: none of the program's own was on the stack */
    uint32_t sender;          /* function of the library that was seen to send them */
    uint32_t shape;           /* string: pyro_sql_shape() of base/sql.h; "": not seen */
    uint32_t relation, owner; /* strings: the attribute of a class that was loaded lazily; "" */
    bool many;                /* each was sent with a list of parameters (executemany) */
    uint64_t count;
    uint64_t timed, time_ns,
        longest_ns;    /* of those that were seen to end: in the driver, fetching rows left out */
    uint64_t distinct; /* that had other parameters than each before */
    uint64_t unknown;  /* whose parameters could not be compared */
    uint64_t first_us, last_us; /* when the first and the last were sent */
};

/* A line with a membership test (`x in container`), as samples saw it. */
struct pyro_lookup {
    uint32_t frame;   /* the line in its function */
    uint64_t samples; /* with that line at the top, and no C function */
    uint64_t testing; /* of these, within the test */
    uint64_t looked;  /* of these, in which the container was looked at */
    uint64_t lists;   /* of these, in which it was a list or tuple: */
    uint64_t length;  /* their lengths, added up */
    uint64_t shortest, longest;
    uint64_t changes; /* looks that found another list or tuple than the look before */
};

/* What a function was called with, by those of its calls that were looked at. Of several processes distinct ones are added up. */
struct pyro_arguments {
    uint32_t function;
    uint64_t looked;   /* calls */
    uint64_t distinct; /* that had other arguments than each before */
    uint64_t unknown;  /* whose arguments could not be compared */
};

/* A line of a function whose lines were counted by a probe, exactly. */
struct pyro_line_count {
    uint32_t thread, function;
    uint32_t line; /* 0: the function as a whole */
    uint64_t hits; /* line events in sys.settrace's meaning; of line 0: nothing */
    uint64_t
        time_ns; /* while it stood on the thread's stack, once at a time; what counting cost is left out */
};

/* What a process allocated, with STACK as its own: exactly, or estimated from samples. */
struct pyro_stack_memory {
    uint32_t process, stack;     /* PYRO_STACK_ROOT: while no Python code ran */
    uint64_t allocated, freed;   /* bytes; what is moved is freed and allocated */
    uint64_t allocations, frees; /* blocks */
    uint64_t held, held_blocks;  /* alive at the process's high-water mark */
    uint64_t brief,
        brief_bytes; /* blocks that were freed before the thread allocated another one */
    /* What stands behind estimates, of what was allocated, freed and held; 0: of a process of which all was seen. */
    struct pyro_sampled sampled, sampled_freed, sampled_held;
};

/* What STACK had alive from a moment on, until its next one. Stacks that never have much alive have none. */
struct pyro_stack_moment {
    uint32_t process,
        stack; /* PYRO_STACK_ROOT: all of the process, when tracking ended; none if it was killed */
    uint64_t time_us; /* since the recording began */
    uint64_t live;    /* bytes */
    uint64_t largest; /* of all blocks that it allocated so far: bytes, to a multiple of 16 */
};

/* All of it, of a process; sizes in bytes. */
struct pyro_process_memory {
    bool tracked, stopped; /* stopped: when the program had ended, not while it was killed */
    bool
        unhooked; /* what was allocated last was not seen: something put Python's allocators back */
    uint64_t live, peak;    /* at the end, and at the high-water mark */
    uint64_t lost;          /* blocks that found no room, or have no stack */
    uint64_t unseen;        /* blocks whose end was not seen, only that others took their place */
    uint64_t cut;           /* frames that stacks lack: no room, or no name */
    uint64_t rss, rss_peak; /* resident at the end, and at most; 0: not known */
    uint64_t own;           /* of that, what it took to know which blocks are alive */
    bool all;               /* what C code allocates itself is tracked, too; then: */
    uint64_t native;        /* of `live`, what C code took itself */
    uint64_t files,
        slack;        /* of `rss`, pages of files and shared memory, and what malloc() keeps free */
    uint64_t swapped; /* besides */
    uint64_t
        period; /* of samples, in bytes: live, peak and native are estimated. 0: all was seen */
};

/* The blocks that a process allocated, by size: class N has those of more than 2^(N - 1) bytes and at most 2^N, class 0 those of 0
 * and 1. */
#define PYRO_BLOCK_SIZES 41
struct pyro_process_sizes {
    uint32_t process;
    struct {
        uint64_t blocks, bytes;
    } classes[PYRO_BLOCK_SIZES];
};

/* What was resident of a process at a moment, as the kernel says; sizes in bytes. Written when something changed: until the
 * next one of the same process it stayed as it was. */
struct pyro_look {
    uint64_t time_us; /* since the recording began; never less than of the one before */
    uint32_t process;
    bool gone;             /* it had ended, or become another program: all else is 0 */
    bool tracked;          /* what it allocates is known, too: */
    uint64_t rss, most;    /* now, and at most so far */
    uint64_t files;        /* of rss: pages of files and shared memory */
    uint64_t swapped;      /* besides */
    uint64_t live, native; /* tracked: alive, and of that what C code took itself */
};

/* How these looks came about. */
struct pyro_watch {
    uint64_t looks, interval_us; /* 0: there were none; what was between two of them, at last */
    uint64_t until_us;           /* when the last one was */
    uint64_t missed;             /* that were due while we were not let run */
    uint64_t unseen;             /* at least so many processes came and went between two looks */
    uint64_t
        largest; /* resident at most of any process, says the kernel at the end; 0: not known */
};

/* What kept the program's memory small from outside, and how that went while it was recorded, as the kernel counts: of its
 * control group, with all else that runs in it. */
struct pyro_confinement {
    bool asked;      /* false: nothing is known */
    uint32_t cgroup; /* string: its path; "": none that knows of memory */
    uint64_t limit;  /* bytes; 0: none */
    bool has_reached, has_oom, has_kills, has_pressure;
    uint64_t reached;    /* how often the limit was */
    uint64_t oom, kills; /* that there was no memory left, and processes killed for it */
    bool of_machine;     /* of the group the next two are not known, of all the machine: */
    uint64_t some_us,
        full_us; /* in which something, or all that would have run, waited for memory */
};

/* How the calls of a process were counted. */
struct pyro_probe {
    bool counted, c_calls; /* c_calls: those of C functions, too */
    uint32_t reason;       /* string: why it was not; "" */
    uint64_t lost;         /* calls that were seen but found no room */
    double start_ns,
        call_ns; /* what counting cost: a start of a function, a call instruction (0: not known) */
    struct pyro_trace_cost trace; /* where they were traced instead */
};

/* How well it was measured. Everything lost, late or guessed is here. */
struct pyro_counters {
    uint64_t duration_us;    /* first to last sweep, and the gap that leads to the first */
    uint64_t sweeps;         /* taken */
    uint64_t missed_ticks;   /* due, but skipped because we were late by more than a gap */
    uint64_t late;           /* taken more than half a mean gap after they were due */
    uint64_t samples;        /* thread stacks */
    uint64_t empty;          /* samples of threads without any Python frame */
    uint64_t moved;          /* the two copies of a sweep differed */
    uint64_t unsure;         /* at the time of recording; edges confirmed later make some sure */
    uint64_t failed;         /* threads that could not be read in a sweep (they vanished, mostly) */
    uint64_t second_reads;   /* sweeps that took a second call */
    uint64_t stopped;        /* samples taken from a stopped thread (--exact) */
    uint64_t still;          /* samples proved to show one moment, without a stop */
    uint64_t sampler_cpu_us; /* our own CPU */
    uint64_t sampler_rss;    /* our own memory: bytes resident, at most; 0: not known */
    uint64_t code_reread;    /* code objects that turned out to be replaced */
    uint64_t turned_away;    /* processes whose calls were not counted, because there was no room */
    uint64_t sub_interpreters; /* not 0: there were some, whose calls are not counted */
    uint64_t queries_lost;     /* that found no room: in no struct pyro_query */
    uint64_t marked;           /* functions that the program marks @profile */
    uint64_t lines_lost;       /* hits of lines that found no room: in no struct pyro_line_count */
    uint64_t lines_cost_us;    /* what counting lines cost: left out of their times */
    uint64_t
        lines_from_us; /* until then it was only sampled, to find out whose lines to count; 0: they were always counted */
    uint64_t lines_sampled; /* not 0: lines were counted, and not timed */
    uint64_t
        gap_us; /* of duration_us: the sampler was suspended; derived on reading, no sample weighs it */
};

/* How it was made: written first, never changes. Texts may be NULL. */
struct pyro_recording_info {
    const char *command;   /* of the target */
    const char *python;    /* "3.12.1" of the first process */
    const char *mode;      /* "wall" */
    const char *pyrometer; /* version of this program */
    const char *directory; /* working directory of the target: paths are shown relative to it */
    int32_t pid;
    uint64_t started_unix_us;
    uint32_t rate_hz; /* asked */
    bool exact;
    uint32_t cpus; /* that the target may run on, when it began; 0: not known */
};

#endif
