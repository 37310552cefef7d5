/* probe/contexts.h - the calling contexts of one thread: a tree of functions, in shared memory, with what each took.
 *
 * A context is a function as it was called along one path from the thread's root. They are made when they are first
 * needed and stay. A zeroed struct pyro_contexts is empty and ready. One writer, the thread; all calls want the GIL. */
#ifndef PYRO_PROBE_CONTEXTS_H
#define PYRO_PROBE_CONTEXTS_H

#include "base/arena.h"
#include "base/map.h"
#include "collect/tables.h"

#define PYRO_CONTEXT_RECENT 4 /* a power of two */

struct pyro_context {
    struct pyro_context_entry *shared;
    uint32_t reference, function;
    struct pyro_context
        *recent[PYRO_CONTEXT_RECENT]; /* children that were entered lately, by function */
};

struct pyro_contexts {
    struct pyro_arena arena;
    struct pyro_map children;      /* (parent's reference, function) -> context */
    struct pyro_block_head *block; /* the newest one; NULL: none yet */
    uint32_t block_used;
    struct pyro_context root; /* nobody reads what it took */
    struct pyro_context_entry nobody_reads;
};

struct pyro_context *pyro_contexts_root(struct pyro_contexts *contexts);
/* The context of FUNCTION called from PARENT, made for thread NATIVE_ID if need be. NULL: no room. */
struct pyro_context *pyro_contexts_make(struct pyro_contexts *contexts, struct pyro_context *parent,
                                        uint32_t function, uint32_t native_id);

static inline struct pyro_context *pyro_contexts_child(struct pyro_contexts *contexts,
                                                       struct pyro_context *parent,
                                                       uint32_t function, uint32_t native_id)
{
    struct pyro_context *child = parent->recent[function & (PYRO_CONTEXT_RECENT - 1)];
    if (__builtin_expect(child && child->function == function, 1))
        return child;
    return pyro_contexts_make(contexts, parent, function, native_id);
}

/* The one that was called most often; NULL: none was. */
const struct pyro_context_entry *pyro_contexts_busiest(const struct pyro_contexts *contexts);
/* Back to zero, all that was added up. */
void pyro_contexts_forget(struct pyro_contexts *contexts);
void pyro_contexts_clear(struct pyro_contexts *contexts);

#endif
