/* probe/hooks.c - sys.monitoring by its Python face, since it has no C one; PyEval_SetProfile for 3.11. */
#include "probe/hooks.h"

#include "probe/inside.h"
#include "probe/legacy.h"
#include "probe/lines.h"

/* A callable that is nothing but a C function: the interpreter calls it without a detour. */
struct callback {
    PyObject base;
    pyro_vectorcall call;
};

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct callback, call), READONLY, NULL},
    {0},
};
static PyObject *callback_call(PyObject *self, PyObject *args, PyObject *names)
{
    PyErr_SetString(PyExc_TypeError, "only the interpreter calls this");
    return NULL;
}
static void callback_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}
static PyType_Slot callback_slots[] = {
    {Py_tp_members, callback_members},
    {Py_tp_call, callback_call},
    {Py_tp_dealloc, callback_free},
    {0},
};
static PyType_Spec callback_spec = {
    .name = "pyrometer.callback",
    .basicsize = sizeof(struct callback),
    .flags = Py_TPFLAGS_DEFAULT | PYRO_TYPE_HAVE_VECTORCALL,
    .slots = callback_slots,
};

static const char *const event_names[PYRO_EVENTS] = {
    [PYRO_PY_START] = "PY_START",   [PYRO_PY_RESUME] = "PY_RESUME", [PYRO_PY_THROW] = "PY_THROW",
    [PYRO_PY_RETURN] = "PY_RETURN", [PYRO_PY_YIELD] = "PY_YIELD",   [PYRO_PY_UNWIND] = "PY_UNWIND",
    [PYRO_CALL] = "CALL",           [PYRO_C_RETURN] = "C_RETURN",   [PYRO_C_RAISE] = "C_RAISE",
    [PYRO_LINE] = "LINE",           [PYRO_JUMP] = "JUMP",
};
static long event_bits[PYRO_EVENTS];             /* theirs: they differ between versions */
static PyObject *monitoring, *missing, *disable; /* the last one: all is learned */

static PyObject *callback_new(pyro_vectorcall function)
{
    static PyTypeObject *type;
    if (!type)
        type = (PyTypeObject *)PyType_FromSpec(&callback_spec);
    struct callback *callback = type ? PyObject_New(struct callback, type) : NULL;
    if (callback)
        callback->call = function;
    return (PyObject *)callback;
}

/* -- sys.monitoring ----------------------------------------------------------------------------- */

static long event_bit(const char *name)
{
    PyObject *events = PyObject_GetAttrString(monitoring, "events");
    PyObject *bit = events ? PyObject_GetAttrString(events, name) : NULL;
    long value = bit ? PyLong_AsLong(bit) : -1;
    Py_XDECREF(bit);
    Py_XDECREF(events);
    return value;
}

/* Learn what sys.monitoring has. -1 with an exception. */
static int find_monitoring(void)
{
    if (disable)
        return 0;
    if (!monitoring)
        monitoring = Py_XNewRef(PySys_GetObject("monitoring"));
    if (!monitoring) {
        PyErr_SetString(PyExc_RuntimeError, "this Python has no sys.monitoring");
        return -1;
    }
    for (int event = 0; event < PYRO_EVENTS; event++) {
        event_bits[event] = event_bit(event_names[event]);
        if (event_bits[event] < 0)
            return -1;
    }
    missing = PyObject_GetAttrString(monitoring, "MISSING");
    if (!missing)
        return -1;
    disable = PyObject_GetAttrString(monitoring, "DISABLE");
    return disable ? 0 : -1;
}

/* Ids the documentation leaves to nobody first, then those it names; the debugger's and the optimizer's never. */
static int take_tool(struct pyro_hooks *hooks)
{
    static const int ids[] = {3, 4, 2, 1};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        PyObject *owner = PyObject_CallMethod(monitoring, "get_tool", "i", ids[i]);
        if (!owner)
            return -1;
        Py_DECREF(owner);
        if (owner != Py_None)
            continue;
        PyObject *result =
            PyObject_CallMethod(monitoring, "use_tool_id", "is", ids[i], "pyrometer");
        Py_XDECREF(result);
        if (result)
            hooks->tool = ids[i] + 1;
        return result ? 0 : -1;
    }
    PyErr_SetString(PyExc_RuntimeError, "other tools use every tool id of sys.monitoring");
    return -1;
}

