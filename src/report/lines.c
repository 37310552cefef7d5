/* report/lines.c - line_profiler's tables, of what was counted and what was sampled. */
#include "report/lines.h"

#include "base/json.h"
#include "profile/paths.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define COLD_SHARE      0.01 /* of its function: such lines are left out; of all time: such functions */
#define HOT_SHARE       0.10 /* of its function: such lines are coloured */
#define FEW_SAMPLES     30   /* below this a time is shown with its error */
#define CELL_BYTES      48
#define SOURCE_BYTES    1024
#define TEXT_BYTES      4096
#define TAB_COLUMNS     8
#define MIN_SOURCE      20 /* columns */
#define PER_HIT_COLUMNS 12

/* -- one function ------------------------------------------------------------------------------- */

/* In which a function's times are shown. */
struct unit {
    const char *name;
    double per_second;
};

static struct unit unit_of(double longest_s)
{
    if (longest_s >= 1)
        return (struct unit){"s", 1};
    return longest_s >= 0.001 ? (struct unit){"ms", 1e3} : (struct unit){"us", 1e6};
}

struct layout {
    const struct pyro_lines *lines;
    const struct pyro_lines_function *function;
    const struct pyro_report_style *style;
    struct unit time, hit; /* of a function's lines, and of their hits */
    int error, source;     /* columns; error 0: no line needs one */
    double most_hits;      /* of a line */
};

/* A whole line; cells are "" where there is nothing. */
struct row {
    char number[CELL_BYTES], hits[CELL_BYTES], time[CELL_BYTES], error[CELL_BYTES],
        per_hit[CELL_BYTES], share[CELL_BYTES];
    const char *source;
};

static void print_row(FILE *out, const struct layout *layout, const struct row *row,
                      enum pyro_ink ink)
{
    fprintf(out, "%s", pyro_ink_on(layout->style, ink));
    pyro_cell_print(out, row->number, 6);
    pyro_cell_print(out, row->hits, 9);
    pyro_cell_print(out, row->time, 12);
    if (layout->error) /* left-aligned, so that the sign stands right behind the time */
        fprintf(out, "%s%*s", row->error, layout->error + 1 - pyro_cell_columns(row->error), "");
    pyro_cell_print(out, row->per_hit, PER_HIT_COLUMNS);
    pyro_cell_print(out, row->share, 8);
    fprintf(out, " %s%s\n", row->source, pyro_ink_off(layout->style, ink));
}

static const struct pyro_line *lines_of(const struct layout *layout)
{
    return layout->lines->lines + layout->function->first;
}

static double share_of(const struct layout *layout, double time_s)
{
    return layout->function->total_s > 0 ? time_s / layout->function->total_s : 0;
}

/* A rough one that ran often is not: how little time it took is not known. */
static bool is_cold(const struct layout *layout, const struct pyro_line *line)
{
    bool often = line->rough && (double)line->hits >= HOT_SHARE * layout->most_hits;
    return !often && share_of(layout, line->time_s) < COLD_SHARE;
}

static double longest_hit_s(const struct layout *layout)
{
    double longest_s = 0;
    for (size_t i = 0; i < layout->function->count; i++) {
        const struct pyro_line *line = &lines_of(layout)[i];
        bool counted = line->hits != PYRO_NO_CALLS && line->hits && !is_cold(layout, line);
        if (counted && line->time_s / (double)line->hits > longest_s)
            longest_s = line->time_s / (double)line->hits;
    }
    return longest_s;
}

/* Where all samples are its own the standard error is 0; but no time is known better than by one sample. */
static double error_s(const struct pyro_line *line)
{
    double sample_s = line->samples ? line->time_s / (double)line->samples : 0;
    return line->time_sigma_s > sample_s ? line->time_sigma_s : sample_s;
}

static void error_cell(char *cell, const struct layout *layout, const struct pyro_line *line)
{
    snprintf(cell, CELL_BYTES, "%s", line->rough ? "~" : "");
    if (!layout->function->timed && !line->rough && line->samples < FEW_SAMPLES)
        snprintf(cell, CELL_BYTES, "%s%.3f", layout->style->utf8 ? "\xc2\xb1" : "+-",
                 error_s(line) * layout->time.per_second);
}

