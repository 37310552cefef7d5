/* probe/values.c - hashes of what is built in. */
#include "probe/values.h"

#include "base/map.h"
#include "probe/lock.h"

#include <string.h>

#define DEPTH_MAX 3
#define ITEMS_MAX 64

/* -- types -------------------------------------------------------------------------------------- */

static bool is_builtin(PyObject *value)
{
    return value == Py_None || PyUnicode_CheckExact(value) || PyLong_CheckExact(value) ||
           PyFloat_CheckExact(value) || PyBool_Check(value) || PyBytes_CheckExact(value);
}

/* Is TYPE the class MODULE.NAME, written in C? Only such a one is immutable, and what it says of itself true. */
static bool is_c_type(PyTypeObject *type, const char *module, const char *name)
{
    if (!(PyType_GetFlags(type) & Py_TPFLAGS_IMMUTABLETYPE) ||
        !Py_IS_TYPE((PyObject *)type, &PyType_Type))
        return false;
    PyObject *own_name = PyType_GetName(type);
    PyObject *own_module = PyObject_GetAttrString((PyObject *)type, "__module__");
    bool same = own_name && own_module && PyUnicode_CheckExact(own_module) &&
                PyUnicode_CompareWithASCIIString(own_name, name) == 0 &&
                PyUnicode_CompareWithASCIIString(own_module, module) == 0;
    Py_XDECREF(own_name);
    Py_XDECREF(own_module);
    PyErr_Clear();
    return same;
}

static bool has_no_zone(PyObject *datetime)
{
    PyObject *zone = PyObject_GetAttrString(datetime, "tzinfo");
    bool none = zone == Py_None;
    Py_XDECREF(zone);
    PyErr_Clear();
    return none;
}

/* Does the hash of VALUE ask nobody? */
static bool is_plain(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    return is_builtin(value) || is_c_type(type, "datetime", "date") ||
           is_c_type(type, "decimal", "Decimal") ||
           (is_c_type(type, "datetime", "datetime") && has_no_zone(value));
}

/* -- hashes ------------------------------------------------------------------------------------- */

struct hashing {
    unsigned depth;
    bool sketch; /* some of the items are enough */
};

static bool hash_value(PyObject *value, struct hashing hashing, uint64_t *hash);

static bool hash_items(PyObject *sequence, Py_ssize_t size, bool is_tuple, struct hashing hashing,
                       uint64_t *hash)
{
    bool known = size <= ITEMS_MAX || hashing.sketch;
    *hash = pyro_hash_u64(*hash ^ (uint64_t)size);
    for (Py_ssize_t i = 0; known && i < size && i < ITEMS_MAX; i++)
        known = hash_value(is_tuple ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i),
                           hashing, hash);
    return known;
}

static bool hash_dict(PyObject *dict, struct hashing hashing, uint64_t *hash)
{
    PyObject *key, *value;
    Py_ssize_t position = 0, size = PyDict_Size(dict);
    bool known = size <= ITEMS_MAX || hashing.sketch;
    *hash = pyro_hash_u64(*hash ^ (uint64_t)size);
    for (int i = 0; known && i < ITEMS_MAX && PyDict_Next(dict, &position, &key, &value); i++)
        known = hash_value(key, hashing, hash) && hash_value(value, hashing, hash);
    return known;
}

/* Numbers by their value: Python has one hash for -1 and -2. */
static bool own_hash(PyObject *value, uint64_t *ret_hash)
{
    int overflow = 1;
    if (PyLong_CheckExact(value))
        *ret_hash = (uint64_t)PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow)
        return true;
    if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AsDouble(value);
        memcpy(ret_hash, &number, sizeof(number));
        return true;
    }
    Py_hash_t hash = PyObject_Hash(value);
    *ret_hash = (uint64_t)hash;
    if (hash != -1 || !PyErr_Occurred())
        return true;
    PyErr_Clear(); /* a signalling NaN of Decimal */
    return false;
}

static bool hash_plain(PyObject *value, uint64_t *hash)
{
    uint64_t own;
    if (!own_hash(value, &own))
        return false;
    *hash = pyro_hash_u64(*hash ^ own) + (uintptr_t)Py_TYPE(value);
    return true;
}

static bool hash_changeable(PyObject *value, struct hashing hashing, uint64_t *hash)
{
    struct pyro_hold hold;
    pyro_hold(&hold, value);
    bool known = PyDict_CheckExact(value)
                     ? hash_dict(value, hashing, hash)
                     : hash_items(value, PyList_Size(value), false, hashing, hash);
    pyro_let_go(&hold);
    return known;
}

static bool hash_value(PyObject *value, struct hashing hashing, uint64_t *hash)
{
    if (!value || hashing.depth > DEPTH_MAX)
        return false;
    hashing.depth++;
    if (PyTuple_CheckExact(value))
        return hash_items(value, PyTuple_Size(value), true, hashing, hash);
    if (PyList_CheckExact(value) || PyDict_CheckExact(value))
        return hash_changeable(value, hashing, hash);
    if (hashing.sketch &&
        (Py_IS_TYPE(value, &PySet_Type) || Py_IS_TYPE(value, &PyFrozenSet_Type))) {
        *hash = pyro_hash_u64(*hash ^ (uint64_t)PySet_Size(value));
        return true;
    }
    return is_plain(value) && hash_plain(value, hash);
}

bool pyro_value_hash(PyObject *value, uint64_t *hash)
{
    return hash_value(value, (struct hashing){0}, hash);
}

bool pyro_value_sketch(PyObject *value, uint64_t *hash)
{
    return hash_value(value, (struct hashing){.sketch = true}, hash);
}
