/* profile/columns.c - samples to columns and back. What one side does to its memory the other does too. */
#include "profile/columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- shared memory of both sides ---------------------------------------------------------------- */

static void free_tracks(struct pyro_track *tracks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(tracks[i].recent);
    free(tracks);
}

/* Make sure that THREAD has a track. */
static int grow_tracks(struct pyro_track **tracks, size_t *count, uint32_t thread)
{
    if (thread < *count)
        return 0;
    size_t grown = *count ? *count * 2 : 8;
    while (grown <= thread)
        grown *= 2;
    struct pyro_track *moved = realloc(*tracks, grown * sizeof(*moved));
    if (!moved)
        return -ENOMEM;
    memset(moved + *count, 0, (grown - *count) * sizeof(*moved));
    *tracks = moved;
    *count = grown;
    return 0;
}

static int list_push(struct pyro_thread_list *list, uint32_t thread)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        uint32_t *threads = realloc(list->threads, capacity * sizeof(*threads));
        if (!threads)
            return -ENOMEM;
        list->threads = threads;
        list->capacity = capacity;
    }
    list->threads[list->count++] = thread;
    return 0;
}

/* The stack at PLACE was used: it moves half the way to the front. (Moving it all the way would let a rare stack
 * push the frequent ones back; this keeps places near to the order of frequency and still follows a change.) */
static void recent_used(struct pyro_track *track, size_t place)
{
    uint32_t stack = track->recent[place];
    size_t target = place / 2;
    memmove(track->recent + target + 1, track->recent + target,
            (place - target) * sizeof(*track->recent));
    track->recent[target] = stack;
}

/* A stack that is not in the list enters at its end, or takes the last place, and moves as if used. */
static int recent_enter(struct pyro_track *track, uint32_t stack)
{
    if (track->recent_count == track->recent_capacity && track->recent_count < PYRO_RECENT_MAX) {
        uint16_t capacity = track->recent_capacity ? track->recent_capacity * 4 : 4;
        uint32_t *recent = realloc(track->recent, capacity * sizeof(*recent));
        if (!recent)
            return -ENOMEM;
        track->recent = recent;
        track->recent_capacity = capacity;
    }
    if (track->recent_count < PYRO_RECENT_MAX)
        track->recent_count++;
    track->recent[track->recent_count - 1] = stack;
    recent_used(track, track->recent_count - 1);
    return 0;
}

typedef uint32_t stacks4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint64_t halves __attribute__((vector_size(16)));

/* STACK is one of the 16 at AT. */
static bool any_of_16(const uint32_t *at, uint32_t stack)
{
    const stacks4 *four = (const stacks4 *)at;
    stacks4 found = (stacks4)((four[0] == stack) | (four[1] == stack) | (four[2] == stack) |
                              (four[3] == stack));
    halves both = (halves)found;
    return (both[0] | both[1]) != 0;
}

/* The place of STACK, or 255. By vectors, as the end of a full list is reached with every new stack. */
static size_t recent_find(const struct pyro_track *track, uint32_t stack)
{
    size_t place = 0, count = track->recent_count;
    while (place + 16 <= count && !any_of_16(track->recent + place, stack))
        place += 16;
    while (place < count && track->recent[place] != stack)
        place++;
    return place < count ? place : PYRO_TOKEN_ESCAPE;
}

/* -- writing ------------------------------------------------------------------------------------ */

void pyro_columns_sweep(struct pyro_column_writer *writer, uint64_t time_us)
{
    pyro_columns_end_sweep(writer);
    if (time_us < writer->time_us)
        time_us = writer->time_us;
    uint64_t gap_us = time_us - writer->time_us;
    if (writer->sweep_count++ == 0)
        writer->batch_time_us = time_us;
    writer->time_us = time_us;
    writer->in_sweep = true;
    pyro_buffer_put_u8(&writer->columns[PYRO_COLUMN_GAP_LOW], (uint8_t)gap_us);
    pyro_buffer_put_varint(&writer->columns[PYRO_COLUMN_GAP_HIGH], gap_us >> 8);
}

