/* probe/heap.c - cells of blocks, counters of stacks, and the mark. */
#include "probe/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGIONS      (UINT64_C(1) << (PYRO_HEAP_ADDRESS_BITS - PYRO_HEAP_REGION_BITS))
#define REGION_CELLS (UINT64_C(1) << PYRO_HEAP_REGION_BITS) / PYRO_HEAP_ALIGNMENT
#define REGION_BYTES (REGION_CELLS * sizeof(pyro_heap_cell))
#define SPINS        64 /* before the processor is given to others */

uint64_t pyro_heap_filter[PYRO_HEAP_GROUPS / 64];

/* Zeroed, there when it is touched, and zeroed again in a forked child. NULL: no memory. */
static void *map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    if (madvise(pages, size, MADV_WIPEONFORK) < 0) {
        munmap(pages, size);
        return NULL;
    }
    (void)madvise(pages, size, MADV_NOHUGEPAGE); /* cells lie far apart */
    return pages;
}

struct pyro_heap *pyro_heap_new(void)
{
    return map(sizeof(struct pyro_heap));
}

static void clear_filter(void)
{
    for (size_t i = 0; i < sizeof(pyro_heap_filter) / sizeof(pyro_heap_filter[0]); i++)
        if (pyro_heap_filter[i]) /* what nobody wrote to stays without memory */
            __atomic_store_n(&pyro_heap_filter[i], 0, __ATOMIC_RELAXED); /* reader: _may_know() */
}

static void unmap_regions(struct pyro_heap *heap)
{
    if (heap->regions)
        munmap(heap->regions, REGIONS * sizeof(*heap->regions));
    heap->regions = NULL;
}

static void unmap_groups(struct pyro_heap *heap)
{
    if (heap->group_counts)
        munmap(heap->group_counts, PYRO_HEAP_GROUPS);
    heap->group_counts = NULL;
}

int pyro_heap_open(struct pyro_heap *heap, uint8_t *blocks, struct pyro_heap_totals *totals,
                   struct pyro_block_head *(*claim)(enum pyro_block_kind kind))
{
    heap->blocks = blocks;
    heap->totals = totals;
    heap->claim = claim;
    heap->filling = NULL;
    heap->region_count = 0;
    heap->regions = map(REGIONS * sizeof(*heap->regions));
    heap->group_counts = totals->period ? map(PYRO_HEAP_GROUPS) : NULL;
    if (!heap->regions || (totals->period && !heap->group_counts)) {
        unmap_groups(heap);
        unmap_regions(heap);
        return -ENOMEM;
    }
    heap->period = totals->period;
    if (heap->period)
        clear_filter(); /* in a child it is its parent's */
    totals->mark = 1;   /* stacks begin with 0: they have not seen it */
    return 0;
}

void pyro_heap_close(struct pyro_heap *heap)
{
    pyro_heap_forget_blocks(heap);
    unmap_regions(heap);
    unmap_groups(heap);
}

static uint64_t resident_bytes(void *pages, size_t size)
{
    unsigned char there[4096];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), step = sizeof(there) * page;
    uint64_t bytes = 0;
    for (size_t at = 0; at < size; at += step) {
        size_t now = size - at < step ? size - at : step;
        if (mincore((uint8_t *)pages + at, now, there) < 0)
            return bytes;
        for (size_t i = 0; i < now / page; i++)
            bytes += there[i] & 1 ? page : 0;
    }
    return bytes;
}

uint64_t pyro_heap_own_bytes(const struct pyro_heap *heap)
{
    uint64_t bytes = 0;
    for (size_t i = 0, left = heap->region_count; left && i < REGIONS; i++)
        if (heap->regions[i]) {
            bytes += resident_bytes(heap->regions[i], REGION_BYTES);
            left--;
        }
    if (heap->group_counts)
        bytes += resident_bytes(heap->group_counts, PYRO_HEAP_GROUPS);
    return bytes;
}

static bool has_room(const struct pyro_heap *heap)
{
    const uint32_t most = heap->period ? PYRO_BLOCK_SAMPLE_COUNT : PYRO_BLOCK_STACK_COUNT;
    return heap->filling && atomic_load_explicit(&heap->filling->used, memory_order_relaxed) < most;
}

/* A block for stacks; sampled, with one for what is behind them. */
static bool fill_another(struct pyro_heap *heap)
{
    struct pyro_block_head *samples = heap->period ? heap->claim(PYRO_BLOCK_SAMPLES) : NULL;
    struct pyro_block_head *block =
        samples || !heap->period ? heap->claim(PYRO_BLOCK_STACKS) : NULL;
    if (!block)
        return false;
    if (samples)
        block->thread = (uint32_t)(((uint8_t *)samples - heap->blocks) / PYRO_BLOCK_SIZE);
    heap->filling = block;
    heap->block_index = (uint32_t)(((uint8_t *)block - heap->blocks) / PYRO_BLOCK_SIZE);
    return true;
}

