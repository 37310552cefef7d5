/* probe/line_memory.h - one call, line by line: what each line left allocated, and what was resident when it ended.
 *
 * For pyrometer.profile_memory. What a line left is what its thread allocated while it stood on the stack, less what the thread freed
 * then, what it called included; so memory must be tracked (heap_figures.h). Lines are told by sys.monitoring's local events of the
 * call's code (3.12+), or by the thread's trace function (3.11), and only while a call is watched. All calls want the GIL. */
#ifndef PYRO_PROBE_LINE_MEMORY_H
#define PYRO_PROBE_LINE_MEMORY_H

#include "probe/python.h"

/* watch(code) -> an object: the next call of CODE in this thread is watched. RuntimeError: other tools use every tool id, or (3.11) the
 * program has a trace function. */
PyObject *pyro_line_memory_watch(PyObject *self, PyObject *code);
/* lines(object) -> bytes resident when it was made, and a list of tuples of line, how often it began, bytes resident when it last
 * ended, and bytes it left. The call is watched no more. */
PyObject *pyro_line_memory_lines(PyObject *self, PyObject *watched);

#endif
