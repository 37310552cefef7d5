/* probe/line_memory.c - calls that are watched, and the callbacks. */
#include "probe/line_memory.h"

#include "probe/current.h"
#include "probe/hooks.h"
#include "probe/inside.h"
#include "probe/legacy.h"
#include "probe/line_codes.h"
#include "probe/line_trace.h"
#include "probe/memory.h"

#include <stdlib.h>

struct place {
    uint64_t hits, resident;
    int64_t net;
};

struct call {
    struct call *next;
    PyObject *code; /* a reference */
    struct pyro_line_code *lines;
    PyThreadState *owner; /* the thread that watches, in which it begins */
    bool begun;
    const void *frame; /* NULL: it is not open */
    uint32_t at;       /* the place of its line; 0: none yet */
    bool stands;       /* there: it is not suspended */
    int64_t since;     /* the thread's net bytes when it came there */
    uint64_t resident; /* at the beginning */
    struct place places[];
};

static const char capsule_name[] = "pyrometer.watched_call";
static struct call *calls; /* the newest first */
static struct pyro_hooks hooks;

/* -- a line ------------------------------------------------------------------------------------- */

static void leave(struct call *call)
{
    if (call->at && call->stands) {
        struct place *place = &call->places[call->at];
        place->net += pyro_memory_net() - call->since;
        place->resident = pyro_memory_resident();
    }
    call->stands = false;
}

static void stand(struct call *call)
{
    call->stands = true;
    call->since = pyro_memory_net();
}

static void hit(struct call *call, uint32_t at)
{
    leave(call);
    if (at) {
        call->at = at;
        call->places[at].hits++;
    }
    stand(call);
}

static void begin(const PyObject *code, PyThreadState *thread, const void *frame)
{
    struct call *call = calls;
    while (call && (call->code != code || call->owner != thread || call->begun))
        call = call->next;
    if (!call)
        return;
    call->begun = true;
    call->frame = frame;
}

static void end(struct call *call)
{
    leave(call);
    call->frame = NULL;
}

/* The one that is open in the innermost frame. NULL: none. */
static struct call *open_call(const PyObject *code, const void *frame)
{
    struct call *call = calls;
    while (call && (call->frame != frame || call->code != code))
        call = call->next;
    return call;
}

static struct call *current_call(const PyObject *code)
{
    return open_call(code, pyro_current_frame(pyro_current_thread()));
}

/* -- 3.12+: sys.monitoring ---------------------------------------------------------------------- */

/* PY_START(code, offset) */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyThreadState *thread = pyro_current_thread();
    begin(args[0], thread, pyro_current_frame(thread));
    return pyro_none();
}

/* PY_RESUME(code, offset) */
static PyObject *on_resume(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct call *call = current_call(args[0]);
    if (call)
        stand(call);
    return pyro_none();
}

/* PY_YIELD(code, offset, value) */
static PyObject *on_yield(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct call *call = current_call(args[0]);
    if (call)
        leave(call);
    return pyro_none();
}

/* PY_RETURN(code, offset, value), PY_UNWIND alike, but of all code */
static PyObject *on_end(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct call *call = current_call(args[0]);
    if (call)
        end(call);
    return pyro_none();
}

/* LINE(code, line) */
static PyObject *on_line(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct call *call = current_call(args[0]);
    if (call)
        hit(call, pyro_line_code_place(call->lines, pyro_small_int(args[1])));
    return pyro_none();
}

/* JUMP(code, from, to): back onto its own line, of which LINE does not tell */
static PyObject *on_jump(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    uint32_t from = pyro_small_int(args[1]), to = pyro_small_int(args[2]);
    struct call *call = to > from ? NULL : current_call(args[0]);
    uint32_t at = call ? pyro_line_code_at(call->lines, to) : 0;
    if (at && at == pyro_line_code_at(call->lines, from))
        hit(call, at);
    return pyro_none();
}

static int set_hooks(void)
{
    const enum pyro_event local[] = {PYRO_PY_START, PYRO_PY_RESUME, PYRO_PY_RETURN,
                                     PYRO_PY_YIELD, PYRO_LINE,      PYRO_JUMP};
    hooks = (struct pyro_hooks){
        .on =
            {
                [PYRO_PY_START] = on_start,
                [PYRO_PY_RESUME] = on_resume,
                [PYRO_PY_RETURN] = on_end,
                [PYRO_PY_YIELD] = on_yield,
                [PYRO_PY_UNWIND] = on_end,
                [PYRO_LINE] = on_line,
                [PYRO_JUMP] = on_jump,
            },
    };
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        hooks.local |= PYRO_EVENT_BIT(local[i]);
    return pyro_hooks_set(&hooks);
}

