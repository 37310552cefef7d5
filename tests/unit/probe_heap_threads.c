/* tests/unit/probe_heap_threads.c - probe/heap.h and mappings.h: threads that allocate, free and move each other's blocks, as a
 * tracked program's do, and a reader beside them; all blocks are told of, or a sample of them. Also built with ThreadSanitizer (tools/run_tests, "threads"). */
#include "probe/heap.h"
#include "probe/mappings.h"

#include "base/sampling.h"

#include "check.h"

#include <pthread.h>

#define THREADS 4
#define EVENTS  100000 /* a thread's */
#define SLOTS   256    /* where blocks wait for any thread to take them */
#define STACKS  8
#define BLOCKS  8    /* for these */
#define SIZE    2000 /* of a block, at most */
#define PAGES   64   /* of a thread's own, that it maps and unmaps */
#define PAGE    4096
#define PERIOD  4096 /* where it is sampled */

/* Also what the block begins with: it knows itself what the heap should. */
struct block {
    uint64_t size;
    uint32_t stack;
    bool known, up; /* to the heap; rounded up */
};
struct tally {
    uint64_t bytes[STACKS], blocks[STACKS];
};
struct worker {
    uint64_t random;
    uintptr_t pages;
    struct pyro_sampling sampling;
    struct tally allocated;
};

static uint8_t *blocks;
static struct pyro_heap *heap;
static struct pyro_heap_totals totals;
static uint32_t claimed, stacks[STACKS];
static struct block *_Atomic slots[SLOTS];
static _Atomic bool over;

static struct pyro_block_head *claim(enum pyro_block_kind kind)
{
    if (claimed == BLOCKS)
        return NULL;
    return (struct pyro_block_head *)(blocks + ++claimed * (size_t)PYRO_BLOCK_SIZE);
}

static void open_heap(uint64_t period)
{
    totals = (struct pyro_heap_totals){.period = period};
    claimed = 0;
    atomic_store(&over, false);
    blocks = calloc(BLOCKS + 1, PYRO_BLOCK_SIZE);
    heap = pyro_heap_new();
    CHECK(blocks && heap);
    CHECK_EQ(pyro_heap_open(heap, blocks, &totals, claim), 0);
    for (uint32_t i = 0; i < STACKS; i++)
        stacks[i] = pyro_heap_new_stack(heap, PYRO_STACK_NONE, i + 1, 1);
}

/* -- the protocol of probe/tracked.c ------------------------------------------------------------ */

static struct pyro_weight weight_of(const struct block *block)
{
    if (!block->known)
        return (struct pyro_weight){0};
    return heap->period ? pyro_sampling_weight(heap->period, block->size, block->up)
                        : (struct pyro_weight){.blocks = 1, .bytes = block->size};
}

/* Fill in what BLOCK, which is new, is to know of itself. */
static void note(struct worker *worker, struct block *block, uint64_t size)
{
    struct pyro_sampling *sampling = &worker->sampling;
    *block = (struct block){.size = size, .stack = pyro_random_below(&worker->random, STACKS)};
    block->known = !heap->period || (!pyro_sampling_passes(sampling, size) &&
                                     pyro_sampling_take(sampling, PERIOD, size, worker->random));
    if (heap->period && block->known)
        block->up = pyro_sampling_rounds_up(&sampling->state, PERIOD, size);
    const struct pyro_weight weight = weight_of(block);
    worker->allocated.bytes[block->stack] += weight.bytes;
    worker->allocated.blocks[block->stack] += weight.blocks;
}

static uint64_t some_size(struct worker *worker)
{
    return sizeof(struct block) + pyro_random_below(&worker->random, SIZE);
}

static void tell(const struct block *block)
{
    if (!block->known)
        return;
    pyro_heap_lock(heap);
    CHECK_EQ(pyro_heap_allocated(heap, stacks[block->stack], block,
                                 block->size | (block->up ? PYRO_HEAP_ROUNDED_UP : 0)),
             0);
    pyro_heap_unlock(heap);
}

static struct block *allocate(struct worker *worker)
{
    uint64_t size = some_size(worker);
    struct block *block = malloc(size);
    CHECK(block);
    note(worker, block, size);
    tell(block);
    return block;
}

/* Told before it is released: its address may be another thread's at once. What the filter says of others is a guess. */
static pyro_heap_cell take(const struct block *block)
{
    pyro_heap_cell cell = 0;
    if (heap->period && !pyro_heap_may_know(block)) {
        CHECK(!block->known);
        return 0;
    }
    pyro_heap_lock(heap);
    cell = pyro_heap_take(heap, block);
    pyro_heap_unlock(heap);
    CHECK_EQ(cell != 0, block->known);
    return cell;
}

static void end(pyro_heap_cell cell)
{
    if (!cell)
        return;
    pyro_heap_lock(heap);
    pyro_heap_freed(heap, cell, false);
    pyro_heap_unlock(heap);
}

static void release(struct block *block)
{
    pyro_heap_cell cell = take(block);
    if (cell) {
        CHECK_EQ(pyro_heap_size_of(cell), block->size);
        CHECK_EQ(pyro_heap_stack_of(cell), stacks[block->stack]);
    }
    end(cell);
    free(block);
}

static struct block *move(struct worker *worker, struct block *block)
{
    uint64_t size = some_size(worker);
    pyro_heap_cell cell = take(block);
    struct block *moved = realloc(block, size);
    CHECK(moved);
    note(worker, moved, size);
    if (heap->period) {
        end(cell);
        tell(moved);
        return moved;
    }
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

static void check_threads(uint64_t period)
{
    struct worker workers[THREADS] = {0};
    pthread_t threads[THREADS], reader;
    struct tally left = {0};
    uint64_t live = 0, looks = 0;
    open_heap(period);
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
        const struct pyro_weight weight = weight_of(block);
        live += weight.bytes;
        left.bytes[block->stack] += weight.bytes;
        left.blocks[block->stack] += weight.blocks;
    }
    CHECK(looks > 0 && live > 0);
    CHECK_EQ(totals.live, live);
    CHECK(totals.peak >= live && totals.native == 0);
    CHECK_EQ(totals.lost, 0);
    CHECK_EQ(totals.unseen, 0);
    for (uint32_t i = 0; i < STACKS; i++)
        check_stack(i, workers, &left);
    for (int i = 0; i < SLOTS; i++) {
        struct block *block = atomic_exchange(&slots[i], NULL);
        if (block)
            release(block);
    }
    CHECK_EQ(totals.live, 0);
    pyro_heap_close(heap);
    free(blocks);
}

static void nothing_is_lost_and_nothing_is_seen_twice(void)
{
    check_threads(0);
}

static void a_sample_ends_when_its_blocks_do(void)
{
    check_threads(PERIOD);
}

int main(void)
{
    return CHECK_MAIN(TEST(nothing_is_lost_and_nothing_is_seen_twice),
                      TEST(a_sample_ends_when_its_blocks_do));
}
