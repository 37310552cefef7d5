/* cli/top.c - `pyrometer top`: a program watched live. */
#include "base/clock.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "cli/interpreter.h"
#include "cli/list.h"
#include "cli/live.h"
#include "cli/options.h"
#include "cli/print.h"
#include "top/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define END_NS      (5 * PYRO_NS_PER_S) /* for a program that was told to end */
#define END_STEP_NS (20 * PYRO_NS_PER_MS)

struct options {
    pid_t pid;
    uint32_t rate_hz;
    uint64_t delay_ns;
    bool subprocesses, gil, idle, apart;
};

/* py-spy's options that are none here, and what to do instead. */
static int refuse(struct pyro_error *error, const char *why, const char *instead)
{
    pyro_error_set(error, -EINVAL, "%s", why);
    pyro_error_hint(error, "%s", instead);
    return -EINVAL;
}

static int refuse_native(const char *text, void *field, struct pyro_error *error)
{
    (void)text;
    (void)field;
    return refuse(error, "stacks of C code are not sampled",
                  "in top, / shows only the rows that match; the C functions that Python calls: "
                  "pyrometer record --inject --counts --pid PID");
}

static int refuse_full_filenames(const char *text, void *field, struct pyro_error *error)
{
    (void)text;
    (void)field;
    return refuse(
        error, "in top, paths are as long as there is room",
        "w there saves a recording, of which pyrometer stats --json FILE has whole paths");
}

static const struct pyro_option top_options[] = {
    {.letter = 'p',
     .name = "pid",
     .value = "PID",
     .purpose = "to watch a running process",
     .summary = "the process, decimal or 0x...; without it one is picked from a list",
     .parse = pyro_parse_pid,
     .field = offsetof(struct options, pid)},
    {.letter = 'r',
     .name = "rate",
     .alias = "sampling-rate",
     .value = "HZ",
     .summary = "samples a second, on average: 100, 20hz, 1khz (default 50, fewer where that is "
                "over 1 % of a core)",
     .parse = pyro_parse_rate,
     .field = offsetof(struct options, rate_hz)},
    {.name = "delay",
     .value = "SEC",
     .summary = "between two refreshes of the screen, 0.25 to 60 (default 1)",
     .parse = pyro_parse_duration,
     .field = offsetof(struct options, delay_ns)},
    {.letter = 's',
     .name = "subprocesses",
     .purpose = "to follow children",
     .summary = "watch its children too (always with -- CMD)",
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
     .summary = "parked threads in the tables too",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, idle)},
    {.name = "apart",
     .alias = "nonblocking",
     .purpose = "to stay off the target's CPU",
     .summary = "stay off its CPU: it never waits for us, but what moves fast is [unsure]",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, apart)},
    {.letter = 'n', .name = "native", .parse = refuse_native},
    {.name = "full-filenames", .parse = refuse_full_filenames},
    {0},
};

static struct pyro_live_options live_options(const struct options *options)
{
    return (struct pyro_live_options){
        .pid = options->pid,
        .rate_hz = options->rate_hz,
        .delay_ms = (unsigned)(options->delay_ns / PYRO_NS_PER_MS),
        .subprocesses = options->subprocesses,
        .gil = options->gil,
        .idle = options->idle,
        .apart = options->apart,
        .aside = "",
    };
}

/* -- a process that runs ------------------------------------------------------------------------ */

/* The list needs a process in it, or a terminal to pick on; else it is printed as `record` does. */
static int watch_process(const struct options *options)
{
    struct pyro_live_options live = live_options(options);
    bool over;
    if (!options->pid && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        int count = pyro_list_print(stdout);
        fflush(stdout);
        pyro_print_note(count > 0 ? "choose one: pyrometer top --pid PID"
                                  : "no Python is running; to start one: pyrometer top -- CMD");
        return PYRO_EXIT_USAGE;
    }
    return pyro_live_show(&live, &over);
}

/* -- a program of ours -------------------------------------------------------------------------- */

/* Where the program's output goes: a file that whoever called us can read. */
static int open_aside(char *path, size_t size, struct pyro_error *error)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/pyrometer-top-XXXXXX.log", folder && *folder ? folder : "/tmp");
    pyro_identity_enter_caller();
    int fd = mkostemps(path, 4, O_CLOEXEC);
    int code = fd < 0 ? -errno : fd;
    pyro_identity_leave();
    return code < 0 ? pyro_error_set(error, code,
                                     "cannot make a file for the program's output, '%s': %s", path,
                                     strerror(-code))
                    : code;
}

