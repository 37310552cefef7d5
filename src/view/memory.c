/* view/memory.c - memory over time, as a page has it: all processes together step by step, and now and then which lines had what was alive. */
#include "view/internal.h"

#include "base/grow.h"
#include "profile/held.h"

#include <errno.h>
#include <stdlib.h>

/* More steps than this and each is the one with the most resident of its part of the time. */
#define STEPS_MAX 2000

static uint32_t bounded(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint32_t to_ms(uint64_t us)
{
    return bounded((us + 500) / 1000);
}

static uint32_t to_kib(uint64_t bytes)
{
    return bounded((bytes + 512) / 1024);
}

/* -- steps ---------------------------------------------------------------------------------------- */

/* Which steps are told: RET_STEPS has room for STEPS_MAX. */
static size_t choose_steps(const struct pyro_timeline *timeline, size_t *ret_steps)
{
    size_t count = 0;
    if (timeline->step_count <= STEPS_MAX) {
        for (; count < timeline->step_count; count++)
            ret_steps[count] = count;
        return count;
    }
    pyro_timeline_columns(timeline, ret_steps, STEPS_MAX);
    for (size_t i = 0; i < STEPS_MAX; i++)
        if (ret_steps[i] != PYRO_NO_STEP && (!count || ret_steps[i] != ret_steps[count - 1]))
            ret_steps[count++] = ret_steps[i];
    return count;
}

static int put_steps(struct pyro_page_columns *columns, const struct pyro_timeline *timeline)
{
    enum { TIME, RSS, LIVE, NATIVE, PROCESSES, FIGURES };
    static const char *const names[FIGURES] = {"look_ms", "look_rss", "look_live", "look_native",
                                               "look_processes"};
    size_t *steps = calloc(STEPS_MAX, sizeof(*steps));
    uint32_t *values = calloc((size_t)STEPS_MAX * FIGURES, sizeof(*values));
    size_t count = steps && values ? choose_steps(timeline, steps) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct pyro_timeline_step *step = &timeline->steps[steps[i]];
        values[TIME * count + i] = to_ms(step->time_us);
        values[RSS * count + i] = to_kib(step->rss);
        values[LIVE * count + i] = to_kib(step->live);
        values[NATIVE * count + i] = to_kib(step->native);
        values[PROCESSES * count + i] = step->processes;
    }
    for (size_t i = 0; count && i < FIGURES; i++)
        pyro_page_columns_ways(columns, names[i], &values[i * count], count);
    free(steps);
    free(values);
    return count ? 0 : -ENOMEM;
}

/* -- which lines had it ---------------------------------------------------------------------------- */

#define MOMENTS 64

struct holder {
    uint32_t frame;
    uint64_t bytes;
};

struct holder_columns {
    uint32_t time_ms[MOMENTS], live_kib[MOMENTS], lines[MOMENTS];
    uint32_t function[MOMENTS * PYRO_HELD_LINES], line[MOMENTS * PYRO_HELD_LINES];
    double bytes[MOMENTS * PYRO_HELD_LINES];
    size_t moments, count; /* that are told, and lines of all of them */
};

/* The lines of all processes at a step, until it is over. */
struct telling {
    const struct pyro_profile *profile;
    struct holder_columns *put;
    struct holder *lines;
    size_t count, capacity, step;
    uint64_t time_us, live;
    bool failed;
};

static int by_frame(const void *left, const void *right)
{
    const struct holder *a = left, *b = right;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int most_first(const void *left, const void *right)
{
    const struct holder *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return by_frame(left, right);
}

/* A line once; how many there are then, those with the most first. */
static size_t merge_lines(struct holder *lines, size_t all)
{
    size_t count = 0;
    qsort(lines, all, sizeof(*lines), by_frame);
    for (size_t i = 0; i < all; i++)
        if (count && lines[count - 1].frame == lines[i].frame)
            lines[count - 1].bytes += lines[i].bytes;
        else
            lines[count++] = lines[i];
    qsort(lines, count, sizeof(*lines), most_first);
    return count < PYRO_HELD_LINES ? count : PYRO_HELD_LINES;
}

static void end_step(struct telling *telling)
{
    const struct pyro_profile *profile = telling->profile;
    struct holder_columns *put = telling->put;
    if (!telling->count)
        return;
    const size_t many = merge_lines(telling->lines, telling->count), at = put->moments++;
    put->time_ms[at] = to_ms(telling->time_us);
    put->live_kib[at] = to_kib(telling->live);
    put->lines[at] = (uint32_t)many;
    for (size_t k = 0; k < many; k++, put->count++) {
        const struct pyro_frame *frame = &profile->frames[telling->lines[k].frame];
        put->function[put->count] = frame->function;
        put->line[put->count] = frame->line;
        put->bytes[put->count] = (double)telling->lines[k].bytes;
    }
    telling->count = 0;
    telling->live = 0;
}

static void add_process(void *context, size_t step, const struct pyro_held *held)
{
    struct telling *telling = context;
    if (step != telling->step)
        end_step(telling);
    telling->step = step;
    telling->time_us = held->time_us;
    telling->live += held->live;
    for (size_t i = 0; i < held->count && !telling->failed; i++) {
        telling->failed = pyro_grow(&telling->lines, telling->count, &telling->capacity,
                                    sizeof(*telling->lines)) < 0;
        if (!telling->failed)
            telling->lines[telling->count++] =
                (struct holder){held->lines[i].frame, held->lines[i].bytes};
    }
}

static int put_moments(struct pyro_page_columns *columns, const struct pyro_profile *profile)
{
    struct holder_columns *put = calloc(1, sizeof(*put));
    struct telling telling = {.profile = profile, .put = put};
    int result = put ? pyro_held_each(profile, MOMENTS, add_process, &telling) : -ENOMEM;
    if (result == 0 && telling.failed)
        result = -ENOMEM;
    if (result == 0)
        end_step(&telling);
    if (result == 0 && put->moments) {
        pyro_page_columns_ways(columns, "moment_ms", put->time_ms, put->moments);
        pyro_page_columns_u32(columns, "moment_live", put->live_kib, put->moments);
        pyro_page_columns_u32(columns, "moment_lines", put->lines, put->moments);
        pyro_page_columns_u32(columns, "holder_function", put->function, put->count);
        pyro_page_columns_u32(columns, "holder_line", put->line, put->count);
        pyro_page_columns_counts(columns, "holder_bytes", put->bytes, put->count);
    }
    free(telling.lines);
    free(put);
    return result;
}

/* -- both ------------------------------------------------------------------------------------------- */

int pyro_page_over_time(struct pyro_page_columns *columns, struct pyro_json *json,
                        const struct pyro_profile *profile, struct pyro_error *error)
{
    struct pyro_timeline *timeline = NULL;
    if (!profile->look_count)
        return 0;
    int result = pyro_timeline_make(profile, &timeline, error);
    if (result < 0)
        return result;
    result = put_steps(columns, timeline);
    if (result == 0)
        result = put_moments(columns, profile);
    pyro_json_object(json, "over_time");
    pyro_json_bool(json, "tracked", timeline->tracked);
    pyro_json_u64(json, "until_us", timeline->until_us);
    pyro_json_bool(json, "thinned", timeline->step_count > STEPS_MAX);
    pyro_json_end(json);
    pyro_timeline_free(timeline);
    return result;
}