static void time_cells(struct row *row, const struct layout *layout, double time_s)
{
    snprintf(row->time, CELL_BYTES, "%.3f", time_s * layout->time.per_second);
    snprintf(row->share, CELL_BYTES, "%.1f", 100 * share_of(layout, time_s));
}

/* The text of a line as a terminal may see it, its indentation kept. */
static void put_source(char *shown, const struct layout *layout, const char *source)
{
    char text[SOURCE_BYTES];
    size_t used = 0;
    for (; source && *source && used + TAB_COLUMNS < sizeof(text); source++) {
        if (*source != '\t') {
            text[used++] = *source;
            continue;
        }
        do
            text[used++] = ' ';
        while (used % TAB_COLUMNS);
    }
    text[used] = '\0';
    pyro_report_fit(shown, TEXT_BYTES, text, (size_t)layout->source, layout->style->utf8);
}

/* Three decimals, and more where they would show less than two digits. */
static void per_hit_cell(char *cell, double time)
{
    int decimals = 3;
    for (double shown = time; shown > 0 && shown < 0.01 && decimals < 7; shown *= 10)
        decimals++;
    snprintf(cell, CELL_BYTES, "%.*f", decimals, time);
}

static void print_line(FILE *out, const struct layout *layout, const struct pyro_line *line)
{
    char source[TEXT_BYTES];
    struct row row = {.hits = "-", .per_hit = "-", .source = source};
    if (line->hits != PYRO_NO_CALLS)
        snprintf(row.hits, CELL_BYTES, "%" PRIu64, line->hits);
    if (line->hits != PYRO_NO_CALLS && line->hits)
        per_hit_cell(row.per_hit, line->time_s / (double)line->hits * layout->hit.per_second);
    snprintf(row.number, CELL_BYTES, "%" PRIu32, line->line);
    time_cells(&row, layout, line->time_s);
    error_cell(row.error, layout, line);
    put_source(source, layout, line->source);
    bool hot = share_of(layout, line->time_s) >= HOT_SHARE;
    print_row(out, layout, &row, hot ? PYRO_INK_HOT : PYRO_INK_PLAIN);
}

/* What stands for the lines from FROM to before TO, and for those around them in which nothing was seen. */
static void print_gap(FILE *out, const struct layout *layout, size_t from, size_t to)
{
    char what[CELL_BYTES] = "";
    struct row row = {.number = "...", .source = what};
    double time_s = 0;
    for (size_t i = from; i < to; i++)
        time_s += lines_of(layout)[i].time_s;
    if (to == from) {
        fprintf(out, "%s%6s%s\n", pyro_ink_on(layout->style, PYRO_INK_GREY), row.number,
                pyro_ink_off(layout->style, PYRO_INK_GREY));
        return;
    }
    time_cells(&row, layout, time_s);
    snprintf(what, sizeof(what), "(%zu line%s)", to - from, to - from == 1 ? "" : "s");
    print_row(out, layout, &row, PYRO_INK_GREY);
}

static void print_lines(FILE *out, const struct layout *layout)
{
    const struct pyro_line *lines = lines_of(layout);
    size_t shown = 0; /* all before it were, or stand in a gap */
    for (size_t i = 0; i <= layout->function->count; i++) {
        bool end = i == layout->function->count;
        if (!end && is_cold(layout, &lines[i]))
            continue;
        bool is_next = !end && shown && i == shown && lines[i].line == lines[i - 1].line + 1;
        if (i > shown || (shown && !end && !is_next))
            print_gap(out, layout, shown, i);
        if (!end)
            print_line(out, layout, &lines[i]);
        shown = i + 1;
    }
}

static bool shows_rough(const struct layout *layout)
{
    for (size_t i = 0; i < layout->function->count; i++)
        if (lines_of(layout)[i].rough && !is_cold(layout, &lines_of(layout)[i]))
            return true;
    return false;
}

static struct layout plan(const struct pyro_lines *lines,
                          const struct pyro_lines_function *function,
                          const struct pyro_report_style *style)
{
    struct layout layout = {
        .lines = lines,
        .function = function,
        .style = style,
        .time = unit_of(function->total_s),
    };
    char cell[CELL_BYTES];
    for (size_t i = 0; i < function->count; i++)
        if (lines_of(&layout)[i].hits != PYRO_NO_CALLS &&
            (double)lines_of(&layout)[i].hits > layout.most_hits)
            layout.most_hits = (double)lines_of(&layout)[i].hits;
    layout.hit = unit_of(longest_hit_s(&layout));
    for (size_t i = 0; i < function->count; i++) {
        error_cell(cell, &layout, &lines_of(&layout)[i]);
        if (!is_cold(&layout, &lines_of(&layout)[i]) && pyro_cell_columns(cell) > layout.error)
            layout.error = pyro_cell_columns(cell);
    }
    int used = 6 + 9 + 12 + PER_HIT_COLUMNS + 8 + 6 + (layout.error ? layout.error + 1 : 0);
    layout.source = style->width - used < MIN_SOURCE ? MIN_SOURCE : style->width - used;
    return layout;
}

