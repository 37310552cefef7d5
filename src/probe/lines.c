/* probe/lines.c - the callbacks. What runs here runs at every line of a chosen function.
 *
 * There are two sets of them: those that time lines, and those that only count, without a clock and without
 * activations. */
#include "probe/lines.h"

#if !PYRO_FREE_THREADED

#include "base/map.h"
#include "base/ticks.h"
#include "probe/blocks.h"
#include "probe/current.h"
#include "probe/gauge.h"
#include "probe/hooks.h"
#include "probe/hottest.h"
#include "probe/line_codes.h"
#include "probe/line_trace.h"
#include "probe/loops.h"
#include "probe/threads.h"
#include "probe/wanted.h"

#include <stdlib.h>
#include <string.h>

#define WATCHED_MAX  16384               /* code objects */
#define DEPTH_MAX    (UINT32_C(1) << 20) /* activations that are open in a thread */
#define FOLLOWED     32                  /* events that were measured: about two thousand */
#define FACTOR_LIMIT 3 /* a larger difference between then and now tells nothing */
#define CALLERS_MAX \
    64 /* looked at for an activation below: further away, it is believed to be there */

struct place {
    struct pyro_line_entry *entry; /* NULL: never been there */
    uint32_t open;                 /* activations that stand in it */
};

/* A code object in one thread. */
struct here {
    struct pyro_line_code *code;
    uint32_t serial; /* the thread's */
    struct place places[];
};

struct activation {
    const void *frame;
    struct here *here;
    uint32_t at; /* place of the line it stands in; 0: not known */
};

struct pyro_lines_thread {
    struct pyro_lines_thread *next; /* of all_threads */
    struct pyro_thread_table *table;
    _Atomic bool
        ending; /* somebody ends what is open in it: another thread, or it itself, without the GIL */
    struct pyro_map heres;   /* struct pyro_line_code * -> struct here * */
    struct activation *open; /* outermost first */
    uint32_t depth, room;
    struct pyro_block_head *block; /* the newest one; NULL: none yet */
    uint32_t block_used;
    uint64_t *cost; /* what events cost so far, in ticks: shared, if there was room */
    uint64_t own_cost;
};

static struct { /* in ticks, as the machine is at this moment */
    uint64_t line, jump, call;
} costs;

/* How fast the machine is: what events of lines take themselves, of one in some dozens of them. */
static struct {
    uint32_t until;                 /* events until one is measured */
    uint32_t count;                 /* that were */
    uint64_t ticks;                 /* which they took */
    double zero_ticks;              /* an event took when its cost was measured; 0: not known */
    struct pyro_line_costs at_zero; /* what they cost then */
} gauge;

static struct pyro_lines_thread *all_threads; /* under the GIL */
static bool on, stays;                        /* stays: until pyro_lines_stop(), whoever listens */
static bool timed;                            /* lines are; else they are only counted */
static uint32_t listening;                    /* code objects of those who do */
static char *wanted_names;
static uint32_t watched;
static struct pyro_hooks hooks;
static struct pyro_line_entry nowhere; /* for lines without room */

/* -- entries ------------------------------------------------------------------------------------ */

static void lose(void)
{
    struct pyro_process_block *process = pyro_blocks_process();
    if (process)
        atomic_fetch_add_explicit(&process->lines_lost, 1, memory_order_relaxed);
}

/* A new entry in shared memory; `nowhere` when there is no room. */
static struct pyro_line_entry *append(struct pyro_lines_thread *thread, uint32_t function,
                                      uint32_t line)
{
    if (!thread->block || thread->block_used == PYRO_BLOCK_LINE_COUNT) {
        struct pyro_block_head *block =
            pyro_blocks_claim(PYRO_BLOCK_LINES, thread->table->native_id);
        if (!block)
            return &nowhere;
        thread->block = block;
        thread->block_used = 0;
    }
    struct pyro_line_entry *entry =
        (struct pyro_line_entry *)(thread->block + 1) + thread->block_used++;
    entry->function = function;
    entry->line = line;
    atomic_store_explicit(&thread->block->used, thread->block_used, memory_order_release);
    return entry;
}

static inline struct place *place_at(struct pyro_lines_thread *thread, struct here *here,
                                     uint32_t at)
{
    struct place *place = &here->places[at];
    if (__builtin_expect(!place->entry, 0))
        place->entry = append(thread, here->code->id, here->code->lines[at]);
    return place;
}

