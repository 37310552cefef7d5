/* view/data.c - what a page knows: head and columns, from a profile and what analyze/ makes of it.
 *
 * Of a large recording there are two parts: what the page begins with, and its cells. Neither needs the other, so they are made and packed at once. */
#include "analyze/findings.h"
#include "analyze/lines.h"
#include "base/grow.h"
#include "base/parallel.h"
#include "profile/paths.h"
#include "view/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- texts, files, functions ---------------------------------------------------------------------- */

uint32_t pyro_page_text(struct pyro_page_data *data, const char *text)
{
    int64_t number = pyro_strings_intern(&data->strings, text, strlen(text));
    if (number < 0)
        data->failed = true;
    return number < 0 ? 0 : (uint32_t)number;
}

/* Paths of two profiles are the same file where they are shown alike. */
static uint32_t file_number(struct pyro_page_data *data, const struct pyro_profile *side,
                            uint32_t string)
{
    const char *path = pyro_profile_text(side, string);
    const char *directory = side->info.directory;
    struct pyro_page_file file = {
        .path = pyro_page_text(data, path),
        .shown = pyro_page_text(data, pyro_path_short(path, directory)),
        .library = pyro_path_is_library(path),
    };
    bool is_new;
    uint64_t *place = pyro_map_insert(&data->files, file.path, file.shown, &is_new);
    if (!place ||
        pyro_grow(&data->file_list, data->file_count, &data->file_capacity, sizeof(file)) < 0) {
        data->failed = true;
        return 0;
    }
    if (is_new) {
        *place = data->file_count;
        data->file_list[data->file_count++] = file;
    }
    return (uint32_t)*place;
}

uint32_t pyro_page_add_function(struct pyro_page_data *data, const struct pyro_profile *side,
                                uint32_t function)
{
    const struct pyro_function *from = &side->functions[function];
    const struct pyro_page_function made = {
        .name = pyro_page_text(data, pyro_profile_text(side, from->name)),
        .file = file_number(data, side, from->file),
        .line = from->first_line,
        .kind = from->kind,
    };
    if (pyro_grow(&data->functions, data->function_count, &data->function_capacity, sizeof(made)) <
        0) {
        data->failed = true;
        return 0;
    }
    data->functions[data->function_count] = made;
    return (uint32_t)data->function_count++;
}

