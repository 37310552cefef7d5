/* probe/callees.c - classify and name what is called.
 *
 * A built-in function and all method objects bound from one descriptor share a PyMethodDef, which is static nearly
 * always: it is the key, and so it is for Cython's functions. Types and slot wrappers are their own key, and are kept
 * alive for it. Instances of other C types (objects of functools.partial and functools.lru_cache, say) come and go by
 * the million, so there the type is the key, marked by an odd address. */
#include "probe/callees.h"

#include "base/map.h"
#include "probe/lock.h"
#include "probe/names.h"

#include <dlfcn.h>
#include <string.h>

#define CALLEES_MAX (1u << 20) /* kept alive at most */
#define NAME_BYTES  1024

/* Objects/methodobject.c, Include/cpython/descrobject.h: the same since 3.8. */
struct c_function {
    PyObject base;
    PyMethodDef *definition;
    PyObject *self, *module;
};
struct method_descriptor {
    PyObject base;
    PyTypeObject *type;
    PyObject *name, *qualname;
    PyMethodDef *definition;
};
struct bound_method {
    PyObject base;
    PyObject *function, *self;
};
struct bound_slot { /* method-wrapper */
    PyObject base;
    PyObject *descriptor, *self;
};

static PyTypeObject *function_type, *c_function_type, *descriptor_type, *class_descriptor_type,
    *method_type, *slot_type, *bound_slot_type;
static struct pyro_map cython_types; /* type -> is it one of Cython's functions? Under the lock */
static void *python_dealloc, *python_call;                   /* slots that Python classes have */
static PyObject *(*type_lookup)(PyTypeObject *, PyObject *); /* found last: all is learned */
static struct pyro_map ids; /* key -> recording << 32 | id; under the lock */

/* -- learning the types ------------------------------------------------------------------------- */

static PyTypeObject *type_of(PyObject *globals, const char *expression)
{
    PyObject *code = Py_CompileString(expression, "<pyrometer>", Py_eval_input);
    PyObject *value = code ? PyEval_EvalCode(code, globals, globals) : NULL;
    Py_XDECREF(code);
    PyTypeObject *type = value ? Py_TYPE(value) : NULL;
    Py_XINCREF((PyObject *)type);
    Py_XDECREF(value);
    return type;
}

static bool layouts_hold(PyObject *globals)
{
    PyObject *len = PyDict_GetItemString(PyEval_GetBuiltins(), "len");
    PyObject *append = PyObject_GetAttrString((PyObject *)&PyList_Type, "append");
    bool hold = len && append && Py_TYPE(len) == c_function_type &&
                Py_TYPE(append) == descriptor_type &&
                strcmp(((struct c_function *)len)->definition->ml_name, "len") == 0 &&
                strcmp(((struct method_descriptor *)append)->definition->ml_name, "append") == 0;
    Py_XDECREF(append);
    return hold;
}

int pyro_callees_init(void)
{
    if (type_lookup)
        return 0;
    PyObject *globals = PyDict_New();
    if (!globals || PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) < 0)
        goto fail;
    function_type = type_of(globals, "lambda: 0");
    c_function_type = type_of(globals, "len");
    descriptor_type = type_of(globals, "list.append");
    class_descriptor_type = type_of(globals, "dict.__dict__['fromkeys']");
    method_type = type_of(globals, "type('C', (), {'f': lambda self: 0})().f");
    slot_type = type_of(globals, "tuple.__len__");
    bound_slot_type = type_of(globals, "().__len__");
    PyTypeObject *python_class = type_of(globals, "type('C', (), {'__call__': lambda self: 0})()");
    if (!function_type || !c_function_type || !descriptor_type || !class_descriptor_type ||
        !method_type || !slot_type || !bound_slot_type || !python_class)
        goto fail;
    python_dealloc = PyType_GetSlot(python_class, Py_tp_dealloc);
    python_call = PyType_GetSlot(python_class, Py_tp_call);
    bool hold = layouts_hold(globals);
    if (hold)
        *(void **)&type_lookup = dlsym(RTLD_DEFAULT, "_PyType_Lookup");
    Py_DECREF(globals);
    if (!hold)
        PyErr_SetString(PyExc_ImportError, "the probe does not fit this Python: its functions are "
                                           "not as they should be");
    return hold ? 0 : -1;
fail:
    Py_XDECREF(globals);
    return -1;
}

/* -- which -------------------------------------------------------------------------------------- */

static bool is_python_class(PyTypeObject *type)
{
    return (PyType_GetFlags(type) & Py_TPFLAGS_HEAPTYPE) &&
           PyType_GetSlot(type, Py_tp_dealloc) == python_dealloc;
}

