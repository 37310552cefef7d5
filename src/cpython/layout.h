/* cpython/layout.h - where CPython keeps what, per version.
 *
 * 3.8-3.12: constant tables, checked against each version's real headers by tools/check_offsets.
 * 3.13+: read from the target's own _Py_DebugOffsets and validated here, never from a table.
 * Every offset was checked against PYRO_OFFSET_MAX and its struct's size before it lands here, so the
 * readers use them as they are. */
#ifndef PYRO_CPYTHON_LAYOUT_H
#define PYRO_CPYTHON_LAYOUT_H

#include "target/memory.h"

#define PYRO_ABSENT     UINT32_MAX /* this version has no such field */
#define PYRO_OFFSET_MAX (1u << 20) /* of any field in any struct */

/* Limits of the `size` of these structs, so that a reader may use a buffer on its stack. */
#define PYRO_TSTATE_SIZE_MAX 4096
#define PYRO_FRAME_SIZE_MAX  512
#define PYRO_CODE_SIZE_MAX   1024
#define PYRO_OBJECT_SIZE_MAX 1024 /* of the built-in types read here, and offsets in a type */

/* How a thread's innermost frame is reached, and what frames are. */
enum pyro_frame_style {
    PYRO_FRAMES_LINKED, /* 3.8-3.10: tstate->frame, PyFrameObject on the heap, f_back */
    PYRO_FRAMES_CFRAME, /* 3.11, 3.12: tstate->cframe->current_frame, frames in chunks */
    PYRO_FRAMES_CHUNK,  /* 3.13+: tstate->current_frame, frames in chunks */
};

/* In a free-threaded build there is a GIL only while its field `enabled` says so: on request (PYTHON_GIL=1), or for an extension
 * module that needs one. Other numbers are for the time of an import. */
#define PYRO_GIL_ENABLED INT32_MAX

/* All offsets in bytes from the start of the named struct. */
struct pyro_layout {
    uint32_t version; /* PY_VERSION_HEX */
    uint8_t minor;    /* 8 ... 15: 3.minor */
    bool free_threaded;
    bool guessed; /* newer than we know; the offsets passed the checks */
    enum pyro_frame_style frames;

    struct {
        uint32_t interpreters_head;
        uint32_t gil_holder, gil_locked; /* 3.8-3.11 only */
        uint32_t gc_collecting;          /* 3.8 only */
    } runtime;
    struct {
        uint32_t size; /* covers every field below */
        uint32_t next, id, threads_head, threads_main;
        uint32_t gil;             /* 3.12+: pointer to the GIL */
        uint32_t gc_collecting;   /* 3.9+ (gc state and field added up) */
        uint32_t modules;         /* sys.modules */
        uint32_t code_generation; /* 3.14+: grows when a code object dies */
    } interp;
    struct {
        uint32_t holder, locked; /* within the GIL's own struct, 3.12+ */
        uint32_t enabled;        /* free-threaded: int, INT_MAX while there is a GIL after all */
    } gil;
    struct {
        uint32_t size; /* as much as we read: covers every field below */
        uint32_t next, interp;
        uint32_t frame; /* frame (LINKED), cframe (CFRAME), current_frame (CHUNK) */
        uint32_t thread_id, native_thread_id;
        uint32_t
            unique_id; /* to 3.10, which knows no native id: a number that is never given again; beyond SIZE */
        uint32_t chunk, chunk_top;         /* datastack_chunk, datastack_top */
        uint32_t holds_gil, gil_requested; /* 3.15: ints */
        uint32_t base_frame;               /* 3.15: embedded struct's pointer field */
        uint32_t status;                   /* 3.12+: where known */
        uint32_t attachment;               /* free-threaded: int, 1 while it may run Python code */
    } tstate;
    uint32_t cframe_current_frame; /* 3.11: 8, 3.12: 0 */
    struct {
        uint32_t data; /* where frames begin in a _PyStackChunk */
        uint32_t previous, size, top;
    } chunk;
    struct {
        uint32_t size; /* header: up to localsplus */
        uint32_t executable, previous, instruction, owner, is_entry, localsplus;
        uint32_t stacktop;     /* 3.11-3.13: int, -1 while the frame executes */
        uint32_t stackpointer; /* 3.14+: NULL while the frame executes */
        uint32_t function;     /* f_func / f_funcobj */
        uint32_t tlbc_index;   /* free-threaded 3.14+: which copy of the bytecode runs, int32 */
    } frame;
    struct {
        uint32_t size; /* header: covers every field below, not the bytecode */
        uint32_t argcount, flags, first_line;
        uint32_t filename, name, qualname; /* qualname absent before 3.11 */
        uint32_t linetable;
        uint32_t bytecode; /* 3.11+: start of the inline code; before: pointer to a bytes object */
        uint32_t local_names;            /* co_varnames (3.8-3.10) or co_localsplusnames */
        uint32_t local_kinds;            /* co_localspluskinds */
        uint32_t cell_names, free_names; /* 3.8-3.10: co_cellvars, co_freevars */
        uint32_t framesize;              /* 3.12: co_framesize in words; absent in debug offsets */
        uint32_t slot_count, stacksize;  /* 3.11, without co_framesize: nlocalsplus, stacksize */
        uint32_t tlbc; /* free-threaded 3.14+: pointer to an array of copies of the bytecode */
    } code;
    struct {
        uint32_t size, type;
        uint32_t
            gc_bits; /* free-threaded 3.13: a byte, right behind it the owner's count, 32 bits */
    } object;
    struct {
        uint32_t name, flags, basicsize, dictoffset;
        uint32_t cached_keys; /* of a heap type: the keys its instances' attributes share */
    } type;
    struct {
        uint32_t length, state, ascii_data, compact_data;
    } unicode;
    struct {
        uint32_t size, data;
    } bytes;
    struct {
        uint32_t size, items;
    } tuple, list;
    struct {
        uint32_t used, keys, values;
    } dict;
    struct {
        uint32_t value;
    } floating;
    struct {
        uint32_t tag, digits;
    } integer;
    struct {
        uint32_t frame, state; /* 3.14+ debug offsets; before 3.13: known tables; 3.13: absent */
    } generator;
    struct {
        uint32_t content;
    } cell;
    /* 3.14+: how a debugger asks for a script to be run. Of a thread: its flags, and a struct with the request, in which
     * the last three lie; of an interpreter: an int, 1 if it listens. */
    struct {
        uint32_t eval_breaker, support, enabled;
        uint32_t pending_call, script_path, script_path_size;
    } remote;
};

/* The layout of a 3.8-3.12 target. -ENOTSUP for any other VERSION. */
int pyro_layout_static(uint32_t version, struct pyro_layout *ret_layout);

/* The layout of a 3.13+ target from SIZE bytes of its _Py_DebugOffsets (hostile bytes are fine).
 * -EINVAL: not plausible, with the field in the message; -ENOTSUP: older than 3.13. */
int pyro_layout_from_debug_offsets(const void *offsets, size_t size, struct pyro_layout *ret_layout,
                                   struct pyro_error *error);

#define PYRO_DEBUG_OFFSETS_COOKIE   "xdebugpy"
#define PYRO_DEBUG_OFFSETS_READ_MAX 2048 /* more than any version's struct */

#endif
