/* report/memory.c - memory_profiler's tables and tracemalloc's rows, of what was tracked. */
#include "report/memory.h"

#include "base/grown.h"
#include "base/json.h"
#include "profile/paths.h"
#include "profile/summary.h"
#include "report/internal.h"
#include "report/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLD_SHARE   0.01 /* of all: such lines of a table are left out, and such functions */
#define HOT_SHARE    0.10 /* of all: such lines are coloured */
#define CELL_BYTES   32
#define SOURCE_BYTES 1024
#define TEXT_BYTES   4096
#define MIN_TEXT     20 /* columns */
#define FIGURES      12 /* columns of a size */
#define RANGE        24 /* of two */
#define RANGE_BYTES  (3 * CELL_BYTES)

struct layout {
    const struct pyro_allocations *memory;
    const struct pyro_report_memory *choice;
    const struct pyro_report_style *style;
    uint64_t all; /* bytes, of what is asked */
    int text;     /* columns that are left for it */
};

/* -- figures ------------------------------------------------------------------------------------ */

static void put_size(char cell[CELL_BYTES], uint64_t bytes)
{
    pyro_summary_size(cell, CELL_BYTES, bytes);
}

/* 12,182,331 */
static void put_count(char cell[CELL_BYTES], uint64_t count)
{
    char digits[CELL_BYTES];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            cell[at++] = ',';
        cell[at++] = digits[i];
    }
    cell[at] = '\0';
}

static uint64_t asked(const struct layout *layout, const struct pyro_allocation_figures *figures)
{
    switch (layout->choice->order) {
    case PYRO_MEMORY_PEAK:
        return figures->peak;
    case PYRO_MEMORY_LEAKS:
        return figures->live;
    case PYRO_MEMORY_TEMPORARY:
        return figures->brief_bytes;
    }
    return 0;
}

/* A file may say what it likes. */
static uint64_t whole(double figure)
{
    return figure < 0x1p63 ? (uint64_t)figure : UINT64_C(1) << 63;
}

/* 8.1 MiB - 9.9 MiB */
static void put_range(char text[RANGE_BYTES], const struct pyro_interval *interval)
{
    char low[CELL_BYTES], high[CELL_BYTES];
    put_size(low, whole(interval->low));
    put_size(high, whole(interval->high));
    snprintf(text, RANGE_BYTES, "%s - %s", low, high);
}

static struct pyro_interval asked_range(const struct layout *layout,
                                        const struct pyro_allocation_figures *figures)
{
    return layout->choice->order == PYRO_MEMORY_LEAKS
               ? pyro_allocation_live(layout->memory, figures)
               : pyro_allocation_peak(layout->memory, figures);
}

/* Figures are estimated, and what is asked has an interval. */
static bool has_ranges(const struct layout *layout)
{
    return layout->memory->period && layout->choice->order != PYRO_MEMORY_TEMPORARY;
}

static double share_of(const struct layout *layout, uint64_t bytes)
{
    return layout->all ? (double)bytes / (double)layout->all : 0;
}

/* -- rows --------------------------------------------------------------------------------------- */

static const char *const titles[] = {
    [PYRO_MEMORY_PEAK] = "At peak",
    [PYRO_MEMORY_LEAKS] = "Left",
    [PYRO_MEMORY_TEMPORARY] = "Temporary",
};

static void print_titles(FILE *out, const struct layout *layout, const char *first,
                         const char *text)
{
    fprintf(out, "%s", pyro_ink_on(layout->style, PYRO_INK_BOLD));
    if (*first)
        pyro_cell_print(out, first, 6);
    pyro_cell_print(out, titles[layout->choice->order], FIGURES);
    if (has_ranges(layout))
        pyro_cell_print(out, "95 % between", RANGE);
    pyro_cell_print(out, "%", 6);
    if (layout->choice->order != PYRO_MEMORY_LEAKS)
        pyro_cell_print(out, "Left", FIGURES);
    pyro_cell_print(out, "Allocated", FIGURES);
    pyro_cell_print(out, layout->choice->order == PYRO_MEMORY_TEMPORARY ? "Blocks" : "Count", 12);
    fprintf(out, " %s%s\n", text, pyro_ink_off(layout->style, PYRO_INK_BOLD));
}

