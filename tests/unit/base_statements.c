/* What a module says while it is imported: which lines are told, and what their imports name. */
#include "base/statements.h"

#include "check.h"

#include <stdio.h>

static char told[1000];

/* "3 import a; 5-6 from b import (c,\nd); ": of a copy of that size, so that reading past it is found. */
static const char *statements_of(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    struct pyro_statements statements = pyro_statements_over(copy, size);
    struct pyro_statement statement;
    size_t used = 0;
    told[0] = '\0';
    while (pyro_statements_next(&statements, &statement)) {
        CHECK(statement.text >= copy && statement.text + statement.size <= copy + size);
        used += (size_t)snprintf(told + used, sizeof(told) - used, "%u-%u %.*s; ", statement.line,
                                 statement.last_line, (int)statement.size, statement.text);
    }
    free(copy);
    return told;
}

#define CHECK_STATEMENTS(text, expected) CHECK_STR(statements_of(text, sizeof(text) - 1), expected)

static void what_runs_while_it_is_imported_is_told(void)
{
    CHECK_STATEMENTS("import a\nx = 1\nfrom b import (\n  c, # )\n  d)\nclass E(c): pass\n",
                     "1-1 import a; 2-2 x = 1; 3-5 from b import (\n  c, # )\n  d); "
                     "6-6 class E(c): pass; ");
    CHECK_STATEMENTS("try:\n\timport a\nexcept b:\n\tfrom b import \\\n a\r\nimport c",
                     "1-1 try:; 2-2 import a; 3-3 except b:; 4-5 from b import \\\n a\r; "
                     "6-6 import c; ");
    CHECK_STATEMENTS("", "");
}

static bool imports(const char *text)
{
    return pyro_statement_imports(text, strlen(text));
}

static const char *used_of(const char *text)
{
    return pyro_statement_used(text, strlen(text));
}

static void kinds_are_told_apart(void)
{
    CHECK(imports("import a"));
    CHECK(imports("from a import b"));
    CHECK(!imports("importer = 1"));
    CHECK(!imports("fromage()"));
    CHECK(!imports("import"));
    CHECK_STR(used_of("a = b"), " = b");
    CHECK_STR(used_of("a=b"), "=b");
    CHECK_STR(used_of("a == b"), "a == b");
    CHECK_STR(used_of("a.b = c"), "a.b = c");
    CHECK_STR(used_of("a: b = c"), ": b = c");
    CHECK_STR(used_of("a ="), " =");
    CHECK_STR(used_of("a"), "a");
    CHECK_STR(used_of(""), "");
}

static void what_does_not_run_while_it_is_imported_is_left_out(void)
{
    CHECK_STATEMENTS("def f():\n  import a\n\n# b\n  import c\n\nimport d\n", "7-7 import d; ");
    CHECK_STATEMENTS("class A:\n  def f(self):\n    import a\n  import b\n",
                     "1-1 class A:; 4-4 import b; ");
    CHECK_STATEMENTS("@a\ndef f(b=c): pass\n", "1-1 @a; ");
    CHECK_STATEMENTS("async def f():\n  import a\nimport b\n", "3-3 import b; ");
    CHECK_STATEMENTS("if TYPE_CHECKING:\n  import a\nelse:\n  import b\n",
                     "3-3 else:; 4-4 import b; ");
    CHECK_STATEMENTS("if not TYPE_CHECKING:\n  a\n", "1-1 if not TYPE_CHECKING:; 2-2 a; ");
    CHECK_STATEMENTS("'''\nimport a\n'''\nx = \"\"\"b\nimport c\\\"\"\"\nimport d\"\"\"\n",
                     "1-3 '''\nimport a\n'''; 4-6 x = \"\"\"b\nimport c\\\"\"\"\nimport d\"\"\"; ");
    CHECK_STATEMENTS("['it', # '\nimport a]\nimport b\n",
                     "1-2 ['it', # '\nimport a]; 3-3 import b; ");
}

