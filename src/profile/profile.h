/* profile/profile.h - a recording in memory, to ask it anything.
 *
 * Read from a .pyro file (hostile bytes are fine: -EBADMSG with the reason, the good chunks before a torn end are
 * kept) or filled by an importer. All arrays but those of the samples are plain and may be read directly; ids are
 * indexes into them and were checked on reading. Only the pyro_profile_* calls change a profile. */
#ifndef PYRO_PROFILE_PROFILE_H
#define PYRO_PROFILE_PROFILE_H

#include "base/error.h"
#include "base/map.h"
#include "base/strings.h"
#include "profile/model.h"

/* The samples, in the order of their times. There are millions, so each is slim: what many have in common stands once,
 * its time at its sweep, its weight at a stretch of sweeps. Ask the pyro_sample_*() below: how they lie in memory is
 * for those and for profile/samples.h. */
#define PYRO_SAMPLE_BLOCK 4096 /* entries in a block, of samples as of times */
#define PYRO_SWEEP_GROUP  64   /* sweeps that are looked up together */

struct pyro_sample {
    uint32_t stack, sweep, kind;
};
struct pyro_sample_kind {
    uint32_t thread;
    uint32_t wait; /* PYRO_NO_ID: none */
    uint8_t state; /* enum pyro_state */
    uint8_t flags;
};
/* Samples that have these in common: profile/sums.h. */
struct pyro_sample_sum {
    uint32_t stack, kind;
    uint64_t count;
    double weight_us, squares_us2; /* of each weight, and of its square */
};
struct pyro_stretch {
    uint32_t first_sweep; /* up to that of the next one; 0 in the first one */
    float weight_us;      /* of every sample in it */
};
struct pyro_profile_samples {
    size_t count;
    size_t sweep_count, kind_count, stretch_count;
    struct pyro_sample **blocks;
    uint64_t **sweep_blocks; /* times of sweeps, of those without samples too */
    struct pyro_sample_kind *kinds;
    struct pyro_stretch *stretches;
    uint32_t *groups; /* the stretch in which each group of sweeps begins; past the end the last */
    size_t group_count;
    struct pyro_map kind_ids;
    struct pyro_sample_sum *sums; /* NULL: not added up */
    size_t sum_count;
    size_t block_capacity, sweep_block_capacity, kind_capacity, stretch_capacity, group_capacity;
};

struct pyro_source_line {
    uint32_t file, line, text; /* strings for file and text */
};

struct pyro_input; /* profile/input.h */

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
    struct pyro_calls *calls;         /* one of each thread, caller and callee, sorted by these */
    struct pyro_probe *probes;        /* [process_count], or NULL: nothing was counted anywhere */
    size_t call_count;
    struct pyro_traced *traced; /* one of each thread and stack, sorted by these */
    size_t traced_count;
    struct pyro_query *queries; /* one of each process, site, line, sender and shape */
    size_t query_count;
    struct pyro_lookup *lookups; /* one a frame, sorted by it */
    size_t lookup_count;
    struct pyro_arguments *arguments; /* one a function, sorted by it */
    size_t argument_count;
    struct pyro_line_count
        *lines; /* one of each thread, function and line, sorted by the last two first */
    size_t line_count;
    struct pyro_stack_memory *memory; /* one of each process and stack */
    size_t memory_count;
    struct pyro_stack_moment *moments; /* those of one stack in the order of their times */
    size_t moment_count;
    struct pyro_process_memory *heaps; /* [process_count], or NULL: memory was tracked nowhere */
    struct pyro_process_sizes *sizes;  /* one a process at most */
    size_t size_count;
    struct pyro_look *looks; /* in the order of their times */
    size_t look_count;
    struct pyro_watch watch;
    struct pyro_confinement confinement;
    size_t function_count, frame_count, stack_count, process_count, thread_count, wait_count,
        source_count;
    struct pyro_profile_samples samples;
    /* Where calls were timed, by a tracer, these are the times and the samples, if any, are not asked for them. */
    bool timed;
    bool
        timed_by_samples; /* but a sampler wrote it in this form: ncalls is how many samples the function was in,
                            * primitive_calls in how many at the top */
    struct pyro_timed_function *timed_functions; /* one a function at most */
    struct pyro_timed_edge
        *timed_edges; /* one a pair at most, in no order; a caller may be in no entry above */
    size_t timed_function_count, timed_edge_count;
    /* What other tools' stacks were read from, "collapsed stacks"; NULL: a recording, or a .prof or .lprof file. Its samples
     * are as many as the file tells, in the order of time if it tells that. Nothing is known of how they were taken. */
    const char *foreign;
    bool stateless; /* foreign: no sample says whether its thread ran or waited */
    bool
        timeless; /* foreign: the file has counts, no times: a sample was taken for a millisecond */
    bool lines_alone; /* it was read from a file that has nothing but counted lines */
    bool complete;    /* the end mark was there: the recorder closed it */
    bool torn;        /* bytes after the last good chunk were not readable */
    void *private_;
};

int pyro_profile_read(const char *path, struct pyro_profile **ret_profile,
                      struct pyro_error *error);
int pyro_profile_parse(const void *data, size_t size, struct pyro_profile **ret_profile,
                       struct pyro_error *error);
/* From an open input, of which a part may be in memory already. PATH is for messages. */
int pyro_profile_read_input(struct pyro_input *input, const char *path,
                            struct pyro_profile **ret_profile, struct pyro_error *error);
void pyro_profile_free(struct pyro_profile *profile); /* NULL is fine */