/* A type is called: C, unless it is a Python class, whose __init__ counts itself. */
static const void *type_key(PyObject *callable)
{
    return is_python_class((PyTypeObject *)callable) ? NULL : callable;
}

static const void *instances_of(const PyTypeObject *type)
{
    return (const char *)type + 1;
}

/* Under the lock: what MAP has for KEY. False: nothing. */
static bool look_up(const struct pyro_map *map, const void *key, uint64_t *ret_value)
{
    pyro_lock();
    const uint64_t *known = pyro_map_find(map, (uintptr_t)key, 0);
    if (known)
        *ret_value = *known;
    pyro_unlock();
    return known;
}

/* Under the lock: MAP has VALUE for KEY, if it has room, and then KEPT (NULL: nothing) lives for ever. */
static void note(struct pyro_map *map, const void *key, uint64_t value, PyObject *kept)
{
    bool is_new = false;
    Py_XINCREF(kept);
    pyro_lock();
    uint64_t *noted =
        map->count < CALLEES_MAX ? pyro_map_insert(map, (uintptr_t)key, 0, &is_new) : NULL;
    if (noted)
        *noted = value;
    pyro_unlock();
    if (!is_new) /* or another thread was faster */
        Py_XDECREF(kept);
}

/* Its functions begin as built-in ones do (Cython/Utility/CythonFunction.c). Types of functions are few, and kept. */
static bool is_cython(PyTypeObject *type)
{
    uint64_t known;
    if (look_up(&cython_types, type, &known))
        return known;
    PyObject *name = PyType_GetName(type);
    bool cython =
        name && (PyUnicode_CompareWithASCIIString(name, "cython_function_or_method") == 0 ||
                 PyUnicode_CompareWithASCIIString(name, "fused_cython_function") == 0);
    Py_XDECREF(name);
    PyErr_Clear();
    note(&cython_types, type, cython, (PyObject *)type);
    return cython;
}

/* Of what acts as a function in a class, but is none of Python's own. */
static const void *function_key(PyTypeObject *type, PyObject *callable)
{
    if (type == slot_type)
        return callable;
    return is_cython(type) ? ((struct c_function *)callable)->definition : instances_of(type);
}

static const void *other_key(PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (PyType_IsSubtype(type, c_function_type)) /* PyCMethod_Type */
        return ((struct c_function *)callable)->definition;
    if (PyType_IsSubtype(type, &PyType_Type))
        return type_key(callable);
    if (PyType_GetFlags(type) & Py_TPFLAGS_METHOD_DESCRIPTOR)
        return function_key(type, callable);
    if ((PyType_GetFlags(type) & Py_TPFLAGS_HEAPTYPE) &&
        PyType_GetSlot(type, Py_tp_call) == python_call)
        return NULL;                             /* an instance with a __call__ in Python */
    if (PyType_IsSubtype(type, c_function_type)) /* one that is told its class */
        return ((struct c_function *)callable)->definition;
    if (type == bound_slot_type)
        return ((struct bound_slot *)callable)->descriptor;
    return instances_of(type);
}

const void *pyro_callee_key(PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (type == method_type) {
        callable = ((struct bound_method *)callable)->function;
        type = Py_TYPE(callable);
    }
    if (type == function_type)
        return NULL;
    if (type == descriptor_type || type == class_descriptor_type)
        return ((struct method_descriptor *)callable)->definition;
    if (type == c_function_type)
        return ((struct c_function *)callable)->definition;
    return other_key(callable);
}

bool pyro_callee_is_function(PyObject *callable, bool has_argument)
{
    PyTypeObject *type = Py_TYPE(callable);
    return type == c_function_type || (type == descriptor_type && has_argument) ||
           PyType_IsSubtype(type, c_function_type);
}

/* -- its name ----------------------------------------------------------------------------------- */

/* "<...>" of a repr as "{...}", which is how tables show it. */
static uint32_t id_of_text(const char *text, size_t size)
{
    char name[NAME_BYTES];
    if (size >= sizeof(name))
        size = sizeof(name) - 1;
    memcpy(name, text, size);
    if (size >= 2 && name[0] == '<' && name[size - 1] == '>') {
        name[0] = '{';
        name[size - 1] = '}';
    }
    return pyro_names_c(name, size);
}

static uint32_t id_of_unicode(PyObject *text)
{
    Py_ssize_t size = 0;
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    uint32_t id = utf8 ? id_of_text(utf8, (size_t)size) : 0;
    PyErr_Clear();
    Py_XDECREF(text);
    return id ? id : id_of_text("<C function>", 12);
}

