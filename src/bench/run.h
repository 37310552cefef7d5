/* bench/run.h - measure commands against each other.
 *
 * A round runs every command once, in random order; rounds are added until the precision that was
 * asked for or the budget is reached. Before that each command runs once to warm up, which counts
 * for nothing but tells whether it works at all and what it prints. Commands read nothing
 * (/dev/null), see PYTHONHASHSEED, a new one each round, and are groups of processes of their own,
 * so that they end with us. Uses the process's SIGCHLD, and takes SIGINT, SIGTERM and SIGHUP while
 * it runs (Ctrl-Z does nothing: what stands still cannot be measured); for one thread. */
#ifndef PYRO_BENCH_RUN_H
#define PYRO_BENCH_RUN_H

#include "bench/bench.h"

#include <signal.h>

/* -- words ------------------------------------------------------------------------------------ */

/* TEXT as a shell splits it: quotes, backslashes, no expansion. A NULL-terminated array in one
 * piece, to be freed; NULL with ERROR set: a quote without its end, nothing at all, or a character
 * that only a shell has a meaning for. */
char **pyro_bench_split(const char *text, struct pyro_error *error);

/* -- one process ------------------------------------------------------------------------------ */

enum pyro_bench_output {
    PYRO_BENCH_DISCARD,
    PYRO_BENCH_SHOW,    /* on our standard error */
    PYRO_BENCH_CAPTURE, /* its checksum and last words */
};

struct pyro_bench_process {
    char *const *argv;
    const char *directory; /* "": ours */
    uint32_t hash_seed;
    enum pyro_bench_output output;
    /* Captured: */
    uint64_t printed_bytes; /* on standard output */
    uint32_t printed_sum;
    char last_words[1024]; /* of standard error, or else of standard output */
    bool complained;       /* they are of standard error */
};

/* What signals are to us while commands run. */
struct pyro_bench_signals {
    int fd;
    sigset_t before;
    struct sigaction child_before;
    bool interrupted; /* by the user, or we are to end */
};
int pyro_bench_signals_take(struct pyro_bench_signals *signals, struct pyro_error *error);
void pyro_bench_signals_return(struct pyro_bench_signals *signals);

/* Run it to its end and fill what a run tells of it. -EINTR: interrupted, and it was ended;
 * -ENOENT, -EACCES and the like: it cannot be started. */
int pyro_bench_process_run(struct pyro_bench_process *process, struct pyro_bench_signals *signals,
                           struct pyro_bench_run *run, struct pyro_error *error);

/* -- an earlier revision ---------------------------------------------------------------------- */

/* A git worktree of its own with REVISION of the repository we stand in. */
struct pyro_worktree {
    char root[4096];      /* "": there is none */
    char directory[8192]; /* in it, the folder that is ours here */
    char revision[64];    /* the commit's full name */
};
/* -EINTR: interrupted. On any error there is nothing left to remove. */
int pyro_worktree_add(const char *revision, struct pyro_bench_signals *signals,
                      struct pyro_worktree *ret_worktree, struct pyro_error *error);
/* Take it away again with all that is in it, interrupted or not. */
int pyro_worktree_remove(struct pyro_worktree *worktree, struct pyro_bench_signals *signals,
                         struct pyro_error *error);

/* -- all of them ------------------------------------------------------------------------------ */

struct pyro_bench_progress {
    double elapsed_s;
    size_t rounds; /* done; 0: only warmed up, which took about a round */
    const struct pyro_comparison *comparison; /* of the first two; NULL: not yet */
};

struct pyro_bench_options {
    uint64_t time_ns; /* 0: no limit */
    size_t rounds_max;
    double precision; /* half of the interval's width, as a share */
    struct pyro_compare_options compare;
    enum pyro_metric metric; /* that is to be known well enough */
    bool once, shell, show_output, ignore_failure;
    uint64_t seed;
    void (*progress)(const struct pyro_bench_progress *progress, void *context); /* may be NULL */
    void *context;
};

/* BENCH holds the commands; runs, noise and end are added. TEXTS are what is run, one for each
 * command. On an error what was measured before it is there. */
int pyro_bench_measure(struct pyro_bench *bench, const char *const *texts,
                       const struct pyro_bench_options *options, struct pyro_bench_signals *signals,
                       struct pyro_error *error);

#endif
