/* collect/collect.c - read the tables of all probes of a recording.
 *
 * Blocks are visited in the order in which they were claimed, so a process mostly comes before what belongs to it; what
 * came first waits. Everything is copied out once and then checked. */
#include "collect/collect.h"

#include "base/clock.h"
#include "base/grow.h"
#include "base/map.h"
#include "base/ticks.h"
#include "collect/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IDS_MAX      (1u << 22) /* functions that one process may name */
#define OPERANDS_MAX (1u << 20) /* membership tests, of all processes */
#define REASON_BYTES 320

/* -- the memory --------------------------------------------------------------------------------- */

/* Read from FD, which is the collector's own from now on, or a negative errno. */
static int make(struct pyro_collector *collector, int fd)
{
    collector->fd = fd;
    if (fd < 0)
        return fd;
    collector->blocks = calloc(PYRO_BLOCKS_MAX, sizeof(*collector->blocks));
    collector->processes = calloc(PYRO_BLOCKS_MAX, sizeof(struct pyro_seen_process *));
    if (!collector->blocks || !collector->processes)
        return -ENOMEM;
    void *memory;
    int code = pyro_tables_map(fd, &memory);
    if (code == 0)
        collector->memory = memory;
    return code;
}

static int collector_new(int fd, bool follows, struct pyro_collector **ret_collector,
                         struct pyro_error *error)
{
    struct pyro_collector *collector = calloc(1, sizeof(*collector));
    if (!collector) {
        if (fd >= 0)
            close(fd);
        return pyro_error_set(error, -ENOMEM, "out of memory");
    }
    pyro_ticks_init();
    collector->first_tick = pyro_ticks();
    collector->first_ns = pyro_clock_ns();
    collector->follows = follows;
    collector->known = 1;
    int code = make(collector, fd);
    if (code < 0) {
        pyro_collector_free(collector);
        return pyro_error_set(error, code, "cannot make memory for counts: %s", strerror(-code));
    }
    *ret_collector = collector;
    return 0;
}

int pyro_collector_new(struct pyro_collector **ret_collector, bool follows,
                       struct pyro_error *error)
{
    return collector_new(pyro_tables_new(), follows, ret_collector, error);
}

int pyro_collector_adopt(struct pyro_collector **ret_collector, int fd, struct pyro_error *error)
{
    return collector_new(fd, false, ret_collector, error);
}

void pyro_collector_free(struct pyro_collector *collector)
{
    if (!collector)
        return;
    for (uint32_t i = 1; i < collector->known; i++) {
        free(collector->blocks[i].counts);
        free(collector->blocks[i].contexts);
        free(collector->blocks[i].queries);
        free(collector->blocks[i].lines);
        free(collector->blocks[i].stacks);
        free(collector->blocks[i].moments);
        if (collector->processes[i])
            free(collector->processes[i]->functions);
        free(collector->processes[i]);
    }
    free(collector->blocks);
    free(collector->processes);
    pyro_map_free(&collector->threads);
    pyro_map_free(&collector->counted);
    pyro_map_free(&collector->replaced);
    pyro_map_free(&collector->operands);
    pyro_map_free(&collector->newest);
    free(collector->images);
    if (collector->memory)
        munmap(collector->memory, PYRO_TABLES_SIZE);
    if (collector->fd >= 0)
        close(collector->fd);
    free(collector);
}

int pyro_collector_fd(const struct pyro_collector *collector)
{
    return collector->fd;
}

/* -- blocks ------------------------------------------------------------------------------------- */

static bool add_process(struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    struct pyro_seen_process *process = calloc(1, sizeof(*process));
    if (!process)
        return false;
    process->recorded = PYRO_NO_ID;
    /* A parent began before: so a chain of them ends. */
    process->parent = shared->parent < block ? shared->parent : PYRO_NO_BLOCK;
    process->inherited = shared->inherited;
    (void)pyro_map_insert(&collector->counted, shared->image, 0, NULL);
    collector->processes[block] = process;
    collector->blocks[block].process = block;
    return true;
}

/* Whose a THREAD block is now. */
static void add_thread(struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    uint32_t native_id = __atomic_load_n(&head->thread, __ATOMIC_RELAXED);
    uint32_t process = collector->blocks[block].process;
    if (native_id == collector->blocks[block].done || !pyro_process_of(collector, block))
        return;
    const struct pyro_process_block *shared = pyro_block_at(collector, process);
    uint64_t *at = pyro_map_insert(&collector->threads, (uint32_t)shared->pid, native_id, NULL);
    if (!at)
        return;
    *at = block; /* a thread id that is used again: the newer thread */
    collector->blocks[block].done = native_id;
    collector->blocks[block].over = false;
}

