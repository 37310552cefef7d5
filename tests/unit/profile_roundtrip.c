/* What was written is what is read: every kind of record, through a real file. */
#include "check.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char path[] = "profile_roundtrip.pyro";

static struct pyro_writer *open_writer(void)
{
    const struct pyro_recording_info info = {.command = "python app.py",
                                             .python = "3.12.1",
                                             .mode = "wall",
                                             .pyrometer = "0.1.0",
                                             .directory = "/srv/app",
                                             .pid = 4242,
                                             .started_unix_us = 1700000000000000,
                                             .rate_hz = 1000,
                                             .exact = true,
                                             .cpus = 12};
    struct pyro_writer *writer = NULL;
    struct pyro_error error = {0};
    CHECK_EQ(pyro_writer_open(path, &info, &writer, &error), 0);
    return writer;
}

static struct pyro_profile *read_back(void)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    if (pyro_profile_read(path, &profile, &error) < 0)
        printf("# %s\n", error.message);
    CHECK(profile);
    unlink(path);
    return profile;
}

static struct pyro_profile *close_and_read(struct pyro_writer *writer)
{
    struct pyro_error error = {0};
    CHECK_EQ(pyro_writer_close(writer, &error), 0);
    return read_back();
}

static uint32_t string(struct pyro_writer *writer, const char *text)
{
    return pyro_writer_string(writer, text, strlen(text));
}

/* A stack of one frame a letter of NAMES, on PARENT. Functions are named by their letters. */
static uint32_t stack_of(struct pyro_writer *writer, uint32_t parent, const char *names)
{
    for (; *names; names++) {
        struct pyro_function function = {.name = pyro_writer_string(writer, names, 1),
                                         .file = string(writer, "/srv/app/app.py"),
                                         .first_line = 10};
        uint32_t id = pyro_writer_function(writer, &function);
        parent = pyro_writer_stack(writer, parent, pyro_writer_frame(writer, id, 12));
    }
    return parent;
}

static uint32_t function_named(struct pyro_writer *writer, const char *name)
{
    struct pyro_function function = {
        .name = string(writer, name), .file = string(writer, "/srv/app/app.py"), .first_line = 10};
    return pyro_writer_function(writer, &function);
}

static uint32_t a_thread(struct pyro_writer *writer, uint64_t native_id)
{
    uint32_t process = pyro_writer_process(writer, 4242, 1, "python app.py", "3.12.1");
    return pyro_writer_thread(writer, process, native_id);
}

/* "abc" for the names of a stack from its root on. */
static const char *names_of(const struct pyro_profile *profile, uint32_t stack)
{
    static char names[256];
    char *at = names + sizeof(names) - 1;
    for (; stack != PYRO_STACK_ROOT; stack = profile->stacks[stack].parent) {
        uint32_t function = profile->frames[profile->stacks[stack].frame].function;
        const char *name = pyro_profile_text(profile, profile->functions[function].name);
        at -= strlen(name);
        memcpy(at, name, strlen(name));
    }
    return at;
}

/* -- what is named ------------------------------------------------------------------------------ */

static void keeps_what_the_recording_is(void)
{
    struct pyro_profile *profile = close_and_read(open_writer());
    CHECK_STR(profile->info.command, "python app.py");
    CHECK_STR(profile->info.python, "3.12.1");
    CHECK_STR(profile->info.mode, "wall");
    CHECK_STR(profile->info.pyrometer, "0.1.0");
    CHECK_STR(profile->info.directory, "/srv/app");
    CHECK_EQ(profile->info.pid, 4242);
    CHECK_EQ(profile->info.started_unix_us, 1700000000000000);
    CHECK_EQ(profile->info.rate_hz, 1000);
    CHECK_EQ(profile->info.cpus, 12);
    CHECK(profile->info.exact && profile->complete && !profile->torn);
    CHECK_EQ(profile->stack_count, 1);
    CHECK_EQ(profile->samples.count, 0);
    pyro_profile_free(profile);
}

