/* view/memory.c - memory over time, as a page has it: all processes together step by step, and now and then which lines had what was alive. */
#include "view/internal.h"

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

static int by_frame(const void *left, const void *right)
{
    const struct pyro_holder *a = left, *b = right;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int most_first(const void *left, const void *right)
{
    const struct pyro_holder *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return by_frame(left, right);
}

/* The lines of MOMENT of all processes, a line once, those with the most first, into LINES, which has room for them; how many. */
static size_t merge_lines(const struct pyro_profile *profile, const struct pyro_moment *moment,
                          struct pyro_holder *lines, uint64_t *ret_live)
{
    size_t all = 0, count = 0;
    *ret_live = 0;
    for (size_t i = moment->first; i < moment->first + moment->count; i++) {
        const struct pyro_holders *holders = &profile->holders[i];
        *ret_live += holders->live;
        for (size_t k = 0; k < holders->count; k++)
            lines[all++] = profile->holder_lines[holders->first + k];
    }
    if (all)
        qsort(lines, all, sizeof(*lines), by_frame);
    for (size_t i = 0; i < all; i++)
        if (count && lines[count - 1].frame == lines[i].frame) {
            lines[count - 1].bytes += lines[i].bytes;
            lines[count - 1].blocks += lines[i].blocks;
        } else {
            lines[count++] = lines[i];
        }
    if (count)
        qsort(lines, count, sizeof(*lines), most_first);
    return count < PYRO_HOLDERS_MAX ? count : PYRO_HOLDERS_MAX;
}

struct holder_columns {
    uint32_t time_ms[PYRO_TIMELINE_MOMENTS_MAX], live_kib[PYRO_TIMELINE_MOMENTS_MAX];
    uint32_t lines[PYRO_TIMELINE_MOMENTS_MAX];
    uint32_t function[PYRO_TIMELINE_MOMENTS_MAX * PYRO_HOLDERS_MAX];
    uint32_t line[PYRO_TIMELINE_MOMENTS_MAX * PYRO_HOLDERS_MAX];
    double bytes[PYRO_TIMELINE_MOMENTS_MAX * PYRO_HOLDERS_MAX];
    double blocks[PYRO_TIMELINE_MOMENTS_MAX * PYRO_HOLDERS_MAX];
};

static int put_moments(struct pyro_page_columns *columns, const struct pyro_timeline *timeline)
{
    const struct pyro_profile *profile = timeline->profile;
    struct holder_columns *put = calloc(1, sizeof(*put));
    struct pyro_holder *lines = calloc(profile->holder_line_count + 1, sizeof(*lines));
    size_t count = 0;
    for (size_t i = 0; put && lines && i < timeline->moment_count; i++) {
        const struct pyro_moment *moment = &timeline->moments[i];
        uint64_t live;
        size_t many = merge_lines(profile, moment, lines, &live);
        put->time_ms[i] = to_ms(moment->time_us);
        put->live_kib[i] = to_kib(live);
        put->lines[i] = (uint32_t)many;
        for (size_t k = 0; k < many; k++, count++) {
            put->function[count] = profile->frames[lines[k].frame].function;
            put->line[count] = profile->frames[lines[k].frame].line;
            put->bytes[count] = (double)lines[k].bytes;
            put->blocks[count] = (double)lines[k].blocks;
        }
    }
    if (put && lines && timeline->moment_count) {
        pyro_page_columns_ways(columns, "moment_ms", put->time_ms, timeline->moment_count);
        pyro_page_columns_u32(columns, "moment_live", put->live_kib, timeline->moment_count);
        pyro_page_columns_u32(columns, "moment_lines", put->lines, timeline->moment_count);
        pyro_page_columns_u32(columns, "holder_function", put->function, count);
        pyro_page_columns_u32(columns, "holder_line", put->line, count);
        pyro_page_columns_counts(columns, "holder_bytes", put->bytes, count);
        pyro_page_columns_counts(columns, "holder_blocks", put->blocks, count);
    }
    int result = put && lines ? 0 : -ENOMEM;
    free(put);
    free(lines);
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
        result = put_moments(columns, timeline);
    pyro_json_object(json, "over_time");
    pyro_json_bool(json, "tracked", timeline->tracked);
    pyro_json_u64(json, "until_us", timeline->until_us);
    pyro_json_bool(json, "thinned", timeline->step_count > STEPS_MAX);
    pyro_json_end(json);
    pyro_timeline_free(timeline);
    return result;
}
