/* report/chart.c - a chart of letters: as wide as the terminal, told by shapes, by colour only besides. */
#include "profile/summary.h"
#include "report/internal.h"
#include "report/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS        9
#define LABEL       10 /* columns of a size at the left */
#define TEXT_BYTES  64
#define COLUMNS_MIN 20

struct canvas {
    const struct pyro_timeline *timeline;
    const struct pyro_report_style *style;
    size_t *steps; /* [columns] the step that is shown there */
    size_t columns;
    uint64_t top; /* bytes of the upper edge */
};

/* The eighths of ROW, counted from below, that VALUE fills. */
static int eighths(const struct canvas *canvas, uint64_t value, int row)
{
    double rows = canvas->top ? (double)value / (double)canvas->top * ROWS : 0;
    double filled = (rows - row) * 8;
    return filled >= 8 ? 8 : filled <= 0 ? 0 : (int)(filled + 0.5);
}

/* A cell of one series. Something is never shown as nothing. */
static const char *plain_cell(const struct canvas *canvas, uint64_t rss, int row)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {" ", " ", ".", ".", ":", ":", ":", "#", "#"};
    int filled = eighths(canvas, rss, row);
    if (row == 0 && rss && filled < 2)
        filled = 2;
    return canvas->style->utf8 ? blocks[filled] : letters[filled];
}

/* A cell of two: what is alive below what is resident. */
static const char *layered_cell(const struct canvas *canvas, const struct pyro_timeline_step *step,
                                int row)
{
    bool alive = eighths(canvas, step->live, row) >= 4;
    bool resident = eighths(canvas, step->rss, row) >= 4 || (row == 0 && step->rss);
    if (canvas->style->utf8)
        return alive ? "█" : resident ? "░" : " ";
    return alive ? "#" : resident ? "." : " ";
}

static void print_row(FILE *out, const struct canvas *canvas, int row)
{
    const struct pyro_report_style *style = canvas->style;
    char label[TEXT_BYTES] = "";
    if (row == ROWS - 1)
        pyro_summary_size(label, sizeof(label), canvas->top);
    else if (row == ROWS / 2)
        pyro_summary_size(label, sizeof(label), canvas->top * (ROWS / 2 + 1) / ROWS);
    pyro_cell_print(out, label, LABEL);
    fputs(style->utf8 ? (*label ? "┤" : "│") : (*label ? "+" : "|"), out);
    int last = -1; /* trailing blanks are not printed */
    for (size_t i = 0; i < canvas->columns; i++) {
        if (canvas->steps[i] == PYRO_NO_STEP)
            continue;
        const struct pyro_timeline_step *step = &canvas->timeline->steps[canvas->steps[i]];
        const char *cell = canvas->timeline->tracked ? layered_cell(canvas, step, row)
                                                     : plain_cell(canvas, step->rss, row);
        if (*cell == ' ')
            continue;
        fprintf(out, "%*s%s", (int)i - last - 1, "", cell);
        last = (int)i;
    }
    fputc('\n', out);
}

/* The column that shows the peak. */
static size_t peak_column(const struct canvas *canvas)
{
    for (size_t i = 0; i < canvas->columns; i++)
        if (canvas->steps[i] == canvas->timeline->peak)
            return i;
    return 0;
}

/* "0 s            ^ peak                4.02 s" */
static void print_times(FILE *out, const struct canvas *canvas)
{
    const char *dash = canvas->style->utf8 ? "─" : "-";
    char end[TEXT_BYTES], mark[TEXT_BYTES], line[TEXT_BYTES * 16];
    int columns = (int)canvas->columns;
    pyro_cell_print(out, "0 B", LABEL);
    fputs(canvas->style->utf8 ? "└" : "+", out);
    for (int i = 0; i < columns; i++)
        fputs(dash, out);
    fputc('\n', out);
    pyro_summary_duration(end, sizeof(end), (double)canvas->timeline->until_us / 1e6);
    snprintf(line, sizeof(line), "%*s", columns, "");
    memcpy(line, "0 s", 3);
    if ((int)strlen(end) > columns - 4)
        end[0] = '\0'; /* no such time was ever measured */
    memcpy(line + columns - (int)strlen(end), end, strlen(end));
    snprintf(mark, sizeof(mark), "^ peak");
    int at = (int)peak_column(canvas), length = (int)strlen(mark);
    if (at + length > columns - (int)strlen(end) - 1 || at < 4)
        length = 1; /* no room for the word beside the other two */
    bool free_place = at >= 4 && at < columns - (int)strlen(end) - 1;
    if (free_place)
        memcpy(line + at, mark, (size_t)length);
    fprintf(out, "%*s%s\n", LABEL + 2, "", line);
    if (!free_place)
        fprintf(out, "%*s^ peak\n", LABEL + 2 + at, "");
}

static void print_legend(FILE *out, const struct canvas *canvas)
{
    bool utf8 = canvas->style->utf8;
    if (canvas->timeline->tracked)
        fprintf(out, "%*s%s alive, of what was tracked   %s resident besides\n", LABEL + 2, "",
                utf8 ? "█" : "#", utf8 ? "░" : ".");
}

int pyro_report_chart(FILE *out, const struct pyro_timeline *timeline,
                      const struct pyro_report_style *style, struct pyro_error *error)
{
    int columns = style->width - LABEL - 2;
    if (columns < COLUMNS_MIN)
        columns = COLUMNS_MIN;
    struct canvas canvas = {
        .timeline = timeline,
        .style = style,
        .steps = calloc((size_t)columns, sizeof(size_t)),
        .columns = (size_t)columns,
        .top = timeline->steps[timeline->peak].rss,
    };
    if (!canvas.steps)
        return pyro_error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < timeline->step_count; i++) /* alive, and not touched */
        if (timeline->steps[i].live > canvas.top)
            canvas.top = timeline->steps[i].live;
    pyro_timeline_columns(timeline, canvas.steps, canvas.columns);
    for (int row = ROWS; row-- > 0;)
        print_row(out, &canvas, row);
    print_times(out, &canvas);
    print_legend(out, &canvas);
    free(canvas.steps);
    return 0;
}