static inline void enter_place(struct pyro_lines_thread *thread, struct here *here, uint32_t at,
                               uint64_t now)
{
    struct place *place = place_at(thread, here, at);
    if (place->open++ == 0) /* reader of this and the next ones: collect/lines.c */
        __atomic_store_n(&place->entry->since, now, __ATOMIC_RELAXED);
}

static inline void leave_place(struct here *here, uint32_t at, uint64_t now)
{
    struct place *place = &here->places[at];
    if (--place->open > 0)
        return;
    struct pyro_line_entry *entry = place->entry;
    int64_t ticks = entry->ticks + (int64_t)(now - entry->since);
    __atomic_store_n(&entry->since, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->ticks, ticks, __ATOMIC_RELEASE);
}

static inline void count_hit(struct pyro_line_entry *entry)
{
    __atomic_store_n(&entry->hits, entry->hits + 1, __ATOMIC_RELAXED);
    if (__builtin_expect(entry == &nowhere, 0))
        lose();
}

/* -- activations -------------------------------------------------------------------------------- */

static void end_above(struct pyro_lines_thread *thread, uint32_t depth, uint64_t now)
{
    while (thread->depth > depth) {
        struct activation *top = &thread->open[--thread->depth];
        if (top->at)
            leave_place(top->here, top->at, now);
        leave_place(top->here, 0, now);
    }
}

/* Is BELOW one of FRAME's callers? */
static bool is_below(const void *below, const void *frame)
{
    const void *caller = pyro_caller_frame(frame);
    for (int i = 0; caller && caller != below && i < CALLERS_MAX; i++)
        caller = pyro_caller_frame(caller);
    return caller != NULL;
}

static bool room_for_one(struct pyro_lines_thread *thread)
{
    if (thread->depth < thread->room)
        return true;
    uint32_t room = thread->room ? thread->room * 2 : 16;
    struct activation *open =
        room <= DEPTH_MAX ? realloc(thread->open, room * sizeof(*open)) : NULL;
    if (!open)
        return false;
    thread->open = open;
    thread->room = room;
    return true;
}

/* FRAME begins or goes on, or was seen for the first time. NULL: no memory. */
static struct activation *push(struct pyro_lines_thread *thread, struct here *here,
                               const void *frame, uint64_t now)
{
    while (thread->depth && !is_below(thread->open[thread->depth - 1].frame, frame))
        end_above(thread, thread->depth - 1, now);
    if (!room_for_one(thread))
        return NULL;
    struct activation *top = &thread->open[thread->depth++];
    *top = (struct activation){.frame = frame, .here = here};
    enter_place(thread, here, 0, now);
    return top;
}

/* The open activation of FRAME, those above it ended. NULL: there is none. */
static inline struct activation *find(struct pyro_lines_thread *thread, const struct here *here,
                                      const void *frame, uint64_t now)
{
    uint32_t depth = thread->depth;
    while (depth &&
           (thread->open[depth - 1].frame != frame || thread->open[depth - 1].here != here))
        depth--;
    if (!depth)
        return NULL;
    if (__builtin_expect(depth < thread->depth, 0))
        end_above(thread, depth, now);
    return &thread->open[depth - 1];
}

/* -- one event ---------------------------------------------------------------------------------- */

static struct pyro_lines_thread *thread_new(struct pyro_thread_table *table)
{
    struct pyro_lines_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return NULL;
    thread->table = table;
    thread->cost = table->shared ? &table->shared->lines_cost : &thread->own_cost;
    thread->next = all_threads;
    return all_threads = table->lines = thread;
}

static struct here *here_new(struct pyro_lines_thread *thread, struct pyro_line_code *code)
{
    uint64_t *known = pyro_map_insert(&thread->heres, (uintptr_t)code, 0, NULL);
    if (!known)
        return NULL;
    if (!*known) {
        struct here *here = calloc(1, sizeof(*here) + code->place_count * sizeof(struct place));
        if (!here)
            return NULL;
        here->code = code;
        here->serial = thread->table->serial;
        *known = (uintptr_t)here;
    }
    return (struct here *)(uintptr_t)*known;
}

/* NULL: they are not counted. */
static inline struct pyro_line_code *lines_of(const PyObject *code)
{
    const struct pyro_code_record *record = pyro_names_known(code);
    return record ? record->lines : NULL;
}