/* Returns whether it has a ~. */
static bool print_function(FILE *out, const struct pyro_lines *lines,
                           const struct pyro_lines_function *function,
                           const struct pyro_report_style *style)
{
    const struct pyro_profile *profile = lines->stats->profile;
    const struct pyro_function *what = &profile->functions[function->function];
    const struct layout layout = plan(lines, function, style);
    const char *path = pyro_path_short(pyro_profile_text(profile, what->file), style->directory);
    char text[TEXT_BYTES];
    fprintf(out, "\nTotal time: %.*f s", function->total_s < 1 ? 6 : 3, function->total_s);
    if (!function->timed)
        fprintf(out, ", sampled (%" PRIu64 " sample%s)", function->samples,
                function->samples == 1 ? "" : "s");
    if (function->counted && lines->from_s > 0)
        fprintf(out, ", counted from %.1f s on; before that, sampled: %.3f s", lines->from_s,
                function->before_s);
    putc('\n', out);
    pyro_report_plain(text, sizeof(text), path);
    fprintf(out, "File: %s\n", text);
    pyro_report_plain(text, sizeof(text), pyro_profile_text(profile, what->name));
    fprintf(out, "Function: %s%s%s at line %" PRIu32 "\n\n", pyro_ink_on(style, PYRO_INK_BOLD),
            text, pyro_ink_off(style, PYRO_INK_BOLD), what->first_line);
    struct row head = {.number = "Line #",
                       .hits = "Hits",
                       .per_hit = "Per Hit",
                       .share = "% Time",
                       .source = "Line Contents"};
    snprintf(head.time, CELL_BYTES, "Time (%s)", layout.time.name);
    if (function->counted)
        snprintf(head.per_hit, CELL_BYTES, "Per Hit (%s)", layout.hit.name);
    print_row(out, &layout, &head, PYRO_INK_PLAIN);
    for (int i = 0; i < style->width - layout.source + (int)strlen(head.source); i++)
        putc('=', out);
    putc('\n', out);
    print_lines(out, &layout);
    return shows_rough(&layout);
}

/* -- which functions ---------------------------------------------------------------------------- */

static const char *file_of(const struct pyro_lines *lines,
                           const struct pyro_lines_function *function)
{
    const struct pyro_profile *profile = lines->stats->profile;
    return pyro_profile_text(profile, profile->functions[function->function].file);
}

/* Is it one to show, if there is room? ONLY is the choice's pattern, or NULL. */
static bool is_meant(const struct pyro_lines *lines, const struct pyro_lines_function *function,
                     const struct pyro_report_lines *choice, const struct pyro_pattern *only,
                     const struct pyro_report_style *style)
{
    if (only)
        return pyro_pattern_matches(only, lines->stats->profile, function->function,
                                    style->directory);
    if (choice->counted || function->counted)
        return function->counted;
    return !pyro_path_is_library(file_of(lines, function)) &&
           function->total_s >= COLD_SHARE * lines->stats->total_s;
}

static void print_rest(FILE *out, size_t more, size_t others, bool rough,
                       const struct pyro_report_style *style)
{
    fputs(pyro_ink_on(style, PYRO_INK_GREY), out);
    if (rough)
        fputs(
            "\n~ more than half of what was measured there was the cost of counting: what is left "
            "is rough\n",
            out);
    if (more)
        fprintf(out, "\n%zu more function%s: -n 0 shows all\n", more, more == 1 ? "" : "s");
    if (others)
        fprintf(out, "%s%zu of libraries or below 1 %% left out: --only RE shows any\n",
                more ? "" : "\n", others);
    fputs(pyro_ink_off(style, PYRO_INK_GREY), out);
}

