/* sample/stacks.c - from raw frames to a sample of the recording.
 *
 * Only what differs from the thread's last sample is looked up. The edge check: a pair of functions is sure once
 * it was seen to stand still in two looks; a stack with a pair never seen so keeps its root part, and the recording
 * remembers both, so that a pair confirmed later makes earlier samples sure. */
#include <stdlib.h>
#include <string.h>

#include "sample/internal.h"

#define CODE_GENERATORS (0x20 | 0x80 | 0x200) /* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR */

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
    uint32_t *callees = realloc(thread->callees, capacity * sizeof(*callees));
    if (callees)
        thread->callees = callees;
    if (!frames || !stacks || !functions || !paths || !callees)
        return -1;
    thread->capacity = capacity;
    return 0;
}

static bool same_place(const struct pyro_raw_frame *a, const struct pyro_raw_frame *b)
{
    return a->address == b->address && a->code == b->code && a->instruction == b->instruction;
}

/* -- C functions -------------------------------------------------------------------------------- */

/* The C function that frame I calls at this moment; PYRO_NO_ID: none is known. */
static uint32_t callee_of(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                          size_t i)
{
    const struct pyro_callee_source *source = sampler->options.callees;
    const struct pyro_raw_frame *frame = &sampler->stack.frames[i];
    if (!source)
        return PYRO_NO_ID;
    uint64_t offset = frame->instruction - (frame->code + sampler->runtime.layout.code.bytecode);
    return source->callee(source->context, sampler->writer, sampler->pid, thread->info.kernel_id,
                          frame->address, frame->code, offset);
}

/* -- frames ------------------------------------------------------------------------------------- */

/* How many frames from the root are those of the last sample, and may be taken over. */
static size_t unchanged(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    if (!pyro_codes_settled(&sampler->codes, thread->verified_ns, thread->generation))
        return 0;
    if (stack->elided != thread->elided || (stack->elided && stack->elided_at != thread->elided_at))
        return 0;
    size_t count = stack->count < thread->count ? stack->count : thread->count;
    size_t same = stack->reused < count ? stack->reused : count;
    while (same < count && same_place(&stack->frames[same], &thread->frames[same]))
        same++;
    /* The last of them stands where it stood, but what it calls there may be another C function. */
    if (same > 0 && callee_of(sampler, thread, same - 1) != thread->callees[same - 1])
        same--;
    return same;
}

static uint32_t elided_stack(struct pyro_sampler *sampler, uint32_t parent, uint64_t elided)
{
    uint32_t line = elided < UINT32_MAX ? (uint32_t)elided : UINT32_MAX - 1;
    uint32_t frame = pyro_writer_frame(sampler->writer, sampler->elided_function, line);
    return pyro_writer_stack(sampler->writer, parent, frame);
}

/* Name the frames from index FIRST on. Returns how many from the root could be named. */
static size_t name_frames(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                          size_t first)
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
        const struct pyro_code_entry *known = pyro_codes_at(&sampler->codes, entry);
        thread->functions[i] = known->function;
        if (known->code.flags & CODE_GENERATORS)
            (void)pyro_map_insert(&sampler->frame_sizes, stack->frames[i].code,
                                  PYRO_SIZES_GENERATOR, NULL);
        if (thread->functions[i] != PYRO_NO_ID) {
            uint32_t frame = pyro_codes_frame(&sampler->codes, entry, stack->frames[i].instruction);
            parent = pyro_writer_stack(sampler->writer, parent, frame);
            path = pyro_hash_u64(path + thread->functions[i] + 1);
        }
        thread->callees[i] = callee_of(sampler, thread, i);
        if (thread->callees[i] != PYRO_NO_ID)
            parent = pyro_writer_stack(sampler->writer, parent,
                                       pyro_writer_frame(sampler->writer, thread->callees[i], 0));
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

/* -- edges ------------------------------------------------------------------------------------
 *
 * An edge is looked at until it was seen for certain EDGE_SETTLED times: by the sweep itself (both frames on the data
 * stack before and after the copy) or by a second look. It is sure if it
 * was certain at least EDGE_SURE times and in one of EDGE_RATIO looks: pairs that never were are seen for certain only
 * when we are held up in the middle of a copy and the program comes round to where it was. */
