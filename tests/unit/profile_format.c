/* The file format stays what docs/format.md says, and files of released versions stay readable.
 *
 * `test-profile_format --write golden FILE` and `--write example FILE` write the recordings this test knows: to
 * make the golden file of a new version, or the bytes of the example for the document. */
#include "base/checksum.h"
#include "check.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <ctype.h>
#include <libgen.h>

static uint32_t string(struct pyro_writer *writer, const char *text)
{
    return pyro_writer_string(writer, text, strlen(text));
}

static uint32_t frame(struct pyro_writer *writer, const char *name, const char *file,
                      uint32_t first_line, uint32_t line)
{
    struct pyro_function function = {
        .name = string(writer, name), .file = string(writer, file), .first_line = first_line};
    return pyro_writer_frame(writer, pyro_writer_function(writer, &function), line);
}

static void sweep(struct pyro_writer *writer, uint64_t time_us,
                  const struct pyro_written_sample *samples, size_t count)
{
    pyro_writer_sweep(writer, time_us);
    for (size_t i = 0; i < count; i++)
        pyro_writer_sample(writer, &samples[i]);
}

/* -- the example of the document: every byte is explained there --------------------------------- */

static void write_example(const char *path)
{
    const struct pyro_recording_info info = {.command = "a.py", .pid = 7, .rate_hz = 1000};
    struct pyro_writer *writer;
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
    uint32_t outer =
        pyro_writer_stack(writer, PYRO_STACK_ROOT, frame(writer, "main", "a.py", 3, 5));
    uint32_t inner = pyro_writer_stack(writer, outer, frame(writer, "f", "a.py", 1, 2));
    uint32_t wait = pyro_writer_wait(writer, "sleep", "");
    uint32_t process = pyro_writer_process(writer, 7, 1, "a.py", "");
    uint32_t thread = pyro_writer_thread(writer, process, 7);
    const struct pyro_written_sample samples[] = {
        {thread, inner, inner, PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, PYRO_NO_ID},
        {thread, outer, outer, PYRO_STATE_WAITING, 0, wait},
        {thread, inner, outer, PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, PYRO_NO_ID},
    };
    sweep(writer, 1000, &samples[0], 1);
    sweep(writer, 1300, &samples[1], 1);
    sweep(writer, 2000, &samples[1], 1);
    sweep(writer, 2100, &samples[2], 1);
    pyro_writer_edge(writer, 0, 1);
    struct pyro_counters counters = {.sweeps = 4, .duration_us = 2100, .late = 1};
    pyro_writer_counters(writer, &counters);
    CHECK_EQ(pyro_writer_close(writer, NULL), 0);
}

/* -- the golden recording: something of everything, packed blocks included ---------------------- */

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % limit;
}

enum { STACKS = 200, THREADS = 6, SWEEPS = 600 };

static void golden_samples(struct pyro_writer *writer, const uint32_t *stacks,
                           const uint32_t *threads)
{
    uint64_t time_us = 0;
    for (uint32_t i = 0; i < SWEEPS; i++) {
        struct pyro_written_sample samples[THREADS];
        uint32_t alive = 1 + i / 100 % THREADS;
        for (uint32_t k = 0; k < alive; k++) {
            uint32_t stack = stacks[k ? k : random_below(STACKS)];
            samples[k] = (struct pyro_written_sample){.thread = threads[k],
                                                      .stack = stack,
                                                      .agreed = stack,
                                                      .state = PYRO_STATE_WAITING,
                                                      .wait = k % 2};
            if (k == 0) {
                samples[k].agreed = i % 10 ? stack : stacks[1];
                samples[k].state = PYRO_STATE_RUNNING;
                samples[k].flags = i % 7 ? PYRO_SAMPLE_GIL : PYRO_SAMPLE_GIL | PYRO_SAMPLE_GC;
                samples[k].wait = PYRO_NO_ID;
            }
        }
        sweep(writer, time_us += i == 300 ? 5000000 : random_below(2000), samples, alive);
    }
}

