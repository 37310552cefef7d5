/* profile/profile.h - a recording in memory, to ask it anything.
 *
 * Read from a .pyro file (hostile bytes are fine: -EBADMSG with the reason, the good chunks before a torn end are
 * kept) or filled by an importer. All arrays are plain and may be read directly; ids are indexes into them and
 * were checked on reading. Only the pyro_profile_* calls change a profile. */
#ifndef PYRO_PROFILE_PROFILE_H
#define PYRO_PROFILE_PROFILE_H

#include "base/error.h"
#include "base/strings.h"
#include "profile/model.h"

struct pyro_profile_samples {
    size_t count;
    uint64_t *time_us; /* since the recording began */
    uint32_t *thread;
    uint32_t *stack; /* [unsure] and elided tops are frames of kind SPECIAL in it */
    uint32_t *wait;  /* PYRO_NO_ID: none */
    uint8_t *state;  /* enum pyro_state */
    uint8_t *flags;
    float *
        weight_us; /* the time this sample stands for: gaps, averaged over about 0.1 s (see below) */
};

struct pyro_source_line {
    uint32_t file, line, text; /* strings for file and text */
};

struct pyro_profile {
    /* texts of info are strings of this profile */
    struct pyro_recording_info info;
    struct pyro_counters counters;
    struct pyro_strings strings;
    struct pyro_function *functions;
    struct pyro_frame *frames;
    struct pyro_stack *stacks; /* [0] is the root; a parent comes before its children */
    struct pyro_process *processes;
    struct pyro_thread *threads;
    struct pyro_wait_reason *waits;
    struct pyro_source_line *sources; /* sorted by file, line */
    size_t function_count, frame_count, stack_count, process_count, thread_count, wait_count,
        source_count;
    struct pyro_profile_samples samples;
    bool complete; /* the end mark was there: the recorder closed it */
    bool torn;     /* bytes after the last good chunk were not readable */
    void *private_;
};

/* Weights: over each stretch of about 100 ms the sweeps share the time that passed in equal parts. So the weights
 * of a thread that lives through the whole recording add up to its duration, without the noise of single gaps. */

int pyro_profile_read(const char *path, struct pyro_profile **ret_profile,
                      struct pyro_error *error);
int pyro_profile_parse(const void *data, size_t size, struct pyro_profile **ret_profile,
                       struct pyro_error *error);
void pyro_profile_free(struct pyro_profile *profile); /* NULL is fine */

const char *pyro_profile_text(const struct pyro_profile *profile, uint32_t string);
/* The source text of a line, or NULL when it was not recorded. */
const char *pyro_profile_source(const struct pyro_profile *profile, uint32_t file, uint32_t line);

#endif
