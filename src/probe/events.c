/* probe/events.c - the callbacks. What runs here runs at every call of the program, and every return. */
#include "probe/events.h"

#include "base/clock.h"
#include "probe/callees.h"
#include "probe/costs.h"
#include "probe/current.h"
#include "probe/hooks.h"
#include "probe/legacy.h"
#include "probe/profiles.h"

#include <stdlib.h>

enum what { ENTERS, LEAVES, IGNORED };

struct event {
    enum what what;
    enum pyro_how how; /* of ENTERS */
    const void *frame;
    struct pyro_called called;
    bool is_function; /* as cProfile sees; of C functions */
};

/* -- one Profile -------------------------------------------------------------------------------- */

/* What the event is for a Profile that may not see all. */
static inline enum what what_for(const struct pyro_profile *profile, const struct event *event)
{
    if (event->called.code)
        return event->what;
    bool seen = profile->builtins && (event->is_function || !profile->functions_only);
    return seen ? event->what : IGNORED;
}

/* Nothing began: there was no memory, or (false) the name of the C function has to be known first. */
static bool did_not_begin(struct pyro_profile *profile, const struct event *event)
{
    if (!event->called.code && !event->called.name)
        return false;
    profile->out_of_memory = true;
    return true;
}

/* False: as did_not_begin(). */
static inline bool apply(struct pyro_thread *thread, const struct event *event)
{
    struct pyro_profile *profile = thread->profile;
    struct pyro_shadow *shadow = &thread->shadow;
    const struct pyro_shadow_rules *rules = &profile->rules;
    switch (what_for(profile, event)) {
    case LEAVES:
        pyro_shadow_leave(shadow, rules, event->frame, event->called.key, (int64_t)pyro_clock_ns());
        break;
    case ENTERS:
        if (__builtin_expect(!pyro_shadow_fits(shadow, event->frame, event->how), 0))
            pyro_shadow_heal(shadow, rules, event->frame, event->how, (int64_t)pyro_clock_ns());
        struct pyro_activation *begun =
            pyro_shadow_push(shadow, rules, event->frame, &event->called, event->how);
        if (__builtin_expect(!begun, 0))
            return did_not_begin(profile, event);
        begun->begin = (int64_t)pyro_clock_ns();
        break;
    case IGNORED:
        pyro_shadow_ignore(shadow, rules);
        break;
    }
    return true;
}

/* Does the timer have to be asked? cProfile asks where a call begins, and where one ends that began. */
static bool takes_time(const struct pyro_thread *thread, const struct event *event)
{
    switch (what_for(thread->profile, event)) {
    case ENTERS:
        return true;
    case LEAVES:
        return pyro_shadow_find(&thread->shadow, event->frame, event->called.key) >= 0;
    case IGNORED:
        break;
    }
    return false;
}

/* With the timer's time. */
static bool apply_at(struct pyro_thread *thread, const struct event *event, int64_t now)
{
    struct pyro_profile *profile = thread->profile;
    struct pyro_shadow *shadow = &thread->shadow;
    if (event->what == LEAVES) {
        pyro_shadow_leave(shadow, &profile->rules, event->frame, event->called.key, now);
        return true;
    }
    pyro_shadow_heal(shadow, &profile->rules, event->frame, event->how, now);
    struct pyro_activation *begun =
        pyro_shadow_push(shadow, &profile->rules, event->frame, &event->called, event->how);
    if (!begun)
        return did_not_begin(profile, event);
    begun->begin = now;
    return true;
}

/* -- one Profile, where an event may have to call the interpreter ------------------------------- */

/* Runs no Python code of the program's, and keeps an exception that is set. */
static PyObject *name_of(const struct pyro_called *called)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *name = pyro_callee_name(called->key, called->callable);
    if (!name) {
        PyErr_Clear();
        name = PyUnicode_FromString("<C function>");
    }
    PyErr_Restore(type, value, traceback);
    return name;
}

