/* top/terminfo.c - a file of its own, since term.h makes macros of words such as `lines` and `columns`. */
#include "top/terminfo.h"

#include <curses.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <term.h>

int pyro_terminfo_check(const char *name, int fd)
{
    int status;
    if (setupterm(name, fd, &status) != OK)
        return -ENOENT;
    const char *move = tigetstr("cup");
    bool moves = move && (intptr_t)move != -1; /* -1: "cup" is no text capability */
    del_curterm(cur_term);
    return moves ? 0 : -ENOTSUP;
}
