/* profile/clock.c - what counts as running, waiting and parked.
 *
 * All knowledge about libraries is in the three tables below: which loops wait for work, through which helpers they
 * wait, and whose files are a database driver's. Functions are looked up in them once, then each stack once. */
#include "profile/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- the tables --------------------------------------------------------------------------------- */

struct known_function {
    const char *file;      /* the end of the path, from a folder or file name on */
    const char *functions; /* space-separated, without class names */
};

/* Loops of workers that wait for something to do. */
static const struct known_function worker_loops[] = {
    {"concurrent/futures/thread.py", "_worker"},
    {"concurrent/futures/process.py",
     "_process_worker wait_result_broken_or_wakeup _queue_management_worker"},
    {"multiprocessing/pool.py",
     "worker _handle_workers _wait_for_updates _handle_tasks _handle_results"},
    {"multiprocessing/queues.py", "_feed"},
    {"multiprocessing/managers.py", "serve_forever accepter"},
    {"multiprocessing/forkserver.py", "main"},
    {"multiprocessing/resource_tracker.py", "main"},
    {"multiprocessing/resource_sharer.py", "_serve"},
    {"loky/process_executor.py", "_process_worker wait_result_broken_or_wakeup"},
    {"billiard/pool.py", "wait_for_job workloop"},
    {"socketserver.py", "serve_forever"},
    {"logging/handlers.py", "dequeue _monitor"},
    {"gunicorn/arbiter.py", "sleep"},
    {"gunicorn/workers/sync.py", "wait run_for_one run_for_multiple accept"},
    {"gunicorn/workers/gthread.py", "run wait_for_and_dispatch_events"},
    {"waitress/task.py", "handler_thread"},
    {"waitress/wasyncore.py", "poll poll2"},
    {"cheroot/workers/threadpool.py", "run"},
    {"tqdm/_monitor.py", "run"},
    {"sentry_sdk/worker.py", "_target"},
};

/* Functions that only wait, on behalf of their caller. */
static const struct known_function waiting_helpers[] = {
    {"threading.py", "wait wait_for acquire __enter__"},
    {"queue.py", "get"},
    {"selectors.py", "select"},
    {"socket.py", "accept"},
    {"multiprocessing/queues.py", "get"},
    {"multiprocessing/synchronize.py", "acquire __enter__ wait"},
    {"multiprocessing/connection.py", "recv recv_bytes _recv_bytes _recv wait poll _poll accept"},
};

/* Folders and modules of database drivers, as they stand in a folder of packages or in the standard library. */
static const char *const database_packages[] = {
    "sqlite3/",
    "psycopg/",
    "psycopg2/",
    "pymysql/",
    "MySQLdb/",
    "mysql/connector/",
    "mariadb/",
    "asyncpg/",
    "aiopg/",
    "aiomysql/",
    "aiosqlite/",
    "pg8000/",
    "pymongo/",
    "motor/",
    "redis/",
    "aioredis/",
    "pymemcache/",
    "memcache.py",
    "pylibmc/",
    "cassandra/",
    "cx_Oracle",
    "oracledb/",
    "pyodbc",
    "pymssql",
    "pytds/",
    "clickhouse_driver/",
    "clickhouse_connect/",
    "duckdb/",
    "snowflake/connector/",
    "neo4j/",
    "peewee.py",
    "django/db/backends/",
    "sqlalchemy/engine/",
    "sqlalchemy/dialects/",
};

/* The same of pools of connections to them: who waits there waits for another thread to give one back. */
static const char *const pool_packages[] = {
    "sqlalchemy/pool/", "psycopg_pool/",
    "psycopg2/pool.py", "asyncpg/pool.py",
    "aiopg/pool.py",    "aiomysql/pool.py",
    "oracledb/pool.py", "pymongo/pool.py",
    "dbutils/",         "mysql/connector/pooling.py",
};

/* PostgreSQL, MySQL, Redis, MongoDB, SQL Server, Oracle, Cassandra, memcached. */
static const unsigned database_ports[] = {5432, 3306, 6379, 27017, 1433, 1521, 9042, 11211};

/* In the path of a local socket. */
static const char *const database_sockets[] = {".s.PGSQL.", "mysql", "redis", "mongodb-"};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* -- functions ---------------------------------------------------------------------------------- */

enum {
    FUNCTION_WORKER = 1 << 0,
    FUNCTION_HELPER = 1 << 1,
    FUNCTION_DATABASE = 1 << 2,
    FUNCTION_POOL = 1 << 3,
    FUNCTION_SILENT = 1 << 4, /* a C function: what counts is who called it */
};

static bool path_ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);
    if (length < end_length || strcmp(path + length - end_length, end) != 0)
        return false;
    return length == end_length || path[length - end_length - 1] == '/';
}

/* NAME, a qualified name, is one of the space-separated WORDS but for its class. */
static bool name_is_one_of(const char *name, const char *words)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot ? dot + 1 : name;
    size_t length = strlen(last);
    for (const char *word = words; length > 0 && (word = strstr(word, last)); word += length) {
        bool starts = word == words || word[-1] == ' ';
        if (starts && (word[length] == ' ' || word[length] == '\0'))
            return true;
    }
    return false;
}

