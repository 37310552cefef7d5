/* analyze/diff.c - the stats of two profiles, joined. */
#include "analyze/diff.h"

#include "base/map.h"
#include "profile/line_totals.h"
#include "profile/paths.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_ERROR       0.2 /* the cost of counting is known to about so much of it: decision 14 */
#define LINES_BY_TEXT_MAX 2000 /* of a function; where there are more, texts are not compared */

/* -- moves -------------------------------------------------------------------------------------- */

struct pyro_move pyro_diff_time(const struct pyro_diff_figures side[PYRO_SIDES], bool total)
{
    const struct pyro_diff_figures *before = &side[PYRO_BEFORE], *after = &side[PYRO_AFTER];
    struct pyro_move move = {
        .before = total ? before->total_s : before->self_s,
        .after = total ? after->total_s : after->self_s,
    };
    double before_sigma = total ? before->total_sigma_s : before->self_sigma_s;
    double after_sigma = total ? after->total_sigma_s : after->self_sigma_s;
    double probe_error = total ? 0 : PROBE_ERROR * (after->probe_s - before->probe_s);
    move.change = move.after - move.before;
    move.sigma =
        sqrt(before_sigma * before_sigma + after_sigma * after_sigma + probe_error * probe_error);
    move.sure = fabs(move.change) > PYRO_DIFF_SURE * move.sigma;
    return move;
}

struct pyro_move pyro_diff_calls(const struct pyro_diff_figures side[PYRO_SIDES])
{
    struct pyro_move move = {.before = NAN, .after = NAN};
    if (side[PYRO_BEFORE].ncalls != PYRO_NO_CALLS)
        move.before = (double)side[PYRO_BEFORE].ncalls;
    if (side[PYRO_AFTER].ncalls != PYRO_NO_CALLS)
        move.after = (double)side[PYRO_AFTER].ncalls;
    move.change = move.after - move.before;
    move.sure = !isnan(move.change) && move.change != 0;
    return move;
}

bool pyro_diff_all_calls(const struct pyro_diff *diff, double ret_calls[PYRO_SIDES])
{
    ret_calls[PYRO_BEFORE] = ret_calls[PYRO_AFTER] = 0;
    for (size_t i = 0; i < diff->row_count; i++)
        for (int side = 0; side < PYRO_SIDES; side++)
            if (diff->rows[i].side[side].ncalls != PYRO_NO_CALLS)
                ret_calls[side] += (double)diff->rows[i].side[side].ncalls;
    return diff->counted[PYRO_BEFORE] && diff->counted[PYRO_AFTER];
}

uint32_t pyro_diff_function(const struct pyro_diff_row *row, int *ret_side)
{
    *ret_side = row->match.function[PYRO_AFTER] != PYRO_NO_ID ? PYRO_AFTER : PYRO_BEFORE;
    return row->match.function[*ret_side];
}

/* -- figures ------------------------------------------------------------------------------------ */

static void add_calls(uint64_t *sum, uint64_t ncalls)
{
    if (ncalls != PYRO_NO_CALLS)
        *sum = *sum == PYRO_NO_CALLS ? ncalls : *sum + ncalls;
}

/* What is not there was not called, where calls are counted. */
static struct pyro_diff_figures nothing_of(const struct pyro_diff *diff, int side)
{
    return (struct pyro_diff_figures){.ncalls = diff->counted[side] ? 0 : PYRO_NO_CALLS};
}

/* "[unsure]" and the like, which nothing calls. */
static bool is_special(const struct pyro_diff *diff, const struct pyro_diff_row *row)
{
    int side;
    uint32_t function = pyro_diff_function(row, &side);
    return diff->profile[side]->functions[function].kind == PYRO_FUNCTION_SPECIAL;
}

