/* top/tables.c - the pages that are tables of functions and of lines. */
#include "top/internal.h"

#include "report/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_BYTES 4096
#define HOT_PERCENT 10
#define TREND       0.01 /* of the window: less is no change */

/* Columns that a terminal must have, to show what: */
#define WIDTH_TOTAL  32  /* the total time too */
#define WIDTH_TIMES  60  /* seconds since the beginning */
#define WIDTH_SHARES 120 /* and their shares */

static void write_label(char *text, size_t size, const struct pyro_making *making,
                        const struct pyro_tally *tally, uint32_t function, int width)
{
    const struct pyro_report_style style = {.width = width > 8 ? width : 8,
                                            .utf8 = making->facts->utf8,
                                            .directory = making->directory};
    pyro_report_label(text, size, tally->names, function, &style);
}

/* -- order -------------------------------------------------------------------------------------- */

struct order {
    const struct pyro_tally *tally;
    enum pyro_top_sort sort;
};

/* What is known of one thread is only what it does now. */
static enum pyro_top_sort sort_of(const struct pyro_top_view *view)
{
    if (view->alone && view->sort == PYRO_TOP_OWN)
        return PYRO_TOP_OWN_NOW;
    if (view->alone && view->sort == PYRO_TOP_TOTAL)
        return PYRO_TOP_TOTAL_NOW;
    return view->sort;
}

static double key_of(const struct pyro_tally_row *row, enum pyro_top_sort sort)
{
    switch (sort) {
    case PYRO_TOP_OWN_NOW:
        return row->now.own_s;
    case PYRO_TOP_TOTAL_NOW:
        return row->now.total_s;
    case PYRO_TOP_OWN:
        return row->all.own_s;
    case PYRO_TOP_TOTAL:
        return row->all.total_s;
    default:
        return 0;
    }
}

static int by_name(const struct order *order, const struct pyro_tally_row *a,
                   const struct pyro_tally_row *b)
{
    const struct pyro_profile *names = order->tally->names;
    return strcmp(pyro_profile_text(names, names->functions[a->function].name),
                  pyro_profile_text(names, names->functions[b->function].name));
}

