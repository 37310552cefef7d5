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

int pyro_heap_open(struct pyro_heap *heap, uint8_t *blocks, struct pyro_heap_totals *totals,
                   struct pyro_block_head *(*claim)(void))
{
    heap->blocks = blocks;
    heap->totals = totals;
    heap->claim = claim;
    heap->filling = NULL;
    heap->region_count = 0;
    heap->regions = map(REGIONS * sizeof(*heap->regions));
    if (!heap->regions)
        return -ENOMEM;
    totals->mark = 1; /* stacks begin with 0: they have not seen it */
    return 0;
}

void pyro_heap_close(struct pyro_heap *heap)
{
    pyro_heap_forget_blocks(heap);
    munmap(heap->regions, REGIONS * sizeof(*heap->regions));
    heap->regions = NULL;
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
    return bytes;
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
    uint32_t used =
        heap->filling ? atomic_load_explicit(&heap->filling->used, memory_order_relaxed) : 0;
    if (!heap->filling || used == PYRO_BLOCK_STACK_COUNT) {
        struct pyro_block_head *block = heap->claim();
        if (!block)
            return PYRO_STACK_NONE;
        heap->filling = block;
        heap->block_index = (uint32_t)(((uint8_t *)block - heap->blocks) / PYRO_BLOCK_SIZE);
        used = 0;
    }
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

/* A stack, about to change. */
static inline struct pyro_stack_entry *change(const struct pyro_heap *heap, uint32_t reference)
{
    struct pyro_stack_entry *stack = pyro_heap_stack(heap, reference);
    if (stack->mark != heap->totals->mark) {
        __atomic_store_n(&stack->held, stack->allocated - stack->freed, __ATOMIC_RELAXED);
        __atomic_store_n(&stack->held_count, stack->allocations - stack->frees, __ATOMIC_RELAXED);
        __atomic_store_n(&stack->mark, heap->totals->mark, __ATOMIC_RELAXED);
    }
    return stack;
}

static inline void count_allocated(const struct pyro_heap *heap, uint32_t reference, uint64_t size,
                                   bool native)
{
    struct pyro_stack_entry *stack = change(heap, reference);
    if (native)
        add(&heap->totals->native, size);
    note_largest(stack, size);
    add(&stack->allocated, size);
    add(&stack->allocations, 1);
    struct pyro_sizes_of_blocks *sizes = &heap->totals->sizes[pyro_size_class(size)];
    add(&sizes->blocks, 1);
    add(&sizes->bytes, size);
    add(&heap->totals->live, size);
    if (heap->totals->live > heap->totals->peak) {
        __atomic_store_n(&heap->totals->peak, heap->totals->live, __ATOMIC_RELAXED);
        add(&heap->totals->mark, 1);
    }
}

static inline struct pyro_stack_entry *count_freed(const struct pyro_heap *heap, uint32_t reference,
                                                   uint64_t size, bool native, bool whole)
{
    struct pyro_stack_entry *stack = change(heap, reference);
    add(&stack->freed, size);
    add(&stack->frees, whole);
    add(&heap->totals->live, -size);
    if (native)
        add(&heap->totals->native, -size);
    return stack;
}

void pyro_heap_freed(struct pyro_heap *heap, pyro_heap_cell cell, bool brief)
{
    uint64_t size = pyro_heap_size_of(cell);
    struct pyro_stack_entry *stack =
        count_freed(heap, pyro_heap_stack_of(cell), size, cell & PYRO_HEAP_NATIVE, true);
    if (brief) {
        add(&stack->brief, 1);
        add(&stack->brief_bytes, size);
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
    size &= ~PYRO_HEAP_BY_C;
    if (__builtin_expect(!cell || size > PYRO_HEAP_SIZE_MAX || stack == PYRO_STACK_NONE, 0)) {
        heap->totals->lost++;
        return 0;
    }
    pyro_heap_cell before = *cell;
    if (__builtin_expect(before != 0, 0) && has_stack(before)) {
        pyro_heap_freed(heap, before, false);
        heap->totals->unseen++;
    }
    *cell = (uint64_t)stack << (64 - PYRO_STACK_REFERENCE_BITS) | native | size;
    count_allocated(heap, stack, size, native != 0);
    return before;
}

pyro_heap_cell pyro_heap_take(struct pyro_heap *heap, const void *address)
{
    pyro_heap_cell *cell = pyro_heap_cell_at(heap, address);
    if (!cell)
        return 0;
    pyro_heap_cell before = *cell;
    *cell = 0;
    return before;
}

void pyro_heap_put_back(struct pyro_heap *heap, const void *address, pyro_heap_cell cell)
{
    pyro_heap_cell *at = pyro_heap_cell_at(heap, address);
    if (at)
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
    count_allocated(heap, stack, size, true);
}

void pyro_heap_unmapped(struct pyro_heap *heap, uint32_t stack, uint64_t size, bool whole)
{
    (void)count_freed(heap, stack, size, true, whole);
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
