/* report/diff.c - the table of `pyrometer diff`.
 *
 * Every line is filled twice: to learn how wide its cells are, and to print it. */
#include "report/diff.h"

#include "analyze/route.h"
#include "profile/paths.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define CELL_BYTES      64
#define LABEL_BYTES     1024
#define MIN_LABEL       20
#define SHOWN_AS_ZERO_S 0.0005
#define NAME_COLUMNS    40
#define ROUTE_COLUMNS   50
#define ROUTE_FRAMES    2

enum column { BEFORE, AFTER, CHANGE, ERROR, RELATIVE, OTHER, CALLS, COLUMNS };

struct line {
    char cell[COLUMNS][CELL_BYTES];
    char label[LABEL_BYTES];
    enum pyro_ink ink;
};

struct layout {
    const struct pyro_diff *diff;
    const struct pyro_diff_table *table;
    const struct pyro_report_style *style;
    const struct pyro_pattern *only; /* NULL: every row */
    int width[COLUMNS];              /* 0: the column is left out */
    int label;
    bool unsure; /* a line that is shown has a ~ */
};

/* -- cells -------------------------------------------------------------------------------------- */

static void time_cell(char *cell, double seconds, bool there)
{
    if (!there || isnan(seconds))
        snprintf(cell, CELL_BYTES, "-");
    else if (seconds < SHOWN_AS_ZERO_S)
        snprintf(cell, CELL_BYTES, seconds > 0 ? "<0.001" : "0");
    else
        snprintf(cell, CELL_BYTES, "%.3f", seconds);
}

static void change_cell(char *cell, double seconds)
{
    if (isnan(seconds))
        snprintf(cell, CELL_BYTES, "-");
    else if (fabs(seconds) < SHOWN_AS_ZERO_S)
        snprintf(cell, CELL_BYTES, "0");
    else
        snprintf(cell, CELL_BYTES, "%+.3f", seconds);
}

/* "~" behind a move that may be chance, then its standard error. */
static void error_cell(char *cell, const struct pyro_move *move, bool utf8)
{
    bool shown = !isnan(move->change) && fabs(move->change) >= SHOWN_AS_ZERO_S && move->sigma > 0;
    if (!shown)
        snprintf(cell, CELL_BYTES, "%s", "");
    else
        snprintf(cell, CELL_BYTES, "%s%s%.3f", move->sure ? " " : "~", utf8 ? "\xc2\xb1" : "+-",
                 move->sigma < 0.001 ? 0.001 : move->sigma);
}

static void relative_cell(char *cell, const struct pyro_diff_figures side[PYRO_SIDES],
                          const struct pyro_move *move)
{
    if (!side[PYRO_BEFORE].there || !side[PYRO_AFTER].there)
        snprintf(cell, CELL_BYTES, side[PYRO_AFTER].there ? "new" : "gone");
    else if (isnan(move->change) || !(move->before > 0))
        snprintf(cell, CELL_BYTES, "-");
    else if (move->after < 10 * move->before)
        snprintf(cell, CELL_BYTES, "%+.0f%%", 100 * move->change / move->before);
    else
        snprintf(cell, CELL_BYTES, "x%.3g", move->after / move->before);
}

static void put_count(char *text, uint64_t calls)
{
    if (calls == PYRO_NO_CALLS)
        snprintf(text, CELL_BYTES / 2 - 4, "-");
    else
        snprintf(text, CELL_BYTES / 2 - 4, "%" PRIu64, calls);
}

/* "847", "847->2". */
static void calls_cell(char *cell, const struct pyro_diff_figures side[PYRO_SIDES], bool utf8)
{
    char before[CELL_BYTES / 2 - 4], after[CELL_BYTES / 2 - 4];
    put_count(before, side[PYRO_BEFORE].ncalls);
    put_count(after, side[PYRO_AFTER].ncalls);
    if (strcmp(before, after) == 0)
        snprintf(cell, CELL_BYTES, "%s", before);
    else
        snprintf(cell, CELL_BYTES, "%s%s%s", before, utf8 ? "\xe2\x86\x92" : "->", after);
}

