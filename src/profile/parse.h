/* profile/parse.h - what stands in a file, before it is made into a profile.
 *
 * parse.c decodes the chunks into a profile and this; profile.c makes the derived parts. Internal to profile/. */
#ifndef PYRO_PROFILE_PARSE_H
#define PYRO_PROFILE_PARSE_H

#include "base/grow.h"
#include "base/map.h"
#include "profile/chunk.h"
#include "profile/columns.h"
#include "profile/input.h"
#include "profile/profile.h"

/* Bytes and samples a file may unfold into: so much, and so much more for each of its bytes. (A thousand threads
 * that stand still cost a file nothing, so the factor of the samples cannot be small.) A sweep counts as a sample, and
 * a kind of samples, with its place in the map, as eight. */
#define PYRO_UNPACKED_BASE   (UINT64_C(64) << 20)
#define PYRO_UNPACKED_FACTOR UINT64_C(64)
#define PYRO_SAMPLES_BASE    (UINT64_C(1) << 20)
#define PYRO_SAMPLES_FACTOR  UINT64_C(512)
#define PYRO_SAMPLES_MAX     (UINT64_C(1) << 27)
#define PYRO_KIND_SAMPLES    UINT64_C(8)

#define PYRO_INFO_TEXTS   5 /* keys 1 ... 5 */
#define PYRO_RECENT_KINDS 256

struct pyro_text_slice {
    const uint8_t *text; /* in info_bytes; NULL: not told */
    size_t size;
};

struct pyro_parse {
    struct pyro_profile *profile;
    bool has_info;
    uint8_t *info_bytes; /* the payload of the INFO chunk */
    struct pyro_text_slice info_texts[PYRO_INFO_TEXTS];
    struct pyro_map edges; /* caller << 32 | callee */

    uint32_t *drops; /* of each sample with PYRO_SAMPLE_UNSURE, in order */
    size_t drop_count, drop_capacity;

    /* while reading */
    struct pyro_unpacker unpacker;
    struct pyro_column_reader columns;
    uint64_t samples_max;
    struct pyro_recent_kind {
        uint32_t thread, wait, id;
        uint8_t state_byte;
        bool known;
    } recent_kinds[PYRO_RECENT_KINDS]; /* by thread and state: a thread has few of them */
    const char *problem;               /* why the file is bad */
    size_t function_capacity, frame_capacity, stack_capacity, process_capacity, thread_capacity;
    size_t wait_capacity, source_capacity, call_capacity, probe_capacity, traced_capacity;
    size_t query_capacity, lookup_capacity, argument_capacity, line_capacity;
    size_t memory_capacity, heap_capacity, look_capacity, size_capacity;
    size_t moment_capacity;
    size_t probe_count, heap_count;
    struct pyro_map size_ids;   /* process -> place among the sizes */
    struct pyro_map memory_ids; /* (process, stack) -> place among the records of memory */
    struct pyro_function last_function;
    uint32_t last_frame_function, last_stack_frame, last_caller, last_callee, last_file, last_line;
};

/* Decode INPUT into parse->profile, which is empty. -EBADMSG with parse->problem, -EFBIG, -ENOMEM, input->error, or
 * -EPROTONOSUPPORT for a version of the future. */
int pyro_parse_run(struct pyro_parse *parse, struct pyro_input *input);
/* looks.c: one record each. */
int pyro_parse_look(struct pyro_parse *parse, struct pyro_reader *block);
int pyro_parse_sizes(struct pyro_parse *parse, struct pyro_reader *block);
int pyro_parse_confinement(struct pyro_parse *parse, struct pyro_reader *block);
int pyro_parse_watch(struct pyro_parse *parse, struct pyro_reader *block);
void pyro_parse_clear(struct pyro_parse *parse); /* not the profile */

#endif
