/* cpython/stack.h - the fast path: one thread's stack from copies taken in one system call.
 *
 * A reader belongs to one thread of the target. It predicts from the last look which bytes hold the stack (thread
 * state, frames of generators and entry shims, newest stack chunks) and plans them as spans; the caller reads the
 * spans of all threads in one call and gives each reader its turn to take the stack. What the prediction missed is
 * read late, which is counted.
 *
 * Which moment a sample shows: a chunk is copied in far less time than a call takes, so the copy of the chunk is the
 * sample. The thread state was copied a little earlier; frames it says are there but that the copy shows as left
 * (3.11-3.13: a caller that executes again; 3.14+: a cleared executable) are cut, and frames that were entered in
 * between are added where the copy proves them. No sample is chosen by what it shows.
 *
 * Everything read is hostile: walks are bounded, addresses are only used to find bytes in the copies. */
#ifndef PYRO_CPYTHON_STACK_H
#define PYRO_CPYTHON_STACK_H

#include "base/map.h"
#include "cpython/runtime.h"

#define PYRO_STACK_CHUNKS_READ 4     /* newest chunks copied in every sweep, and the oldest one */
#define PYRO_STACK_CHUNKS_MAX  16384 /* in one thread */
#define PYRO_STACK_FRAMES_MAX  8192  /* walked in one sample: more are elided */
#define PYRO_STACK_ENTERED_MAX 64    /* frames added because they were entered during the copy */
#define PYRO_STACK_EXTRAS_MAX  40    /* remembered frames outside the chunks */
#define PYRO_STACK_TOPS        256   /* remembered ends of frames, a power of two */
#define PYRO_STACK_LATE_MAX    64    /* late reads in one sample */
#define PYRO_STACK_REUSE_MIN   8     /* reuse_min of a new reader */
#define PYRO_STACK_HEADER_MAX  128   /* bytes of a frame we look at */
#define PYRO_STACK_BEFORE      8     /* and before one outside the chunks: a generator's state */
#define PYRO_STACK_LINKED_MAX  192   /* 3.8-3.10: predicted frames */
#define PYRO_CHUNK_SIZE_MAX    (1u << 20)
#define PYRO_STACK_SPANS_MAX   (2 + PYRO_STACK_LINKED_MAX) /* of one plan, in every style */

enum {
    PYRO_FRAME_IN_CHUNK = 1 << 0, /* on the data stack */
    PYRO_FRAME_EXECUTES = 1 << 1, /* 3.11-3.13: it runs itself, or C code it called */
    PYRO_FRAME_FROM_C = 1 << 2,   /* 3.11: entered by a call from C */
    PYRO_FRAME_INFERRED =
        1 << 4, /* its caller is the frame right below it; a generator may stand between unseen */
    PYRO_FRAME_NEXT_CHUNK = 1 << 6, /* its caller lies in another chunk, copied at another moment */
};

struct pyro_raw_frame {
    uint64_t address;     /* of the frame itself */
    uint64_t code;        /* code object */
    uint64_t instruction; /* as stored: see pyro_code_line() */
    uint64_t previous;
    uint32_t flags;
};

struct pyro_raw_stack {
    struct pyro_raw_frame *buffer; /* room for FRAMES_MAX + ENTERED_MAX, owned by the caller */
    struct pyro_raw_frame *frames; /* in it, root first */
    size_t count;
    size_t
        elided_at; /* before this index ELIDED frames are left out; meaningless when elided is 0 */
    uint64_t elided;
    bool late; /* something had to be read after the others */
    bool
        broken; /* no chain leads to the root: only a root part, if any, is there; the top is missing */
    bool holds_gil; /* only where the thread state tells (3.15) */
    bool wants_gil;
    bool attached; /* free-threaded: it may run Python code, as who holds the GIL elsewhere */
    size_t reused; /* so many frames from the root are those of the reader's prior stack */
    /* Of so many frames from the root, those on the data stack were on it before and after the copy: no leftovers of
     * earlier calls. */
    size_t certain;
};