/* A code object in the calling thread, and in *RET_THREAD that thread's state. NULL: nothing of it counts. */
static inline struct here *here_of(struct pyro_line_code *lines, PyThreadState *state,
                                   struct pyro_lines_thread **ret_thread)
{
    struct pyro_thread_table *table = pyro_threads_table(state);
    struct pyro_lines_thread *thread = table ? table->lines : NULL;
    if (__builtin_expect(table && !thread, 0))
        thread = thread_new(table);
    if (__builtin_expect(!thread, 0))
        return NULL;
    *ret_thread = thread;
    struct here *here = lines->in_thread;
    if (__builtin_expect(!here || here->serial != table->serial, 0)) {
        here = here_new(thread, lines);
        if (here)
            lines->in_thread = here;
    }
    return here;
}

/* What an event is about. */
struct seen {
    struct pyro_lines_thread *thread; /* NULL: nothing of it counts */
    struct here *here;
    const void *frame;
    uint64_t now; /* without what events cost */
};

static inline struct seen see(PyObject *code, PyThreadState *state, uint64_t ticks)
{
    struct pyro_lines_thread *thread;
    struct pyro_line_code *lines = lines_of(code);
    struct here *here = lines ? here_of(lines, state, &thread) : NULL;
    if (__builtin_expect(!here, 0))
        return (struct seen){0};
    return (struct seen){thread, here, pyro_current_frame(state), ticks - *thread->cost};
}

static void set_costs(double factor)
{
    costs.line = (uint64_t)(gauge.at_zero.line * factor + 0.5);
    costs.jump = (uint64_t)(gauge.at_zero.jump * factor + 0.5);
    costs.call = (uint64_t)(gauge.at_zero.call * factor + 0.5);
}

/* What events took on average; 0: nothing was measured. From now on they are measured anew. */
static double take_gauge(void)
{
    double ticks = gauge.count ? (double)gauge.ticks / (double)gauge.count : 0;
    gauge.count = 0;
    gauge.ticks = 0;
    return ticks;
}

/* An event that began at BEGIN ends. Those that were interrupted do not count. */
static __attribute__((noinline)) void measure(uint64_t begin)
{
    uint64_t ticks = pyro_ticks() - begin;
    gauge.until = PYRO_GAUGE_EVERY - 1;
    if (ticks >= PYRO_GAUGE_MAX)
        return;
    gauge.ticks += ticks;
    gauge.count++;
    if (gauge.count < FOLLOWED || !(gauge.zero_ticks > 0))
        return;
    double factor = take_gauge() / gauge.zero_ticks;
    if (factor < FACTOR_LIMIT && factor > 1.0 / FACTOR_LIMIT)
        set_costs(factor);
}

static inline void pay(struct pyro_lines_thread *thread, uint64_t ticks)
{
    __atomic_store_n(thread->cost, *thread->cost + ticks, __ATOMIC_RELAXED);
}

/* The frame is in the line of the place AT from now on. */
static inline void stand(const struct seen *seen, struct activation *top, uint32_t at)
{
    if (top->at == at)
        return;
    if (top->at)
        leave_place(seen->here, top->at, seen->now);
    enter_place(seen->thread, seen->here, at, seen->now);
    top->at = at;
}

static inline void take_hit(const struct seen *seen, uint32_t at)
{
    struct activation *top = find(seen->thread, seen->here, seen->frame, seen->now);
    if (__builtin_expect(!top, 0))
        top = push(seen->thread, seen->here, seen->frame, seen->now);
    if (__builtin_expect(!top, 0)) {
        lose();
        return;
    }
    stand(seen, top, at);
    count_hit(seen->here->places[at].entry);
}

static void take_resume(const struct seen *seen, uint32_t offset)
{
    struct activation *top = push(seen->thread, seen->here, seen->frame, seen->now);
    uint32_t at = pyro_line_code_at(seen->here->code, offset);
    if (top && at)
        stand(seen, top, at);
}

void pyro_lines_take_up(const void *frame)
{
    if (!timed)
        return;
    PyObject *code = pyro_frame_code(frame);
    struct seen seen = see(code, pyro_current_thread(), pyro_ticks());
    seen.frame = frame;
    if (seen.thread && !find(seen.thread, seen.here, frame, seen.now))
        take_resume(&seen, (uint32_t)pyro_frame_offset(frame, code));
}

