/* Shapes of statements: equal for equal statements with other values, and never a value in them. */
#include "base/sql.h"

#include "check.h"

static char shape[PYRO_SQL_SHAPE_MAX + 1];

static const char *shape_of(const char *sql, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of that size: reading past it is found */
    memcpy(copy, sql, size);
    shape[pyro_sql_shape(copy, size, shape)] = '\0';
    free(copy);
    return shape;
}

#define CHECK_SHAPE(sql, expected) CHECK_STR(shape_of(sql, sizeof(sql) - 1), expected)

static void values_and_placeholders(void)
{
    CHECK_SHAPE("SELECT a FROM t WHERE b = 'x' AND c = 17",
                "SELECT a FROM t WHERE b = ? AND c = ?");
    CHECK_SHAPE("select a\n  from t1 where b=%s and c = %(name)s limit 21",
                "select a from t1 where b = ? and c = ? limit ?");
    CHECK_SHAPE("SELECT * FROM t WHERE a = :a AND b = $1 AND c = ?",
                "SELECT * FROM t WHERE a = ? AND b = ? AND c = ?");
    CHECK_SHAPE("SELECT x::text FROM t WHERE a>=-1.5e-3", "SELECT x::text FROM t WHERE a >=- ?");
    CHECK_SHAPE("INSERT INTO t VALUES (E'a', X'ff', $$it's$$, $b$ $$ $b$)",
                "INSERT INTO t VALUES (?, ...)");
    CHECK_SHAPE("SELECT 'it''s', 1 -- comment 'x'\n/* /* 2 */ 3 */ FROM t", "SELECT ?, ... FROM t");
    CHECK_SHAPE("", "");
}

static void lists_and_rows_are_folded(void)
{
    CHECK_SHAPE("SELECT a FROM t WHERE b IN (1, 2,3)", "SELECT a FROM t WHERE b IN (?, ...)");
    CHECK_SHAPE("SELECT a FROM t WHERE b IN (%s)", "SELECT a FROM t WHERE b IN (?)");
    CHECK_SHAPE("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z')",
                "INSERT INTO t (a, b) VALUES (?, ...)");
    CHECK_SHAPE("UPDATE t SET a = 1, b = 2 WHERE c = 3", "UPDATE t SET a = ?, b = ? WHERE c = ?");
}

static void names_stay(void)
{
    CHECK_SHAPE(
        "SELECT \"shop_customer\".\"id\" FROM \"shop_customer\" WHERE \"shop_customer\".\"id\" = 7",
        "SELECT \"shop_customer\".\"id\" FROM \"shop_customer\" WHERE \"shop_customer\".\"id\" = "
        "?");
    CHECK_SHAPE("INSERT INTO \"t\" (\"a\", \"b\") VALUES (%s, %s)",
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?, ...)");
    CHECK_SHAPE("SELECT `a` FROM `t2` WHERE `b` = 1", "SELECT `a` FROM `t2` WHERE `b` = ?");
    CHECK_SHAPE("SELECT [a b] FROM [t]", "SELECT [a b] FROM [t]");
    CHECK_SHAPE("SAVEPOINT \"s1_x2\"", "SAVEPOINT ?");
    CHECK_SHAPE("RELEASE SAVEPOINT s1_x2", "RELEASE SAVEPOINT ?");
}

/* Whatever the dialect: "hunter2" is a value in at least one of them. */
static void no_value_is_kept(void)
{
    static const char *const statements[] = {
        "SELECT a FROM t WHERE b = \"hunter2\"",
        "SELECT a FROM t WHERE b IN (\"x\", \"hunter2\")",
        "INSERT INTO t VALUES (\"hunter2\")",
        "SELECT upper(\"hunter2\")",
        "SELECT a FROM `t` WHERE b LIKE \"hunter2\"",
        "SELECT a FROM t WHERE b BETWEEN \"hunter2\" AND 3",
        "SELECT a FROM `t`, \"hunter2\"",
        "SELECT 'a\\' , 'hunter2'",
        "SELECT 'a\\', hunter2 ' FROM t",
        "ALTER USER u PASSWORD 'hunter2'",
        "SELECT $$hunter2$$, $q$hunter2",
        "SELECT 'hunter2",
        "SELECT /* hunter2 */ 1 -- hunter2",
        "SELECT 0xhunter2, 1hunter2",
        "SELECT ARRAY[ 'hunter2' ], ARRAY['hunter2']",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        if (strstr(shape_of(statements[i], strlen(statements[i])), "hunter2")) {
            printf("# %s -> %s\n", statements[i], shape);
            CHECK(!"a value stays");
        }
}

static void any_bytes_are_taken(void)
{
    static const char bytes[] = "'\"`[$?%(:@)1.,;-/* \\aSAVEPOINT \n\0\xff";
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char sql[64];
        size_t size = 0;
        for (; size < sizeof(sql); size++) {
            seed = seed * 1103515245 + 12345;
            sql[size] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
        }
        size = (seed >> 8) % sizeof(sql);
        CHECK(strlen(shape_of(sql, size)) <= PYRO_SQL_SHAPE_MAX);
    }
    size_t large = 1 << 20;
    char *sql = malloc(large);
    memset(sql, 'a', large);
    CHECK_EQ(pyro_sql_shape(sql, large, shape), PYRO_SQL_SHAPE_MAX);
    memset(sql, '(', large);
    CHECK_EQ(pyro_sql_shape(sql, large, shape), PYRO_SQL_SHAPE_MAX);
    free(sql);
}

static void verbs(void)
{
    CHECK_EQ(pyro_sql_verb("SELECT a"), PYRO_SQL_READ);
    CHECK_EQ(pyro_sql_verb("(select a) union (select b)"), PYRO_SQL_READ);
    CHECK_EQ(pyro_sql_verb("WITH x AS (SELECT ?) SELECT ?"), PYRO_SQL_READ);
    CHECK_EQ(pyro_sql_verb("insert INTO t"), PYRO_SQL_WRITE);
    CHECK_EQ(pyro_sql_verb("DELETE FROM t"), PYRO_SQL_WRITE);
    CHECK_EQ(pyro_sql_verb("SAVEPOINT ?"), PYRO_SQL_OTHER);
    CHECK_EQ(pyro_sql_verb("SELECTED"), PYRO_SQL_OTHER);
    CHECK_EQ(pyro_sql_verb(""), PYRO_SQL_OTHER);
}

int main(void)
{
    return CHECK_MAIN(TEST(values_and_placeholders), TEST(lists_and_rows_are_folded),
                      TEST(names_stay), TEST(no_value_is_kept), TEST(any_bytes_are_taken),
                      TEST(verbs));
}
