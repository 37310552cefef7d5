/* cpython/stack.c - take one thread's stack from copies: frames on the data stack (3.11+).
 *
 * Facts this file stands on (Python/ceval.c, Include/internal/pycore_frame.h and pycore_interpframe.h):
 *  - Frames lie one behind the other in chunks; each is pushed right behind its caller. Frames of generators and
 *    coroutines lie in their objects, entry shims (3.12+) on the C stack.
 *  - 3.11-3.13: `stacktop` is -1 exactly while a frame executes, not while it waits for a Python call.
 *  - 3.14+: `f_executable` is cleared when a frame is popped.
 *  - A generator's `previous` is set while it runs, and its state says that it does (3.11-3.14: 0, 3.15: 4).
 *  - The data stack ends at `datastack_top`: whatever a chunk holds above it is left over from earlier calls.
 * The chunks themselves are chunks.c's matter. */
#include "cpython/stack.h"

#include <errno.h>
#include <stdlib.h>

#include "cpython/chunks.h"

#define OWNER_GENERATOR 1
#define ATTACHED        1 /* _Py_THREAD_ATTACHED of pycore_pystate.h */
#define FRAME_SIZE_MAX  65536
#define CHUNK_NEAR      4096 /* bytes from a frame to one it called in the same chunk: seldom more */
#define EXTRA_FRESH     64 /* takes after which a frame outside the chunks is not predicted any more */

/* -- frames outside the chunks ---------------------------------------------------------------- */

struct pyro_stack_extra *pyro_extra_at(struct pyro_stack_reader *reader, uint64_t address)
{
    for (size_t i = 0; i < reader->extra_count; i++)
        if (reader->extras[i].address == address)
            return &reader->extras[i];
    return NULL;
}

/* A slot for one more: a new one, or the one not used for longest. */
static struct pyro_stack_extra *extra_slot(struct pyro_stack_reader *reader)
{
    if (reader->extra_count < reader->extra_capacity)
        return &reader->extras[reader->extra_count++];
    struct pyro_stack_extra *oldest = &reader->extras[0];
    for (size_t i = 1; i < reader->extra_count; i++)
        if (reader->extras[i].used_at < oldest->used_at)
            oldest = &reader->extras[i];
    return oldest;
}

/* The header at ADDRESS outside the chunks, copied or read late. NULL: out of reach. */
static const uint8_t *extra_fetch(struct pyro_take *take, uint64_t address)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_stack_extra *extra = pyro_extra_at(reader, address);
    if (!extra || !extra->data) {
        uint8_t data[PYRO_STACK_BEFORE + PYRO_STACK_HEADER_MAX];
        if (take->late_reads >= PYRO_STACK_LATE_MAX)
            return NULL;
        take->late_reads++;
        take->stack->late = true;
        if (pyro_memory_read(take->memory, pyro_addr_at(address - PYRO_STACK_BEFORE), data,
                             PYRO_STACK_BEFORE + reader->header) < 0)
            return NULL;
        if (!extra) {
            extra = extra_slot(reader);
            *extra = (struct pyro_stack_extra){.address = address};
        }
        memcpy(extra->own, data, PYRO_STACK_BEFORE + reader->header);
        extra->data = extra->own + PYRO_STACK_BEFORE;
    }
    if (extra->used_at != reader->takes)
        extra->uses++;
    extra->used_at = reader->takes;
    return extra->data;
}

/* Is it likely to be wanted in the next take? It was in the last one, or often not long ago. */
static bool extra_expected(const struct pyro_stack_reader *reader,
                           const struct pyro_stack_extra *extra)
{
    uint64_t age = reader->takes - extra->used_at;
    return extra->address != 0 && (age == 0 || (extra->uses > 1 && age < EXTRA_FRESH));
}

static struct pyro_span extra_span(const struct pyro_stack_reader *reader,
                                   const struct pyro_stack_extra *extra)
{
    return (struct pyro_span){.addr = pyro_addr_at(extra->address - PYRO_STACK_BEFORE),
                              .size = PYRO_STACK_BEFORE + reader->header};
}

/* -- walking ---------------------------------------------------------------------------------- */

/* The header of the frame at ADDRESS. *RET_FLAGS: IN_CHUNK or nothing. NULL: out of reach. */
static const uint8_t *frame_fetch(struct pyro_take *take, uint64_t address, uint32_t *ret_flags)
{
    *ret_flags = PYRO_FRAME_IN_CHUNK;
    const uint8_t *data =
        take->window ? pyro_chunk_view(take->window, address, take->reader->header) : NULL;
    if (data)
        return data;
    struct pyro_stack_chunk *chunk = pyro_chunk_holding(take->reader, address);
    if (chunk) {
        take->window = chunk;
        return pyro_chunk_fetch(take, chunk, address, take->reader->header);
    }
    *ret_flags = 0;
    return extra_fetch(take, address);
}

/* The oldest chunk begins with the thread's first frame; what it names as its caller is mostly the entry shim that
 * ends the chain (though a generator may stand there too). */
static bool is_first_frame(const struct pyro_stack_reader *reader, uint64_t address)
{
    if (reader->chunk_count == 0)
        return false;
    const struct pyro_stack_chunk *oldest = &reader->chunks[reader->chunk_count - 1];
    return address - oldest->address <= reader->runtime->layout.chunk.data + 8;
}

/* The shim at the bottom need not be read again and again: it was seen to end the chain not long ago. */
static bool is_known_bottom(const struct pyro_stack_reader *reader,
                            const struct pyro_raw_stack *stack, uint64_t address)
{
    return address == reader->bottom_shim &&
           reader->takes - reader->bottom_seen_at < PYRO_SHIM_TRUSTED && stack->count &&
           is_first_frame(reader, stack->frames[0].address);
}