/* Several of them are one row: what they took together with what they called cannot be told by adding. */
static void add_figures(struct pyro_diff_figures *sum, const struct pyro_diff_figures *more)
{
    sum->total_s = sum->there ? NAN : more->total_s;
    sum->total_sigma_s = sum->there ? NAN : more->total_sigma_s;
    if (!sum->there)
        sum->ncalls = PYRO_NO_CALLS;
    add_calls(&sum->ncalls, more->ncalls);
    sum->there = true;
    sum->self_s += more->self_s;
    sum->self_sigma_s = hypot(sum->self_sigma_s, more->self_sigma_s);
    sum->probe_s += more->probe_s;
}

/* -- functions ---------------------------------------------------------------------------------- */

static bool is_c(const struct pyro_profile *profile, uint32_t function)
{
    return function != PYRO_NO_ID && profile->functions[function].kind == PYRO_FUNCTION_C;
}

static bool has_c(const struct pyro_stats *stats)
{
    for (size_t i = 0; i < stats->row_count; i++)
        if (is_c(stats->profile, stats->rows[i].function))
            return true;
    return false;
}

/* Where C functions are rows on one side only, they are none on either. */
static void decide_folding(struct pyro_diff *diff)
{
    bool before = has_c(diff->stats[PYRO_BEFORE]), after = has_c(diff->stats[PYRO_AFTER]);
    bool both_filled = diff->stats[PYRO_BEFORE]->row_count && diff->stats[PYRO_AFTER]->row_count;
    diff->folded_c[PYRO_BEFORE] = both_filled && before && !after;
    diff->folded_c[PYRO_AFTER] = both_filled && after && !before;
}

static void mark_wanted(const struct pyro_diff *diff, int side, bool *wanted)
{
    const struct pyro_stats *stats = diff->stats[side];
    for (size_t i = 0; i < stats->row_count; i++)
        wanted[stats->rows[i].function] = true;
    for (size_t i = 0; i < stats->edge_count; i++) {
        if (stats->edges[i].caller != PYRO_NO_ID)
            wanted[stats->edges[i].caller] = true;
        wanted[stats->edges[i].callee] = true;
    }
    for (uint32_t i = 0; diff->folded_c[side] && i < stats->profile->function_count; i++)
        if (is_c(stats->profile, i))
            wanted[i] = false;
}

static bool is_module(const struct pyro_profile *profile, uint32_t function)
{
    return profile->functions[function].kind == PYRO_FUNCTION_PYTHON &&
           strcmp(pyro_profile_text(profile, profile->functions[function].name), "<module>") == 0;
}

/* What runs at the root of a thread; a .prof file tells of no root. */
static bool is_root(const struct pyro_stats *stats, uint32_t function)
{
    size_t count;
    const struct pyro_stats_edge *callers = pyro_stats_callers(stats, function, &count);
    for (size_t i = 0; i < count; i++)
        if (callers[i].caller == PYRO_NO_ID)
            return true;
    return false;
}

/* How surely FUNCTION, a module, is the program's script. Python's own start runs at the root, too. */
static int rank_of(const struct pyro_stats *stats, uint32_t function)
{
    const struct pyro_profile *profile = stats->profile;
    const char *file = pyro_profile_text(profile, profile->functions[function].file);
    if (!is_root(stats, function))
        return 0;
    return pyro_path_is_library(file) ? 1 : 2;
}

/* The file of the program's script: the module that runs at the root, else that which took longest with all that it
 * imported and called. */
static uint32_t script_of(const struct pyro_stats *stats)
{
    double longest_s = -1;
    int best = 0;
    uint32_t script = PYRO_NO_ID;
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_stats_row *row = &stats->rows[i];
        if (!is_module(stats->profile, row->function))
            continue;
        int rank = rank_of(stats, row->function);
        if (rank < best || (rank == best && row->cumtime_s <= longest_s))
            continue;
        longest_s = row->cumtime_s;
        best = rank;
        script = stats->profile->functions[row->function].file;
    }
    return script;
}

