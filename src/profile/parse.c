/* profile/parse.c - decode the chunks of a recording. Every number in them may be a lie. */
#include "profile/parse.h"

#include "profile/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct pyro_parse *parse, const char *problem)
{
    parse->problem = problem;
    return -EBADMSG;
}

/* VALUE + STEP when that is below COUNT, else a value that is not. */
static uint32_t stepped(uint32_t value, int64_t step, size_t count)
{
    if (step > UINT32_MAX || step < -(int64_t)UINT32_MAX)
        return PYRO_NO_ID;
    int64_t sum = (int64_t)value + step;
    return sum >= 0 && sum < (int64_t)count ? (uint32_t)sum : PYRO_NO_ID;
}

/* -- definitions, a function for each record ---------------------------------------------------- */

static int take_string(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_strings *strings = &parse->profile->strings;
    size_t size;
    const uint8_t *text = pyro_reader_bytes(block, &size);
    if (block->failed || size == 0 || size > PYRO_STRING_SIZE_MAX ||
        strings->count >= PYRO_STRINGS_MAX)
        return bad(parse, "a text is empty, too long or one too many");
    size_t expected = strings->count;
    int64_t id = pyro_strings_intern(strings, (const char *)text, size);
    if (id < 0)
        return (int)id;
    return (size_t)id == expected ? 0 : bad(parse, "the same text twice");
}

static int take_function(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_function *last = &parse->last_function;
    last->name = stepped(last->name, pyro_reader_zigzag(block), profile->strings.count);
    last->file = stepped(last->file, pyro_reader_zigzag(block), profile->strings.count);
    uint64_t first_line = pyro_reader_varint(block);
    uint8_t kind = pyro_reader_u8(block);
    if (block->failed || last->name == PYRO_NO_ID || last->file == PYRO_NO_ID ||
        first_line > UINT32_MAX || kind > PYRO_FUNCTION_SPECIAL ||
        profile->function_count >= PYRO_FUNCTIONS_MAX)
        return bad(parse, "a function that cannot be");
    last->first_line = (uint32_t)first_line;
    last->kind = (enum pyro_function_kind)kind;
    int error = pyro_grow(&profile->functions, profile->function_count, &parse->function_capacity,
                          sizeof(*profile->functions));
    if (error == 0)
        profile->functions[profile->function_count++] = *last;
    return error;
}

static int take_frame(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint32_t function =
        stepped(parse->last_frame_function, pyro_reader_zigzag(block), profile->function_count);
    int64_t line_step = pyro_reader_zigzag(block);
    if (block->failed || function == PYRO_NO_ID || profile->frame_count >= PYRO_FRAMES_MAX)
        return bad(parse, "a frame of no known function");
    uint32_t line =
        stepped(profile->functions[function].first_line, line_step, (size_t)UINT32_MAX + 1);
    parse->last_frame_function = function;
    int error = pyro_grow(&profile->frames, profile->frame_count, &parse->frame_capacity,
                          sizeof(*profile->frames));
    if (error == 0)
        profile->frames[profile->frame_count++] =
            (struct pyro_frame){.function = function, .line = line};
    return error;
}

static int add_root(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    int error = pyro_grow(&profile->stacks, 0, &parse->stack_capacity, sizeof(*profile->stacks));
    if (error == 0)
        profile->stacks[profile->stack_count++] = (struct pyro_stack){0};
    return error;
}

static int take_stack(struct pyro_parse *parse, struct pyro_reader *parents,
                      struct pyro_reader *frames)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t up = pyro_reader_varint(parents);
    uint32_t frame =
        stepped(parse->last_stack_frame, pyro_reader_zigzag(frames), profile->frame_count);
    if (parents->failed || frames->failed || up == 0 || up > profile->stack_count ||
        frame == PYRO_NO_ID || profile->stack_count >= PYRO_STACKS_MAX)
        return bad(parse, "a stack of no known parent or frame");
    parse->last_stack_frame = frame;
    uint32_t parent = (uint32_t)(profile->stack_count - up);
    uint32_t depth = profile->stacks[parent].depth + 1;
    if (depth > PYRO_STACK_DEPTH_MAX)
        return bad(parse, "a stack too deep");
    int error = pyro_grow(&profile->stacks, profile->stack_count, &parse->stack_capacity,
                          sizeof(*profile->stacks));
    if (error == 0)
        profile->stacks[profile->stack_count++] =
            (struct pyro_stack){.parent = parent, .frame = frame, .depth = depth};
    return error;
}

