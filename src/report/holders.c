/* report/holders.c - which lines had what was alive, over time. */
#include "base/grow.h"
#include "profile/held.h"
#include "profile/paths.h"
#include "profile/summary.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STEPS      5 /* columns of the table */
#define JSON_STEPS 64
#define ROWS       6
#define SIZE       11 /* columns of the terminal */
#define CELL_BYTES 32
#define TEXT_BYTES 4096

/* A line of the table. */
struct row {
    uint32_t frame;
    uint64_t most, bytes[STEPS];
};

struct table {
    const struct pyro_profile *profile;
    uint64_t time_us[STEPS];
    size_t count; /* of steps */
    struct row *rows;
    size_t row_count, row_capacity;
    struct pyro_map at; /* frame -> its row, + 1 */
    bool failed;
};

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

/* All processes together. */
static void fill_column(void *context, size_t step, const struct pyro_held *held)
{
    struct table *table = context;
    table->time_us[step] = held->time_us;
    table->count = step + 1;
    for (size_t i = 0; i < held->count; i++) {
        struct row *row = row_of(table, held->lines[i].frame);
        if (!row) {
            table->failed = true;
            return;
        }
        row->bytes[step] += held->lines[i].bytes;
        if (row->bytes[step] > row->most)
            row->most = row->bytes[step];
    }
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
        double seconds = (double)table->time_us[i] / 1e6;
        snprintf(cell, sizeof(cell), "%.2f s", seconds);
        pyro_cell_print(out, cell, SIZE);
    }
    fprintf(out, "alive then, by line%s\n", pyro_ink_off(style, PYRO_INK_BOLD));
    for (size_t row = 0; row < table->row_count && row < ROWS; row++) {
        for (size_t i = 0; i < table->count; i++) {
            pyro_summary_size(cell, sizeof(cell), table->rows[row].bytes[i]);
            pyro_cell_print(out, table->rows[row].bytes[i] ? cell : "-", SIZE);
        }
        put_place(text, table->profile, table->rows[row].frame, style, columns > 20 ? columns : 20);
        fprintf(out, "%s\n", text);
    }
}

int pyro_report_holders(FILE *out, const struct pyro_profile *profile,
                        const struct pyro_report_style *style, struct pyro_error *error)
{
    struct table table = {.profile = profile};
    int code = pyro_held_each(profile, STEPS, fill_column, &table);
    if (code == 0 && table.failed)
        code = -ENOMEM;
    if (table.row_count)
        qsort(table.rows, table.row_count, sizeof(*table.rows), most_first);
    if (code == 0 && table.row_count)
        print_table(out, &table, style);
    free(table.rows);
    pyro_map_free(&table.at);
    return code < 0 ? pyro_error_set(error, code, "no memory") : 0;
}

/* -- JSON --------------------------------------------------------------------------------------- */

struct writing {
    struct pyro_json *json;
    const struct pyro_profile *profile;
};

static void json_line(const struct writing *writing, uint32_t id, uint64_t bytes)
{
    const struct pyro_frame *frame = &writing->profile->frames[id];
    const struct pyro_function *function = &writing->profile->functions[frame->function];
    pyro_json_object(writing->json, NULL);
    pyro_json_string(writing->json, "name", pyro_profile_text(writing->profile, function->name));
    pyro_json_string(writing->json, "file", pyro_profile_text(writing->profile, function->file));
    pyro_json_u64(writing->json, "line", frame->line);
    pyro_json_u64(writing->json, "live_bytes", bytes);
    pyro_json_end(writing->json);
}

static void json_held(void *context, size_t step, const struct pyro_held *held)
{
    const struct writing *writing = context;
    struct pyro_json *json = writing->json;
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_us_as_s(json, "time_s", held->time_us);
    pyro_json_i64(json, "pid", writing->profile->processes[held->process].pid);
    pyro_json_u64(json, "live_bytes", held->live);
    pyro_json_array(json, "lines");
    for (size_t i = 0; i < held->count; i++)
        json_line(writing, held->lines[i].frame, held->lines[i].bytes);
    pyro_json_end(json);
    pyro_json_end(json);
}

int pyro_report_holders_member(struct pyro_json *json, const struct pyro_profile *profile)
{
    struct writing writing = {.json = json, .profile = profile};
    pyro_json_array(json, "holders");
    int code = pyro_held_each(profile, JSON_STEPS, json_held, &writing);
    pyro_json_end(json);
    return code;
}
