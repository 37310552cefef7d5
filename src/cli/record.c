/* cli/record.c - `pyrometer record`: watch a running process for a while. */
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/inject.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "sample/recorder.h"
#include "target/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define ATTACH_NS   (500 * PYRO_NS_PER_MS) /* for a process that is just starting */
#define REPORT_ROWS 10

struct options {
    pid_t pid;
    uint64_t duration_ns;
    uint32_t rate_hz;
    const char *output, *format, *lines;
    bool subprocesses, gil, exact, apart, source;
    bool inject, counts, traces;
    struct pyro_memory_choice memory;
    struct pyro_export_options export;
};

/* What C code allocates itself is tracked from the start of a program only. */
static int parse_memory(const char *text, void *field, struct pyro_error *error)
{
    struct pyro_memory_choice *choice = field;
    if (text && strcmp(text, "all") == 0) {
        pyro_error_set(error, -EINVAL,
                       "cannot track memory of 'all': in a process that runs already --memory is "
                       "what its Python allocators hand out, as --memory=python");
        pyro_error_hint(error,
                        "to track all of it, start the program with: pyrometer run --memory");
        return -EINVAL;
    }
    int code = pyro_parse_memory(text, choice, error);
    if (code == 0)
        choice->tracks = PYRO_TRACKS_PYTHON;
    return code;
}

static const struct pyro_option record_options[] = {
    {.letter = 'p',
     .name = "pid",
     .value = "PID",
     .purpose = "to watch a running process",
     .summary = "the process, decimal or 0x...; without it the Python processes are listed",
     .parse = pyro_parse_pid,
     .field = offsetof(struct options, pid)},
    {.letter = 'd',
     .name = "duration",
     .value = "SEC",
     .purpose = "to record a running process for a while",
     .summary = "how long: 10, 10s, 2m or unlimited (default: until Ctrl-C or its end)",
     .parse = pyro_parse_duration,
     .field = offsetof(struct options, duration_ns)},
    {.letter = 'r',
     .name = "rate",
     .alias = "sampling-rate",
     .value = "HZ",
     .summary = "samples a second, on average: 100, 20hz, 1khz (default 1khz)",
     .parse = pyro_parse_rate,
     .field = offsetof(struct options, rate_hz)},
    {.letter = 'o',
     .name = "output",
     .value = "FILE",
     .choices = "FILE",
     .summary =
         "write FILE, its suffix names the format (.svg .pyro ...); the recording is kept besides",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, output)},
    {.letter = 'f',
     .name = "format",
     .value = "FORMAT",
     .summary =
         "format of FILE: pyro, html, flamegraph, collapsed, speedscope, pstats, pprof or json",
     .choices = "pyro html flamegraph collapsed speedscope pstats pprof json",
     .parse = pyro_parse_format,
     .field = offsetof(struct options, format)},
    {.letter = 's',
     .name = "subprocesses",
     .purpose = "to follow children",
     .summary = "follow its children too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, subprocesses)},
    {.letter = 'g',
     .name = "gil",
     .purpose = "to see only who holds the GIL",
     .summary = "only threads that hold the GIL",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, gil)},
    {.letter = 'i',
     .name = "idle",
     .purpose = "to include parked threads",
     .summary = "parked threads in FILE and report too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.idle)},
    {.letter = 't',
     .name = "threads",
     .purpose = "to divide by thread",
     .summary = "in FILE a root for each thread",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.by_thread)},
    {.letter = 'F',
     .name = "function",
     .purpose = "to merge lines",
     .summary = "in FILE one entry a function: lines are merged",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.functions)},
    {.name = "exact",
     .alias = "blocking",
     .purpose = "to stop each thread for its copy",
     .summary = "stop each thread for its copy, about 70 us: no sample can be torn",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, exact)},
    {.name = "apart",
     .alias = "nonblocking",
     .purpose = "to stay off the target's CPU",
     .summary = "stay off its CPU: it never waits for us, but what moves fast is [unsure]",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, apart)},
    {.name = "inject",
     .summary =
         "start the probe in it, which it executes, for as long as this records; with one of:",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, inject)},
    {.name = "counts",
     .summary = "count its calls, those of C functions too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, counts)},
    {.name = "trace",
     .summary = "time every call",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, traces)},
    {.name = "lines",
     .value = "NAME,...",
     .optional = true,
     .summary =
         "count and time the lines of these functions, classes, modules or FILE:LINE; without "
         "names, of the hottest five",
     .parse = pyro_parse_names,
     .field = offsetof(struct options, lines)},
    {.name = "memory",
     .value = "WHAT",
     .optional = true,
     .purpose = "to track what is allocated",
     .choices = "python sampled",
     .summary =
         "track what its Python allocators hand out from now on, not what C code allocates itself "
         "(--memory=python says the same); with sampled[:BYTES] of a sample, one each 512k bytes "
         "or "
         "BYTES, and estimated",
     .parse = parse_memory,
     .field = offsetof(struct options, memory)},
    {.name = "no-source",
     .purpose = "to leave source lines out",
     .summary = "leave source lines out of the recording",
     .parse = pyro_parse_off,
     .field = offsetof(struct options, source)},
    {0},
};