/* Which frame ended at TOP of the data stack, followed by another one or by nothing; 0: never seen. */
static uint64_t *frame_ending_at(struct pyro_stack_reader *reader, uint64_t top)
{
    size_t slot = pyro_hash_u64(top) % PYRO_STACK_TOPS;
    if (reader->tops[slot].top != top) {
        reader->tops[slot].top = top;
        reader->tops[slot].frame = 0;
    }
    return &reader->tops[slot].frame;
}

/* Who called the generator of this frame: a generator knows it only while it runs. It ran when the thread state was
 * copied; if it was suspended since, its caller is the one it had, or the last frame on the data stack. */
static uint64_t generator_caller(struct pyro_take *take, struct pyro_raw_frame *frame)
{
    struct pyro_stack_extra *extra = pyro_extra_at(take->reader, frame->address);
    if (frame->previous != 0) {
        if (extra) {
            extra->caller = frame->previous;
            extra->caller_of = frame->code;
        }
        return frame->previous;
    }
    frame->flags |= PYRO_FRAME_INFERRED;
    if (extra && extra->caller && extra->caller_of == frame->code)
        return extra->caller;
    return *frame_ending_at(take->reader, take->chunk_top);
}

/* Frames are found innermost first and wanted root first: the buffer is filled from behind. */
static void push_below(struct pyro_raw_stack *stack, const struct pyro_raw_frame *frame)
{
    *--stack->frames = *frame;
    stack->count++;
}

/* Frames lie one behind the other: the one on the data stack that ends where UNTIL begins, found from the bottom of
 * its chunk by the known sizes. 0: not to be found. */
static uint64_t frame_right_below(struct pyro_take *take, uint64_t until)
{
    const struct pyro_stack_chunk *chunk = pyro_chunk_holding(take->reader, until);
    if (!chunk || !chunk->first)
        return 0;
    uint64_t address = chunk->first;
    while (address < until) {
        const uint8_t *data = pyro_chunk_view(chunk, address, take->reader->header);
        const uint64_t *size =
            data ? pyro_map_find(take->frame_sizes,
                                 pyro_frame_parse(take->layout, data, address).code, 0)
                 : NULL;
        if (!size || *size == 0 || *size > until - address)
            return 0;
        if (address + *size == until)
            return address;
        address += *size;
    }
    return 0;
}

/* Does a generator frame at ADDRESS run, called by the frame at CALLER? */
static bool runs_below(struct pyro_take *take, uint64_t address, uint64_t caller)
{
    const struct pyro_stack_extra *extra = pyro_extra_at(take->reader, address);
    return extra && extra->data && extra->data[take->layout->frame.owner] == OWNER_GENERATOR &&
           pyro_generator_runs(take->reader, extra->data) &&
           pyro_field_u64(extra->data, take->layout->frame.previous) == caller;
}

/* Below the last frame found there is a shim, or it could not be read (SHIM NULL). It lies on the C stack and was copied
 * earlier than the data stack: what lies right below on the data stack is the better witness, unless a running
 * generator stands between. Remembers the shim that ends the chain. */
static uint64_t pass_shim(struct pyro_take *take, const struct pyro_raw_frame *shim,
                          bool *ret_whole)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_raw_stack *stack = take->stack;
    if (stack->count == 0 || !(stack->frames[0].flags & PYRO_FRAME_IN_CHUNK))
        return shim ? shim->previous : 0;
    uint64_t above = stack->frames[0].address;
    if (is_first_frame(reader, above)) {
        *ret_whole = shim && shim->previous == pyro_base_frame(take);
        if (*ret_whole) {
            reader->bottom_shim = shim->address;
            reader->bottom_seen_at = reader->takes;
        }
        return shim ? shim->previous : 0;
    }
    uint64_t below = reader->stands_still ? 0 : frame_right_below(take, above);
    if (!below || (shim && runs_below(take, shim->previous, below)))
        return shim ? shim->previous : 0;
    if (!shim || shim->previous != below)
        stack->frames[0].flags |= PYRO_FRAME_INFERRED;
    return below;
}

/* One step of a walk: note the frame at ADDRESS and return its caller's address. 0 ends the chain; *ret_whole tells
 * whether it ended where a thread begins. */
static uint64_t walk_frame(struct pyro_take *take, uint64_t address, bool *ret_whole)
{
    uint32_t flags;
    const uint8_t *data = frame_fetch(take, address, &flags);
    *ret_whole = false;
    if (!data)
        return pass_shim(take, NULL, ret_whole);
    struct pyro_raw_frame frame = pyro_frame_parse(take->layout, data, address);
    frame.flags |= flags;
    if (frame.previous == address)
        return pass_shim(take, NULL, ret_whole);
    if (pyro_is_shim(take->layout, data))
        return pass_shim(take, &frame, ret_whole);
    if (!flags && data[take->layout->frame.owner] == OWNER_GENERATOR)
        frame.previous = generator_caller(take, &frame);
    push_below(take->stack, &frame);
    /* 3.11: the first frame has no caller; later versions end in a shim. A frame that was pushed but is not linked
     * yet may name none either. */
    *ret_whole = frame.previous == 0 && flags && take->layout->minor == 11 &&
                 is_first_frame(take->reader, address);
    return frame.previous;
}

/* Most frames are followed by one in the same chunk: go down there as long as nothing is special. Returns the first
 * address that needs walk_frame(). */
