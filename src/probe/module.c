/* probe/module.c - the face of the probe: what the bootstrap calls, and the type Profile.
 *
 *     module.c      this file: start, stop
 *     inside.c      the structs of this interpreter, proved
 *     scripts.c     what its threads were asked for from outside
 *     lock.h        what no GIL keeps apart
 *     turn.c        who may change hooks then
 *     records.c     what threads then know of code objects, each for itself
 *     current.c     the thread that runs, without asking
 *     python.c      functions outside of the limited API
 *     hooks.c       the interpreter calls us
 *     legacy.c      so does 3.11, by the profile function of each thread
 *     callees.c     which C function is called, and its name
 *     gauge.c       how fast the machine is
 *     loops.c       what hooks cost, by loops that do nothing but call
 *     costs.c       what it costs to time calls, by such loops
 *
 * Counting, for `pyrometer run`:
 *
 *     counting.c    the callbacks
 *     calibrate.c   what they cost
 *     names.c       ids of functions
 *     threads.c     tables of edges, one a thread
 *     queries.c     what is sent to databases, and from where
 *     orms.c        the libraries that do
 *     blocks.c      the shared memory they all lie in
 *
 * Timing them, for `pyrometer run --trace`, with the last three of these and
 *
 *     tracing.c     the callbacks
 *     path.c        the calls that are open in a thread
 *     contexts.c    the tree of calling contexts, in shared memory
 *
 * Counting lines, for `pyrometer run --lines`, beside the counting of calls:
 *
 *     lines.c       the callbacks, and the functions that are chosen
 *     line_codes.c  the lines that a code object has
 *     line_trace.c  3.11: the trace function of each thread
 *     wanted.c      which functions a name means
 *     marked.c      those that the program's source marks
 *     line_figures.c  what was counted, for pyrometer.LineProfiler
 *
 * Tracking memory, for `pyrometer run --memory`, with names.c and blocks.c:
 *
 *     memory.c      Python's allocators, wrapped
 *     native.c      C's
 *     slots.c       the imports through which other objects call those
 *     tracked.c     what all wrappers tell of blocks
 *     mappings.c    pages that were mapped
 *     callers.c     the stack that allocates
 *     heap.c        what is alive, and what was at the high-water mark
 *     heap_figures.c  the same for pyrometer.heap
 *     line_memory.c calls, line by line, for pyrometer.profile_memory
 *     own.c         memory for figures, where no run gave any
 *
 * pyrometer.Profile:
 *
 *     profiler.c    the type
 *     stats.c       its figures as Python objects
 *     profiles.c    which Profiles are on, and in which threads
 *     events.c      the callbacks
 *     shadow.c      the calls that are open in a thread, and their arithmetic
 *     entries.c     the figures of a thread's functions and edges
 *
 * pyrometer.timed:
 *
 *     timed.c       the types
 *     durations.c   the histogram, and its clock
 *
 * pyrometer.web:
 *
 *     sql_text.c    how queries are told apart, as queries.c does it
 *     watched.c     a request that may turn out slow or failed */
#include "probe/blocks.h"
#include "probe/calibrate.h"
#include "probe/counting.h"
#include "probe/heap_figures.h"
#include "probe/inside.h"
#include "probe/line_figures.h"
#include "probe/line_memory.h"
#include "probe/lines.h"
#include "probe/lock.h"
#include "probe/marked.h"
#include "probe/memory.h"
#include "probe/names.h"
#include "probe/profiler.h"
#include "probe/queries.h"
#include "probe/scripts.h"
#include "probe/sql_text.h"
#include "probe/threads.h"
#include "probe/timed.h"
#include "probe/tracing.h"
#include "probe/watched.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static bool follow; /* forked children count, too */
static bool running;
static bool hooked; /* as long as we run, and in a forked child until it is cleaned up */
static bool watches_forks;

/* -- fork --------------------------------------------------------------------------------------- */

