/* cli/live.h - the loop of `top`: keys, signals, time and samples come in, screens go out.
 *
 * All signals that matter are taken from a descriptor, so nothing runs in a handler, and the terminal is given back before
 * anything else happens. */
#ifndef PYRO_CLI_LIVE_H
#define PYRO_CLI_LIVE_H

#include "cli/child.h"
#include "sample/feed.h"

struct pyro_live_options {
    pid_t pid;         /* 0: picked from a list */
    uint32_t rate_hz;  /* 0: 50, fewer where they would take more than 1 % of a core */
    unsigned delay_ms; /* between refreshes */
    bool subprocesses, gil, idle, apart;
    struct pyro_child *child; /* the program, if we started it: its end ends the view. Else NULL */
    const char *aside;        /* where its output goes; "" */
};

/* Show it until the user, a signal or the program's end ends it. The terminal is as before when this returns, and what
 * happened is told. Returns an exit status; *RET_OVER: the program that we started is over. */
int pyro_live_show(const struct pyro_live_options *options, bool *ret_over);

#endif
