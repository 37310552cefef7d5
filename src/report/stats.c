/* report/stats.c - the table: pstats' columns, and rows that add up to the duration. */
#include "report/internal.h"

#include "profile/paths.h"
#include "profile/uncounted.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define FEW_SAMPLES     30     /* below this a time is shown with its error */
#define SHOWN_AS_ZERO_S 0.0005 /* below this three decimals would say 0.000 */
#define SMALL_SHARE     0.01   /* library rows below this are folded */
#define HOT_SHARE       0.10   /* own time from here on is coloured */
#define LABEL_BYTES     1024
#define MIN_LABEL       20
#define CELL_BYTES      48
#define MARK_COLUMNS    2

/* -- layout ------------------------------------------------------------------------------------- */

/* How wide each column is; decided once for all rows. */
struct layout {
    const struct pyro_stats *stats;
    const struct pyro_report_table *table;
    const struct pyro_report_style *style;
    const struct pyro_pattern *only;              /* table->only; NULL: every row */
    int mark, calls, time, error, percall, label; /* columns; mark, error 0: no row needs one */
};

/* -- cells -------------------------------------------------------------------------------------- */

static void time_cell(char *cell, double seconds)
{
    if (isnan(seconds))
        snprintf(cell, CELL_BYTES, "-");
    else if (seconds < SHOWN_AS_ZERO_S)
        snprintf(cell, CELL_BYTES, "<0.001");
    else
        snprintf(cell, CELL_BYTES, "%.3f", seconds);
}

/* "15/3": all calls, and the primitive ones where these are fewer. */
static void counts_cell(char *cell, uint64_t all, uint64_t primitive)
{
    if (all == PYRO_NO_CALLS)
        snprintf(cell, CELL_BYTES, "-");
    else if (primitive != PYRO_NO_CALLS && primitive != all)
        snprintf(cell, CELL_BYTES, "%" PRIu64 "/%" PRIu64, all, primitive);
    else
        snprintf(cell, CELL_BYTES, "%" PRIu64, all);
}

/* Calls; of a sampler's .prof file samples, as pstats has them there. */
static void calls_cell(char *cell, const struct pyro_stats *stats, const struct pyro_stats_row *row)
{
    if (stats->profile->timed_by_samples)
        counts_cell(cell, row->samples_total, row->samples_self);
    else
        counts_cell(cell, row->ncalls, row->primitive_calls);
}

static void percall_cell(char *cell, double seconds, uint64_t calls)
{
    if (calls == PYRO_NO_CALLS || calls == 0)
        snprintf(cell, CELL_BYTES, "-");
    else if (seconds / (double)calls < 0.0005)
        snprintf(cell, CELL_BYTES, "%.3gus", seconds * 1e6 / (double)calls);
    else
        snprintf(cell, CELL_BYTES, "%.3f", seconds / (double)calls);
}

static bool needs_error(const struct pyro_stats_row *row)
{
    return !row->timed && row->tottime_s >= SHOWN_AS_ZERO_S && row->samples_self < FEW_SAMPLES;
}

/* What counting cost was more than half of the time that was sampled: what is left is rough. */
static bool is_mostly_probe(const struct pyro_stats_row *row)
{
    return row->probe_s > row->tottime_s && row->probe_s >= SHOWN_AS_ZERO_S;
}

static void error_cell(char *cell, const struct pyro_stats_row *row, bool utf8)
{
    double shown = row->tottime_sigma_s < 0.001 ? 0.001 : row->tottime_sigma_s;
    if (needs_error(row))
        snprintf(cell, CELL_BYTES, "%s%.3f", utf8 ? "\xc2\xb1" : "+-", shown);
    else
        snprintf(cell, CELL_BYTES, "%s", is_mostly_probe(row) ? "~" : "");
}

/* -- rows --------------------------------------------------------------------------------------- */

static struct layout plan(const struct pyro_stats *stats, const struct pyro_report_table *table,
                          const struct pyro_report_style *style)
{
    struct layout layout = {.stats = stats, .table = table, .style = style};
    char cell[CELL_BYTES];
    time_cell(cell, stats->total_s + stats->parked_s);
    layout.time = pyro_cell_columns(cell) < 7 ? 7 : pyro_cell_columns(cell);
    layout.calls = stats->profile->timed_by_samples ? 8 : 6;
    layout.percall = 7;
    for (size_t i = 0; i < stats->row_count; i++) {
        calls_cell(cell, stats, &stats->rows[i]);
        if (pyro_cell_columns(cell) > layout.calls)
            layout.calls = pyro_cell_columns(cell);
        error_cell(cell, &stats->rows[i], style->utf8);
        if (*cell && pyro_cell_columns(cell) > layout.error)
            layout.error = pyro_cell_columns(cell);
        if (stats->rows[i].repeated_by != PYRO_NO_ID)
            layout.mark = MARK_COLUMNS;
    }
    int used = layout.mark + layout.calls + 2 * layout.time + 2 * layout.percall + 5 +
               (layout.error ? layout.error + 1 : 0);
    layout.label = style->width - used < MIN_LABEL ? MIN_LABEL : style->width - used;
    return layout;
}

