/* probe/watched.c - one object a request: the callable by which its answer begins, the clock, and the verdict. Others, a few for each
 * service, know what is wanted, and make these. */
#include "probe/watched.h"

#if !PYRO_FREE_THREADED

#include "base/clock.h"
#include "probe/sent.h"

#include <dlfcn.h>
#include <string.h>

#define FAILED_FROM 500
#define STATE_WORDS 32 /* of a thread state: all versions have more */

/* Not in the limited API of 3.11, but exported by every CPython since then. */
static pyro_vectorcall call_vector;
static PyObject *(*call_by_vector)(PyObject *callable, PyObject *arguments, PyObject *keywords);
static PyObject *(*variable_set)(PyObject *variable, PyObject *value);
static int (*variable_reset)(PyObject *variable, PyObject *token);
static PyObject *(*context_new)(void);
static int (*context_enter)(PyObject *context);
static int (*context_exit)(PyObject *context);
static PyObject *word_type, *word_status, *word_more_body; /* keys of ASGI's messages */

struct watch {
    PyObject base;
    PyTypeObject *made;
    PyObject *keep, *current; /* NULL only after clear */
    struct pyro_sent_by sent_by;
    Py_buffer
        under_way; /* 64 bits a slot: 0, or when its request began, odd if that is wanted whatever it does; behind them its object, which CURRENT has */
    uint64_t slow_ns;
    bool fails; /* a failed one is wanted, too */
};

struct watched {
    PyObject base;
    pyro_vectorcall call;
    PyObject *watch, *inner, *info; /* NULL only after clear */
    PyObject *before;               /* what is to be put back at the end; NULL: nothing */
    struct pyro_sent sent;
    uint64_t began_ns;
    long slot;     /* -1: none */
    int status;    /* 0: it has none yet, or one without a number */
    bool answered; /* the verdict is spoken */
};

static struct watch *watch_of(PyObject *self)
{
    return (struct watch *)self;
}

static struct watched *watched_of(PyObject *self)
{
    return (struct watched *)self;
}

/* -- the verdict -------------------------------------------------------------------------------- */

/* False with an exception that is no error of ours: a signal's handler raised SystemExit. */
static bool judge(struct watched *watched, uint64_t ended_ns)
{
    const struct watch *watch = watched->watch ? watch_of(watched->watch) : NULL;
    watched->answered = true;
    if (!watch || !watch->keep ||
        (ended_ns - watched->began_ns < watch->slow_ns &&
         !(watch->fails && watched->status >= FAILED_FROM)))
        return true;
    PyObject *done = PyObject_CallFunction(watch->keep, "OKi", (PyObject *)watched,
                                           (unsigned long long)ended_ns, watched->status);
    if (!done && !PyErr_ExceptionMatches(PyExc_Exception))
        return false;
    if (!done) /* the request goes on */
        PyErr_WriteUnraisable(watch->keep);
    Py_XDECREF(done);
    return true;
}

/* Of "404 Not Found". */
static int number_of(PyObject *text)
{
    Py_ssize_t size = 0;
    const char *digits = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    int number = 0;
    PyErr_Clear(); /* lone surrogates */
    for (int i = 0; i < 3; i++) {
        if (!digits || size < 3 || digits[i] < '0' || digits[i] > '9')
            return 0;
        number = 10 * number + (digits[i] - '0');
    }
    return number;
}

/* COUNT of a vectorcall: its highest bit is a flag (PY_VECTORCALL_ARGUMENTS_OFFSET). */
static bool has_arguments(size_t count)
{
    return count << 1 > 0;
}

static PyObject *call_wsgi(PyObject *self, PyObject *const *arguments, size_t count,
                           PyObject *names)
{
    struct watched *watched = watched_of(self);
    if (!watched->inner) {
        PyErr_SetString(PyExc_RuntimeError, "the request was collected");
        return NULL;
    }
    if (has_arguments(count))
        watched->status = number_of(arguments[0]);
    return call_vector(watched->inner, arguments, count, names);
}

/* Of a dict: borrowed; NULL: it has none, or OBJECT is none. */
static PyObject *value_in(PyObject *object, PyObject *key)
{
    return PyDict_Check(object) ? PyDict_GetItemWithError(object, key) : NULL;
}

