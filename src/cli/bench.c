/* cli/bench.c - `pyrometer bench`: measure commands against each other. */
#include "base/clock.h"
#include "base/redact.h"
#include "bench/run.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "cli/interpreter.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/recorded.h"
#include "cli/verdict.h"
#include "report/bench.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMANDS_MAX 32
#define TIME_S       60
#define PAIRS_MAX    200
#define PAIRS_LIMIT  100000

struct options {
    struct pyro_verdict_options verdict;
    const char *output, *against;
    uint64_t time_ns;
    uint32_t pairs;
    double precision; /* 0: half of the margin */
    bool once, record, shell, show_output, ignore_failure;
};

static int parse_pairs(const char *text, void *field, struct pyro_error *error)
{
    char *end;
    unsigned long pairs = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (!pairs || *end || pairs > PAIRS_LIMIT)
        return pyro_error_set(error, -EINVAL, "'%s' is no number of pairs from 1 to %d", text,
                              PAIRS_LIMIT);
    *(uint32_t *)field = (uint32_t)pairs;
    return 0;
}

static const struct pyro_option bench_options[] = {
    {.letter = 'o',
     .name = "output",
     .value = "FILE",
     .choices = "FILE",
     .summary = "keep what was measured in FILE, for compare; - prints it instead of the report",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, output)},
    {.name = "against",
     .value = "REV",
     .purpose = "to compare with an earlier revision",
     .summary = "run the command in a git worktree of REV too, which is removed afterwards",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, against)},
    {.name = "time",
     .value = "TIME",
     .summary = "the budget: 60s (default), 5m, unlimited",
     .parse = pyro_parse_duration,
     .field = offsetof(struct options, time_ns)},
    {.name = "pairs",
     .value = "N",
     .summary = "measure each command at most N times (default 200)",
     .parse = parse_pairs,
     .field = offsetof(struct options, pairs)},
    {.name = "precision",
     .value = "PERCENT",
     .summary = "enough when the difference is known to within this (default: half the margin)",
     .parse = pyro_parse_percent,
     .field = offsetof(struct options, precision)},
    {.name = "once",
     .summary = "run each command once, without warming up; gives no verdict",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, once)},
    {.name = "record",
     .summary = "run each command once more, recorded as `run` does, and say why they differ; with "
                "-o the recordings lie beside FILE",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, record)},
    {.name = "shell",
     .summary = "have /bin/sh run the commands; its start is measured too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, shell)},
    {.name = "show-output",
     .summary = "show what the commands print, on standard error, instead of discarding it",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, show_output)},
    {.name = "ignore-failure",
     .summary = "go on when a command ends with a status other than 0",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, ignore_failure)},
    PYRO_VERDICT_OPTIONS(struct options),
    {0},
};

struct job {
    struct options options;
    struct pyro_bench bench;
    const char *texts[COMMANDS_MAX];
    struct pyro_bench_signals signals;
    struct pyro_worktree worktree;
    struct pyro_recorded recorded;
    bool line_shown; /* of progress */
};

/* -- commands --------------------------------------------------------------------------------- */

