/* probe/legacy.c - the profile functions of 3.11, and those that had to make room. */
#include "probe/legacy.h"

#include <stdlib.h>
#include <string.h>

/* Looked at of a PyThreadState, which has 45; the profile function is the 9th, the trace function the next one (3.11,
 * Include/cpython/pystate.h). */
#define THREAD_WORDS 32

typedef int (*set_function)(PyThreadState *thread, pyro_tracefunc function, PyObject *object);

/* A place that one of ours took. */
struct displaced {
    struct displaced *next;
    PyThreadState *thread;
    uint64_t thread_id; /* addresses are used again */
    pyro_tracefunc by;
    pyro_tracefunc function; /* which was there ... */
    PyObject *object;        /* ... with this */
};
static struct displaced *displaced;
static PyThreadState *hushed;
static struct words { /* of a PyThreadState; 0: not known yet */
    uint32_t function, object;
} profile_words, trace_words;

/* -- the thread's fields ------------------------------------------------------------------------ */

static int never(PyObject *object, PyObject *frame, int what, PyObject *argument)
{
    return 0;
}

static void *word_of(PyThreadState *thread, uint32_t word)
{
    return ((void **)thread)[word];
}

static uint32_t find_word(void *const *before, PyThreadState *thread, const void *value)
{
    for (uint32_t i = 0; i < THREAD_WORDS; i++)
        if (word_of(thread, i) == value && before[i] != value)
            return i;
    return 0;
}

/* SET one that is known, and look what changed. */
static int find_words(PyThreadState *thread, set_function set, const char *get, PyObject *mark,
                      struct words *words)
{
    void *before[THREAD_WORDS];
    memcpy(before, thread, sizeof(before));
    PyObject *object = PyObject_CallNoArgs(PySys_GetObject(get)); /* lives on meanwhile */
    if (!object || set(thread, never, mark) < 0) {
        Py_XDECREF(object);
        return -1;
    }
    const struct words found = {find_word(before, thread, (void *)never),
                                find_word(before, thread, mark)};
    pyro_tracefunc function = NULL;
    if (found.function)
        *(void **)&function = before[found.function];
    int result = set(thread, function, found.object ? before[found.object] : NULL);
    Py_DECREF(object);
    if (result == 0 && found.function && found.object)
        *words = found;
    return result;
}

static int find_both(void)
{
    PyThreadState *thread = PyThreadState_Get();
    PyObject *mark = PyList_New(0);
    int result = mark ? 0 : -1;
    if (result == 0)
        result = find_words(thread, pyro_python.set_profile, "getprofile", mark, &profile_words);
    if (result == 0)
        result = find_words(thread, pyro_python.set_trace, "gettrace", mark, &trace_words);
    Py_XDECREF(mark);
    return result;
}

int pyro_legacy_init(void)
{
    if (profile_words.function && trace_words.function)
        return 0;
    if (pyro_python.set_profile && pyro_python.set_trace && pyro_python.first_thread &&
        pyro_python.next_thread) {
        int result = find_both();
        if (result < 0 || (profile_words.function && trace_words.function))
            return result;
    }
    PyErr_SetString(PyExc_ImportError, "the probe does not fit this Python: its threads keep "
                                       "their profile functions elsewhere");
    return -1;
}

static pyro_tracefunc function_at(PyThreadState *thread, uint32_t word)
{
    pyro_tracefunc function;
    *(void **)&function = word_of(thread, word);
    return function;
}

pyro_tracefunc pyro_legacy_function(PyThreadState *thread)
{
    return function_at(thread, profile_words.function);
}

pyro_tracefunc pyro_legacy_trace_function(PyThreadState *thread)
{
    return function_at(thread, trace_words.function);
}

/* -- places ------------------------------------------------------------------------------------- */

static bool is_of(const struct displaced *one, PyThreadState *thread)
{
    return one->thread == thread && one->thread_id == PyThreadState_GetID(thread);
}

