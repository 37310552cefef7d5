/* cli/help.c - the overview, the help of one command, and the commands `help` and `version`. */
#include "cli/help.h"

#include "cli/options.h"
#include "cli/print.h"

#include <errno.h>
#include <string.h>

#define SUMMARY_COLUMN 30
#define HELP_WIDTH     80

const struct pyro_exit_meaning pyro_exit_meanings[] = {
    {"0", "it worked; a recording ended by Ctrl-C or by the end of its target has worked too"},
    {"1", "something else failed, such as a full disk"},
    {"2", "the command line was not understood"},
    {"3", "the target cannot be reached: no such process, not Python, no permission"},
    {"4", "a recording, or a file of measurements, cannot be read"},
    {"5", "`bench` and `compare`: the verdict is one that --fail-if names"},
    {"125", "`run` itself failed; else `run` ends as the program did, by the same signal too"},
    {"126, 127", "`run -- CMD`: the command cannot be executed, or is not there"},
    {NULL, NULL},
};

const struct pyro_exit_meaning pyro_environment[] = {
    {"NO_COLOR", "when set and not empty: no colour"},
    {"COLUMNS", "the width of a report that does not go to a terminal"},
    {"XDG_STATE_HOME", "recordings are kept in its folder pyrometer (else in ~/.local/state): the "
                       "last 20, 1 GiB at most"},
    {"VIRTUAL_ENV",
     "its bin/python is what `run` takes before ./.venv, the Python that pyrometer was "
     "installed for, and the python3 on PATH"},
    {NULL, NULL},
};

void pyro_help_option_text(const struct pyro_option *option, char *text, size_t size)
{
    char letter[6] = "";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    const char *before = !option->value ? "" : option->optional ? "[=" : " ";
    snprintf(text, size, "%s--%s%s%s%s", letter, option->name, before,
             option->value ? option->value : "", option->optional ? "]" : "");
}

/* TEXT from COLUMN on, broken at spaces to stay within the width. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " \n");
        if (at > column && at + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        if (at > column)
            fputc(' ', out);
        fprintf(out, "%.*s", length, text);
        at += length + (at > column);
        text += length;
        for (; *text == '\n'; text++) {
            fputc('\n', out);
            at = column;
        }
        if (at == column && column)
            fprintf(out, "%*s", column, "");
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const char *left, const char *summary, int column)
{
    int length = (int)strlen(left) + 2;
    fprintf(out, "  %s", left);
    if (length + 2 > column)
        fprintf(out, "\n%*s", column, "");
    else
        fprintf(out, "%*s", column - length, "");
    print_wrapped(out, summary, column);
}

void pyro_help_overview(FILE *out)
{
    fprintf(out, "pyrometer: where a Python program spends its time, asked from outside\n");
    const char *group = NULL;
    for (const struct pyro_command *const *each = pyro_commands; *each; each++) {
        const struct pyro_command *command = *each;
        if (!group || strcmp(group, command->group) != 0)
            fprintf(out, "\n%s\n", command->group);
        group = command->group;
        print_row(out, command->name, command->summary, 12);
    }
    fprintf(out, "\nexamples\n"
                 "  pyrometer app.py                       run it, print where its time went\n"
                 "  pyrometer record --pid 12345 -d 10 -o profile.svg\n"
                 "  pyrometer dump --pid 12345             what it is doing now\n"
                 "  pyrometer stats -s tottime             ask the last recording again\n"
                 "\nEach command has --help.\n");
}

void pyro_help_command(FILE *out, const struct pyro_command *command)
{
    for (int i = 0; command->usage[i]; i++)
        fprintf(out, "%s pyrometer %s\n", i ? "      " : "usage:", command->usage[i]);
    fputc('\n', out);
    print_wrapped(out, command->about, 0);
    if (command->options->name)
        fprintf(out, "\noptions\n");
    for (const struct pyro_option *option = command->options; option->name; option++) {
        char text[96];
        pyro_help_option_text(option, text, sizeof(text));
        if (option->summary)
            print_row(out, text, option->summary, SUMMARY_COLUMN);
    }
    fprintf(out, "\nexample%s\n", command->examples[1] ? "s" : "");
    for (int i = 0; command->examples[i]; i++)
        fprintf(out, "  %s\n", command->examples[i]);
}

/* -- the commands ------------------------------------------------------------------------------- */

struct help_options {
    bool man, markdown;
    const char *completion;
};

static const struct pyro_option help_options[] = {
    {.name = "man",
     .summary = "print the manual page",
     .parse = pyro_parse_switch,
     .field = offsetof(struct help_options, man)},
    {.name = "markdown",
     .summary = "print the same as Markdown (docs/cli.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct help_options, markdown)},
    {.name = "completion",
     .value = "SHELL",
     .choices = "bash zsh fish",
     .summary = "print completion for bash, zsh or fish",
     .parse = pyro_parse_text,
     .field = offsetof(struct help_options, completion)},
    {0},
};

static int unknown_topic(const char *name)
{
    const char *near = pyro_command_nearest(name);
    if (near)
        pyro_print_note("no command '%s'; did you mean %s?", name, near);
    else
        pyro_print_note("no command '%s'; see: pyrometer help", name);
    return PYRO_EXIT_USAGE;
}

static int run_help(const struct pyro_command *self, int argc, char **argv)
{
    struct help_options options = {0};
    struct pyro_operands operands;
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    const struct pyro_command *command = NULL;
    if (operands.count && !(command = pyro_command_by_name(operands.items[0])))
        return unknown_topic(operands.items[0]);
    if (options.completion && pyro_completion(stdout, options.completion) < 0) {
        pyro_print_note("no completion for '%s'; there is bash, zsh and fish", options.completion);
        return PYRO_EXIT_USAGE;
    }
    if (options.man)
        pyro_manual_man(stdout);
    else if (options.markdown)
        pyro_manual_markdown(stdout);
    else if (command)
        pyro_help_command(stdout, command);
    else if (!options.completion)
        pyro_help_overview(stdout);
    return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

static int run_version(const struct pyro_command *self, int argc, char **argv)
{
    struct pyro_operands operands;
    int status;
    if (!pyro_options_read(self, argc, argv, NULL, &operands, &status))
        return status;
    printf("pyrometer %s\n", PYRO_VERSION);
    return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

const struct pyro_command pyro_command_help = {
    .name = "help",
    .group = "about this program",
    .summary = "explain a command; print the manual page or shell completion",
    .usage = {"help [COMMAND]", "help --man | --markdown | --completion SHELL"},
    .about =
        "Without a command: the overview. All of its texts come from one table in the program.",
    .examples = {"pyrometer help record", "pyrometer help --man | man -l -",
                 "source <(pyrometer help --completion bash)"},
    .options = help_options,
    .operands_max = 1,
    .run = run_help,
};

static const struct pyro_option no_options[] = {{0}};

const struct pyro_command pyro_command_version = {
    .name = "version",
    .group = "about this program",
    .summary = "print the version (also --version)",
    .usage = {"version"},
    .about = "Prints the name and the version of this program.",
    .examples = {"pyrometer --version"},
    .options = no_options,
    .run = run_version,
};
