/* tests/unit/target_pause.c - target/pause.h. */
#include "target/pause.h"
#include "target/memory.h"
#include "target/process.h"

#include "target_child.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/* Shared with the child: counts as long as it runs. */
static struct {
    volatile unsigned long turns;
    volatile int signals;
    volatile int value; /* of the last queued signal */
} * shared;

static void share(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    shared->value = info->si_value.sival_int;
    shared->signals++;
}

static void spin(int ready_fd)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    child_ready(ready_fd);
    for (;;)
        shared->turns++;
}

static char state_of(pid_t pid)
{
    struct pyro_process_info info;
    return pyro_process_info(pid, &info) < 0 ? 0 : info.state;
}

/* Whether the child's counter moves. */
static bool moves(void)
{
    unsigned long before = shared->turns;
    for (int i = 0; i < 1000 && shared->turns == before; i++)
        sleep_ms(1);
    return shared->turns != before;
}

static bool stands(void)
{
    unsigned long before = shared->turns;
    sleep_ms(20);
    return shared->turns == before;
}

static void a_thread_is_stopped_and_goes_on(void)
{
    struct pyro_pauser *pauser;
    share();
    pid_t pid = child_start(spin);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    for (int i = 0; i < 10; i++) {
        CHECK(moves());
        CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
        CHECK(stands());
        CHECK_EQ(pyro_pauser_stop(pauser, pid), 0); /* nothing to do */
        CHECK_EQ(pyro_pauser_resume(pauser, pid), 0);
        CHECK_EQ(pyro_pauser_resume(pauser, pid), -ESRCH);
    }
    CHECK(moves());
    /* Freeing resumes. */
    CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
    pyro_pauser_free(pauser);
    CHECK(moves());
    pyro_pauser_free(NULL);
    child_kill(pid);
}

/* Every signal sent while stops come and go is delivered once, with its value. */
static void signals_are_passed_on(void)
{
    struct pyro_pauser *pauser;
    share();
    pid_t pid = child_start(spin);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    for (int i = 1; i <= 300; i++) {
        union sigval value = {.sival_int = i};
        if (i % 3 == 0)
            CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
        CHECK_EQ(sigqueue(pid, SIGUSR1, value), 0);
        if (i % 3 != 0)
            CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
        CHECK_EQ(pyro_pauser_resume(pauser, pid), 0);
        CHECK(EVENTUALLY(shared->signals == i));
        CHECK_EQ(shared->value, i);
    }
    pyro_pauser_free(pauser);
    CHECK(moves());
    CHECK_EQ(shared->signals, 300);
    child_kill(pid);
}

static void job_control_stops_stay(void)
{
    struct pyro_pauser *pauser;
    share();
    pid_t pid = child_start(spin);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    kill(pid, SIGSTOP);
    CHECK(EVENTUALLY(state_of(pid) == 'T'));
    CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
    CHECK_EQ(pyro_pauser_resume(pauser, pid), 0);
    CHECK(EVENTUALLY(state_of(pid) == 'T'));
    CHECK(stands());
    kill(pid, SIGCONT);
    CHECK(moves());
    /* And one that is continued while we hold it. */
    CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
    kill(pid, SIGSTOP);
    kill(pid, SIGCONT);
    CHECK_EQ(pyro_pauser_resume(pauser, pid), 0);
    CHECK(moves());
    pyro_pauser_free(pauser);
    child_kill(pid);
}

static void be_killed_while_holding(pid_t pid)
{
    struct pyro_pauser *pauser;
    if (pyro_pauser_new(pid, &pauser, NULL) == 0 && pyro_pauser_stop(pauser, pid) == 0)
        kill(getpid(), SIGKILL);
    _exit(1);
}

static void the_target_runs_on_when_we_are_killed(void)
{
    share();
    pid_t pid = child_start(spin);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t profiler = fork();
        if (profiler == 0)
            be_killed_while_holding(pid);
        waitpid(profiler, &status, 0);
        CHECK(WIFSIGNALED(status));
        CHECK(moves());
    }
    child_kill(pid);
}

static void *exit_at_once(void *context)
{
    return context;
}

static void churn_threads(int ready_fd)
{
    child_ready(ready_fd);
    for (;;) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, exit_at_once, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        shared->turns++;
    }
}