static int take_wait(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t kind = pyro_reader_varint(block), text = pyro_reader_varint(block);
    if (block->failed || kind >= profile->strings.count || text >= profile->strings.count ||
        profile->wait_count >= PYRO_WAITS_MAX)
        return bad(parse, "a wait reason of no known text");
    int error = pyro_grow(&profile->waits, profile->wait_count, &parse->wait_capacity,
                          sizeof(*profile->waits));
    if (error == 0)
        profile->waits[profile->wait_count++] =
            (struct pyro_wait_reason){.kind = (uint32_t)kind, .text = (uint32_t)text};
    return error;
}

static int take_process(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    int64_t pid = pyro_reader_zigzag(block), parent = pyro_reader_zigzag(block);
    uint64_t command = pyro_reader_varint(block), version = pyro_reader_varint(block);
    if (block->failed || pid != (int32_t)pid || parent != (int32_t)parent ||
        command >= profile->strings.count || version >= profile->strings.count ||
        profile->process_count >= PYRO_PROCESSES_MAX)
        return bad(parse, "a process that cannot be");
    int error = pyro_grow(&profile->processes, profile->process_count, &parse->process_capacity,
                          sizeof(*profile->processes));
    if (error == 0)
        profile->processes[profile->process_count++] =
            (struct pyro_process){.pid = (int32_t)pid,
                                  .parent_pid = (int32_t)parent,
                                  .command = (uint32_t)command,
                                  .python_version = (uint32_t)version};
    return error;
}

/* A new thread, or what is now known of an old one. */
static int take_thread(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t id = pyro_reader_varint(block), process = pyro_reader_varint(block);
    uint64_t native_id = pyro_reader_varint(block), name = pyro_reader_varint(block);
    uint64_t cpu_us = pyro_reader_varint(block);
    if (block->failed || id > profile->thread_count || process >= profile->process_count ||
        name >= profile->strings.count || id >= PYRO_THREADS_MAX)
        return bad(parse, "a thread of no known process or name");
    int error = pyro_grow(&profile->threads, profile->thread_count, &parse->thread_capacity,
                          sizeof(*profile->threads));
    if (error < 0)
        return error;
    if (id == profile->thread_count)
        profile->thread_count++;
    profile->threads[id] = (struct pyro_thread){.process = (uint32_t)process,
                                                .native_id = native_id,
                                                .name = (uint32_t)name,
                                                .cpu_kernel_us = cpu_us};
    return 0;
}

static int take_edge(struct pyro_parse *parse, struct pyro_reader *block)
{
    size_t known = parse->profile->function_count;
    uint32_t caller = stepped(parse->last_caller, pyro_reader_zigzag(block), known);
    uint32_t callee = stepped(parse->last_callee, pyro_reader_zigzag(block), known);
    if (block->failed || caller == PYRO_NO_ID || callee == PYRO_NO_ID ||
        parse->edges.count >= PYRO_EDGES_MAX)
        return bad(parse, "an edge of no known functions");
    parse->last_caller = caller;
    parse->last_callee = callee;
    return pyro_map_insert(&parse->edges, (uint64_t)caller << 32 | callee, 0, NULL) ? 0 : -ENOMEM;
}

/* A function, or PYRO_NO_ID for 0. False: neither. */
static bool function_or_none(const struct pyro_profile *profile, uint64_t number, uint32_t *ret_id)
{
    *ret_id = (uint32_t)number - 1;
    return number <= profile->function_count;
}

static int take_calls(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_calls calls;
    uint64_t thread = pyro_reader_varint(block);
    uint64_t caller = pyro_reader_varint(block), callee = pyro_reader_varint(block);
    calls.count = pyro_reader_varint(block);
    if (block->failed || thread >= profile->thread_count ||
        !function_or_none(profile, caller, &calls.caller) ||
        !function_or_none(profile, callee, &calls.callee) || calls.count > PYRO_COUNT_MAX ||
        profile->call_count >= PYRO_CALLS_MAX)
        return bad(parse, "calls of no known thread or functions");
    calls.thread = (uint32_t)thread;
    int error =
        pyro_grow(&profile->calls, profile->call_count, &parse->call_capacity, sizeof(calls));
    if (error == 0)
        profile->calls[profile->call_count++] = calls;
    return error;
}

static uint64_t count_from(struct pyro_reader *block)
{
    uint64_t count = pyro_reader_varint(block);
    if (count > PYRO_COUNT_MAX)
        block->failed = true;
    return count;
}

