/* collect/memory.c - what probes that track memory know: stacks, what they allocated, and the process as a whole.
 *
 * Figures are written as they stand, so how often they are written does not matter to who reads them: at first each time we
 * look, later when a sixteenth of the time has passed since the last time, and of a process that has ended once more.
 *
 * What stacks have alive over time is written besides (moments): more often, but only of those with much, and so seldom that it takes us
 * a small part of the time. */
#include "collect/internal.h"

#include "base/clock.h"
#include "base/resident.h"

#include <stdlib.h>
#include <string.h>

#define GAP_SHARE \
    16 /* of the time so far: the part that may pass until figures are written again */
#define MOMENT_SHARE  32                    /* so with moments, */
#define MOMENT_GAP_NS (10 * PYRO_NS_PER_MS) /* and at least so much, */
#define MOMENT_COST   64                    /* and so often what the last ones took */
#define MOMENT_BYTES  (UINT64_C(4) << 10) /* alive: less, then and before, is not worth a moment */
#define FIGURE_MAX    (UINT64_C(1) << 56) /* docs/format.md */

/* -- a process ---------------------------------------------------------------------------------- */

/* What the kernel says is resident; of a process that is gone, what it said last. */
static void note_resident(struct pyro_seen_process *process, int32_t pid)
{
    (void)pyro_resident_read(pid, &process->resident);
}

static bool has_ended(const struct pyro_process_block *shared)
{
    char state = pyro_thread_state_of(shared->pid, (uint32_t)shared->pid);
    return atomic_load_explicit(&shared->state, memory_order_acquire) == PYRO_PROBE_STOPPED ||
           !state || state == 'Z' || state == 'X';
}

static uint64_t bounded(uint64_t figure)
{
    return figure < FIGURE_MAX ? figure : FIGURE_MAX;
}

static void write_sizes(uint32_t process, const struct pyro_heap_totals *totals,
                        struct pyro_writer *writer)
{
    struct pyro_process_sizes sizes = {.process = process};
    for (int i = 0; i < PYRO_SIZE_CLASSES; i++) {
        sizes.classes[i].blocks = bounded(totals->sizes[i].blocks);
        sizes.classes[i].bytes = bounded(totals->sizes[i].bytes);
    }
    pyro_writer_sizes(writer, &sizes);
}
_Static_assert(PYRO_SIZE_CLASSES == PYRO_BLOCK_SIZES, "the same classes");
/* What a program does after that (taking itself down) belongs to no stack: so it is told when that begins. */
static void write_stop(struct pyro_collector *collector, struct pyro_seen_process *process,
                       uint32_t recorded, const struct pyro_heap_totals *totals,
                       struct pyro_writer *writer)
{
    const struct pyro_stack_moment moment = {
        .process = recorded,
        .stack = PYRO_STACK_ROOT,
        .time_us = (totals->stopped_ns - collector->first_ns) / PYRO_NS_PER_US,
        .live = bounded(totals->live),
    };
    if (process->stop_told || totals->stopped_ns < collector->first_ns ||
        moment.time_us >= FIGURE_MAX)
        return;
    pyro_writer_moment(writer, &moment);
    process->stop_told = true;
}

/* 0: none, or no good. */
static uint64_t period_of(const struct pyro_process_block *shared)
{
    const uint64_t period = shared->heap.period;
    return period <= PYRO_SAMPLING_PERIOD_MAX ? period : 0;
}