static void put_list(struct pyro_column_writer *writer)
{
    struct pyro_buffer *column = &writer->columns[PYRO_COLUMN_LISTS];
    pyro_buffer_put_varint(column, writer->list_run);
    writer->list_run = 0;
    pyro_buffer_put_varint(column, writer->list.count);
    uint32_t last = 0;
    for (size_t i = 0; i < writer->list.count; i++) {
        pyro_buffer_put_zigzag(column, (int64_t)writer->list.threads[i] - last);
        last = writer->list.threads[i];
    }
}

void pyro_columns_end_sweep(struct pyro_column_writer *writer)
{
    if (!writer->in_sweep)
        return;
    writer->in_sweep = false;
    if (writer->list_differs || writer->list.count != writer->last_list.count)
        put_list(writer);
    else
        writer->list_run++;
    struct pyro_thread_list spare = writer->last_list;
    writer->last_list = writer->list;
    writer->list = spare;
    writer->list.count = 0;
    writer->list_differs = false;
}

static void enlist(struct pyro_column_writer *writer, uint32_t thread)
{
    size_t place = writer->list.count;
    if (list_push(&writer->list, thread) < 0)
        writer->failed = true;
    else if (place >= writer->last_list.count || writer->last_list.threads[place] != thread)
        writer->list_differs = true;
}

static void put_stack(struct pyro_column_writer *writer, struct pyro_track *track, uint32_t stack)
{
    size_t place = recent_find(track, stack);
    pyro_buffer_put_u8(&writer->columns[PYRO_COLUMN_TOKENS], (uint8_t)place);
    if (place != PYRO_TOKEN_ESCAPE) {
        recent_used(track, place);
        return;
    }
    pyro_buffer_put_zigzag(&writer->columns[PYRO_COLUMN_STACKS],
                           (int64_t)stack - writer->last_escape);
    writer->last_escape = stack;
    if (recent_enter(track, stack) < 0)
        writer->failed = true;
}

static void put_changed(struct pyro_column_writer *writer, struct pyro_track *track,
                        const struct pyro_sample_value *value)
{
    pyro_buffer_put_varint(&writer->columns[PYRO_COLUMN_RUNS], writer->run);
    writer->run = 0;
    put_stack(writer, track, value->stack);
    pyro_buffer_put_u8(&writer->columns[PYRO_COLUMN_STATES], value->state_byte);
    if (value->state_byte & PYRO_STATE_UNSURE)
        pyro_buffer_put_varint(&writer->columns[PYRO_COLUMN_DROPS], value->drop);
    if (value->state_byte & PYRO_STATE_WAIT)
        pyro_buffer_put_varint(&writer->columns[PYRO_COLUMN_WAITS], value->wait);
    track->last = *value;
    track->seen = true;
}

static bool same_value(const struct pyro_sample_value *a, const struct pyro_sample_value *b)
{
    return a->stack == b->stack && a->drop == b->drop && a->wait == b->wait &&
           a->state_byte == b->state_byte;
}

void pyro_columns_sample(struct pyro_column_writer *writer, uint32_t thread,
                         const struct pyro_sample_value *value)
{
    if (!writer->in_sweep)
        pyro_columns_sweep(writer, writer->time_us);
    if (writer->list.count >= PYRO_SWEEP_SAMPLES_MAX)
        return;
    if (grow_tracks(&writer->tracks, &writer->track_count, thread) < 0) {
        writer->failed = true;
        return;
    }
    enlist(writer, thread);
    struct pyro_track *track = &writer->tracks[thread];
    if (track->seen && same_value(&track->last, value))
        writer->run++;
    else
        put_changed(writer, track, value);
}

size_t pyro_columns_size(const struct pyro_column_writer *writer)
{
    size_t size = 0;
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++)
        size += writer->columns[i].size;
    return size;
}

