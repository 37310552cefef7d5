/* top/terminfo.h - what a kind of terminal can do. */
#ifndef PYRO_TOP_TERMINFO_H
#define PYRO_TOP_TERMINFO_H

/* Can the terminal on FD, of the kind NAME, move its cursor? 0; -ENOENT: such a kind is not known here; -ENOTSUP. */
int pyro_terminfo_check(const char *name, int fd);

#endif