static bool is_known(const struct known_function *table, size_t count, const char *file,
                     const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (name_is_one_of(name, table[i].functions) && path_ends_with(file, table[i].file))
            return true;
    }
    return false;
}

/* A folder that holds installed packages or the standard library. */
static bool holds_packages(const char *folder, size_t length)
{
    static const char site[] = "-packages", library[] = "python3";
    size_t site_length = sizeof(site) - 1, library_length = sizeof(library) - 1;
    if (length >= site_length && memcmp(folder + length - site_length, site, site_length) == 0)
        return true;
    return length >= library_length && memcmp(folder, library, library_length) == 0;
}

static bool is_in_packages(const char *file, const char *const *packages, size_t count)
{
    const char *folder = file;
    for (const char *slash = strchr(file, '/'); slash; slash = strchr(folder, '/')) {
        if (holds_packages(folder, (size_t)(slash - folder))) {
            for (size_t i = 0; i < count; i++) {
                if (strncmp(slash + 1, packages[i], strlen(packages[i])) == 0)
                    return true;
            }
        }
        folder = slash + 1;
    }
    return false;
}

static uint8_t classify_function(const struct pyro_profile *profile,
                                 const struct pyro_function *function)
{
    const char *name = pyro_profile_text(profile, function->name);
    const char *file = pyro_profile_text(profile, function->file);
    if (function->kind == PYRO_FUNCTION_C)
        return strstr(name, "sqlite3.") ? FUNCTION_SILENT | FUNCTION_DATABASE : FUNCTION_SILENT;
    if (function->kind == PYRO_FUNCTION_SPECIAL)
        return 0;
    uint8_t class = 0;
    if (is_known(worker_loops, COUNT_OF(worker_loops), file, name))
        class |= FUNCTION_WORKER;
    if (is_known(waiting_helpers, COUNT_OF(waiting_helpers), file, name))
        class |= FUNCTION_HELPER;
    if (is_in_packages(file, pool_packages, COUNT_OF(pool_packages)))
        class |= FUNCTION_POOL;
    else if (is_in_packages(file, database_packages, COUNT_OF(database_packages)))
        class |= FUNCTION_DATABASE;
    return class;
}

/* -- stacks ------------------------------------------------------------------------------------- */

#define HELPERS_MAX     10 /* frames between an idle worker's loop and the top */
#define DATABASE_FRAMES 8  /* at the top: a driver further down has called back into the program */

static uint8_t class_of_stack(const struct pyro_profile *profile, const uint8_t *classes,
                              uint32_t stack)
{
    return classes[profile->frames[profile->stacks[stack].frame].function];
}

/* The top frame is a worker's loop, or waits on behalf of one. */
static bool is_parked(const struct pyro_profile *profile, const uint8_t *classes, uint32_t stack)
{
    for (int i = 0; i < HELPERS_MAX && stack != PYRO_STACK_ROOT; i++) {
        uint8_t class = class_of_stack(profile, classes, stack);
        if (class & FUNCTION_WORKER)
            return true;
        if (!(class & (FUNCTION_HELPER | FUNCTION_SILENT)))
            return false;
        stack = profile->stacks[stack].parent;
    }
    return false;
}

/* A pool that connects, or asks a connection whether it is alive, has the driver's frames above its own. */
static uint8_t database_or_pool(const struct pyro_profile *profile, const uint8_t *classes,
                                uint32_t stack)
{
    for (int i = 0; i < DATABASE_FRAMES && stack != PYRO_STACK_ROOT; i++) {
        uint8_t class = class_of_stack(profile, classes, stack);
        if (class & (FUNCTION_DATABASE | FUNCTION_POOL))
            return class & FUNCTION_POOL ? PYRO_CLOCK_STACK_POOL : PYRO_CLOCK_STACK_DATABASE;
        stack = profile->stacks[stack].parent;
    }
    return 0;
}

static bool any_sample_holds_gil(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->samples.count; i++) {
        if (pyro_sample_flags(profile, i) & PYRO_SAMPLE_GIL)
            return true;
    }
    return false;
}

int pyro_clock_view_init(struct pyro_clock_view *view, const struct pyro_profile *profile,
                         enum pyro_clock clock, bool idle)
{
    *view = (struct pyro_clock_view){.profile = profile, .clock = clock, .idle = idle};
    uint8_t *classes = malloc(profile->function_count + 1);
    view->parked_stacks = calloc(profile->stack_count + 1, 1);
    if (!classes || !view->parked_stacks) {
        free(classes);
        pyro_clock_view_clear(view);
        return -ENOMEM;
    }
    for (size_t i = 0; i < profile->function_count; i++)
        classes[i] = classify_function(profile, &profile->functions[i]);
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        if (is_parked(profile, classes, i))
            view->parked_stacks[i] |= PYRO_CLOCK_STACK_PARKED;
        view->parked_stacks[i] |= database_or_pool(profile, classes, i);
    }
    view->has_gil = any_sample_holds_gil(profile);
    free(classes);
    return 0;
}

