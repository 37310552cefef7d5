/* base/statements.c - lines, brackets, strings and comments of Python, and nothing else of it. */
#include "base/statements.h"

#include <string.h>

/* -- characters --------------------------------------------------------------------------------- */

static bool is_name(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || (unsigned char)letter >= 0x80;
}

static bool is_space(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\f' || letter == '\r';
}

static const char *end_of_line(const char *at, const char *end)
{
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return newline ? newline : end;
}

/* Behind the string whose first quote stands at AT. One of a single line that is not closed ends with it. */
static const char *skip_string(const char *at, const char *end)
{
    char quote = *at;
    bool is_long = end - at >= 3 && at[1] == quote && at[2] == quote;
    for (at += is_long ? 3 : 1; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (!is_long && *at == '\n')
            return at;
        else if (*at == quote && !is_long)
            return at + 1;
        else if (*at == quote && end - at >= 3 && at[1] == quote && at[2] == quote)
            return at + 3;
    }
    return end;
}

/* Over one token at AT: a string, a comment or a character. *DEPTH of brackets goes along. */
static const char *skip_token(const char *at, const char *end, unsigned *depth)
{
    switch (*at) {
    case '"':
    case '\'':
        return skip_string(at, end);
    case '#':
        return end_of_line(at, end);
    case '\\':
        at += end - at >= 3 && at[1] == '\r' && at[2] == '\n' ? 2 : at + 1 < end;
        return at + 1;
    case '(':
    case '[':
    case '{':
        ++*depth;
        return at + 1;
    case ')':
    case ']':
    case '}':
        *depth -= *depth > 0;
        return at + 1;
    default:
        return at + 1;
    }
}

/* The newline that ends the statement at AT. */
static const char *end_of_statement(const char *at, const char *end)
{
    unsigned depth = 0;
    while (at < end && (*at != '\n' || depth))
        at = skip_token(at, end, &depth);
    return at;
}

/* -- statements --------------------------------------------------------------------------------- */

static bool begins_with(const char *text, size_t size, const char *word)
{
    size_t length = strlen(word);
    return size > length && memcmp(text, word, length) == 0 && !is_name(text[length]);
}

bool pyro_statement_imports(const char *text, size_t size)
{
    return begins_with(text, size, "import") || begins_with(text, size, "from");
}

const char *pyro_statement_used(const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    while (at < end && is_name(*at))
        at++;
    const char *name = at;
    while (at < end && is_space(*at))
        at++;
    bool is_target = at < end && (*at == ':' || (*at == '=' && (end - at == 1 || at[1] != '=')));
    return is_target ? name : text;
}

bool pyro_statement_hides(const char *text, size_t size)
{
    return begins_with(text, size, "def") || begins_with(text, size, "async") ||
           (begins_with(text, size, "if") && memmem(text, size, "TYPE_CHECKING", 13) &&
            !memmem(text, size, "not ", 4));
}

static uint32_t lines_in(const char *at, const char *end)
{
    uint32_t lines = 0;
    while ((at = end_of_line(at, end)) < end)
        lines++, at++;
    return lines;
}

bool pyro_statements_next(struct pyro_statements *statements, struct pyro_statement *ret_statement)
{
    while (statements->at < statements->end) {
        const char *begin = statements->at, *text = begin;
        while (text < statements->end && is_space(*text))
            text++;
        const char *end = end_of_statement(text, statements->end);
        size_t indent = (size_t)(text - begin), size = (size_t)(end - text);
        uint32_t line = statements->line, more = lines_in(text, end);
        statements->line += more + 1;
        statements->at = end < statements->end ? end + 1 : end;
        if (!size || *text == '#' || (statements->hidden && indent >= statements->hidden))
            continue;
        statements->hidden = pyro_statement_hides(text, size) ? indent + 1 : 0;
        if (statements->hidden)
            continue;
        *ret_statement = (struct pyro_statement){text, size, line, line + more};
        return true;
    }
    return false;
}

bool pyro_statement_goes_on(const char *line, size_t size, unsigned *depth)
{
    const char *end = line + size;
    while (line < end) {
        if (*line == '\\' && (end - line == 1 || (end - line == 2 && is_space(line[1]))))
            return true;
        line = skip_token(line, end, depth);
    }
    return *depth > 0;
}

/* -- imports ------------------------------------------------------------------------------------ */

/* Spaces, brackets, ends of lines and comments. */
static const char *skip_blank(const char *at, const char *end)
{
    while (at < end) {
        if (*at == '#')
            at = end_of_line(at, end);
        else if (is_space(*at) || *at == '\n' || *at == '\\' || *at == '(' || *at == ')')
            at++;
        else
            break;
    }
    return at;
}

/* A name, with dots in it if DOTS. */
static struct pyro_word take_word(struct pyro_imports *imports, bool dots)
{
    const char *begin = skip_blank(imports->at, imports->end), *at = begin;
    while (at < imports->end && (is_name(*at) || (dots && *at == '.')))
        at++;
    if (at == begin && at < imports->end && *at == '*')
        at++;
    imports->at = at;
    return (struct pyro_word){begin, (size_t)(at - begin)};
}

static bool is_word(struct pyro_word word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.text, text, word.size) == 0;
}

struct pyro_imports pyro_imports_over(const char *text, size_t size)
{
    struct pyro_imports imports = {.at = text, .end = text + size};
    imports.of_names = is_word(take_word(&imports, false), "from");
    if (!imports.of_names)
        return imports;
    struct pyro_word module = take_word(&imports, true);
    for (; module.size && *module.text == '.'; module.text++, module.size--)
        imports.now.level++;
    if (is_word(module, "import")) /* "from . import a", "from .import a" */
        module.size = 0;
    else if (!is_word(take_word(&imports, false), "import"))
        imports.at = imports.end;
    imports.now.module = module;
    return imports;
}

bool pyro_imports_next(struct pyro_imports *imports, struct pyro_imported *ret_imported)
{
    struct pyro_word word = take_word(imports, !imports->of_names);
    if (!word.size)
        return false;
    imports->now.name = imports->of_names ? word : (struct pyro_word){"", 0};
    imports->now.bound = word;
    if (!imports->of_names) {
        const char *dot = memchr(word.text, '.', word.size);
        imports->now.module = word;
        imports->now.bound.size = dot ? (size_t)(dot - word.text) : word.size;
    }
    const char *behind = imports->at;
    if (is_word(take_word(imports, false), "as"))
        imports->now.bound = take_word(imports, false);
    else
        imports->at = behind;
    imports->at = skip_blank(imports->at, imports->end);
    if (imports->at < imports->end && *imports->at == ',')
        imports->at++;
    else
        imports->at = imports->end;
    *ret_imported = imports->now;
    return true;
}

bool pyro_words_next(const char **at, const char *end, struct pyro_word *ret_word)
{
    unsigned depth = 0;
    bool is_attribute = false;
    while (*at < end) {
        const char *begin = *at;
        if (!is_name(*begin)) {
            is_attribute = *begin == '.';
            *at = skip_token(begin, end, &depth);
            continue;
        }
        while (*at < end && is_name(**at))
            ++*at;
        if (is_attribute)
            continue;
        *ret_word = (struct pyro_word){begin, (size_t)(*at - begin)};
        return true;
    }
    return false;
}
