/* probe/profiles.c - which Profiles are on, and where. */
#include "probe/profiles.h"

#include "base/clock.h"
#include "probe/callees.h"
#include "probe/costs.h"
#include "probe/events.h"
#include "probe/lock.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

__thread struct pyro_seen_by pyro_seen_by __attribute__((tls_model("initial-exec")));
_Atomic uint64_t pyro_profiles_generation = 1;

/* Under the lock: */
static struct pyro_profile *profiles; /* those that are on */
static const struct pyro_profile *only;
static PyThreadState *only_thread;
static __thread const struct pyro_profile *asking; /* its timer, at this moment */

/* -- a Profile's life --------------------------------------------------------------------------- */

void pyro_profile_init(struct pyro_profile *profile)
{
    *profile = (struct pyro_profile){
        .builtins = true,
        .rules = {.subcalls = true, .costs = &pyro_no_costs},
        .users = 1,
    };
}

void pyro_profile_hold(struct pyro_profile *profile)
{
    atomic_fetch_add(&profile->users, 1);
}

void pyro_profile_release(struct pyro_profile *profile)
{
    if (atomic_fetch_sub(&profile->users, 1) != 1)
        return;
    PyObject *timer = profile->timer;
    free(profile);
    Py_XDECREF(timer);
}

int pyro_profiles_init(void)
{
    pyro_lock();
    int result = pyro_python_find();
    pyro_unlock();
    if (result < 0)
        return -1;
    pyro_turn_take();
    result = pyro_inside_init() < 0 ? -1 : pyro_callees_init();
    pyro_turn_give();
    return result;
}

bool pyro_profile_is_unused(const struct pyro_profile *profile)
{
    pyro_lock();
    bool used = profile->on || profile->threads || profile->ended.first;
    pyro_unlock();
    return !used;
}

/* -- a thread's life ---------------------------------------------------------------------------- */

/* Its end comes without the GIL: it is only noted, for reap(). All below is under the lock, but for life_ended(). */
struct pyro_life {
    atomic_int users; /* the thread itself and every struct pyro_thread */
    atomic_bool ended;
};
static pthread_key_t life_key;
static bool has_life_key;

static void life_release(struct pyro_life *life)
{
    if (atomic_fetch_sub(&life->users, 1) == 1)
        free(life);
}

static void life_ended(void *data)
{
    struct pyro_life *life = data;
    atomic_store(&life->ended, true);
    life_release(life);
}

/* The calling thread's, with one user more. NULL: out of memory. */
static struct pyro_life *life_here(void)
{
    if (!has_life_key && pthread_key_create(&life_key, life_ended) != 0)
        return NULL;
    has_life_key = true;
    struct pyro_life *life = pthread_getspecific(life_key);
    if (!life) {
        life = calloc(1, sizeof(*life));
        if (!life || pthread_setspecific(life_key, life) != 0) {
            free(life);
            return NULL;
        }
        atomic_store(&life->users, 1);
    }
    atomic_fetch_add(&life->users, 1);
    return life;
}

/* -- threads of a Profile ----------------------------------------------------------------------- */

static struct pyro_thread *thread_of(const struct pyro_profile *profile, uint64_t id)
{
    struct pyro_thread *thread = profile->threads;
    while (thread && thread->id != id)
        thread = thread->next;
    return thread;
}

static void thread_free(struct pyro_thread *thread)
{
    pyro_shadow_clear(&thread->shadow);
    life_release(thread->life);
    free(thread);
}

/* Calls that nobody will see end: they end where the innermost began. */
static void end_silently(struct pyro_profile *profile, struct pyro_shadow *shadow)
{
    if (shadow->depth)
        pyro_shadow_end(shadow, &profile->rules, 0, pyro_shadow_top(shadow)->begin);
}

/* All that hang together by NEXT. May run anything. */
static void threads_free(struct pyro_thread *threads)
{
    while (threads) {
        struct pyro_thread *thread = threads;
        threads = thread->next;
        thread_free(thread);
    }
}

/* Under the lock: keep of threads that are gone their figures only, or a server's threads would pile up. The rest goes to
 * GONE, to be freed without the lock. */