/* -- ending by a signal ------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;

static void request_stop(int signal_number)
{
    stop = 1;
}

/* The first one ends the recording, the second one the program. */
static void install_stop(bool injects)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    if (injects) /* who reads our messages may go; the probe has to be removed all the same */
        signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND}, before;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

/* -- recording ---------------------------------------------------------------------------------- */

static int fail(const struct pyro_error *error, int status)
{
    pyro_print_error(error);
    return status;
}

static int choose_one(void)
{
    int count = pyro_list_print(stdout);
    fflush(stdout);
    pyro_print_note(count > 0 ? "choose one: pyrometer record --pid PID"
                              : "no Python is running; to start one: pyrometer run SCRIPT");
    return PYRO_EXIT_USAGE;
}

static void put_info(const struct options *options, const struct pyro_recorder *recorder,
                     struct pyro_buffer *command, char *directory, size_t size,
                     struct pyro_recording_info *info)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/cwd", (int)options->pid);
    ssize_t length = readlink(link, directory, size - 1);
    directory[length < 0 ? 0 : length] = '\0';
    pyro_process_command(options->pid, command);
    pyro_buffer_put_u8(command, '\0');
    *info = (struct pyro_recording_info){
        .command = command->failed ? "" : (const char *)command->data,
        .python = pyro_recorder_python(recorder),
        .mode = "wall",
        .pyrometer = PYRO_VERSION,
        .directory = directory,
        .pid = options->pid,
        .started_unix_us = pyro_clock_unix_us(),
        .rate_hz = options->rate_hz,
        .exact = options->exact,
        .cpus = pyro_process_cpus(options->pid),
    };
}

static int open_recording(const struct options *options, const struct pyro_recorder *recorder,
                          struct pyro_session *session, struct pyro_error *error)
{
    struct pyro_buffer command = {0};
    struct pyro_recording_info info;
    char directory[PATH_MAX];
    put_info(options, recorder, &command, directory, sizeof(directory), &info);
    int code = pyro_session_open(session, &info, error);
    pyro_buffer_free(&command);
    return code;
}

/* Lines were asked for, and there are none. */
static void print_no_lines(const struct options *options, const struct pyro_profile *profile)
{
    if (!options->lines || profile->line_count)
        return;
    if (*options->lines)
        pyro_print_note("no line was counted: of '%s', nothing ran meanwhile", options->lines);
    else
        pyro_print_note("no line was counted: the hottest functions were not found in time, or did "
                        "not run again; record for longer (-d), or name them: --lines=NAME,...");
}

/* What shows more of what the probe counted than was printed. */
static void print_further(FILE *out, const struct pyro_session *session,
                          const struct pyro_profile *profile)
{
    bool wrote = session->output.path != NULL,
         own = wrote && strcmp(session->output.path, session->path) == 0;
    const struct {
        const char *command;
        bool shows;
    } further[] = {
        {"lines", profile->line_count > 0},
        {"memory", profile->heaps},
        {"stats", wrote && !profile->line_count && !profile->heaps},
        {"findings", wrote},
    };
    for (size_t i = 0; i < sizeof(further) / sizeof(*further); i++)
        if (further[i].shows)
            fprintf(out, "see: pyrometer %s%s%s\n", further[i].command, own ? " " : "",
                    own ? session->path : "");
}

/* The table, and of what was counted what `run` shows of it. */
static int print_answer(FILE *out, const struct options *options,
                        const struct pyro_profile *profile, struct pyro_error *error)
{
    const struct pyro_question question = {
        .limit.rows = options->inject ? PYRO_QUESTION_ROWS : REPORT_ROWS,
        .idle = options->export.idle,
    };
    int code = pyro_question_answer(out, profile, &question, error);
    if (code == 0 && options->inject)
        code = pyro_print_findings(out, profile, error);
    if (code == 0)
        fputc('\n', out);
    return code;
}

static void print_report(const struct options *options, const struct pyro_session *session,
                         const struct pyro_profile *profile)
{
    bool wrote = session->output.path != NULL;
    FILE *out = wrote ? stderr : stdout;
    struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
    struct pyro_error error = {0};
    if (wrote)
        pyro_session_print_wrote(session, profile);
    else if (print_answer(out, options, profile, &error) < 0)
        pyro_print_error(&error);
    pyro_report_quality(out, profile, &style);
    print_no_lines(options, profile);
    if (options->inject)
        print_further(out, session, profile);
    if (!wrote)
        pyro_session_print_kept(session, out);
}

