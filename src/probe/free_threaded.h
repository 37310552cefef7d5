/* probe/free_threaded.h - of Python.h what the probe uses, as builds without a GIL have it.
 *
 * They have no limited API before 3.15, and their headers are on few machines. So what the limited API of 3.11 says is said
 * here again, with two differences: PyObject is larger (Include/object.h), and a reference is counted by a call. The
 * functions and the numbers are those of the stable ABI. Behind the Python.h of such a build the structs are left out, so
 * that the compiler compares the rest: tests/live/test_free_threaded.py. */
#ifndef PYRO_PROBE_FREE_THREADED_H
#define PYRO_PROBE_FREE_THREADED_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#ifndef Py_PYTHON_H

/* -- structs ------------------------------------------------------------------------------------ */

typedef ssize_t Py_ssize_t;
typedef Py_ssize_t Py_hash_t;
typedef struct _typeobject PyTypeObject;
typedef struct _ts PyThreadState;
typedef struct _is PyInterpreterState;
typedef struct _frame PyFrameObject;

typedef struct _object { /* 3.13 to 3.15 */
    uintptr_t ob_tid;
    uint16_t ob_padding; /* flags since 3.14 */
    uint8_t ob_mutex, ob_gc_bits;
    uint32_t ob_ref_local;
    Py_ssize_t ob_ref_shared;
    PyTypeObject *ob_type;
} PyObject;

typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);
typedef int (*visitproc)(PyObject *, void *);
typedef int (*traverseproc)(PyObject *, visitproc, void *);
typedef int (*inquiry)(PyObject *);
typedef void (*freefunc)(void *);
typedef PyObject *(*allocfunc)(PyTypeObject *, Py_ssize_t);

typedef struct PyMethodDef {
    const char *ml_name;
    PyCFunction ml_meth;
    int ml_flags;
    const char *ml_doc;
} PyMethodDef;

typedef struct PyMemberDef {
    const char *name;
    int type;
    Py_ssize_t offset;
    int flags;
    const char *doc;
} PyMemberDef;

typedef struct {
    int slot;
    void *pfunc;
} PyType_Slot;

typedef struct {
    const char *name;
    int basicsize, itemsize;
    unsigned int flags;
    PyType_Slot *slots;
} PyType_Spec;

typedef struct PyModuleDef_Slot {
    int slot;
    void *value;
} PyModuleDef_Slot;

typedef struct PyModuleDef {
    struct {
        PyObject ob_base;
        PyObject *(*m_init)(void);
        Py_ssize_t m_index;
        PyObject *m_copy;
    } m_base;
    const char *m_name, *m_doc;
    Py_ssize_t m_size;
    PyMethodDef *m_methods;
    PyModuleDef_Slot *m_slots;
    traverseproc m_traverse;
    inquiry m_clear;
    freefunc m_free;
} PyModuleDef;

typedef struct PyStructSequence_Field {
    const char *name, *doc;
} PyStructSequence_Field;

typedef struct PyStructSequence_Desc {
    const char *name, *doc;
    PyStructSequence_Field *fields;
    int n_in_sequence;
} PyStructSequence_Desc;

/* -- numbers ------------------------------------------------------------------------------------ */

#define PyModuleDef_HEAD_INIT                                   \
    {                                                           \
        .ob_base = {.ob_ref_local = UINT32_MAX /* immortal */ } \
    }

#define METH_VARARGS  0x0001
#define METH_KEYWORDS 0x0002
#define METH_NOARGS   0x0004
#define METH_O        0x0008
#define METH_FASTCALL 0x0080

#define Py_tp_alloc     47
#define Py_tp_bases     49
#define Py_tp_call      50
#define Py_tp_clear     51
#define Py_tp_dealloc   52
#define Py_tp_descr_get 54
#define Py_tp_doc       56
#define Py_tp_init      60
#define Py_tp_methods   64
#define Py_tp_new       65
#define Py_tp_traverse  71
#define Py_tp_members   72
#define Py_tp_free      74

#define Py_TPFLAGS_DEFAULT           0
#define Py_TPFLAGS_IMMUTABLETYPE     (1UL << 8)
#define Py_TPFLAGS_HEAPTYPE          (1UL << 9)
#define Py_TPFLAGS_BASETYPE          (1UL << 10)
#define Py_TPFLAGS_HAVE_GC           (1UL << 14)
#define Py_TPFLAGS_METHOD_DESCRIPTOR (1UL << 17)
#define Py_TPFLAGS_LONG_SUBCLASS     (1UL << 24)
#define Py_TPFLAGS_TUPLE_SUBCLASS    (1UL << 26)
#define Py_TPFLAGS_UNICODE_SUBCLASS  (1UL << 28)
#define Py_TPFLAGS_TYPE_SUBCLASS     (1UL << 31)