static void write_heap(struct pyro_collector *collector, uint32_t block, struct pyro_writer *writer)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    struct pyro_seen_process *process = collector->processes[block];
    struct pyro_heap_totals totals;
    memcpy(&totals, &shared->heap, sizeof(totals));
    note_resident(process, shared->pid);
    const struct pyro_resident *resident = &process->resident;
    bool stopped = totals.rss != 0;
    const struct pyro_process_memory heap = {
        .stopped = stopped,
        .unhooked = totals.unhooked != 0,
        .live = bounded(totals.live),
        .peak = bounded(totals.peak),
        .lost = bounded(totals.lost),
        .unseen = bounded(totals.unseen),
        .cut = bounded(totals.cut),
        .rss = bounded(stopped ? totals.rss : resident->all),
        .rss_peak = bounded(stopped ? totals.rss_peak : resident->most),
        .own = bounded(totals.own),
        .all = shared->tracks == PYRO_TRACKS_ALL,
        .native = bounded(totals.native),
        .files = bounded(stopped ? totals.files : resident->files),
        .slack = bounded(totals.slack),
        .swapped = bounded(stopped ? totals.swapped : resident->swapped),
        .period = period_of(shared),
    };
    const uint32_t recorded = pyro_recorded_process(collector, block, writer);
    pyro_writer_heap(writer, recorded, &heap);
    write_stop(collector, process, recorded, &totals, writer);
    write_sizes(recorded, &totals, writer);
}

/* -- stacks ------------------------------------------------------------------------------------- */

#define REFERENCE_INDEX_BITS 8

static const struct pyro_stack_memory *stack_at(const struct pyro_collector *collector,
                                                uint32_t process, uint32_t reference)
{
    uint32_t block = reference >> REFERENCE_INDEX_BITS;
    uint32_t index = reference & ((1u << REFERENCE_INDEX_BITS) - 1);
    if (block >= collector->known || index >= PYRO_BLOCK_STACK_COUNT ||
        collector->blocks[block].process != process || !collector->blocks[block].stacks)
        return NULL;
    return &collector->blocks[block].stacks[index];
}

/* Of a thread in which no Python code runs. */
static uint32_t native_stack(struct pyro_writer *writer)
{
    static const char name[] = "<native>";
    const struct pyro_function function = {
        .name = pyro_writer_string(writer, name, sizeof(name) - 1),
        .file = pyro_writer_string(writer, "", 0),
        .kind = PYRO_FUNCTION_SPECIAL,
    };
    uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &function), 0);
    return pyro_writer_stack(writer, PYRO_STACK_ROOT, frame);
}

/* The stack at REFERENCE, which ENTRY describes. PYRO_NO_ID: not named yet, or no good. */
static uint32_t stack_of(const struct pyro_collector *collector, uint32_t process,
                         uint32_t reference, const struct pyro_stack_entry *entry,
                         struct pyro_writer *writer)
{
    uint32_t parent = PYRO_STACK_ROOT;
    if (entry->function == PYRO_ID_ROOT)
        return native_stack(writer);
    if (entry->parent >= reference)
        return PYRO_NO_ID; /* a parent was made before: so a chain of them ends */
    if (entry->parent != PYRO_STACK_NONE) {
        const struct pyro_stack_memory *known = stack_at(collector, process, entry->parent);
        parent = known ? known->stack : PYRO_NO_ID;
    }
    uint32_t function = pyro_function_of(collector, process, entry->function);
    if (parent == PYRO_NO_ID || function == PYRO_NO_ID)
        return PYRO_NO_ID;
    return pyro_writer_stack(writer, parent, pyro_writer_frame(writer, function, entry->line));
}

static bool is_bounded(const struct pyro_sampled *sums)
{
    return sums->blocks < FIGURE_MAX && sums->bytes < FIGURE_MAX &&
           sums->bytes_variance < FIGURE_MAX && sums->blocks_variance < FIGURE_MAX;
}

/* Lies do not get into the file: a reader refuses them. */
static bool is_plausible(const struct pyro_stack_memory *memory)
{
    return memory->allocated < FIGURE_MAX && memory->allocations < FIGURE_MAX &&
           memory->held < FIGURE_MAX && memory->held_blocks < FIGURE_MAX &&
           memory->freed <= memory->allocated && memory->frees <= memory->allocations &&
           memory->brief <= memory->frees && memory->brief_bytes <= memory->freed &&
           is_bounded(&memory->sampled) && is_bounded(&memory->sampled_freed) &&
           is_bounded(&memory->sampled_held) &&
           memory->sampled_freed.blocks <= memory->sampled.blocks &&
           memory->sampled_freed.bytes <= memory->sampled.bytes;
}