/* What a block says that it is. False: nothing yet. */
static bool read_kind(struct pyro_collector *collector, uint32_t at)
{
    const struct pyro_block_head *head = pyro_block_at(collector, at);
    uint32_t kind = atomic_load_explicit(&head->kind, memory_order_acquire);
    if (kind == PYRO_BLOCK_FREE)
        return false;
    collector->blocks[at] = (struct pyro_seen_block){.kind = kind, .process = head->process};
    if (kind == PYRO_BLOCK_PROCESS && !add_process(collector, at))
        collector->blocks[at].kind = PYRO_BLOCK_FREE; /* without memory: the next time */
    if (kind == PYRO_BLOCK_THREAD)
        add_thread(collector, at);
    return collector->blocks[at].kind != PYRO_BLOCK_FREE;
}

static void look_for_blocks(struct pyro_collector *collector)
{
    const struct pyro_tables_head *tables = pyro_block_at(collector, 0);
    uint32_t used = atomic_load_explicit(&tables->used, memory_order_acquire);
    if (used > PYRO_BLOCKS_MAX)
        used = PYRO_BLOCKS_MAX;
    while (collector->known < used)
        collector->silent += !read_kind(collector, collector->known++);
}

/* Those that said nothing the last time, and threads that go on where others ended. */
static void look_again(struct pyro_collector *collector)
{
    for (uint32_t i = 1; i < collector->known; i++) {
        if (collector->blocks[i].kind == PYRO_BLOCK_FREE)
            collector->silent -= read_kind(collector, i);
        else if (collector->blocks[i].kind == PYRO_BLOCK_THREAD)
            add_thread(collector, i);
    }
}

/* -- names -------------------------------------------------------------------------------------- */

static bool room_for_id(struct pyro_seen_process *process, uint32_t id)
{
    if (id < process->capacity)
        return true;
    if (id >= IDS_MAX)
        return false;
    uint32_t capacity = process->capacity ? process->capacity : 256;
    while (capacity <= id)
        capacity *= 2;
    uint32_t *functions = realloc(process->functions, capacity * sizeof(*functions));
    if (!functions)
        return false;
    for (uint32_t i = process->capacity; i < capacity; i++)
        functions[i] = PYRO_NO_ID;
    process->functions = functions;
    process->capacity = capacity;
    return true;
}

static void take_name(struct pyro_seen_process *process, const struct pyro_name_entry *entry,
                      const char *texts, struct pyro_writer *writer)
{
    struct pyro_function function = {
        .name = pyro_writer_string(writer, texts, entry->name_size),
        .file = pyro_writer_string(writer, texts + entry->name_size, entry->file_size),
        .first_line = entry->first_line,
        .kind = entry->kind == PYRO_FUNCTION_C ? PYRO_FUNCTION_C : PYRO_FUNCTION_PYTHON,
    };
    if (entry->id >= PYRO_ID_FIRST && room_for_id(process, entry->id))
        process->functions[entry->id] = pyro_writer_function(writer, &function);
}

/* Names that were added to a block. */
static void take_names(struct pyro_collector *collector, uint32_t block, struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_seen_block *known = &collector->blocks[block];
    struct pyro_seen_process *process = pyro_process_of(collector, block);
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (!process || used > PYRO_BLOCK_SIZE - sizeof(*head))
        return;
    while (known->done + sizeof(struct pyro_name_entry) <= used) {
        const char *at = (const char *)(head + 1) + known->done;
        struct pyro_name_entry entry;
        memcpy(&entry, at, sizeof(entry));
        uint32_t size = (uint32_t)sizeof(entry) + entry.name_size + entry.file_size;
        size = (size + 3) & ~UINT32_C(3);
        if (size > used - known->done)
            return;
        take_name(process, &entry, at + sizeof(entry), writer);
        known->done += size;
    }
}

/* A function of the recording. Forked processes share the ids that were given before. */
uint32_t pyro_function_of(const struct pyro_collector *collector, uint32_t process_block,
                          uint32_t id)
{
    const struct pyro_seen_process *process = collector->processes[process_block];
    while (process) {
        if (id < process->capacity && process->functions[id] != PYRO_NO_ID)
            return process->functions[id];
        if (id >= process->inherited || process->parent == PYRO_NO_BLOCK)
            return PYRO_NO_ID;
        process = collector->processes[process->parent];
    }
    return PYRO_NO_ID;
}

/* -- counts ------------------------------------------------------------------------------------- */

