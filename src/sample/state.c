/* sample/state.c - running, runnable, waiting on what, waiting for the GIL. */
#include "sample/state.h"

#include "base/clock.h"

#define RECHECK_NS (10 * PYRO_NS_PER_MS)
#define STILL_NS   (PYRO_NS_PER_MS / 2) /* for so long a mover that may run still does */
#define SETTLE_NS     \
    (PYRO_NS_PER_MS / \
     2)               /* for so long one that runs outside of Python may be about to fall asleep */
#define GIL_BYTES 512 /* no GIL struct is larger: mutexes and conditions lie within */

static const char *wait_kind_name(enum pyro_wait_kind kind)
{
    static const char *const names[] = {
        [PYRO_WAIT_UNKNOWN] = "unknown",   [PYRO_WAIT_SOCKET] = "socket",
        [PYRO_WAIT_FILE] = "file",         [PYRO_WAIT_PIPE] = "pipe",
        [PYRO_WAIT_POLL] = "poll",         [PYRO_WAIT_LOCK] = "lock",
        [PYRO_WAIT_SLEEP] = "sleep",       [PYRO_WAIT_CHILD] = "child",
        [PYRO_WAIT_TERMINAL] = "terminal", [PYRO_WAIT_OTHER] = "other",
    };
    return kind <= PYRO_WAIT_OTHER ? names[kind] : "unknown";
}

void pyro_thread_state_init(struct pyro_thread_state *state, pid_t pid, pid_t tid,
                            struct pyro_socket_names *sockets)
{
    *state = (struct pyro_thread_state){.wait = PYRO_NO_ID, .open = tid > 0};
    pyro_kernel_thread_init(&state->kernel, pid, tid);
    state->kernel.sockets = sockets;
    if (state->open &&
        pyro_kernel_thread_schedstat(&state->kernel, &state->first_run_ns, &state->queue_ns) == 0)
        state->run_ns = state->first_run_ns;
}

void pyro_thread_state_close(struct pyro_thread_state *state)
{
    if (state->open)
        pyro_kernel_thread_close(&state->kernel);
    state->open = false;
}

uint64_t pyro_thread_state_cpu_us(struct pyro_thread_state *state)
{
    uint64_t run_ns, queue_ns;
    if (state->open && pyro_kernel_thread_schedstat(&state->kernel, &run_ns, &queue_ns) == 0)
        state->run_ns = run_ns;
    return (state->run_ns - state->first_run_ns) / PYRO_NS_PER_US;
}

/* Runs or wants to: more time in the queue than on a CPU since the last look means it mostly wants to. */
static enum pyro_state running_or_runnable(struct pyro_thread_state *state)
{
    uint64_t run_ns, queue_ns;
    if (pyro_kernel_thread_schedstat(&state->kernel, &run_ns, &queue_ns) < 0)
        return PYRO_STATE_RUNNING;
    uint64_t ran = run_ns - state->run_ns, queued = queue_ns - state->queue_ns;
    state->run_ns = run_ns;
    state->queue_ns = queue_ns;
    return queued > ran ? PYRO_STATE_RUNNABLE : PYRO_STATE_RUNNING;
}

static void find_wait(struct pyro_thread_state *state, const struct pyro_state_hints *hints,
                      struct pyro_writer *writer)
{
    struct pyro_wait wait = state->peeked_wait;
    state->waits_known = true;
    state->wait = PYRO_NO_ID;
    if (state->peeked ? !state->has_peeked_wait
                      : pyro_kernel_thread_wait(&state->kernel, &wait) < 0)
        return;
    if (wait.kind == PYRO_WAIT_LOCK && hints->gil && wait.futex - hints->gil < GIL_BYTES) {
        state->state = PYRO_STATE_GIL_WAIT;
        return;
    }
    state->wait = pyro_writer_wait(writer, wait_kind_name(wait.kind), wait.text);
}

/* One that just began to run outside of Python may be on its way to a wait, for the GIL most of all, whose turns are shorter than
 * RECHECK_NS: asked again soon, then ever later. */
static uint64_t settle(const struct pyro_thread_state *state, bool fresh)
{
    uint64_t next_ns = fresh ? SETTLE_NS : 2 * state->recheck_ns;
    return next_ns < RECHECK_NS ? next_ns : RECHECK_NS;
}

static void ask_kernel(struct pyro_thread_state *state, const struct pyro_state_hints *hints,
                       struct pyro_writer *writer)
{
    struct pyro_kernel_state kernel;
    state->checked_ns = state->asked_ns = hints->now_ns;
    state->calm = false;
    kernel.state = state->peeked;
    if (!state->open || (!state->peeked && pyro_kernel_thread_stat(&state->kernel, &kernel) < 0)) {
        state->state = PYRO_STATE_UNKNOWN;
        return;
    }
    bool was_asleep = state->state == PYRO_STATE_WAITING || state->state == PYRO_STATE_GIL_WAIT;
    state->recheck_ns = kernel.state == 'R' && !hints->may_run
                            ? settle(state, hints->moved || was_asleep)
                            : RECHECK_NS;
    if (kernel.state == 'R') {
        state->state = running_or_runnable(state);
        state->calm = state->state == PYRO_STATE_RUNNING;
        state->waits_known = false;
        return;
    }
    state->state = PYRO_STATE_WAITING;
    if (!state->waits_known || !was_asleep)
        find_wait(state, hints, writer);
    else if (state->wait == PYRO_NO_ID)
        state->state = was_asleep ? PYRO_STATE_GIL_WAIT : PYRO_STATE_WAITING;
}

void pyro_thread_state_peek(struct pyro_thread_state *state)
{
    struct pyro_kernel_state kernel;
    state->has_peeked_wait = false;
    state->peeked =
        state->open && pyro_kernel_thread_stat(&state->kernel, &kernel) == 0 ? kernel.state : 0;
    if (state->peeked && state->peeked != 'R')
        state->has_peeked_wait = pyro_kernel_thread_wait(&state->kernel, &state->peeked_wait) == 0;
}

/* One that may run stands where it stood at its last sample. At high rates that means nothing, at others it is mostly
 * chance: as long as the kernel found it on a CPU lately it is not asked again. */
static bool surely_runs(const struct pyro_thread_state *state, const struct pyro_state_hints *hints)
{
    if (state->checked_ns != 0) /* not for the first time */
        return false;
    return hints->now_ns - state->moved_ns < STILL_NS ||
           (state->calm && hints->now_ns - state->asked_ns < RECHECK_NS);
}

void pyro_thread_state_update(struct pyro_thread_state *state, const struct pyro_state_hints *hints,
                              struct pyro_writer *writer)
{
    if (hints->moved) {
        state->checked_ns = 0;
        state->waits_known = false;
        state->moved_ns = hints->now_ns;
    }
    if (hints->may_run && (hints->moved || surely_runs(state, hints))) {
        state->state = PYRO_STATE_RUNNING;
    } else if (hints->wants_gil && !hints->may_run) {
        state->state = PYRO_STATE_GIL_WAIT;
    } else if (state->checked_ns == 0 || hints->now_ns - state->checked_ns > state->recheck_ns) {
        ask_kernel(state, hints, writer);
    }
    bool asleep = state->state == PYRO_STATE_WAITING;
    if (!asleep)
        state->wait = PYRO_NO_ID;
}