static void print_figures(FILE *out, const struct layout *layout,
                          const struct pyro_allocation_figures *figures)
{
    char cell[CELL_BYTES];
    put_size(cell, asked(layout, figures));
    pyro_cell_print(out, cell, FIGURES);
    if (has_ranges(layout)) {
        const struct pyro_interval interval = asked_range(layout, figures);
        char range[RANGE_BYTES];
        put_range(range, &interval);
        pyro_cell_print(out, range, RANGE);
    }
    snprintf(cell, sizeof(cell), "%.1f", 100 * share_of(layout, asked(layout, figures)));
    pyro_cell_print(out, cell, 6);
    if (layout->choice->order != PYRO_MEMORY_LEAKS) {
        put_size(cell, figures->live);
        pyro_cell_print(out, cell, FIGURES);
    }
    put_size(cell, figures->allocated);
    pyro_cell_print(out, cell, FIGURES);
    put_count(cell,
              layout->choice->order == PYRO_MEMORY_TEMPORARY ? figures->brief : figures->blocks);
    pyro_cell_print(out, cell, 12);
}

/* A line of source as a terminal may see it: with INDENT as it stands there, else without its indentation. */
static void put_source(char *shown, const struct layout *layout, const char *source, int columns,
                       bool indent)
{
    char text[SOURCE_BYTES];
    size_t used = 0;
    source = source ? source : "";
    if (!indent)
        source += strspn(source, " \t");
    for (; *source && used + 8 < sizeof(text); source++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s", *source == '\t' ? 8 : 1,
                                 *source == '\t' ? "        " : source);
    text[used] = '\0';
    pyro_report_fit(shown, TEXT_BYTES, text, (size_t)(columns > MIN_TEXT ? columns : MIN_TEXT),
                    layout->style->utf8);
}

/* Of what stands in no file, its name. */
static const char *path_of(const struct layout *layout, uint32_t function)
{
    const struct pyro_profile *profile = layout->memory->profile;
    const struct pyro_function *what = &profile->functions[function];
    const char *path =
        pyro_path_short(pyro_profile_text(profile, what->file), layout->style->directory);
    return *path ? path : pyro_profile_text(profile, what->name);
}

static void print_row(FILE *out, const struct layout *layout,
                      const struct pyro_allocation_figures *figures, const char *text,
                      const char *source)
{
    char shown[TEXT_BYTES], code[TEXT_BYTES];
    bool hot = share_of(layout, asked(layout, figures)) >= HOT_SHARE;
    enum pyro_ink ink = hot ? PYRO_INK_HOT : PYRO_INK_PLAIN;
    fprintf(out, "%s", pyro_ink_on(layout->style, ink));
    print_figures(out, layout, figures);
    pyro_report_fit(shown, sizeof(shown), text, (size_t)layout->text, layout->style->utf8);
    fprintf(out, " %s%s\n", shown, pyro_ink_off(layout->style, ink));
    if (!source)
        return;
    put_source(code, layout, source, layout->style->width - 8, false);
    fprintf(out, "%s%8s%s%s\n", pyro_ink_on(layout->style, PYRO_INK_GREY), "", code,
            pyro_ink_off(layout->style, PYRO_INK_GREY));
}

static size_t rows_of(const struct pyro_report_memory *choice, size_t count)
{
    size_t rows = choice->limit.rows;
    if (choice->limit.share > 0)
        rows = (size_t)(choice->limit.share * (double)count + 0.5);
    else if (rows == 0)
        rows = count;
    return rows < count ? rows : count;
}

