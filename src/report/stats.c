/* report/stats.c - the table: pstats' columns, and rows that add up to the duration. */
#include "report/internal.h"

#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <string.h>

#define FEW_SAMPLES     30     /* below this a time is shown with its error */
#define SHOWN_AS_ZERO_S 0.0005 /* below this three decimals would say 0.000 */
#define SMALL_SHARE     0.01   /* library rows below this are folded */
#define HOT_SHARE       0.10   /* own time from here on is coloured */
#define LABEL_BYTES     1024
#define MIN_LABEL       20
#define CELL_BYTES      48

/* How wide each column is; decided once for all rows. */
struct layout {
    const struct pyro_stats *stats;
    const struct pyro_report_table *table;
    const struct pyro_report_style *style;
    int calls, time, error, percall, label; /* columns; error 0: no row needs one */
};

/* -- cells -------------------------------------------------------------------------------------- */

static void time_cell(char *cell, double seconds)
{
    if (seconds < SHOWN_AS_ZERO_S)
        snprintf(cell, CELL_BYTES, "<0.001");
    else
        snprintf(cell, CELL_BYTES, "%.3f", seconds);
}

static void calls_cell(char *cell, const struct pyro_stats_row *row)
{
    if (row->ncalls == PYRO_NO_CALLS)
        snprintf(cell, CELL_BYTES, "-");
    else if (row->primitive_calls != PYRO_NO_CALLS && row->primitive_calls != row->ncalls)
        snprintf(cell, CELL_BYTES, "%" PRIu64 "/%" PRIu64, row->ncalls, row->primitive_calls);
    else
        snprintf(cell, CELL_BYTES, "%" PRIu64, row->ncalls);
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
    return row->tottime_s >= SHOWN_AS_ZERO_S && row->samples_self < FEW_SAMPLES;
}

static void error_cell(char *cell, const struct pyro_stats_row *row, bool utf8)
{
    double shown = row->tottime_sigma_s < 0.001 ? 0.001 : row->tottime_sigma_s;
    if (needs_error(row))
        snprintf(cell, CELL_BYTES, "%s%.3f", utf8 ? "\xc2\xb1" : "+-", shown);
    else
        snprintf(cell, CELL_BYTES, "%s", "");
}

static int cell_columns(const char *cell)
{
    int columns = 0;
    for (; *cell; cell++)
        columns += ((unsigned char)*cell & 0xc0) != 0x80;
    return columns;
}

static void print_cell(FILE *out, const char *cell, int columns)
{
    int pad = columns - cell_columns(cell);
    fprintf(out, "%*s%s ", pad > 0 ? pad : 0, "", cell);
}

/* -- rows --------------------------------------------------------------------------------------- */

static struct layout plan(const struct pyro_stats *stats, const struct pyro_report_table *table,
                          const struct pyro_report_style *style)
{
    struct layout layout = {.stats = stats, .table = table, .style = style};
    char cell[CELL_BYTES];
    time_cell(cell, stats->total_s + stats->parked_s);
    layout.time = cell_columns(cell) < 7 ? 7 : cell_columns(cell);
    layout.calls = 6;
    layout.percall = 7;
    for (size_t i = 0; i < stats->row_count; i++) {
        calls_cell(cell, &stats->rows[i]);
        if (cell_columns(cell) > layout.calls)
            layout.calls = cell_columns(cell);
        error_cell(cell, &stats->rows[i], style->utf8);
        if (*cell && cell_columns(cell) > layout.error)
            layout.error = cell_columns(cell);
    }
    int used = layout.calls + 2 * layout.time + 2 * layout.percall + 5 +
               (layout.error ? layout.error + 1 : 0);
    layout.label = style->width - used < MIN_LABEL ? MIN_LABEL : style->width - used;
    return layout;
}

/* A whole line; cells that are NULL stay empty. */
struct line {
    const char *ncalls, *tottime, *error, *percall_self, *cumtime, *percall_total, *label;
};

