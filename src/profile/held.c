/* profile/held.c - moments in the order of their times, each in the place of its stack's one before. */
#include "profile/held.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

struct line {
    uint32_t process, frame;
    uint64_t bytes; /* now */
};

struct timed {
    uint64_t time_us;
    const struct pyro_stack_moment *moment;
};

struct adding {
    const struct pyro_profile *profile;
    struct timed *moments; /* in the order of their times */
    struct line *lines;    /* in the order of process and frame */
    size_t count, line_count;
    struct pyro_map before; /* (process, stack) -> what it has now */
    uint64_t *ends_us;      /* [process_count]: when each was gone; UINT64_MAX: nobody saw that */
    uint64_t first_us, last_us;
};

static int by_time(const void *left, const void *right)
{
    const struct timed *a = left, *b = right;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return (a->moment > b->moment) - (a->moment < b->moment);
}

static int by_place(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

/* A process is there until somebody saw that it was gone. */
static void find_ends(struct adding *adding)
{
    const struct pyro_profile *profile = adding->profile;
    for (size_t i = 0; i < profile->process_count; i++)
        adding->ends_us[i] = UINT64_MAX;
    for (size_t i = 0; i < profile->look_count; i++)
        adding->ends_us[profile->looks[i].process] =
            profile->looks[i].gone ? profile->looks[i].time_us : UINT64_MAX;
}

static void note_begin(uint64_t *begins_us, uint32_t process, uint64_t time_us)
{
    if (time_us < begins_us[process])
        begins_us[process] = time_us;
}

/* A process that became another program has two numbers and one pid. What the first one had is gone when the second one has anything, which
 * may be read sooner than that it is. */
static int end_with_successors(struct adding *adding)
{
    const struct pyro_profile *profile = adding->profile;
    struct pyro_map by_pid = {0}; /* -> the last number with it, plus one */
    uint64_t *begins_us = malloc((profile->process_count + 1) * sizeof(*begins_us));
    int error = begins_us ? 0 : -ENOMEM;
    for (size_t i = 0; error == 0 && i < profile->process_count; i++)
        begins_us[i] = UINT64_MAX;
    for (size_t i = 0; error == 0 && i < profile->look_count; i++)
        note_begin(begins_us, profile->looks[i].process, profile->looks[i].time_us);
    for (size_t i = 0; error == 0 && i < profile->moment_count; i++)
        note_begin(begins_us, profile->moments[i].process, profile->moments[i].time_us);
    for (size_t i = 0; error == 0 && i < profile->process_count; i++) {
        uint64_t *last = pyro_map_insert(&by_pid, (uint32_t)profile->processes[i].pid, 0, NULL);
        if (last && *last && begins_us[*last - 1] < begins_us[i] &&
            begins_us[i] < adding->ends_us[*last - 1])
            adding->ends_us[*last - 1] = begins_us[i];
        if (last)
            *last = i + 1;
        else
            error = -ENOMEM;
    }
    pyro_map_free(&by_pid);
    free(begins_us);
    return error;
}

/* What was read of a process after its end is what it had at last. */
static uint64_t last_of(const struct adding *adding, uint32_t process)
{
    const uint64_t end_us = adding->ends_us[process];
    return end_us == UINT64_MAX ? UINT64_MAX : end_us ? end_us - 1 : 0;
}

/* The end of tracking belongs to no stack. Those of one stack are in order: where that is a lie, so are the figures. */
static void sort_moments(struct adding *adding)
{
    const struct pyro_profile *profile = adding->profile;
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct pyro_stack_moment *moment = &profile->moments[i];
        const uint64_t last_us = last_of(adding, moment->process);
        if (moment->stack != PYRO_STACK_ROOT)
            adding->moments[adding->count++] = (struct timed){
                .time_us = moment->time_us < last_us ? moment->time_us : last_us, .moment = moment};
    }
    qsort(adding->moments, adding->count, sizeof(*adding->moments), by_time);
}

static struct line line_of(const struct adding *adding, const struct pyro_stack_moment *moment)
{
    return (struct line){.process = moment->process,
                         .frame = adding->profile->stacks[moment->stack].frame};
}