static void print_rest(FILE *out, const struct layout *layout, size_t more, const char *what)
{
    if (more)
        fprintf(out, "%s%zu more %s%s: -n 0 shows all%s\n",
                pyro_ink_on(layout->style, PYRO_INK_GREY), more, what, more == 1 ? "" : "s",
                pyro_ink_off(layout->style, PYRO_INK_GREY));
}

/* What is printed as one row. */
struct row {
    struct pyro_allocation_figures figures;
    uint64_t asked;
    uint32_t function, line;
    const char *source;
};

static int most_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->asked != b->asked)
        return a->asked > b->asked ? -1 : 1;
    if (a->function != b->function)
        return a->function < b->function ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static size_t take_lines(const struct layout *layout, struct row *rows)
{
    const struct pyro_allocations *memory = layout->memory;
    for (size_t i = 0; i < memory->line_count; i++) {
        const struct pyro_allocation_line *line = &memory->lines[i];
        rows[i] = (struct row){.figures = line->self,
                               .function = line->function,
                               .line = line->line,
                               .source = line->source};
    }
    return memory->line_count;
}

static size_t take_functions(const struct layout *layout, struct row *rows)
{
    const struct pyro_allocations *memory = layout->memory;
    for (size_t i = 0; i < memory->function_count; i++)
        rows[i] = (struct row){.figures = memory->functions[i].self,
                               .function = memory->functions[i].function};
    return memory->function_count;
}

static int by_file(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    return (a->line > b->line) - (a->line < b->line); /* where a file's string is kept meanwhile */
}

static size_t take_files(const struct layout *layout, struct row *rows)
{
    size_t count = take_functions(layout, rows), files = 0;
    for (size_t i = 0; i < count; i++)
        rows[i].line = layout->memory->profile->functions[rows[i].function].file;
    if (count)
        qsort(rows, count, sizeof(*rows), by_file);
    for (size_t i = 0; i < count; i++) {
        if (files && rows[files - 1].line == rows[i].line)
            pyro_allocation_add(&rows[files - 1].figures, &rows[i].figures);
        else
            rows[files++] = rows[i];
    }
    return files;
}

static void put_place(char *text, const struct layout *layout, const struct row *row)
{
    const struct pyro_profile *profile = layout->memory->profile;
    char path[TEXT_BYTES - CELL_BYTES];
    const struct pyro_report_style wide = {
        .width = TEXT_BYTES, .utf8 = layout->style->utf8, .directory = layout->style->directory};
    pyro_report_plain(path, sizeof(path), path_of(layout, row->function));
    if (layout->choice->by == PYRO_MEMORY_BY_FUNCTION)
        pyro_report_label(text, TEXT_BYTES, profile, row->function, &wide);
    else if (layout->choice->by == PYRO_MEMORY_BY_FILE || row->line == 0)
        snprintf(text, TEXT_BYTES, "%s", path);
    else
        snprintf(text, TEXT_BYTES, "%s:%" PRIu32, path, row->line);
}

static int print_rows(FILE *out, const struct layout *layout, struct pyro_error *error)
{
    static const char *const nouns[] = {"", "line", "function", "file"};
    const struct pyro_allocations *memory = layout->memory;
    struct row *rows = calloc(memory->line_count + memory->function_count + 1, sizeof(*rows));
    enum pyro_memory_by by = layout->choice->by;
    char text[TEXT_BYTES];
    if (!rows)
        return pyro_error_set(error, -ENOMEM, "no memory");
    size_t count = by == PYRO_MEMORY_BY_LINE       ? take_lines(layout, rows)
                   : by == PYRO_MEMORY_BY_FUNCTION ? take_functions(layout, rows)
                                                   : take_files(layout, rows);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        rows[i].asked = asked(layout, &rows[i].figures);
        if (rows[i].asked)
            rows[kept++] = rows[i];
    }
    if (kept)
        qsort(rows, kept, sizeof(*rows), most_first);
    size_t shown = rows_of(layout->choice, kept);
    print_titles(out, layout, "", nouns[by]);
    for (size_t i = 0; i < shown; i++) {
        put_place(text, layout, &rows[i]);
        print_row(out, layout, &rows[i].figures, text, rows[i].source);
    }
    print_rest(out, layout, kept - shown, nouns[by]);
    free(rows);
    return 0;
}