/* "new='python app.py'" arrives as "new=python app.py". */
static size_t name_length(const char *text)
{
    static const char in_names[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strspn(text, in_names);
    return text[length] == '=' ? length : 0;
}

/* As it may be kept: secrets left out. It is taken apart at blanks, so that --password X is
 * seen. */
static int put_text(struct pyro_buffer *buffer, const char *text)
{
    struct pyro_buffer words = {0};
    pyro_buffer_put(&words, text, strlen(text) + 1);
    for (size_t i = 0; !words.failed && i < words.size; i++)
        if (words.data[i] == ' ')
            words.data[i] = '\0';
    if (!words.failed)
        pyro_redact_arguments((const char *)words.data, words.size, buffer);
    pyro_buffer_put_u8(buffer, '\0');
    bool failed = words.failed || buffer->failed;
    pyro_buffer_free(&words);
    return failed ? -ENOMEM : 0;
}

static bool is_taken(const struct pyro_bench *bench, const char *name)
{
    for (size_t i = 0; i < bench->command_count; i++)
        if (strcmp(bench->commands[i].name, name) == 0)
            return true;
    return false;
}

static int add_named(struct job *job, const char *name, size_t length, const char *text,
                     const char *directory)
{
    struct pyro_buffer shown = {0};
    char wanted[256], unique[300];
    int code = put_text(&shown, text);
    if (code == 0) {
        snprintf(wanted, sizeof(wanted), "%.*s", (int)(length ? length : 250),
                 length ? name : (const char *)shown.data);
        snprintf(unique, sizeof(unique), "%s", wanted);
        for (int i = 2; is_taken(&job->bench, unique); i++)
            snprintf(unique, sizeof(unique), "%s (%d)", wanted, i);
        job->texts[job->bench.command_count] = text;
        code = pyro_bench_add_command(&job->bench, unique, (const char *)shown.data, directory);
    }
    pyro_buffer_free(&shown);
    return code < 0 ? code : 0;
}

static int add_operand(struct job *job, const char *operand)
{
    size_t length = name_length(operand);
    return add_named(job, operand, length, operand + length + (length > 0), "");
}

/* The same command twice: there as it was, here as it is. */
static int add_against(struct job *job, const char *operand, struct pyro_error *error)
{
    char name[128];
    size_t length = name_length(operand);
    const char *text = operand + length + (length > 0), *revision = job->options.against;
    int code = pyro_worktree_add(revision, &job->signals, &job->worktree, error);
    if (code < 0)
        return code;
    snprintf(name, sizeof(name), "%s (%.10s)", revision, job->worktree.revision);
    code = add_named(job, name, strlen(name), text, job->worktree.directory);
    if (code == 0)
        code = length ? add_named(job, operand, length, text, "")
                      : add_named(job, "now", strlen("now"), text, "");
    return code < 0 ? pyro_error_set(error, code, "no memory") : 0;
}

/* -- while it runs ---------------------------------------------------------------------------- */

static void announce(const struct job *job, size_t commands)
{
    const struct options *options = &job->options;
    char limit[64] = "without a limit of time";
    const char *each = commands == 1 ? "the command" : "each command";
    if (options->time_ns)
        snprintf(limit, sizeof(limit), "for %g s at most",
                 (double)options->time_ns / (double)PYRO_NS_PER_S);
    if (options->once)
        pyro_print_note("%s runs once", each);
    else
        pyro_print_note("%s runs once to warm up, which does not count, then up to %u times%s, %s "
                        "(--once: only once)",
                        each, options->pairs, commands == 1 ? "" : " in random order", limit);
    if (options->record)
        pyro_print_note("%s runs once more to be recorded", each);
}

/* After warming up: what the budget is good for. */
static void estimate(const struct job *job, double round_s)
{
    double limit_s = (double)job->options.time_ns / (double)PYRO_NS_PER_S;
    double rounds = limit_s / round_s - 1;
    const char *what = job->bench.command_count == 1 ? "run" : "round";
    if (!job->options.time_ns || rounds >= job->options.pairs)
        return;
    if (rounds < 1)
        rounds = 1;
    pyro_print_note("a %s takes about %.3g s: up to %.0f%s", what, round_s, floor(rounds),
                    job->bench.command_count > 1 && rounds < PYRO_COMPARE_PAIRS_MIN
                        ? ", too few for a verdict (longer: --time)"
                        : "");
}

static void clear_line(struct job *job)
{
    if (job->line_shown)
        fprintf(stderr, "\r\033[K");
    job->line_shown = false;
}

static void show_progress(const struct pyro_bench_progress *progress, void *context)
{
    struct job *job = context;
    if (progress->rounds == 0)
        estimate(job, progress->elapsed_s);
    if (!pyro_progress_wanted() || job->options.show_output)
        return;
    fprintf(stderr, "\r%.1f", progress->elapsed_s);
    if (job->options.time_ns)
        fprintf(stderr, " of %g", (double)job->options.time_ns / (double)PYRO_NS_PER_S);
    fprintf(stderr, " s  %zu %s", progress->rounds,
            job->bench.command_count == 1 ? "runs" : "pairs");
    if (progress->comparison && isfinite(progress->comparison->ci_low))
        fprintf(stderr, "  %+.1f %% .. %+.1f %%", 100 * (progress->comparison->ci_low - 1),
                100 * (progress->comparison->ci_high - 1));
    fprintf(stderr, "  (Ctrl-C ends)\033[K");
    fflush(stderr);
    job->line_shown = true;
}

/* What is counted is known of the recordings alone: meanwhile time says when it is enough. */
static enum pyro_metric measured_metric(const struct options *options)
{
    enum pyro_metric metric = options->verdict.judge.metric;
    return pyro_metric_is_counted(metric) ? PYRO_METRIC_WALL : metric;
}

static int record(struct job *job)
{
    const struct pyro_recorded_options options = {
        .output = job->options.output,
        .shell = job->options.shell,
        .hash_seed = (uint32_t)pyro_clock_ns(),
    };
    return pyro_recorded_make(&job->recorded, &job->bench, job->texts, &options, &job->signals);
}

static int measure(struct job *job, struct pyro_error *error)
{
    const struct options *options = &job->options;
    struct pyro_bench_options measuring = {
        .time_ns = options->time_ns,
        .rounds_max = options->pairs,
        .precision = options->precision,
        .compare = options->verdict.judge.compare,
        .metric = measured_metric(options),
        .once = options->once,
        .shell = options->shell,
        .show_output = options->show_output,
        .ignore_failure = options->ignore_failure,
        .seed = pyro_clock_ns() ^ (uint64_t)getpid() << 32,
        .progress = show_progress,
        .context = job,
    };
    size_t others = job->bench.command_count - 1;
    if (others > 1) /* so many chances to be wrong */
        measuring.compare.confidence = 1 - (1 - PYRO_COMPARE_CONFIDENCE) / (double)others;
    job->options.verdict.judge.compare.confidence = measuring.compare.confidence;
    int code = pyro_bench_measure(&job->bench, job->texts, &measuring, &job->signals, error);
    clear_line(job);
    return code;
}

/* -- afterwards ------------------------------------------------------------------------------- */

static int write_file(const struct job *job, struct pyro_error *error)
{
    const char *path = job->options.output;
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!out)
        return pyro_error_set(error, -errno, "cannot write '%s': %s", path, strerror(errno));
    errno = 0;
    pyro_bench_write(out, &job->bench);
    bool failed = fflush(out) != 0 || ferror(out);
    if (out != stdout && fclose(out) != 0)
        failed = true;
    return failed ? pyro_error_set(error, errno ? -errno : -EIO, "cannot write '%s': %s", path,
                                   strerror(errno ? errno : EIO))
                  : 0;
}