/* -- lines of the table ------------------------------------------------------------------------- */

/* Is the time in the functions themselves what the table is about? */
static bool is_about_self(const struct layout *layout)
{
    return layout->table->by == PYRO_DIFF_FUNCTIONS &&
           layout->table->key != PYRO_DIFF_BY_CUMULATIVE;
}

static void fill_figures(struct line *line, const struct layout *layout,
                         const struct pyro_diff_figures side[PYRO_SIDES])
{
    bool self = is_about_self(layout), utf8 = layout->style->utf8;
    struct pyro_move move = pyro_diff_time(side, !self), other = pyro_diff_time(side, self);
    time_cell(line->cell[BEFORE], move.before, side[PYRO_BEFORE].there);
    time_cell(line->cell[AFTER], move.after, side[PYRO_AFTER].there);
    change_cell(line->cell[CHANGE], move.change);
    error_cell(line->cell[ERROR], &move, utf8);
    relative_cell(line->cell[RELATIVE], side, &move);
    if (layout->table->by == PYRO_DIFF_FUNCTIONS)
        change_cell(line->cell[OTHER], other.change);
    if (layout->table->by != PYRO_DIFF_LINES)
        calls_cell(line->cell[CALLS], side, utf8);
    line->ink = move.sure ? PYRO_INK_PLAIN : PYRO_INK_GREY;
}

static void put_function(char *text, size_t size, const struct layout *layout, uint32_t row_id,
                         int columns)
{
    const struct pyro_diff_row *row = &layout->diff->rows[row_id];
    int side;
    uint32_t function = pyro_diff_function(row, &side);
    const struct pyro_profile *profile = layout->diff->profile[side];
    struct pyro_report_style style = *layout->style;
    char several[64] = "";
    const uint32_t *count = row->match.count;
    if (count[PYRO_BEFORE] > 1 || count[PYRO_AFTER] > 1)
        snprintf(several, sizeof(several), " %u, then %u", count[PYRO_BEFORE], count[PYRO_AFTER]);
    int room = columns - (int)strlen(several);
    style.directory = profile->info.directory;
    style.width = room > 8 ? room : 8;
    pyro_report_label(text, size, profile, function, &style);
    snprintf(text + strlen(text), size - strlen(text), "%s", several);
}

static void put_edge(char *text, size_t size, const struct layout *layout,
                     const struct pyro_diff_edge *edge)
{
    const char *arrow = layout->style->utf8 ? " \xe2\x86\x92 " : " -> ";
    char caller[LABEL_BYTES / 3] = "<root>", callee[LABEL_BYTES / 2];
    int columns = layout->label - 4;
    if (edge->caller != PYRO_NO_ID)
        put_function(caller, sizeof(caller), layout, edge->caller, columns / 2);
    put_function(callee, sizeof(callee), layout, edge->callee, columns - pyro_cell_columns(caller));
    snprintf(text, size, "%s%s%s", caller, arrow, callee);
}

/* "views.py:16  for order in orders:" */
static void put_line(char *text, size_t size, const struct layout *layout,
                     const struct pyro_diff_line *line)
{
    int side;
    pyro_diff_function(&layout->diff->rows[line->row], &side);
    side = line->line[PYRO_AFTER] ? PYRO_AFTER : line->line[PYRO_BEFORE] ? PYRO_BEFORE : side;
    const struct pyro_profile *profile = layout->diff->profile[side];
    uint32_t function = layout->diff->rows[line->row].match.function[side];
    const char *file = pyro_profile_text(profile, profile->functions[function].file);
    char whole[LABEL_BYTES];
    snprintf(whole, sizeof(whole), "%s:%u  %s", pyro_path_short(file, profile->info.directory),
             line->line[side], line->source[side] ? line->source[side] : "");
    if (pyro_cell_columns(whole) > layout->label) /* the source tells more than the folders */
        snprintf(whole, sizeof(whole), "%s:%u  %s", pyro_path_basename(file), line->line[side],
                 line->source[side] ? line->source[side] : "");
    pyro_report_fit(text, size, whole, (size_t)layout->label, layout->style->utf8);
}