static void take_leave(const struct seen *seen)
{
    const struct activation *top = find(seen->thread, seen->here, seen->frame, seen->now);
    if (top)
        end_above(seen->thread, (uint32_t)(top - seen->thread->open), seen->now);
}

/* -- 3.12+: sys.monitoring ---------------------------------------------------------------------- */

static PyObject *not_seen(void)
{
    return pyro_armed->generation ? pyro_none() : pyro_hooks_disable();
}

/* PY_START(code, offset) */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    const struct seen seen = see(args[0], pyro_current_thread(), pyro_ticks());
    if (!seen.thread)
        return not_seen();
    (void)push(seen.thread, seen.here, seen.frame, seen.now);
    pay(seen.thread, costs.call);
    return pyro_none();
}

/* PY_RESUME(code, offset) */
static PyObject *on_resume(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    const struct seen seen = see(args[0], pyro_current_thread(), pyro_ticks());
    if (!seen.thread)
        return not_seen();
    take_resume(&seen, pyro_small_int(args[1]));
    pay(seen.thread, costs.call);
    return pyro_none();
}

/* PY_RETURN(code, offset, value), PY_YIELD alike */
static PyObject *on_leave(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    const struct seen seen = see(args[0], pyro_current_thread(), pyro_ticks());
    if (!seen.thread)
        return not_seen();
    take_leave(&seen);
    return pyro_none();
}

/* PY_UNWIND(code, offset, exception), of all code */
static PyObject *on_unwind(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    const struct pyro_code_record *record = pyro_names_known(args[0]);
    if (!record || !record->lines)
        return pyro_none();
    const struct seen seen = see(args[0], pyro_current_thread(), pyro_ticks());
    if (seen.thread)
        take_leave(&seen);
    return pyro_none();
}

/* LINE(code, line) */
static PyObject *on_line(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    uint64_t begin = pyro_ticks();
    const struct seen seen = see(args[0], pyro_current_thread(), begin);
    if (__builtin_expect(!seen.thread, 0))
        return not_seen();
    uint32_t at = pyro_line_code_place(seen.here->code, pyro_small_int(args[1]));
    if (__builtin_expect(at != 0, 1))
        take_hit(&seen, at);
    pay(seen.thread, costs.line);
    if (__builtin_expect(gauge.until-- == 0, 0))
        measure(begin);
    return pyro_none();
}

/* JUMP(code, from, to): forward, or to another line, of which LINE tells, it says nothing and need not come again. */
static PyObject *on_jump(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    uint64_t ticks = pyro_ticks();
    uint32_t from = pyro_small_int(args[1]), to = pyro_small_int(args[2]);
    if (to > from)
        return pyro_hooks_disable();
    const struct seen seen = see(args[0], pyro_current_thread(), ticks);
    if (__builtin_expect(!seen.thread, 0))
        return not_seen();
    uint32_t at = pyro_line_code_at(seen.here->code, to);
    if (at != pyro_line_code_at(seen.here->code, from))
        return pyro_hooks_disable();
    if (at)
        take_hit(&seen, at);
    pay(seen.thread, costs.jump);
    return pyro_none();
}

/* -- 3.12+: the same, lines only counted --------------------------------------------------------- */

/* A hit, and all that is rare: a first time, another thread, an event that is measured. False: nothing counts. */
static __attribute__((noinline)) bool count_slowly(struct pyro_line_code *lines, uint32_t at)
{
    uint64_t begin = pyro_ticks();
    struct pyro_lines_thread *thread;
    struct here *here = here_of(lines, pyro_current_thread(), &thread);
    if (!here)
        return false;
    struct place *place = place_at(thread, here, at);
    count_hit(place->entry);
    if (place->entry == &nowhere)
        place->entry = NULL; /* the next time is another loss */
    if (gauge.until-- == 0) {
        pay(thread, PYRO_GAUGE_EVERY * costs.line); /* for those since the last one */
        measure(begin);
    }
    return true;
}

