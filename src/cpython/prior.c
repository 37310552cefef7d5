/* cpython/prior.c - the stack of an earlier take: what of it stands as it stood need not be walked again.
 *
 * A deep stack changes at its end alone. From the root on, each frame is looked at in the copy where it stood: it must say
 * what it said, and lead to the one below it as it did, by itself or through an entry shim (3.12+). Then a walk that
 * comes to one of these frames would find what is below it as it is known already. */
#include "cpython/chunks.h"

/* Does the frame ABOVE still lead to the one BELOW, both of the prior stack? */
static bool leads_to(struct pyro_stack_reader *reader, const struct pyro_raw_frame *above,
                     const struct pyro_raw_frame *below)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    if (above->previous == below->address)
        return true;
    struct pyro_stack_extra *extra = pyro_extra_at(reader, above->previous);
    if (!extra || !extra->data || !pyro_is_shim(layout, extra->data) ||
        pyro_field_u64(extra->data, layout->frame.previous) != below->address)
        return false;
    extra->used_at = reader->takes; /* it is worth copying again */
    return true;
}

/* Does the frame still end the chain? Its caller is no frame, or the shim at the bottom. */
static bool is_root(const struct pyro_take *take, const struct pyro_raw_frame *frame)
{
    const struct pyro_stack_reader *reader = take->reader;
    const struct pyro_layout *layout = take->layout;
    bool may_lack_shim = layout->minor == 11 || layout->tstate.base_frame != PYRO_ABSENT;
    if (may_lack_shim && frame->previous == pyro_base_frame(take))
        return true;
    return frame->previous == reader->bottom_shim &&
           reader->takes - reader->bottom_seen_at < PYRO_SHIM_TRUSTED;
}

/* Does the frame WAS, whose header is at DATA, stand as it stood, and tell its caller itself? */
static inline bool stands(const struct pyro_layout *layout, const uint8_t *data,
                          const struct pyro_raw_frame *was)
{
    struct pyro_raw_frame is = pyro_frame_parse(layout, data, was->address);
    uint32_t flags = is.flags ^ was->flags;
    flags &= PYRO_FRAME_EXECUTES | PYRO_FRAME_FROM_C | PYRO_FRAME_INFERRED;
    /* Without a jump for each: there are hundreds of frames, and they all do. */
    return ((is.code ^ was->code) | (is.instruction ^ was->instruction) |
            (is.previous ^ was->previous) | flags | data[layout->frame.owner]) == 0;
}

/* How many of COUNT frames stand in CHUNK as they stood, each above the one that called it, which is the one before? */
static size_t count_standing(const struct pyro_layout *layout, const struct pyro_stack_chunk *chunk,
                             size_t header, const struct pyro_raw_frame *frames, size_t count)
{
    if (chunk->copied < header)
        return 0;
    const uint8_t *data = chunk->data;
    uint64_t base = chunk->address, least = 0, most = chunk->copied - header;
    uint64_t caller = frames[0].previous;
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = frames[i].address - base;
        if (offset < least || offset > most || frames[i].previous != caller ||
            !stands(layout, data + offset, &frames[i]))
            return i;
        least = offset + 1;
        caller = frames[i].address;
    }
    return count;
}

/* May the frame ABOVE, in CHUNK, have been called by the one right below it in the prior stack, in BELOW or NULL? */
static bool in_order(const struct pyro_stack_chunk *chunk, const struct pyro_stack_chunk *below,
                     const struct pyro_raw_frame *above)
{
    if (chunk == below)
        return above->address > above[-1].address;
    return !below || chunk < below; /* the newest is the first */
}

void pyro_prior_compare(struct pyro_take *take)
{
    struct pyro_stack_reader *reader = take->reader;
    const struct pyro_raw_frame *prior = reader->prior;
    size_t count = reader->prior_count, same = 0;
    take->prior = prior;
    take->reusable = reader->prior_count = 0;
    if (count < reader->reuse_min || !is_root(take, &prior[0]))
        return;
    const struct pyro_stack_chunk *below = NULL;
    while (same < count) {
        const struct pyro_stack_chunk *chunk = pyro_chunk_holding(reader, prior[same].address);
        if (!chunk || !in_order(chunk, below, &prior[same]) ||
            (same > 0 && !leads_to(reader, &prior[same], &prior[same - 1])))
            break;
        size_t more =
            count_standing(take->layout, chunk, reader->header, &prior[same], count - same);
        if (more == 0)
            break;
        same += more;
        below = chunk;
    }
    take->reusable = same;
    if (same > 0) {
        take->unchanged.from = below->address;
        take->unchanged.size = prior[same - 1].address - below->address + 1;
    }
}

bool pyro_prior_reuse(struct pyro_take *take, uint64_t address)
{
    struct pyro_raw_stack *stack = take->stack;
    if (!pyro_prior_holds(take, address))
        return false;
    size_t count = take->reusable;
    while (count > 0 && take->prior[count - 1].address != address)
        count--;
    if (stack->count + count > PYRO_STACK_FRAMES_MAX)
        count = 0;
    take->reusable = count; /* none: this walk does without */
    stack->frames -= count;
    stack->count += count;
    stack->reused = count;
    memcpy(stack->frames, take->prior, count * sizeof(*stack->frames));
    return count > 0;
}
