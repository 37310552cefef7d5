/* probe/counting.c - the callbacks. What runs here runs at every call of the program. */
#include "probe/counting.h"

#include "probe/arguments.h"
#include "probe/blocks.h"
#include "probe/callees.h"
#include "probe/current.h"
#include "probe/hooks.h"
#include "probe/hottest.h"
#include "probe/legacy.h"
#include "probe/names.h"
#include "probe/queries.h"
#include "probe/threads.h"

#include <string.h>

/* -- counting ----------------------------------------------------------------------------------- */

static inline void count(uint64_t *counter)
{
    if (PYRO_FREE_THREADED && __builtin_expect(!counter, 0)) {
        pyro_blocks_lose();
        return;
    }
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); /* reader: collect/collect.c */
}

/* FRAME, of CODE, begins. */
static inline void count_start(struct pyro_thread_table *table, PyObject *code, const void *frame)
{
    struct pyro_code_record *record = pyro_record_of(code);
    const void *below = pyro_caller_frame(frame);
    struct pyro_code_record *caller = below ? pyro_record_of(pyro_frame_code(below)) : NULL;
    if (!record || (below && !caller)) {
        pyro_blocks_lose();
        return;
    }
    uint32_t caller_id = caller ? caller->id : PYRO_ID_ROOT;
    uint64_t key = (uint64_t)table->serial << 32 | caller_id;
    struct pyro_record_start *start = &record->starts[caller_id & (PYRO_RECORD_STARTS - 1)];
    if (start->key != key) {
        start->count = pyro_threads_count(table, caller_id, record->id);
        start->key = key;
    }
    count(start->count);
    pyro_hottest_seen(code, record, frame);
    if (__builtin_expect(record->sender, 0))
        pyro_queries_begin(code, record, frame);
    if (__builtin_expect(--record->until_look == 0, 0))
        pyro_arguments_look(code, record, frame);
}

static struct pyro_record_call *call_miss(struct pyro_thread_table *table,
                                          struct pyro_code_record *record,
                                          struct pyro_record_call *call, const void *key,
                                          PyObject *callable)
{
    uint32_t id = key ? pyro_callee_id(key, callable) : PYRO_ID_PYTHON;
    if (!id)
        return NULL;
    *call = (struct pyro_record_call){
        .callee = key,
        .count = pyro_threads_count(table, record->id, id),
        .thread = table->serial,
        .id = id,
    };
    return call;
}

/* FRAME, of CODE, is about to call CALLABLE by the instruction at OFFSET. Returns whether that starts Python code. */
static inline bool count_call(struct pyro_thread_table *table, PyObject *code, const void *frame,
                              uint32_t offset, PyObject *callable)
{
    struct pyro_code_record *record = pyro_record_of(code);
    const void *key = pyro_callee_key(callable);
    struct pyro_record_call *call = NULL;
    if (record) {
        call = &record->calls[offset >> 1 & (PYRO_RECORD_CALLS - 1)];
        if (call->callee != key || call->thread != table->serial)
            call = call_miss(table, record, call, key, callable);
    }
    if (!call) {
        pyro_blocks_lose();
        return false;
    }
    count(call->count);
    pyro_hottest_seen(code, record, frame);
    if (table->shared)
        pyro_blocks_note_call(table->shared, frame, code, offset, key ? call->id : 0);
    return !key;
}

/* No table: a forked child that nobody follows, or we were stopped; or there is no memory. */
static PyObject *not_counted(void)
{
    if (pyro_armed->generation) {
        pyro_blocks_lose();
        return pyro_none();
    }
    return pyro_hooks_disable();
}

/* -- 3.12+: sys.monitoring ---------------------------------------------------------------------- */

/* PY_START(code, offset) */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = pyro_threads_table(thread);
    if (__builtin_expect(!table, 0))
        return not_counted();
    struct pyro_measured measured = pyro_gauge_start(&table->gauge);
    count_start(table, args[0], pyro_current_frame(thread));
    pyro_gauge_end(&table->gauge, measured);
    return pyro_none();
}

/* PY_RETURN(code, offset, value), of what sends queries, or is asked the same again */
static PyObject *on_return(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    const void *frame = pyro_current_frame(pyro_current_thread());
    pyro_queries_end(args[0], frame);
    return pyro_arguments_end(args[0], frame, args[2]) ? pyro_hooks_disable() : pyro_none();
}

