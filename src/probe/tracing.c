/* probe/tracing.c - the callbacks. What runs here runs at every call of the program, and every return. */
#include "probe/tracing.h"

#include "base/ticks.h"
#include "probe/blocks.h"
#include "probe/callees.h"
#include "probe/costs.h"
#include "probe/current.h"
#include "probe/hooks.h"
#include "probe/legacy.h"
#include "probe/names.h"
#include "probe/queries.h"
#include "probe/threads.h"

/* CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR: what may be suspended */
#define CODE_MAY_SUSPEND (0x20u | 0x80u | 0x200u)

/* -- one event ---------------------------------------------------------------------------------- */

/* The table of the running thread. NULL: a forked child that nobody follows, or we were stopped; or there is no memory. */
static inline struct pyro_thread_table *table_of(PyThreadState *thread)
{
    struct pyro_thread_table *table = pyro_threads_table(thread);
    return table && table->path.depth ? table : NULL;
}

/* Does PATH end in FRAME, or in a C function that it called? */
static inline bool ends_in(const struct pyro_path *path, const void *frame)
{
    return (pyro_path_top(path)->frame & ~PYRO_OPEN_C) == (uintptr_t)frame;
}

/* FRAME is called where the path ends: mostly that is the frame below, which then is no shim. */
static inline bool fits_below(struct pyro_path *path, const void *frame)
{
    if (__builtin_expect(ends_in(path, pyro_at(frame, pyro_inside.frame_previous)), 1))
        return true;
    const void *below = pyro_caller_frame(frame);
    return ends_in(path, below) || pyro_path_follow(path, below, pyro_ticks());
}

/* FRAME, of CODE, begins, or goes on. */
static inline bool enter(struct pyro_path *path, PyObject *code, const void *frame, bool begins)
{
    if (__builtin_expect(!fits_below(path, frame), 0))
        return false;
    const struct pyro_code_record *record = pyro_record_of(code);
    const struct pyro_context *caller = pyro_path_top(path)->context;
    struct pyro_context *context =
        record ? pyro_path_push(path, (uintptr_t)frame, record->id, 0) : NULL;
    if (__builtin_expect(!context, 0))
        return false;
    pyro_path_add(begins ? &context->shared->calls : &context->shared->resumes, 1);
    uint64_t now = pyro_ticks();
    if (begins)
        pyro_path_top(path)->begin = now;
    pyro_path_turn(path, caller, context, now);
    if (__builtin_expect(record->sender && begins, 0))
        pyro_queries_begin(code, record, frame);
    return true;
}

/* FRAME, of CODE, returns, raises or yields, at NOW. */
static inline bool leave(struct pyro_path *path, PyObject *code, const void *frame, bool ends,
                         uint64_t now)
{
    if (__builtin_expect(pyro_queries_open && ends, 0))
        pyro_queries_end(code, frame);
    if (__builtin_expect(!ends_in(path, frame), 0) && !pyro_path_follow(path, frame, now))
        return false;
    if (__builtin_expect(pyro_path_top(path)->frame & PYRO_OPEN_C, 0)) /* its end was not seen */
        pyro_path_pop(path, now);
    if (__builtin_expect(pyro_u32_at(code, pyro_inside.code_flags) & CODE_MAY_SUSPEND, 0)) {
        if (ends)
            pyro_path_end_life(path, frame, pyro_path_top(path), now);
        else
            pyro_path_suspend(path, frame, pyro_path_top(path));
    }
    pyro_path_pop(path, now);
    return true;
}

/* The id of the C function that is called at OFFSET of CODE. 0: no room. */
static inline uint32_t id_of_c(PyObject *code, uint32_t offset, const void *key, PyObject *callable)
{
    struct pyro_code_record *record = pyro_record_of(code);
    if (!record)
        return 0;
    struct pyro_record_call *call = &record->calls[offset >> 1 & (PYRO_RECORD_CALLS - 1)];
    if (call->callee != key || !call->id)
        *call = (struct pyro_record_call){.callee = key, .id = pyro_callee_id(key, callable)};
    return call->id;
}

