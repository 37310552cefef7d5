/* probe/line_figures.h - lines counted for the program itself: pyrometer.LineProfiler.
 *
 * In the memory that `pyrometer run` gave us, or where nobody gave any in memory of our own; what lines of a code object
 * have is read back from there. All calls want the GIL. */
#ifndef PYRO_PROBE_LINE_FIGURES_H
#define PYRO_PROBE_LINE_FIGURES_H

#include "probe/python.h"

/* listen(code, on): have the lines of a code object counted, or no more. */
PyObject *pyro_line_figures_listen(PyObject *self, PyObject *arguments);
/* lines_of(code): a list of tuples of line, hits and nanoseconds, of lines that ran. */
PyObject *pyro_line_figures_of(PyObject *self, PyObject *code);

#endif
