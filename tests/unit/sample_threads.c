/* Which threads a sampler knows, and how soon: sample/threads.c. */
#include "check.h"
#include "target_child.h"

#include "base/clock.h"
#include "sample/internal.h"

static int to_python = -1, from_python = -1;

/* A Python that starts a thread for each byte that it reads, and says so. */
static void start_threads(int ready_fd)
{
    dup2(to_python, STDIN_FILENO);
    dup2(from_python, STDOUT_FILENO);
    child_ready(ready_fd);
    execlp("/usr/bin/python3", "python3", "-I", "-c",
           "import os, threading, time\n"
           "os.write(1, b'x')\n"
           "while os.read(0, 1):\n"
           "    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
           "    os.write(1, b'x')\n",
           NULL);
    _exit(127);
}

static void sweep(struct pyro_sampler *sampler, struct pyro_writer *writer, uint64_t now_ns)
{
    struct pyro_counters counters = {0};
    int cpu;
    pyro_writer_sweep(writer, now_ns / 1000);
    CHECK_EQ(pyro_sampler_sweep(sampler, NULL, now_ns, &counters, &cpu), 0);
}

/* It may begin between the reading of the list and the sweep that is to tell of changes. */
static void a_thread_that_begins_behind_the_list_is_seen(void)
{
    const struct pyro_sampler_options plain = {0};
    const struct pyro_recording_info info = {.command = "test"};
    struct pyro_sampler *sampler;
    struct pyro_writer *writer;
    struct pyro_error error;
    char path[] = "/tmp/pyrometer-test-XXXXXX", byte;
    int in[2], out[2];
    if (access("/usr/bin/python3", X_OK) != 0)
        SKIP("no /usr/bin/python3");
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    to_python = in[0];
    from_python = out[1];
    pid_t child = child_start(start_threads);
    CHECK_EQ(read(out[0], &byte, 1), 1);
    close(mkstemp(path));
    CHECK_EQ(pyro_writer_open(path, &info, &writer, &error), 0);
    CHECK_EQ(pyro_sampler_open(child, &plain, &sampler, &error), 0);
    CHECK_EQ(pyro_sampler_start(sampler, writer, 0, "test"), 0);
    uint64_t now = pyro_clock_ns();
    for (int i = 0; i < 100; i++) /* until its main thread has a name */
        sweep(sampler, writer, now += 10 * PYRO_NS_PER_MS);
    for (size_t threads = 1; threads < 5; threads++) {
        CHECK_EQ(pyro_sampler_list(sampler, now += PYRO_NS_PER_MS), 0);
        CHECK_EQ(pyro_sampler_threads(sampler), threads);
        CHECK_EQ(write(in[1], "x", 1), 1);
        CHECK_EQ(read(out[0], &byte, 1), 1);
        sweep(sampler, writer, now += PYRO_NS_PER_MS);
        sweep(sampler, writer, now += PYRO_NS_PER_MS);
        CHECK_EQ(pyro_sampler_threads(sampler), threads + 1);
        for (int i = 0; i < 100; i++)
            sweep(sampler, writer, now += 10 * PYRO_NS_PER_MS);
    }
    pyro_sampler_free(sampler);
    CHECK_EQ(pyro_writer_close(writer, &error), 0);
    unlink(path);
    child_kill(child);
}

int main(void)
{
    return CHECK_MAIN(TEST(a_thread_that_begins_behind_the_list_is_seen));
}
