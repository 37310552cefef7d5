/* probe/marked.c - from what a decorator is given to a code object. */
#include "probe/marked.h"

#if !PYRO_FREE_THREADED

#include "probe/blocks.h"
#include "probe/inside.h"
#include "probe/lines.h"

/* The code of FUNCTION, or of what it is made of: a method, a property, what a decorator wraps. NULL: it has none. */
static PyObject *code_of(PyObject *function)
{
    static const char *const parts[] = {"__wrapped__", "__func__", "fget", "func"};
    PyObject *code = PyObject_GetAttrString(function, "__code__");
    PyErr_Clear();
    for (size_t i = 0; !code && i < sizeof(parts) / sizeof(parts[0]); i++) {
        PyObject *part = PyObject_GetAttrString(function, parts[i]);
        PyErr_Clear();
        if (part && !PyObject_HasAttrString(part, parts[i]))
            code = code_of(part);
        Py_XDECREF(part);
    }
    return code;
}

PyObject *pyro_marked_profile(PyObject *self, PyObject *function)
{
    struct pyro_process_block *process = pyro_blocks_process();
    if (process)
        process->marked++;
    PyObject *code = pyro_lines_of_run() ? code_of(function) : NULL;
    PyObject *own = pyro_frame_code(pyro_current_frame(PyThreadState_Get()));
    bool is_code = code && Py_TYPE(code) == Py_TYPE(own); /* anything may have a __code__ */
    if (is_code && pyro_lines_watch(code) < 0)
        PyErr_Clear();
    Py_XDECREF(code);
    return Py_NewRef(function);
}

#endif /* PYRO_FREE_THREADED */
