/* probe/sql_text.c - six functions of this house, for Python. */
#include "probe/sql_text.h"

#if !PYRO_FREE_THREADED

#include "base/repetition.h"
#include "base/sql.h"
#include "collect/tables.h"
#include "probe/orms.h"
#include "probe/values.h"
#include "profile/paths.h"

#include <string.h>

/* NULL without an exception: it is no str, or one with lone surrogates. */
static const char *text_of(PyObject *object, Py_ssize_t *ret_size)
{
    const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, ret_size) : NULL;
    PyErr_Clear();
    return text;
}

PyObject *pyro_sql_text_shape(PyObject *self, PyObject *object)
{
    char shape[PYRO_SQL_SHAPE_MAX];
    Py_ssize_t size;
    const char *text = text_of(object, &size);
    size_t length = text ? pyro_sql_shape(text, (size_t)size, shape) : 0;
    return PyUnicode_DecodeUTF8(shape, (Py_ssize_t)length, "replace"); /* it may be cut anywhere */
}

PyObject *pyro_sql_text_hash(PyObject *self, PyObject *value)
{
    uint64_t hash = 0;
    if (!pyro_value_hash(value, &hash))
        return Py_NewRef(Py_None);
    return PyLong_FromUnsignedLongLong(hash);
}

PyObject *pyro_sql_text_is_library(PyObject *self, PyObject *path)
{
    Py_ssize_t size;
    const char *text = text_of(path, &size);
    return PyBool_FromLong(!text || pyro_path_is_library(text));
}

PyObject *pyro_sql_text_lazy_loader(PyObject *self, PyObject *path)
{
    Py_ssize_t size;
    const char *text = text_of(path, &size);
    const char *name = text ? pyro_orm_loader_in(text) : NULL;
    return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
}

PyObject *pyro_sql_text_lazy_relation(PyObject *self, PyObject *arguments)
{
    char relation[PYRO_QUERY_NAME_MAX] = "", owner[PYRO_QUERY_NAME_MAX] = "";
    const char *name, *file;
    PyObject *its;
    if (!PyArg_ParseTuple(arguments, "ssO:lazy_relation", &name, &file, &its))
        return NULL;
    uint8_t loader = pyro_orm_loader(name, file);
    if (loader)
        pyro_orm_relation(loader, its, relation, sizeof(relation), owner, sizeof(owner));
    return Py_BuildValue("NN",
                         PyUnicode_DecodeUTF8(relation, (Py_ssize_t)strlen(relation), "replace"),
                         PyUnicode_DecodeUTF8(owner, (Py_ssize_t)strlen(owner), "replace"));
}

PyObject *pyro_sql_text_repetition(PyObject *self, PyObject *arguments)
{
    static const char *const words[] = {NULL, "n+1", "same", "writes"};
    unsigned long long count, distinct, unknown;
    PyObject *shape;
    int many, lazily;
    if (!PyArg_ParseTuple(arguments, "UKKKpp:repetition", &shape, &count, &distinct, &unknown,
                          &many, &lazily))
        return NULL;
    Py_ssize_t size;
    const char *text = text_of(shape, &size);
    const struct pyro_repeated queries = {count, distinct, unknown, many != 0, lazily != 0};
    const char *word = words[pyro_repetition(text ? text : "", &queries)];
    return word ? PyUnicode_FromString(word) : Py_NewRef(Py_None);
}

#endif