static const struct pyro_diff_figures *figures_of(const struct layout *layout, size_t i)
{
    switch (layout->table->by) {
    case PYRO_DIFF_LINES:
        return layout->diff->lines[i].side;
    case PYRO_DIFF_EDGES:
        return layout->diff->edges[i].side;
    default:
        return layout->diff->rows[i].side;
    }
}

static size_t count_of(const struct layout *layout)
{
    switch (layout->table->by) {
    case PYRO_DIFF_LINES:
        return layout->diff->line_count;
    case PYRO_DIFF_EDGES:
        return layout->diff->edge_count;
    default:
        return layout->diff->row_count;
    }
}

static void fill_label(struct line *line, const struct layout *layout, size_t i)
{
    switch (layout->table->by) {
    case PYRO_DIFF_LINES:
        put_line(line->label, sizeof(line->label), layout, &layout->diff->lines[i]);
        break;
    case PYRO_DIFF_EDGES:
        put_edge(line->label, sizeof(line->label), layout, &layout->diff->edges[i]);
        break;
    default:
        put_function(line->label, sizeof(line->label), layout, (uint32_t)i, layout->label);
    }
}

static bool row_matches(const struct layout *layout, uint32_t row)
{
    int side;
    if (row == PYRO_NO_ID)
        return false;
    uint32_t function = pyro_diff_function(&layout->diff->rows[row], &side);
    const struct pyro_profile *profile = layout->diff->profile[side];
    return pyro_pattern_matches(layout->only, profile, function, profile->info.directory);
}

static bool is_wanted(const struct layout *layout, size_t i)
{
    const struct pyro_diff_figures *side = figures_of(layout, i);
    if (!side[PYRO_BEFORE].there && !side[PYRO_AFTER].there)
        return false; /* a caller that nothing else is known of */
    if (!layout->only)
        return true;
    if (layout->table->by == PYRO_DIFF_LINES)
        return row_matches(layout, layout->diff->lines[i].row);
    if (layout->table->by == PYRO_DIFF_EDGES)
        return row_matches(layout, layout->diff->edges[i].caller) ||
               row_matches(layout, layout->diff->edges[i].callee);
    return row_matches(layout, (uint32_t)i);
}

/* -- printing ----------------------------------------------------------------------------------- */

static void print_line(FILE *out, const struct layout *layout, const struct line *line)
{
    fputs(pyro_ink_on(layout->style, line->ink), out);
    for (int i = 0; i < COLUMNS; i++) {
        int pad = layout->width[i] - pyro_cell_columns(line->cell[i]);
        if (layout->width[i] && i == ERROR) /* right behind the change */
            fprintf(out, "%s%*s ", line->cell[i], pad > 0 ? pad : 0, "");
        else if (layout->width[i])
            pyro_cell_print(out, line->cell[i], layout->width[i]);
    }
    fprintf(out, "%s%s\n", line->label, pyro_ink_off(layout->style, line->ink));
}

static struct line header_of(const struct layout *layout)
{
    static const char *const labels[] = {"filename:lineno(function)", "line", "caller and callee"};
    struct line header = {.ink = PYRO_INK_BOLD};
    snprintf(header.cell[BEFORE], CELL_BYTES, "before");
    snprintf(header.cell[AFTER], CELL_BYTES, "after");
    snprintf(header.cell[CHANGE], CELL_BYTES, is_about_self(layout) ? "tottime" : "cumtime");
    if (layout->table->by == PYRO_DIFF_FUNCTIONS)
        snprintf(header.cell[OTHER], CELL_BYTES, is_about_self(layout) ? "cumtime" : "tottime");
    if (layout->table->by != PYRO_DIFF_LINES)
        snprintf(header.cell[CALLS], CELL_BYTES, "ncalls");
    snprintf(header.label, sizeof(header.label), "%s", labels[layout->table->by]);
    return header;
}

