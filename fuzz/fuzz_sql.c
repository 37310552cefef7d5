/* fuzz/fuzz_sql.c - the shape of any bytes, and the statement that is explained of it. */
#include "base/sql.h"
#include "explain/explain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Texts are values, and none is kept: outside of names in quotes there is no quote of a text. */
static void require_no_text(const char *shape)
{
    char quote = '\0';
    for (; *shape; shape++) {
        if (quote)
            quote = *shape == quote ? '\0' : quote;
        else if (*shape == '"' || *shape == '`')
            quote = *shape;
        else
            require(*shape != '\'');
    }
}

/* A statement for SIZE bytes, no terminator of which lies behind them; it is one that reads, with its placeholders counted. */
static void explain(const char *shape, bool numbered, size_t size)
{
    char *text = malloc(size);
    unsigned count = 0;
    require(text != NULL);
    if (pyro_explain_statement(shape, numbered, text, size, &count) == 0) {
        require(memchr(text, '\0', size) != NULL);
        require(pyro_sql_verb(text) == PYRO_SQL_READ);
        require(count <= strlen(text));
        require(count > 0 || strchr(shape, '?') == NULL || strpbrk(shape, "\"`") != NULL);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char shape[PYRO_SQL_SHAPE_MAX + 1];
    char *exact = malloc(PYRO_SQL_SHAPE_MAX); /* what is written behind it is found */
    require(exact != NULL);
    size_t used = pyro_sql_shape((const char *)data, size, exact);
    require(used <= PYRO_SQL_SHAPE_MAX);
    memcpy(shape, exact, used);
    free(exact);
    shape[used] = '\0';
    require_no_text(shape);
    static const size_t sizes[] = {1, 16, 256, 4 * PYRO_SQL_SHAPE_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int numbered = 0; numbered < 2; numbered++)
            explain(shape, numbered, sizes[i]);
    return 0;
}
