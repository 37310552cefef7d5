/* Every allocation and every write may fail: the recording then ends with one clear error, nothing leaks, and what
 * was written before stays readable. */
#include "check.h"
#include "failing_malloc.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* -- a recording that uses everything ----------------------------------------------------------- */

static const char path[] = "profile_faults.pyro";

static void record_stacks(struct pyro_writer *writer, uint32_t *stacks, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        char name[32];
        int length = snprintf(name, sizeof(name), "function_%u", i);
        struct pyro_function function = {.name = pyro_writer_string(writer, name, (size_t)length)};
        uint32_t id = pyro_writer_function(writer, &function);
        stacks[i] = pyro_writer_stack(writer, stacks[i / 2], pyro_writer_frame(writer, id, i));
        pyro_writer_edge(writer, id, id / 2);
        pyro_writer_source(writer, 1, i, name, (size_t)length);
    }
}

static int record(const char *file, struct pyro_error *error)
{
    enum { STACKS = 300 };
    const struct pyro_recording_info info = {.command = "python a.py", .rate_hz = 1000};
    struct pyro_writer *writer;
    int code = pyro_writer_open(file, &info, &writer, error);
    if (code < 0)
        return code;
    uint32_t stacks[STACKS] = {0};
    record_stacks(writer, stacks, STACKS);
    uint32_t process = pyro_writer_process(writer, 1, 0, "python a.py", "3.12.1");
    struct pyro_counters counters = {0};
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t thread = pyro_writer_thread(writer, process, i % 12);
        pyro_writer_thread_name(writer, thread, "Worker");
        uint32_t stack = stacks[i * 17 % STACKS];
        struct pyro_written_sample sample = {.thread = thread,
                                             .stack = stack,
                                             .agreed = i % 9 ? stack : stacks[1],
                                             .state = PYRO_STATE_WAITING,
                                             .wait = pyro_writer_wait(writer, "lock", "futex")};
        pyro_writer_sweep(writer, i * 1000);
        pyro_writer_sample(writer, &sample);
        counters.sweeps = i;
        pyro_writer_counters(writer, &counters);
    }
    return pyro_writer_close(writer, error);
}

static size_t samples_in_file(void)
{
    struct pyro_profile *profile;
    struct pyro_error error = {0};
    int code = pyro_profile_read(path, &profile, &error);
    if (code < 0)
        printf("# %s\n", error.message);
    CHECK_EQ(code, 0);
    size_t count = profile->samples.count;
    pyro_profile_free(profile);
    return count;
}

/* -- tests -------------------------------------------------------------------------------------- */

static void writing_survives_each_failed_allocation(void)
{
#ifdef SANITIZED
    SKIP("the sanitizer owns the allocator");
#endif
    long failures = 0;
    for (long at = 1;; at++) {
        struct pyro_error error = {0};
        unlink(path);
        long alive_before = alive;
        allocations = 0;
        fail_at = at;
        int code = record(path, &error);
        fail_at = 0;
        CHECK_EQ(alive, alive_before);
        if (allocations < at)
            break; /* there are not so many */
        /* fopen, strdup and zstd may do with less; whoever fails says why. */
        if (code == 0)
            continue;
        failures++;
        CHECK_EQ(code, -ENOMEM);
        CHECK(strstr(error.message, "cannot write 'profile_faults.pyro': "));
        struct stat status;
        if (stat(path, &status) == 0 && status.st_size > 0)
            CHECK(samples_in_file() < 3000);
    }
    printf("# %ld allocations failed\n", failures);
    CHECK(failures > 50);
    CHECK_EQ(samples_in_file(), 3000);
    unlink(path);
}