static uint64_t walk_window(struct pyro_take *take, uint64_t address)
{
    struct pyro_raw_stack *stack = take->stack;
    const struct pyro_stack_chunk *chunk = take->window;
    const struct pyro_layout *layout = take->layout;
    while (stack->count < PYRO_STACK_FRAMES_MAX) {
        if (pyro_prior_holds(take, address))
            break;
        const uint8_t *data = pyro_chunk_view(chunk, address, take->reader->header);
        if (!data || data[layout->frame.owner] != 0)
            break;
        struct pyro_raw_frame frame = pyro_frame_parse(layout, data, address);
        if (frame.previous == 0 || frame.previous == address)
            break;
        frame.flags |= PYRO_FRAME_IN_CHUNK;
        push_below(stack, &frame);
        address = frame.previous;
    }
    return address;
}

/* Leave out the middle of a very deep stack: from ADDRESS in a chunk that is not copied, go on in the oldest chunk. */
static uint64_t elide_middle(struct pyro_take *take, uint64_t address)
{
    struct pyro_raw_stack *stack = take->stack;
    if (stack->elided || take->reader->chunk_count <= PYRO_STACK_CHUNKS_READ + 1)
        return address;
    uint64_t below = pyro_chunks_skip(take, address, &stack->elided);
    if (stack->elided)
        stack->elided_at = stack->count; /* so many above it: turned around at the end */
    return below;
}

/* Does the data stack hold anything? (The oldest chunk leaves its first word out.) */
static bool has_frames(const struct pyro_take *take)
{
    const struct pyro_stack_reader *reader = take->reader;
    uint64_t empty = take->layout->chunk.data + 8;
    return reader->chunk_count > 0 && take->chunk_top - reader->chunks[0].address > empty;
}

/* Collect frames from ADDRESS to the root. Without an address there is nothing to collect, or it is not known where. */
static void walk(struct pyro_take *take, uint64_t address)
{
    struct pyro_raw_stack *stack = take->stack;
    uint64_t base = pyro_base_frame(take);
    bool whole = address != 0 || !has_frames(take);
    size_t reusable = take->reusable;
    stack->frames = stack->buffer + PYRO_STACK_FRAMES_MAX;
    stack->count = stack->reused = 0;
    stack->elided = 0;
    for (size_t steps = 0; address != 0; steps++) {
        if (take->window)
            address = walk_window(take, address);
        whole = pyro_prior_reuse(take, address);
        if (whole)
            break;
        whole = address == base || is_known_bottom(take->reader, stack, address);
        if (whole || steps >= 2 * PYRO_STACK_FRAMES_MAX || stack->count >= PYRO_STACK_FRAMES_MAX)
            break;
        address = walk_frame(take, elide_middle(take, address), &whole);
    }
    take->reusable = reusable; /* for another walk */
    stack->broken = !whole;
    stack->elided_at = stack->count - stack->elided_at;
}

/* Where the data stack ended when the chunk above CHUNK was begun. 0: not known. */
static uint64_t end_of_older(const struct pyro_take *take, const struct pyro_stack_chunk *chunk)
{
    const struct pyro_layout *layout = take->layout;
    if (chunk->copied < layout->chunk.data)
        return 0;
    return chunk->address + layout->chunk.data + 8 * pyro_field_u64(chunk->data, layout->chunk.top);
}

/* Take the frames of CHUNK from its first one upwards by their known sizes, until one ends at TOP or AFTER. BELOW is the
 * frame under them. False: it could not be followed to there. */
static bool climb_chunk(struct pyro_take *take, const struct pyro_stack_chunk *chunk,
                        uint64_t below, uint64_t top, uint64_t after)
{
    struct pyro_raw_stack *stack = take->stack;
    uint64_t address = chunk->first;
    while (address != 0 && address != top && address != after &&
           stack->count < PYRO_STACK_FRAMES_MAX) {
        const uint8_t *data = pyro_chunk_view(chunk, address, take->reader->header);
        if (!data)
            return false;
        struct pyro_raw_frame frame = pyro_frame_parse(take->layout, data, address);
        const uint64_t *size = pyro_map_find(take->frame_sizes, frame.code, PYRO_SIZES_BYTES);
        bool in_order =
            frame.previous == below || !pyro_chunk_holding(take->reader, frame.previous);
        if (frame.code == 0 || !size || *size == 0 || !in_order)
            return false;
        bool inferred = frame.previous != below && stack->count > 0;
        frame.flags |= PYRO_FRAME_IN_CHUNK | (inferred ? PYRO_FRAME_INFERRED : 0);
        stack->frames[stack->count++] = frame;
        below = address;
        address += *size;
    }
    return address != 0 && (address == top || address == after);
}

/* No chain leads through the copy: what it stood in has moved on. The data stack itself is there: take it from the bottom.
 * It is the whole stack if it ends where the data stack did, at TOP or AFTER; else its top is missing. Generators are not
 * on it, so a stack with one in the middle breaks there. */
static void climb(struct pyro_take *take, uint64_t top, uint64_t after)
{
    struct pyro_raw_stack *stack = take->stack;
    const struct pyro_stack_reader *reader = take->reader;
    stack->frames = stack->buffer;
    stack->count = stack->reused = 0;
    stack->elided = 0;
    stack->broken = true;
    if (reader->chunk_count > PYRO_STACK_CHUNKS_READ + 1)
        return;
    for (size_t i = reader->chunk_count; i-- > 0;) {
        const struct pyro_stack_chunk *chunk = &reader->chunks[i];
        uint64_t below = stack->count ? stack->frames[stack->count - 1].address : 0;
        uint64_t end = top, end_after = after;
        if (i > 0 && end_of_older(take, chunk))
            end = end_after = end_of_older(take, chunk);
        if (!climb_chunk(take, chunk, below, end, end_after))
            return;
    }
    stack->broken = false;
}