static int set_callback(const struct pyro_hooks *hooks, enum pyro_event event, PyObject *callback)
{
    PyObject *before = PyObject_CallMethod(monitoring, "register_callback", "ilO", hooks->tool - 1,
                                           event_bits[event], callback);
    Py_XDECREF(before);
    return before ? 0 : -1;
}

static int register_event(struct pyro_hooks *hooks, enum pyro_event event)
{
    PyObject **callback = &hooks->callbacks[event];
    if (!*callback)
        *callback = callback_new(hooks->on[event]);
    return *callback ? set_callback(hooks, event, *callback) : -1;
}

static void unregister_event(struct pyro_hooks *hooks, enum pyro_event event)
{
    (void)set_callback(hooks, event, Py_None);
    if (!PYRO_FREE_THREADED) /* a thread may be about to call it when it is taken away */
        Py_CLEAR(hooks->callbacks[event]);
}

int pyro_hooks_select(const struct pyro_hooks *hooks, uint32_t events)
{
    long bits = 0;
    for (int event = 0; event < PYRO_EVENTS; event++)
        if (hooks->on[event] && (events & ~hooks->local & PYRO_EVENT_BIT(event)))
            bits |= event_bits[event];
    PyObject *result = PyObject_CallMethod(monitoring, "set_events", "il", hooks->tool - 1, bits);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int set_local(const struct pyro_hooks *hooks, PyObject *code, uint32_t events)
{
    long bits = 0;
    for (int event = 0; event < PYRO_EVENTS; event++)
        if (events & PYRO_EVENT_BIT(event))
            bits |= event_bits[event];
    PyObject *result =
        PyObject_CallMethod(monitoring, "set_local_events", "iOl", hooks->tool - 1, code, bits);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int pyro_hooks_watch(struct pyro_hooks *hooks, PyObject *code)
{
    if (!hooks->watched || PyList_Append(hooks->watched, code) < 0)
        return -1;
    return set_local(hooks, code, hooks->local);
}

/* By identity: code objects are equal when they do the same. */
static bool is_watched(const struct pyro_hooks *hooks, const PyObject *code)
{
    Py_ssize_t count = hooks->watched ? PyList_Size(hooks->watched) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyList_GetItem(hooks->watched, i) == code)
            return true;
    return false;
}

int pyro_hooks_listen(struct pyro_hooks *hooks, PyObject *code, bool on)
{
    if (on && !is_watched(hooks, code))
        return pyro_hooks_watch(hooks, code);
    return set_local(hooks, code, on ? hooks->local : 0);
}

/* Of all code that is watched, as far as it goes: 0, or -1 with the last exception. */
static int set_watched(const struct pyro_hooks *hooks, uint32_t events)
{
    Py_ssize_t count = hooks->watched ? PyList_Size(hooks->watched) : 0;
    int result = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (set_local(hooks, PyList_GetItem(hooks->watched, i), events) < 0)
            result = -1;
    return result;
}

static void unwatch_all(struct pyro_hooks *hooks)
{
    (void)set_watched(hooks, 0);
    PyErr_Clear();
    Py_CLEAR(hooks->watched);
}

/* As far as it goes. */
static void give_back_tool(struct pyro_hooks *hooks)
{
    (void)pyro_hooks_select(hooks, 0);
    PyErr_Clear();
    unwatch_all(hooks);
    for (int event = 0; event < PYRO_EVENTS; event++) {
        if (hooks->on[event])
            unregister_event(hooks, event);
        PyErr_Clear();
    }
    PyObject *result = PyObject_CallMethod(monitoring, "free_tool_id", "i", hooks->tool - 1);
    Py_XDECREF(result);
    PyErr_Clear();
    hooks->tool = 0;
}

static int monitor(struct pyro_hooks *hooks)
{
    if (find_monitoring() < 0 || take_tool(hooks) < 0)
        return -1;
    hooks->watched = PyList_New(0);
    int result = hooks->watched ? 0 : -1;
    for (int event = 0; result == 0 && event < PYRO_EVENTS; event++)
        if (hooks->on[event])
            result = register_event(hooks, event);
    if (result == 0)
        result = pyro_hooks_select(hooks, PYRO_EVENTS_ALL);
    if (result < 0)
        pyro_hooks_clear(hooks);
    return result;
}

PyObject *pyro_hooks_disable(void)
{
    return Py_NewRef(disable);
}

PyObject *pyro_hooks_missing(void)
{
    return missing;
}

/* -- 3.11 --------------------------------------------------------------------------------------- */

static pyro_tracefunc profile_function;
static const PyMethodDef *start_thread; /* _thread.start_new_thread() */
static uint64_t newest_thread;          /* threads up to this id were hooked */

/* Objects/methodobject.c */
static const PyMethodDef *definition_of(const PyObject *function)
{
    return ((const struct {
               PyObject base;
               PyMethodDef *definition;
           } *)function)
        ->definition;
}

static int find_start_thread(void)
{
    PyObject *module =
        PyImport_ImportModule("_thread"); /* built in, and imported by every Python */
    PyObject *function = module ? PyObject_GetAttrString(module, "start_new_thread") : NULL;
    if (function && PyCFunction_CheckExact(function))
        start_thread = definition_of(function);
    Py_XDECREF(function);
    Py_XDECREF(module);
    if (!start_thread && !PyErr_Occurred())
        PyErr_SetString(PyExc_ImportError, "_thread.start_new_thread is no built-in function");
    return start_thread ? 0 : -1;
}

/* Have every thread call us. NEW: only those that are newer than all that were hooked. */
static int hook_threads(bool new)
{
    PyThreadState *thread = pyro_python.first_thread(PyInterpreterState_Get()); /* newest first */
    uint64_t hooked = new ? newest_thread : 0;
    if (thread)
        newest_thread = PyThreadState_GetID(thread);
    for (; thread && PyThreadState_GetID(thread) > hooked; thread = pyro_python.next_thread(thread))
        if (pyro_legacy_hook(thread, profile_function) < 0)
            return -1;
    return 0;
}

static void unhook_threads(void)
{
    PyThreadState *thread = pyro_python.first_thread(PyInterpreterState_Get());
    for (; thread; thread = pyro_python.next_thread(thread))
        pyro_legacy_unhook(thread, profile_function);
}

void pyro_hooks_c_return(PyObject *function)
{
    if (!PyCFunction_CheckExact(function) || definition_of(function) != start_thread)
        return;
    if (hook_threads(true) < 0)
        PyErr_Clear();
    pyro_lines_new_threads();
}

static int hook_profile(const struct pyro_hooks *hooks)
{
    if (pyro_legacy_init() < 0)
        return -1;
    profile_function = hooks->profile;
    if (find_start_thread() < 0)
        return -1;
    return hook_threads(false);
}

/* -- either ------------------------------------------------------------------------------------- */

int pyro_hooks_set(struct pyro_hooks *hooks)
{
    return pyro_inside.minor >= 12 ? monitor(hooks) : hook_profile(hooks);
}

int pyro_hooks_switch(const struct pyro_hooks *hooks, bool on)
{
    if (pyro_inside.minor >= 12 && set_watched(hooks, on ? hooks->local : 0) < 0)
        return -1;
    if (pyro_inside.minor >= 12)
        return pyro_hooks_select(hooks, on ? PYRO_EVENTS_ALL : 0);
    if (on)
        return hook_threads(false);
    unhook_threads();
    return 0;
}

void pyro_hooks_clear(struct pyro_hooks *hooks)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (hooks->tool)
        give_back_tool(hooks);
    else if (pyro_inside.minor < 12)
        unhook_threads();
    PyErr_Restore(type, value, traceback);
}
