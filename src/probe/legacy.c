/* probe/legacy.c - the profile functions of 3.11, and those that had to make room. */
#include "probe/legacy.h"

#include <stdlib.h>
#include <string.h>

/* Looked at of a PyThreadState, which has 45; the profile function is the 9th (3.11, Include/cpython/pystate.h). */
#define THREAD_WORDS 32

/* Whose place ours took. */
struct displaced {
    struct displaced *next;
    PyThreadState *thread;
    uint64_t thread_id; /* addresses are used again */
    pyro_tracefunc function;
    PyObject *object;
};
static struct displaced *displaced;
static uint32_t function_word, object_word; /* of a PyThreadState; 0: not known yet */

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

/* Set one that is known, and look what changed. */
static int find_words(PyThreadState *thread, PyObject *mark)
{
    void *before[THREAD_WORDS];
    memcpy(before, thread, sizeof(before));
    PyObject *object = PyObject_CallNoArgs(PySys_GetObject("getprofile")); /* lives on meanwhile */
    if (!object || pyro_python.set_profile(thread, never, mark) < 0) {
        Py_XDECREF(object);
        return -1;
    }
    uint32_t function_at = find_word(before, thread, (void *)never);
    uint32_t object_at = find_word(before, thread, mark);
    pyro_tracefunc function = NULL;
    if (function_at)
        *(void **)&function = before[function_at];
    int result = pyro_python.set_profile(thread, function, object_at ? before[object_at] : NULL);
    Py_DECREF(object);
    if (result == 0 && function_at && object_at) {
        function_word = function_at;
        object_word = object_at;
    }
    return result;
}

int pyro_legacy_init(void)
{
    if (function_word)
        return 0;
    if (pyro_python.set_profile && pyro_python.first_thread && pyro_python.next_thread) {
        PyObject *mark = PyList_New(0);
        int result = mark ? find_words(PyThreadState_Get(), mark) : -1;
        Py_XDECREF(mark);
        if (result < 0 || function_word)
            return result;
    }
    PyErr_SetString(PyExc_ImportError, "the probe does not fit this Python: its threads keep "
                                       "their profile functions elsewhere");
    return -1;
}

pyro_tracefunc pyro_legacy_function(PyThreadState *thread)
{
    pyro_tracefunc function;
    *(void **)&function = word_of(thread, function_word);
    return function;
}

/* -- places ------------------------------------------------------------------------------------- */

static struct displaced **place_of(PyThreadState *thread)
{
    struct displaced **place = &displaced;
    while (*place &&
           !((*place)->thread == thread && (*place)->thread_id == PyThreadState_GetID(thread)))
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

/* Keep what THREAD has, if anything. */
static int displace(PyThreadState *thread)
{
    pyro_tracefunc function = pyro_legacy_function(thread);
    forget(place_of(thread)); /* somebody else took our place since */
    if (!function)
        return 0;
    struct displaced *kept = calloc(1, sizeof(*kept));
    if (!kept) {
        PyErr_NoMemory();
        return -1;
    }
    *kept = (struct displaced){displaced, thread, PyThreadState_GetID(thread), function,
                               Py_XNewRef(word_of(thread, object_word))};
    displaced = kept;
    return 0;
}

int pyro_legacy_hook(PyThreadState *thread, pyro_tracefunc function)
{
    if (pyro_legacy_function(thread) == function)
        return 0;
    if (displace(thread) < 0)
        return -1;
    if (pyro_python.set_profile(thread, function, NULL) == 0)
        return 0;
    forget(place_of(thread));
    return -1;
}

void pyro_legacy_unhook(PyThreadState *thread, pyro_tracefunc function)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct displaced **place = place_of(thread);
    if (pyro_legacy_function(thread) == function) {
        const struct displaced *before = *place;
        (void)pyro_python.set_profile(thread, before ? before->function : NULL,
                                      before ? before->object : NULL);
        PyErr_Clear();
    }
    forget(place_of(thread)); /* looked up again: anything may have run */
    PyErr_Restore(type, value, traceback);
}

int pyro_legacy_pass_on(PyThreadState *thread, PyObject *frame, int what, PyObject *argument)
{
    const struct displaced *before = displaced ? *place_of(thread) : NULL;
    return before ? before->function(before->object, frame, what, argument) : 0;
}
