/* How samples lie in memory: what they share, where blocks and stretches end, and what all of it takes. */
#include "fixture_recording.h"
#include "profile/samples.h"
#include "profile/writer.h"

#include <sys/resource.h>

static const char path[] = "profile_samples.pyro";

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % limit;
}

/* -- made by hand ------------------------------------------------------------------------------- */

static uint32_t kind_of(struct pyro_profile *profile, uint32_t thread, uint32_t wait, uint8_t state,
                        uint8_t flags)
{
    const struct pyro_sample_kind kind = {thread, wait, state, flags};
    int64_t id = pyro_samples_kind(&profile->samples, &kind);
    CHECK(id >= 0);
    return (uint32_t)id;
}

static void equal_kinds_are_one(void)
{
    struct pyro_profile profile = {0};
    uint32_t first = kind_of(&profile, 0, 0, 0, 0);
    uint32_t kinds[] = {
        first,
        kind_of(&profile, 1, 0, 0, 0),
        kind_of(&profile, 0, 1, 0, 0),
        kind_of(&profile, 0, 0, 1, 0),
        kind_of(&profile, 0, 0, 0, 1),
        kind_of(&profile, 0, PYRO_NO_ID, 0, 0),
        kind_of(&profile, 0, 0, PYRO_STATE_WAITING, PYRO_SAMPLE_GIL),
        kind_of(&profile, 0, 0, PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL | PYRO_SAMPLE_GC),
    };
    for (uint32_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        CHECK_EQ(kinds[i], i);
    CHECK_EQ(kind_of(&profile, 0, 0, 0, 0), first);
    CHECK_EQ(kind_of(&profile, 0, PYRO_NO_ID, 0, 0), 5);
    CHECK_EQ(profile.samples.kind_count, sizeof(kinds) / sizeof(*kinds));
    pyro_samples_free(&profile.samples);
    CHECK_EQ(profile.samples.kind_count, 0);
}

static void samples_are_found_on_both_sides_of_a_border_of_blocks(void)
{
    enum { COUNT = 3 * PYRO_SAMPLE_BLOCK + 1 };
    struct pyro_profile profile = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(pyro_samples_sweep(&profile.samples, 7 * (uint64_t)i), 0);
        uint32_t kind = kind_of(&profile, i % 5, PYRO_NO_ID, i % 3, i % 2);
        CHECK_EQ(pyro_samples_add(&profile.samples, i, kind), 0);
    }
    CHECK_EQ(profile.samples.count, COUNT);
    CHECK_EQ(profile.samples.kind_count, 30);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(pyro_sample_stack(&profile, i), i);
        CHECK_EQ(pyro_sample_time_us(&profile, i), 7 * (uint64_t)i);
        CHECK_EQ(pyro_sample_thread(&profile, i), i % 5);
        CHECK_EQ(pyro_sample_state(&profile, i), i % 3);
        CHECK_EQ(pyro_sample_flags(&profile, i), i % 2);
        CHECK_EQ(pyro_sample_wait(&profile, i), PYRO_NO_ID);
    }
    pyro_samples_free(&profile.samples);
}

/* SWEEPS sweeps of a sample each, in stretches that begin at FIRST; the weight of each tells its number. */
static void check_stretches(uint32_t sweeps, const uint32_t *first, uint32_t count)
{
    struct pyro_profile profile = {0};
    uint32_t kind = kind_of(&profile, 0, PYRO_NO_ID, 0, 0);
    for (uint32_t i = 0; i < sweeps; i++) {
        CHECK_EQ(pyro_samples_sweep(&profile.samples, i), 0);
        CHECK_EQ(pyro_samples_add(&profile.samples, 0, kind), 0);
    }
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(pyro_samples_weigh(&profile.samples, first[i], (float)i), 0);
    for (uint32_t i = 0, at = 0; i < sweeps; i++) {
        while (at + 1 < count && first[at + 1] <= i)
            at++;
        CHECK_EQ((uint32_t)pyro_sample_weight_us(&profile, i), at);
    }
    pyro_samples_free(&profile.samples);
}

