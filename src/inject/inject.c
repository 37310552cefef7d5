/* inject/inject.c - all threads stop, some words are written, all threads go on.
 *
 * That the threads stand still is what makes a plain write right: eval breakers are changed by atomic operations of theirs,
 * and the ring of pending calls under a lock, which is known to be free then. */
#include "inject/inject.h"

#include "base/clock.h"
#include "base/log.h"
#include "cpython/entry.h"
#include "inject/room.h"
#include "target/pause.h"
#include "target/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define THREADS_MAX 4096
#define ROUNDS_MAX  16 /* in which new threads may turn up, until all stand still */
#define FIRST_TURN_NS \
    (50 * PYRO_NS_PER_MS) /* until the call is taken back and posted anew; then twice as long */
#define MOVED_MAX 512     /* more than any ring has */
#define POLL_NS   (PYRO_NS_PER_MS / 2)
#define REST \
    20 /* times as long as they stood still, between two attempts: they lose a twentieth at most */
#define REST_MIN_NS  PYRO_NS_PER_MS
#define REST_MAX_NS  (5 * PYRO_NS_PER_S)
#define SPANS_MAX    PYRO_MEMORY_SPANS_MAX
#define BREAKERS_MAX (SPANS_MAX - 8)

struct written {
    pyro_addr addr;
    size_t size;
    char before[PYRO_ENTRY_SCRIPT_MAX];
};

struct pyro_injector {
    pid_t pid;
    const struct pyro_memory *memory;
    const struct pyro_runtime *runtime;
    uint64_t image; /* which program it runs */
    struct pyro_maps maps;
    struct pyro_entry entry;
    struct pyro_pauser *pauser; /* while the threads stand still; else NULL */
    pid_t stopped[THREADS_MAX], listed[THREADS_MAX];
    int stopped_count;
    uint64_t held_ns;                  /* for which they stood still the last time */
    pid_t uninterrupted;               /* the thread in the kernel that kept us from it, or 0 */
    struct pyro_span spans[SPANS_MAX]; /* to be written */
    int span_count;
    struct iovec local[SPANS_MAX], remote[SPANS_MAX];
    uint64_t breakers[BREAKERS_MAX];
    pyro_addr threads[THREADS_MAX]; /* their states */
    int thread_count;
    /* 3.11-3.13: the function, where our line lies, and the call's place in the ring. */
    pyro_addr run, room;
    uint32_t place;
    /* 3.14+: whom we asked last. */
    pyro_addr asked;
    struct written text; /* our line, or the script's path; size 0: nothing is written */
};

/* -- standing still ----------------------------------------------------------------------------- */

static void resume_all(struct pyro_injector *injector)
{
    pyro_pauser_free(injector->pauser);
    injector->pauser = NULL;
    injector->stopped_count = 0;
}

static bool is_stopped(const struct pyro_injector *injector, pid_t tid)
{
    for (int i = 0; i < injector->stopped_count; i++)
        if (injector->stopped[i] == tid)
            return true;
    return false;
}

/* Stop those that are not yet. Returns how many were, or negative errno. */
static int stop_more(struct pyro_injector *injector)
{
    pid_t *tids = injector->listed;
    int count = pyro_process_threads(injector->pid, tids, THREADS_MAX), stopped = 0;
    if (count <= 0 || count > THREADS_MAX)
        return count == 0 ? -ESRCH : count < 0 ? count : -E2BIG;
    for (int i = 0; i < count; i++) {
        if (is_stopped(injector, tids[i]))
            continue;
        int code = pyro_pauser_stop(injector->pauser, tids[i]);
        if (code == -ESRCH)
            continue; /* it ended */
        if (code < 0)
            return code;
        injector->stopped[injector->stopped_count++] = tids[i];
        stopped++;
    }
    return stopped;
}

/* A thread that waits for a disk, or for the child of a vfork(), and cannot be stopped before that is over; 0: there is none.
 * The others would stand still meanwhile. */
static pid_t find_uninterruptible(struct pyro_injector *injector)
{
    int count = pyro_process_threads(injector->pid, injector->listed, THREADS_MAX);
    pid_t found = 0;
    for (int i = 0; !found && i < count && i < THREADS_MAX; i++) {
        struct pyro_kernel_thread thread;
        struct pyro_kernel_state state = {0};
        pyro_kernel_thread_init(&thread, injector->pid, injector->listed[i]);
        if (pyro_kernel_thread_stat(&thread, &state) == 0 && state.state == 'D')
            found = injector->listed[i];
        pyro_kernel_thread_close(&thread);
    }
    return found;
}

