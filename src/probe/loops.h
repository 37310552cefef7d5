/* probe/loops.h - time Python loops without and with hooks, to learn what the hooks cost.
 *
 * The same loops in turn, because a machine's speed changes within milliseconds: what counts is the difference of the two
 * of a pair. Of many short pairs the mean is taken, without those that were interrupted: not the fastest, since what a
 * program pays is the usual. All calls want the GIL. */
#ifndef PYRO_PROBE_LOOPS_H
#define PYRO_PROBE_LOOPS_H

#include "probe/python.h"

#define PYRO_LOOPS_MAX  6
#define PYRO_LOOP_PAIRS 24

struct pyro_loops {
    PyObject *warm_up, *rounds; /* ranges */
    PyObject *functions[PYRO_LOOPS_MAX];
    int count;
    double ns[2][PYRO_LOOPS_MAX][PYRO_LOOP_PAIRS]; /* of a round: without, with hooks */
    double shown_ns[PYRO_LOOPS_MAX][PYRO_LOOP_PAIRS];
};

/* SOURCE defines the functions called NAMES; each is called with a range, and goes once round for each of it. -1 with an
 * exception. pyro_loops_clear() in either case. */
int pyro_loops_init(struct pyro_loops *loops, const char *source, const char *const *names,
                    int count);
/* Takes some ten milliseconds. SWITCH_TO sets the hooks and removes them: 0, or -1 with an exception. SHOWN, which may be
 * NULL, is asked for a figure after each pass of a loop with the hooks. -1 with an exception; the hooks are on then, if that
 * was possible. */
int pyro_loops_time(struct pyro_loops *loops, int (*switch_to)(bool on), double (*shown)(void));
/* What a round of LOOP takes without the hooks, and what SHOWN said of it. */
double pyro_loops_ns(const struct pyro_loops *loops, int loop);
double pyro_loops_shown(const struct pyro_loops *loops, int loop);
/* What a round of LOOP takes longer with the hooks. PLAIN is a loop without calls: 3.11 runs all Python code slower while it
 * has a profile function, and that is no cost of the calls. */
double pyro_loops_cost(const struct pyro_loops *loops, int loop, int plain);
void pyro_loops_clear(struct pyro_loops *loops);

#endif
