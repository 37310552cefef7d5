/* bench/words.c - a command line into words, without a shell. */
#include "bench/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOR_A_SHELL "|&;<>()$`*?[\n" /* where they stand unquoted */

struct splitter {
    const char *next;
    char *out;   /* where the next character goes */
    char **word; /* the next free place */
};

static bool is_space(char character)
{
    return character == ' ' || character == '\t';
}

/* The inside of quotes, up to QUOTE. */
static int take_quoted(struct splitter *splitter, char quote, struct pyro_error *error)
{
    for (; *splitter->next != quote; splitter->next++) {
        if (quote == '"' && *splitter->next == '\\' && splitter->next[1] &&
            strchr("\"\\$`", splitter->next[1]))
            splitter->next++;
        if (!*splitter->next)
            return pyro_error_set(error, -EINVAL, "a quote (%c) has no end", quote);
        *splitter->out++ = *splitter->next;
    }
    splitter->next++;
    return 0;
}

static int needs_shell(char character, struct pyro_error *error)
{
    if (character == '\n')
        pyro_error_set(error, -EINVAL, "a line break means nothing without a shell");
    else
        pyro_error_set(error, -EINVAL, "'%c' means nothing without a shell", character);
    pyro_error_hint(error, "quote it, or give --shell");
    return -EINVAL;
}

static int take_word(struct splitter *splitter, struct pyro_error *error)
{
    int code = 0;
    *splitter->word++ = splitter->out;
    while (code == 0 && *splitter->next && !is_space(*splitter->next)) {
        char character = *splitter->next++;
        if (character == '\'' || character == '"')
            code = take_quoted(splitter, character, error);
        else if (character == '\\' && *splitter->next)
            *splitter->out++ = *splitter->next++;
        else if (strchr(FOR_A_SHELL, character))
            code = needs_shell(character, error);
        else
            *splitter->out++ = character;
    }
    *splitter->out++ = '\0';
    return code;
}

char **pyro_bench_split(const char *text, struct pyro_error *error)
{
    size_t length = strlen(text), words_max = length / 2 + 2;
    char **words = calloc(1, words_max * sizeof(*words) + 2 * length + 2);
    struct splitter splitter = {.next = text, .out = (char *)(words + words_max), .word = words};
    if (!words) {
        pyro_error_set(error, -ENOMEM, "no memory");
        return NULL;
    }
    int code = 0;
    while (code == 0) {
        while (is_space(*splitter.next))
            splitter.next++;
        if (!*splitter.next)
            break;
        code = take_word(&splitter, error);
    }
    if (code == 0 && splitter.word == words)
        code = pyro_error_set(error, -EINVAL, "the command is empty");
    if (code == 0)
        return words;
    free(words);
    return NULL;
}