/* A whole line; cells that are NULL stay empty. */
struct line {
    const char *mark, *ncalls, *tottime, *error, *percall_self, *cumtime, *percall_total, *label;
};

static void print_line(FILE *out, const struct layout *layout, const struct line *line,
                       enum pyro_ink ink)
{
    fputs(pyro_ink_on(layout->style, ink), out);
    if (layout->mark)
        fprintf(out, "%s ", line->mark ? line->mark : " ");
    pyro_cell_print(out, line->ncalls ? line->ncalls : "", layout->calls);
    pyro_cell_print(out, line->tottime ? line->tottime : "", layout->time);
    if (layout->error) /* left-aligned, so that the sign stands right behind the time */
        fprintf(out, "%s%*s", line->error ? line->error : "",
                layout->error + 1 - (line->error ? pyro_cell_columns(line->error) : 0), "");
    pyro_cell_print(out, line->percall_self ? line->percall_self : "", layout->percall);
    pyro_cell_print(out, line->cumtime ? line->cumtime : "", layout->time);
    pyro_cell_print(out, line->percall_total ? line->percall_total : "", layout->percall);
    fprintf(out, "%s%s\n", line->label, pyro_ink_off(layout->style, ink));
}

static void print_header(FILE *out, const struct layout *layout)
{
    bool samples = layout->stats->profile->timed_by_samples;
    const struct line header = {.ncalls = samples ? "nsamples" : "ncalls",
                                .tottime = "tottime",
                                .percall_self = "percall",
                                .cumtime = "cumtime",
                                .percall_total = "percall",
                                .label = "filename:lineno(function)"};
    print_line(out, layout, &header, PYRO_INK_BOLD);
}

static const char *mark_of(const struct layout *layout, const struct pyro_stats_row *row)
{
    if (row->repeated_by == PYRO_NO_ID)
        return NULL;
    return layout->style->utf8 ? "\xe2\x96\xb6" : ">";
}

/* Under its row: "x847 per call of order_list (views.py:45)". */
static void print_repeated(FILE *out, const struct layout *layout, const struct pyro_stats_row *row)
{
    const struct pyro_profile *profile = layout->stats->profile;
    const struct pyro_function *caller = &profile->functions[row->repeated_by];
    char name[LABEL_BYTES], file[LABEL_BYTES], label[2 * LABEL_BYTES + 64];
    pyro_report_fit(name, sizeof(name), pyro_profile_text(profile, caller->name), 60,
                    layout->style->utf8);
    pyro_report_fit(file, sizeof(file),
                    pyro_path_basename(pyro_profile_text(profile, caller->file)), 60,
                    layout->style->utf8);
    snprintf(label, sizeof(label), "x%" PRIu64 " per call of %s (%s:%u)", row->repeated, name, file,
             caller->first_line);
    const struct line line = {.label = label};
    print_line(out, layout, &line, PYRO_INK_HOT);
}

static void print_row(FILE *out, const struct layout *layout, const struct pyro_stats_row *row,
                      enum pyro_ink ink)
{
    char calls[CELL_BYTES], tottime[CELL_BYTES], error[CELL_BYTES], cumtime[CELL_BYTES];
    char percall_self[CELL_BYTES], percall_total[CELL_BYTES], label[LABEL_BYTES];
    struct pyro_report_style narrow = *layout->style;
    narrow.width = layout->label;
    calls_cell(calls, layout->stats, row);
    time_cell(tottime, row->tottime_s);
    error_cell(error, row, layout->style->utf8);
    time_cell(cumtime, row->cumtime_s);
    percall_cell(percall_self, row->tottime_s, row->ncalls);
    percall_cell(percall_total, row->cumtime_s, row->primitive_calls);
    pyro_report_label(label, sizeof(label), layout->stats->profile, row->function, &narrow);
    const struct line line = {mark_of(layout, row), calls,   tottime,       error,
                              percall_self,         cumtime, percall_total, label};
    print_line(out, layout, &line, ink);
    if (row->repeated_by != PYRO_NO_ID)
        print_repeated(out, layout, row);
}

