/* cpython/confirm.c - look at a stack again: what stands as it stood (pyro_stack_confirm()). */
#include "cpython/take.h"

#include <errno.h>
#include <stdlib.h>

#include "cpython/chunks.h"

/* The second look, in one call: frames outside the chunks, innermost first, the ends of the stack, the chunks, the ends
 * and the frames again, now innermost last. So each frame is seen before and after its caller, as near in time
 * as can be, and cannot have been something else meanwhile. */
struct again {
    struct pyro_span spans[PYRO_STACK_CHUNKS_READ + 1 + 2 * (1 + PYRO_STACK_EXTRAS_MAX)];
    size_t count;
    size_t outside; /* so many first, and the same again last */
    uint64_t top, top_after;
};

static int again_place(struct pyro_stack_reader *reader, struct again *again)
{
    size_t total = 0;
    for (size_t i = 0; i < again->count; i++)
        total += again->spans[i].size;
    if (total > reader->again_size) {
        uint8_t *grown = realloc(reader->again, total);
        if (!grown)
            return -ENOMEM;
        reader->again = grown;
        reader->again_size = total;
    }
    for (size_t i = 0, at = 0; i < again->count; at += again->spans[i++].size)
        again->spans[i].data = reader->again + at;
    return 0;
}

static void again_plan(const struct pyro_stack_reader *reader, const struct pyro_raw_stack *stack,
                       struct again *again)
{
    struct pyro_span *spans = again->spans;
    for (size_t i = stack->count; i-- > 0 && again->outside < PYRO_STACK_EXTRAS_MAX;)
        if (!(stack->frames[i].flags & PYRO_FRAME_IN_CHUNK))
            spans[again->outside++] = (struct pyro_span){
                .addr = pyro_addr_at(stack->frames[i].address - PYRO_STACK_BEFORE),
                .size = PYRO_STACK_BEFORE + reader->header};
    spans[again->outside++] = pyro_ends_span(reader);
    again->count = again->outside + pyro_chunks_plan_again(reader, spans + again->outside);
    for (size_t i = again->outside; i-- > 0;)
        spans[again->count++] = spans[i];
}

/* SIZE bytes at ADDRESS, and BEFORE bytes before it, in the spans FROM ... TO - 1. */
static const uint8_t *again_view(const struct again *again, size_t from, size_t to,
                                 uint64_t address, size_t before, size_t size)
{
    for (size_t i = from; i < to; i++) {
        uint64_t offset = address - again->spans[i].addr.u;
        if (offset >= before && offset < again->spans[i].size &&
            size <= again->spans[i].size - offset)
            return (const uint8_t *)again->spans[i].data + offset;
    }
    return NULL;
}

static bool is_same(const struct pyro_layout *layout, const uint8_t *data,
                    const struct pyro_raw_frame *was, uint32_t *ret_flags)
{
    if (!data)
        return false;
    struct pyro_raw_frame is = pyro_frame_parse(layout, data, was->address);
    *ret_flags = is.flags;
    return is.code == was->code && is.previous == was->previous;
}

/* Does the generator frame WAS run as it did, in the look at the spans from FROM on? */
static bool generator_same(const struct pyro_stack_reader *reader, const struct again *again,
                           size_t from, const struct pyro_raw_frame *was, uint32_t *ret_flags)
{
    const uint8_t *data = again_view(again, from, from + again->outside, was->address,
                                     PYRO_STACK_BEFORE, reader->header);
    return is_same(&reader->runtime->layout, data, was, ret_flags) &&
           pyro_generator_runs(reader, data);
}

static bool stands_still(const struct pyro_stack_reader *reader, const struct again *again,
                         const struct pyro_raw_frame *was, uint32_t *ret_flags)
{
    size_t chunks_end = again->count - again->outside;
    if (!(was->flags & PYRO_FRAME_IN_CHUNK))
        return generator_same(reader, again, 0, was, ret_flags) &&
               generator_same(reader, again, chunks_end, was, ret_flags);
    const uint8_t *data =
        again_view(again, again->outside, chunks_end, was->address, 0, reader->header);
    return is_same(&reader->runtime->layout, data, was, ret_flags) &&
           pyro_chunks_below(reader, was->address, again->top, again->top_after);
}

/* Was frame I of STACK called by the one below it, both on the data stack, without C code between? */
static bool called_directly(const struct pyro_raw_stack *stack, size_t i)
{
    const struct pyro_raw_frame *frame = &stack->frames[i], *below = frame - 1;
    return i > 0 && i < stack->count && frame->previous == below->address &&
           !(frame->flags & PYRO_FRAME_FROM_C) &&
           (frame->flags & below->flags & PYRO_FRAME_IN_CHUNK);
}

/* How many frames from the root stand still. 3.11-3.13: a frame that executes proves itself and those below it, and
 * shows that what it had called directly is left. */
static size_t count_still(const struct pyro_stack_reader *reader, const struct again *again,
                          const struct pyro_raw_stack *stack)
{
    bool by_stacktop = reader->runtime->layout.frame.stacktop != PYRO_ABSENT;
    size_t proved = 0;
    for (size_t i = 0; i < stack->count; i++) {
        uint32_t flags = 0;
        if (!stands_still(reader, again, &stack->frames[i], &flags))
            break;
        /* A generator says itself that it runs. */
        if (!by_stacktop || (flags & PYRO_FRAME_EXECUTES) ||
            !(stack->frames[i].flags & PYRO_FRAME_IN_CHUNK))
            proved = i + 1;
        if ((flags & PYRO_FRAME_EXECUTES) && called_directly(stack, i + 1))
            break;
    }
    return proved;
}

size_t pyro_stack_confirm(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                          const struct pyro_raw_stack *stack)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    if (layout->frames == PYRO_FRAMES_LINKED)
        return pyro_linked_confirm(reader, memory, stack);
    struct again again = {.count = 0};
    again_plan(reader, stack, &again);
    if (again_place(reader, &again) < 0)
        return 0;
    ssize_t arrived = pyro_memory_read_spans(memory, again.spans, again.count);
    if (arrived != (ssize_t)again.count)
        return 0;
    size_t top_offset = layout->tstate.chunk_top - layout->tstate.frame;
    uint64_t before = pyro_field_u64(again.spans[again.outside - 1].data, top_offset);
    again.top_after = pyro_field_u64(again.spans[again.count - again.outside].data, top_offset);
    again.top = before < again.top_after ? before : again.top_after;
    return count_still(reader, &again, stack);
}