static struct line sum_of(const double seconds[PYRO_SIDES], const char *label, enum pyro_ink ink)
{
    struct line line = {.ink = ink};
    const struct pyro_diff_figures side[PYRO_SIDES] = {
        {.there = true, .self_s = seconds[PYRO_BEFORE]},
        {.there = true, .self_s = seconds[PYRO_AFTER]},
    };
    struct pyro_move move = pyro_diff_time(side, false);
    time_cell(line.cell[BEFORE], move.before, true);
    time_cell(line.cell[AFTER], move.after, true);
    change_cell(line.cell[CHANGE], move.change);
    relative_cell(line.cell[RELATIVE], side, &move);
    snprintf(line.label, sizeof(line.label), "%s", label);
    return line;
}

static void widen(struct layout *layout, const struct line *line)
{
    for (int i = 0; i < COLUMNS; i++)
        if (pyro_cell_columns(line->cell[i]) > layout->width[i])
            layout->width[i] = pyro_cell_columns(line->cell[i]);
}

/* How many lines are shown, of those that are wanted. */
static size_t limit_of(const struct layout *layout, size_t wanted)
{
    const struct pyro_report_limit *limit = &layout->table->limit;
    if (limit->share > 0)
        return (size_t)((double)wanted * limit->share + 0.5);
    return limit->rows && limit->rows < wanted ? limit->rows : wanted;
}

static size_t count_wanted(const struct layout *layout)
{
    size_t count = 0;
    for (size_t i = 0; i < count_of(layout); i++)
        count += is_wanted(layout, i);
    return count;
}

struct rest {
    size_t shown, left;
    double left_s[PYRO_SIDES]; /* in these functions themselves */
};

/* "shop.py:7(read_order)", with the line it was at. */
static void put_place(char *text, size_t size, const struct layout *layout,
                      const struct pyro_profile *profile, uint32_t stack)
{
    const struct pyro_frame *frame = &profile->frames[profile->stacks[stack].frame];
    const struct pyro_function *function = &profile->functions[frame->function];
    char whole[LABEL_BYTES];
    snprintf(whole, sizeof(whole), "%s:%u(%s)",
             pyro_path_short(pyro_profile_text(profile, function->file), profile->info.directory),
             frame->line, pyro_profile_text(profile, function->name));
    pyro_report_fit(text, size, whole, ROUTE_COLUMNS, layout->style->utf8);
}

/* The frames between the program's own and the function itself that are nearest to the function, but in another file. Their number. */
static size_t between(const struct pyro_profile *profile, const struct pyro_route *route,
                      uint32_t found[ROUTE_FRAMES])
{
    uint32_t last = profile->functions[pyro_profile_function_of(profile, route->leaf)].file;
    size_t count = 0;
    uint32_t stack = profile->stacks[route->leaf].parent;
    for (; stack != route->own && stack != PYRO_STACK_ROOT && count < ROUTE_FRAMES;
         stack = profile->stacks[stack].parent)
        if (profile->functions[pyro_profile_function_of(profile, stack)].file != last)
            found[count++] = stack;
    return count;
}

/* Under a function of a library's that got most of what came: who of the program's own called for it, by which way. */
static void print_route(FILE *out, const struct layout *layout, size_t row)
{
    const struct pyro_profile *profile = layout->diff->profile[PYRO_AFTER];
    const struct pyro_match_row *match = &layout->diff->rows[row].match;
    struct pyro_move move = pyro_diff_time(layout->diff->rows[row].side, false);
    uint32_t function = match->function[PYRO_AFTER], frames[ROUTE_FRAMES];
    struct pyro_route route;
    char place[LABEL_BYTES];
    if (!move.sure || move.change < 0 || match->count[PYRO_AFTER] != 1 ||
        !pyro_path_is_library(pyro_profile_text(profile, profile->functions[function].file)) ||
        pyro_route_find(profile, layout->diff->clock, function, &route) < 0 ||
        route.own == PYRO_STACK_ROOT)
        return;
    put_place(place, sizeof(place), layout, profile, route.own);
    fprintf(out, "%s    %.0f %% of it by %s", pyro_ink_on(layout->style, PYRO_INK_GREY),
            100 * route.share, place);
    size_t count = between(profile, &route, frames);
    for (size_t i = count; i-- > 0;) {
        put_place(place, sizeof(place), layout, profile, frames[i]);
        fprintf(out, "%s%s", i + 1 == count ? ", through " : ", ", place);
    }
    fprintf(out, "%s\n", pyro_ink_off(layout->style, PYRO_INK_GREY));
}

