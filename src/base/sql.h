/* base/sql.h - the shape of a statement of SQL: what stays when its values are taken out.
 *
 * One statement with other values has the same shape, so shapes can be counted; and a shape holds no value, so it may be
 * stored. Nothing here knows a dialect: where two dialects read a text differently, the reading that shows less is taken. */
#ifndef PYRO_BASE_SQL_H
#define PYRO_BASE_SQL_H

#include <stddef.h>

#define PYRO_SQL_SHAPE_MAX 8192 /* bytes; what is longer is cut */

/* Write the shape of SIZE bytes of SQL to OUT, PYRO_SQL_SHAPE_MAX bytes, and return its size; it is not terminated.
 *
 * Comments are left out, white space is one blank, values and placeholders are "?", lists of them "?, ...", rows of such
 * lists one row, the names of savepoints "?". What stands in double quotes is kept where it must be a name. From a quote
 * behind a backslash on, which dialects read differently, all is "?". Allocates nothing. */
size_t pyro_sql_shape(const char *sql, size_t size, char *out);

enum pyro_sql_verb {
    PYRO_SQL_OTHER, /* BEGIN, SAVEPOINT, SET, ... and what is no SQL */
    PYRO_SQL_READ,  /* SELECT, also behind WITH */
    PYRO_SQL_WRITE, /* INSERT, UPDATE, DELETE, REPLACE, MERGE */
};
enum pyro_sql_verb pyro_sql_verb(const char *shape);

#endif
