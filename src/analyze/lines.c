/* analyze/lines.c - the totals of lines, counted and sampled, sorted into their functions. */
#include "analyze/lines.h"

#include "profile/costs.h"
#include "profile/line_counts.h"
#include "profile/line_totals.h"

#include <errno.h>
#include <stdlib.h>

struct found {
    const struct pyro_profile *profile;
    struct pyro_totals totals;
    struct pyro_line_totals lines;
};

static int by_function_and_line(const void *left, const void *right)
{
    const struct pyro_line_total *a = left, *b = right;
    if (a->function != b->function)
        return a->function < b->function ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static int hottest_first(const void *left, const void *right)
{
    const struct pyro_lines_function *a = left, *b = right;
    if (a->total_s != b->total_s)
        return a->total_s > b->total_s ? -1 : 1;
    return (a->function > b->function) - (a->function < b->function);
}

/* Of the samples from SINCE_US on. What was found is cleared by the caller. */
static int find(struct found *found, uint64_t since_us)
{
    const struct pyro_totals_filter filter = {.thread = PYRO_NO_ID, .since_us = since_us};
    struct pyro_clock_view view;
    int result = pyro_clock_view_init(&view, found->profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&found->totals, &view, &filter);
    if (result == 0)
        result = pyro_line_totals_init(&found->lines, found->profile, &found->totals);
    if (result == 0 && found->lines.count)
        qsort(found->lines.lines, found->lines.count, sizeof(*found->lines.lines),
              by_function_and_line);
    pyro_clock_view_clear(&view);
    return result;
}

static void forget(struct found *found)
{
    pyro_line_totals_clear(&found->lines);
    pyro_totals_clear(&found->totals);
}

static struct pyro_line line_of(const struct found *found, const struct pyro_line_total *total)
{
    const struct pyro_profile *profile = found->profile;
    double sigma_us =
        pyro_totals_error_us(total->total_us, total->total_squares_us2, found->totals.counted_us);
    return (struct pyro_line){
        .line = total->line,
        .source =
            pyro_profile_source(profile, profile->functions[total->function].file, total->line),
        .hits = PYRO_NO_CALLS,
        .time_s = total->total_us / 1e6,
        .self_s = total->self_us / 1e6,
        .time_sigma_s = sigma_us / 1e6,
        .samples = total->total_samples,
    };
}

/* -- counted lines ------------------------------------------------------------------------------ */

static bool is_counted(const struct pyro_profile *profile, uint32_t function)
{
    size_t at = pyro_line_counts_find(profile, function, 0);
    return at < profile->line_count && profile->lines[at].function == function;
}

/* What was sampled of a line. */
static struct pyro_line sampled_line(const struct found *found, uint32_t function, uint32_t line)
{
    const struct pyro_line_total key = {.function = function, .line = line};
    const struct pyro_line_total *total = NULL;
    if (found->lines.count)
        total = bsearch(&key, found->lines.lines, found->lines.count, sizeof(key),
                        by_function_and_line);
    return line_of(found, total ? total : &key);
}

static int by_number(const void *left, const void *right)
{
    const struct pyro_line *a = left, *b = right;
    return (a->line > b->line) - (a->line < b->line);
}

/* Lines of FUNCTION that were sampled and have no hits: a call begins in its first line. */
static void add_sampled(struct pyro_lines *lines, struct pyro_lines_function *function,
                        const struct found *found)
{
    struct pyro_line *first = &lines->lines[function->first];
    size_t counted = function->count;
    for (size_t i = 0; i < found->lines.count; i++) {
        const struct pyro_line_total *total = &found->lines.lines[i];
        const struct pyro_line line = {.line = total->line};
        if (total->function != function->function || !total->total_samples ||
            bsearch(&line, first, counted, sizeof(line), by_number))
            continue;
        first[function->count] = line_of(found, total);
        first[function->count++].hits = 0;
    }
    lines->line_count = function->first + function->count;
    qsort(first, function->count, sizeof(*first), by_number);
}

/* What events cost is an average, which is more than some lines have: these are left with nothing, and the others add up to
 * more than the function has. */
static void mark_rough(const struct pyro_lines *lines, struct pyro_lines_function *function)
{
    for (size_t i = 0; i < function->count; i++) {
        struct pyro_line *line = &lines->lines[function->first + i];
        line->rough = line->hits && (double)line->hits * lines->hit_cost_us / 1e6 > line->time_s;
        if (line->time_s > function->total_s)
            function->total_s = line->time_s;
    }
}

/* The counts of one function, of all threads, from the one at AT on. Where the next one begins. */
static size_t take_counted(struct pyro_lines *lines, const struct found *found, size_t at)
{
    const struct pyro_profile *profile = found->profile;
    uint32_t id = profile->lines[at].function;
    bool timed = !profile->counters.lines_sampled;
    struct pyro_lines_function *function = &lines->functions[lines->function_count++];
    *function = (struct pyro_lines_function){
        .function = id,
        .counted = true,
        .timed = timed,
        .total_s = timed ? 0 : found->totals.functions[id].total_us / 1e6,
        .samples = found->totals.functions[id].total_samples,
        .first = lines->line_count,
    };
    for (; at < profile->line_count && profile->lines[at].function == id; at++) {
        const struct pyro_line_count *count = &profile->lines[at];
        struct pyro_line *line = &lines->lines[lines->line_count - 1];
        if (!count->line) {
            function->total_s += (double)count->time_ns / 1e9;
            continue;
        }
        if (!function->count || line->line != count->line) {
            line = &lines->lines[lines->line_count++];
            *line = sampled_line(found, id, count->line);
            line->hits = 0;
            if (timed)
                line->time_s = line->time_sigma_s = 0;
            function->count++;
        }
        line->hits += count->hits;
        line->time_s += (double)count->time_ns / 1e9;
    }
    if (!timed)
        add_sampled(lines, function, found);
    mark_rough(lines, function);
    return at;
}

/* -- before they were ---------------------------------------------------------------------------- */

#define COUNTED_MAX 8 /* functions that may be chosen, and more */

/* The time of samples from before the lines of counted functions were. */
static int take_before(struct pyro_lines *lines, const struct pyro_profile *profile)
{
    uint64_t from_us = profile->counters.lines_from_us;
    uint8_t *on_stack = calloc(profile->stack_count, sizeof(*on_stack)); /* a bit a function */
    if (!on_stack)
        return -ENOMEM;
    for (uint32_t stack = 1; stack < profile->stack_count; stack++) {
        on_stack[stack] = on_stack[profile->stacks[stack].parent];
        for (size_t i = 0; i < lines->function_count && i < COUNTED_MAX; i++)
            if (lines->functions[i].function == pyro_profile_function_of(profile, stack))
                on_stack[stack] |= (uint8_t)(1u << i);
    }
    for (size_t sample = 0; sample < profile->samples.count; sample++) {
        if (pyro_sample_time_us(profile, sample) > from_us)
            break;
        uint8_t bits = on_stack[pyro_sample_stack(profile, sample)];
        for (size_t i = 0; bits; i++, bits >>= 1)
            if (bits & 1)
                lines->functions[i].before_s += pyro_sample_weight_us(profile, sample) / 1e6;
    }
    free(on_stack);
    return 0;
}

/* -- sampled lines ------------------------------------------------------------------------------ */

/* Of the lines, sorted, those that time was spent in, of functions that were not counted. */
static void take_sampled(struct pyro_lines *lines, const struct found *found)
{
    struct pyro_lines_function *function = NULL;
    for (size_t i = 0; i < found->lines.count; i++) {
        const struct pyro_line_total *total = &found->lines.lines[i];
        if (!total->total_samples || is_counted(found->profile, total->function))
            continue;
        if (!function || function->function != total->function) {
            const struct pyro_function_total *all = &found->totals.functions[total->function];
            function = &lines->functions[lines->function_count++];
            *function = (struct pyro_lines_function){
                .function = total->function,
                .total_s = all->total_us / 1e6,
                .samples = all->total_samples,
                .first = lines->line_count,
            };
        }
        lines->lines[lines->line_count++] = line_of(found, total);
        function->count++;
    }
}

/* COUNTED is what was found since lines were. */
static int take(struct pyro_lines *lines, const struct found *found, const struct found *counted)
{
    int result = 0;
    lines->hit_cost_us = pyro_costs_line_us(found->profile);
    for (size_t at = 0; at < found->profile->line_count;)
        at = take_counted(lines, counted, at);
    lines->from_s = lines->line_count ? (double)found->profile->counters.lines_from_us / 1e6 : 0;
    if (lines->from_s > 0)
        result = take_before(lines, found->profile);
    take_sampled(lines, found);
    qsort(lines->functions, lines->function_count, sizeof(*lines->functions), hottest_first);
    return result;
}

static int make(struct pyro_lines *lines, const struct pyro_profile *profile,
                struct pyro_error *error)
{
    const struct pyro_stats_options options = {.thread = PYRO_NO_ID};
    struct found found = {.profile = profile}, counted = {.profile = profile};
    int result = pyro_stats_make(profile, &options, &lines->stats, error);
    if (result < 0)
        return result;
    if (profile->timed || lines->stats->traced) {
        result = pyro_error_set(error, -ENODATA, "its calls were timed, by function, not by line");
        pyro_error_hint(error, "record it anew with: pyrometer run, without --trace");
        return result;
    }
    const uint64_t since_us =
        profile->counters.lines_sampled ? pyro_line_counts_since_us(profile) : 0;
    result = find(&found, 0);
    if (result == 0 && since_us)
        result = find(&counted, since_us);
    if (result == 0) {
        size_t most = found.lines.count + profile->line_count + 1;
        lines->lines = calloc(most, sizeof(*lines->lines));
        lines->functions = calloc(most, sizeof(*lines->functions));
        result = lines->lines && lines->functions ? 0 : -ENOMEM;
    }
    if (result == 0)
        result = take(lines, &found, since_us ? &counted : &found);
    if (result < 0)
        pyro_error_set(error, result, "no memory");
    forget(&found);
    forget(&counted);
    return result;
}

int pyro_lines_make(const struct pyro_profile *profile, struct pyro_lines **ret_lines,
                    struct pyro_error *error)
{
    struct pyro_lines *lines = calloc(1, sizeof(*lines));
    int result = lines ? make(lines, profile, error) : pyro_error_set(error, -ENOMEM, "no memory");
    if (result < 0)
        pyro_lines_free(lines);
    else
        *ret_lines = lines;
    return result;
}

void pyro_lines_free(struct pyro_lines *lines)
{
    if (!lines)
        return;
    pyro_stats_free(lines->stats);
    free(lines->lines);
    free(lines->functions);
    free(lines);
}