#if PYRO_FREE_THREADED
pthread_mutex_t pyro_lock_mutex = PTHREAD_MUTEX_INITIALIZER;
#endif

/* In a child: nobody is armed, since that page was wiped. */
static void forked(void)
{
    pyro_unlock();
    if (!running)
        return;
    struct pyro_process_block *parent = pyro_blocks_process();
    bool counts = parent && parent->state == PYRO_PROBE_COUNTS;
    pyro_names_forked();
    pyro_queries_forked();
    struct pyro_process_block *own =
        follow && counts ? pyro_blocks_begin_process(pyro_names_next_id()) : NULL;
    if (parent && parent->tracks)
        pyro_memory_forked(own, parent->tracks, parent->heap.period);
    running = own != NULL; /* else a stop would be told of its parent */
    if (!own)
        return;
    own->state = PYRO_PROBE_COUNTS;
    if (!own->tracks)
        pyro_blocks_arm();
}

/* -- start -------------------------------------------------------------------------------------- */

static void set_reason(struct pyro_process_block *process)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    const char *reason = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    strncpy(process->reason, reason ? reason : "unknown", sizeof(process->reason) - 1);
    process->state = PYRO_PROBE_REFUSED;
    Py_XDECREF(text);
    PyErr_Restore(type, value, traceback);
}

/* Count, and measure what that costs. -1 with an exception: nothing is set then. */
static int begin_counting(struct pyro_process_block *process, bool c_calls)
{
    struct pyro_costs costs = {0};
    if (pyro_counting_start(c_calls) < 0)
        return -1;
    int result = pyro_calibrate(pyro_counting_switch, &costs);
    pyro_threads_take_gauge(PyThreadState_Get(), process->gauge_ticks);
    pyro_threads_forget(PyThreadState_Get());
#if !PYRO_FREE_THREADED
    pyro_threads_forget_all(); /* others ran in between */
    process->lost = 0;
#endif
    process->start_ns = costs.start_ns;
    process->call_ns = c_calls ? costs.call_ns : 0;
    if (result < 0)
        pyro_counting_stop();
    return result;
}

/* Time calls, alike. */
static int begin_tracing(struct pyro_process_block *process, bool c_calls)
{
    process->traces = true;
    if (pyro_tracing_start(c_calls) < 0)
        return -1;
    int result = pyro_tracing_measure(process);
    pyro_threads_take_gauge(PyThreadState_Get(), process->gauge_ticks);
    if (result < 0)
        pyro_tracing_stop();
    return result;
}

static void stop_calls(bool traces)
{
    if (pyro_blocks_process()->tracks)
        return; /* none were counted */
    if (traces)
        pyro_tracing_stop();
    else
        pyro_counting_stop();
}

/* Track memory, and count nothing. */
static int begin_tracking(struct pyro_process_block *process, enum pyro_tracking tracks,
                          uint64_t period)
{
    pyro_blocks_say("calls are not counted with --memory");
    return pyro_memory_start(process, tracks, period, NULL);
}

/* LINES NULL: none are counted. PERIOD: of memory, 0: it is not sampled. */
static int begin(struct pyro_process_block *process, bool c_calls, bool traces, const char *lines,
                 enum pyro_lines_way way, enum pyro_tracking memory, uint64_t period)
{
    if (pyro_inside_init() < 0)
        return -1;
    if (memory)
        return begin_tracking(process, memory, period);
    if ((traces ? begin_tracing(process, c_calls) : begin_counting(process, c_calls)) < 0)
        return -1;
    if (!lines || pyro_lines_start(lines, way, process) == 0)
        return 0;
    stop_calls(traces);
    return -1;
}

#if !PYRO_FREE_THREADED
/* The memory of this recording, and what points into it. */
static void forget(void)
{
    pyro_names_forget();
    pyro_queries_forked();
    pyro_blocks_close();
}
#endif