static void write_golden(const char *path)
{
    const struct pyro_recording_info info = {.command = "python -m shop",
                                             .python = "3.12.1",
                                             .mode = "wall",
                                             .pyrometer = "0.1.0",
                                             .directory = "/srv/shop",
                                             .pid = 4242,
                                             .started_unix_us = 1700000000000000,
                                             .rate_hz = 1000,
                                             .exact = true};
    struct pyro_writer *writer;
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
    uint32_t stacks[STACKS] = {0}, threads[THREADS];
    for (uint32_t i = 1; i < STACKS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "Order.step_%u", i % 40);
        stacks[i] = pyro_writer_stack(writer, stacks[random_below(i)],
                                      frame(writer, name, "/srv/shop/order.py", i % 40, i));
        if (i % 3 == 0)
            pyro_writer_source(writer, string(writer, "/srv/shop/order.py"), i, name, strlen(name));
    }
    pyro_writer_edge(writer, 1, 2);
    pyro_writer_edge(writer, 2, 1);
    pyro_writer_wait(writer, "lock", "futex");
    pyro_writer_wait(writer, "socket", "recv 127.0.0.1:5432");
    uint32_t process = pyro_writer_process(writer, 4242, 1, "python -m shop", "3.12.1");
    for (uint32_t i = 0; i < THREADS; i++)
        threads[i] = pyro_writer_thread(writer, process, 4242 + i);
    pyro_writer_thread_name(writer, threads[1], "Worker-\xc3\xa9");
    golden_samples(writer, stacks, threads);
    pyro_writer_thread_cpu(writer, threads[0], 654321);
    struct pyro_counters counters = {.missed_ticks = 1, .late = 2, .sampler_cpu_us = 3};
    pyro_writer_counters(writer, &counters);
    CHECK_EQ(pyro_writer_close(writer, NULL), 0);
}

/* -- finding files of the source tree ----------------------------------------------------------- */

/* NAME is relative to tests/unit. The compiler was given this file's path, perhaps relative to the build folder,
 * which is two folders above the test. */
static FILE *open_in_tree(const char *name)
{
    char here[] = __FILE__, exe[3000], path[8000];
    const char *folder = dirname(here);
    ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    CHECK(length > 0);
    exe[length] = '\0';
    const char *test_folder = dirname(exe);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(path, sizeof(path), "%s/../../%s/%s", test_folder, folder, name);
        file = fopen(path, "re");
    }
    if (file)
        return file;
    printf("# cannot find %s from %s\n", name, folder);
    CHECK(file);
    return NULL;
}

static size_t read_all(FILE *file, uint8_t *bytes, size_t size)
{
    CHECK(file);
    size_t count = fread(bytes, 1, size, file);
    CHECK(count < size);
    fclose(file);
    return count;
}

/* -- tests -------------------------------------------------------------------------------------- */

static int hex_digit(int c)
{
    return isdigit(c) ? c - '0' : c - 'a' + 10;
}

/* The bytes of the document's example: the hexadecimal pairs of its ```hex lines, each up to a '|'. */
static size_t bytes_of_document(uint8_t *bytes, size_t size)
{
    FILE *file = open_in_tree("../../docs/format.md");
    char line[512];
    bool inside = false;
    size_t count = 0;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "```", 3) == 0)
            inside = strncmp(line, "```hex", 6) == 0;
        else if (inside)
            for (const char *at = line; isxdigit(*at) && isxdigit(at[1]) && count < size; at += 3)
                bytes[count++] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
    }
    fclose(file);
    return count;
}

