/* probe/timed.c - two types, of which Timed is made to be called: by vectorcall, and as a method without a bound object. */
#include "probe/timed.h"

#if !PYRO_FREE_THREADED

#include "probe/durations.h"

#include <dlfcn.h>

/* Not in the limited API of 3.11, but exported by every CPython since then. */
static pyro_vectorcall call_vector;
static PyObject *(*call_by_vector)(PyObject *callable, PyObject *arguments, PyObject *keywords);
static PyObject *(*method_new)(PyObject *function, PyObject *self);

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

/* -- Histogram ---------------------------------------------------------------------------------- */

struct histogram {
    PyObject base;
    struct pyro_durations_rolling rolling;
};

static struct pyro_durations_rolling *rolling_of(PyObject *self)
{
    return &((struct histogram *)self)->rolling;
}

static PyObject *histogram_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    pyro_durations_clock_init();
    return allocate(type, 0);
}

/* As many nanoseconds as ARGUMENTS say; the second one is now where it is missing. */
static PyObject *histogram_add(PyObject *self, PyObject *arguments)
{
    unsigned long long took_ns, now_ns = pyro_durations_clock_ns();
    if (!PyArg_ParseTuple(arguments, "K|K:add", &took_ns, &now_ns))
        return NULL;
    pyro_durations_add(rolling_of(self), took_ns, now_ns);
    return Py_NewRef(Py_None);
}

static PyObject *bucket_list(const struct pyro_durations *durations)
{
    PyObject *list = PyList_New(PYRO_DURATION_BOUNDS + 1);
    for (Py_ssize_t i = 0; list && i <= PYRO_DURATION_BOUNDS; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(durations->buckets[i]);
        if (!count || PyList_SetItem(list, i, count) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *figures(const struct pyro_durations *durations)
{
    PyObject *buckets = bucket_list(durations);
    return buckets ? Py_BuildValue("(KKKN)", (unsigned long long)durations->count,
                                   (unsigned long long)durations->sum_ns,
                                   (unsigned long long)durations->max_ns, buckets)
                   : NULL;
}

static PyObject *histogram_totals(PyObject *self, PyObject *unused)
{
    return figures(&rolling_of(self)->all);
}

static PyObject *histogram_recent(PyObject *self, PyObject *arguments)
{
    unsigned long long now_ns = pyro_durations_clock_ns();
    struct pyro_durations recent;
    if (!PyArg_ParseTuple(arguments, "|K:recent", &now_ns))
        return NULL;
    pyro_durations_recent(rolling_of(self), now_ns, &recent);
    return figures(&recent);
}

static PyMethodDef histogram_methods[] = {
    {"add", histogram_add, METH_VARARGS, "add(took_ns, now_ns=None)\n\nA call ended."},
    {"totals", histogram_totals, METH_NOARGS,
     "totals() -> (count, sum_ns, max_ns, counts of buckets)\n\nSince the beginning."},
    {"recent", histogram_recent, METH_VARARGS,
     "recent(now_ns=None)\n\nThe same of the last four to five minutes."},
    {0},
};
static const char histogram_doc[] = "How long calls took.";
static PyType_Slot histogram_slots[] = {
    {Py_tp_doc, (void *)histogram_doc},
    {Py_tp_new, histogram_new},
    {Py_tp_methods, histogram_methods},
    {Py_tp_dealloc, free_object},
    {0},
};
static PyType_Spec histogram_spec = {
    .name = "pyrometer._probe.Histogram",
    .basicsize = sizeof(struct histogram),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = histogram_slots,
};

/* -- Timed -------------------------------------------------------------------------------------- */

struct timed {
    PyObject base;
    pyro_vectorcall call;
    PyObject *function, *histogram, *slow; /* NULL only after clear */
    uint64_t threshold_ns;
    PyObject *dict, *weak_references;
};

static struct timed *timed_of(PyObject *self)
{
    return (struct timed *)self;
}

/* Tell who is to know. What that raises replaces RESULT, as it does in a `finally`. */
static PyObject *tell(PyObject *slow, uint64_t took_ns, PyObject *result)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *told = PyObject_CallFunction(slow, "K", (unsigned long long)took_ns);
    if (told) {
        PyErr_Restore(type, value, traceback);
    } else {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        Py_CLEAR(result);
    }
    Py_XDECREF(told);
    return result;
}

static PyObject *timed_call(PyObject *self, PyObject *const *arguments, size_t count,
                            PyObject *names)
{
    struct timed *timed = timed_of(self);
    if (!timed->function) {
        PyErr_SetString(PyExc_RuntimeError, "the timed function was collected");
        return NULL;
    }
    uint64_t begin_ns = pyro_durations_clock_ns();
    PyObject *result = call_vector(timed->function, arguments, count, names);
    uint64_t end_ns = pyro_durations_clock_ns(), took_ns = end_ns - begin_ns;
    pyro_durations_add(rolling_of(timed->histogram), took_ns, end_ns);
    return took_ns > timed->threshold_ns ? tell(timed->slow, took_ns, result) : result;
}

static PyObject *timed_call_slowly(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    return call_by_vector(self, arguments, keywords);
}

static PyObject *timed_get(PyObject *self, PyObject *object, PyObject *type)
{
    return object && object != Py_None ? method_new(self, object) : Py_NewRef(self);
}

/* As a function is pickled: by its name. */
static PyObject *timed_reduce(PyObject *self, PyObject *unused)
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyObject *timed_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<timed %R>", timed_of(self)->function);
}

static int timed_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct timed *timed = timed_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(timed->function);
    Py_VISIT(timed->slow);
    Py_VISIT(timed->dict);
    return 0;
}

