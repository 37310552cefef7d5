/* tests/unit/probe_heap_threads.c - probe/heap.h and mappings.h: threads that allocate, free and move each other's blocks, as a
 * tracked program's do, and a reader beside them. Also built with ThreadSanitizer (tools/run_tests, "threads"). */
#include "probe/heap.h"
#include "probe/mappings.h"

#include "base/random.h"

#include "check.h"

#include <pthread.h>

#define THREADS 4
#define EVENTS  100000 /* a thread's */
#define SLOTS   256    /* where blocks wait for any thread to take them */
#define STACKS  8
#define SIZE    2000 /* of a block, at most */
#define PAGES   64   /* of a thread's own, that it maps and unmaps */
#define PAGE    4096

/* Also what the block begins with: it knows itself what the heap should. */
struct block {
    uint64_t size;
    uint32_t stack;
};
struct tally {
    uint64_t bytes[STACKS], blocks[STACKS];
};
struct worker {
    uint64_t random;
    uintptr_t pages;
    struct tally allocated;
};

static uint8_t *blocks;
static struct pyro_heap *heap;
static struct pyro_heap_totals totals;
static uint32_t claimed, stacks[STACKS];
static struct block *_Atomic slots[SLOTS];
static _Atomic bool over;

static struct pyro_block_head *claim(void)
{
    return claimed < 8 ? (struct pyro_block_head *)(blocks + ++claimed * (size_t)PYRO_BLOCK_SIZE)
                       : NULL;
}

static void open_heap(void)
{
    blocks = calloc(9, PYRO_BLOCK_SIZE);
    heap = pyro_heap_new();
    CHECK(blocks && heap);
    CHECK_EQ(pyro_heap_open(heap, blocks, &totals, claim), 0);
    for (uint32_t i = 0; i < STACKS; i++)
        stacks[i] = pyro_heap_new_stack(heap, PYRO_STACK_NONE, i + 1, 1);
}

/* -- the protocol of probe/memory.c ------------------------------------------------------------- */

static void note(struct worker *worker, struct block *block, uint64_t size)
{
    block->size = size;
    block->stack = pyro_random_below(&worker->random, STACKS);
    worker->allocated.bytes[block->stack] += size;
    worker->allocated.blocks[block->stack]++;
}

static uint64_t some_size(struct worker *worker)
{
    return sizeof(struct block) + pyro_random_below(&worker->random, SIZE);
}

static struct block *allocate(struct worker *worker)
{
    uint64_t size = some_size(worker);
    struct block *block = malloc(size);
    CHECK(block);
    note(worker, block, size);
    pyro_heap_lock(heap);
    CHECK_EQ(pyro_heap_allocated(heap, stacks[block->stack], block, size), 0);
    pyro_heap_unlock(heap);
    return block;
}

/* Told before it is released: its address may be another thread's at once. */
static void release(struct block *block)
{
    pyro_heap_lock(heap);
    pyro_heap_cell cell = pyro_heap_take(heap, block);
    CHECK_EQ(pyro_heap_size_of(cell), block->size);
    CHECK_EQ(pyro_heap_stack_of(cell), stacks[block->stack]);
    pyro_heap_freed(heap, cell, false);
    pyro_heap_unlock(heap);
    free(block);
}

static struct block *move(struct worker *worker, struct block *block)
{
    uint64_t size = some_size(worker);
    pyro_heap_lock(heap);
    pyro_heap_cell cell = pyro_heap_take(heap, block);
    pyro_heap_unlock(heap);
    struct block *moved = realloc(block, size);
    CHECK(moved);
    note(worker, moved, size);
    pyro_heap_lock(heap);
    CHECK_EQ(pyro_heap_moved(heap, cell, stacks[moved->stack], moved, size), 0);
    pyro_heap_unlock(heap);
    return moved;
}

