/* collect/series.c - memory over time, of processes that are tracked: what is alive and resident. Which stacks have it: memory.c.
 *
 * Only read, from memory that its writer goes on writing: a figure may be some events older than the one beside it. It is looked at
 * seldomer the longer it takes, so that a recording is bounded by the logarithm of its time. */
#include "collect/internal.h"

#include "base/clock.h"

#include <string.h>

#define LOOK_NS    (100 * PYRO_NS_PER_MS)
#define LOOK_SHARE 512 /* of the time so far: the part between two looks */
#define FIGURE_MAX (UINT64_C(1) << 56)

static uint64_t bounded(uint64_t figure)
{
    return figure < FIGURE_MAX ? figure : FIGURE_MAX;
}

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

/* It became another program, in which a probe is, or none. */
static bool is_replaced(const struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    const uint64_t *newest = pyro_map_find(&collector->newest, (uint32_t)shared->pid, 0);
    return (newest && *newest != block) ||
           pyro_map_find(&collector->replaced, (uint32_t)shared->pid, 0);
}

/* What it had is nobody's any more, though it is gone from no counter. */
static void note_replaced(struct pyro_seen_process *process, uint64_t time_us,
                          struct pyro_writer *writer)
{
    process->replaced = process->replaced || process->look.tracked;
    note_end(process, time_us, writer);
}

void pyro_collector_look(struct pyro_collector *collector, struct pyro_writer *writer,
                         uint64_t time_us, bool last)
{
    const uint64_t now_ns = pyro_clock_ns(), part_ns = (now_ns - collector->first_ns) / LOOK_SHARE;
    const uint64_t gap_ns = part_ns > LOOK_NS ? part_ns : LOOK_NS;
    if (!last && now_ns < collector->look_ns)
        return;
    pyro_catch_up(collector, writer);
    pyro_find_replaced(collector);
    find_newest(collector);
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_process_block *shared = pyro_block_at(collector, i);
        if (!collector->processes[i] || !shared->tracks)
            continue;
        if (is_replaced(collector, i))
            note_replaced(collector->processes[i], time_us, writer);
        else if (pyro_is_recorded(collector, i, writer))
            look_at(collector, i, time_us, writer);
    }
    collector->look_ns = now_ns + gap_ns;
    collector->looks++;
    const struct pyro_watch watch = {
        .looks = collector->looks, .interval_us = gap_ns / PYRO_NS_PER_US, .until_us = time_us};
    pyro_writer_watch(writer, &watch);
}