static inline bool count_at(struct pyro_line_code *lines, uint32_t at)
{
    const struct here *here = lines->in_thread;
    bool known = here && pyro_here.thread == pyro_current_thread() &&
                 pyro_here.generation == pyro_armed->generation &&
                 here->serial == pyro_here.table->serial;
    struct pyro_line_entry *entry = known ? here->places[at].entry : NULL;
    if (__builtin_expect(!entry || gauge.until == 0, 0))
        return count_slowly(lines, at);
    gauge.until--;
    __atomic_store_n(&entry->hits, entry->hits + 1, __ATOMIC_RELAXED);
    return true;
}

/* PY_START, PY_RESUME: that they are asked for is what matters (lines.h). */
static PyObject *count_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct pyro_lines_thread *thread;
    struct pyro_line_code *lines = lines_of(args[0]);
    if (!lines || !here_of(lines, pyro_current_thread(), &thread))
        return not_seen();
    pay(thread, costs.call);
    return pyro_none();
}

static PyObject *count_line(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    struct pyro_line_code *lines = lines_of(args[0]);
    uint32_t at = lines ? pyro_line_code_place(lines, pyro_small_int(args[1])) : 0;
    return __builtin_expect(at && count_at(lines, at), 1) ? pyro_none() : not_seen();
}

static PyObject *count_jump(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    uint32_t from = pyro_small_int(args[1]), to = pyro_small_int(args[2]);
    struct pyro_line_code *lines = lines_of(args[0]);
    uint32_t at = lines ? pyro_line_code_at(lines, to) : 0;
    if (to > from || (lines && at != pyro_line_code_at(lines, from)))
        return pyro_hooks_disable();
    return at && count_at(lines, at) ? pyro_none() : not_seen();
}

static const struct pyro_hooks timing_hooks = {
    .on =
        {
            [PYRO_PY_START] = on_start,
            [PYRO_PY_RESUME] = on_resume,
            [PYRO_PY_RETURN] = on_leave,
            [PYRO_PY_YIELD] = on_leave,
            [PYRO_PY_UNWIND] = on_unwind,
            [PYRO_LINE] = on_line,
            [PYRO_JUMP] = on_jump,
        },
    .local = PYRO_EVENT_BIT(PYRO_PY_START) | PYRO_EVENT_BIT(PYRO_PY_RESUME) |
             PYRO_EVENT_BIT(PYRO_PY_RETURN) | PYRO_EVENT_BIT(PYRO_PY_YIELD) |
             PYRO_EVENT_BIT(PYRO_LINE) | PYRO_EVENT_BIT(PYRO_JUMP),
};
static const struct pyro_hooks counting_hooks = {
    .on =
        {
            [PYRO_PY_START] = count_start,
            [PYRO_PY_RESUME] = count_start,
            [PYRO_LINE] = count_line,
            [PYRO_JUMP] = count_jump,
        },
    .local = PYRO_EVENT_BIT(PYRO_PY_START) | PYRO_EVENT_BIT(PYRO_PY_RESUME) |
             PYRO_EVENT_BIT(PYRO_LINE) | PYRO_EVENT_BIT(PYRO_JUMP),
};

static int set_hooks(void)
{
    hooks = timed ? timing_hooks : counting_hooks;
    return pyro_hooks_set(&hooks);
}

/* -- 3.11: the legacy trace function ------------------------------------------------------------ */

static bool traces; /* ours is set in all threads */

static void take_trace(const struct seen *seen, PyObject *frame_object, int what,
                       const PyObject *argument)
{
    switch (what) {
    case PYRO_TRACE_CALL:
        if (pyro_frame_begins(seen->frame))
            (void)push(seen->thread, seen->here, seen->frame, seen->now);
        else
            take_resume(seen,
                        (uint32_t)pyro_frame_offset(seen->frame, pyro_frame_code(seen->frame)));
        pay(seen->thread, costs.call);
        break;
    case PYRO_TRACE_LINE: {
        int line = PyFrame_GetLineNumber((PyFrameObject *)frame_object);
        uint32_t at = pyro_line_code_place(seen->here->code, (uint32_t)line);
        if (at)
            take_hit(seen, at);
        pay(seen->thread, costs.line);
        break;
    }
    case PYRO_TRACE_RETURN:
        take_leave(seen);
        break;
    }
}

static void count_trace(const PyObject *code, PyObject *frame_object, int what)
{
    struct pyro_line_code *lines = lines_of(code);
    if (!lines || what != PYRO_TRACE_LINE)
        return;
    int line = PyFrame_GetLineNumber((PyFrameObject *)frame_object);
    uint32_t at = pyro_line_code_place(lines, (uint32_t)line);
    if (at)
        (void)count_at(lines, at);
}

