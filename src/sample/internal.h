/* sample/internal.h - shared by sampler.c, sweep.c, stacks.c and threads.c. */
#ifndef PYRO_SAMPLE_INTERNAL_H
#define PYRO_SAMPLE_INTERNAL_H

#include "cpython/stack.h"
#include "sample/codes.h"
#include "sample/lookups.h"
#include "sample/sampler.h"
#include "sample/state.h"
#include "target/seat.h"

/* Who called whom: see stacks.c. */
struct pyro_edge {
    uint64_t caller; /* function of the recording, or for a join a hash of the path */
    uint32_t callee;
    uint32_t looks, certain;
    uint64_t seen_ns,
        looked_ns; /* of the last sweep and second look that counted: one a sample, however deep a recursion */
    bool written;
};

/* One thread of the target, from first to last sight. */
struct pyro_sampled_thread {
    struct pyro_thread_info info;
    struct pyro_stack_reader reader;
    struct pyro_thread_state state;
    uint32_t id; /* in the recording */
    bool named, seen;
    uint64_t added_ns;               /* when it was seen first */
    uint64_t taken_ns;               /* of its last copy; 0: none, or it failed */
    uint64_t looked_ns;              /* of the last sweep that read it */
    struct pyro_written_sample last; /* its last sample: what stands still is written again */
    bool asked;                      /* what its context has, of this sample; the answer: */
    int variable_code;
    uint64_t variable_value;
    bool wants_gil, attached;      /* then */
    size_t plan_first, plan_count; /* its spans in the sweep */
    size_t plan_context;           /* of which this one reads its context, before all others; */
    size_t plan_note;              /* and this one NOTE; of size 0 when nobody asks */
    pyro_addr note;                /* where the kernel notes the CPU it runs on; null: nowhere */
    int32_t cpu;                   /* that CPU, as of the last copy; negative: not known */
    uint64_t context
        [2]; /* its context (contextvars) and how often that changed, then; 0: none, or nobody asks */
    /* the last sample, to write only what is new: root first */
    struct pyro_raw_frame *frames;
    uint32_t *stacks;    /* stack of the recording up to each frame, its C function included */
    uint32_t *functions; /* PYRO_NO_ID: left out (a shim) */
    uint64_t *paths;     /* a hash of the functions from the root up to each frame */
    uint32_t *callees;   /* the C function that each frame calls; PYRO_NO_ID: none is known */
    size_t count, capacity;
    bool whole;                       /* they are all of the last stack taken, from its root */
    size_t settled;                   /* so many edges from the root need no look any more */
    uint64_t verified_ns, generation; /* when all of its code was looked up */
    uint64_t elided;
    size_t elided_at;
};

/* Fields of one interpreter that ride in every sweep. */
struct pyro_sampled_interp {
    pyro_addr addr, gil;
    pyro_addr gil_holder;                 /* of the last sweep, null when nobody holds it */
    pyro_addr last_holder, holder_before; /* who held it last, now and in the sweep before */
    uint64_t switches,
        switched; /* how often it changed hands, and since the last whole sweep; UINT64_MAX: not known */
    bool gil_known;
    uint64_t generation;
    uint64_t lists_read_ns;
    uint32_t lists_from, lists_size;
    uint64_t threads_head;
    bool collecting;
};

#define PYRO_SAMPLED_INTERPS_MAX 16

struct pyro_sampler {
    pid_t pid;
    struct pyro_sampler_options options;
    struct pyro_memory *memory;
    struct pyro_runtime runtime;
    struct pyro_pauser *pauser;
    struct pyro_writer *writer;
    uint32_t process; /* in the recording */
    struct pyro_codes codes;
    struct pyro_map edge_ids; /* (caller, callee) -> index in edges */
    struct pyro_edge *edges;
    size_t edge_count, edge_capacity;
    struct pyro_map frame_sizes;
    struct pyro_lookups lookups;
    struct pyro_socket_names sockets;
    struct pyro_sampled_interp interps[PYRO_SAMPLED_INTERPS_MAX];
    size_t interp_count;
    struct pyro_sampled_thread **threads;
    size_t thread_count, thread_capacity;
    struct pyro_sampled_thread **due; /* to be read in the next call */
    size_t due_count, due_capacity;
    struct pyro_span *spans;
    size_t span_capacity;
    uint8_t
        *copies; /* where the spans of a sweep go, one behind the other: one piece for the kernel */
    size_t copies_size;
    struct pyro_raw_stack stack; /* of the thread in turn */
    bool still; /* it stood still while it was copied: stopped, or proved from our seat */
    struct pyro_seat *seat; /* of this sweep, NULL: none */
    int64_t note_offset; /* from a thread's pthread_self() to the kernel's note; 0: there is none */
    bool seat_kept;      /* nobody but us ran on its CPU since the copy began */
    struct pyro_sampled_thread *written; /* whose sample is being written; else NULL */
    struct pyro_sampled_thread
        *running;       /* the one that may run Python now, while one sits on a seat; NULL: none */
    unsigned attempts;  /* at this sweep so far */
    uint64_t relist_ns; /* when the thread list is read again at the latest */
    uint64_t making_ns; /* since when threads that do not run yet are listed; 0: there are none */
    bool relist;        /* it changed */
    uint32_t unsure_frame, elided_function;
    bool no_edge_check, torn_copy, false_proof; /* faults for tests */
};

/* threads.c: bring threads and interpreters up to date with the target. -ESRCH: none is left. */
int pyro_sampler_list(struct pyro_sampler *sampler, uint64_t now_ns);
void pyro_sampled_thread_free(struct pyro_sampled_thread *thread);

const struct pyro_sampled_interp *pyro_sampler_interp_of(const struct pyro_sampler *sampler,
                                                         const struct pyro_sampled_thread *thread);

/* stacks.c: name the stack just taken; writes the sample. */
void pyro_sampler_write(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                        const struct pyro_sampled_interp *interp, uint64_t now_ns,
                        struct pyro_counters *counters);

/* The thread cannot have run: its last sample again. */
void pyro_sampler_repeat(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                         const struct pyro_sampled_interp *interp, uint64_t now_ns,
                         struct pyro_counters *counters);
/* The edges that are sure but were not written yet: at the end. */
void pyro_sampler_write_edges(struct pyro_sampler *sampler);

#endif