/* The user left the view: the program, which has no terminal, ends with it. */
static void end_program(const struct pyro_child *child)
{
    uint64_t until = pyro_clock_ns() + END_NS;
    kill(-child->pid, SIGTERM);
    kill(-child->pid, SIGCONT); /* were it stopped, it would not hear that */
    while (!pyro_child_over(child) && pyro_clock_ns() < until)
        pyro_clock_sleep_until(pyro_clock_ns() + END_STEP_NS);
}

static void tell_output(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && status.st_size == 0)
        unlink(path);
    else
        pyro_print_note("the program's output is in %s", path);
}

/* The program is over, or was to be. */
static int finish_program(struct pyro_child *child, bool over, int status, const char *aside)
{
    if (!over)
        end_program(child);
    if (!pyro_child_over(child)) {
        pyro_print_note("process %d was told to end, and has not yet", (int)child->pid);
        tell_output(aside);
        return status;
    }
    int wait_status = pyro_child_wait(child);
    tell_output(aside);
    return over ? pyro_child_exit_like(wait_status) : status;
}

static int watch_program(const struct options *options, char **argv)
{
    char path[PATH_MAX], aside[PATH_MAX];
    struct pyro_live_options live = live_options(options);
    struct pyro_error error = {0};
    struct pyro_child child;
    bool over = false;
    int code = pyro_program_find(argv[0], path, sizeof(path));
    if (code < 0) {
        pyro_print_note("cannot run '%s': %s", argv[0], strerror(-code));
        return code == -ENOENT ? PYRO_EXIT_NOT_FOUND : PYRO_EXIT_CANNOT_EXECUTE;
    }
    int fd = open_aside(aside, sizeof(aside), &error);
    code = fd < 0 ? fd : pyro_child_start_aside(&child, path, argv, fd, &error);
    if (fd >= 0)
        close(fd);
    if (code < 0) {
        if (fd >= 0)
            unlink(aside);
        pyro_print_error(&error);
        return PYRO_EXIT_CANNOT_EXECUTE;
    }
    live.pid = child.pid;
    live.child = &child;
    live.subprocesses = true;
    live.aside = aside;
    int status = pyro_live_show(&live, &over);
    return finish_program(&child, over, status, aside);
}

static void wrong_operand(const char *word, struct pyro_error *error)
{
    pyro_error_set(error, -EINVAL, "top does not take '%s'", word);
    if (*word && strspn(word, "0123456789") == strlen(word))
        pyro_error_hint(error, "a process is named so: pyrometer top --pid %s", word);
    else
        pyro_error_hint(error, "to start a program: pyrometer top -- CMD");
}

static int run_top(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.delay_ns = PYRO_NS_PER_S};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (operands.count && !operands.dashes)
        wrong_operand(operands.items[0], &error);
    else if (operands.count && options.pid)
        pyro_error_set(&error, -EINVAL, "either --pid PID or -- CMD");
    else if (options.delay_ns < PYRO_TOP_DELAY_MIN_MS * PYRO_NS_PER_MS ||
             options.delay_ns > PYRO_TOP_DELAY_MAX_MS * PYRO_NS_PER_MS)
        pyro_error_set(&error, -EINVAL, "--delay lies between 0.25 and 60 seconds");
    if (error.code < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_USAGE;
    }
    return operands.count ? watch_program(&options, operands.items) : watch_process(&options);
}

const struct pyro_command pyro_command_top = {
    .name = "top",
    .group = "start here",
    .summary = "watch a running program live; without --pid pick a Python process from a list",
    .usage = {"top [--pid PID] [-r RATE] [--delay SEC] [-s] [-g] [-i] [--apart]",
              "top [-r RATE] [--delay SEC] [-g] [-i] [--apart] -- CMD [args]"},
    .about =
        "Shows what a program is doing now and has been doing since: waiting or computing, its "
        "functions and lines by time, its threads with their states, the stack of one and what it "
        "does, its process tree. The keys are those of py-spy's top and of the standard library's "
        "live view; ? lists "
        "them. \"Now\" is the last 5 seconds. The process is only read.\n\n"
        "w saves what was sampled, of the last 10 minutes at most, as a .pyro file that every "
        "other "
        "command reads. A view may stay open for days: samples are added up and dropped every 30 "
        "seconds, and of functions and lines those with the most time are kept, 32768 of each.\n\n"
        "With -- the program is started without a terminal: nothing on its standard input, its "
        "output in a file whose name is shown and told at the end. Its end ends the view, and its "
        "exit status is passed on; leaving the view (q, Ctrl-C) sends it SIGTERM.",
    .examples = {"pyrometer top", "pyrometer top --pid 12345", "pyrometer top -s --pid 12345",
                 "pyrometer top -- python3 app.py --verbose"},
    .options = top_options,
    .program = true,
    .run = run_top,
};