static void print_line(FILE *out, const struct layout *layout, const struct line *line,
                       enum pyro_ink ink)
{
    fputs(pyro_ink_on(layout->style, ink), out);
    print_cell(out, line->ncalls ? line->ncalls : "", layout->calls);
    print_cell(out, line->tottime ? line->tottime : "", layout->time);
    if (layout->error) /* left-aligned, so that the sign stands right behind the time */
        fprintf(out, "%s%*s", line->error ? line->error : "",
                layout->error + 1 - (line->error ? cell_columns(line->error) : 0), "");
    print_cell(out, line->percall_self ? line->percall_self : "", layout->percall);
    print_cell(out, line->cumtime ? line->cumtime : "", layout->time);
    print_cell(out, line->percall_total ? line->percall_total : "", layout->percall);
    fprintf(out, "%s%s\n", line->label, pyro_ink_off(layout->style, ink));
}

static void print_header(FILE *out, const struct layout *layout)
{
    const struct line header = {
        "ncalls", "tottime", "", "percall", "cumtime", "percall", "filename:lineno(function)"};
    print_line(out, layout, &header, PYRO_INK_BOLD);
}

static void print_row(FILE *out, const struct layout *layout, const struct pyro_stats_row *row,
                      enum pyro_ink ink)
{
    char calls[CELL_BYTES], tottime[CELL_BYTES], error[CELL_BYTES], cumtime[CELL_BYTES];
    char percall_self[CELL_BYTES], percall_total[CELL_BYTES], label[LABEL_BYTES];
    struct pyro_report_style narrow = *layout->style;
    narrow.width = layout->label;
    calls_cell(calls, row);
    time_cell(tottime, row->tottime_s);
    error_cell(error, row, layout->style->utf8);
    time_cell(cumtime, row->cumtime_s);
    percall_cell(percall_self, row->tottime_s, row->ncalls);
    percall_cell(percall_total, row->cumtime_s, row->primitive_calls);
    pyro_report_label(label, sizeof(label), layout->stats->profile, row->function, &narrow);
    const struct line line = {calls, tottime, error, percall_self, cumtime, percall_total, label};
    print_line(out, layout, &line, ink);
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
    return pyro_path_is_library(pyro_profile_text(profile, function->file),
                                profile->info.directory);
}

static enum pyro_ink ink_of(const struct layout *layout, const struct pyro_stats_row *row)
{
    return row->tottime_s >= HOT_SHARE * layout->stats->total_s ? PYRO_INK_HOT : PYRO_INK_PLAIN;
}

