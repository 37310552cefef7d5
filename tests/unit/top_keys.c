/* tests/unit/top_keys.c - the keys of others: for each key of py-spy's top and of the standard library's live view, what it does here.
 *
 * py-spy: src/console_viewer.rs. CPython 3.15: Lib/profiling/sampling/live_collector/collector.py, _handle_input();
 * tests/live/test_top.py looks whether that has keys that are not here. */
#include "check.h"
#include "top/view.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *peer;
    const char *before; /* keys pressed first */
    uint32_t key;
    const char *view; /* afterwards */
} table[] = {
    {"py-spy", "s", '1', "functions by 0"},
    {"py-spy", "", '2', "functions by 1"},
    {"py-spy", "", '3', "functions by 2"},
    {"py-spy", "", '4', "functions by 3"},
    {"py-spy", "", 'l', "lines by 0"},
    {"py-spy", "l", 'l', "functions by 0"},
    {"py-spy", "", 'L', "lines by 0"},
    {"py-spy", "l", 'L', "functions by 0"},
    {"py-spy", "", 'r', "functions by 0, reset"},
    {"py-spy", "", 'R', "functions by 0, reset"},
    {"py-spy", "", '?', "help by 0"},
    {"py-spy", "?", 'x', "functions by 0"},
    {"py-spy", "l?", 'X', "lines by 0"},

    {"stdlib", "", 'h', "help by 0"},
    {"stdlib", "", 'H', "help by 0"},
    {"stdlib", "", '?', "help by 0"},
    {"stdlib", "h", 'h', "functions by 0"},
    {"stdlib", "h", 'H', "functions by 0"},
    {"stdlib", "h", '?', "functions by 0"},
    {"stdlib", "h", 'q', "functions by 0"}, /* any key closes the help, and does nothing else */
    {"stdlib", "h", 's', "functions by 0"},
    {"stdlib", "h", 'p', "functions by 0"},
    {"stdlib", "lh", PYRO_KEY_DOWN, "lines by 0"},
    {"stdlib", "lh", PYRO_KEY_ESCAPE, "lines by 0"},
    {"stdlib", "", 'q', "functions by 0, quit"},
    {"stdlib", "", 'Q', "functions by 0, quit"},
    {"stdlib", "", 's', "functions by 1"},
    {"stdlib", "", 'S', "functions by 4"},
    {"stdlib", "", 'p', "functions by 0, paused, pause"},
    {"stdlib", "", 'P', "functions by 0, paused, pause"},
    {"stdlib", "p", 'P', "functions by 0, pause"},
    {"stdlib", "p", 'r', "functions by 0, reset"},
    {"stdlib", "", 'R', "functions by 0, reset"},
    {"stdlib", "", '+', "functions by 0, each 500 ms"},
    {"stdlib", "", '=', "functions by 0, each 500 ms"},
    {"stdlib", "", '-', "functions by 0, each 2000 ms"},
    {"stdlib", "", '_', "functions by 0, each 2000 ms"},
    {"stdlib", "", '/', "functions by 0, asks"},
    {"stdlib", "/walk", PYRO_KEY_ENTER, "functions by 0, only walk"},
    {"stdlib", "/walk", '\n', "functions by 0, only walk"},
    {"stdlib", "/walk", PYRO_KEY_ESCAPE, "functions by 0"},
    {"stdlib", "/walk\r/\b\b\b\b", '\r', "functions by 0"},
    {"stdlib", "/walk\r", 'c', "functions by 0"},
    {"stdlib", "/walk\r", 'C', "functions by 0"},
    {"stdlib", "", 't', "functions of one thread by 0"},
    {"stdlib", "", 'T', "functions of one thread by 0"},
    {"stdlib", "t", 't', "functions by 0"},
    {"stdlib", "t", 'T', "functions by 0"},
    {"stdlib", "t", PYRO_KEY_LEFT, "functions of one thread by 0, step -1"},
    {"stdlib", "t", PYRO_KEY_RIGHT, "functions of one thread by 0, step 1"},
    {"stdlib", "", PYRO_KEY_LEFT, "functions of one thread by 0, step -1"},
    {"stdlib", "", PYRO_KEY_RIGHT, "functions of one thread by 0"},
    {"stdlib", "", 'x', "functions by 0, trend"},
    {"stdlib", "", 'X', "functions by 0, trend"},
    {"stdlib", "x", 'X', "functions by 0"},
    {"stdlib", "", 'j', "functions by 0, row 1"},
    {"stdlib", "", 'J', "functions by 0, row 1"},
    {"stdlib", "", PYRO_KEY_DOWN,
     "functions by 0, row 1"}, /* there with --opcodes; else as right */
    {"stdlib", "jj", 'k', "functions by 0, row 1"},
    {"stdlib", "jj", 'K', "functions by 0, row 1"},
    {"stdlib", "jj", PYRO_KEY_UP, "functions by 0, row 1"},
};