static void print_sum(FILE *out, const struct layout *layout, double seconds, const char *label,
                      enum pyro_ink ink)
{
    char tottime[CELL_BYTES];
    time_cell(tottime, seconds);
    const struct line line = {.tottime = tottime, .label = label};
    print_line(out, layout, &line, ink);
}

/* What was not shown row by row, so that the column still adds up. */
struct rest {
    bool rough; /* a row that was shown has a ~ */
    size_t folded, cut, special;
    double folded_s, cut_s;
};

static bool is_special(const struct layout *layout, const struct pyro_stats_row *row)
{
    return layout->stats->profile->functions[row->function].kind == PYRO_FUNCTION_SPECIAL;
}

static bool is_folded(const struct layout *layout, const struct pyro_stats_row *row)
{
    const struct pyro_profile *profile = layout->stats->profile;
    const struct pyro_function *function = &profile->functions[row->function];
    if (!layout->table->fold_libraries || function->kind != PYRO_FUNCTION_PYTHON ||
        row->cumtime_s >= SMALL_SHARE * layout->stats->total_s)
        return false;
    return pyro_path_is_library(pyro_profile_text(profile, function->file));
}

static enum pyro_ink ink_of(const struct layout *layout, const struct pyro_stats_row *row)
{
    return row->tottime_s >= HOT_SHARE * layout->stats->total_s ? PYRO_INK_HOT : PYRO_INK_PLAIN;
}

/* Whether table->only lets it through. */
static bool is_wanted(const struct layout *layout, const struct pyro_stats_row *row)
{
    return !layout->only || pyro_pattern_matches(layout->only, layout->stats->profile,
                                                 row->function, layout->style->directory);
}

/* How many rows to show at most. */
static size_t row_limit(const struct layout *layout)
{
    const struct pyro_report_limit *limit = &layout->table->limit;
    if (limit->share <= 0)
        return limit->rows ? limit->rows : SIZE_MAX;
    size_t rows = 0;
    for (size_t i = 0; i < layout->stats->row_count; i++) {
        const struct pyro_stats_row *row = &layout->stats->rows[i];
        rows += !is_special(layout, row) && !is_folded(layout, row) && is_wanted(layout, row);
    }
    return (size_t)((double)rows * limit->share + 0.5); /* as pstats rounds */
}

static struct rest print_rows(FILE *out, const struct layout *layout)
{
    struct rest rest = {0};
    size_t shown = 0, limit = row_limit(layout);
    for (size_t i = 0; i < layout->stats->row_count; i++) {
        const struct pyro_stats_row *row = &layout->stats->rows[i];
        if (is_special(layout, row)) {
            rest.special++;
        } else if (is_folded(layout, row)) {
            rest.folded++;
            rest.folded_s += row->tottime_s;
        } else if (shown == limit || !is_wanted(layout, row)) {
            rest.cut++;
            rest.cut_s += row->tottime_s;
        } else {
            print_row(out, layout, row, ink_of(layout, row));
            rest.rough |= is_mostly_probe(row);
            shown++;
        }
    }
    return rest;
}

/* Grey: sums of what is not shown, and what is no function. */
static void print_rest(FILE *out, const struct layout *layout, const struct rest *rest)
{
    const struct pyro_stats *stats = layout->stats;
    char label[128];
    if (rest->cut) {
        snprintf(label, sizeof(label), "[%zu more function%s]", rest->cut,
                 rest->cut == 1 ? "" : "s");
        print_sum(out, layout, rest->cut_s, label, PYRO_INK_GREY);
    }
    if (rest->folded) {
        snprintf(label, sizeof(label), "[%zu library function%s below 1 %%]", rest->folded,
                 rest->folded == 1 ? "" : "s");
        print_sum(out, layout, rest->folded_s, label, PYRO_INK_GREY);
    }
    for (size_t i = 0; rest->special && i < stats->row_count; i++)
        if (is_special(layout, &stats->rows[i]))
            print_row(out, layout, &stats->rows[i], PYRO_INK_GREY);
    if (stats->no_python_s > 0)
        print_sum(out, layout, stats->no_python_s, "[no Python frame]", PYRO_INK_GREY);
}

static const char *clock_words(enum pyro_clock clock)
{
    switch (clock) {
    case PYRO_CLOCK_CPU:
        return " of CPU time";
    case PYRO_CLOCK_GIL:
        return " with the GIL held";
    case PYRO_CLOCK_WAIT:
        return " of waiting";
    case PYRO_CLOCK_WALL:
        break;
    }
    return "";
}