/* FRAME, of CODE, is about to call CALLABLE by the instruction at OFFSET. */
static inline bool call(struct pyro_path *path, PyObject *code, const void *frame, uint32_t offset,
                        PyObject *callable)
{
    if (__builtin_expect(!ends_in(path, frame), 0) && !pyro_path_follow(path, frame, pyro_ticks()))
        return false;
    if (pyro_path_top(path)->frame & PYRO_OPEN_C) /* its end was not seen */
        pyro_path_pop(path, pyro_ticks());
    const void *key = pyro_callee_key(callable);
    uint32_t id = key ? id_of_c(code, offset, key, callable) : 0;
    pyro_blocks_note_call(path->shared, frame, code, offset, id);
    if (!key) {
        pyro_path_add(&pyro_path_top(path)->context->shared->calls_of_python, 1);
        return true;
    }
    const struct pyro_context *caller = pyro_path_top(path)->context;
    struct pyro_context *context =
        id ? pyro_path_push(path, (uintptr_t)frame | PYRO_OPEN_C, id, 0) : NULL;
    if (!context)
        return false;
    pyro_path_add(&context->shared->calls, 1);
    pyro_path_turn(path, caller, context, pyro_ticks());
    return true;
}

/* The C function that FRAME called is over, at NOW. */
static inline bool end_call(struct pyro_path *path, const void *frame, PyObject *callable,
                            uint64_t now)
{
    if (__builtin_expect(!ends_in(path, frame), 0)) /* it switched greenlets */
        return pyro_path_follow(path, frame, now);
    if (pyro_path_top(path)->frame & PYRO_OPEN_C && pyro_callee_key(callable))
        pyro_path_pop(path, now);
    return true;
}

/* -- 3.12+: sys.monitoring ---------------------------------------------------------------------- */

/* Nothing was seen. LOCAL: an event that can be switched off where it came from. */
static PyObject *not_traced(bool local)
{
    if (pyro_armed->generation || !local)
        return pyro_none();
    return pyro_hooks_disable();
}

static inline PyObject *seen(bool taken)
{
    if (__builtin_expect(!taken, 0))
        pyro_blocks_lose();
    return pyro_none();
}

static inline PyObject *on_enter(PyObject *code, bool begins, bool local)
{
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = table_of(thread);
    if (__builtin_expect(!table, 0))
        return not_traced(local);
    struct pyro_measured measured = pyro_gauge_start(&table->gauge);
    bool taken = enter(&table->path, code, pyro_current_frame(thread), begins);
    pyro_gauge_end(&table->gauge, measured);
    return seen(taken);
}

static inline PyObject *on_leave(PyObject *code, bool ends, bool local)
{
    uint64_t now = pyro_ticks();
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = table_of(thread);
    if (__builtin_expect(!table, 0))
        return not_traced(local);
    (void)leave(&table->path, code, pyro_current_frame(thread), ends, now);
    return pyro_none();
}

/* PY_START(code, offset) */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_enter(args[0], true, true);
}

/* PY_RESUME(code, offset) */
static PyObject *on_resume(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_enter(args[0], false, true);
}

/* PY_THROW(code, offset, exception) */
static PyObject *on_throw(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_enter(args[0], false, false);
}

/* PY_RETURN(code, offset, value) */
static PyObject *on_return(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_leave(args[0], true, true);
}

/* PY_YIELD(code, offset, value) */
static PyObject *on_yield(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_leave(args[0], false, true);
}

/* PY_UNWIND(code, offset, exception) */
static PyObject *on_unwind(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    return on_leave(args[0], true, false);
}

/* CALL(code, offset, callable, first argument) */
static PyObject *on_call(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = table_of(thread);
    if (__builtin_expect(!table, 0))
        return not_traced(true);
    struct pyro_measured measured = pyro_gauge_call(&table->gauge);
    bool taken =
        call(&table->path, args[0], pyro_current_frame(thread), pyro_small_int(args[1]), args[2]);
    bool python = !(pyro_path_top(&table->path)->frame & PYRO_OPEN_C);
    pyro_gauge_end_call(&table->gauge, measured, taken && python);
    return seen(taken);
}

/* C_RETURN, C_RAISE: the same arguments */
static PyObject *on_c_end(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    uint64_t now = pyro_ticks();
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = table_of(thread);
    if (table)
        (void)end_call(&table->path, pyro_current_frame(thread), args[2], now);
    return pyro_none();
}

/* -- 3.11: the legacy profile function ---------------------------------------------------------- */

static bool c_functions; /* these too */

static bool follow(struct pyro_path *path, PyThreadState *thread, int what, PyObject *argument,
                   uint64_t now)
{
    const void *frame = pyro_current_frame(thread);
    PyObject *code = pyro_frame_code(frame);
    const uint8_t *at, *first;
    switch (what) {
    case PYRO_TRACE_CALL:
        return enter(path, code, frame, pyro_frame_begins(frame));
    case PYRO_TRACE_RETURN:
        return leave(path, code, frame, !pyro_frame_yields(frame, argument), now);
    case PYRO_TRACE_C_CALL:
        at = pyro_at(frame, pyro_inside.frame_instruction);
        first = (const uint8_t *)code + pyro_inside.code_bytecode;
        return !c_functions || call(path, code, frame, (uint32_t)(at - first), argument);
    case PYRO_TRACE_C_RETURN:
    case PYRO_TRACE_C_EXCEPTION:
        return !c_functions || end_call(path, frame, argument, now);
    }
    return true;
}

