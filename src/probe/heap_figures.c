/* probe/heap_figures.c - from blocks and stacks to Python objects. */
#include "probe/heap_figures.h"

#include "base/map.h"
#include "probe/blocks.h"
#include "probe/callers.h"
#include "probe/inside.h"
#include "probe/mappings.h"
#include "probe/memory.h"
#include "probe/names.h"
#include "probe/native.h"
#include "probe/own.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static struct pyro_heap_totals totals; /* ours, wherever the blocks lie */
static bool started;                   /* by us, not by a run */

/* -- blocks from free lists (3.13+) ------------------------------------------------------------- */

typedef int (*ref_tracer)(PyObject *object, int event, void *data);
static int (*set_tracer)(ref_tracer tracer, void *data);
static ref_tracer (*get_tracer)(void **data);

/* _PyType_PreHeaderSize(), Include/internal/pycore_object.h (3.11 ... 3.15): the collector's head, and what lies before it. */
static size_t bytes_before(PyObject *object)
{
    const unsigned long managed_weakref = 1UL << 3, managed_dict = 1UL << 4;
    unsigned long flags = PyType_GetFlags(Py_TYPE(object));
    bool more = flags & (managed_dict | (pyro_inside.minor >= 12 ? managed_weakref : 0));
    return (flags & Py_TPFLAGS_HAVE_GC ? 16 : 0) + (more ? 16 : 0);
}

static int on_object(PyObject *object, int event, void *data)
{
    const int create = 0; /* PyRefTracer_CREATE */
    if (event == create)
        pyro_memory_reused((char *)object - bytes_before(object));
    return 0;
}

static void trace_objects(bool on)
{
    void *data;
    *(void **)&set_tracer = dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    *(void **)&get_tracer = dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    if (!set_tracer || !get_tracer || get_tracer(&data) != (on ? NULL : on_object))
        return;
    if (set_tracer(on ? on_object : NULL, NULL) < 0)
        PyErr_Clear();
}

/* -- on and off --------------------------------------------------------------------------------- */

static struct pyro_stack_entry *entries_of(const struct pyro_block_head *block)
{
    return (struct pyro_stack_entry *)(block + 1);
}

/* What stacks have of an earlier time is nothing. */
static void forget_stacks(void)
{
    const struct pyro_block_head *block = NULL;
    while ((block = pyro_blocks_next(block, PYRO_BLOCK_STACKS)))
        for (uint32_t i = 0; i < block->used; i++) {
            struct pyro_stack_entry *entry = &entries_of(block)[i];
            *entry = (struct pyro_stack_entry){
                .parent = entry->parent, .function = entry->function, .line = entry->line};
        }
    totals = (struct pyro_heap_totals){.mark = 1};
}

/* They are used again, and go on in the last block. The heap's lock is held. */
static void learn_stacks(struct pyro_heap *heap)
{
    const struct pyro_block_head *block = NULL;
    while ((block = pyro_blocks_next(block, PYRO_BLOCK_STACKS))) {
        for (uint32_t i = 0; i < block->used; i++) {
            const struct pyro_stack_entry *entry = &entries_of(block)[i];
            pyro_callers_learn(pyro_blocks_index(block) << 8 | i, entry->parent, entry->function,
                               entry->line);
        }
        heap->filling = (struct pyro_block_head *)(uintptr_t)block;
        heap->block_index = pyro_blocks_index(block);
    }
}

static int begin(bool native)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "memory is tracked in the main interpreter only");
        return -1;
    }
    if (pyro_memory_heap()) {
        PyErr_SetString(PyExc_RuntimeError, "memory is tracked already, by `pyrometer run "
                                            "--memory`: ask `pyrometer memory`");
        return -1;
    }
    if (pyro_inside_init() < 0 || pyro_own_blocks() < 0)
        return -1;
    if (started) { /* by the process that this one was forked from */
        pyro_memory_forked(NULL, PYRO_TRACKS_NOTHING, 0);
        pyro_native_stop();
    }
    forget_stacks();
    if (pyro_memory_start(pyro_blocks_process(), native ? PYRO_TRACKS_ALL : PYRO_TRACKS_PYTHON, 0,
                          &totals) < 0)
        return -1;
    struct pyro_heap *heap = pyro_memory_heap();
    pyro_heap_lock(heap);
    learn_stacks(heap);
    pyro_heap_unlock(heap);
    trace_objects(true);
    started = true;
    return 0;
}