/* Over all lines: what is shown goes to OUT, or where that is NULL its widths into LAYOUT. */
static struct rest go_over(FILE *out, struct layout *layout, size_t shown)
{
    struct rest rest = {0};
    for (size_t i = 0; i < count_of(layout); i++) {
        const struct pyro_diff_figures *side = figures_of(layout, i);
        if (rest.shown == shown || !is_wanted(layout, i)) {
            rest.left += side[PYRO_BEFORE].there || side[PYRO_AFTER].there;
            rest.left_s[PYRO_BEFORE] += side[PYRO_BEFORE].self_s;
            rest.left_s[PYRO_AFTER] += side[PYRO_AFTER].self_s;
            continue;
        }
        struct line line = {.label = ""};
        rest.shown++;
        fill_figures(&line, layout, side);
        layout->unsure |= line.cell[ERROR][0] == '~';
        if (!out) {
            widen(layout, &line);
            continue;
        }
        fill_label(&line, layout, i);
        print_line(out, layout, &line);
        if (rest.shown == 1 && is_about_self(layout))
            print_route(out, layout, i);
    }
    return rest;
}

/* Times in functions themselves add up; those with what they called do not. */
static void print_sums(FILE *out, const struct layout *layout, const struct rest *rest)
{
    static const char *const things[] = {"function", "line", "pair"};
    const struct pyro_stats *const *stats = (const struct pyro_stats *const *)layout->diff->stats;
    double none_s[PYRO_SIDES] = {stats[PYRO_BEFORE]->no_python_s, stats[PYRO_AFTER]->no_python_s};
    double total_s[PYRO_SIDES] = {stats[PYRO_BEFORE]->total_s, stats[PYRO_AFTER]->total_s};
    char label[128];
    struct line line = {.ink = PYRO_INK_GREY};
    snprintf(label, sizeof(label), "[%zu %s %s%s]", rest->left, layout->only ? "other" : "more",
             things[layout->table->by], rest->left == 1 ? "" : "s");
    if (rest->left && is_about_self(layout)) {
        line = sum_of(rest->left_s, label, PYRO_INK_GREY);
        print_line(out, layout, &line);
    } else if (rest->left) {
        snprintf(line.label, sizeof(line.label), "%s", label);
        print_line(out, layout, &line);
    }
    if (is_about_self(layout) && (none_s[PYRO_BEFORE] > 0 || none_s[PYRO_AFTER] > 0)) {
        line = sum_of(none_s, "[no Python frame]", PYRO_INK_GREY);
        print_line(out, layout, &line);
    }
    line = sum_of(total_s, "total", PYRO_INK_BOLD);
    print_line(out, layout, &line);
}

/* -- around the table --------------------------------------------------------------------------- */

static void print_side(FILE *out, const struct layout *layout, int side)
{
    const struct pyro_stats *stats = layout->diff->stats[side];
    const struct pyro_profile *profile = layout->diff->profile[side];
    const char *python = profile->info.python;
    char name[256], duration[32], split[256] = "";
    double seconds = profile->timed ? stats->total_s : stats->duration_s;
    pyro_report_fit(name, sizeof(name), layout->table->names[side], NAME_COLUMNS,
                    layout->style->utf8);
    pyro_summary_duration(duration, sizeof(duration), seconds);
    if (!profile->timed)
        pyro_summary_split(split, sizeof(split), &stats->summary, layout->style->utf8);
    fprintf(out, "%s%-6s  %s  %s%s%s%s%s%s\n", pyro_ink_on(layout->style, PYRO_INK_BOLD),
            side == PYRO_BEFORE ? "before" : "after", name, duration, *split ? "   " : "", split,
            pyro_ink_off(layout->style, PYRO_INK_BOLD), python && *python ? "   python " : "",
            python && *python ? python : "");
}

