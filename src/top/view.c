/* top/view.c - the keys: those of py-spy's top and of the standard library's live view, and a few of our own.
 * tests/unit/top_keys.c has the table of theirs. */
#include "top/view.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define DELAY_MS 1000

void pyro_top_view_init(struct pyro_top_view *view)
{
    *view = (struct pyro_top_view){.delay_ms = DELAY_MS};
}

void pyro_top_view_clear(struct pyro_top_view *view)
{
    if (view->filtered)
        regfree(&view->regex);
    view->filtered = false;
}

bool pyro_top_view_passes(const struct pyro_top_view *view, const char *text)
{
    return !view->filtered || regexec(&view->regex, text, 0, NULL, 0) == 0;
}

/* -- typing a text ------------------------------------------------------------------------------ */

static void set_filter(struct pyro_top_view *view)
{
    regex_t regex;
    int failed = *view->input ? regcomp(&regex, view->input, REG_EXTENDED | REG_NOSUB) : 0;
    if (failed) {
        char reason[128];
        regerror(failed, &regex, reason, sizeof(reason));
        snprintf(view->message, sizeof(view->message), "bad regular expression '%.200s': %s",
                 view->input, reason);
        return;
    }
    pyro_top_view_clear(view);
    view->filtered = *view->input != '\0';
    if (view->filtered)
        view->regex = regex;
    snprintf(view->filter, sizeof(view->filter), "%s", view->input);
    view->selected = view->first = 0;
}

static void erase_last(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
        length--;
    text[length ? length - 1 : 0] = '\0';
}

static void append(struct pyro_top_view *view, uint32_t key)
{
    char bytes[4];
    size_t length = strlen(view->input), more = pyro_utf8_put(bytes, key);
    if (key < ' ' || (key >= 127 && key < 160) || key >= PYRO_KEY_UP ||
        length + more >= sizeof(view->input))
        return;
    memcpy(view->input + length, bytes, more);
    view->input[length + more] = '\0';
}

static enum pyro_top_action prompt_key(struct pyro_top_view *view, uint32_t key)
{
    enum pyro_top_prompt prompt = view->prompt;
    switch (key) {
    case PYRO_KEY_ENTER:
    case '\n':
        view->prompt = PYRO_PROMPT_NONE;
        if (prompt == PYRO_PROMPT_FILTER)
            set_filter(view);
        else if (*view->input)
            return PYRO_ACTION_SAVE;
        break;
    case PYRO_KEY_ESCAPE:
        view->prompt = PYRO_PROMPT_NONE;
        break;
    case PYRO_KEY_ERASE:
    case '\b':
        erase_last(view->input);
        break;
    case 'U' - '@': /* Ctrl-U: all of it, as in a shell */
        view->input[0] = '\0';
        break;
    default:
        append(view, key);
    }
    return PYRO_ACTION_NONE;
}

static void ask(struct pyro_top_view *view, enum pyro_top_prompt prompt, const char *text)
{
    view->prompt = prompt;
    snprintf(view->input, sizeof(view->input), "%s", text);
}

/* -- moving ------------------------------------------------------------------------------------- */

static void go(struct pyro_top_view *view, enum pyro_top_page page)
{
    view->page = page;
    view->selected = view->first = 0;
}

static void move(struct pyro_top_view *view, long rows)
{
    long last = view->rows ? (long)view->rows - 1 : 0, to = (long)view->selected + rows;
    view->selected = to < 0 ? 0 : to > last ? (size_t)last : (size_t)to;
}

/* True: KEY was one of these. */
static bool move_key(struct pyro_top_view *view, uint32_t key)
{
    long page = view->room > 1 ? (long)view->room - 1 : 1;
    switch (key) {
    case PYRO_KEY_UP:
    case 'k':
    case 'K':
        move(view, -1);
        return true;
    case PYRO_KEY_DOWN:
    case 'j':
    case 'J':
        move(view, 1);
        return true;
    case PYRO_KEY_PAGE_UP:
        move(view, -page);
        return true;
    case PYRO_KEY_PAGE_DOWN:
    case ' ':
        move(view, page);
        return true;
    case PYRO_KEY_HOME:
        move(view, -(long)view->rows);
        return true;
    case PYRO_KEY_END:
        view->selected =
            SIZE_MAX / 2; /* the screen knows where that is: the page may be a new one */
        return true;
    default:
        return false;
    }
}

/* -- the rest ----------------------------------------------------------------------------------- */

static void change_delay(struct pyro_top_view *view, bool faster)
{
    unsigned delay = faster ? view->delay_ms / 2 : view->delay_ms * 2;
    if (delay < PYRO_TOP_DELAY_MIN_MS)
        delay = PYRO_TOP_DELAY_MIN_MS;
    if (delay > PYRO_TOP_DELAY_MAX_MS)
        delay = PYRO_TOP_DELAY_MAX_MS;
    view->delay_ms = delay;
    snprintf(view->message, sizeof(view->message), "a refresh every %g s", delay / 1e3);
}

static void change_sort(struct pyro_top_view *view, int step)
{
    view->sort = (enum pyro_top_sort)(((int)view->sort + step + PYRO_TOP_SORTS) % PYRO_TOP_SORTS);
    view->selected = view->first = 0;
}