static uint32_t process_in(struct pyro_writer *writer, int32_t pid, uint32_t python_version)
{
    char version[32];
    snprintf(version, sizeof(version), "%u.%u.%u", python_version >> 24,
             python_version >> 16 & 0xff, python_version >> 8 & 0xff);
    return pyro_writer_process_of(writer, pid, version);
}

uint32_t pyro_recorded_process(struct pyro_collector *collector, uint32_t block,
                               struct pyro_writer *writer)
{
    struct pyro_seen_process *process = collector->processes[block];
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    if (process->recorded == PYRO_NO_ID)
        process->recorded = process_in(writer, shared->pid, shared->python_version);
    return process->recorded;
}

bool pyro_is_recorded(const struct pyro_collector *collector, uint32_t block,
                      const struct pyro_writer *writer)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    return collector->processes[block]->recorded != PYRO_NO_ID ||
           pyro_writer_knows_process(writer, shared->pid);
}

/* One edge: what it grew by. */
static void take_edge(struct pyro_collector *collector, uint32_t block, uint32_t index,
                      uint32_t thread, struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_edge_entry *entry = (const struct pyro_edge_entry *)(head + 1) + index;
    struct pyro_seen_block *known = &collector->blocks[block];
    uint64_t count = __atomic_load_n(&entry->count, __ATOMIC_RELAXED);
    uint32_t caller = entry->caller, callee = entry->callee;
    if (count <= known->counts[index])
        return;
    uint32_t from = PYRO_NO_ID, to = PYRO_NO_ID;
    if (caller != PYRO_ID_ROOT)
        from = pyro_function_of(collector, known->process, caller);
    if (callee != PYRO_ID_PYTHON)
        to = pyro_function_of(collector, known->process, callee);
    if ((caller != PYRO_ID_ROOT && from == PYRO_NO_ID) ||
        (callee != PYRO_ID_PYTHON && to == PYRO_NO_ID))
        return; /* not named yet: the next time */
    const struct pyro_written_calls calls = {
        .thread = thread, .caller = from, .callee = to, .count = count - known->counts[index]};
    pyro_writer_calls(writer, &calls);
    known->counts[index] = count;
}

/* Is what stands in the tables of PROCESS the program's? While it measures its own costs, it is not. */
static void take_edges(struct pyro_collector *collector, uint32_t block, struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (used > PYRO_BLOCK_EDGE_COUNT || !pyro_process_of(collector, block) ||
        !pyro_process_counts(collector, known->process))
        return;
    if (!known->counts)
        known->counts = calloc(PYRO_BLOCK_EDGE_COUNT, sizeof(*known->counts));
    uint32_t process = pyro_recorded_process(collector, known->process, writer);
    uint32_t thread = pyro_writer_thread(writer, process, head->thread);
    for (uint32_t i = 0; known->counts && thread != PYRO_NO_ID && i < used; i++)
        take_edge(collector, block, i, thread, writer);
}

/* -- contexts ----------------------------------------------------------------------------------- */

#define REFERENCE_INDEX_BITS 8

/* What is known of the context that REFERENCE of a block of process PROCESS stands for; NULL: nothing. */
static struct pyro_seen_context *context_at(const struct pyro_collector *collector,
                                            uint32_t process, uint32_t reference)
{
    uint32_t block = reference >> REFERENCE_INDEX_BITS;
    uint32_t index = reference & ((1u << REFERENCE_INDEX_BITS) - 1);
    if (block >= collector->known || index >= PYRO_BLOCK_CONTEXT_COUNT ||
        collector->blocks[block].process != process)
        return NULL;
    return collector->blocks[block].contexts ? &collector->blocks[block].contexts[index] : NULL;
}

/* The stack of the context at REFERENCE, which ENTRY describes. PYRO_NO_ID: not named yet, or no good. */
static uint32_t stack_of(const struct pyro_collector *collector, uint32_t process,
                         uint32_t reference, const struct pyro_context_entry *entry,
                         struct pyro_writer *writer)
{
    uint32_t parent = PYRO_STACK_ROOT;
    if (entry->parent >= reference)
        return PYRO_NO_ID; /* a parent was made before: so a chain of them ends */
    if (entry->parent != PYRO_CONTEXT_ROOT) {
        const struct pyro_seen_context *context = context_at(collector, process, entry->parent);
        parent = context ? context->stack : PYRO_NO_ID;
    }
    uint32_t function = pyro_function_of(collector, process, entry->function);
    if (parent == PYRO_NO_ID || function == PYRO_NO_ID)
        return PYRO_NO_ID;
    return pyro_writer_stack(writer, parent, pyro_writer_frame(writer, function, 0));
}