static void texts_that_are_not_told_stay_null(void)
{
    struct pyro_writer *writer;
    const struct pyro_recording_info info = {.pid = -1};
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK(!profile->info.command && !profile->info.directory && !profile->info.mode);
    CHECK_EQ(profile->info.pid, -1);
    pyro_profile_free(profile);
}

static void the_same_thing_has_the_same_id(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t stack = stack_of(writer, PYRO_STACK_ROOT, "abc");
    CHECK_EQ(stack, 3);
    CHECK_EQ(stack_of(writer, PYRO_STACK_ROOT, "abc"), stack);
    CHECK_EQ(a_thread(writer, 7), a_thread(writer, 7));
    CHECK(a_thread(writer, 8) != a_thread(writer, 7));
    CHECK_EQ(pyro_writer_wait(writer, "lock", "futex"), 0);
    CHECK_EQ(pyro_writer_wait(writer, "socket", "recv"), 1);
    CHECK_EQ(pyro_writer_wait(writer, "lock", "futex"), 0);
    CHECK_EQ(string(writer, ""), 0);
    CHECK_STR(pyro_writer_text(writer, string(writer, "xyz")), "xyz");
    CHECK_EQ(pyro_writer_frame_count(writer), 3);
    CHECK_EQ(pyro_writer_frame_at(writer, 1).line, 12);
    CHECK_EQ(pyro_writer_function_at(writer, 1).first_line, 10);
    pyro_profile_free(close_and_read(writer));
}

static void unknown_ids_are_refused(void)
{
    struct pyro_writer *writer = open_writer();
    struct pyro_function function = {.name = 99};
    CHECK_EQ(pyro_writer_function(writer, &function), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_frame(writer, 0, 1), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_stack(writer, 0, 0), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_stack(writer, PYRO_NO_ID, 0), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_thread(writer, 0, 1), PYRO_NO_ID);
    pyro_writer_sweep(writer, 5);
    struct pyro_written_sample sample = {.wait = PYRO_NO_ID};
    pyro_writer_sample(writer, &sample); /* there is no thread 0 */
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->samples.count, 0);
    CHECK_EQ(profile->counters.sweeps, 1);
    pyro_profile_free(profile);
}

static void definitions_come_back(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t stack = stack_of(writer, stack_of(writer, PYRO_STACK_ROOT, "ab"), "ba");
    struct pyro_function builtin = {.name = string(writer, "{built-in method time.sleep}"),
                                    .kind = PYRO_FUNCTION_C};
    uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &builtin), 0);
    stack = pyro_writer_stack(writer, stack, frame);
    uint32_t process = pyro_writer_process(writer, 77, 4242, "python child.py", "");
    uint32_t thread = pyro_writer_thread(writer, process, UINT64_C(1) << 40);
    pyro_writer_wait(writer, "socket", "recv 127.0.0.1:5432");

    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, stack), "abba{built-in method time.sleep}");
    CHECK_EQ(profile->stacks[stack].depth, 5);
    CHECK_EQ(profile->function_count, 3);
    CHECK_EQ(profile->functions[2].kind, PYRO_FUNCTION_C);
    CHECK_EQ(profile->frames[frame].line, 0);
    CHECK_EQ(profile->frames[0].line, 12);
    CHECK_EQ(profile->processes[process].pid, 77);
    CHECK_EQ(profile->processes[process].parent_pid, 4242);
    CHECK_STR(pyro_profile_text(profile, profile->processes[process].command), "python child.py");
    CHECK_EQ(profile->processes[process].python_version, 0);
    CHECK_EQ(profile->threads[thread].native_id, UINT64_C(1) << 40);
    CHECK_STR(pyro_profile_text(profile, profile->waits[0].kind), "socket");
    CHECK_STR(pyro_profile_text(profile, profile->waits[0].text), "recv 127.0.0.1:5432");
    pyro_profile_free(profile);
}

