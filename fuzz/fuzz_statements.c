/* fuzz/fuzz_statements.c - any bytes as a Python module: its statements, what they import, and the words in them. */
#include "base/statements.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_within(const char *text, size_t size, struct pyro_word word)
{
    require(word.size == 0 || (word.text >= text && word.text + word.size <= text + size));
}

/* None twice, and all of them within TEXT. */
static void go_through_imports(const char *text, size_t size)
{
    struct pyro_imports imports = pyro_imports_over(text, size);
    struct pyro_imported imported;
    for (size_t left = size + 1; pyro_imports_next(&imports, &imported); left--) {
        require(left > 0 && imported.level <= size);
        require_within(text, size, imported.module);
        require_within(text, size, imported.name);
        require_within(text, size, imported.bound);
    }
}

static void go_through_words(const char *text, size_t size)
{
    const char *at = text, *last = text;
    struct pyro_word word;
    while (pyro_words_next(&at, text + size, &word)) {
        require(word.size > 0 && word.text >= last && at == word.text + word.size);
        require_within(text, size, word);
        last = at;
    }
    require(at == text + size);
}

/* A statement alone, no byte of which is followed by another. */
static void go_through_statement(const struct pyro_statement *statement)
{
    char *text = malloc(statement->size);
    require(text != NULL);
    memcpy(text, statement->text, statement->size);
    require(!pyro_statement_hides(text, statement->size));
    const char *used = pyro_statement_used(text, statement->size);
    require(used >= text && used <= text + statement->size);
    if (pyro_statement_imports(text, statement->size))
        go_through_imports(text, statement->size);
    go_through_words(text, statement->size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* what is read behind it is found */
    require(text != NULL);
    memcpy(text, data, size);
    struct pyro_statements statements = pyro_statements_over(text, size);
    struct pyro_statement statement;
    const char *last = text;
    uint32_t line = 0;
    while (pyro_statements_next(&statements, &statement)) {
        require(statement.text >= last && statement.size > 0);
        require(statement.text + statement.size <= text + size);
        require(statement.line > line && statement.last_line >= statement.line);
        last = statement.text + statement.size;
        line = statement.last_line;
        go_through_statement(&statement);
    }
    unsigned depth = 0;
    pyro_statement_goes_on(text, size, &depth);
    require(depth <= size);
    go_through_imports(text, size);
    go_through_words(text, size);
    free(text);
    return 0;
}
