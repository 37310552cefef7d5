/* cpython/prior.c - the stack of the last take: what of it stands as it stood need not be walked again.
 *
 * A deep stack changes at its end alone. Frames on the data stack whose bytes, and all bytes before them in their chunk,
 * are those of the last take are its frames; each must lead to the next one down as it did, by itself or through an
 * entry shim (3.12+), whose bytes are looked at again. */
#include "cpython/chunks.h"

/* Does the frame ABOVE still lead to the one BELOW, both of the prior stack? */
static bool leads_to(struct pyro_stack_reader *reader, const struct pyro_raw_frame *above,
                     const struct pyro_raw_frame *below)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    if (above->previous == below->address || (above->flags & PYRO_FRAME_INFERRED))
        return !(above->flags & PYRO_FRAME_INFERRED);
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

static bool is_unchanged(struct pyro_stack_reader *reader, const struct pyro_raw_frame *frame)
{
    const struct pyro_stack_chunk *chunk = pyro_chunk_holding(reader, frame->address);
    return chunk && pyro_chunk_unchanged(chunk, frame->address, reader->header);
}

void pyro_prior_compare(struct pyro_take *take)
{
    struct pyro_stack_reader *reader = take->reader;
    const struct pyro_raw_frame *prior = reader->prior;
    size_t count = reader->prior_count;
    take->prior = prior;
    take->reusable = reader->prior_count = 0;
    if (count < reader->reuse_min)
        return;
    pyro_chunks_compare(reader);
    if (!is_root(take, &prior[0]))
        return;
    /* Bytes are the same from the beginning of a chunk on: the highest frame in it tells for those right below. */
    for (size_t i = count; i-- > 0;) {
        bool right_below = i + 1 < count && prior[i + 1].previous == prior[i].address &&
                           !(prior[i + 1].flags & PYRO_FRAME_INFERRED) &&
                           prior[i + 1].address - prior[i].address < PYRO_CHUNK_SIZE_MIN;
        if (right_below)
            continue;
        if (!is_unchanged(reader, &prior[i]))
            count = i;
        else if (i + 1 < count && !leads_to(reader, &prior[i + 1], &prior[i]))
            count = i + 1;
    }
    take->reusable = count;
}

bool pyro_prior_reuse(struct pyro_take *take, uint64_t address)
{
    struct pyro_raw_stack *stack = take->stack;
    const struct pyro_raw_frame *prior = take->prior;
    if (!take->window || !pyro_chunk_unchanged(take->window, address, take->reader->header))
        return false;
    size_t count = take->reusable;
    while (count > 0 && prior[count - 1].address != address)
        count--;
    if (stack->count + count > PYRO_STACK_FRAMES_MAX)
        count = 0;
    take->reusable = count; /* none: this walk does without */
    stack->frames -= count;
    stack->count += count;
    stack->reused = count;
    for (size_t i = 0; i < count; i++) {
        stack->frames[i] = prior[i];
        stack->frames[i].flags &= ~(uint32_t)PYRO_FRAME_CERTAIN;
    }
    return count > 0;
}
