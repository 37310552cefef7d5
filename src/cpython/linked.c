/* cpython/linked.c - take one thread's stack where frames are heap objects linked by f_back (3.8-3.10).
 *
 * The frames of the last look are predicted to be there still and copied in the same call, innermost
 * first; what is new is read late, frame by frame. Past PYRO_STACK_LINKED_MAX frames the rest is taken from the
 * last look as long as the frame it hangs on is the same: the callers of a frame do not change while it lives. */
#include "cpython/take.h"

#include <errno.h>
#include <stdlib.h>

size_t pyro_linked_plan(struct pyro_stack_reader *reader, struct pyro_span *spans)
{
    size_t count =
        reader->extra_count < PYRO_STACK_LINKED_MAX ? reader->extra_count : PYRO_STACK_LINKED_MAX;
    for (size_t i = 0; i < count; i++)
        spans[i] = (struct pyro_span){.addr = pyro_addr_at(reader->extras[i].address),
                                      .size = reader->header};
    return count;
}

static struct pyro_raw_frame parse(const struct pyro_layout *layout, const uint8_t *data,
                                   uint64_t address)
{
    return (struct pyro_raw_frame){
        .address = address,
        .code = pyro_field_u64(data, layout->frame.executable),
        /* f_lasti, an int: sign-extended */
        .instruction = (uint64_t)(int32_t)pyro_field_u32(data, layout->frame.instruction),
        .previous = pyro_field_u64(data, layout->frame.previous),
    };
}

static int grow(struct pyro_stack_reader *reader, size_t count)
{
    if (count <= reader->extra_capacity)
        return 0;
    size_t capacity = reader->extra_capacity * 2 > count ? reader->extra_capacity * 2 : count;
    struct pyro_stack_extra *grown = realloc(reader->extras, capacity * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    reader->extras = grown;
    reader->extra_capacity = capacity;
    return 0;
}

/* The predicted frame at ADDRESS, at index HINT or near it. */
static const struct pyro_stack_extra *predicted(const struct pyro_stack_reader *reader,
                                                uint64_t address, size_t hint, size_t *ret_index)
{
    for (size_t i = 0; i < reader->extra_count; i++) {
        size_t index = (hint + i) % reader->extra_count;
        if (reader->extras[index].address == address) {
            *ret_index = index;
            return &reader->extras[index];
        }
        if (i > 64)
            break;
    }
    return NULL;
}

static void reverse(struct pyro_raw_stack *stack)
{
    for (size_t i = 0, j = stack->count; i + 1 < j; i++) {
        j--;
        struct pyro_raw_frame swap = stack->frames[i];
        stack->frames[i] = stack->frames[j];
        stack->frames[j] = swap;
    }
}

/* What was found is what is predicted next time: innermost first. */
static void remember(struct pyro_take *take)
{
    struct pyro_stack_reader *reader = take->reader;
    const struct pyro_raw_stack *stack = take->stack;
    if (grow(reader, stack->count) < 0)
        return;
    reader->extra_count = stack->count;
    for (size_t i = 0; i < stack->count; i++) {
        const struct pyro_raw_frame *frame = &stack->frames[i];
        struct pyro_stack_extra *extra = &reader->extras[i];
        extra->address = frame->address;
        memcpy(extra->own + take->layout->frame.executable, &frame->code, 8);
        memcpy(extra->own + take->layout->frame.previous, &frame->previous, 8);
        int32_t instruction = (int32_t)frame->instruction;
        memcpy(extra->own + take->layout->frame.instruction, &instruction, 4);
    }
}

/* Frames past those planned keep what is known of them, as long as those planned arrived. */
static void accept_spans(struct pyro_stack_reader *reader, const struct pyro_span *spans,
                         size_t arrived)
{
    for (size_t i = 0; i < reader->extra_count; i++) {
        struct pyro_stack_extra *extra = &reader->extras[i];
        if (i >= PYRO_STACK_LINKED_MAX)
            extra->data = arrived > PYRO_STACK_LINKED_MAX ? extra->own : NULL;
        else
            extra->data = i + 1 < arrived ? spans[i + 1].data : NULL;
    }
}

int pyro_linked_take(struct pyro_take *take, const struct pyro_span *spans, size_t arrived)
{
    struct pyro_stack_reader *reader = take->reader;
    struct pyro_raw_stack *stack = take->stack;
    size_t hint = 0;
    accept_spans(reader, spans, arrived);
    uint64_t address = pyro_field_u64(reader->tstate_data, take->layout->tstate.frame);
    while (address != 0) {
        if (stack->count == PYRO_STACK_FRAMES_MAX) {
            stack->broken = true;
            break;
        }
        uint8_t late[PYRO_STACK_HEADER_MAX];
        size_t index = hint;
        const struct pyro_stack_extra *known = predicted(reader, address, hint, &index);
        const uint8_t *data = known ? known->data : NULL;
        if (!data) {
            stack->late = true;
            if (pyro_memory_read(take->memory, pyro_addr_at(address), late, reader->header) < 0) {
                stack->broken = true;
                break;
            }
            data = late;
        } else {
            hint = index + 1 < reader->extra_count ? index + 1 : 0;
        }
        struct pyro_raw_frame frame = parse(take->layout, data, address);
        if (frame.code == 0 || frame.previous == address) {
            stack->broken = true;
            break;
        }
        stack->frames[stack->count++] = frame;
        address = frame.previous;
    }
    remember(take);
    reverse(stack);
    return 0;
}

size_t pyro_linked_confirm(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                           const struct pyro_raw_stack *stack)
{
    const struct pyro_layout *layout = &reader->runtime->layout;
    size_t checked = stack->count < PYRO_STACK_LINKED_MAX ? stack->count : PYRO_STACK_LINKED_MAX;
    size_t first = stack->count - checked;
    struct pyro_span spans[PYRO_STACK_LINKED_MAX] = {0};
    uint8_t data[PYRO_STACK_LINKED_MAX][PYRO_STACK_HEADER_MAX];
    for (size_t i = 0; i < checked; i++)
        spans[i] = (struct pyro_span){pyro_addr_at(stack->frames[first + i].address), data[i],
                                      reader->header};
    ssize_t arrived = pyro_memory_read_spans(memory, spans, checked);
    for (size_t i = 0; i < checked; i++) {
        const struct pyro_raw_frame *was = &stack->frames[first + i];
        if ((ssize_t)i >= arrived)
            return first + i;
        struct pyro_raw_frame is = parse(layout, data[i], was->address);
        if (is.code != was->code || is.previous != was->previous)
            return first + i;
    }
    return stack->count;
}
