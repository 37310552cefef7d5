/* Samples that were added up answer as each of them does. */
#include "profile/sums.h"
#include "profile/summary.h"
#include "profile/totals.h"

#include "fixture_profile.h"

#include <math.h>

static void all_samples_are_in_them(void)
{
    struct pyro_profile *profile = fixture_orders();
    uint64_t samples = 0;
    double time_us = 0;
    CHECK_EQ(pyro_sums_make(profile), 0);
    for (size_t i = 0; i < profile->samples.sum_count; i++) {
        samples += profile->samples.sums[i].count;
        time_us += profile->samples.sums[i].weight_us;
        for (size_t j = 0; j < i; j++)
            CHECK(profile->samples.sums[j].stack != profile->samples.sums[i].stack ||
                  profile->samples.sums[j].kind != profile->samples.sums[i].kind);
    }
    CHECK_EQ(samples, profile->samples.count);
    CHECK(fabs(time_us - 1e6) < 1);
    CHECK(profile->samples.sum_count < profile->samples.count / 10);
    fixture_free(profile);
}

static void check_same(const struct pyro_totals *one, const struct pyro_totals *summed,
                       const struct pyro_profile *profile)
{
    CHECK_EQ(one->counted_samples, summed->counted_samples);
    CHECK(fabs(one->counted_us - summed->counted_us) < 1e-6);
    for (size_t i = 0; i < profile->function_count; i++) {
        CHECK(fabs(one->functions[i].self_us - summed->functions[i].self_us) < 1e-6);
        CHECK(fabs(one->functions[i].total_us - summed->functions[i].total_us) < 1e-6);
        CHECK_EQ(one->functions[i].total_samples, summed->functions[i].total_samples);
    }
}

static void totals_are_the_same(enum pyro_clock clock, const struct pyro_totals_filter *filter)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_clock_view view;
    struct pyro_totals one, summed;
    struct pyro_summary summary_one, summary_summed;
    CHECK_EQ(pyro_clock_view_init(&view, profile, clock, false), 0);
    CHECK_EQ(pyro_totals_init(&one, &view, filter), 0);
    CHECK_EQ(pyro_summary_make(&summary_one, profile, filter), 0);
    CHECK_EQ(pyro_sums_make(profile), 0);
    CHECK_EQ(pyro_totals_init(&summed, &view, filter), 0);
    CHECK_EQ(pyro_summary_make(&summary_summed, profile, filter), 0);
    CHECK(one.counted_samples > 0);
    check_same(&one, &summed, profile);
    CHECK_EQ(summary_one.samples, summary_summed.samples);
    CHECK_EQ(summary_one.waiting_count, summary_summed.waiting_count);
    CHECK(fabs(summary_one.running_us - summary_summed.running_us) < 1e-6);
    pyro_totals_clear(&one);
    pyro_totals_clear(&summed);
    pyro_clock_view_clear(&view);
    fixture_free(profile);
}

static void each_clock_has_the_same_totals(void)
{
    for (int clock = PYRO_CLOCK_WALL; clock <= PYRO_CLOCK_WAIT; clock++)
        if (clock != PYRO_CLOCK_GIL) /* the fixture has none */
            totals_are_the_same((enum pyro_clock)clock, &PYRO_TOTALS_ALL);
}

/* Sums know no time: who asks for a part of it asks the samples. */
static void a_part_of_the_time_is_asked_of_samples(void)
{
    totals_are_the_same(PYRO_CLOCK_WALL,
                        &(struct pyro_totals_filter){.thread = PYRO_NO_ID, .since_us = 500000});
}

