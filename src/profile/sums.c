/* profile/sums.c - one pass over all samples. */
#include "profile/sums.h"

#include "base/grow.h"
#include "base/parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sums of one stack are a chain, a few of them, since few things happen at one place. What comes after that is found by a map: a file that is
 * made to be slow is not. */
#define CHAIN_MAX 8

/* Where sums were found not long ago: a few stacks have most of the samples, and what leads to the others is a cache miss a step. */
#define RECENT_BITS 12
struct recent {
    uint32_t stack, kind, place; /* kind PYRO_NO_ID: none */
};

struct maker {
    struct pyro_sample_sum *sums;
    uint32_t *next; /* [capacity] the next one of the same stack; PYRO_NO_ID: the last */
    size_t count, capacity, next_capacity;
    uint32_t *first;        /* [stack_count] */
    struct pyro_map places; /* stack and kind -> place in SUMS, of those that are in no chain */
    struct recent *recent;  /* [1 << RECENT_BITS] */
};

static int64_t add_sum(struct maker *maker, uint32_t stack, uint32_t kind)
{
    if (pyro_grow(&maker->sums, maker->count, &maker->capacity, sizeof(*maker->sums)) < 0 ||
        pyro_grow(&maker->next, maker->count, &maker->next_capacity, sizeof(*maker->next)) < 0)
        return -ENOMEM;
    maker->sums[maker->count] = (struct pyro_sample_sum){.stack = stack, .kind = kind};
    maker->next[maker->count] = PYRO_NO_ID;
    return (int64_t)maker->count++;
}

static int64_t place_in_map(struct maker *maker, uint32_t stack, uint32_t kind)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(&maker->places, stack, kind, &is_new);
    if (!place)
        return -ENOMEM;
    int64_t made = is_new ? add_sum(maker, stack, kind) : (int64_t)*place;
    *place = (uint64_t)made;
    return made;
}

static int64_t place_of(struct maker *maker, uint32_t stack, uint32_t kind)
{
    uint32_t last = PYRO_NO_ID, at = maker->first[stack];
    for (int i = 0; i < CHAIN_MAX; i++) {
        if (at == PYRO_NO_ID) {
            int64_t made = add_sum(maker, stack, kind);
            if (made >= 0)
                *(last == PYRO_NO_ID ? &maker->first[stack] : &maker->next[last]) = (uint32_t)made;
            return made;
        }
        if (maker->sums[at].kind == kind)
            return at;
        last = at;
        at = maker->next[at];
    }
    return place_in_map(maker, stack, kind);
}

static int64_t recent_place_of(struct maker *maker, uint32_t stack, uint32_t kind)
{
    uint32_t hash = (stack + kind * 0x85ebca6bu) * 0x9e3779b1u;
    struct recent *recent = &maker->recent[hash >> (32 - RECENT_BITS)];
    if (recent->stack == stack && recent->kind == kind)
        return recent->place;
    int64_t place = place_of(maker, stack, kind);
    if (place >= 0)
        *recent = (struct recent){.stack = stack, .kind = kind, .place = (uint32_t)place};
    return place;
}

/* Samples up to END. */
static int add_up(struct maker *maker, const struct pyro_profile *profile, size_t begin, size_t end)
{
    uint32_t sweep = PYRO_NO_ID;
    double weight_us = 0;
    for (size_t i = begin; i < end; i++) {
        const struct pyro_sample *sample = pyro_sample_at(profile, i);
        if (sample->sweep != sweep) /* those of a sweep weigh the same */
            weight_us = (double)pyro_sample_weight_us(profile, i);
        sweep = sample->sweep;
        int64_t place = recent_place_of(maker, sample->stack, sample->kind);
        if (place < 0)
            return -ENOMEM;
        struct pyro_sample_sum *sum = &maker->sums[place];
        sum->count++;
        sum->weight_us += weight_us;
        sum->squares_us2 += weight_us * weight_us;
    }
    return 0;
}

static int begin_sums(struct maker *maker, size_t stacks)
{
    maker->first = malloc((stacks + 1) * sizeof(*maker->first));
    maker->recent = malloc(sizeof(*maker->recent) << RECENT_BITS);
    if (!maker->first || !maker->recent)
        return -ENOMEM;
    memset(maker->first, 0xff, stacks * sizeof(*maker->first)); /* PYRO_NO_ID */
    memset(maker->recent, 0xff, sizeof(*maker->recent) << RECENT_BITS);
    return 0;
}

static void clear(struct maker *maker)
{
    free(maker->sums);
    free(maker->next);
    free(maker->first);
    free(maker->recent);
    pyro_map_free(&maker->places);
}

/* -- parts ---------------------------------------------------------------------------------------- */

/* Of many samples each quarter is added up alone, whatever the number of CPUs: what comes out is the same everywhere. */
#define PARTS         4
#define PARTS_SAMPLES (1u << 20)

struct parts {
    const struct pyro_profile *profile;
    size_t count;
    struct maker makers[PARTS];
    int results[PARTS];
};

static void add_up_part(void *context, size_t which)
{
    struct parts *parts = context;
    size_t samples = parts->profile->samples.count;
    struct maker *maker = &parts->makers[which];
    int result = begin_sums(maker, parts->profile->stack_count);
    if (result == 0)
        result = add_up(maker, parts->profile, samples * which / parts->count,
                        samples * (which + 1) / parts->count);
    parts->results[which] = result;
}

/* In the order in which they were first seen in all. */
static int take_sum(struct maker *maker, const struct pyro_sample_sum *sum)
{
    int64_t place = place_of(maker, sum->stack, sum->kind);
    if (place < 0)
        return -ENOMEM;
    maker->sums[place].count += sum->count;
    maker->sums[place].weight_us += sum->weight_us;
    maker->sums[place].squares_us2 += sum->squares_us2;
    return 0;
}

static int join(struct parts *parts)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < parts->count; i++)
        result = parts->results[i];
    for (size_t i = 1; result == 0 && i < parts->count; i++)
        for (size_t k = 0; result == 0 && k < parts->makers[i].count; k++)
            result = take_sum(&parts->makers[0], &parts->makers[i].sums[k]);
    return result;
}

int pyro_sums_make(struct pyro_profile *profile)
{
    struct parts parts = {.profile = profile,
                          .count = profile->samples.count < PARTS_SAMPLES ? 1 : PARTS};
    pyro_parallel(parts.count, add_up_part, &parts);
    int result = join(&parts);
    if (result == 0) {
        free(profile->samples.sums);
        profile->samples.sums = parts.makers[0].sums;
        profile->samples.sum_count = parts.makers[0].count;
        parts.makers[0].sums = NULL;
    }
    for (size_t i = 0; i < parts.count; i++)
        clear(&parts.makers[i]);
    return result;
}