static int take_context(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t thread = pyro_reader_varint(block), stack = pyro_reader_varint(block);
    struct pyro_traced traced = {
        .thread = (uint32_t)thread,
        .stack = (uint32_t)stack,
        .calls = count_from(block),
        .resumes = count_from(block),
        .self_ns = count_from(block),
        .calls_of_python = count_from(block),
        .lives = count_from(block),
        .life_ns = count_from(block),
    };
    if (block->failed || thread >= profile->thread_count || stack == PYRO_STACK_ROOT ||
        stack >= profile->stack_count || profile->traced_count >= PYRO_CONTEXTS_MAX)
        return bad(parse, "a calling context of no known thread or stack");
    int error =
        pyro_grow(&profile->traced, profile->traced_count, &parse->traced_capacity, sizeof(traced));
    if (error == 0)
        profile->traced[profile->traced_count++] = traced;
    return error;
}

static uint32_t id_from(struct pyro_reader *block, size_t count)
{
    uint64_t id = pyro_reader_varint(block);
    if (id >= count)
        block->failed = true;
    return (uint32_t)id;
}

static int take_query(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_query query = {.process = id_from(block, profile->process_count)};
    uint64_t site = pyro_reader_varint(block);
    query.line = id_from(block, UINT32_MAX);
    query.sender = id_from(block, profile->function_count);
    query.shape = id_from(block, profile->strings.count);
    query.relation = id_from(block, profile->strings.count);
    query.owner = id_from(block, profile->strings.count);
    query.many = id_from(block, 2) != 0;
    uint64_t *const counts[] = {&query.count,    &query.timed,   &query.time_ns,  &query.longest_ns,
                                &query.distinct, &query.unknown, &query.first_us, &query.last_us};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        *counts[i] = count_from(block);
    if (block->failed || !function_or_none(profile, site, &query.site) ||
        profile->query_count >= PYRO_QUERIES_MAX)
        return bad(parse, "queries of no known process, function or text");
    int error =
        pyro_grow(&profile->queries, profile->query_count, &parse->query_capacity, sizeof(query));
    if (error == 0)
        profile->queries[profile->query_count++] = query;
    return error;
}

static int take_lookup(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_lookup lookup = {.frame = id_from(block, profile->frame_count)};
    uint64_t *const counts[] = {&lookup.samples, &lookup.testing, &lookup.looked,
                                &lookup.lists,   &lookup.length,  &lookup.shortest,
                                &lookup.longest, &lookup.changes};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        *counts[i] = count_from(block);
    if (block->failed || profile->lookup_count >= PYRO_LOOKUPS_MAX)
        return bad(parse, "membership tests of no known frame");
    int error = pyro_grow(&profile->lookups, profile->lookup_count, &parse->lookup_capacity,
                          sizeof(lookup));
    if (error == 0)
        profile->lookups[profile->lookup_count++] = lookup;
    return error;
}

static int take_arguments(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_arguments arguments = {.function = id_from(block, profile->function_count)};
    arguments.looked = count_from(block);
    arguments.distinct = count_from(block);
    arguments.unknown = count_from(block);
    if (block->failed || profile->argument_count >= PYRO_ARGUMENTS_MAX)
        return bad(parse, "arguments of no known function");
    int error = pyro_grow(&profile->arguments, profile->argument_count, &parse->argument_capacity,
                          sizeof(arguments));
    if (error == 0)
        profile->arguments[profile->argument_count++] = arguments;
    return error;
}

static int take_line(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    const struct pyro_line_count line = {
        .thread = id_from(block, profile->thread_count),
        .function = id_from(block, profile->function_count),
        .line = id_from(block, UINT32_MAX),
        .hits = count_from(block),
        .time_ns = count_from(block),
    };
    if (block->failed || profile->line_count >= PYRO_LINES_MAX)
        return bad(parse, "counted lines of no known thread or function");
    int error =
        pyro_grow(&profile->lines, profile->line_count, &parse->line_capacity, sizeof(line));
    if (error == 0)
        profile->lines[profile->line_count++] = line;
    return error;
}

/* The probes of all processes known by now: those without one are zero. */
static int room_for_probes(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    while (parse->probe_count < profile->process_count) {
        int error = pyro_grow(&profile->probes, parse->probe_count, &parse->probe_capacity,
                              sizeof(*profile->probes));
        if (error < 0)
            return error;
        profile->probes[parse->probe_count++] = (struct pyro_probe){0};
    }
    return 0;
}

