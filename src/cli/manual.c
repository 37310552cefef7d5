/* cli/manual.c - the table of commands as a manual page and as docs/cli.md. */
#include "cli/help.h"

#include <string.h>

static const char intro[] =
    "Pyrometer samples running Python programs (CPython 3.8 to 3.15) from outside: nothing is "
    "changed in them, nothing has to be installed or restarted. A recording is kept, so that every "
    "question can be asked afterwards.";

/* -- the manual page ---------------------------------------------------------------------------- */

/* In roff a backslash begins an escape, and a dot or quote at the start of a line a request. */
static void put_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n')
            fputs(text[1] == '\n' ? "" : "\n.PP\n", out);
        else if (*text != '`')
            fputc(*text, out);
    }
}

static void put_roff_line(FILE *out, const char *request, const char *text)
{
    fputs(request, out);
    put_roff(out, text);
    fputc('\n', out);
}

static void put_man_meanings(FILE *out, const char *title, const struct pyro_exit_meaning *each)
{
    fprintf(out, ".SH %s\n", title);
    for (; each->status; each++) {
        fprintf(out, ".TP\n.B %s\n", each->status);
        put_roff_line(out, "", each->meaning);
    }
}

static void put_man_command(FILE *out, const struct pyro_command *command)
{
    fprintf(out, ".SS %s\n", command->name);
    for (int i = 0; command->usage[i]; i++) {
        put_roff_line(out, ".B pyrometer ", command->usage[i]);
        fputs(".br\n", out);
    }
    put_roff_line(out, ".PP\n", command->about);
    for (const struct pyro_option *option = command->options; option->name; option++) {
        char text[96];
        if (!option->summary)
            continue;
        pyro_help_option_text(option, text, sizeof(text));
        put_roff_line(out, ".TP\n.B ", text);
        put_roff_line(out, "", option->summary);
    }
    fputs(".PP\nFor example:\n.nf\n", out);
    for (int i = 0; command->examples[i]; i++)
        put_roff_line(out, "", command->examples[i]);
    fputs(".fi\n", out);
}

void pyro_manual_man(FILE *out)
{
    fprintf(out, ".TH PYROMETER 1 \"\" \"pyrometer %s\" \"User Commands\"\n", PYRO_VERSION);
    fputs(".SH NAME\npyrometer \\- where a Python program spends its time\n.SH SYNOPSIS\n", out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++) {
        put_roff_line(out, ".B pyrometer ", (*each)->usage[0]);
        fputs(".br\n", out);
    }
    put_roff_line(out, ".SH DESCRIPTION\n", intro);
    fputs(".SH COMMANDS\n", out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++)
        put_man_command(out, *each);
    put_man_meanings(out, "EXIT STATUS", pyro_exit_meanings);
    put_man_meanings(out, "ENVIRONMENT", pyro_environment);
}

/* -- Markdown ----------------------------------------------------------------------------------- */

/* In a table cell a bar would end it. */
static void put_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_markdown_meanings(FILE *out, const char *title, const char *heads,
                                  const struct pyro_exit_meaning *each)
{
    fprintf(out, "\n## %s\n\n| %s |\n|---|---|\n", title, heads);
    for (; each->status; each++) {
        fprintf(out, "| `%s` | ", each->status);
        put_cell(out, each->meaning);
        fputs(" |\n", out);
    }
}

static void put_markdown_options(FILE *out, const struct pyro_option *option)
{
    if (option->name)
        fputs("\n| option | meaning |\n|---|---|\n", out);
    for (; option->name; option++) {
        char text[96];
        if (!option->summary)
            continue;
        pyro_help_option_text(option, text, sizeof(text));
        fprintf(out, "| `%s` | ", text);
        put_cell(out, option->summary);
        fputs(" |\n", out);
    }
}

static void put_markdown_command(FILE *out, const struct pyro_command *command)
{
    fprintf(out, "\n## %s: %s\n\n```\n", command->name, command->summary);
    for (int i = 0; command->usage[i]; i++)
        fprintf(out, "pyrometer %s\n", command->usage[i]);
    fprintf(out, "```\n\n%s\n", command->about);
    put_markdown_options(out, command->options);
    fputs("\n```sh\n", out);
    for (int i = 0; command->examples[i]; i++)
        fprintf(out, "%s\n", command->examples[i]);
    fputs("```\n", out);
}

void pyro_manual_markdown(FILE *out)
{
    fprintf(out,
            "# The command line\n\n"
            "<!-- Made by `pyrometer help --markdown`; a test compares. Do not edit. -->\n\n%s\n",
            intro);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++)
        put_markdown_command(out, *each);
    put_markdown_meanings(out, "Exit status", "status | meaning", pyro_exit_meanings);
    put_markdown_meanings(out, "Environment", "variable | meaning", pyro_environment);
}
