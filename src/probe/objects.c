/* probe/objects.c - where instances keep their attributes: in an array beside them, until somebody asks for their dict. */
#include "probe/objects.h"

#if !PYRO_FREE_THREADED

#include "base/map.h"
#include "probe/inside.h"
#include "probe/values.h"

#include <string.h>

#define ATTRIBUTES_MAX 64
#define MANAGED_DICT   (1UL << 4) /* Py_TPFLAGS_MANAGED_DICT, 3.11+ */
#define INLINE_VALUES  (1UL << 2) /* Py_TPFLAGS_INLINE_VALUES, 3.13+ */
#define BUILT_IN                                                                          \
    (Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS |    \
     Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS | \
     Py_TPFLAGS_BASE_EXC_SUBCLASS | Py_TPFLAGS_TYPE_SUBCLASS)
#define VALUES_BEHIND \
    8 /* 3.13+: struct _dictvalues (pycore_dict.h), capacity, size, embedded, valid */

static bool known;

/* -- attributes --------------------------------------------------------------------------------- */

struct attributes {
    PyObject *const *items; /* some may be NULL */
    const uint8_t *
        order; /* 3.11, 3.12: behind the place of the first one's number; NULL: all of them in order */
    unsigned count;
    PyObject *dict; /* in place of them; NULL: there is none */
};

static Py_ssize_t basic_size(PyTypeObject *type)
{
    return *(const Py_ssize_t *)((const char *)type + pyro_inside.type_basicsize);
}

/* Nothing beside the header (in 3.11 there is a list of weak references, too): no slots, and no struct of a type written in C. */
static bool is_plain(PyTypeObject *type)
{
    Py_ssize_t most = (Py_ssize_t)sizeof(PyObject) +
                      (pyro_inside.minor == 11 ? (Py_ssize_t)sizeof(PyObject *) : 0);
    unsigned long flags = PyType_GetFlags(type);
    return (flags & Py_TPFLAGS_HEAPTYPE) && (flags & MANAGED_DICT) && !(flags & BUILT_IN) &&
           basic_size(type) <= most;
}

/* 3.11, 3.12: how many there are and in which order they came is told by bytes before them, from the second one down
 * (_PyDictValues_AddToInsertionOrder()). */
static void take_values(struct attributes *attributes, PyObject *const *values)
{
    const uint8_t *count = (const uint8_t *)values - 2;
    attributes->items = values;
    attributes->order = count;
    attributes->count = *count;
}

/* Objects/object.c, Include/internal/pycore_object.h: what stands before an object. */
static struct attributes attributes_of(PyObject *object)
{
    struct attributes attributes = {0};
    void *const *before = (void *const *)object;
    if (pyro_inside.minor == 11) {
        attributes.dict = before[-3];
        if (before[-4])
            take_values(&attributes, before[-4]);
    } else if (pyro_inside.minor == 12) {
        uintptr_t both = (uintptr_t)before[-3]; /* values have the lowest bit, being one less */
        if (both & 1)
            take_values(&attributes, (PyObject *const *)(both + 1));
        else
            attributes.dict = before[-3];
    } else {
        const uint8_t *values = (const uint8_t *)object + basic_size(Py_TYPE(object));
        bool has_values = PyType_GetFlags(Py_TYPE(object)) & INLINE_VALUES;
        if (has_values && values[3]) {
            attributes.items = (PyObject *const *)(values + VALUES_BEHIND);
            attributes.count = values[0];
        } else {
            attributes.dict = before[-3];
        }
    }
    return attributes;
}

/* The attribute NUMBER; NULL: it has no value. */
static PyObject *attribute(const struct attributes *attributes, unsigned number)
{
    unsigned place = attributes->order ? *(attributes->order - 1 - number) : number;
    return attributes->items[place];
}

/* -- hashes ------------------------------------------------------------------------------------- */

static Py_ssize_t size_of(PyObject *value)
{
    if (PyList_CheckExact(value))
        return PyList_Size(value);
    if (PyTuple_CheckExact(value))
        return PyTuple_Size(value);
    if (PyDict_CheckExact(value))
        return PyDict_Size(value);
    return Py_IS_TYPE(value, &PySet_Type) ? PySet_Size(value) : 0;
}

static void mix(PyObject *value, uint64_t *hash)
{
    if (!PyTuple_CheckExact(value) && !PyList_CheckExact(value) && !PyDict_CheckExact(value) &&
        pyro_value_hash(value, hash))
        return;
    *hash = pyro_hash_u64(*hash ^ (uintptr_t)value) + (uint64_t)size_of(value);
}

static bool mix_dict(PyObject *dict, uint64_t *hash)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    if (!PyDict_CheckExact(dict) || PyDict_Size(dict) > ATTRIBUTES_MAX)
        return false;
    while (PyDict_Next(dict, &position, &key, &value))
        mix(value, hash);
    return true;
}

static bool mix_state(PyObject *object, uint64_t *hash)
{
    struct attributes attributes = attributes_of(object);
    if (!attributes.items)
        return !attributes.dict || mix_dict(attributes.dict, hash);
    if (attributes.count > ATTRIBUTES_MAX)
        return false;
    for (unsigned i = 0; i < attributes.count; i++)
        if (attribute(&attributes, i))
            mix(attribute(&attributes, i), hash);
    return true;
}

bool pyro_object_hash(PyObject *object, uint64_t *hash)
{
    if (!object)
        return false;
    bool stays = PyType_Check(object) || Py_IS_TYPE(object, &PyModule_Type);
    if (!stays && (!known || !is_plain(Py_TYPE(object))))
        return false;
    *hash = pyro_hash_u64(*hash ^ (uintptr_t)object);
    return stays || mix_state(object, hash);
}

/* -- proof -------------------------------------------------------------------------------------- */

/* Is all that OBJECT has MARK, as its attribute? */
static bool has_only(PyObject *object, PyObject *mark)
{
    struct attributes attributes = attributes_of(object);
    unsigned found = 0;
    if (!attributes.items) {
        PyObject *dict = PyObject_GenericGetDict(object, NULL);
        bool same = dict && dict == attributes.dict;
        Py_XDECREF(dict);
        return same;
    }
    for (unsigned i = 0; i < attributes.count && i < ATTRIBUTES_MAX; i++) {
        PyObject *value = attribute(&attributes, i);
        if (value && value != mark)
            return false;
        found += value != NULL;
    }
    return found == 1;
}

/* An object of a class that every Python has, with one attribute: seen in its array, and in its dict when it has one. */
static bool prove(PyObject *type, PyObject *mark)
{
    PyObject *object = PyObject_CallMethod((PyObject *)&PyBaseObject_Type, "__new__", "O", type);
    bool found = object && is_plain(Py_TYPE(object)) &&
                 PyObject_SetAttrString(object, "encodekey", mark) == 0 && has_only(object, mark);
    PyObject *dict = found ? PyObject_GenericGetDict(object, NULL) : NULL;
    found = dict && has_only(object, mark);
    Py_XDECREF(dict);
    Py_XDECREF(object);
    return found;
}

void pyro_objects_start(void)
{
    if (known)
        return;
    PyObject *os = PyImport_ImportModule("os");
    PyObject *type = os ? PyObject_GetAttrString(os, "_Environ") : NULL;
    PyObject *mark = PyList_New(0);
    known = type && mark && PyType_Check(type) && prove(type, mark);
    Py_XDECREF(mark);
    Py_XDECREF(type);
    Py_XDECREF(os);
    PyErr_Clear();
}

#endif
