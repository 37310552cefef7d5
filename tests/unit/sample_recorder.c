/* The recorder sits beside the target and proves it, unless it is told not to. What it shows is tests/live's matter. */
#include "check.h"
#include "target_child.h"

#include "base/clock.h"
#include "sample/recorder.h"

#define RECORDING "sample_recorder_test.pyro"

static void spin_in_python(int ready_fd)
{
    child_ready(ready_fd);
    execlp("python3", "python3", "-c", "while True: pass", (char *)NULL);
    _exit(127);
}

/* Record a busy Python for a moment with OPTIONS. False: there is no Python here. */
static bool record(struct pyro_recorder_options options, struct pyro_counters *ret_counters)
{
    struct pyro_recorder *recorder;
    struct pyro_writer *writer;
    struct pyro_error error = {0};
    enum pyro_recorder_end end;
    pid_t child = child_start(spin_in_python);
    options.pid = child;
    options.rate_hz = 1000;
    options.duration_ns = 300 * PYRO_NS_PER_MS;
    options.attach_timeout_ns = 5 * PYRO_NS_PER_S;
    int status = pyro_recorder_attach(&options, &recorder, &error);
    if (status == 0) {
        struct pyro_recording_info info = {.python = pyro_recorder_python(recorder),
                                           .mode = "wall"};
        CHECK_EQ(pyro_writer_open(RECORDING, &info, &writer, &error), 0);
        CHECK_EQ(pyro_recorder_run(recorder, writer, &end, &error), 0);
        CHECK_EQ(end, PYRO_END_DURATION);
        *ret_counters = *pyro_recorder_counters(recorder);
        CHECK_EQ(pyro_writer_close(writer, &error), 0);
        pyro_recorder_free(recorder);
        unlink(RECORDING);
    }
    child_kill(child);
    if (status < 0)
        printf("# %s\n", error.message);
    return status == 0;
}

static void samples_are_proved_to_stand_still(void)
{
    struct pyro_counters counters;
    if (!record((struct pyro_recorder_options){0}, &counters))
        SKIP("no python3 that can be sampled");
    printf("# %d of %d\n", (int)counters.still, (int)counters.samples);
    CHECK(counters.samples > 10);
    CHECK(counters.still <= counters.samples);
    CHECK(counters.still * 2 > counters.samples);
}

static void apart_nothing_is_proved(void)
{
    struct pyro_counters counters;
    if (!record((struct pyro_recorder_options){.apart = true}, &counters))
        SKIP("no python3 that can be sampled");
    CHECK(counters.samples > 10);
    CHECK_EQ(counters.still, 0);
    CHECK_EQ(counters.stopped, 0);
}

static void exact_is_counted_by_itself(void)
{
    struct pyro_counters counters;
    if (!record((struct pyro_recorder_options){.exact = true}, &counters))
        SKIP("no python3 that can be sampled");
    CHECK(counters.stopped > 10);
    CHECK_EQ(counters.still, 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(samples_are_proved_to_stand_still), TEST(apart_nothing_is_proved),
                      TEST(exact_is_counted_by_itself));
}