/* -- tables ------------------------------------------------------------------------------------- */

static void print_table(FILE *out, const struct layout *layout,
                        const struct pyro_allocation_function *function)
{
    const struct pyro_profile *profile = layout->memory->profile;
    const struct pyro_function *what = &profile->functions[function->function];
    char text[TEXT_BYTES], number[CELL_BYTES];
    pyro_report_plain(text, sizeof(text), path_of(layout, function->function));
    fprintf(out, "\nFile: %s\n", text);
    pyro_report_plain(text, sizeof(text), pyro_profile_text(profile, what->name));
    fprintf(out, "Function: %s%s%s at line %" PRIu32 "\n\n",
            pyro_ink_on(layout->style, PYRO_INK_BOLD), text,
            pyro_ink_off(layout->style, PYRO_INK_BOLD), what->first_line);
    print_titles(out, layout, "Line #", "Line Contents");
    for (size_t i = function->first; i < function->first + function->count; i++) {
        const struct pyro_allocation_line *line = &layout->memory->lines[i];
        double share = share_of(layout, asked(layout, &line->total));
        if (share < COLD_SHARE)
            continue;
        enum pyro_ink ink = share >= HOT_SHARE ? PYRO_INK_HOT : PYRO_INK_PLAIN;
        snprintf(number, sizeof(number), "%" PRIu32, line->line);
        fprintf(out, "%s", pyro_ink_on(layout->style, ink));
        pyro_cell_print(out, number, 6);
        print_figures(out, layout, &line->total);
        put_source(text, layout, line->source, layout->text - 7, true);
        fprintf(out, " %s%s\n", text, pyro_ink_off(layout->style, ink));
    }
}

static bool has_table(const struct layout *layout, const struct pyro_allocation_function *function)
{
    const struct pyro_profile *profile = layout->memory->profile;
    const struct pyro_function *what = &profile->functions[function->function];
    return what->kind == PYRO_FUNCTION_PYTHON &&
           !pyro_path_is_library(pyro_profile_text(profile, what->file)) &&
           share_of(layout, asked(layout, &function->total)) >= COLD_SHARE;
}

static int print_tables(FILE *out, const struct layout *layout, struct pyro_error *error)
{
    const struct pyro_allocations *memory = layout->memory;
    struct row *rows = calloc(memory->function_count + 1, sizeof(*rows));
    size_t count = 0;
    if (!rows)
        return pyro_error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < memory->function_count; i++)
        if (has_table(layout, &memory->functions[i]))
            rows[count++] = (struct row){.asked = asked(layout, &memory->functions[i].total),
                                         .function = (uint32_t)i};
    if (count)
        qsort(rows, count, sizeof(*rows), most_first);
    size_t shown = rows_of(layout->choice, count);
    for (size_t i = 0; i < shown; i++)
        print_table(out, layout, &memory->functions[rows[i].function]);
    print_rest(out, layout, count - shown, "function");
    if (!count)
        fprintf(out, "\nno function of the program's own has 1 %% of that: --by line shows all\n");
    free(rows);
    return 0;
}

/* -- all of it ---------------------------------------------------------------------------------- */

static void print_part(FILE *out, uint64_t bytes, const char *what, const char *sign)
{
    char cell[CELL_BYTES];
    put_size(cell, bytes);
    fprintf(out, " %s %s %s", sign, cell, what);
}

