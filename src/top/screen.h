/* top/screen.h - from what is known and what is asked for to lines of text. Pure; no terminal is needed.
 *
 * Everything that comes from the target (names, paths, command lines) is shown without control characters. */
#ifndef PYRO_TOP_SCREEN_H
#define PYRO_TOP_SCREEN_H

#include "top/live.h"
#include "top/view.h"

#define PYRO_SCREEN_COLUMNS_MAX 1000
#define PYRO_SCREEN_ROWS_MAX    1000

enum pyro_top_ink {
    PYRO_TOP_PLAIN,
    PYRO_TOP_BOLD,
    PYRO_TOP_GREY,
    PYRO_TOP_HOT,      /* a tenth of the time or more */
    PYRO_TOP_HEADING,  /* of a table */
    PYRO_TOP_SELECTED, /* the chosen row */
    PYRO_TOP_MORE,     /* it takes more than a refresh ago */
    PYRO_TOP_LESS,
    PYRO_TOP_INKS,
};

struct pyro_top_line {
    char text[4 * PYRO_SCREEN_COLUMNS_MAX + 1];
    enum pyro_top_ink ink;
};
struct pyro_top_screen {
    int rows, columns;
    struct pyro_top_line *lines; /* [rows] */
};

/* What neither the recording nor the view tells. */
struct pyro_top_facts {
    const char *program, *python; /* "app.py", "3.12.1" */
    int32_t pid;
    const char *state;         /* "stopped", "ended", ...; "": it is there and read */
    const char *aside;         /* where its output goes; "": where it always goes */
    bool subprocesses;         /* children are watched */
    int children;              /* that are not */
    bool utf8;                 /* the terminal shows more than ASCII */
    const char *const *listed; /* on PYRO_PAGE_PICK: a heading, then a row for each process */
    size_t listed_count;
};

/* Makes SCREEN anew for a terminal of that size; brings the selection of VIEW into its bounds. 0 or -ENOMEM. */
int pyro_top_screen_make(struct pyro_top_screen *screen, int rows, int columns,
                         const struct pyro_live *live, struct pyro_top_view *view,
                         const struct pyro_top_facts *facts);
void pyro_top_screen_clear(struct pyro_top_screen *screen); /* a zeroed struct is fine */

#endif