/* A thread that stands still starts no other one: a round in which none was new is the last. */
static int stop_all(struct pyro_injector *injector, struct pyro_error *error)
{
    injector->uninterrupted = find_uninterruptible(injector);
    if (injector->uninterrupted)
        return -EAGAIN;
    int code = pyro_pauser_new(injector->pid, &injector->pauser, error);
    if (code < 0)
        return code;
    code = 1;
    for (int i = 0; code > 0 && i < ROUNDS_MAX; i++)
        code = stop_more(injector);
    if (code == 0 && injector->stopped_count)
        return 0;
    resume_all(injector);
    if (code == 0)
        code = -ESRCH;
    return code > 0 ? -EAGAIN : code;
}

/* -- writing ------------------------------------------------------------------------------------ */

static void add_span(struct pyro_injector *injector, pyro_addr addr, const void *data, size_t size)
{
    injector->spans[injector->span_count++] =
        (struct pyro_span){.addr = addr, .data = (void *)data, .size = size};
}

/* All spans at once, in their order: a kill of ours finds either nothing done or all. */
static int write_spans(struct pyro_injector *injector)
{
    struct iovec *local = injector->local, *remote = injector->remote;
    int count = injector->span_count;
    size_t size = 0;
    injector->span_count = 0;
    for (int i = 0; i < count; i++) {
        const struct pyro_span *span = &injector->spans[i];
        local[i] = (struct iovec){span->data, span->size};
        remote[i] = (struct iovec){(void *)(uintptr_t)span->addr.u, span->size};
        size += span->size;
    }
    ssize_t written = process_vm_writev(injector->pid, local, (unsigned long)count, remote,
                                        (unsigned long)count, 0);
    if (written < 0)
        return -errno;
    return (size_t)written == size ? 0 : -EFAULT;
}

/* Our text goes where something else was, which is kept. Only a line that was left gives way to nothing. */
static int prepare_text(struct pyro_injector *injector, pyro_addr addr, const char *text)
{
    struct written *written = &injector->text;
    size_t size = strlen(text) + 1;
    if (size > sizeof(written->before))
        return -ENAMETOOLONG;
    int code = pyro_memory_read(injector->memory, addr, written->before, size);
    if (code < 0)
        return code;
    if (strncmp(written->before, PYRO_CALL_BEGINS, strlen(PYRO_CALL_BEGINS)) == 0)
        memset(written->before, 0, sizeof(written->before));
    written->addr = addr;
    written->size = size;
    add_span(injector, addr, text, size);
    return 0;
}

/* -- 3.14+ -------------------------------------------------------------------------------------- */

static pyro_addr request_of(const struct pyro_injector *injector, pyro_addr thread)
{
    return pyro_addr_plus(thread, injector->runtime->layout.remote.support);
}

static pyro_addr mark_of(const struct pyro_injector *injector, pyro_addr thread)
{
    return pyro_addr_plus(request_of(injector, thread),
                          injector->runtime->layout.remote.pending_call);
}

/* 1: THREAD has a script that it is still to execute; 0: it has none. */
static int has_script(const struct pyro_injector *injector, pyro_addr thread)
{
    int32_t mark;
    int code = pyro_memory_read(injector->memory, mark_of(injector, thread), &mark, sizeof(mark));
    return code < 0 ? code : mark == 0 || mark == 1 ? mark : -EPROTO;
}

static int place_of(const struct pyro_injector *injector, pyro_addr thread)
{
    for (int i = 0; i < injector->thread_count; i++)
        if (injector->threads[i].u == thread.u)
            return i;
    return -1;
}

/* Whoever runs, if it was not asked the last time, else the main thread first, then one after the other; those that were asked by somebody else are
 * passed over. Negative: all were. */
static int choose_thread(const struct pyro_injector *injector)
{
    pyro_addr holder = pyro_entry_holder(injector->memory, injector->runtime, &injector->entry);
    int first = place_of(injector, injector->asked) + 1, runs = place_of(injector, holder);
    if (runs >= 0 && holder.u != injector->asked.u)
        first = runs;
    for (int i = 0; i < injector->thread_count; i++) {
        int at = (first + i) % injector->thread_count;
        int code = has_script(injector, injector->threads[at]);
        if (code <= 0)
            return code == 0 ? at : code;
    }
    return -EBUSY;
}

