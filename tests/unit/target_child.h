/* tests/unit/target_child.h - a process to look at, which ends with the test. */
#ifndef PYRO_TESTS_TARGET_CHILD_H
#define PYRO_TESTS_TARGET_CHILD_H

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

/* To be called first by a forked child: it must not outlive PARENT. */
static inline void end_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it ended before we asked */
        _exit(1);
}

/* Fork a child that runs RUN, tells us by a byte through READY_FD, and waits to be killed. */
static inline pid_t child_start(void (*run)(int ready_fd))
{
    int ends[2];
    char byte;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        end_with(parent);
        close(ends[0]);
        run(ends[1]);
        for (;;)
            pause();
    }
    CHECK(pid > 0);
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1);
    close(ends[0]);
    return pid;
}

static inline void child_ready(int ready_fd)
{
    if (write(ready_fd, "x", 1) != 1)
        _exit(1);
}

static inline void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) != pid)
        continue;
}

static inline void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Whether CONDITION became true within ten seconds. */
#define EVENTUALLY(condition)                          \
    ({                                                 \
        int eventually_left_ = 10000;                  \
        while (!(condition) && eventually_left_-- > 0) \
            sleep_ms(1);                               \
        eventually_left_ > 0;                          \
    })

#endif
