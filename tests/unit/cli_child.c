/* tests/unit/cli_child.c - cli/child.h: how a program ends, and we with it. */
#include "cli/child.h"

#include "check.h"

#include <dirent.h>
#include <time.h>

static void start(struct pyro_child *child, char text[])
{
    char shell[] = "sh", option[] = "-c";
    char *const argv[] = {shell, option, text, NULL};
    struct pyro_error error = {0};
    CHECK_EQ(pyro_child_start(child, "/bin/sh", argv, &error), 0);
}

static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* . and .. */
    CHECK(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void status_is_the_programs(void)
{
    struct pyro_child child;
    start(&child, (char[]){"exit 7"});
    CHECK_EQ(pyro_child_exit_like(pyro_child_wait(&child)), 7);
    start(&child, (char[]){"kill -KILL $$"});
    int status = pyro_child_wait(&child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void signals_to_us_are_passed_on(void)
{
    struct pyro_child child;
    start(&child, (char[]){"trap 'exit 9' TERM; while :; do sleep 0.01; done"});
    while (!pyro_child_over(&child))
        kill(getpid(), SIGTERM);
    int status = pyro_child_wait(&child);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGTERM : WEXITSTATUS(status) == 9);
}

/* On a machine that gave our thread no turn while the program ran. */
static void a_late_signal_does_not_end_us(void)
{
    struct pyro_child child;
    start(&child, (char[]){"exit 3"});
    atomic_store(&child.done, true);
    while (threads() > 1) {
        const struct timespec pause = {.tv_nsec = 1000000};
        kill(getpid(), SIGCHLD);
        nanosleep(&pause, NULL);
    }
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(pyro_child_exit_like(pyro_child_wait(&child)), 3);
}

int main(void)
{
    return CHECK_MAIN(TEST(status_is_the_programs), TEST(signals_to_us_are_passed_on),
                      TEST(a_late_signal_does_not_end_us));
}