#define EDGE_SURE    2
#define EDGE_SETTLED 8
#define EDGE_RATIO   50
#define JOIN_RATIO   20
#define JOIN_KEY     (1ull << 63)

/* Are frame I and its caller copied from different places - a generator's object and a chunk, two chunks? Then the pair may
 * be of two moments much more easily, and two known functions may be joined wrongly: a join is known only by the whole
 * path to it. */
static bool is_join(const struct pyro_raw_stack *stack, size_t i)
{
    uint32_t both = stack->frames[i].flags & (i > 0 ? stack->frames[i - 1].flags : 0);
    return i > 0 &&
           (!(both & PYRO_FRAME_IN_CHUNK) || (stack->frames[i].flags & PYRO_FRAME_NEXT_CHUNK));
}

/* What the edge into frame I is known by. False: there is nothing to know (a root, a shim, an elided middle). */
static bool edge_key(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                     size_t i, uint64_t *ret_caller)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    if (i == 0 || thread->functions[i] == PYRO_NO_ID || (stack->elided && i == stack->elided_at))
        return false;
    *ret_caller = is_join(stack, i) ? JOIN_KEY | thread->paths[i - 1] : caller_of(thread, i);
    return *ret_caller != PYRO_NO_ID;
}

static bool edge_sure(const struct pyro_edge *edge)
{
    if (!edge || edge->certain < EDGE_SURE)
        return false;
    return (uint64_t)edge->certain * (edge->caller & JOIN_KEY ? JOIN_RATIO : EDGE_RATIO) >=
           edge->looks;
}

static bool edge_settled(const struct pyro_edge *edge)
{
    return edge_sure(edge) && edge->certain >= EDGE_SETTLED;
}

static struct pyro_edge *edge_find(const struct pyro_sampler *sampler, uint64_t caller,
                                   uint32_t callee)
{
    const uint64_t *id = pyro_map_find(&sampler->edge_ids, caller, callee);
    return id ? &sampler->edges[*id] : NULL;
}

static struct pyro_edge *edge_add(struct pyro_sampler *sampler, uint64_t caller, uint32_t callee)
{
    if (sampler->edge_count == sampler->edge_capacity) {
        size_t capacity = sampler->edge_capacity ? sampler->edge_capacity * 2 : 256;
        struct pyro_edge *grown = realloc(sampler->edges, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        sampler->edges = grown;
        sampler->edge_capacity = capacity;
    }
    uint64_t *id = pyro_map_insert(&sampler->edge_ids, caller, callee, NULL);
    if (!id)
        return NULL;
    *id = sampler->edge_count;
    sampler->edges[sampler->edge_count] = (struct pyro_edge){.caller = caller, .callee = callee};
    return &sampler->edges[sampler->edge_count++];
}

static void edge_write(struct pyro_sampler *sampler, struct pyro_edge *edge)
{
    if (!edge->written && edge_sure(edge) && !(edge->caller & JOIN_KEY))
        pyro_writer_edge(sampler->writer, (uint32_t)edge->caller, edge->callee);
    edge->written = true;
}

/* Once in a sweep and once in a second look, unless certainty comes later in the same stack. */
static void edge_looked(struct pyro_sampler *sampler, uint64_t caller, uint32_t callee,
                        bool certain, bool second)
{
    struct pyro_edge *edge = edge_find(sampler, caller, callee);
    if (!edge)
        edge = edge_add(sampler, caller, callee);
    if (!edge || edge_settled(edge))
        return;
    uint64_t *last_ns = second ? &edge->looked_ns : &edge->seen_ns;
    if (*last_ns == sampler->codes.now_ns || edge->looks == UINT32_MAX)
        return;
    *last_ns = sampler->codes.now_ns;
    edge->looks++;
    edge->certain += certain;
    if (edge_settled(edge))
        edge_write(sampler, edge);
}

void pyro_sampler_write_edges(struct pyro_sampler *sampler)
{
    for (size_t i = 0; i < sampler->edge_count; i++)
        edge_write(sampler, &sampler->edges[i]);
}

/* What is known of the edges FROM ... COUNT - 1. */
struct edges_known {
    size_t unknown; /* the first that is not sure; COUNT: all are */
    size_t settled; /* so many from the root need no look any more */
};

static struct edges_known edges_ask(const struct pyro_sampler *sampler,
                                    const struct pyro_sampled_thread *thread, size_t from,
                                    size_t count)
{
    struct edges_known known = {.unknown = count, .settled = count};
    for (size_t i = from; i < count && known.unknown == count; i++) {
        uint64_t caller;
        if (!edge_key(sampler, thread, i, &caller))
            continue;
        const struct pyro_edge *edge = edge_find(sampler, caller, thread->functions[i]);
        if (!edge_sure(edge))
            known.unknown = i;
        if (!edge_settled(edge) && known.settled == count)
            known.settled = i;
    }
    return known;
}

/* Does the sweep alone make the edge into frame I certain? */
static bool certain_by_sweep(const struct pyro_raw_stack *stack, size_t i)
{
    return i < stack->certain && !is_join(stack, i) &&
           !(stack->frames[i].flags & PYRO_FRAME_INFERRED);
}

/* How edges are found certain: all, since the thread was proved to stand still; by the sweep itself; by a second look,
 * those below the frame that did not stand still. */
enum evidence { BY_PROOF, BY_SWEEP, BY_LOOK };

/* Take note of the edges FROM ... COUNT - 1. */
static void edges_note(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                       size_t from, size_t count, enum evidence evidence, size_t still)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    for (size_t i = from ? from : 1; i < count; i++) {
        uint64_t caller;
        if ((stack->frames[i].flags & PYRO_FRAME_INFERRED) ||
            !edge_key(sampler, thread, i, &caller))
            continue;
        bool certain = evidence == BY_PROOF   ? true
                       : evidence == BY_SWEEP ? certain_by_sweep(stack, i)
                                              : i < still;
        edge_looked(sampler, caller, thread->functions[i], certain, evidence == BY_LOOK);
    }
}