static void reading_survives_each_failed_allocation(void)
{
#ifdef SANITIZED
    SKIP("the sanitizer owns the allocator");
#endif
    CHECK_EQ(record(path, NULL), 0);
    long failures = 0;
    for (long at = 1;; at++) {
        struct pyro_profile *profile = NULL;
        struct pyro_error error = {0};
        long alive_before = alive;
        allocations = 0;
        fail_at = at;
        int code = pyro_profile_read(path, &profile, &error);
        fail_at = 0;
        if (code == 0) {
            CHECK_EQ(profile->samples.count, 3000);
            pyro_profile_free(profile);
        } else {
            failures++;
            CHECK_EQ(code, -ENOMEM);
            CHECK(strstr(error.message, "memory"));
        }
        CHECK_EQ(alive, alive_before);
        if (allocations < at)
            break;
    }
    printf("# %ld allocations failed\n", failures);
    CHECK(failures > 30);
    unlink(path);
}

/* Files end at SIZE bytes: the write that passes it is short, and the next one fails. */
static void limit_file_size(size_t size)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = size, .rlim_max = RLIM_INFINITY};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_anywhere_keeps_what_was_written(void)
{
    CHECK_EQ(record(path, NULL), 0);
    struct stat status;
    CHECK_EQ(stat(path, &status), 0);
    size_t whole = (size_t)status.st_size;
    CHECK(whole > 2000);
    size_t last_count = 0;
    for (size_t size = 200; size < whole; size += 37) {
        struct pyro_error error = {0};
        limit_file_size(size);
        int code = record(path, &error);
        limit_file_size(whole * 2);
        CHECK_EQ(code, -EFBIG);
        CHECK_STR(error.message, "cannot write 'profile_faults.pyro': file too large");
        size_t count = samples_in_file();
        CHECK(count >= last_count && count <= 3000);
        last_count = count;
        CHECK_EQ(stat(path, &status), 0);
        CHECK((size_t)status.st_size <= size);
    }
    CHECK(last_count >= 2000);
    unlink(path);
}

static void a_full_disk_leaves_no_half_chunk(void)
{
    limit_file_size(1500);
    CHECK_EQ(record(path, NULL), -EFBIG);
    struct pyro_profile *profile;
    CHECK_EQ(pyro_profile_read(path, &profile, NULL), 0);
    CHECK(!profile->torn && !profile->complete);
    pyro_profile_free(profile);
    unlink(path);
}

static void a_full_device_is_one_clear_error_at_close(void)
{
    struct pyro_error error = {0};
    CHECK_EQ(record("/dev/full", &error), -ENOSPC);
    CHECK_STR(error.message, "cannot write '/dev/full': no space left on device");
}

static void an_error_stops_the_naming_of_things(void)
{
    const struct pyro_recording_info info = {.command = "x"};
    struct pyro_writer *writer;
    CHECK_EQ(pyro_writer_open("/dev/full", &info, &writer, NULL), 0);
    CHECK_EQ(pyro_writer_error(writer), -ENOSPC);
    CHECK_EQ(pyro_writer_string(writer, "a", 1), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_process(writer, 1, 0, "", ""), PYRO_NO_ID);
    CHECK_EQ(pyro_writer_flush(writer), -ENOSPC);
    CHECK_EQ(pyro_writer_bytes(writer), 0);
    CHECK_EQ(pyro_writer_close(writer, NULL), -ENOSPC);
}

static void a_file_that_cannot_be_made_is_told_at_open(void)
{
    const struct pyro_recording_info info = {.command = "x"};
    struct pyro_writer *writer;
    struct pyro_error error;
    CHECK_EQ(pyro_writer_open("/nonexistent/x.pyro", &info, &writer, &error), -ENOENT);
    CHECK_STR(error.message, "cannot write '/nonexistent/x.pyro': no such file or directory");
}

int main(void)
{
    return CHECK_MAIN(
        TEST(writing_survives_each_failed_allocation),
        TEST(reading_survives_each_failed_allocation),
        TEST(a_full_disk_anywhere_keeps_what_was_written), TEST(a_full_disk_leaves_no_half_chunk),
        TEST(a_full_device_is_one_clear_error_at_close), TEST(an_error_stops_the_naming_of_things),
        TEST(a_file_that_cannot_be_made_is_told_at_open));
}