/* What a context grew by. */
static void take_context(struct pyro_collector *collector, uint32_t block, uint32_t index,
                         uint32_t thread, struct pyro_writer *writer)
{
    uint32_t process = collector->blocks[block].process;
    struct pyro_seen_context *known = &collector->blocks[block].contexts[index];
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_context_entry entry;
    memcpy(&entry, (const struct pyro_context_entry *)(head + 1) + index, sizeof(entry));
    if (known->stack == PYRO_NO_ID)
        known->stack =
            stack_of(collector, process, block << REFERENCE_INDEX_BITS | index, &entry, writer);
    if (known->stack == PYRO_NO_ID)
        return;
    const struct pyro_process_block *shared = pyro_block_at(collector, process);
    const struct pyro_written_context now = {
        .thread = thread,
        .stack = known->stack,
        .calls = entry.calls,
        .resumes = entry.resumes,
        .self_ns = pyro_process_ns(shared, entry.ticks + known->open_ticks),
        .calls_of_python = entry.calls_of_python,
        .lives = entry.lives,
        .life_ns = pyro_process_ns(shared, entry.life_ticks),
    };
    const struct pyro_written_context *before = &known->written;
    uint64_t before_ns = before->self_ns;
    const struct pyro_written_context more = {
        .thread = thread,
        .stack = known->stack,
        .calls = pyro_grown(now.calls, before->calls),
        .resumes = pyro_grown(now.resumes, before->resumes),
        .self_ns = pyro_grown(now.self_ns, before->self_ns),
        .calls_of_python = pyro_grown(now.calls_of_python, before->calls_of_python),
        .lives = pyro_grown(now.lives, before->lives),
        .life_ns = pyro_grown(now.life_ns, before->life_ns),
    };
    pyro_writer_context(writer, &more);
    known->written = now;
    if (before_ns > now.self_ns) /* what it was seen to be in is over, but not yet added up */
        known->written.self_ns = before_ns;
    known->open_ticks = 0;
}

char pyro_thread_state_of(int32_t pid, uint32_t native_id)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%u/stat", pid, native_id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = '\0';
    const char *name_end = strrchr(text, ')'); /* "77 (python) S 1 ..." */
    return name_end && name_end[1] == ' ' ? name_end[2] : '\0';
}

bool pyro_thread_is_there(struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_process_block *process =
        pyro_block_at(collector, collector->blocks[block].process);
    bool was_over = collector->blocks[block].over;
    char state = pyro_thread_state_of(process->pid, head->thread);
    collector->blocks[block].over = !state || state == 'Z' || state == 'X';
    return state && !was_over;
}

/* What the thread of a THREAD block is in since its last event. */
static void note_open(struct pyro_collector *collector, uint32_t block)
{
    uint32_t process = collector->blocks[block].process;
    const struct pyro_thread_block *shared = pyro_block_at(collector, block);
    if (!pyro_process_of(collector, block))
        return;
    uint64_t since = __atomic_load_n(&shared->since, __ATOMIC_RELAXED);
    uint32_t reference = __atomic_load_n(&shared->context, __ATOMIC_RELAXED);
    struct pyro_seen_context *context = context_at(collector, process, reference);
    uint64_t now = pyro_ticks();
    if (context && reference != PYRO_CONTEXT_ROOT && since < now &&
        now - since < now - collector->first_tick && pyro_thread_is_there(collector, block))
        context->open_ticks += now - since;
}

static bool room_for_contexts(struct pyro_seen_block *known)
{
    if (known->contexts)
        return true;
    known->contexts = calloc(PYRO_BLOCK_CONTEXT_COUNT, sizeof(*known->contexts));
    for (uint32_t i = 0; known->contexts && i < PYRO_BLOCK_CONTEXT_COUNT; i++)
        known->contexts[i].stack = PYRO_NO_ID;
    return known->contexts != NULL;
}

static void note_all_open(struct pyro_collector *collector)
{
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_CONTEXTS)
            (void)room_for_contexts(&collector->blocks[i]);
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_THREAD)
            note_open(collector, i);
}

static void take_contexts(struct pyro_collector *collector, uint32_t block,
                          struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (used > PYRO_BLOCK_CONTEXT_COUNT || !pyro_process_of(collector, block) ||
        !pyro_process_counts(collector, known->process) || !known->contexts)
        return;
    uint32_t process = pyro_recorded_process(collector, known->process, writer);
    uint32_t thread = pyro_writer_thread(writer, process, head->thread);
    for (uint32_t i = 0; thread != PYRO_NO_ID && i < used; i++)
        take_context(collector, block, i, thread, writer);
}