/* Whoever holds it was put aside: a few times it will be back at once. */
void pyro_heap_wait(struct pyro_heap *heap)
{
    for (unsigned turns = 1; atomic_load_explicit(&heap->locked, memory_order_relaxed) ||
                             atomic_exchange_explicit(&heap->locked, 1, memory_order_acquire);
         turns++)
        if (turns % SPINS == 0)
            (void)sched_yield();
}

uint32_t pyro_heap_new_stack(struct pyro_heap *heap, uint32_t parent, uint32_t function,
                             uint32_t line)
{
    if (!has_room(heap) && !fill_another(heap))
        return PYRO_STACK_NONE;
    const uint32_t used = atomic_load_explicit(&heap->filling->used, memory_order_relaxed);
    uint32_t reference = heap->block_index << 8 | used;
    struct pyro_stack_entry *stack = pyro_heap_stack(heap, reference);
    stack->parent = parent;
    stack->function = function;
    stack->line = line;
    atomic_store_explicit(&heap->filling->used, used + 1, memory_order_release);
    return reference;
}

pyro_heap_cell *pyro_heap_make_cell(struct pyro_heap *heap, const void *address)
{
    pyro_heap_cell *cell = pyro_heap_cell_at(heap, address);
    uintptr_t at = (uintptr_t)address;
    if (cell || at >> PYRO_HEAP_ADDRESS_BITS || at & (PYRO_HEAP_ALIGNMENT - 1))
        return cell;
    pyro_heap_cell *region = map(REGION_BYTES);
    if (!region)
        return NULL;
    heap->regions[at >> PYRO_HEAP_REGION_BITS] = region;
    heap->region_count++;
    return pyro_heap_cell_at(heap, address);
}

/* -- events ------------------------------------------------------------------------------------- */

static inline void add(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED); /* reader: collect/memory.c */
}

/* A container that is filled is allocated anew each time, larger: what a stack keeps is told apart from what it keeps it in. */
static inline void note_largest(struct pyro_stack_entry *stack, uint64_t size)
{
    const uint64_t units = size / PYRO_STACK_LARGEST_UNIT;
    if (__builtin_expect(units > stack->largest, 0))
        __atomic_store_n(&stack->largest, units < UINT32_MAX ? (uint32_t)units : UINT32_MAX,
                         __ATOMIC_RELAXED); /* reader: collect/memory.c */
}

/* -- the filter -- */

/* Reader of its words: _may_know(). */
static void turn_bit(uint32_t group)
{
    uint64_t *word = &pyro_heap_filter[group / 64];
    __atomic_store_n(word, *word ^ UINT64_C(1) << group % 64, __ATOMIC_RELAXED);
}

void pyro_heap_note(struct pyro_heap *heap, const void *address)
{
    const uint32_t group = pyro_heap_group_of(address);
    if (!heap->period || heap->group_counts[group] == PYRO_HEAP_FULL)
        return;
    if (heap->group_counts[group]++ == 0)
        turn_bit(group);
}

static void forget(struct pyro_heap *heap, const void *address)
{
    const uint32_t group = pyro_heap_group_of(address);
    if (!heap->period || heap->group_counts[group] == PYRO_HEAP_FULL)
        return;
    if (--heap->group_counts[group] == 0)
        turn_bit(group);
}

/* -- what a block counts for -- */

static inline struct pyro_weight weight_of(const struct pyro_heap *heap, pyro_heap_cell cell)
{
    const uint64_t size = pyro_heap_size_of(cell);
    if (__builtin_expect(heap->period == 0, 1))
        return (struct pyro_weight){.blocks = 1, .bytes = size};
    return pyro_sampling_weight(heap->period, size, cell & PYRO_HEAP_UP);
}

static inline struct pyro_sampled_entry *sampled_of(const struct pyro_heap *heap,
                                                    uint32_t reference)
{
    const struct pyro_block_head *stacks =
        (const struct pyro_block_head *)(heap->blocks + (size_t)(reference >> 8) * PYRO_BLOCK_SIZE);
    uint8_t *block = heap->blocks + (size_t)stacks->thread * PYRO_BLOCK_SIZE;
    return (struct pyro_sampled_entry *)(block + sizeof(struct pyro_block_head)) +
           (reference & 255);
}

