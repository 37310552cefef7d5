/* profile/writer.c - give things their ids and put them, encoded, into pending chunks.
 *
 * What is named goes at once into the pending bytes of its kind and into the tables that find it again. A flush
 * turns all pending bytes into chunks and writes them in one call, definitions before the samples that use them.
 * Out of memory stops the recording like a full disk does: half a definition would spoil all that follow. */
#include "profile/writer.h"

#include "base/grow.h"
#include "profile/chunk.h"
#include "profile/writer_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_INTERVAL_US 1000000
#define FLUSH_SIZE        (64u << 10) /* of bytes not yet packed */

/* In the order in which they are written: what refers comes after what it refers to. */
static const struct {
    enum pyro_chunk_type type;
    enum pending first_block;
    int block_count;
} definition_chunks[] = {
    {PYRO_CHUNK_STRINGS, PENDING_STRINGS, 1},     {PYRO_CHUNK_FUNCTIONS, PENDING_FUNCTIONS, 1},
    {PYRO_CHUNK_FRAMES, PENDING_FRAMES, 1},       {PYRO_CHUNK_STACKS, PENDING_STACK_PARENTS, 2},
    {PYRO_CHUNK_WAITS, PENDING_WAITS, 1},         {PYRO_CHUNK_PROCESSES, PENDING_PROCESSES, 1},
    {PYRO_CHUNK_EDGES, PENDING_EDGES, 1},         {PYRO_CHUNK_SOURCES, PENDING_SOURCES, 1},
    {PYRO_CHUNK_QUERIES, PENDING_QUERIES, 1},     {PYRO_CHUNK_LOOKUPS, PENDING_LOOKUPS, 1},
    {PYRO_CHUNK_ARGUMENTS, PENDING_ARGUMENTS, 1}, {PYRO_CHUNK_MEMORY, PENDING_MEMORY, 1},
    {PYRO_CHUNK_HEAPS, PENDING_HEAPS, 1},         {PYRO_CHUNK_RESIDENT, PENDING_RESIDENT, 1},
    {PYRO_CHUNK_LOOKS, PENDING_LOOKS, 1},         {PYRO_CHUNK_WATCH, PENDING_WATCH, 1},
    {PYRO_CHUNK_SIZES, PENDING_SIZES, 1},         {PYRO_CHUNK_CONFINEMENT, PENDING_CONFINEMENT, 1},
    {PYRO_CHUNK_MOMENTS, PENDING_MOMENTS, 1},     {PYRO_CHUNK_PERIODS, PENDING_PERIODS, 1},
    {PYRO_CHUNK_SAMPLED, PENDING_SAMPLED, 1},
};
static const struct {
    enum pyro_chunk_type type;
    enum pending block;
} chunks_after_threads[] = {
    {PYRO_CHUNK_CALLS, PENDING_CALLS},       {PYRO_CHUNK_PROBES, PENDING_PROBES},
    {PYRO_CHUNK_CONTEXTS, PENDING_CONTEXTS}, {PYRO_CHUNK_TRACES, PENDING_TRACES},
    {PYRO_CHUNK_LINES, PENDING_LINES},
};

/* -- errors and tables -------------------------------------------------------------------------- */

static void fail(struct pyro_writer *writer, int error)
{
    if (writer->error == 0)
        writer->error = error;
}

/* Append a copy of ITEM. */
static int table_add(struct table *table, const void *item, size_t size)
{
    if (pyro_grow(&table->items, table->count, &table->capacity, size) < 0)
        return -ENOMEM;
    memcpy((char *)table->items + table->count++ * size, item, size);
    return 0;
}

/* Where the id of a key is kept. NULL: nothing can be named, because of an earlier error or out of memory.
 * *ret_new: the caller must store a new id there, or nothing more is written. */
