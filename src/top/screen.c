/* top/screen.c - the lines around a page: header, heading, keys. */
#include "top/screen.h"

#include "base/utf8.h"
#include "report/report.h"
#include "top/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FOR_HEADER 8 /* in a terminal with fewer, one line has to do */
#define KEYS                                                                                       \
    "q quit  ? help  f functions  l lines  t one thread  a all threads  v processes  / filter  s " \
    "sort  p pause  r reset  w save"

/* -- lines -------------------------------------------------------------------------------------- */

static void cut(char *text, int columns)
{
    const char *at = text, *end = text + strlen(text);
    for (int i = 0; i < columns && at < end; i++)
        pyro_utf8_next(&at, end);
    text[at - text] = '\0';
}

void pyro_making_line(struct pyro_making *making, enum pyro_top_ink ink, const char *format, ...)
{
    char text[2 * sizeof(making->screen->lines->text)];
    va_list args;
    if (making->row >= making->end)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct pyro_top_line *line = &making->screen->lines[making->row++];
    line->ink = ink;
    pyro_report_fit(line->text, sizeof(line->text), text, sizeof(text), making->facts->utf8);
    cut(line->text, making->screen->columns);
}

size_t pyro_making_rows(struct pyro_making *making, size_t count)
{
    struct pyro_top_view *view = making->view;
    size_t room = making->end > making->row ? (size_t)(making->end - making->row) : 0;
    view->rows = count;
    view->room = room;
    if (view->selected >= count)
        view->selected = count ? count - 1 : 0;
    if (view->first + room > count)
        view->first = count > room ? count - room : 0;
    if (view->selected < view->first)
        view->first = view->selected;
    if (room && view->selected >= view->first + room)
        view->first = view->selected - room + 1;
    return view->first + room < count ? view->first + room : count;
}

enum pyro_top_ink pyro_making_ink(const struct pyro_making *making, size_t i, enum pyro_top_ink ink)
{
    return i == making->view->selected ? PYRO_TOP_SELECTED : ink;
}

/* -- header ------------------------------------------------------------------------------------- */

static void write_split(char *text, size_t size, const struct pyro_making *making)
{
    const struct pyro_live *live = making->live;
    pyro_summary_split(text, size, &live->summary, making->facts->utf8);
    double parked = live->window_s > 0 ? live->summary.parked_us / 1e6 / live->window_s : 0;
    size_t used = strlen(text);
    if (parked >= 0.05 && live->summary.samples) /* in threads: how many, on average */
        snprintf(text + used, size - used, "  (%.1f threads parked)", parked);
}

static void put_program(struct pyro_making *making)
{
    const struct pyro_top_facts *facts = making->facts;
    char duration[32];
    pyro_summary_duration(duration, sizeof(duration), making->live->all_s);
    pyro_making_line(making, PYRO_TOP_BOLD, "%s  pid %d%s%s  %s%s%s%s%s%s", facts->program,
                     (int)facts->pid, *facts->python ? "  python " : "", facts->python, duration,
                     making->view->paused ? "  PAUSED" : "", *facts->state ? "  " : "",
                     facts->state, *facts->aside ? "  output in " : "", facts->aside);
}

static double percent(const struct pyro_live *live, double seconds)
{
    return live->window_s > 0 ? 100 * seconds / live->window_s : 0;
}

/* What went wrong in measuring stands only where something did; what is unsure always. */
static void write_quality(char *text, size_t size, const struct pyro_live *live)
{
    double unsure = live->samples ? 100.0 * (double)live->unsure / (double)live->samples : 0;
    int used = snprintf(text, size, "%.2g %% unsure", unsure);
    if (live->failed)
        used +=
            snprintf(text + used, size - (size_t)used, "  %" PRIu64 " unreadable", live->failed);
    if (live->missed)
        snprintf(text + used, size - (size_t)used, "  %" PRIu64 " missed", live->missed);
}

static void put_figures(struct pyro_making *making)
{
    const struct pyro_live *live = making->live;
    size_t threads = 0, running = 0;
    for (size_t i = 0; i < live->thread_count; i++) {
        threads += !live->threads[i].gone;
        running += !live->threads[i].gone && live->threads[i].state == PYRO_STATE_RUNNING;
    }
    char rate[32], quality[128];
    pyro_summary_rate(rate, sizeof(rate), live->rate_hz);
    write_quality(quality, sizeof(quality), live);
    pyro_making_line(making, PYRO_TOP_PLAIN,
                     "CPU %.0f %%  GIL %.0f %%  GC %.0f %%  %zu thread%s, %zu running  %s  %s  own "
                     "%.1f %%",
                     percent(live, live->summary.running_us / 1e6), percent(live, live->gil_s),
                     percent(live, live->summary.gc_us / 1e6), threads, threads == 1 ? "" : "s",
                     running, rate, quality, 100 * live->own_cpu);
}