/* In the state of a thread: its mark, and that it is to look up. BREAKER: where that stays until it is written. */
static int add_mark(struct pyro_injector *injector, pyro_addr thread, uint64_t *breaker)
{
    static const int32_t one = 1;
    pyro_addr at = pyro_addr_plus(thread, injector->runtime->layout.remote.eval_breaker);
    int code = pyro_memory_read(injector->memory, at, breaker, sizeof(*breaker));
    if (code < 0)
        return code;
    *breaker |= PYRO_BREAKER_STOP;
    add_span(injector, mark_of(injector, thread), &one, sizeof(one));
    add_span(injector, at, breaker, sizeof(*breaker));
    return 0;
}

static pyro_addr path_of(const struct pyro_injector *injector, pyro_addr thread)
{
    return pyro_addr_plus(request_of(injector, thread),
                          injector->runtime->layout.remote.script_path);
}

static int post_script(struct pyro_injector *injector, const struct pyro_call *call)
{
    int at = choose_thread(injector);
    if (at < 0)
        return at;
    pyro_addr thread = injector->threads[at];
    int code = prepare_text(injector, path_of(injector, thread), call->script);
    if (code == 0)
        code = add_mark(injector, thread, &injector->breakers[0]);
    if (code < 0)
        return code;
    injector->asked = thread;
    return write_spans(injector);
}

/* Whoever comes by first executes it, and takes it back from the others (probe/scripts.c). */
static int post_to_all(struct pyro_injector *injector, const struct pyro_call *call)
{
    size_t size = strlen(call->script) + 1;
    int posted = 0, code = size > PYRO_ENTRY_SCRIPT_MAX ? -ENAMETOOLONG : 0;
    for (int i = 0; code == 0 && i < injector->thread_count; i++) {
        pyro_addr thread = injector->threads[i];
        code = has_script(injector, thread);
        if (code == 0) {
            add_span(injector, path_of(injector, thread), call->script, size);
            code = add_mark(injector, thread, &injector->breakers[posted++ % BREAKERS_MAX]);
        } else if (code == 1) {
            code = 0; /* somebody else's */
        }
        if (code == 0 && injector->span_count > SPANS_MAX - 3)
            code = write_spans(injector);
    }
    if (code == 0 && injector->span_count)
        code = write_spans(injector);
    return code < 0 ? code : posted ? 0 : -EBUSY;
}

/* 1: it was; 0: it was not. */
static int script_taken(const struct pyro_injector *injector)
{
    int32_t mark;
    int code =
        pyro_memory_read(injector->memory, mark_of(injector, injector->asked), &mark, sizeof(mark));
    if (code < 0)
        return code;
    return mark != 1;
}

/* The thread may have ended meanwhile, and its state be freed. */
static bool still_there(const struct pyro_injector *injector)
{
    return place_of(injector, injector->asked) >= 0;
}

static int withdraw_script(struct pyro_injector *injector)
{
    static const int32_t none = 0;
    if (!still_there(injector))
        return 0;
    int code = script_taken(injector);
    if (code != 0)
        return code;
    add_span(injector, mark_of(injector, injector->asked), &none, sizeof(none));
    return write_spans(injector);
}

/* -- 3.11-3.13 ---------------------------------------------------------------------------------- */

static void add_breakers(struct pyro_injector *injector)
{
    static const int32_t one = 1;
    uint64_t *breakers = injector->breakers;
    const struct pyro_layout *layout = &injector->runtime->layout;
    if (injector->entry.minor <= 12) {
        add_span(injector, injector->entry.flag, &one, sizeof(one));
        add_span(injector, injector->entry.breaker, &one, sizeof(one));
        return;
    }
    for (int i = 0; i < injector->thread_count && i < BREAKERS_MAX; i++) {
        pyro_addr at = pyro_addr_at(injector->threads[i].u + layout->tstate.status - 8);
        if (pyro_memory_read(injector->memory, at, &breakers[i], sizeof(breakers[i])) < 0)
            continue;
        breakers[i] |= PYRO_BREAKER_CALLS;
        add_span(injector, at, &breakers[i], sizeof(breakers[i]));
    }
}

/* A line that was left, and is still to be executed: so it is not to be changed. */
static bool room_waits(const struct pyro_injector *injector, const struct pyro_entry_ring *ring)
{
    const struct pyro_entry *entry = &injector->entry;
    for (uint32_t at = ring->first; at != ring->behind; at = (at + 1) % entry->count) {
        pyro_addr argument;
        pyro_addr place = pyro_addr_plus(pyro_entry_place(entry, at), 8);
        if (pyro_memory_read_addr(injector->memory, place, &argument) < 0 ||
            argument.u == injector->room.u)
            return true;
    }
    return false;
}

