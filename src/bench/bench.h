/* bench/bench.h - what was measured of commands, and how it is kept in a file.
 *
 * The unit is one run of a command: a process from its start to its end. Runs of the same round
 * stood next to each other in time, in random order, so only they are divided by each other. Files
 * of pyperf and pytest-benchmark fill the same model; their runs have no rounds in common, so that
 * they are compared as measured apart. */
#ifndef PYRO_BENCH_BENCH_H
#define PYRO_BENCH_BENCH_H

#include "analyze/compare.h"
#include "analyze/diff.h"
#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PYRO_BENCH_COMMANDS_MAX 1024    /* benchmarks of a file; `bench` itself takes fewer */
#define PYRO_BENCH_RUNS_MAX     1000000 /* of a file */

enum pyro_metric {
    PYRO_METRIC_WALL,
    PYRO_METRIC_CPU,     /* user and system, of the process and of the children it waited for */
    PYRO_METRIC_PEAK,    /* the most memory that one process of it had resident */
    PYRO_METRIC_GROWTH,  /* the most memory it had in the second half of its time over the first */
    PYRO_METRIC_CALLS,   /* exact, of a recording of each (`bench --record`) */
    PYRO_METRIC_QUERIES, /* the same, sent to databases */
    PYRO_METRIC_COUNT,
};
const char *pyro_metric_name(enum pyro_metric metric);
int pyro_metric_by_name(const char *name, enum pyro_metric *ret_metric); /* -EINVAL */
/* Is it counted in recordings, not measured in runs? */
bool pyro_metric_is_counted(enum pyro_metric metric);

struct pyro_bench_command {
    const char *name;
    const char *text;      /* as typed, secrets left out; "" of a foreign file */
    const char *directory; /* it ran in; "": ours */
    const char *recording; /* of one more run of it: a file beside this one; "": there is none */
};

struct pyro_bench_run {
    uint32_t round, command;
    uint32_t position;               /* in its round: 0 ran first */
    bool warmup;                     /* counts for nothing */
    int wait_status;                 /* as of waitpid */
    double wall_s, user_s, system_s; /* NAN: not known */
    uint64_t peak_bytes, first_half_peak_bytes, second_half_peak_bytes; /* 0: not known */
    uint64_t involuntary_switches, major_faults;
};

/* What else the machine did meanwhile. */
struct pyro_bench_noise {
    double load_before; /* load average of the last minute when it began */
    double others_cpus; /* CPUs that other programs used, on average */
    double steal_share; /* of the CPU time wanted, what the host gave to others */
    uint64_t pages_swapped;
    double frequency_low, frequency_high; /* GHz; 0: not visible here */
    char governor[32];                    /* "" : not visible */
};

enum pyro_bench_end {
    PYRO_BENCH_PRECISE,     /* the interval is as narrow as asked */
    PYRO_BENCH_CLEAR,       /* the difference is plain */
    PYRO_BENCH_PAIRS,       /* as many as allowed */
    PYRO_BENCH_TIME,        /* the budget is used up */
    PYRO_BENCH_ONCE,        /* --once */
    PYRO_BENCH_FAILED,      /* a command failed */
    PYRO_BENCH_INTERRUPTED, /* Ctrl-C */
};
const char *pyro_bench_end_name(enum pyro_bench_end end);

struct pyro_bench {
    struct pyro_arena arena; /* holds the texts */
    struct pyro_bench_command *commands;
    size_t command_count, command_capacity;
    struct pyro_bench_run *runs; /* in the order they were made */
    size_t run_count, run_capacity;
    enum pyro_bench_end end;
    double duration_s;
    uint64_t started_unix_us;
    struct pyro_bench_noise noise;
    bool output_differs; /* what the commands printed when they warmed up */
    bool foreign;        /* no rounds: never compared within */
    bool one_process;    /* all values of a command are from one process */
};

/* The texts are copied. The index of the new command, or -ENOMEM. */
int pyro_bench_add_command(struct pyro_bench *bench, const char *name, const char *text,
                           const char *directory);
int pyro_bench_set_recording(struct pyro_bench *bench, size_t command,
                             const char *name);                                     /* -ENOMEM */
int pyro_bench_add_run(struct pyro_bench *bench, const struct pyro_bench_run *run); /* -ENOMEM */
void pyro_bench_free(struct pyro_bench *bench); /* leaves it zeroed */

/* -- values ----------------------------------------------------------------------------------- */

/* Of one run; NAN: not known. */
double pyro_bench_value(const struct pyro_bench_run *run, enum pyro_metric metric);
/* All of COMMAND that are known, without warming up, into VALUES (of run_count at most). */
size_t pyro_bench_values(const struct pyro_bench *bench, size_t command, enum pyro_metric metric,
                         double *values);
/* BEFORE against AFTER by rounds. Where too little is known, the answer has 0 pairs and no figures.
 * -ENOMEM. */
int pyro_bench_compare(const struct pyro_bench *bench, size_t before, size_t after,
                       enum pyro_metric metric, const struct pyro_compare_options *options,
                       struct pyro_comparison *ret_comparison);
/* A command of one file against one of another. */
int pyro_bench_compare_files(const struct pyro_bench *before, size_t before_command,
                             const struct pyro_bench *after, size_t after_command,
                             enum pyro_metric metric, const struct pyro_compare_options *options,
                             struct pyro_comparison *ret_comparison);

/* -- judgement -------------------------------------------------------------------------------- */

/* Two commands by every metric. Time and peak memory decide together, or the one metric that was
 * asked for. */
struct pyro_judgement {
    const char *before, *after; /* names */
    struct pyro_comparison metrics[PYRO_METRIC_COUNT];
    enum pyro_metric metric;     /* that is talked about first */
    enum pyro_keep keep;         /* of all that decide */
    bool tradeoff;               /* one got better, another worse: no word for both */
    const struct pyro_diff *why; /* what moved between a recording of each; NULL: there are none */
};

struct pyro_judge_options {
    struct pyro_compare_options compare;
    bool one_metric; /* METRIC alone decides */
    enum pyro_metric metric;
};
/* Memory moves the decision only by more than this. */
#define PYRO_JUDGE_PEAK_MARGIN 0.05

int pyro_judge(const struct pyro_bench *before, size_t before_command,
               const struct pyro_bench *after, size_t after_command,
               const struct pyro_judge_options *options, struct pyro_judgement *ret_judgement);

/* Let WHY, which stays the caller's, explain the judgement; calls and queries are counted there. 0 or -ENOMEM. */
int pyro_judge_recorded(struct pyro_judgement *judgement, const struct pyro_diff *why,
                        const struct pyro_judge_options *options);

/* What --fail-if names: verdicts, and by how much at least the interval must lie beyond none. */
struct pyro_fail_if {
    bool faster, slower, same, undecided;
    double faster_by, slower_by; /* 0.02: two percent */
};
bool pyro_judgement_fails(const struct pyro_judgement *judgement,
                          const struct pyro_fail_if *fail_if);

/* -- files ------------------------------------------------------------------------------------ */

/* docs/json.md */
void pyro_bench_write(FILE *out, const struct pyro_bench *bench);
/* One of ours, of pyperf or of pytest-benchmark, packed by gzip or not. -EINVAL: none of them; or
 * what reading failed with. Everything in it is checked. */
int pyro_bench_read(const char *path, struct pyro_bench *ret_bench, struct pyro_error *error);
/* The same of TEXT, unpacked; PATH is for messages. */
int pyro_bench_parse(const void *text, size_t size, const char *path, struct pyro_bench *ret_bench,
                     struct pyro_error *error);

#endif