static enum pyro_top_action enter_key(struct pyro_top_view *view)
{
    if (view->page == PYRO_PAGE_PICK)
        return PYRO_ACTION_PICK;
    if (view->page == PYRO_PAGE_THREADS) {
        view->thread_pid = 0;
        view->step = 0;
        view->page = PYRO_PAGE_STACK;
    }
    return PYRO_ACTION_NONE;
}

static bool is_table(const struct pyro_top_view *view)
{
    return view->page == PYRO_PAGE_FUNCTIONS || view->page == PYRO_PAGE_LINES;
}

/* One thread's functions, or those of all again: the thread whose stack is shown, the selected one, else the first. */
static void toggle_alone(struct pyro_top_view *view)
{
    bool table = is_table(view);
    view->alone = !table || !view->alone;
    view->step = 0;
    if (view->page != PYRO_PAGE_STACK)
        view->thread_pid = 0;
    if (view->page != PYRO_PAGE_THREADS)
        view->selected = 0;
    view->first = 0;
    if (!table)
        view->page = PYRO_PAGE_FUNCTIONS;
}

/* The next one, or the one before it; from the tables of all threads to the first, or the last. */
static void go_to_thread(struct pyro_top_view *view, int step)
{
    if (is_table(view) && !view->alone) {
        toggle_alone(view);
        view->step = step < 0 ? -1 : 0;
    } else if (is_table(view) || view->page == PYRO_PAGE_STACK) {
        view->step = step;
    }
}

static void back(struct pyro_top_view *view)
{
    if (view->page == PYRO_PAGE_STACK) {
        go(view, PYRO_PAGE_THREADS);
        return;
    }
    view->alone = false;
    go(view, PYRO_PAGE_FUNCTIONS);
}

static void help(struct pyro_top_view *view)
{
    view->before_help = view->page;
    go(view, PYRO_PAGE_HELP);
}

/* Any key closes it; but where it is longer than the terminal, those that move show the rest. */
static void help_key(struct pyro_top_view *view, uint32_t key)
{
    if (view->rows <= view->room || !move_key(view, key))
        go(view, view->before_help);
}

static void toggle(struct pyro_top_view *view, enum pyro_top_page page)
{
    go(view, view->page == page ? PYRO_PAGE_FUNCTIONS : page);
}

static enum pyro_top_action pick_key(struct pyro_top_view *view, uint32_t key)
{
    switch (key) {
    case 'r':
    case 'R':
        return PYRO_ACTION_RELIST;
    case PYRO_KEY_ENTER:
    case '\n':
        return enter_key(view);
    case 'q':
    case 'Q':
    case PYRO_KEY_ESCAPE:
        return PYRO_ACTION_QUIT;
    default:
        move_key(view, key);
        return PYRO_ACTION_NONE;
    }
}

enum pyro_top_action pyro_top_view_key(struct pyro_top_view *view, uint32_t key)
{
    if (view->prompt != PYRO_PROMPT_NONE)
        return prompt_key(view, key);
    view->message[0] = '\0';
    if (view->page == PYRO_PAGE_PICK)
        return pick_key(view, key);
    if (view->page == PYRO_PAGE_HELP) {
        help_key(view, key);
        return PYRO_ACTION_NONE;
    }
    if (move_key(view, key))
        return PYRO_ACTION_NONE;
    switch (key) {
    case 'q':
    case 'Q':
        return PYRO_ACTION_QUIT;
    case '?':
    case 'h':
    case 'H':
        help(view);
        break;
    case PYRO_KEY_ESCAPE:
        back(view);
        break;
    case PYRO_KEY_ENTER:
    case '\n':
        return enter_key(view);
    case 'f':
        go(view, PYRO_PAGE_FUNCTIONS);
        break;
    case 'l':
    case 'L':
        toggle(view, PYRO_PAGE_LINES);
        break;
    case 't':
    case 'T':
        toggle_alone(view);
        break;
    case 'a':
        toggle(view, PYRO_PAGE_THREADS);
        break;
    case 'v': /* V is the tree of top(1) */
    case 'V':
        toggle(view, PYRO_PAGE_PROCESSES);
        break;
    case PYRO_KEY_LEFT:
        go_to_thread(view, -1);
        break;
    case PYRO_KEY_RIGHT:
        go_to_thread(view, 1);
        break;
    case '1':
    case '2':
    case '3':
    case '4':
        view->sort = (enum pyro_top_sort)(key - '1');
        view->selected = view->first = 0;
        break;
    case 's':
        change_sort(view, 1);
        break;
    case 'S':
        change_sort(view, -1);
        break;
    case '/':
        ask(view, PYRO_PROMPT_FILTER, view->filter);
        break;
    case 'c':
    case 'C':
        ask(view, PYRO_PROMPT_NONE, "");
        set_filter(view);
        break;
    case 'w':
        ask(view, PYRO_PROMPT_SAVE, view->save_name);
        break;
    case 'p':
    case 'P':
        view->paused = !view->paused;
        return PYRO_ACTION_PAUSE;
    case 'r':
    case 'R':
        view->paused = false;
        go(view, view->page);
        return PYRO_ACTION_RESET;
    case '+':
    case '=':
        change_delay(view, true);
        break;
    case '-':
    case '_':
        change_delay(view, false);
        break;
    case 'x':
    case 'X':
        view->trend = !view->trend;
        break;
    default:
        break;
    }
    return PYRO_ACTION_NONE;
}