static void find_lines(struct adding *adding)
{
    for (size_t i = 0; i < adding->count; i++)
        adding->lines[i] = line_of(adding, adding->moments[i].moment);
    qsort(adding->lines, adding->count, sizeof(*adding->lines), by_place);
    for (size_t i = 0; i < adding->count; i++)
        if (i == 0 || by_place(&adding->lines[i - 1], &adding->lines[i]) != 0)
            adding->lines[adding->line_count++] = adding->lines[i];
}

/* From the first moment to the last time at which something may have been alive. */
static void find_span(struct adding *adding)
{
    adding->first_us = adding->moments[0].time_us;
    for (size_t i = 0; i < adding->count; i++) {
        uint64_t last_us = last_of(adding, adding->moments[i].moment->process);
        if (last_us == UINT64_MAX)
            last_us = adding->profile->watch.until_us;
        if (last_us < adding->moments[i].time_us)
            last_us = adding->moments[i].time_us;
        if (last_us > adding->last_us)
            adding->last_us = last_us;
    }
}

static int add_moment(struct adding *adding, const struct pyro_stack_moment *moment)
{
    const struct line wanted = line_of(adding, moment);
    struct line *line =
        bsearch(&wanted, adding->lines, adding->line_count, sizeof(*adding->lines), by_place);
    uint64_t *before = pyro_map_insert(&adding->before, moment->process, moment->stack, NULL);
    if (!before)
        return -ENOMEM;
    line->bytes += moment->live - *before; /* less is more, unsigned */
    *before = moment->live;
    return 0;
}

static void add_line(struct pyro_held *held, const struct line *line)
{
    size_t at = held->count;
    held->live += line->bytes;
    if (held->count < PYRO_HELD_LINES)
        held->count++;
    else if (line->bytes <= held->lines[--at].bytes)
        return;
    for (; at > 0 && held->lines[at - 1].bytes < line->bytes; at--)
        held->lines[at] = held->lines[at - 1];
    held->lines[at].frame = line->frame;
    held->lines[at].bytes = line->bytes;
}

static void tell_step(const struct adding *adding, size_t step, uint64_t time_us,
                      void (*see)(void *context, size_t step, const struct pyro_held *held),
                      void *context)
{
    for (size_t i = 0; i < adding->line_count;) {
        struct pyro_held held = {.process = adding->lines[i].process, .time_us = time_us};
        for (; i < adding->line_count && adding->lines[i].process == held.process; i++)
            if (adding->lines[i].bytes)
                add_line(&held, &adding->lines[i]);
        if (held.count && time_us <= last_of(adding, held.process))
            see(context, step, &held);
    }
}

static int tell(struct adding *adding, size_t steps,
                void (*see)(void *context, size_t step, const struct pyro_held *held),
                void *context)
{
    size_t at = 0;
    const uint64_t span_us = adding->last_us - adding->first_us;
    if (!span_us)
        steps = 1;
    for (size_t step = 0; step < steps; step++) {
        const double part = steps > 1 ? (double)step / (double)(steps - 1) : 1;
        const uint64_t time_us =
            part < 1 ? adding->first_us + (uint64_t)((double)span_us * part) : adding->last_us;
        for (; at < adding->count && adding->moments[at].time_us <= time_us; at++)
            if (add_moment(adding, adding->moments[at].moment) < 0)
                return -ENOMEM;
        tell_step(adding, step, time_us, see, context);
    }
    return 0;
}

int pyro_held_each(const struct pyro_profile *profile, size_t steps,
                   void (*see)(void *context, size_t step, const struct pyro_held *held),
                   void *context)
{
    struct adding adding = {
        .profile = profile,
        .moments = calloc(profile->moment_count + 1, sizeof(*adding.moments)),
        .lines = calloc(profile->moment_count + 1, sizeof(*adding.lines)),
        .ends_us = calloc(profile->process_count + 1, sizeof(*adding.ends_us)),
    };
    int error = adding.moments && adding.lines && adding.ends_us ? 0 : -ENOMEM;
    if (error == 0) {
        find_ends(&adding);
        error = end_with_successors(&adding);
    }
    if (error == 0) {
        sort_moments(&adding);
        find_lines(&adding);
    }
    if (error == 0 && adding.count) {
        find_span(&adding);
        error = tell(&adding, steps, see, context);
    }
    free(adding.moments);
    free(adding.lines);
    free(adding.ends_us);
    pyro_map_free(&adding.before);
    return error;
}
