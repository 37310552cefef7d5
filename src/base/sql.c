/* base/sql.c - one pass over the text, token by token. Lists are folded at the end of what was put out. */
#include "base/sql.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 64 /* open parentheses that are told apart */
#define TAG_MAX   64 /* of a text between dollars: $tag$...$tag$ */

enum token {
    TOKEN_NONE,
    TOKEN_WORD,
    TOKEN_NAME, /* in quotes */
    TOKEN_VALUE,
    TOKEN_OPERATOR,
    TOKEN_OTHER, /* punctuation */
};

struct shaper {
    const char *next, *end;
    char *out;
    size_t size;
    enum token last;
    bool value_follows;    /* the last word was LIKE, BETWEEN, ... */
    bool savepoint;        /* it was SAVEPOINT */
    bool backticks;        /* names have these, so double quotes hold values */
    bool ambiguous;        /* a quote behind a backslash came */
    uint64_t value_parens; /* a bit for each open parenthesis: values stand in it */
    unsigned depth;
};

/* -- out ---------------------------------------------------------------------------------------- */

static void put(struct shaper *shaper, const char *text, size_t size)
{
    size_t room = PYRO_SQL_SHAPE_MAX - shaper->size;
    if (size > room)
        size = room;
    memcpy(shaper->out + shaper->size, text, size);
    shaper->size += size;
}

static bool ends_with(const struct shaper *shaper, const char *text)
{
    size_t size = strlen(text);
    return shaper->size >= size && memcmp(shaper->out + shaper->size - size, text, size) == 0;
}

/* A blank before the next word. */
static void put_gap(struct shaper *shaper)
{
    char last = shaper->size ? shaper->out[shaper->size - 1] : ' ';
    bool joins = last == ' ' || last == '(' || last == ':' || last == '.';
    if (!joins || ends_with(shaper, "..."))
        put(shaper, " ", 1);
}

static void put_word(struct shaper *shaper, const char *text, size_t size)
{
    put_gap(shaper);
    put(shaper, text, size);
}

static void put_value(struct shaper *shaper)
{
    shaper->last = TOKEN_VALUE;
    if (ends_with(shaper, "?, ...,")) {
        shaper->size--;
    } else if (ends_with(shaper, "?,")) {
        put(shaper, " ...", 4);
    } else {
        put_gap(shaper);
        put(shaper, "?", 1);
    }
}

/* "(?, ...), (?, ...)" is one row. */
static void fold_rows(struct shaper *shaper)
{
    static const char *const rows[] = {"(?, ...), (?, ...)", "(?), (?)"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ends_with(shaper, rows[i]))
            shaper->size -= strlen(rows[i]) / 2 + 1;
}

/* -- in ----------------------------------------------------------------------------------------- */

static size_t left(const struct shaper *shaper)
{
    return (size_t)(shaper->end - shaper->next);
}

static char at(const struct shaper *shaper, size_t offset)
{
    return offset < left(shaper) ? shaper->next[offset] : '\0';
}

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Behind the text FROM here on, which begins with QUOTE; a doubled quote belongs to it. */
static void skip_quoted(struct shaper *shaper, char quote)
{
    const char *begin = shaper->next++;
    while (shaper->next < shaper->end) {
        char byte = *shaper->next++;
        if (byte != quote)
            continue;
        if (shaper->next - begin >= 2 && shaper->next[-2] == '\\') {
            shaper->ambiguous = true;
            return;
        }
        if (at(shaper, 0) != quote)
            return;
        shaper->next++;
    }
}

static void skip_line(struct shaper *shaper)
{
    while (shaper->next < shaper->end && *shaper->next != '\n')
        shaper->next++;
}

/* Nested, as PostgreSQL has it; elsewhere that only leaves out more. */
static void skip_comment(struct shaper *shaper)
{
    unsigned depth = 0;
    do {
        if (at(shaper, 0) == '/' && at(shaper, 1) == '*') {
            depth++;
            shaper->next += 2;
        } else if (at(shaper, 0) == '*' && at(shaper, 1) == '/') {
            depth--;
            shaper->next += 2;
        } else {
            shaper->next++;
        }
    } while (depth && shaper->next < shaper->end);
    if (shaper->next > shaper->end)
        shaper->next = shaper->end;
}

/* -- what it is --------------------------------------------------------------------------------- */

static bool is_one_of(const char *word, size_t size, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == size && strncasecmp(word, *list, size) == 0)
            return true;
    return false;
}