static struct rest print_rows(FILE *out, const struct layout *layout)
{
    struct rest rest = {0};
    size_t shown = 0;
    for (size_t i = 0; i < layout->stats->row_count; i++) {
        const struct pyro_stats_row *row = &layout->stats->rows[i];
        if (is_special(layout, row)) {
            rest.special++;
        } else if (is_folded(layout, row)) {
            rest.folded++;
            rest.folded_s += row->tottime_s;
        } else if (layout->table->limit && shown == layout->table->limit) {
            rest.cut++;
            rest.cut_s += row->tottime_s;
        } else {
            print_row(out, layout, row, ink_of(layout, row));
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

static bool any_uncounted(const struct pyro_stats *stats)
{
    for (size_t i = 0; i < stats->row_count; i++)
        if (stats->rows[i].ncalls == PYRO_NO_CALLS)
            return true;
    return false;
}

static void print_table(FILE *out, const struct layout *layout)
{
    print_header(out, layout);
    struct rest rest = print_rows(out, layout);
    print_rest(out, layout, &rest);
    bool wall = layout->stats->clock == PYRO_CLOCK_WALL;
    print_total(out, layout, wall && !layout->stats->idle);
    if (any_uncounted(layout->stats))
        fprintf(out,
                "%sncalls and percall are -: the program was sampled from outside, its calls were "
                "not counted%s\n",
                pyro_ink_on(layout->style, PYRO_INK_GREY),
                pyro_ink_off(layout->style, PYRO_INK_GREY));
}

/* -- callers and callees ------------------------------------------------------------------------ */

struct pattern {
    regex_t regex;
    const struct pyro_stats *stats;
    const struct pyro_report_style *style;
};

static int compile(struct pattern *pattern, const char *text, struct pyro_error *error)
{
    int result = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
    if (!result)
        return 0;
    char reason[128];
    regerror(result, &pattern->regex, reason, sizeof(reason));
    return pyro_error_set(error, -EINVAL, "bad regular expression '%s': %s", text, reason);
}

/* Against the label as it is shown and against the full path, so that either may be typed. */
static bool matches(const struct pattern *pattern, uint32_t function)
{
    char text[4096];
    pyro_report_standard_name(text, sizeof(text), pattern->stats->profile, function);
    if (regexec(&pattern->regex, text, 0, NULL, 0) == 0)
        return true;
    struct pyro_report_style wide = *pattern->style;
    wide.width = sizeof(text);
    pyro_report_label(text, sizeof(text), pattern->stats->profile, function, &wide);
    return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
}

static void print_edge(FILE *out, const struct layout *layout, const struct pyro_stats_edge *edge,
                       uint32_t shown, double whole_s)
{
    char calls[CELL_BYTES], time[CELL_BYTES], label[LABEL_BYTES];
    struct pyro_report_style narrow = *layout->style;
    narrow.width -= 4 + 10 + 1 + layout->time + 1 + 6 + 2;
    if (edge->ncalls == PYRO_NO_CALLS)
        snprintf(calls, sizeof(calls), "-");
    else
        snprintf(calls, sizeof(calls), "%" PRIu64, edge->ncalls);
    time_cell(time, edge->time_s);
    if (shown == PYRO_NO_ID)
        snprintf(label, sizeof(label), "<root>");
    else
        pyro_report_label(label, sizeof(label), layout->stats->profile, shown, &narrow);
    fprintf(out, "    %10s %*s %4.0f %%  %s\n", calls, layout->time, time,
            whole_s > 0 ? 100 * edge->time_s / whole_s : 0, label);
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
    size_t count;
    if (callers) {
        const struct pyro_stats_edge *edges = pyro_stats_callers(stats, row->function, &count);
        for (size_t i = 0; i < count; i++)
            print_edge(out, layout, &edges[i], edges[i].caller, row->cumtime_s);
        return;
    }
    bool any = false;
    for (size_t i = 0; i < stats->edge_count; i++)
        if (stats->edges[i].caller == row->function) {
            print_edge(out, layout, &stats->edges[i], stats->edges[i].callee, row->cumtime_s);
            any = true;
        }
    if (!any)
        fprintf(out, "    none was seen\n");
}

static int print_edges(FILE *out, const struct layout *layout, const char *text, bool callers,
                       struct pyro_error *error)
{
    struct pattern pattern = {.stats = layout->stats, .style = layout->style};
    int result = compile(&pattern, text, error);
    if (result < 0)
        return result;
    bool any = false;
    for (size_t i = 0; i < layout->stats->row_count; i++)
        if (matches(&pattern, layout->stats->rows[i].function)) {
            print_edges_of(out, layout, &layout->stats->rows[i], callers);
            any = true;
        }
    if (!any)
        fprintf(out, "\nno function matches '%s'\n", text);
    regfree(&pattern.regex);
    return 0;
}

int pyro_report_stats(FILE *out, const struct pyro_stats *stats,
                      const struct pyro_report_table *table, const struct pyro_report_style *style,
                      struct pyro_error *error)
{
    struct layout layout = plan(stats, table, style);
    int result = 0;
    if (!table->callers && !table->callees)
        print_table(out, &layout);
    if (table->callers)
        result = print_edges(out, &layout, table->callers, true, error);
    if (table->callees && result == 0)
        result = print_edges(out, &layout, table->callees, false, error);
    if (result == 0 && ferror(out))
        result = pyro_error_set(error, -EIO, "cannot write the report");
    return result;
}