/* -- queries ------------------------------------------------------------------------------------ */

#define BLOCK_QUERIES \
    ((PYRO_BLOCK_SIZE - sizeof(struct pyro_block_head)) / sizeof(struct pyro_query_entry))

static uint64_t us_of(const struct pyro_collector *collector, uint64_t ns)
{
    return pyro_grown(ns, collector->first_ns) / PYRO_NS_PER_US;
}

/* ENTRY, whose texts stand at TEXTS, in the terms of the recording. False: something is not named yet. */
static bool name_query(struct pyro_collector *collector, uint32_t process,
                       const struct pyro_query_entry *entry, const char *texts,
                       struct pyro_writer *writer, struct pyro_query *ret_query)
{
    struct pyro_query query = {
        .process = pyro_recorded_process(collector, process, writer),
        .site = PYRO_NO_ID,
        .line = entry->line,
        .sender = pyro_function_of(collector, process, entry->sender),
        .many = entry->many != 0,
        .count = entry->count,
        .timed = entry->timed,
        .time_ns = entry->time_ns,
        .longest_ns = entry->longest_ns,
        .distinct = entry->distinct,
        .unknown = entry->unknown,
        .first_us = us_of(collector, entry->first_ns),
        .last_us = us_of(collector, entry->last_ns),
    };
    if (entry->site != PYRO_ID_ROOT)
        query.site = pyro_function_of(collector, process, entry->site);
    if (query.sender == PYRO_NO_ID || (entry->site != PYRO_ID_ROOT && query.site == PYRO_NO_ID))
        return false;
    query.shape = pyro_writer_string(writer, texts, entry->shape_size);
    texts += entry->shape_size;
    query.relation = pyro_writer_string(writer, texts, entry->relation_size);
    query.owner = pyro_writer_string(writer, texts + entry->relation_size, entry->owner_size);
    *ret_query = query;
    return true;
}

/* What a query grew by. Each record may count so much at most (docs/format.md): a lie is not written. */
static void write_query(const struct pyro_query *now, struct pyro_query *known,
                        struct pyro_writer *writer)
{
    struct pyro_query more = *now;
    uint64_t *const counts[] = {&more.count,   &more.timed,      &more.time_ns,  &more.distinct,
                                &more.unknown, &more.longest_ns, &more.first_us, &more.last_us};
    more.count = pyro_grown(now->count, known->count);
    more.timed = pyro_grown(now->timed, known->timed);
    more.time_ns = pyro_grown(now->time_ns, known->time_ns);
    more.distinct = pyro_grown(now->distinct, known->distinct);
    more.unknown = pyro_grown(now->unknown, known->unknown);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (*counts[i] > UINT64_C(1) << 56)
            return;
    if (!more.count && !more.timed)
        return;
    pyro_writer_query(writer, &more);
    if (more.site != PYRO_NO_ID && more.line && !known->count)
        (void)pyro_writer_frame(writer, more.site, more.line); /* so that its source is kept */
    *known = *now;
}

/* The entries of a block. Sizes are read once more each time: they may have become others. */
static void take_queries(struct pyro_collector *collector, uint32_t block,
                         struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire), at = 0;
    if (!pyro_process_of(collector, block) || used > PYRO_BLOCK_SIZE - sizeof(*head))
        return;
    if (!known->queries)
        known->queries = calloc(BLOCK_QUERIES, sizeof(*known->queries));
    for (size_t i = 0; known->queries && i < BLOCK_QUERIES; i++) {
        struct pyro_query_entry entry;
        struct pyro_query query;
        if (sizeof(entry) > used - at)
            return;
        const char *begin = (const char *)(head + 1) + at;
        memcpy(&entry, begin, sizeof(entry));
        uint32_t size =
            (uint32_t)sizeof(entry) + entry.shape_size + entry.relation_size + entry.owner_size;
        size = (size + 7) & ~UINT32_C(7);
        if (size > used - at)
            return;
        if (name_query(collector, known->process, &entry, begin + sizeof(entry), writer, &query))
            write_query(&query, &known->queries[i], writer);
        at += size;
    }
}

static uint64_t lost_queries(const struct pyro_collector *collector)
{
    uint64_t lost = 0;
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_PROCESS) {
            const struct pyro_process_block *process = pyro_block_at(collector, i);
            lost += atomic_load_explicit(&process->queries_lost, memory_order_relaxed);
        }
    return lost;
}

/* -- arguments ---------------------------------------------------------------------------------- */