const char *pyro_profile_text(const struct pyro_profile *profile, uint32_t string);
/* The function at the top of STACK; PYRO_NO_ID: it is the root. */
static inline uint32_t pyro_profile_function_of(const struct pyro_profile *profile, uint32_t stack)
{
    return stack == PYRO_STACK_ROOT ? PYRO_NO_ID
                                    : profile->frames[profile->stacks[stack].frame].function;
}
/* STACK, or the nearest one below it that ends in no C function: PYRO_STACK_ROOT if there is none. */
uint32_t pyro_profile_python_below(const struct pyro_profile *profile, uint32_t stack);
/* The source text of a line, or NULL when it was not recorded. */
const char *pyro_profile_source(const struct pyro_profile *profile, uint32_t file, uint32_t line);

/* -- one sample: SAMPLE is below samples.count -------------------------------------------------- */

/* Bytes between two samples of what was allocated, the most of any process: its memory is estimated. 0: all was seen. */
static inline uint64_t pyro_profile_memory_period(const struct pyro_profile *profile)
{
    uint64_t period = 0;
    for (size_t i = 0; profile->heaps && i < profile->process_count; i++)
        if (profile->heaps[i].period > period)
            period = profile->heaps[i].period;
    return period;
}

static inline const struct pyro_sample *pyro_sample_at(const struct pyro_profile *profile,
                                                       size_t sample)
{
    return &profile->samples.blocks[sample / PYRO_SAMPLE_BLOCK][sample % PYRO_SAMPLE_BLOCK];
}
static inline const struct pyro_sample_kind *pyro_sample_kind(const struct pyro_profile *profile,
                                                              size_t sample)
{
    return &profile->samples.kinds[pyro_sample_at(profile, sample)->kind];
}
/* When SWEEP, below samples.sweep_count, was taken. */
static inline uint64_t pyro_sweep_time_us(const struct pyro_profile *profile, size_t sweep)
{
    return profile->samples.sweep_blocks[sweep / PYRO_SAMPLE_BLOCK][sweep % PYRO_SAMPLE_BLOCK];
}
/* A file of another tool may not tell when its samples were taken: all of them have the time 0 then. */
static inline bool pyro_profile_tells_when(const struct pyro_profile *profile)
{
    size_t sweeps = profile->samples.sweep_count;
    return !profile->foreign || (sweeps && pyro_sweep_time_us(profile, sweeps - 1) > 0);
}

/* Since the recording began; the same in all samples of a sweep, and never less than in the sample before. */
static inline uint64_t pyro_sample_time_us(const struct pyro_profile *profile, size_t sample)
{
    return pyro_sweep_time_us(profile, pyro_sample_at(profile, sample)->sweep);
}
static inline uint32_t pyro_sample_thread(const struct pyro_profile *profile, size_t sample)
{
    return pyro_sample_kind(profile, sample)->thread;
}
/* [unsure] and elided tops are frames of kind SPECIAL in it. */
static inline uint32_t pyro_sample_stack(const struct pyro_profile *profile, size_t sample)
{
    return pyro_sample_at(profile, sample)->stack;
}
/* PYRO_NO_ID: none. */
static inline uint32_t pyro_sample_wait(const struct pyro_profile *profile, size_t sample)
{
    return pyro_sample_kind(profile, sample)->wait;
}
static inline enum pyro_state pyro_sample_state(const struct pyro_profile *profile, size_t sample)
{
    return (enum pyro_state)pyro_sample_kind(profile, sample)->state;
}
/* PYRO_SAMPLE_GIL and so on. */
static inline uint8_t pyro_sample_flags(const struct pyro_profile *profile, size_t sample)
{
    return pyro_sample_kind(profile, sample)->flags;
}

/* The time this sample stands for. Over each stretch of about 100 ms the sweeps share the time that passed in equal
 * parts. So the weights of a thread that lives through the whole recording add up to its duration, without the noise
 * of single gaps. */
static inline float pyro_sample_weight_us(const struct pyro_profile *profile, size_t sample)
{
    const struct pyro_profile_samples *samples = &profile->samples;
    uint32_t sweep = pyro_sample_at(profile, sample)->sweep, group = sweep / PYRO_SWEEP_GROUP;
    size_t at = group < samples->group_count ? samples->groups[group] : samples->stretch_count - 1;
    while (at + 1 < samples->stretch_count && samples->stretches[at + 1].first_sweep <= sweep)
        at++;
    return samples->stretches[at].weight_us;
}
/* One sample as a sum of one, for who asks either. */
static inline struct pyro_sample_sum pyro_sample_as_sum(const struct pyro_profile *profile,
                                                        size_t sample)
{
    const struct pyro_sample *it = pyro_sample_at(profile, sample);
    double weight_us = (double)pyro_sample_weight_us(profile, sample);
    return (struct pyro_sample_sum){.stack = it->stack,
                                    .kind = it->kind,
                                    .count = 1,
                                    .weight_us = weight_us,
                                    .squares_us2 = weight_us * weight_us};
}
/* What was sampled, for who needs no times: as sums, where there are some, else each sample as one. */
static inline size_t pyro_sample_part_count(const struct pyro_profile *profile)
{
    return profile->samples.sums ? profile->samples.sum_count : profile->samples.count;
}
static inline struct pyro_sample_sum pyro_sample_part(const struct pyro_profile *profile,
                                                      size_t part)
{
    return profile->samples.sums ? profile->samples.sums[part] : pyro_sample_as_sum(profile, part);
}

#endif