void pyro_clock_view_clear(struct pyro_clock_view *view)
{
    free(view->parked_stacks);
    *view = (struct pyro_clock_view){0};
}

/* -- samples ------------------------------------------------------------------------------------ */

int pyro_clock_by_name(const char *name, enum pyro_clock *ret_clock)
{
    static const char *const names[] = {
        [PYRO_CLOCK_WALL] = "wall",
        [PYRO_CLOCK_CPU] = "cpu",
        [PYRO_CLOCK_GIL] = "gil",
        [PYRO_CLOCK_WAIT] = "wait",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_clock = (enum pyro_clock)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool parked(const struct pyro_clock_view *view, uint32_t stack,
                   const struct pyro_sample_kind *kind)
{
    return kind->state == PYRO_STATE_WAITING &&
           view->parked_stacks[stack] & PYRO_CLOCK_STACK_PARKED;
}

bool pyro_clock_parked(const struct pyro_clock_view *view, size_t sample)
{
    return parked(view, pyro_sample_stack(view->profile, sample),
                  pyro_sample_kind(view->profile, sample));
}

/* The peer of a socket, as in "recv 127.0.0.1:5432" or "recv /run/mysqld/mysqld.sock". */
static bool names_database(const char *text)
{
    for (size_t i = 0; strchr(text, '/') && i < COUNT_OF(database_sockets); i++) {
        if (strstr(text, database_sockets[i]))
            return true;
    }
    const char *colon = strrchr(text, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    for (size_t i = 0; i < COUNT_OF(database_ports); i++) {
        if (port == database_ports[i])
            return true;
    }
    return false;
}

static const char *category_of_wait(const struct pyro_profile *profile, uint32_t wait)
{
    static const char *const categories[][2] = {
        {"socket", "network"}, {"poll", "network"}, {"file", "file"},   {"pipe", "pipe"},
        {"lock", "lock"},      {"sleep", "sleep"},  {"child", "child"},
    };
    if (wait >= profile->wait_count)
        return "other";
    const char *kind = pyro_profile_text(profile, profile->waits[wait].kind);
    if (strcmp(kind, "socket") == 0 &&
        names_database(pyro_profile_text(profile, profile->waits[wait].text)))
        return "database";
    for (size_t i = 0; i < COUNT_OF(categories); i++) {
        if (strcmp(kind, categories[i][0]) == 0)
            return categories[i][1];
    }
    return "other";
}

static const char *wait_category(const struct pyro_clock_view *view, uint32_t stack,
                                 const struct pyro_sample_kind *kind)
{
    bool database = view->parked_stacks[stack] & PYRO_CLOCK_STACK_DATABASE;
    bool pool = view->parked_stacks[stack] & PYRO_CLOCK_STACK_POOL;
    switch ((enum pyro_state)kind->state) {
    case PYRO_STATE_GIL_WAIT:
        return "gil";
    case PYRO_STATE_WAITING:
        return pool ? "pool" : database ? "database" : category_of_wait(view->profile, kind->wait);
    default:
        return database && view->has_gil && !(kind->flags & PYRO_SAMPLE_GIL) ? "database" : "";
    }
}

const char *pyro_clock_wait_category(const struct pyro_clock_view *view, size_t sample)
{
    return wait_category(view, pyro_sample_stack(view->profile, sample),
                         pyro_sample_kind(view->profile, sample));
}

static bool counts(const struct pyro_clock_view *view, uint32_t stack,
                   const struct pyro_sample_kind *kind)
{
    if (!view->idle && parked(view, stack, kind))
        return false;
    switch (view->clock) {
    case PYRO_CLOCK_WALL:
        return true;
    case PYRO_CLOCK_CPU:
        return kind->state == PYRO_STATE_RUNNING;
    case PYRO_CLOCK_GIL:
        return kind->flags & PYRO_SAMPLE_GIL;
    case PYRO_CLOCK_WAIT:
        return wait_category(view, stack, kind)[0] != '\0';
    }
    return false;
}

bool pyro_clock_counts(const struct pyro_clock_view *view, size_t sample)
{
    return counts(view, pyro_sample_stack(view->profile, sample),
                  pyro_sample_kind(view->profile, sample));
}

bool pyro_clock_parked_sum(const struct pyro_clock_view *view, const struct pyro_sample_sum *sum)
{
    return parked(view, sum->stack, &view->profile->samples.kinds[sum->kind]);
}

const char *pyro_clock_wait_category_sum(const struct pyro_clock_view *view,
                                         const struct pyro_sample_sum *sum)
{
    return wait_category(view, sum->stack, &view->profile->samples.kinds[sum->kind]);
}

bool pyro_clock_counts_sum(const struct pyro_clock_view *view, const struct pyro_sample_sum *sum)
{
    return counts(view, sum->stack, &view->profile->samples.kinds[sum->kind]);
}