static void checksums_are_crc_32c(void)
{
    CHECK_EQ(pyro_crc32c(0, "123456789", 9), 0xe3069283);
    CHECK_EQ(pyro_crc32c(pyro_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    CHECK_EQ(pyro_crc32c(0, "", 0), 0);
}

static void the_example_of_the_document_is_true(void)
{
    uint8_t written[4096], told[4096];
    write_example("profile_format_example.pyro");
    size_t count = read_all(fopen("profile_format_example.pyro", "re"), written, sizeof(written));
    unlink("profile_format_example.pyro");
    size_t told_count = bytes_of_document(told, sizeof(told));
    for (size_t i = 0; i < count && i < told_count; i++) {
        if (written[i] != told[i])
            printf("# byte %zu: the document says %02x, the file %02x\n", i, told[i], written[i]);
        CHECK(written[i] == told[i]);
    }
    CHECK_EQ(told_count, count);
}

static void the_example_reads_as_told(void)
{
    static uint8_t bytes[4096];
    struct pyro_profile *profile;
    size_t size = bytes_of_document(bytes, sizeof(bytes));
    CHECK_EQ(pyro_profile_parse(bytes, size, &profile, NULL), 0);
    CHECK(profile->complete);
    CHECK_EQ(profile->samples.count, 4);
    CHECK_EQ(pyro_sample_time_us(profile, 3), 2100);
    CHECK_EQ(pyro_sample_stack(profile, 3), 2); /* the edge made it sure */
    CHECK_EQ(pyro_sample_flags(profile, 3), PYRO_SAMPLE_GIL);
    CHECK_EQ(pyro_sample_state(profile, 2), PYRO_STATE_WAITING);
    CHECK_STR(pyro_profile_text(profile, profile->waits[0].kind), "sleep");
    pyro_profile_free(profile);
}

#define SAME_ARRAY(array, count)                                                      \
    do {                                                                              \
        CHECK_EQ(old->count, new->count);                                             \
        CHECK(memcmp(old->array, new->array, old->count * sizeof(*old->array)) == 0); \
    } while (0)

#define SAME_OF_SAMPLE(what, i) CHECK_EQ(pyro_sample_##what(old, i), pyro_sample_##what(new, i))

static void check_same(const struct pyro_profile *old, const struct pyro_profile *new)
{
    CHECK_EQ(old->strings.count, new->strings.count);
    for (uint32_t i = 0; i < old->strings.count; i++)
        CHECK_STR(pyro_profile_text(old, i), pyro_profile_text(new, i));
    SAME_ARRAY(functions, function_count);
    SAME_ARRAY(frames, frame_count);
    SAME_ARRAY(stacks, stack_count);
    SAME_ARRAY(processes, process_count);
    SAME_ARRAY(waits, wait_count);
    SAME_ARRAY(sources, source_count);
    CHECK_EQ(old->samples.count, new->samples.count);
    for (size_t i = 0; i < old->samples.count; i++) {
        SAME_OF_SAMPLE(time_us, i);
        SAME_OF_SAMPLE(thread, i);
        SAME_OF_SAMPLE(stack, i);
        SAME_OF_SAMPLE(wait, i);
        SAME_OF_SAMPLE(state, i);
        SAME_OF_SAMPLE(flags, i);
        CHECK(pyro_sample_weight_us(old, i) == pyro_sample_weight_us(new, i));
    }
    CHECK(memcmp(&old->counters, &new->counters, sizeof(old->counters)) == 0);
}

static void files_of_version_1_read_as_ever(void)
{
    static uint8_t bytes[65536];
    size_t size = read_all(open_in_tree("data/v1.pyro"), bytes, sizeof(bytes));
    struct pyro_profile *old, *new;
    CHECK_EQ(pyro_profile_parse(bytes, size, &old, NULL), 0);
    write_golden("profile_format_golden.pyro");
    CHECK_EQ(pyro_profile_read("profile_format_golden.pyro", &new, NULL), 0);
    unlink("profile_format_golden.pyro");
    check_same(old, new);
    CHECK_STR(old->info.directory, "/srv/shop");
    CHECK_STR(pyro_profile_text(old, old->threads[1].name), "Worker-\xc3\xa9");
    CHECK_EQ(old->threads[0].cpu_kernel_us, 654321);
    CHECK(old->counters.unsure > 10 && old->counters.gap_us > 4900000);
    pyro_profile_free(old);
    pyro_profile_free(new);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--write") == 0) {
        (strcmp(argv[2], "golden") == 0 ? write_golden : write_example)(argv[3]);
        return 0;
    }
    return CHECK_MAIN(TEST(checksums_are_crc_32c), TEST(the_example_of_the_document_is_true),
                      TEST(the_example_reads_as_told), TEST(files_of_version_1_read_as_ever));
}
