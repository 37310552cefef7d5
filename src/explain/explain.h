/* explain/explain.h - ask a database how it would find the rows of queries, which are not run.
 *
 * Only where the user names the database. The text comes from a recording, the database from the user, and neither is trusted: only a
 * single statement that reads is explained, in a child process with limits of time and memory that cannot write files, over
 * a connection that only reads. docs/decisions/0025-explain.md tells why so.
 *
 * The libraries of the databases (libsqlite3, libpq) are loaded when they are wanted: Pyrometer does not depend on them. */
#ifndef PYRO_EXPLAIN_EXPLAIN_H
#define PYRO_EXPLAIN_EXPLAIN_H

#include "analyze/findings.h"
#include "base/error.h"

#define PYRO_PLAN_MAX 16384

struct pyro_database; /* which one: "sqlite:PATH", "postgresql://USER@HOST/NAME" */

/* NULL: it is neither. TEXT must outlive it. */
const struct pyro_database *pyro_database_of(const char *text);

struct pyro_plan {
    char text[PYRO_PLAN_MAX]; /* a line for each step, as the database says it */
    char scan[256];           /* the innermost step that reads all of a table; "": there is none */
};

/* How DATABASE, which TEXT names, would do a query of SHAPE (base/sql.h). -EINVAL: no such query is explained. -ETIMEDOUT,
 * -ENOSYS (no library), -EIO (the database said no): the message says it. */
int pyro_explain(const char *text, const char *shape, struct pyro_plan *ret_plan,
                 struct pyro_error *error);

/* Let plans speak for or against FINDINGS about queries. TELL is called with what could not be explained. 0 or -ENOMEM. */
int pyro_explain_findings(struct pyro_findings *findings, const char *text,
                          void (*tell)(const struct pyro_error *error));

/* -- parts, for tests --------------------------------------------------------------------------- */

/* The statement to be explained, placeholders as "?" or, if NUMBERED, as "$1"; *RET_COUNT of them. -EINVAL: SHAPE is no single query
 * that reads, or its text is not complete. -ENAMETOOLONG. */
int pyro_explain_statement(const char *shape, bool numbered, char *statement, size_t size,
                           unsigned *ret_count);

#endif