int pyro_columns_put(struct pyro_column_writer *writer, struct pyro_packer *packer,
                     struct pyro_buffer *out)
{
    pyro_columns_end_sweep(writer);
    if (writer->list_run)
        pyro_buffer_put_varint(&writer->columns[PYRO_COLUMN_LISTS], writer->list_run);
    writer->list_run = 0;
    writer->run = 0; /* the rest of the chunk is equal without being told */
    pyro_buffer_put_varint(out, writer->sweep_count);
    writer->sweep_count = 0;
    int error = writer->failed ? -ENOMEM : 0;
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++) {
        if (error == 0)
            error = pyro_packer_put(packer, out, &writer->columns[i]);
        pyro_buffer_clear(&writer->columns[i]);
    }
    return error;
}

void pyro_columns_free(struct pyro_column_writer *writer)
{
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++)
        pyro_buffer_free(&writer->columns[i]);
    free(writer->list.threads);
    free(writer->last_list.threads);
    free_tracks(writer->tracks, writer->track_count);
    *writer = (struct pyro_column_writer){0};
}

/* -- reading ------------------------------------------------------------------------------------ */

static int take_list(struct pyro_column_reader *reader, const struct pyro_column_limits *limits)
{
    struct pyro_reader *column = &reader->columns[PYRO_COLUMN_LISTS];
    uint64_t count = pyro_reader_varint(column);
    if (count > PYRO_SWEEP_SAMPLES_MAX)
        return -EBADMSG;
    reader->list.count = 0;
    int64_t thread = 0;
    for (uint64_t i = 0; i < count; i++) {
        int64_t step = pyro_reader_zigzag(column);
        if (column->failed || step > UINT32_MAX || step < -(int64_t)UINT32_MAX)
            return -EBADMSG;
        thread += step;
        if (thread < 0 || thread >= limits->threads)
            return -EBADMSG;
        int error = list_push(&reader->list, (uint32_t)thread);
        if (error == 0)
            error = grow_tracks(&reader->tracks, &reader->track_count, (uint32_t)thread);
        if (error < 0)
            return error;
    }
    return 0;
}

static void next_list_run(struct pyro_column_reader *reader)
{
    struct pyro_reader *column = &reader->columns[PYRO_COLUMN_LISTS];
    reader->list_run = pyro_reader_left(column) ? pyro_reader_varint(column) : 0;
}

/* The threads of the next sweep into reader->list. */
static int next_list(struct pyro_column_reader *reader, const struct pyro_column_limits *limits)
{
    if (reader->list_run > 0) {
        reader->list_run--;
        return 0;
    }
    int error = take_list(reader, limits);
    next_list_run(reader);
    return error;
}

/* Read how many samples are equal before the next changed one. */
static void next_run(struct pyro_column_reader *reader)
{
    struct pyro_reader *column = &reader->columns[PYRO_COLUMN_RUNS];
    reader->runs_ended = pyro_reader_left(column) == 0;
    reader->run = reader->runs_ended ? 0 : pyro_reader_varint(column);
}

static int take_stack(struct pyro_column_reader *reader, const struct pyro_column_limits *limits,
                      struct pyro_track *track, uint32_t *ret_stack)
{
    uint8_t place = pyro_reader_u8(&reader->columns[PYRO_COLUMN_TOKENS]);
    if (place != PYRO_TOKEN_ESCAPE) {
        if (place >= track->recent_count)
            return -EBADMSG;
        *ret_stack = track->recent[place];
        recent_used(track, place);
        return 0;
    }
    int64_t step = pyro_reader_zigzag(&reader->columns[PYRO_COLUMN_STACKS]);
    if (step > UINT32_MAX || step < -(int64_t)UINT32_MAX)
        return -EBADMSG;
    int64_t stack = (int64_t)reader->last_escape + step;
    if (stack < 0 || stack >= limits->stacks)
        return -EBADMSG;
    *ret_stack = reader->last_escape = (uint32_t)stack;
    return recent_enter(track, (uint32_t)stack);
}

