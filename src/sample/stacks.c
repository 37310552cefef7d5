/* sample/stacks.c - from raw frames to a sample of the recording.
 *
 * Only what differs from the thread's last sample is looked up. The edge check: a pair of functions is sure once
 * it was seen to stand still in two looks; a stack with a pair never seen so keeps its root part, and the recording
 * remembers both, so that a pair confirmed later makes earlier samples sure. */
#include <stdlib.h>
#include <string.h>

#include "sample/internal.h"

static int room_for(struct pyro_sampled_thread *thread, size_t count)
{
    if (count <= thread->capacity)
        return 0;
    size_t capacity = thread->capacity ? thread->capacity : 64;
    while (capacity < count)
        capacity *= 2;
    struct pyro_raw_frame *frames = realloc(thread->frames, capacity * sizeof(*frames));
    if (frames)
        thread->frames = frames;
    uint32_t *stacks = realloc(thread->stacks, capacity * sizeof(*stacks));
    if (stacks)
        thread->stacks = stacks;
    uint32_t *functions = realloc(thread->functions, capacity * sizeof(*functions));
    if (functions)
        thread->functions = functions;
    uint64_t *paths = realloc(thread->paths, capacity * sizeof(*paths));
    if (paths)
        thread->paths = paths;
    if (!frames || !stacks || !functions || !paths)
        return -1;
    thread->capacity = capacity;
    return 0;
}

static bool same_place(const struct pyro_raw_frame *a, const struct pyro_raw_frame *b)
{
    return a->address == b->address && a->code == b->code && a->instruction == b->instruction;
}

/* How many frames from the root are those of the last sample, and may be taken over. */
static size_t unchanged(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    if (!pyro_codes_settled(&sampler->codes, thread->verified_ns, thread->generation))
        return 0;
    if (stack->elided != thread->elided || stack->elided_at != thread->elided_at)
        return 0;
    size_t count = stack->count < thread->count ? stack->count : thread->count, same = 0;
    while (same < count && same_place(&stack->frames[same], &thread->frames[same]))
        same++;
    return same;
}

static uint32_t elided_stack(struct pyro_sampler *sampler, uint32_t parent, uint64_t elided)
{
    uint32_t line = elided < UINT32_MAX ? (uint32_t)elided : UINT32_MAX - 1;
    uint32_t frame = pyro_writer_frame(sampler->writer, sampler->elided_function, line);
    return pyro_writer_stack(sampler->writer, parent, frame);
}

/* Name the frames from index FIRST on. Returns how many from the root could be named. */
static size_t name_frames(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread, size_t first)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    uint32_t parent = first > 0 ? thread->stacks[first - 1] : PYRO_STACK_ROOT;
    uint64_t path = first > 0 ? thread->paths[first - 1] : 0;
    for (size_t i = first; i < stack->count; i++) {
        if (stack->elided && i == stack->elided_at)
            parent = elided_stack(sampler, parent, stack->elided);
        int64_t entry = pyro_codes_find(&sampler->codes, stack->frames[i].code);
        if (entry < 0)
            return i;
        thread->functions[i] = pyro_codes_at(&sampler->codes, entry)->function;
        if (thread->functions[i] != PYRO_NO_ID) {
            uint32_t frame = pyro_codes_frame(&sampler->codes, entry, stack->frames[i].instruction);
            parent = pyro_writer_stack(sampler->writer, parent, frame);
            path = pyro_hash_u64(path + thread->functions[i] + 1);
        }
        thread->stacks[i] = parent;
        thread->paths[i] = path;
    }
    return stack->count;
}

/* The function that called frame I: the next one below that is shown. PYRO_NO_ID: none, or not known. */
static uint32_t caller_of(const struct pyro_sampled_thread *thread, size_t i)
{
    while (i-- > 0)
        if (thread->functions[i] != PYRO_NO_ID)
            return thread->functions[i];
    return PYRO_NO_ID;
}

/* Are frame I and its caller copied from different places - a generator's object and a chunk, say? Then the pair may
 * be of two moments much more easily, and two known functions may be joined wrongly. So a join is known only by the
 * whole path to it, and by more than one good look: it is looked at again and again until it has stood still
 * JOIN_SETTLED times, and must do so in one of JOIN_RATIO looks. (One wrong look is possible when we are
 * preempted in the middle of a copy and the program comes round to where it was.) */
static bool is_join(const struct pyro_raw_stack *stack, size_t i)
{
    return i > 0 && !(stack->frames[i].flags & stack->frames[i - 1].flags & PYRO_FRAME_IN_CHUNK);
}

#define JOIN_KEY     (1ull << 63)
#define JOIN_LOOK    (1ull << 32) /* value of a join: looks in the upper half, those it stood still in the lower */
#define JOIN_SURE    2
#define JOIN_SETTLED 8
#define JOIN_RATIO   20

/* What the edge into frame I is known by. False: there is nothing to know (a root, a shim, an elided middle). */
static bool edge_key(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread, size_t i,
                     uint64_t *ret_caller)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    if (i == 0 || thread->functions[i] == PYRO_NO_ID || (stack->elided && i == stack->elided_at))
        return false;
    if (is_join(stack, i)) {
        *ret_caller = JOIN_KEY | thread->paths[i - 1];
        return true;
    }
    uint32_t caller = caller_of(thread, i);
    *ret_caller = caller;
    return caller != PYRO_NO_ID;
}

static bool join_sure(uint64_t value)
{
    uint64_t looks = value / JOIN_LOOK, still = value % JOIN_LOOK;
    return still >= JOIN_SURE && still * JOIN_RATIO >= looks;
}

