/* tests/unit/probe_heap.c - probe/heap.h: what is alive and what the high-water mark held, against a replay by brute force. */
#include "probe/heap.h"

#include "base/random.h"

#include "check.h"

#define SEQUENCES 100000
#define EVENTS    24 /* of one sequence at most */
#define ADDRESSES 8
#define STACKS    4

static uint8_t *blocks;
static uint32_t claimed;

static struct pyro_block_head *claim(enum pyro_block_kind kind)
{
    return claimed < 64 ? (struct pyro_block_head *)(blocks + ++claimed * (size_t)PYRO_BLOCK_SIZE)
                        : NULL;
}

static struct pyro_heap *open_heap(struct pyro_heap_totals *totals)
{
    blocks = calloc(65, PYRO_BLOCK_SIZE);
    claimed = 0;
    struct pyro_heap *heap = pyro_heap_new();
    CHECK(blocks && heap);
    *totals = (struct pyro_heap_totals){0};
    CHECK_EQ(pyro_heap_open(heap, blocks, totals, claim), 0);
    return heap;
}

static void *address(uint32_t i)
{
    return (void *)(uintptr_t)(UINT64_C(0x7f0000000000) + i * UINT64_C(0x3fffff0));
}

static uint64_t held(const struct pyro_heap *heap, uint32_t stack)
{
    const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stack);
    return entry->mark == heap->totals->mark ? entry->held : entry->allocated - entry->freed;
}

static uint64_t held_count(const struct pyro_heap *heap, uint32_t stack)
{
    const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stack);
    return entry->mark == heap->totals->mark ? entry->held_count
                                             : entry->allocations - entry->frees;
}

/* What a replay keeps: each block, and a copy of all at the moment of the peak. */
struct model {
    struct {
        uint64_t size;
        uint32_t stack;
        bool alive;
    } blocks[ADDRESSES];
    uint64_t peak, held[STACKS], held_count[STACKS];
};

static uint64_t live_of(const struct model *model, uint32_t stack, uint64_t *ret_count)
{
    uint64_t bytes = 0;
    *ret_count = 0;
    for (int i = 0; i < ADDRESSES; i++)
        if (model->blocks[i].alive && model->blocks[i].stack == stack) {
            bytes += model->blocks[i].size;
            ++*ret_count;
        }
    return bytes;
}

/* After each event all is added up anew. */
static uint64_t look_for_peak(struct model *model)
{
    uint64_t live = 0, held[STACKS], count[STACKS];
    for (uint32_t i = 0; i < STACKS; i++)
        live += held[i] = live_of(model, i, &count[i]);
    if (live > model->peak) {
        model->peak = live;
        memcpy(model->held, held, sizeof(held));
        memcpy(model->held_count, count, sizeof(count));
    }
    return live;
}

static void one_event(struct pyro_heap *heap, const uint32_t stacks[STACKS], struct model *model,
                      uint64_t *random)
{
    uint32_t at = pyro_random_below(random, ADDRESSES), to = pyro_random_below(random, ADDRESSES);
    uint32_t stack = pyro_random_below(random, STACKS);
    uint64_t size = pyro_random_below(random, 50); /* small, so that peaks are equal often */
    if (!model->blocks[at].alive) {
        CHECK_EQ(pyro_heap_allocated(heap, stacks[stack], address(at), size), 0);
        model->blocks[at].alive = true;
    } else if (pyro_random_below(random, 2)) {
        pyro_heap_freed(heap, pyro_heap_take(heap, address(at)), false);
        model->blocks[at].alive = false;
        return;
    } else if (to != at && model->blocks[to].alive) {
        pyro_heap_put_back(heap, address(at), pyro_heap_take(heap, address(at))); /* it failed */
        return;
    } else {
        pyro_heap_cell cell = pyro_heap_take(heap, address(at));
        CHECK_EQ(pyro_heap_size_of(cell), model->blocks[at].size);
        CHECK_EQ(pyro_heap_moved(heap, cell, stacks[stack], address(to), size), 0);
        model->blocks[at].alive = false;
        model->blocks[to].alive = true;
        at = to;
    }
    model->blocks[at].size = size;
    model->blocks[at].stack = stack;
}

