/* cli/child.c - start, watch, wait.
 *
 * Signals are blocked everywhere and taken with sigtimedwait by one thread, so nothing here runs in a
 * signal handler, and the sampling loop is not disturbed. */
#include "cli/child.h"

#include "cli/identity.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANCESTORS_MAX 64 /* looked at for who sent a signal */
#define POLL_MS       10

/* What is taken by the watching thread. */
static void watched_signals(sigset_t *set)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                  SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(set, signals[i]);
}

/* -- starting ----------------------------------------------------------------------------------- */

/* In the child: nothing of our terminal is its own. 0 or errno. */
static int go_aside(int output_fd)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || setsid() < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0)
        return errno;
    return 0;
}

/* In the child. Returns only when it failed. */
static int become_program(const struct pyro_child *child, const char *path, char *const argv[],
                          int output_fd)
{
    int aside = output_fd < 0 ? 0 : go_aside(output_fd);
    if (aside)
        return aside;
    sigaction(SIGCHLD, &child->child_before, NULL);
    int error = pyro_identity_become_caller();
    if (error < 0)
        return -error;
    if (getenv("_")) /* a shell says there which program it started */
        setenv("_", path, 1);
    sigprocmask(SIG_SETMASK, &child->mask_before, NULL);
    execv(path, argv);
    return errno;
}

/* The pipe closes by itself when exec succeeds; else errno comes through it. */
static int exec_result(int fd)
{
    int error = 0;
    ssize_t count;
    do
        count = read(fd, &error, sizeof(error));
    while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof(error) ? -error : 0;
}

static int start_failed(struct pyro_child *child, const char *path, int code,
                        struct pyro_error *error)
{
    if (child->pid > 0)
        waitpid(child->pid, NULL, 0);
    sigaction(SIGCHLD, &child->child_before, NULL);
    sigprocmask(SIG_SETMASK, &child->mask_before, NULL);
    return pyro_error_set(error, code, "cannot run '%s': %s", path, strerror(-code));
}

static void *watch(void *argument);
static void wake(int signal_number)
{
}

static void start_watching(struct pyro_child *child)
{
    struct sigaction action = {.sa_handler = wake}; /* no SA_RESTART: it is to interrupt a sleep */
    sigaction(SIGURG, &action, NULL);
    child->main = pthread_self();
    child->watched = pthread_create(&child->watcher, NULL, watch, child) == 0;
}

/* OUTPUT_FD -1: where ours goes. */
static int start(struct pyro_child *child, const char *path, char *const argv[], int output_fd,
                 struct pyro_error *error)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t set;
    int fds[2];
    memset(child, 0, sizeof(*child));
    if (pipe2(fds, O_CLOEXEC) < 0)
        return pyro_error_set(error, -errno, "cannot make a pipe: %s", strerror(errno));
    watched_signals(&set);
    sigprocmask(SIG_BLOCK, &set, &child->mask_before);
    sigaction(SIGCHLD, &action, &child->child_before); /* ignored, its status would be lost */
    child->pid = fork();
    int code = child->pid < 0 ? -errno : 0;
    if (child->pid == 0) {
        int failure = become_program(child, path, argv, output_fd);
        if (write(fds[1], &failure, sizeof(failure)) < 0)
            failure = 0; /* the parent sees an early end instead */
        _exit(127);
    }
    close(fds[1]);
    if (code == 0)
        code = exec_result(fds[0]);
    close(fds[0]);
    if (code < 0)
        return start_failed(child, path, code, error);
    return 0;
}

int pyro_child_start(struct pyro_child *child, const char *path, char *const argv[],
                     struct pyro_error *error)
{
    int code = start(child, path, argv, -1, error);
    if (code == 0)
        start_watching(child);
    return code;
}

int pyro_child_start_aside(struct pyro_child *child, const char *path, char *const argv[],
                           int output_fd, struct pyro_error *error)
{
    return start(child, path, argv, output_fd, error);
}