/* The recording is closed: give it to -o, and say what is in it. */
static int finish(const struct options *options, struct pyro_session *session)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    int code = pyro_session_export(session, &options->export, &profile, &error);
    bool empty = code == 0 && profile->samples.count == 0;
    if (empty && options->gil)
        pyro_print_note("no samples: no thread held the GIL in process %d, where a free-threaded "
                        "Python has none",
                        (int)options->pid);
    else if (empty)
        pyro_print_note("no samples: process %d ended at once, or no thread of it was in Python",
                        (int)options->pid);
    if (empty && !session->output.path)
        pyro_session_discard(session);
    else if (code == 0)
        print_report(options, session, profile);
    else
        pyro_print_error(&error);
    pyro_profile_free(profile);
    bool written = pyro_print_finish(stdout);
    return code < 0 || !written ? PYRO_EXIT_FAILED : PYRO_EXIT_OK;
}

/* What was put into the process; both NULL: nothing. */
struct probing {
    struct pyro_probe_options options;
    struct pyro_run_probe probe;
    struct pyro_injection *injection;
};

static int begin_probing(const struct options *options, struct probing *probing,
                         struct pyro_error *error)
{
    *probing = (struct probing){
        .options = {.c_calls = true,
                    .traces = options->traces,
                    .lines = options->lines,
                    .memory = options->memory.tracks ? PYRO_TRACKS_PYTHON : PYRO_TRACKS_NOTHING,
                    .period = options->memory.period},
        .probe.child_fd = -1,
    };
    if (!options->inject)
        return 0;
    return pyro_injection_start(options->pid, &probing->options, &stop, &probing->probe,
                                &probing->injection, error);
}

/* What it counted until now is in the recording. */
static void end_probing(struct probing *probing)
{
    struct pyro_error error = {0};
    if (probing->injection && pyro_injection_stop(probing->injection, &error) < 0)
        pyro_print_error(&error);
    pyro_injection_free(probing->injection);
    probing->injection = NULL;
    pyro_run_probe_end(&probing->probe);
}

/* Sample into the session's recording, and close it. */
static int sample(struct pyro_recorder *recorder, pid_t pid, struct pyro_session *session,
                  struct probing *probing, struct pyro_progress_line *line,
                  struct pyro_error *error)
{
    enum pyro_recorder_end end = PYRO_END_STOP;
    struct pyro_error close_error = {0};
    probing->probe.recording = session->path;
    probing->probe.writer = session->writer;
    int code = pyro_recorder_run(recorder, session->writer, &end, error);
    pyro_progress_clear(line);
    end_probing(probing);
    if (code == 0 && end == PYRO_END_TARGET && pyro_recorder_counters(recorder)->samples > 0)
        pyro_print_note("process %d ended", (int)pid);
    int closed = pyro_session_close(session, &close_error);
    if (code < 0 || closed == 0)
        return code;
    *error = close_error;
    return closed;
}

static int attach(const struct options *options, struct probing *probing,
                  struct pyro_progress_line *line, struct pyro_recorder **ret_recorder,
                  struct pyro_error *error)
{
    struct pyro_recorder_options recorder_options = {
        .pid = options->pid,
        .rate_hz = options->rate_hz,
        .duration_ns = options->duration_ns,
        .attach_timeout_ns = ATTACH_NS,
        .exact = options->exact,
        .apart = options->apart,
        .subprocesses = options->subprocesses,
        .gil_only = options->gil,
        .tolerate_no_python = options->subprocesses,
        .callees = probing->injection ? &probing->probe.callees : NULL,
        .tend = pyro_run_probe_tend,
        .look = options->memory.tracks ? pyro_run_probe_look : NULL,
        .tend_context = &probing->probe,
        .swept = options->memory.tracks ? pyro_run_probe_swept : NULL,
        .swept_context = &probing->probe,
        .stop = &stop,
        .progress = pyro_progress_wanted() ? pyro_progress_show : NULL,
        .progress_context = line,
    };
    return pyro_recorder_attach(&recorder_options, ret_recorder, error);
}

static int record(const struct options *options, struct pyro_session *session)
{
    struct pyro_recorder *recorder = NULL;
    struct pyro_progress_line line = {.duration_ns = options->duration_ns};
    struct probing probing;
    struct pyro_error error = {0};
    int code = begin_probing(options, &probing, &error);
    if (code == 0)
        code = attach(options, &probing, &line, &recorder, &error);
    if (code < 0) {
        end_probing(&probing);
        return fail(&error, PYRO_EXIT_TARGET);
    }
    if (pyro_recorder_guesses(recorder))
        pyro_print_guessed(pyro_recorder_python(recorder));
    code = open_recording(options, recorder, session, &error);
    if (code == 0)
        code = sample(recorder, options->pid, session, &probing, &line, &error);
    end_probing(&probing);
    pyro_recorder_free(recorder);
    return code < 0 ? fail(&error, PYRO_EXIT_FAILED) : finish(options, session);
}

