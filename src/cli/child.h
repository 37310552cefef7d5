/* cli/child.h - the program that `run` starts, as if the user had started it.
 *
 * It shares our terminal, process group, environment and open files, and starts with the signal mask
 * and dispositions we were started with. While it runs a thread of ours receives the signals: those of
 * the terminal reach the program by themselves, those sent to us alone are passed on; when the program
 * stops (Ctrl-Z), so do we. */
#ifndef PYRO_CLI_CHILD_H
#define PYRO_CLI_CHILD_H

#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pyro_child {
    pid_t pid;
    volatile sig_atomic_t
        ended; /* set by the watching thread: the program is over (not reaped yet) */
    sigset_t mask_before;
    struct sigaction child_before; /* SIGCHLD as we were started */
    pthread_t main, watcher;
    bool watched;
    atomic_bool done; /* tells the watching thread to end; its partner is _wait */
};

/* Start the program at PATH. When this returns it has been exec'ed, or the error says why not (-ENOENT, -EACCES, ...).
 * CHILD must stay where it is until _wait. */
int pyro_child_start(struct pyro_child *child, const char *path, char *const argv[],
                     struct pyro_error *error);
/* The same, away from our terminal: in a session of its own, with nothing to read and its output to OUTPUT_FD. No thread watches
 * it, and no signal is passed on: SIGCHLD and those of the terminal stay blocked here until _wait. */
int pyro_child_start_aside(struct pyro_child *child, const char *path, char *const argv[],
                           int output_fd, struct pyro_error *error);
/* Is it over by now? */
bool pyro_child_over(const struct pyro_child *child);
/* Bytes that the largest had of it and all that were waited for below it, as the kernel counts once it is over (ru_maxrss); 0: not
 * known. Asked before _wait. */
uint64_t pyro_child_most_resident(const struct pyro_child *child);
/* Wait for its end, whatever it takes, and put our signals back. The status is that of waitpid. */
int pyro_child_wait(struct pyro_child *child);
/* End as the program ended: returns its exit status, or does not return when a signal ended it (128 + the signal's
 * number where that cannot be done). */
int pyro_child_exit_like(int wait_status);

#endif
