/* analyze/stats.c - the totals of a profile as sorted rows and edges, in seconds. */
#include "analyze/stats.h"

#include "analyze/internal.h"
#include "profile/counted.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- sort keys ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum pyro_stats_key key;
} key_names[] = {
    {"calls", PYRO_SORT_CALLS},
    {"ncalls", PYRO_SORT_CALLS},
    {"cumtime", PYRO_SORT_CUMULATIVE},
    {"cumulative", PYRO_SORT_CUMULATIVE},
    {"file", PYRO_SORT_FILE},
    {"filename", PYRO_SORT_FILE},
    {"module", PYRO_SORT_FILE},
    {"line", PYRO_SORT_LINE},
    {"name", PYRO_SORT_NAME},
    {"nfl", PYRO_SORT_NFL},
    {"pcalls", PYRO_SORT_PRIMITIVE_CALLS},
    {"stdname", PYRO_SORT_STDNAME},
    {"time", PYRO_SORT_TIME},
    {"tottime", PYRO_SORT_TIME},
};
#define KEY_NAMES  (sizeof(key_names) / sizeof(key_names[0]))
#define KEY_ADVICE "calls, cumulative, filename, line, module, name, nfl, pcalls, stdname, time"

int pyro_stats_key_by_name(const char *name, enum pyro_stats_key *ret_key, struct pyro_error *error)
{
    int found = -1;
    size_t length = strlen(name);
    for (size_t i = 0; i < KEY_NAMES && length; i++) {
        if (strcmp(key_names[i].name, name) == 0) {
            *ret_key = key_names[i].key;
            return 0;
        }
        if (strncmp(key_names[i].name, name, length) != 0)
            continue;
        if (found >= 0 && key_names[found].key != key_names[i].key)
            return pyro_error_set(error, -EINVAL,
                                  "sort key '%s' could be '%s' or '%s'; keys are: %s", name,
                                  key_names[found].name, key_names[i].name, KEY_ADVICE);
        found = (int)i;
    }
    if (found < 0)
        return pyro_error_set(error, -EINVAL, "no sort key '%s'; keys are: %s", name, KEY_ADVICE);
    *ret_key = key_names[found].key;
    return 0;
}

#define STANDARD_NAME_BYTES 4096 /* names that only differ behind it count as equal */

struct order {
    const struct pyro_profile *profile;
    enum pyro_stats_key key;
};

