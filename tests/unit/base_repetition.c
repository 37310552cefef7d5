/* Which queries are too many, and of which kind. */
#include "base/repetition.h"

#include "check.h"

#define SELECT "SELECT a FROM t WHERE b = ?"

static enum pyro_repetition judged(const char *shape, struct pyro_repeated queries)
{
    return pyro_repetition(shape, &queries);
}

static void kinds(void)
{
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 10, .distinct = 10}),
             PYRO_REPETITION_N_PLUS_ONE);
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 10, .distinct = 1}),
             PYRO_REPETITION_SAME);
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 19, .distinct = 2}),
             PYRO_REPETITION_N_PLUS_ONE);
    CHECK_EQ(judged("UPDATE t SET a = ?", (struct pyro_repeated){.count = 10, .distinct = 1}),
             PYRO_REPETITION_WRITES);
}

/* What is not known is no reason to say that it is the same. */
static void parameters_that_are_not_known(void)
{
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 10, .distinct = 1, .unknown = 1}),
             PYRO_REPETITION_N_PLUS_ONE);
    CHECK_EQ(judged("", (struct pyro_repeated){.count = 10, .distinct = 1}),
             PYRO_REPETITION_N_PLUS_ONE);
}

/* One for each object, however few they refer to. */
static void what_is_loaded_lazily(void)
{
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 847, .distinct = 1, .lazily = true}),
             PYRO_REPETITION_N_PLUS_ONE);
}

static void what_is_none(void)
{
    CHECK_EQ(judged(SELECT, (struct pyro_repeated){.count = 9, .distinct = 9}),
             PYRO_REPETITION_NONE);
    CHECK_EQ(judged("INSERT INTO t VALUES (?)", (struct pyro_repeated){.count = 10, .many = true}),
             PYRO_REPETITION_NONE);
    CHECK_EQ(judged("SAVEPOINT ?", (struct pyro_repeated){.count = 10}), PYRO_REPETITION_NONE);
}

int main(void)
{
    return CHECK_MAIN(TEST(kinds), TEST(parameters_that_are_not_known), TEST(what_is_loaded_lazily),
                      TEST(what_is_none));
}
