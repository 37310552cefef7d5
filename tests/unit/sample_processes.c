/* Following processes: children are found, programs that are no Python are passed through, ends are noticed. A
 * Python's own samples are tests/live's matter; where there is one here, it is sampled too. */
#include "check.h"
#include "target_child.h"

#include "base/clock.h"
#include "sample/processes.h"
#include "target/process.h"

#include <errno.h>

static const struct pyro_sampler_options plain = {0};

static void nothing(int ready_fd)
{
    child_ready(ready_fd);
}

/* A child with a child of its own. */
static void parent(int ready_fd)
{
    pid_t self = getpid();
    if (fork() == 0) {
        end_with(self);
        child_ready(ready_fd);
        for (;;)
            pause();
    }
}

static void no_such_process_is_an_error(void)
{
    struct pyro_processes processes;
    pid_t child = child_start(nothing);
    child_kill(child);
    CHECK_EQ(pyro_processes_init(&processes, child, &plain, true), -ESRCH);
    pyro_processes_clear(&processes);
}

static void a_root_that_is_no_python_is_told(void)
{
    struct pyro_processes processes;
    struct pyro_error error = {0};
    pid_t child = child_start(nothing);
    CHECK_EQ(pyro_processes_init(&processes, child, &plain, false), 0);
    CHECK_EQ(pyro_processes_open_root(&processes, &error), -ENOEXEC);
    CHECK(error.message[0] != '\0');
    CHECK_EQ(pyro_processes_count(&processes), 0);
    CHECK_EQ(pyro_processes_threads(&processes), 0);
    CHECK(!pyro_processes_ended(&processes));
    pyro_processes_clear(&processes);
    child_kill(child);
}

static void children_are_found_only_if_asked_for(void)
{
    for (int asked = 0; asked < 2; asked++) {
        struct pyro_processes processes;
        pid_t child = child_start(parent);
        CHECK_EQ(pyro_processes_init(&processes, child, &plain, asked), 0);
        pyro_processes_tend(&processes, pyro_clock_ns());
        CHECK_EQ(processes.count, 1 + asked);
        pyro_processes_tend(&processes, pyro_clock_ns() + PYRO_NS_PER_S);
        CHECK_EQ(processes.count, 1 + asked); /* none is found twice */
        pyro_processes_clear(&processes);
        child_kill(child);
    }
}

static void the_end_of_all_is_noticed(void)
{
    struct pyro_processes processes;
    struct pyro_counters counters = {0};
    pid_t child = child_start(parent);
    uint64_t now = pyro_clock_ns();
    CHECK_EQ(pyro_processes_init(&processes, child, &plain, true), 0);
    pyro_processes_tend(&processes, now);
    CHECK(!pyro_processes_ended(&processes));
    child_kill(child); /* the grandchild follows by PR_SET_PDEATHSIG */
    CHECK(EVENTUALLY(
        (pyro_processes_tend(&processes, now += PYRO_NS_PER_S), pyro_processes_ended(&processes))));
    pyro_processes_sweep(&processes, NULL, now, &counters);
    CHECK_EQ(counters.samples, 0);
    pyro_processes_clear(&processes);
}

/* Runs PROGRAM if there is one. */
static void run_python(int ready_fd)
{
    int ends[2];
    if (pipe(ends) == 0 && fork() == 0) {
        close(ends[0]);
        dup2(ends[1], STDOUT_FILENO);
        execlp("/usr/bin/python3", "python3", "-I", "-c",
               "import sys\nprint('x', flush=True)\ndef spin():\n    while True: pass\nspin()",
               NULL);
        _exit(1);
    }
    close(ends[1]);
    char byte;
    (void)!read(ends[0], &byte, 1);
    child_ready(ready_fd);
}

static void a_python_below_a_program_is_sampled(void)
{
    struct pyro_processes processes;
    struct pyro_counters counters = {0};
    struct pyro_writer *writer;
    struct pyro_error error;
    const struct pyro_recording_info info = {.command = "test"};
    char path[] = "/tmp/pyrometer-test-XXXXXX";
    if (access("/usr/bin/python3", X_OK) != 0)
        SKIP("no /usr/bin/python3");
    close(mkstemp(path));
    CHECK_EQ(pyro_writer_open(path, &info, &writer, &error), 0);
    pid_t child = child_start(run_python), python;
    CHECK_EQ(pyro_process_children(child, &python, 1), 1);
    uint64_t now = pyro_clock_ns();
    CHECK_EQ(pyro_processes_init(&processes, child, &plain, true), 0);
    CHECK_EQ(pyro_processes_start(&processes, writer, now), 0);
    CHECK(EVENTUALLY((pyro_processes_tend(&processes, now += PYRO_NS_PER_S),
                      pyro_processes_count(&processes) == 1)));
    for (uint64_t i = 1; i <= 50; i++) {
        pyro_writer_sweep(writer, i * 1000);
        pyro_processes_sweep(&processes, NULL, now += PYRO_NS_PER_MS, &counters);
    }
    printf("# %llu samples, %llu unsure\n", (unsigned long long)counters.samples,
           (unsigned long long)counters.unsure);
    CHECK(counters.samples >= 45 && counters.samples <= 50);
    CHECK_EQ(pyro_processes_threads(&processes), 1);
    kill(python, SIGKILL);
    CHECK(
        EVENTUALLY((pyro_processes_sweep(&processes, NULL, now += PYRO_NS_PER_S, &counters),
                    pyro_processes_tend(&processes, now), pyro_processes_count(&processes) == 0)));
    pyro_processes_clear(&processes);
    CHECK_EQ(pyro_writer_close(writer, &error), 0);
    unlink(path);
    child_kill(child);
}

int main(void)
{
    return CHECK_MAIN(TEST(no_such_process_is_an_error), TEST(a_root_that_is_no_python_is_told),
                      TEST(children_are_found_only_if_asked_for), TEST(the_end_of_all_is_noticed),
                      TEST(a_python_below_a_program_is_sampled));
}
