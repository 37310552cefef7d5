/* probe/inside.c - learn the layout of this interpreter, and prove it. */
#include "probe/inside.h"

#include "base/error.h"
#include "cpython/layout.h"
#include "probe/current.h"
#if PYRO_FREE_THREADED
#include "probe/records.h"
#endif

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define MINOR_MIN               11
#define MINOR_MAX               15
#define FREE_THREADED_MINOR_MAX 13     /* no other one was ever there to try */
#define FRAMES_MAX              100000 /* walked to prove the layout */

struct pyro_inside pyro_inside;

static int refuse(const char *reason)
{
    PyErr_Format(PyExc_ImportError, "the probe does not fit this Python: %s", reason);
    return -1;
}

/* -- the layout --------------------------------------------------------------------------------- */

static int find_layout(struct pyro_layout *layout)
{
    struct pyro_error error = {0};
    uint32_t minor = Py_Version >> 16 & 0xff;
    if (Py_Version >> 24 != 3 || minor < MINOR_MIN || minor > MINOR_MAX)
        return refuse("it knows 3.11 to 3.15");
    if (minor < 13)
        return pyro_layout_static((uint32_t)Py_Version, layout) == 0 ? 0 : refuse("no layout");
    const void *offsets = dlsym(RTLD_DEFAULT, "_PyRuntime");
    if (!offsets || memcmp(offsets, PYRO_DEBUG_OFFSETS_COOKIE, 8) != 0)
        return refuse("no debug offsets");
    if (pyro_layout_from_debug_offsets(offsets, PYRO_DEBUG_OFFSETS_READ_MAX, layout, &error) < 0)
        return refuse(error.message);
    if (layout->free_threaded != PYRO_FREE_THREADED)
        return refuse("a free-threaded build needs a probe of its own");
    if (layout->free_threaded && minor > FREE_THREADED_MINOR_MAX)
        return refuse("of free-threaded builds it was tried in 3.13 only");
    return 0;
}

/* Offsets for debuggers, if they are plausible. */
static void take_script(const struct pyro_layout *layout)
{
    uint32_t mark = layout->remote.support + layout->remote.pending_call;
    uint32_t path = layout->remote.support + layout->remote.script_path;
    uint32_t size = layout->remote.script_path_size;
    if (layout->minor < 14 || mark % 4 || mark >= PYRO_TSTATE_SIZE_MAX ||
        path >= PYRO_TSTATE_SIZE_MAX || size > PYRO_TSTATE_SIZE_MAX - path)
        return;
    pyro_inside.script_mark = mark;
    pyro_inside.script_path = path;
    pyro_inside.script_path_size = size;
}

static void take_layout(const struct pyro_layout *layout)
{
    pyro_inside = (struct pyro_inside){
        .minor = layout->minor,
        .tstate_frame = layout->tstate.frame,
        .tstate_interp = layout->tstate.interp,
        .has_cframe = layout->frames == PYRO_FRAMES_CFRAME,
        .cframe_frame = layout->cframe_current_frame,
        .frame_code = layout->frame.executable,
        .frame_previous = layout->frame.previous,
        .frame_owner = layout->frame.owner,
        .frame_instruction = layout->frame.instruction,
        .frame_locals = layout->frame.localsplus,
        .code_flags = layout->code.flags,
        .code_line = layout->code.first_line,
        .code_file = layout->code.filename,
        .code_qualname = layout->code.qualname,
        .code_bytecode = layout->code.bytecode,
        .integer_digits = layout->integer.digits,
        .cell_content = layout->cell.content,
        .type_basicsize = layout->type.basicsize,
    };
    take_script(layout);
}

/* -- proofs ------------------------------------------------------------------------------------- */

/* Our walk and the interpreter's own, frame by frame. */
static int prove_frames(void)
{
    void *frame = pyro_current_frame(PyThreadState_Get());
    PyObject *theirs = (PyObject *)PyEval_GetFrame();
    Py_XINCREF(theirs);
    bool same = theirs != NULL;
    for (int i = 0; same && theirs && theirs != Py_None && i < FRAMES_MAX; i++) {
        PyObject *code = PyObject_GetAttrString(theirs, "f_code");
        PyObject *back = code ? PyObject_GetAttrString(theirs, "f_back") : NULL;
        same = back && frame && pyro_frame_code(frame) == code;
        frame = frame ? pyro_caller_frame(frame) : NULL;
        Py_XDECREF(code);
        Py_DECREF(theirs);
        theirs = back;
    }
    Py_XDECREF(theirs);
    if (PyErr_Occurred())
        return -1;
    return same && !frame ? 0 : refuse("its frames are not where they should be");
}