/* What is behind one block, or behind SIZE bytes of a mapping, whose WEIGHT they are. */
static void add_sampled(const struct pyro_heap *heap, struct pyro_sampled *sums, uint64_t size,
                        uint64_t blocks, struct pyro_weight weight)
{
    const double unseen = (double)(weight.bytes - size);
    add(&sums->blocks, blocks);
    add(&sums->bytes, size);
    add(&sums->bytes_variance,
        (uint64_t)((double)weight.bytes * unseen / (double)heap->period + 0.5));
    add(&sums->blocks_variance, weight.blocks ? weight.blocks * (weight.blocks - 1) : 0);
}

static void keep_sampled(const struct pyro_heap *heap, uint32_t reference)
{
    struct pyro_sampled_entry *entry = sampled_of(heap, reference);
    const struct pyro_sampled *allocated = &entry->allocated, *freed = &entry->freed;
    __atomic_store_n(&entry->held.blocks, allocated->blocks - freed->blocks, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->held.bytes, allocated->bytes - freed->bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->held.bytes_variance, allocated->bytes_variance - freed->bytes_variance,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&entry->held.blocks_variance,
                     allocated->blocks_variance - freed->blocks_variance, __ATOMIC_RELAXED);
}

/* A stack, about to change. */
static inline struct pyro_stack_entry *change(const struct pyro_heap *heap, uint32_t reference)
{
    struct pyro_stack_entry *stack = pyro_heap_stack(heap, reference);
    if (stack->mark != heap->totals->mark) {
        __atomic_store_n(&stack->held, stack->allocated - stack->freed, __ATOMIC_RELAXED);
        __atomic_store_n(&stack->held_count, stack->allocations - stack->frees, __ATOMIC_RELAXED);
        if (heap->period)
            keep_sampled(heap, reference);
        __atomic_store_n(&stack->mark, heap->totals->mark, __ATOMIC_RELAXED);
    }
    return stack;
}

/* SIZE is what was seen, WEIGHT what it counts for. */
static inline void count_allocated(const struct pyro_heap *heap, uint32_t reference, uint64_t size,
                                   struct pyro_weight weight, bool native)
{
    struct pyro_stack_entry *stack = change(heap, reference);
    if (heap->period)
        add_sampled(heap, &sampled_of(heap, reference)->allocated, size, 1, weight);
    if (native)
        add(&heap->totals->native, weight.bytes);
    note_largest(stack, size);
    add(&stack->allocated, weight.bytes);
    add(&stack->allocations, weight.blocks);
    struct pyro_sizes_of_blocks *sizes = &heap->totals->sizes[pyro_size_class(size)];
    add(&sizes->blocks, weight.blocks);
    add(&sizes->bytes, weight.bytes);
    add(&heap->totals->live, weight.bytes);
    if (heap->totals->live > heap->totals->peak) {
        __atomic_store_n(&heap->totals->peak, heap->totals->live, __ATOMIC_RELAXED);
        add(&heap->totals->mark, 1);
    }
}

static inline struct pyro_stack_entry *count_freed(const struct pyro_heap *heap, uint32_t reference,
                                                   uint64_t size, struct pyro_weight weight,
                                                   bool native)
{
    struct pyro_stack_entry *stack = change(heap, reference);
    if (heap->period)
        add_sampled(heap, &sampled_of(heap, reference)->freed, size, weight.blocks > 0, weight);
    add(&stack->freed, weight.bytes);
    add(&stack->frees, weight.blocks);
    add(&heap->totals->live, -weight.bytes);
    if (native)
        add(&heap->totals->native, -weight.bytes);
    return stack;
}

void pyro_heap_freed(struct pyro_heap *heap, pyro_heap_cell cell, bool brief)
{
    const struct pyro_weight weight = weight_of(heap, cell);
    struct pyro_stack_entry *stack = count_freed(
        heap, pyro_heap_stack_of(cell), pyro_heap_size_of(cell), weight, cell & PYRO_HEAP_NATIVE);
    if (brief) {
        add(&stack->brief, weight.blocks);
        add(&stack->brief_bytes, weight.bytes);
    }
}

/* Blocks of a code object alone have no stack. */
static inline bool has_stack(pyro_heap_cell cell)
{
    return pyro_heap_stack_of(cell) != PYRO_STACK_NONE;
}