/* How many frames from the root are sure, after a second look if one is needed. Edges below FROM are settled. */
static size_t sure_frames(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                          size_t from, size_t count)
{
    if (sampler->no_edge_check)
        return count;
    if (sampler->still) {
        /* All is certain but a caller that nothing names. */
        size_t sure = 0;
        while (sure < count && !(sampler->stack.frames[sure].flags & PYRO_FRAME_INFERRED))
            sure++;
        if (!sampler->options.exact) {
            edges_note(sampler, thread, from, sure, BY_PROOF, 0);
            thread->settled = edges_ask(sampler, thread, from, sure).settled;
        }
        return sure;
    }
    edges_note(sampler, thread, from, count, BY_SWEEP, 0);
    struct edges_known known = edges_ask(sampler, thread, from, count);
    if (known.unknown < count) {
        size_t still = pyro_stack_confirm(&thread->reader, sampler->memory, &sampler->stack);
        edges_note(sampler, thread, from, count, BY_LOOK, still);
        known = edges_ask(sampler, thread, from, count);
    }
    thread->settled = known.settled;
    return known.unknown;
}

/* May edges that are confirmed later make this stack sure? Not if a join is among those unknown. */
static bool may_become_sure(const struct pyro_sampler *sampler,
                            const struct pyro_sampled_thread *thread, size_t sure, size_t named)
{
    if (sampler->still && sure < named)
        return false;
    for (size_t i = sure; i < named; i++)
        if (is_join(&sampler->stack, i) && edges_ask(sampler, thread, i, i + 1).unknown == i)
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
    thread->whole = named == stack->count && !stack->broken && !stack->elided;
    thread->elided = stack->elided;
    thread->elided_at = stack->elided_at;
    if (same == 0) {
        thread->verified_ns = sampler->codes.now_ns;
        thread->generation = sampler->codes.generation;
    }
}

static void count_sample(const struct pyro_written_sample *sample, struct pyro_counters *counters)
{
    counters->samples++;
    counters->empty += sample->stack == PYRO_STACK_ROOT;
    counters->unsure += sample->stack != sample->agreed;
}

