/* formats/plot.c - what was resident over time as an SVG: a still picture, no script.
 *
 * The sum of all processes as an area, the largest processes as lines of different dashes, the peak marked, what is alive
 * besides where memory was tracked. Every text passes pyro_put_xml(). No number is printed by printf's %f, which
 * knows decimal commas. */
#include "formats/internal.h"
#include "profile/summary.h"
#include "profile/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH      960
#define HEIGHT     420
#define LEFT       90
#define RIGHT      24
#define TOP        84
#define BOTTOM     44
#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define POINTS     (PLOT_WIDTH * 2) /* of the sum: two for each unit */
#define LINES      6                /* processes with a line of their own */
#define LEGEND_ROW 18
#define TICKS      5

struct plot {
    FILE *out;
    const struct pyro_timeline *timeline;
    const struct pyro_export_options *options;
    uint64_t top; /* bytes at the upper edge */
};

/* -- places ------------------------------------------------------------------------------------- */

/* Tenths of a unit. */
static void put_tenths(FILE *out, uint64_t tenths)
{
    fprintf(out, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

static uint64_t x_of(const struct plot *plot, uint64_t time_us)
{
    double share =
        plot->timeline->until_us ? (double)time_us / (double)plot->timeline->until_us : 0;
    return (uint64_t)(10 * (LEFT + PLOT_WIDTH * (share < 1 ? share : 1)));
}

static uint64_t y_of(const struct plot *plot, uint64_t bytes)
{
    double share = plot->top ? (double)bytes / (double)plot->top : 0;
    return (uint64_t)(10 * (HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (share < 1 ? share : 1)));
}

static void put_text(const struct plot *plot, int x, int y, const char *attributes,
                     const char *text)
{
    fprintf(plot->out, "<text x=\"%d\" y=\"%d\" %s>", x, y, attributes);
    pyro_put_xml(plot->out, text);
    fputs("</text>\n", plot->out);
}

/* -- lines -------------------------------------------------------------------------------------- */

static void go_to(const struct plot *plot, char how, uint64_t value)
{
    fputc(how, plot->out);
    put_tenths(plot->out, value);
}

enum series { RESIDENT, ALIVE };

static uint64_t value_of(const struct pyro_timeline_step *step, enum series series)
{
    return series == ALIVE ? step->live : step->rss;
}

/* Steps, as the figures hold until the next look; the most of each part of the time, so that no peak is lost. */
static void put_sum(const struct plot *plot, const size_t *columns, enum series series,
                    const char *attributes)
{
    const struct pyro_timeline *timeline = plot->timeline;
    fputs("<path d=\"", plot->out);
    go_to(plot, 'M', x_of(plot, 0));
    go_to(plot, ' ', y_of(plot, 0));
    for (size_t i = 0; i < POINTS; i++) {
        uint64_t from_us = (uint64_t)((double)timeline->until_us * (double)i / POINTS);
        uint64_t to_us = (uint64_t)((double)timeline->until_us * (double)(i + 1) / POINTS);
        go_to(plot, 'L', x_of(plot, from_us));
        go_to(plot, ' ',
              y_of(plot, columns[i] == PYRO_NO_STEP
                             ? 0
                             : value_of(&timeline->steps[columns[i]], series)));
        go_to(plot, 'H', x_of(plot, to_us));
    }
    go_to(plot, 'V', y_of(plot, 0));
    fprintf(plot->out, "Z\" %s/>\n", attributes);
}

static bool is_of(const struct plot *plot, const struct pyro_look *look,
                  const struct pyro_life *life)
{
    const struct pyro_process *processes = plot->timeline->profile->processes;
    return processes[look->process].pid == processes[life->process].pid &&
           look->time_us >= life->came_us && look->time_us <= life->went_us &&
           (!look->gone || look->time_us == life->went_us); /* else it became another program */
}

/* One process. Points that would lie on the one before are left out. */
static void put_life(const struct plot *plot, const struct pyro_life *life, const char *attributes)
{
    const struct pyro_profile *profile = plot->timeline->profile;
    uint64_t last_x = UINT64_MAX, last_y = UINT64_MAX;
    fprintf(plot->out, "<path fill=\"none\" %s d=\"", attributes);
    for (size_t i = 0; i < profile->look_count; i++) {
        const struct pyro_look *look = &profile->looks[i];
        if (!is_of(plot, look, life))
            continue;
        uint64_t x = x_of(plot, look->time_us), y = y_of(plot, look->rss);
        if (x == last_x && y == last_y)
            continue;
        go_to(plot, last_x == UINT64_MAX ? 'M' : 'H', x);
        go_to(plot, last_x == UINT64_MAX ? ' ' : 'V', y);
        last_x = x;
        last_y = y;
    }
    if (life->went_us == PYRO_LIFE_GOES_ON && last_x != UINT64_MAX)
        go_to(plot, 'H', x_of(plot, plot->timeline->until_us));
    fputs("\"/>\n", plot->out);
}

/* -- frame -------------------------------------------------------------------------------------- */

/* A round number of bytes or microseconds for a distance of ALL / TICKS: 1, 2 or 5 times a power of BASE's. */
static uint64_t round_step(uint64_t all, uint64_t base)
{
    uint64_t wanted = all / TICKS + 1, unit = 1;
    while (unit <= wanted / base)
        unit *= base;
    for (uint64_t ten = unit;; ten *= 10) {
        static const uint64_t factors[] = {1, 2, 5};
        for (size_t i = 0; i < 3; i++)
            if (ten * factors[i] >= wanted || ten > UINT64_MAX / 100)
                return ten * factors[i];
    }
}

static void put_grid(const struct plot *plot)
{
    const uint64_t until_us = plot->timeline->until_us;
    uint64_t bytes = round_step(plot->top, 1024), us = round_step(until_us, 10);
    char text[64];
    for (uint64_t i = 0, value = 0; i <= TICKS && value <= plot->top; value = bytes * ++i) {
        int y = (int)(y_of(plot, value) / 10);
        fprintf(plot->out, "<path d=\"M%d %dH%d\" stroke=\"#ddd9d2\"/>\n", LEFT, y, WIDTH - RIGHT);
        pyro_summary_size(text, sizeof(text), value);
        put_text(plot, LEFT - 8, y + 4, "text-anchor=\"end\"", text);
    }
    for (uint64_t i = 0, value = 0; i <= TICKS && value <= until_us; value = us * ++i) {
        int x = (int)(x_of(plot, value) / 10);
        fprintf(plot->out, "<path d=\"M%d %dv5\" stroke=\"#8a847a\"/>\n", x, HEIGHT - BOTTOM);
        pyro_summary_duration(text, sizeof(text), (double)value / 1e6);
        put_text(plot, x, HEIGHT - BOTTOM + 20, "text-anchor=\"middle\"", value ? text : "0 s");
    }
}

static void put_peak(const struct plot *plot)
{
    const struct pyro_timeline_step *peak = &plot->timeline->steps[plot->timeline->peak];
    uint64_t x = x_of(plot, peak->time_us), y = y_of(plot, peak->rss);
    fputs("<circle r=\"4\" fill=\"#b3261e\" cx=\"", plot->out);
    put_tenths(plot->out, x);
    fputs("\" cy=\"", plot->out);
    put_tenths(plot->out, y);
    fputs("\"/>\n<path stroke=\"#b3261e\" stroke-dasharray=\"3 3\" d=\"", plot->out);
    go_to(plot, 'M', x);
    go_to(plot, ' ', y);
    fprintf(plot->out, "V%d\"/>\n", HEIGHT - BOTTOM);
}

static void put_head(const struct plot *plot, int height)
{
    const struct pyro_timeline *timeline = plot->timeline;
    const struct pyro_timeline_step *peak = &timeline->steps[timeline->peak];
    char program[256], title[PYRO_NAME_BYTES], size[32], at[32], line[256];
    pyro_summary_program(program, sizeof(program), timeline->profile);
    pyro_summary_size(size, sizeof(size), peak->rss);
    pyro_summary_duration(at, sizeof(at), (double)peak->time_us / 1e6);
    snprintf(title, sizeof(title), "%s, resident memory over time",
             plot->options->title ? plot->options->title : program);
    fprintf(plot->out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
            "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<title>",
            WIDTH, height, WIDTH, height);
    pyro_put_xml(plot->out, title);
    fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fdfcfa\"/>\n", plot->out);
    put_text(plot, 16, 32, "font-size=\"17\"", title);
    snprintf(
        line, sizeof(line),
        "peak %s at %s; %zu process%s, %" PRIu32 " at once at most; what they share is counted "
        "in each",
        size, at, timeline->life_count, timeline->life_count == 1 ? "" : "es", timeline->together);
    put_text(plot, 16, 54, "font-size=\"13\"", line);
}

/* -- processes ---------------------------------------------------------------------------------- */

static const struct {
    const char *color, *dash;
} strokes[LINES] = {{"#1f4e79", "none"}, {"#7a3e9d", "6 3"},     {"#2e7d32", "2 3"},
                    {"#8a5a00", "9 4"},  {"#00695c", "6 3 2 3"}, {"#5d4037", "1 4"}};

/* The lives with the most at a look, largest first. Returns how many. */
static size_t find_largest(const struct pyro_timeline *timeline, size_t largest[LINES])
{
    size_t count = 0;
    for (size_t i = 0; i < timeline->life_count; i++) {
        size_t at = count < LINES ? count++ : LINES;
        for (; at > 0 && timeline->lives[largest[at - 1]].peak < timeline->lives[i].peak; at--)
            if (at < LINES)
                largest[at] = largest[at - 1];
        if (at < LINES)
            largest[at] = i;
    }
    return count;
}

static void put_lives(const struct plot *plot, const size_t largest[LINES], size_t count)
{
    char attributes[128];
    for (size_t i = 0; i < count; i++) {
        snprintf(attributes, sizeof(attributes), "stroke=\"%s\" stroke-dasharray=\"%s\"",
                 strokes[i].color, strokes[i].dash);
        put_life(plot, &plot->timeline->lives[largest[i]], attributes);
    }
}

static void put_legend_row(const struct plot *plot, int y, const char *color, const char *dash,
                           const char *text)
{
    fprintf(plot->out,
            "<path d=\"M%d %dh28\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
            LEFT, y - 4, color, dash);
    put_text(plot, LEFT + 36, y, "", text);
}

static void put_legend(const struct plot *plot, const size_t largest[LINES], size_t count)
{
    const struct pyro_timeline *timeline = plot->timeline;
    int y = HEIGHT + 10;
    for (size_t i = 0; i < count; i++, y += LEGEND_ROW) {
        const struct pyro_life *life = &timeline->lives[largest[i]];
        const struct pyro_process *process = &timeline->profile->processes[life->process];
        char text[256], size[32], came[32], went[32] = "the end";
        pyro_summary_size(size, sizeof(size), life->peak);
        pyro_summary_duration(came, sizeof(came), (double)life->came_us / 1e6);
        if (life->went_us != PYRO_LIFE_GOES_ON)
            pyro_summary_duration(went, sizeof(went), (double)life->went_us / 1e6);
        snprintf(text, sizeof(text), "%" PRId32 ", %s at most, from %s to %s: %.90s", process->pid,
                 size, came, went, pyro_profile_text(timeline->profile, process->command));
        put_legend_row(plot, y, strokes[i].color, strokes[i].dash, text);
    }
    if (timeline->tracked)
        put_legend_row(plot, y, "#d9822b", "none", "alive, of what was tracked");
    else if (count < timeline->life_count)
        put_text(plot, LEFT + 36, y, "", "the others have no line of their own");
}

static void put_plot(const struct plot *plot, const size_t *columns)
{
    size_t largest[LINES], count = find_largest(plot->timeline, largest);
    put_head(plot, HEIGHT + 10 + ((int)count + 1) * LEGEND_ROW);
    put_grid(plot);
    put_sum(plot, columns, RESIDENT, "fill=\"#c9d8e8\" stroke=\"#4f86c6\"");
    if (plot->timeline->tracked)
        put_sum(plot, columns, ALIVE, "fill=\"#f2c28b\" stroke=\"#d9822b\"");
    put_lives(plot, largest, count);
    put_peak(plot);
    put_legend(plot, largest, count);
    fputs("</svg>\n", plot->out);
}

int pyro_write_plot(const struct pyro_profile *profile, const struct pyro_export_options *options,
                    FILE *out, struct pyro_error *error)
{
    struct pyro_timeline *timeline = NULL;
    int result = pyro_timeline_make(profile, &timeline, error);
    if (result < 0)
        return result;
    struct plot plot = {out, timeline, options, timeline->steps[timeline->peak].rss};
    for (size_t i = 0; i < timeline->step_count; i++)
        if (timeline->steps[i].live > plot.top)
            plot.top = timeline->steps[i].live;
    size_t *columns = calloc(POINTS, sizeof(*columns));
    if (columns) {
        pyro_timeline_columns(timeline, columns, POINTS);
        put_plot(&plot, columns);
    }
    result = columns ? 0 : -ENOMEM;
    free(columns);
    pyro_timeline_free(timeline);
    return pyro_export_done(result, out, "the plot", error);
}
