/* tests/unit/probe_mappings.c - probe/mappings.h: ranges that come and go in parts, against a model that knows whose each page is. */
#include "probe/mappings.h"

#include "base/random.h"

#include "check.h"

#define SEQUENCES 20000
#define EVENTS    30
#define PAGES     40u
#define PAGE      UINT64_C(4096)
#define STACKS    3u
#define BASE      UINT64_C(0x7f0000000000)

static uint8_t *blocks;
static uint32_t claimed;

static struct pyro_block_head *claim(enum pyro_block_kind kind)
{
    return claimed < 8 ? (struct pyro_block_head *)(blocks + ++claimed * (size_t)PYRO_BLOCK_SIZE)
                       : NULL;
}

static struct pyro_heap *open_heap(struct pyro_heap_totals *totals)
{
    blocks = calloc(9, PYRO_BLOCK_SIZE);
    struct pyro_heap *heap = pyro_heap_new();
    CHECK(blocks && heap);
    *totals = (struct pyro_heap_totals){0};
    CHECK_EQ(pyro_heap_open(heap, blocks, totals, claim), 0);
    return heap;
}

/* Of each page: which mapping it is of, 0: of none; and of each mapping: whose. */
struct model {
    uint32_t page[PAGES];
    uint32_t owner[EVENTS + 1];
};

static void compare(const struct pyro_heap *heap, const struct model *model,
                    const uint32_t stacks[STACKS], const struct pyro_heap_totals *totals)
{
    uint64_t all = 0;
    for (uint32_t s = 0; s < STACKS; s++) {
        uint64_t bytes = 0, count = 0;
        for (uint32_t m = 1; m <= EVENTS; m++) {
            bool alive = false;
            for (uint32_t p = 0; p < PAGES; p++)
                if (model->page[p] == m && model->owner[m] == s) {
                    bytes += PAGE;
                    alive = true;
                }
            count += alive;
        }
        const struct pyro_stack_entry *entry = pyro_heap_stack(heap, stacks[s]);
        CHECK_EQ(entry->allocated - entry->freed, bytes);
        CHECK_EQ(entry->allocations - entry->frees, count);
        all += bytes;
    }
    CHECK_EQ(totals->live, all);
    CHECK_EQ(totals->native, all);
}

static void parts_are_those_of_a_model(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    uint64_t random = pyro_random_seed(36);
    uint32_t stacks[STACKS];
    for (uint32_t s = 0; s < STACKS; s++)
        stacks[s] = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, s);
    for (int i = 0; i < SEQUENCES; i++) {
        struct model model = {0};
        for (uint32_t event = 1; event <= EVENTS; event++) {
            uint32_t first = pyro_random_below(&random, PAGES);
            uint32_t count = 1 + pyro_random_below(&random, PAGES - first);
            bool adds = pyro_random_below(&random, 2);
            model.owner[event] = pyro_random_below(&random, STACKS);
            uint64_t known = 0;
            for (uint32_t p = first; p < first + count; p++) {
                known += model.page[p] ? PAGE : 0;
                model.page[p] = adds ? event : 0;
            }
            if (adds)
                pyro_mappings_add(heap, stacks[model.owner[event]], BASE + first * PAGE,
                                  count * PAGE);
            else
                CHECK_EQ(pyro_mappings_remove(heap, BASE + first * PAGE, count * PAGE), known);
            compare(heap, &model, stacks, &totals);
        }
        (void)pyro_mappings_remove(heap, BASE, PAGES * PAGE);
    }
    CHECK_EQ(totals.live, 0);
    CHECK_EQ(totals.lost, 0);
    pyro_mappings_forget(false);
}

static void many_are_known(void)
{
    struct pyro_heap_totals totals;
    struct pyro_heap *heap = open_heap(&totals);
    claimed = 0;
    uint32_t stack = pyro_heap_new_stack(heap, PYRO_STACK_NONE, 2, 1);
    for (uint64_t i = 0; i < 5000; i++)
        pyro_mappings_add(heap, stack, BASE + i * 2 * PAGE, PAGE);
    CHECK_EQ(totals.live, 5000 * PAGE);
    CHECK_EQ(pyro_mappings_remove(heap, BASE, 10000 * PAGE), 5000 * PAGE);
    CHECK_EQ(totals.live, 0);
    pyro_mappings_forget(false);
}

int main(void)
{
    return CHECK_MAIN(TEST(parts_are_those_of_a_model), TEST(many_are_known));
}
