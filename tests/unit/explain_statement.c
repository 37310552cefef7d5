/* tests/unit/explain_statement.c - which shapes are explained, and as what. */
#include "explain/explain.h"

#include "check.h"

#include <errno.h>

static void check_text(const char *shape, bool numbered, const char *expected, unsigned count)
{
    char statement[512];
    unsigned placeholders = 99;
    CHECK_EQ(pyro_explain_statement(shape, numbered, statement, sizeof(statement), &placeholders),
             0);
    CHECK_STR(statement, expected);
    CHECK_EQ(placeholders, count);
}

static void check_refused(const char *shape)
{
    char statement[512];
    unsigned count;
    CHECK_EQ(pyro_explain_statement(shape, true, statement, sizeof(statement), &count), -EINVAL);
}

static void placeholders_are_those_of_the_database(void)
{
    check_text("SELECT a FROM t", false, "SELECT a FROM t", 0);
    check_text("SELECT a FROM t WHERE b = ? LIMIT ?", false, "SELECT a FROM t WHERE b = ? LIMIT ?",
               2);
    check_text("SELECT a FROM t WHERE b = ? LIMIT ?", true, "SELECT a FROM t WHERE b = $1 LIMIT $2",
               2);
    check_text("WITH x AS (SELECT ?) SELECT * FROM x", true,
               "WITH x AS (SELECT $1) SELECT * FROM x", 1);
}

static void a_list_is_one_placeholder(void)
{
    check_text("SELECT a FROM t WHERE b IN (?, ...) AND c = ?", true,
               "SELECT a FROM t WHERE b IN ($1) AND c = $2", 2);
    check_text("SELECT ?, ... FROM t", false, "SELECT ? FROM t", 1);
}

static void names_in_quotes_stay(void)
{
    check_text("SELECT \"a?;...\" FROM `b?`", true, "SELECT \"a?;...\" FROM `b?`", 0);
    check_text("SELECT \"open?;", true, "SELECT \"open?;", 0); /* an error of its own */
}

static void only_one_query_that_reads_is_explained(void)
{
    check_refused("SELECT ?; DROP TABLE t");
    check_refused("SELECT ?;");
    check_refused("DELETE FROM t");
    check_refused("PRAGMA journal_mode = wal");
    check_refused("ATTACH ? AS other");
    check_refused("");
}

static void what_was_cut_is_not_explained(void)
{
    check_refused("SELECT a, b ... FROM t WHERE c = ?");
    char shape[2000] = "SELECT ", statement[512];
    unsigned count;
    memset(shape + 7, 'a', sizeof(shape) - 8);
    CHECK_EQ(pyro_explain_statement(shape, false, statement, sizeof(statement), &count),
             -ENAMETOOLONG);
}

static void a_database_is_known_by_how_its_name_begins(void)
{
    CHECK(pyro_database_of("sqlite:shop.db"));
    CHECK(pyro_database_of("postgresql://localhost/shop"));
    CHECK(pyro_database_of("postgres://localhost/shop"));
    CHECK(!pyro_database_of("shop.db"));
    CHECK(!pyro_database_of("mysql://localhost/shop"));
    CHECK(!pyro_database_of(""));
}

int main(void)
{
    return CHECK_MAIN(TEST(placeholders_are_those_of_the_database), TEST(a_list_is_one_placeholder),
                      TEST(names_in_quotes_stay), TEST(only_one_query_that_reads_is_explained),
                      TEST(what_was_cut_is_not_explained),
                      TEST(a_database_is_known_by_how_its_name_begins));
}