static void a_weight_holds_up_to_the_next_stretch(void)
{
    enum { GROUP = PYRO_SWEEP_GROUP };
    const uint32_t alone[] = {0};
    check_stretches(10 * GROUP, alone, 1);
    const uint32_t around_a_group[] = {0, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP};
    check_stretches(4 * GROUP, around_a_group, 5);
    const uint32_t over_groups[] = {0, 1, 5 * GROUP + 3, 9 * GROUP};
    check_stretches(9 * GROUP + 1, over_groups, 4);
    uint32_t each[5 * GROUP]; /* as at slow rates */
    for (uint32_t i = 0; i < 5 * GROUP; i++)
        each[i] = i;
    check_stretches(5 * GROUP, each, 5 * GROUP);
}

static void random_stretches_weigh_as_they_should(void)
{
    for (int round = 0; round < 200; round++) {
        uint32_t first[500], sweep = 0, count = 1 + random_below(499);
        uint32_t length = 1 + random_below(300);
        for (uint32_t i = 0; i < count; i++) {
            first[i] = sweep;
            sweep += 1 + random_below(length);
        }
        check_stretches(sweep, first, count);
    }
}

/* -- read from a file --------------------------------------------------------------------------- */

static struct pyro_writer *writer;
static uint32_t process;

static void start(void)
{
    writer = fixture_record(path, 1000);
    process = pyro_writer_process(writer, 1, 0, "", "");
}

/* PARENT with a frame of the function NAME on top. */
static uint32_t stack_on(uint32_t parent, const char *name)
{
    struct pyro_function function = {.name = pyro_writer_string(writer, name, strlen(name))};
    uint32_t id = pyro_writer_function(writer, &function);
    return pyro_writer_stack(writer, parent, pyro_writer_frame(writer, id, 1));
}

static void put(uint32_t thread, uint32_t stack, uint32_t agreed, enum pyro_state state)
{
    struct pyro_written_sample sample = {.thread = pyro_writer_thread(writer, process, thread),
                                         .stack = stack,
                                         .agreed = agreed,
                                         .state = state,
                                         .wait = PYRO_NO_ID};
    pyro_writer_sample(writer, &sample);
}

static struct pyro_profile *finish(void)
{
    return fixture_read_back(path, writer);
}

static void sweeps_without_samples_have_times(void)
{
    start();
    uint32_t stack = stack_on(PYRO_STACK_ROOT, "a");
    for (uint64_t i = 1; i <= 3000; i++) {
        pyro_writer_sweep(writer, i * 1000);
        for (uint32_t thread = 0; i % 3 == 0 && thread < 2; thread++)
            put(thread, stack, stack, PYRO_STATE_RUNNING);
    }
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->samples.sweep_count, 3000);
    CHECK_EQ(profile->samples.count, 2000);
    for (size_t i = 0; i < 3000; i++)
        CHECK_EQ(pyro_sweep_time_us(profile, i), (i + 1) * 1000);
    for (size_t i = 0; i < 2000; i++) {
        CHECK_EQ(pyro_sample_time_us(profile, i), (i / 2 + 1) * 3000);
        CHECK_EQ(pyro_sample_thread(profile, i), i % 2);
        CHECK(pyro_sample_weight_us(profile, i) == 1000);
    }
    pyro_profile_free(profile);
}

static void samples_of_a_sweep_weigh_the_same_and_stretches_are_counted_in_sweeps(void)
{
    start();
    uint32_t stack = stack_on(PYRO_STACK_ROOT, "a");
    uint64_t time_us = 0;
    for (uint32_t i = 0; i < 3000; i++) { /* a second at 1 kHz, then 0.4 s at 5 kHz */
        pyro_writer_sweep(writer, time_us += i < 1000 ? 1000 : 200);
        for (uint32_t thread = 0; thread < i % 7; thread++)
            put(thread, stack, stack, PYRO_STATE_RUNNING);
    }
    struct pyro_profile *profile = finish();
    for (size_t i = 0; i < profile->samples.count; i++) {
        float expected = pyro_sample_time_us(profile, i) <= 1000000 ? 1000 : 200;
        CHECK(pyro_sample_weight_us(profile, i) == expected);
    }
    CHECK_EQ(profile->samples.stretch_count, 13); /* the last one joined the one before */
    pyro_profile_free(profile);
}