static int by_double(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* Uncounted functions stand behind counted ones. */
static int by_calls(uint64_t a, uint64_t b)
{
    a = a == PYRO_NO_CALLS ? 0 : a + 1;
    b = b == PYRO_NO_CALLS ? 0 : b + 1;
    return a > b ? -1 : a < b;
}

static bool is_python(const struct order *order, uint32_t id)
{
    return order->profile->functions[id].kind == PYRO_FUNCTION_PYTHON;
}

static const char *name_of(const struct order *order, uint32_t id)
{
    return pyro_profile_text(order->profile, order->profile->functions[id].name);
}

/* pstats has '~' for what is no Python function: it stands behind all paths. */
static const char *file_of(const struct order *order, uint32_t id)
{
    return is_python(order, id)
               ? pyro_profile_text(order->profile, order->profile->functions[id].file)
               : "~";
}

/* A byte of a name as pstats sorts it: "<built-in ...>", which is only printed as "{built-in ...}". */
static unsigned char name_byte(const char *name, size_t at, bool python)
{
    if (!python && name[at] == '{' && at == 0)
        return '<';
    if (!python && name[at] == '}' && name[at + 1] == '\0')
        return '>';
    return (unsigned char)name[at];
}

static int by_name(const struct order *order, uint32_t a, uint32_t b)
{
    const char *x = name_of(order, a), *y = name_of(order, b);
    bool x_python = is_python(order, a), y_python = is_python(order, b);
    for (size_t i = 0;; i++) {
        unsigned char left = name_byte(x, i, x_python), right = name_byte(y, i, y_python);
        if (left != right)
            return left < right ? -1 : 1;
        if (!left)
            return 0;
    }
}

static int by_file(const struct order *order, uint32_t a, uint32_t b)
{
    return strcmp(file_of(order, a), file_of(order, b));
}

static int by_line(const struct order *order, uint32_t a, uint32_t b)
{
    uint32_t line_a = order->profile->functions[a].first_line;
    uint32_t line_b = order->profile->functions[b].first_line;
    return line_a < line_b ? -1 : line_a > line_b;
}

static int first_that_differs(int a, int b, int c)
{
    return a ? a : b ? b : c;
}

static void write_standard_name(char *text, const struct order *order, uint32_t id)
{
    if (is_python(order, id))
        snprintf(text, STANDARD_NAME_BYTES, "%s:%u(%s)", file_of(order, id),
                 order->profile->functions[id].first_line, name_of(order, id));
    else
        snprintf(text, STANDARD_NAME_BYTES, "%s", name_of(order, id));
}

/* As pstats prints it: as a text, so that line 10 stands before line 9. */
static int by_standard_name(const struct order *order, uint32_t a, uint32_t b)
{
    char x[STANDARD_NAME_BYTES], y[STANDARD_NAME_BYTES];
    write_standard_name(x, order, a);
    write_standard_name(y, order, b);
    return strcmp(x, y);
}

static int by_key(const struct order *order, const struct pyro_stats_row *a,
                  const struct pyro_stats_row *b)
{
    uint32_t x = a->function, y = b->function;
    switch (order->key) {
    case PYRO_SORT_TIME:
        return by_double(a->tottime_s, b->tottime_s);
    case PYRO_SORT_CALLS:
        return by_calls(a->ncalls, b->ncalls);
    case PYRO_SORT_PRIMITIVE_CALLS:
        return by_calls(a->primitive_calls, b->primitive_calls);
    case PYRO_SORT_NAME:
        return by_name(order, x, y);
    case PYRO_SORT_FILE:
        return by_file(order, x, y);
    case PYRO_SORT_LINE:
        return by_line(order, x, y);
    case PYRO_SORT_NFL:
        return first_that_differs(by_name(order, x, y), by_file(order, x, y), by_line(order, x, y));
    case PYRO_SORT_STDNAME:
        return by_standard_name(order, x, y);
    case PYRO_SORT_CUMULATIVE:
        break;
    }
    return by_double(a->cumtime_s, b->cumtime_s);
}

/* Ties go to the larger time, then to what was seen first, which puts a caller before its callee. */
static int compare_rows(const void *left, const void *right, void *data)
{
    const struct pyro_stats_row *a = left, *b = right;
    int by_time = by_double(a->cumtime_s, b->cumtime_s);
    int by_id = a->function < b->function ? -1 : a->function > b->function;
    return first_that_differs(by_key(data, a, b), by_time, by_id);
}

static int compare_edges(const void *left, const void *right)
{
    const struct pyro_stats_edge *a = left, *b = right;
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    int by_id = a->caller < b->caller ? -1 : a->caller > b->caller;
    if (isnan(a->time_s) || isnan(b->time_s))
        return first_that_differs(isnan(a->time_s) - isnan(b->time_s),
                                  by_calls(a->ncalls, b->ncalls), by_id);
    return first_that_differs(by_double(a->time_s, b->time_s), by_id, 0);
}

const struct pyro_stats_edge *pyro_stats_callers(const struct pyro_stats *stats, uint32_t callee,
                                                 size_t *ret_count)
{
    size_t low = 0, high = stats->edge_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stats->edges[middle].callee < callee)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < stats->edge_count && stats->edges[end].callee == callee)
        end++;
    *ret_count = end - low;
    return stats->edges + low;
}

/* -- from totals -------------------------------------------------------------------------------- */

static double sigma_s(const struct pyro_totals *totals, double time_us, double squares_us2)
{
    return totals->traced ? 0
                          : pyro_totals_error_us(time_us, squares_us2, totals->counted_us) / 1e6;
}

static struct pyro_stats_row row_of(const struct pyro_totals *totals, uint32_t id)
{
    const struct pyro_function_total *function = &totals->functions[id];
    return (struct pyro_stats_row){
        .function = id,
        .tottime_s = function->self_us / 1e6,
        .cumtime_s = function->total_us / 1e6,
        .timed = totals->traced,
        .tottime_sigma_s = sigma_s(totals, function->self_us, function->self_squares_us2),
        .cumtime_sigma_s = sigma_s(totals, function->total_us, function->total_squares_us2),
        .samples_self = totals->traced ? 0 : function->self_samples,
        .samples_total = totals->traced ? 0 : function->total_samples,
        .ncalls = PYRO_NO_CALLS,
        .primitive_calls = PYRO_NO_CALLS,
        .probe_s = function->probe_us / 1e6,
        .repeated_by = PYRO_NO_ID,
    };
}