/* Words before a parenthesis in which anything may stand; in that of any other word, a function's, stand values. */
static const char *const neutral_words[] = {"AND",   "AS",   "BY",    "EXISTS", "FROM", "HAVING",
                                            "JOIN",  "NOT",  "ON",    "OR",     "OVER", "SELECT",
                                            "USING", "WHEN", "WHERE", "WITH",   NULL};
static const char *const before_values[] = {"BETWEEN", "ELSE",     "GLOB",   "ILIKE", "LIKE",
                                            "MATCH",   "PASSWORD", "REGEXP", "THEN",  NULL};

static void take_word(struct shaper *shaper)
{
    const char *word = shaper->next;
    while (shaper->next < shaper->end && is_word_byte(*shaper->next))
        shaper->next++;
    size_t size = (size_t)(shaper->next - word);
    if (size == 1 && at(shaper, 0) == '\'') { /* E'...', N'...', X'...', B'...' */
        skip_quoted(shaper, '\'');
        put_value(shaper);
        return;
    }
    if (shaper->savepoint) {
        shaper->savepoint = false;
        put_value(shaper);
        return;
    }
    static const char *const savepoint[] = {"SAVEPOINT", NULL};
    put_word(shaper, word, size);
    shaper->last = TOKEN_WORD;
    shaper->savepoint = is_one_of(word, size, savepoint);
    shaper->value_follows = is_one_of(word, size, before_values);
}

/* 1, 1.5e-3, 0xff, and what is stuck to them. */
static void take_number(struct shaper *shaper)
{
    while (shaper->next < shaper->end && (is_word_byte(*shaper->next) || *shaper->next == '.' ||
                                          ((*shaper->next == '+' || *shaper->next == '-') &&
                                           (shaper->next[-1] == 'e' || shaper->next[-1] == 'E'))))
        shaper->next++;
    put_value(shaper);
}

/* %s, %(name)s, :name, $1, @name: what a driver puts a value in for. */
static void take_placeholder(struct shaper *shaper)
{
    shaper->next++;
    if (at(shaper, 0) == '(') {
        while (shaper->next < shaper->end && *shaper->next != ')')
            shaper->next++;
        shaper->next += left(shaper) > 0;
    }
    while (shaper->next < shaper->end && is_word_byte(*shaper->next))
        shaper->next++;
    put_value(shaper);
}

/* $tag$ ... $tag$; the tag may be empty. False: it is none. */
static bool take_dollar_text(struct shaper *shaper)
{
    size_t size = 1;
    while (size < TAG_MAX && is_word_byte(at(shaper, size)))
        size++;
    if (at(shaper, size) != '$' || isdigit((unsigned char)at(shaper, 1)))
        return false;
    const char *tag = shaper->next;
    shaper->next += size + 1;
    const char *close = memmem(shaper->next, left(shaper), tag, size + 1);
    shaper->next = close ? close + size + 1 : shaper->end;
    put_value(shaper);
    return true;
}

/* Does the text in double quotes that ended just now stand where only a name can? */
static bool is_name(const struct shaper *shaper)
{
    const char *after = shaper->next;
    while (after < shaper->end && is_space(*after))
        after++;
    if (ends_with(shaper, ".") || (after < shaper->end && *after == '.'))
        return true;
    bool in_values = shaper->depth && (shaper->value_parens & 1);
    return !shaper->backticks && !in_values && shaper->last != TOKEN_OPERATOR &&
           !shaper->value_follows;
}

static void put_name(struct shaper *shaper, const char *name)
{
    put_word(shaper, name, (size_t)(shaper->next - name));
    shaper->last = TOKEN_NAME;
    shaper->value_follows = false;
}

static void take_double_quoted(struct shaper *shaper)
{
    const char *begin = shaper->next;
    skip_quoted(shaper, '"');
    if (shaper->savepoint || !is_name(shaper)) {
        shaper->savepoint = false;
        put_value(shaper);
        return;
    }
    put_name(shaper, begin);
}

static void take_backticked(struct shaper *shaper)
{
    const char *begin = shaper->next;
    skip_quoted(shaper, '`');
    put_name(shaper, begin);
}

/* Of "[a name]"; 0: it is an index, or an array of values. */
static size_t size_of_bracketed(const struct shaper *shaper)
{
    size_t size = 1;
    while (is_word_byte(at(shaper, size)) || at(shaper, size) == ' ')
        size++;
    bool word = isalpha((unsigned char)at(shaper, 1)) || at(shaper, 1) == '_';
    return word && at(shaper, size) == ']' ? size + 1 : 0;
}

static void take_bracketed(struct shaper *shaper)
{
    const char *begin = shaper->next;
    shaper->next += size_of_bracketed(shaper);
    put_name(shaper, begin);
}