static bool columns_failed(const struct pyro_column_reader *reader)
{
    bool failed = false;
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++)
        failed |= reader->columns[i].failed;
    return failed;
}

static int take_changed(struct pyro_column_reader *reader, const struct pyro_column_limits *limits,
                        struct pyro_track *track)
{
    struct pyro_sample_value value = {.wait = PYRO_NO_ID};
    int error = take_stack(reader, limits, track, &value.stack);
    if (error < 0)
        return error;
    value.state_byte = pyro_reader_u8(&reader->columns[PYRO_COLUMN_STATES]);
    if ((value.state_byte & PYRO_STATE_MASK) >= PYRO_STATE_COUNT)
        return -EBADMSG;
    if (value.state_byte & PYRO_STATE_UNSURE) {
        uint64_t drop = pyro_reader_varint(&reader->columns[PYRO_COLUMN_DROPS]);
        if (drop == 0 || drop > PYRO_STACK_DEPTH_MAX)
            return -EBADMSG;
        value.drop = (uint32_t)drop;
    }
    if (value.state_byte & PYRO_STATE_WAIT) {
        uint64_t wait = pyro_reader_varint(&reader->columns[PYRO_COLUMN_WAITS]);
        if (wait >= limits->waits)
            return -EBADMSG;
        value.wait = (uint32_t)wait;
    }
    if (columns_failed(reader))
        return -EBADMSG;
    track->last = value;
    track->seen = true;
    next_run(reader);
    return 0;
}

static int take_sweep(struct pyro_column_reader *reader, const struct pyro_column_limits *limits,
                      const struct pyro_column_sink *sink)
{
    uint64_t gap_us = pyro_reader_u8(&reader->columns[PYRO_COLUMN_GAP_LOW]);
    uint64_t high = pyro_reader_varint(&reader->columns[PYRO_COLUMN_GAP_HIGH]);
    int error = next_list(reader, limits);
    if (error < 0)
        return error;
    if (columns_failed(reader) || high > UINT32_MAX)
        return -EBADMSG;
    gap_us += high << 8;
    if (reader->time_us > UINT64_MAX / 2 - gap_us)
        return -EBADMSG;
    reader->time_us += gap_us;
    error = sink->sweep(sink->context, reader->time_us, reader->list.count);
    for (size_t i = 0; error == 0 && i < reader->list.count; i++) {
        uint32_t thread = reader->list.threads[i];
        struct pyro_track *track = &reader->tracks[thread];
        if (!reader->runs_ended && reader->run-- == 0)
            error = take_changed(reader, limits, track);
        else if (!track->seen)
            error = -EBADMSG;
        if (error == 0)
            error = sink->sample(sink->context, thread, &track->last);
    }
    return error;
}

int pyro_columns_take(struct pyro_column_reader *reader, struct pyro_unpacker *unpacker,
                      struct pyro_reader *payload, const struct pyro_column_limits *limits,
                      const struct pyro_column_sink *sink)
{
    uint64_t sweeps = pyro_reader_varint(payload);
    for (unsigned i = 0; i < PYRO_COLUMN_COUNT; i++) {
        int error = pyro_unpacker_take(unpacker, i, payload, &reader->columns[i]);
        if (error < 0)
            return error;
    }
    if (payload->failed || sweeps != pyro_reader_left(&reader->columns[PYRO_COLUMN_GAP_LOW]))
        return -EBADMSG;
    next_list_run(reader);
    next_run(reader);
    for (; sweeps > 0; sweeps--) {
        int error = take_sweep(reader, limits, sink);
        if (error < 0)
            return error;
    }
    return 0;
}

void pyro_columns_reader_free(struct pyro_column_reader *reader)
{
    free(reader->list.threads);
    free_tracks(reader->tracks, reader->track_count);
    *reader = (struct pyro_column_reader){0};
}