static void put_texts(struct pyro_json *json, const struct pyro_page_data *data)
{
    pyro_json_array(json, "strings");
    size_t count = data->strings.count ? data->strings.count : 1; /* 0 is always there */
    for (uint32_t i = 0; i < count; i++)
        pyro_json_string(json, NULL, pyro_strings_text(&data->strings, i));
    pyro_json_end(json);
    pyro_json_array(json, "files");
    for (size_t i = 0; i < data->file_count; i++) {
        pyro_json_array(json, NULL);
        pyro_json_u64(json, NULL, data->file_list[i].path);
        pyro_json_u64(json, NULL, data->file_list[i].shown);
        pyro_json_u64(json, NULL, data->file_list[i].library);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* -- columns of structs ----------------------------------------------------------------------------- */

/* A column named NAME of TYPE (u32, ways, counts, f32, f64) with COUNT values, each EXPRESSION of I. */
#define PUT_COLUMN(data, type, ctype, name, number, expression)                    \
    do {                                                                           \
        size_t column_size = (number);                                             \
        ctype *values = calloc(column_size + 1, sizeof(*values));                  \
        for (size_t i = 0; values && i < column_size; i++)                         \
            values[i] = (ctype)(expression);                                       \
        if (values)                                                                \
            pyro_page_columns_##type(&(data)->columns, name, values, column_size); \
        else                                                                       \
            (data)->failed = true;                                                 \
        free(values);                                                              \
    } while (0)
#define PUT_U32(data, name, number, expression) \
    PUT_COLUMN(data, u32, uint32_t, name, number, expression)
#define PUT_F64(data, name, number, expression) \
    PUT_COLUMN(data, f64, double, name, number, expression)
#define PUT_WAYS(data, name, number, expression) \
    PUT_COLUMN(data, ways, uint32_t, name, number, expression)
#define PUT_COUNTS(data, name, number, expression) \
    PUT_COLUMN(data, counts, double, name, number, expression)

/* One more than that; 0: not known. */
static double calls_or_none(uint64_t calls)
{
    return calls == PYRO_NO_CALLS ? 0 : (double)calls + 1;
}

static int compare_rows(const void *a_pointer, const void *b_pointer)
{
    const struct pyro_stats_row *a = *(void *const *)a_pointer, *b = *(void *const *)b_pointer;
    return a->function < b->function ? -1 : a->function > b->function;
}

static void put_rows(struct pyro_page_data *data)
{
    const struct pyro_stats *stats = data->stats;
    size_t count = stats->row_count;
    const struct pyro_stats_row **rows = calloc(count + 1, sizeof(*rows));
    for (size_t i = 0; rows && i < count; i++)
        rows[i] = &stats->rows[i];
    if (rows) {
        qsort(rows, count, sizeof(*rows), compare_rows);
        PUT_WAYS(data, "row_function", count, rows[i]->function);
        PUT_COUNTS(data, "row_calls", count, calls_or_none(rows[i]->ncalls));
        PUT_COUNTS(data, "row_recursive", count,
                   rows[i]->ncalls == PYRO_NO_CALLS || rows[i]->primitive_calls == PYRO_NO_CALLS
                       ? 0
                       : (double)(rows[i]->ncalls - rows[i]->primitive_calls));
        /* compared with the time of the function, no more: whole numbers will do */
        PUT_COUNTS(data, "row_sigma", count, ceil(rows[i]->tottime_sigma_s * 1e6));
    }
    if (rows && data->profile->timed) { /* else the page adds up the times of samples */
        PUT_F64(data, "row_self", count, rows[i]->tottime_s * 1e6);
        PUT_F64(data, "row_total", count, rows[i]->cumtime_s * 1e6);
    }
    data->failed = data->failed || !rows;
    free(rows);
}

static void put_functions(struct pyro_page_data *data)
{
    PUT_WAYS(data, "function_name", data->function_count, data->functions[i].name);
    PUT_WAYS(data, "function_file", data->function_count, data->functions[i].file);
    PUT_U32(data, "function_line", data->function_count, data->functions[i].line);
    PUT_U32(data, "function_kind", data->function_count, data->functions[i].kind);
}

static int compare_edges(const void *a_pointer, const void *b_pointer)
{
    const struct pyro_stats_edge *a = *(void *const *)a_pointer, *b = *(void *const *)b_pointer;
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    return a->caller < b->caller ? -1 : a->caller > b->caller;
}

/* Pairs of caller and callee that were counted or timed. A root is function_count: the narrowest type holds it. */
static void put_edges(struct pyro_page_data *data)
{
    const struct pyro_stats *stats = data->stats;
    const struct pyro_stats_edge **edges = calloc(stats->edge_count + 1, sizeof(*edges));
    size_t count = 0;
    for (size_t i = 0; edges && i < stats->edge_count; i++)
        if (data->profile->timed || stats->edges[i].ncalls != PYRO_NO_CALLS)
            edges[count++] = &stats->edges[i];
    if (edges) {
        qsort(edges, count, sizeof(*edges), compare_edges);
        PUT_U32(data, "edge_caller", count,
                edges[i]->caller == PYRO_NO_ID ? data->function_count : edges[i]->caller);
        PUT_WAYS(data, "edge_callee", count, edges[i]->callee);
        PUT_COUNTS(data, "edge_calls", count, calls_or_none(edges[i]->ncalls));
        if (data->profile->timed)
            PUT_F64(data, "edge_total", count, edges[i]->time_s * 1e6);
    }
    data->failed = data->failed || !edges;
    free(edges);
}

/* -- stacks and cells ------------------------------------------------------------------------------- */

struct frame_place {
    uint32_t frame, function, line;
};

static int compare_frames(const void *a_pointer, const void *b_pointer)
{
    const struct frame_place *a = a_pointer, *b = b_pointer;
    if (a->function != b->function)
        return a->function < b->function ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* The frames by function and line; RET_PLACES: of each, its place among those of its function. */
static void put_frames(struct pyro_page_data *data, uint32_t *ret_places)
{
    const struct pyro_profile *profile = data->profile;
    size_t count = profile->frame_count;
    struct frame_place *sorted = calloc(count + 1, sizeof(*sorted));
    for (uint32_t i = 0; sorted && i < count; i++)
        sorted[i] = (struct frame_place){i, profile->frames[i].function, profile->frames[i].line};
    if (sorted) {
        qsort(sorted, count, sizeof(*sorted), compare_frames);
        for (size_t i = 0; i < count; i++)
            ret_places[sorted[i].frame] = i && sorted[i - 1].function == sorted[i].function
                                              ? ret_places[sorted[i - 1].frame] + 1
                                              : 0;
        PUT_WAYS(data, "frame_function", count, sorted[i].function);
        PUT_WAYS(data, "frame_line", count, sorted[i].line);
    }
    data->failed = data->failed || !sorted;
    free(sorted);
}

static void put_order(struct pyro_page_data *data, const struct pyro_page_order *order)
{
    PUT_U32(data, "node_up", order->node_count, order->node_up[i]);
    PUT_U32(data, "node_function", order->node_count, order->node_function[i]);
    PUT_U32(data, "node_stacks", order->node_count, order->node_stacks[i]);
    PUT_U32(data, "stack_parent", order->stack_count, order->stack_parent[i]);
}

/* Order the stacks by the time that a page shows first. */
static int order_stacks(struct pyro_page_order *order, const struct pyro_profile *profile,
                        const struct pyro_cells *cells)
{
    size_t count = profile->stack_count;
    uint32_t *parents = calloc(count + 1, sizeof(*parents));
    uint32_t *functions = calloc(count + 1, sizeof(*functions));
    double *self_us = calloc(count + 1, sizeof(*self_us));
    int result = parents && functions && self_us ? 0 : -ENOMEM;
    for (uint32_t i = 1; result == 0 && i < count; i++) {
        parents[i] = profile->stacks[i].parent;
        functions[i] = pyro_profile_function_of(profile, i);
    }
    for (size_t i = 0; result == 0 && i < cells->count; i++)
        if (cells->kinds[cells->kind[i]].clocks & 1u << PYRO_CLOCK_WALL)
            self_us[cells->stack[i]] += pyro_cell_time_us(cells, i);
    if (result == 0)
        result = pyro_page_order_make(
            order, &(struct pyro_page_stacks){parents, functions, self_us, count});
    free(parents);
    free(functions);
    free(self_us);
    return result;
}

static int put_stacks(struct pyro_page_data *data, const struct pyro_page_order *order)
{
    const struct pyro_profile *profile = data->profile;
    uint32_t *places = calloc(profile->frame_count + 1, sizeof(*places));
    if (!places)
        return -ENOMEM;
    put_frames(data, places);
    put_order(data, order);
    PUT_U32(data, "stack_frame", order->stack_count,
            i ? places[profile->stacks[order->stacks[i]].frame] : 0);
    free(places);
    return 0;
}

#define LEFT_ALL    4095 /* of the column "stack_left": nothing was taken out */
#define OFF_US      4    /* the times of cells are true to this, their sums by stack too, */
#define OFF_BUCKETS 2000 /* or to so small a part of a bucket, where that is more */

/* Times of sampled cells. Samples of a bucket weigh nearly the same, so that what a page needs is that weight and how far each cell is off it, which is mostly
 * nothing: rounded to a few microseconds, and what is lost by that is added to the stack's next cell. */
static void put_cell_times(struct pyro_page_data *data, const struct pyro_cells *cells,
                           const struct pyro_page_order *order)
{
    uint32_t *weights = calloc(cells->bucket_count + 1, sizeof(*weights)); /* in PYRO_WEIGHT_US */
    double *time_us = calloc(cells->bucket_count + 1, sizeof(*time_us));
    double *samples = calloc(cells->bucket_count + 1, sizeof(*samples));
    double *lost_us = calloc(order->stack_count + 1, sizeof(*lost_us));
    const double off_us = fmax(OFF_US, cells->bucket_us / OFF_BUCKETS);
    bool ok = weights && time_us && samples && lost_us;
    for (size_t i = 0; ok && i < cells->count; i++) {
        time_us[cells->bucket[i]] += (double)cells->time_us[i];
        samples[cells->bucket[i]] += cells->samples[i];
    }
    for (uint32_t i = 0; ok && i < cells->bucket_count; i++) {
        double mean = samples[i] > 0 ? time_us[i] / samples[i] * PYRO_WEIGHTS_A_US : 0;
        weights[i] = samples[i] <= 0 && i    ? weights[i - 1]
                     : mean < UINT32_MAX / 4 ? (uint32_t)(mean + 0.5)
                                             : UINT32_MAX / 4;
    }
    if (ok) {
        pyro_page_columns_ways(&data->columns, "bucket_weight", weights, cells->bucket_count);
        uint32_t *off = calloc(cells->count + 1, sizeof(*off));
        for (size_t i = 0; off && i < cells->count; i++) {
            double *lost = &lost_us[cells->stack[i]];
            double mean = (double)weights[cells->bucket[i]] / PYRO_WEIGHTS_A_US;
            double rest = (double)cells->time_us[i] - mean * cells->samples[i] + *lost;
            double whole = fmax(-1e9, fmin(1e9, rint(rest / off_us)));
            *lost = rest - whole * off_us;
            off[i] = pyro_page_way(0, (uint32_t)(int32_t)whole);
        }
        if (off)
            pyro_page_columns_u32(&data->columns, "cell_off", off, cells->count);
        ok = off != NULL;
        free(off);
    }
    if (cells->left)
        PUT_U32(data, "stack_left", order->stack_count,
                lrint((double)cells->left[order->stacks[i]] * LEFT_ALL));
    data->failed = data->failed || !ok;
    free(weights);
    free(time_us);
    free(samples);
    free(lost_us);
}

/* Each cell's way from the last stack of the same thread, which is mostly small. */
static void put_cell_stacks(struct pyro_page_data *data, const struct pyro_cells *cells,
                            const struct pyro_page_order *order)
{
    uint32_t *last = calloc(data->profile->thread_count + 1, sizeof(*last));
    uint32_t *ways = calloc(cells->count + 1, sizeof(*ways));
    for (size_t i = 0; last && ways && i < cells->count; i++) {
        uint32_t *before = &last[cells->thread[i]], stack = order->numbers[cells->stack[i]];
        ways[i] = pyro_page_way(*before, stack);
        *before = stack;
    }
    if (last && ways)
        pyro_page_columns_u32(&data->columns, "cell_stack", ways, cells->count);
    data->failed = data->failed || !last || !ways;
    free(last);
    free(ways);
}

/* ANY_TIMES: not only those of samples. */
static void put_cells(struct pyro_page_data *data, const struct pyro_cells *cells,
                      const struct pyro_page_order *order, bool any_times)
{
    struct pyro_page_columns *columns = &data->columns;
    pyro_page_columns_ways(columns, "cell_bucket", cells->bucket, cells->count);
    pyro_page_columns_ways(columns, "cell_thread", cells->thread, cells->count);
    put_cell_stacks(data, cells, order);
    pyro_page_columns_u32(columns, "cell_kind", cells->kind, cells->count);
    pyro_page_columns_u32(columns, "cell_samples", cells->samples, cells->count);
    if (any_times)
        pyro_page_columns_f32(columns, "cell_us", cells->time_us, cells->count);
    else
        put_cell_times(data, cells, order);
}

/* Sums first, cells later: too many for a page to open before it draws anything. Where there are hardly fewer sums, all at once. */
struct sums {
    struct pyro_cell_sum *items; /* NULL: cells at once */
    size_t count;
};

static int make_sums(struct sums *sums, const struct pyro_cells *cells,
                     const struct pyro_page_order *order)
{
    *sums = (struct sums){0};
    if (cells->count <= PYRO_CELLS_AT_ONCE)
        return 0;
    int result = pyro_cells_sum_up(cells, order->numbers, &sums->items, &sums->count);
    if (result == 0 && sums->count > cells->count / 2) {
        free(sums->items);
        sums->items = NULL;
    }
    return result;
}

static void put_sums(struct pyro_page_data *data, const struct sums *sums)
{
    PUT_WAYS(data, "sum_stack", sums->count, sums->items[i].stack);
    PUT_WAYS(data, "sum_thread", sums->count, sums->items[i].thread);
    PUT_U32(data, "sum_kind", sums->count, sums->items[i].kind);
    PUT_COUNTS(data, "sum_samples", sums->count, sums->items[i].samples);
    PUT_COLUMN(data, f32, float, "sum_us", sums->count, sums->items[i].time_us);
}

/* What a tracer timed, as stacks: frame i is function i, and each stack has one cell. */
static int put_estimate(struct pyro_page_data *data, double *ret_folded_us)
{
    struct pyro_guess tree;
    struct pyro_page_order order = {0};
    int result = pyro_guess_make(&tree, data->profile);
    if (result < 0)
        return result;
    double *self_us = calloc(tree.count + 1, sizeof(*self_us));
    for (size_t i = 0; self_us && i < tree.count; i++)
        self_us[i] = (double)tree.self_us[i];
    result = self_us ? pyro_page_order_make(&order,
                                            &(struct pyro_page_stacks){tree.parents, tree.functions,
                                                                       self_us, tree.count})
                     : -ENOMEM;
    if (result == 0) {
        PUT_WAYS(data, "frame_function", data->profile->function_count, i);
        PUT_WAYS(data, "frame_line", data->profile->function_count, 0);
        put_order(data, &order);
        PUT_U32(data, "stack_frame", tree.count, 0);
        PUT_U32(data, "cell_bucket", tree.count, 0);
        PUT_U32(data, "cell_thread", tree.count, 0);
        PUT_WAYS(data, "cell_stack", tree.count, i);
        PUT_U32(data, "cell_kind", tree.count, 0);
        PUT_U32(data, "cell_samples", tree.count, 0);
        PUT_COLUMN(data, f32, float, "cell_us", tree.count, tree.self_us[order.stacks[i]]);
        *ret_folded_us = tree.folded_us;
    }
    free(self_us);
    pyro_page_order_clear(&order);
    pyro_guess_clear(&tree);
    return result;
}

/* Lines that were counted: exact hits, and measured time. What was sampled, the page adds up itself. */
static int put_lines(struct pyro_page_data *data, struct pyro_error *error)
{
    struct pyro_lines *lines;
    int result = pyro_lines_make(data->profile, &lines, error);
    if (result == -ENODATA)
        return 0;
    if (result < 0)
        return result;
    struct pyro_line_row {
        uint32_t function;
        const struct pyro_line *line;
    } *rows = calloc(lines->line_count + 1, sizeof(*rows));
    size_t count = 0;
    for (size_t i = 0; rows && i < lines->function_count; i++)
        for (size_t j = 0; lines->functions[i].counted && j < lines->functions[i].count; j++)
            rows[count++] = (struct pyro_line_row){lines->functions[i].function,
                                                   &lines->lines[lines->functions[i].first + j]};
    if (rows) {
        PUT_U32(data, "line_function", count, rows[i].function);
        PUT_U32(data, "line_line", count, rows[i].line->line);
        PUT_COUNTS(data, "line_hits", count, calls_or_none(rows[i].line->hits));
        PUT_F64(data, "line_total", count, rows[i].line->time_s * 1e6);
    }
    data->lines_from_s = lines->from_s;
    data->failed = data->failed || !rows;
    free(rows);
    pyro_lines_free(lines);
    return 0;
}

/* What each stack allocated itself, and what of it was alive at the high-water mark of its process. */
static void put_memory(struct pyro_page_data *data, const struct pyro_page_order *order)
{
    const struct pyro_profile *profile = data->profile;
    PUT_WAYS(data, "memory_stack", profile->memory_count, order->numbers[profile->memory[i].stack]);
    PUT_COUNTS(data, "memory_allocated", profile->memory_count,
               (double)profile->memory[i].allocated);
    PUT_COUNTS(data, "memory_held", profile->memory_count, (double)profile->memory[i].held);
    PUT_COUNTS(data, "memory_blocks", profile->memory_count,
               (double)profile->memory[i].allocations);
}

/* The lines that frames stand at, by file. */
static int lines_of_frames(struct pyro_map *lines, const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->frame_count; i++) {
        const struct pyro_frame *frame = &profile->frames[i];
        if (!pyro_map_insert(lines, profile->functions[frame->function].file, frame->line, NULL))
            return -ENOMEM;
    }
    return 0;
}

/* What else is kept of libraries, what they import, is for findings, and would be a third of all source here. */
static void put_sources(struct pyro_page_data *data)
{
    const struct pyro_profile *profile = data->profile;
    const struct pyro_source_line **shown = calloc(profile->source_count + 1, sizeof(*shown));
    struct pyro_map lines = {0};
    size_t count = 0;
    if (!shown || (profile->source_count && lines_of_frames(&lines, profile) < 0))
        data->failed = true;
    for (size_t i = 0; !data->failed && i < profile->source_count; i++) {
        const struct pyro_source_line *source = &profile->sources[i];
        if (pyro_map_find(&lines, source->file, source->line) ||
            !pyro_path_is_library(pyro_profile_text(profile, source->file)))
            shown[count++] = source;
    }
    PUT_WAYS(data, "source_file", count, file_number(data, profile, shown[i]->file));
    PUT_WAYS(data, "source_line", count, shown[i]->line);
    PUT_WAYS(data, "source_text", count,
             pyro_page_text(data, pyro_profile_text(profile, shown[i]->text)));
    pyro_map_free(&lines);
    free(shown);
}

/* -- the head -------------------------------------------------------------------------------------- */

static void put_title(struct pyro_json *json, const struct pyro_profile *profile, const char *key,
                      const char *title)
{
    char program[256];
    pyro_summary_program(program, sizeof(program), profile);
    pyro_json_string(json, key, title ? title : program);
}

static void put_kinds(struct pyro_json *json, const struct pyro_cells *cells)
{
    pyro_json_array(json, "kinds");
    for (size_t i = 0; i < cells->kind_count; i++) {
        const struct pyro_cell_kind *kind = &cells->kinds[i];
        pyro_json_object(json, NULL);
        pyro_json_string(json, "state", pyro_state_name(kind->state));
        pyro_json_bool(json, "gil", kind->gil);
        pyro_json_bool(json, "gc", kind->gc);
        pyro_json_bool(json, "parked", kind->parked);
        pyro_json_string(json, "waits", kind->waits);
        pyro_json_u64(json, "clocks", kind->clocks);
        pyro_json_end(json);
    }
    pyro_json_end(json);
    pyro_json_u64(json, "buckets", cells->bucket_count);
    pyro_json_double(json, "bucket_us", cells->bucket_us);
}

static void put_threads(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "threads");
    for (size_t i = 0; i < profile->thread_count; i++) {
        const struct pyro_thread *thread = &profile->threads[i];
        const struct pyro_process *process = &profile->processes[thread->process];
        pyro_json_object(json, NULL);
        pyro_json_string(json, "name", pyro_profile_text(profile, thread->name));
        pyro_json_u64(json, "id", thread->native_id);
        pyro_json_i64(json, "pid", process->pid);
        pyro_json_string(json, "command", pyro_profile_text(profile, process->command));
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void put_evidence(struct pyro_json *json, const struct pyro_evidence *evidence)
{
    if (evidence->kind == PYRO_EVIDENCE_PLACE)
        return;
    if (evidence->kind == PYRO_EVIDENCE_TEXT)
        pyro_json_string(json, evidence->key, evidence->text);
    else
        pyro_json_double(json, evidence->key, evidence->number);
}

static void put_finding(struct pyro_json *json, const struct pyro_finding *finding,
                        uint32_t function)
{
    pyro_json_object(json, NULL);
    pyro_json_string(json, "rule", finding->rule->name);
    pyro_json_string(json, "tier", pyro_tier_name(finding->rule->tier));
    pyro_json_string(json, "confidence", pyro_confidence_name(finding->confidence));
    pyro_json_string(json, "title", finding->title);
    pyro_json_u64(json, "function", function);
    pyro_json_u64(json, "line", finding->line);
    pyro_json_string(json, "why", finding->why);
    pyro_json_string(json, "query", finding->query);
    pyro_json_string(json, "fix", finding->fix);
    pyro_json_string(json, "doubt", finding->doubt);
    pyro_json_double(json, "gain_s", finding->gain_s);
    pyro_json_double(json, "gain_low_s", finding->gain_low_s);
    pyro_json_double(json, "gain_high_s", finding->gain_high_s);
    pyro_json_double(json, "gain_bytes", finding->gain_bytes);
    pyro_json_double(json, "gain_low_bytes", finding->gain_low_bytes);
    pyro_json_double(json, "gain_high_bytes", finding->gain_high_bytes);
    pyro_json_string(json, "innocent", finding->innocent);
    pyro_json_double(json, "innocent_s", finding->innocent_s);
    pyro_json_object(json, "evidence");
    for (size_t i = 0; i < finding->evidence_count; i++)
        put_evidence(json, &finding->evidence[i]);
    pyro_json_end(json);
    pyro_json_end(json);
}

int pyro_page_findings(struct pyro_json *json, const char *key, const struct pyro_profile *profile,
                       uint32_t (*number)(void *context, uint32_t function), void *context,
                       struct pyro_error *error)
{
    struct pyro_findings *findings = NULL;
    if (profile->timed)
        return 0;
    int result = pyro_findings_make(profile, &findings, error);
    if (result < 0)
        return result;
    pyro_json_array(json, key);
    for (size_t i = 0; i < findings->count; i++) {
        uint32_t function = findings->items[i].function;
        put_finding(json, &findings->items[i], number ? number(context, function) : function);
    }
    pyro_json_end(json);
    pyro_findings_free(findings);
    return 0;
}

static void put_totals(struct pyro_json *json, const struct pyro_stats *stats)
{
    char split[256];
    pyro_summary_split(split, sizeof(split), &stats->summary, true);
    pyro_json_string(json, "split", split);
    pyro_json_bool(json, "timed", stats->profile->timed);
    pyro_json_bool(json, "traced", stats->traced);
    pyro_json_bool(json, "counted", stats->profile->timed || stats->profile->probes != NULL);
    pyro_json_double(json, "total_us", stats->total_s * 1e6);
    pyro_json_double(json, "parked_us", stats->parked_s * 1e6);
    pyro_json_double(json, "running_us", stats->running_s * 1e6);
    pyro_json_double(json, "runnable_us", stats->runnable_s * 1e6);
    pyro_json_double(json, "native_us", stats->summary.native_us - stats->summary.database_us);
}

/* -- all of it -------------------------------------------------------------------------------------- */

static int put_head(struct pyro_page_data *data, const struct pyro_page_options *options,
                    const struct pyro_cells *cells, double folded_us, FILE *out,
                    struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    const struct pyro_profile *profile = data->profile;
    pyro_json_object(&json, NULL);
    put_title(&json, profile, "title", options->title);
    pyro_summary_json(&json, "recording", profile, &data->stats->summary);
    put_totals(&json, data->stats);
    pyro_json_bool(&json, "memory", profile->heaps != NULL);
    pyro_json_u64(&json, "memory_period", pyro_profile_memory_period(profile));
    pyro_json_string(&json, "foreign", profile->foreign);
    pyro_json_bool(&json, "timeless", profile->timeless);
    pyro_json_bool(&json, "lines_alone", profile->lines_alone);
    pyro_json_double(&json, "lines_from_s", data->lines_from_s);
    pyro_json_double(&json, "folded_us", folded_us);
    put_kinds(&json, cells);
    put_threads(&json, profile);
    int result = pyro_page_over_time(&data->columns, &json, profile, error);
    if (result == 0)
        result = pyro_page_findings(&json, "findings", profile, NULL, NULL, error);
    if (result == 0 && options->baseline) {
        put_title(&json, options->baseline, "baseline", NULL);
        result = pyro_page_compare(data, options->baseline, &json, error);
    }
    put_functions(data);
    put_rows(data);
    put_edges(data);
    put_texts(&json, data);
    pyro_page_columns_json(&json, &data->columns);
    pyro_json_end(&json);
    return result;
}

/* The cells, the order of their stacks, and what a page begins with. */
struct sampled {
    struct pyro_cells cells;
    struct pyro_page_order order;
    struct sums sums;
};

static int make_sampled(struct sampled *sampled, const struct pyro_profile *profile)
{
    int result = pyro_cells_make(&sampled->cells, profile);
    if (result == 0)
        result = order_stacks(&sampled->order, profile, &sampled->cells);
    return result == 0 ? make_sums(&sampled->sums, &sampled->cells, &sampled->order) : result;
}

static void free_sampled(struct sampled *sampled)
{
    pyro_cells_clear(&sampled->cells);
    pyro_page_order_clear(&sampled->order);
    free(sampled->sums.items);
}

/* Are the times of cells more than those of samples? */
static bool any_times(const struct pyro_profile *profile, const struct sampled *sampled)
{
    return profile->foreign || sampled->cells.traced;
}

static int put_sampled(struct pyro_page_data *data, const struct sampled *sampled)
{
    int result = put_stacks(data, &sampled->order);
    if (result < 0)
        return result;
    if (sampled->sums.items)
        put_sums(data, &sampled->sums);
    else
        put_cells(data, &sampled->cells, &sampled->order, any_times(data->profile, sampled));
    put_memory(data, &sampled->order);
    return 0;
}

static int fill(struct pyro_page_data *data, const struct pyro_page_options *options,
                const struct sampled *sampled, FILE *head, struct pyro_error *error)
{
    double folded_us = 0;
    int result = 0;
    for (uint32_t i = 0; i < data->profile->function_count; i++) /* alike stands by alike */
        pyro_page_text(data, pyro_profile_text(data->profile, data->profile->functions[i].name));
    for (uint32_t i = 0; i < data->profile->function_count; i++)
        pyro_page_add_function(data, data->profile, i);
    if (data->profile->timed)
        result = put_estimate(data, &folded_us);
    else
        result = put_sampled(data, sampled);
    if (result == 0)
        result = put_lines(data, error);
    if (result < 0)
        return result;
    put_sources(data);
    result = put_head(data, options, &sampled->cells, folded_us, head, error);
    return result == 0 && (data->failed || data->columns.bytes.failed) ? -ENOMEM : result;
}

/* The head's size, the head, the columns. */
static int join(struct pyro_buffer *ret, const char *head, size_t size,
                const struct pyro_page_columns *columns)
{
    pyro_buffer_put_u32(ret, (uint32_t)size);
    pyro_buffer_put(ret, head, size);
    pyro_buffer_put(ret, columns->bytes.data, columns->bytes.size);
    return ret->failed ? -ENOMEM : 0;
}

/* The head of columns that a page opens later tells where they lie, and no more. */
static int join_later(struct pyro_buffer *ret, const struct pyro_page_columns *later)
{
    char *head = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&head, &size);
    if (!out)
        return -ENOMEM;
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_page_columns_json(&json, later);
    pyro_json_end(&json);
    int result = fclose(out) == 0 ? 0 : -ENOMEM;
    if (result == 0)
        result = join(ret, head, size, later);
    free(head);
    return result;
}

static void free_data(struct pyro_page_data *data)
{
    pyro_page_columns_free(&data->columns);
    pyro_strings_free(&data->strings);
    pyro_map_free(&data->files);
    pyro_stats_free(data->stats);
    free(data->file_list);
    free(data->functions);
}

/* -- both parts at once ----------------------------------------------------------------------------- */

enum { AT_ONCE, LATER, PARTS };

struct parts {
    const struct pyro_profile *profile;
    const struct pyro_page_options *options;
    const struct sampled *sampled;
    struct pyro_page_packed *ret;
    struct pyro_error
        *error; /* of what is there at once; the other part has -ENOMEM alone to tell */
    int results[PARTS];
};

static int pack_at_once(struct parts *parts)
{
    const struct pyro_stats_options plain = {.thread = PYRO_NO_ID};
    struct pyro_page_data data = {.profile = parts->profile};
    struct pyro_buffer bytes = {0};
    char *head = NULL;
    size_t head_size = 0;
    FILE *out = open_memstream(&head, &head_size);
    int result = out ? pyro_stats_make(parts->profile, &plain, &data.stats, parts->error) : -ENOMEM;
    if (result == 0)
        result = fill(&data, parts->options, parts->sampled, out, parts->error);
    if (out && fclose(out) != 0 && result == 0)
        result = -ENOMEM;
    if (result == 0)
        result = join(&bytes, head, head_size, &data.columns);
    free(head);
    free_data(&data);
    if (result == 0)
        result = pyro_page_pack(&parts->ret->at_once, &bytes);
    pyro_buffer_free(&bytes);
    return result;
}

static int pack_later(struct parts *parts)
{
    struct pyro_page_data data = {.profile = parts->profile};
    struct pyro_buffer bytes = {0};
    put_cells(&data, &parts->sampled->cells, &parts->sampled->order,
              any_times(parts->profile, parts->sampled));
    int result = data.failed || data.columns.bytes.failed ? -ENOMEM : 0;
    if (result == 0)
        result = join_later(&bytes, &data.columns);
    free_data(&data);
    if (result == 0)
        result = pyro_page_pack(&parts->ret->later, &bytes);
    pyro_buffer_free(&bytes);
    return result;
}

static void pack_part(void *context, size_t which)
{
    struct parts *parts = context;
    parts->results[which] = which == AT_ONCE ? pack_at_once(parts) : pack_later(parts);
}

int pyro_page_make(const struct pyro_profile *profile, const struct pyro_page_options *options,
                   struct pyro_page_packed *ret, struct pyro_error *error)
{
    struct sampled sampled = {.cells = {.bucket_count = 1, .bucket_us = 1}};
    struct parts parts = {
        .profile = profile, .options = options, .sampled = &sampled, .ret = ret, .error = error};
    int result = profile->timed ? 0 : make_sampled(&sampled, profile);
    if (result == 0)
        pyro_parallel(sampled.sums.items ? PARTS : LATER, pack_part, &parts);
    for (size_t i = 0; result == 0 && i < PARTS; i++)
        result = parts.results[i];
    free_sampled(&sampled);
    return result;
}