static int match_functions(const struct pyro_diff *diff, struct pyro_match *match)
{
    struct pyro_match_side sides[PYRO_SIDES];
    bool *wanted[PYRO_SIDES];
    int result = 0;
    for (int side = 0; side < PYRO_SIDES; side++) {
        wanted[side] = calloc(diff->profile[side]->function_count + 1, sizeof(*wanted[side]));
        if (wanted[side])
            mark_wanted(diff, side, wanted[side]);
        else
            result = -ENOMEM;
        sides[side] = (struct pyro_match_side){diff->profile[side], wanted[side],
                                               script_of(diff->stats[side])};
    }
    if (result == 0)
        result = pyro_match_make(match, sides);
    free(wanted[PYRO_BEFORE]);
    free(wanted[PYRO_AFTER]);
    return result;
}

static void fill_rows(struct pyro_diff *diff, const struct pyro_match *match, int side)
{
    const struct pyro_stats *stats = diff->stats[side];
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_stats_row *from = &stats->rows[i];
        uint32_t row = match->row_of[side][from->function];
        if (row == PYRO_NO_ID)
            continue; /* a C function that is folded */
        const struct pyro_diff_figures figures = {
            .self_s = from->tottime_s,
            .total_s = from->cumtime_s,
            .self_sigma_s = from->tottime_sigma_s,
            .total_sigma_s = from->cumtime_sigma_s,
            .probe_s = from->probe_s,
            .ncalls = from->ncalls,
        };
        add_figures(&diff->rows[row].side[side], &figures);
    }
}

/* The time of C functions, to whoever called them. */
static void fold_c(struct pyro_diff *diff, const struct pyro_match *match, int side)
{
    const struct pyro_stats *stats = diff->stats[side];
    for (size_t i = 0; i < stats->edge_count; i++) {
        const struct pyro_stats_edge *edge = &stats->edges[i];
        if (!is_c(stats->profile, edge->callee) || edge->caller == PYRO_NO_ID ||
            !(edge->self_s > 0))
            continue;
        struct pyro_diff_figures *caller =
            &diff->rows[match->row_of[side][edge->caller]].side[side];
        caller->there = true;
        caller->self_s += edge->self_s;
        caller->self_sigma_s = hypot(caller->self_sigma_s, edge->time_sigma_s);
    }
}

static int make_rows(struct pyro_diff *diff, const struct pyro_match *match)
{
    diff->rows = calloc(match->count + 1, sizeof(*diff->rows));
    if (!diff->rows)
        return -ENOMEM;
    diff->row_count = match->count;
    for (size_t i = 0; i < match->count; i++) {
        diff->rows[i].match = match->rows[i];
        for (int side = 0; side < PYRO_SIDES; side++) {
            diff->rows[i].side[side] = nothing_of(diff, side);
            if (is_special(diff, &diff->rows[i]))
                diff->rows[i].side[side].ncalls = PYRO_NO_CALLS;
        }
    }
    for (int side = 0; side < PYRO_SIDES; side++) {
        fill_rows(diff, match, side);
        if (diff->folded_c[side])
            fold_c(diff, match, side);
    }
    return 0;
}

/* -- edges -------------------------------------------------------------------------------------- */

static int add_edges(struct pyro_diff *diff, const struct pyro_match *match, struct pyro_map *ids,
                     int side)
{
    const struct pyro_stats *stats = diff->stats[side];
    for (size_t i = 0; i < stats->edge_count; i++) {
        const struct pyro_stats_edge *from = &stats->edges[i];
        uint32_t callee = match->row_of[side][from->callee];
        uint32_t caller =
            from->caller == PYRO_NO_ID ? PYRO_NO_ID : match->row_of[side][from->caller];
        if (callee == PYRO_NO_ID)
            continue;
        bool is_new;
        uint64_t *id = pyro_map_insert(ids, caller, callee, &is_new);
        if (!id)
            return -ENOMEM;
        if (is_new) {
            *id = diff->edge_count;
            diff->edges[diff->edge_count++] = (struct pyro_diff_edge){
                .caller = caller,
                .callee = callee,
                .side = {nothing_of(diff, PYRO_BEFORE), nothing_of(diff, PYRO_AFTER)},
            };
        }
        const struct pyro_diff_figures figures = {
            .self_s = from->self_s,
            .total_s = from->time_s,
            .total_sigma_s = from->time_sigma_s,
            .ncalls = from->ncalls,
        };
        add_figures(&diff->edges[*id].side[side], &figures);
    }
    return 0;
}