/* The word put out last. */
static bool last_word_is(const struct shaper *shaper, const char *const *list)
{
    size_t begin = shaper->size;
    while (begin > 0 && is_word_byte(shaper->out[begin - 1]))
        begin--;
    return is_one_of(shaper->out + begin, shaper->size - begin, list);
}

static void take_open(struct shaper *shaper)
{
    bool inherited = shaper->depth && (shaper->value_parens & 1);
    bool word = shaper->last == TOKEN_WORD;
    bool values = word ? !last_word_is(shaper, neutral_words) : inherited;
    if (shaper->last == TOKEN_WORD || shaper->last == TOKEN_NAME || ends_with(shaper, ","))
        put_gap(shaper);
    put(shaper, "(", 1);
    shaper->value_parens = shaper->value_parens << 1 | values;
    shaper->depth += shaper->depth < DEPTH_MAX;
    shaper->last = TOKEN_OTHER;
    shaper->value_follows = false;
    shaper->next++;
}

static void take_close(struct shaper *shaper)
{
    put(shaper, ")", 1);
    fold_rows(shaper);
    shaper->value_parens >>= 1;
    shaper->depth -= shaper->depth > 0;
    shaper->last = TOKEN_OTHER;
    shaper->next++;
}

static void take_punctuation(struct shaper *shaper)
{
    char byte = *shaper->next++;
    bool is_operator = memchr("=<>!+-*/%|&^~", byte, 13) != NULL;
    if (byte != ',' && byte != '.' && byte != ';' && byte != ':' &&
        !(is_operator && shaper->last == TOKEN_OPERATOR))
        put_gap(shaper);
    put(shaper, &byte, 1);
    shaper->last = is_operator ? TOKEN_OPERATOR : TOKEN_OTHER;
}

/* -- tokens ------------------------------------------------------------------------------------- */

static bool is_placeholder(const struct shaper *shaper)
{
    char byte = *shaper->next, next = at(shaper, 1);
    if (byte == '%')
        return next == 's' || (next == '(' && shaper->last != TOKEN_VALUE);
    return (byte == ':' || byte == '@' || byte == '$') && is_word_byte(next);
}

static void take_token(struct shaper *shaper)
{
    char byte = *shaper->next, next = at(shaper, 1);
    if (is_space(byte))
        shaper->next++;
    else if (byte == '-' && next == '-')
        skip_line(shaper);
    else if (byte == '/' && next == '*')
        skip_comment(shaper);
    else if (byte == '\'') {
        skip_quoted(shaper, '\'');
        put_value(shaper);
    } else if (byte == '"')
        take_double_quoted(shaper);
    else if (byte == '`')
        take_backticked(shaper);
    else if (byte == '[' && size_of_bracketed(shaper))
        take_bracketed(shaper);
    else if (byte == '$' && take_dollar_text(shaper))
        return;
    else if (byte == ':' && next == ':') { /* a cast */
        shaper->next += 2;
        put(shaper, "::", 2);
    } else if (byte == '?') {
        shaper->next++;
        put_value(shaper);
    } else if (is_placeholder(shaper))
        take_placeholder(shaper);
    else if (isdigit((unsigned char)byte) ||
             (byte == '.' && isdigit((unsigned char)next) && shaper->last != TOKEN_NAME &&
              shaper->last != TOKEN_WORD))
        take_number(shaper);
    else if (is_word_byte(byte))
        take_word(shaper);
    else if (byte == '(')
        take_open(shaper);
    else if (byte == ')')
        take_close(shaper);
    else
        take_punctuation(shaper);
}

size_t pyro_sql_shape(const char *sql, size_t size, char *out)
{
    struct shaper shaper = {
        .next = sql,
        .end = sql + size,
        .out = out,
        .backticks = memchr(sql, '`', size) != NULL,
    };
    while (shaper.next < shaper.end && !shaper.ambiguous && shaper.size < PYRO_SQL_SHAPE_MAX)
        take_token(&shaper);
    if (shaper.ambiguous)
        put_value(&shaper);
    return shaper.size;
}

/* -- verbs -------------------------------------------------------------------------------------- */

static bool begins_with(const char *shape, const char *word)
{
    size_t size = strlen(word);
    return strncasecmp(shape, word, size) == 0 && !is_word_byte(shape[size]);
}

enum pyro_sql_verb pyro_sql_verb(const char *shape)
{
    static const char *const writes[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"};
    while (*shape == '(')
        shape++;
    if (begins_with(shape, "SELECT") || begins_with(shape, "WITH"))
        return PYRO_SQL_READ;
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (begins_with(shape, writes[i]))
            return PYRO_SQL_WRITE;
    return PYRO_SQL_OTHER;
}