/* What stands behind the estimates of the entry at INDEX of BLOCK, which HAS_MARK. */
static void take_sampled(const struct pyro_collector *collector, uint32_t block, uint32_t index,
                         bool has_mark, struct pyro_stack_memory *memory)
{
    const struct pyro_block_head *stacks = pyro_block_at(collector, block);
    const uint32_t at = stacks->thread;
    if (!at || at >= collector->known || index >= PYRO_BLOCK_SAMPLE_COUNT ||
        collector->blocks[at].kind != PYRO_BLOCK_SAMPLES ||
        collector->blocks[at].process != collector->blocks[block].process)
        return;
    const struct pyro_block_head *head = pyro_block_at(collector, at);
    struct pyro_sampled_entry entry;
    memcpy(&entry, (const struct pyro_sampled_entry *)(head + 1) + index, sizeof(entry));
    memory->sampled = entry.allocated;
    memory->sampled_freed = entry.freed;
    memory->sampled_held =
        has_mark ? entry.held : pyro_sampled_left(&entry.allocated, &entry.freed);
}

static bool room_for_stacks(struct pyro_seen_block *known)
{
    if (known->stacks)
        return true;
    known->stacks = calloc(PYRO_BLOCK_STACK_COUNT, sizeof(*known->stacks));
    known->moments = calloc(PYRO_BLOCK_STACK_COUNT, sizeof(*known->moments));
    if (!known->stacks || !known->moments) {
        free(known->stacks);
        free(known->moments);
        known->stacks = NULL;
        known->moments = NULL;
        return false;
    }
    for (uint32_t i = 0; i < PYRO_BLOCK_STACK_COUNT; i++)
        known->stacks[i].stack = PYRO_NO_ID;
    return true;
}

/* The stack at INDEX of a STACKS block, in the recording; PYRO_NO_ID: not named yet, or no good. */
static uint32_t recorded_stack(struct pyro_collector *collector, uint32_t block, uint32_t index,
                               struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    if (!room_for_stacks(&collector->blocks[block]))
        return PYRO_NO_ID;
    struct pyro_stack_memory *known = &collector->blocks[block].stacks[index];
    struct pyro_stack_entry entry;
    if (known->stack != PYRO_NO_ID)
        return known->stack;
    memcpy(&entry, (const struct pyro_stack_entry *)(head + 1) + index, sizeof(entry));
    known->stack = stack_of(collector, collector->blocks[block].process,
                            block << REFERENCE_INDEX_BITS | index, &entry, writer);
    return known->stack;
}

/* What a stack has alive now: figures tell only of now, and the last ones stay. */
static void take_moment(struct pyro_collector *collector, uint32_t block, uint32_t index,
                        struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    uint64_t *was = &collector->blocks[block].moments[index];
    struct pyro_stack_entry entry;
    memcpy(&entry, (const struct pyro_stack_entry *)(head + 1) + index, sizeof(entry));
    const bool replaced = pyro_process_of(collector, block)->replaced;
    const uint64_t live = replaced ? 0 : entry.allocated - entry.freed;
    const uint32_t stack = recorded_stack(collector, block, index, writer); /* a parent, too */
    if (stack == PYRO_NO_ID || entry.freed > entry.allocated || live >= FIGURE_MAX ||
        live == *was || (live < MOMENT_BYTES && *was < MOMENT_BYTES))
        return;
    const struct pyro_stack_moment moment = {
        .stack = stack,
        .time_us = (pyro_clock_ns() - collector->first_ns) / PYRO_NS_PER_US,
        .live = live,
        .largest = (uint64_t)entry.largest * PYRO_STACK_LARGEST_UNIT,
        .process = pyro_recorded_process(collector, collector->blocks[block].process, writer),
    };
    pyro_writer_moment(writer, &moment);
    *was = live;
}