static bool apply_either(struct pyro_thread *thread, const struct event *event, int64_t now)
{
    return thread->profile->timer ? apply_at(thread, event, now) : apply(thread, event);
}

/* In PROFILE's view as it is at this moment; NOW is its timer's, if it has one. */
static void apply_named(struct pyro_profile *profile, PyThreadState *state, struct event *event,
                        int64_t now)
{
    struct pyro_thread *thread = pyro_profile_thread(profile, state);
    if (!thread || apply_either(thread, event, now))
        return;
    event->called.name = name_of(&event->called);
    thread = pyro_profile_thread(profile, state);
    if (thread && !apply_either(thread, event, now))
        profile->out_of_memory = true;
}

/* A timer may run anything, also switch Profiles off and on, or let other threads run. */
static void apply_with_timer(struct pyro_profile *profile, PyThreadState *state,
                             struct event *event)
{
    const struct pyro_thread *thread = pyro_profile_thread(profile, state);
    if (thread && !profile->timer)
        apply_named(profile, state, event, 0);
    else if (thread && takes_time(thread, event))
        apply_named(profile, state, event, pyro_profile_now(profile));
}

/* -- all that see the thread -------------------------------------------------------------------- */

/* Timers are asked, and names made, with nothing held but the Profiles themselves. */
static void apply_to_all_slowly(struct pyro_thread *first, PyThreadState *state,
                                const struct event *event)
{
    size_t count = 0, i = 0;
    for (struct pyro_thread *thread = first; thread; thread = thread->next_here)
        count++;
    struct pyro_profile **profiles = malloc(count * sizeof(struct pyro_profile *));
    if (!profiles) {
        first->profile->out_of_memory = true;
        return;
    }
    for (struct pyro_thread *thread = first; thread; thread = thread->next_here) {
        profiles[i++] = thread->profile;
        pyro_profile_hold(thread->profile);
    }
    struct event named = *event;
    for (i = 0; i < count; i++) {
        apply_with_timer(profiles[i], state, &named);
        pyro_profile_release(profiles[i]); /* perhaps the last one; nothing of it is used after */
    }
    Py_XDECREF(named.called.name);
    free(profiles);
}

static inline void apply_to_all(struct pyro_thread *first, PyThreadState *state,
                                const struct event *event)
{
    struct pyro_thread *thread = first;
    if (__builtin_expect(!pyro_seen_by.has_timer, 1))
        while (thread && apply(thread, event))
            thread = thread->next_here;
    if (__builtin_expect(thread != NULL, 0))
        apply_to_all_slowly(thread, state, event);
}

static inline void on_python(PyObject *code, enum what what, enum pyro_how how)
{
    PyThreadState *state = pyro_current_thread();
    struct pyro_thread *first = pyro_profiles_here(state);
    if (!first)
        return;
    const struct event event = {
        .what = what,
        .how = how,
        .frame = pyro_current_frame(state),
        .called = {.key = code, .code = code},
    };
    apply_to_all(first, state, &event);
}

/* Returns whether it is a Python function, that starts next. */
static inline bool on_c(PyObject *callable, bool has_argument, enum what what)
{
    PyThreadState *state = pyro_current_thread();
    if (!pyro_profiles_here(state))
        return false;
    const void *key = pyro_callee_key(callable);
    const struct event event = {
        .what = key ? what : IGNORED,
        .how = PYRO_CALLS_C,
        .frame = pyro_current_frame(state),
        .called = {.key = key, .callable = callable},
        .is_function = pyro_callee_is_function(callable, has_argument),
    };
    apply_to_all(pyro_profiles_here(state), state, &event); /* as they are now */
    return !key;
}

/* -- two of them are measured: probe/gauge.h ---------------------------------------------------- */

