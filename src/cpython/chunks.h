/* cpython/chunks.h - the chunks of one thread's data stack (3.11+): which there are, and their bytes.
 *
 * A chunk's `previous` and `size` never change; it is unmapped when its last frame is popped. The newest
 * PYRO_STACK_CHUNKS_READ and the oldest are copied in every sweep, what lies between only to count its frames. */
#ifndef PYRO_CPYTHON_CHUNKS_H
#define PYRO_CPYTHON_CHUNKS_H

#include "cpython/take.h"

/* Spans of the chunks to copy, oldest first: what lies lower in the stack is copied earlier, as within a chunk. */
size_t pyro_chunks_plan(struct pyro_stack_reader *reader, struct pyro_span *spans);
/* Take over the bytes of SPANS[FIRST] ... SPANS[ARRIVED - 1]. */
void pyro_chunks_accept(struct pyro_stack_reader *reader, const struct pyro_span *spans,
                        size_t first, size_t arrived);
/* Spans of the bytes the last take used. */
size_t pyro_chunks_plan_again(const struct pyro_stack_reader *reader, struct pyro_span *spans);

/* Make the list begin with the chunk at NEWEST, which the thread state names. */
void pyro_chunks_follow(struct pyro_take *take, uint64_t newest);

/* The chunk ADDRESS lies in, or NULL. */
struct pyro_stack_chunk *pyro_chunk_holding(struct pyro_stack_reader *reader, uint64_t address);
/* SIZE bytes at ADDRESS, read late if they were not copied. NULL: out of reach. */
const uint8_t *pyro_chunk_fetch(struct pyro_take *take, struct pyro_stack_chunk *chunk,
                                uint64_t address, size_t size);
/* The same without reading. */
static inline const uint8_t *pyro_chunk_view(const struct pyro_stack_chunk *chunk, uint64_t address,
                                             size_t size)
{
    uint64_t offset = address - chunk->address;
    return offset < chunk->copied && size <= chunk->copied - offset ? chunk->data + offset : NULL;
}

/* The data stack ended at TOP, the lower of two looks, the other being AFTER: do both lie in the newest chunk? Only then is
 * it known what lies on it. */
bool pyro_chunks_end_known(const struct pyro_stack_reader *reader, uint64_t top, uint64_t after);
/* Is that so, and does ADDRESS lie on it? */
bool pyro_chunks_below(const struct pyro_stack_reader *reader, uint64_t address, uint64_t top,
                       uint64_t after);

/* If the frame at ADDRESS lies in a chunk that is not copied: the frame in the oldest chunk the chain leads to, and how
 * many frames are passed over. Else ADDRESS itself, and 0. */
uint64_t pyro_chunks_skip(struct pyro_take *take, uint64_t address, uint64_t *ret_elided);

void pyro_chunks_clear(struct pyro_stack_reader *reader);

#endif