static void one_sequence(uint64_t *random)
{
    static struct pyro_heap_totals totals;
    static struct pyro_heap *heap;
    struct model model = {0};
    uint32_t stacks[STACKS];
    if (!heap)
        heap = open_heap(&totals);
    memset(blocks, 0, 65 * (size_t)PYRO_BLOCK_SIZE);
    claimed = 0;
    heap->filling = NULL;
    totals = (struct pyro_heap_totals){.mark = 1};
    for (int i = 0; i < STACKS; i++)
        stacks[i] = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, (uint32_t)i);
    uint32_t events = 1 + pyro_random_below(random, EVENTS);
    for (uint32_t i = 0; i < events; i++) {
        one_event(heap, stacks, &model, random);
        CHECK_EQ(totals.live, look_for_peak(&model));
        CHECK_EQ(totals.peak, model.peak);
    }
    for (uint32_t i = 0; i < STACKS; i++) {
        CHECK_EQ(held(heap, stacks[i]), model.held[i]);
        CHECK_EQ(held_count(heap, stacks[i]), model.held_count[i]);
    }
    for (uint32_t i = 0; i < ADDRESSES; i++) /* for the next one */
        (void)pyro_heap_take(heap, address(i));
}

static void the_mark_is_that_of_a_replay(void)
{
    uint64_t random = pyro_random_seed(22);
    for (int i = 0; i < SEQUENCES; i++)
        one_sequence(&random);
}

static void what_was_freed_past_us_is_counted(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    CHECK_EQ(pyro_heap_allocated(heap, stack, address(1), 100), 0);
    CHECK(pyro_heap_allocated(heap, stack, address(1), 30) != 0);
    CHECK_EQ(totals.unseen, 1);
    CHECK_EQ(totals.live, 30);
    CHECK_EQ(totals.peak, 100);
}

static void what_cannot_be_told_of_is_lost(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    pyro_heap_allocated(heap, stack, (void *)8, 1);                       /* between two cells */
    pyro_heap_allocated(heap, stack, (void *)(UINT64_C(1) << 56), 1);     /* beyond the regions */
    pyro_heap_allocated(heap, stack, address(1), PYRO_HEAP_SIZE_MAX + 1); /* too large */
    pyro_heap_allocated(heap, PYRO_STACK_NONE, address(2), 1);
    CHECK_EQ(totals.lost, 4);
    CHECK_EQ(totals.live, 0);
    CHECK_EQ(pyro_heap_take(heap, (void *)8), 0);
}

static void what_c_code_took_is_told_apart(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    pyro_heap_allocated(heap, stack, address(1), 100);
    pyro_heap_allocated(heap, stack, address(2), 30 | PYRO_HEAP_BY_C);
    CHECK_EQ(totals.live, 130);
    CHECK_EQ(totals.native, 30);
    pyro_heap_cell cell = pyro_heap_take(heap, address(2));
    CHECK_EQ(pyro_heap_size_of(cell), 30);
    pyro_heap_moved(heap, cell, stack, address(3), PYRO_HEAP_SIZE_MAX | PYRO_HEAP_BY_C);
    CHECK_EQ(totals.native, PYRO_HEAP_SIZE_MAX);
    pyro_heap_freed(heap, pyro_heap_take(heap, address(3)), false);
    pyro_heap_freed(heap, pyro_heap_take(heap, address(1)), false);
    CHECK_EQ(totals.native, 0);
    CHECK_EQ(totals.live, 0);
}

static void sizes_fall_into_classes(void)
{
    static const struct {
        uint64_t size;
        unsigned at;
    } sizes[] = {{0, 0},   {1, 0},    {2, 1},
                 {3, 2},   {4, 2},    {5, 3},
                 {512, 9}, {513, 10}, {PYRO_HEAP_SIZE_MAX, 39}};
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pyro_sizes_of_blocks before = totals.sizes[sizes[i].at];
        CHECK_EQ(pyro_heap_allocated(heap, stack, address(i), sizes[i].size), 0);
        CHECK_EQ(totals.sizes[sizes[i].at].blocks, before.blocks + 1);
        CHECK_EQ(totals.sizes[sizes[i].at].bytes, before.bytes + sizes[i].size);
    }
    pyro_heap_mapped(heap, stack, 8192);
    CHECK_EQ(totals.sizes[13].blocks, 1);
    pyro_heap_close(heap);
    free(blocks);
}

static void a_mark_of_code_is_handed_back(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    pyro_heap_allocated(heap, stack, address(1), 100);
    *pyro_heap_make_cell(heap, address(1)) |= PYRO_HEAP_CODE;
    pyro_heap_cell cell = pyro_heap_take(heap, address(1));
    CHECK(cell & PYRO_HEAP_CODE);
    CHECK_EQ(pyro_heap_size_of(cell), 100);
    CHECK_EQ(pyro_heap_stack_of(cell), stack);
}

static void *of_one_group(uint64_t i)
{
    return (void *)(uintptr_t)(PYRO_HEAP_ALIGNMENT * ((i + 1) << PYRO_HEAP_GROUP_BITS | (i + 1)));
}