/* A timer's time is no cost of ours. */
static inline struct pyro_measured without_timer(struct pyro_measured measured)
{
    if (__builtin_expect(measured.begin == 0 || !pyro_seen_by.has_timer, 1))
        return measured;
    return pyro_gauge_drop(&pyro_costs_gauge);
}

static inline void start(PyObject *code)
{
    struct pyro_measured measured = pyro_gauge_start(&pyro_costs_gauge);
    on_python(code, ENTERS, PYRO_STARTS);
    measured = without_timer(measured);
    pyro_gauge_end(&pyro_costs_gauge, measured);
    if (__builtin_expect(measured.begin != 0, 0))
        pyro_costs_follow();
}

static inline void call(PyObject *callable, bool has_argument)
{
    struct pyro_measured measured = pyro_gauge_call(&pyro_costs_gauge);
    bool python = on_c(callable, has_argument, ENTERS);
    pyro_gauge_end_call(&pyro_costs_gauge, without_timer(measured), python);
}

/* -- 3.12+: sys.monitoring ---------------------------------------------------------------------- */

/* PY_START(code, offset) */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    start(args[0]);
    return pyro_none();
}

/* PY_RESUME(code, offset), PY_THROW(code, offset, exception) */
static PyObject *on_resume(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    on_python(args[0], ENTERS, PYRO_RESUMES);
    return pyro_none();
}

/* PY_RETURN(code, offset, value), PY_YIELD alike, PY_UNWIND(code, offset, exception) */
static PyObject *on_leave(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    on_python(args[0], LEAVES, 0);
    return pyro_none();
}

/* CALL(code, offset, callable, first argument) */
static PyObject *on_call(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    call(args[2], args[3] != pyro_hooks_missing());
    return pyro_none();
}

/* C_RETURN, C_RAISE: the same arguments */
static PyObject *on_c_leave(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    on_c(args[2], args[3] != pyro_hooks_missing(), LEAVES);
    return pyro_none();
}

static struct pyro_hooks hooks = {
    .on =
        {
            [PYRO_PY_START] = on_start,
            [PYRO_PY_RESUME] = on_resume,
            [PYRO_PY_THROW] = on_resume,
            [PYRO_PY_RETURN] = on_leave,
            [PYRO_PY_YIELD] = on_leave,
            [PYRO_PY_UNWIND] = on_leave,
            [PYRO_CALL] = on_call,
            [PYRO_C_RETURN] = on_c_leave,
            [PYRO_C_RAISE] = on_c_leave,
        },
};
static uint32_t selected; /* of the hooks, while they are set */

#define C_EVENTS \
    (PYRO_EVENT_BIT(PYRO_CALL) | PYRO_EVENT_BIT(PYRO_C_RETURN) | PYRO_EVENT_BIT(PYRO_C_RAISE))

static int monitor(bool any, bool c_calls)
{
    if (!any) {
        pyro_hooks_clear(&hooks);
        return 0;
    }
    if (!hooks.tool) {
        if (pyro_hooks_set(&hooks) < 0)
            return -1;
        selected = PYRO_EVENTS_ALL;
    }
    uint32_t wanted = c_calls ? PYRO_EVENTS_ALL : PYRO_EVENTS_ALL & ~C_EVENTS;
    if (wanted == selected && !PYRO_FREE_THREADED)
        return 0;
    if (pyro_hooks_select(&hooks, wanted) < 0)
        return -1;
    selected = wanted;
    return 0;
}

/* -- 3.11: the legacy profile function ---------------------------------------------------------- */

static int on_profile(PyObject *self, PyObject *frame_object, int what, PyObject *argument)
{
    PyThreadState *state = pyro_current_thread();
    const void *frame = pyro_current_frame(state);
    switch (what) {
    case PYRO_TRACE_CALL:
        if (pyro_frame_begins(frame))
            start(pyro_frame_code(frame));
        else
            on_python(pyro_frame_code(frame), ENTERS, PYRO_RESUMES);
        break;
    case PYRO_TRACE_RETURN:
        on_python(pyro_frame_code(frame), LEAVES, 0);
        break;
    case PYRO_TRACE_C_CALL:
        call(argument, true);
        break;
    case PYRO_TRACE_C_RETURN:
    case PYRO_TRACE_C_EXCEPTION:
        on_c(argument, true, LEAVES);
        break;
    }
    return pyro_legacy_pass_on(state, on_profile, frame_object, what, argument);
}

