/* probe/line_trace.c - PyEval_SetTrace for each thread, and threading.settrace(). */
#include "probe/line_trace.h"

#if !PYRO_FREE_THREADED

static pyro_tracefunc traced; /* by this function; NULL: by none */

int pyro_line_trace_set(pyro_tracefunc function)
{
    PyThreadState *state = pyro_python.first_thread(PyInterpreterState_Get());
    for (; state; state = pyro_python.next_thread(state))
        if (pyro_python.set_trace(state, function, NULL) < 0)
            return -1;
    traced = function;
    return 0;
}

/* The first event of a new thread, which threading.settrace() has come here: its events are ours from now on. */
static PyObject *first_event(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (traced && pyro_python.set_trace(PyThreadState_Get(), traced, NULL) < 0)
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

bool pyro_line_trace_taken(void)
{
    PyObject *get = PySys_GetObject("gettrace"); /* borrowed */
    PyObject *function = get ? PyObject_CallNoArgs(get) : NULL;
    bool has = function && function != Py_None;
    Py_XDECREF(function);
    PyErr_Clear();
    return has;
}

#endif /* PYRO_FREE_THREADED */
