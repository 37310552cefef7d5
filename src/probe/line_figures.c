/* probe/line_figures.c - sums over the blocks of lines. */
#include "probe/line_figures.h"

#if !PYRO_FREE_THREADED

#include "probe/blocks.h"
#include "probe/inside.h"
#include "probe/line_codes.h"
#include "probe/lines.h"
#include "probe/own.h"

#include <stdlib.h>
#include <unistd.h>

/* -1 with an exception: this is no place for a probe, or there is no memory or tool id. */
static int begin(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "lines are counted in the main interpreter only");
        return -1;
    }
    if (pyro_inside_init() < 0 || pyro_own_blocks() < 0)
        return -1;
    if (pyro_lines_on())
        return 0;
    if (!pyro_armed->generation)
        pyro_blocks_arm();
    return pyro_lines_start("", PYRO_LINES_LISTEN, pyro_blocks_process());
}

/* -- what is asked ------------------------------------------------------------------------------ */

static bool is_code(PyObject *object)
{
    PyObject *own = pyro_frame_code(pyro_current_frame(PyThreadState_Get()));
    if (Py_TYPE(object) == Py_TYPE(own))
        return true;
    PyErr_SetString(PyExc_TypeError, "a code object is needed");
    return false;
}

PyObject *pyro_line_figures_listen(PyObject *self, PyObject *arguments)
{
    PyObject *code;
    int on;
    if (!PyArg_ParseTuple(arguments, "Op:listen", &code, &on) || begin() < 0 || !is_code(code))
        return NULL;
    return pyro_lines_listen(code, on) < 0 ? NULL : Py_NewRef(Py_None);
}

struct figures {
    uint64_t hits;
    int64_t ticks;
};

/* Of each place of CODE, over all threads: [place_count]. */
static void add_up(const struct pyro_line_code *code, struct figures *figures)
{
    const struct pyro_block_head *block = NULL;
    while ((block = pyro_blocks_next(block, PYRO_BLOCK_LINES))) {
        const struct pyro_line_entry *entries = (const struct pyro_line_entry *)(block + 1);
        for (uint32_t i = 0; i < block->used; i++) {
            if (entries[i].function != code->id)
                continue;
            uint32_t place = pyro_line_code_place(code, entries[i].line);
            figures[place].hits += entries[i].hits;
            figures[place].ticks += entries[i].ticks;
        }
    }
}

static PyObject *list_of(const struct pyro_line_code *code, const struct figures *figures)
{
    double tick_ns = pyro_blocks_process()->tick_ns;
    PyObject *list = PyList_New(0);
    for (uint32_t place = 1; list && place < code->place_count; place++) {
        if (!figures[place].hits)
            continue;
        double ns = figures[place].ticks > 0 ? (double)figures[place].ticks * tick_ns : 0;
        PyObject *line = Py_BuildValue("IKL", code->lines[place],
                                       (unsigned long long)figures[place].hits, (long long)ns);
        if (!line || PyList_Append(list, line) < 0)
            Py_CLEAR(list);
        Py_XDECREF(line);
    }
    return list;
}

PyObject *pyro_line_figures_of(PyObject *self, PyObject *code)
{
    if (!pyro_lines_on() ||
        pyro_blocks_process()->pid != getpid()) /* those of a parent are not ours */
        return PyList_New(0);
    if (!is_code(code))
        return NULL;
    const struct pyro_line_code *lines = pyro_lines_code(code);
    if (!lines)
        return PyList_New(0);
    struct figures *figures = calloc(lines->place_count, sizeof(*figures));
    if (!figures)
        return PyErr_NoMemory();
    add_up(lines, figures);
    PyObject *list = list_of(lines, figures);
    free(figures);
    return list;
}

#endif /* PYRO_FREE_THREADED */
