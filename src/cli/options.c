/* cli/options.c - a command line against its table.
 *
 * Written as getopt_long reads them: -r100, -r 100, --rate=100, --rate 100, -sgi. A mistake is looked
 * up in the tables of the other commands, whose users type the same letters with other meanings. */
#include "cli/options.h"

#include "base/edit_distance.h"
#include "cli/help.h"
#include "cli/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 64 /* of a name in a suggestion; longer ones get none */

struct parse {
    const struct pyro_command *command;
    int argc;
    char **argv;
    int at; /* the next argument */
    void *values;
    struct pyro_operands *operands;
    struct pyro_error *error;
    const struct pyro_option *last_switch; /* the argument before was only this letter */
    const struct pyro_option *last_bare;   /* it was this one, without the value it may have */
};

/* -- finding options ------------------------------------------------------------------------------ */

static const struct pyro_option *by_letter(const struct pyro_command *command, char letter)
{
    for (const struct pyro_option *option = command->options; option->name; option++)
        if (option->letter && option->letter == letter)
            return option;
    return NULL;
}

static bool is_name(const char *name, const char *text, size_t length)
{
    return name && strlen(name) == length && memcmp(name, text, length) == 0;
}

static const struct pyro_option *by_name(const struct pyro_command *command, const char *name,
                                         size_t length)
{
    for (const struct pyro_option *option = command->options; option->name; option++)
        if (is_name(option->name, name, length) || is_name(option->alias, name, length))
            return option;
    return NULL;
}

/* Another command that has LETTER, or NAME where LETTER is 0, and shows it. Those that ask a recording first: who
 * types -s or -n means their rows. */
static const struct pyro_command *elsewhere(const struct pyro_command *here, char letter,
                                            const char *name, size_t length,
                                            const struct pyro_option **ret_option)
{
    const struct pyro_command *const order[] = {
        &pyro_command_stats,  &pyro_command_record, &pyro_command_dump,    &pyro_command_run,
        &pyro_command_export, &pyro_command_bench,  &pyro_command_compare, &pyro_command_diff,
    };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (order[i] == here)
            continue;
        *ret_option = letter ? by_letter(order[i], letter) : by_name(order[i], name, length);
        if (*ret_option && (*ret_option)->purpose)
            return order[i];
    }
    return NULL;
}

/* -- answering mistakes --------------------------------------------------------------------------- */

static const char *nearest_option(const struct pyro_command *command, const char *name)
{
    const char *best = NULL;
    unsigned best_distance = 3;
    for (const struct pyro_option *option = command->options; option->name; option++) {
        unsigned distance = pyro_edit_distance(name, option->name);
        if (option->summary && distance < best_distance) {
            best = option->name;
            best_distance = distance;
        }
    }
    return best;
}

/* The value the user meant for an option that takes one: what follows, if anything does. */
static const char *value_typed(const struct parse *parse, const struct pyro_option *option)
{
    if (!option->value)
        return "";
    bool follows = parse->at < parse->argc && parse->argv[parse->at][0] != '-';
    return follows ? parse->argv[parse->at] : option->value;
}

static const char *separator(const struct pyro_option *option)
{
    return !option->value ? "" : option->optional ? "=" : " ";
}

static int unknown_letter(struct parse *parse, char letter)
{
    const char *command = parse->command->name;
    pyro_error_set(parse->error, -EINVAL, "%s has no option -%c", command, letter);
    const struct pyro_option *option;
    const struct pyro_command *other = elsewhere(parse->command, letter, NULL, 0, &option);
    if (other)
        pyro_error_hint(parse->error, "%s: pyrometer %s -%c%s%s", option->purpose, other->name,
                        letter, option->value ? " " : "", value_typed(parse, option));
    else if (parse->command == &pyro_command_run)
        pyro_error_hint(parse->error, "python's own options: pyrometer run -- python3 -%c ...",
                        letter);
    else
        pyro_error_hint(parse->error, "see: pyrometer %s --help", command);
    return -EINVAL;
}