static void membership_tests_are_added_up(void)
{
    struct pyro_writer *writer = open_writer();
    (void)stack_of(writer, PYRO_STACK_ROOT, "ab");
    const struct pyro_lookup first = {1, 100, 90, 10, 9, 5000, 300, 700, 2};
    const struct pyro_lookup more = {1, 50, 40, 5, 4, 900, 200, 250, 1};
    const struct pyro_lookup no_list = {1, 1, 1, 1, 0, 0, 0, 0, 0};
    const struct pyro_lookup other = {0, 7, 6, 0, 0, 0, 0, 0, 0};
    const struct pyro_lookup unknown = {2, 1, 1, 0, 0, 0, 0, 0, 0};
    pyro_writer_lookup(writer, &first);
    pyro_writer_lookup(writer, &other);
    pyro_writer_lookup(writer, &more);
    pyro_writer_lookup(writer, &no_list);
    pyro_writer_lookup(writer, &unknown);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->lookup_count, 2);
    CHECK_EQ(profile->lookups[0].testing, 6);
    const struct pyro_lookup *lookup = &profile->lookups[1];
    CHECK_EQ(lookup->samples, 151);
    CHECK_EQ(lookup->testing, 131);
    CHECK_EQ(lookup->looked, 16);
    CHECK_EQ(lookup->lists, 13);
    CHECK_EQ(lookup->length, 5900);
    CHECK_EQ(lookup->shortest, 200);
    CHECK_EQ(lookup->longest, 700);
    CHECK_EQ(lookup->changes, 3);
    pyro_profile_free(profile);
}

static void arguments_are_added_up(void)
{
    struct pyro_writer *writer = open_writer();
    (void)stack_of(writer, PYRO_STACK_ROOT, "ab");
    pyro_writer_arguments(writer, &(struct pyro_arguments){1, 100, 7, 2});
    pyro_writer_arguments(writer, &(struct pyro_arguments){0, 5, 5, 0});
    pyro_writer_arguments(writer, &(struct pyro_arguments){1, 50, 1, 1});
    pyro_writer_arguments(writer, &(struct pyro_arguments){2, 1, 1, 1}); /* of no function */
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->argument_count, 2);
    CHECK_EQ(profile->arguments[0].looked, 5);
    CHECK_EQ(profile->arguments[1].looked, 150);
    CHECK_EQ(profile->arguments[1].distinct, 8);
    CHECK_EQ(profile->arguments[1].unknown, 3);
    pyro_profile_free(profile);
}

static void a_later_name_and_time_of_a_thread_win(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t first = a_thread(writer, 10), second = a_thread(writer, 11);
    pyro_writer_flush(writer);
    pyro_writer_thread_name(writer, second, "early");
    pyro_writer_flush(writer);
    pyro_writer_thread_name(writer, second, "Worker-1");
    pyro_writer_thread_cpu(writer, second, 123456);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->thread_count, 2);
    CHECK_STR(pyro_profile_text(profile, profile->threads[first].name), "");
    CHECK_STR(pyro_profile_text(profile, profile->threads[second].name), "Worker-1");
    CHECK_EQ(profile->threads[second].cpu_kernel_us, 123456);
    pyro_profile_free(profile);
}

static void source_lines_are_found(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t b = string(writer, "b.py"), a = string(writer, "a.py");
    pyro_writer_source(writer, b, 30, "    return x", 12);
    pyro_writer_source(writer, a, 7, "import os", 9);
    pyro_writer_source(writer, b, 2, "", 0);
    pyro_writer_source(writer, b, 30, "again", 5); /* the first one stays */
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->source_count, 3);
    CHECK_STR(pyro_profile_source(profile, b, 30), "    return x");
    CHECK_STR(pyro_profile_source(profile, a, 7), "import os");
    CHECK_STR(pyro_profile_source(profile, b, 2), "");
    CHECK(!pyro_profile_source(profile, a, 30));
    CHECK_EQ(profile->sources[0].line, 2); /* sorted: b.py has the smaller string id */
    pyro_profile_free(profile);
}

