/* base/arena.h - many small allocations freed together.
 *
 * A zeroed struct pyro_arena is empty and ready. Memory comes zeroed and 16-byte aligned, and never
 * moves. Under ASan the unused rest of each block is poisoned. Not thread-safe. */
#ifndef PYRO_BASE_ARENA_H
#define PYRO_BASE_ARENA_H

#include <stddef.h>

struct pyro_arena_block;
struct pyro_arena {
    struct pyro_arena_block *blocks;
    size_t used_bytes; /* in all blocks, for limits and reports */
};

void *pyro_arena_alloc(struct pyro_arena *arena, size_t size); /* NULL when out of memory */
char *pyro_arena_strndup(struct pyro_arena *arena, const char *text,
                         size_t length);        /* NUL-terminated */
void pyro_arena_free(struct pyro_arena *arena); /* leaves it zeroed */

#endif