/* -- watching ----------------------------------------------------------------------------------- */

/* Did the program or one of its descendants send it? Then it knows what it does: its kill(0, ...) reaches all of the
 * group, and a signal to its parent is not for itself. */
static bool sent_by_program(const struct pyro_child *child, pid_t sender)
{
    struct pyro_process_info info;
    for (int i = 0; i < ANCESTORS_MAX && sender > 1; i++) {
        if (sender == child->pid)
            return true;
        if (pyro_process_info(sender, &info) < 0)
            return false;
        sender = info.parent;
    }
    return false;
}

static void pass_on(const struct pyro_child *child, const siginfo_t *info)
{
    bool from_kernel = info->si_code > 0; /* the terminal: it told the whole group */
    if (info->si_signo == SIGCHLD || from_kernel || sent_by_program(child, info->si_pid))
        return;
    kill(child->pid, info->si_signo); /* not reaped before _wait: the pid is still the program's */
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

/* The program was stopped: our shell must see the same. Continued, see to it that the program is, too. */
static void stop_alike(const struct pyro_child *child)
{
    struct pyro_process_info info;
    raise(SIGSTOP);
    pause_ms(POLL_MS); /* a shell continues the whole group */
    if (pyro_process_info(child->pid, &info) == 0 && info.state == 'T')
        kill(child->pid, SIGCONT);
}

bool pyro_child_over(const struct pyro_child *child)
{
    siginfo_t info = {0};
    int failed = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return failed || info.si_pid;
}

uint64_t pyro_child_most_resident(const struct pyro_child *child)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    /* The C library's waitid() leaves out what the kernel's tells besides. */
    long failed =
        syscall(SYS_waitid, P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT, &usage);
    return failed || !info.si_pid ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}

static void look_at_child(struct pyro_child *child)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid)
        stop_alike(child);
    if (pyro_child_over(child))
        child->ended = 1;
}

static void *watch(void *argument)
{
    struct pyro_child *child = argument;
    const struct timespec often = {.tv_nsec = POLL_MS * 1000000}, seldom = {.tv_sec = 1};
    sigset_t set;
    watched_signals(&set);
    while (!atomic_load(&child->done)) {
        siginfo_t info;
        int signal_number = sigtimedwait(&set, &info, child->ended ? &often : &seldom);
        if (child->ended) {
            pthread_kill(child->main, SIGURG); /* out of the sampler's sleep, however long */
            continue;
        }
        if (signal_number > 0)
            pass_on(child, &info);
        look_at_child(child);
    }
    return NULL;
}

/* -- the end ------------------------------------------------------------------------------------ */

/* Signals that came while the program ran and that no turn was left to take: they were for the program. Let through, one of them would
 * end us before anything is written. */
static void forget_signals(void)
{
    const struct timespec at_once = {0};
    sigset_t set;
    watched_signals(&set);
    while (sigtimedwait(&set, NULL, &at_once) > 0 || errno == EINTR)
        ;
}

int pyro_child_wait(struct pyro_child *child)
{
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    atomic_store(&child->done, true);
    if (child->watched) {
        kill(getpid(), SIGCHLD); /* wakes the thread at once */
        pthread_join(child->watcher, NULL);
        forget_signals();
    }
    sigaction(SIGCHLD, &child->child_before, NULL);
    sigprocmask(SIG_SETMASK, &child->mask_before, NULL);
    return status;
}

int pyro_child_exit_like(int wait_status)
{
    if (WIFEXITED(wait_status))
        return WEXITSTATUS(wait_status);
    int signal_number = WTERMSIG(wait_status);
    struct sigaction action = {.sa_handler = SIG_DFL};
    struct rlimit no_core = {0};
    sigset_t set;
    /* The program wrote its core file, if it was to. */
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0);
    sigaction(signal_number, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(signal_number);
    return 128 + signal_number;
}
