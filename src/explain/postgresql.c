/* explain/postgresql.c - EXPLAIN of PostgreSQL 12 and later, by the libpq that is installed.
 *
 * The statement is prepared, which a server does with a single statement only, and the plan asked for is the generic one, which does
 * not depend on values. */
#include "explain/internal.h"

#include "base/buffer.h"

#include <string.h>

/* Of libpq-fe.h, whose numbers never change. */
enum { CONNECTION_OK = 0, COMMAND_OK = 1, TUPLES_OK = 2 };

#define OLDEST 120000 /* knows plan_cache_mode */

struct libpq {
    void *(*connect)(const char *const *, const char *const *, int);
    int (*status)(void *);
    int (*version)(void *);
    char *(*error)(void *);
    void *(*exec)(void *, const char *);
    void *(*prepare)(void *, const char *, const char *, int, const unsigned *);
    int (*result)(void *);
    int (*rows)(void *);
    char *(*value)(void *, int, int);
};

static bool load(struct libpq *libpq, FILE *out)
{
    void *library;
    return pyro_explain_load(&library, "libpq.so.5", out) &&
           pyro_explain_symbol(library, "PQconnectdbParams", &libpq->connect, out) &&
           pyro_explain_symbol(library, "PQstatus", &libpq->status, out) &&
           pyro_explain_symbol(library, "PQserverVersion", &libpq->version, out) &&
           pyro_explain_symbol(library, "PQerrorMessage", &libpq->error, out) &&
           pyro_explain_symbol(library, "PQexec", &libpq->exec, out) &&
           pyro_explain_symbol(library, "PQprepare", &libpq->prepare, out) &&
           pyro_explain_symbol(library, "PQresultStatus", &libpq->result, out) &&
           pyro_explain_symbol(library, "PQntuples", &libpq->rows, out) &&
           pyro_explain_symbol(library, "PQgetvalue", &libpq->value, out);
}

static void *connect_to(const struct libpq *libpq, const char *where)
{
    const char *const names[] = {"dbname", "connect_timeout", "application_name", NULL};
    const char *const values[] = {where, "3", "pyrometer", NULL};
    return libpq->connect(names, values, 1); /* 1: dbname is all of a URL */
}

static int complain(const struct libpq *libpq, void *connection, FILE *out)
{
    fputs(libpq->error(connection), out);
    return -1;
}

/* Prepare STATEMENT where nothing can be written, and nothing takes long. */
static int prepare(const struct libpq *libpq, void *connection, const char *statement, FILE *out)
{
    static const char settings[] =
        "SET default_transaction_read_only = on; SET statement_timeout = 3000; "
        "SET plan_cache_mode = force_generic_plan";
    void *set = libpq->exec(connection, settings);
    if (libpq->result(set) != COMMAND_OK)
        return complain(libpq, connection, out);
    void *prepared = libpq->prepare(connection, "explained", statement, 0, NULL);
    return libpq->result(prepared) == COMMAND_OK ? 0 : complain(libpq, connection, out);
}

/* "EXPLAIN EXECUTE name (NULL, NULL)": the plan, of which nothing is run. */
static int print_plan(const struct libpq *libpq, void *connection, unsigned count, FILE *out)
{
    struct pyro_buffer text = {0};
    pyro_buffer_puts(&text, "EXPLAIN (COSTS OFF) EXECUTE explained");
    for (unsigned i = 0; i < count; i++)
        pyro_buffer_puts(&text, i == 0 ? "(NULL" : ", NULL");
    pyro_buffer_puts(&text, count ? ")" : "");
    pyro_buffer_put_u8(&text, '\0');
    if (text.failed)
        return -1;
    void *plan = libpq->exec(connection, (const char *)text.data);
    if (libpq->result(plan) != TUPLES_OK)
        return complain(libpq, connection, out);
    for (int row = 0; row < libpq->rows(plan); row++)
        fprintf(out, "%s\n", libpq->value(plan, row, 0));
    return 0;
}

/* The child ends with it: nothing is closed or freed. */
static int ask(const char *where, const char *statement, unsigned count, FILE *out)
{
    struct libpq libpq;
    if (!load(&libpq, out))
        return -1;
    void *connection = connect_to(&libpq, where);
    if (!connection || libpq.status(connection) != CONNECTION_OK)
        return connection ? complain(&libpq, connection, out) : -1;
    if (libpq.version(connection) < OLDEST) {
        fputs("the server is older than PostgreSQL 12: it has no plan without values", out);
        return -1;
    }
    int code = prepare(&libpq, connection, statement, out);
    return code == 0 ? print_plan(&libpq, connection, count, out) : code;
}

/* "Seq Scan on review", "Parallel Seq Scan on review r". */
static bool is_scan(const char *step)
{
    return strstr(step, "Seq Scan on ") != NULL;
}

const struct pyro_database pyro_database_postgresql = {
    .prefixes = {"postgresql:", "postgres:"},
    .numbered = true,
    .url = true,
    .ask = ask,
    .is_scan = is_scan,
};