/* The frame on the data stack nearest to the leaf, of the stack just walked; not one that is popped already. */
static uint64_t last_in_chunk(const struct pyro_take *take)
{
    const struct pyro_raw_stack *stack = take->stack;
    for (size_t i = stack->count; i-- > 0;)
        if ((stack->frames[i].flags & PYRO_FRAME_IN_CHUNK) &&
            stack->frames[i].address != take->chunk_top)
            return stack->frames[i].address;
    return 0;
}

/* -- the moment of the copy ------------------------------------------------------------------- */

/* A frame's size is the distance to the frame it called; a few near the leaf are learned in every take, all now and
 * then. Known by code object; key PYRO_SIZES_SEEN marks code that was seen. */
static void learn_size(struct pyro_take *take, uint64_t code, uint64_t size)
{
    struct pyro_stack_reader *reader = take->reader;
    size_t slot = (code / 16) % (sizeof(reader->learned) / sizeof(*reader->learned));
    if (reader->learned[slot].code == code && reader->learned[slot].size >= size)
        return;
    reader->learned[slot].code = code;
    reader->learned[slot].size = size;
    (void)pyro_map_insert(take->frame_sizes, code, PYRO_SIZES_SEEN, NULL);
    if (size < 64 || size > FRAME_SIZE_MAX || size % 8 != 0)
        return;
    uint64_t *known = pyro_map_insert(take->frame_sizes, code, 0, NULL);
    if (known)
        *known = size; /* the code may be another one at the same address: the last word counts */
}

/* The bytes of FRAME on the data stack, by the one ABOVE it in the stack, which lies right behind it, or first in the next
 * chunk. C code between them needs nothing of the data stack, but that it is between them tells the C stack, copied at
 * another moment than the frames if the thread runs. 0: not known. */
static uint64_t frame_size(const struct pyro_take *take, const struct pyro_raw_frame *frame,
                           const struct pyro_raw_frame *above)
{
    struct pyro_stack_reader *reader = take->reader;
    bool called = above->previous == frame->address ||
                  (reader->stands_still && pyro_extra_at(reader, above->previous));
    if (!called || !(above->flags & frame->flags & PYRO_FRAME_IN_CHUNK) ||
        ((above->flags | frame->flags) & PYRO_FRAME_INFERRED))
        return 0;
    const struct pyro_stack_chunk *chunk = pyro_chunk_holding(reader, frame->address);
    if (!chunk)
        return 0;
    if (above->address - chunk->address < chunk->size)
        return above->address - frame->address;
    return reader->stands_still && end_of_older(take, chunk)
               ? end_of_older(take, chunk) - frame->address
               : 0;
}

static void learn_sizes(struct pyro_take *take)
{
    const struct pyro_raw_stack *stack = take->stack;
    bool all = take->reader->takes < 8 || take->reader->takes % 64 == 0;
    for (size_t i = stack->count > 3 && !all ? stack->count - 3 : 0; i < stack->count; i++) {
        const struct pyro_raw_frame *frame = &stack->frames[i], *above = frame + 1;
        learn_size(take, frame->code, i + 1 < stack->count ? frame_size(take, frame, above) : 0);
    }
}

/* The innermost frame ends where the data stack does. (It may end further down when the thread was just pushing the
 * next one: the smallest distance is the size.) */
static void learn_top(struct pyro_take *take)
{
    const struct pyro_raw_stack *stack = take->stack;
    const struct pyro_raw_frame *leaf = stack->count ? &stack->frames[stack->count - 1] : NULL;
    if (!leaf || !(leaf->flags & PYRO_FRAME_IN_CHUNK) || leaf->code == 0 ||
        take->chunk_top <= leaf->address)
        return;
    uint64_t size = take->chunk_top - leaf->address;
    if (size < 64 || size > FRAME_SIZE_MAX || size % 8 != 0)
        return;
    uint64_t *known = pyro_map_insert(take->frame_sizes, leaf->code, PYRO_SIZES_BYTES, NULL);
    if (known && (*known == 0 || size < *known))
        *known = size;
}

/* Where the frames of a chunk begin: where it was walked to. */
static void learn_first(struct pyro_take *take)
{
    size_t first = take->stack->reused;
    struct pyro_stack_chunk *chunk =
        first ? pyro_chunk_holding(take->reader, take->stack->frames[first - 1].address) : NULL;
    for (size_t i = first; i < take->stack->count && !(chunk && chunk == take->reader->chunks);
         i++) {
        const struct pyro_raw_frame *frame = &take->stack->frames[i];
        if (!(frame->flags & PYRO_FRAME_IN_CHUNK) ||
            (chunk && frame->address - chunk->address < chunk->size))
            continue;
        chunk = pyro_chunk_holding(take->reader, frame->address);
        if (chunk && (chunk->first == 0 || frame->address < chunk->first))
            chunk->first = frame->address;
    }
}

/* Cut what the copy shows as left since the thread state was copied. */
static void cut_left_frames(struct pyro_raw_stack *stack)
{
    for (size_t i = stack->reused ? stack->reused - 1 : 0; i < stack->count; i++) {
        const struct pyro_raw_frame *frame = &stack->frames[i], *above = frame + 1;
        if (frame->code == 0) {
            stack->count = i;
            return;
        }
        if (i + 1 < stack->count && (frame->flags & PYRO_FRAME_EXECUTES) &&
            above->previous == frame->address &&
            (above->flags & frame->flags & PYRO_FRAME_IN_CHUNK) &&
            !(above->flags & PYRO_FRAME_FROM_C)) {
            stack->count = i + 1;
            return;
        }
    }
}

