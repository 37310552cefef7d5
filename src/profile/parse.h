/* profile/parse.h - what stands in a file, before it is made into a profile.
 *
 * parse.c decodes the chunks into a profile and this; profile.c makes the derived parts. Internal to profile/. */
#ifndef PYRO_PROFILE_PARSE_H
#define PYRO_PROFILE_PARSE_H

#include "base/map.h"
#include "profile/chunk.h"
#include "profile/columns.h"
#include "profile/profile.h"

/* Bytes and samples a file may unfold into: so much, and so much more for each of its bytes. (A thousand threads
 * that stand still cost a file nothing, so the factor of the samples cannot be small.) */
#define PYRO_UNPACKED_BASE   (UINT64_C(64) << 20)
#define PYRO_UNPACKED_FACTOR UINT64_C(64)
#define PYRO_SAMPLES_BASE    (UINT64_C(1) << 20)
#define PYRO_SAMPLES_FACTOR  UINT64_C(512)
#define PYRO_SAMPLES_MAX     (UINT64_C(1) << 27)

#define PYRO_INFO_TEXTS 5 /* keys 1 ... 5 */

struct pyro_text_slice {
    const uint8_t *text; /* in the bytes of the file; NULL: not told */
    size_t size;
};

struct pyro_parse {
    struct pyro_profile *profile;
    bool has_info;
    struct pyro_text_slice info_texts[PYRO_INFO_TEXTS];
    struct pyro_map edges; /* caller << 32 | callee */

    uint64_t *sweep_times; /* of each sweep, empty ones too */
    uint32_t *sweep_samples;
    size_t sweep_count, sweep_capacity;
    uint32_t *drops; /* of each sample with PYRO_SAMPLE_UNSURE, in order */
    size_t drop_count, drop_capacity;

    /* while reading */
    struct pyro_unpacker unpacker;
    struct pyro_column_reader columns;
    uint64_t samples_max;
    const char *problem; /* why the file is bad */
    size_t function_capacity, frame_capacity, stack_capacity, process_capacity, thread_capacity;
    size_t wait_capacity, source_capacity, sample_capacity;
    struct pyro_function last_function;
    uint32_t last_frame_function, last_stack_frame, last_caller, last_callee, last_file, last_line;
};

/* Decode DATA into parse->profile, which is empty. -EBADMSG with parse->problem, -EFBIG, -ENOMEM, or
 * -EPROTONOSUPPORT for a version of the future. The slices point into DATA. */
int pyro_parse_run(struct pyro_parse *parse, const void *data, size_t size);
void pyro_parse_clear(struct pyro_parse *parse); /* not the profile */

/* Room for one more item of an array. */
int pyro_grow(void *items_pointer, size_t count, size_t *capacity, size_t item_size);

#endif
