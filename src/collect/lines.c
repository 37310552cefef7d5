/* collect/lines.c - the lines that probes count: what their hits and times grew by. */
#include "collect/internal.h"

#include "base/ticks.h"

#include <stdlib.h>

/* The clock stands still in a thread that is over. */
void pyro_note_line_clock(struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_thread_block *shared = pyro_block_at(collector, block);
    uint64_t cost = __atomic_load_n(&shared->lines_cost, __ATOMIC_RELAXED);
    collector->blocks[block].now = 0;
    if (cost && pyro_process_of(collector, block) && pyro_thread_is_there(collector, block))
        collector->blocks[block].now = pyro_ticks() - cost;
}

static uint64_t now_of(const struct pyro_collector *collector, int32_t pid, uint32_t native_id)
{
    const uint64_t *block = pyro_map_find(&collector->threads, (uint32_t)pid, native_id);
    return block ? collector->blocks[*block].now : 0;
}

/* The time that ENTRY has, until NOW if its line is still open; hostile figures become 0. */
static uint64_t line_ns(const struct pyro_collector *collector, uint32_t process,
                        const struct pyro_line_entry *entry, uint64_t now)
{
    int64_t ticks = __atomic_load_n(&entry->ticks, __ATOMIC_ACQUIRE); /* before `since`: tables.h */
    uint64_t since = __atomic_load_n(&entry->since, __ATOMIC_RELAXED);
    uint64_t more = since && since < now ? now - since : 0;
    if (more < now - collector->first_tick)
        ticks = (int64_t)((uint64_t)ticks + more);
    return ticks > 0 ? pyro_process_ns(pyro_block_at(collector, process), (uint64_t)ticks) : 0;
}

/* What a line grew by. */
static void take_line(struct pyro_collector *collector, uint32_t block, uint32_t index,
                      uint32_t thread, uint64_t now, struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_line_entry *entry = (const struct pyro_line_entry *)(head + 1) + index;
    struct pyro_seen_block *known = &collector->blocks[block];
    struct pyro_line_count *before = &known->lines[index];
    uint32_t function = pyro_function_of(collector, known->process, entry->function);
    uint64_t hits = __atomic_load_n(&entry->hits, __ATOMIC_RELAXED);
    uint64_t time_ns = line_ns(collector, known->process, entry, now);
    const struct pyro_line_count more = {
        .thread = thread,
        .function = function,
        .line = entry->line,
        .hits = pyro_grown(hits, before->hits),
        .time_ns = pyro_grown(time_ns, before->time_ns),
    };
    if (function == PYRO_NO_ID || more.line == UINT32_MAX || more.hits > UINT64_C(1) << 56 ||
        more.time_ns > UINT64_C(1) << 56 || !(more.hits | more.time_ns))
        return;
    pyro_writer_line(writer, &more);
    if (more.line && !before->hits)
        (void)pyro_writer_frame(writer, function, more.line); /* so that its source is kept */
    before->hits += more.hits;
    before->time_ns += more.time_ns;
}

void pyro_take_lines(struct pyro_collector *collector, uint32_t block, struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (used > PYRO_BLOCK_LINE_COUNT || !pyro_process_of(collector, block) ||
        !pyro_process_counts(collector, known->process))
        return;
    if (!known->lines)
        known->lines = calloc(PYRO_BLOCK_LINE_COUNT, sizeof(*known->lines));
    const struct pyro_process_block *shared = pyro_block_at(collector, known->process);
    uint32_t process = pyro_recorded_process(collector, known->process, writer);
    uint32_t thread = pyro_writer_thread(writer, process, head->thread);
    uint64_t now = now_of(collector, shared->pid, head->thread);
    for (uint32_t i = 0; known->lines && thread != PYRO_NO_ID && i < used; i++)
        take_line(collector, block, i, thread, now, writer);
}

/* The id that the process of BLOCK has for FUNCTION of the recording; 0: none as yet. */
static uint32_t id_of(const struct pyro_collector *collector, uint32_t block, uint32_t function)
{
    uint32_t end = 0; /* no id of the process, or of those it was forked from, is as high */
    for (uint32_t at = block; at != PYRO_NO_BLOCK && collector->processes[at];
         at = collector->processes[at]->parent)
        if (collector->processes[at]->capacity > end)
            end = collector->processes[at]->capacity;
    for (uint32_t id = PYRO_ID_FIRST; id < end; id++)
        if (pyro_function_of(collector, block, id) == function)
            return id;
    return 0;
}

void pyro_tell_hottest(struct pyro_collector *collector, uint32_t block)
{
    struct pyro_process_block *shared = pyro_block_at(collector, block);
    for (size_t i = 0; collector->processes[block] && i < collector->hottest_count; i++)
        if (!__atomic_load_n(&shared->hottest[i], __ATOMIC_RELAXED))
            __atomic_store_n(&shared->hottest[i], id_of(collector, block, collector->hottest[i]),
                             __ATOMIC_RELAXED);
    atomic_store_explicit(&shared->hottest_count, (uint32_t)collector->hottest_count,
                          memory_order_release); /* reader: probe/hottest.c */
}

void pyro_collector_count_lines(struct pyro_collector *collector, const uint32_t *functions,
                                size_t count)
{
    for (size_t i = 0; i < count && i < PYRO_HOTTEST_MAX; i++)
        collector->hottest[collector->hottest_count++] = functions[i];
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_PROCESS)
            pyro_tell_hottest(collector, i);
}

void pyro_read_line_counters(const struct pyro_collector *collector, struct pyro_counters *counters)
{
    double cost_ns = 0;
    counters->lines_lost = counters->marked = 0;
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_thread_block *thread = pyro_block_at(collector, i);
        const struct pyro_process_block *process = pyro_block_at(collector, i);
        if (collector->blocks[i].kind == PYRO_BLOCK_PROCESS) {
            counters->marked += process->marked;
            counters->lines_lost +=
                atomic_load_explicit(&process->lines_lost, memory_order_relaxed);
        }
        if (collector->blocks[i].kind == PYRO_BLOCK_THREAD && pyro_process_of(collector, i))
            cost_ns +=
                (double)pyro_process_ns(pyro_block_at(collector, collector->blocks[i].process),
                                        __atomic_load_n(&thread->lines_cost, __ATOMIC_RELAXED));
    }
    counters->lines_cost_us = cost_ns < 0x1p62 ? (uint64_t)(cost_ns / 1000) : 0;
}