/* One function: what its counts grew by. A lie is not written. */
static void take_arguments(const struct pyro_collector *collector, uint32_t process,
                           const struct pyro_argument_entry *entry, uint64_t known[3],
                           struct pyro_writer *writer)
{
    const uint64_t now[] = {entry->looked, entry->distinct, entry->unknown};
    const struct pyro_arguments more = {
        .function = pyro_function_of(collector, process, entry->function),
        .looked = pyro_grown(now[0], known[0]),
        .distinct = pyro_grown(now[1], known[1]),
        .unknown = pyro_grown(now[2], known[2]),
    };
    if (more.function == PYRO_NO_ID || !more.looked || more.looked > UINT64_C(1) << 56 ||
        more.distinct > UINT64_C(1) << 56 || more.unknown > UINT64_C(1) << 56)
        return; /* not named yet: the next time */
    pyro_writer_arguments(writer, &more);
    memcpy(known, now, sizeof(now));
}

static void take_all_arguments(struct pyro_collector *collector, uint32_t block,
                               struct pyro_writer *writer)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_argument_entry *entries = (const struct pyro_argument_entry *)(head + 1);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (used > PYRO_BLOCK_ARGUMENT_COUNT || !pyro_process_of(collector, block))
        return;
    if (!known->counts)
        known->counts = calloc(3 * PYRO_BLOCK_ARGUMENT_COUNT, sizeof(*known->counts));
    for (uint32_t i = 0; known->counts && i < used; i++) {
        struct pyro_argument_entry entry;
        memcpy(&entry, &entries[i], sizeof(entry));
        take_arguments(collector, known->process, &entry, &known->counts[(size_t)3 * i], writer);
    }
}

/* -- processes ---------------------------------------------------------------------------------- */

#define GAUGES_MIN   100 /* events that were measured: fewer tell nothing of the machine's speed */
#define FACTOR_LIMIT 3   /* nor does a larger difference between the beginning and later */

/* Add what events of PROCESS, a block, took, and what they would have taken when their cost was measured. */
static uint64_t add_gauges(const struct pyro_collector *collector, uint32_t process,
                           double *took_ticks, double *expected_ticks)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, process);
    uint64_t all = 0;
    for (uint32_t i = 1; i < collector->known; i++) {
        const struct pyro_thread_block *thread = pyro_block_at(collector, i);
        if (collector->blocks[i].kind != PYRO_BLOCK_THREAD ||
            collector->blocks[i].process != process)
            continue;
        for (int kind = 0; kind < PYRO_GAUGES; kind++) {
            uint64_t count = __atomic_load_n(&thread->gauges[kind].count, __ATOMIC_RELAXED);
            uint64_t ticks = __atomic_load_n(&thread->gauges[kind].ticks, __ATOMIC_RELAXED);
            if (!(shared->gauge_ticks[kind] > 0))
                continue;
            *took_ticks += (double)ticks;
            *expected_ticks += (double)count * shared->gauge_ticks[kind];
            all += count;
        }
    }
    return all;
}

/* How much slower the machine was in PROCESS than when its costs were measured. */
static double slowdown_of(const struct pyro_collector *collector, uint32_t process)
{
    double took_ticks = 0, expected_ticks = 0;
    if (add_gauges(collector, process, &took_ticks, &expected_ticks) < GAUGES_MIN)
        return 1;
    double factor = took_ticks / expected_ticks;
    if (factor > FACTOR_LIMIT)
        return FACTOR_LIMIT;
    return factor > 1.0 / FACTOR_LIMIT ? factor : 1.0 / FACTOR_LIMIT;
}

static struct pyro_trace_cost trace_costs_of(const struct pyro_process_block *shared,
                                             double slowdown)
{
    const struct pyro_trace_costs *ticks = &shared->trace_costs;
    double tick_ns = shared->tick_ns * slowdown;
    return (struct pyro_trace_cost){
        .python_ns = ticks->python * tick_ns,
        .python_inside_ns = ticks->python_inside * tick_ns,
        .c_ns = ticks->c * tick_ns,
        .c_inside_ns = ticks->c_inside * tick_ns,
        .call_ns = ticks->call * tick_ns,
    };
}

/* Why calls of a process were not, or not all, counted. */
static void read_reason(const struct pyro_collector *collector,
                        const struct pyro_process_block *shared, char reason[REASON_BYTES])
{
    const uint64_t *at = pyro_map_find(&collector->replaced, (uint32_t)shared->pid, 0);
    if (at)
        snprintf(reason, REASON_BYTES,
                 "after %.2f s the program replaced itself by another Python program (exec), in "
                 "which calls are %s",
                 (double)collector->images[*at].since_us / 1e6,
                 collector->follows ? "not counted" : "only counted with --subprocesses");
    else
        snprintf(reason, REASON_BYTES, "%.*s", (int)sizeof(shared->reason), shared->reason);
}