/* A row for each function that was sampled or counted. */
static int make_rows(struct pyro_stats *stats, const struct pyro_totals *totals,
                     const struct pyro_counted *counted, const struct order *order)
{
    stats->rows = calloc(stats->profile->function_count + 1, sizeof(*stats->rows));
    if (!stats->rows)
        return -ENOMEM;
    for (uint32_t i = 0; i < stats->profile->function_count; i++) {
        if (!totals->functions[i].total_samples && !counted->ncalls[i])
            continue;
        struct pyro_stats_row *row = &stats->rows[stats->row_count++];
        *row = row_of(totals, i);
        if (counted->ncalls[i]) { /* 0: it was running before calls were counted */
            row->ncalls = counted->ncalls[i];
            row->primitive_calls = counted->primitive[i];
        }
    }
    qsort_r(stats->rows, stats->row_count, sizeof(*stats->rows), compare_rows, (void *)order);
    return 0;
}

/* How long generators and coroutines lived. */
static int add_lives(struct pyro_stats *stats, const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = stats->profile;
    struct pyro_stats_row **rows = calloc(profile->function_count + 1, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < stats->row_count; i++)
        rows[stats->rows[i].function] = &stats->rows[i];
    for (size_t i = 0; i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        struct pyro_stats_row *row = rows[pyro_profile_function_of(profile, traced->stack)];
        if (!row || !traced->lives || !pyro_totals_wants_thread(profile, filter, traced->thread))
            continue;
        row->lives += traced->lives;
        row->life_s += (double)traced->life_ns / 1e9;
    }
    free(rows);
    return 0;
}

static int by_pair(const void *left, const void *right)
{
    const struct pyro_stats_edge *a = left, *b = right;
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    return (a->caller > b->caller) - (a->caller < b->caller);
}

/* Sampled edges and counted ones, each pair once. */
static void join_edges(struct pyro_stats *stats, const struct pyro_counted *counted)
{
    size_t sampled = stats->edge_count;
    qsort(stats->edges, sampled, sizeof(*stats->edges), by_pair);
    for (size_t i = 0; i < counted->edge_count; i++) {
        const struct pyro_counted_edge *edge = &counted->edges[i];
        const struct pyro_stats_edge key = {.caller = edge->caller, .callee = edge->callee};
        struct pyro_stats_edge *found =
            bsearch(&key, stats->edges, sampled, sizeof(*stats->edges), by_pair);
        if (!found) {
            found = &stats->edges[stats->edge_count++];
            *found = key;
            found->primitive_calls = PYRO_NO_CALLS;
        }
        found->ncalls = edge->ncalls;
    }
}

static int make_edges(struct pyro_stats *stats, const struct pyro_totals *totals,
                      const struct pyro_counted *counted)
{
    stats->edges = calloc(totals->edge_count + counted->edge_count + 1, sizeof(*stats->edges));
    if (!stats->edges)
        return -ENOMEM;
    for (size_t i = 0; i < totals->edge_count; i++) {
        const struct pyro_edge_total *edge = &totals->edges[i];
        stats->edges[i] = (struct pyro_stats_edge){
            .caller = edge->caller,
            .callee = edge->callee,
            .time_s = edge->total_us / 1e6,
            .time_sigma_s = sigma_s(totals, edge->total_us, edge->total_squares_us2),
            .samples = totals->traced ? 0 : edge->total_samples,
            .self_s = edge->self_us / 1e6,
            .ncalls = PYRO_NO_CALLS,
            .primitive_calls = PYRO_NO_CALLS,
        };
    }
    stats->edge_count = totals->edge_count;
    join_edges(stats, counted);
    qsort(stats->edges, stats->edge_count, sizeof(*stats->edges), compare_edges);
    return 0;
}

