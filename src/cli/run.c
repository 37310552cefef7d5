/* cli/run.c - `pyrometer run`: start a program as the user would, and record it.
 *
 * The program is plain python with the same arguments; all we do is look from outside. What is ours
 * comes after it: the report, and its exit status passed on. */
#include "base/clock.h"
#include "base/redact.h"
#include "cli/ask.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/interpreter.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/probe.h"
#include "cli/session.h"
#include "profile/uncounted.h"
#include "report/lines.h"
#include "report/memory.h"
#include "report/timeline.h"
#include "sample/recorder.h"
#include "sample/residents.h"
#include "target/process.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACH_NS (20 * PYRO_NS_PER_S) /* a wrapper script may take its time before Python starts */
#define COMMAND_NS \
    (50 * PYRO_NS_PER_MS) /* of any command: its children are looked for after that */
#define RATE_HZ         1000
#define FIRST_SECOND_HZ 10000
#define SAMPLED_HZ      100 /* beside a sample of memory, which is made to be left on */
#define LOOKS_HZ        10  /* with --rss */
#define LOOKS_MAX_HZ    1000
#define MEMORY_TABLES   3 /* of the report: `memory` prints more */

struct options {
    struct pyro_question question;
    uint32_t rate_hz; /* 0: the default */
    bool subprocesses, report_stderr, source, c_calls, traces, sampled_times, rss;
    struct pyro_memory_choice memory;
    const char *python, *output, *module, *code, *lines;
};

static const struct pyro_option run_options[] = {
    {.letter = 's',
     .name = "sort",
     .value = "KEY",
     .summary = "sort the report by KEY: see stats",
     .choices = "cumulative tottime calls pcalls name filename module line nfl stdname",
     .parse = pyro_parse_sort,
     .field = offsetof(struct options, question.sort)},
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .summary = "rows of the report (default 20; 0: all)",
     .parse = pyro_parse_limit,
     .field = offsetof(struct options, question.limit)},
    {.letter = 'r',
     .name = "rate",
     .value = "HZ",
     .summary = "samples a second, on average (default 1khz, and 10khz in the first second; with "
                "--memory=sampled 100); with --rss looks a second (default 10)",
     .parse = pyro_parse_rate,
     .field = offsetof(struct options, rate_hz)},
    {.name = "no-c-calls",
     .summary = "do not count calls of C functions: cheaper where a program makes many calls",
     .parse = pyro_parse_off,
     .field = offsetof(struct options, c_calls)},
    {.name = "trace",
     .purpose = "to time every call",
     .summary = "time every call from inside, as cProfile does, but without its own cost in the "
                "times",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, traces)},
    {.name = "lines",
     .value = "NAME,...",
     .optional = true,
     .purpose = "to count lines",
     .summary =
         "count and time the lines of these functions, classes, modules or FILE:LINE, and of "
         "those marked @profile; if there are none, of the hottest five: see lines",
     .parse = pyro_parse_names,
     .field = offsetof(struct options, lines)},
    {.name = "sampled-times",
     .purpose = "with --lines, to sample their times",
     .summary = "with --lines: count lines only, exactly, and take their times from samples, which "
                "slows them down less",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, sampled_times)},
    {.name = "memory",
     .value = "WHAT",
     .optional = true,
     .purpose = "to track what is allocated",
     .choices = "all python sampled",
     .summary = "track what is allocated and print which lines did, instead of counting calls: see "
                "memory; with python only by Python's allocators, not by C code itself; with "
                "sampled[:BYTES] of a sample, one each 512k bytes or BYTES, and estimated",
     .parse = pyro_parse_memory,
     .field = offsetof(struct options, memory)},
    {.name = "rss",
     .purpose = "to see what is resident over time",
     .summary =
         "only look at what is resident, of the program and all its children, over time, as "
         "mprof does: any program, which is neither sampled nor counted; -o FILE.svg draws it",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, rss)},
    {.name = "subprocesses",
     .summary = "follow the program's children (always with -- CMD)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, subprocesses)},
    {.name = "python",
     .value = "PATH",
     .purpose = "to choose the Python",
     .choices = "FILE",
     .summary =
         "the Python to run, or a virtual environment (default: $VIRTUAL_ENV, ./.venv, that of "
         "pyrometer, python3)",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, python)},
    {.letter = 'o',
     .name = "output",
     .value = "FILE",
     .choices = "FILE",
     .summary = "write FILE instead of the report; its suffix names the format (.svg .pyro ...)",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, output)},
    {.name = "report",
     .value = "WHERE",
     .purpose = "to move the report",
     .choices = "stdout stderr",
     .summary = "print the report on stdout (default) or stderr",
     .parse = pyro_parse_report,
     .field = offsetof(struct options, report_stderr)},
    {.letter = 'j',
     .name = "json",
     .summary = "the report as JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, question.json)},
    {.name = "no-source",
     .summary = "leave source lines out of the recording",
     .parse = pyro_parse_off,
     .field = offsetof(struct options, source)},
    {.letter = 'm',
     .name = "module",
     .value = "MODULE",
     .summary = "run a module, as python -m does",
     .purpose = "to run a module",
     .ends_options = true,
     .parse = pyro_parse_text,
     .field = offsetof(struct options, module)},
    {.letter = 'c',
     .name = "code",
     .value = "CODE",
     .summary = "run code, as python -c does",
     .purpose = "to run code",
     .ends_options = true,
     .parse = pyro_parse_text,
     .field = offsetof(struct options, code)},
    {0},
};

