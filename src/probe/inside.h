/* probe/inside.h - our own interpreter's structs, read in place.
 *
 * The layouts are those of src/cpython/, which the sampler uses from outside. They are proved before anything else
 * happens: the walk of this thread's own stack must equal sys._getframe()'s, and extra data set on a code object must
 * be where we look for it. */
#ifndef PYRO_PROBE_INSIDE_H
#define PYRO_PROBE_INSIDE_H

#include "probe/python.h"

/* Offsets in bytes. Frames are struct _PyInterpreterFrame. */
struct pyro_inside {
    uint32_t minor;
    uint32_t tstate_frame; /* to the frame, or (3.11, 3.12) to a cframe ... */
    uint32_t cframe_frame; /* ... and there to the frame */
    uint32_t tstate_interp;
    bool has_cframe;
    uint32_t frame_code, frame_previous, frame_owner, frame_instruction, frame_locals;
    uint32_t code_flags, code_line, code_file, code_qualname, code_bytecode;
    uint32_t code_extra;           /* to a struct pyro_code_extras */
    uint32_t code_first_traceable; /* probe/callers.c's: an instruction */
    uint32_t integer_digits, cell_content, type_basicsize;
    uint32_t script_mark, script_path; /* 3.14+, of a thread: probe/scripts.c's */
    uint32_t script_path_size;         /* 0: it has none */
    Py_ssize_t extra_index;
};
extern struct pyro_inside pyro_inside;

struct pyro_code_extras { /* _PyCodeObjectExtra, Objects/codeobject.c */
    Py_ssize_t size;
    void *items[];
};

/* Learn and prove the layout, once. Extra data of a code object is freed by free() when that dies; without a GIL it is what
 * pyro_records_died() is told. -1 with an exception: this
 * is no place for a probe. */
int pyro_inside_init(void);
/* Of variables that init does not prove: pyro_frame_local() is right, by the first one of the Python function that runs, which its f_locals has. */
bool pyro_inside_proves_locals(void);

#define PYRO_OWNER_SHIM_MIN 3 /* 3.12+: frames of the C stack and the interpreter */

static inline void *pyro_at(const void *object, uint32_t offset)
{
    return *(void *const *)((const char *)object + offset);
}

static inline uint32_t pyro_u32_at(const void *object, uint32_t offset)
{
    return *(const uint32_t *)((const char *)object + offset);
}

/* The innermost frame of THREAD; NULL: none. */
static inline void *pyro_current_frame(PyThreadState *thread)
{
    void *at = pyro_at(thread, pyro_inside.tstate_frame);
    return pyro_inside.has_cframe ? pyro_at(at, pyro_inside.cframe_frame) : at;
}

/* A borrowed code object; a reference may be tagged (3.14+). */
static inline PyObject *pyro_frame_code(const void *frame)
{
    return (PyObject *)((uintptr_t)pyro_at(frame, pyro_inside.frame_code) & ~(uintptr_t)3);
}

/* A local variable of FRAME, borrowed; NULL: it has no value. Not of a cell's. */
static inline PyObject *pyro_frame_local(const void *frame, uint32_t slot)
{
    const void *locals = (const char *)frame + pyro_inside.frame_locals;
    return (PyObject *)((uintptr_t)pyro_at(locals, slot * (uint32_t)sizeof(void *)) &
                        ~(uintptr_t)3);
}

/* Where FRAME stands, in bytes from the first instruction of CODE, its code. */
static inline int pyro_frame_offset(const void *frame, const PyObject *code)
{
    const char *at = pyro_at(frame, pyro_inside.frame_instruction);
    return (int)(at - ((const char *)code + pyro_inside.code_bytecode));
}

/* Is FRAME one of the interpreter's own (3.12+): on the C stack, or of the code that ends the call of a class? That code is
 * CO_OPTIMIZED without CO_NEWLOCALS (Python/ceval.c, _Py_InitCleanup), which the compiler makes of nothing. */
static inline bool pyro_is_shim(const void *frame)
{
    if (*((const uint8_t *)frame + pyro_inside.frame_owner) >= PYRO_OWNER_SHIM_MIN)
        return true;
    return (pyro_u32_at(pyro_frame_code(frame), pyro_inside.code_flags) & 3) == 1;
}

/* The frame of Python code below FRAME; NULL: it is the first one. */
static inline void *pyro_caller_frame(const void *frame)
{
    void *caller = pyro_at(frame, pyro_inside.frame_previous);
    while (caller && pyro_inside.minor >= 12 && pyro_is_shim(caller))
        caller = pyro_at(caller, pyro_inside.frame_previous);
    return caller;
}

/* 3.11: Include/opcode.h. Events of entered frames come at their RESUME, whose argument says from where: 0 is the
 * beginning, the others are behind a yield or await. */
#define PYRO_RESUME         151
#define PYRO_RESUME_QUICK   150
#define PYRO_RESUME_FROM(x) ((x)&3)
#define PYRO_YIELD_VALUE    86

/* 3.11: does FRAME, entered now, begin, or does a generator go on? */
static inline bool pyro_frame_begins(const void *frame)
{
    const uint8_t *instruction = pyro_at(frame, pyro_inside.frame_instruction);
    return (instruction[0] == PYRO_RESUME || instruction[0] == PYRO_RESUME_QUICK) &&
           PYRO_RESUME_FROM(instruction[1]) == 0;
}

/* 3.11: does FRAME, left now with VALUE (NULL: an exception), go on later? */
static inline bool pyro_frame_yields(const void *frame, const PyObject *value)
{
    const uint8_t *instruction = pyro_at(frame, pyro_inside.frame_instruction);
    return value && instruction[0] == PYRO_YIELD_VALUE;
}

/* Our data on CODE, NULL: none. */
static inline void *pyro_code_extra(const PyObject *code)
{
    const struct pyro_code_extras *extras = pyro_at(code, pyro_inside.code_extra);
    return extras && extras->size > pyro_inside.extra_index ? extras->items[pyro_inside.extra_index]
                                                            : NULL;
}

/* A small int's value, as callbacks get instruction offsets. */
static inline uint32_t pyro_small_int(const PyObject *integer)
{
    return *(const uint32_t *)((const char *)integer + pyro_inside.integer_digits);
}

#endif
