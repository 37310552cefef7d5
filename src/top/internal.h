/* top/internal.h - a screen being made: the pages (pages.c, tables.c) and what is around them (screen.c). */
#ifndef PYRO_TOP_INTERNAL_H
#define PYRO_TOP_INTERNAL_H

#include "top/screen.h"

struct pyro_making {
    struct pyro_top_screen *screen;
    const struct pyro_live *live;
    struct pyro_top_view *view;
    const struct pyro_top_facts *facts;
    int row, end; /* the next line to write; where the page ends */
    const char
        *directory; /* of the program: paths below it are shown relative to it; may be NULL */
};

/* The next line, as far as there is room; control characters are left out, what is too long is cut off. */
__attribute__((format(printf, 3, 4))) void pyro_making_line(struct pyro_making *making,
                                                            enum pyro_top_ink ink,
                                                            const char *format, ...);
/* COUNT rows come: brings view->selected and view->first into bounds. Those to be written are [first, the number returned). */
size_t pyro_making_rows(struct pyro_making *making, size_t count);
/* The ink of row I, which would be INK. */
enum pyro_top_ink pyro_making_ink(const struct pyro_making *making, size_t i,
                                  enum pyro_top_ink ink);

/* The thread that the view means, of all, or of those that pass the filter if FILTERED; a step to another one is made. Writes a
 * heading that says which, whose end is REST. *ret_thread is NULL if it is gone. 0 or -ENOMEM. */
int pyro_making_thread(struct pyro_making *making, bool filtered, const char *rest,
                       const struct pyro_live_thread **ret_thread);

int pyro_page_functions(struct pyro_making *making);
int pyro_page_lines(struct pyro_making *making);
int pyro_page_threads(struct pyro_making *making);
int pyro_page_stack(struct pyro_making *making);
int pyro_page_processes(struct pyro_making *making);
int pyro_page_help(struct pyro_making *making);
int pyro_page_pick(struct pyro_making *making);

#endif