/* And so those of memory. */
static int room_for_heaps(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    while (parse->heap_count < profile->process_count) {
        int error = pyro_grow(&profile->heaps, parse->heap_count, &parse->heap_capacity,
                              sizeof(*profile->heaps));
        if (error < 0)
            return error;
        profile->heaps[parse->heap_count++] = (struct pyro_process_memory){0};
    }
    return 0;
}

static int take_memory(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_stack_memory memory = {
        .process = id_from(block, profile->process_count),
        .stack = id_from(block, profile->stack_count),
        .allocated = count_from(block),
        .freed = count_from(block),
        .allocations = count_from(block),
        .frees = count_from(block),
        .held = count_from(block),
        .held_blocks = count_from(block),
        .brief = count_from(block),
        .brief_bytes = count_from(block),
    };
    if (block->failed || memory.freed > memory.allocated || memory.frees > memory.allocations ||
        memory.brief > memory.frees || memory.brief_bytes > memory.freed)
        return bad(parse, "memory of no known process or stack, or more freed than allocated");
    bool is_new;
    uint64_t *at = pyro_map_insert(&parse->memory_ids, memory.process, memory.stack, &is_new);
    if (!at)
        return -ENOMEM;
    if (is_new) {
        if (profile->memory_count >= PYRO_MEMORY_MAX)
            return bad(parse, "memory of too many stacks");
        *at = profile->memory_count;
        if (pyro_grow(&profile->memory, profile->memory_count, &parse->memory_capacity,
                      sizeof(memory)) < 0)
            return -ENOMEM;
        profile->memory_count++;
    } else {
        memory.sampled = profile->memory[*at].sampled;
        memory.sampled_freed = profile->memory[*at].sampled_freed;
        memory.sampled_held = profile->memory[*at].sampled_held;
    }
    profile->memory[*at] = memory;
    return 0;
}

static int take_moment(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    const struct pyro_stack_moment moment = {
        .process = id_from(block, profile->process_count),
        .stack = id_from(block, profile->stack_count),
        .time_us = count_from(block),
        .live = count_from(block),
        .largest = count_from(block),
    };
    if (block->failed)
        return bad(parse, "a moment of no known process or stack");
    if (profile->moment_count >= PYRO_MOMENTS_MAX)
        return bad(parse, "too many moments of stacks");
    if (pyro_grow(&profile->moments, profile->moment_count, &parse->moment_capacity,
                  sizeof(moment)) < 0)
        return -ENOMEM;
    profile->moments[profile->moment_count++] = moment;
    return 0;
}

static struct pyro_sampled sums_from(struct pyro_reader *block)
{
    return (struct pyro_sampled){
        .blocks = count_from(block),
        .bytes = count_from(block),
        .bytes_variance = count_from(block),
        .blocks_variance = count_from(block),
    };
}

static int take_sampled(struct pyro_parse *parse, struct pyro_reader *block)
{
    uint32_t process = id_from(block, parse->profile->process_count);
    uint32_t stack = id_from(block, parse->profile->stack_count);
    const struct pyro_sampled allocated = sums_from(block), freed = sums_from(block);
    const struct pyro_sampled held = sums_from(block);
    const uint64_t *at = block->failed ? NULL : pyro_map_find(&parse->memory_ids, process, stack);
    if (!at || freed.blocks > allocated.blocks || freed.bytes > allocated.bytes)
        return bad(parse, "samples of no known memory, or more freed than allocated");
    struct pyro_stack_memory *memory = &parse->profile->memory[*at];
    memory->sampled = allocated;
    memory->sampled_freed = freed;
    memory->sampled_held = held;
    return 0;
}

static int take_period(struct pyro_parse *parse, struct pyro_reader *block)
{
    uint32_t process = id_from(block, parse->profile->process_count);
    uint64_t period = count_from(block);
    if (block->failed || !period || period > PYRO_SAMPLING_PERIOD_MAX)
        return bad(parse, "samples of memory of no known process, or with no period");
    int error = room_for_heaps(parse);
    if (error == 0)
        parse->profile->heaps[process].period = period;
    return error;
}