static void take_process(struct pyro_collector *collector, uint32_t block,
                         struct pyro_writer *writer)
{
    const struct pyro_process_block *shared = pyro_block_at(collector, block);
    char reason[REASON_BYTES];
    read_reason(collector, shared, reason);
    double slowdown = slowdown_of(collector, block);
    struct pyro_written_probe probe = {
        .process = pyro_recorded_process(collector, block, writer),
        .counted = shared->state == PYRO_PROBE_COUNTS || shared->state == PYRO_PROBE_STOPPED,
        .c_calls = shared->c_calls != 0,
        .lost = shared->lost,
        .start_ns = shared->start_ns * slowdown,
        .call_ns = shared->call_ns * slowdown,
        .reason = reason,
        .traced = shared->traces != 0,
        .trace = trace_costs_of(shared, slowdown),
    };
    pyro_writer_probe(writer, &probe);
}

/* A process that could not load the probe at all; of several the last one. */
static void take_failure(struct pyro_collector *collector, struct pyro_writer *writer)
{
    const struct pyro_tables_head *head = pyro_block_at(collector, 0);
    struct pyro_load_failure failure;
    memcpy(&failure, &head->failure, sizeof(failure));
    failure.reason[sizeof(failure.reason) - 1] = '\0';
    if (!failure.pid || failure.pid == collector->failed_pid)
        return;
    collector->failed_pid = failure.pid;
    const struct pyro_written_probe probe = {
        .process = process_in(writer, failure.pid, failure.python_version),
        .reason = failure.reason,
    };
    pyro_writer_probe(writer, &probe);
}

/* Processes that became a program in which no probe is. */
void pyro_find_replaced(struct pyro_collector *collector)
{
    pyro_map_clear(&collector->replaced);
    for (size_t i = 0; i < collector->image_count; i++) {
        const struct pyro_seen_image *image = &collector->images[i];
        bool is_new;
        if (pyro_map_find(&collector->counted, image->id, 0))
            continue;
        uint64_t *at = pyro_map_insert(&collector->replaced, (uint32_t)image->pid, 0, &is_new);
        if (at && is_new)
            *at = i;
    }
}

static void read_head(const struct pyro_collector *collector, struct pyro_counters *counters)
{
    const struct pyro_tables_head *head = pyro_block_at(collector, 0);
    counters->turned_away = atomic_load_explicit(&head->turned_away, memory_order_relaxed);
    counters->sub_interpreters = head->sub_interpreters != 0;
    counters->queries_lost = lost_queries(collector);
    pyro_read_line_counters(collector, counters);
}

bool pyro_collector_found_probe(const struct pyro_collector *collector)
{
    return collector->counted.count > 0;
}

void pyro_catch_up(struct pyro_collector *collector, struct pyro_writer *writer)
{
    look_again(collector);
    look_for_blocks(collector);
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_NAMES)
            take_names(collector, i, writer);
}

void pyro_collector_glance(struct pyro_collector *collector, struct pyro_writer *writer)
{
    if (!pyro_moment_is_due(collector))
        return;
    pyro_catch_up(collector, writer);
    pyro_take_moments(collector, writer);
}

void pyro_collector_drain(struct pyro_collector *collector, struct pyro_writer *writer,
                          struct pyro_counters *counters)
{
    pyro_catch_up(collector, writer);
    pyro_find_replaced(collector);
    read_head(collector, counters);
    note_all_open(collector);
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_THREAD)
            pyro_note_line_clock(collector, i);
    for (uint32_t i = 1; i < collector->known; i++) {
        if (collector->blocks[i].kind == PYRO_BLOCK_EDGES)
            take_edges(collector, i, writer);
        else if (collector->blocks[i].kind == PYRO_BLOCK_CONTEXTS)
            take_contexts(collector, i, writer);
        else if (collector->blocks[i].kind == PYRO_BLOCK_QUERIES)
            take_queries(collector, i, writer);
        else if (collector->blocks[i].kind == PYRO_BLOCK_ARGUMENTS)
            take_all_arguments(collector, i, writer);
        else if (collector->blocks[i].kind == PYRO_BLOCK_LINES)
            pyro_take_lines(collector, i, writer);
        else if (collector->blocks[i].kind == PYRO_BLOCK_PROCESS)
            take_process(collector, i, writer);
    }
    for (uint32_t i = 1; collector->hottest_count && i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_PROCESS)
            pyro_tell_hottest(collector, i);
    pyro_take_memory(collector, writer);
    take_failure(collector, writer);
}