static int post_line(struct pyro_injector *injector, const struct pyro_call *call)
{
    const struct pyro_entry *entry = &injector->entry;
    const struct {
        uint64_t function, argument, flags;
    } slot = {injector->run.u, injector->room.u, 0};
    struct pyro_entry_ring ring;
    int code = pyro_entry_ring(injector->memory, &injector->maps, entry, &ring);
    if (code == 0 && room_waits(injector, &ring))
        code = -EBUSY;
    if (code == 0)
        code = prepare_text(injector, injector->room, call->line);
    if (code < 0)
        return code;
    uint32_t behind = (ring.behind + 1) % entry->count, waiting = ring.waiting + 1;
    injector->place = ring.behind;
    add_span(injector, pyro_entry_place(entry, ring.behind), &slot, entry->stride);
    add_span(injector, entry->behind, &behind, sizeof(behind));
    if (entry->minor == 13)
        add_span(injector, entry->flag, &waiting, sizeof(waiting));
    add_breakers(injector);
    return write_spans(injector);
}

static int line_taken(const struct pyro_injector *injector)
{
    struct pyro_entry_ring ring;
    int code = pyro_entry_peek(injector->memory, &injector->entry, &ring);
    return code < 0 ? code : !pyro_entry_waits(&injector->entry, &ring, injector->place);
}

/* Take our call out of the ring, and move up what others added behind it. */
static int withdraw_line(struct pyro_injector *injector)
{
    static const uint64_t empty[3];
    const struct pyro_entry *entry = &injector->entry;
    struct pyro_entry_ring ring;
    uint8_t moved[MOVED_MAX][24];
    uint32_t count = 0;
    int code = pyro_entry_ring(injector->memory, &injector->maps, entry, &ring);
    if (code < 0)
        return code;
    if (!pyro_entry_waits(entry, &ring, injector->place))
        return 1;
    uint32_t last = (ring.behind + entry->count - 1) % entry->count, waiting = ring.waiting - 1;
    for (uint32_t at = injector->place; code == 0 && at != last && count < MOVED_MAX; count++) {
        uint32_t next = (at + 1) % entry->count;
        code = pyro_memory_read(injector->memory, pyro_entry_place(entry, next), moved[count],
                                entry->stride);
        add_span(injector, pyro_entry_place(entry, at), moved[count], entry->stride);
        at = next;
    }
    if (code < 0)
        return code;
    add_span(injector, pyro_entry_place(entry, last), empty, entry->stride);
    add_span(injector, entry->behind, &last, sizeof(last));
    if (entry->minor == 13)
        add_span(injector, entry->flag, &waiting, sizeof(waiting));
    return write_spans(injector);
}

/* -- a call ------------------------------------------------------------------------------------- */

/* Some moments are bad: a thread cannot be stopped, or holds the lock of the ring. */
static bool may_try_again(int code)
{
    return code == -EAGAIN || code == -EBUSY || code == -ETIMEDOUT;
}

/* Addresses are those of one program: another one may be in its place (exec). */
static bool is_same_program(const struct pyro_injector *injector)
{
    uint64_t image;
    return pyro_process_image(injector->pid, injector->memory, &image) == 0 &&
           image == injector->image;
}

/* Before another attempt. */
static void rest(const struct pyro_injector *injector)
{
    uint64_t ns = REST * injector->held_ns;
    ns = ns < REST_MIN_NS ? REST_MIN_NS : ns > REST_MAX_NS ? REST_MAX_NS : ns;
    pyro_clock_sleep_until(pyro_clock_ns() + ns);
}

/* ACT while all threads stand still. */
static int act_on_stopped(struct pyro_injector *injector, const struct pyro_call *call,
                          int (*act)(struct pyro_injector *, const struct pyro_call *),
                          struct pyro_error *error)
{
    int code = stop_all(injector, error);
    if (code < 0)
        return code;
    injector->span_count = 0; /* of an act that failed */
    code = is_same_program(injector) ? 0 : -ESRCH;
    if (code == 0)
        code = injector->thread_count = pyro_entry_threads(
            injector->memory, injector->runtime, &injector->entry, injector->threads, THREADS_MAX);
    if (code >= 0)
        code = code > 0 ? act(injector, call) : -EAGAIN;
    resume_all(injector);
    return code;
}

