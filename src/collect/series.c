/* collect/series.c - memory over time, of processes that are tracked: what is alive and resident, and now and then which lines have
 * what is alive.
 *
 * Only read, from memory that its writer goes on writing: a figure may be some events older than the one beside it. Both are
 * looked at seldomer the longer it takes, so that a recording is bounded by the logarithm of its time; the lines also so seldom
 * that it takes us a hundredth of it. */
#include "collect/internal.h"

#include "base/clock.h"
#include "base/grow.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_NS     (100 * PYRO_NS_PER_MS)
#define LOOK_SHARE  512 /* of the time so far: the part between two looks */
#define LINES_NS    (200 * PYRO_NS_PER_MS)
#define LINES_SHARE 32
#define COST_SHARE  100
#define FIGURE_MAX  (UINT64_C(1) << 56)

static uint64_t bounded(uint64_t figure)
{
    return figure < FIGURE_MAX ? figure : FIGURE_MAX;
}

static uint64_t later(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

/* -- what is alive and resident ----------------------------------------------------------------- */

static bool is_same(const struct pyro_look *one, const struct pyro_look *other)
{
    return one->rss == other->rss && one->most == other->most && one->live == other->live &&
           one->native == other->native && one->swapped == other->swapped &&
           one->gone == other->gone && one->tracked && other->tracked;
}

/* A process that has no memory any more; what it had at last was told when it stopped. */
static void note_end(struct pyro_seen_process *process, uint64_t time_us,
                     struct pyro_writer *writer)
{
    if (!process->look.tracked)
        return;
    process->look =
        (struct pyro_look){.process = process->look.process, .time_us = time_us, .gone = true};
    (void)pyro_writer_look(writer, &process->look);
}

static void look_at(struct pyro_collector *collector, uint32_t block, uint64_t time_us,
                    struct pyro_writer *writer)
{
    struct pyro_seen_process *process = collector->processes[block];
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    struct pyro_heap_totals totals;
    if (process->look.gone)
        return;
    memcpy(&totals, &shared->heap, sizeof(totals));
    if (pyro_resident_read(shared->pid, &process->resident) < 0) {
        note_end(process, time_us, writer);
        return;
    }
    const struct pyro_resident *resident = &process->resident;
    const struct pyro_look look = {
        .process = pyro_recorded_process(collector, block, writer),
        .time_us = time_us,
        .tracked = true,
        .rss = resident->all,
        .most = resident->most,
        .files = resident->files,
        .swapped = resident->swapped,
        .live = bounded(totals.live),
        .native = bounded(totals.native),
    };
    if (is_same(&look, &process->look))
        return;
    (void)pyro_writer_look(writer, &look);
    process->look = look;
}

/* -- which lines have it ------------------------------------------------------------------------ */

struct lines {
    struct pyro_map at; /* frame -> place, + 1 */
    struct pyro_holder *items;
    size_t count, capacity;
    uint64_t live;
};

static void add_line(struct lines *lines, uint32_t frame, uint64_t bytes, uint64_t blocks)
{
    uint64_t *at = pyro_map_insert(&lines->at, frame, 0, NULL);
    if (!at)
        return;
    if (!*at) {
        if (pyro_grow(&lines->items, lines->count, &lines->capacity, sizeof(*lines->items)) < 0)
            return;
        lines->items[lines->count++] = (struct pyro_holder){.frame = frame};
        *at = lines->count;
    }
    lines->items[*at - 1].bytes += bytes;
    lines->items[*at - 1].blocks += blocks;
    lines->live += bytes;
}

static void add_stacks(struct pyro_collector *collector, uint32_t block, struct lines *lines,
                       struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    for (uint32_t i = 0; i < used && i < PYRO_BLOCK_STACK_COUNT; i++) {
        const struct pyro_stack_entry *entry = (const struct pyro_stack_entry *)(head + 1) + i;
        uint64_t frees = __atomic_load_n(&entry->frees, __ATOMIC_RELAXED);
        uint64_t freed = __atomic_load_n(&entry->freed, __ATOMIC_RELAXED);
        uint64_t allocated = __atomic_load_n(&entry->allocated, __ATOMIC_RELAXED);
        uint64_t allocations = __atomic_load_n(&entry->allocations, __ATOMIC_RELAXED);
        uint32_t stack = pyro_recorded_stack(collector, block, i, writer); /* callers first */
        if (stack == PYRO_NO_ID || stack == PYRO_STACK_ROOT || allocated <= freed ||
            allocated >= FIGURE_MAX)
            continue;
        add_line(lines, pyro_writer_stack_at(writer, stack).frame, allocated - freed,
                 pyro_grown(allocations, frees));
    }
}

static int most_first(const void *left, const void *right)
{
    const struct pyro_holder *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static void write_lines(struct pyro_collector *collector, uint32_t process, uint64_t time_us,
                        struct pyro_writer *writer)
{
    struct lines lines = {0};
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_STACKS &&
            collector->blocks[i].process == process)
            add_stacks(collector, i, &lines, writer);
    if (lines.count)
        qsort(lines.items, lines.count, sizeof(*lines.items), most_first);
    const struct pyro_holders holders = {
        .process = pyro_recorded_process(collector, process, writer),
        .time_us = time_us,
        .live = bounded(lines.live),
        .count = lines.count < PYRO_HOLDERS_MAX ? lines.count : PYRO_HOLDERS_MAX,
    };
    if (lines.count)
        pyro_writer_holders(writer, &holders, lines.items);
    free(lines.items);
    pyro_map_free(&lines.at);
}

/* -- all of it ---------------------------------------------------------------------------------- */

/* The last block of each process: one that became another program has one of each. */
static void find_newest(struct pyro_collector *collector)
{
    pyro_map_clear(&collector->newest);
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_process_block *shared = pyro_block_at(collector, i);
        uint64_t *newest = collector->processes[i]
                               ? pyro_map_insert(&collector->newest, (uint32_t)shared->pid, 0, NULL)
                               : NULL;
        if (newest)
            *newest = i;
    }
}