/* Of what is resident, who has it. What malloc() keeps free need not be resident, nor what is alive: no part is more than is left. */
static void print_resident(FILE *out, const struct layout *layout)
{
    const struct pyro_allocations *memory = layout->memory;
    char rss[CELL_BYTES], peak[CELL_BYTES];
    if (!memory->rss)
        return;
    put_size(rss, memory->rss);
    put_size(peak, memory->rss_peak);
    uint64_t live = memory->all.live, rest = pyro_grown(memory->rss, memory->files);
    uint64_t known = live + memory->own;
    uint64_t slack =
        pyro_grown(rest, known) < memory->slack ? pyro_grown(rest, known) : memory->slack;
    fprintf(out, "RSS %s", rss);
    print_part(out, pyro_grown(live, memory->native), "live Python", "=");
    if (memory->has_native) {
        print_part(out, memory->native, "live native", "+");
        print_part(out, slack, "free in malloc", "+");
        print_part(out, memory->files, "files and mappings", "+");
    }
    print_part(out, memory->own, "pyrometer's own", "+");
    print_part(out, pyro_grown(rest, known + slack), memory->has_native ? "unexplained" : "rest",
               "+");
    if (known > rest)
        print_part(out, known - rest, "that are not resident", "-");
    fprintf(out, "; at most %s\n", peak);
    if (memory->swapped && !memory->profile->confinement.asked) {
        put_size(rss, memory->swapped);
        fprintf(out, "swapped out: %s\n", rss);
    }
    if (!memory->has_native)
        fprintf(
            out,
            "rest: the interpreter itself, what C code takes by malloc or mmap (not tracked), free "
            "memory kept by allocators, files\n");
}

/* Blocks by size, classes joined so that they fit a line. */
static const struct {
    int last; /* class */
    const char *name;
} size_columns[] = {{5, "<= 32 B"},
                    {7, "128 B"},
                    {9, "512 B"},
                    {12, "4 KiB"},
                    {16, "64 KiB"},
                    {20, "1 MiB"},
                    {PYRO_BLOCK_SIZES - 1, "more"}};
#define SIZE_COLUMNS (sizeof(size_columns) / sizeof(size_columns[0]))

static void print_shares(FILE *out, const char *title, const uint64_t parts[SIZE_COLUMNS],
                         uint64_t all)
{
    char cell[CELL_BYTES];
    fprintf(out, "%-12s", title);
    for (size_t i = 0; i < SIZE_COLUMNS; i++) {
        double percent = all ? 100 * (double)parts[i] / (double)all : 0;
        if (!parts[i])
            snprintf(cell, sizeof(cell), "-");
        else if (percent < 0.1)
            snprintf(cell, sizeof(cell), "<0.1 %%");
        else
            snprintf(cell, sizeof(cell), "%.1f %%", percent);
        pyro_cell_print(out, cell, 8);
    }
    fputc('\n', out);
}

static void print_sizes(FILE *out, const struct pyro_allocations *memory)
{
    uint64_t blocks[SIZE_COLUMNS] = {0}, bytes[SIZE_COLUMNS] = {0};
    uint64_t all_blocks = 0, all_bytes = 0;
    if (!memory->has_sizes)
        return;
    for (int at = 0, column = 0; at < PYRO_BLOCK_SIZES; at++) {
        if (at > size_columns[column].last)
            column++;
        blocks[column] += memory->sizes.classes[at].blocks;
        bytes[column] += memory->sizes.classes[at].bytes;
        all_blocks += memory->sizes.classes[at].blocks;
        all_bytes += memory->sizes.classes[at].bytes;
    }
    fprintf(out, "%-12s", "block size");
    for (size_t i = 0; i < SIZE_COLUMNS; i++)
        pyro_cell_print(out, size_columns[i].name, 8);
    fputc('\n', out);
    print_shares(out, "  blocks", blocks, all_blocks);
    print_shares(out, "  bytes", bytes, all_bytes);
}

/* At any look, or at the end. */
static uint64_t most_swapped(const struct pyro_allocations *memory)
{
    struct pyro_timeline *timeline = NULL;
    uint64_t most = memory->swapped;
    if (memory->profile->look_count && pyro_timeline_make(memory->profile, &timeline, NULL) == 0 &&
        timeline->swapped > most)
        most = timeline->swapped;
    pyro_timeline_free(timeline);
    return most;
}