#define Py_mod_exec         2
#define Py_mod_gil          4
#define Py_MOD_GIL_NOT_USED ((void *)1)

#define T_PYSSIZET 19
#define READONLY   1

#define Py_file_input 257
#define Py_eval_input 258

#define PyMODINIT_FUNC __attribute__((visibility("default"))) PyObject *

/* -- macros ------------------------------------------------------------------------------------- */

#define Py_TYPE(object)          (((PyObject *)(object))->ob_type)
#define Py_IS_TYPE(object, type) (Py_TYPE(object) == (type))
#define Py_INCREF(object)        Py_IncRef((PyObject *)(object))
#define Py_DECREF(object)        Py_DecRef((PyObject *)(object))
#define Py_XINCREF(object)       Py_IncRef((PyObject *)(object)) /* these take NULL */
#define Py_XDECREF(object)       Py_DecRef((PyObject *)(object))
#define Py_CLEAR(variable)                                 \
    do {                                                   \
        PyObject *cleared_object = (PyObject *)(variable); \
        (variable) = NULL;                                 \
        Py_DecRef(cleared_object);                         \
    } while (0)
#define Py_VISIT(object)                                                       \
    do {                                                                       \
        int result_of_visit = (object) ? visit((PyObject *)(object), arg) : 0; \
        if (result_of_visit)                                                   \
            return result_of_visit;                                            \
    } while (0)
#define Py_None                   (&_Py_NoneStruct)
#define PyObject_New(type, class) ((type *)_PyObject_New(class))

#define PyBool_Check(object)           (Py_TYPE(object) == &PyBool_Type)
#define PyBytes_CheckExact(object)     (Py_TYPE(object) == &PyBytes_Type)
#define PyCFunction_CheckExact(object) (Py_TYPE(object) == &PyCFunction_Type)
#define PyDict_CheckExact(object)      (Py_TYPE(object) == &PyDict_Type)
#define PyFloat_CheckExact(object)     (Py_TYPE(object) == &PyFloat_Type)
#define PyList_CheckExact(object)      (Py_TYPE(object) == &PyList_Type)
#define PyTuple_Check(object)          (PyType_GetFlags(Py_TYPE(object)) & Py_TPFLAGS_TUPLE_SUBCLASS)
#define PyTuple_CheckExact(object)     (Py_TYPE(object) == &PyTuple_Type)
#define PyLong_Check(object)           (PyType_GetFlags(Py_TYPE(object)) & Py_TPFLAGS_LONG_SUBCLASS)
#define PyLong_CheckExact(object)      (Py_TYPE(object) == &PyLong_Type)
#define PyType_Check(object)           (PyType_GetFlags(Py_TYPE(object)) & Py_TPFLAGS_TYPE_SUBCLASS)
#define PyUnicode_Check(object)        (PyType_GetFlags(Py_TYPE(object)) & Py_TPFLAGS_UNICODE_SUBCLASS)
#define PyUnicode_CheckExact(object)   (Py_TYPE(object) == &PyUnicode_Type)

#endif /* Py_PYTHON_H */

/* -- data --------------------------------------------------------------------------------------- */

extern const unsigned long Py_Version;
extern PyTypeObject PyBool_Type, PyBytes_Type, PyCFunction_Type, PyDict_Type, PyFloat_Type,
    PyFrozenSet_Type, PyList_Type, PyLong_Type, PyMemberDescr_Type, PyRange_Type, PySet_Type,
    PyTuple_Type, PyType_Type, PyUnicode_Type;
extern PyObject _Py_NoneStruct;
extern PyObject *PyExc_ImportError, *PyExc_MemoryError, *PyExc_OSError, *PyExc_OverflowError,
    *PyExc_RecursionError, *PyExc_RuntimeError, *PyExc_TypeError, *PyExc_ValueError;

/* -- functions ---------------------------------------------------------------------------------- */

void Py_IncRef(PyObject *object);
void Py_DecRef(PyObject *object);

int PyArg_ParseTuple(PyObject *arguments, const char *format, ...);
int PyArg_ParseTupleAndKeywords(PyObject *arguments, PyObject *names, const char *format,
                                char *const *keywords, ...);
PyObject *Py_BuildValue(const char *format, ...);

void PyErr_Clear(void);
int PyErr_ExceptionMatches(PyObject *exception);
void PyErr_Fetch(PyObject **type, PyObject **value, PyObject **traceback);
PyObject *PyErr_Format(PyObject *exception, const char *format, ...);
PyObject *PyErr_NoMemory(void);
PyObject *PyErr_Occurred(void);
void PyErr_Restore(PyObject *type, PyObject *value, PyObject *traceback);
PyObject *PyErr_SetFromErrno(PyObject *exception);
void PyErr_SetString(PyObject *exception, const char *text);
void PyErr_WriteUnraisable(PyObject *object);