/* What is to be started. */
struct program {
    struct pyro_interpreter interpreter; /* of a CMD only its path */
    char **argv;                         /* to be freed; its texts live elsewhere */
    bool any_command;                    /* -- CMD: maybe no Python itself */
};

/* -- what to start ------------------------------------------------------------------------------ */

static int usage(const struct pyro_error *error)
{
    pyro_print_error(error);
    return PYRO_EXIT_USAGE;
}

/* [python] [-m MODULE | -c CODE] rest... */
static char **make_argv(const struct options *options, const char *python,
                        const struct pyro_operands *operands)
{
    char **argv = calloc((size_t)operands->count + 4, sizeof(*argv));
    size_t at = 0;
    if (!argv)
        return NULL;
    if (python)
        argv[at++] = (char *)python;
    if (options->module || options->code) {
        argv[at++] = (char *)(options->module ? "-m" : "-c");
        argv[at++] = (char *)(options->module ? options->module : options->code);
    }
    for (int i = 0; i < operands->count; i++)
        argv[at++] = operands->items[i];
    return argv;
}

/* Compiled, as the python that somebody put before his script. */
static bool is_compiled(const char *path)
{
    char magic[SELFMAG] = {0};
    struct stat status;
    if (stat(path, &status) < 0 || !S_ISREG(status.st_mode)) /* what a pipe has is there once */
        return false;
    FILE *file = fopen(path, "rb");
    bool read = file && fread(magic, 1, SELFMAG, file) == SELFMAG;
    if (file)
        (void)fclose(file);
    return read && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* 0, or the exit status after a message. */
static int find_program(const struct options *options, const struct pyro_operands *operands,
                        struct program *program)
{
    struct pyro_error error = {0};
    const char *python = NULL;
    program->any_command = operands->dashes;
    if (program->any_command) {
        const char *name = operands->items[0];
        int code = pyro_program_find(name, program->interpreter.path, PATH_MAX);
        if (code < 0) {
            pyro_print_note("cannot run '%s': %s", name, strerror(-code));
            return code == -ENOENT ? PYRO_EXIT_NOT_FOUND : PYRO_EXIT_CANNOT_EXECUTE;
        }
    } else if (!options->module && !options->code && is_compiled(operands->items[0])) {
        pyro_error_set(&error, -ENOEXEC, "'%s' is a program and no script", operands->items[0]);
        pyro_error_hint(&error, "pyrometer run -- %s", operands->items[0]);
        return usage(&error);
    } else if (pyro_interpreter_find(options->python, &program->interpreter, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_RUN;
    } else {
        python = program->interpreter.name;
    }
    unsetenv(PYRO_INTERPRETER_VARIABLE);
    program->argv = make_argv(options, python, operands);
    return program->argv ? 0 : PYRO_EXIT_RUN;
}

/* -- recording ---------------------------------------------------------------------------------- */

static uint32_t rate_of(const struct options *options)
{
    if (options->rate_hz)
        return options->rate_hz;
    return options->rss ? LOOKS_HZ : options->memory.period ? SAMPLED_HZ : RATE_HZ;
}

static int attach(const struct options *options, const struct program *program,
                  const struct pyro_child *child, struct pyro_run_probe *probe,
                  struct pyro_recorder **ret_recorder, struct pyro_error *error)
{
    struct pyro_recorder_options recorder_options = {
        .pid = child->pid,
        .rate_hz = rate_of(options),
        .first_second_hz =
            options->rate_hz || options->traces || options->memory.period ? 0 : FIRST_SECOND_HZ,
        .attach_timeout_ns = program->any_command ? COMMAND_NS : ATTACH_NS,
        .subprocesses = options->subprocesses || program->any_command,
        .tolerate_no_python = program->any_command,
        .callees = probe->collector ? &probe->callees : NULL,
        .tend = pyro_run_probe_tend,
        .look = options->memory.tracks ? pyro_run_probe_look : NULL,
        .tend_context = probe,
        .swept = options->memory.tracks ? pyro_run_probe_swept : NULL,
        .swept_context = probe,
        .stop = &child->ended,
    };
    return pyro_recorder_attach(&recorder_options, ret_recorder, error);
}

/* The program's arguments in one line, secrets left out. */
static void put_command(const struct program *program, struct pyro_buffer *command)
{
    struct pyro_buffer arguments = {0};
    for (char **argument = program->argv; *argument; argument++)
        pyro_buffer_put(&arguments, *argument, strlen(*argument) + 1);
    if (!arguments.failed)
        pyro_redact_arguments((const char *)arguments.data, arguments.size, command);
    pyro_buffer_put_u8(command, '\0');
    pyro_buffer_free(&arguments);
}

static int open_recording(const struct options *options, const struct program *program,
                          const struct pyro_child *child, const struct pyro_recorder *recorder,
                          struct pyro_session *session, struct pyro_error *error)
{
    struct pyro_buffer command = {0};
    char directory[PATH_MAX];
    put_command(program, &command);
    struct pyro_recording_info info = {
        .command = command.failed ? "" : (const char *)command.data,
        .python = recorder ? pyro_recorder_python(recorder) : "",
        .mode = options->rss ? "rss" : "wall",
        .pyrometer = PYRO_VERSION,
        .directory = getcwd(directory, sizeof(directory)),
        .pid = child->pid,
        .started_unix_us = pyro_clock_unix_us(),
        .rate_hz = rate_of(options),
        .cpus = pyro_process_cpus(child->pid),
    };
    int code = pyro_session_open(session, &info, error);
    pyro_buffer_free(&command);
    return code;
}

/* Attaching failed with CODE because the program was over by then. One that is ending has no memory any more some time
 * before its status can be had: -ESRCH is enough. */
static bool ended_unseen(int code, const struct pyro_child *child)
{
    return code == -ESRCH || ((code == -ENOEXEC || code == -EAGAIN) && pyro_child_over(child));
}

/* Nobody looked at it, but what it counted is there all the same. 0, or CODE where that cannot be kept. */
static int keep_counts(const struct options *options, const struct program *program,
                       const struct pyro_child *child, struct pyro_run_probe *probe,
                       struct pyro_session *session, int code, struct pyro_error *error)
{
    struct pyro_counters counters = {0};
    while (!pyro_child_over(child)) /* it has no memory any more: soon */
        pyro_clock_sleep_until(pyro_clock_ns() + PYRO_NS_PER_MS);
    if (!probe->collector || open_recording(options, program, child, NULL, session, error) < 0)
        return code;
    pyro_run_probe_tend(probe, session->writer, &counters);
    pyro_writer_counters(session->writer, &counters);
    bool counted = pyro_collector_found_probe(probe->collector);
    int closed = pyro_session_close(session, error);
    if (closed == 0 && counted)
        return 0;
    pyro_session_discard(session);
    return code;
}

/* Record until the program ends. 0, -ENOEXEC when there was no Python to see, or another error. */
static int record(const struct options *options, const struct program *program,
                  const struct pyro_child *child, struct pyro_run_probe *probe,
                  struct pyro_session *session, struct pyro_error *error)
{
    struct pyro_recorder *recorder = NULL;
    struct pyro_error close_error = {0};
    enum pyro_recorder_end end;
    int code = attach(options, program, child, probe, &recorder, error);
    if (ended_unseen(code, child))
        return keep_counts(options, program, child, probe, session, code, error);
    if (code == 0 && pyro_recorder_guesses(recorder))
        pyro_print_guessed(pyro_recorder_python(recorder));
    if (code == 0)
        code = open_recording(options, program, child, recorder, session, error);
    probe->recording = session->path;
    probe->writer = session->writer;
    if (code == 0)
        code = pyro_recorder_run(recorder, session->writer, &end, error);
    if (session->writer) {
        int closed = pyro_session_close(session, &close_error);
        if (code == 0 && closed < 0) {
            *error = close_error;
            code = closed;
        }
    }
    pyro_recorder_free(recorder);
    return code;
}

/* Only look at what is resident, until the program ends. */
static int watch(const struct options *options, const struct program *program,
                 const struct pyro_child *child, struct pyro_session *session,
                 struct pyro_error *error)
{
    struct pyro_counters counters = {0};
    struct pyro_residents *residents = pyro_residents_new(child->pid, rate_of(options));
    if (!residents)
        return pyro_error_set(error, -ENOMEM, "no memory");
    int code = open_recording(options, program, child, NULL, session, error);
    if (code == 0) {
        (void)pyro_residents_run(residents, session->writer, &child->ended, &counters);
        struct pyro_watch watch = *pyro_residents_watch(residents);
        watch.largest = pyro_child_most_resident(child);
        pyro_writer_watch(session->writer, &watch);
        code = pyro_session_close(session, error);
    }
    pyro_residents_free(residents);
    return code;
}

/* -- afterwards --------------------------------------------------------------------------------- */

static void print_python(FILE *out, const struct program *program,
                         const struct pyro_profile *profile)
{
    const char *version = profile->info.python;
    if (program->any_command)
        return;
    fprintf(out, "ran by %s (%s%s%s)\n", program->interpreter.path,
            version && *version ? version : "", version && *version ? ", from " : "from ",
            program->interpreter.origin);
}

/* What the report would say of it. */
static void print_uncounted(const struct pyro_profile *profile)
{
    struct pyro_uncounted uncounted;
    pyro_uncounted_make(&uncounted, profile);
    if (uncounted.nothing && profile->samples.count == 0) /* nothing at all was seen */
        return;
    for (size_t i = 0; i < uncounted.count; i++)
        pyro_print_note("not counted: %s", uncounted.lines[i]);
}

/* The hottest functions were to be counted, and none was. */
static void print_none_chosen(const struct pyro_profile *profile)
{
    double from_s = (double)profile->counters.lines_from_us / 1e6;
    if (from_s > 0)
        pyro_print_note("no line was counted: the hottest functions were found after %.1f s of "
                        "%.1f, and none ran again after that; lines by samples: pyrometer lines",
                        from_s, (double)profile->counters.duration_us / 1e6);
    else
        pyro_print_note("no line was counted: it was over before the hottest functions were found, "
                        "which takes a second and %d samples of each thread (there were %zu), and "
                        "functions of its own in them; lines by samples: pyrometer lines",
                        PYRO_RUN_PROBE_SWEEPS, profile->samples.sweep_count);
}

/* Lines were asked for, and there are none; or lines were marked, and not asked for. */
static void print_no_lines(const struct options *options, const struct pyro_profile *profile)
{
    if (profile->counters.marked && !options->lines)
        pyro_print_note("@profile marks %" PRIu64
                        " function%s: pyrometer run --lines counts the lines",
                        profile->counters.marked, profile->counters.marked == 1 ? "" : "s");
    if (!options->lines || profile->line_count || profile->samples.count == 0)
        return;
    for (size_t i = 0; profile->probes && i < profile->process_count; i++)
        if (*pyro_profile_text(profile, profile->probes[i].reason))
            return; /* which says why */
    if (!profile->call_count)
        pyro_print_note("no line was counted: that takes Python 3.11 or newer, which loads the "
                        "probe; lines by samples: pyrometer lines");
    else if (*options->lines)
        pyro_print_note("no line was counted: of '%s' and what is marked @profile, nothing ran",
                        options->lines);
    else if (profile->counters.marked)
        pyro_print_note("no line was counted: nothing that is marked @profile ran");
    else
        print_none_chosen(profile);
}

/* Memory was to be tracked, and was not. */
static void print_no_memory(const struct options *options, const struct pyro_profile *profile)
{
    const char *reason = "";
    if (!options->memory.tracks || profile->heaps || profile->samples.count == 0)
        return;
    for (size_t i = 0; profile->probes && !*reason && i < profile->process_count; i++)
        reason = pyro_profile_text(profile, profile->probes[i].reason);
    pyro_print_note("memory was not tracked: %s",
                    *reason ? reason : "that takes Python 3.11 or newer, which loads the probe");
}

/* The lines that were asked for. */
static int print_lines(FILE *out, const struct pyro_profile *profile,
                       const struct pyro_report_style *style, struct pyro_error *error)
{
    const struct pyro_report_lines counted = {.counted = true};
    struct pyro_lines *lines = NULL;
    if (!profile->line_count)
        return 0;
    int code = pyro_lines_make(profile, &lines, error);
    if (code == 0)
        code = pyro_report_lines(out, lines, &counted, style, error);
    pyro_lines_free(lines);
    return code;
}

/* What was tracked, if it was asked for. */
static int print_memory(FILE *out, const struct pyro_profile *profile,
                        const struct pyro_report_style *style, struct pyro_error *error)
{
    const struct pyro_report_memory choice = {.limit.rows = MEMORY_TABLES};
    struct pyro_allocations *memory = NULL;
    if (!profile->heaps)
        return 0;
    int code = pyro_allocations_make(profile, &memory, error);
    if (code == 0) {
        fputc('\n', out);
        code = pyro_report_memory(out, memory, &choice, style, error);
    }
    pyro_allocations_free(memory);
    return code;
}

static int print_report(const struct options *options, const struct program *program,
                        const struct pyro_session *session, const struct pyro_profile *profile,
                        struct pyro_error *error)
{
    FILE *out = options->report_stderr ? stderr : stdout;
    struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
    print_no_lines(options, profile);
    print_no_memory(options, profile);
    if (session->output.path) {
        pyro_session_print_wrote(session, profile);
        print_uncounted(profile);
        return 0;
    }
    int code = pyro_question_answer(out, profile, &options->question, error);
    if (code == 0 && !options->question.json)
        code = pyro_print_findings(out, profile, error);
    if (code == 0 && !options->question.json)
        code = print_lines(out, profile, &style, error);
    if (code == 0 && !options->question.json)
        code = print_memory(out, profile, &style, error);
    if (code == 0 && !options->question.json) {
        fputc('\n', out);
        print_python(out, program, profile);
        pyro_report_quality(out, profile, &style);
        pyro_session_print_kept(session, out);
    }
    if (code == 0 && (fflush(out) != 0 || ferror(out)))
        code = pyro_error_set(error, -EIO, "cannot write the report: %s", strerror(errno));
    return code;
}

static int print_watched(const struct options *options, const struct program *program,
                         const struct pyro_session *session, const struct pyro_profile *profile,
                         struct pyro_error *error)
{
    FILE *out = options->report_stderr ? stderr : stdout;
    const struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
    struct pyro_timeline *timeline = NULL;
    int code = pyro_timeline_make(profile, &timeline, error);
    if (code == 0 && options->question.json)
        code = pyro_report_timeline_json(out, timeline, error);
    else if (code == 0)
        code = pyro_report_timeline(out, timeline, &options->question.limit, &style, error);
    pyro_timeline_free(timeline);
    if (code == 0 && !options->question.json) {
        fputc('\n', out);
        print_python(out, program, profile);
        pyro_session_print_kept(session, out);
    }
    if (code == 0 && (fflush(out) != 0 || ferror(out)))
        code = pyro_error_set(error, -EIO, "cannot write the report: %s", strerror(errno));
    return code;
}

/* Of what was only looked at. */
static int report_watched(const struct options *options, const struct program *program,
                          struct pyro_session *session, struct pyro_error *error)
{
    const struct pyro_export_options export = {0};
    struct pyro_profile *profile = NULL;
    session->again = "pyrometer memory";
    int code = pyro_profile_read(session->path, &profile, error);
    bool empty = code == 0 && !profile->look_count;
    pyro_profile_free(profile);
    profile = NULL;
    if (empty) {
        pyro_print_note("the program ended too early to be looked at");
        pyro_session_discard(session);
        return 0;
    }
    if (code == 0)
        code = pyro_session_export(session, &export, &profile, error);
    if (code == 0 && session->output.path)
        pyro_session_print_wrote(session, profile);
    else if (code == 0)
        code = print_watched(options, program, session, profile, error);
    pyro_profile_free(profile);
    return code;
}

static int report(const struct options *options, const struct program *program,
                  struct pyro_session *session, struct pyro_error *error)
{
    struct pyro_profile *profile = NULL;
    const struct pyro_export_options export = {0};
    int code = pyro_session_export(session, &export, &profile, error);
    bool empty = code == 0 && profile->samples.count == 0;
    if (empty)
        pyro_print_note("%s", program->any_command
                                  ? "no samples: no Python was seen, or it ended too early"
                                  : "no samples: the program ended too early");
    if (empty && !session->output.path && !profile->call_count)
        pyro_session_discard(session);
    else if (code == 0)
        code = print_report(options, program, session, profile, error);
    pyro_profile_free(profile);
    return code;
}

/* The program has ended; ERROR (CODE) is what came of watching it. Its status is ours, but where it would say that all
 * went well while we failed. */
static int conclude(int code, const struct pyro_error *error, bool ended_early, int wait_status)
{
    if (code == 0)
        return pyro_child_exit_like(wait_status);
    if (ended_early) {
        pyro_print_note("the program ended too early to be sampled");
        return pyro_child_exit_like(wait_status);
    }
    pyro_print_error(error);
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        return PYRO_EXIT_RUN;
    return pyro_child_exit_like(wait_status);
}

/* Without a probe the program is sampled all the same. */
static void begin_probe(const struct options *options, const struct program *program,
                        struct pyro_run_probe *probe)
{
    struct pyro_error error = {0};
    const struct pyro_probe_options probe_options = {
        .c_calls = options->c_calls,
        .traces = options->traces,
        .follow = options->subprocesses || program->any_command,
        .lines = options->lines,
        .sampled_times = options->sampled_times,
        .memory = options->memory.tracks,
        .period = options->memory.period,
    };
    *probe = (struct pyro_run_probe){.child_fd = -1};
    if (!options->rss && pyro_run_probe_begin(probe, &probe_options, &error) < 0)
        pyro_print_error(&error);
}

static int run_program(const struct options *options, const struct program *program,
                       struct pyro_session *session)
{
    struct pyro_child child;
    struct pyro_run_probe probe;
    struct pyro_error error = {0};
    begin_probe(options, program, &probe);
    int code = pyro_child_start(&child, program->interpreter.path, program->argv, &error);
    pyro_run_probe_started(&probe);
    if (code < 0) {
        pyro_run_probe_end(&probe);
        pyro_print_error(&error);
        return program->any_command ? PYRO_EXIT_CANNOT_EXECUTE : PYRO_EXIT_RUN;
    }
    session->confines = options->memory.tracks || options->rss;
    pyro_session_begin(session, child.pid, options->source);
    code = options->rss ? watch(options, program, &child, session, &error)
                        : record(options, program, &child, &probe, session, &error);
    bool ended_early = ended_unseen(code, &child);
    int wait_status = pyro_child_wait(&child);
    pyro_run_probe_end(&probe);
    if (code == 0)
        code = options->rss ? report_watched(options, program, session, &error)
                            : report(options, program, session, &error);
    pyro_session_end(session);
    return conclude(code, &error, ended_early, wait_status);
}

/* A format of lines wants them counted, one of looks wants those. */
static void resolve_output(struct options *options, struct pyro_output *output,
                           struct pyro_error *error)
{
    if (pyro_output_resolve(options->output, NULL, output, error) < 0 || !output->format)
        return;
    if (output->format->holds == PYRO_HOLDS_COUNTED_LINES && !options->lines)
        options->lines = "";
    if (output->format->holds == PYRO_HOLDS_LOOKS && !options->memory.tracks)
        options->rss = true;
    if (options->rss)
        pyro_output_plot(output, error);
}

static int run_run(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {
        .question.limit.rows = PYRO_QUESTION_ROWS, .source = true, .c_calls = true};
    struct pyro_session session = {0};
    struct program program = {0};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (options.output && (operands.count || options.module || options.code))
        resolve_output(&options, &session.output, &error);
    if (error.code)
        return usage(&error);
    if (options.lines && options.traces)
        pyro_error_set(
            &error, -EINVAL,
            "run: --lines and --trace cannot be had in one run: each line would be in the "
            "times of calls with what it costs to count it; run it once with each");
    else if (options.sampled_times && !options.lines)
        pyro_error_set(&error, -EINVAL,
                       "run: --sampled-times is about lines: run --lines --sampled-times");
    else if (options.memory.tracks && (options.lines || options.traces))
        pyro_error_set(&error, -EINVAL,
                       "run: --memory and --%s cannot be had in one run; run it once with each",
                       options.lines ? "lines" : "trace");
    else if (options.rss && (options.lines || options.traces || options.memory.tracks))
        pyro_error_set(&error, -EINVAL,
                       "run: --rss only looks from outside: not with --%s; run it once with each",
                       options.lines    ? "lines"
                       : options.traces ? "trace"
                                        : "memory");
    else if (options.rss && options.rate_hz > LOOKS_MAX_HZ)
        pyro_error_set(&error, -EINVAL, "run: --rss looks at most %d times a second", LOOKS_MAX_HZ);
    else if (!operands.count && !options.module && !options.code)
        pyro_error_set(&error, -EINVAL,
                       "run: what? pyrometer run SCRIPT [args], see: pyrometer run --help");
    if (error.code)
        return usage(&error);
    if (options.output && pyro_output_check(&session.output, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_RUN;
    }
    status = find_program(&options, &operands, &program);
    if (status == 0)
        status = run_program(&options, &program, &session);
    free(program.argv);
    return status;
}

const struct pyro_command pyro_command_run = {
    .name = "run",
    .group = "start here",
    .summary = "run a program and print where its time went; `run` itself may be left out",
    .usage = {"[run] [-s KEY] [-n N] [-r RATE] [--no-c-calls] [--trace] [--lines[=NAME,...]] "
              "[--sampled-times] [--memory[=WHAT]] [--rss] [--subprocesses] [--python "
              "PATH] [-o "
              "FILE] SCRIPT [args]",
              "[run] [options] -m MODULE [args]", "run [options] -c CODE [args]",
              "run [options] -- CMD [args]"},
    .about = "The program runs as if plain python had been typed: same arguments, standard input, "
             "terminal, "
             "signals, output and exit status. It is watched from outside, and the report comes "
             "after it. "
             "With -- any command is started, and every Python below it is recorded.",
    .examples = {"pyrometer app.py --verbose", "pyrometer run -s tottime -n 10 app.py",
                 "pyrometer run -o profile.svg -m pytest tests", "pyrometer run -- make docs",
                 "pyrometer run --rss -- make docs"},
    .options = run_options,
    .program = true,
    .run = run_run,
};