/* Borrowed: the descriptor in TYPE or a class below it that FUNCTION was bound from; NULL: none. */
static PyObject *descriptor_in(PyTypeObject *type, PyObject *name,
                               const struct c_function *function)
{
    PyObject *found = type_lookup(type, name), *bases = PyType_GetSlot(type, Py_tp_bases);
    if (found && (Py_TYPE(found) == descriptor_type || Py_TYPE(found) == class_descriptor_type) &&
        ((struct method_descriptor *)found)->definition == function->definition)
        return found;
    found = NULL; /* a subclass has something else of that name */
    for (Py_ssize_t i = 0; bases && !found && i < PyTuple_Size(bases); i++)
        found = descriptor_in((PyTypeObject *)PyTuple_GetItem(bases, i), name, function);
    return found;
}

/* As cProfile (Modules/_lsprof.c): by the descriptor of that name in the type of self, else by the module. */
static PyObject *c_function_name(const struct c_function *function)
{
    const char *name = function->definition->ml_name;
    PyObject *text = PyUnicode_FromString(name), *descriptor = NULL;
    if (function->self && text && type_lookup)
        descriptor = descriptor_in(Py_TYPE(function->self), text, function);
    Py_XDECREF(text);
    if (descriptor)
        return PyObject_Repr(descriptor);
    const char *kind = function->self ? "built-in method " : ""; /* a static method has no self */
    if (function->module && PyUnicode_Check(function->module))
        return PyUnicode_FromFormat("<%s%U.%s>", kind, function->module, name);
    return PyUnicode_FromFormat("<%s%s>", kind, name);
}

static PyObject *text_attribute(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    if (value && !PyUnicode_Check(value)) {
        Py_DECREF(value);
        value = NULL;
    }
    if (!value)
        PyErr_Clear();
    return value;
}

/* "<cyfunction package.module.Class.method>" */
static PyObject *cython_name(PyObject *function)
{
    PyObject *module = text_attribute(function, "__module__");
    PyObject *name = text_attribute(function, "__qualname__");
    PyObject *text = NULL;
    if (name)
        text = module ? PyUnicode_FromFormat("<cyfunction %U.%U>", module, name)
                      : PyUnicode_FromFormat("<cyfunction %U>", name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return text;
}

/* "<functools.partial object>" */
static PyObject *instance_name(PyTypeObject *type)
{
    PyObject *module = text_attribute((PyObject *)type, "__module__");
    PyObject *name = text_attribute((PyObject *)type, "__qualname__");
    PyObject *text = module && name ? PyUnicode_FromFormat("<%U.%U object>", module, name) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(name);
    return text;
}

PyObject *pyro_callee_name(const void *key, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (type == method_type)
        return pyro_callee_name(key, ((struct bound_method *)callable)->function);
    if (PyType_IsSubtype(type, c_function_type))
        return c_function_name((struct c_function *)callable);
    if (type == bound_slot_type)
        return PyObject_Repr(((struct bound_slot *)callable)->descriptor);
    if (key == instances_of(type))
        return instance_name(type);
    if (key != callable && is_cython(type))
        return cython_name(callable);
    return PyObject_Repr(callable); /* descriptors and types; of C types, so no Python code runs */
}

PyObject *pyro_callee_keep(const void *key, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (type == method_type)
        return pyro_callee_keep(key, ((struct bound_method *)callable)->function);
    if (type == bound_slot_type)
        return ((struct bound_slot *)callable)->descriptor;
    if (key == callable)
        return callable;
    return key == instances_of(type) ? (PyObject *)type : NULL;
}

uint32_t pyro_callee_id(const void *key, PyObject *callable)
{
    uint64_t known, recording = pyro_names_recording;
    if (look_up(&ids, key, &known) && known >> 32 == recording)
        return (uint32_t)known;
    uint32_t id = id_of_unicode(pyro_callee_name(key, callable));
    if (id)
        note(&ids, key, recording << 32 | id, pyro_callee_keep(key, callable));
    return id;
}

static bool is_named(PyObject *text, const char *name)
{
    bool same = text && PyUnicode_CompareWithASCIIString(text, name) == 0;
    PyErr_Clear();
    Py_XDECREF(text);
    return same;
}

bool pyro_callee_sets_profile(PyObject *callable)
{
    const struct c_function *function = (const struct c_function *)callable;
    if (Py_TYPE(callable) != c_function_type)
        return false;
    const char *name = function->definition->ml_name;
    if (strcmp(name, "setprofile") == 0)
        return is_named(c_function_name(function), "<built-in method sys.setprofile>");
    return strcmp(name, "enable") == 0 &&
           is_named(c_function_name(function), "<method 'enable' of '_lsprof.Profiler' objects>");
}