static void reap(struct pyro_profile *profile, struct pyro_thread **gone)
{
    for (struct pyro_thread **at = &profile->threads; *at;) {
        struct pyro_thread *thread = *at;
        if (!atomic_load(&thread->life->ended)) {
            at = &thread->next;
            continue;
        }
        end_silently(profile, &thread->shadow);
        if (pyro_entries_add(&profile->ended, &thread->shadow.entries) < 0)
            profile->out_of_memory = true;
        profile->removed += thread->shadow.removed;
        *at = thread->next;
        thread->next = *gone;
        *gone = thread;
        pyro_profiles_generation++;
    }
}

/* Under the lock: one more of PROFILE's. Takes over LIFE, whose thread it is. NULL: out of memory. */
static struct pyro_thread *thread_new(struct pyro_profile *profile, uint64_t id, pid_t pid,
                                      struct pyro_life *life)
{
    struct pyro_thread *thread = life ? calloc(1, sizeof(*thread)) : NULL;
    if (!thread) {
        if (life)
            life_release(life);
        return NULL;
    }
    *thread = (struct pyro_thread){
        .profile = profile, .id = id, .pid = pid, .life = life, .next = profile->threads};
    profile->threads = thread;
    return thread;
}

/* Under the lock: PROFILE's view of the calling thread, made if need be. NULL: out of memory. */
static struct pyro_thread *thread_here(struct pyro_profile *profile, PyThreadState *state,
                                       struct pyro_thread **gone)
{
    uint64_t id = PyThreadState_GetID(state);
    struct pyro_thread *thread = thread_of(profile, id);
    if (thread)
        return thread;
    reap(profile, gone);
    return thread_new(profile, id, getpid(), life_here());
}

/* Under the lock. */
static struct pyro_thread *view_of(struct pyro_profile *profile, PyThreadState *thread)
{
    if (!profile->on || (only && profile != only && thread == only_thread))
        return NULL;
    struct pyro_thread *view = thread_of(profile, PyThreadState_GetID(thread));
    return view && view->wanted ? view : NULL;
}

struct pyro_thread *pyro_profile_thread(struct pyro_profile *profile, PyThreadState *thread)
{
    pyro_lock();
    struct pyro_thread *view = view_of(profile, thread);
    pyro_unlock();
    return view;
}

bool pyro_profiles_want(uint64_t thread_id)
{
    for (const struct pyro_profile *profile = profiles; profile; profile = profile->next) {
        const struct pyro_thread *thread = thread_of(profile, thread_id);
        if (profile->all_threads || (thread && thread->wanted))
            return true;
    }
    return false;
}

bool pyro_profiles_want_all(void)
{
    for (const struct pyro_profile *profile = profiles; profile; profile = profile->next)
        if (profile->all_threads)
            return true;
    return false;
}

/* Under the lock. */
static void look(PyThreadState *thread, struct pyro_thread **gone)
{
    struct pyro_seen_by seen_by = {.thread = thread};
    for (struct pyro_profile *profile = profiles; profile; profile = profile->next) {
        if (profile->all_threads) {
            struct pyro_thread *view = thread_here(profile, thread, gone);
            if (view)
                view->wanted = true;
            else
                profile->out_of_memory = true;
        }
        struct pyro_thread *view = view_of(profile, thread);
        if (!view)
            continue;
        view->next_here = seen_by.first;
        seen_by.first = view;
        seen_by.has_timer |= profile->timer != NULL;
    }
    seen_by.generation = pyro_profiles_generation;
    pyro_seen_by = seen_by;
}

void pyro_profiles_look(PyThreadState *thread)
{
    pyro_costs_begin_thread();
    do {
        struct pyro_thread *gone = NULL;
        pyro_lock();
        look(thread, &gone);
        pyro_unlock();
        threads_free(gone);
    } while (pyro_seen_by.generation != pyro_profiles_generation);
}

void pyro_profiles_only(const struct pyro_profile *profile)
{
    pyro_lock();
    only = profile;
    only_thread = PyThreadState_Get();
    pyro_profiles_generation++;
    pyro_unlock();
}

/* -- clocks ------------------------------------------------------------------------------------- */