/* In a forked child it is off. */
static struct pyro_heap *own_heap(void)
{
    return started ? pyro_memory_heap() : NULL;
}

PyObject *pyro_heap_figures_start(PyObject *self, PyObject *native)
{
    const int wanted = PyObject_IsTrue(native);
    if (wanted < 0 || (!own_heap() && begin(wanted) < 0))
        return NULL;
    return Py_NewRef(Py_None);
}

PyObject *pyro_heap_figures_stop(PyObject *self, PyObject *unused)
{
    if (own_heap()) {
        trace_objects(false);
        pyro_memory_stop();
        started = false;
    }
    return Py_NewRef(Py_None);
}

PyObject *pyro_heap_figures_clear(PyObject *self, PyObject *unused)
{
    struct pyro_heap *heap = own_heap();
    if (heap) {
        pyro_heap_lock(heap);
        pyro_heap_forget_blocks(heap);
        pyro_mappings_forget(false);
        pyro_callers_forget(false);
        forget_stacks();
        learn_stacks(heap);
        pyro_heap_unlock(heap);
    }
    return Py_NewRef(Py_None);
}

PyObject *pyro_heap_figures_reset_peak(PyObject *self, PyObject *unused)
{
    struct pyro_heap *heap = own_heap();
    if (heap) {
        pyro_heap_lock(heap);
        pyro_heap_reset_peak(heap);
        pyro_heap_unlock(heap);
    }
    return Py_NewRef(Py_None);
}

PyObject *pyro_heap_figures_is_on(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(own_heap() != NULL);
}

PyObject *pyro_heap_figures_totals(PyObject *self, PyObject *unused)
{
    struct pyro_heap *heap = own_heap();
    if (!heap)
        return Py_NewRef(Py_None);
    pyro_heap_lock(heap);
    unsigned long long live = totals.live, peak = totals.peak, lost = totals.lost;
    unsigned long long own = pyro_heap_own_bytes(heap);
    pyro_heap_unlock(heap);
    return Py_BuildValue("KKKK", live, peak, own, lost);
}

/* -- tracebacks --------------------------------------------------------------------------------- */

struct making {
    const struct pyro_heap *heap;
    Py_ssize_t limit;
    struct pyro_map files;      /* id of a function -> its file, a str */
    struct pyro_map frames;     /* stack -> (file, line) */
    struct pyro_map tracebacks; /* stack -> (traceback, number of frames) */
};

static bool read_files(struct making *making)
{
    const struct pyro_block_head *block = NULL;
    while ((block = pyro_blocks_next(block, PYRO_BLOCK_NAMES)))
        for (uint32_t at = 0; at < block->used;) {
            const struct pyro_name_entry *entry =
                (const struct pyro_name_entry *)((const char *)(block + 1) + at);
            const char *file = (const char *)(entry + 1) + entry->name_size;
            uint64_t *known = pyro_map_insert(&making->files, entry->id, 0, NULL);
            PyObject *text = known ? PyUnicode_DecodeUTF8(file, entry->file_size, "replace") : NULL;
            if (!text)
                return false;
            PyUnicode_InternInPlace(&text);
            *known = (uintptr_t)text;
            at += (uint32_t)(sizeof(*entry) + entry->name_size + entry->file_size + 3) & ~3u;
        }
    return true;
}