static void unhook(void)
{
    if (!hooked)
        return;
    pyro_memory_stop();
    pyro_lines_stop();
    stop_calls(pyro_blocks_process()->traces);
    if (running)
        pyro_blocks_process()->state = PYRO_PROBE_STOPPED;
    running = hooked = false;
#if !PYRO_FREE_THREADED /* without a GIL, threads may be in a callback */
    forget();
#endif
}

static PyObject *os_error(int code)
{
    errno = -code;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *start(PyObject *self, PyObject *arguments)
{
    int fd, c_calls, traces, follows, line_times = 1, memory = 0;
    unsigned long long period = 0;
    const char *lines = NULL;
    if (!PyArg_ParseTuple(arguments, "ippp|zipK:start", &fd, &c_calls, &traces, &follows, &lines,
                          &memory, &line_times, &period))
        return NULL;
    if (period > PYRO_SAMPLING_PERIOD_MAX) {
        PyErr_SetString(PyExc_ValueError, "samples of memory too far apart");
        return NULL;
    }
    if (running) {
        PyErr_SetString(PyExc_RuntimeError, "the probe runs already");
        return NULL;
    }
    unhook(); /* what the process that forked this one left */
    int code = pyro_blocks_open(fd);
    if (code < 0)
        return os_error(code);
    struct pyro_process_block *process = pyro_blocks_begin_process(0);
    if (!process) {
        pyro_blocks_close();
        return os_error(-ENOMEM);
    }
    process->python_version = (uint32_t)Py_Version;
    process->c_calls = (uint32_t)c_calls;
    follow = follows;
    enum pyro_lines_way way = line_times ? PYRO_LINES_TIME : PYRO_LINES_COUNT;
    if (begin(process, c_calls, traces, lines, way, (enum pyro_tracking)memory, period) < 0) {
        set_reason(process);
#if !PYRO_FREE_THREADED
        forget();
#endif
        return NULL;
    }
    running = hooked = true;
    if (!watches_forks)
        watches_forks = pthread_atfork(pyro_lock, pyro_unlock, forked) == 0;
    process->state = PYRO_PROBE_COUNTS;
    return Py_NewRef(Py_None);
}

#if !PYRO_FREE_THREADED
static PyObject *tables(PyObject *self, PyObject *unused)
{
    int fd = pyro_tables_new();
    return fd < 0 ? os_error(fd) : PyLong_FromLong(fd);
}

static PyObject *raise_later(PyObject *self, PyObject *type)
{
    int count = PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), type);
    return PyBool_FromLong(count);
}
#endif

static PyObject *stop(PyObject *self, PyObject *unused)
{
    unhook();
    return Py_NewRef(Py_None);
}