static int on_trace(PyObject *self, PyObject *frame_object, int what, PyObject *argument)
{
    PyThreadState *state = pyro_current_thread();
    PyObject *code = pyro_frame_code(pyro_current_frame(state));
    if (!timed) {
        count_trace(code, frame_object, what);
        return 0;
    }
    uint64_t begin = pyro_ticks();
    const struct seen seen = see(code, state, begin);
    if (!seen.thread || seen.here->code->silent)
        return 0;
    take_trace(&seen, frame_object, what, argument);
    if (what == PYRO_TRACE_LINE && __builtin_expect(gauge.until-- == 0, 0))
        measure(begin);
    return 0;
}

/* In all threads. -1 with an exception. */
static int set_traces(bool set)
{
    if ((set ? pyro_line_trace_set(on_trace) : pyro_line_trace_clear()) < 0)
        return -1;
    traces = set;
    return stays ? 0 : pyro_line_trace_new_threads(set);
}

/* Where a debugger, or coverage, has the place. */
static const char not_in_thread[] = "the program has a trace function of its own: in threads "
                                    "where it is set, lines are not counted (Python 3.11)";

static bool is_taken_here(void)
{
    return pyro_inside.minor < 12 && pyro_line_trace_taken(PyThreadState_Get(), on_trace);
}

void pyro_lines_new_threads(void)
{
    if (traces && set_traces(true) < 0)
        PyErr_Clear();
}

/* -- code objects ------------------------------------------------------------------------------- */

static bool calibrates; /* switch_to() is who asks for events of 3.11 */

static int ask_for_events(PyObject *code)
{
    if (pyro_inside.minor >= 12)
        return pyro_hooks_watch(&hooks, code);
    return traces || calibrates ? 0 : set_traces(true);
}

static struct pyro_line_code *begin_lines(PyObject *object, struct pyro_code_record *record)
{
    struct pyro_line_code *known = record->known_lines;
    if (!known)
        return pyro_line_code_new(object, record->id);
    known->id = record->id;
    known->in_thread = NULL;
    known->listens = known->silent = false;
    return known;
}

static int watch(PyObject *object, struct pyro_code_record *record)
{
    if (record->lines)
        return 0;
    if (watched >= WATCHED_MAX) {
        pyro_blocks_say("lines are counted of 16384 functions at most: there were more");
        return 0;
    }
    if (is_taken_here())
        pyro_blocks_say(not_in_thread);
    record->lines = begin_lines(object, record);
    if (!record->lines) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return -1;
    }
    watched++;
    return ask_for_events(object);
}

int pyro_lines_watch(PyObject *code)
{
    struct pyro_code_record *record = pyro_record_of(code);
    if (record)
        return watch(code, record);
    PyErr_NoMemory();
    return -1;
}

/* What of CODE is open in a thread is over, and what that called. */
static void end_everywhere(const struct pyro_line_code *code)
{
    for (struct pyro_lines_thread *thread = all_threads; thread; thread = thread->next) {
        if (thread->table->generation != pyro_armed->generation || /* its memory is gone */
            atomic_exchange_explicit(&thread->ending, true, memory_order_acquire))
            continue; /* it ends all of them itself */
        for (uint32_t i = 0; i < thread->depth; i++)
            if (thread->open[i].here->code == code)
                end_above(thread, i, pyro_ticks() - *thread->cost);
        atomic_store_explicit(&thread->ending, false, memory_order_release);
    }
}

/* Have events come from code of the program's, if they do not. */
static int listen_again(void)
{
    if (pyro_inside.minor >= 12)
        return hooks.tool ? 0 : set_hooks();
    return traces ? 0 : set_traces(true);
}

/* Nobody listens: nothing of ours stays with the interpreter. */
static void listen_no_more(void)
{
    if (pyro_inside.minor >= 12)
        pyro_hooks_clear(&hooks);
    else if (traces && set_traces(false) < 0)
        PyErr_Clear();
}

static int listen_to(PyObject *code, struct pyro_line_code *lines)
{
    if (listen_again() < 0 ||
        (pyro_inside.minor >= 12 && pyro_hooks_listen(&hooks, code, true) < 0))
        return -1;
    lines->listens = true;
    lines->silent = false;
    listening++;
    return 0;
}