static void long_texts_are_cut_between_characters(void)
{
    struct pyro_writer *writer = open_writer();
    static char text[70000];
    for (size_t i = 0; i + 1 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", i + 3 < sizeof(text) ? 3 : 0);
    uint32_t id = pyro_writer_string(writer, text, 69999);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(pyro_strings_length(&profile->strings, id), 65535); /* a multiple of 3 */
    pyro_profile_free(profile);
}

static void counters_come_back(void)
{
    struct pyro_writer *writer = open_writer();
    struct pyro_counters counters = {.missed_ticks = 3,
                                     .late = 4,
                                     .empty = 5,
                                     .moved = 6,
                                     .unsure = 99,
                                     .failed = 7,
                                     .second_reads = 8,
                                     .stopped = 9,
                                     .sampler_cpu_us = 10,
                                     .sampler_rss = 11,
                                     .code_reread = UINT64_MAX};
    pyro_writer_counters(writer, &counters);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->counters.missed_ticks, 3);
    CHECK_EQ(profile->counters.late, 4);
    CHECK_EQ(profile->counters.empty, 5);
    CHECK_EQ(profile->counters.moved, 6);
    CHECK_EQ(profile->counters.unsure, 0); /* counted again: there is no sample */
    CHECK_EQ(profile->counters.failed, 7);
    CHECK_EQ(profile->counters.second_reads, 8);
    CHECK_EQ(profile->counters.stopped, 9);
    CHECK_EQ(profile->counters.sampler_cpu_us, 10);
    CHECK_EQ(profile->counters.sampler_rss, 11);
    CHECK(profile->counters.code_reread == UINT64_MAX);
    pyro_profile_free(profile);
}

/* -- samples ------------------------------------------------------------------------------------ */

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % limit;
}

enum { RANDOM_SAMPLES = 60000, RANDOM_THREADS = 40, RANDOM_STACKS = 700 };
struct expected {
    uint64_t time_us;
    struct pyro_written_sample sample;
};

/* Sweeps of changing threads, more stacks than the recent lists hold, flushes anywhere. */
static size_t write_random(struct pyro_writer *writer, struct expected *expected)
{
    uint32_t stacks[RANDOM_STACKS] = {0}, threads[RANDOM_THREADS];
    for (uint32_t i = 1; i < RANDOM_STACKS; i++) {
        const char name[2] = {(char)('a' + random_below(26)), 0};
        stacks[i] = stack_of(writer, stacks[random_below(i)], name);
    }
    for (uint32_t i = 0; i < RANDOM_THREADS; i++)
        threads[i] = a_thread(writer, 100 + i);
    for (uint32_t i = 0; i < 5; i++) {
        const char text[2] = {(char)('0' + i), 0};
        pyro_writer_wait(writer, "socket", text);
    }
    size_t count = 0;
    uint64_t time_us = 0;
    struct pyro_written_sample last[RANDOM_THREADS] = {0};
    uint32_t alive = 5;
    while (count + RANDOM_THREADS < RANDOM_SAMPLES) {
        time_us += random_below(20) ? random_below(3000) : random_below(300000);
        pyro_writer_sweep(writer, time_us);
        if (random_below(50) == 0)
            alive = random_below(RANDOM_THREADS);
        for (uint32_t i = 0; i < alive; i++) {
            if (random_below(2) == 0) {
                uint32_t stack = stacks[random_below(random_below(4) ? 30 : RANDOM_STACKS)];
                last[i] = (struct pyro_written_sample){
                    .thread = threads[i],
                    .stack = stack,
                    .agreed = stack,
                    .state = (enum pyro_state)random_below(PYRO_STATE_COUNT),
                    .flags = random_below(4),
                    .wait = random_below(2) ? PYRO_NO_ID : random_below(5)};
            } else if (last[i].stack == 0) {
                last[i] = (struct pyro_written_sample){.thread = threads[i], .wait = PYRO_NO_ID};
            }
            pyro_writer_sample(writer, &last[i]);
            expected[count++] = (struct expected){time_us, last[i]};
        }
        if (random_below(300) == 0)
            pyro_writer_flush(writer);
    }
    return count;
}