static int with_all_stopped(struct pyro_injector *injector, const struct pyro_call *call,
                            int (*act)(struct pyro_injector *, const struct pyro_call *),
                            struct pyro_error *error)
{
    uint64_t begin_ns = pyro_clock_ns();
    int code = act_on_stopped(injector, call, act, error);
    injector->held_ns = injector->uninterrupted ? 0 : pyro_clock_ns() - begin_ns;
    return code;
}

/* The same, until the moment is a good one; TRIES, 0: as many as it takes. */
static int with_all_stopped_at_last(struct pyro_injector *injector, const struct pyro_call *call,
                                    int (*act)(struct pyro_injector *, const struct pyro_call *),
                                    int tries, struct pyro_error *error)
{
    int code = with_all_stopped(injector, call, act, error);
    for (int i = 1; may_try_again(code) && i != tries; i++) {
        rest(injector);
        code = with_all_stopped(injector, call, act, error);
    }
    return code;
}

static int restore(struct pyro_injector *injector, const struct pyro_call *call)
{
    const struct written *written = &injector->text;
    if (injector->entry.remote && !still_there(injector))
        return 0;
    add_span(injector, written->addr, written->before, written->size);
    return write_spans(injector);
}

void pyro_injector_clear(struct pyro_injector *injector)
{
    struct pyro_error ignored = {0};
    if (injector->text.size)
        (void)with_all_stopped_at_last(injector, NULL, restore, ROUNDS_MAX, &ignored);
    injector->text.size = 0;
}

static int post(struct pyro_injector *injector, const struct pyro_call *call)
{
    return injector->entry.remote ? post_script(injector, call) : post_line(injector, call);
}

/* 1: it was taken; 0: nothing is there any more. */
static int withdraw(struct pyro_injector *injector, const struct pyro_call *call)
{
    int code = injector->entry.remote ? withdraw_script(injector) : withdraw_line(injector);
    if (code == 0)
        code = restore(injector, call);
    if (code == 0)
        injector->text.size = 0;
    return code;
}

static int taken(const struct pyro_injector *injector)
{
    return injector->entry.remote ? script_taken(injector) : line_taken(injector);
}

static bool is_over(const struct pyro_call *call, uint64_t deadline_ns)
{
    return (call->stop && *call->stop) || pyro_clock_ns() >= deadline_ns;
}

/* Post it and give it TURN_NS. 1: it was taken; 0: it was not, and is not there any more. */
static int take_turn(struct pyro_injector *injector, const struct pyro_call *call, uint64_t turn_ns,
                     uint64_t deadline_ns, struct pyro_error *error)
{
    int code = with_all_stopped(injector, call, post, error);
    if (code < 0)
        return code;
    uint64_t end_ns = pyro_clock_ns() + turn_ns;
    while (!is_over(call, deadline_ns) && pyro_clock_ns() < end_ns) {
        code = taken(injector);
        if (code == 1 || code == -ESRCH)
            return code;
        pyro_clock_sleep_until(pyro_clock_ns() + POLL_NS);
    }
    return with_all_stopped_at_last(injector, call, withdraw, 0, error); /* it must not stay */
}

/* Nobody comes by in a process that a signal stopped. Asked before it is touched: who is let go of stops anew, a moment later. */
static int refuse_stopped(pid_t pid, struct pyro_error *error)
{
    struct pyro_process_info info;
    if (pyro_process_info(pid, &info) < 0 || info.state != 'T')
        return 0;
    pyro_error_set(error, -ETIMEDOUT, "process %d was left as it was: it is stopped", (int)pid);
    pyro_error_hint(error, "kill -CONT %d lets it go on", (int)pid);
    return -ETIMEDOUT;
}

/* 0, or who traces it: then nobody else can stop its threads. */
static pid_t tracer_of(pid_t pid)
{
    struct pyro_process_info info;
    return pyro_process_info(pid, &info) < 0 ? 0 : info.tracer;
}