static void print_total(FILE *out, const struct layout *layout, bool parked_apart)
{
    const struct pyro_stats *stats = layout->stats;
    double total_s = stats->total_s;
    char label[160], duration[CELL_BYTES];
    if (parked_apart && stats->parked_s > 0) {
        print_sum(out, layout, stats->parked_s, "[parked threads]", PYRO_INK_GREY);
        total_s += stats->parked_s;
    }
    pyro_summary_duration(duration, sizeof(duration), stats->duration_s);
    if (stats->profile->thread_count > 1)
        snprintf(label, sizeof(label), "total%s over all threads; recorded for %s",
                 clock_words(stats->clock), duration);
    else
        snprintf(label, sizeof(label), "total%s", clock_words(stats->clock));
    print_sum(out, layout, total_s, label, PYRO_INK_BOLD);
}

#define LIVES_SHOWN 5

/* Generators and coroutines that were suspended most of their lives, the largest sums first. */
static size_t find_lives(const struct pyro_stats *stats, const struct pyro_stats_row **found)
{
    size_t count = 0;
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_stats_row *row = &stats->rows[i];
        if (!row->lives || row->life_s < 2 * row->cumtime_s || row->life_s < SHOWN_AS_ZERO_S)
            continue;
        size_t at = count < LIVES_SHOWN ? count++ : LIVES_SHOWN - 1;
        if (at == LIVES_SHOWN - 1 && count == LIVES_SHOWN && found[at] &&
            found[at]->life_s >= row->life_s)
            continue;
        for (; at > 0 && found[at - 1]->life_s < row->life_s; at--)
            found[at] = found[at - 1];
        found[at] = row;
    }
    return count;
}

/* "from start to finish, suspended or not: fetch 300 x 0.120 s, ..." */
static void print_lives(FILE *out, const struct layout *layout)
{
    const struct pyro_stats_row *rows[LIVES_SHOWN] = {0};
    const struct pyro_profile *profile = layout->stats->profile;
    size_t count = find_lives(layout->stats, rows);
    for (size_t i = 0; i < count; i++) {
        char name[128], each[CELL_BYTES];
        const char *text = pyro_profile_text(profile, profile->functions[rows[i]->function].name);
        pyro_report_fit(name, sizeof(name), text, 40, layout->style->utf8);
        percall_cell(each, rows[i]->life_s, rows[i]->lives);
        fprintf(out, "%s%s %" PRIu64 " x %s%s", i ? ", " : "from start to finish: ", name,
                rows[i]->lives, each, strchr(each, 'u') ? "" : " s");
    }
    if (count)
        fputc('\n', out);
}

static void print_table(FILE *out, const struct layout *layout)
{
    print_header(out, layout);
    struct rest rest = print_rows(out, layout);
    print_rest(out, layout, &rest);
    bool wall = layout->stats->clock == PYRO_CLOCK_WALL;
    print_total(out, layout, wall && !layout->stats->idle);
    if (rest.rough)
        fprintf(out, "%s~ more than half of the time %s%s\n",
                pyro_ink_on(layout->style, PYRO_INK_GREY),
                layout->stats->traced ? "measured there was tracing"
                                      : "sampled there was the counting of calls",
                pyro_ink_off(layout->style, PYRO_INK_GREY));
    print_lives(out, layout);
    struct pyro_uncounted uncounted;
    pyro_uncounted_make(&uncounted, layout->stats->profile);
    if (uncounted.nothing)
        fprintf(out, "%sncalls and percall are -: %s%s\n",
                pyro_ink_on(layout->style, PYRO_INK_GREY), uncounted.lines[0],
                pyro_ink_off(layout->style, PYRO_INK_GREY));
}

/* -- callers and callees ------------------------------------------------------------------------ */

/* Counts and times of EDGE; its time alone is what a sampler knows. */
static void print_edge_figures(FILE *out, const struct layout *layout,
                               const struct pyro_stats_edge *edge)
{
    const struct pyro_profile *profile = layout->stats->profile;
    char calls[CELL_BYTES], self[CELL_BYTES], time[CELL_BYTES];
    counts_cell(calls, profile->timed_by_samples ? edge->samples : edge->ncalls,
                edge->primitive_calls);
    time_cell(self, edge->self_s);
    time_cell(time, edge->time_s);
    fprintf(out, "    %10s ", calls);
    if (profile->timed)
        pyro_cell_print(out, self, layout->time);
    pyro_cell_print(out, time, layout->time);
}

