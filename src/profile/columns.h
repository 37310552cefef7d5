/* profile/columns.h - the samples of a SAMPLES chunk, column by column.
 *
 * A *sweep* is a time and a list of threads, each with a sample. Most threads stand still and most sweeps see the
 * same threads, so only what changed is written:
 *
 *     gap_low     the low byte of the microseconds since the last sweep, one a sweep
 *     gap_high    varint: the rest of them, one a sweep
 *     lists       varint n: that many sweeps see the same threads as the one before; then, unless the sweeps
 *                 end here: varint count and zigzag differences of the thread ids of the next sweep
 *     runs        varint n: that many samples equal the last one of their thread; then comes a changed sample.
 *                 After the last entry all samples are equal
 *     tokens      byte, one a changed sample: place of the stack in the thread's recent list, or 255
 *     stacks      zigzag, one a 255: difference to the last stack in this column
 *     states      byte, one a changed sample: enum pyro_state | flags << 3, see below
 *     drops       varint >= 1, one a state with UNSURE: so many frames at the top are not agreed
 *     waits       varint, one a state with WAIT
 *
 * Both sides carry what they remember from chunk to chunk. Internal to profile/. */
#ifndef PYRO_PROFILE_COLUMNS_H
#define PYRO_PROFILE_COLUMNS_H

#include "profile/chunk.h"
#include "profile/model.h"

enum pyro_column {
    PYRO_COLUMN_GAP_LOW,
    PYRO_COLUMN_GAP_HIGH,
    PYRO_COLUMN_LISTS,
    PYRO_COLUMN_RUNS,
    PYRO_COLUMN_TOKENS,
    PYRO_COLUMN_STACKS,
    PYRO_COLUMN_STATES,
    PYRO_COLUMN_DROPS,
    PYRO_COLUMN_WAITS,
    PYRO_COLUMN_COUNT,
};
_Static_assert(PYRO_COLUMN_COUNT == PYRO_UNPACK_SLOTS, "a slot for each column");

/* The byte of the states column. Bit 7 is zero. */
enum {
    PYRO_STATE_MASK = 7,
    PYRO_STATE_GIL = 1 << 3,
    PYRO_STATE_GC = 1 << 4,
    PYRO_STATE_WAIT = 1 << 5,
    PYRO_STATE_UNSURE = 1 << 6,
};

/* What a sample says beside its thread. */
struct pyro_sample_value {
    uint32_t stack;
    uint32_t drop;      /* frames at the top that are not agreed */
    uint32_t wait;      /* PYRO_NO_ID: none */
    uint8_t state_byte; /* as in the states column */
};

#define PYRO_RECENT_MAX   255
#define PYRO_TOKEN_ESCAPE 255

/* What both sides remember of a thread: its last sample, and its recent stacks, the likeliest first. */
struct pyro_track {
    struct pyro_sample_value last;
    bool seen;
    uint8_t recent_count;
    uint16_t recent_capacity;
    uint32_t *recent;
};
struct pyro_thread_list {
    uint32_t *threads;
    size_t count, capacity;
};

/* -- writing ------------------------------------------------------------------------------------ */

struct pyro_column_writer {
    struct pyro_buffer columns[PYRO_COLUMN_COUNT];
    size_t sweep_count;     /* in the columns now */
    uint64_t batch_time_us; /* of the first of them */
    uint64_t time_us;       /* of the last sweep ever */
    uint64_t run, list_run; /* not yet in their columns */
    bool list_differs;      /* from the last sweep's, as far as known */
    struct pyro_thread_list list, last_list;
    struct pyro_track *tracks;
    size_t track_count;
    uint32_t last_escape;
    bool in_sweep;
    bool failed; /* out of memory */
};
void pyro_columns_sweep(struct pyro_column_writer *writer, uint64_t time_us);
void pyro_columns_sample(struct pyro_column_writer *writer, uint32_t thread,
                         const struct pyro_sample_value *value);
void pyro_columns_end_sweep(struct pyro_column_writer *writer); /* may be called again */
size_t pyro_columns_size(const struct pyro_column_writer *writer);
/* The payload of a SAMPLES chunk into OUT; the columns are empty afterwards. */
int pyro_columns_put(struct pyro_column_writer *writer, struct pyro_packer *packer,
                     struct pyro_buffer *out);
void pyro_columns_free(struct pyro_column_writer *writer);

/* -- reading ------------------------------------------------------------------------------------ */

struct pyro_column_limits {
    uint32_t threads, stacks, waits; /* ids below these are known by now */
};
/* Takes what was read. Non-zero ends the reading and is returned. */
struct pyro_column_sink {
    int (*sweep)(void *context, uint64_t time_us, size_t sample_count);
    int (*sample)(void *context, uint32_t thread, const struct pyro_sample_value *value);
    void *context;
};
struct pyro_column_reader {
    struct pyro_reader columns[PYRO_COLUMN_COUNT];
    uint64_t time_us;
    uint64_t run, list_run;
    bool runs_ended;
    struct pyro_thread_list list;
    struct pyro_track *tracks;
    size_t track_count;
    uint32_t last_escape;
};
/* One SAMPLES chunk. -EBADMSG, -EFBIG, -ENOMEM, or what the sink returned. */
int pyro_columns_take(struct pyro_column_reader *reader, struct pyro_unpacker *unpacker,
                      struct pyro_reader *payload, const struct pyro_column_limits *limits,
                      const struct pyro_column_sink *sink);
void pyro_columns_reader_free(struct pyro_column_reader *reader);

#endif