static void what_became_sure_is_as_what_always_was(void)
{
    start();
    uint32_t a = stack_on(PYRO_STACK_ROOT, "a"), ab = stack_on(a, "b"), ac = stack_on(a, "c");
    pyro_writer_sweep(writer, 1000);
    put(0, ab, ab, PYRO_STATE_RUNNING);
    put(1, ab, a, PYRO_STATE_RUNNING);
    put(2, ac, a, PYRO_STATE_RUNNING);
    pyro_writer_sweep(writer, 2000);
    put(0, ab, a, PYRO_STATE_RUNNING);
    put(1, ab, ab, PYRO_STATE_RUNNING);
    put(2, ab, a, PYRO_STATE_RUNNING);
    pyro_writer_edge(writer, 0, 1);
    struct pyro_profile *profile = finish();
    for (size_t i = 0; i < 6; i++) {
        bool unsure = i == 2;
        CHECK_EQ(pyro_sample_flags(profile, i), unsure ? PYRO_SAMPLE_UNSURE : 0);
        CHECK_EQ(pyro_sample_thread(profile, i), i % 3);
        CHECK_EQ(pyro_sample_state(profile, i), PYRO_STATE_RUNNING);
        CHECK_EQ(profile->stacks[pyro_sample_stack(profile, i)].parent, a);
        CHECK_EQ(pyro_sample_stack(profile, i) == ab, !unsure);
    }
    CHECK_EQ(pyro_sample_at(profile, 0)->kind, pyro_sample_at(profile, 3)->kind);
    CHECK_EQ(pyro_sample_at(profile, 1)->kind, pyro_sample_at(profile, 4)->kind);
    CHECK_EQ(profile->samples.kind_count, 6); /* sure and unsure, of three threads */
    pyro_profile_free(profile);
}

static void threads_in_hundreds_keep_apart(void)
{
    enum { THREADS = 300, SWEEPS = 100 };
    static uint8_t states[SWEEPS][THREADS];
    start();
    uint32_t stack = stack_on(PYRO_STACK_ROOT, "a");
    for (uint32_t i = 0; i < SWEEPS; i++) {
        pyro_writer_sweep(writer, i * 1000);
        for (uint32_t thread = 0; thread < THREADS; thread++) {
            states[i][thread] = i > 0 && random_below(3) ? states[i - 1][thread]
                                                         : (uint8_t)random_below(PYRO_STATE_COUNT);
            put(thread, stack, stack, (enum pyro_state)states[i][thread]);
        }
    }
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->samples.count, THREADS * SWEEPS);
    for (uint32_t i = 0; i < THREADS * SWEEPS; i++) {
        CHECK_EQ(pyro_sample_thread(profile, i), i % THREADS);
        CHECK_EQ(pyro_sample_state(profile, i), states[i / THREADS][i % THREADS]);
        CHECK_EQ(pyro_sample_time_us(profile, i), i / THREADS * 1000);
    }
    CHECK(profile->samples.kind_count <= THREADS * PYRO_STATE_COUNT);
    pyro_profile_free(profile);
}

static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* Ten minutes at 1 kHz. 12 bytes a sample and 8 a sweep are 12.0 MB; the rest is the reader's. */
static void a_sample_takes_twenty_bytes(void)
{
#ifdef SANITIZED
    SKIP("the sanitizer needs memory of its own");
#endif
    enum { SAMPLES = 600000 };
    start();
    uint32_t stacks[100] = {0};
    for (uint32_t i = 1; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%u", i);
        stacks[i] = stack_on(stacks[i / 2], name);
    }
    uint64_t time_us = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t stack = stacks[random_below(100)];
        pyro_writer_sweep(writer, time_us += random_below(2000));
        put(0, stack, stack, random_below(2) ? PYRO_STATE_RUNNING : PYRO_STATE_RUNNABLE);
    }
    size_t before = peak_bytes();
    struct pyro_profile *profile = finish();
    size_t used = peak_bytes() - before;
    CHECK_EQ(profile->samples.count, SAMPLES);
    printf("# %zu KiB\n", used / 1024);
    CHECK(used > 11000000 && used < 13500000);
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(equal_kinds_are_one), TEST(samples_are_found_on_both_sides_of_a_border_of_blocks),
        TEST(a_weight_holds_up_to_the_next_stretch), TEST(random_stretches_weigh_as_they_should),
        TEST(sweeps_without_samples_have_times),
        TEST(samples_of_a_sweep_weigh_the_same_and_stretches_are_counted_in_sweeps),
        TEST(what_became_sure_is_as_what_always_was), TEST(threads_in_hundreds_keep_apart),
        TEST(a_sample_takes_twenty_bytes));
}
