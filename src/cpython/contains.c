/* cpython/contains.c - the operand of CONTAINS_OP. */
#include "cpython/contains.h"

#include "cpython/internal.h"

#include <errno.h>

#define FIRST_MINOR    11
#define SLOT_MAX       65536 /* more variables and values no frame has that we look at */
#define LENGTH_MAX     (1ull << 40)
#define TYPE_HEAP      (1u << 9)  /* Include/object.h: Py_TPFLAGS_HEAPTYPE, */
#define TYPE_SEQUENCES (3u << 25) /* _LIST_SUBCLASS and _TUPLE_SUBCLASS */

/* Include/opcode.h, from 3.13 on opcode_ids.h: CONTAINS_OP from 3.11 on. */
static const uint8_t contains_op[] = {118, 118, 59, 57, 55};

bool pyro_contains_at(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      uint64_t addr)
{
    unsigned version = (unsigned)runtime->layout.minor - FIRST_MINOR;
    uint8_t opcode;
    return version < sizeof(contains_op) && !runtime->layout.guessed &&
           pyro_memory_read(memory, pyro_addr_at(addr), &opcode, 1) == 0 &&
           opcode == contains_op[version];
}

bool pyro_contains_tells(const struct pyro_runtime *runtime)
{
    return runtime->layout.minor >= 14 && runtime->layout.frame.stackpointer != PYRO_ABSENT;
}

/* Where in the target the reference to the container lies, by the frame's header at DATA; null: not known. */
static pyro_addr place_of(const struct pyro_runtime *runtime, uint64_t frame, const uint8_t *data,
                          uint32_t slot)
{
    const struct pyro_layout *layout = &runtime->layout;
    uint64_t locals = frame + layout->frame.localsplus;
    if (!pyro_contains_tells(runtime))
        return pyro_addr_at(slot < SLOT_MAX ? locals + 8 * (uint64_t)slot : 0);
    uint64_t end = pyro_field_u64(data, layout->frame.stackpointer);
    return pyro_addr_at(end > locals && end - locals <= 8 * SLOT_MAX && end % 8 == 0 ? end - 8 : 0);
}

static bool is_bool(const struct pyro_memory *memory, const struct pyro_layout *layout,
                    uint64_t reference)
{
    uint64_t object = reference & ~(uint64_t)3; /* references may be tagged (3.14+) */
    pyro_addr type;
    return pyro_memory_read_addr(memory, pyro_addr_at(object + layout->object.type), &type) == 0 &&
           pyro_type_named(memory, layout, type, "bool");
}

/* 3.15: behind the search the operands are popped one by one, by parts of the same instruction: for a moment what was sought lies
 * on top, above the result, and then the result. What else comes before the next instruction says so is seldom met. */
static bool search_is_over(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr place)
{
    uint64_t top[2];
    return layout->minor >= 15 &&
           pyro_memory_read(memory, pyro_addr_at(place.u - 8), top, sizeof(top)) == 0 &&
           (is_bool(memory, layout, top[0]) || is_bool(memory, layout, top[1]));
}

/* Fills address, length and is_list. */
static int read_container(const struct pyro_memory *memory, const struct pyro_layout *layout,
                          pyro_addr object, struct pyro_container *container)
{
    pyro_addr type;
    uint64_t size, flags;
    const struct pyro_span spans[] = {
        {pyro_addr_plus(object, layout->object.type), &type, sizeof(type)},
        {pyro_addr_plus(object, layout->list.size), &size, sizeof(size)},
    };
    if (!pyro_addr_aligned(object) || pyro_memory_read_spans(memory, spans, 2) != 2 ||
        !pyro_addr_aligned(type))
        return -EFAULT;
    int result =
        pyro_memory_read(memory, pyro_addr_plus(type, layout->type.flags), &flags, sizeof(flags));
    *container = (struct pyro_container){
        .address = object.u,
        .length = size,
        .is_list = (flags & TYPE_SEQUENCES) && !(flags & TYPE_HEAP) && size <= LENGTH_MAX,
    };
    return result;
}

int pyro_contains_read(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       uint64_t address, uint64_t instruction, uint32_t slot,
                       struct pyro_container *ret_container)
{
    const struct pyro_layout *layout = &runtime->layout;
    uint8_t before[PYRO_FRAME_SIZE_MAX], after[PYRO_FRAME_SIZE_MAX];
    const pyro_addr frame = pyro_addr_at(address);
    if (layout->frame.size > sizeof(before) || layout->list.size != layout->tuple.size)
        return -EINVAL;
    int result = pyro_memory_read(memory, frame, before, layout->frame.size);
    if (result < 0)
        return result;
    pyro_addr place = place_of(runtime, address, before, slot);
    uint64_t object = 0, again = 0;
    if (pyro_addr_is_null(place))
        return -EAGAIN;
    result = pyro_memory_read(memory, place, &object, sizeof(object));
    if (result == 0 && search_is_over(memory, layout, place))
        return -EAGAIN;
    if (result == 0)
        result = read_container(memory, layout, pyro_addr_at(object & ~(uint64_t)3), ret_container);
    const struct pyro_span spans[] = {
        {frame, after, layout->frame.size},
        {place, &again, sizeof(again)},
    };
    if (result < 0 || pyro_memory_read_spans(memory, spans, 2) != 2)
        return result < 0 ? result : -EFAULT;
    bool same = again == object && memcmp(before, after, layout->frame.size) == 0 &&
                pyro_field_u64(before, layout->frame.instruction) == instruction;
    return same ? 0 : -EAGAIN;
}
