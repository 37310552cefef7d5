/* probe/chain.c - the sum is (((1 + i1) F + i2) F + ...) F with the outermost frame's instruction first, so that a frame's own is made of
 * its caller's. */
#include "probe/chain.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#define FACTOR    UINT64_C(0x9e3779b97f4a7c15) /* odd */
#define EMPTY_SUM 1
#define SLOT_BITS 11
#define SHALLOW   12 /* frames that are read at once: less work than to look whether they are kept */
#define PATIENCE  64 /* chains that are not looked for after one that was too long */

struct known {
    const void *frame, *instruction;
    uint64_t sum; /* of its callers and it */
};

struct pyro_chain {
    uint32_t count;
    uint32_t skip;                            /* so many are not looked for */
    struct known known[PYRO_CHAIN_MAX + 1];   /* the outermost is 1, and none is 0 */
    const void *fresh[PYRO_CHAIN_MAX];        /* the innermost first */
    uint16_t slots[UINT32_C(1) << SLOT_BITS]; /* of a frame's address: its place, perhaps */
};

struct pyro_chain *pyro_chain_new(void)
{
    struct pyro_chain *chain =
        mmap(NULL, sizeof(*chain), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chain == MAP_FAILED)
        return NULL;
    chain->known[0].sum = EMPTY_SUM;
    return chain;
}

void pyro_chain_free(struct pyro_chain *chain)
{
    if (chain)
        munmap(chain, sizeof(*chain));
}

static inline const void *word_at(const void *frame, size_t offset)
{
    return *(const void *const *)((const char *)frame + offset);
}

uint64_t pyro_chain_plain_sum(const struct pyro_chain_layout *layout, const void *innermost)
{
    uint64_t sum = 0, power = EMPTY_SUM;
    for (const void *frame = innermost; frame; frame = word_at(frame, layout->previous)) {
        power *= FACTOR;
        sum += (uintptr_t)word_at(frame, layout->instruction) * power;
    }
    return sum + power;
}

/* -- what is kept ------------------------------------------------------------------------------- */

static inline uint16_t *slot_of(struct pyro_chain *chain, const void *frame)
{
    return &chain->slots[(uintptr_t)frame * FACTOR >> (64 - SLOT_BITS)];
}

/* Where FRAME is kept; 0: it is not. */
static inline uint32_t place_of(struct pyro_chain *chain, const void *frame)
{
    if (chain->known[chain->count].frame == frame)
        return chain->count;
    uint32_t place = *slot_of(chain, frame);
    return place <= chain->count && chain->known[place].frame == frame ? place : 0;
}

static inline void sum_up(struct known *known, const void *instruction)
{
    known->instruction = instruction;
    known->sum = (known[-1].sum + (uintptr_t)instruction) * FACTOR;
}

/* From PLACE, which is a frame of the chain, to the outermost. True: each has the caller that it had, and RET_SAME is the
 * innermost of those that stand where they stood, as all of its callers do. Else RET_SAME is the one that has another. */
static inline bool is_kept(const struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                           uint32_t place, uint32_t *ret_same)
{
    const size_t previous = layout->previous, instruction = layout->instruction;
    const struct known *known = &chain->known[place], *same = known;
    const void *frame = known->frame;
    while (frame) {
        const void *caller = known[-1].frame;
        if (__builtin_expect_with_probability(word_at(frame, instruction) != known->instruction, 0,
                                              0.99))
            same = known - 1;
        if (__builtin_expect(word_at(frame, previous) != caller, 0)) {
            *ret_same = (uint32_t)(known - chain->known);
            return false;
        }
        frame = caller;
        known--;
    }
    *ret_same = (uint32_t)(same - chain->known);
    return true;
}

/* Keep the frames up to PLACE, of which those behind SAME stand elsewhere now, and the FRESH ones after them. */
static inline uint64_t keep(struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                            uint32_t same, uint32_t place, uint32_t fresh)
{
    for (uint32_t i = same + 1; i <= place; i++)
        sum_up(&chain->known[i], word_at(chain->known[i].frame, layout->instruction));
    while (fresh > 0) {
        const void *frame = chain->fresh[--fresh];
        chain->known[++place].frame = frame;
        sum_up(&chain->known[place], word_at(frame, layout->instruction));
        *slot_of(chain, frame) = (uint16_t)place;
    }
    chain->count = place;
    return chain->known[place].sum;
}

static uint64_t give_up(struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                        const void *innermost)
{
    chain->skip = PATIENCE;
    return pyro_chain_plain_sum(layout, innermost);
}

/* Of FRAME and its callers, with what was kept of them. */
static uint64_t deep_sum(struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                         const void *innermost)
{
    uint32_t fresh = 0, place = 0, same = 0;
    if (chain->skip) {
        chain->skip--;
        return pyro_chain_plain_sum(layout, innermost);
    }
    for (const void *frame = innermost; frame; frame = word_at(frame, layout->previous)) {
        place = place_of(chain, frame);
        if (place && is_kept(chain, layout, place, &same))
            break;
        /* Those that are kept up to the one with another caller are of the chain, but lie elsewhere in it. */
        const uint32_t last = place ? same : 0;
        for (; place > last && fresh < PYRO_CHAIN_MAX; place--)
            chain->fresh[fresh++] = chain->known[place].frame;
        if (place)
            frame = chain->known[place].frame;
        if (fresh == PYRO_CHAIN_MAX)
            return give_up(chain, layout, innermost);
        chain->fresh[fresh++] = frame;
        place = same = 0;
    }
    if (place + fresh > PYRO_CHAIN_MAX)
        return give_up(chain, layout, innermost);
    return keep(chain, layout, same, place, fresh);
}

uint64_t pyro_chain_sum(struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                        const void *innermost)
{
    uint64_t sum = 0, power = 1;
    const void *frame = innermost;
    for (int i = 0; frame && i < SHALLOW; i++, frame = word_at(frame, layout->previous)) {
        power *= FACTOR;
        sum += (uintptr_t)word_at(frame, layout->instruction) * power;
    }
    return sum + power * (frame ? deep_sum(chain, layout, frame) : EMPTY_SUM);
}