static int unknown_name(struct parse *parse, const char *name, size_t length)
{
    char word[WORD_MAX + 1];
    snprintf(word, sizeof(word), "%.*s", (int)(length < WORD_MAX ? length : WORD_MAX), name);
    const char *command = parse->command->name;
    pyro_error_set(parse->error, -EINVAL, "%s has no option --%s", command, word);
    const struct pyro_option *option;
    const char *near = nearest_option(parse->command, word);
    const struct pyro_command *other = elsewhere(parse->command, 0, name, length, &option);
    if (near)
        pyro_error_hint(parse->error, "did you mean --%s?", near);
    else if (other)
        pyro_error_hint(parse->error, "%s: pyrometer %s --%s%s%s", option->purpose, other->name,
                        option->name, separator(option), value_typed(parse, option));
    else
        pyro_error_hint(parse->error, "see: pyrometer %s --help", command);
    return -EINVAL;
}

/* "-s/--sort KEY" as the user may know it. */
static void option_text(const struct pyro_option *option, char *text, size_t size)
{
    char letter[4] = "";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c/", option->letter);
    const char *before = !option->value ? "" : option->optional ? "[=" : " ";
    snprintf(text, size, "%s--%s%s%s%s", letter, option->name, before,
             option->value ? option->value : "", option->optional ? "]" : "");
}

/* "--lines NAME" for "--lines=NAME". */
static int value_apart(struct parse *parse, const char *word)
{
    const struct pyro_option *option = parse->last_bare;
    pyro_error_set(parse->error, -EINVAL, "--%s takes its %s after a =", option->name,
                   option->value);
    pyro_error_hint(parse->error, "--%s=%s", option->name, word);
    return -EINVAL;
}

/* The program is not there, but what comes after it is. */
static bool is_value_apart(const struct parse *parse)
{
    return parse->last_bare && parse->argc - parse->at > 1 &&
           access(parse->argv[parse->at], F_OK) < 0 &&
           access(parse->argv[parse->at + 1], F_OK) == 0;
}

static bool is_script(const char *word)
{
    size_t length = strlen(word);
    return length > 3 && strcmp(word + length - 3, ".py") == 0;
}

/* A word where none is taken. After a switch whose letter takes a value elsewhere, that is what was meant. */
static int unexpected_operand(struct parse *parse, const char *word)
{
    const struct pyro_option *last = parse->last_switch, *option;
    const struct pyro_command *other =
        last ? elsewhere(parse->command, last->letter, NULL, 0, &option) : NULL;
    if (other && option->value && !last->value) {
        pyro_error_set(parse->error, -EINVAL, "here -%c is --%s", last->letter, last->name);
        pyro_error_hint(parse->error, "%s: pyrometer %s -%c %s", option->purpose, other->name,
                        last->letter, word);
        return -EINVAL;
    }
    if (parse->last_bare)
        return value_apart(parse, word);
    pyro_error_set(parse->error, -EINVAL, "%s does not take '%s'", parse->command->name, word);
    bool asks_pid = parse->command == &pyro_command_record || parse->command == &pyro_command_dump;
    if (asks_pid && *word && strspn(word, "0123456789") == strlen(word))
        pyro_error_hint(parse->error, "a process is named so: pyrometer %s --pid %s",
                        parse->command->name, word);
    else if (asks_pid)
        pyro_error_hint(parse->error, "to run a program: pyrometer run %s%s",
                        is_script(word) ? "" : "-- ", word);
    else
        pyro_error_hint(parse->error, "see: pyrometer %s --help", parse->command->name);
    return -EINVAL;
}

/* A switch that LETTER is in `record` and that HERE has under its long name only; or NULL. */
static const struct pyro_option *switch_meant(const struct pyro_command *here, char letter)
{
    const struct pyro_option *option = letter ? by_letter(&pyro_command_record, letter) : NULL;
    if (!option || option->value || !option->purpose)
        return NULL;
    return by_name(here, option->name, strlen(option->name)) ? option : NULL;
}

/* VALUE was not what OPTION wants: the parser's message gets the option's name. */
static int wrong_value(struct parse *parse, const struct pyro_option *option, int code)
{
    struct pyro_error cause = *parse->error;
    char name[96];
    option_text(option, name, sizeof(name));
    pyro_error_set(parse->error, code, "%s: %s", name, cause.message);
    pyro_error_hint(parse->error, "%s", cause.hint);
    const struct pyro_option *meant = switch_meant(parse->command, option->letter);
    if (meant)
        pyro_error_hint(parse->error, "%s: --%s", meant->purpose, meant->name);
    return code;
}

/* -- parsing -------------------------------------------------------------------------------------- */

static int apply(struct parse *parse, const struct pyro_option *option, const char *value)
{
    char *field = (char *)parse->values + option->field;
    int code = option->parse(value, field, parse->error);
    return code < 0 ? wrong_value(parse, option, code) : 0;
}