/* All addresses of one group: the filter counts them, and never says of a block that is known that it is not. */
static void sampled_blocks_are_known_until_they_end(void)
{
    enum { BLOCKS = 600 }; /* more than can be counted */
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    pyro_heap_close(heap);
    totals = (struct pyro_heap_totals){.period = 4096};
    CHECK_EQ(pyro_heap_open(heap, blocks, &totals, claim), 0);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        void *at = of_one_group(i);
        CHECK_EQ(pyro_heap_group_of(at), pyro_heap_group_of(of_one_group(0)));
        CHECK_EQ(pyro_heap_may_know(at), i > 0);
        uint64_t up = i % 2 ? PYRO_HEAP_ROUNDED_UP : 0;
        CHECK_EQ(pyro_heap_allocated(heap, stack, at, 100 | up), 0);
        CHECK(pyro_heap_may_know(at));
        if (i % 3 == 0) { /* moved to where it was: it failed */
            pyro_heap_cell cell = pyro_heap_take(heap, at);
            CHECK_EQ(pyro_heap_size_of(cell), 100);
            pyro_heap_put_back(heap, at, cell);
        }
    }
    const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stack);
    const double share = pyro_sampling_share(4096, 100);
    CHECK_EQ(entry->allocations, BLOCKS * (uint64_t)share + BLOCKS / 2);
    CHECK_EQ(entry->allocated, BLOCKS * (uint64_t)(100 * share + 0.5));
    CHECK_EQ(totals.live, entry->allocated);
    CHECK_EQ(totals.sizes[pyro_size_class(100)].blocks, entry->allocations);
    CHECK_EQ(totals.sizes[pyro_size_class(100)].bytes, entry->allocated);
    CHECK_EQ(entry->largest, 100 / PYRO_STACK_LARGEST_UNIT); /* that was seen */
    for (uint64_t i = 0; i < BLOCKS; i++) {
        void *at = of_one_group(i);
        CHECK(pyro_heap_may_know(at));
        pyro_heap_cell cell = pyro_heap_take(heap, at);
        CHECK_EQ(pyro_heap_stack_of(cell), stack);
        pyro_heap_freed(heap, cell, false);
        CHECK_EQ(pyro_heap_take(heap, at), 0);
    }
    CHECK_EQ(totals.live, 0);
    CHECK_EQ(entry->frees, entry->allocations);
    CHECK_EQ(entry->held, entry->allocated);
    pyro_heap_allocated(heap, stack, (void *)UINT64_C(0x20000000), 100);
    CHECK(pyro_heap_may_know((void *)UINT64_C(0x20000000)));
    pyro_heap_freed(heap, pyro_heap_take(heap, (void *)UINT64_C(0x20000000)), false);
    CHECK(!pyro_heap_may_know((void *)UINT64_C(0x20000000)));
}

static void stacks_end_where_there_is_no_room(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    for (size_t i = 0; i < 64 * PYRO_BLOCK_STACK_COUNT; i++)
        CHECK(pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1) != PYRO_STACK_NONE);
    CHECK_EQ(pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1), PYRO_STACK_NONE);
}

static void a_child_knows_of_nothing(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    pyro_heap_allocated(heap, stack, address(1), 100);
    atomic_store(&heap->on, true);
    pyro_heap_lock(heap);
    pid_t child = fork();
    if (child == 0) /* off, and nobody holds the lock */
        _exit(heap->on || heap->locked || heap->regions ? 1 : 0);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(pyro_heap_own_bytes(heap) > 0);
    pyro_heap_close(heap);
    CHECK_EQ(pyro_heap_own_bytes(heap), 0);
}

static void the_largest_block_of_a_stack_is_kept(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 5, 1);
    pyro_heap_allocated(heap, stack, address(0), 1000);
    pyro_heap_cell cell = pyro_heap_take(heap, address(0));
    pyro_heap_moved(heap, cell, stack, address(1), 5000);
    pyro_heap_allocated(heap, stack, address(2), 100);
    pyro_heap_freed(heap, pyro_heap_take(heap, address(1)), false);
    CHECK_EQ(pyro_heap_stack(heap, stack)->largest, 5000 / PYRO_STACK_LARGEST_UNIT);
    pyro_heap_allocated(heap, stack, address(3), UINT64_C(1) << 38);
    CHECK_EQ(pyro_heap_stack(heap, stack)->largest, UINT32_MAX);
    pyro_heap_close(heap);
    free(blocks);
}

int main(void)
{
    return CHECK_MAIN(TEST(the_mark_is_that_of_a_replay), TEST(sizes_fall_into_classes),
                      TEST(what_was_freed_past_us_is_counted), TEST(what_cannot_be_told_of_is_lost),
                      TEST(a_mark_of_code_is_handed_back), TEST(what_c_code_took_is_told_apart),
                      TEST(sampled_blocks_are_known_until_they_end),
                      TEST(stacks_end_where_there_is_no_room), TEST(a_child_knows_of_nothing),
                      TEST(the_largest_block_of_a_stack_is_kept));
}