/* The frame right behind FRAME in its chunk, if the copy shows one that FRAME called. */
static bool frame_behind(struct pyro_take *take, const struct pyro_raw_frame *frame,
                         struct pyro_raw_frame *ret_behind)
{
    const uint64_t *size = pyro_map_find(take->frame_sizes, frame->code, 0);
    const struct pyro_stack_chunk *chunk = pyro_chunk_holding(take->reader, frame->address);
    if (!size || !chunk)
        return false;
    uint64_t address = frame->address + *size;
    const uint8_t *data = pyro_chunk_view(chunk, address, take->reader->header);
    if (!data)
        return false;
    *ret_behind = pyro_frame_parse(take->layout, data, address);
    ret_behind->flags |= PYRO_FRAME_IN_CHUNK;
    /* What makes a generator leaves its frame here as if it ran. */
    return ret_behind->previous == frame->address && ret_behind->code != 0 &&
           data[take->layout->frame.owner] == 0 &&
           pyro_map_find(take->frame_sizes, ret_behind->code, PYRO_SIZES_SEEN) != NULL &&
           pyro_map_find(take->frame_sizes, ret_behind->code, PYRO_SIZES_GENERATOR) == NULL;
}

/* Add what was entered since. Before 3.14 a left frame looks like a live one, so only a frame that executes proves
 * itself and those below it. */
static void add_entered_frames(struct pyro_take *take)
{
    struct pyro_raw_stack *stack = take->stack;
    if (stack->count == 0 || stack->broken)
        return;
    bool by_stacktop = take->layout->frame.stacktop != PYRO_ABSENT;
    size_t proved = stack->count;
    struct pyro_raw_frame *top = &stack->frames[stack->count - 1];
    for (size_t i = 0; i < PYRO_STACK_ENTERED_MAX; i++) {
        if (!(top->flags & PYRO_FRAME_IN_CHUNK) || (top->flags & PYRO_FRAME_EXECUTES))
            break;
        if (!frame_behind(take, top, top + 1))
            break;
        top++;
        if (!by_stacktop || (top->flags & PYRO_FRAME_EXECUTES))
            proved = (size_t)(top - stack->frames) + 1;
    }
    stack->count = proved;
}

/* The frame that ENDS, a copy of the thread state's fields from `frame` on, leads to. */
static uint64_t innermost_frame(struct pyro_take *take, const uint8_t *ends)
{
    uint64_t pointer = pyro_field_u64(ends, 0);
    if (take->layout->frames != PYRO_FRAMES_CFRAME || pointer == 0)
        return pointer;
    const uint8_t *cframe = extra_fetch(take, pointer);
    return cframe ? pyro_field_u64(cframe, take->layout->cframe_current_frame) : 0;
}

/* -- between two instructions of the interpreter ----------------------------------------------
 *
 * A thread that stands still may do so in the middle of entering or leaving a frame. Then its fields are of one moment and
 * yet not in order:
 *  - 3.11, 3.12: an interpreter that is just being entered has published its cframe but not yet filled it. What it holds is
 *    left over on the C stack.
 *  - A generator that is just being entered or left names no caller, and is on nobody's stack.
 *  - 3.11-3.13: a frame that is just being entered is the current one before it names its caller (compilers turn the two
 *    stores around). What it names till then is left over from an earlier frame there.
 * All other frames that run form one chain, whose end executes, or has what it resumes on top of its value stack. */

/* The frame in which the interpreter below the innermost one waits (3.11, 3.12). 0: there is none. */
static uint64_t frame_before(struct pyro_take *take)
{
    const struct pyro_layout *layout = take->layout;
    if (layout->frames != PYRO_FRAMES_CFRAME)
        return 0;
    uint64_t pointer = pyro_field_u64(take->reader->tstate_data, layout->tstate.frame);
    const uint8_t *cframe = pointer ? extra_fetch(take, pointer) : NULL;
    uint64_t before = cframe ? pyro_field_u64(cframe, layout->cframe_current_frame + 8) : 0;
    cframe = before ? extra_fetch(take, before) : NULL;
    return cframe ? pyro_field_u64(cframe, layout->cframe_current_frame) : 0;
}

/* The object on top of the value stack of the frame at ADDRESS, which waits for somebody. 0: it does not. */
static uint64_t top_value(struct pyro_take *take, uint64_t address)
{
    const struct pyro_layout *layout = take->layout;
    uint32_t flags;
    const uint8_t *data = frame_fetch(take, address, &flags);
    int32_t depth = data ? (int32_t)pyro_field_u32(data, layout->frame.stacktop) : 0;
    uint64_t value = 0;
    if (depth <= 0 || depth > FRAME_SIZE_MAX / 8 || take->late_reads >= PYRO_STACK_LATE_MAX)
        return 0;
    take->late_reads++;
    take->stack->late = true;
    uint64_t slot = address + layout->frame.localsplus + 8 * (uint64_t)(depth - 1);
    return pyro_memory_read(take->memory, pyro_addr_at(slot), &value, sizeof(value)) < 0 ? 0
                                                                                         : value;
}

/* Is the stack just walked one of those described above? */
static bool in_between(const struct pyro_take *take)
{
    const struct pyro_raw_stack *stack = take->stack;
    const struct pyro_stack_reader *reader = take->reader;
    if (stack->broken || stack->count == 0)
        return stack->broken;
    const struct pyro_raw_frame *leaf = &stack->frames[stack->count - 1];
    if (!(leaf->flags & PYRO_FRAME_IN_CHUNK))
        return (leaf->flags & PYRO_FRAME_INFERRED) != 0;
    /* Without a cframe, or in what makes a generator, this is a frame on its way out: popped, and still the current one. */
    if (take->layout->frames != PYRO_FRAMES_CFRAME ||
        pyro_map_find(take->frame_sizes, leaf->code, PYRO_SIZES_GENERATOR))
        return false;
    return reader->chunk_count > 0 && leaf->address >= take->chunk_top &&
           leaf->address - reader->chunks[0].address < reader->chunks[0].size;
}