static int make_edges(struct pyro_diff *diff, const struct pyro_match *match)
{
    struct pyro_map ids = {0};
    size_t most = diff->stats[PYRO_BEFORE]->edge_count + diff->stats[PYRO_AFTER]->edge_count;
    diff->edges = calloc(most + 1, sizeof(*diff->edges));
    int result = diff->edges ? 0 : -ENOMEM;
    for (int side = 0; result == 0 && side < PYRO_SIDES; side++)
        result = add_edges(diff, match, &ids, side);
    pyro_map_free(&ids);
    return result;
}

/* -- lines -------------------------------------------------------------------------------------- */

/* A line of one side. */
struct line {
    uint32_t row, line, offset; /* from the first line of its function */
    const char *source;         /* without what indents it; NULL: not recorded */
    struct pyro_diff_figures figures;
    bool paired;
};

struct lines {
    struct line *items;
    size_t count;
};

static int by_place(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static struct line line_of(const struct pyro_diff *diff, const struct pyro_match *match, int side,
                           const struct pyro_line_total *total, double all_us)
{
    const struct pyro_profile *profile = diff->profile[side];
    const struct pyro_function *function = &profile->functions[total->function];
    const char *source = pyro_profile_source(profile, function->file, total->line);
    bool traced = diff->stats[side]->traced;
    double sigma_us = pyro_totals_error_us(total->total_us, total->total_squares_us2, all_us);
    return (struct line){
        .row = match->row_of[side][total->function],
        .line = total->line,
        .offset = total->line - function->first_line,
        .source = source ? source + strspn(source, " \t") : NULL,
        .figures = {.there = true,
                    .self_s = NAN,
                    .total_s = total->total_us / 1e6,
                    .total_sigma_s = traced ? 0 : sigma_us / 1e6,
                    .ncalls = PYRO_NO_CALLS},
    };
}

static int take_lines(const struct pyro_diff *diff, const struct pyro_match *match, int side,
                      enum pyro_clock clock, struct lines *lines)
{
    const struct pyro_profile *profile = diff->profile[side];
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    struct pyro_line_totals found = {0};
    int result = pyro_clock_view_init(&view, profile, clock, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    if (result == 0)
        result = pyro_line_totals_init(&found, profile, &totals);
    if (result == 0 && !(lines->items = calloc(found.count + 1, sizeof(*lines->items))))
        result = -ENOMEM;
    for (size_t i = 0; result == 0 && i < found.count; i++)
        if (found.lines[i].total_samples &&
            match->row_of[side][found.lines[i].function] != PYRO_NO_ID)
            lines->items[lines->count++] =
                line_of(diff, match, side, &found.lines[i], totals.counted_us);
    if (result == 0)
        qsort(lines->items, lines->count, sizeof(*lines->items), by_place);
    pyro_line_totals_clear(&found);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result;
}

static void add_line(struct pyro_diff *diff, const struct line *before, const struct line *after)
{
    const struct line *sides[PYRO_SIDES] = {before, after};
    struct pyro_diff_line *line = &diff->lines[diff->line_count++];
    *line = (struct pyro_diff_line){.row = before ? before->row : after->row};
    for (int side = 0; side < PYRO_SIDES; side++) {
        line->side[side] = (struct pyro_diff_figures){.self_s = NAN, .ncalls = PYRO_NO_CALLS};
        if (!sides[side])
            continue;
        line->line[side] = sides[side]->line;
        line->source[side] = sides[side]->source;
        line->side[side] = sides[side]->figures;
    }
}

static bool all_have_source(const struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        if (!lines->items[i].source)
            return false;
    return lines->count <= LINES_BY_TEXT_MAX;
}

static bool is_same_line(const struct line *a, const struct line *b, bool by_text)
{
    return by_text ? strcmp(a->source, b->source) == 0 : a->offset == b->offset;
}

/* The lines of one function, of which each stands for itself at most once. Of equal ones the first is for the first. */
static void pair_lines(struct pyro_diff *diff, const struct lines *before,
                       const struct lines *after)
{
    bool by_text = all_have_source(before) && all_have_source(after);
    size_t from = 0; /* of AFTER: all before it are paired */
    for (size_t i = 0; i < before->count; i++) {
        struct line *partner = NULL;
        while (from < after->count && after->items[from].paired)
            from++;
        for (size_t j = from; !partner && j < after->count; j++)
            if (!after->items[j].paired &&
                is_same_line(&before->items[i], &after->items[j], by_text))
                partner = &after->items[j];
        if (partner)
            partner->paired = true;
        add_line(diff, &before->items[i], partner);
    }
    for (size_t j = from; j < after->count; j++)
        if (!after->items[j].paired)
            add_line(diff, NULL, &after->items[j]);
}

/* The lines of ROW from *AT on, which moves behind them. */
static struct lines stretch_of(const struct lines *lines, uint32_t row, size_t *at)
{
    struct lines stretch = {.items = lines->items + *at};
    while (*at < lines->count && lines->items[*at].row == row) {
        stretch.count++;
        ++*at;
    }
    return stretch;
}

static int make_lines(struct pyro_diff *diff, const struct pyro_match *match, enum pyro_clock clock)
{
    struct lines sides[PYRO_SIDES] = {{0}};
    size_t at[PYRO_SIDES] = {0};
    int result = 0;
    diff->lines_known = !diff->profile[PYRO_BEFORE]->timed && !diff->profile[PYRO_AFTER]->timed;
    if (!diff->lines_known)
        return 0;
    for (int side = 0; result == 0 && side < PYRO_SIDES; side++)
        result = take_lines(diff, match, side, clock, &sides[side]);
    if (result == 0) {
        size_t most = sides[PYRO_BEFORE].count + sides[PYRO_AFTER].count;
        diff->lines = calloc(most + 1, sizeof(*diff->lines));
        result = diff->lines ? 0 : -ENOMEM;
    }
    for (uint32_t row = 0; result == 0 && row < diff->row_count; row++) {
        struct lines before = stretch_of(&sides[PYRO_BEFORE], row, &at[PYRO_BEFORE]);
        struct lines after = stretch_of(&sides[PYRO_AFTER], row, &at[PYRO_AFTER]);
        pair_lines(diff, &before, &after);
    }
    free(sides[PYRO_BEFORE].items);
    free(sides[PYRO_AFTER].items);
    return result;
}

/* -- order -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum pyro_diff_key key;
} key_names[] = {
    {"calls", PYRO_DIFF_BY_CALLS},           {"cumtime", PYRO_DIFF_BY_CUMULATIVE},
    {"cumulative", PYRO_DIFF_BY_CUMULATIVE}, {"file", PYRO_DIFF_BY_FILE},
    {"filename", PYRO_DIFF_BY_FILE},         {"name", PYRO_DIFF_BY_NAME},
    {"ncalls", PYRO_DIFF_BY_CALLS},          {"time", PYRO_DIFF_BY_TIME},
    {"tottime", PYRO_DIFF_BY_TIME},
};
#define KEY_NAMES (sizeof(key_names) / sizeof(key_names[0]))

int pyro_diff_key_by_name(const char *name, enum pyro_diff_key *ret_key, struct pyro_error *error)
{
    size_t length = strlen(name), found = KEY_NAMES;
    for (size_t i = 0; i < KEY_NAMES && length; i++) {
        if (strncmp(key_names[i].name, name, length) != 0)
            continue;
        bool exact = key_names[i].name[length] == '\0';
        if (found < KEY_NAMES && key_names[found].key != key_names[i].key && !exact)
            found = KEY_NAMES + 1;
        else if (found <= KEY_NAMES)
            found = i;
        if (exact) {
            found = i;
            break;
        }
    }
    if (found >= KEY_NAMES)
        return pyro_error_set(error, -EINVAL,
                              "no sort key '%s' of a diff; keys are: time, cumulative, calls, "
                              "name, filename",
                              name);
    *ret_key = key_names[found].key;
    return 0;
}

/* How far it moved; what is not known stands last. */
static double distance(const struct pyro_diff_figures side[PYRO_SIDES], enum pyro_diff_key key)
{
    struct pyro_move move = key == PYRO_DIFF_BY_CALLS
                                ? pyro_diff_calls(side)
                                : pyro_diff_time(side, key != PYRO_DIFF_BY_TIME);
    return isnan(move.change) ? -1 : fabs(move.change);
}

/* Ties go to what takes more time, then to what was seen first. */
static int by_distance(const struct pyro_diff_figures a[PYRO_SIDES],
                       const struct pyro_diff_figures b[PYRO_SIDES], enum pyro_diff_key key)
{
    double x = distance(a, key), y = distance(b, key);
    if (x == y) {
        x = distance(a, PYRO_DIFF_BY_CUMULATIVE);
        y = distance(b, PYRO_DIFF_BY_CUMULATIVE);
    }
    return x > y ? -1 : x < y;
}

struct order {
    const struct pyro_diff *diff;
    enum pyro_diff_key key;
};

static const char *text_of(const struct pyro_diff *diff, uint32_t row, bool file)
{
    int side;
    uint32_t id = pyro_diff_function(&diff->rows[row], &side);
    const struct pyro_function *function = &diff->profile[side]->functions[id];
    return pyro_profile_text(diff->profile[side], file ? function->file : function->name);
}

/* By the names or files of two rows, where that was asked for. */
static int by_text(const struct order *order, uint32_t a, uint32_t b)
{
    int result = 0;
    if (order->key == PYRO_DIFF_BY_FILE)
        result = strcmp(text_of(order->diff, a, true), text_of(order->diff, b, true));
    if (result == 0 && (order->key == PYRO_DIFF_BY_FILE || order->key == PYRO_DIFF_BY_NAME))
        result = strcmp(text_of(order->diff, a, false), text_of(order->diff, b, false));
    return result;
}

static int compare_ids(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

/* Rows are sorted by their numbers, since lines and edges refer to them. */
static int compare_rows(const void *left, const void *right, void *data)
{
    const struct order *order = data;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int result = by_text(order, a, b);
    if (result == 0)
        result = by_distance(order->diff->rows[a].side, order->diff->rows[b].side, order->key);
    return result ? result : compare_ids(a, b);
}

static int compare_lines(const void *left, const void *right, void *data)
{
    const struct pyro_diff_line *a = left, *b = right;
    int result = by_text(data, a->row, b->row);
    if (result == 0)
        result = by_distance(a->side, b->side, PYRO_DIFF_BY_CUMULATIVE);
    if (result == 0)
        result = compare_ids(a->row, b->row);
    return result ? result : compare_ids(a->line[PYRO_AFTER], b->line[PYRO_AFTER]);
}

static int compare_edges(const void *left, const void *right, void *data)
{
    const struct order *order = data;
    const struct pyro_diff_edge *a = left, *b = right;
    enum pyro_diff_key key = order->key == PYRO_DIFF_BY_TIME ? PYRO_DIFF_BY_CUMULATIVE : order->key;
    int result = by_text(data, a->callee, b->callee);
    if (result == 0)
        result = by_distance(a->side, b->side, key);
    if (result == 0)
        result = compare_ids(a->callee, b->callee);
    return result ? result : compare_ids(a->caller, b->caller);
}

static int sort_rows(struct pyro_diff *diff, struct order *order)
{
    size_t count = diff->row_count;
    uint32_t *ids = calloc(2 * count + 1, sizeof(*ids)), *place = ids + count;
    struct pyro_diff_row *sorted = calloc(count + 1, sizeof(*sorted));
    int result = ids && sorted ? 0 : -ENOMEM;
    if (result == 0) {
        for (uint32_t i = 0; i < count; i++)
            ids[i] = i;
        qsort_r(ids, count, sizeof(*ids), compare_rows, order);
        for (uint32_t i = 0; i < count; i++) {
            sorted[i] = diff->rows[ids[i]];
            place[ids[i]] = i;
        }
        for (size_t i = 0; i < diff->line_count; i++)
            diff->lines[i].row = place[diff->lines[i].row];
        for (size_t i = 0; i < diff->edge_count; i++) {
            struct pyro_diff_edge *edge = &diff->edges[i];
            edge->callee = place[edge->callee];
            edge->caller = edge->caller == PYRO_NO_ID ? PYRO_NO_ID : place[edge->caller];
        }
        struct pyro_diff_row *unsorted = diff->rows;
        diff->rows = sorted;
        sorted = unsorted;
    }
    free(ids);
    free(sorted);
    return result;
}

static int sort_all(struct pyro_diff *diff, enum pyro_diff_key key)
{
    struct order order = {diff, key};
    int result = sort_rows(diff, &order);
    if (result < 0)
        return result;
    if (diff->line_count)
        qsort_r(diff->lines, diff->line_count, sizeof(*diff->lines), compare_lines, &order);
    qsort_r(diff->edges, diff->edge_count, sizeof(*diff->edges), compare_edges, &order);
    return 0;
}

/* -- all of it ---------------------------------------------------------------------------------- */

static bool has_calls(const struct pyro_stats *stats)
{
    for (size_t i = 0; i < stats->row_count; i++)
        if (stats->rows[i].ncalls != PYRO_NO_CALLS)
            return true;
    return false;
}

static int make_stats(struct pyro_diff *diff, enum pyro_clock clock, struct pyro_error *error)
{
    const struct pyro_stats_options options = {.clock = clock, .thread = PYRO_NO_ID};
    for (int side = 0; side < PYRO_SIDES; side++) {
        int result = pyro_stats_make(diff->profile[side], &options, &diff->stats[side], error);
        if (result < 0)
            return result;
        diff->counted[side] = has_calls(diff->stats[side]);
    }
    return 0;
}

static int join(struct pyro_diff *diff, const struct pyro_diff_options *options)
{
    struct pyro_match match;
    decide_folding(diff);
    int result = match_functions(diff, &match);
    if (result < 0)
        return result;
    result = make_rows(diff, &match);
    if (result == 0)
        result = make_edges(diff, &match);
    if (result == 0)
        result = make_lines(diff, &match, options->clock);
    if (result == 0)
        result = sort_all(diff, options->sort);
    pyro_match_clear(&match);
    return result;
}

int pyro_diff_make(const struct pyro_profile *before, const struct pyro_profile *after,
                   const struct pyro_diff_options *options, struct pyro_diff **ret_diff,
                   struct pyro_error *error)
{
    struct pyro_diff *diff = calloc(1, sizeof(*diff));
    if (!diff)
        return pyro_error_set(error, -ENOMEM, "no memory");
    diff->profile[PYRO_BEFORE] = before;
    diff->profile[PYRO_AFTER] = after;
    diff->clock = options->clock;
    int result = make_stats(diff, options->clock, error);
    if (result == 0) {
        result = join(diff, options);
        if (result < 0)
            pyro_error_set(error, result, "cannot compare the recordings: %s", strerror(-result));
    }
    if (result < 0)
        pyro_diff_free(diff);
    else
        *ret_diff = diff;
    return result;
}

void pyro_diff_free(struct pyro_diff *diff)
{
    if (!diff)
        return;
    pyro_stats_free(diff->stats[PYRO_BEFORE]);
    pyro_stats_free(diff->stats[PYRO_AFTER]);
    free(diff->rows);
    free(diff->lines);
    free(diff->edges);
    free(diff);
}
