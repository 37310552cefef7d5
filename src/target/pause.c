/* target/pause.c - stopping threads by ptrace, from a keeper thread.
 *
 * Why a thread of its own: an INTERRUPT cannot be taken back. A thread in an uninterruptible sleep
 * takes it when that sleep ends, whenever that is, and would then stand still until somebody lets
 * it go. The keeper watches for these while it has nothing else to do; and when it ends, the kernel
 * detaches whatever is left.
 *
 * Whether a thread has stopped is asked by PTRACE_GETSIGINFO, not by wait: a waitpid elsewhere in this
 * program may take the news of a stop away. wait is only used to let a dead thread go, and never on
 * the target's main thread when it is our own child, whose exit status somebody else wants. */
#include "target/pause.h"

#include "base/clock.h"
#include "target/internal.h"
#include "target/memory.h"
#include "target/seat.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_TIMEOUT_NS     (100 * PYRO_NS_PER_MS)
#define RUNNABLE_TIMEOUT_NS (2 * PYRO_NS_PER_S)
#define SPIN_NS             (20 * PYRO_NS_PER_US) /* a stop usually takes less */
#define WATCH_NS            (1 * PYRO_NS_PER_MS)
#define ATTACHED_MAX        4096
#define KEEPER_STACK        (256u << 10)
#define EVENT_STOP          128 /* PTRACE_EVENT_STOP */

enum attached_state {
    ATTACHED_STOPPED,
    ATTACHED_LEFT, /* its stop timed out, or it is dying: to be let go when it can be */
};

struct attached {
    pid_t tid;
    enum attached_state state;
    int signal; /* that it was about to get when it stopped, 0 for none */
};

enum request { REQUEST_STOP, REQUEST_RESUME, REQUEST_END };

struct pyro_pauser {
    pid_t pid;
    pthread_t keeper;
    sem_t asked, answered;
    /* Written by the caller before `asked`, by the keeper before `answered`. */
    enum request request;
    pid_t request_tid;
    int answer;
    bool unanswered; /* the caller's own */
    /* The keeper's own. */
    struct attached attached[ATTACHED_MAX];
    size_t count;
};

/* -- one attached thread (keeper) --------------------------------------------------------------- */

static struct attached *find(struct pyro_pauser *pauser, pid_t tid)
{
    for (size_t i = 0; i < pauser->count; i++) {
        if (pauser->attached[i].tid == tid)
            return &pauser->attached[i];
    }
    return NULL;
}

static void forget(struct pyro_pauser *pauser, struct attached *attached)
{
    *attached = pauser->attached[--pauser->count];
}

/* Whether TID stands still. *ret_signal: the signal whose delivery stopped it, which it must still
 * get; 0 when it stopped for us or by job control. */
static bool is_stopped(pid_t tid, int *ret_signal)
{
    siginfo_t info;
    if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) < 0)
        return false;
    *ret_signal = info.si_code >> 8 == EVENT_STOP ? 0 : info.si_signo;
    return true;
}

static bool is_our_child(pid_t pid)
{
    struct pyro_process_info info;
    return pyro_process_info(pid, &info) == 0 && info.parent == getpid();
}

/* Whether TID has ended. If so it is let go, so that its process can end for its parent too. */
static bool is_gone(const struct pyro_pauser *pauser, pid_t tid)
{
    siginfo_t info = {0};
    int flags = WEXITED | WNOHANG | __WALL;
    if (waitid(P_PID, (id_t)tid, &info, flags | WNOWAIT) < 0)
        return errno == ECHILD;
    /* A tracer is told of stops as well, whatever it asks for. */
    if (info.si_pid == 0 || info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED ||
        info.si_code == CLD_CONTINUED)
        return false;
    if (tid != pauser->pid || !is_our_child(tid))
        waitid(P_PID, (id_t)tid, &info, flags);
    return true;
}

static int detach(pid_t tid, int signal)
{
    return ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal) < 0 ? -errno : 0;
}

