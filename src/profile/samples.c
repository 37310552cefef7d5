/* profile/samples.c - blocks of samples and times, and the table of what samples have in common. */
#include "profile/samples.h"

#include "profile/parse.h"

#include <errno.h>
#include <stdlib.h>

/* Make sure that there is room for item COUNT in *BLOCKS_POINTER, an array of pointers to blocks. Blocks are made one
 * after the other, so there is one more to make or none. */
static int reserve_block(void *blocks_pointer, size_t count, size_t *capacity, size_t item_size)
{
    size_t block = count / PYRO_SAMPLE_BLOCK;
    if (count % PYRO_SAMPLE_BLOCK != 0)
        return 0;
    int error = pyro_grow(blocks_pointer, block, capacity, sizeof(void *));
    if (error < 0)
        return error;
    void *made = malloc(PYRO_SAMPLE_BLOCK * item_size);
    if (!made)
        return -ENOMEM;
    (*(void ***)blocks_pointer)[block] = made;
    return 0;
}

int pyro_samples_sweep(struct pyro_profile_samples *samples, uint64_t time_us)
{
    size_t at = samples->sweep_count;
    int error = reserve_block(&samples->sweep_blocks, at, &samples->sweep_block_capacity,
                              sizeof(**samples->sweep_blocks));
    if (error < 0)
        return error;
    samples->sweep_blocks[at / PYRO_SAMPLE_BLOCK][at % PYRO_SAMPLE_BLOCK] = time_us;
    samples->sweep_count++;
    return 0;
}

int64_t pyro_samples_kind(struct pyro_profile_samples *samples, const struct pyro_sample_kind *kind)
{
    uint64_t who = (uint64_t)kind->thread << 32 | kind->wait;
    uint64_t how = (uint64_t)kind->flags << 8 | kind->state;
    const uint64_t *known = pyro_map_find(&samples->kind_ids, who, how);
    if (known)
        return (int64_t)*known;
    int error = pyro_grow(&samples->kinds, samples->kind_count, &samples->kind_capacity,
                          sizeof(*samples->kinds));
    uint64_t *id = error < 0 ? NULL : pyro_map_insert(&samples->kind_ids, who, how, NULL);
    if (!id)
        return -ENOMEM;
    *id = samples->kind_count;
    samples->kinds[samples->kind_count] = *kind;
    return (int64_t)samples->kind_count++;
}

int pyro_samples_add(struct pyro_profile_samples *samples, uint32_t stack, uint32_t kind)
{
    int error = reserve_block(&samples->blocks, samples->count, &samples->block_capacity,
                              sizeof(**samples->blocks));
    if (error < 0)
        return error;
    *pyro_samples_at(samples, samples->count++) = (struct pyro_sample){
        .stack = stack, .sweep = (uint32_t)(samples->sweep_count - 1), .kind = kind};
    return 0;
}

/* Groups that begin before sweep END begin in a stretch that is there, the last one at most. */
static int fill_groups(struct pyro_profile_samples *samples, size_t end)
{
    while (samples->group_count * PYRO_SWEEP_GROUP < end) {
        int error = pyro_grow(&samples->groups, samples->group_count, &samples->group_capacity,
                              sizeof(*samples->groups));
        if (error < 0)
            return error;
        samples->groups[samples->group_count++] = (uint32_t)(samples->stretch_count - 1);
    }
    return 0;
}

int pyro_samples_weigh(struct pyro_profile_samples *samples, size_t first_sweep, float weight_us)
{
    int error = fill_groups(samples, first_sweep);
    if (error == 0)
        error = pyro_grow(&samples->stretches, samples->stretch_count, &samples->stretch_capacity,
                          sizeof(*samples->stretches));
    if (error < 0)
        return error;
    samples->stretches[samples->stretch_count++] =
        (struct pyro_stretch){.first_sweep = (uint32_t)first_sweep, .weight_us = weight_us};
    return 0;
}

static void free_blocks(void *const *blocks, size_t count)
{
    for (size_t i = 0; i * PYRO_SAMPLE_BLOCK < count; i++)
        free(blocks[i]);
}

void pyro_samples_free(struct pyro_profile_samples *samples)
{
    free_blocks((void *const *)samples->blocks, samples->count);
    free_blocks((void *const *)samples->sweep_blocks, samples->sweep_count);
    free(samples->blocks);
    free(samples->sweep_blocks);
    free(samples->kinds);
    free(samples->stretches);
    free(samples->groups);
    free(samples->sums);
    pyro_map_free(&samples->kind_ids);
    *samples = (struct pyro_profile_samples){0};
}