size_t pyro_diff_notes(const struct pyro_diff *diff, const char *notes[PYRO_DIFF_NOTES])
{
    const struct pyro_profile *before = diff->profile[PYRO_BEFORE];
    const struct pyro_profile *after = diff->profile[PYRO_AFTER];
    const char *before_python = before->info.python, *after_python = after->info.python;
    bool before_timed = diff->stats[PYRO_BEFORE]->traced || before->timed;
    bool after_timed = diff->stats[PYRO_AFTER]->traced || after->timed;
    size_t count = 0;
    if (!diff->stats[PYRO_BEFORE]->row_count)
        notes[count++] = "before holds no function at all: everything is new";
    if (!diff->stats[PYRO_AFTER]->row_count)
        notes[count++] = "after holds no function at all: everything is gone";
    if (before_timed != after_timed)
        notes[count++] = "one was timed call by call, the other sampled: a tracer's own cost is no "
                         "change of the program";
    if (diff->folded_c[PYRO_BEFORE] || diff->folded_c[PYRO_AFTER])
        notes[count++] = "C functions were seen on one side only: on both their time is their "
                         "callers'";
    if (diff->counted[PYRO_BEFORE] != diff->counted[PYRO_AFTER])
        notes[count++] = diff->counted[PYRO_AFTER] ? "calls were not counted before"
                                                   : "calls were not counted after";
    if (before_python && after_python && strcmp(before_python, after_python) != 0)
        notes[count++] = "they were run by different Pythons, whose speed and standard library "
                         "differ";
    if (before->torn || after->torn || !before->complete || !after->complete)
        if (!before->timed && !after->timed)
            notes[count++] = "a recording breaks off before its end";
    return count;
}

static void print_foot(FILE *out, const struct layout *layout)
{
    const char *notes[PYRO_DIFF_NOTES];
    size_t count = pyro_diff_notes(layout->diff, notes);
    fputs(pyro_ink_on(layout->style, PYRO_INK_GREY), out);
    if (layout->unsure)
        fprintf(out, "~ within %d standard errors (%s) of sampling: chance may have moved it\n",
                PYRO_DIFF_SURE, layout->style->utf8 ? "\xc2\xb1" : "+-");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s\n", notes[i]);
    fprintf(out, "one run each: what runs differ by from each other is not known here; "
                 "pyrometer bench tells\n");
    fputs(pyro_ink_off(layout->style, PYRO_INK_GREY), out);
}

static void print_table(FILE *out, struct layout *layout)
{
    struct line header = header_of(layout);
    double total_s[PYRO_SIDES] = {layout->diff->stats[PYRO_BEFORE]->total_s,
                                  layout->diff->stats[PYRO_AFTER]->total_s};
    struct line total = sum_of(total_s, "", PYRO_INK_BOLD);
    widen(layout, &header);
    widen(layout, &total);
    size_t shown = limit_of(layout, count_wanted(layout));
    go_over(NULL, layout, shown);
    int used = 0;
    for (int i = 0; i < COLUMNS; i++)
        used += layout->width[i] ? layout->width[i] + 1 : 0;
    layout->label =
        layout->style->width - used < MIN_LABEL ? MIN_LABEL : layout->style->width - used;
    print_line(out, layout, &header);
    struct rest rest = go_over(out, layout, shown);
    print_sums(out, layout, &rest);
}

int pyro_report_diff(FILE *out, const struct pyro_diff *diff, const struct pyro_diff_table *table,
                     const struct pyro_report_style *style, struct pyro_error *error)
{
    struct layout layout = {.diff = diff, .table = table, .style = style};
    struct pyro_pattern only;
    if (table->only) {
        int result = pyro_pattern_compile(&only, table->only, error);
        if (result < 0)
            return result;
        layout.only = &only;
    }
    print_side(out, &layout, PYRO_BEFORE);
    print_side(out, &layout, PYRO_AFTER);
    fputc('\n', out);
    if (table->by == PYRO_DIFF_LINES && !diff->lines_known)
        fprintf(out, "calls that were timed know no lines\n");
    else
        print_table(out, &layout);
    print_foot(out, &layout);
    if (layout.only)
        pyro_pattern_free(&only);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the report") : 0;
}

/* -- why ---------------------------------------------------------------------------------------- */