/* The state of TID as /proc shows it; 0 when it is gone. */
static char look_up_state(const struct pyro_pauser *pauser, pid_t tid)
{
    struct pyro_kernel_thread thread;
    struct pyro_kernel_state state = {0};
    pyro_kernel_thread_init(&thread, pauser->pid, tid);
    pyro_kernel_thread_stat(&thread, &state);
    pyro_kernel_thread_close(&thread);
    return state.state;
}

/* One that only waits for a CPU, on a busy machine, is given longer. */
static bool time_is_up(const struct pyro_pauser *pauser, pid_t tid, uint64_t passed_ns)
{
    if (passed_ns < STOP_TIMEOUT_NS)
        return false;
    return passed_ns > RUNNABLE_TIMEOUT_NS || look_up_state(pauser, tid) != 'R';
}

/* Until it stops (0), ends (-ESRCH) or time is up (-ETIMEDOUT). */
static int await_stop(const struct pyro_pauser *pauser, pid_t tid, int *ret_signal)
{
    uint64_t start_ns = pyro_clock_ns();
    for (;;) {
        if (is_stopped(tid, ret_signal))
            return 0;
        uint64_t passed_ns = pyro_clock_ns() - start_ns;
        if (passed_ns < SPIN_NS) {
            sched_yield();
            continue;
        }
        if (is_gone(pauser, tid))
            return -ESRCH;
        if (time_is_up(pauser, tid, passed_ns))
            return -ETIMEDOUT;
        pyro_clock_sleep_until(pyro_clock_ns() + SPIN_NS);
    }
}

/* -- requests (keeper) -------------------------------------------------------------------------- */

/* ptrace says EPERM for a dead thread as well. */
static int seize_errno(const struct pyro_pauser *pauser, pid_t tid, int error_number)
{
    if (error_number != EPERM)
        return -error_number;
    char state = look_up_state(pauser, tid);
    return state == 0 || state == 'Z' || state == 'X' ? -ESRCH : -EPERM;
}

/* Let go those whose stop came late, or that have ended. Returns whether any is still left. */
static bool watch(struct pyro_pauser *pauser)
{
    bool left = false;
    for (size_t i = pauser->count; i-- > 0;) {
        struct attached *attached = &pauser->attached[i];
        if (attached->state != ATTACHED_LEFT)
            continue;
        int signal;
        bool done = is_stopped(attached->tid, &signal) && detach(attached->tid, signal) == 0;
        if (done || is_gone(pauser, attached->tid))
            forget(pauser, attached);
        else
            left = true;
    }
    return left;
}

static int stop(struct pyro_pauser *pauser, pid_t tid)
{
    struct attached *known = find(pauser, tid);
    if (known && known->state == ATTACHED_LEFT) {
        watch(pauser);
        known = find(pauser, tid);
    }
    if (known)
        return known->state == ATTACHED_STOPPED ? 0 : -ETIMEDOUT;
    if (pauser->count == ATTACHED_MAX)
        return -EAGAIN;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
        return seize_errno(pauser, tid, errno);
    int signal = 0;
    /* Fails for a thread that is ending: it is gone soon. */
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    int error = await_stop(pauser, tid, &signal);
    if (error == -ESRCH)
        return error;
    pauser->attached[pauser->count++] = (struct attached){
        .tid = tid,
        .state = error == 0 ? ATTACHED_STOPPED : ATTACHED_LEFT,
        .signal = signal,
    };
    return error;
}

static int resume(struct pyro_pauser *pauser, pid_t tid)
{
    struct attached *attached = find(pauser, tid);
    if (!attached || attached->state != ATTACHED_STOPPED)
        return -ESRCH;
    int error = detach(tid, attached->signal);
    if (error == 0 || is_gone(pauser, tid))
        forget(pauser, attached);
    else
        attached->state = ATTACHED_LEFT; /* killed while it stood still, but not dead yet */
    return error;
}