/* The value of an option: ATTACHED to it, or the next argument. */
static int apply_with_value(struct parse *parse, const struct pyro_option *option,
                            const char *attached)
{
    if (!attached && parse->at == parse->argc) {
        char name[96];
        option_text(option, name, sizeof(name));
        pyro_error_set(parse->error, -EINVAL, "%s: the %s is missing", name, option->value);
        pyro_error_hint(parse->error, "see: pyrometer %s --help", parse->command->name);
        return -EINVAL;
    }
    return apply(parse, option, attached ? attached : parse->argv[parse->at++]);
}

/* *RET_DONE: what follows is the program's. */
static int parse_long(struct parse *parse, const char *text, bool *ret_done)
{
    size_t length = strcspn(text, "=");
    const char *attached = text[length] ? text + length + 1 : NULL;
    if (is_name("help", text, length))
        return -ECANCELED;
    const struct pyro_option *option = by_name(parse->command, text, length);
    if (!option)
        return unknown_name(parse, text, length);
    *ret_done = option->ends_options;
    if (option->optional && !attached)
        parse->last_bare = option;
    if (option->optional)
        return apply(parse, option, attached ? attached : "");
    if (option->value)
        return apply_with_value(parse, option, attached);
    if (attached)
        return pyro_error_set(parse->error, -EINVAL, "--%s takes no value", option->name);
    return apply(parse, option, NULL);
}

static int parse_letters(struct parse *parse, const char *letters, bool *ret_done)
{
    const struct pyro_option *option = NULL;
    for (const char *letter = letters; *letter; letter++) {
        option = by_letter(parse->command, *letter);
        if (!option && *letter == 'h')
            return -ECANCELED;
        if (!option)
            return unknown_letter(parse, *letter);
        if (option->value) {
            *ret_done = option->ends_options;
            return apply_with_value(parse, option, letter[1] ? letter + 1 : NULL);
        }
        int error = apply(parse, option, NULL);
        if (error < 0)
            return error;
    }
    parse->last_switch = option;
    return 0;
}

static void take_rest(struct parse *parse)
{
    parse->operands->count = parse->argc - parse->at;
    parse->operands->items = parse->argv + parse->at;
}

static int take_operand(struct parse *parse, char *word)
{
    if (parse->operands->count >= parse->command->operands_max)
        return unexpected_operand(parse, word);
    /* The place is free: at least this many arguments were read. */
    parse->argv[parse->operands->count++] = word;
    parse->last_switch = parse->last_bare = NULL;
    return 0;
}

int pyro_options_parse(const struct pyro_command *command, int argc, char **argv, void *values,
                       struct pyro_operands *ret_operands, struct pyro_error *error)
{
    struct parse parse = {
        .command = command,
        .argc = argc,
        .argv = argv,
        .values = values,
        .operands = ret_operands,
        .error = error,
    };
    *ret_operands = (struct pyro_operands){.items = argv};
    bool options_over = false, done = false;
    int code = 0;
    while (code == 0 && !done && parse.at < argc) {
        char *word = argv[parse.at];
        bool is_option = !options_over && word[0] == '-' && word[1];
        if (command->program && !is_option)
            break;
        parse.at++;
        if (is_option)
            parse.last_switch = parse.last_bare = NULL;
        if (is_option && strcmp(word, "--") == 0) {
            options_over = ret_operands->dashes = true;
            done = command->program;
        } else if (is_option) {
            code = word[1] == '-' ? parse_long(&parse, word + 2, &done)
                                  : parse_letters(&parse, word + 1, &done);
        } else {
            code = take_operand(&parse, word);
        }
    }
    if (code == 0 && command->program && is_value_apart(&parse))
        code = value_apart(&parse, argv[parse.at]);
    if (code == 0 && command->program)
        take_rest(&parse);
    return code;
}

bool pyro_options_read(const struct pyro_command *command, int argc, char **argv, void *values,
                       struct pyro_operands *ret_operands, int *ret_exit)
{
    struct pyro_error error = {0};
    int code = pyro_options_parse(command, argc, argv, values, ret_operands, &error);
    if (code == 0)
        return true;
    if (code == -ECANCELED) {
        pyro_help_command(stdout, command);
        *ret_exit = pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
        return false;
    }
    pyro_print_error(&error);
    *ret_exit = PYRO_EXIT_USAGE;
    return false;
}