static bool is_of_type(PyObject *message, const char *wanted)
{
    PyObject *type = value_in(message, word_type);
    return type && PyUnicode_Check(type) && PyUnicode_CompareWithASCIIString(type, wanted) == 0;
}

/* Does MESSAGE begin the answer? Then *RET_STATUS is its status. What is odd in it is the server's affair. */
static bool begins_answer(PyObject *message, int *ret_status)
{
    bool begins = is_of_type(message, "http.response.start");
    PyObject *status = begins ? value_in(message, word_status) : NULL;
    long number = status && PyLong_Check(status) ? PyLong_AsLong(status) : 0;
    *ret_status = number > 0 && number < 1000 ? (int)number : 0;
    PyErr_Clear();
    return begins;
}

/* Is it the last of the answer? */
static bool ends_answer(PyObject *message)
{
    PyObject *more =
        is_of_type(message, "http.response.body") ? value_in(message, word_more_body) : Py_True;
    bool ends = !more || more == Py_False;
    PyErr_Clear();
    return ends;
}

/* In another context than that of the beginning it cannot be, and is tried again at the end. */
static void put_back(struct watched *watched)
{
    if (!watched->before || !watched->watch || !watch_of(watched->watch)->current)
        return;
    if (variable_reset(watch_of(watched->watch)->current, watched->before) < 0)
        PyErr_Clear();
    else
        Py_CLEAR(watched->before);
}

static PyObject *call_asgi(PyObject *self, PyObject *const *arguments, size_t count,
                           PyObject *names)
{
    struct watched *watched = watched_of(self);
    if (!watched->inner) {
        PyErr_SetString(PyExc_RuntimeError, "the request was collected");
        return NULL;
    }
    int status;
    if (!watched->answered && has_arguments(count) && begins_answer(arguments[0], &status)) {
        watched->status = status;
        if (!judge(watched, pyro_clock_ns()))
            return NULL;
    } else if (watched->before && has_arguments(count) && ends_answer(arguments[0])) {
        put_back(
            watched); /* a timer that the server sets then keeps the context, and all that is in it */
    }
    return call_vector(watched->inner, arguments, count, names);
}

static PyObject *call_slowly(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    return call_by_vector(self, arguments, keywords);
}

/* -- from its beginning to its end -------------------------------------------------------------- */

/* For the sampler, which looks from outside. */
static void say_what(const struct watch *watch, long slot, uint64_t began_ns, const void *object)
{
    uint64_t *slots = watch->under_way.buf;
    long count = (long)(watch->under_way.len / (Py_ssize_t)(2 * sizeof(*slots)));
    if (!slots || slot < 0 || slot >= count)
        return;
    __atomic_store_n(&slots[slot], began_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&slots[count + slot], (uint64_t)(uintptr_t)object, __ATOMIC_RELAXED);
}

static void say_over(struct watched *watched)
{
    if (watched->watch)
        say_what(watch_of(watched->watch), watched->slot, 0, NULL);
    watched->slot = -1;
}

/* ARGUMENTS: what begins the answer, keep()'s info, and the slot, if there is one. */
static PyObject *begin(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                       pyro_vectorcall call)
{
    struct watch *watch = watch_of(self);
    if (count < 2 || count > 3 || !watch->current) {
        PyErr_SetString(PyExc_TypeError, "two or three arguments are needed");
        return NULL;
    }
    long slot = count == 3 && PyLong_Check(arguments[2]) ? PyLong_AsLong(arguments[2]) : -1;
    if (PyErr_Occurred())
        return NULL;
    struct watched *watched = (struct watched *)PyType_GenericAlloc(watch->made, 0);
    if (!watched)
        return NULL;
    watched->call = call;
    watched->watch = Py_NewRef(self);
    watched->inner = Py_NewRef(arguments[0]);
    watched->info = Py_NewRef(arguments[1]);
    watched->before = variable_set(watch->current, (PyObject *)watched);
    PyErr_Clear();
    watched->began_ns = pyro_clock_ns();
    watched->slot = slot;
    say_what(watch, slot, watch->slow_ns ? watched->began_ns & ~UINT64_C(1) : watched->began_ns | 1,
             watched);
    return (PyObject *)watched;
}