static void samples_come_back_as_they_were(void)
{
    struct pyro_writer *writer = open_writer();
    struct expected *expected = calloc(RANDOM_SAMPLES, sizeof(*expected));
    size_t count = write_random(writer, expected);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->samples.count, count);
    CHECK_EQ(profile->counters.samples, count);
    for (size_t i = 0; i < count; i++) {
        const struct pyro_written_sample *sample = &expected[i].sample;
        CHECK_EQ(pyro_sample_time_us(profile, i), expected[i].time_us);
        CHECK_EQ(pyro_sample_thread(profile, i), sample->thread);
        CHECK_EQ(pyro_sample_stack(profile, i), sample->stack);
        CHECK_EQ(pyro_sample_state(profile, i), sample->state);
        CHECK_EQ(pyro_sample_flags(profile, i), sample->flags);
        CHECK_EQ(pyro_sample_wait(profile, i), sample->wait);
    }
    free(expected);
    pyro_profile_free(profile);
}

/* More threads than the reader remembers kinds of samples, in one state. */
static void each_of_many_threads_has_its_own_samples(void)
{
    enum { MANY = 700 };
    struct pyro_writer *writer = open_writer();
    uint32_t stack = stack_of(writer, PYRO_STACK_ROOT, "ab"), threads[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        threads[i] = a_thread(writer, 100 + i);
    for (uint32_t sweep = 1; sweep <= 2; sweep++) {
        pyro_writer_sweep(writer, 10 * sweep);
        for (uint32_t i = 0; i < MANY; i++)
            pyro_writer_sample(writer, &(struct pyro_written_sample){.thread = threads[i],
                                                                     .stack = stack,
                                                                     .agreed = stack,
                                                                     .wait = PYRO_NO_ID});
    }
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_EQ(profile->samples.count, 2 * MANY);
    CHECK_EQ(profile->samples.kind_count, MANY);
    for (uint32_t i = 0; i < 2 * MANY; i++)
        CHECK_EQ(pyro_sample_thread(profile, i), threads[i % MANY]);
    pyro_profile_free(profile);
}

/* Write one sample of STACK of which AGREED is sure. */
static void put_sample(struct pyro_writer *writer, uint64_t time_us, uint32_t stack,
                       uint32_t agreed)
{
    struct pyro_written_sample sample = {
        .thread = a_thread(writer, 1), .stack = stack, .agreed = agreed, .wait = PYRO_NO_ID};
    pyro_writer_sweep(writer, time_us);
    pyro_writer_sample(writer, &sample);
}

static void an_unsure_top_is_cut_and_says_so(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t agreed = stack_of(writer, PYRO_STACK_ROOT, "ab");
    uint32_t whole = stack_of(writer, agreed, "cd");
    put_sample(writer, 10, whole, agreed);
    put_sample(writer, 20, whole, whole);
    put_sample(writer, 30, stack_of(writer, agreed, "x"), agreed);
    pyro_writer_edge(writer, function_named(writer, "b"), function_named(writer, "c"));
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 0)), "ab[unsure]");
    CHECK_EQ(pyro_sample_flags(profile, 0), PYRO_SAMPLE_UNSURE);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 1)), "abcd");
    CHECK_EQ(pyro_sample_flags(profile, 1), 0);
    CHECK_EQ(pyro_sample_stack(profile, 2), pyro_sample_stack(profile, 0));
    CHECK_EQ(profile->stacks[pyro_sample_stack(profile, 0)].depth, 3);
    CHECK_EQ(profile->counters.unsure, 2);
    uint32_t cut = pyro_sample_stack(profile, 0);
    CHECK(profile->stacks[cut].parent < cut);
    uint32_t function = profile->frames[profile->stacks[cut].frame].function;
    CHECK_EQ(profile->functions[function].kind, PYRO_FUNCTION_SPECIAL);
    pyro_profile_free(profile);
}