static const char *why_it_ended(enum pyro_bench_end end)
{
    switch (end) {
    case PYRO_BENCH_PRECISE:
        return "it is as precise as asked";
    case PYRO_BENCH_CLEAR:
        return "the difference is plain";
    case PYRO_BENCH_PAIRS:
        return "as many runs as allowed (--pairs)";
    case PYRO_BENCH_TIME:
        return "the time is used up (--time)";
    case PYRO_BENCH_ONCE:
        return "once";
    case PYRO_BENCH_FAILED:
        return "a command failed";
    default:
        return "interrupted";
    }
}

static bool prints_file(const struct job *job)
{
    return job->options.output && strcmp(job->options.output, "-") == 0;
}

/* Each command against the first one. */
static int print_verdicts(const struct job *job)
{
    const struct pyro_bench *bench = &job->bench;
    struct pyro_judgement judgements[COMMANDS_MAX];
    struct pyro_pair pairs[COMMANDS_MAX] = {{{NULL}, NULL}};
    size_t count = bench->command_count - 1;
    const char(*paths)[PATH_MAX] = (const char(*)[PATH_MAX])job->recorded.paths;
    int status = PYRO_EXIT_OK;
    for (size_t i = 0; i < count && status == PYRO_EXIT_OK; i++) {
        if (pyro_judge(bench, 0, bench, i + 1, &job->options.verdict.judge, &judgements[i]) < 0)
            status = PYRO_EXIT_FAILED;
        else if (paths && *paths[0] && *paths[i + 1])
            pyro_verdict_explain(&judgements[i], paths[0], paths[i + 1], &pairs[i],
                                 &job->options.verdict);
    }
    if (status == PYRO_EXIT_OK)
        status = pyro_verdict_print(judgements, count, &job->options.verdict);
    for (size_t i = 0; i < count; i++)
        pyro_pair_close(&pairs[i]);
    return status;
}

