/* base/arena.c - blocks that double in size up to a limit; a large request gets a block of its own. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
/* A poisoned gap after each piece turns an overrun into a report. */
#define ARENA_GAP 16
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define ARENA_GAP                               0
#endif

#define ARENA_ALIGN       16
#define ARENA_BLOCK_FIRST (4u << 10)
#define ARENA_BLOCK_LAST  (256u << 10)

struct pyro_arena_block {
    struct pyro_arena_block *next;
    size_t used;     /* of data */
    size_t capacity; /* of data */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

static struct pyro_arena_block *new_block(size_t capacity)
{
    /* calloc: fresh pages from the kernel need no second zeroing. */
    struct pyro_arena_block *block = calloc(1, sizeof(*block) + capacity);
    if (!block)
        return NULL;
    block->capacity = capacity;
    ASAN_POISON_MEMORY_REGION(block->data, capacity);
    return block;
}

static void *take(struct pyro_arena_block *block, size_t size, size_t rounded)
{
    uint8_t *data = block->data + block->used;
    block->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(data, size);
    return data;
}

/* A block of its own goes behind the current one, whose rest stays in use. */
static void *alloc_large(struct pyro_arena *arena, size_t size, size_t rounded)
{
    struct pyro_arena_block *block = new_block(rounded);
    if (!block)
        return NULL;
    if (arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        arena->blocks = block;
    }
    arena->used_bytes += rounded;
    return take(block, size, rounded);
}

void *pyro_arena_alloc(struct pyro_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (size + ARENA_GAP + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded == 0)
        rounded = ARENA_ALIGN;
    struct pyro_arena_block *block = arena->blocks;
    if (!block || rounded > block->capacity - block->used) {
        if (rounded > ARENA_BLOCK_LAST / 4)
            return alloc_large(arena, size, rounded);
        size_t capacity = block ? block->capacity * 2 : ARENA_BLOCK_FIRST;
        if (capacity > ARENA_BLOCK_LAST)
            capacity = ARENA_BLOCK_LAST;
        while (capacity < rounded)
            capacity *= 2;
        block = new_block(capacity);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    arena->used_bytes += rounded;
    return take(block, size, rounded);
}

char *pyro_arena_strndup(struct pyro_arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = pyro_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

void pyro_arena_free(struct pyro_arena *arena)
{
    struct pyro_arena_block *block = arena->blocks;
    while (block) {
        struct pyro_arena_block *next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
        free(block);
        block = next;
    }
    *arena = (struct pyro_arena){0};
}