void pyro_collector_runs(struct pyro_collector *collector, int32_t pid, uint64_t image,
                         uint64_t since_us)
{
    if (pyro_grow(&collector->images, collector->image_count, &collector->image_capacity,
                  sizeof(*collector->images)) == 0)
        collector->images[collector->image_count++] =
            (struct pyro_seen_image){image, since_us, pid};
}

/* -- the moment --------------------------------------------------------------------------------- */

static uint32_t callee_of(struct pyro_collector *collector, uint32_t block,
                          struct pyro_writer *writer, uint32_t id)
{
    uint32_t process = collector->blocks[block].process;
    uint32_t function = pyro_function_of(collector, process, id);
    if (function == PYRO_NO_ID && collector->silent)
        look_again(collector); /* its name may stand in a block that was just being claimed */
    for (uint32_t i = 1; function == PYRO_NO_ID && i < collector->known; i++) {
        if (collector->blocks[i].kind != PYRO_BLOCK_NAMES)
            continue;
        take_names(collector, i, writer);
        function = pyro_function_of(collector, process, id);
    }
    return function;
}

static const uint64_t *thread_block(struct pyro_collector *collector, int32_t pid,
                                    uint64_t native_id)
{
    look_for_blocks(collector);
    const uint64_t *block = pyro_map_find(&collector->threads, (uint32_t)pid, native_id);
    if (block || !collector->silent)
        return block;
    look_again(collector); /* the thread may be one of those that were just claiming theirs */
    return pyro_map_find(&collector->threads, (uint32_t)pid, native_id);
}

uint32_t pyro_collector_callee(struct pyro_collector *collector, struct pyro_writer *writer,
                               int32_t pid, uint64_t native_id, uint64_t frame, uint64_t code,
                               uint64_t offset)
{
    const uint64_t *block = thread_block(collector, pid, native_id);
    if (!block)
        return PYRO_NO_ID;
    const struct pyro_thread_block *shared = pyro_block_at(collector, (uint32_t)*block);
    struct pyro_callee_slot slot;
    memcpy(&slot, &shared->callees[pyro_callee_slot_of(frame)], sizeof(slot));
    if (slot.frame != frame || slot.code != code || slot.offset != offset ||
        slot.callee < PYRO_ID_FIRST)
        return PYRO_NO_ID;
    return callee_of(collector, (uint32_t)*block, writer, slot.callee);
}

/* -- membership tests --------------------------------------------------------------------------- */

/* An address has 48 bits in a program, a block 14. */
static uint64_t operand_key(uint32_t process, uint64_t code)
{
    return code ^ (uint64_t)process << 48;
}

static void take_operands(struct pyro_collector *collector, uint32_t block)
{
    const struct pyro_block_head *head = pyro_block_at(collector, block);
    const struct pyro_operand_entry *entries = (const struct pyro_operand_entry *)(head + 1);
    struct pyro_seen_block *known = &collector->blocks[block];
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    for (; known->done < used && known->done < PYRO_BLOCK_OPERAND_COUNT; known->done++) {
        struct pyro_operand_entry entry;
        memcpy(&entry, &entries[known->done], sizeof(entry));
        if (collector->operands.count >= OPERANDS_MAX)
            return;
        uint64_t *slot = pyro_map_insert(
            &collector->operands, operand_key(known->process, entry.code), entry.offset, NULL);
        if (slot)
            *slot = entry.slot;
    }
}

/* The block of the last process that had PID; PYRO_NO_BLOCK: none. */
static uint32_t process_block(const struct pyro_collector *collector, int32_t pid)
{
    for (uint32_t i = collector->known; i-- > 1;)
        if (collector->processes[i] &&
            ((const struct pyro_process_block *)pyro_block_at(collector, i))->pid == pid)
            return i;
    return PYRO_NO_BLOCK;
}

uint32_t pyro_collector_operand(struct pyro_collector *collector, int32_t pid, uint64_t code,
                                uint64_t offset)
{
    look_again(collector);
    look_for_blocks(collector);
    for (uint32_t i = 1; i < collector->known; i++)
        if (collector->blocks[i].kind == PYRO_BLOCK_OPERANDS)
            take_operands(collector, i);
    /* A forked process has the code of its parent. */
    for (uint32_t block = process_block(collector, pid);
         block != PYRO_NO_BLOCK && collector->processes[block];
         block = collector->processes[block]->parent) {
        const uint64_t *slot =
            pyro_map_find(&collector->operands, operand_key(block, code), offset);
        if (slot)
            return (uint32_t)*slot;
    }
    return UINT32_MAX;
}