static int count_threads(struct pyro_stats *stats, const struct pyro_clock_view *view,
                         const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = stats->profile;
    bool *seen = calloc(profile->thread_count + 1, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    const struct pyro_profile_samples *samples = &profile->samples;
    bool summed = samples->sums && filter->since_us == 0;
    for (size_t i = 0; summed && i < samples->sum_count; i++) {
        uint32_t thread = samples->kinds[samples->sums[i].kind].thread;
        if (!seen[thread] && pyro_totals_wants_thread(profile, filter, thread) &&
            pyro_clock_counts_sum(view, &samples->sums[i])) {
            seen[thread] = true;
            stats->thread_count++;
        }
    }
    for (size_t i = 0; !summed && i < samples->count; i++) {
        uint32_t thread = pyro_sample_thread(profile, i);
        if (!seen[thread] && pyro_totals_wants(profile, filter, i) && pyro_clock_counts(view, i)) {
            seen[thread] = true;
            stats->thread_count++;
        }
    }
    free(seen);
    return 0;
}

static int add_up(struct pyro_stats *stats, const struct pyro_stats_options *options,
                  const struct pyro_totals_filter *filter)
{
    struct pyro_totals totals = {0};
    struct pyro_counted counted = {0};
    struct pyro_clock_view view;
    int result = pyro_clock_view_init(&view, stats->profile, options->clock, options->idle);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, filter);
    if (result == 0)
        result = pyro_counted_make(&counted, stats->profile, filter);
    if (result < 0)
        goto out;
    stats->total_s = totals.counted_us / 1e6;
    stats->probe_s = totals.probe_us / 1e6;
    stats->summary.probe_us = totals.probe_us;
    stats->traced = totals.traced;
    if (totals.traced)
        stats->parked_s = totals.parked_us / 1e6;
    stats->samples = totals.counted_samples;
    stats->no_python_s = totals.stacks[PYRO_STACK_ROOT].self_us / 1e6;
    const struct order order = {stats->profile, options->sort};
    result = make_rows(stats, &totals, &counted, &order);
    if (result == 0)
        result = make_edges(stats, &totals, &counted);
    if (result == 0)
        result = add_lives(stats, filter);
    if (result == 0)
        result = pyro_mark_repeated(stats, &counted, filter);
    if (result == 0)
        result = count_threads(stats, &view, filter);
out:
    pyro_counted_clear(&counted);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result;
}

static void take_summary(struct pyro_stats *stats)
{
    const struct pyro_summary *summary = &stats->summary;
    stats->running_s = summary->running_us / 1e6;
    stats->runnable_s = summary->runnable_us / 1e6;
    stats->waiting_s = summary->waiting_us / 1e6;
    stats->gil_wait_s = summary->gil_wait_us / 1e6;
    stats->unknown_s = summary->unknown_us / 1e6;
    stats->parked_s = summary->parked_us / 1e6;
    stats->gc_s = summary->gc_us / 1e6;
    stats->unsure_s = summary->unsure_us / 1e6;
    for (size_t i = 0; i < summary->waiting_count; i++)
        stats->waiting[stats->waiting_count++] = (struct pyro_stats_waiting){
            summary->waiting[i].category, summary->waiting[i].time_us / 1e6};
}

static int take_timed(struct pyro_stats *stats, enum pyro_stats_key sort)
{
    struct order order = {stats->profile, sort};
    int result = pyro_stats_take_timed(stats);
    if (result < 0)
        return result;
    qsort_r(stats->rows, stats->row_count, sizeof(*stats->rows), compare_rows, &order);
    qsort(stats->edges, stats->edge_count, sizeof(*stats->edges), compare_edges);
    return 0;
}

int pyro_stats_make(const struct pyro_profile *profile, const struct pyro_stats_options *options,
                    struct pyro_stats **ret_stats, struct pyro_error *error)
{
    const struct pyro_totals_filter filter = {.pid = options->pid, .thread = options->thread};
    int result = -ENOMEM;
    struct pyro_stats *stats = calloc(1, sizeof(*stats));
    if (!stats)
        goto fail;
    stats->profile = profile;
    stats->clock = options->clock;
    stats->idle = options->idle;
    stats->ncalls = stats->primitive_calls = profile->timed ? 0 : PYRO_NO_CALLS;
    stats->duration_s = (double)profile->counters.duration_us / 1e6;
    result = pyro_summary_make(&stats->summary, profile, &filter);
    if (result < 0)
        goto fail;
    take_summary(stats);
    result = profile->timed ? take_timed(stats, options->sort) : add_up(stats, options, &filter);
    if (result < 0)
        goto fail;
    *ret_stats = stats;
    return 0;
fail:
    pyro_stats_free(stats);
    return pyro_error_set(error, result, "cannot add up the samples: %s", strerror(-result));
}

void pyro_stats_free(struct pyro_stats *stats)
{
    if (!stats)
        return;
    free(stats->rows);
    free(stats->edges);
    free(stats);
}