static uint64_t *id_of(struct pyro_writer *writer, struct pyro_map *ids, uint64_t key0,
                       uint64_t key1, size_t max, bool *ret_new)
{
    *ret_new = false;
    if (writer->error < 0)
        return NULL;
    if (ids->count >= max)
        return pyro_map_find(ids, key0, key1);
    uint64_t *id = pyro_map_insert(ids, key0, key1, ret_new);
    if (!id)
        fail(writer, -ENOMEM);
    return id;
}

static int flush_definitions(struct pyro_writer *writer);

void pyro_writer_defined(struct pyro_writer *writer, enum pending block)
{
    if (writer->pending[block].failed)
        fail(writer, -ENOMEM);
    else if (writer->pending[block].size >= FLUSH_SIZE)
        flush_definitions(writer);
}

/* -- naming things ------------------------------------------------------------------------------ */

/* Cut a text at its limit, but not inside a UTF-8 sequence. */
static size_t cut_length(const char *text, size_t length)
{
    if (length <= PYRO_STRING_SIZE_MAX)
        return length;
    length = PYRO_STRING_SIZE_MAX;
    for (int i = 0; i < 3 && ((unsigned char)text[length] & 0xc0) == 0x80; i++)
        length--;
    return length;
}

uint32_t pyro_writer_string(struct pyro_writer *writer, const char *text, size_t length)
{
    size_t known = writer->strings.count;
    if (writer->error < 0 || known >= PYRO_STRINGS_MAX)
        return PYRO_NO_ID;
    length = cut_length(text, length);
    int64_t id = pyro_strings_intern(&writer->strings, text, length);
    if (id < 0) {
        fail(writer, (int)id);
        return PYRO_NO_ID;
    }
    if (id > 0 && (size_t)id >= known) {
        pyro_buffer_put_bytes(&writer->pending[PENDING_STRINGS], text, length);
        pyro_writer_defined(writer, PENDING_STRINGS);
    }
    return (uint32_t)id;
}

uint32_t pyro_writer_string_of(struct pyro_writer *writer, const char *text)
{
    return text ? pyro_writer_string(writer, text, strlen(text)) : 0;
}

