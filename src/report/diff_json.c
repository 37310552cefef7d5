/* report/diff_json.c - the contract of docs/json.md for differences. */
#include "base/json.h"
#include "report/diff.h"
#include "report/internal.h"

#include <errno.h>
#include <math.h>

/* "before_s", "after_s" and the like. */
static void put_time(struct pyro_json *json, const char *key,
                     const struct pyro_diff_figures *figures, double seconds)
{
    if (figures->there)
        pyro_json_double(json, key, seconds);
    else
        pyro_json_null(json, key);
}

static void put_calls(struct pyro_json *json, const char *key, uint64_t ncalls)
{
    if (ncalls == PYRO_NO_CALLS)
        pyro_json_null(json, key);
    else
        pyro_json_u64(json, key, ncalls);
}

static void put_line_number(struct pyro_json *json, const char *key, uint32_t line)
{
    if (line)
        pyro_json_u64(json, key, line);
    else
        pyro_json_null(json, key);
}

/* The move of the time that the object is about. */
static void put_move(struct pyro_json *json, const struct pyro_diff_figures side[PYRO_SIDES],
                     bool total)
{
    struct pyro_move move = pyro_diff_time(side, total);
    put_time(json, "before_s", &side[PYRO_BEFORE], move.before);
    put_time(json, "after_s", &side[PYRO_AFTER], move.after);
    pyro_json_double(json, "change_s", move.change);
    pyro_json_double(json, "change_error_s", move.sigma);
    pyro_json_bool(json, "sure", move.sure);
    pyro_json_double(json, "ratio",
                     side[PYRO_BEFORE].there && side[PYRO_AFTER].there && move.before > 0
                         ? move.after / move.before
                         : NAN);
}

static void put_counts(struct pyro_json *json, const struct pyro_diff_figures side[PYRO_SIDES])
{
    put_calls(json, "before_calls", side[PYRO_BEFORE].ncalls);
    put_calls(json, "after_calls", side[PYRO_AFTER].ncalls);
    pyro_json_null(json, "before_bytes");
    pyro_json_null(json, "after_bytes");
}

/* The members "name" and "file" of a row, with PREFIX before them. */
static void put_name(struct pyro_json *json, const struct pyro_diff *diff, uint32_t row,
                     const char *name_key, const char *file_key)
{
    int side;
    if (row == PYRO_NO_ID) {
        pyro_json_string(json, name_key, "<root>");
        pyro_json_null(json, file_key);
        return;
    }
    uint32_t id = pyro_diff_function(&diff->rows[row], &side);
    const struct pyro_profile *profile = diff->profile[side];
    const struct pyro_function *function = &profile->functions[id];
    pyro_json_string(json, name_key, pyro_profile_text(profile, function->name));
    pyro_json_string(
        json, file_key,
        function->kind == PYRO_FUNCTION_PYTHON ? pyro_profile_text(profile, function->file) : NULL);
}

static uint32_t first_line(const struct pyro_diff *diff, const struct pyro_diff_row *row, int side)
{
    uint32_t id = row->match.function[side];
    return id == PYRO_NO_ID ? 0 : diff->profile[side]->functions[id].first_line;
}

static void put_row(struct pyro_json *json, const struct pyro_diff *diff, size_t i)
{
    const struct pyro_diff_row *row = &diff->rows[i];
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    put_name(json, diff, (uint32_t)i, "name", "file");
    put_line_number(json, "before_line", first_line(diff, row, PYRO_BEFORE));
    put_line_number(json, "after_line", first_line(diff, row, PYRO_AFTER));
    put_move(json, row->side, false);
    struct pyro_move total = pyro_diff_time(row->side, true);
    put_time(json, "before_cumulative_s", &row->side[PYRO_BEFORE], total.before);
    put_time(json, "after_cumulative_s", &row->side[PYRO_AFTER], total.after);
    pyro_json_double(json, "cumulative_change_error_s", total.sigma);
    put_counts(json, row->side);
    pyro_json_end(json);
}

static void put_line(struct pyro_json *json, const struct pyro_diff *diff,
                     const struct pyro_diff_line *line)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    put_name(json, diff, line->row, "function", "file");
    put_line_number(json, "before_line", line->line[PYRO_BEFORE]);
    put_line_number(json, "after_line", line->line[PYRO_AFTER]);
    pyro_json_string(json, "before_source", line->source[PYRO_BEFORE]);
    pyro_json_string(json, "after_source", line->source[PYRO_AFTER]);
    put_move(json, line->side, true);
    pyro_json_end(json);
}