static void map_or_unmap(struct worker *worker)
{
    uint32_t first = pyro_random_below(&worker->random, PAGES);
    uint32_t count = 1 + pyro_random_below(&worker->random, PAGES - first);
    uintptr_t start = worker->pages + first * (uintptr_t)PAGE;
    pyro_heap_lock(heap);
    if (pyro_random_below(&worker->random, 2))
        pyro_mappings_add(heap, stacks[0], start, count * (size_t)PAGE);
    else
        (void)pyro_mappings_remove(heap, start, count * (size_t)PAGE);
    pyro_heap_unlock(heap);
}

/* -- threads ------------------------------------------------------------------------------------ */

static void step(struct worker *worker)
{
    struct block *_Atomic *slot = &slots[pyro_random_below(&worker->random, SLOTS)];
    struct block *block = atomic_exchange(slot, NULL);
    if (!block)
        block = allocate(worker);
    else if (pyro_random_below(&worker->random, 2))
        block = move(worker, block);
    else
        return release(block);
    block = atomic_exchange(slot, block);
    if (block) /* another thread was faster */
        release(block);
}

static void *work(void *context)
{
    struct worker *worker = context;
    for (int i = 0; i < EVENTS; i++) {
        step(worker);
        if (i % 16 == 0)
            map_or_unmap(worker);
    }
    pyro_heap_lock(heap);
    (void)pyro_mappings_remove(heap, worker->pages, PAGES * (size_t)PAGE);
    pyro_heap_unlock(heap);
    return NULL;
}

/* As collect/memory.c does, which is another process. */
static void *watch(void *context)
{
    uint64_t *most = context;
    while (!atomic_load(&over)) {
        uint64_t sum = 0;
        for (int i = 0; i < STACKS; i++) {
            const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stacks[i]);
            sum += __atomic_load_n(&entry->allocated, __ATOMIC_RELAXED) -
                   __atomic_load_n(&entry->freed, __ATOMIC_RELAXED);
        }
        *most += sum > 0;
    }
    return NULL;
}

static void check_stack(uint32_t stack, const struct worker *workers, const struct tally *left)
{
    const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stacks[stack]);
    uint64_t bytes = 0, count = 0;
    for (int i = 0; i < THREADS; i++) {
        bytes += workers[i].allocated.bytes[stack];
        count += workers[i].allocated.blocks[stack];
    }
    CHECK_EQ(entry->allocated - entry->freed, left->bytes[stack]);
    CHECK_EQ(entry->allocations - entry->frees, left->blocks[stack]);
    if (stack) { /* the first one has the mappings, too */
        CHECK_EQ(entry->allocated, bytes);
        CHECK_EQ(entry->allocations, count);
    }
}

static void nothing_is_lost_and_nothing_is_seen_twice(void)
{
    struct worker workers[THREADS] = {0};
    pthread_t threads[THREADS], reader;
    struct tally left = {0};
    uint64_t live = 0, looks = 0;
    open_heap();
    CHECK_EQ(pthread_create(&reader, NULL, watch, &looks), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = pyro_random_seed((uint64_t)i + 1);
        workers[i].pages = UINT64_C(0x100000000) * (uint64_t)(i + 1);
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    atomic_store(&over, true);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    for (int i = 0; i < SLOTS; i++) {
        const struct block *block = atomic_load(&slots[i]);
        if (!block)
            continue;
        live += block->size;
        left.bytes[block->stack] += block->size;
        left.blocks[block->stack]++;
    }
    CHECK(looks > 0 && live > 0);
    CHECK_EQ(totals.live, live);
    CHECK(totals.peak >= live && totals.native == 0);
    CHECK_EQ(totals.lost, 0);
    CHECK_EQ(totals.unseen, 0);
    for (uint32_t i = 0; i < STACKS; i++)
        check_stack(i, workers, &left);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i])
            release(slots[i]);
    CHECK_EQ(totals.live, 0);
    pyro_heap_close(heap);
}

int main(void)
{
    return CHECK_MAIN(TEST(nothing_is_lost_and_nothing_is_seen_twice));
}
