/* base/statements.h - what a Python module says while it is imported: its imports, and what uses them.
 *
 * Neither a parser of Python nor in need of valid source: whatever the text is, it is gone through once, and what is returned lies within
 * it. Nothing is allocated. */
#ifndef PYRO_BASE_STATEMENTS_H
#define PYRO_BASE_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- statements --------------------------------------------------------------------------------- */

/* One statement, all of its lines; of a compound one the head. Functions, which run later, and what is below `if TYPE_CHECKING:`, which
 * never does, are left out, with their heads. */
struct pyro_statement {
    const char *text; /* from its first word on */
    size_t size;
    uint32_t line, last_line; /* the first is 1 */
};
struct pyro_statements {
    const char *at, *end;
    uint32_t line;
    size_t hidden; /* 1 + the indent of what hides the lines further in; 0: nothing does */
};
static inline struct pyro_statements pyro_statements_over(const char *text, size_t size)
{
    return (struct pyro_statements){.at = text, .end = text + size, .line = 1};
}
/* False: there is no more. */
bool pyro_statements_next(struct pyro_statements *statements, struct pyro_statement *ret_statement);

/* Does a statement want another line after this one? *DEPTH, of its open brackets, begins at 0 and goes along. */
bool pyro_statement_goes_on(const char *line, size_t size, unsigned *depth);
/* Does TEXT, whose first word begins it, import something? */
bool pyro_statement_imports(const char *text, size_t size);
/* Does what is below TEXT not run then: a function's head, `if TYPE_CHECKING:`? */
bool pyro_statement_hides(const char *text, size_t size);
/* Behind the name that TEXT gives a value or a type, and does nothing else with ("x" of "x = None", "x: int"); else TEXT. */
const char *pyro_statement_used(const char *text, size_t size);

/* -- imports ------------------------------------------------------------------------------------ */

struct pyro_word {
    const char *text; /* "" if there is none */
    size_t size;
};

/* One name of an import. */
struct pyro_imported {
    unsigned level;          /* dots before the module: 0 is absolute */
    struct pyro_word module; /* "a.b" */
    struct pyro_word name;   /* of `from a.b import name`; "*"; empty for `import a.b` */
    struct pyro_word
        bound; /* the variable: after `as`, else the name, else the first part of the module */
};
struct pyro_imports {
    const char *at, *end;
    struct pyro_imported now;
    bool of_names; /* `from` */
};
/* Over a statement that imports. */
struct pyro_imports pyro_imports_over(const char *text, size_t size);
bool pyro_imports_next(struct pyro_imports *imports, struct pyro_imported *ret_imported);

/* Over the words between AT and END: names and numbers, but not what comes after a dot, or stands in strings and comments. *AT goes along.
 * False: there is no more. */
bool pyro_words_next(const char **at, const char *end, struct pyro_word *ret_word);

#endif
