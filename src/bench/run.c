/* bench/run.c - rounds, and when there are enough of them. */
#include "bench/run.h"

#include "base/clock.h"
#include "base/random.h"
#include "bench/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct measuring {
    struct pyro_bench *bench;
    const struct pyro_bench_options *options;
    struct pyro_bench_signals *signals;
    struct pyro_error *error;
    char ***argvs;   /* of each command; each is freed in one piece */
    uint32_t *order; /* commands, as they run in this round */
    uint64_t random, begin_ns;
    uint32_t round;
    uint32_t printed_sum; /* of the first command, warming up */
    uint64_t printed_bytes;
    double own_cpu_s;
};

static double elapsed_s(const struct measuring *measuring)
{
    return (double)(pyro_clock_ns() - measuring->begin_ns) / (double)PYRO_NS_PER_S;
}

/* -- one run ---------------------------------------------------------------------------------- */

/* The last line of what it said, without what a terminal would obey. */
static const char *last_line(char *words)
{
    size_t length = strlen(words);
    while (length && words[length - 1] == '\n')
        words[--length] = '\0';
    char *line = strrchr(words, '\n');
    line = line ? line + 1 : words;
    for (char *character = line; *character; character++)
        if (*character < ' ' || *character > '~')
            *character = '?';
    return line;
}

static int command_failed(struct measuring *measuring, struct pyro_bench_process *process,
                          const struct pyro_bench_run *run)
{
    const char *name = measuring->bench->commands[run->command].name;
    const char *words = last_line(process->last_words);
    int status = run->wait_status;
    if (WIFSIGNALED(status))
        pyro_error_set(measuring->error, -ECHILD, "'%s' was ended by signal %d (%s)%s%s", name,
                       WTERMSIG(status), strsignal(WTERMSIG(status)), *words ? ": " : "", words);
    else
        pyro_error_set(measuring->error, -ECHILD, "'%s' ended with status %d%s%s", name,
                       WEXITSTATUS(status), *words ? ": " : "", words);
    pyro_error_hint(measuring->error, "to measure it all the same: --ignore-failure");
    return -ECHILD;
}

/* Do all print the same? */
static void compare_output(struct measuring *measuring, const struct pyro_bench_process *process,
                           size_t command)
{
    if (command == 0) {
        measuring->printed_sum = process->printed_sum;
        measuring->printed_bytes = process->printed_bytes;
    } else if (measuring->printed_sum != process->printed_sum ||
               measuring->printed_bytes != process->printed_bytes) {
        measuring->bench->output_differs = true;
    }
}

static int run_command(struct measuring *measuring, uint32_t command, uint32_t position,
                       uint32_t hash_seed, bool warmup)
{
    const struct pyro_bench_options *options = measuring->options;
    bool show = options->show_output;
    struct pyro_bench_run run = {
        .round = measuring->round, .command = command, .position = position, .warmup = warmup};
    struct pyro_bench_process process = {
        .argv = measuring->argvs[command],
        .directory = measuring->bench->commands[command].directory,
        .hash_seed = hash_seed,
        .output = show     ? PYRO_BENCH_SHOW
                  : warmup ? PYRO_BENCH_CAPTURE
                           : PYRO_BENCH_DISCARD,
    };
    int code = pyro_bench_process_run(&process, measuring->signals, &run, measuring->error);
    if (code < 0)
        return code;
    measuring->own_cpu_s += run.user_s + run.system_s;
    if (run.wait_status != 0 && !options->ignore_failure)
        return command_failed(measuring, &process, &run);
    if (warmup && !show)
        compare_output(measuring, &process, command);
    return pyro_bench_add_run(measuring->bench, &run);
}

/* -- rounds ----------------------------------------------------------------------------------- */

static void shuffle(struct measuring *measuring)
{
    for (uint32_t i = (uint32_t)measuring->bench->command_count; i > 1; i--) {
        uint32_t other = pyro_random_below(&measuring->random, i);
        uint32_t kept = measuring->order[i - 1];
        measuring->order[i - 1] = measuring->order[other];
        measuring->order[other] = kept;
    }
}

static int run_round(struct measuring *measuring, bool warmup)
{
    uint32_t hash_seed = (uint32_t)(pyro_random_next(&measuring->random) >> 32);
    if (!warmup && !measuring->options->once)
        shuffle(measuring);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < measuring->bench->command_count; i++)
        code = run_command(measuring, measuring->order[i], i, hash_seed, warmup);
    pyro_noise_frequency(&measuring->bench->noise);
    measuring->round += code == 0 && !warmup;
    return code;
}

/* Would one more round like those before end within the time? */
static bool time_left(const struct measuring *measuring)
{
    uint64_t limit_ns = measuring->options->time_ns;
    double spent_s = elapsed_s(measuring), rounds = measuring->round + 1.0; /* and warming up */
    return limit_ns == 0 || spent_s + spent_s / rounds <= (double)limit_ns / (double)PYRO_NS_PER_S;
}

/* -- enough? ---------------------------------------------------------------------------------- */