pyro_heap_cell pyro_heap_allocated(struct pyro_heap *heap, uint32_t stack, const void *address,
                                   uint64_t size)
{
    pyro_heap_cell *cell = pyro_heap_cell_at(heap, address);
    if (__builtin_expect(!cell, 0))
        cell = pyro_heap_make_cell(heap, address);
    const uint64_t native = size & PYRO_HEAP_BY_C ? PYRO_HEAP_NATIVE : 0;
    const uint64_t up = size & PYRO_HEAP_ROUNDED_UP ? PYRO_HEAP_UP : 0;
    size &= ~PYRO_HEAP_FLAGS;
    if (__builtin_expect(!cell || size > PYRO_HEAP_SIZE_MAX || stack == PYRO_STACK_NONE, 0)) {
        heap->totals->lost++;
        return 0;
    }
    pyro_heap_cell before = *cell;
    if (__builtin_expect(before != 0, 0) && has_stack(before)) {
        pyro_heap_freed(heap, before, false);
        heap->totals->unseen++;
    }
    if (!before)
        pyro_heap_note(heap, address);
    *cell = (uint64_t)stack << (64 - PYRO_STACK_REFERENCE_BITS) | native | up | size;
    count_allocated(heap, stack, size, weight_of(heap, *cell), native != 0);
    return before;
}

pyro_heap_cell pyro_heap_take(struct pyro_heap *heap, const void *address)
{
    pyro_heap_cell *cell = pyro_heap_cell_at(heap, address);
    if (!cell)
        return 0;
    pyro_heap_cell before = *cell;
    if (before) {
        *cell = 0;
        forget(heap, address);
    }
    return before;
}

void pyro_heap_put_back(struct pyro_heap *heap, const void *address, pyro_heap_cell cell)
{
    pyro_heap_cell *at = pyro_heap_cell_at(heap, address);
    if (!at || !cell)
        return;
    if (!*at)
        pyro_heap_note(heap, address);
    *at = cell;
}

pyro_heap_cell pyro_heap_moved(struct pyro_heap *heap, pyro_heap_cell cell, uint32_t stack,
                               const void *address, uint64_t size)
{
    if (has_stack(cell))
        pyro_heap_freed(heap, cell, false);
    return pyro_heap_allocated(heap, stack, address, size);
}

void pyro_heap_mapped(struct pyro_heap *heap, uint32_t stack, uint64_t size)
{
    count_allocated(heap, stack, size, (struct pyro_weight){.blocks = 1, .bytes = size}, true);
}

void pyro_heap_unmapped(struct pyro_heap *heap, uint32_t stack, uint64_t size, bool whole)
{
    (void)count_freed(heap, stack, size, (struct pyro_weight){.blocks = whole, .bytes = size},
                      true);
}

/* -- all of them -------------------------------------------------------------------------------- */

void pyro_heap_reset_peak(struct pyro_heap *heap)
{
    heap->totals->peak = heap->totals->live;
    add(&heap->totals->mark, 1);
}

void pyro_heap_forget_blocks(struct pyro_heap *heap)
{
    for (size_t i = 0; heap->region_count && i < REGIONS; i++)
        if (heap->regions[i]) {
            munmap(heap->regions[i], REGION_BYTES);
            heap->regions[i] = NULL;
            heap->region_count--;
        }
    if (heap->group_counts) {
        clear_filter();
        (void)madvise(heap->group_counts, PYRO_HEAP_GROUPS, MADV_DONTNEED); /* zero again */
    }
}

#define PAGEMAP_BATCH 512                                     /* pages */
#define PAGEMAP_HAS   (UINT64_C(1) << 63 | UINT64_C(1) << 62) /* it is there, or swapped */

static void see_cells(const pyro_heap_cell *cells, size_t count,
                      void (*see)(void *context, pyro_heap_cell cell), void *context)
{
    for (size_t i = 0; i < count; i++)
        if (has_stack(cells[i]))
            see(context, cells[i]);
}

/* What was touched of a region: the rest is zero, and to look at it would make it be there. */
static void see_region(int pagemap, const pyro_heap_cell *region,
                       void (*see)(void *context, pyro_heap_cell cell), void *context)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = REGION_BYTES / page;
    const size_t cells = page / sizeof(pyro_heap_cell), first = (uintptr_t)region / page;
    uint64_t words[PAGEMAP_BATCH];
    for (size_t at = 0; at < pages; at += PAGEMAP_BATCH) {
        bool known = pread(pagemap, words, sizeof(words), (off_t)((first + at) * 8)) ==
                     (ssize_t)sizeof(words);
        for (size_t i = 0; i < PAGEMAP_BATCH; i++)
            if (!known || words[i] & PAGEMAP_HAS)
                see_cells(region + (at + i) * cells, cells, see, context);
    }
}

void pyro_heap_each(const struct pyro_heap *heap, void (*see)(void *context, pyro_heap_cell cell),
                    void *context)
{
    int pagemap =
        open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC); /* -1: all pages are looked at */
    for (size_t i = 0, left = heap->region_count; left && i < REGIONS; i++) {
        if (!heap->regions[i])
            continue;
        see_region(pagemap, heap->regions[i], see, context);
        left--;
    }
    if (pagemap >= 0)
        close(pagemap);
}