int pyro_report_lines(FILE *out, const struct pyro_lines *lines,
                      const struct pyro_report_lines *choice, const struct pyro_report_style *style,
                      struct pyro_error *error)
{
    struct pyro_pattern pattern;
    size_t shown = 0, meant = 0;
    bool rough = false;
    if (choice->only) {
        int code = pyro_pattern_compile(&pattern, choice->only, error);
        if (code < 0)
            return code;
    }
    const struct pyro_pattern *only = choice->only ? &pattern : NULL;
    for (size_t i = 0; i < lines->function_count; i++)
        meant += is_meant(lines, &lines->functions[i], choice, only, style);
    size_t rows = choice->limit.share > 0 ? (size_t)(choice->limit.share * (double)meant + 0.5)
                  : choice->limit.rows    ? choice->limit.rows
                                          : meant;
    for (size_t i = 0; i < lines->function_count && shown < rows; i++)
        if (is_meant(lines, &lines->functions[i], choice, only, style)) {
            rough |= print_function(out, lines, &lines->functions[i], style);
            shown++;
        }
    if (!meant)
        fprintf(out, "\n%s%s%s\n", only ? "no function with samples matches '" : "",
                only ? choice->only : "no line of the program's own has 1 % of the time",
                only ? "'" : "");
    bool told = only || choice->counted;
    print_rest(out, meant - shown, told ? 0 : lines->function_count - meant, rough, style);
    if (only)
        pyro_pattern_free(&pattern);
    return 0;
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_sampled(struct pyro_json *json, const struct pyro_line *line)
{
    pyro_json_double(json, "self_s", line->self_s);
    pyro_json_double(json, "error_s", line->time_sigma_s);
    pyro_json_u64(json, "samples", line->samples);
}

static void json_not_sampled(struct pyro_json *json)
{
    pyro_json_null(json, "self_s");
    pyro_json_null(json, "error_s");
    pyro_json_null(json, "samples");
}

static void json_line(struct pyro_json *json, const struct pyro_line *line, bool timed,
                      bool sampled)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "line", line->line);
    if (line->hits == PYRO_NO_CALLS)
        pyro_json_null(json, "hits");
    else
        pyro_json_u64(json, "hits", line->hits);
    if (timed)
        pyro_json_seconds(json, "time_s", line->time_s);
    else
        pyro_json_double(json, "time_s", line->time_s);
    if (sampled)
        json_sampled(json, line);
    else
        json_not_sampled(json);
    pyro_json_bool(json, "rough", line->rough);
    pyro_json_string(json, "source", line->source);
    pyro_json_end(json);
}

static void json_function(struct pyro_json *json, const struct pyro_lines *lines,
                          const struct pyro_lines_function *function)
{
    const struct pyro_profile *profile = lines->stats->profile;
    const struct pyro_function *what = &profile->functions[function->function];
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", pyro_profile_text(profile, what->name));
    pyro_json_string(json, "file", pyro_profile_text(profile, what->file));
    pyro_json_u64(json, "line", what->first_line);
    pyro_json_bool(json, "counted", function->counted);
    pyro_json_bool(json, "timed", function->timed);
    pyro_json_seconds(json, "total_s", function->total_s);
    if (function->counted && lines->from_s > 0) {
        pyro_json_double(json, "counted_from_s", lines->from_s);
        pyro_json_double(json, "before_s", function->before_s);
    }
    if (profile->lines_alone)
        pyro_json_null(json, "samples");
    else
        pyro_json_u64(json, "samples", function->samples);
    pyro_json_array(json, "lines");
    for (size_t i = 0; i < function->count; i++)
        json_line(json, &lines->lines[function->first + i], function->timed, !profile->lines_alone);
    pyro_json_end(json);
    pyro_json_end(json);
}

int pyro_report_lines_json(FILE *out, const struct pyro_lines *lines, struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_summary_json(&json, "recording", lines->stats->profile, &lines->stats->summary);
    if (lines->stats->profile->lines_alone)
        pyro_json_null(&json, "total_s");
    else
        pyro_json_double(&json, "total_s", lines->stats->total_s);
    pyro_json_double(&json, "hit_cost_us", lines->hit_cost_us);
    pyro_json_array(&json, "functions");
    for (size_t i = 0; i < lines->function_count; i++)
        json_function(&json, lines, &lines->functions[i]);
    pyro_json_end(&json);
    pyro_json_end(&json);
    putc('\n', out);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}
