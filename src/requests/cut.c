/* requests/cut.c - go through the ring from the request's first sweep to its last. */
#include "requests/cut.h"

#include "base/clock.h"
#include "base/grow.h"
#include "base/map.h"
#include "profile/paths.h"
#include "requests/sent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- what belongs to it ------------------------------------------------------------------------- */

struct range {
    uint64_t first, end;               /* sweeps that lie within the request */
    uint64_t first_sample, end_sample; /* that may be of these */
    uint64_t begin_ns;                 /* from here on sweeps are known */
};

static const struct pyro_ring_sweep *sweep_at(const struct pyro_ring *ring, uint64_t number)
{
    return &ring->sweeps[number % PYRO_RING_SWEEPS];
}

static const struct pyro_ring_sample *sample_at(const struct pyro_ring *ring, uint64_t number)
{
    return &ring->samples[number % PYRO_RING_SAMPLES];
}

static uint64_t oldest(uint64_t count, uint64_t room)
{
    return count > room ? count - room : 0;
}

/* The first sweep of which all samples are still there. */
static uint64_t oldest_whole_sweep(const struct pyro_ring *ring)
{
    uint64_t sweep = oldest(ring->sweep_count, PYRO_RING_SWEEPS);
    uint64_t sample = oldest(ring->sample_count, PYRO_RING_SAMPLES);
    if (sample > 0 && sample_at(ring, sample)->sweep + 1 > sweep)
        sweep = sample_at(ring, sample)->sweep + 1;
    return sweep;
}

static struct range find_range(const struct pyro_ring *ring, const struct pyro_request *request)
{
    uint64_t first_known = oldest_whole_sweep(ring);
    struct range range = {.end = ring->sweep_count, .end_sample = ring->sample_count};
    while (range.end > first_known && sweep_at(ring, range.end - 1)->after_ns > request->end_ns)
        range.end--;
    range.first = range.end;
    while (range.first > first_known &&
           sweep_at(ring, range.first - 1)->before_ns >= request->begin_ns)
        range.first--;
    bool all = range.first > first_known; /* there is an older one, from before the request */
    range.begin_ns = request->begin_ns;
    if (!all)
        range.begin_ns =
            range.first < range.end ? sweep_at(ring, range.first)->before_ns : request->end_ns;
    range.first_sample = ring->sample_count;
    uint64_t oldest_sample = oldest(ring->sample_count, PYRO_RING_SAMPLES);
    while (range.first_sample > oldest_sample &&
           sample_at(ring, range.first_sample - 1)->sweep >= range.first)
        range.first_sample--;
    return range;
}

enum belongs { NOT_ITS, ITS, UNCLEAR };

/* *RET_BASE: the part of its stack up to the request's function. */
static enum belongs belongs(struct pyro_ring *ring, const struct pyro_request *request,
                            const struct range *range, const struct pyro_ring_sample *sample,
                            uint32_t *ret_base)
{
    if (sample->sweep < range->first || sample->sweep >= range->end)
        return NOT_ITS;
    *ret_base = PYRO_STACK_ROOT;
    if (sample->slot == request->slot)
        return ITS;
    *ret_base = pyro_ring_request_in(ring, sample->sample.agreed, request->slot);
    if (*ret_base != PYRO_STACK_ROOT)
        return ITS;
    uint32_t maybe = pyro_ring_request_in(ring, sample->sample.stack, request->slot);
    return maybe != PYRO_STACK_ROOT ? UNCLEAR : NOT_ITS;
}

/* -- figures ------------------------------------------------------------------------------------ */

static const char *file_of(const struct pyro_ring *ring, uint32_t frame)
{
    uint32_t function = pyro_writer_frame_at(ring->names, frame).function;
    return pyro_writer_text(ring->names, pyro_writer_function_at(ring->names, function).file);
}

/* The frame of the program's own that is nearest to the top, above BASE; PYRO_NO_ID: there is none. */
static uint32_t own_frame(const struct pyro_ring *ring, uint32_t stack, uint32_t base)
{
    while (stack != base && stack != PYRO_STACK_ROOT) {
        struct pyro_stack node = pyro_writer_stack_at(ring->names, stack);
        const char *file = file_of(ring, node.frame);
        if (*file && !pyro_path_is_library(file) && !strstr(file, "/pyrometer/web/"))
            return node.frame;
        stack = node.parent;
    }
    return PYRO_NO_ID;
}

/* A sample that stands for so many with FRAME; remembers the one that has the most. */
static int count_frame(struct pyro_map *counts, uint32_t frame, uint32_t stands, uint64_t *most,
                       uint32_t *top)
{
    uint64_t *count = frame == PYRO_NO_ID ? NULL : pyro_map_insert(counts, frame, 0, NULL);
    if (frame == PYRO_NO_ID)
        return 0;
    if (!count)
        return -ENOMEM;
    *count += stands;
    if (*count > *most) {
        *most = *count;
        *top = frame;
    }
    return 0;
}

