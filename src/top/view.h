/* top/view.h - what the user looks at, and how keys change that.
 *
 * Pure: a key comes in, the view changes, and what is not the view's own to do comes back as an action. */
#ifndef PYRO_TOP_VIEW_H
#define PYRO_TOP_VIEW_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pyro_top_page {
    PYRO_PAGE_FUNCTIONS,
    PYRO_PAGE_LINES,
    PYRO_PAGE_THREADS,
    PYRO_PAGE_STACK, /* of one thread */
    PYRO_PAGE_PROCESSES,
    PYRO_PAGE_HELP,
    PYRO_PAGE_PICK, /* a process, before anything is watched */
};

enum pyro_top_sort {
    PYRO_TOP_OWN_NOW,
    PYRO_TOP_TOTAL_NOW,
    PYRO_TOP_OWN,
    PYRO_TOP_TOTAL,
    PYRO_TOP_NAME,
    PYRO_TOP_SORTS,
};

enum pyro_top_prompt { PYRO_PROMPT_NONE, PYRO_PROMPT_FILTER, PYRO_PROMPT_SAVE };

/* Keys that are no characters. */
enum {
    PYRO_KEY_ENTER = '\r',
    PYRO_KEY_ESCAPE = 27,
    PYRO_KEY_ERASE = 127,
    PYRO_KEY_UP = 0x110000, /* past every character */
    PYRO_KEY_DOWN,
    PYRO_KEY_LEFT,
    PYRO_KEY_RIGHT,
    PYRO_KEY_PAGE_UP,
    PYRO_KEY_PAGE_DOWN,
    PYRO_KEY_HOME,
    PYRO_KEY_END,
};

enum pyro_top_action {
    PYRO_ACTION_NONE, /* draw anew; that is all */
    PYRO_ACTION_QUIT,
    PYRO_ACTION_PAUSE, /* view->paused has changed */
    PYRO_ACTION_RESET,
    PYRO_ACTION_SAVE, /* to view->input */
    PYRO_ACTION_PICK, /* the row view->selected */
    PYRO_ACTION_RELIST,
};

#define PYRO_TOP_DELAY_MIN_MS 250
#define PYRO_TOP_DELAY_MAX_MS 60000

struct pyro_top_view {
    enum pyro_top_page page, before_help;
    enum pyro_top_sort sort;
    size_t selected,
        first; /* rows of the page: the chosen one, and the one shown on top; kept in bounds by the screen */
    size_t rows, room; /* how many there are and how many fit, as the screen found last */
    bool
        alone; /* functions and lines are those of one thread, of the window: more is not kept of it */
    int32_t thread_pid; /* whose stack or table is shown; 0: that of the selected row */
    uint64_t thread_id;
    int step; /* to another thread, for the screen to make: -1, 0, 1 */
    bool paused, trend;
    unsigned delay_ms; /* between refreshes */
    enum pyro_top_prompt prompt;
    char input[512];     /* UTF-8; of the prompt, and the path to save to */
    char save_name[128]; /* proposed for that */
    bool filtered;
    char filter[512];
    regex_t regex;     /* of filter, while filtered */
    char message[512]; /* shown in place of the keys until the next one */
};

void pyro_top_view_init(struct pyro_top_view *view);
void pyro_top_view_clear(struct pyro_top_view *view);
/* KEY is a code point or one of the above. */
enum pyro_top_action pyro_top_view_key(struct pyro_top_view *view, uint32_t key);
/* Does TEXT pass the filter? */
bool pyro_top_view_passes(const struct pyro_top_view *view, const char *text);

#endif