static int take_heap(struct pyro_parse *parse, struct pyro_reader *block)
{
    uint32_t process = id_from(block, parse->profile->process_count);
    struct pyro_process_memory heap = {.tracked = true};
    uint64_t *const fields[] = {
        &heap.live, &heap.peak, &heap.lost, &heap.unseen, &heap.rss, &heap.rss_peak, &heap.own,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        *fields[i] = count_from(block);
    const uint64_t ended = pyro_reader_varint(block);
    heap.stopped = ended & 1;
    heap.unhooked = ended & 2;
    heap.cut = count_from(block);
    if (block->failed)
        return bad(parse, "memory of no known process");
    int error = room_for_heaps(parse);
    if (error < 0)
        return error;
    const struct pyro_process_memory *known = &parse->profile->heaps[process];
    heap.all = known->all;
    heap.period = known->period;
    heap.native = known->native;
    heap.files = known->files;
    heap.slack = known->slack;
    heap.swapped = known->swapped;
    parse->profile->heaps[process] = heap;
    return 0;
}

static int take_resident(struct pyro_parse *parse, struct pyro_reader *block)
{
    uint32_t process = id_from(block, parse->profile->process_count);
    uint64_t native = count_from(block), files = count_from(block), slack = count_from(block);
    uint64_t swapped = count_from(block);
    if (block->failed)
        return bad(parse, "resident memory of no known process");
    int error = room_for_heaps(parse);
    if (error < 0)
        return error;
    struct pyro_process_memory *heap = &parse->profile->heaps[process];
    heap->all = true;
    heap->native = native;
    heap->files = files;
    heap->slack = slack;
    heap->swapped = swapped;
    return 0;
}

static double ns_from(struct pyro_reader *block)
{
    return (double)pyro_reader_varint(block) / 1000;
}

static int take_probe(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t process = pyro_reader_varint(block);
    uint8_t flags = pyro_reader_u8(block);
    uint64_t reason = pyro_reader_varint(block), lost = pyro_reader_varint(block);
    double start_ns = ns_from(block), call_ns = ns_from(block);
    if (block->failed || process >= profile->process_count || reason >= profile->strings.count)
        return bad(parse, "a probe of no known process");
    int error = room_for_probes(parse);
    if (error == 0)
        profile->probes[process] = (struct pyro_probe){
            .trace = profile->probes[process].trace,
            .counted = flags & 1,
            .c_calls = flags & 2,
            .reason = (uint32_t)reason,
            .lost = lost,
            .start_ns = start_ns,
            .call_ns = call_ns,
        };
    return error;
}

static int take_trace(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint64_t process = pyro_reader_varint(block);
    struct pyro_trace_cost cost = {
        .python_ns = ns_from(block),
        .python_inside_ns = ns_from(block),
        .c_ns = ns_from(block),
        .c_inside_ns = ns_from(block),
        .call_ns = ns_from(block),
    };
    if (block->failed || process >= profile->process_count)
        return bad(parse, "a trace of no known process");
    int error = room_for_probes(parse);
    if (error == 0)
        profile->probes[process].trace = cost;
    return error;
}

static int take_source(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    uint32_t file = stepped(parse->last_file, pyro_reader_zigzag(block), profile->strings.count);
    uint32_t line = stepped(parse->last_line, pyro_reader_zigzag(block), UINT32_MAX);
    uint64_t text = pyro_reader_varint(block);
    if (block->failed || file == PYRO_NO_ID || line == PYRO_NO_ID ||
        text >= profile->strings.count || profile->source_count >= PYRO_SOURCES_MAX)
        return bad(parse, "a source line of no known file or text");
    parse->last_file = file;
    parse->last_line = line;
    int error = pyro_grow(&profile->sources, profile->source_count, &parse->source_capacity,
                          sizeof(*profile->sources));
    if (error == 0)
        profile->sources[profile->source_count++] =
            (struct pyro_source_line){.file = file, .line = line, .text = (uint32_t)text};
    return error;
}

/* -- chunks ------------------------------------------------------------------------------------- */

static int take_block(struct pyro_parse *parse, unsigned slot, struct pyro_reader *payload,
                      struct pyro_reader *ret_block)
{
    int error = pyro_unpacker_take(&parse->unpacker, slot, payload, ret_block);
    return error == -EBADMSG ? bad(parse, "a block that does not unpack") : error;
}

/* A chunk of one block, full of records. */
static int take_records(struct pyro_parse *parse, struct pyro_reader *payload,
                        int (*take)(struct pyro_parse *parse, struct pyro_reader *block))
{
    struct pyro_reader block;
    int error = take_block(parse, 0, payload, &block);
    while (error == 0 && pyro_reader_left(&block) > 0)
        error = take(parse, &block);
    return error;
}

static int take_stacks(struct pyro_parse *parse, struct pyro_reader *payload)
{
    struct pyro_reader parents, frames;
    int error = take_block(parse, 0, payload, &parents);
    if (error == 0)
        error = take_block(parse, 1, payload, &frames);
    while (error == 0 && (pyro_reader_left(&parents) > 0 || pyro_reader_left(&frames) > 0))
        error = take_stack(parse, &parents, &frames);
    return error;
}

static void take_info_number(struct pyro_recording_info *info, uint64_t key, uint64_t number)
{
    switch (key) {
    case PYRO_INFO_PID:
        info->pid = (int32_t)(uint32_t)number;
        break;
    case PYRO_INFO_STARTED_UNIX_US:
        info->started_unix_us = number;
        break;
    case PYRO_INFO_RATE_HZ:
        info->rate_hz = (uint32_t)number;
        break;
    case PYRO_INFO_EXACT:
        info->exact = number != 0;
        break;
    case PYRO_INFO_CPUS:
        info->cpus = (uint32_t)number;
        break;
    default: /* of a later version */
        break;
    }
}

/* A copy of the payload that outlives the chunk, for the texts in it. */
static int keep_payload(struct pyro_parse *parse, const struct pyro_reader *payload,
                        struct pyro_reader *ret_copy)
{
    size_t size = pyro_reader_left(payload);
    parse->info_bytes = malloc(size + 1);
    if (!parse->info_bytes)
        return -ENOMEM;
    memcpy(parse->info_bytes, payload->next, size);
    *ret_copy = pyro_reader_over(parse->info_bytes, size);
    return 0;
}

static int take_info(struct pyro_parse *parse, struct pyro_reader *payload)
{
    if (parse->has_info)
        return bad(parse, "two INFO chunks");
    parse->has_info = true;
    struct pyro_reader fields;
    int error = keep_payload(parse, payload, &fields);
    if (error < 0)
        return error;
    while (pyro_reader_left(&fields) > 0) {
        uint64_t key = pyro_reader_varint(&fields);
        size_t size;
        const uint8_t *value = pyro_reader_bytes(&fields, &size);
        if (fields.failed)
            return bad(parse, "an INFO chunk that ends early");
        if (key >= 1 && key <= PYRO_INFO_TEXTS) {
            parse->info_texts[key - 1] = (struct pyro_text_slice){.text = value, .size = size};
            continue;
        }
        struct pyro_reader number = pyro_reader_over(value, size);
        take_info_number(&parse->profile->info, key, pyro_reader_varint(&number));
    }
    return 0;
}

/* Counters a file does not have are 0; counters we do not know are passed over. */
static int take_counters(struct pyro_parse *parse, struct pyro_reader *payload)
{
    struct pyro_counters *c = &parse->profile->counters;
    uint64_t *const fields[] = {
        &c->duration_us,   &c->sweeps,        &c->missed_ticks,  &c->late,
        &c->samples,       &c->empty,         &c->moved,         &c->unsure,
        &c->failed,        &c->second_reads,  &c->stopped,       &c->sampler_cpu_us,
        &c->code_reread,   &c->still,         &c->turned_away,   &c->sub_interpreters,
        &c->queries_lost,  &c->lines_lost,    &c->lines_cost_us, &c->marked,
        &c->lines_from_us, &c->lines_sampled, &c->sampler_rss,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        *fields[i] = pyro_reader_left(payload) > 0 ? pyro_reader_varint(payload) : 0;
    return payload->failed ? bad(parse, "a COUNTERS chunk that ends early") : 0;
}

/* -- samples ------------------------------------------------------------------------------------ */

static int on_sweep(void *context, uint64_t time_us, size_t sample_count)
{
    struct pyro_parse *parse = context;
    struct pyro_profile_samples *samples = &parse->profile->samples;
    size_t kinds_as_samples = samples->kind_count * PYRO_KIND_SAMPLES;
    if (samples->count + sample_count + samples->sweep_count + kinds_as_samples >=
        parse->samples_max)
        return -EFBIG;
    return pyro_samples_sweep(samples, time_us);
}

static int note_drop(struct pyro_parse *parse, const struct pyro_sample_value *value)
{
    if (value->drop > parse->profile->stacks[value->stack].depth)
        return bad(parse, "a sample that drops more frames than it has");
    int error =
        pyro_grow(&parse->drops, parse->drop_count, &parse->drop_capacity, sizeof(*parse->drops));
    if (error == 0)
        parse->drops[parse->drop_count++] = value->drop;
    return error;
}

static uint8_t flags_of(uint8_t state_byte)
{
    return (uint8_t)((state_byte & PYRO_STATE_GIL ? PYRO_SAMPLE_GIL : 0) |
                     (state_byte & PYRO_STATE_GC ? PYRO_SAMPLE_GC : 0) |
                     (state_byte & PYRO_STATE_UNSURE ? PYRO_SAMPLE_UNSURE : 0));
}

/* The kind of a sample, which is mostly that of an earlier one of the thread in this state. */
static int64_t kind_of(struct pyro_parse *parse, uint32_t thread,
                       const struct pyro_sample_value *value)
{
    struct pyro_recent_kind *recent =
        &parse->recent_kinds[(thread * 31 + value->state_byte) % PYRO_RECENT_KINDS];
    if (recent->known && recent->thread == thread && recent->wait == value->wait &&
        recent->state_byte == value->state_byte)
        return recent->id;
    const struct pyro_sample_kind kind = {.thread = thread,
                                          .wait = value->wait,
                                          .state = value->state_byte & PYRO_STATE_MASK,
                                          .flags = flags_of(value->state_byte)};
    int64_t id = pyro_samples_kind(&parse->profile->samples, &kind);
    if (id >= 0)
        *recent = (struct pyro_recent_kind){.thread = thread,
                                            .wait = value->wait,
                                            .id = (uint32_t)id,
                                            .state_byte = value->state_byte,
                                            .known = true};
    return id;
}

static int on_sample(void *context, uint32_t thread, const struct pyro_sample_value *value)
{
    struct pyro_parse *parse = context;
    int64_t kind = kind_of(parse, thread, value);
    if (kind < 0)
        return (int)kind;
    int error = pyro_samples_add(&parse->profile->samples, value->stack, (uint32_t)kind);
    if (error < 0)
        return error;
    return value->drop ? note_drop(parse, value) : 0;
}

static int take_samples(struct pyro_parse *parse, struct pyro_reader *payload)
{
    const struct pyro_profile *profile = parse->profile;
    const struct pyro_column_limits limits = {.threads = (uint32_t)profile->thread_count,
                                              .stacks = (uint32_t)profile->stack_count,
                                              .waits = (uint32_t)profile->wait_count};
    const struct pyro_column_sink sink = {.sweep = on_sweep, .sample = on_sample, .context = parse};
    int error = pyro_columns_take(&parse->columns, &parse->unpacker, payload, &limits, &sink);
    if (error == -EBADMSG && !parse->problem)
        parse->problem = "samples that make no sense";
    return error;
}

/* -- the file ----------------------------------------------------------------------------------- */

static int take_chunk(struct pyro_parse *parse, struct pyro_chunk *chunk)
{
    switch ((enum pyro_chunk_type)chunk->type) {
    case PYRO_CHUNK_INFO:
        return take_info(parse, &chunk->payload);
    case PYRO_CHUNK_STRINGS:
        return take_records(parse, &chunk->payload, take_string);
    case PYRO_CHUNK_FUNCTIONS:
        return take_records(parse, &chunk->payload, take_function);
    case PYRO_CHUNK_FRAMES:
        return take_records(parse, &chunk->payload, take_frame);
    case PYRO_CHUNK_STACKS:
        return take_stacks(parse, &chunk->payload);
    case PYRO_CHUNK_WAITS:
        return take_records(parse, &chunk->payload, take_wait);
    case PYRO_CHUNK_PROCESSES:
        return take_records(parse, &chunk->payload, take_process);
    case PYRO_CHUNK_THREADS:
        return take_records(parse, &chunk->payload, take_thread);
    case PYRO_CHUNK_EDGES:
        return take_records(parse, &chunk->payload, take_edge);
    case PYRO_CHUNK_SOURCES:
        return take_records(parse, &chunk->payload, take_source);
    case PYRO_CHUNK_SAMPLES:
        return take_samples(parse, &chunk->payload);
    case PYRO_CHUNK_COUNTERS:
        return take_counters(parse, &chunk->payload);
    case PYRO_CHUNK_CALLS:
        return take_records(parse, &chunk->payload, take_calls);
    case PYRO_CHUNK_PROBES:
        return take_records(parse, &chunk->payload, take_probe);
    case PYRO_CHUNK_CONTEXTS:
        return take_records(parse, &chunk->payload, take_context);
    case PYRO_CHUNK_TRACES:
        return take_records(parse, &chunk->payload, take_trace);
    case PYRO_CHUNK_QUERIES:
        return take_records(parse, &chunk->payload, take_query);
    case PYRO_CHUNK_LOOKUPS:
        return take_records(parse, &chunk->payload, take_lookup);
    case PYRO_CHUNK_ARGUMENTS:
        return take_records(parse, &chunk->payload, take_arguments);
    case PYRO_CHUNK_LINES:
        return take_records(parse, &chunk->payload, take_line);
    case PYRO_CHUNK_MEMORY:
        return take_records(parse, &chunk->payload, take_memory);
    case PYRO_CHUNK_HEAPS:
        return take_records(parse, &chunk->payload, take_heap);
    case PYRO_CHUNK_PERIODS:
        return take_records(parse, &chunk->payload, take_period);
    case PYRO_CHUNK_SAMPLED:
        return take_records(parse, &chunk->payload, take_sampled);
    case PYRO_CHUNK_RESIDENT:
        return take_records(parse, &chunk->payload, take_resident);
    case PYRO_CHUNK_LOOKS:
        return take_records(parse, &chunk->payload, pyro_parse_look);
    case PYRO_CHUNK_WATCH:
        return take_records(parse, &chunk->payload, pyro_parse_watch);
    case PYRO_CHUNK_SIZES:
        return take_records(parse, &chunk->payload, pyro_parse_sizes);
    case PYRO_CHUNK_CONFINEMENT:
        return take_records(parse, &chunk->payload, pyro_parse_confinement);
    case PYRO_CHUNK_MOMENTS:
        return take_records(parse, &chunk->payload, take_moment);
    case PYRO_CHUNK_END:
        parse->profile->complete = true;
        return 0;
    }
    return 0; /* of a later version: passed over */
}

/* As pyro_chunk_take(). */
static int next_chunk(struct pyro_input *input, struct pyro_chunk *ret_chunk)
{
    int error = pyro_input_need(input, PYRO_CHUNK_HEAD_SIZE);
    if (error == 0 && pyro_reader_left(&input->bytes) >= PYRO_CHUNK_HEAD_SIZE)
        error = pyro_input_need(input, pyro_chunk_size(input->bytes.next));
    return error < 0 ? error : pyro_chunk_take(&input->bytes, ret_chunk);
}

static int take_chunks(struct pyro_parse *parse, struct pyro_input *input)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_chunk chunk;
    int more = 0;
    while (!profile->complete && (more = next_chunk(input, &chunk)) > 0) {
        int error = take_chunk(parse, &chunk);
        if (error < 0)
            return error;
        if (!parse->has_info)
            return bad(parse, "the first chunk is not INFO");
    }
    if (more < 0 && (input->error < 0 || more != -EBADMSG))
        return more;
    if (!parse->has_info)
        return bad(parse, "it ends before its first chunk");
    profile->torn = pyro_input_left(input) > 0;
    return 0;
}

int pyro_parse_run(struct pyro_parse *parse, struct pyro_input *input)
{
    int error = pyro_input_need(input, PYRO_FILE_HEADER_SIZE);
    if (error < 0)
        return error;
    int64_t version = pyro_file_take_header(&input->bytes);
    if (version < 0)
        return bad(parse, "it is no pyrometer recording");
    if (version != PYRO_FILE_VERSION)
        return -EPROTONOSUPPORT;
    parse->unpacker.budget = PYRO_UNPACKED_BASE + PYRO_UNPACKED_FACTOR * input->size;
    parse->samples_max = PYRO_SAMPLES_BASE + PYRO_SAMPLES_FACTOR * input->size;
    if (parse->samples_max > PYRO_SAMPLES_MAX)
        parse->samples_max = PYRO_SAMPLES_MAX;
    if (pyro_strings_intern(&parse->profile->strings, "", 0) < 0)
        return -ENOMEM;
    error = add_root(parse);
    if (error == 0)
        error = take_chunks(parse, input);
    if (error == 0 && parse->profile->probes)
        error = room_for_probes(parse);
    return error == 0 && parse->profile->heaps ? room_for_heaps(parse) : error;
}

void pyro_parse_clear(struct pyro_parse *parse)
{
    pyro_map_free(&parse->edges);
    pyro_map_free(&parse->memory_ids);
    pyro_map_free(&parse->size_ids);
    free(parse->info_bytes);
    free(parse->drops);
    pyro_unpacker_free(&parse->unpacker);
    pyro_columns_reader_free(&parse->columns);
}
