/* explain/internal.h - what a database is to this folder. */
#ifndef PYRO_EXPLAIN_INTERNAL_H
#define PYRO_EXPLAIN_INTERNAL_H

#include "explain/explain.h"

#include <stdio.h>

#define PYRO_EXPLAIN_SECONDS 5

struct pyro_database {
    const char *prefixes[3]; /* of what names one; ends with NULL */
    bool numbered;           /* placeholders are $1, $2 ... */
    bool url;                /* the prefix is a part of WHERE below */
    /* Runs in a child. WHERE is what names it, STATEMENT has COUNT placeholders. Prints the steps to OUT, or, and then it returns
     * -1, why it cannot. */
    int (*ask)(const char *where, const char *statement, unsigned count, FILE *out);
    /* Does STEP, a line of a plan, read all of a table? */
    bool (*is_scan)(const char *step);
};
extern const struct pyro_database pyro_database_sqlite, pyro_database_postgresql;

/* A function of LIBRARY, both by name, into the pointer at FUNCTION. False: it is not there, and OUT says so. */
bool pyro_explain_load(void **library, const char *file, FILE *out);
bool pyro_explain_symbol(void *library, const char *name, void *function, FILE *out);

#endif
