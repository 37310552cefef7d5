/* probe/profiler.c - arguments in, figures out. What a Profile does is told in probe/profiles.h. */
#include "probe/profiler.h"

#include "probe/costs.h"
#include "probe/stats.h"

#include <stdlib.h>
#include <string.h>

struct profiler {
    PyObject base;
    struct pyro_profile
        *profile; /* its own while an event asks the timer, which may drop the object */
};

static struct pyro_profile *profile_of(PyObject *self)
{
    return ((struct profiler *)self)->profile;
}

/* -- on and off --------------------------------------------------------------------------------- */

/* Nothing is known of another interpreter's frames, events and objects. */
static int check_interpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "a Profile works in the main interpreter only");
    return -1;
}

static PyObject *enable(PyObject *self, PyObject *arguments, PyObject *names)
{
    static const char *const keywords[] = {"subcalls", "builtins", NULL};
    struct pyro_profile *profile = profile_of(self);
    int subcalls = profile->rules.subcalls, builtins = profile->builtins;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "|pp:enable", (char **)keywords, &subcalls,
                                     &builtins) ||
        check_interpreter() < 0)
        return NULL;
    if (!profile->timer && !profile->on && pyro_costs_measure_profile() < 0)
        return NULL;
    profile->rules.costs = profile->timer ? &pyro_no_costs : &pyro_costs_of_profile;
    profile->rules.subcalls = subcalls;
    profile->builtins = builtins;
    return pyro_profile_enable(profile) == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *disable(PyObject *self, PyObject *unused)
{
    return pyro_profile_disable(profile_of(self)) == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *clear(PyObject *self, PyObject *unused)
{
    return pyro_profile_clear(profile_of(self)) == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *enter(PyObject *self, PyObject *unused)
{
    PyObject *result = PyObject_CallMethod(self, "enable", NULL); /* a subclass's, perhaps */
    Py_XDECREF(result);
    return result ? Py_NewRef(self) : NULL;
}

static PyObject *leave(PyObject *self, PyObject *exception)
{
    return PyObject_CallMethod(self, "disable", NULL);
}

/* -- figures ------------------------------------------------------------------------------------ */

static bool is_ours(const void *key);

static PyObject *getstats(PyObject *self, PyObject *unused)
{
    struct pyro_profile *profile = profile_of(self);
    if (atomic_exchange(&profile->out_of_memory, false))
        return PyErr_NoMemory(); /* what there is can be had by asking again */
    return pyro_stats_list(profile, profile->functions_only ? NULL : is_ours);
}

static PyObject *costs(PyObject *self, PyObject *unused)
{
    return pyro_stats_costs(profile_of(self));
}

static PyMethodDef methods[] = {
    {"enable", (PyCFunction)(void (*)(void))enable, METH_VARARGS | METH_KEYWORDS,
     "enable(subcalls=True, builtins=True)\n\nProfile the calling thread, or all threads: from now "
     "on. With subcalls, figures are\nalso kept for each caller; with builtins, C functions have "
     "rows of their own."},
    {"disable", disable, METH_NOARGS,
     "disable()\n\nStop in all threads. Calls that are open end now."},
    {"clear", clear, METH_NOARGS, "clear()\n\nForget what was measured."},
    {"getstats", getstats, METH_NOARGS,
     "getstats() -> list of profiler_entry\n\nWhat was measured of calls that ended, times in "
     "seconds."},
    {"costs", costs, METH_NOARGS,
     "costs() -> dict\n\nWhat the Profile's own events cost, in seconds: of a Python call, a C "
     "call, a call\ninstruction that says nothing new, and all that was taken out of the times."},
    {"__enter__", enter, METH_NOARGS, "enable()"},
    {"__exit__", leave, METH_VARARGS, "disable()"},
    {0},
};

/* The rows of a Profile's own methods say nothing about the program. */
static bool is_ours(const void *key)
{
    const uintptr_t first = (uintptr_t)methods, at = (uintptr_t)key;
    return at >= first && at < first + sizeof(methods);
}

/* -- the object's life -------------------------------------------------------------------------- */

static PyObject *profiler_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    if (check_interpreter() < 0 || pyro_profiles_init() < 0)
        return NULL;
    struct pyro_profile *profile = malloc(sizeof(*profile));
    if (!profile)
        return PyErr_NoMemory();
    pyro_profile_init(profile);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self)
        ((struct profiler *)self)->profile = profile;
    else
        pyro_profile_release(profile);
    return self;
}