/* Where the one is that BY displaced in THREAD; *it is NULL: none. */
static struct displaced **place_of(PyThreadState *thread, pyro_tracefunc by)
{
    struct displaced **place = &displaced;
    while (*place && !((*place)->by == by && is_of(*place, thread)))
        place = &(*place)->next;
    return place;
}

static void forget(struct displaced **place)
{
    struct displaced *old = *place;
    if (!old)
        return;
    *place = old->next;
    Py_XDECREF(old->object);
    free(old);
}

/* Keep what THREAD has, if anything, for BY. */
static int displace(PyThreadState *thread, pyro_tracefunc by)
{
    pyro_tracefunc function = pyro_legacy_function(thread);
    if (thread == hushed && !function)
        return 0;                 /* whoever was there before is kept */
    forget(place_of(thread, by)); /* somebody else took our place since */
    if (!function)
        return 0;
    struct displaced *kept = calloc(1, sizeof(*kept));
    if (!kept) {
        PyErr_NoMemory();
        return -1;
    }
    *kept =
        (struct displaced){displaced, thread,   PyThreadState_GetID(thread),
                           by,        function, Py_XNewRef(word_of(thread, profile_words.object))};
    displaced = kept;
    return 0;
}

int pyro_legacy_hook(PyThreadState *thread, pyro_tracefunc function)
{
    if (pyro_legacy_function(thread) == function)
        return 0;
    if (displace(thread, function) < 0)
        return -1;
    const struct displaced *before = *place_of(thread, function);
    /* sys.getprofile() goes on to tell what the program set. */
    if (pyro_python.set_profile(thread, function, before ? before->object : NULL) == 0)
        return 0;
    forget(place_of(thread, function));
    return -1;
}

/* FUNCTION, whose place another one of ours has, goes: what that displaced is from now on what FUNCTION did. */
static void take_out(PyThreadState *thread, pyro_tracefunc function)
{
    struct displaced **above = &displaced;
    while (*above && !((*above)->function == function && is_of(*above, thread)))
        above = &(*above)->next;
    struct displaced *below = *place_of(thread, function);
    if (!*above)
        return;
    if (!below) {
        forget(above);
        return;
    }
    (*above)->function = below->function;
    PyObject *before = (*above)->object;
    (*above)->object = Py_XNewRef(below->object);
    Py_XDECREF(before);
}

void pyro_legacy_unhook(PyThreadState *thread, pyro_tracefunc function)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (pyro_legacy_function(thread) == function) {
        const struct displaced *before = thread == hushed ? NULL : *place_of(thread, function);
        (void)pyro_python.set_profile(thread, before ? before->function : NULL,
                                      before ? before->object : NULL);
        PyErr_Clear();
    } else {
        take_out(thread, function);
    }
    if (thread != hushed)
        forget(place_of(thread, function)); /* looked up again: anything may have run */
    PyErr_Restore(type, value, traceback);
}

int pyro_legacy_pass_on(PyThreadState *thread, pyro_tracefunc function, PyObject *frame, int what,
                        PyObject *argument)
{
    const struct displaced *before =
        displaced && thread != hushed ? *place_of(thread, function) : NULL;
    if (!before)
        return 0;
    PyObject *object = Py_XNewRef(before->object); /* it may be forgotten meanwhile */
    int result = before->function(object, frame, what, argument);
    Py_XDECREF(object);
    return result;
}

void pyro_legacy_hush(PyThreadState *thread)
{
    PyThreadState *woken = hushed;
    hushed = thread;
    if (!woken || pyro_legacy_function(woken))
        return;
    struct displaced **newest = &displaced;
    while (*newest && !is_of(*newest, woken))
        newest = &(*newest)->next;
    if (!*newest)
        return;
    (void)pyro_python.set_profile(woken, (*newest)->function, (*newest)->object);
    PyErr_Clear();
    forget(newest); /* ours went meanwhile */
}