/* Is it sure? *RET_LOOK: one more look is wanted, sure or not. */
static bool edge_known(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread, size_t i,
                       bool *ret_look)
{
    uint64_t caller;
    if (!edge_key(sampler, thread, i, &caller))
        return true;
    const uint64_t *value = pyro_map_find(&sampler->edges, caller, thread->functions[i]);
    if (!(caller & JOIN_KEY)) {
        *ret_look |= value == NULL;
        return value != NULL;
    }
    *ret_look |= !value || *value % JOIN_LOOK < JOIN_SETTLED;
    return value && join_sure(*value);
}

/* The first frame the edge into which is not sure. */
static size_t first_unknown_edge(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                                 size_t from, size_t count, bool *ret_look)
{
    while (from < count && edge_known(sampler, thread, from, ret_look))
        from++;
    return from;
}

/* STILL frames from the root stood still in a second look: take note of each edge. */
static void edges_learn(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread, size_t from,
                        size_t count, size_t still)
{
    for (size_t i = from; i < count; i++) {
        uint64_t caller;
        bool is_new = false, join = edge_key(sampler, thread, i, &caller) && (caller & JOIN_KEY);
        if ((!join && i >= still) || !edge_key(sampler, thread, i, &caller))
            continue;
        uint64_t *value = pyro_map_insert(&sampler->edges, caller, thread->functions[i], &is_new);
        if (value && join)
            *value += JOIN_LOOK + (i < still);
        else if (is_new)
            pyro_writer_edge(sampler->writer, (uint32_t)caller, thread->functions[i]);
    }
}

/* How many frames from the root are sure, after a second look if one is needed. Edges below FROM are settled. */
static size_t sure_frames(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread, size_t from,
                          size_t count)
{
    bool look = false;
    if (sampler->options.exact || sampler->no_edge_check)
        return count;
    size_t unknown = first_unknown_edge(sampler, thread, from, count, &look);
    if (look) {
        size_t still = pyro_stack_confirm(&thread->reader, sampler->memory, &sampler->stack);
        edges_learn(sampler, thread, from, count, still);
        unknown = first_unknown_edge(sampler, thread, from, count, &look);
    }
    thread->settled = look ? from : unknown;
    return unknown;
}

/* May edges that are confirmed later make this stack sure? Not if a join is among those unknown. */
static bool may_become_sure(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                            size_t sure, size_t named)
{
    bool look;
    for (size_t i = sure; i < named; i++)
        if (is_join(&sampler->stack, i) && !edge_known(sampler, thread, i, &look))
            return false;
    return true;
}

static bool leaf_moved(const struct pyro_sampled_thread *thread, const struct pyro_raw_stack *stack)
{
    if (thread->count != stack->count)
        return true;
    return stack->count > 0 &&
           !same_place(&thread->frames[stack->count - 1], &stack->frames[stack->count - 1]);
}

static void remember(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread, size_t same,
                     size_t named)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    memcpy(thread->frames + same, stack->frames + same, (named - same) * sizeof(*stack->frames));
    thread->count = named;
    thread->elided = stack->elided;
    thread->elided_at = stack->elided_at;
    if (same == 0) {
        thread->verified_ns = sampler->codes.now_ns;
        thread->generation = sampler->codes.generation;
    }
}

static void count_sample(const struct pyro_raw_stack *stack, const struct pyro_written_sample *sample,
                         struct pyro_counters *counters)
{
    counters->samples++;
    counters->empty += sample->stack == PYRO_STACK_ROOT;
    counters->unsure += sample->stack != sample->agreed;
    counters->second_reads += stack->late;
}

void pyro_sampler_write(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                        const struct pyro_sampled_interp *interp, uint64_t now_ns,
                        struct pyro_counters *counters)
{
    struct pyro_raw_stack *stack = &sampler->stack;
    if (room_for(thread, stack->count + 1) < 0)
        return;
    bool holds_gil = stack->holds_gil || (interp->gil_holder.u == thread->info.tstate.u);
    struct pyro_state_hints hints = {
        .now_ns = now_ns,
        .moved = leaf_moved(thread, stack),
        .holds_gil = holds_gil,
        .wants_gil = stack->wants_gil,
        .gil = interp->gil.u,
    };
    if (sampler->options.gil_only && !holds_gil)
        return;
    size_t same = unchanged(sampler, thread);
    size_t named = stack->broken ? 0 : name_frames(sampler, thread, same);
    if (named < same)
        same = named;
    size_t sure = sure_frames(sampler, thread, same < thread->settled ? same : thread->settled, named);
    pyro_thread_state_update(&thread->state, &hints, sampler->writer);

    struct pyro_written_sample sample = {
        .thread = thread->id,
        .stack = named > 0 ? thread->stacks[named - 1] : PYRO_STACK_ROOT,
        .agreed = sure > 0 ? thread->stacks[sure - 1] : PYRO_STACK_ROOT,
        .state = thread->state.state,
        .flags = (holds_gil ? PYRO_SAMPLE_GIL : 0) |
                 (holds_gil && interp->collecting ? PYRO_SAMPLE_GC : 0),
        .wait = thread->state.wait,
    };
    /* Something is there that cannot be named, or whose place nothing can prove later. */
    if (named < stack->count || stack->broken || !may_become_sure(sampler, thread, sure, named))
        sample.stack = pyro_writer_stack(sampler->writer, sample.agreed, sampler->unsure_frame);
    pyro_writer_sample(sampler->writer, &sample);
    count_sample(stack, &sample, counters);
    counters->moved += hints.moved;
    remember(sampler, thread, same, named);
}