static void take_stack(struct pyro_collector *collector, uint32_t block, uint32_t index,
                       struct pyro_writer *writer)
{
    uint32_t process = collector->blocks[block].process;
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_process_block *shared = pyro_block_at(collector, process);
    struct pyro_stack_memory *known = &collector->blocks[block].stacks[index];
    struct pyro_stack_entry entry;
    memcpy(&entry, (const struct pyro_stack_entry *)(head + 1) + index, sizeof(entry));
    (void)recorded_stack(collector, block, index, writer);
    if (known->stack == PYRO_NO_ID || !entry.allocations)
        return;
    bool has_mark = entry.mark == __atomic_load_n(&shared->heap.mark, __ATOMIC_RELAXED);
    struct pyro_stack_memory now = {
        .process = pyro_recorded_process(collector, process, writer),
        .stack = known->stack,
        .allocated = entry.allocated,
        .freed = entry.freed,
        .allocations = entry.allocations,
        .frees = entry.frees,
        .held = has_mark ? entry.held : entry.allocated - entry.freed,
        .held_blocks = has_mark ? entry.held_count : entry.allocations - entry.frees,
        .brief = entry.brief,
        .brief_bytes = entry.brief_bytes,
    };
    if (period_of(shared))
        take_sampled(collector, block, index, has_mark, &now);
    if (!is_plausible(&now) || memcmp(&now, known, sizeof(now)) == 0)
        return;
    pyro_writer_memory(writer, &now);
    *known = now;
}

static void name_stacks(struct pyro_collector *collector, uint32_t block,
                        struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    for (uint32_t i = 0; i < used && i < PYRO_BLOCK_STACK_COUNT; i++)
        (void)recorded_stack(collector, block, i, writer);
}

static void take_stacks(struct pyro_collector *collector, uint32_t block, bool figures,
                        struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (used > PYRO_BLOCK_STACK_COUNT || !room_for_stacks(&collector->blocks[block]))
        return;
    for (uint32_t i = 0; i < used; i++) {
        if (figures)
            take_stack(collector, block, i, writer);
        take_moment(collector, block, i, writer);
    }
}

/* -- all of it ---------------------------------------------------------------------------------- */

/* Is it time for those that go on? */
static bool is_due(struct pyro_collector *collector)
{
    uint64_t now = pyro_clock_ns();
    if (now < collector->memory_ns)
        return false;
    collector->memory_ns = now + (now - collector->first_ns) / GAP_SHARE;
    return true;
}

void pyro_take_memory(struct pyro_collector *collector, struct pyro_writer *writer)
{
    bool due = is_due(collector);
    for (uint32_t i = 1; i < collector->known; i++) {
        struct pyro_seen_process *process = collector->processes[i];
        const struct pyro_process_block *shared = pyro_block_at(collector, i);
        if (!process || !shared->tracks)
            continue;
        process->memory_due = due || has_ended(shared);
        if (process->memory_due)
            write_heap(collector, i, writer);
    }
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_seen_process *process = pyro_process_of(collector, i);
        if (collector->blocks[i].kind == PYRO_BLOCK_STACKS && process && process->memory_due)
            take_stacks(collector, i, true, writer);
    }
}

static uint64_t later(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

bool pyro_moment_is_due(const struct pyro_collector *collector)
{
    return pyro_clock_ns() >= collector->moment_ns;
}

static bool is_seen_over_time(const struct pyro_collector *collector, uint32_t block,
                              const struct pyro_writer *writer)
{
    return collector->blocks[block].kind == PYRO_BLOCK_STACKS &&
           pyro_process_of(collector, block) &&
           pyro_is_recorded(collector, collector->blocks[block].process, writer);
}

/* New stacks get their names once: that is not what moments take. On a busy machine the others' time is none of ours. */
void pyro_take_moments(struct pyro_collector *collector, struct pyro_writer *writer)
{
    const uint64_t now_ns = pyro_clock_ns();
    for (uint32_t i = 1; i < collector->known; i++)
        if (is_seen_over_time(collector, i, writer))
            name_stacks(collector, i, writer);
    const uint64_t named_ns = pyro_clock_thread_cpu_ns();
    for (uint32_t i = 1; i < collector->known; i++)
        if (is_seen_over_time(collector, i, writer))
            take_stacks(collector, i, false, writer);
    const uint64_t cost_ns = pyro_clock_thread_cpu_ns() - named_ns;
    collector->moment_ns =
        now_ns + later(later(MOMENT_GAP_NS, (now_ns - collector->first_ns) / MOMENT_SHARE),
                       cost_ns * MOMENT_COST);
}