struct pyro_stack_chunk {
    uint64_t address, size, previous;
    const uint8_t *data; /* of this sweep: the caller's span, or own */
    size_t copied;       /* bytes at data */
    size_t want;         /* bytes to copy next time */
    uint8_t *own;        /* SIZE bytes for late reads, allocated at the first */
    bool planned;
    uint64_t frames; /* in it, when it was last walked whole; 0: never */
    uint64_t below;  /* the frame in an older chunk its first frame leads to */
    uint64_t first;  /* its lowest frame, once seen */
};

struct pyro_stack_extra {
    uint64_t address;
    uint64_t used_at; /* take number, to replace the oldest */
    uint32_t uses;    /* takes that wanted it */
    uint32_t
        depth; /* in the last stack it was part of: neighbours in a stack are copied as neighbours */
    uint64_t caller;    /* a generator's, when it was last seen to run: a suspended one has none */
    uint64_t caller_of; /* its code then: objects move in and out of an address */
    const uint8_t
        *data; /* of this sweep, NULL: not read; the caller's span, or own, at the frame's header */
    bool planned;
    uint8_t own[PYRO_STACK_BEFORE + PYRO_STACK_HEADER_MAX];
};

struct pyro_stack_reader {
    const struct pyro_runtime *runtime;
    pyro_addr tstate, interp;
    /* Whose thread state it is, as the state itself says; 0: not known. It may be another's by the next take. */
    uint64_t thread_id, native_id, unique_id;
    bool stands_still; /* the caller stops the thread for each copy: everything is of one moment */
    size_t header;     /* bytes of a frame's header */
    size_t state_before; /* a generator's state lies so many bytes before its frame; 0: not known */
    size_t planned;      /* spans of the last plan */
    uint64_t takes;
    /* The stack of an earlier take, if the caller still has it: the frames from the root that stand as they stood are taken
     * over instead of walked. Set before each take, where it was whole; a take forgets it. */
    const struct pyro_raw_frame *prior;
    size_t prior_count;
    size_t reuse_min; /* frames: to walk fewer costs less than to compare */
    const uint8_t *tstate_data;
    struct pyro_stack_chunk *chunks; /* newest first */
    size_t chunk_count, chunk_capacity;
    struct pyro_stack_extra
        *extras; /* generators, shims, cframes (3.11, 3.12); LINKED: the frames themselves */
    size_t extra_count, extra_capacity;
    uint64_t bottom_shim,
        bottom_seen_at; /* the entry shim below the thread's first frame ends the chain */
    struct {
        uint64_t top, frame;
    } tops[PYRO_STACK_TOPS]; /* which frame ends at an address of the data stack: stacks repeat */
    struct {
        uint64_t code, size;
    } learned[16];  /* what was put into the map of frame sizes lately */
    uint8_t *again; /* the second look of pyro_stack_confirm() */
    size_t again_size;
};

int pyro_stack_reader_init(struct pyro_stack_reader *reader, const struct pyro_runtime *runtime,
                           pyro_addr tstate, pyro_addr interp);
void pyro_stack_reader_clear(struct pyro_stack_reader *reader);

/* Append at most PYRO_STACK_SPANS_MAX spans that hold this thread's stack; returns how many. The caller says where
 * their data goes. */
size_t pyro_stack_plan(struct pyro_stack_reader *reader, struct pyro_span *spans);

/* What is kept in a map of frame sizes, by code object: its frame's size in bytes (0 or absent: not known), that it was
 * seen, and that it makes generators or coroutines (told by the caller, who knows co_flags). */
enum { PYRO_SIZES_BYTES = 0, PYRO_SIZES_SEEN = 1, PYRO_SIZES_GENERATOR = 2 };

/* Make the stack from the first ARRIVED of the planned SPANS, reading late what is missing. FRAME_SIZES is shared by all
 * threads of a process.
 * -ESRCH: the thread state is gone or belongs to somebody else now. -EAGAIN: memory that was predicted is gone; the next
 * plan does without it. */
int pyro_stack_take(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                    const struct pyro_span *spans, size_t arrived, struct pyro_map *frame_sizes,
                    struct pyro_raw_stack *stack);

/* Look again: how many frames from the root, of those just taken, stand as they did (address, code, caller), being on
 * the data stack, or generators that run, before and after the copy? One more system call. */
size_t pyro_stack_confirm(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                          const struct pyro_raw_stack *stack);

#endif