static int more(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* Ties go to who has more of the rest. */
static int compare(const void *left, const void *right, void *context)
{
    const struct order *order = context;
    const struct pyro_tally_row *a = *(const struct pyro_tally_row *const *)left;
    const struct pyro_tally_row *b = *(const struct pyro_tally_row *const *)right;
    int result = order->sort == PYRO_TOP_NAME
                     ? by_name(order, a, b)
                     : more(key_of(a, order->sort), key_of(b, order->sort));
    if (!result)
        result = more(a->now.total_s, b->now.total_s);
    if (!result)
        result = more(a->all.own_s, b->all.own_s);
    if (!result)
        result = more(a->all.total_s, b->all.total_s);
    return result ? result : (a->function > b->function) - (a->function < b->function);
}

static bool passes(const struct pyro_making *making, const struct pyro_tally *tally,
                   const struct pyro_tally_row *row)
{
    if (row->all.total_s <= 0 && row->now.total_s <= 0)
        return false;
    if (!making->view->filtered)
        return true;
    char label[LABEL_BYTES];
    write_label(label, sizeof(label), making, tally, row->function, LABEL_BYTES);
    const struct pyro_function *function = &tally->names->functions[row->function];
    return pyro_top_view_passes(making->view, label) ||
           (pyro_report_asks_path(making->view->filter) &&
            pyro_top_view_passes(making->view, pyro_profile_text(tally->names, function->file)));
}

static const struct pyro_tally_row **choose(const struct pyro_making *making,
                                            const struct pyro_tally *tally, size_t *ret_count)
{
    const struct pyro_tally_row **rows = calloc(tally->count + 1, sizeof(*rows));
    size_t count = 0;
    if (!rows)
        return NULL;
    for (size_t i = 0; i < tally->count; i++)
        if (passes(making, tally, &tally->rows[i]))
            rows[count++] = &tally->rows[i];
    struct order order = {tally, sort_of(making->view)};
    qsort_r(rows, count, sizeof(*rows), compare, &order);
    *ret_count = count;
    return rows;
}

/* -- rows --------------------------------------------------------------------------------------- */

static double share(double seconds, double of_s)
{
    return of_s > 0 ? 100 * seconds / of_s : 0;
}

/* Are there COLUMNS, for times since the beginning? */
static bool has_room(const struct pyro_making *making, int columns)
{
    return making->screen->columns >= columns && !making->view->alone;
}

/* The cells before the label; their width is the same in every row. */
static void write_cells(char *text, size_t size, const struct pyro_making *making,
                        const struct pyro_tally_row *row)
{
    int columns = making->screen->columns;
    double window_s = making->live->window_s, all_s = making->live->all_s;
    int used = snprintf(text, size, "%6.1f ", share(row->now.own_s, window_s));
    if (columns >= WIDTH_TOTAL)
        used +=
            snprintf(text + used, size - (size_t)used, "%6.1f ", share(row->now.total_s, window_s));
    if (has_room(making, WIDTH_TIMES))
        used += snprintf(text + used, size - (size_t)used, "%8.*f %8.*f ",
                         row->all.own_s < 99999 ? 2 : 0, row->all.own_s,
                         row->all.total_s < 99999 ? 2 : 0, row->all.total_s);
    if (has_room(making, WIDTH_SHARES))
        snprintf(text + used, size - (size_t)used, "%8.1f %8.1f ", share(row->all.own_s, all_s),
                 share(row->all.total_s, all_s));
}

/* The heading, and at its right end how the rows are sorted. */
static void put_heading(struct pyro_making *making, const char *what)
{
    static const char *const sorts[] = {"by %Own", "by %Total", "by Own", "by Total", "by name"};
    int columns = making->screen->columns;
    char heading[128];
    const char *sorted = sorts[sort_of(making->view)];
    int used = snprintf(heading, sizeof(heading), "  %%Own %s%s%s%s",
                        columns >= WIDTH_TOTAL ? "%Total " : "",
                        has_room(making, WIDTH_TIMES) ? "   Own s  Total s " : "",
                        has_room(making, WIDTH_SHARES) ? "%Own all %Tot all " : "", what);
    int pad = columns - used - (int)strlen(sorted);
    pyro_making_line(making, PYRO_TOP_HEADING, "%s%*s%s", heading, pad > 0 ? pad : 0, "",
                     pad > 1 ? sorted : "");
}

static enum pyro_top_ink ink_of(const struct pyro_making *making, const struct pyro_tally_row *row)
{
    double window_s = making->live->window_s, change_s = row->now.own_s - row->before.own_s;
    if (making->view->trend && !making->view->alone)
        return change_s > TREND * window_s    ? PYRO_TOP_MORE
               : change_s < -TREND * window_s ? PYRO_TOP_LESS
                                              : PYRO_TOP_PLAIN;
    if (row->now.total_s <= 0)
        return PYRO_TOP_GREY;
    return share(row->now.own_s, window_s) >= HOT_PERCENT ? PYRO_TOP_HOT : PYRO_TOP_PLAIN;
}

static void put_row(struct pyro_making *making, const struct pyro_tally *tally, size_t i,
                    const struct pyro_tally_row *row)
{
    char cells[128], label[LABEL_BYTES];
    write_cells(cells, sizeof(cells), making, row);
    write_label(label, sizeof(label), making, tally, row->function,
                making->screen->columns - (int)strlen(cells));
    pyro_making_line(making, pyro_making_ink(making, i, ink_of(making, row)), "%s%s", cells, label);
}

static int put_tally(struct pyro_making *making, const struct pyro_tally *tally, const char *what)
{
    size_t count;
    const struct pyro_tally_row **rows = choose(making, tally, &count);
    if (!rows)
        return -ENOMEM;
    put_heading(making, what);
    size_t end = pyro_making_rows(making, count);
    for (size_t i = making->view->first; i < end; i++)
        put_row(making, tally, i, rows[i]);
    if (tally->dropped && end == count)
        pyro_making_line(
            making, PYRO_TOP_GREY,
            "and %llu rows with little time, %.2f s of their own, that are no longer kept",
            (unsigned long long)tally->dropped, tally->dropped_s);
    free(rows);
    return 0;
}

/* -- of one thread ------------------------------------------------------------------------------ */

/* What THREAD does is added up for each screen: a window is short, and so also while the view is paused. */
static int put_alone(struct pyro_making *making, bool lines, const char *what)
{
    const struct pyro_live_thread *thread;
    struct pyro_tally tally = {0};
    int error = pyro_making_thread(making, false, "; t: all", &thread);
    if (error == 0 && thread)
        error = pyro_live_add_thread(making->live, thread->pid, thread->native_id,
                                     lines ? NULL : &tally, lines ? &tally : NULL);
    if (error == 0)
        error = put_tally(making, &tally, what);
    pyro_tally_clear(&tally);
    return error;
}

int pyro_page_functions(struct pyro_making *making)
{
    return making->view->alone ? put_alone(making, false, "Function")
                               : put_tally(making, &making->live->functions, "Function");
}

int pyro_page_lines(struct pyro_making *making)
{
    return making->view->alone ? put_alone(making, true, "Line")
                               : put_tally(making, &making->live->lines, "Line");
}