/* -- 3.11: the thread's trace function ---------------------------------------------------------- */

static int on_trace(PyObject *self, PyObject *frame_object, int what, PyObject *argument)
{
    PyThreadState *thread = pyro_current_thread();
    const void *frame = pyro_current_frame(thread);
    PyObject *code = pyro_frame_code(frame);
    struct call *call = open_call(code, frame);
    if (what == PYRO_TRACE_CALL && !call)
        begin(code, thread, frame);
    if (!call)
        return 0;
    if (what == PYRO_TRACE_CALL)
        stand(call);
    else if (what == PYRO_TRACE_LINE)
        hit(call, pyro_line_code_place(
                      call->lines, (uint32_t)PyFrame_GetLineNumber((PyFrameObject *)frame_object)));
    else if (what == PYRO_TRACE_RETURN && pyro_frame_yields(frame, argument))
        leave(call);
    else if (what == PYRO_TRACE_RETURN)
        end(call);
    return 0;
}

static bool watches(const PyThreadState *thread)
{
    const struct call *call = calls;
    while (call && call->owner != thread)
        call = call->next;
    return call != NULL;
}

/* A debugger's is not to be replaced. -1 with an exception. */
static int set_trace(PyThreadState *thread)
{
    if (pyro_line_trace_taken(thread, on_trace)) {
        PyErr_SetString(PyExc_RuntimeError, "the program has a trace function of its own");
        return -1;
    }
    return pyro_python.set_trace(thread, on_trace, NULL);
}

/* -- calls -------------------------------------------------------------------------------------- */

/* Of code that nobody watches any more. */
static void have_no_events(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (pyro_inside.minor >= 12 && !calls)
        pyro_hooks_clear(&hooks);
    else if (pyro_inside.minor < 12 && !watches(PyThreadState_Get()) &&
             pyro_legacy_trace_function(PyThreadState_Get()) == on_trace &&
             pyro_python.set_trace(PyThreadState_Get(), NULL, NULL) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static int have_events_of(PyObject *code)
{
    if (pyro_inside.minor < 12)
        return set_trace(PyThreadState_Get());
    if ((hooks.tool || set_hooks() == 0) && pyro_hooks_watch(&hooks, code) == 0)
        return 0;
    have_no_events();
    return -1;
}

static void watch_no_more(struct call *call)
{
    struct call **link = &calls;
    while (*link && *link != call)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = call->next;
    have_no_events();
}

static void call_free(struct call *call)
{
    watch_no_more(call);
    pyro_line_code_free(call->lines);
    Py_DECREF(call->code);
    free(call);
}

static void capsule_free(PyObject *capsule)
{
    call_free(PyCapsule_GetPointer(capsule, capsule_name));
}

static struct call *call_new(PyObject *code)
{
    struct pyro_line_code *lines = pyro_line_code_new(code, 0);
    size_t places = lines ? lines->place_count : 0;
    struct call *call = lines ? calloc(1, sizeof(*call) + places * sizeof(struct place)) : NULL;
    if (!call) {
        pyro_line_code_free(lines);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    call->code = Py_NewRef(code);
    call->lines = lines;
    call->owner = PyThreadState_Get();
    return call;
}

PyObject *pyro_line_memory_watch(PyObject *self, PyObject *code)
{
    if (pyro_inside_init() < 0)
        return NULL;
    if (Py_TYPE(code) != Py_TYPE(pyro_frame_code(pyro_current_frame(PyThreadState_Get())))) {
        PyErr_SetString(PyExc_TypeError, "a code object is needed");
        return NULL;
    }
    struct call *call = call_new(code);
    PyObject *capsule = call ? PyCapsule_New(call, capsule_name, capsule_free) : NULL;
    if (call && !capsule)
        call_free(call);
    if (!capsule || have_events_of(code) < 0) {
        Py_XDECREF(capsule);
        return NULL;
    }
    call->next = calls;
    calls = call;
    call->resident = pyro_memory_resident();
    return capsule;
}

PyObject *pyro_line_memory_lines(PyObject *self, PyObject *watched)
{
    struct call *call = PyCapsule_GetPointer(watched, capsule_name);
    if (!call)
        return NULL;
    end(call);
    watch_no_more(call);
    PyObject *rows = PyList_New(0);
    for (uint32_t at = 1; rows && at < call->lines->place_count; at++) {
        const struct place *place = &call->places[at];
        if (!place->hits)
            continue;
        PyObject *row =
            Py_BuildValue("IKKL", call->lines->lines[at], (unsigned long long)place->hits,
                          (unsigned long long)place->resident, (long long)place->net);
        if (!row || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    return rows ? Py_BuildValue("KN", (unsigned long long)call->resident, rows) : NULL;
}