static void take_event(struct pyro_thread_table *table, PyThreadState *thread, int what,
                       PyObject *argument, uint64_t now)
{
    struct pyro_measured measured = what == PYRO_TRACE_CALL     ? pyro_gauge_start(&table->gauge)
                                    : what == PYRO_TRACE_C_CALL ? pyro_gauge_call(&table->gauge)
                                                                : (struct pyro_measured){0};
    if (!follow(&table->path, thread, what, argument, now))
        pyro_blocks_lose();
    pyro_gauge_end(&table->gauge, measured);
    if (what == PYRO_TRACE_C_CALL && pyro_callee_sets_profile(argument))
        pyro_blocks_say(
            "the program set a profile function of its own: where it did, calls were not "
            "timed after that (Python 3.11)");
    if (what == PYRO_TRACE_C_RETURN)
        pyro_hooks_c_return(argument);
}

static int on_profile(PyObject *self, PyObject *frame_object, int what, PyObject *argument)
{
    uint64_t now = pyro_ticks();
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = table_of(thread);
    if (table)
        take_event(table, thread, what, argument, now);
    int result = pyro_legacy_pass_on(thread, on_profile, frame_object, what, argument);
    if (!pyro_armed->generation)
        pyro_legacy_unhook(thread, on_profile);
    return result;
}

/* -- start and stop ----------------------------------------------------------------------------- */

static struct pyro_hooks hooks;

int pyro_tracing_start(bool c_calls)
{
    if (pyro_callees_init() < 0)
        return -1;
    pyro_ticks_init();
    pyro_threads_trace = true;
    pyro_blocks_arm();
    c_functions = c_calls;
    hooks = (struct pyro_hooks){
        .on =
            {
                [PYRO_PY_START] = on_start,
                [PYRO_PY_RESUME] = on_resume,
                [PYRO_PY_THROW] = on_throw,
                [PYRO_PY_RETURN] = on_return,
                [PYRO_PY_YIELD] = on_yield,
                [PYRO_PY_UNWIND] = on_unwind,
                [PYRO_CALL] = c_calls ? on_call : NULL,
                [PYRO_C_RETURN] = c_calls ? on_c_end : NULL,
                [PYRO_C_RAISE] = c_calls ? on_c_end : NULL,
            },
        .profile = on_profile,
    };
    if (pyro_hooks_set(&hooks) < 0) {
        pyro_blocks_disarm();
        pyro_threads_trace = false;
        return -1;
    }
    (void)pyro_queries_start(NULL);
    return 0;
}

int pyro_tracing_switch(bool on)
{
    return pyro_hooks_switch(&hooks, on);
}

/* -- what it costs ------------------------------------------------------------------------------ */

static struct pyro_moment first;

/* What the function that this thread called most often took in itself, a call. */
static double shown_ns(void)
{
    struct pyro_thread_table *table = pyro_threads_table(PyThreadState_Get());
    if (!table || !table->path.depth)
        return 0;
    const struct pyro_context_entry *most = pyro_contexts_busiest(&table->path.contexts);
    double ns = most ? (double)most->ticks / (double)most->calls * pyro_tick_ns_since(first) : 0;
    pyro_contexts_forget(&table->path.contexts);
    return ns;
}

int pyro_tracing_measure(struct pyro_process_block *process)
{
    struct pyro_call_costs ns;
    first = pyro_moment();
    if (pyro_costs_measure(pyro_tracing_switch, shown_ns, &ns) < 0)
        return -1;
    (void)shown_ns(); /* forget the last loop, too */
    process->tick_ns = pyro_tick_ns_since(first);
    process->trace_costs = (struct pyro_trace_costs){
        .python = ns.python / process->tick_ns,
        .python_inside = ns.python_inside / process->tick_ns,
        .c = c_functions ? ns.c / process->tick_ns : 0,
        .c_inside = c_functions ? ns.c_inside / process->tick_ns : 0,
        .call = c_functions ? ns.ignored / process->tick_ns : 0,
    };
    return 0;
}

void pyro_tracing_stop(void)
{
    pyro_queries_stop();
    pyro_hooks_clear(&hooks);
    pyro_blocks_disarm();
    pyro_threads_trace = false;
}