#if PYRO_FREE_THREADED

static void (*const extra_dies)(void *extra) = pyro_records_died;

/* It is not looked at: probe/records.h. */
static int find_code_extra(PyObject *code)
{
    return 0;
}

#else

/* No address of free() itself: our calls of it would then go through a program's stub (slots.c). */
static void extra_dies(void *extra)
{
    free(extra);
}

/* Code objects have a pointer to extra data whose place no table tells: set some and look what changed. */
static int find_code_extra(PyObject *code)
{
    size_t size = pyro_inside.code_bytecode / sizeof(void *);
    void **words = (void **)code, *before[PYRO_CODE_SIZE_MAX / sizeof(void *)];
    void *mark = calloc(1, 1); /* released like any extra data, by free() */
    if (!mark)
        return refuse("out of memory");
    memcpy(before, words, size * sizeof(void *));
    if (pyro_python.set_code_extra(code, pyro_inside.extra_index, mark) < 0)
        return -1;
    int found = 0;
    for (size_t i = 2; i < size; i++) {
        const struct pyro_code_extras *extras = words[i];
        if (before[i] || !extras || extras->size <= pyro_inside.extra_index ||
            extras->items[pyro_inside.extra_index] != mark)
            continue;
        pyro_inside.code_extra = (uint32_t)(i * sizeof(void *));
        found++;
    }
    if (pyro_python.set_code_extra(code, pyro_inside.extra_index, NULL) < 0)
        return -1;
    return found == 1 ? 0 : refuse("its code objects keep extra data elsewhere");
}

#endif

static int prove_code(PyObject *code)
{
    PyObject *line = PyObject_GetAttrString(code, "co_firstlineno");
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *name = PyObject_GetAttrString(code, "co_qualname");
    bool same = line && file && name &&
                PyLong_AsLong(line) == (long)pyro_u32_at(code, pyro_inside.code_line) &&
                pyro_small_int(line) == pyro_u32_at(code, pyro_inside.code_line) &&
                pyro_at(code, pyro_inside.code_file) == file &&
                pyro_at(code, pyro_inside.code_qualname) == name;
    Py_XDECREF(line);
    Py_XDECREF(file);
    Py_XDECREF(name);
    if (PyErr_Occurred())
        return -1;
    return same ? 0 : refuse("its code objects are not as they should be");
}

int pyro_inside_init(void)
{
    static bool proved;
    struct pyro_layout layout;
    if (proved)
        return 0;
    if (pyro_python_find() < 0 || find_layout(&layout) < 0)
        return -1;
    take_layout(&layout);
    if (layout.code.bytecode > PYRO_CODE_SIZE_MAX)
        return refuse("its code objects are too large");
    if (prove_frames() < 0)
        return -1;
    pyro_inside.extra_index = pyro_python.request_code_extra(extra_dies);
    if (pyro_inside.extra_index < 0)
        return refuse("no room for extra data of code objects");
    PyObject *code = Py_CompileString("\n\n\n0", "<pyrometer>", Py_eval_input);
    if (!code)
        return -1;
    int result = prove_code(code);
    if (result == 0)
        result = find_code_extra(code);
    Py_DECREF(code);
    proved = result == 0;
    if (proved && pyro_inside.minor >= 12)
        pyro_current_find();
    return result;
}

bool pyro_inside_proves_locals(void)
{
    static bool proved;
    if (proved)
        return true; /* f_locals may leave the frame a dictionary of all (up to 3.12) */
    const void *frame = pyro_current_frame(PyThreadState_Get());
    PyObject *object = (PyObject *)PyEval_GetFrame();
    PyObject *names = NULL, *locals = NULL, *value = NULL;
    if (object && frame)
        names = PyObject_GetAttrString(pyro_frame_code(frame), "co_varnames");
    if (names && PyTuple_Size(names) > 0)
        locals = PyObject_GetAttrString(object, "f_locals");
    if (locals)
        value = PyObject_GetItem(locals, PyTuple_GetItem(names, 0));
    proved = value && pyro_frame_local(frame, 0) == value;
    Py_XDECREF(value);
    Py_XDECREF(locals);
    Py_XDECREF(names);
    PyErr_Clear();
    return proved;
}
