/* cpython/take.h - what the two styles of taking a stack share (stack.c, linked.c); of this folder only. */
#ifndef PYRO_CPYTHON_TAKE_H
#define PYRO_CPYTHON_TAKE_H

#include "cpython/internal.h"
#include "cpython/stack.h"

/* What one take keeps at hand. */
struct pyro_take {
    struct pyro_stack_reader *reader;
    const struct pyro_layout *layout;
    const struct pyro_memory *memory;
    struct pyro_map *frame_sizes;
    struct pyro_raw_stack *stack;
    const struct pyro_stack_chunk
        *window;        /* the chunk the last frame lay in: the next one mostly does too */
    uint64_t chunk_top; /* end of the data stack when the thread state was copied */
    const struct pyro_raw_frame *prior; /* the stack of an earlier take, root first ... */
    size_t reusable;                    /* ... of which so many frames stand as they stood */
    struct {
        uint64_t from, size;
    } unchanged; /* in one chunk: a frame of the prior stack that lies here is one of those */
    unsigned late_reads;
};

#define PYRO_OWNER_SHIM         3    /* and above, 3.12+ */
#define PYRO_SHIM_TRUSTED       256  /* takes for which the shim at the bottom is not read again */
#define PYRO_STACKTOP_EXECUTING (-1) /* 3.11-3.13: a frame that executes */

/* The frame at ADDRESS, whose header is at DATA. */
static inline struct pyro_raw_frame pyro_frame_parse(const struct pyro_layout *layout,
                                                     const uint8_t *data, uint64_t address)
{
    struct pyro_raw_frame frame = {
        .address = address,
        .code = pyro_field_u64(data, layout->frame.executable),
        .instruction = pyro_field_u64(data, layout->frame.instruction),
        .previous = pyro_field_u64(data, layout->frame.previous),
    };
    if (layout->minor >= 14) {
        frame.code &= ~(uint64_t)3; /* a tagged reference; NULL is tagged too */
        return frame;               /* it has none of the fields below */
    }
    if (layout->frame.stacktop != PYRO_ABSENT &&
        (int32_t)pyro_field_u32(data, layout->frame.stacktop) == PYRO_STACKTOP_EXECUTING)
        frame.flags |= PYRO_FRAME_EXECUTES;
    if (layout->frame.is_entry != PYRO_ABSENT && data[layout->frame.is_entry])
        frame.flags |= PYRO_FRAME_FROM_C;
    return frame;
}

/* Does the generator of the frame at DATA (with the bytes before it) run? Yes if that cannot be known. */
static inline bool pyro_generator_runs(const struct pyro_stack_reader *reader, const uint8_t *data)
{
    int8_t executing = reader->runtime->layout.minor >= 15 ? 4 : 0;
    return reader->state_before == 0 || (int8_t)data[-(ptrdiff_t)reader->state_before] == executing;
}

/* Is the frame whose header is at DATA an entry shim (3.12+)? */
static inline bool pyro_is_shim(const struct pyro_layout *layout, const uint8_t *data)
{
    return layout->minor >= 12 && data[layout->frame.owner] >= PYRO_OWNER_SHIM;
}

/* What the shim at the bottom of a stack names: a frame that no code runs in (3.15), else nothing. */
static inline uint64_t pyro_base_frame(const struct pyro_take *take)
{
    uint32_t offset = take->layout->tstate.base_frame;
    return offset == PYRO_ABSENT ? 0 : pyro_field_u64(take->reader->tstate_data, offset);
}

/* What is remembered of the frame at ADDRESS outside the chunks; NULL: nothing. */
struct pyro_stack_extra *pyro_extra_at(struct pyro_stack_reader *reader, uint64_t address);

/* prior.c: how many frames of the prior stack, from the root, stand as they stood? Before the walk: sets take->reusable
 * and take->unchanged. Callers lie below those they called. */
void pyro_prior_compare(struct pyro_take *take);
/* May the frame at ADDRESS be one of those? */
static inline bool pyro_prior_holds(const struct pyro_take *take, uint64_t address)
{
    return take->reusable && address - take->unchanged.from < take->unchanged.size;
}
/* The walk has come to the frame at ADDRESS: if it is one of those, take it and what is below it over. False: go on. */
bool pyro_prior_reuse(struct pyro_take *take, uint64_t address);

/* The fields that say where the stack ends: the frame (or cframe) and the end of the data stack. */
static inline struct pyro_span pyro_ends_span(const struct pyro_stack_reader *reader)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    return (struct pyro_span){.addr = pyro_addr_plus(reader->tstate, layout->tstate.frame),
                              .size = layout->tstate.chunk_top + 8 - layout->tstate.frame};
}

/* The style without chunks, 3.8-3.10 (linked.c). */
size_t pyro_linked_plan(struct pyro_stack_reader *reader, struct pyro_span *spans);
int pyro_linked_take(struct pyro_take *take, const struct pyro_span *spans, size_t arrived);
size_t pyro_linked_confirm(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                           const struct pyro_raw_stack *stack);

#endif
