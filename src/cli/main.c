/* cli/main.c - the program `pyrometer`.
 *
 * A map of this folder, in the order in which it is called:
 *
 *     main.c         the table of commands; which one is meant
 *     options.c      a command line against a command's table of options
 *     values.c       texts of options: rates, durations, pids, keys, formats
 *     run.c          start a program and record it           `pyrometer [run] app.py`
 *     interpreter.c    which Python that is
 *     probe.c          the probe that counts its calls
 *     installed.c        what was installed with this program
 *     child.c          the started program: signals, job control, exit status
 *     record.c       record a running process                `pyrometer record --pid 12`
 *     list.c           which Python processes there are
 *     progress.c       the line that moves while recording
 *     ask.c            a question to a recording and its table
 *     session.c      what run and record share: recording, sources, what comes after
 *     store.c          where recordings are kept
 *     identity.c       whose files they are (under sudo)
 *     source.c         the source lines a recording refers to
 *     output.c         -o FILE and -f FORMAT
 *     top.c          watch a process live                    `pyrometer top --pid 12`
 *     live.c           its loop: keys, signals, samples, screens
 *     dump.c         stacks, once                            `pyrometer dump --pid 12`
 *     view.c         a recording in the browser              `pyrometer view`
 *     browser.c        who opens it
 *     stats.c        ask a recording                         `pyrometer stats`
 *     findings.c     what is worth changing                  `pyrometer findings`
 *     lines.c        where in a function it went             `pyrometer lines`
 *     memory.c       which lines allocated memory            `pyrometer memory`
 *     share.c        what making it free would win           `pyrometer share NAME`
 *     diff.c         what moved between two recordings       `pyrometer diff`
 *     pair.c           two recordings, read and joined
 *     bench.c        measure commands against each other     `pyrometer bench`
 *     recorded.c       one more run of each, recorded
 *     compare.c      what that says                          `pyrometer compare`
 *     verdict.c        options and words that both share
 *     export.c       turn a recording into another format    `pyrometer export`
 *     token.c        allow one web request to be profiled    `pyrometer token /orders`
 *     requests.c     the sampler that pyrometer.web starts
 *     help.c         --help, `help`, `version`
 *     manual.c         the manual page and docs/cli.md
 *     completion.c     completion for shells
 *     print.c        messages, width, colour
 *
 * A sample's own way goes through other folders: sample -> profile -> analyze -> report, see
 * docs/architecture.md. Only this folder prints messages and chooses exit statuses. */
#include "base/edit_distance.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/print.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct pyro_command *const pyro_commands[] = {
    &pyro_command_run,
    &pyro_command_record,
    &pyro_command_top,
    &pyro_command_dump,
    &pyro_command_view,
    &pyro_command_stats,
    &pyro_command_lines,
    &pyro_command_memory,
    &pyro_command_findings,
    &pyro_command_share,
    &pyro_command_diff,
    &pyro_command_bench,
    &pyro_command_compare,
    &pyro_command_export,
    &pyro_command_token,
    &pyro_command_requests,
    &pyro_command_help,
    &pyro_command_version,
    NULL,
};

const struct pyro_command *pyro_command_by_name(const char *name)
{
    for (const struct pyro_command *const *command = pyro_commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

const char *pyro_command_nearest(const char *word)
{
    const char *best = NULL;
    unsigned best_distance = 3;
    for (const struct pyro_command *const *command = pyro_commands; *command; command++) {
        unsigned distance = pyro_edit_distance(word, (*command)->name);
        if (distance < best_distance && distance < strlen(word)) {
            best = (*command)->name;
            best_distance = distance;
        }
    }
    return best;
}

/* `pyrometer app.py`: a script is meant where there is such a file, or its name says so. */
static bool looks_like_script(const char *word)
{
    size_t length = strlen(word);
    return strchr(word, '/') || (length > 3 && strcmp(word + length - 3, ".py") == 0) ||
           access(word, F_OK) == 0;
}

static int unknown_command(const char *word)
{
    const char *near = pyro_command_nearest(word);
    if (near)
        pyro_print_note("no command '%s'; did you mean: pyrometer %s", word, near);
    else
        pyro_print_note("no command '%s', and no such file; see: pyrometer --help", word);
    return PYRO_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* which characters the terminal shows; numbers stay as they are */
    if (argc < 2) {
        pyro_help_overview(stderr);
        return PYRO_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    const struct pyro_command *command = pyro_command_by_name(word);
    if (command)
        return command->run(command, argc - 2, argv + 2);
    if (word[0] == '-' || looks_like_script(word))
        return pyro_command_run.run(&pyro_command_run, argc - 1, argv + 1);
    return unknown_command(word);
}
