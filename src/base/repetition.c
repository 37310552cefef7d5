/* base/repetition.c - decided by numbers. */
#include "base/repetition.h"

#include "base/sql.h"

#define ALIKE_EACH \
    10 /* each set of parameters is used so often, on average: it is the same query again */

static bool is_same(const char *shape, const struct pyro_repeated *queries)
{
    return *shape && !queries->lazily && !queries->unknown &&
           queries->distinct * ALIKE_EACH <= queries->count;
}

enum pyro_repetition pyro_repetition(const char *shape, const struct pyro_repeated *queries)
{
    enum pyro_sql_verb verb = *shape ? pyro_sql_verb(shape) : PYRO_SQL_READ;
    if (queries->count < PYRO_REPETITION_MIN || queries->many || verb == PYRO_SQL_OTHER)
        return PYRO_REPETITION_NONE;
    if (verb == PYRO_SQL_WRITE)
        return PYRO_REPETITION_WRITES;
    return is_same(shape, queries) ? PYRO_REPETITION_SAME : PYRO_REPETITION_N_PLUS_ONE;
}