/* What the sweeps in RANGE stand for together. */
static uint64_t stand_for(const struct pyro_ring *ring, const struct range *range)
{
    uint64_t all = 0;
    for (uint64_t sweep = range->first; sweep < range->end; sweep++)
        all += sweep_at(ring, sweep)->stands;
    return all;
}

int pyro_request_figures(struct pyro_ring *ring, const struct pyro_request *request,
                         struct pyro_request_figures *figures)
{
    struct range range = find_range(ring, request);
    struct pyro_map counts = {0};
    uint64_t running = 0, its = 0, most = 0, all = stand_for(ring, &range);
    uint32_t top = PYRO_NO_ID;
    int result = 0;
    *figures = (struct pyro_request_figures){.sweeps = range.end - range.first};
    for (uint64_t at = range.first_sample; result == 0 && at < range.end_sample; at++) {
        const struct pyro_ring_sample *sample = sample_at(ring, at);
        uint32_t base;
        enum belongs whose = belongs(ring, request, &range, sample, &base);
        figures->unclear += whose == UNCLEAR;
        if (whose != ITS)
            continue;
        enum pyro_state state = sample->sample.state;
        uint32_t stands = sweep_at(ring, sample->sweep)->stands;
        bool runs = state != PYRO_STATE_WAITING && state != PYRO_STATE_GIL_WAIT;
        figures->samples++;
        its += stands;
        running += runs ? stands : 0;
        result =
            count_frame(&counts, own_frame(ring, sample->sample.agreed, base), stands, &most, &top);
    }
    pyro_map_free(&counts);
    double covered_s = (double)(request->end_ns - range.begin_ns) / 1e9;
    double each_s = all ? covered_s / (double)all : 0;
    figures->missed_ns = range.begin_ns - request->begin_ns;
    figures->running_s = each_s * (double)running;
    figures->waiting_s = each_s * (double)(its - running);
    double seen_s = figures->running_s + figures->waiting_s; /* by several threads at a time */
    figures->off_stack_s = seen_s < covered_s ? covered_s - seen_s : 0;
    if (top != PYRO_NO_ID) {
        figures->top_file = file_of(ring, top);
        figures->top_line = pyro_writer_frame_at(ring->names, top).line;
        figures->top_s = each_s * (double)most;
    }
    return result;
}

/* -- a recording -------------------------------------------------------------------------------- */

/* From the ring's names to those of the recording that is written; ids are kept plus one. */
struct renaming {
    const struct pyro_writer *from;
    struct pyro_writer *to;
    struct pyro_map functions, stacks;
    uint32_t process;
    uint32_t *path; /* stacks yet to be renamed, the lowest last */
    size_t path_size, path_capacity;
};

static uint32_t rename_text(struct renaming *renaming, uint32_t string)
{
    const char *text = pyro_writer_text(renaming->from, string);
    return pyro_writer_string(renaming->to, text, strlen(text));
}

static uint32_t rename_function(struct renaming *renaming, uint32_t function)
{
    uint64_t *known = pyro_map_insert(&renaming->functions, function, 0, NULL);
    if (!known)
        return PYRO_NO_ID;
    if (!*known) {
        struct pyro_function copy = pyro_writer_function_at(renaming->from, function);
        copy.name = rename_text(renaming, copy.name);
        copy.file = rename_text(renaming, copy.file);
        *known = (uint64_t)pyro_writer_function(renaming->to, &copy) + 1;
    }
    return (uint32_t)(*known - 1);
}

static uint32_t rename_frame(struct renaming *renaming, uint32_t frame)
{
    struct pyro_frame old = pyro_writer_frame_at(renaming->from, frame);
    return pyro_writer_frame(renaming->to, rename_function(renaming, old.function), old.line);
}

/* STACK without what is up to BASE. Down to the nearest part that is known, and up again. */
static uint32_t rename_stack(struct renaming *renaming, uint32_t stack, uint32_t base)
{
    uint32_t id = PYRO_STACK_ROOT;
    renaming->path_size = 0;
    while (stack != base && stack != PYRO_STACK_ROOT) {
        const uint64_t *known = pyro_map_find(&renaming->stacks, stack, base);
        if (known) {
            id = (uint32_t)*known;
            break;
        }
        if (pyro_grow(&renaming->path, renaming->path_size, &renaming->path_capacity,
                      sizeof(stack)) < 0)
            return PYRO_NO_ID;
        renaming->path[renaming->path_size++] = stack;
        stack = pyro_writer_stack_at(renaming->from, stack).parent;
    }
    while (renaming->path_size > 0) {
        stack = renaming->path[--renaming->path_size];
        uint32_t frame = pyro_writer_stack_at(renaming->from, stack).frame;
        id = pyro_writer_stack(renaming->to, id, rename_frame(renaming, frame));
        uint64_t *kept = pyro_map_insert(&renaming->stacks, stack, base, NULL);
        if (kept)
            *kept = id;
    }
    return id;
}

