/* cli/command.h - what a subcommand is: one table row and one function.
 *
 * Everything a user can type is described here as data. The same rows are parsed (options.c), printed
 * as --help (help.c), and turned into the manual page, docs/cli.md and shell completion (manual.c,
 * completion.c), so that none of them can differ. */
#ifndef PYRO_CLI_COMMAND_H
#define PYRO_CLI_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses. Under `run` the program's own status is passed on. */
enum {
    PYRO_EXIT_OK = 0,
    PYRO_EXIT_FAILED = 1, /* none of the below: a full disk, no memory */
    PYRO_EXIT_USAGE = 2,
    PYRO_EXIT_TARGET = 3,           /* cannot reach the target */
    PYRO_EXIT_FILE = 4,             /* a recording that cannot be read */
    PYRO_EXIT_VERDICT = 5,          /* the verdict is one that --fail-if names */
    PYRO_EXIT_RUN = 125,            /* run: our own failure */
    PYRO_EXIT_CANNOT_EXECUTE = 126, /* run -- CMD, as a shell says it */
    PYRO_EXIT_NOT_FOUND = 127,
};

struct pyro_option {
    char letter;         /* 0: none */
    const char *name;    /* without its dashes */
    const char *alias;   /* a second long name, or NULL */
    const char *value;   /* what the user puts after it ("KEY"), or NULL for a switch */
    bool optional;       /* the value may be left out: "--lines" or "--lines=NAME" */
    const char *summary; /* one line for --help; NULL: accepted, but not shown */
    const char *purpose; /* "to sort": for the answer to a letter in the wrong place; may be NULL */
    const char
        *choices;      /* values for completion, space-separated; "FILE": file names; may be NULL */
    bool ends_options; /* what follows belongs to the program (-m, -c) */
    /* Turns the text into FIELD bytes from the start of the command's options; a switch gets NULL, a value that is left
     * out is "". */
    int (*parse)(const char *text, void *field, struct pyro_error *error);
    size_t field;
};

struct pyro_command {
    const char *name;
    const char *group;    /* heading in the overview */
    const char *summary;  /* one line, lower case */
    const char *usage[5]; /* what follows "pyrometer"; ends with NULL */
    const char *about;    /* a few sentences for --help; paragraphs separated by \n\n */
    const char *examples[7];
    const struct pyro_option *options; /* ends with a row without name */
    bool program; /* the first operand ends the options: a program's own follow */
    int operands_max;
    int (*run)(const struct pyro_command *command, int argc,
               char **argv); /* argv[0]: after the name */
};

extern const struct pyro_command pyro_command_run, pyro_command_record, pyro_command_top,
    pyro_command_dump, pyro_command_view, pyro_command_stats, pyro_command_lines,
    pyro_command_memory, pyro_command_findings, pyro_command_share, pyro_command_diff,
    pyro_command_bench, pyro_command_compare, pyro_command_export, pyro_command_token,
    pyro_command_requests, pyro_command_help, pyro_command_version;

extern const struct pyro_command
    *const pyro_commands[]; /* in the order of the overview; ends with NULL */

const struct pyro_command *pyro_command_by_name(const char *name); /* NULL: no such command */
/* The name most like WORD, or NULL when none is. */
const char *pyro_command_nearest(const char *word);

#endif