/* Lines are counted by a probe alone. */
static void resolve_output(const struct options *options, struct pyro_output *output,
                           struct pyro_error *error)
{
    if (pyro_output_resolve(options->output, options->format, output, error) < 0)
        return;
    if (output->format && output->format->holds == PYRO_HOLDS_LOOKS) {
        pyro_error_set(error, -EINVAL, "record: it does not look at what is resident over time");
        pyro_error_hint(error, "start the program with: pyrometer run --rss -o %s",
                        options->output);
        return;
    }
    if (!output->format || output->format->holds != PYRO_HOLDS_COUNTED_LINES || options->lines)
        return;
    pyro_error_set(error, -EINVAL, "record: it counts no lines, which %s needs",
                   output->format->name);
    pyro_error_hint(error, "start the program with: pyrometer run --lines -o %s", options->output);
}

/* A mode is the probe's, and the probe wants to be asked for. */
static void check_modes(const struct options *options, struct pyro_error *error)
{
    static const char *const names[] = {"counts", "trace", "lines", "memory"};
    const bool given[] = {options->counts, options->traces, options->lines, options->memory.tracks};
    int count = 0, last = 0;
    for (int i = 0; i < 4; i++) {
        count += given[i];
        last = given[i] ? i : last;
    }
    if (count > 1)
        pyro_error_set(error, -EINVAL,
                       "record: --counts, --trace, --lines and --memory cannot be had at once; "
                       "record once with each");
    else if (count && !options->inject) {
        pyro_error_set(error, -EINVAL,
                       "record: --%s needs a probe in process %d, which would execute it",
                       names[last], (int)options->pid);
        pyro_error_hint(error, "to allow that: pyrometer record --pid %d --inject --%s%s%s",
                        (int)options->pid, names[last],
                        options->lines && *options->lines ? "=" : "",
                        options->lines ? options->lines : "");
    } else if (!count && options->inject) {
        pyro_error_set(error, -EINVAL, "record: --inject alone does nothing");
        pyro_error_hint(error, "add --counts, --trace, --lines[=NAME,...] or --memory");
    }
}

static int run_record(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.rate_hz = 1000, .source = true};
    struct pyro_session session = {0};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (!options.pid)
        return choose_one();
    if (options.format && !options.output)
        pyro_error_set(&error, -EINVAL, "-f needs a file: add -o FILE");
    else if (options.exact && options.apart)
        pyro_error_set(&error, -EINVAL,
                       "--exact stops the target, --apart never keeps it waiting: choose one");
    else if (options.output)
        resolve_output(&options, &session.output, &error);
    if (!error.code)
        check_modes(&options, &error);
    if (error.code)
        return fail(&error, PYRO_EXIT_USAGE);
    if (options.output && pyro_output_check(&session.output, &error) < 0)
        return fail(&error, PYRO_EXIT_FAILED);
    install_stop(options.inject);
    session.confines = options.memory.tracks;
    pyro_session_begin(&session, options.pid, options.source);
    status = record(&options, &session);
    pyro_session_end(&session);
    return status;
}

const struct pyro_command pyro_command_record = {
    .name = "record",
    .group = "start here",
    .summary = "record a running process; without --pid list the Python processes",
    .usage =
        {"record --pid PID [-d SEC] [-r RATE] [-o FILE] [-f FORMAT] [-s] [-g] [-i] [-t] [-F] "
         "[--exact | --apart] [--no-source]",
         "record --pid PID --inject --counts | --trace | --lines[=NAME,...] | --memory[=sampled] "
         "[options]"},
    .about =
        "Samples a process that runs already. It is only read: nothing is put into it and it is "
        "not "
        "stopped, unless --exact or --inject asks for that. Each look is made from the CPU it runs "
        "on, where "
        "it waits the "
        "microseconds that takes (--apart: from another one). Ctrl-C ends the recording normally, "
        "and so does "
        "the end of the process. Without -o the report is printed; the recording is kept either "
        "way, so that `stats` and `export` can ask it again. With --inject it has the process load "
        "the probe, "
        "which counts from inside for as long as this records; then that is removed (Python 3.11 "
        "and later).",
    .examples = {"pyrometer record --pid 12345",
                 "pyrometer record --pid 12345 -d 10 -o profile.svg",
                 "pyrometer record --pid 12345 -d 10 --inject --counts",
                 "pyrometer record --pid 12345 -d 1m -r 100 -s -o server.pyro"},
    .options = record_options,
    .run = run_record,
};
