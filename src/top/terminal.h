/* top/terminal.h - the terminal, by ncurses: it shows a screen and tells keys, and is left as it was found.
 *
 * Installs no signal handler and wants SIGINT, SIGTSTP, SIGWINCH and the like blocked and taken elsewhere: whoever takes them
 * calls _resize, _suspend and _close here. One terminal in a process, used by one thread. */
#ifndef PYRO_TOP_TERMINAL_H
#define PYRO_TOP_TERMINAL_H

#include "base/error.h"
#include "top/screen.h"

/* Standard input and output become the terminal's. -ENOTTY: they are none; -ENOTSUP: it cannot move its cursor. */
int pyro_terminal_open(bool color, struct pyro_error *error);
void pyro_terminal_close(void); /* once is enough; not open is fine */

void pyro_terminal_size(int *ret_rows, int *ret_columns);
void pyro_terminal_resize(void); /* it has another size now */
void pyro_terminal_draw(const struct pyro_top_screen *screen);
/* The next key that was pressed, of top/view.h; 0: none. Does not wait. */
uint32_t pyro_terminal_key(void);

/* Give it back for a while (a stop), and take it again. */
void pyro_terminal_suspend(void);
void pyro_terminal_resume(void);

#endif