static void threads_that_end_are_let_go(void)
{
    struct pyro_pauser *pauser;
    share();
    pid_t pid = child_start(churn_threads), threads[64];
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    int stopped = 0;
    for (int round = 0; round < 2000; round++) {
        int count = pyro_process_threads(pid, threads, 64);
        for (int i = 0; i < count && i < 64; i++) {
            int error = pyro_pauser_stop(pauser, threads[i]);
            if (error != -ESRCH) {
                CHECK_EQ(error, 0);
                stopped++;
                CHECK_EQ(pyro_pauser_resume(pauser, threads[i]), 0);
            }
        }
    }
    CHECK(stopped > 1000);
    CHECK(moves());
    pyro_pauser_free(pauser);
    CHECK(moves());
    child_kill(pid);
}

/* Its parent must learn the target's end, and get its status, although we were attached. */
static void a_target_killed_while_held_ends(void)
{
    struct pyro_pauser *pauser;
    int status;
    share();
    pid_t pid = child_start(spin);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    CHECK_EQ(pyro_pauser_stop(pauser, pid), 0);
    kill(pid, SIGKILL);
    int error = pyro_pauser_resume(pauser, pid);
    CHECK(error == -ESRCH || error == 0);
    do
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    while (!WIFEXITED(status) && !WIFSIGNALED(status));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_EQ(pyro_pauser_stop(pauser, pid), -ESRCH);
    pyro_pauser_free(pauser);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), -ESRCH);
}

static volatile pid_t *grandchild;

static void have_a_child(int ready_fd)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        end_with(parent);
        for (;;)
            shared->turns++;
    }
    *grandchild = pid;
    child_ready(ready_fd);
    int status;
    waitpid(pid, &status, 0);
    shared->value = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void somebody_elses_child_ends_for_its_parent(void)
{
    struct pyro_pauser *pauser;
    share();
    grandchild = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = child_start(have_a_child);
    CHECK_EQ(pyro_pauser_new(*grandchild, &pauser, NULL), 0);
    CHECK_EQ(pyro_pauser_stop(pauser, *grandchild), 0);
    kill(*grandchild, SIGKILL);
    pyro_pauser_resume(pauser, *grandchild);
    CHECK(EVENTUALLY(shared->value == SIGKILL)); /* while the pauser still is */
    pyro_pauser_free(pauser);
    child_kill(pid);
}

/* Its parent waits uninterruptibly until this one is done. */
static void vfork_and_be_slow(int ready_fd)
{
    child_ready(ready_fd);
    for (;;) {
        shared->turns++;
        if (vfork() == 0) {
            sleep_ms(400);
            _exit(0);
        }
        shared->turns++;
    }
}

static void what_cannot_be_stopped_is_left_running(void)
{
    struct pyro_pauser *pauser;
    share();
    pid_t pid = child_start(vfork_and_be_slow);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, NULL), 0);
    CHECK(EVENTUALLY(state_of(pid) == 'D'));
    CHECK(EVENTUALLY(pyro_pauser_stop(pauser, pid) == -ETIMEDOUT ||
                     pyro_pauser_resume(pauser, pid) == 1));
    CHECK_EQ(pyro_pauser_resume(pauser, pid), -ESRCH);
    for (int i = 0; i < 3; i++)
        CHECK(moves()); /* the stop that comes late is undone without being asked */
    CHECK(EVENTUALLY(pyro_pauser_stop(pauser, pid) == -ETIMEDOUT ||
                     pyro_pauser_resume(pauser, pid) == 1));
    pyro_pauser_free(pauser); /* with one left */
    for (int i = 0; i < 3; i++)
        CHECK(moves());
    child_kill(pid);
}

static void try_as_nobody(pid_t pid)
{
    struct pyro_pauser *pauser;
    struct pyro_error error;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        _exit(77);
    CHECK_EQ(pyro_pauser_new(pid, &pauser, &error), -EPERM);
    CHECK(strstr(error.hint, "sudo"));
    _exit(0);
}

static void who_may_not_is_told(void)
{
    int status;
    if (geteuid() != 0)
        SKIP("needs root, to become nobody");
    share();
    pid_t pid = child_start(spin), nobody = fork();
    if (nobody == 0)
        try_as_nobody(pid);
    waitpid(nobody, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    child_kill(pid);
}

int main(void)
{
    return CHECK_MAIN(TEST(a_thread_is_stopped_and_goes_on), TEST(signals_are_passed_on),
                      TEST(job_control_stops_stay), TEST(the_target_runs_on_when_we_are_killed),
                      TEST(threads_that_end_are_let_go), TEST(a_target_killed_while_held_ends),
                      TEST(somebody_elses_child_ends_for_its_parent),
                      TEST(what_cannot_be_stopped_is_left_running), TEST(who_may_not_is_told));
}