static PyObject *watch_wsgi(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return begin(self, arguments, count, call_wsgi);
}

static PyObject *watch_asgi(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return begin(self, arguments, count, call_asgi);
}

/* Before the program is done with it. */
static PyObject *watched_answers(PyObject *self, PyObject *ignored)
{
    struct watched *watched = watched_of(self);
    if (!watched->answered && !judge(watched, pyro_clock_ns()))
        return NULL;
    return Py_NewRef(Py_None);
}

/* RAISED, and for tests ENDED_NS. */
static PyObject *watched_over(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct watched *watched = watched_of(self);
    int raised = count > 0 ? PyObject_IsTrue(arguments[0]) : 0;
    uint64_t ended_ns = count > 1 ? PyLong_AsUnsignedLongLong(arguments[1]) : 0;
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    if (PyErr_Occurred())
        return NULL;
    if (raised)
        watched->status = FAILED_FROM;
    bool judged = watched->answered || judge(watched, count > 1 ? ended_ns : pyro_clock_ns());
    if (!judged)
        PyErr_Fetch(&type, &value, &trace);
    put_back(watched);
    Py_CLEAR(watched->before); /* it has the context, which may have us */
    say_over(watched);
    if (judged)
        return Py_NewRef(Py_None);
    PyErr_Restore(type, value, trace);
    return NULL;
}

/* -- its queries -------------------------------------------------------------------------------- */

/* NULL with an exception: it was collected. */
static const struct pyro_sent_by *sent_by(const struct watched *watched)
{
    if (watched->watch && watch_of(watched->watch)->sent_by.make)
        return &watch_of(watched->watch)->sent_by;
    PyErr_SetString(PyExc_RuntimeError, "the request was collected");
    return NULL;
}

/* The text, the parameters, and whether there is a list of these. */
static PyObject *watched_begin(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct watched *watched = watched_of(self);
    const struct pyro_sent_by *by = sent_by(watched);
    if (count != 3 && by)
        PyErr_SetString(PyExc_TypeError, "three arguments are needed");
    if (count != 3 || !by)
        return NULL;
    return pyro_sent_begin(&watched->sent, by, arguments[0], arguments[1], arguments[2] == Py_True);
}

static PyObject *watched_end(PyObject *self, PyObject *begun)
{
    return pyro_sent_end(&watched_of(self)->sent, begun) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *watched_queries(PyObject *self, PyObject *ignored)
{
    struct watched *watched = watched_of(self);
    const struct pyro_sent_by *by = sent_by(watched);
    return by ? pyro_sent_queries(&watched->sent, by) : NULL;
}

/* -- the types ---------------------------------------------------------------------------------- */

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF((PyObject *)type);
}

static int watched_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct watched *watched = watched_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(watched->watch);
    Py_VISIT(watched->inner);
    Py_VISIT(watched->info);
    Py_VISIT(watched->before);
    return pyro_sent_traverse(&watched->sent, visit, arg);
}

static int watched_clear(PyObject *self)
{
    struct watched *watched = watched_of(self);
    Py_CLEAR(watched->watch);
    Py_CLEAR(watched->inner);
    Py_CLEAR(watched->info);
    Py_CLEAR(watched->before);
    pyro_sent_clear(&watched->sent);
    return 0;
}

static void watched_free(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)watched_clear(self);
    free_object(self);
}

