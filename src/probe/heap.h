/* probe/heap.h - which blocks are alive, and what each stack allocated: exact, or estimated from samples; added up in place.
 *
 * What a block is, its size and the stack that allocated it, stands in 8 bytes for each 16 of the address space, where a free
 * finds it without a search (`regions`; only pages in use are there). Stacks and totals lie in memory shared with the
 * collector (collect/tables.h), so that a process that is killed loses nothing.
 *
 * The high-water mark: each time more is alive than ever before, the mark grows by one. A stack that is about to change and
 * has not yet seen the mark, has held since then what it has now: it keeps that. So the mark costs each event a
 * comparison, and who held what at it is known of all stacks, always (decision 27).
 *
 * Sampled, a block is told of only if base/sampling.h chose it, and counts for what it stands for. A filter, read without the lock, tells
 * who frees that nothing is known of a block: of one that is known it never says so, since that was added before the block's
 * address was given to anybody. Its cell goes with its end, so who gets the address next is not taken for it.
 *
 * The struct lies in a page that is wiped on fork, and so do the regions: in a child nothing is alive, and nothing is on. All
 * calls but pyro_heap_open() want its lock, which is held for some tens of nanoseconds and over no call of a stranger's. Nothing
 * here knows Python; none of it allocates but by mmap(). */
#ifndef PYRO_PROBE_HEAP_H
#define PYRO_PROBE_HEAP_H

#include "collect/tables.h"

#include <stdbool.h>

#define PYRO_HEAP_ADDRESS_BITS 48
#define PYRO_HEAP_REGION_BITS  26 /* 64 MiB, told of by 32 MiB of which hardly a page is touched */
#define PYRO_HEAP_ALIGNMENT    16

/* One block: its stack << 42 | HEAP_CODE | HEAP_NATIVE | HEAP_UP | size. 0: none is known there. */
typedef uint64_t pyro_heap_cell;
#define PYRO_HEAP_SIZE_MAX ((UINT64_C(1) << 39) - 1)
#define PYRO_HEAP_UP       (UINT64_C(1) << 39) /* the blocks that it stands for were rounded up */
#define PYRO_HEAP_NATIVE   (UINT64_C(1) << 40) /* C code took it itself, not by Python's allocators */
#define PYRO_HEAP_BY_C \
    (UINT64_C(1) << 63) /* with a size, which never has that bit: the block is HEAP_NATIVE */
#define PYRO_HEAP_ROUNDED_UP (UINT64_C(1) << 62) /* alike: HEAP_UP */
#define PYRO_HEAP_FLAGS      (PYRO_HEAP_BY_C | PYRO_HEAP_ROUNDED_UP)
#define PYRO_HEAP_CODE       (UINT64_C(1) << 41) /* a code object lies there that is known by address */

struct pyro_heap {
    _Atomic bool on;         /* read without the lock, too: as a hint */
    _Atomic uint32_t locked; /* 1: somebody holds the lock */
    uint64_t period;         /* of its totals: 0, or it is sampled; read without the lock, too */
    uint8_t *group_counts;   /* sampled: how many cells of each group of addresses are not 0 */
    pyro_heap_cell **regions;
    uint8_t *blocks; /* of collect/tables.h: block 0 */
    struct pyro_heap_totals *totals;
    struct pyro_block_head *(*claim)(enum pyro_block_kind kind); /* NULL: no room */
    struct pyro_block_head *filling;                             /* the last one */
    uint32_t block_index;                                        /* its */
    uint32_t region_count;
};

/* A heap without blocks, off. NULL: no memory. */
struct pyro_heap *pyro_heap_new(void);
/* Stacks go into BLOCKS, whose next one CLAIM gives, of STACKS or SAMPLES. Nothing is alive. TOTALS tell the period. 0 or -ENOMEM. */
int pyro_heap_open(struct pyro_heap *heap, uint8_t *blocks, struct pyro_heap_totals *totals,
                   struct pyro_block_head *(*claim)(enum pyro_block_kind kind));
/* Off: all regions are given back. */
void pyro_heap_close(struct pyro_heap *heap);
/* Bytes of the regions that are there. */
uint64_t pyro_heap_own_bytes(const struct pyro_heap *heap);

void pyro_heap_wait(struct pyro_heap *heap);
static inline void pyro_heap_lock(struct pyro_heap *heap)
{
    if (__builtin_expect(atomic_exchange_explicit(&heap->locked, 1, memory_order_acquire), 0))
        pyro_heap_wait(heap);
}
static inline void pyro_heap_unlock(struct pyro_heap *heap)
{
    atomic_store_explicit(&heap->locked, 0, memory_order_release);
}

/* The reference of a new stack. PYRO_STACK_NONE: no room. */
uint32_t pyro_heap_new_stack(struct pyro_heap *heap, uint32_t parent, uint32_t function,
                             uint32_t line);
