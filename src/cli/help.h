/* cli/help.h - what the table of commands looks like to a person and to other programs. */
#ifndef PYRO_CLI_HELP_H
#define PYRO_CLI_HELP_H

#include "cli/command.h"

#include <stdio.h>

void pyro_help_overview(FILE *out);
void pyro_help_command(FILE *out, const struct pyro_command *command);

void pyro_manual_man(FILE *out);                   /* pyrometer(1) */
void pyro_manual_markdown(FILE *out);              /* docs/cli.md */
int pyro_completion(FILE *out, const char *shell); /* "bash" "zsh" "fish"; -EINVAL for another */

/* "-r, --rate HZ" into TEXT. */
void pyro_help_option_text(const struct pyro_option *option, char *text, size_t size);
/* What the exit statuses mean: pairs of status and sentence, ending with NULL. Shared by help and manual. */
struct pyro_exit_meaning {
    const char *status, *meaning;
};
extern const struct pyro_exit_meaning pyro_exit_meanings[];
extern const struct pyro_exit_meaning pyro_environment[]; /* variables, the same way */

#endif
