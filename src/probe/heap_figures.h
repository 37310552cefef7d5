/* probe/heap_figures.h - memory tracked for the program itself: pyrometer.heap.
 *
 * In the memory that `pyrometer run` gave us, or in memory of our own (own.h). Where the interpreter tells of new objects (3.13+,
 * PyRefTracer, if nobody else is told), a block that an object got from a free list is that object's maker's. What these
 * calls allocate themselves is tracked by nobody. All want the GIL. */
#ifndef PYRO_PROBE_HEAP_FIGURES_H
#define PYRO_PROBE_HEAP_FIGURES_H

#include "probe/python.h"

/* start(native): nothing happens if it is on. NATIVE: what C code allocates itself, too. ImportError: this Python is not one the probe fits. RuntimeError: `pyrometer run --memory`
 * tracks it, or a run whose forked child this is, which it does not follow; or C's allocators cannot be seen here. */
PyObject *pyro_heap_figures_start(PyObject *self, PyObject *native);
PyObject *pyro_heap_figures_stop(PyObject *self, PyObject *unused);
/* clear(): forget what is alive. */
PyObject *pyro_heap_figures_clear(PyObject *self, PyObject *unused);
/* reset_peak() */
PyObject *pyro_heap_figures_reset_peak(PyObject *self, PyObject *unused);
/* is_on(): True or False. It makes no object: who asks takes none out of a free list. */
PyObject *pyro_heap_figures_is_on(PyObject *self, PyObject *unused);
/* totals(): a tuple of bytes alive, at most alive, and taken to know it, and of blocks not known of. None: it is off. */
PyObject *pyro_heap_figures_totals(PyObject *self, PyObject *unused);
/* traces(limit): what is alive, a list with a tuple for each block: domain (0; 1: C code took it itself), size, a tuple of (file, line) of at most LIMIT frames,
 * innermost first, and how many frames there were. */
PyObject *pyro_heap_figures_traces(PyObject *self, PyObject *limit);
/* peak(limit): the same of what was alive at the high-water mark; blocks of one stack all have its average size, and domain 0. */
PyObject *pyro_heap_figures_peak(PyObject *self, PyObject *limit);
/* traceback(object, limit): of the block of OBJECT, the last two of these. None: it is not known. */
PyObject *pyro_heap_figures_traceback(PyObject *self, PyObject *arguments);

#endif