/* Borrowed. */
static PyObject *frame_of(struct making *making, uint32_t stack)
{
    uint64_t *known = pyro_map_insert(&making->frames, stack, 0, NULL);
    if (!known || *known)
        return known ? (PyObject *)(uintptr_t)*known : PyErr_NoMemory();
    const struct pyro_stack_entry *entry = pyro_heap_stack(making->heap, stack);
    const uint64_t *file = pyro_map_find(&making->files, entry->function, 0);
    PyObject *frame = file
                          ? Py_BuildValue("OI", (PyObject *)(uintptr_t)*file, entry->line)
                          : Py_BuildValue("sI", "<unknown>", 0); /* as tracemalloc calls no frame */
    *known = (uintptr_t)frame;
    return frame;
}

static Py_ssize_t depth_of(const struct making *making, uint32_t stack)
{
    Py_ssize_t depth = 0;
    for (; stack != PYRO_STACK_NONE; stack = pyro_heap_stack(making->heap, stack)->parent)
        depth++;
    return depth;
}

static PyObject *new_traceback(struct making *making, uint32_t stack)
{
    Py_ssize_t depth = depth_of(making, stack);
    Py_ssize_t count = depth < making->limit ? depth : making->limit;
    PyObject *frames = PyTuple_New(count);
    for (Py_ssize_t i = 0; frames && i < count; i++) {
        PyObject *frame = frame_of(making, stack);
        if (!frame) {
            Py_DECREF(frames);
            return NULL;
        }
        PyTuple_SetItem(frames, i, Py_NewRef(frame));
        stack = pyro_heap_stack(making->heap, stack)->parent;
    }
    return frames ? Py_BuildValue("Nn", frames, depth) : NULL;
}

/* Of frames and how many there were. Borrowed. */
static PyObject *traceback_of(struct making *making, uint32_t stack)
{
    uint64_t *known = pyro_map_insert(&making->tracebacks, stack, 0, NULL);
    if (!known)
        return PyErr_NoMemory();
    if (!*known)
        *known = (uintptr_t)new_traceback(making, stack);
    return (PyObject *)(uintptr_t)*known;
}

static void release(struct pyro_map *objects)
{
    for (size_t i = 0; i < objects->capacity; i++)
        if (objects->slots[i].used)
            Py_XDECREF((PyObject *)(uintptr_t)objects->slots[i].value);
    pyro_map_free(objects);
}

static bool making_init(struct making *making, Py_ssize_t limit)
{
    *making = (struct making){.heap = own_heap(), .limit = limit};
    return !making->heap || read_files(making);
}

static void making_release(struct making *making)
{
    release(&making->files);
    release(&making->frames);
    release(&making->tracebacks);
}

/* Blocks of one kind. */
struct alike {
    uint32_t stack;
    bool native;
    uint64_t size, count;
};

/* Traces of them, as tracemalloc has them: all of Python's allocators are domain 0. */
static int add_traces(struct making *making, PyObject *traces, const struct alike *alike)
{
    PyObject *traceback = traceback_of(making, alike->stack);
    PyObject *trace =
        traceback ? Py_BuildValue("iKOO", alike->native, (unsigned long long)alike->size,
                                  PyTuple_GetItem(traceback, 0), PyTuple_GetItem(traceback, 1))
                  : NULL;
    int result = trace ? 0 : -1;
    for (uint64_t i = 0; result == 0 && i < alike->count; i++)
        result = PyList_Append(traces, trace);
    Py_XDECREF(trace);
    return result;
}

/* -- what is asked ------------------------------------------------------------------------------ */

#define BY_C (UINT64_C(1) << 63) /* of a size */

struct counting {
    struct pyro_map blocks; /* (stack, size) -> how many */
    bool failed;
};

static void count(struct counting *counting, uint32_t stack, uint64_t size)
{
    uint64_t *count = pyro_map_insert(&counting->blocks, stack, size, NULL);
    if (count)
        ++*count;
    else
        counting->failed = true;
}

static void count_block(void *context, pyro_heap_cell cell)
{
    const uint64_t by_c = cell & PYRO_HEAP_NATIVE ? BY_C : 0;
    count(context, pyro_heap_stack_of(cell), pyro_heap_size_of(cell) | by_c);
}

static void count_mapping(void *context, uint32_t stack, uint64_t size)
{
    count(context, stack, size | BY_C);
}

