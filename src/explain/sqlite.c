/* explain/sqlite.c - EXPLAIN QUERY PLAN of SQLite, by the library that is installed.
 *
 * The file is opened as immutable, so that no lock of ours ever makes a writer wait; only where it has a write-ahead log, whose
 * pages would be missed, it is opened as a reader does. */
#include "explain/internal.h"

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of sqlite3.h, whose numbers never change (https://sqlite.org/c3ref/intro.html). */
enum {
    OK = 0,
    ROW = 100,
    DONE = 101,
    OPEN_READONLY = 0x1,
    OPEN_URI = 0x40,
    DBCONFIG_DEFENSIVE = 1010,
    DBCONFIG_TRUSTED_SCHEMA = 1017,
    DENY = 1,
    ACTION_READ = 20,
    ACTION_SELECT = 21,
    ACTION_FUNCTION = 31,
    ACTION_RECURSIVE = 33,
    DETAIL_COLUMN = 3, /* of a row of EXPLAIN QUERY PLAN */
};

struct sqlite {
    int (*open)(const char *, void **, int, const char *);
    int (*config)(void *, int, ...);
    int (*authorize)(void *,
                     int (*)(void *, int, const char *, const char *, const char *, const char *),
                     void *);
    int (*prepare)(void *, const char *, int, void **, const char **);
    int (*step)(void *);
    const unsigned char *(*text)(void *, int);
    const char *(*error)(void *);
};

static bool load(struct sqlite *sqlite, FILE *out)
{
    void *library;
    return pyro_explain_load(&library, "libsqlite3.so.0", out) &&
           pyro_explain_symbol(library, "sqlite3_open_v2", &sqlite->open, out) &&
           pyro_explain_symbol(library, "sqlite3_db_config", &sqlite->config, out) &&
           pyro_explain_symbol(library, "sqlite3_set_authorizer", &sqlite->authorize, out) &&
           pyro_explain_symbol(library, "sqlite3_prepare_v2", &sqlite->prepare, out) &&
           pyro_explain_symbol(library, "sqlite3_step", &sqlite->step, out) &&
           pyro_explain_symbol(library, "sqlite3_column_text", &sqlite->text, out) &&
           pyro_explain_symbol(library, "sqlite3_errmsg", &sqlite->error, out);
}

/* A statement may read, and nothing else: PRAGMA and ATTACH act when they are prepared already. */
static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    bool reads = action == ACTION_READ || action == ACTION_SELECT || action == ACTION_FUNCTION ||
                 action == ACTION_RECURSIVE;
    return reads ? OK : DENY;
}

static bool has_log(const char *path)
{
    char *log;
    struct stat status;
    if (asprintf(&log, "%s-wal", path) < 0)
        return true;
    bool has = stat(log, &status) == 0 && status.st_size > 0;
    free(log);
    return has;
}

/* "file:PATH?mode=ro", with what means something in a URI escaped; the caller frees it. */
static struct pyro_buffer uri_of(const char *path)
{
    struct pyro_buffer uri = {0};
    pyro_buffer_puts(&uri, "file:");
    for (const char *at = path; *at; at++)
        pyro_buffer_printf(&uri, strchr("%?#", *at) ? "%%%02x" : "%c", (unsigned char)*at);
    pyro_buffer_puts(&uri, has_log(path) ? "?mode=ro" : "?mode=ro&immutable=1");
    pyro_buffer_put_u8(&uri, '\0');
    return uri;
}

static int print_steps(const struct sqlite *sqlite, void *database, void *query, FILE *out)
{
    int code;
    while ((code = sqlite->step(query)) == ROW) {
        const unsigned char *detail = sqlite->text(query, DETAIL_COLUMN);
        fprintf(out, "%s\n", detail ? (const char *)detail : "");
    }
    if (code == DONE)
        return 0;
    fputs(sqlite->error(database), out);
    return -1;
}

static int explain(const struct sqlite *sqlite, void *database, const char *statement, FILE *out)
{
    void *query = NULL;
    const char *rest = "";
    struct pyro_buffer text = {0};
    pyro_buffer_printf(&text, "EXPLAIN QUERY PLAN %s", statement);
    pyro_buffer_put_u8(&text, '\0');
    if (text.failed ||
        sqlite->prepare(database, (const char *)text.data, -1, &query, &rest) != OK || !query) {
        fputs(text.failed ? "no memory" : sqlite->error(database), out);
        return -1;
    }
    if (*rest) {
        fputs("there is more than one statement", out);
        return -1;
    }
    return print_steps(sqlite, database, query, out);
}

/* The child ends with it: nothing is closed or freed. */
static int ask(const char *path, const char *statement, unsigned count, FILE *out)
{
    struct sqlite sqlite;
    void *database = NULL;
    struct pyro_buffer uri = uri_of(path);
    if (!load(&sqlite, out))
        return -1;
    if (uri.failed ||
        sqlite.open((const char *)uri.data, &database, OPEN_READONLY | OPEN_URI, NULL) != OK) {
        fprintf(out, "%s: %s", path, database ? sqlite.error(database) : "no memory");
        return -1;
    }
    sqlite.config(database, DBCONFIG_DEFENSIVE, 1, NULL); /* from 3.26 on */
    sqlite.config(database, DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite.authorize(database, authorize, NULL);
    return explain(&sqlite, database, statement, out);
}

/* "SCAN review", "SCAN TABLE review" before 3.36. An index made for the one query is made of all rows. */
static bool is_scan(const char *step)
{
    if (strstr(step, " USING AUTOMATIC "))
        return true;
    return strncmp(step, "SCAN ", 5) == 0 && !strstr(step, " USING ") && step[5] != '(' &&
           !strstr(step, "CONSTANT ROW") && !strstr(step, "VIRTUAL TABLE") &&
           !strstr(step, "SUBQUERY");
}

const struct pyro_database pyro_database_sqlite = {
    .prefixes = {"sqlite:"},
    .ask = ask,
    .is_scan = is_scan,
};