static int64_t seconds_to_ns(PyObject *value)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1 && PyErr_Occurred())
        return 0;
    double ns = floor(seconds * 1e9);
    if (ns >= -0x1p63 && ns < 0x1p63)
        return (int64_t)ns;
    PyErr_SetString(PyExc_OverflowError, "the timer's seconds do not fit");
    return 0;
}

/* As cProfile takes a timer's value: seconds, or with a unit an integer of so many. */
static int64_t ticks_of(const struct pyro_profile *profile, PyObject *value)
{
    if (profile->timeunit <= 0)
        return seconds_to_ns(value);
    if (PyLong_Check(value))
        return PyLong_AsLongLong(value);
    PyErr_SetString(PyExc_TypeError, "a timer with a timeunit has to return an int");
    return 0;
}

static int64_t ask_timer(struct pyro_profile *profile)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *timer = Py_NewRef(profile->timer);
    const struct pyro_profile *outer = asking;
    asking = profile;
    PyObject *result = PyObject_CallNoArgs(timer);
    int64_t ticks = result ? ticks_of(profile, result) : 0;
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(timer);
        ticks = 0;
    }
    Py_XDECREF(result);
    asking = outer;
    Py_DECREF(timer);
    PyErr_Restore(type, value, traceback);
    return ticks;
}

int64_t pyro_profile_now(struct pyro_profile *profile)
{
    return profile->timer ? ask_timer(profile) : (int64_t)pyro_clock_ns();
}

/* -- on and off --------------------------------------------------------------------------------- */

/* In turn: have events come as long as they are wanted. Afterwards no thread is in an event that began before. */
static int update_events(void)
{
    bool c_calls = false;
    pyro_lock();
    bool any = profiles != NULL;
    for (const struct pyro_profile *profile = profiles; profile; profile = profile->next)
        c_calls |= profile->builtins;
    pyro_unlock();
    return pyro_events_want(any, c_calls);
}

/* Under the lock. */
static void link_in(struct pyro_profile *profile)
{
    pyro_profiles_generation++;
    if (profile->on)
        return;
    profile->on = true;
    profile->next = profiles;
    profiles = profile;
}

static void link_out(struct pyro_profile *profile)
{
    pyro_lock();
    struct pyro_profile **at = &profiles;
    while (*at && *at != profile)
        at = &(*at)->next;
    if (*at)
        *at = profile->next;
    profile->on = false;
    for (struct pyro_thread *thread = profile->threads; thread; thread = thread->next)
        thread->wanted = false;
    pyro_profiles_generation++;
    pyro_unlock();
}

/* The timer, or what runs while open calls end, asks for what would take the ground from under us. */
static int refuse_inside(const struct pyro_profile *profile, const char *what)
{
    if (!profile->ending && asking != profile)
        return 0;
    PyErr_Format(PyExc_RuntimeError, "cannot %s a Profile while its timer is asked", what);
    return -1;
}

/* -1: out of memory, with an exception. */
static int want_here(struct pyro_profile *profile)
{
    struct pyro_thread *gone = NULL;
    pyro_lock();
    struct pyro_thread *thread = thread_here(profile, PyThreadState_Get(), &gone);
    if (thread) {
        thread->wanted = true;
        link_in(profile);
    }
    pyro_unlock();
    threads_free(gone);
    if (!thread)
        PyErr_NoMemory();
    return thread ? 0 : -1;
}

/* In turn. */
static int enable(struct pyro_profile *profile)
{
    bool was_on = profile->on;
    if (refuse_inside(profile, "enable") < 0 || want_here(profile) < 0)
        return -1;
    if (update_events() == 0)
        return 0;
    if (!was_on)
        link_out(profile);
    return -1;
}

int pyro_profile_enable(struct pyro_profile *profile)
{
    pyro_turn_take();
    int result = enable(profile);
    pyro_turn_give();
    return result;
}

/* Threads of before a fork have no frames any more. */
static bool is_gone(const struct pyro_thread *thread)
{
    return thread->pid != getpid() && thread->id != PyThreadState_GetID(PyThreadState_Get());
}

/* Each call is ended at a moment of its own, as cProfile does; the timer runs the user's code in between. */
static void end_open_calls(struct pyro_profile *profile)
{
    for (struct pyro_thread *thread = profile->threads; thread; thread = thread->next) {
        if (is_gone(thread) || atomic_load(&thread->life->ended))
            end_silently(profile, &thread->shadow);
        while (thread->shadow.depth)
            pyro_shadow_pop(&thread->shadow, &profile->rules, pyro_profile_now(profile));
    }
}

