/* events.c - the module events: what an interpreter takes to tell of calls, whoever listens.
 *
 *     events.nothing    a callback for sys.monitoring that does nothing
 *     events.clock      one that reads the processor's clock, as whoever times calls has to
 *     events.call       so for the event CALL: does that, unless a function of Python is called, which tells of itself
 *
 * Objects with a vectorcall slot of their own: nothing of an interpreter is called more quickly. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

#define HAVE_VECTORCALL (1UL << 11) /* in the limited API since 3.12, as is ... */
PyObject *PyVectorcall_Call(PyObject *callable, PyObject *tuple, PyObject *dict);

typedef PyObject *(*callback)(PyObject *self, PyObject *const *args, size_t count, PyObject *names);
struct listener {
    PyObject base;
    callback call;
};

static volatile uint64_t now;

static uint64_t ticks(void)
{
#if defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    return __builtin_ia32_rdtsc();
#endif
}

static PyObject *do_nothing(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return Py_None; /* immortal since 3.12 */
}

static PyObject *read_clock(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    now = ticks();
    return Py_None;
}

static PyTypeObject *function_type;

static PyObject *read_clock_of_c(PyObject *self, PyObject *const *args, size_t count,
                                 PyObject *names)
{
    if (Py_TYPE(args[2]) != function_type)
        now = ticks();
    return Py_None;
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct listener, call), READONLY, NULL},
    {0},
};
static PyType_Slot slots[] = {
    {Py_tp_members, members}, {Py_tp_call, (void *)PyVectorcall_Call}, {0}};
static PyType_Spec type_spec = {
    .name = "events.listener",
    .basicsize = sizeof(struct listener),
    .flags = Py_TPFLAGS_DEFAULT | HAVE_VECTORCALL,
    .slots = slots,
};

static int add(PyObject *module, PyTypeObject *type, const char *name, callback call)
{
    struct listener *listener = PyObject_New(struct listener, type);
    if (!listener)
        return -1;
    listener->call = call;
    return PyModule_AddObjectRef(module, name, (PyObject *)listener);
}

static int fill(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&type_spec);
    PyObject *types = PyImport_ImportModule("types");
    function_type = types ? (PyTypeObject *)PyObject_GetAttrString(types, "FunctionType") : NULL;
    Py_XDECREF(types);
    if (!type || !function_type || add(module, type, "nothing", do_nothing) < 0 ||
        add(module, type, "clock", read_clock) < 0)
        return -1;
    return add(module, type, "call", read_clock_of_c);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)fill}, {0}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "events",
                                 .m_slots = module_slots};

PyMODINIT_FUNC PyInit_events(void);
PyMODINIT_FUNC PyInit_events(void)
{
    return PyModuleDef_Init(&definition);
}
