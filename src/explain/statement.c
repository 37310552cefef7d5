/* explain/statement.c - from the shape of a query to a statement that may be explained. */
#include "explain/internal.h"

#include "base/sql.h"

#include <errno.h>
#include <string.h>

#define LIST "?, ..." /* of one value and more */

struct statement {
    char *text;
    size_t size, used;
    unsigned placeholders;
    bool numbered;
};

static void put(struct statement *statement, const char *text, size_t size)
{
    if (statement->used + size < statement->size)
        memcpy(statement->text + statement->used, text, size);
    statement->used += size;
}

static void put_placeholder(struct statement *statement)
{
    char text[16] = "?";
    statement->placeholders++;
    if (statement->numbered)
        snprintf(text, sizeof(text), "$%u", statement->placeholders);
    put(statement, text, strlen(text));
}

/* What stands in double quotes or backquotes at SHAPE, quotes included. */
static size_t quoted_length(const char *shape)
{
    const char *end = strchr(shape + 1, *shape);
    return end ? (size_t)(end - shape) + 1 : strlen(shape);
}

/* One more piece of SHAPE; its length, or 0: it is nothing to explain. */
static size_t take(struct statement *statement, const char *shape)
{
    size_t length = 1;
    if (*shape == ';' || strncmp(shape, "...", 3) == 0)
        return 0;
    if (*shape == '?') {
        put_placeholder(statement);
        return strncmp(shape, LIST, strlen(LIST)) == 0 ? strlen(LIST) : 1;
    }
    if (*shape == '"' || *shape == '`')
        length = quoted_length(shape);
    put(statement, shape, length);
    return length;
}

int pyro_explain_statement(const char *shape, bool numbered, char *text, size_t size,
                           unsigned *ret_count)
{
    struct statement statement = {.text = text, .size = size, .numbered = numbered};
    if (pyro_sql_verb(shape) != PYRO_SQL_READ)
        return -EINVAL;
    while (*shape) {
        size_t length = take(&statement, shape);
        if (!length)
            return -EINVAL;
        shape += length;
    }
    if (statement.used >= size)
        return -ENAMETOOLONG;
    text[statement.used] = '\0';
    *ret_count = statement.placeholders;
    return 0;
}