/* Of one stack there are more kinds than a chain holds, and more samples than are added up at once: the same as one by one. */
static void many_kinds_and_many_samples(void)
{
    enum { KINDS = 40, SAMPLES = 1 << 21 };
    struct pyro_profile *profile = fixture_profile();
    uint32_t frame = fixture_code(profile, "main", "/srv/shop/a.py", 1);
    uint32_t stacks[] = {FIXTURE_PATH(profile, frame), FIXTURE_PATH(profile, frame, frame)};
    struct pyro_profile_samples *samples = &profile->samples;
    uint64_t counts[2][KINDS] = {{0}};
    CHECK_EQ(pyro_samples_weigh(samples, 0, 250), 0);
    for (uint32_t i = 0; i < KINDS; i++)
        CHECK_EQ(pyro_samples_kind(
                     samples, &(struct pyro_sample_kind){.wait = i, .state = PYRO_STATE_WAITING}),
                 i);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t which = i / 7 % 2, kind = which ? i % KINDS : i % 3;
        if (i % 4 == 0)
            CHECK_EQ(pyro_samples_sweep(samples, i), 0);
        CHECK_EQ(pyro_samples_add(samples, stacks[which], kind), 0);
        counts[which][kind]++;
    }
    CHECK_EQ(pyro_sums_make(profile), 0);
    CHECK_EQ(samples->sum_count, KINDS + 3);
    for (size_t i = 0; i < samples->sum_count; i++) {
        const struct pyro_sample_sum *sum = &samples->sums[i];
        uint64_t count = counts[sum->stack == stacks[1]][sum->kind];
        CHECK_EQ(sum->count, count);
        CHECK(fabs(sum->weight_us - 250.0 * (double)count) < 1e-6);
        CHECK(fabs(sum->squares_us2 - 62500.0 * (double)count) < 1e-3);
    }
    CHECK_EQ(samples->sums[0].stack, stacks[0]); /* in the order in which they were first seen */
    CHECK_EQ(samples->sums[0].kind, 0);
    fixture_free(profile);
}

enum { STACKS = 30000, OF_A_STACK = 5 };

/* Each of another range, and the ways between them differ. */
static uint32_t kind_of(uint32_t range, uint32_t stack, uint32_t which)
{
    return which * range + stack * (which + 1) % range;
}

/* More than are remembered from not long ago: each is found again, and none is taken for another one. */
static void many_stacks_of(uint32_t range)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t frame = fixture_code(profile, "main", "/srv/shop/a.py", 1);
    struct pyro_profile_samples *samples = &profile->samples;
    for (uint32_t i = 1; i < STACKS; i++)
        CHECK_EQ(fixture_stack(profile, i / 2, frame), i);
    CHECK_EQ(pyro_samples_weigh(samples, 0, 250), 0);
    for (uint32_t kind = 0; kind < OF_A_STACK * range; kind++)
        CHECK_EQ(
            pyro_samples_kind(
                samples, &(struct pyro_sample_kind){.wait = kind, .state = PYRO_STATE_WAITING}),
            kind);
    for (uint32_t sweep = 0; sweep < 2; sweep++) {
        CHECK_EQ(pyro_samples_sweep(samples, sweep), 0);
        for (uint32_t i = 1; i < STACKS; i++)
            for (uint32_t which = 0; which < OF_A_STACK; which++)
                CHECK_EQ(pyro_samples_add(samples, i, kind_of(range, i, which)), 0);
    }
    CHECK_EQ(pyro_sums_make(profile), 0);
    CHECK_EQ(samples->sum_count, (STACKS - 1) * OF_A_STACK);
    for (uint32_t i = 0; i < samples->sum_count; i++) {
        CHECK_EQ(samples->sums[i].stack, 1 + i / OF_A_STACK);
        CHECK_EQ(samples->sums[i].kind, kind_of(range, 1 + i / OF_A_STACK, i % OF_A_STACK));
        CHECK_EQ(samples->sums[i].count, 2);
    }
    fixture_free(profile);
}

static void many_stacks_of_few_and_of_many_kinds(void)
{
    many_stacks_of(1);
    many_stacks_of(1200);
}

int main(void)
{
    return CHECK_MAIN(TEST(all_samples_are_in_them), TEST(many_kinds_and_many_samples),
                      TEST(many_stacks_of_few_and_of_many_kinds),
                      TEST(each_clock_has_the_same_totals),
                      TEST(a_part_of_the_time_is_asked_of_samples));
}
