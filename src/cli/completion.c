/* cli/completion.c - the table of commands as completion for bash, zsh and fish. */
#include "cli/help.h"

#include <errno.h>
#include <string.h>

/* -- bash, which zsh can read too ----------------------------------------------------------------- */

static void put_words(FILE *out, const struct pyro_command *command)
{
    for (const struct pyro_option *option = command->options; option->name; option++) {
        if (!option->summary)
            continue;
        if (option->letter)
            fprintf(out, "-%c ", option->letter);
        fprintf(out, "--%s ", option->name);
    }
    fputs("--help", out);
}

/* case "COMMAND PREVIOUS" in ... : what follows an option with known values. */
static void put_value_cases(FILE *out, const struct pyro_command *command)
{
    for (const struct pyro_option *option = command->options; option->name; option++) {
        if (!option->summary || !option->choices)
            continue;
        fprintf(out, "    \"%s --%s\"", command->name, option->name);
        if (option->letter)
            fprintf(out, "|\"%s -%c\"", command->name, option->letter);
        if (strcmp(option->choices, "FILE") == 0)
            fputs(") COMPREPLY=($(compgen -f -- \"$word\")); return;;\n", out);
        else
            fprintf(out, ") COMPREPLY=($(compgen -W \"%s\" -- \"$word\")); return;;\n",
                    option->choices);
    }
}

static void put_bash(FILE *out)
{
    fputs("# pyrometer completion for bash\n"
          "_pyrometer() {\n"
          "  local word=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
          "  local command=\"${COMP_WORDS[1]}\" words=\"\"\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "    COMPREPLY=($(compgen -W \"",
          out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++)
        fprintf(out, "%s ", (*each)->name);
    fputs("--help --version\" -- \"$word\") $(compgen -f -X '!*.py' -- \"$word\"))\n"
          "    return\n"
          "  fi\n"
          "  case \"$command $previous\" in\n",
          out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++)
        put_value_cases(out, *each);
    fputs("  esac\n  case \"$command\" in\n", out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++) {
        fprintf(out, "    %s) words=\"", (*each)->name);
        put_words(out, *each);
        fputs("\";;\n", out);
    }
    fputs("  esac\n"
          "  case \"$word\" in\n"
          "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\"));;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$word\"));;\n"
          "  esac\n"
          "}\n"
          "complete -o filenames -F _pyrometer pyrometer\n",
          out);
}

static void put_zsh(FILE *out)
{
    fputs("#compdef pyrometer\nautoload -U +X bashcompinit && bashcompinit\n", out);
    put_bash(out);
}

/* -- fish ----------------------------------------------------------------------------------------- */

static void put_fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void put_fish_option(FILE *out, const struct pyro_command *command,
                            const struct pyro_option *option)
{
    fprintf(out, "complete -c pyrometer -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter)
        fprintf(out, " -s %c", option->letter);
    if (option->choices && strcmp(option->choices, "FILE") == 0)
        fputs(" -r -F", out);
    else if (option->choices)
        fprintf(out, " -x -a '%s'", option->choices);
    else if (option->value && !option->optional)
        fputs(" -x", out);
    fputs(" -d ", out);
    put_fish_text(out, option->summary);
    fputc('\n', out);
}

static void put_fish(FILE *out)
{
    fputs("# pyrometer completion for fish\n", out);
    for (const struct pyro_command *const *each = pyro_commands; *each; each++) {
        fprintf(out, "complete -c pyrometer -n __fish_use_subcommand -a %s -d ", (*each)->name);
        put_fish_text(out, (*each)->summary);
        fputc('\n', out);
        for (const struct pyro_option *option = (*each)->options; option->name; option++)
            if (option->summary)
                put_fish_option(out, *each, option);
    }
}

int pyro_completion(FILE *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        put_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        put_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        put_fish(out);
    else
        return -EINVAL;
    return 0;
}
