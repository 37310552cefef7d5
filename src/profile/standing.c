/* profile/standing.c - the samples that a thread begins with, less what was traced. */
#include "profile/standing.h"

#include <errno.h>
#include <stdlib.h>

struct standing {
    uint32_t stack; /* in the first sweep; PYRO_STACK_ROOT: it was not there yet */
    bool waits; /* it did once: until then it goes back to sleep, after all threads were stopped */
    bool over;
    double stood_us;   /* there, from the first sweep on */
    double missing_us; /* sampled, and in no record */
};

static void take_sample(struct standing *standing, const struct pyro_profile *profile, size_t i)
{
    double weight_us = (double)pyro_sample_weight_us(profile, i);
    uint32_t stack = pyro_sample_stack(profile, i);
    bool waits = pyro_sample_state(profile, i) == PYRO_STATE_WAITING;
    standing->missing_us += weight_us;
    if (pyro_sample_at(profile, i)->sweep == 0)
        standing->stack = stack;
    standing->over |= stack != standing->stack || (standing->waits && !waits);
    standing->waits |= waits && !standing->over;
    if (!standing->over)
        standing->stood_us += weight_us;
}

static int add_records(struct pyro_profile *profile, const struct standing *threads)
{
    size_t count = profile->traced_count + profile->thread_count;
    struct pyro_traced *traced = reallocarray(profile->traced, count, sizeof(*traced));
    if (!traced)
        return -ENOMEM;
    profile->traced = traced;
    for (uint32_t i = 0; i < profile->thread_count; i++) {
        const struct standing *it = &threads[i];
        double self_us = it->stood_us < it->missing_us ? it->stood_us : it->missing_us;
        if (it->stack != PYRO_STACK_ROOT && it->waits && self_us > 0)
            traced[profile->traced_count++] = (struct pyro_traced){
                .thread = i, .stack = it->stack, .self_ns = (uint64_t)(self_us * 1000)};
    }
    return 0;
}

int pyro_standing_add(struct pyro_profile *profile)
{
    if (profile->traced_count == 0)
        return 0;
    struct standing *threads = calloc(profile->thread_count + 1, sizeof(*threads));
    if (!threads)
        return -ENOMEM;
    for (size_t i = 0; i < profile->samples.count; i++)
        take_sample(&threads[pyro_sample_thread(profile, i)], profile, i);
    for (size_t i = 0; i < profile->traced_count; i++)
        threads[profile->traced[i].thread].missing_us -= (double)profile->traced[i].self_ns / 1000;
    int result = add_records(profile, threads);
    free(threads);
    return result;
}