/* Where it was sampled: all figures but those of the kernel's and of malloc's own are estimates. */
static void print_estimated(FILE *out, const struct layout *layout)
{
    const struct pyro_allocations *memory = layout->memory;
    const struct pyro_allocation_figures *all = &memory->all;
    const struct pyro_interval peak = pyro_allocation_peak(memory, all);
    const struct pyro_interval live = pyro_allocation_live(memory, all);
    const struct pyro_interval allocated = pyro_allocation_allocated(memory, all);
    const struct pyro_interval blocks = pyro_allocation_blocks(all);
    char period[CELL_BYTES], samples[CELL_BYTES], low[CELL_BYTES], high[CELL_BYTES];
    char range[RANGE_BYTES];
    put_size(period, memory->period);
    put_count(samples, all->of_allocated.blocks);
    fprintf(out, "estimated from %s sampled blocks, one each %s on average; 95 %% sure: ", samples,
            period);
    put_range(range, &peak);
    fprintf(out, "peak %s, ", range);
    put_range(range, &live);
    fprintf(out, "left %s, ", range);
    put_range(range, &allocated);
    put_count(low, whole(blocks.low));
    put_count(high, whole(blocks.high));
    fprintf(out, "allocated %s in %s - %s blocks\n", range, low, high);
    if (layout->choice->order == PYRO_MEMORY_TEMPORARY)
        fprintf(out, "what is temporary is estimated without such a range\n");
}

static void print_head(FILE *out, const struct layout *layout)
{
    const struct pyro_allocations *memory = layout->memory;
    char peak[CELL_BYTES], live[CELL_BYTES], count[CELL_BYTES], allocated[CELL_BYTES];
    put_size(peak, memory->all.peak);
    put_size(live, memory->all.live);
    put_size(allocated, memory->all.allocated);
    put_count(count, memory->all.blocks);
    fprintf(out, "%speak %s%s, %s left %s, %s allocated in %s blocks",
            pyro_ink_on(layout->style, PYRO_INK_BOLD), peak,
            pyro_ink_off(layout->style, PYRO_INK_BOLD), live,
            memory->stopped ? "at the end" : "when it was last seen", allocated, count);
    if (memory->profile->counters.duration_us) {
        double seconds = (double)memory->profile->counters.duration_us / 1e6;
        put_count(count, (uint64_t)((double)memory->all.blocks / seconds));
        fprintf(out, ", %s a second", count);
    }
    fprintf(out, " (%s)",
            memory->has_native ? "Python's allocators and C's" : "Python's allocators");
    if (memory->process_count > 1)
        fprintf(out, ", %zu processes added up", memory->process_count);
    fputc('\n', out);
    if (memory->period)
        print_estimated(out, layout);
    print_resident(out, layout);
    pyro_report_confinement(out, memory->profile, most_swapped(memory), layout->style);
    print_sizes(out, memory);
    if (memory->unhooked)
        fprintf(out,
                "not all was seen: something put Python's allocators back while the program ran "
                "(tracemalloc.stop() after PYTHONTRACEMALLOC does), which ended the tracking\n");
    if (memory->lost)
        fprintf(out, "%" PRIu64 " blocks are in no figure: there was no room to know of them\n",
                memory->lost);
    if (memory->cut)
        fprintf(out,
                "%" PRIu64 " frames are left out of stacks, their callers have what they "
                "allocated: there was no room for their names\n",
                memory->cut);
    if (memory->unseen)
        fprintf(out,
                "%" PRIu64
                " blocks were freed past us, and count as freed only since others took their "
                "place\n",
                memory->unseen);
}

/* Where it was looked at over time. */
static int print_over_time(FILE *out, const struct layout *layout, struct pyro_error *error)
{
    struct pyro_timeline *timeline = NULL;
    if (!layout->choice->over_time || !layout->memory->profile->look_count)
        return 0;
    int code = pyro_timeline_make(layout->memory->profile, &timeline, error);
    if (code == 0)
        code = pyro_report_over_time(out, timeline, layout->style, error);
    pyro_timeline_free(timeline);
    return code;
}