/* Nothing of it is Python, and still it ends. */
static void any_text_ends(void)
{
    CHECK_STATEMENTS("import (((\nimport b", "1-2 import (((\nimport b; ");
    CHECK_STATEMENTS("))\nimport a", "1-1 )); 2-2 import a; ");
    CHECK_STATEMENTS("x = 'open\nimport a", "1-1 x = 'open; 2-2 import a; ");
    CHECK_STATEMENTS("'''open\nimport a", "1-2 '''open\nimport a; ");
    CHECK_STATEMENTS("import a\\", "1-1 import a\\; ");
    CHECK_STATEMENTS("'\\", "1-1 '\\; ");
}

static const char *names_of(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    struct pyro_imports imports = pyro_imports_over(copy, size);
    struct pyro_imported name;
    size_t used = 0;
    told[0] = '\0';
    while (pyro_imports_next(&imports, &name))
        used +=
            (size_t)snprintf(told + used, sizeof(told) - used, "%u %.*s %.*s %.*s; ", name.level,
                             (int)name.module.size, name.module.text, (int)name.name.size,
                             name.name.text, (int)name.bound.size, name.bound.text);
    free(copy);
    return told;
}

#define CHECK_NAMES(text, expected) CHECK_STR(names_of(text, sizeof(text) - 1), expected)

static void imports_name_modules_and_variables(void)
{
    CHECK_NAMES("import a", "0 a  a; ");
    CHECK_NAMES("import a.b, c.d as e  # f", "0 a.b  a; 0 c.d  e; ");
    CHECK_NAMES("from a.b import c, d as e", "0 a.b c c; 0 a.b d e; ");
    CHECK_NAMES("from a import (  # one\n  b,\n  c as d,\n)", "0 a b b; 0 a c d; ");
    CHECK_NAMES("from a import \\\n  b", "0 a b b; ");
    CHECK_NAMES("from . import a", "1  a a; ");
    CHECK_NAMES("from .import a", "1  a a; ");
    CHECK_NAMES("from ..a.b import *", "2 a.b * *; ");
    CHECK_NAMES("import a; import b", "0 a  a; ");
    CHECK_NAMES("from a", "");
    CHECK_NAMES("from a import", "");
    CHECK_NAMES("import", "");
    CHECK_NAMES("", "");
    CHECK_NAMES("import a as", "0 a  ; ");
}

static const char *words_of(const char *text)
{
    const char *at = text, *end = text + strlen(text);
    struct pyro_word word;
    size_t used = 0;
    told[0] = '\0';
    while (pyro_words_next(&at, end, &word))
        used +=
            (size_t)snprintf(told + used, sizeof(told) - used, "%.*s ", (int)word.size, word.text);
    return told;
}

static void words_are_found_whole(void)
{
    CHECK_STR(words_of("class A(Base, metaclass=Meta):"), "class A Base metaclass Meta ");
    CHECK_STR(words_of("class A(module.Base, b . c):"), "class A module b c ");
    CHECK_STR(words_of("class A(B['Base'])  # Base\n: x"), "class A B x ");
    CHECK_STR(words_of("class \303\204(_1)"), "class \303\204 _1 ");
    CHECK_STR(words_of(""), "");
}

static bool goes_on(const char *line, unsigned depth)
{
    return pyro_statement_goes_on(line, strlen(line), &depth);
}

static void a_line_may_want_another_one(void)
{
    CHECK(goes_on("from a import (", 0));
    CHECK(goes_on("b, c", 1));
    CHECK(goes_on("from a import b, \\", 0));
    CHECK(goes_on("from a import b, \\\r", 0));
    CHECK(!goes_on("from a import (b) # (", 0));
    CHECK(!goes_on("b)", 1));
    CHECK(!goes_on("import a", 0));
    CHECK(!goes_on("", 0));
}

int main(void)
{
    return CHECK_MAIN(TEST(what_runs_while_it_is_imported_is_told), TEST(kinds_are_told_apart),
                      TEST(what_does_not_run_while_it_is_imported_is_left_out), TEST(any_text_ends),
                      TEST(imports_name_modules_and_variables), TEST(words_are_found_whole),
                      TEST(a_line_may_want_another_one));
}