/* Bring the state up to date and write the sample. */
static void write_sample(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                         const struct pyro_sampled_interp *interp, bool moved, bool holds_gil,
                         uint64_t now_ns, struct pyro_counters *counters)
{
    struct pyro_state_hints hints = {
        .now_ns = now_ns,
        .moved = moved,
        .may_run = holds_gil || thread->attached,
        .wants_gil = thread->wants_gil,
        .gil = interp->gil.u,
    };
    pyro_thread_state_update(&thread->state, &hints, sampler->writer);
    thread->last.state = thread->state.state;
    thread->last.wait = thread->state.wait;
    thread->last.flags =
        (holds_gil ? PYRO_SAMPLE_GIL : 0) | (holds_gil && interp->collecting ? PYRO_SAMPLE_GC : 0);
    sampler->written = thread;
    pyro_writer_sample(sampler->writer, &thread->last);
    sampler->written = NULL;
    count_sample(&thread->last, counters);
    counters->moved += moved;
}

/* -- membership tests --------------------------------------------------------------------------- */

/* The frame at the top of the sample that was just written may search a container. */
static void note_lookup(struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                        size_t named)
{
    const struct pyro_raw_stack *stack = &sampler->stack;
    const struct pyro_callee_source *callees = sampler->options.callees;
    if (named == 0 || named < stack->count || stack->broken ||
        thread->functions[named - 1] == PYRO_NO_ID || thread->callees[named - 1] != PYRO_NO_ID)
        return;
    const struct pyro_raw_frame *top = &stack->frames[named - 1];
    int64_t entry = pyro_codes_find(&sampler->codes, top->code);
    if (entry < 0)
        return;
    uint32_t frame = pyro_codes_frame(&sampler->codes, entry, top->instruction);
    const struct pyro_operand_source source = {
        .operand = callees ? callees->operand : NULL,
        .context = callees ? callees->context : NULL,
        .pid = sampler->pid,
    };
    pyro_lookups_note(&sampler->lookups, sampler->memory, &sampler->runtime, top, frame,
                      callees ? &source : NULL, sampler->codes.now_ns);
}

/* -- samples ------------------------------------------------------------------------------------ */

void pyro_sampler_repeat(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                         const struct pyro_sampled_interp *interp, uint64_t now_ns,
                         struct pyro_counters *counters)
{
    bool holds_gil = interp->gil_holder.u == thread->info.tstate.u;
    if (!sampler->options.gil_only || holds_gil)
        write_sample(sampler, thread, interp, false, holds_gil, now_ns, counters);
}

void pyro_sampler_write(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                        const struct pyro_sampled_interp *interp, uint64_t now_ns,
                        struct pyro_counters *counters)
{
    struct pyro_raw_stack *stack = &sampler->stack;
    if (room_for(thread, stack->count + 1) < 0)
        return;
    counters->second_reads += stack->late;
    bool holds_gil = stack->holds_gil || (interp->gil_holder.u == thread->info.tstate.u);
    if (sampler->options.gil_only && !holds_gil)
        return;
    bool moved = leaf_moved(thread, stack);
    size_t same = unchanged(sampler, thread);
    size_t named = name_frames(sampler, thread, same);
    if (named < same)
        same = named;
    size_t sure =
        sure_frames(sampler, thread, same < thread->settled ? same : thread->settled, named);
    thread->last.thread = thread->id;
    thread->last.stack = named > 0 ? thread->stacks[named - 1] : PYRO_STACK_ROOT;
    thread->last.agreed = sure > 0 ? thread->stacks[sure - 1] : PYRO_STACK_ROOT;
    /* Something is there that cannot be named, or whose place nothing can prove later. */
    if (named < stack->count || stack->broken || !may_become_sure(sampler, thread, sure, named))
        thread->last.stack =
            pyro_writer_stack(sampler->writer, thread->last.agreed, sampler->unsure_frame);
    thread->wants_gil = stack->wants_gil;
    thread->attached = stack->attached;
    counters->still += sampler->still && !sampler->options.exact;
    write_sample(sampler, thread, interp, moved, holds_gil, now_ns, counters);
    remember(sampler, thread, same, named);
    note_lookup(sampler, thread, named);
}