/* The frames a walk may begin from, and the best so far. */
struct innermost {
    uint64_t address;
    size_t count;
    bool executes;
};

/* Walk from ADDRESS and keep in *BEST what leads to a whole stack: one that ends in a frame that executes before one
 * that does not (it may be pushed and not run yet, and name any caller), and of two such the longer. */
static void try_innermost(struct pyro_take *take, uint64_t address, struct innermost *best)
{
    const struct pyro_raw_stack *stack = take->stack;
    if (!address)
        return;
    walk(take, address);
    if (stack->broken || stack->count == 0)
        return;
    bool executes = stack->frames[stack->count - 1].flags & PYRO_FRAME_EXECUTES;
    if (executes == best->executes ? stack->count > best->count : executes)
        *best = (struct innermost){address, stack->count, executes};
}

/* Walk from the frame that is innermost when UNLINKED (a generator's, or 0) is not. */
static void walk_from_innermost(struct pyro_take *take, uint64_t unlinked)
{
    struct pyro_stack_reader *reader = take->reader;
    const struct pyro_layout *layout = take->layout;
    struct innermost best = {0};
    for (size_t i = 0; i < reader->extra_count; i++) {
        const struct pyro_stack_extra *extra = &reader->extras[i];
        if (extra->data && extra->address != unlinked && pyro_generator_runs(reader, extra->data) &&
            extra->data[layout->frame.owner] == OWNER_GENERATOR &&
            pyro_field_u64(extra->data, layout->frame.previous) != 0)
            try_innermost(take, extra->address, &best);
    }
    try_innermost(take, *frame_ending_at(reader, take->chunk_top), &best);
    try_innermost(take, frame_right_below(take, take->chunk_top), &best);
    try_innermost(take, frame_before(take), &best);
    walk(take, best.address ? best.address : unlinked);
}

/* The frame on the data stack right below the one at ADDRESS, which may be the first of its chunk. 0: not to be found. */
static uint64_t frame_under(struct pyro_take *take, uint64_t address)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_stack_chunk *chunk = pyro_chunk_holding(reader, address);
    if (!chunk || address - chunk->address != take->layout->chunk.data)
        return frame_right_below(take, address);
    struct pyro_stack_chunk *older = chunk + 1;
    uint64_t end = older < reader->chunks + reader->chunk_count ? end_of_older(take, older) : 0;
    if (end - older->address < reader->header || end - older->address >= older->size)
        return 0;
    (void)pyro_chunk_fetch(take, older, end - reader->header, reader->header);
    return frame_right_below(take, end);
}

/* Does the innermost frame lie right behind the one it names as its caller, or is that elsewhere, or unknown? */
static bool lies_behind_caller(const struct pyro_take *take, const struct pyro_raw_frame *leaf)
{
    const struct pyro_raw_stack *stack = take->stack;
    if (stack->count < 2)
        return !stack->broken;
    if (leaf[-1].address != leaf->previous || !(leaf[-1].flags & PYRO_FRAME_IN_CHUNK))
        return true;
    const uint64_t *size = pyro_map_find(take->frame_sizes, leaf[-1].code, PYRO_SIZES_BYTES);
    return !size || *size == 0 || leaf->previous + *size == leaf->address;
}

/* Is the innermost frame the last one on the data stack? */
static bool ends_at_top(const struct pyro_take *take, const struct pyro_raw_frame *leaf)
{
    const uint64_t *size = pyro_map_find(take->frame_sizes, leaf->code, PYRO_SIZES_BYTES);
    return size && leaf->address + *size == take->chunk_top;
}

/* The innermost frame is pushed and does not execute yet: it was called by what lies below it, whatever it names. */
static void name_caller(struct pyro_take *take)
{
    struct pyro_raw_stack *stack = take->stack;
    if (stack->count == 0)
        return;
    struct pyro_raw_frame leaf = stack->frames[stack->count - 1];
    if ((leaf.flags & (PYRO_FRAME_EXECUTES | PYRO_FRAME_IN_CHUNK)) != PYRO_FRAME_IN_CHUNK ||
        !ends_at_top(take, &leaf) || lies_behind_caller(take, &stack->frames[stack->count - 1]))
        return;
    uint64_t caller = frame_under(take, leaf.address);
    if (!caller || caller == leaf.previous)
        return;
    walk(take, caller);
    leaf.previous = caller;
    if (!stack->broken)
        stack->frames[stack->count++] = leaf;
}

/* The thread stands still, but not in order: go down to the frame that is. */
static void step_back(struct pyro_take *take)
{
    struct pyro_raw_stack *stack = take->stack;
    if (take->layout->frame.stacktop == PYRO_ABSENT)
        return;
    name_caller(take);
    if (!in_between(take))
        return;
    uint64_t unlinked = 0;
    if (stack->count && !stack->broken &&
        !(stack->frames[stack->count - 1].flags & PYRO_FRAME_IN_CHUNK))
        unlinked = stack->frames[stack->count - 1].address;
    walk_from_innermost(take, unlinked);
    struct pyro_raw_frame *leaf = stack->count ? &stack->frames[stack->count - 1] : NULL;
    if (!leaf || (leaf->flags & PYRO_FRAME_EXECUTES))
        return;
    uint32_t offset = take->layout->generator.frame;
    bool resumes =
        unlinked && offset != PYRO_ABSENT && top_value(take, leaf->address) == unlinked - offset;
    leaf->flags |= resumes ? 0 : PYRO_FRAME_INFERRED;
}

