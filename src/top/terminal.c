/* top/terminal.c - the only file that knows ncurses. */
#include "top/terminal.h"

#include "top/terminfo.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPE_MS 25 /* so long may the rest of a key's sequence take after its escape */

static struct {
    SCREEN *screen;
    bool colors;
    bool open; /* it shows us, not what was there before */
} terminal;

/* -- opening and closing ------------------------------------------------------------------------ */

static int unfit(struct pyro_error *error, int code, const char *reason)
{
    pyro_error_set(error, code, "cannot show a live view: %s", reason);
    pyro_error_hint(error,
                    "without one: pyrometer dump --pid PID, pyrometer record --pid PID -d 10");
    return code;
}

static int check(struct pyro_error *error)
{
    const char *name = getenv("TERM");
    char reason[160];
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return unfit(error, -ENOTTY, "standard input and output are no terminal");
    if (!name || !*name)
        return unfit(error, -ENOTSUP, "TERM is not set");
    int code = pyro_terminfo_check(name, STDOUT_FILENO);
    if (code == 0)
        return 0;
    snprintf(reason, sizeof(reason), "a terminal '%.64s' %s (TERM)", name,
             code == -ENOENT ? "is not known here" : "cannot move its cursor");
    return unfit(error, -ENOTSUP, reason);
}

static void set_colors(bool wanted)
{
    terminal.colors = wanted && has_colors() && start_color() == OK;
    if (!terminal.colors)
        return;
    short background = use_default_colors() == OK ? -1 : COLOR_BLACK;
    init_pair(PYRO_TOP_HOT, COLOR_YELLOW, background);
    init_pair(PYRO_TOP_MORE, COLOR_RED, background);
    init_pair(PYRO_TOP_LESS, COLOR_GREEN, background);
}

/* ncurses installs handlers; ours to take are the signals, so these are taken back. */
static SCREEN *open_screen(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    enum { COUNT = sizeof(signals) / sizeof(signals[0]) };
    struct sigaction before[COUNT];
    for (int i = 0; i < COUNT; i++)
        sigaction(signals[i], NULL, &before[i]);
    SCREEN *screen = newterm(NULL, stdout, stdin);
    for (int i = 0; i < COUNT; i++)
        sigaction(signals[i], &before[i], NULL);
    return screen;
}

int pyro_terminal_open(bool color, struct pyro_error *error)
{
    int code = check(error);
    if (code < 0)
        return code;
    terminal.screen = open_screen();
    if (!terminal.screen)
        return unfit(error, -ENOTSUP, "the terminal library cannot use this terminal");
    terminal.open = true;
    set_escdelay(ESCAPE_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    set_colors(color);
    return 0;
}

void pyro_terminal_close(void)
{
    if (!terminal.screen)
        return;
    if (terminal.open)
        endwin();
    delscreen(terminal.screen);
    terminal.screen = NULL;
    terminal.open = false;
}

void pyro_terminal_suspend(void)
{
    endwin();
    terminal.open = false;
}

void pyro_terminal_resume(void)
{
    terminal.open = true;
    pyro_terminal_resize();
}

/* -- size --------------------------------------------------------------------------------------- */

/* True: it has another size than before. */
static bool take_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0 ||
        !is_term_resized(size.ws_row, size.ws_col))
        return false;
    resizeterm(size.ws_row, size.ws_col);
    return true;
}

void pyro_terminal_resize(void)
{
    take_size();
    clearok(curscr, TRUE); /* what a terminal does with its content on the way is its own affair */
}

void pyro_terminal_size(int *ret_rows, int *ret_columns)
{
    if (take_size()) /* at the very beginning nobody is told by a signal */
        clearok(curscr, TRUE);
    *ret_rows = LINES;
    *ret_columns = COLS;
}

/* -- drawing ------------------------------------------------------------------------------------ */

static attr_t attributes(enum pyro_top_ink ink)
{
    switch (ink) {
    case PYRO_TOP_BOLD:
        return A_BOLD;
    case PYRO_TOP_GREY:
        return A_DIM;
    case PYRO_TOP_HEADING:
        return A_REVERSE | A_BOLD;
    case PYRO_TOP_SELECTED:
        return A_REVERSE;
    case PYRO_TOP_HOT:
    case PYRO_TOP_MORE:
    case PYRO_TOP_LESS:
        return terminal.colors ? (attr_t)COLOR_PAIR(ink) : ink == PYRO_TOP_LESS ? 0 : A_BOLD;
    default:
        return 0;
    }
}

/* As many characters of TEXT as fit into COLUMNS: some take two. Returns the columns taken. */
static int widen(wchar_t *wide, int size, const char *text, int columns)
{
    mbstate_t state = {0};
    int count = 0, used = 0;
    while (*text && count + 1 < size) {
        wchar_t character;
        size_t length = mbrtowc(&character, text, strlen(text), &state);
        if (length == (size_t)-1 || length == (size_t)-2) {
            memset(&state, 0, sizeof(state));
            character = L'?';
            length = 1;
        }
        int width = wcwidth(character);
        if (width < 0) {
            character = L'?';
            width = 1;
        }
        if (used + width > columns)
            break;
        wide[count++] = character;
        used += width;
        text += length;
    }
    wide[count] = L'\0';
    return used;
}

static void draw_line(int row, const struct pyro_top_line *line)
{
    wchar_t wide[2 * PYRO_SCREEN_COLUMNS_MAX];
    int columns = COLS < PYRO_SCREEN_COLUMNS_MAX ? COLS : PYRO_SCREEN_COLUMNS_MAX;
    int used = widen(wide, (int)(sizeof(wide) / sizeof(*wide)), line->text, columns);
    attrset(attributes(line->ink));
    mvaddwstr(row, 0, wide);
    bool whole = line->ink == PYRO_TOP_HEADING || line->ink == PYRO_TOP_SELECTED;
    if (!whole)
        attrset(A_NORMAL);
    for (; used < COLS; used++)
        mvaddch(row, used, ' ');
    attrset(A_NORMAL);
}

void pyro_terminal_draw(const struct pyro_top_screen *screen)
{
    static const struct pyro_top_line empty;
    for (int row = 0; row < LINES; row++)
        draw_line(row, row < screen->rows ? &screen->lines[row] : &empty);
    refresh();
}

/* -- keys --------------------------------------------------------------------------------------- */

uint32_t pyro_terminal_key(void)
{
    static const struct {
        wint_t curses;
        uint32_t key;
    } keys[] = {
        {KEY_UP, PYRO_KEY_UP},         {KEY_DOWN, PYRO_KEY_DOWN},
        {KEY_LEFT, PYRO_KEY_LEFT},     {KEY_RIGHT, PYRO_KEY_RIGHT},
        {KEY_PPAGE, PYRO_KEY_PAGE_UP}, {KEY_NPAGE, PYRO_KEY_PAGE_DOWN},
        {KEY_HOME, PYRO_KEY_HOME},     {KEY_END, PYRO_KEY_END},
        {KEY_ENTER, PYRO_KEY_ENTER},   {KEY_BACKSPACE, PYRO_KEY_ERASE},
        {KEY_DC, PYRO_KEY_ERASE},
    };
    wint_t character;
    int kind;
    while ((kind = get_wch(&character)) != ERR) {
        if (kind == OK && character)
            return (uint32_t)character;
        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
            if (kind == KEY_CODE_YES && keys[i].curses == character)
                return keys[i].key;
    }
    return 0;
}
