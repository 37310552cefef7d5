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
    unsigned late_reads;
};

/* The style without chunks, 3.8-3.10 (linked.c). */
size_t pyro_linked_plan(struct pyro_stack_reader *reader, struct pyro_span *spans);
int pyro_linked_take(struct pyro_take *take, const struct pyro_span *spans, size_t arrived);
size_t pyro_linked_confirm(struct pyro_stack_reader *reader, const struct pyro_memory *memory,
                           const struct pyro_raw_stack *stack);

#endif