/* -- module ------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"start", start, METH_VARARGS,
     "start(fd, c_calls, traces, follow, lines=None, memory=0)\n\nCount calls, or with traces "
     "time them, "
     "into "
     "the memory behind the file descriptor\nfd; those of C functions if c_calls, in forked "
     "children "
     "if follow. With lines, count\nthose of the functions that are named there too, and of those "
     "that are marked. With memory,\ntrack what is allocated instead: 1 by Python's allocators, 2 "
     "by C code, too.\nImportError: this Python is "
     "not one the probe fits. RuntimeError: it runs "
     "already,\nor no tool id is free."},
#if !PYRO_FREE_THREADED
    {"tables", tables, METH_NOARGS,
     "tables() -> int\n\nNew memory to count into: a file descriptor for start(), which others may "
     "map, too."},
    {"raise_later", raise_later, METH_O,
     "raise_later(type)\n\nHave the calling thread raise it as soon as it runs other code than "
     "ours."},
    {"forget_script", pyro_scripts_forget, METH_O,
     "forget_script(path) -> int\n\nTake it back from threads that were asked to execute it; how "
     "many others do so now."},
    {"profile", pyro_marked_profile, METH_O,
     "profile(function) -> function\n\nA decorator: have the function's lines counted. It is "
     "returned as it is."},
    {"listen", pyro_line_figures_listen, METH_VARARGS,
     "listen(code, on)\n\nHave the lines of a code object counted, or no more. ImportError: this "
     "Python is not one\nthe probe fits. RuntimeError: no tool id is free, or another "
     "interpreter."},
    {"lines_of", pyro_line_figures_of, METH_O,
     "lines_of(code) -> list of (line, hits, nanoseconds)\n\nOf lines that were counted and ran, "
     "by all threads."},
    {"heap_start", pyro_heap_figures_start, METH_O,
     "heap_start(native)\n\nTrack what this process allocates, for what follows. RuntimeError: a "
     "run "
     "does."},
    {"heap_stop", pyro_heap_figures_stop, METH_NOARGS, "heap_stop()\n\nTrack no more."},
    {"heap_clear", pyro_heap_figures_clear, METH_NOARGS, "heap_clear()\n\nForget what is alive."},
    {"heap_reset_peak", pyro_heap_figures_reset_peak, METH_NOARGS,
     "heap_reset_peak()\n\nThe peak is what is alive now."},
    {"heap_is_on", pyro_heap_figures_is_on, METH_NOARGS, "heap_is_on()\n\nIs it tracked?"},
    {"heap_totals", pyro_heap_figures_totals, METH_NOARGS,
     "heap_totals() -> (live, peak, own, lost) or None\n\nBytes, and blocks. None: it is off."},
    {"heap_traces", pyro_heap_figures_traces, METH_O,
     "heap_traces(limit) -> list of (domain, size, frames, total frames)\n\nWhat is alive; frames "
     "are (file, line), innermost first."},
    {"heap_peak", pyro_heap_figures_peak, METH_O,
     "heap_peak(limit) -> the same\n\nWhat was alive at the peak; sizes are averages."},
    {"heap_traceback", pyro_heap_figures_traceback, METH_VARARGS,
     "heap_traceback(object, limit) -> (frames, total frames) or None\n\nWho allocated it."},
    {"watch_memory", pyro_line_memory_watch, METH_O,
     "watch_memory(code) -> object\n\nWatch the next call of a code object in this thread."},
    {"memory_of_lines", pyro_line_memory_lines, METH_O,
     "memory_of_lines(watched) -> (resident, list of (line, hits, resident, net))\n\nOf the call "
     "that was watched; bytes."},
    {"sql_shape", pyro_sql_text_shape, METH_O,
     "sql_shape(text) -> str\n\nA query without its values."},
    {"value_hash", pyro_sql_text_hash, METH_O,
     "value_hash(value) -> int or None\n\nTo compare parameters of queries; None: of these none "
     "is known."},
    {"is_library", pyro_sql_text_is_library, METH_O,
     "is_library(path) -> bool\n\nDoes the file belong to a library, or to Python?"},
    {"lazy_loader", pyro_sql_text_lazy_loader, METH_O,
     "lazy_loader(path) -> str or None\n\nThe function of that file that loads what an object "
     "refers to."},
    {"lazy_relation", pyro_sql_text_lazy_relation, METH_VARARGS,
     "lazy_relation(name, file, object) -> (str, str)\n\nThe attribute that such a function loads, "
     "and its class."},
    {"repetition", pyro_sql_text_repetition, METH_VARARGS,
     "repetition(shape, count, distinct, unknown, many, lazily) -> str or None\n\nWhich kind of "
     "too many they are."},
#endif
    {"stop", stop, METH_NOARGS, "stop()\n\nEverything as before the start."},
    {0},
};

static int init_names(PyObject *module)
{
    if (pyro_names_init() == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, init_names},
    {Py_mod_exec, pyro_profiler_init},
#if !PYRO_FREE_THREADED
    {Py_mod_exec, pyro_timed_init},
    {Py_mod_exec, pyro_watched_init},
#endif
#if PYRO_FREE_THREADED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyrometer._probe",
    .m_doc = "Counts and times calls from inside the interpreter.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__probe(void);
PyMODINIT_FUNC PyInit__probe(void)
{
    return PyModuleDef_Init(&definition);
}