static void put_header(struct pyro_making *making)
{
    char split[256];
    write_split(split, sizeof(split), making);
    if (making->end >= ROWS_FOR_HEADER)
        put_program(making);
    if (making->end > 1 || making->view->prompt == PYRO_PROMPT_NONE)
        pyro_making_line(making, PYRO_TOP_BOLD, "%s", split);
    if (making->end >= ROWS_FOR_HEADER)
        put_figures(making);
}

/* -- the last line ------------------------------------------------------------------------------ */

static void put_footer(struct pyro_making *making)
{
    const struct pyro_top_view *view = making->view;
    making->row = making->screen->rows - 1;
    making->end = making->screen->rows;
    if (view->prompt == PYRO_PROMPT_FILTER)
        pyro_making_line(making, PYRO_TOP_BOLD, "filter (regular expression): %s_", view->input);
    else if (view->prompt == PYRO_PROMPT_SAVE)
        pyro_making_line(making, PYRO_TOP_BOLD, "save the last minutes as (.pyro): %s_",
                         view->input);
    else if (*view->message)
        pyro_making_line(making, PYRO_TOP_BOLD, "%s", view->message);
    else if (view->page == PYRO_PAGE_PICK)
        pyro_making_line(making, PYRO_TOP_GREY, "up, down, Enter: watch it  r list again  q quit");
    else if (view->filtered)
        pyro_making_line(making, PYRO_TOP_BOLD, "only /%s/   c clears the filter", view->filter);
    else
        pyro_making_line(making, PYRO_TOP_GREY, KEYS);
}

/* -- all of it ---------------------------------------------------------------------------------- */

static int put_page(struct pyro_making *making)
{
    switch (making->view->page) {
    case PYRO_PAGE_FUNCTIONS:
        return pyro_page_functions(making);
    case PYRO_PAGE_LINES:
        return pyro_page_lines(making);
    case PYRO_PAGE_THREADS:
        return pyro_page_threads(making);
    case PYRO_PAGE_STACK:
        return pyro_page_stack(making);
    case PYRO_PAGE_PROCESSES:
        return pyro_page_processes(making);
    case PYRO_PAGE_HELP:
        return pyro_page_help(making);
    case PYRO_PAGE_PICK:
        return pyro_page_pick(making);
    }
    return 0;
}

static int resize(struct pyro_top_screen *screen, int rows, int columns)
{
    rows = rows < 1 ? 1 : rows > PYRO_SCREEN_ROWS_MAX ? PYRO_SCREEN_ROWS_MAX : rows;
    columns = columns < 1                         ? 1
              : columns > PYRO_SCREEN_COLUMNS_MAX ? PYRO_SCREEN_COLUMNS_MAX
                                                  : columns;
    if (rows != screen->rows) {
        struct pyro_top_line *lines = calloc((size_t)rows, sizeof(*lines));
        if (!lines)
            return -ENOMEM;
        free(screen->lines);
        screen->lines = lines;
        screen->rows = rows;
    }
    screen->columns = columns;
    for (int i = 0; i < rows; i++) {
        screen->lines[i].text[0] = '\0';
        screen->lines[i].ink = PYRO_TOP_PLAIN;
    }
    return 0;
}

int pyro_top_screen_make(struct pyro_top_screen *screen, int rows, int columns,
                         const struct pyro_live *live, struct pyro_top_view *view,
                         const struct pyro_top_facts *facts)
{
    int error = resize(screen, rows, columns);
    if (error < 0)
        return error;
    const struct pyro_profile *profile = pyro_live_profile(live);
    struct pyro_making making = {
        .screen = screen,
        .live = live,
        .view = view,
        .facts = facts,
        .end = screen->rows > 1 ? screen->rows - 1 : 1, /* the last one tells the keys */
        .directory = profile ? profile->info.directory : NULL,
    };
    if (view->page != PYRO_PAGE_PICK)
        put_header(&making);
    error = put_page(&making);
    if (screen->rows > 1 || view->prompt != PYRO_PROMPT_NONE)
        put_footer(&making);
    return error;
}

void pyro_top_screen_clear(struct pyro_top_screen *screen)
{
    free(screen->lines);
    *screen = (struct pyro_top_screen){0};
}
