/* profile/model.h - the terms every source fills and every view reads.
 *
 * A *sample* says: at this time this thread stood in this stack, in this state. A *stack* is a node of
 * a tree: a frame and its parent stack, the root being stack 0, which is empty. A *frame* is a line in
 * a function; a *function* is a qualified name, a file and a first line. Ids are dense and start at 0
 * (stacks: 1), in the order in which things were first seen. */
#ifndef PYRO_PROFILE_MODEL_H
#define PYRO_PROFILE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYRO_STACK_ROOT 0u
#define PYRO_NO_ID      UINT32_MAX

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
    uint64_t code_reread;    /* code objects that turned out to be replaced */
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
};

#endif
