/* Recordings copied one after another are one recording: the same samples, at their times, by their names. */
#include "fixture_recording.h"

#include "profile/copy.h"
#include "profile/totals.h"

static const char path[] = "profile_copy.pyro";

/* A piece with one sure sample of a(), and one of a() whose top was not sure, at 1 and 2 ms; waiting in the second. */
static struct pyro_profile *piece(uint64_t native_id, const char *top)
{
    static const char piece_path[] = "profile_copy_piece.pyro";
    struct pyro_writer *writer = fixture_record(piece_path, 1000);
    const char *names[] = {"a", top};
    uint32_t stacks[2], stack = PYRO_STACK_ROOT;
    for (int i = 0; i < 2; i++) {
        const struct pyro_function function = {
            .name = pyro_writer_string(writer, names[i], strlen(names[i])),
            .file = pyro_writer_string(writer, "/srv/app.py", 11),
            .first_line = 10};
        uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &function), 12);
        stacks[i] = stack = pyro_writer_stack(writer, stack, frame);
    }
    uint32_t process = pyro_writer_process(writer, 4242, 1, "python app.py", "3.12.1");
    uint32_t thread = pyro_writer_thread(writer, process, native_id);
    pyro_writer_thread_name(writer, thread, "MainThread");
    pyro_writer_thread_cpu(writer, thread, 700);
    pyro_writer_sweep(writer, 1000);
    struct pyro_written_sample sample = {.thread = thread,
                                         .stack = stacks[0],
                                         .agreed = stacks[0],
                                         .state = PYRO_STATE_RUNNING,
                                         .flags = PYRO_SAMPLE_GIL,
                                         .wait = PYRO_NO_ID};
    pyro_writer_sample(writer, &sample);
    pyro_writer_sweep(writer, 2000);
    sample.stack = stacks[1];
    sample.state = PYRO_STATE_WAITING;
    sample.flags = 0;
    sample.wait = pyro_writer_wait(writer, "socket", "recv 127.0.0.1:9");
    pyro_writer_sample(writer, &sample);
    pyro_writer_sweep(writer, 3000); /* nobody was there */
    pyro_writer_counters(writer, &(struct pyro_counters){.missed_ticks = 5, .late = 2});
    return fixture_read_back(piece_path, writer);
}

static const char *top_of(const struct pyro_profile *profile, size_t sample)
{
    uint32_t function = pyro_profile_function_of(profile, pyro_sample_stack(profile, sample));
    return pyro_profile_text(profile, profile->functions[function].name);
}

static void two_become_one(void)
{
    struct pyro_profile *first = piece(7, "b"), *second = piece(7, "c");
    struct pyro_copy copy = {.writer = fixture_record(path, 1000)};
    CHECK_EQ(pyro_copy_add(&copy, first, 0), 0);
    CHECK_EQ(pyro_copy_add(&copy, second, 10000), 0);
    struct pyro_profile *both = fixture_read_back(path, copy.writer);
    pyro_copy_clear(&copy);
    CHECK_EQ(both->samples.count, 4);
    CHECK_EQ(both->samples.sweep_count, 6);
    CHECK_EQ(pyro_sample_time_us(both, 1), 2000);
    CHECK_EQ(pyro_sample_time_us(both, 2), 11000);
    CHECK_STR(top_of(both, 0), "a");
    CHECK_STR(top_of(both, 2), "a");
    CHECK_EQ(pyro_sample_stack(both, 0), pyro_sample_stack(both, 2)); /* by name, not by id */
    CHECK_EQ(both->thread_count, 1);
    CHECK_EQ(both->process_count, 1);
    CHECK_STR(pyro_profile_text(both, both->threads[0].name), "MainThread");
    CHECK_EQ(both->threads[0].cpu_kernel_us, 1400);
    CHECK_EQ(pyro_sample_flags(both, 0), PYRO_SAMPLE_GIL);
    CHECK_EQ(pyro_sample_state(both, 3), PYRO_STATE_WAITING);
    CHECK_STR(pyro_profile_text(both, both->waits[pyro_sample_wait(both, 3)].text),
              "recv 127.0.0.1:9");
    CHECK_EQ(both->counters.missed_ticks, 10);
    CHECK_EQ(both->counters.late, 4);
    pyro_profile_free(first);
    pyro_profile_free(second);
    pyro_profile_free(both);
}

static void what_is_not_sure_stays_so(void)
{
    struct pyro_writer *writer = fixture_record(path, 1000);
    const struct pyro_function function = {.name = pyro_writer_string(writer, "a", 1)};
    const struct pyro_function other = {.name = pyro_writer_string(writer, "b", 1)};
    uint32_t below =
        pyro_writer_stack(writer, PYRO_STACK_ROOT,
                          pyro_writer_frame(writer, pyro_writer_function(writer, &function), 1));
    uint32_t top = pyro_writer_stack(
        writer, below, pyro_writer_frame(writer, pyro_writer_function(writer, &other), 2));
    uint32_t thread =
        pyro_writer_thread(writer, pyro_writer_process(writer, 1, 0, "app", "3.12.1"), 1);
    pyro_writer_sweep(writer, 1000);
    pyro_writer_sample(writer, &(struct pyro_written_sample){.thread = thread,
                                                             .stack = top,
                                                             .agreed = below,
                                                             .state = PYRO_STATE_RUNNING,
                                                             .wait = PYRO_NO_ID});
    struct pyro_profile *unsure = fixture_read_back(path, writer);
    CHECK_EQ(unsure->counters.unsure, 1);
    struct pyro_copy copy = {.writer = fixture_record(path, 1000)};
    CHECK_EQ(pyro_copy_add(&copy, unsure, 0), 0);
    struct pyro_profile *copied = fixture_read_back(path, copy.writer);
    pyro_copy_clear(&copy);
    CHECK_EQ(copied->counters.unsure, 1);
    CHECK_STR(top_of(copied, 0), "[unsure]");
    CHECK(pyro_sample_flags(copied, 0) & PYRO_SAMPLE_UNSURE);
    CHECK_EQ(copied->stacks[pyro_sample_stack(copied, 0)].depth, 2);
    pyro_profile_free(unsure);
    pyro_profile_free(copied);
}

/* totals.h: what a window that slides is made of. */
static void samples_since_a_moment(void)
{
    struct pyro_profile *profile = piece(7, "b");
    const struct pyro_totals_filter late = {.thread = PYRO_NO_ID, .since_us = 2000};
    const struct pyro_totals_filter later = {.thread = PYRO_NO_ID, .since_us = 2001};
    CHECK(!pyro_totals_wants(profile, &late, 0));
    CHECK(pyro_totals_wants(profile, &late, 1));
    CHECK(!pyro_totals_wants(profile, &later, 1));
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(TEST(two_become_one), TEST(what_is_not_sure_stays_so),
                      TEST(samples_since_a_moment));
}