/* AFTER: the ends copied behind the chunks, or NULL. */
static void take_chunks(struct pyro_take *take, const uint8_t *after)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_raw_stack *stack = take->stack;
    size_t top_offset = take->layout->tstate.chunk_top - take->layout->tstate.frame;
    take->chunk_top = pyro_field_u64(reader->tstate_data, take->layout->tstate.chunk_top);
    pyro_chunks_follow(take, pyro_field_u64(reader->tstate_data, take->layout->tstate.chunk));
    pyro_prior_compare(take);
    walk(take, innermost_frame(take, reader->tstate_data + take->layout->tstate.frame));
    if (reader->stands_still)
        step_back(take);
    uint64_t *ending = frame_ending_at(reader, take->chunk_top);
    if (!stack->broken) {
        *ending = last_in_chunk(take);
        learn_first(take);
        learn_top(take);
    } else if (after) /* what it stood in is gone already: it has moved on, to here */
        walk(take, innermost_frame(take, after));
    if (stack->broken && *ending)
        walk(take, *ending);
    if (stack->broken)
        climb(take, take->chunk_top, after ? pyro_field_u64(after, top_offset) : 0);
    learn_sizes(take);
    cut_left_frames(stack);
    if (!reader->stands_still) /* else what is pushed and not linked yet does not run yet */
        add_entered_frames(take);
}

/* In the order of the plan. -EAGAIN: the thread state was not reached; -ESRCH: it is gone. */
static int accept_spans(struct pyro_stack_reader *reader, const struct pyro_span *spans,
                        size_t arrived)
{
    size_t next = 0;
    for (size_t i = 0; i < reader->extra_count; i++) {
        struct pyro_stack_extra *extra = &reader->extras[i];
        extra->data = NULL;
        if (!extra->planned)
            continue;
        if (next < arrived)
            extra->data = (const uint8_t *)spans[next].data + PYRO_STACK_BEFORE;
        else if (next == arrived) /* its memory is gone: do not let it hide the rest again */
            *extra = (struct pyro_stack_extra){0};
        next++;
    }
    size_t tstate_at = next;
    bool lost = tstate_at >= arrived;
    reader->tstate_data = spans[next].data;
    pyro_chunks_accept(reader, spans, next + 1, arrived);
    return !lost ? 0 : tstate_at == 0 ? -ESRCH : -EAGAIN;
}

/* Mark the frames whose callers were copied with another chunk. */
static void mark_boundaries(struct pyro_raw_stack *stack)
{
    for (size_t i = stack->reused ? stack->reused : 1; i < stack->count; i++)
        if (stack->frames[i].address - stack->frames[i - 1].address >= CHUNK_NEAR)
            stack->frames[i].flags |= PYRO_FRAME_NEXT_CHUNK;
}

static bool is_left_over(const struct pyro_stack_reader *reader, const struct pyro_raw_frame *frame,
                         uint64_t top, uint64_t after)
{
    return (frame->flags & PYRO_FRAME_IN_CHUNK) &&
           !pyro_chunks_below(reader, frame->address, top, after);
}

/* Find the frames that were on the data stack at both ends of the copy. */
static void find_certain(struct pyro_take *take, const struct pyro_span *spans, size_t arrived)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_raw_stack *stack = take->stack;
    const struct pyro_layout *layout = take->layout;
    if (arrived < reader->planned || reader->chunk_count == 0 || stack->count == 0)
        return;
    /* 3.11-3.13: a frame that was left looks like one that waits for a call; only one that executes proves those below. */
    if (layout->frame.stacktop != PYRO_ABSENT &&
        !(stack->frames[stack->count - 1].flags & PYRO_FRAME_EXECUTES))
        return;
    uint64_t after = pyro_field_u64(spans[reader->planned - 1].data,
                                    layout->tstate.chunk_top - layout->tstate.frame);
    uint64_t top = after < take->chunk_top ? after : take->chunk_top;
    /* Callers of those taken over lie below them: the last one tells for all. */
    size_t certain = stack->reused;
    while (certain > 0 && is_left_over(reader, &stack->frames[certain - 1], top, after))
        certain--;
    while (certain < stack->count && !is_left_over(reader, &stack->frames[certain], top, after))
        certain++;
    stack->certain = certain;
}

static void note_depths(struct pyro_take *take)
{
    const struct pyro_raw_stack *stack = take->stack;
    for (size_t i = stack->reused; i < stack->count; i++) {
        struct pyro_stack_extra *extra =
            stack->frames[i].flags & PYRO_FRAME_IN_CHUNK
                ? NULL
                : pyro_extra_at(take->reader, stack->frames[i].address);
        if (extra)
            extra->depth = (uint32_t)i;
    }
}

static bool differs(const struct pyro_stack_reader *reader, uint32_t offset, uint64_t known)
{
    return known && offset != PYRO_ABSENT && pyro_field_u64(reader->tstate_data, offset) != known;
}

/* Memory of thread states is used again: is what was copied that of another thread? */
static bool is_of_another(const struct pyro_stack_reader *reader)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    return pyro_field_u64(reader->tstate_data, layout->tstate.interp) != reader->interp.u ||
           differs(reader, layout->tstate.thread_id, reader->thread_id) ||
           differs(reader, layout->tstate.native_thread_id, reader->native_id) ||
           differs(reader, layout->tstate.unique_id, reader->unique_id);
}