static uint32_t rename_thread(struct renaming *renaming, uint32_t thread)
{
    struct pyro_thread old = pyro_writer_thread_at(renaming->from, thread);
    uint32_t id = pyro_writer_thread(renaming->to, renaming->process, old.native_id);
    pyro_writer_thread_name(renaming->to, id, pyro_writer_text(renaming->from, old.name));
    return id;
}

static uint32_t rename_wait(struct renaming *renaming, uint32_t wait)
{
    if (wait == PYRO_NO_ID)
        return PYRO_NO_ID;
    struct pyro_wait_reason reason = pyro_writer_wait_at(renaming->from, wait);
    return pyro_writer_wait(renaming->to, pyro_writer_text(renaming->from, reason.kind),
                            pyro_writer_text(renaming->from, reason.text));
}

static void write_sample(struct renaming *renaming, const struct pyro_written_sample *sample,
                         uint32_t base)
{
    struct pyro_written_sample copy = *sample;
    copy.thread = rename_thread(renaming, sample->thread);
    copy.stack = rename_stack(renaming, sample->stack, base);
    copy.agreed = rename_stack(renaming, sample->agreed, base);
    copy.wait = rename_wait(renaming, sample->wait);
    pyro_writer_sample(renaming->to, &copy);
}

/* Edges between functions that are in it. */
static void write_edges(struct renaming *renaming, const struct pyro_ring *ring)
{
    for (size_t i = 0; i < ring->edge_count; i++) {
        const uint64_t *caller = pyro_map_find(&renaming->functions, ring->edges[i].caller, 0);
        const uint64_t *callee = pyro_map_find(&renaming->functions, ring->edges[i].callee, 0);
        if (caller && callee)
            pyro_writer_edge(renaming->to, (uint32_t)(*caller - 1), (uint32_t)(*callee - 1));
    }
}

/* Sweeps without a sample of it are written, too: they share the time. */
static void write_samples(struct renaming *renaming, struct pyro_ring *ring,
                          const struct pyro_request *request, const struct range *range,
                          struct pyro_counters *counters)
{
    uint64_t at = range->first_sample;
    for (uint64_t sweep = range->first; sweep < range->end; sweep++) {
        uint64_t time_ns = sweep_at(ring, sweep)->before_ns - range->begin_ns;
        pyro_writer_sweep(renaming->to, time_ns / PYRO_NS_PER_US);
        counters->sweeps++;
        for (; at < range->end_sample && sample_at(ring, at)->sweep <= sweep; at++) {
            uint32_t base;
            const struct pyro_ring_sample *sample = sample_at(ring, at);
            if (belongs(ring, request, range, sample, &base) != ITS)
                continue;
            write_sample(renaming, &sample->sample, base);
            counters->samples++;
            counters->unsure += sample->sample.agreed != sample->sample.stack;
        }
    }
    counters->duration_us = (request->end_ns - range->begin_ns) / PYRO_NS_PER_US;
}

int pyro_request_write(struct pyro_ring *ring, const struct pyro_request *request,
                       const struct pyro_recording_info *info, const struct pyro_source *source,
                       const char *path, struct pyro_error *error)
{
    struct pyro_recording_info own = *info;
    const struct range range = find_range(ring, request);
    struct renaming renaming = {.from = ring->names};
    struct pyro_counters counters = {0};
    own.command = request->title;
    own.started_unix_us =
        pyro_clock_unix_us() - (pyro_clock_ns() - request->begin_ns) / PYRO_NS_PER_US;
    int code = pyro_writer_open(path, &own, &renaming.to, error);
    if (code < 0)
        return code;
    renaming.process = pyro_writer_process(renaming.to, info->pid, 0, request->title, info->python);
    write_samples(&renaming, ring, request, &range, &counters);
    write_edges(&renaming, ring);
    counters.queries_lost = pyro_request_put_sent(renaming.to, renaming.process, range.begin_ns,
                                                  request->sent ? request->sent : "");
    if (source->put)
        source->put(source->roots, renaming.to);
    pyro_writer_counters(renaming.to, &counters);
    pyro_map_free(&renaming.functions);
    pyro_map_free(&renaming.stacks);
    free(renaming.path);
    return pyro_writer_close(renaming.to, error);
}