static int listen_no_more_to(PyObject *code, struct pyro_line_code *lines)
{
    lines->listens = false;
    listening--;
    if (stays)
        return 0;
    end_everywhere(lines);
    lines->silent = true;
    if (listening == 0)
        listen_no_more();
    else if (pyro_inside.minor >= 12)
        return pyro_hooks_listen(&hooks, code, false);
    return 0;
}

int pyro_lines_listen(PyObject *code, bool listen)
{
    if (!timed)
        pyro_blocks_say("times of lines are sampled: LineProfiler has hits, and no times");
    if (listen_again() < 0 || pyro_lines_watch(code) < 0)
        return -1;
    struct pyro_line_code *lines = pyro_names_known(code)->lines;
    if (!lines || lines->listens == listen) /* too many */
        return 0;
    if (listen && is_taken_here() && PyErr_WarnEx(PyExc_RuntimeWarning, not_in_thread, 1) < 0)
        return -1;
    return listen ? listen_to(code, lines) : listen_no_more_to(code, lines);
}

const struct pyro_line_code *pyro_lines_code(PyObject *code)
{
    const struct pyro_code_record *record = pyro_names_known(code);
    return record ? record->lines : NULL;
}

bool pyro_lines_on(void)
{
    return on;
}

bool pyro_lines_of_run(void)
{
    return on && stays;
}

/* Does one of the lines that are asked for belong to CODE? */
static bool has_wanted_line(PyObject *object, const char *file)
{
    const char *names = wanted_names;
    uint32_t line = pyro_wanted_line(&names, file);
    if (!line)
        return false;
    struct pyro_line_code *code = pyro_line_code_new(object, 0);
    PyErr_Clear();
    bool has = false;
    for (; code && line && !has; line = pyro_wanted_line(&names, file))
        has = pyro_line_code_place(code, line) != 0;
    pyro_line_code_free(code);
    return has;
}

void pyro_lines_recognise(PyObject *code, const char *name, const char *file,
                          struct pyro_code_record *record)
{
    if (!wanted_names || !*wanted_names)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if ((pyro_wanted(wanted_names, name, file) || has_wanted_line(code, file)) &&
        watch(code, record) < 0)
        lose();
    PyErr_Restore(type, value, traceback);
}

/* -- a thread's end ----------------------------------------------------------------------------- */

void pyro_lines_thread_ended(struct pyro_lines_thread *thread)
{
    if (!thread)
        return;
    while (atomic_exchange_explicit(&thread->ending, true, memory_order_acquire))
        ; /* by another thread, which is about to be done */
    end_above(thread, 0, pyro_ticks() - *thread->cost);
    atomic_store_explicit(&thread->ending, false, memory_order_release);
}

static void leave_list(const struct pyro_lines_thread *thread)
{
    struct pyro_lines_thread **link = &all_threads;
    while (*link && *link != thread)
        link = &(*link)->next;
    if (*link)
        *link = thread->next;
}

void pyro_lines_thread_free(struct pyro_lines_thread *thread)
{
    if (!thread)
        return;
    leave_list(thread);
    for (size_t i = 0; i < thread->heres.capacity; i++) {
        struct here *here = (struct here *)(uintptr_t)thread->heres.slots[i].value;
        if (!thread->heres.slots[i].used || !here)
            continue;
        if (here->code->in_thread == here)
            here->code->in_thread = NULL;
        free(here);
    }
    pyro_map_free(&thread->heres);
    free(thread->open);
    free(thread);
}

/* -- what it costs ------------------------------------------------------------------------------ */

enum loop { JUMPS, LINES, CALLS, PLAIN, LOOPS };

static const char source[] = "def nothing(x):\n"
                             "    return x\n"
                             "def jumps(rounds):\n"
                             "    for i in rounds: pass\n"
                             "def lines(rounds):\n"
                             "    for i in rounds:\n"
                             "        a = i\n"
                             "        b = i\n"
                             "def calls(rounds):\n"
                             "    for i in rounds: nothing(i)\n"
                             "def plain(rounds):\n"
                             "    s = 0\n"
                             "    for i in rounds: s += i * i % 7\n";
static const char *const loop_names[LOOPS] = {"jumps", "lines", "calls", "plain"};
#define LINES_A_ROUND 3

