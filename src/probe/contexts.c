/* probe/contexts.c - a tree whose nodes are found by parent and function. */
#include "probe/contexts.h"

#include "probe/blocks.h"

#include <string.h>

#define REFERENCE_INDEX_BITS 8 /* collect/tables.h */

struct pyro_context *pyro_contexts_root(struct pyro_contexts *contexts)
{
    contexts->root.shared = &contexts->nobody_reads;
    return &contexts->root;
}

static bool has_room(struct pyro_contexts *contexts, uint32_t native_id)
{
    if (contexts->block && contexts->block_used < PYRO_BLOCK_CONTEXT_COUNT)
        return true;
    struct pyro_block_head *block = pyro_blocks_claim(PYRO_BLOCK_CONTEXTS, native_id);
    if (!block)
        return false;
    contexts->block = block;
    contexts->block_used = 0;
    return true;
}

static struct pyro_context *new_context(struct pyro_contexts *contexts, uint32_t parent,
                                        uint32_t function, uint32_t native_id)
{
    if (!has_room(contexts, native_id))
        return NULL;
    struct pyro_context *context = pyro_arena_alloc(&contexts->arena, sizeof(*context));
    if (!context)
        return NULL;
    uint32_t index = contexts->block_used++;
    context->function = function;
    context->reference = pyro_blocks_index(contexts->block) << REFERENCE_INDEX_BITS | index;
    context->shared = (struct pyro_context_entry *)(contexts->block + 1) + index;
    context->shared->parent = parent;
    context->shared->function = function;
    atomic_store_explicit(&contexts->block->used, contexts->block_used, memory_order_release);
    return context;
}

struct pyro_context *pyro_contexts_make(struct pyro_contexts *contexts, struct pyro_context *parent,
                                        uint32_t function, uint32_t native_id)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(&contexts->children, parent->reference, function, &is_new);
    if (!place)
        return NULL;
    if (is_new || !*place)
        *place = (uintptr_t)new_context(contexts, parent->reference, function, native_id);
    struct pyro_context *context = (struct pyro_context *)(uintptr_t)*place;
    if (context)
        parent->recent[function & (PYRO_CONTEXT_RECENT - 1)] = context;
    return context;
}

/* The entry of a place in the map; NULL: there is none. */
static struct pyro_context_entry *entry_at(const struct pyro_contexts *contexts, size_t place)
{
    const struct pyro_map_slot *slot = &contexts->children.slots[place];
    const struct pyro_context *context =
        slot->used ? (const struct pyro_context *)(uintptr_t)slot->value : NULL;
    return context ? context->shared : NULL;
}

const struct pyro_context_entry *pyro_contexts_busiest(const struct pyro_contexts *contexts)
{
    const struct pyro_context_entry *most = NULL;
    for (size_t i = 0; i < contexts->children.capacity; i++) {
        const struct pyro_context_entry *entry = entry_at(contexts, i);
        if (entry && entry->calls && (!most || entry->calls > most->calls))
            most = entry;
    }
    return most;
}

void pyro_contexts_forget(struct pyro_contexts *contexts)
{
    for (size_t i = 0; i < contexts->children.capacity; i++) {
        struct pyro_context_entry *entry = entry_at(contexts, i);
        if (entry)
            memset(&entry->calls, 0, sizeof(*entry) - offsetof(struct pyro_context_entry, calls));
    }
}

void pyro_contexts_clear(struct pyro_contexts *contexts)
{
    pyro_arena_free(&contexts->arena);
    pyro_map_free(&contexts->children);
    *contexts = (struct pyro_contexts){0};
}