static PyMemberDef watched_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct watched, call), READONLY, NULL},
    {"began_ns", T_ULONGLONG, offsetof(struct watched, began_ns), READONLY, NULL},
    {"info", T_OBJECT, offsetof(struct watched, info), READONLY, NULL},
    {0},
};
static PyMethodDef watched_methods[] = {
    {"answers", watched_answers, METH_NOARGS, "answers()\n\nIts answer begins."},
    {"over", (PyCFunction)(void (*)(void))watched_over, METH_FASTCALL,
     "over(raised, ended_ns=None)\n\nIt ended."},
    {"begin", (PyCFunction)(void (*)(void))watched_begin, METH_FASTCALL,
     "begin(sql, parameters, many) -> object\n\nA query begins: what end() wants."},
    {"end", watched_end, METH_O, "end(begun)\n\nA query ended."},
    {"queries", watched_queries, METH_NOARGS, "queries() -> object\n\nAll of them."},
    {0},
};
static const char watched_doc[] = "A request that is measured.";
static PyType_Slot watched_slots[] = {
    {Py_tp_doc, (void *)watched_doc},   {Py_tp_call, call_slowly},
    {Py_tp_members, watched_members},   {Py_tp_methods, watched_methods},
    {Py_tp_traverse, watched_traverse}, {Py_tp_clear, watched_clear},
    {Py_tp_dealloc, watched_free},      {0},
};
static PyType_Spec watched_spec = {
    .name = "pyrometer._probe.Watched",
    .basicsize = sizeof(struct watched),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             PYRO_TYPE_HAVE_VECTORCALL,
    .slots = watched_slots,
};

static PyObject *watch_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *keep, *current, *make, *under_way;
    unsigned long long slow_ns;
    int fails;
    if (!PyArg_ParseTuple(arguments, "KpOOOO:Watch", &slow_ns, &fails, &keep, &current, &make,
                          &under_way))
        return NULL;
    PyObject *module = PyType_GetModule(type);
    PyObject *made = module ? PyObject_GetAttrString(module, "Watched") : NULL;
    struct watch *watch = made ? (struct watch *)PyType_GenericAlloc(type, 0) : NULL;
    if (!watch) {
        Py_XDECREF(made);
        return NULL;
    }
    watch->made = (PyTypeObject *)made;
    watch->keep = Py_NewRef(keep);
    watch->current = Py_NewRef(current);
    watch->slow_ns = slow_ns;
    watch->fails = fails;
    if (pyro_sent_by_init(&watch->sent_by, make) < 0 ||
        PyObject_GetBuffer(under_way, &watch->under_way, PyBUF_WRITABLE) < 0)
        Py_CLEAR(watch);
    return (PyObject *)watch;
}

static int watch_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct watch *watch = watch_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)watch->made);
    Py_VISIT(watch->keep);
    Py_VISIT(watch->current);
    Py_VISIT(watch->sent_by.make);
    Py_VISIT(watch->sent_by.files);
    Py_VISIT(watch->sent_by.look_at);
    return 0;
}

static int watch_clear(PyObject *self)
{
    struct watch *watch = watch_of(self);
    Py_CLEAR(watch->keep);
    Py_CLEAR(watch->current);
    return 0;
}

static void watch_free(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)watch_clear(self);
    PyBuffer_Release(&watch_of(self)->under_way); /* of none it does nothing */
    pyro_sent_by_clear(&watch_of(self)->sent_by);
    Py_DECREF((PyObject *)watch_of(self)->made);
    free_object(self);
}

/* Borrowed: AT of PAIR; NULL: it is none. No code of Python's runs here. */
static PyObject *part_of(PyObject *pair, Py_ssize_t at)
{
    if (PyTuple_Check(pair))
        return PyTuple_Size(pair) > at ? PyTuple_GetItem(pair, at) : NULL;
    return PyList_Check(pair) && PyList_Size(pair) > at ? PyList_GetItem(pair, at) : NULL;
}

static bool is_named(PyObject *pair, const char *name, Py_ssize_t size)
{
    PyObject *first = part_of(pair, 0);
    return first && PyBytes_Check(first) && PyBytes_Size(first) == size &&
           memcmp(PyBytes_AsString(first), name, (size_t)size) == 0;
}

/* Where a thread state has its context, and behind it how often that changed; 0: not found. None of the versions has it further behind. */
static PyObject *watch_context_at(PyObject *self, PyObject *ignored)
{
    uint64_t before[STATE_WORDS];
    const uint64_t *words = (const uint64_t *)PyThreadState_Get();
    long found = 0;
    PyObject *context = context_new();
    memcpy(before, words, sizeof(before));
    if (!context || context_enter(context) < 0) {
        PyErr_Clear();
        Py_XDECREF(context);
        return PyLong_FromLong(0);
    }
    for (long at = 1; at < STATE_WORDS - 1; at++)
        if (words[at] == (uint64_t)(uintptr_t)context && words[at + 1] == before[at + 1] + 1)
            found = at * (long)sizeof(*words);
    (void)context_exit(context);
    Py_DECREF(context);
    return PyLong_FromLong(found);
}