static int profiler_init(PyObject *self, PyObject *arguments, PyObject *names)
{
    static const char *const keywords[] = {"timer",          "timeunit", "subcalls",
                                           "builtins",       "threads",  "resumes_are_calls",
                                           "functions_only", NULL};
    struct pyro_profile *profile = profile_of(self);
    PyObject *timer = Py_None;
    const char *threads = "calling";
    double timeunit = 0;
    int subcalls = 1, builtins = 1, resumes_are_calls = 0, functions_only = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "|Odpp$spp:Profile", (char **)keywords,
                                     &timer, &timeunit, &subcalls, &builtins, &threads,
                                     &resumes_are_calls, &functions_only))
        return -1;
    bool all = strcmp(threads, "all") == 0;
    if (!all && strcmp(threads, "calling") != 0) {
        PyErr_SetString(PyExc_ValueError, "threads must be 'calling' or 'all'");
        return -1;
    }
    if (!pyro_profile_is_unused(profile)) {
        PyErr_SetString(PyExc_RuntimeError, "a Profile that was used cannot be made anew");
        return -1;
    }
    PyObject *before = profile->timer;
    profile->timer = timer == Py_None ? NULL : Py_NewRef(timer);
    profile->timeunit = timeunit;
    profile->rules.subcalls = subcalls;
    profile->rules.resumes_are_calls = resumes_are_calls;
    profile->builtins = builtins;
    profile->functions_only = functions_only;
    profile->all_threads = all;
    Py_XDECREF(before);
    return 0;
}

static int profiler_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    if (profile_of(self)) /* NULL: it is being made */
        Py_VISIT(profile_of(self)->timer);
    return 0;
}

/* While it is on the timer is needed; who drops the last reference to the Profile ends it. An event that asks the timer at
 * this moment drops it. */
static int profiler_clear(PyObject *self)
{
    struct pyro_profile *profile = profile_of(self);
    pyro_profile_end(profile);
    if (profile->users == 1)
        Py_CLEAR(profile->timer);
    return 0;
}

static void profiler_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    pyro_profile_end(profile_of(self));
    pyro_profile_release(profile_of(self));
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

static const char doc[] =
    "Profile(timer=None, timeunit=0.0, subcalls=True, builtins=True, *, threads='calling',\n"
    "        resumes_are_calls=False, functions_only=False)\n\n"
    "Measures how often each function is called, by whom, and how long it takes.\n\n"
    "timer: a function without arguments that is asked the time, instead of CLOCK_MONOTONIC:\n"
    "seconds, or with a timeunit an int of so many seconds. Then what profiling costs stays\n"
    "in the times. threads: 'calling' (the one that calls enable()) or 'all'.\n"
    "resumes_are_calls: a generator or coroutine that goes on is called once more.\n"
    "functions_only: of what is written in C, only built-in functions and methods, as cProfile.";

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, profiler_new},
    {Py_tp_init, profiler_init},
    {Py_tp_methods, methods},
    {Py_tp_traverse, profiler_traverse},
    {Py_tp_clear, profiler_clear},
    {Py_tp_dealloc, profiler_free},
    {0},
};
static PyType_Spec spec = {
    .name = "pyrometer._probe.Profile",
    .basicsize = sizeof(struct profiler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int pyro_profiler_init(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int result = type ? PyModule_AddObjectRef(module, "Profile", type) : -1;
    Py_XDECREF(type);
    if (result < 0)
        return -1;
    return pyro_stats_init(module);
}