static int fail(const struct pyro_injector *injector, const struct pyro_call *call, int code,
                struct pyro_error *error)
{
    int pid = (int)injector->pid;
    if (call->stop && *call->stop)
        return pyro_error_set(error, -EINTR, "process %d was left as it was", pid);
    if (code == -EBUSY) {
        pyro_error_set(error, code, "what process %d was asked before still waits there", pid);
        pyro_error_hint(error,
                        "try again when a thread of it was in Python, which does it: pyrometer "
                        "dump --pid %d shows where they are",
                        pid);
        return code;
    }
    if (code == -ESRCH)
        return pyro_error_set(error, code, "process %d is gone", pid);
    if (code == -EPROTO)
        return pyro_error_set(error, code,
                              "the interpreter of process %d is not laid out as it should be: "
                              "nothing was written",
                              pid);
    pid_t tracer = code == -EPERM ? tracer_of(injector->pid) : 0;
    if (tracer)
        return pyro_error_set(
            error, code, "process %d was left as it was: process %d traces it, as debuggers do",
            pid, (int)tracer);
    if (code < 0 && code != -EAGAIN && code != -ETIMEDOUT) {
        if (error->code)
            return error->code;
        pyro_error_set(error, code, "cannot write into process %d: %s", pid, strerror(-code));
        if (code == -EPERM)
            pyro_error_hint(error, "in a container who may look may not always write: docker run "
                                   "--cap-add=SYS_PTRACE, kubectl debug --profile=sysadmin");
        return code;
    }
    if (injector->uninterrupted)
        return pyro_error_set(
            error, -ETIMEDOUT,
            "process %d was left as it was: its thread %d is in a call of the kernel that "
            "nothing interrupts",
            pid, (int)injector->uninterrupted);
    pyro_error_set(error, -ETIMEDOUT, "process %d did not come by in time: it was left as it was",
                   pid);
    pyro_error_hint(error,
                    injector->entry.minor == 11
                        ? "its main thread waits or computes outside of Python: pyrometer dump "
                          "--pid %d shows where"
                        : "all of its threads wait or compute outside of Python: pyrometer dump "
                          "--pid %d shows where",
                    pid);
    return -ETIMEDOUT;
}

int pyro_injector_call(struct pyro_injector *injector, const struct pyro_call *call,
                       struct pyro_error *error)
{
    uint64_t deadline_ns = pyro_clock_ns() + call->timeout_ns, turn_ns = FIRST_TURN_NS;
    injector->asked = pyro_addr_at(0);
    pyro_maps_clear(&injector->maps); /* libraries were loaded since */
    int code = refuse_stopped(injector->pid, error);
    if (code == 0)
        code = pyro_maps_load(injector->pid, &injector->maps, error);
    if (code < 0)
        return code;
    int reason = -EAGAIN; /* of the last good moment: bad ones say nothing */
    while (!is_over(call, deadline_ns)) {
        code = take_turn(injector, call, turn_ns, deadline_ns, error);
        if (code == 1)
            return 0;
        if (code < 0 && !may_try_again(code))
            return fail(injector, call, code, error);
        if (code == 0 || code == -EBUSY)
            reason = code;
        if (code < 0)
            rest(injector);
        else
            turn_ns *= 2;
    }
    return fail(injector, call, reason, error);
}

int pyro_injector_leave(struct pyro_injector *injector, const struct pyro_call *call,
                        struct pyro_error *error)
{
    struct pyro_error why = {0};
    int code = with_all_stopped_at_last(
        injector, call, injector->entry.remote ? post_to_all : post_line, ROUNDS_MAX, &why);
    injector->text.size = 0;
    if (code == 0)
        return 0;
    *error = why;
    code = fail(injector, call, code, error);
    pyro_error_hint(error, "the end of the next --inject of it does what was to be done now");
    return code;
}

/* -- life --------------------------------------------------------------------------------------- */

int pyro_injector_new(pid_t pid, const struct pyro_memory *memory,
                      const struct pyro_runtime *runtime, struct pyro_injector **ret_injector,
                      struct pyro_error *error)
{
    struct pyro_injector *injector = calloc(1, sizeof(*injector));
    if (!injector)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    injector->pid = pid;
    injector->memory = memory;
    injector->runtime = runtime;
    int code = pyro_entry_find(memory, runtime, &injector->entry, error);
    if (code == 0 && pyro_process_image(pid, memory, &injector->image) < 0)
        code = pyro_error_set(error, -ESRCH, "process %d is gone", (int)pid);
    if (code == 0)
        code = pyro_maps_load(pid, &injector->maps, error);
    if (code == 0 && !injector->entry.remote)
        code = pyro_room_find(pid, memory, runtime, &injector->maps, &injector->run,
                              &injector->room, error);
    if (code < 0) {
        pyro_injector_free(injector);
        return code;
    }
    *ret_injector = injector;
    return 0;
}

void pyro_injector_free(struct pyro_injector *injector)
{
    if (!injector)
        return;
    pyro_maps_clear(&injector->maps);
    free(injector);
}