/* Where it is told what lies at ADDRESS. NULL: no memory, or no address we can tell of. */
pyro_heap_cell *pyro_heap_make_cell(struct pyro_heap *heap, const void *address);

static inline pyro_heap_cell *pyro_heap_cell_at(const struct pyro_heap *heap, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    if (__builtin_expect(at >> PYRO_HEAP_ADDRESS_BITS != 0 || at & (PYRO_HEAP_ALIGNMENT - 1), 0))
        return NULL;
    pyro_heap_cell *region = heap->regions[at >> PYRO_HEAP_REGION_BITS];
    const uintptr_t mask = (UINT64_C(1) << PYRO_HEAP_REGION_BITS) - 1;
    return region ? &region[(at & mask) / PYRO_HEAP_ALIGNMENT] : NULL;
}

static inline struct pyro_stack_entry *pyro_heap_stack(const struct pyro_heap *heap,
                                                       uint32_t reference)
{
    uint8_t *block = heap->blocks + (size_t)(reference >> 8) * PYRO_BLOCK_SIZE;
    return (struct pyro_stack_entry *)(block + sizeof(struct pyro_block_head)) + (reference & 255);
}

/* The filter: a bit for each group of addresses, set while a cell of one of them is not 0. There is one, of the heap that is sampled,
 * and not within it: who frees asks it before all else. A group that ever had as many as can be counted is full for good: then it
 * is asked for in vain, no more. Neighbours have neighbouring bits, so that a program's own working set needs few lines of it. */
#define PYRO_HEAP_GROUP_BITS 20
#define PYRO_HEAP_GROUPS     (UINT32_C(1) << PYRO_HEAP_GROUP_BITS)
#define PYRO_HEAP_FULL       UINT8_MAX
extern uint64_t pyro_heap_filter[PYRO_HEAP_GROUPS / 64] __attribute__((visibility("hidden")));

static inline uint32_t pyro_heap_group_of(const void *address)
{
    const uint64_t at = (uintptr_t)address / PYRO_HEAP_ALIGNMENT;
    return (uint32_t)(at ^ at >> PYRO_HEAP_GROUP_BITS) & (PYRO_HEAP_GROUPS - 1);
}
/* Where it is sampled; false: no block is known at ADDRESS. Without the lock. */
static inline bool pyro_heap_may_know(const void *address)
{
    const uint32_t group = pyro_heap_group_of(address);
    return __atomic_load_n(&pyro_heap_filter[group / 64], __ATOMIC_RELAXED) >> group % 64 & 1;
}
/* ADDRESS has a cell that was 0 and is no longer. */
void pyro_heap_note(struct pyro_heap *heap, const void *address);

static inline uint32_t pyro_heap_stack_of(pyro_heap_cell cell)
{
    return (uint32_t)(cell >> (64 - PYRO_STACK_REFERENCE_BITS));
}
static inline uint64_t pyro_heap_size_of(pyro_heap_cell cell)
{
    return cell & PYRO_HEAP_SIZE_MAX;
}

/* The block at ADDRESS, of SIZE bytes, is STACK's from now on; SIZE | PYRO_HEAP_BY_C: and it is C code's. What stood there before,
 * or 0: its end was not seen; it is counted as freed. */
pyro_heap_cell pyro_heap_allocated(struct pyro_heap *heap, uint32_t stack, const void *address,
                                   uint64_t size);
/* The block at ADDRESS is about to be released, or moved: what is known of it, which is no longer told of its address. */
pyro_heap_cell pyro_heap_take(struct pyro_heap *heap, const void *address);
/* It was not moved after all. */
void pyro_heap_put_back(struct pyro_heap *heap, const void *address, pyro_heap_cell cell);
/* The block that CELL told of is no more; BRIEF: nothing was allocated since. */
void pyro_heap_freed(struct pyro_heap *heap, pyro_heap_cell cell, bool brief);
/* It is now the one at ADDRESS, of SIZE bytes, and STACK's: one event, at which both were never alive at once. Else as
 * pyro_heap_allocated(). */
pyro_heap_cell pyro_heap_moved(struct pyro_heap *heap, pyro_heap_cell cell, uint32_t stack,
                               const void *address, uint64_t size);
/* The same of native memory that no cell tells of (probe/mappings.h): SIZE bytes more; or SIZE bytes fewer, and a whole block. */
void pyro_heap_mapped(struct pyro_heap *heap, uint32_t stack, uint64_t size);
void pyro_heap_unmapped(struct pyro_heap *heap, uint32_t stack, uint64_t size, bool whole);

/* The high-water mark is what is alive now. */
void pyro_heap_reset_peak(struct pyro_heap *heap);
/* No block is known any more, nor which code objects are known by address; what stacks have is the caller's to forget. */
void pyro_heap_forget_blocks(struct pyro_heap *heap);
/* Have SEE called with each block that has a stack. */
void pyro_heap_each(const struct pyro_heap *heap, void (*see)(void *context, pyro_heap_cell cell),
                    void *context);

#endif