/* CALL(code, offset, callable, first argument) */
static PyObject *on_call(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyThreadState *thread = pyro_current_thread();
    struct pyro_thread_table *table = pyro_threads_table(thread);
    if (__builtin_expect(!table, 0))
        return not_counted();
    struct pyro_measured measured = pyro_gauge_call(&table->gauge);
    bool python =
        count_call(table, args[0], pyro_current_frame(thread), pyro_small_int(args[1]), args[2]);
    pyro_gauge_end_call(&table->gauge, measured, python);
    return pyro_none();
}

/* -- 3.11: the legacy profile function ---------------------------------------------------------- */

static void count_event(struct pyro_thread_table *table, PyThreadState *thread, int what,
                        PyObject *argument)
{
    const void *frame = pyro_current_frame(thread);
    PyObject *code = pyro_frame_code(frame);
    if (what == PYRO_TRACE_CALL && pyro_frame_begins(frame))
        count_start(table, code, frame);
    if (what != PYRO_TRACE_C_CALL)
        return;
    if (pyro_blocks_process()->c_calls) {
        const uint8_t *at = pyro_at(frame, pyro_inside.frame_instruction);
        const uint8_t *first = (const uint8_t *)code + pyro_inside.code_bytecode;
        count_call(table, code, frame, (uint32_t)(at - first), argument);
    }
    if (pyro_callee_sets_profile(argument))
        pyro_blocks_say(
            "the program set a profile function of its own: where it did, calls were not "
            "counted after that (Python 3.11)");
}

/* An exception is no end: nor does sys.monitoring tell of it. */
static void end_query(const void *frame, const PyObject *value)
{
    if (value && !pyro_frame_yields(frame, value))
        pyro_queries_end(pyro_frame_code(frame), frame);
}

static void end_arguments(const void *frame, PyObject *value)
{
    if (!value || !pyro_frame_yields(frame, value))
        (void)pyro_arguments_end(pyro_frame_code(frame), frame, value);
}

static void take_event(PyThreadState *thread, int what, PyObject *argument)
{
    if (what == PYRO_TRACE_RETURN && pyro_queries_open)
        end_query(pyro_current_frame(thread), argument);
    if (what == PYRO_TRACE_RETURN && pyro_arguments_open)
        end_arguments(pyro_current_frame(thread), argument);
    if (what != PYRO_TRACE_CALL && what != PYRO_TRACE_C_CALL && what != PYRO_TRACE_C_RETURN)
        return;
    struct pyro_thread_table *table = pyro_threads_table(thread);
    if (!table) {
        if (pyro_armed->generation)
            pyro_blocks_lose();
    } else if (what == PYRO_TRACE_C_RETURN) {
        pyro_hooks_c_return(argument);
    } else {
        bool starts = what == PYRO_TRACE_CALL;
        struct pyro_measured measured =
            starts ? pyro_gauge_start(&table->gauge) : pyro_gauge_call(&table->gauge);
        count_event(table, thread, what, argument);
        pyro_gauge_end(&table->gauge, measured);
    }
}

static int on_profile(PyObject *self, PyObject *frame_object, int what, PyObject *argument)
{
    PyThreadState *thread = pyro_current_thread();
    take_event(thread, what, argument);
    int result = pyro_legacy_pass_on(thread, on_profile, frame_object, what, argument);
    if (!pyro_armed->generation)
        pyro_legacy_unhook(thread, on_profile);
    return result;
}

/* -- start and stop ----------------------------------------------------------------------------- */

static struct pyro_hooks hooks;

static int watch_returns(PyObject *code)
{
    return pyro_inside.minor >= 12 ? pyro_hooks_watch(&hooks, code) : 0;
}

int pyro_counting_start(bool c_calls)
{
    if (pyro_callees_init() < 0)
        return -1;
    pyro_ticks_init();
    pyro_blocks_arm();
    hooks = (struct pyro_hooks){
        .on = {[PYRO_PY_START] = on_start,
               [PYRO_PY_RETURN] = on_return,
               [PYRO_CALL] = c_calls ? on_call : NULL},
        .local = PYRO_EVENT_BIT(PYRO_PY_RETURN),
        .profile = on_profile,
    };
    if (pyro_hooks_set(&hooks) < 0) {
        pyro_blocks_disarm();
        return -1;
    }
    pyro_arguments_start(pyro_queries_start(watch_returns), watch_returns);
    return 0;
}

int pyro_counting_switch(bool on)
{
    return pyro_hooks_switch(&hooks, on);
}

void pyro_counting_stop(void)
{
    pyro_queries_stop();
    pyro_arguments_stop();
    pyro_hooks_clear(&hooks);
    pyro_blocks_disarm();
}