int pyro_report_memory(FILE *out, const struct pyro_allocations *memory,
                       const struct pyro_report_memory *choice,
                       const struct pyro_report_style *style, struct pyro_error *error)
{
    struct layout layout = {.memory = memory, .choice = choice, .style = style};
    layout.all = asked(&layout, &memory->all);
    int used = FIGURES * (choice->order == PYRO_MEMORY_LEAKS ? 2 : 3) + 6 + 12 + 7;
    used += has_ranges(&layout) ? RANGE : 0;
    layout.text = style->width - used < MIN_TEXT ? MIN_TEXT : style->width - used;
    print_head(out, &layout);
    int code = print_over_time(out, &layout, error);
    if (code < 0)
        return code;
    if (choice->by == PYRO_MEMORY_BY_TABLES)
        return print_tables(out, &layout, error);
    fputc('\n', out);
    return print_rows(out, &layout, error);
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_range(struct pyro_json *json, const char *key, struct pyro_interval interval)
{
    pyro_json_array(json, key);
    pyro_json_u64(json, NULL, whole(interval.low));
    pyro_json_u64(json, NULL, whole(ceil(interval.high)));
    pyro_json_end(json);
}

/* Of a line's or of what it called, too. */
static void json_ranges(struct pyro_json *json, const struct pyro_allocations *memory,
                        const struct pyro_allocation_figures *figures, bool self)
{
    json_range(json, self ? "self_allocated_95" : "total_allocated_95",
               pyro_allocation_allocated(memory, figures));
    json_range(json, self ? "self_live_95" : "total_live_95",
               pyro_allocation_live(memory, figures));
    json_range(json, self ? "self_peak_95" : "total_peak_95",
               pyro_allocation_peak(memory, figures));
    if (figures->of_allocated.blocks)
        json_range(json, self ? "count_95" : "total_count_95", pyro_allocation_blocks(figures));
    else
        pyro_json_null(json, self ? "count_95" : "total_count_95");
    pyro_json_u64(json, self ? "self_samples" : "total_samples", figures->of_allocated.blocks);
}

static void json_line(struct pyro_json *json, const struct pyro_allocations *memory,
                      const struct pyro_allocation_line *line)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "line", line->line);
    pyro_json_string(json, "source", line->source);
    pyro_json_u64(json, "count", line->self.blocks);
    pyro_json_u64(json, "self_allocated", line->self.allocated);
    pyro_json_u64(json, "self_freed", line->self.freed);
    pyro_json_u64(json, "self_live", line->self.live);
    pyro_json_u64(json, "self_peak", line->self.peak);
    pyro_json_u64(json, "self_temporary", line->self.brief_bytes);
    pyro_json_u64(json, "total_count", line->total.blocks);
    pyro_json_u64(json, "total_allocated", line->total.allocated);
    pyro_json_u64(json, "total_freed", line->total.freed);
    pyro_json_u64(json, "total_live", line->total.live);
    pyro_json_u64(json, "total_peak", line->total.peak);
    pyro_json_u64(json, "total_temporary", line->total.brief_bytes);
    if (memory->period) {
        json_ranges(json, memory, &line->self, true);
        json_ranges(json, memory, &line->total, false);
    }
    pyro_json_end(json);
}

static void json_function(struct pyro_json *json, const struct pyro_allocations *memory,
                          const struct pyro_allocation_function *function)
{
    const struct pyro_function *what = &memory->profile->functions[function->function];
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", pyro_profile_text(memory->profile, what->name));
    pyro_json_string(json, "file", pyro_profile_text(memory->profile, what->file));
    pyro_json_u64(json, "line", what->first_line);
    pyro_json_array(json, "lines");
    for (size_t i = 0; i < function->count; i++)
        json_line(json, memory, &memory->lines[function->first + i]);
    pyro_json_end(json);
    pyro_json_end(json);
}

