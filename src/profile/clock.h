/* profile/clock.h - which samples count, under which question.
 *
 * One recording answers wall, CPU, GIL and waiting time. A *parked* sample is a waiting thread of a
 * pool that has nothing to do (an idle worker at its queue): never part of a table, but totalled apart. */
#ifndef PYRO_PROFILE_CLOCK_H
#define PYRO_PROFILE_CLOCK_H

#include "profile/profile.h"

enum pyro_clock {
    PYRO_CLOCK_WALL, /* running or waiting; parked samples apart */
    PYRO_CLOCK_CPU,  /* on a CPU */
    PYRO_CLOCK_GIL,  /* holding the GIL */
    PYRO_CLOCK_WAIT, /* waiting, for the GIL too; parked samples apart */
};
int pyro_clock_by_name(const char *name,
                       enum pyro_clock *ret_clock); /* "wall" "cpu" "gil" "wait"; -EINVAL */

/* Decided per stack, so ask once and keep the answers. */
struct pyro_clock_view {
    const struct pyro_profile *profile;
    enum pyro_clock clock;
    bool idle;              /* count parked samples as well */
    bool has_gil;           /* some sample holds it: false in a free-threaded build */
    uint8_t *parked_stacks; /* [stack_count], PYRO_CLOCK_STACK_*: what the frames of a stack say */
};
enum {
    PYRO_CLOCK_STACK_PARKED = 1 << 0,   /* an idle worker's, if the thread waits */
    PYRO_CLOCK_STACK_DATABASE = 1 << 1, /* a database driver among the innermost 8 frames, */
    PYRO_CLOCK_STACK_POOL = 1 << 2, /* or a pool of connections, whichever is nearer to the top */
};
int pyro_clock_view_init(struct pyro_clock_view *view, const struct pyro_profile *profile,
                         enum pyro_clock clock, bool idle);
void pyro_clock_view_clear(struct pyro_clock_view *view);

bool pyro_clock_parked(const struct pyro_clock_view *view, size_t sample);
bool pyro_clock_counts(const struct pyro_clock_view *view, size_t sample);
/* The same of samples that were added up. */
bool pyro_clock_parked_sum(const struct pyro_clock_view *view, const struct pyro_sample_sum *sum);
bool pyro_clock_counts_sum(const struct pyro_clock_view *view, const struct pyro_sample_sum *sum);

/* What a waiting sample waits for, for line 1 of every report: "pool", "database", "network", "file", "pipe", "lock",
 * "sleep", "child", "gil", "other"; "" when it does not wait. In this order:
 * - waiting for the GIL is "gil";
 * - asleep in a pool of connections to a database is "pool": it waits for one that another thread has;
 * - asleep with a database driver among the innermost 8 frames, or on a socket whose peer is a database's usual
 *   port or local socket, is "database"; else the wait reason decides ("poll" is "network");
 * - not asleep, but without the GIL while a driver is among the innermost 8 frames, is "database" too: the driver
 *   works in C (sqlite3 is the database). Such a sample counts under the clocks "cpu" (if it runs) and "wait".
 *   Without a GIL at all (free-threaded) nothing of this kind can be told and it does not wait.
 * A driver is seen by its Python files. The sqlite3 module has none on the stack when the program calls it directly:
 * then it is seen only where C functions are recorded. */
const char *pyro_clock_wait_category(const struct pyro_clock_view *view, size_t sample);
const char *pyro_clock_wait_category_sum(const struct pyro_clock_view *view,
                                         const struct pyro_sample_sum *sum);

#endif