uint32_t pyro_writer_function(struct pyro_writer *writer, const struct pyro_function *function)
{
    size_t known = writer->strings.count;
    if (function->name >= known || function->file >= known)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id =
        id_of(writer, &writer->function_ids, (uint64_t)function->name << 32 | function->file,
              (uint64_t)function->first_line << 8 | function->kind, PYRO_FUNCTIONS_MAX, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    uint32_t new_id = (uint32_t)writer->functions.count;
    *id = new_id;
    if (table_add(&writer->functions, function, sizeof(*function)) < 0)
        fail(writer, -ENOMEM);
    struct pyro_buffer *out = &writer->pending[PENDING_FUNCTIONS];
    pyro_buffer_put_zigzag(out, (int64_t)function->name - writer->last_function.name);
    pyro_buffer_put_zigzag(out, (int64_t)function->file - writer->last_function.file);
    pyro_buffer_put_varint(out, function->first_line);
    pyro_buffer_put_u8(out, (uint8_t)function->kind);
    writer->last_function = *function;
    pyro_writer_defined(writer, PENDING_FUNCTIONS);
    return new_id;
}

uint32_t pyro_writer_frame(struct pyro_writer *writer, uint32_t function, uint32_t line)
{
    if (function >= writer->functions.count)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id = id_of(writer, &writer->frame_ids, (uint64_t)function << 32 | line, 0,
                         PYRO_FRAMES_MAX, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    uint32_t new_id = (uint32_t)writer->frames.count;
    *id = new_id;
    struct pyro_frame frame = {.function = function, .line = line};
    if (table_add(&writer->frames, &frame, sizeof(frame)) < 0)
        fail(writer, -ENOMEM);
    uint32_t first_line = pyro_writer_function_at(writer, function).first_line;
    struct pyro_buffer *out = &writer->pending[PENDING_FRAMES];
    pyro_buffer_put_zigzag(out, (int64_t)function - writer->last_frame.function);
    pyro_buffer_put_zigzag(out, (int64_t)line - first_line);
    writer->last_frame = frame;
    pyro_writer_defined(writer, PENDING_FRAMES);
    return new_id;
}

static const struct pyro_stack *stack_at(const struct pyro_writer *writer, uint32_t stack)
{
    return (const struct pyro_stack *)writer->stacks.items + stack;
}

static uint32_t add_stack(struct pyro_writer *writer, const struct pyro_stack *stack)
{
    uint32_t id = (uint32_t)writer->stacks.count;
    if (table_add(&writer->stacks, stack, sizeof(*stack)) < 0)
        fail(writer, -ENOMEM);
    pyro_buffer_put_varint(&writer->pending[PENDING_STACK_PARENTS], id - stack->parent);
    pyro_buffer_put_zigzag(&writer->pending[PENDING_STACK_FRAMES],
                           (int64_t)stack->frame - writer->last_stack_frame);
    writer->last_stack_frame = stack->frame;
    pyro_writer_defined(writer, PENDING_STACK_PARENTS);
    pyro_writer_defined(writer, PENDING_STACK_FRAMES);
    return id;
}

uint32_t pyro_writer_stack(struct pyro_writer *writer, uint32_t parent, uint32_t frame)
{
    if (parent >= writer->stacks.count || frame >= writer->frames.count)
        return PYRO_NO_ID;
    uint32_t depth = stack_at(writer, parent)->depth + 1;
    if (depth > PYRO_STACK_DEPTH_MAX)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id = id_of(writer, &writer->stack_ids, (uint64_t)parent << 32 | frame, 0,
                         PYRO_STACKS_MAX - 1, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    *id = writer->stacks.count;
    struct pyro_stack stack = {.parent = parent, .frame = frame, .depth = depth};
    return add_stack(writer, &stack);
}

uint32_t pyro_writer_wait(struct pyro_writer *writer, const char *kind, const char *text)
{
    uint32_t kind_id = pyro_writer_string_of(writer, kind),
             text_id = pyro_writer_string_of(writer, text);
    if (kind_id == PYRO_NO_ID || text_id == PYRO_NO_ID)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id = id_of(writer, &writer->wait_ids, (uint64_t)kind_id << 32 | text_id, 0,
                         PYRO_WAITS_MAX, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    uint32_t new_id = (uint32_t)writer->waits.count;
    *id = new_id;
    const struct pyro_wait_reason reason = {.kind = kind_id, .text = text_id};
    if (table_add(&writer->waits, &reason, sizeof(reason)) < 0)
        fail(writer, -ENOMEM);
    pyro_buffer_put_varint(&writer->pending[PENDING_WAITS], kind_id);
    pyro_buffer_put_varint(&writer->pending[PENDING_WAITS], text_id);
    pyro_writer_defined(writer, PENDING_WAITS);
    return new_id;
}

uint32_t pyro_writer_process(struct pyro_writer *writer, int32_t pid, int32_t parent_pid,
                             const char *command, const char *python_version)
{
    uint32_t command_id = pyro_writer_string_of(writer, command);
    uint32_t version_id = pyro_writer_string_of(writer, python_version);
    if (command_id == PYRO_NO_ID || version_id == PYRO_NO_ID)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id =
        id_of(writer, &writer->process_ids, (uint64_t)(uint32_t)pid << 32 | (uint32_t)parent_pid,
              (uint64_t)command_id << 32 | version_id, PYRO_PROCESSES_MAX, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    uint32_t new_id = (uint32_t)writer->process_ids.count - 1;
    *id = new_id;
    uint64_t *last = pyro_map_insert(&writer->pids, (uint32_t)pid, 0, NULL);
    if (last)
        *last = new_id;
    else
        fail(writer, -ENOMEM);
    struct pyro_buffer *out = &writer->pending[PENDING_PROCESSES];
    pyro_buffer_put_zigzag(out, pid);
    pyro_buffer_put_zigzag(out, parent_pid);
    pyro_buffer_put_varint(out, command_id);
    pyro_buffer_put_varint(out, version_id);
    pyro_writer_defined(writer, PENDING_PROCESSES);
    return new_id;
}

uint32_t pyro_writer_process_of(struct pyro_writer *writer, int32_t pid, const char *python_version)
{
    const uint64_t *last = pyro_map_find(&writer->pids, (uint32_t)pid, 0);
    return last ? (uint32_t)*last : pyro_writer_process(writer, pid, 0, "", python_version);
}

/* -- threads ------------------------------------------------------------------------------------ */

static struct writer_thread *thread_at(struct pyro_writer *writer, uint32_t thread)
{
    if (thread >= writer->threads.count)
        return NULL;
    return (struct writer_thread *)writer->threads.items + thread;
}

uint32_t pyro_writer_thread(struct pyro_writer *writer, uint32_t process, uint64_t native_id)
{
    if (process >= writer->process_ids.count)
        return PYRO_NO_ID;
    bool is_new;
    uint64_t *id =
        id_of(writer, &writer->thread_ids, native_id, process, PYRO_THREADS_MAX, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*id;
    uint32_t new_id = (uint32_t)writer->threads.count;
    *id = new_id;
    struct writer_thread item = {.thread = {.process = process, .native_id = native_id},
                                 .changed = true};
    if (table_add(&writer->threads, &item, sizeof(item)) < 0)
        fail(writer, -ENOMEM);
    writer->threads_changed = true;
    return new_id;
}

void pyro_writer_thread_name(struct pyro_writer *writer, uint32_t thread, const char *name)
{
    uint32_t name_id = pyro_writer_string_of(writer, name);
    struct writer_thread *item = thread_at(writer, thread);
    if (name_id == PYRO_NO_ID || !item || item->thread.name == name_id)
        return;
    item->thread.name = name_id;
    item->changed = writer->threads_changed = true;
}

void pyro_writer_thread_cpu(struct pyro_writer *writer, uint32_t thread, uint64_t cpu_kernel_us)
{
    struct writer_thread *item = thread_at(writer, thread);
    if (!item || item->thread.cpu_kernel_us == cpu_kernel_us)
        return;
    item->thread.cpu_kernel_us = cpu_kernel_us;
    item->changed = writer->threads_changed = true;
}

/* -- edges, sources, counters ------------------------------------------------------------------- */

void pyro_writer_edge(struct pyro_writer *writer, uint32_t caller, uint32_t callee)
{
    size_t known = writer->functions.count;
    if (caller >= known || callee >= known) /* from the root: real without being told */
        return;
    bool is_new;
    id_of(writer, &writer->edges, (uint64_t)caller << 32 | callee, 0, PYRO_EDGES_MAX, &is_new);
    if (!is_new)
        return;
    struct pyro_buffer *out = &writer->pending[PENDING_EDGES];
    pyro_buffer_put_zigzag(out, (int64_t)caller - writer->last_caller);
    pyro_buffer_put_zigzag(out, (int64_t)callee - writer->last_callee);
    writer->last_caller = caller;
    writer->last_callee = callee;
    pyro_writer_defined(writer, PENDING_EDGES);
    if (writer->observer)
        writer->observer->edge(writer->observer->context, caller, callee);
}

void pyro_writer_source(struct pyro_writer *writer, uint32_t file, uint32_t line, const char *text,
                        size_t length)
{
    if (file >= writer->strings.count)
        return;
    uint32_t text_id = pyro_writer_string(writer, text, length);
    if (text_id == PYRO_NO_ID)
        return;
    bool is_new;
    id_of(writer, &writer->sources, (uint64_t)file << 32 | line, 0, PYRO_SOURCES_MAX, &is_new);
    if (!is_new)
        return;
    struct pyro_buffer *out = &writer->pending[PENDING_SOURCES];
    pyro_buffer_put_zigzag(out, (int64_t)file - writer->last_source_file);
    pyro_buffer_put_zigzag(out, (int64_t)line - writer->last_source_line);
    pyro_buffer_put_varint(out, text_id);
    writer->last_source_file = file;
    writer->last_source_line = line;
    pyro_writer_defined(writer, PENDING_SOURCES);
}

void pyro_writer_counters(struct pyro_writer *writer, const struct pyro_counters *counters)
{
    writer->counters = *counters;
    writer->counters_changed = true;
}

/* -- samples ------------------------------------------------------------------------------------ */

static size_t pending_size(const struct pyro_writer *writer)
{
    size_t size = pyro_columns_size(&writer->columns);
    for (int i = 0; i < PENDING_COUNT; i++)
        size += writer->pending[i].size;
    return size;
}

void pyro_writer_sweep(struct pyro_writer *writer, uint64_t time_us)
{
    if (writer->error < 0)
        return;
    const struct pyro_column_writer *columns = &writer->columns;
    bool old = columns->sweep_count > 0 && time_us >= columns->batch_time_us + FLUSH_INTERVAL_US;
    if (old || pending_size(writer) >= FLUSH_SIZE)
        pyro_writer_flush(writer);
    pyro_columns_sweep(&writer->columns, time_us);
    if (writer->observer)
        writer->observer->sweep(writer->observer->context);
}

/* How many frames must go from the top of STACK until what is left is a part of AGREED, too. */
static uint32_t frames_to_drop(const struct pyro_writer *writer, uint32_t stack, uint32_t agreed)
{
    uint32_t depth = stack_at(writer, stack)->depth;
    while (stack != agreed) {
        const struct pyro_stack *a = stack_at(writer, stack), *b = stack_at(writer, agreed);
        if (a->depth >= b->depth)
            stack = a->parent;
        else
            agreed = b->parent;
    }
    return depth - stack_at(writer, stack)->depth;
}

void pyro_writer_sample(struct pyro_writer *writer, const struct pyro_written_sample *sample)
{
    if (writer->error < 0 || sample->thread >= writer->threads.count ||
        sample->stack >= writer->stacks.count || sample->agreed >= writer->stacks.count ||
        sample->state >= PYRO_STATE_COUNT)
        return;
    struct pyro_sample_value value = {
        .stack = sample->stack, .wait = PYRO_NO_ID, .state_byte = (uint8_t)sample->state};
    if (sample->flags & PYRO_SAMPLE_GIL)
        value.state_byte |= PYRO_STATE_GIL;
    if (sample->flags & PYRO_SAMPLE_GC)
        value.state_byte |= PYRO_STATE_GC;
    if (sample->wait < writer->wait_ids.count) {
        value.state_byte |= PYRO_STATE_WAIT;
        value.wait = sample->wait;
    }
    if (sample->agreed != sample->stack)
        value.drop = frames_to_drop(writer, sample->stack, sample->agreed);
    if (value.drop > 0)
        value.state_byte |= PYRO_STATE_UNSURE;
    pyro_columns_sample(&writer->columns, sample->thread, &value);
    if (writer->observer)
        writer->observer->sample(writer->observer->context, sample);
}

/* -- writing out -------------------------------------------------------------------------------- */

static int write_all(struct pyro_writer *writer, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(writer->fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Write OUT and empty it. After half a write the file is cut back to its last whole chunk. */
static int write_out(struct pyro_writer *writer)
{
    struct pyro_buffer *out = &writer->out;
    if (out->failed)
        fail(writer, -ENOMEM);
    if (writer->error == 0 && out->size > 0) {
        int error = write_all(writer, out->data, out->size);
        if (error == 0)
            writer->bytes += out->size;
        else if (writer->regular && ftruncate(writer->fd, (off_t)writer->bytes) < 0)
            error = error ? error
                          : -errno; /* the first reason counts; a torn end is readable as well */
        if (error < 0)
            fail(writer, error);
    }
    pyro_buffer_clear(out);
    return writer->error;
}

/* A chunk of COUNT blocks into OUT, unless the first is empty. The blocks are empty afterwards. */
static int put_blocks(struct pyro_writer *writer, enum pyro_chunk_type type,
                      struct pyro_buffer *blocks, int count)
{
    if (blocks[0].size == 0 && !blocks[0].failed)
        return 0;
    size_t begin = pyro_chunk_begin(&writer->out, type);
    int error = 0;
    for (int i = 0; i < count; i++) {
        if (error == 0)
            error = pyro_packer_put(&writer->packer, &writer->out, &blocks[i]);
        pyro_buffer_clear(&blocks[i]);
    }
    return error < 0 ? error : pyro_chunk_end(&writer->out, begin);
}

/* Threads that are new or have changed, in as many chunks as it takes. */
static int put_changed_threads(struct pyro_writer *writer)
{
    int error = 0;
    struct pyro_buffer *block = &writer->thread_block;
    for (uint32_t id = 0; error == 0 && id < writer->threads.count; id++) {
        struct writer_thread *item = thread_at(writer, id);
        if (!item->changed)
            continue;
        item->changed = false;
        pyro_buffer_put_varint(block, id);
        pyro_buffer_put_varint(block, item->thread.process);
        pyro_buffer_put_varint(block, item->thread.native_id);
        pyro_buffer_put_varint(block, item->thread.name);
        pyro_buffer_put_varint(block, item->thread.cpu_kernel_us);
        if (block->size >= FLUSH_SIZE)
            error = put_blocks(writer, PYRO_CHUNK_THREADS, block, 1);
    }
    writer->threads_changed = false;
    return error < 0 ? error : put_blocks(writer, PYRO_CHUNK_THREADS, block, 1);
}

/* All pending definitions into OUT. */
static void put_definitions(struct pyro_writer *writer)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof(definition_chunks) / sizeof(*definition_chunks);
         i++)
        error = put_blocks(writer, definition_chunks[i].type,
                           &writer->pending[definition_chunks[i].first_block],
                           definition_chunks[i].block_count);
    if (error == 0 && writer->threads_changed)
        error = put_changed_threads(writer);
    for (size_t i = 0;
         error == 0 && i < sizeof(chunks_after_threads) / sizeof(*chunks_after_threads); i++)
        error = put_blocks(writer, chunks_after_threads[i].type,
                           &writer->pending[chunks_after_threads[i].block], 1);
    if (error < 0)
        fail(writer, error);
}

static int flush_definitions(struct pyro_writer *writer)
{
    put_definitions(writer);
    return write_out(writer);
}

static void put_samples(struct pyro_writer *writer)
{
    if (writer->columns.failed)
        fail(writer, -ENOMEM);
    if (writer->columns.sweep_count == 0)
        return;
    size_t begin = pyro_chunk_begin(&writer->out, PYRO_CHUNK_SAMPLES);
    int error = pyro_columns_put(&writer->columns, &writer->packer, &writer->out);
    if (error == 0)
        error = pyro_chunk_end(&writer->out, begin);
    if (error < 0)
        fail(writer, error);
}

static void put_counters(struct pyro_writer *writer)
{
    if (!writer->counters_changed)
        return;
    writer->counters_changed = false;
    const struct pyro_counters *c = &writer->counters;
    const uint64_t values[] = {
        c->duration_us,   c->sweeps,        c->missed_ticks,  c->late,
        c->samples,       c->empty,         c->moved,         c->unsure,
        c->failed,        c->second_reads,  c->stopped,       c->sampler_cpu_us,
        c->code_reread,   c->still,         c->turned_away,   c->sub_interpreters,
        c->queries_lost,  c->lines_lost,    c->lines_cost_us, c->marked,
        c->lines_from_us, c->lines_sampled, c->sampler_rss,
    };
    size_t begin = pyro_chunk_begin(&writer->out, PYRO_CHUNK_COUNTERS);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        pyro_buffer_put_varint(&writer->out, values[i]);
    int error = pyro_chunk_end(&writer->out, begin);
    if (error < 0)
        fail(writer, error);
}

int pyro_writer_flush(struct pyro_writer *writer)
{
    if (writer->error < 0)
        return writer->error;
    put_definitions(writer);
    put_samples(writer);
    put_counters(writer);
    return write_out(writer);
}

/* -- opening and closing ------------------------------------------------------------------------ */

static void put_info_text(struct pyro_buffer *out, unsigned key, const char *text)
{
    if (!text)
        return;
    pyro_buffer_put_varint(out, key);
    pyro_buffer_put_bytes(out, text, cut_length(text, strlen(text)));
}

static void put_info_number(struct pyro_buffer *out, unsigned key, uint64_t number)
{
    struct pyro_buffer value = {0};
    pyro_buffer_put_varint(&value, number);
    pyro_buffer_put_varint(out, key);
    pyro_buffer_put_bytes(out, value.data, value.size);
    out->failed |= value.failed;
    pyro_buffer_free(&value);
}

static void put_info(struct pyro_writer *writer, const struct pyro_recording_info *info)
{
    struct pyro_buffer *out = &writer->out;
    pyro_file_put_header(out);
    size_t begin = pyro_chunk_begin(out, PYRO_CHUNK_INFO);
    put_info_text(out, PYRO_INFO_COMMAND, info->command);
    put_info_text(out, PYRO_INFO_PYTHON, info->python);
    put_info_text(out, PYRO_INFO_MODE, info->mode);
    put_info_text(out, PYRO_INFO_PYROMETER, info->pyrometer);
    put_info_text(out, PYRO_INFO_DIRECTORY, info->directory);
    put_info_number(out, PYRO_INFO_PID, (uint32_t)info->pid);
    put_info_number(out, PYRO_INFO_STARTED_UNIX_US, info->started_unix_us);
    put_info_number(out, PYRO_INFO_RATE_HZ, info->rate_hz);
    put_info_number(out, PYRO_INFO_EXACT, info->exact);
    if (info->cpus)
        put_info_number(out, PYRO_INFO_CPUS, info->cpus);
    int error = pyro_chunk_end(out, begin);
    if (error < 0)
        fail(writer, error);
}

/* "No space left on device" in the middle of a line. */
static const char *reason(int error, char *text, size_t size)
{
    const char *message = strerror(-error);
    snprintf(text, size, "%c%s", tolower((unsigned char)message[0]), message + 1);
    return text;
}

static int open_file(struct pyro_writer *writer, const char *path)
{
    if (strcmp(path, "-") == 0) {
        writer->path = strdup("standard output");
        writer->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        writer->path = strdup(path);
        writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (writer->fd < 0)
        return -errno;
    if (!writer->path)
        return -ENOMEM;
    struct stat status;
    bool own = strcmp(path, "-") != 0 && fstat(writer->fd, &status) == 0;
    writer->regular = own && S_ISREG(status.st_mode);
    if (writer->regular && (status.st_mode & 0777) != 0600 && fchmod(writer->fd, 0600) < 0)
        return -errno;
    return 0;
}

static void writer_free(struct pyro_writer *writer)
{
    for (int i = 0; i < PENDING_COUNT; i++)
        pyro_buffer_free(&writer->pending[i]);
    pyro_columns_free(&writer->columns);
    pyro_packer_free(&writer->packer);
    pyro_buffer_free(&writer->thread_block);
    pyro_buffer_free(&writer->out);
    pyro_strings_free(&writer->strings);
    struct table *tables[] = {&writer->functions, &writer->frames, &writer->stacks, &writer->waits,
                              &writer->threads};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        free(tables[i]->items);
    struct pyro_map *maps[] = {&writer->function_ids, &writer->frame_ids,   &writer->stack_ids,
                               &writer->wait_ids,     &writer->process_ids, &writer->thread_ids,
                               &writer->edges,        &writer->sources,     &writer->pids};
    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
        pyro_map_free(maps[i]);
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->path);
    free(writer);
}

int pyro_writer_open(const char *path, const struct pyro_recording_info *info,
                     struct pyro_writer **ret_writer, struct pyro_error *error)
{
    char text[128];
    struct pyro_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return pyro_error_set(error, -ENOMEM, "cannot write '%s': out of memory", path);
    writer->fd = -1;
    int code = open_file(writer, path);
    if (code == 0)
        code = table_add(&writer->stacks, &(struct pyro_stack){0}, sizeof(struct pyro_stack));
    if (code == 0 && pyro_strings_intern(&writer->strings, "", 0) < 0)
        code = -ENOMEM;
    if (code < 0) {
        writer_free(writer);
        return pyro_error_set(error, code, "cannot write '%s': %s", path,
                              reason(code, text, sizeof(text)));
    }
    put_info(writer, info);
    write_out(writer); /* an error is told at close, as later ones are */
    *ret_writer = writer;
    return 0;
}

static void put_end(struct pyro_writer *writer)
{
    size_t begin = pyro_chunk_begin(&writer->out, PYRO_CHUNK_END);
    int error = pyro_chunk_end(&writer->out, begin);
    if (error < 0)
        fail(writer, error);
}

int pyro_writer_close(struct pyro_writer *writer, struct pyro_error *error)
{
    if (!writer)
        return 0;
    if (pyro_writer_flush(writer) == 0) {
        put_end(writer);
        write_out(writer);
    }
    /* Some file systems tell only here that there was no room. */
    if (close(writer->fd) < 0 && errno != EINTR)
        fail(writer, -errno);
    writer->fd = -1;
    int code = writer->error;
    char text[128];
    if (code < 0)
        pyro_error_set(error, code, "cannot write '%s': %s", writer->path,
                       reason(code, text, sizeof(text)));
    writer_free(writer);
    return code;
}

/* -- asking ------------------------------------------------------------------------------------- */

int pyro_writer_error(const struct pyro_writer *writer)
{
    return writer->error;
}

uint64_t pyro_writer_bytes(const struct pyro_writer *writer)
{
    return writer->bytes;
}

const char *pyro_writer_text(const struct pyro_writer *writer, uint32_t string)
{
    return pyro_strings_text(&writer->strings, string);
}

size_t pyro_writer_stack_count(const struct pyro_writer *writer)
{
    return writer->stacks.count;
}

size_t pyro_writer_frame_count(const struct pyro_writer *writer)
{
    return writer->frames.count;
}

struct pyro_frame pyro_writer_frame_at(const struct pyro_writer *writer, uint32_t frame)
{
    if (frame >= writer->frames.count)
        return (struct pyro_frame){.function = PYRO_NO_ID};
    return ((const struct pyro_frame *)writer->frames.items)[frame];
}

size_t pyro_writer_function_count(const struct pyro_writer *writer)
{
    return writer->functions.count;
}

struct pyro_function pyro_writer_function_at(const struct pyro_writer *writer, uint32_t function)
{
    if (function >= writer->functions.count)
        return (struct pyro_function){.kind = PYRO_FUNCTION_SPECIAL};
    return ((const struct pyro_function *)writer->functions.items)[function];
}

struct pyro_stack pyro_writer_stack_at(const struct pyro_writer *writer, uint32_t stack)
{
    return stack < writer->stacks.count ? *stack_at(writer, stack) : (struct pyro_stack){0};
}

struct pyro_wait_reason pyro_writer_wait_at(const struct pyro_writer *writer, uint32_t wait)
{
    if (wait >= writer->waits.count)
        return (struct pyro_wait_reason){0};
    return ((const struct pyro_wait_reason *)writer->waits.items)[wait];
}

struct pyro_thread pyro_writer_thread_at(const struct pyro_writer *writer, uint32_t thread)
{
    if (thread >= writer->threads.count)
        return (struct pyro_thread){0};
    return ((const struct writer_thread *)writer->threads.items)[thread].thread;
}

void pyro_writer_observe(struct pyro_writer *writer, const struct pyro_writer_observer *observer)
{
    writer->observer = observer;
}