/* Classes that have blocks. */
static void json_sizes(struct pyro_json *json, const struct pyro_allocations *memory)
{
    pyro_json_line(json);
    pyro_json_array(json, "sizes");
    for (int at = 0; at < PYRO_BLOCK_SIZES; at++) {
        if (!memory->sizes.classes[at].blocks)
            continue;
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "up_to_bytes", UINT64_C(1) << at);
        pyro_json_u64(json, "blocks", memory->sizes.classes[at].blocks);
        pyro_json_u64(json, "bytes", memory->sizes.classes[at].bytes);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_known(struct pyro_json *json, const char *key, uint64_t bytes)
{
    if (bytes)
        pyro_json_u64(json, key, bytes);
    else
        pyro_json_null(json, key);
}

static int json_over_time(struct pyro_json *json, const struct pyro_allocations *memory,
                          struct pyro_error *error)
{
    struct pyro_timeline *timeline = NULL;
    if (!memory->profile->look_count)
        return 0;
    int code = pyro_timeline_make(memory->profile, &timeline, error);
    if (code == 0)
        code = pyro_report_timeline_member(json, timeline, error);
    pyro_timeline_free(timeline);
    return code;
}

/* How it was sampled; null: all was seen. */
static void json_sampled(struct pyro_json *json, const struct pyro_allocations *memory)
{
    if (!memory->period) {
        pyro_json_null(json, "sampled");
        return;
    }
    pyro_json_object(json, "sampled");
    pyro_json_u64(json, "period_bytes", memory->period);
    pyro_json_double(json, "confidence", PYRO_INTERVAL_CONFIDENCE);
    pyro_json_u64(json, "samples", memory->all.of_allocated.blocks);
    json_range(json, "peak_bytes_95", pyro_allocation_peak(memory, &memory->all));
    json_range(json, "live_bytes_95", pyro_allocation_live(memory, &memory->all));
    json_range(json, "allocated_bytes_95", pyro_allocation_allocated(memory, &memory->all));
    json_range(json, "allocations_95", pyro_allocation_blocks(&memory->all));
    pyro_json_end(json);
}

int pyro_report_memory_json(FILE *out, const struct pyro_allocations *memory,
                            struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_json_u64(&json, "peak_bytes", memory->all.peak);
    pyro_json_u64(&json, "live_bytes", memory->all.live);
    json_known(&json, "rss_peak_bytes", memory->rss_peak);
    pyro_json_u64(&json, "allocations", memory->all.blocks);
    pyro_json_us_as_s(&json, "duration_s", memory->profile->counters.duration_us);
    pyro_json_u64(&json, "allocated_bytes", memory->all.allocated);
    json_known(&json, "rss_bytes", memory->rss);
    json_known(&json, "own_bytes", memory->own);
    if (memory->has_native) {
        pyro_json_u64(&json, "native_live_bytes", memory->native);
        json_known(&json, "files_bytes", memory->files);
        json_known(&json, "free_in_malloc_bytes", memory->slack);
        pyro_json_u64(&json, "swapped_bytes", memory->swapped);
    }
    pyro_json_u64(&json, "lost", memory->lost);
    pyro_json_u64(&json, "unseen", memory->unseen);
    pyro_json_u64(&json, "cut", memory->cut);
    pyro_json_u64(&json, "processes", memory->process_count);
    pyro_json_bool(&json, "ended", memory->stopped);
    pyro_json_bool(&json, "unhooked", memory->unhooked);
    json_sampled(&json, memory);
    if (memory->has_sizes)
        json_sizes(&json, memory);
    pyro_report_confinement_member(&json, memory->profile, most_swapped(memory));
    int code = json_over_time(&json, memory, error);
    if (code < 0)
        return code;
    pyro_json_array(&json, "functions");
    for (size_t i = 0; i < memory->function_count; i++)
        json_function(&json, memory, &memory->functions[i]);
    pyro_json_end(&json);
    pyro_json_end(&json);
    putc('\n', out);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}