static void end(struct pyro_pauser *pauser)
{
    for (size_t i = pauser->count; i-- > 0;) {
        if (pauser->attached[i].state == ATTACHED_STOPPED)
            resume(pauser, pauser->attached[i].tid);
    }
    watch(pauser); /* what is left then, the kernel detaches when this thread ends */
}

/* Wait for a request; meanwhile watch those left. */
static void await_request(struct pyro_pauser *pauser)
{
    while (watch(pauser)) {
        if (sem_trywait(&pauser->asked) == 0)
            return;
        pyro_clock_sleep_until(pyro_clock_ns() + WATCH_NS);
    }
    while (sem_wait(&pauser->asked) < 0)
        continue; /* EINTR */
}

static void *keep(void *context)
{
    struct pyro_pauser *pauser = context;
    (void)prctl(PR_SET_TIMERSLACK, 1);
    pyro_seat_short_turns();
    for (;;) {
        await_request(pauser);
        switch (pauser->request) {
        case REQUEST_STOP:
            pauser->answer = stop(pauser, pauser->request_tid);
            break;
        case REQUEST_RESUME:
            pauser->answer = resume(pauser, pauser->request_tid);
            break;
        case REQUEST_END:
            end(pauser);
            return NULL;
        }
        sem_post(&pauser->answered);
    }
}

/* -- the caller's side -------------------------------------------------------------------------- */

static int await_answer(struct pyro_pauser *pauser)
{
    while (pauser->unanswered && sem_wait(&pauser->answered) < 0)
        continue; /* EINTR */
    pauser->unanswered = false;
    return pauser->answer;
}

static void ask(struct pyro_pauser *pauser, enum request request, pid_t tid)
{
    (void)await_answer(pauser);
    pauser->request = request;
    pauser->request_tid = tid;
    pauser->unanswered = true;
    sem_post(&pauser->asked);
}

/* The keeper takes no signals: they are for threads that expect them. */
static int start_keeper(struct pyro_pauser *pauser)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    int error = pthread_attr_init(&attributes);
    if (error)
        return -error;
    pthread_attr_setstacksize(&attributes, KEEPER_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&pauser->keeper, &attributes, keep, pauser);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

/* The kernel asks the same for /proc/PID/mem as for ptrace. */
static int check_access(pid_t pid, struct pyro_error *error)
{
    struct pyro_memory *memory;
    int code = pyro_memory_open(pid, &memory, error);
    if (code == 0)
        pyro_memory_free(memory);
    return code;
}

int pyro_pauser_new(pid_t pid, struct pyro_pauser **ret_pauser, struct pyro_error *error)
{
    int code = check_access(pid, error);
    if (code < 0)
        return code;
    struct pyro_pauser *pauser = calloc(1, sizeof(*pauser));
    if (!pauser)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    pauser->pid = pid;
    sem_init(&pauser->asked, 0, 0);
    sem_init(&pauser->answered, 0, 0);
    code = start_keeper(pauser);
    if (code < 0) {
        sem_destroy(&pauser->asked);
        sem_destroy(&pauser->answered);
        free(pauser);
        return pyro_error_set(error, code, "cannot start a thread: %s", strerror(-code));
    }
    *ret_pauser = pauser;
    return 0;
}

void pyro_pauser_free(struct pyro_pauser *pauser)
{
    if (!pauser)
        return;
    ask(pauser, REQUEST_END, 0);
    pthread_join(pauser->keeper, NULL);
    sem_destroy(&pauser->asked);
    sem_destroy(&pauser->answered);
    free(pauser);
}

int pyro_pauser_stop(struct pyro_pauser *pauser, pid_t tid)
{
    ask(pauser, REQUEST_STOP, tid);
    return await_answer(pauser);
}

int pyro_pauser_resume(struct pyro_pauser *pauser, pid_t tid)
{
    pyro_pauser_release(pauser, tid);
    return await_answer(pauser);
}

void pyro_pauser_release(struct pyro_pauser *pauser, pid_t tid)
{
    ask(pauser, REQUEST_RESUME, tid);
}