static int report_memory(struct pyro_profile *profile)
{
    if (!atomic_exchange(&profile->out_of_memory, false))
        return 0;
    PyErr_SetString(PyExc_MemoryError, "memory was exhausted while profiling");
    return -1;
}

/* In turn: off, and open calls ended, but for those whose ends a timer has to tell: PROFILE is `ending` then. */
static int switch_off(struct pyro_profile *profile)
{
    if (refuse_inside(profile, "disable") < 0)
        return -1;
    if (!profile->on)
        return 0;
    link_out(profile);
    if (update_events() < 0)
        return -1;
    if (profile->timer)
        profile->ending = true;
    else
        end_open_calls(profile);
    return 0;
}

int pyro_profile_disable(struct pyro_profile *profile)
{
    pyro_turn_take();
    int result = switch_off(profile);
    bool ends = result == 0 && profile->ending;
    pyro_turn_give(); /* a timer may wait for another thread */
    if (ends) {
        end_open_calls(profile);
        profile->ending = false;
    }
    return result < 0 ? -1 : report_memory(profile);
}

/* What was measured, taken away from a Profile. */
struct measured {
    struct pyro_thread *threads;
    struct pyro_entries ended;
};

/* Under the lock. */
static struct measured take_away(struct pyro_profile *profile)
{
    struct measured measured = {profile->threads, profile->ended};
    profile->threads = NULL;
    profile->ended = (struct pyro_entries){0};
    profile->removed = 0;
    pyro_profiles_generation++;
    return measured;
}

/* May run anything. */
static void measured_free(struct measured *measured)
{
    threads_free(measured->threads);
    pyro_entries_clear(&measured->ended);
}

/* Under the lock: PROFILE looks at the THREADS as before, and saw nothing there yet. -1: out of memory. */
static int begin_anew(struct pyro_profile *profile, const struct pyro_thread *threads)
{
    for (; threads; threads = threads->next) {
        atomic_fetch_add(&threads->life->users, 1);
        struct pyro_thread *thread = thread_new(profile, threads->id, threads->pid, threads->life);
        if (!thread)
            return -1;
        thread->wanted = threads->wanted;
    }
    return 0;
}

/* In turn. */
static int forget(struct pyro_profile *profile)
{
    pyro_lock();
    struct measured measured = take_away(profile);
    if (begin_anew(profile, measured.threads) < 0)
        profile->out_of_memory = true;
    pyro_unlock();
    if (profile->on && update_events() < 0)
        return -1; /* a thread may still be at it: so it stays */
    measured_free(&measured);
    return 0;
}

int pyro_profile_clear(struct pyro_profile *profile)
{
    pyro_turn_take();
    int result = refuse_inside(profile, "clear");
    if (result == 0)
        result = forget(profile);
    pyro_turn_give();
    return result;
}

void pyro_profile_end(struct pyro_profile *profile)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    pyro_turn_take();
    if (profile->on) {
        link_out(profile);
        (void)update_events();
        PyErr_Clear();
    }
    pyro_lock();
    struct measured measured = take_away(profile);
    pyro_unlock();
    pyro_turn_give();
    measured_free(&measured);
    PyErr_Restore(type, value, traceback);
}

/* -- sums --------------------------------------------------------------------------------------- */

int pyro_profile_sum(const struct pyro_profile *profile, struct pyro_entries *sum)
{
    pyro_lock();
    int result = pyro_entries_add(sum, &profile->ended);
    for (const struct pyro_thread *thread = profile->threads; result == 0 && thread;
         thread = thread->next)
        result = pyro_entries_add(sum, &thread->shadow.entries);
    pyro_unlock();
    if (result < 0)
        PyErr_NoMemory();
    return result;
}

int64_t pyro_profile_removed(const struct pyro_profile *profile)
{
    pyro_lock();
    int64_t removed = profile->removed;
    for (const struct pyro_thread *thread = profile->threads; thread; thread = thread->next)
        removed += pyro_figure(&thread->shadow.removed);
    pyro_unlock();
    return removed;
}