int pyro_stack_take(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                    const struct pyro_span *spans, size_t arrived, struct pyro_map *frame_sizes,
                    struct pyro_raw_stack *stack)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    struct pyro_take take = {.reader = reader,
                             .layout = layout,
                             .memory = memory,
                             .frame_sizes = frame_sizes,
                             .stack = stack};
    stack->frames = stack->buffer;
    stack->count = stack->elided_at = stack->reused = stack->certain = 0;
    stack->elided = 0;
    stack->late = stack->broken = false;
    stack->holds_gil = stack->wants_gil = stack->attached = false;
    reader->takes++;
    bool linked = layout->frames == PYRO_FRAMES_LINKED;
    if (linked && arrived == 0)
        return -ESRCH;
    if (linked)
        reader->tstate_data = spans[0].data;
    int accepted = linked ? 0 : accept_spans(reader, spans, arrived);
    if (accepted < 0)
        return accepted;
    if (is_of_another(reader))
        return -ESRCH;
    if (layout->tstate.holds_gil != PYRO_ABSENT)
        stack->holds_gil = pyro_field_u32(reader->tstate_data, layout->tstate.holds_gil) != 0;
    if (layout->tstate.gil_requested != PYRO_ABSENT)
        stack->wants_gil = pyro_field_u32(reader->tstate_data, layout->tstate.gil_requested) != 0;
    if (layout->free_threaded && layout->tstate.attachment != PYRO_ABSENT)
        stack->attached =
            pyro_field_u32(reader->tstate_data, layout->tstate.attachment) == ATTACHED;
    if (linked)
        return pyro_linked_take(&take, spans, arrived);
    take_chunks(&take, arrived >= reader->planned ? spans[reader->planned - 1].data : NULL);
    mark_boundaries(stack);
    find_certain(&take, spans, arrived);
    note_depths(&take);
    return 0;
}

/* Innermost first: who stands next to the data stack in the stack is copied next to it. Nearly sorted from last time. */
static void sort_extras(struct pyro_stack_reader *reader)
{
    for (size_t i = 1; i < reader->extra_count; i++) {
        for (size_t j = i; j > 0 && reader->extras[j - 1].depth < reader->extras[j].depth; j--) {
            struct pyro_stack_extra swap = reader->extras[j];
            reader->extras[j] = reader->extras[j - 1];
            reader->extras[j - 1] = swap;
            /* own bytes moved along with it: they are not used after a take */
            reader->extras[j].data = reader->extras[j - 1].data = NULL;
        }
    }
}

/* Generators and shims first, then the thread state right before the chunks, and its ends right behind them: a frame on
 * the data stack is gone in an instant, one elsewhere stays where it is for longer. */
size_t pyro_stack_plan(struct pyro_stack_reader *reader, struct pyro_span *spans)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    struct pyro_span tstate = {.addr = reader->tstate, .size = layout->tstate.size};
    if (reader->unique_id)
        tstate.size = layout->tstate.unique_id + 8;
    size_t count = 0;
    if (layout->frames == PYRO_FRAMES_LINKED) {
        spans[count++] = tstate;
        return count + pyro_linked_plan(reader, spans + count);
    }
    sort_extras(reader);
    for (size_t i = 0; i < reader->extra_count; i++) {
        struct pyro_stack_extra *extra = &reader->extras[i];
        extra->planned = extra_expected(reader, extra);
        if (extra->planned)
            spans[count++] = extra_span(reader, extra);
    }
    spans[count++] = tstate;
    count += pyro_chunks_plan(reader, spans + count);
    spans[count++] = pyro_ends_span(reader);
    reader->planned = count;
    return count;
}

/* -- life ------------------------------------------------------------------------------------- */

static size_t header_size(const struct pyro_layout *layout)
{
    size_t size = 0;
    const struct {
        uint32_t offset, bytes;
    } fields[] = {
        {layout->frame.executable, 8}, {layout->frame.previous, 8}, {layout->frame.instruction, 8},
        {layout->frame.owner, 1},      {layout->frame.is_entry, 1}, {layout->frame.stacktop, 4},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (fields[i].offset != PYRO_ABSENT && fields[i].offset + fields[i].bytes > size)
            size = fields[i].offset + fields[i].bytes;
    return size;
}

int pyro_stack_reader_init(struct pyro_stack_reader *reader, const struct pyro_runtime *runtime,
                           pyro_addr tstate, pyro_addr interp)
{
    *reader = (struct pyro_stack_reader){
        .runtime = runtime, .tstate = tstate, .interp = interp, .reuse_min = PYRO_STACK_REUSE_MIN};
    reader->header = header_size(&runtime->layout);
    if (runtime->layout.generator.state != PYRO_ABSENT)
        reader->state_before = runtime->layout.generator.frame - runtime->layout.generator.state;
    else if (runtime->layout.minor == 13)
        reader->state_before = 5; /* not among its debug offsets; so in 3.11, 3.12 and every 3.13 */
    if (reader->state_before > PYRO_STACK_BEFORE)
        reader->state_before = 0;
    if (reader->header > PYRO_STACK_HEADER_MAX)
        return -ENOTSUP;
    reader->extra_capacity = PYRO_STACK_EXTRAS_MAX;
    reader->extras = calloc(reader->extra_capacity, sizeof(*reader->extras));
    return reader->extras ? 0 : -ENOMEM;
}

void pyro_stack_reader_clear(struct pyro_stack_reader *reader)
{
    pyro_chunks_clear(reader);
    free(reader->extras);
    free(reader->again);
    *reader = (struct pyro_stack_reader){0};
}