/* What part of ROW the edge is; "-" when not known. */
static void share_cell(char *cell, const struct pyro_stats_edge *edge,
                       const struct pyro_stats_row *row, bool by_samples)
{
    double part = by_samples ? (double)edge->samples : edge->time_s;
    double whole = by_samples ? (double)row->samples_total : row->cumtime_s;
    if (isnan(part))
        snprintf(cell, CELL_BYTES, "-");
    else
        snprintf(cell, CELL_BYTES, "%.0f %%", whole > 0 ? 100 * part / whole : 0);
}

static void print_edge(FILE *out, const struct layout *layout, const struct pyro_stats_edge *edge,
                       uint32_t shown, const struct pyro_stats_row *row)
{
    const struct pyro_profile *profile = layout->stats->profile;
    char share[CELL_BYTES], label[LABEL_BYTES];
    struct pyro_report_style narrow = *layout->style;
    narrow.width -= 4 + 10 + 1 + (layout->time + 1) * (profile->timed ? 2 : 1) + 6 + 2;
    print_edge_figures(out, layout, edge);
    share_cell(share, edge, row, profile->timed_by_samples);
    if (shown == PYRO_NO_ID)
        snprintf(label, sizeof(label), "<root>");
    else
        pyro_report_label(label, sizeof(label), profile, shown, &narrow);
    fprintf(out, "%6s  %s\n", share, label);
}

/* pstats' heading, where there is more than one time. */
static void print_edge_header(FILE *out, const struct layout *layout)
{
    const struct pyro_profile *profile = layout->stats->profile;
    if (!profile->timed)
        return;
    fprintf(out, "    %10s ", profile->timed_by_samples ? "nsamples" : "ncalls");
    pyro_cell_print(out, "tottime", layout->time);
    fprintf(out, "%*s\n", layout->time, "cumtime");
}

static void print_edges_of(FILE *out, const struct layout *layout, const struct pyro_stats_row *row,
                           bool callers)
{
    const struct pyro_stats *stats = layout->stats;
    char label[LABEL_BYTES];
    pyro_report_label(label, sizeof(label), stats->profile, row->function, layout->style);
    fprintf(out, "\n%s%s of%s %s   %.3f s\n", pyro_ink_on(layout->style, PYRO_INK_BOLD),
            callers ? "callers" : "callees", pyro_ink_off(layout->style, PYRO_INK_BOLD), label,
            row->cumtime_s);
    print_edge_header(out, layout);
    size_t count;
    if (callers) {
        const struct pyro_stats_edge *edges = pyro_stats_callers(stats, row->function, &count);
        for (size_t i = 0; i < count; i++)
            print_edge(out, layout, &edges[i], edges[i].caller, row);
        if (!count)
            fprintf(out, "    none was seen\n");
        return;
    }
    bool any = false;
    for (size_t i = 0; i < stats->edge_count; i++)
        if (stats->edges[i].caller == row->function) {
            print_edge(out, layout, &stats->edges[i], stats->edges[i].callee, row);
            any = true;
        }
    if (!any)
        fprintf(out, "    none was seen\n");
}

static int print_edges(FILE *out, const struct layout *layout, const char *text, bool callers,
                       struct pyro_error *error)
{
    struct pyro_pattern pattern;
    int result = pyro_pattern_compile(&pattern, text, error);
    if (result < 0)
        return result;
    bool any = false;
    for (size_t i = 0; i < layout->stats->row_count; i++)
        if (pyro_pattern_matches(&pattern, layout->stats->profile, layout->stats->rows[i].function,
                                 layout->style->directory)) {
            print_edges_of(out, layout, &layout->stats->rows[i], callers);
            any = true;
        }
    if (!any)
        fprintf(out, "\nno function matches '%s'\n", text);
    pyro_pattern_free(&pattern);
    return 0;
}

static int print_filtered_table(FILE *out, struct layout *layout, struct pyro_error *error)
{
    struct pyro_pattern only;
    if (layout->table->only) {
        int result = pyro_pattern_compile(&only, layout->table->only, error);
        if (result < 0)
            return result;
        layout->only = &only;
    }
    print_table(out, layout);
    if (layout->only)
        pyro_pattern_free(&only);
    layout->only = NULL;
    return 0;
}

int pyro_report_stats(FILE *out, const struct pyro_stats *stats,
                      const struct pyro_report_table *table, const struct pyro_report_style *style,
                      struct pyro_error *error)
{
    struct layout layout = plan(stats, table, style);
    int result = 0;
    if (!table->callers && !table->callees)
        result = print_filtered_table(out, &layout, error);
    if (table->callers)
        result = print_edges(out, &layout, table->callers, true, error);
    if (table->callees && result == 0)
        result = print_edges(out, &layout, table->callees, false, error);
    if (result == 0 && ferror(out))
        result = pyro_error_set(error, -EIO, "cannot write the report");
    return result;
}