#define WHY_FUNCTIONS 5
#define WHY_LINES     4
#define WHY_CALLS     3
#define WHY_SHARE     0.05 /* of the larger total: what moved less explains nothing */

/* Is it the user's own? */
static bool is_own(const struct pyro_diff *diff, uint32_t row)
{
    int side;
    uint32_t id = pyro_diff_function(&diff->rows[row], &side);
    const struct pyro_profile *profile = diff->profile[side];
    const struct pyro_function *function = &profile->functions[id];
    return function->kind == PYRO_FUNCTION_PYTHON &&
           !pyro_path_is_library(pyro_profile_text(profile, function->file));
}

static bool is_large(const struct pyro_diff *diff, const struct pyro_move *move)
{
    double all_s = fmax(diff->stats[PYRO_BEFORE]->total_s, diff->stats[PYRO_AFTER]->total_s);
    return move->sure && fabs(move->change) >= WHY_SHARE * all_s;
}

/* A caller that ran as often as before, and calls the callee more or less often: there the number of calls began to
 * differ, and not where that one is handed on. */
static bool is_cause(const struct pyro_diff *diff, const struct pyro_diff_edge *edge)
{
    if (edge->caller == PYRO_NO_ID || !is_own(diff, edge->caller))
        return false;
    const struct pyro_diff_figures *caller = diff->rows[edge->caller].side;
    return caller[PYRO_BEFORE].ncalls != PYRO_NO_CALLS &&
           caller[PYRO_BEFORE].ncalls == caller[PYRO_AFTER].ncalls &&
           pyro_diff_calls(edge->side).sure;
}

static bool explains(const struct layout *layout, size_t i)
{
    const struct pyro_diff *diff = layout->diff;
    struct pyro_move move = pyro_diff_time(figures_of(layout, i), !is_about_self(layout));
    if (!is_large(diff, &move))
        return false;
    if (layout->table->by == PYRO_DIFF_LINES)
        return is_own(diff, diff->lines[i].row);
    return layout->table->by != PYRO_DIFF_EDGES || is_cause(diff, &diff->edges[i]);
}

/* The first LIMIT that explain something, under HEADING. Their number. */
static size_t print_reasons(FILE *out, const struct pyro_diff *diff, enum pyro_diff_by by,
                            size_t limit, const char *heading,
                            const struct pyro_report_style *style)
{
    const struct pyro_diff_table table = {.by = by};
    struct layout layout = {.diff = diff, .table = &table, .style = style};
    size_t count = 0;
    for (size_t i = 0; i < count_of(&layout) && count < limit; i++) {
        if (!explains(&layout, i))
            continue;
        const struct pyro_diff_figures *side = figures_of(&layout, i);
        struct line line = {.label = ""};
        fill_figures(&line, &layout, side);
        layout.label = style->width - 36;
        fill_label(&line, &layout, i);
        if (count++ == 0)
            fprintf(out, "  %s\n", heading);
        fprintf(out, "  %9s s %5s  %-*s%s\n", line.cell[CHANGE], line.cell[RELATIVE],
                by == PYRO_DIFF_LINES
                    ? 0
                    : 12 + (int)strlen(line.cell[CALLS]) - pyro_cell_columns(line.cell[CALLS]),
                line.cell[CALLS], line.label);
    }
    return count;
}

void pyro_report_why(FILE *out, const struct pyro_diff *diff, const struct pyro_report_style *style)
{
    size_t count = 0;
    fprintf(out, "why, by one recorded run each:\n");
    count += print_reasons(out, diff, PYRO_DIFF_FUNCTIONS, WHY_FUNCTIONS,
                           "time in functions themselves, calls", style);
    count += print_reasons(out, diff, PYRO_DIFF_EDGES, WHY_CALLS,
                           "other numbers of calls, by who ran as often as before", style);
    count += print_reasons(out, diff, PYRO_DIFF_LINES, WHY_LINES, "your lines, with what they call",
                           style);
    if (!count)
        fprintf(out, "  no function or line surely moved by %.0f %% of the time or more\n",
                100 * WHY_SHARE);
}
