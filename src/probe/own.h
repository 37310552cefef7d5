/* probe/own.h - memory to count into, where `pyrometer run` gave us none: for what the program itself asks for.
 *
 * Wants the GIL. */
#ifndef PYRO_PROBE_OWN_H
#define PYRO_PROBE_OWN_H

/* There is a process block from now on: the run's, or one in memory of our own; in a forked child memory of its own, and lines that its
 * parent had counted no longer are. -1 with an exception: there is no memory, or this is a forked child of a run that does not follow it. */
int pyro_own_blocks(void);

#endif