static PyObject *hook_before; /* threading's, while ours has its place */

/* The first event of a new thread, which threading.setprofile() has come here: then its events are ours, and of what was
 * there before. */
static PyObject *first_event(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyThreadState *state = pyro_current_thread();
    if (hook_before) {
        PyObject *set = PySys_GetObject("setprofile"); /* borrowed */
        PyObject *result = set ? PyObject_CallFunctionObjArgs(set, hook_before, NULL) : NULL;
        Py_XDECREF(result);
        if (!result)
            return NULL;
    } else if (pyro_python.set_profile(state, NULL, NULL) < 0) {
        return NULL;
    }
    if (!pyro_profiles_want(PyThreadState_GetID(state)))
        return Py_NewRef(Py_None);
    if (pyro_legacy_hook(state, on_profile) < 0)
        return NULL;
    if (count == 3 && PyUnicode_CompareWithASCIIString(args[1], "call") == 0)
        on_python(pyro_frame_code(pyro_current_frame(state)), ENTERS, PYRO_STARTS);
    return Py_NewRef(Py_None);
}
static PyMethodDef first_event_method = {
    "pyrometer_thread_begins", (PyCFunction)(void (*)(void))first_event, METH_FASTCALL, NULL};
static PyObject *thread_hook;
static bool new_threads; /* thread_hook is threading's */

static int set_thread_hook(PyObject *threading, PyObject *hook)
{
    PyObject *result = PyObject_CallMethod(threading, "setprofile", "O", hook);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int hook_new_threads(PyObject *threading)
{
    if (!thread_hook)
        thread_hook = PyCFunction_New(&first_event_method, NULL);
    PyObject *before = thread_hook ? PyObject_CallMethod(threading, "getprofile", NULL) : NULL;
    if (!before || set_thread_hook(threading, thread_hook) < 0) {
        Py_XDECREF(before);
        return -1;
    }
    if (before == Py_None)
        Py_CLEAR(before);
    hook_before = before;
    new_threads = true;
    return 0;
}

/* Put back what was there, unless somebody else put something there meanwhile. */
static int unhook_new_threads(PyObject *threading)
{
    PyObject *now = PyObject_CallMethod(threading, "getprofile", NULL);
    int result = now ? 0 : -1;
    if (now == thread_hook)
        result = set_thread_hook(threading, hook_before ? hook_before : Py_None);
    Py_XDECREF(now);
    Py_CLEAR(hook_before);
    new_threads = false;
    return result;
}

static int want_new_threads(bool wanted)
{
    if (wanted == new_threads)
        return 0;
    PyObject *threading = PyImport_ImportModule("threading");
    if (!threading)
        return -1;
    int result = wanted ? hook_new_threads(threading) : unhook_new_threads(threading);
    Py_DECREF(threading);
    return result;
}

static int hook_threads(void)
{
    if (pyro_legacy_init() < 0 || want_new_threads(pyro_profiles_want_all()) < 0)
        return -1;
    PyThreadState *state = pyro_python.first_thread(PyInterpreterState_Get());
    for (; state; state = pyro_python.next_thread(state)) {
        if (!pyro_profiles_want(PyThreadState_GetID(state)))
            pyro_legacy_unhook(state, on_profile);
        else if (pyro_legacy_hook(state, on_profile) < 0)
            return -1;
    }
    return 0;
}

int pyro_events_want(bool any, bool c_calls)
{
    return pyro_inside.minor >= 12 ? monitor(any, c_calls) : hook_threads();
}
