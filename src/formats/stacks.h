/* formats/stacks.h - a profile of stacks that weigh something, as other tools leave them. Internal to formats/.
 *
 * A reader names threads, functions and stacks, adds what each stack weighs, and ends with pyro_stacks_done(). Ids are
 * those of the profile. What is named twice gets the same id. Calls return 0 or an id, -ENOMEM, or what pyro_stacks_bad()
 * returned; a reader hands that on. */
#ifndef PYRO_FORMATS_STACKS_H
#define PYRO_FORMATS_STACKS_H

#include "formats/import.h"

#define PYRO_STACKS_NAME_MAX (64u << 10)         /* bytes of a name or path */
#define PYRO_STACKS_MAX      (UINT32_C(8) << 20) /* different stacks, and entries, of a file */
#define PYRO_STACKS_SAMPLES \
    (UINT64_C(256) << 10) /* made of a file, about: more are thinned out, their weight kept */
#define PYRO_STACKS_STEPS_MAX   (UINT64_C(1) << 29) /* frames of all stacks that are spelt out */
#define PYRO_STACKS_TIME_MAX_US 1e15   /* 30 years: no sum of the times of a file leaves it */
#define PYRO_STACKS_COUNT_US    1000.0 /* what a sample weighs where the file has no times */

/* What a stack weighs. Of a file without the order of time, those of the same stack and kind are added up. */
struct pyro_stacks_entry {
    double start_us, weight_us;
    uint64_t count; /* samples, one at least */
    uint32_t stack, thread;
    enum pyro_state state;
};

struct pyro_stacks {
    struct pyro_profile *profile;
    struct pyro_map functions; /* file and name, kind and line: function */
    struct pyro_map frames;    /* function, line: frame */
    struct pyro_map children;  /* parent, frame: stack */
    struct pyro_map threads;   /* pid and name, id: thread */
    struct pyro_map processes; /* pid: process */
    struct pyro_map added;     /* stack, thread and state: entry; where there is no order of time */
    struct pyro_stacks_entry *entries;
    size_t entry_count;
    uint64_t steps;
    size_t function_capacity, frame_capacity, stack_capacity, thread_capacity, process_capacity,
        entry_capacity;
    bool ordered; /* set by the reader: entries have times */
    char problem[128];
};

int pyro_stacks_init(struct pyro_stacks *stacks);
/* What is wrong with the file: -EBADMSG. */
__attribute__((format(printf, 2, 3))) int pyro_stacks_bad(struct pyro_stacks *stacks,
                                                          const char *format, ...);

int64_t pyro_stacks_text(struct pyro_stacks *stacks, const char *text, size_t size);
/* Python's, unless no FILE is told and the name tells otherwise: "{...}" is a C function, "[...]" stands for something else. */
int64_t pyro_stacks_function(struct pyro_stacks *stacks, uint32_t name, uint32_t file,
                             uint32_t first_line);
int64_t pyro_stacks_frame(struct pyro_stacks *stacks, uint32_t function, uint32_t line);
int64_t pyro_stacks_child(struct pyro_stacks *stacks, uint32_t parent, uint32_t frame);
int64_t pyro_stacks_thread(struct pyro_stacks *stacks, int32_t pid, uint64_t native_id,
                           uint32_t name);
/* An entry without weight is left out. */
int pyro_stacks_add(struct pyro_stacks *stacks, const struct pyro_stacks_entry *entry);

/* The end of a reader: CODE is 0 or what went wrong, FORMAT a static name, "collapsed stacks". Everything is freed; the
 * profile is in RET_PROFILE, or the error told. */
int pyro_stacks_done(struct pyro_stacks *stacks, int code, const char *format, const char *path,
                     struct pyro_profile **ret_profile, struct pyro_error *error);

#endif