/* A single command: how well its own time is known; what is not known at all is not known well enough. */
static int single_enough(const struct measuring *measuring, enum pyro_enough *ret_enough)
{
    const struct pyro_bench *bench = measuring->bench;
    double *values = reallocarray(NULL, bench->run_count, sizeof(*values));
    if (!values)
        return -ENOMEM;
    size_t count = pyro_bench_values(bench, 0, measuring->options->metric, values);
    struct pyro_estimate estimate;
    for (size_t i = 0; i < count; i++)
        values[i] = log(values[i]);
    int code =
        count ? pyro_estimate_make(values, count, measuring->options->compare.confidence, &estimate)
              : 0;
    free(values);
    *ret_enough = code == 0 && count && estimate.half_width <= log1p(measuring->options->precision)
                      ? PYRO_ENOUGH_PRECISE
                      : PYRO_ENOUGH_NOT_YET;
    return code;
}

static void show_progress(const struct measuring *measuring,
                          const struct pyro_comparison *comparison)
{
    const struct pyro_bench_progress progress = {
        .elapsed_s = elapsed_s(measuring),
        .rounds = measuring->round,
        .comparison = comparison,
    };
    if (measuring->options->progress)
        measuring->options->progress(&progress, measuring->options->context);
}

/* Each command against the first one: the least of what they say. */
static int all_enough(const struct measuring *measuring, enum pyro_enough *ret_enough)
{
    const struct pyro_bench_options *options = measuring->options;
    *ret_enough = PYRO_ENOUGH_CLEAR;
    for (size_t i = 1; i < measuring->bench->command_count; i++) {
        struct pyro_comparison comparison;
        int code = pyro_bench_compare(measuring->bench, 0, i, options->metric, &options->compare,
                                      &comparison);
        if (code < 0)
            return code;
        enum pyro_enough enough =
            pyro_compare_enough(&comparison, options->compare.margin, options->precision);
        if (enough < *ret_enough)
            *ret_enough = enough;
        if (i == 1)
            show_progress(measuring, &comparison);
    }
    return 0;
}

/* *RET_DONE: bench->end says why. */
static int look(struct measuring *measuring, bool *ret_done)
{
    enum pyro_enough enough = PYRO_ENOUGH_NOT_YET;
    struct pyro_bench *bench = measuring->bench;
    int code = 0;
    if (!pyro_compare_look(measuring->round))
        show_progress(measuring, NULL);
    else if (bench->command_count == 1)
        code = single_enough(measuring, &enough);
    else
        code = all_enough(measuring, &enough);
    *ret_done = true;
    if (enough != PYRO_ENOUGH_NOT_YET)
        bench->end = enough == PYRO_ENOUGH_PRECISE ? PYRO_BENCH_PRECISE : PYRO_BENCH_CLEAR;
    else if (measuring->round >= measuring->options->rounds_max)
        bench->end = PYRO_BENCH_PAIRS;
    else if (!time_left(measuring))
        bench->end = PYRO_BENCH_TIME;
    else
        *ret_done = false;
    return code;
}

static int run_rounds(struct measuring *measuring)
{
    bool done = measuring->options->once;
    int code = run_round(measuring, !done);
    if (done)
        measuring->bench->end = PYRO_BENCH_ONCE;
    else if (code == 0)
        show_progress(measuring, NULL);
    while (code == 0 && !done) {
        code = run_round(measuring, false);
        if (code == 0)
            code = look(measuring, &done);
    }
    return code;
}

/* -- all of it -------------------------------------------------------------------------------- */

static char **shell_words(const char *text, struct pyro_error *error)
{
    char **words = calloc(4, sizeof(*words));
    if (!words) {
        pyro_error_set(error, -ENOMEM, "no memory");
        return NULL;
    }
    words[0] = (char *)"/bin/sh";
    words[1] = (char *)"-c";
    words[2] = (char *)text;
    return words;
}

static int prepare(struct measuring *measuring, const char *const *texts)
{
    size_t count = measuring->bench->command_count;
    measuring->argvs = calloc(count, sizeof(*measuring->argvs));
    measuring->order = calloc(count, sizeof(*measuring->order));
    if (!measuring->argvs || !measuring->order)
        return pyro_error_set(measuring->error, -ENOMEM, "no memory");
    for (uint32_t i = 0; i < count; i++) {
        measuring->order[i] = i;
        measuring->argvs[i] = measuring->options->shell
                                  ? shell_words(texts[i], measuring->error)
                                  : pyro_bench_split(texts[i], measuring->error);
        if (!measuring->argvs[i])
            return measuring->error->code;
    }
    return 0;
}

static void release(struct measuring *measuring)
{
    for (size_t i = 0; measuring->argvs && i < measuring->bench->command_count; i++)
        free(measuring->argvs[i]);
    free(measuring->argvs);
    free(measuring->order);
}

int pyro_bench_measure(struct pyro_bench *bench, const char *const *texts,
                       const struct pyro_bench_options *options, struct pyro_bench_signals *signals,
                       struct pyro_error *error)
{
    struct measuring measuring = {
        .bench = bench,
        .options = options,
        .signals = signals,
        .error = error,
        .random = pyro_random_seed(options->seed),
        .begin_ns = pyro_clock_ns(),
    };
    struct pyro_machine_look first;
    int code = prepare(&measuring, texts);
    bench->started_unix_us = pyro_clock_unix_us();
    pyro_noise_begin(&bench->noise);
    pyro_machine_look(&first);
    if (code == 0)
        code = run_rounds(&measuring);
    pyro_noise_end(&bench->noise, &first, measuring.own_cpu_s);
    bench->duration_s = elapsed_s(&measuring);
    if (code == -EINTR)
        bench->end = PYRO_BENCH_INTERRUPTED;
    else if (code < 0)
        bench->end = PYRO_BENCH_FAILED;
    release(&measuring);
    return code == -EINTR ? 0 : code;
}