/* The figure that is to decide may not be had of these commands at all. */
static void say_what_is_unknown(const struct job *job)
{
    const struct pyro_bench *bench = &job->bench;
    size_t known = 0;
    for (size_t i = 0; i < bench->run_count; i++)
        known += isfinite(pyro_bench_value(&bench->runs[i], PYRO_METRIC_GROWTH));
    if (job->options.verdict.judge.metric == PYRO_METRIC_GROWTH && !known)
        pyro_print_note("growth is not known of commands that take less than about 0.3 s: most of "
                        "that is their start");
}

static int report(const struct job *job)
{
    struct pyro_report_style style = pyro_print_style(stdout, NULL);
    const struct pyro_bench *bench = &job->bench;
    if (!job->options.verdict.json) {
        printf("measured for %.1f s; ended: %s\n\n", bench->duration_s, why_it_ended(bench->end));
        pyro_report_bench(stdout, bench, &style);
        if (bench->command_count > 1)
            putchar('\n');
    }
    say_what_is_unknown(job);
    if (bench->command_count > 1)
        return print_verdicts(job);
    return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

/* Is there more than warming up? */
static bool is_measured(const struct pyro_bench *bench)
{
    return bench->run_count && !bench->runs[bench->run_count - 1].warmup;
}

/* What was measured is kept and shown, whatever ended it. */
static int conclude(struct job *job, int code, struct pyro_error *error)
{
    struct pyro_error write_error = {0};
    bool any = is_measured(&job->bench);
    int status = code < 0 ? PYRO_EXIT_FAILED : PYRO_EXIT_OK;
    if (code < 0)
        pyro_print_error(error);
    if (any && job->options.output && write_file(job, &write_error) < 0) {
        pyro_print_error(&write_error);
        status = PYRO_EXIT_FAILED;
    }
    if (any && !prints_file(job)) {
        int verdict = report(job);
        status = status ? status : verdict;
    } else if (!any && code == 0) {
        pyro_print_note("interrupted before anything was measured");
    }
    return status;
}

/* -- the command ------------------------------------------------------------------------------ */

static int check(const struct job *job, const struct pyro_operands *operands,
                 struct pyro_error *error)
{
    const struct options *options = &job->options;
    if (operands->count == 0)
        return pyro_error_set(error, -EINVAL,
                              "bench: what? pyrometer bench old='python a.py' new='python b.py'");
    if (options->against && operands->count != 1)
        return pyro_error_set(error, -EINVAL, "--against takes one command, there and here");
    if (options->verdict.json && operands->count == 1 && !options->against)
        return pyro_error_set(
            error, -EINVAL, "one command has no verdict for --json; -o - prints what was measured");
    for (int i = 0; i < operands->count && !options->shell; i++) {
        const char *operand = operands->items[i];
        size_t length = name_length(operand);
        char **words = pyro_bench_split(operand + length + (length > 0), error);
        if (!words)
            return -EINVAL;
        free(words);
    }
    const struct pyro_output output = {.path = options->output};
    return options->output ? pyro_output_check(&output, error) : 0;
}

static int run_job(struct job *job, const struct pyro_operands *operands)
{
    struct pyro_error error = {0}, remove_error = {0};
    int code = pyro_bench_signals_take(&job->signals, &error);
    if (code < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FAILED;
    }
    announce(job, (size_t)operands->count + (job->options.against != NULL));
    if (job->options.against)
        code = add_against(job, operands->items[0], &error);
    for (int i = 0; code == 0 && !job->options.against && i < operands->count; i++)
        code = add_operand(job, operands->items[i]);
    if (code == 0)
        code = measure(job, &error);
    if (code == 0 && job->options.record && !job->signals.interrupted)
        code = record(job);
    if (pyro_worktree_remove(&job->worktree, &job->signals, &remove_error) < 0)
        pyro_print_error(&remove_error);
    pyro_bench_signals_return(&job->signals);
    return conclude(job, code == -EINTR ? 0 : code, &error);
}

static int run_bench(const struct pyro_command *self, int argc, char **argv)
{
    struct job job = {
        .options = {.time_ns = TIME_S * PYRO_NS_PER_S, .pairs = PAIRS_MAX},
    };
    struct pyro_operands operands;
    struct pyro_error error = {0};
    int status;
    pyro_verdict_defaults(&job.options.verdict);
    if (!pyro_options_read(self, argc, argv, &job.options, &operands, &status))
        return status;
    if (job.options.precision <= 0)
        job.options.precision = job.options.verdict.judge.compare.margin / 2;
    unsetenv(PYRO_INTERPRETER_VARIABLE);
    int code = pyro_identity_become_caller();
    if (code < 0)
        pyro_error_set(&error, code, "cannot become the user who called sudo: %s", strerror(-code));
    if (code < 0 || check(&job, &operands, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_USAGE;
    }
    if (pyro_metric_is_counted(job.options.verdict.judge.metric))
        job.options.record = true;
    status = run_job(&job, &operands);
    pyro_recorded_free(&job.recorded);
    pyro_bench_free(&job.bench);
    return status;
}

const struct pyro_command pyro_command_bench = {
    .name = "bench",
    .group = "measure again",
    .summary = "measure commands against each other: faster, slower, same or undecided",
    .usage = {"bench [-o FILE] [--time TIME] [--pairs N] [--record] [NAME=]'CMD' [NAME=]'CMD'...",
              "bench --against REV [-o FILE] 'CMD'", "bench [--once] 'CMD'"},
    .about =
        "Runs the commands in turn, in random order, until it is known whether they differ, or the "
        "budget is used up. What counts is pairs of runs next to each other, since a machine "
        "changes. The first command is what the others are compared with. How to read the verdict: "
        "pyrometer compare --help.\n\n"
        "CMD is one argument. It is taken apart at blanks, quotes respected, and run without a "
        "shell. It reads nothing, and what it prints is discarded, but looked at when it warms up: "
        "the report says when commands print different things. PYTHONHASHSEED is set anew for each "
        "pair. A command that fails ends the measurement; what was measured is kept, and so it is "
        "after Ctrl-C. Peak memory is that of the largest process of a command, growth the most it "
        "held "
        "in the second half of its time over that in the first half.\n\n"
        "With --against, paths in CMD that lead out of the repository, and packages that are "
        "installed from it, are the same on both sides.\n\n"
        "With --record the verdict is followed by why: the functions, lines and numbers of calls "
        "that moved between one recorded run of each, all with the same PYTHONHASHSEED. Whether a "
        "command is faster, the runs say that nobody watched.",
    .examples = {"pyrometer bench -o r.json old='python a.py' new='python b.py'",
                 "pyrometer bench --against HEAD~1 'python app.py'",
                 "pyrometer bench --record -o r.json old='python a.py' new='python b.py'",
                 "pyrometer bench --time 5m --margin 3% 'python3.12 app.py' 'python3.13 app.py'",
                 "pyrometer bench 'python app.py'"},
    .options = bench_options,
    .operands_max = COMMANDS_MAX,
    .run = run_bench,
};
