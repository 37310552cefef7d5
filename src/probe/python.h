/* probe/python.h - Python.h as the probe may use it: the limited API of 3.11, and what is found at run time.
 *
 * One object serves 3.11 to 3.15, and another one, of the same source, builds without a GIL. Where a header says that calls
 * want the GIL, there an attached thread is enough.
 *
 * What the limited API lacks is looked up by name in the process (pyro_python_find()), what no function tells is read from
 * the objects themselves (probe/inside.h). */
#ifndef PYRO_PROBE_PYTHON_H
#define PYRO_PROBE_PYTHON_H

#ifndef PYRO_FREE_THREADED
#define PYRO_FREE_THREADED 0 /* meson.build has it 1 for builds without a GIL */
#endif

#if PYRO_FREE_THREADED
#include "probe/free_threaded.h"
#else
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <structmember.h>
#endif

#include <stdbool.h>
#include <stdint.h>

#define PYRO_TYPE_HAVE_VECTORCALL \
    (1UL << 11) /* Py_TPFLAGS_HAVE_VECTORCALL, in the limited API since 3.12 */

typedef PyObject *(*pyro_vectorcall)(PyObject *callable, PyObject *const *args, size_t nargsf,
                                     PyObject *kwnames);
typedef int (*pyro_tracefunc)(PyObject *object, PyObject *frame, int what, PyObject *argument);

enum { /* what of a legacy profile or trace function, Include/cpython/pystate.h */
       PYRO_TRACE_CALL = 0,
       PYRO_TRACE_LINE = 2,
       PYRO_TRACE_RETURN = 3,
       PYRO_TRACE_C_CALL = 4,
       PYRO_TRACE_C_EXCEPTION = 5,
       PYRO_TRACE_C_RETURN = 6,
};

/* Functions outside of the limited API, NULL where this version has none. */
struct pyro_python {
    Py_ssize_t (*request_code_extra)(void (*release)(void *));
    int (*set_code_extra)(PyObject *code, Py_ssize_t index, void *extra);
    int (*line_of)(PyObject *code, int offset); /* PyCode_Addr2Line() */
    int (*set_profile)(PyThreadState *thread, pyro_tracefunc function, PyObject *object); /* 3.11 */
    int (*set_trace)(PyThreadState *thread, pyro_tracefunc function, PyObject *object);   /* 3.11 */
    int (*stack_effect)(int opcode, int argument,
                        int jump); /* PyCompile_OpcodeStackEffectWithJump() */
    const PyTypeObject *cell_type; /* PyCell_Type */
    PyThreadState *(*first_thread)(PyInterpreterState *interpreter);
    PyThreadState *(*next_thread)(PyThreadState *thread);
    void (*begin_section)(void *section, PyObject *object); /* PyCriticalSection_Begin(), 3.13+ */
    void (*end_section)(void *section);
    void (*lock_mutex)(uint8_t *mutex); /* PyMutex_Lock(), 3.13+ */
    void (*unlock_mutex)(uint8_t *mutex);
    int (*is_finalizing)(void); /* Py_IsFinalizing(), 3.13+ */
};
extern struct pyro_python pyro_python;

/* Once. -1 with an exception when something this version must have is missing. */
int pyro_python_find(void);

/* None as the result of a callback: immortal since 3.12, where a reference more would only undo that. */
static inline PyObject *pyro_none(void)
{
    return Py_None;
}

#endif