static int switch_to(bool to)
{
    if (pyro_inside.minor >= 12)
        return pyro_hooks_switch(&hooks, to);
    return pyro_python.set_trace(PyThreadState_Get(), to ? on_trace : NULL, NULL);
}

static int watch_function(PyObject *function)
{
    PyObject *code = function ? PyObject_GetAttrString(function, "__code__") : NULL;
    int result = code ? pyro_lines_watch(code) : -1;
    Py_XDECREF(code);
    return result;
}

static int watch_loops(const struct pyro_loops *loops)
{
    PyObject *globals = PyObject_GetAttrString(loops->functions[CALLS], "__globals__");
    int result = globals ? watch_function(PyDict_GetItemString(globals, "nothing")) : -1;
    Py_XDECREF(globals);
    for (int loop = JUMPS; result == 0 && loop <= CALLS; loop++)
        result = watch_function(loops->functions[loop]);
    return result;
}

/* What the loops did is not the program's. */
static void forget(void)
{
    struct pyro_thread_table *table = pyro_threads_table(PyThreadState_Get());
    struct pyro_lines_thread *thread = table ? table->lines : NULL;
    struct pyro_line_entry *entries =
        thread && thread->block ? (struct pyro_line_entry *)(thread->block + 1) : NULL;
    for (uint32_t i = 0; entries && i < thread->block_used; i++)
        entries[i].hits = 0, entries[i].ticks = 0;
    if (thread)
        *thread->cost = 0;
}

static double between(double ticks, double limit)
{
    return ticks > 0 ? ticks < limit ? ticks : limit : 0;
}

static void take_costs(const struct pyro_loops *loops, double tick_ns,
                       struct pyro_process_block *process)
{
    const double limit = 1e6; /* ticks: more is no cost of an event */
    double jump = pyro_loops_cost(loops, JUMPS, PLAIN) / tick_ns;
    double line = pyro_loops_cost(loops, LINES, PLAIN) / tick_ns / LINES_A_ROUND;
    double call = pyro_loops_cost(loops, CALLS, PLAIN) / tick_ns - jump - line;
    process->line_costs = (struct pyro_line_costs){
        .line = between(line, limit), .jump = between(jump, limit), .call = between(call, limit)};
    gauge.at_zero = process->line_costs;
    gauge.zero_ticks = take_gauge();
    set_costs(1);
}

static int calibrate(struct pyro_process_block *process)
{
    struct pyro_loops loops = {0};
    const struct pyro_moment first = pyro_moment();
    calibrates = true;
    int result = pyro_loops_init(&loops, source, loop_names, LOOPS);
    if (result == 0)
        result = watch_loops(&loops);
    if (result == 0)
        result = pyro_loops_time(&loops, switch_to, NULL);
    if (result == 0) {
        process->tick_ns = pyro_tick_ns_since(first);
        take_costs(&loops, process->tick_ns, process);
    }
    forget();
    pyro_loops_clear(&loops);
    calibrates = false;
    if (pyro_inside.minor < 12 &&
        switch_to(false) < 0) /* until a function of the program's is to be counted */
        result = -1;
    return result;
}

/* -- start and stop ----------------------------------------------------------------------------- */

int pyro_lines_start(const char *names, enum pyro_lines_way way, struct pyro_process_block *process)
{
    pyro_ticks_init();
    on = true;
    stays = way != PYRO_LINES_LISTEN;
    timed = way != PYRO_LINES_COUNT;
    int result = pyro_inside.minor >= 12 ? set_hooks() : 0;
    if (is_taken_here())
        process->tick_ns = pyro_tick_ns_over(PYRO_NS_PER_MS); /* what events cost stays unknown */
    else if (result == 0)
        result = calibrate(process);
    if (result == 0 && !(wanted_names = strdup(names))) {
        PyErr_NoMemory();
        result = -1;
    }
    if (result < 0)
        pyro_lines_stop();
    else if (stays && !*names)
        pyro_hottest_await();
    return result;
}

void pyro_lines_stop(void)
{
    if (!on)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (pyro_inside.minor >= 12)
        pyro_hooks_clear(&hooks);
    else if (traces)
        (void)set_traces(false);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    on = stays = false;
    watched = listening = 0;
    free(wanted_names);
    wanted_names = NULL;
}

#endif /* PYRO_FREE_THREADED */