PyObject *(Py_CompileString)(const char *source, const char *file, int start);
PyObject *PyEval_EvalCode(PyObject *code, PyObject *globals, PyObject *locals);
PyObject *PyEval_GetBuiltins(void);
PyFrameObject *PyEval_GetFrame(void);
void PyEval_RestoreThread(PyThreadState *thread);
PyThreadState *PyEval_SaveThread(void);
PyInterpreterState *PyInterpreterState_Get(void);
int64_t PyInterpreterState_GetID(PyInterpreterState *interpreter);
PyThreadState *PyThreadState_Get(void);
uint64_t PyThreadState_GetID(PyThreadState *thread);

PyObject *(PyCFunction_New)(PyMethodDef *method, PyObject *self);
PyObject *PyImport_ImportModule(const char *name);
PyObject *PyModuleDef_Init(PyModuleDef *definition);
int PyModule_AddObjectRef(PyObject *module, const char *name, PyObject *value);
PyObject *PySys_GetObject(const char *name);

PyObject *PyObject_CallFunction(PyObject *callable, const char *format, ...);
PyObject *PyObject_CallFunctionObjArgs(PyObject *callable, ...);
PyObject *PyObject_CallMethod(PyObject *object, const char *name, const char *format, ...);
PyObject *PyObject_CallNoArgs(PyObject *callable);
void PyObject_Free(void *object);
void PyObject_GC_UnTrack(void *object);
PyObject *PyObject_GenericGetAttr(PyObject *object, PyObject *name);
PyObject *PyObject_GetAttrString(PyObject *object, const char *name);
PyObject *PyObject_GetItem(PyObject *object, PyObject *key);
Py_hash_t PyObject_Hash(PyObject *object);
PyObject *PyObject_Repr(PyObject *object);
PyObject *PyObject_Str(PyObject *object);
PyObject *_PyObject_New(PyTypeObject *type);

PyObject *PyType_FromModuleAndSpec(PyObject *module, PyType_Spec *spec, PyObject *bases);
PyObject *PyType_FromSpec(PyType_Spec *spec);
unsigned long PyType_GetFlags(PyTypeObject *type);
PyObject *PyType_GetName(PyTypeObject *type);
void *PyType_GetSlot(PyTypeObject *type, int slot);
int PyType_IsSubtype(PyTypeObject *type, PyTypeObject *base);

PyObject *PyDict_GetItemString(PyObject *dict, const char *key);
PyObject *PyDict_New(void);
int PyDict_Next(PyObject *dict, Py_ssize_t *position, PyObject **key, PyObject **value);
int PyDict_SetItemString(PyObject *dict, const char *key, PyObject *value);
Py_ssize_t PyDict_Size(PyObject *dict);
int PyList_Append(PyObject *list, PyObject *item);
PyObject *PyList_GetItem(PyObject *list, Py_ssize_t index);
PyObject *PyList_New(Py_ssize_t size);
Py_ssize_t PyList_Size(PyObject *list);
Py_ssize_t PySet_Size(PyObject *set);
PyObject *PyTuple_GetItem(PyObject *tuple, Py_ssize_t index);
Py_ssize_t PyTuple_Size(PyObject *tuple);

double PyFloat_AsDouble(PyObject *object);
PyObject *PyFloat_FromDouble(double value);
long PyLong_AsLong(PyObject *object);
long long PyLong_AsLongLong(PyObject *object);
long long PyLong_AsLongLongAndOverflow(PyObject *object, int *overflow);
PyObject *PyLong_FromLong(long value);

const char *PyUnicode_AsUTF8AndSize(PyObject *unicode, Py_ssize_t *size);
int PyUnicode_CompareWithASCIIString(PyObject *unicode, const char *text);
PyObject *PyUnicode_FromFormat(const char *format, ...);
PyObject *PyUnicode_FromString(const char *text);

PyTypeObject *PyStructSequence_NewType(PyStructSequence_Desc *description);
PyObject *PyStructSequence_New(PyTypeObject *type);
void PyStructSequence_SetItem(PyObject *sequence, Py_ssize_t index, PyObject *value);

#ifndef Py_PYTHON_H

static inline PyObject *Py_XNewRef(PyObject *object)
{
    Py_IncRef(object);
    return object;
}

static inline PyObject *Py_NewRef(PyObject *object)
{
    return Py_XNewRef(object);
}

#endif /* Py_PYTHON_H */

#endif