static void put(char *text, size_t size, const char *format, const char *word)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, format, word);
}

static void put_number(char *text, size_t size, const char *format, long number)
{
    size_t used = strlen(text);
    if (number)
        snprintf(text + used, size - used, format, number);
}

/* What differs from how a view begins. */
static void describe(char *text, size_t size, const struct pyro_top_view *view,
                     enum pyro_top_action action)
{
    static const char *const pages[] = {"functions", "lines", "threads", "stack",
                                        "processes", "help",  "pick"};
    static const char *const actions[] = {"",       ", quit", ", pause", ", reset",
                                          ", save", ", pick", ", relist"};
    snprintf(text, size, "%s%s by %d", pages[view->page],
             view->alone && view->page <= PYRO_PAGE_LINES ? " of one thread" : "", view->sort);
    put_number(text, size, ", row %ld", (long)view->selected);
    put_number(text, size, ", step %ld", view->step);
    put_number(text, size, ", each %ld ms", view->delay_ms == 1000 ? 0 : (long)view->delay_ms);
    put(text, size, "%s", view->paused ? ", paused" : "");
    put(text, size, "%s", view->trend ? ", trend" : "");
    put(text, size, "%s", view->prompt == PYRO_PROMPT_FILTER ? ", asks" : "");
    put(text, size, view->filtered ? ", only %s" : "%s", view->filtered ? view->filter : "");
    put(text, size, "%s", actions[action]);
}

static void each_does_what_it_does_there(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct pyro_top_view view;
        char text[256];
        pyro_top_view_init(&view);
        view.rows = view.room = 10; /* as a screen found that shows all of them */
        for (const char *key = table[i].before; *key; key++)
            pyro_top_view_key(&view, (uint32_t)(unsigned char)*key);
        enum pyro_top_action action = pyro_top_view_key(&view, table[i].key);
        describe(text, sizeof(text), &view, action);
        if (strcmp(text, table[i].view) != 0)
            fprintf(stderr, "%s: '%c' (0x%x) after \"%s\":\n", table[i].peer,
                    table[i].key < 127 ? (int)table[i].key : ' ', (unsigned)table[i].key,
                    table[i].before);
        CHECK_STR(text, table[i].view);
        pyro_top_view_clear(&view);
    }
}

/* Where the help is longer than the terminal, it can be read to its end. */
static void a_long_help_is_scrolled(void)
{
    struct pyro_top_view view;
    pyro_top_view_init(&view);
    pyro_top_view_key(&view, '?');
    view.rows = 20;
    view.room = 5;
    pyro_top_view_key(&view, PYRO_KEY_DOWN);
    pyro_top_view_key(&view, ' ');
    CHECK_EQ(view.page, PYRO_PAGE_HELP);
    CHECK_EQ(view.selected, 5);
    pyro_top_view_key(&view, 'x');
    CHECK_EQ(view.page, PYRO_PAGE_FUNCTIONS);
    CHECK(!view.trend);
    pyro_top_view_clear(&view);
}

int main(void)
{
    return CHECK_MAIN(TEST(each_does_what_it_does_there), TEST(a_long_help_is_scrolled));
}
