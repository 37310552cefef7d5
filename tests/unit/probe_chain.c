/* tests/unit/probe_chain.c - probe/chain.h: the sum with what was kept is the one of the frames alone, whatever becomes of them. */
#include "probe/chain.h"

#include "base/random.h"

#include "check.h"

#include <stdbool.h>
#include <stddef.h>

#define STEPS      300000
#define FRAMES     3000
#define GENERATORS 5

struct frame {
    const void *code;
    struct frame *previous;
    const void *other[5];
    uintptr_t instruction;
};

static const struct pyro_chain_layout layout = {
    .previous = offsetof(struct frame, previous),
    .instruction = offsetof(struct frame, instruction),
};

/* One thread: frames on a stack, whose memory is the next ones' when they are left, and generators' among them. */
struct thread {
    struct pyro_chain *chain;
    struct frame *top, *generators[GENERATORS];
    bool runs[GENERATORS];
    uint32_t depth;
    uint64_t random;
};

static uint32_t below(struct thread *thread, uint32_t count)
{
    return pyro_random_below(&thread->random, count);
}

static int generator_at(const struct thread *thread, const struct frame *frame)
{
    for (int i = 0; i < GENERATORS; i++)
        if (thread->generators[i] == frame)
            return i;
    return -1;
}

static void enter(struct thread *thread)
{
    struct frame *frame = NULL;
    uint32_t i = below(thread, 4 * GENERATORS);
    if (i < GENERATORS && !thread->runs[i]) {
        frame = thread->generators[i];
        thread->runs[i] = true;
    } else {
        frame = malloc(sizeof(*frame)); /* what was freed last, mostly */
    }
    CHECK(frame);
    frame->previous = thread->top;
    frame->instruction = 2 * below(thread, 3);
    thread->top = frame;
    thread->depth++;
}

static void leave(struct thread *thread)
{
    struct frame *frame = thread->top;
    if (!frame)
        return;
    int generator = generator_at(thread, frame);
    thread->top = frame->previous;
    thread->depth--;
    if (generator < 0) {
        free(frame);
        return;
    }
    frame->previous = NULL;
    thread->runs[generator] = false;
}

/* Only where all frames above are left, in a real one; here anywhere. */
static void go_on(struct thread *thread)
{
    struct frame *frame = thread->top;
    for (uint32_t up = below(thread, 8); frame && up > 0; up--)
        frame = frame->previous;
    if (frame)
        frame->instruction = 2 * below(thread, 3);
}

static void change(struct thread *thread, uint32_t frames)
{
    for (uint32_t i = below(thread, 6); i > 0; i--)
        switch (below(thread, 3)) {
        case 0:
            if (thread->depth < frames)
                enter(thread);
            break;
        case 1:
            leave(thread);
            break;
        default:
            go_on(thread);
        }
    if (below(thread, 1000) == 0)
        for (uint32_t i = below(thread, frames); i > 0 && thread->depth < frames; i--)
            enter(thread);
    if (below(thread, 1000) == 0)
        for (uint32_t i = below(thread, frames); i > 0; i--)
            leave(thread);
}

static void run(uint32_t frames, uint32_t steps, uint64_t seed)
{
    struct thread thread = {.chain = pyro_chain_new(), .random = pyro_random_seed(seed)};
    CHECK(thread.chain);
    for (int i = 0; i < GENERATORS; i++)
        CHECK((thread.generators[i] = calloc(1, sizeof(struct frame))) != NULL);
    for (uint32_t i = 0; i < steps; i++) {
        change(&thread, frames);
        CHECK_EQ(pyro_chain_sum(thread.chain, &layout, thread.top),
                 pyro_chain_plain_sum(&layout, thread.top));
    }
    while (thread.top)
        leave(&thread);
    for (int i = 0; i < GENERATORS; i++)
        free(thread.generators[i]);
    pyro_chain_free(thread.chain);
}

static void shallow_chains(void)
{
    run(12, STEPS, 1);
}

static void deep_chains(void)
{
    run(200, STEPS, 2);
}

static void chains_too_long_to_keep(void)
{
    run(FRAMES, STEPS / 10, 3);
}

static void the_order_of_frames_counts(void)
{
    struct frame outer = {.instruction = 4}, inner = {.previous = &outer, .instruction = 6};
    uint64_t one = pyro_chain_plain_sum(&layout, &inner);
    outer.instruction = 6;
    inner.instruction = 4;
    CHECK(pyro_chain_plain_sum(&layout, &inner) != one);
    CHECK(pyro_chain_plain_sum(&layout, &outer) != one);
    CHECK(pyro_chain_plain_sum(&layout, NULL) != pyro_chain_plain_sum(&layout, &outer));
}

int main(void)
{
    return CHECK_MAIN(TEST(shallow_chains), TEST(deep_chains), TEST(chains_too_long_to_keep),
                      TEST(the_order_of_frames_counts));
}