static void nothing_but_unsure_is_unsure(void)
{
    struct pyro_writer *writer = open_writer();
    struct pyro_function recorded = {.name = string(writer, "[unsure]"),
                                     .file = string(writer, ""),
                                     .kind = PYRO_FUNCTION_SPECIAL};
    uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &recorded), 0);
    put_sample(writer, 10, pyro_writer_stack(writer, PYRO_STACK_ROOT, frame), PYRO_STACK_ROOT);
    put_sample(writer, 20, stack_of(writer, PYRO_STACK_ROOT, "a"), PYRO_STACK_ROOT);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 0)), "[unsure]");
    CHECK_EQ(pyro_sample_flags(profile, 0), PYRO_SAMPLE_UNSURE);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 1)),
              "a"); /* a root's first function is */
    CHECK_EQ(profile->counters.unsure, 1);
    pyro_profile_free(profile);
}

/* The recorder writes [unsure] too; a table that adds up by function must have one row of it. */
static void there_is_one_unsure_function(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t agreed = stack_of(writer, PYRO_STACK_ROOT, "ab");
    struct pyro_function recorded = {.name = string(writer, "[unsure]"),
                                     .file = string(writer, ""),
                                     .kind = PYRO_FUNCTION_SPECIAL};
    uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &recorded), 0);
    put_sample(writer, 10, pyro_writer_stack(writer, agreed, frame), agreed);
    put_sample(writer, 20, stack_of(writer, agreed, "x"), agreed);
    put_sample(writer, 30, stack_of(writer, agreed, "y"), agreed);
    struct pyro_profile *profile = close_and_read(writer);
    size_t found = 0;
    for (size_t i = 0; i < profile->function_count; i++)
        found += strcmp(pyro_profile_text(profile, profile->functions[i].name), "[unsure]") == 0;
    CHECK_EQ(found, 1);
    for (size_t i = 0; i < 3; i++)
        CHECK_STR(names_of(profile, pyro_sample_stack(profile, i)), "ab[unsure]");
    pyro_profile_free(profile);
}

static void edges_learned_later_make_a_sample_sure(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t agreed = stack_of(writer, PYRO_STACK_ROOT, "ab");
    put_sample(writer, 10, stack_of(writer, agreed, "cd"), agreed);
    pyro_writer_flush(writer);
    /* "ab" is agreed, so only b-c and c-d matter. */
    pyro_writer_edge(writer, function_named(writer, "c"), function_named(writer, "d"));
    pyro_writer_edge(writer, function_named(writer, "b"), function_named(writer, "c"));
    pyro_writer_edge(writer, function_named(writer, "b"), function_named(writer, "c"));
    pyro_writer_edge(writer, PYRO_NO_ID, function_named(writer, "c"));
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 0)), "abcd");
    CHECK_EQ(pyro_sample_flags(profile, 0), 0);
    CHECK_EQ(profile->counters.unsure, 0);
    pyro_profile_free(profile);
}

static void a_frame_on_the_root_needs_no_edge(void)
{
    struct pyro_writer *writer = open_writer();
    put_sample(writer, 10, stack_of(writer, PYRO_STACK_ROOT, "a"), PYRO_STACK_ROOT);
    put_sample(writer, 20, stack_of(writer, PYRO_STACK_ROOT, "ab"), PYRO_STACK_ROOT);
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 0)), "a");
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 1)), "[unsure]");
    CHECK_EQ(profile->counters.unsure, 1);
    pyro_profile_free(profile);
}

static void agreed_parts_off_the_stack_count_up_to_the_fork(void)
{
    struct pyro_writer *writer = open_writer();
    uint32_t common = stack_of(writer, PYRO_STACK_ROOT, "ab");
    put_sample(writer, 10, stack_of(writer, common, "cde"), stack_of(writer, common, "xy"));
    struct pyro_profile *profile = close_and_read(writer);
    CHECK_STR(names_of(profile, pyro_sample_stack(profile, 0)), "ab[unsure]");
    pyro_profile_free(profile);
}

static void very_deep_stacks_are_cut_at_any_depth(void)
{
    struct pyro_writer *writer = open_writer();
    enum { DEPTH = 20000 };
    static uint32_t at_depth[DEPTH + 1];
    for (uint32_t i = 1; i <= DEPTH; i++)
        at_depth[i] = stack_of(writer, at_depth[i - 1], "r");
    for (uint32_t i = 1; i < 400; i++)
        put_sample(writer, i, at_depth[DEPTH], at_depth[DEPTH - i * 49]);
    struct pyro_profile *profile = close_and_read(writer);
    for (uint32_t i = 1; i < 400; i++) {
        uint32_t cut = pyro_sample_stack(profile, i - 1);
        CHECK_EQ(profile->stacks[cut].parent, at_depth[DEPTH - i * 49]);
    }
    pyro_profile_free(profile);
}

