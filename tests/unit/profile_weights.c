/* How much time a sample stands for. */
#include "fixture_recording.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <math.h>

static const char path[] = "profile_weights.pyro";
static struct pyro_writer *writer;
static uint32_t stack;

static void start(uint32_t rate_hz)
{
    writer = fixture_record(path, rate_hz);
    struct pyro_function function = {.name = pyro_writer_string(writer, "f", 1)};
    uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &function), 1);
    stack = pyro_writer_stack(writer, PYRO_STACK_ROOT, frame);
}

static void sweep_of(uint64_t time_us, uint32_t threads)
{
    uint32_t process = pyro_writer_process(writer, 1, 0, "", "");
    pyro_writer_sweep(writer, time_us);
    for (uint32_t i = 0; i < threads; i++) {
        struct pyro_written_sample sample = {.thread = pyro_writer_thread(writer, process, i),
                                             .stack = stack,
                                             .agreed = stack,
                                             .wait = PYRO_NO_ID};
        pyro_writer_sample(writer, &sample);
    }
}

static struct pyro_profile *finish(void)
{
    return fixture_read_back(path, writer);
}

static double sum_of_thread(const struct pyro_profile *profile, uint32_t thread)
{
    double sum_us = 0;
    for (size_t i = 0; i < profile->samples.count; i++) {
        if (pyro_sample_thread(profile, i) == thread)
            sum_us += (double)pyro_sample_weight_us(profile, i);
    }
    return sum_us;
}

static bool near(double actual, double expected)
{
    if (fabs(actual - expected) > 1e-5 * expected)
        printf("# %f, expected %f\n", actual, expected);
    return fabs(actual - expected) <= 1e-5 * expected;
}

static uint32_t gap_us(uint32_t mean_us)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(-log((double)((state >> 11) + 1) / 9007199254740993.0) * mean_us);
}

static void a_thread_that_is_always_there_weighs_the_duration(void)
{
    start(1000);
    uint64_t time_us = 0;
    for (int i = 0; i < 20000; i++)
        sweep_of(time_us += gap_us(1000), 2);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->counters.duration_us, time_us);
    CHECK_EQ(profile->counters.sweeps, 20000);
    CHECK_EQ(profile->counters.gap_us, 0);
    CHECK(near(sum_of_thread(profile, 0), (double)time_us));
    CHECK(near(sum_of_thread(profile, 1), (double)time_us));
    pyro_profile_free(profile);
}

static void a_thread_that_is_there_half_the_time_weighs_half(void)
{
    start(1000);
    for (uint64_t i = 1; i <= 2000; i++)
        sweep_of(i * 1000, i <= 1000 ? 2 : 1);
    struct pyro_profile *profile = finish();
    CHECK(near(sum_of_thread(profile, 1), 1e6));
    pyro_profile_free(profile);
}

static void samples_near_each_other_weigh_the_same(void)
{
    start(1000);
    uint64_t time_us = 0;
    for (int i = 0; i < 50; i++)
        sweep_of(time_us += i % 2 ? 100 : 1900, 1); /* 50 ms: one stretch */
    struct pyro_profile *profile = finish();
    for (size_t i = 0; i < profile->samples.count; i++)
        CHECK(near((double)pyro_sample_weight_us(profile, i), 1000));
    pyro_profile_free(profile);
}

static void weights_follow_a_rate_that_changes(void)
{
    start(1000);
    uint64_t time_us = 0;
    for (int i = 0; i < 10000; i++)
        sweep_of(time_us += 100, 1);
    for (int i = 0; i < 1000; i++)
        sweep_of(time_us += 1000, 1);
    struct pyro_profile *profile = finish();
    CHECK(near((double)pyro_sample_weight_us(profile, 5000), 100));
    CHECK(near((double)pyro_sample_weight_us(profile, 10500), 1000));
    CHECK(near(sum_of_thread(profile, 0), 2e6));
    pyro_profile_free(profile);
}

static void sweeps_that_see_nobody_take_their_time(void)
{
    start(1000);
    for (uint64_t i = 1; i <= 1000; i++)
        sweep_of(i * 1000, i % 4 == 0);
    struct pyro_profile *profile = finish();
    CHECK(near(sum_of_thread(profile, 0), 250000));
    pyro_profile_free(profile);
}

static void a_suspended_sampler_weighs_nothing(void)
{
    start(1000);
    uint64_t time_us = 0;
    for (int i = 0; i < 2000; i++)
        sweep_of(time_us += i == 1000 ? 60000000 : 1000, 1);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->counters.duration_us, time_us);
    CHECK(near((double)profile->counters.gap_us, 59999000));
    CHECK(near(sum_of_thread(profile, 0), 2e6));
    pyro_profile_free(profile);
}

static void a_suspended_sampler_is_seen_in_a_short_recording(void)
{
    start(1000);
    uint64_t time_us = 0;
    for (int i = 0; i < 10; i++)
        sweep_of(time_us += i == 5 ? 9000000 : 1000, 1);
    struct pyro_profile *profile = finish();
    CHECK(near(sum_of_thread(profile, 0), 10000));
    pyro_profile_free(profile);
}

static void long_gaps_of_a_slow_rate_are_no_suspension(void)
{
    start(10);
    uint64_t time_us = 0;
    for (int i = 0; i < 3000; i++)
        sweep_of(time_us += gap_us(100000), 1);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->counters.gap_us, 0);
    CHECK(near(sum_of_thread(profile, 0), (double)time_us));
    pyro_profile_free(profile);
}

static void a_single_sample_weighs_the_gap_before_it(void)
{
    start(1000);
    sweep_of(700, 1);
    struct pyro_profile *profile = finish();
    CHECK(near((double)pyro_sample_weight_us(profile, 0), 700));
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(a_thread_that_is_always_there_weighs_the_duration),
        TEST(a_thread_that_is_there_half_the_time_weighs_half),
        TEST(samples_near_each_other_weigh_the_same), TEST(weights_follow_a_rate_that_changes),
        TEST(sweeps_that_see_nobody_take_their_time), TEST(a_suspended_sampler_weighs_nothing),
        TEST(a_suspended_sampler_is_seen_in_a_short_recording),
        TEST(long_gaps_of_a_slow_rate_are_no_suspension),
        TEST(a_single_sample_weighs_the_gap_before_it));
}
