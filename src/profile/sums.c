/* profile/sums.c - one pass over all samples, in which most of them need no look-up: a thread stays where it is for some time. */
#include "profile/sums.h"

#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>

struct maker {
    struct pyro_sample_sum *sums;
    size_t count, capacity;
    struct pyro_map places; /* stack and kind -> place in SUMS */
    uint32_t *last;         /* [kind_count] place of the last sample of that kind */
};

static int64_t place_of(struct maker *maker, const struct pyro_sample *sample)
{
    uint32_t last = maker->last[sample->kind];
    if (last < maker->count && maker->sums[last].stack == sample->stack)
        return last;
    bool is_new;
    uint64_t *place = pyro_map_insert(&maker->places, sample->stack, sample->kind, &is_new);
    if (!place || pyro_grow(&maker->sums, maker->count, &maker->capacity, sizeof(*maker->sums)) < 0)
        return -ENOMEM;
    if (is_new) {
        *place = maker->count;
        maker->sums[maker->count++] =
            (struct pyro_sample_sum){.stack = sample->stack, .kind = sample->kind};
    }
    maker->last[sample->kind] = (uint32_t)*place;
    return (int64_t)*place;
}

static int add_up(struct maker *maker, const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->samples.count; i++) {
        int64_t place = place_of(maker, pyro_sample_at(profile, i));
        if (place < 0)
            return -ENOMEM;
        double weight_us = (double)pyro_sample_weight_us(profile, i);
        maker->sums[place].count++;
        maker->sums[place].weight_us += weight_us;
        maker->sums[place].squares_us2 += weight_us * weight_us;
    }
    return 0;
}

int pyro_sums_make(struct pyro_profile *profile)
{
    struct maker maker = {0};
    size_t kinds = profile->samples.kind_count;
    maker.last = malloc((kinds + 1) * sizeof(*maker.last));
    if (!maker.last)
        return -ENOMEM;
    for (size_t i = 0; i < kinds; i++)
        maker.last[i] = PYRO_NO_ID;
    int result = add_up(&maker, profile);
    if (result == 0) {
        free(profile->samples.sums);
        profile->samples.sums = maker.sums;
        profile->samples.sum_count = maker.count;
    } else {
        free(maker.sums);
    }
    free(maker.last);
    pyro_map_free(&maker.places);
    return result;
}
