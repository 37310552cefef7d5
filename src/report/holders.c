/* report/holders.c - which lines had what was alive, over time. */
#include "base/grow.h"
#include "profile/paths.h"
#include "profile/summary.h"
#include "profile/timeline.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTS    5 /* columns of the table */
#define ROWS       6
#define SIZE       11 /* columns of the terminal */
#define CELL_BYTES 32
#define TEXT_BYTES 4096

/* A line of the table. */
struct row {
    uint32_t frame;
    uint64_t most, bytes[MOMENTS];
};

struct table {
    const struct pyro_timeline *timeline;
    size_t moments[MOMENTS], count; /* which, and how many */
    struct row *rows;
    size_t row_count, row_capacity;
    struct pyro_map at; /* frame -> its row, + 1 */
};

/* From the first to the last, the same distance apart. */
static void choose_moments(struct table *table)
{
    size_t all = table->timeline->moment_count;
    table->count = all < MOMENTS ? all : MOMENTS;
    for (size_t i = 0; i < table->count; i++)
        table->moments[i] = table->count > 1 ? i * (all - 1) / (table->count - 1) : 0;
}

static struct row *row_of(struct table *table, uint32_t frame)
{
    uint64_t *at = pyro_map_insert(&table->at, frame, 0, NULL);
    if (!at)
        return NULL;
    if (!*at) {
        if (pyro_grow(&table->rows, table->row_count, &table->row_capacity, sizeof(*table->rows)) <
            0)
            return NULL;
        table->rows[table->row_count++] = (struct row){.frame = frame};
        *at = table->row_count;
    }
    return &table->rows[*at - 1];
}

/* Of all processes at a moment, a column. */
static int fill_column(struct table *table, size_t column)
{
    const struct pyro_profile *profile = table->timeline->profile;
    const struct pyro_moment *moment = &table->timeline->moments[table->moments[column]];
    for (size_t i = moment->first; i < moment->first + moment->count; i++)
        for (size_t k = 0; k < profile->holders[i].count; k++) {
            const struct pyro_holder *line = &profile->holder_lines[profile->holders[i].first + k];
            struct row *row = row_of(table, line->frame);
            if (!row)
                return -ENOMEM;
            row->bytes[column] += line->bytes;
            if (row->bytes[column] > row->most)
                row->most = row->bytes[column];
        }
    return 0;
}

static int most_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->most != b->most)
        return a->most > b->most ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static void put_place(char *text, const struct pyro_profile *profile, uint32_t frame,
                      const struct pyro_report_style *style, int columns)
{
    const struct pyro_function *function = &profile->functions[profile->frames[frame].function];
    char path[TEXT_BYTES], place[TEXT_BYTES + CELL_BYTES];
    const char *file =
        pyro_path_short(pyro_profile_text(profile, function->file), style->directory);
    pyro_report_plain(path, sizeof(path),
                      *file ? file : pyro_profile_text(profile, function->name));
    if (*file)
        snprintf(place, sizeof(place), "%s:%" PRIu32, path, profile->frames[frame].line);
    else
        snprintf(place, sizeof(place), "%s", path);
    pyro_report_fit(text, TEXT_BYTES, place, (size_t)columns, style->utf8);
}

static void print_table(FILE *out, const struct table *table, const struct pyro_report_style *style)
{
    char cell[CELL_BYTES], text[TEXT_BYTES];
    int columns = style->width - (SIZE + 1) * (int)table->count;
    fprintf(out, "\n%s", pyro_ink_on(style, PYRO_INK_BOLD));
    for (size_t i = 0; i < table->count; i++) {
        double seconds = (double)table->timeline->moments[table->moments[i]].time_us / 1e6;
        snprintf(cell, sizeof(cell), "%.2f s", seconds);
        pyro_cell_print(out, cell, SIZE);
    }
    fprintf(out, "alive then, by line%s\n", pyro_ink_off(style, PYRO_INK_BOLD));
    for (size_t row = 0; row < table->row_count && row < ROWS; row++) {
        for (size_t i = 0; i < table->count; i++) {
            pyro_summary_size(cell, sizeof(cell), table->rows[row].bytes[i]);
            pyro_cell_print(out, table->rows[row].bytes[i] ? cell : "-", SIZE);
        }
        put_place(text, table->timeline->profile, table->rows[row].frame, style,
                  columns > 20 ? columns : 20);
        fprintf(out, "%s\n", text);
    }
}

int pyro_report_holders(FILE *out, const struct pyro_timeline *timeline,
                        const struct pyro_report_style *style, struct pyro_error *error)
{
    struct table table = {.timeline = timeline};
    int code = 0;
    choose_moments(&table);
    for (size_t i = 0; code == 0 && i < table.count; i++)
        code = fill_column(&table, i);
    if (table.row_count)
        qsort(table.rows, table.row_count, sizeof(*table.rows), most_first);
    if (code == 0 && table.row_count)
        print_table(out, &table, style);
    free(table.rows);
    pyro_map_free(&table.at);
    return code < 0 ? pyro_error_set(error, code, "no memory") : 0;
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_line(struct pyro_json *json, const struct pyro_profile *profile,
                      const struct pyro_holder *line)
{
    const struct pyro_frame *frame = &profile->frames[line->frame];
    const struct pyro_function *function = &profile->functions[frame->function];
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", pyro_profile_text(profile, function->name));
    pyro_json_string(json, "file", pyro_profile_text(profile, function->file));
    pyro_json_u64(json, "line", frame->line);
    pyro_json_u64(json, "live_bytes", line->bytes);
    pyro_json_u64(json, "blocks", line->blocks);
    pyro_json_end(json);
}

static void json_holders(struct pyro_json *json, const struct pyro_profile *profile,
                         const struct pyro_holders *holders)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_us_as_s(json, "time_s", holders->time_us);
    pyro_json_i64(json, "pid", profile->processes[holders->process].pid);
    pyro_json_u64(json, "live_bytes", holders->live);
    pyro_json_array(json, "lines");
    for (size_t i = 0; i < holders->count; i++)
        json_line(json, profile, &profile->holder_lines[holders->first + i]);
    pyro_json_end(json);
    pyro_json_end(json);
}

void pyro_report_holders_member(struct pyro_json *json, const struct pyro_timeline *timeline)
{
    pyro_json_array(json, "holders");
    for (size_t i = 0; i < timeline->moment_count; i++) {
        const struct pyro_moment *moment = &timeline->moments[i];
        for (size_t k = moment->first; k < moment->first + moment->count; k++)
            json_holders(json, timeline->profile, &timeline->profile->holders[k]);
    }
    pyro_json_end(json);
}