static void put_edge(struct pyro_json *json, const struct pyro_diff *diff,
                     const struct pyro_diff_edge *edge)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    put_name(json, diff, edge->caller, "caller", "caller_file");
    put_name(json, diff, edge->callee, "callee", "callee_file");
    put_move(json, edge->side, true);
    put_calls(json, "before_calls", edge->side[PYRO_BEFORE].ncalls);
    put_calls(json, "after_calls", edge->side[PYRO_AFTER].ncalls);
    pyro_json_end(json);
}

/* Which rows, lines and edges are put. */
struct choice {
    const struct pyro_pattern *only; /* NULL: any name */
    size_t limit;                    /* of each; 0: no limit, and also what did not move */
};

static bool is_chosen(const struct choice *choice, const struct pyro_diff_figures side[PYRO_SIDES],
                      bool total)
{
    if (!side[PYRO_BEFORE].there && !side[PYRO_AFTER].there)
        return false;
    return !choice->limit || pyro_diff_time(side, total).sure || pyro_diff_calls(side).sure;
}

static bool matches(const struct pyro_diff *diff, const struct choice *choice, uint32_t row)
{
    int side;
    if (!choice->only)
        return true;
    if (row == PYRO_NO_ID)
        return false;
    uint32_t function = pyro_diff_function(&diff->rows[row], &side);
    const struct pyro_profile *profile = diff->profile[side];
    return pyro_pattern_matches(choice->only, profile, function, profile->info.directory);
}

static void put_rows(struct pyro_json *json, const struct pyro_diff *diff,
                     const struct choice *choice)
{
    size_t left = choice->limit ? choice->limit : SIZE_MAX;
    pyro_json_array(json, "functions");
    for (size_t i = 0; i < diff->row_count && left; i++)
        if (is_chosen(choice, diff->rows[i].side, false) && matches(diff, choice, (uint32_t)i)) {
            put_row(json, diff, i);
            left--;
        }
    pyro_json_end(json);
    pyro_json_line(json);
}

static void put_lines(struct pyro_json *json, const struct pyro_diff *diff,
                      const struct choice *choice)
{
    size_t left = choice->limit ? choice->limit : SIZE_MAX;
    pyro_json_array(json, "lines");
    for (size_t i = 0; i < diff->line_count && left; i++)
        if (is_chosen(choice, diff->lines[i].side, true) &&
            matches(diff, choice, diff->lines[i].row)) {
            put_line(json, diff, &diff->lines[i]);
            left--;
        }
    pyro_json_end(json);
    pyro_json_line(json);
}

static void put_edges(struct pyro_json *json, const struct pyro_diff *diff,
                      const struct choice *choice)
{
    size_t left = choice->limit ? choice->limit : SIZE_MAX;
    pyro_json_array(json, "edges");
    for (size_t i = 0; i < diff->edge_count && left; i++)
        if (is_chosen(choice, diff->edges[i].side, true) &&
            (matches(diff, choice, diff->edges[i].callee) ||
             matches(diff, choice, diff->edges[i].caller))) {
            put_edge(json, diff, &diff->edges[i]);
            left--;
        }
    pyro_json_end(json);
}

static void put_moves(struct pyro_json *json, const struct pyro_diff *diff,
                      const struct choice *choice)
{
    put_rows(json, diff, choice);
    put_lines(json, diff, choice);
    put_edges(json, diff, choice);
}

void pyro_report_moves_json(struct pyro_json *json, const struct pyro_diff *diff, size_t limit)
{
    put_moves(json, diff, &(const struct choice){.limit = limit});
}

static void put_side(struct pyro_json *json, const char *key, const struct pyro_stats *stats)
{
    pyro_json_line(json);
    pyro_json_object(json, key);
    pyro_summary_json(json, "recording", stats->profile, &stats->summary);
    pyro_json_double(json, "total_s", stats->total_s);
    pyro_json_double(json, "no_python_s", stats->no_python_s);
    pyro_json_end(json);
}

int pyro_report_diff_json(FILE *out, const struct pyro_diff *diff, const char *only,
                          struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    struct pyro_pattern pattern;
    const char *notes[PYRO_DIFF_NOTES];
    int result = only ? pyro_pattern_compile(&pattern, only, error) : 0;
    if (result < 0)
        return result;
    pyro_json_object(&json, NULL);
    put_side(&json, "before", diff->stats[PYRO_BEFORE]);
    put_side(&json, "after", diff->stats[PYRO_AFTER]);
    pyro_json_line(&json);
    pyro_json_array(&json, "notes");
    size_t count = pyro_diff_notes(diff, notes);
    for (size_t i = 0; i < count; i++)
        pyro_json_string(&json, NULL, notes[i]);
    pyro_json_end(&json);
    put_moves(&json, diff, &(const struct choice){.only = only ? &pattern : NULL});
    pyro_json_end(&json);
    putc('\n', out);
    if (only)
        pyro_pattern_free(&pattern);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}