static int add_blocks(struct making *making, PyObject *traces)
{
    struct counting counting = {.blocks = PYRO_MAP_OF_PAGES};
    struct pyro_heap *heap = own_heap();
    pyro_heap_lock(heap);
    pyro_heap_each(heap, count_block, &counting);
    pyro_mappings_each(count_mapping, &counting);
    pyro_heap_unlock(heap);
    int result = counting.failed ? -1 : 0;
    if (counting.failed)
        PyErr_NoMemory();
    for (size_t i = 0; result == 0 && i < counting.blocks.capacity; i++) {
        const struct pyro_map_slot *slot = &counting.blocks.slots[i];
        const struct alike alike = {.stack = (uint32_t)slot->key[0],
                                    .native = slot->key[1] & BY_C,
                                    .size = slot->key[1] & ~BY_C,
                                    .count = slot->value};
        if (slot->used)
            result = add_traces(making, traces, &alike);
    }
    pyro_map_free(&counting.blocks);
    return result;
}

static int add_held(struct making *making, PyObject *traces)
{
    const struct pyro_block_head *block = NULL;
    int result = 0;
    while ((block = pyro_blocks_next(block, PYRO_BLOCK_STACKS)))
        for (uint32_t i = 0; result == 0 && i < block->used; i++) {
            const struct pyro_stack_entry *entry = &entries_of(block)[i];
            bool has_mark = entry->mark == totals.mark;
            uint64_t size = has_mark ? entry->held : entry->allocated - entry->freed;
            uint64_t count = has_mark ? entry->held_count : entry->allocations - entry->frees;
            uint64_t larger = count ? size % count : 0; /* so that they add up */
            struct alike alike = {.stack = pyro_blocks_index(block) << 8 | i};
            alike.size = count ? size / count : 0;
            alike.count = count - larger;
            if (count)
                result = add_traces(making, traces, &alike);
            alike.size++;
            alike.count = larger;
            if (result == 0 && larger)
                result = add_traces(making, traces, &alike);
        }
    return result;
}

static PyObject *traces_by(int (*add)(struct making *making, PyObject *traces), PyObject *limit)
{
    Py_ssize_t frames = PyLong_AsSsize_t(limit);
    if (frames == -1 && PyErr_Occurred())
        return NULL;
    bool hidden = pyro_memory_hide(true);
    struct making making = {0};
    PyObject *traces = making_init(&making, frames) ? PyList_New(0) : NULL;
    if (traces && making.heap && add(&making, traces) < 0)
        Py_CLEAR(traces);
    making_release(&making);
    (void)pyro_memory_hide(hidden);
    return traces;
}

PyObject *pyro_heap_figures_traces(PyObject *self, PyObject *limit)
{
    return traces_by(add_blocks, limit);
}

PyObject *pyro_heap_figures_peak(PyObject *self, PyObject *limit)
{
    return traces_by(add_held, limit);
}

static uint32_t stack_of(PyObject *object)
{
    struct pyro_heap *heap = own_heap();
    if (!heap)
        return PYRO_STACK_NONE;
    pyro_heap_lock(heap);
    const pyro_heap_cell *cell = pyro_heap_cell_at(heap, (char *)object - bytes_before(object));
    uint32_t stack = cell ? pyro_heap_stack_of(*cell) : PYRO_STACK_NONE;
    pyro_heap_unlock(heap);
    return stack;
}

PyObject *pyro_heap_figures_traceback(PyObject *self, PyObject *arguments)
{
    PyObject *object, *result = NULL;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(arguments, "On:heap_traceback", &object, &limit))
        return NULL;
    uint32_t stack = stack_of(object);
    if (stack == PYRO_STACK_NONE)
        return Py_NewRef(Py_None);
    bool hidden = pyro_memory_hide(true);
    struct making making = {0};
    if (making_init(&making, limit))
        result = Py_XNewRef(traceback_of(&making, stack));
    making_release(&making);
    (void)pyro_memory_hide(hidden);
    return result;
}
