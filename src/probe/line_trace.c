/* probe/line_trace.c - PyEval_SetTrace for each thread, and threading.settrace(). */
#include "probe/line_trace.h"

#include "probe/legacy.h"

#if !PYRO_FREE_THREADED

static pyro_tracefunc traced; /* by this function; NULL: by none */

static bool has_another(PyThreadState *thread, pyro_tracefunc function)
{
    pyro_tracefunc now = pyro_legacy_trace_function(thread);
    return now && now != function;
}

int pyro_line_trace_set(pyro_tracefunc function)
{
    if (pyro_legacy_init() < 0)
        return -1;
    PyThreadState *state = pyro_python.first_thread(PyInterpreterState_Get());
    for (; state; state = pyro_python.next_thread(state))
        if (!has_another(state, function) && pyro_python.set_trace(state, function, NULL) < 0)
            return -1;
    traced = function;
    return 0;
}

int pyro_line_trace_clear(void)
{
    PyThreadState *state = pyro_python.first_thread(PyInterpreterState_Get());
    for (; state && traced; state = pyro_python.next_thread(state))
        if (pyro_legacy_trace_function(state) == traced &&
            pyro_python.set_trace(state, NULL, NULL) < 0)
            return -1;
    traced = NULL;
    return 0;
}

bool pyro_line_trace_taken(PyThreadState *thread, pyro_tracefunc function)
{
    if (pyro_legacy_init() < 0) {
        PyErr_Clear();
        return true;
    }
    if (thread)
        return has_another(thread, function);
    PyThreadState *state = pyro_python.first_thread(PyInterpreterState_Get());
    while (state && !has_another(state, function))
        state = pyro_python.next_thread(state);
    return state != NULL;
}

/* The first event of a new thread, which threading.settrace() has come here: its events are ours from now on, or nobody's. */
static PyObject *first_event(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (pyro_python.set_trace(PyThreadState_Get(), traced, NULL) < 0)
        return NULL;
    return Py_NewRef(Py_None);
}
static PyMethodDef first_event_method = {
    "pyrometer_thread_begins", (PyCFunction)(void (*)(void))first_event, METH_FASTCALL, NULL};

int pyro_line_trace_new_threads(bool set)
{
    static PyObject *hook;
    if (!hook && !(hook = PyCFunction_New(&first_event_method, NULL)))
        return -1;
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *now = threading ? PyObject_CallMethod(threading, "gettrace", NULL) : NULL;
    PyObject *result = Py_XNewRef(now);
    if (now == (set ? Py_None : hook)) {
        Py_DECREF(result);
        result = PyObject_CallMethod(threading, "settrace", "O", set ? hook : Py_None);
    }
    Py_XDECREF(result);
    Py_XDECREF(now);
    Py_XDECREF(threading);
    return result ? 0 : -1;
}

#endif /* PYRO_FREE_THREADED */
