/* probe/line_codes.c - co_lines() as tables. */
#include "probe/line_codes.h"

#if !PYRO_FREE_THREADED

#include <stdlib.h>

#define LINES_MAX (UINT32_C(1) << 24) /* from the first to the last line of a code object */
#define UNITS_MAX (UINT32_C(1) << 24) /* instructions of one */

void pyro_line_code_free(struct pyro_line_code *code)
{
    if (!code)
        return;
    free(code->place_of_line);
    free(code->place_of_unit);
    free(code->lines);
    free(code);
}

/* One stretch of co_lines(): a tuple of the first and the last offset, and a line or None. False with an exception. */
static bool read_stretch(PyObject *stretch, uint32_t *ret_begin, uint32_t *ret_end,
                         uint32_t *ret_line)
{
    PyObject *line = PyTuple_GetItem(stretch, 2);
    long begin = PyLong_AsLong(PyTuple_GetItem(stretch, 0));
    long end = PyLong_AsLong(PyTuple_GetItem(stretch, 1));
    long number = line && line != Py_None ? PyLong_AsLong(line) : 0;
    if (PyErr_Occurred())
        return false;
    *ret_begin = (uint32_t)begin / 2;
    *ret_end = (uint32_t)end / 2;
    *ret_line = number > 0 ? (uint32_t)number : 0;
    return true;
}

/* The smallest and largest line, and how many instructions there are. */
static bool measure(struct pyro_line_code *code, PyObject *stretches)
{
    uint32_t begin, end, line, last = 0;
    code->first_line = UINT32_MAX;
    for (Py_ssize_t i = 0; i < PyList_Size(stretches); i++) {
        if (!read_stretch(PyList_GetItem(stretches, i), &begin, &end, &line))
            return false;
        if (end > code->unit_count)
            code->unit_count = end;
        if (line && line < code->first_line)
            code->first_line = line;
        if (line > last)
            last = line;
    }
    code->line_count = last ? last - code->first_line + 1 : 0;
    return code->line_count <= LINES_MAX && code->unit_count <= UNITS_MAX;
}

static bool fill(struct pyro_line_code *code, PyObject *stretches)
{
    uint32_t begin, end, line;
    code->place_count = 1;
    for (Py_ssize_t i = 0; i < PyList_Size(stretches); i++) {
        if (!read_stretch(PyList_GetItem(stretches, i), &begin, &end, &line))
            return false;
        if (!line)
            continue;
        uint32_t *place = &code->place_of_line[line - code->first_line];
        if (!*place) {
            code->lines[code->place_count] = line;
            *place = code->place_count++;
        }
        for (uint32_t unit = begin; unit < end; unit++)
            code->place_of_unit[unit] = *place;
    }
    return true;
}

struct pyro_line_code *pyro_line_code_new(PyObject *object, uint32_t id)
{
    struct pyro_line_code *code = calloc(1, sizeof(*code));
    PyObject *lines = code ? PyObject_CallMethod(object, "co_lines", NULL) : NULL;
    PyObject *stretches = lines ? PySequence_List(lines) : NULL;
    bool good = stretches && measure(code, stretches);
    if (good) {
        code->id = id;
        code->place_of_line = calloc(code->line_count + 1, sizeof(uint32_t));
        code->place_of_unit = calloc(code->unit_count + 1, sizeof(uint32_t));
        code->lines = calloc(code->line_count + 1, sizeof(uint32_t));
        good = code->place_of_line && code->place_of_unit && code->lines && fill(code, stretches);
    }
    Py_XDECREF(stretches);
    Py_XDECREF(lines);
    if (good)
        return code;
    pyro_line_code_free(code);
    return NULL;
}

#endif /* PYRO_FREE_THREADED */