/* -- files -------------------------------------------------------------------------------------- */

static void the_file_is_the_users_alone(void)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    CHECK(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    struct pyro_writer *writer = open_writer();
    struct stat status;
    CHECK_EQ(stat(path, &status), 0);
    CHECK_EQ(status.st_mode & 07777, 0600);
    pyro_profile_free(close_and_read(writer));
}

static void a_growing_file_can_be_read(void)
{
    struct pyro_writer *writer = open_writer();
    put_sample(writer, 10, stack_of(writer, PYRO_STACK_ROOT, "ab"), 2);
    put_sample(writer, 2000000, 1, 1); /* more than a second later: the first one goes out */
    struct pyro_profile *profile = NULL;
    CHECK_EQ(pyro_profile_read(path, &profile, NULL), 0);
    CHECK_EQ(profile->samples.count, 1);
    CHECK(!profile->complete && !profile->torn);
    pyro_profile_free(profile);
    struct stat status;
    CHECK_EQ(stat(path, &status), 0);
    CHECK_EQ(pyro_writer_bytes(writer), status.st_size);
    profile = close_and_read(writer);
    CHECK_EQ(profile->samples.count, 2);
    CHECK(profile->complete);
    pyro_profile_free(profile);
}

static void writes_to_standard_output(void)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    int old = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    struct pyro_writer *writer;
    const struct pyro_recording_info info = {.command = "x"};
    int code = pyro_writer_open("-", &info, &writer, NULL);
    code = code ? code : pyro_writer_close(writer, NULL);
    dup2(old, STDOUT_FILENO);
    close(old);
    close(fd);
    CHECK_EQ(code, 0);
    struct pyro_profile *profile = read_back();
    CHECK_STR(profile->info.command, "x");
    pyro_profile_free(profile);
}

static void says_why_a_file_cannot_be_read(void)
{
    struct pyro_profile *profile;
    struct pyro_error error;
    CHECK_EQ(pyro_profile_read("/nonexistent/x", &profile, &error), -ENOENT);
    CHECK_STR(error.message, "cannot read '/nonexistent/x': no such file or directory");
    CHECK_EQ(pyro_profile_read("/", &profile, &error), -EISDIR);
    CHECK_EQ(pyro_profile_read("/dev/null", &profile, &error), -EBADMSG);
    CHECK_STR(error.message, "cannot read '/dev/null': it is no pyrometer recording");
}

int main(void)
{
    return CHECK_MAIN(
        TEST(keeps_what_the_recording_is), TEST(texts_that_are_not_told_stay_null),
        TEST(the_same_thing_has_the_same_id), TEST(unknown_ids_are_refused),
        TEST(definitions_come_back), TEST(membership_tests_are_added_up),
        TEST(arguments_are_added_up), TEST(a_later_name_and_time_of_a_thread_win),
        TEST(source_lines_are_found), TEST(long_texts_are_cut_between_characters),
        TEST(counters_come_back), TEST(samples_come_back_as_they_were),
        TEST(each_of_many_threads_has_its_own_samples), TEST(an_unsure_top_is_cut_and_says_so),
        TEST(nothing_but_unsure_is_unsure), TEST(there_is_one_unsure_function),
        TEST(edges_learned_later_make_a_sample_sure), TEST(a_frame_on_the_root_needs_no_edge),
        TEST(agreed_parts_off_the_stack_count_up_to_the_fork),
        TEST(very_deep_stacks_are_cut_at_any_depth), TEST(the_file_is_the_users_alone),
        TEST(a_growing_file_can_be_read), TEST(writes_to_standard_output),
        TEST(says_why_a_file_cannot_be_read));
}