/* HEADERS of ASGI, an iterable, as a rule a list; and a name in bytes. */
static PyObject *watch_header(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    char *name;
    Py_ssize_t size;
    PyObject *found = NULL;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "two arguments are needed");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[1], &name, &size) < 0)
        return NULL;
    PyObject *list =
        PyList_Check(arguments[0]) ? Py_NewRef(arguments[0]) : PySequence_List(arguments[0]);
    if (!list)
        return NULL;
    for (Py_ssize_t i = 0; !found && i < PyList_Size(list); i++) {
        PyObject *pair = PyList_GetItem(list, i);
        if (is_named(pair, name, size))
            found = part_of(pair, 1);
    }
    found = Py_NewRef(found ? found : Py_None);
    Py_DECREF(list);
    return found;
}

static PyMethodDef watch_methods[] = {
    {"wsgi", (PyCFunction)(void (*)(void))watch_wsgi, METH_FASTCALL,
     "wsgi(start_response, info, slot=None)\n\nA request of WSGI begins."},
    {"asgi", (PyCFunction)(void (*)(void))watch_asgi, METH_FASTCALL,
     "asgi(send, info, slot=None)\n\nA request of ASGI begins."},
    {"header", (PyCFunction)(void (*)(void))watch_header, METH_FASTCALL | METH_STATIC,
     "header(headers, name)\n\nThe first of that name among those of ASGI; None: there is none."},
    {"context_at", watch_context_at, METH_NOARGS | METH_STATIC,
     "context_at() -> int\n\nWhere a thread state has its context, in bytes; 0: not known."},
    {0},
};
static const char watch_doc[] = "Which requests of a service are wanted.";
static PyType_Slot watch_slots[] = {
    {Py_tp_doc, (void *)watch_doc},
    {Py_tp_new, watch_new},
    {Py_tp_methods, watch_methods},
    {Py_tp_traverse, watch_traverse},
    {Py_tp_clear, watch_clear},
    {Py_tp_dealloc, watch_free},
    {0},
};
static PyType_Spec watch_spec = {
    .name = "pyrometer._probe.Watch",
    .basicsize = sizeof(struct watch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = watch_slots,
};

/* -- module ------------------------------------------------------------------------------------- */

/* Without these, pyrometer.web does with its own type, in Python. */
static bool find_calls(void)
{
    *(void **)&call_vector = dlsym(RTLD_DEFAULT, "PyObject_Vectorcall");
    *(void **)&call_by_vector = dlsym(RTLD_DEFAULT, "PyVectorcall_Call");
    *(void **)&variable_set = dlsym(RTLD_DEFAULT, "PyContextVar_Set");
    *(void **)&variable_reset = dlsym(RTLD_DEFAULT, "PyContextVar_Reset");
    *(void **)&context_new = dlsym(RTLD_DEFAULT, "PyContext_New");
    *(void **)&context_enter = dlsym(RTLD_DEFAULT, "PyContext_Enter");
    *(void **)&context_exit = dlsym(RTLD_DEFAULT, "PyContext_Exit");
    return call_vector && call_by_vector && variable_set && variable_reset && context_new &&
           context_enter && context_exit;
}

static int add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return result;
}

int pyro_watched_init(PyObject *module)
{
    if (!find_calls())
        return 0;
    if (!word_type)
        word_type = PyUnicode_InternFromString("type");
    if (!word_status)
        word_status = PyUnicode_InternFromString("status");
    if (!word_more_body)
        word_more_body = PyUnicode_InternFromString("more_body");
    if (!word_type || !word_status || !word_more_body ||
        add_type(module, &watched_spec, "Watched") < 0)
        return -1;
    return add_type(module, &watch_spec, "Watch");
}

#endif