/* Tracked, and no other program by now. */
static bool is_looked_at(const struct pyro_collector *collector, uint32_t block,
                         const struct pyro_writer *writer)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    if (!collector->processes[block] || !shared->tracks)
        return false;
    const uint64_t *newest = pyro_map_find(&collector->newest, (uint32_t)shared->pid, 0);
    if (!newest || *newest != block ||
        pyro_map_find(&collector->replaced, (uint32_t)shared->pid, 0))
        return false;
    return pyro_is_recorded(collector, block, writer);
}

static void look_at_all(struct pyro_collector *collector, uint64_t time_us, bool with_lines,
                        struct pyro_writer *writer)
{
    for (uint32_t i = 1; i < collector->known; i++) {
        if (!is_looked_at(collector, i, writer))
            continue;
        bool was_there = !collector->processes[i]->look.gone;
        look_at(collector, i, time_us, writer);
        if (with_lines && was_there)
            write_lines(collector, i, time_us, writer);
    }
}

/* New stacks get their names once, now or when they are written: that is not what looking costs. */
static void name_stacks(struct pyro_collector *collector, struct pyro_writer *writer)
{
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_block_head *head = pyro_block_at(collector, i);
        if (collector->blocks[i].kind != PYRO_BLOCK_STACKS || !pyro_process_of(collector, i) ||
            !is_looked_at(collector, collector->blocks[i].process, writer))
            continue;
        uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
        for (uint32_t k = 0; k < used && k < PYRO_BLOCK_STACK_COUNT; k++)
            (void)pyro_recorded_stack(collector, i, k, writer);
    }
}

void pyro_collector_look(struct pyro_collector *collector, struct pyro_writer *writer,
                         uint64_t time_us, bool last)
{
    uint64_t now_ns = pyro_clock_ns(), since_ns = now_ns - collector->first_ns;
    bool with_lines = last || now_ns >= collector->lines_ns;
    if (!last && now_ns < collector->look_ns)
        return;
    pyro_catch_up(collector, writer);
    find_newest(collector);
    if (with_lines)
        name_stacks(collector, writer);
    uint64_t named_ns =
        pyro_clock_thread_cpu_ns(); /* on a busy machine the others' time is none of ours */
    look_at_all(collector, time_us, with_lines, writer);
    uint64_t gap_ns = later(LOOK_NS, since_ns / LOOK_SHARE);
    uint64_t cost_ns = pyro_clock_thread_cpu_ns() - named_ns;
    collector->look_ns = now_ns + gap_ns;
    if (with_lines)
        collector->lines_ns =
            now_ns + later(later(LINES_NS, since_ns / LINES_SHARE), cost_ns * COST_SHARE);
    collector->looks++;
    const struct pyro_watch watch = {
        .looks = collector->looks, .interval_us = gap_ns / PYRO_NS_PER_US, .until_us = time_us};
    if (last || with_lines)
        pyro_writer_watch(writer, &watch);
}