static int timed_clear(PyObject *self)
{
    struct timed *timed = timed_of(self);
    Py_CLEAR(timed->function);
    Py_CLEAR(timed->histogram);
    Py_CLEAR(timed->slow);
    Py_CLEAR(timed->dict);
    return 0;
}

static void timed_free(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (timed_of(self)->weak_references)
        PyObject_ClearWeakRefs(self);
    (void)timed_clear(self);
    free_object(self);
}

/* Is OBJECT a histogram of the same module as TYPE? -1 with an exception. */
static int check_histogram(PyTypeObject *type, PyObject *object)
{
    PyObject *module = PyType_GetModule(type);
    PyObject *wanted = module ? PyObject_GetAttrString(module, "Histogram") : NULL;
    bool fits = wanted && (PyObject *)Py_TYPE(object) == wanted;
    if (wanted && !fits)
        PyErr_SetString(PyExc_TypeError, "a Histogram is needed");
    Py_XDECREF(wanted);
    return fits ? 0 : -1;
}

static PyObject *timed_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *function, *histogram, *slow;
    unsigned long long threshold_ns;
    if (!PyArg_ParseTuple(arguments, "OOKO:Timed", &function, &histogram, &threshold_ns, &slow) ||
        check_histogram(type, histogram) < 0)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct timed *timed = (struct timed *)allocate(type, 0);
    if (!timed)
        return NULL;
    timed->call = timed_call;
    timed->function = Py_NewRef(function);
    timed->histogram = Py_NewRef(histogram);
    timed->slow = Py_NewRef(slow);
    timed->threshold_ns = threshold_ns;
    return (PyObject *)timed;
}

static PyMemberDef timed_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct timed, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(struct timed, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct timed, weak_references), READONLY, NULL},
    {0},
};
static PyGetSetDef timed_properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0},
};
static PyMethodDef timed_methods[] = {
    {"__reduce__", timed_reduce, METH_NOARGS, "Its name, by which it is pickled and copied."},
    {0},
};
static PyType_Slot timed_slots[] = {
    {Py_tp_new, timed_new},
    {Py_tp_call, timed_call_slowly},
    {Py_tp_descr_get, timed_get},
    {Py_tp_repr, timed_repr},
    {Py_tp_members, timed_members},
    {Py_tp_getset, timed_properties},
    {Py_tp_methods, timed_methods},
    {Py_tp_traverse, timed_traverse},
    {Py_tp_clear, timed_clear},
    {Py_tp_dealloc, timed_free},
    {0},
};
static PyType_Spec timed_spec = {
    .name = "pyrometer._probe.Timed",
    .basicsize = sizeof(struct timed),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR |
             PYRO_TYPE_HAVE_VECTORCALL,
    .slots = timed_slots,
};

/* -- module ------------------------------------------------------------------------------------- */

static int add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return result;
}

/* False: pyrometer.timed does with its own types, in Python. */
static bool find_calls(void)
{
    *(void **)&call_vector = dlsym(RTLD_DEFAULT, "PyObject_Vectorcall");
    *(void **)&call_by_vector = dlsym(RTLD_DEFAULT, "PyVectorcall_Call");
    *(void **)&method_new = dlsym(RTLD_DEFAULT, "PyMethod_New");
    return call_vector && call_by_vector && method_new;
}

int pyro_timed_init(PyObject *module)
{
    if (!find_calls())
        return 0;
    if (add_type(module, &histogram_spec, "Histogram") < 0)
        return -1;
    return add_type(module, &timed_spec, "Timed");
}

#endif
