/* explain/explain.c - one question to a database, by a child that can do no harm. */
#include "explain/explain.h"

#include "base/clock.h"
#include "explain/internal.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATEMENT_MAX (2 * 8192)
#define MEMORY_BYTES  ((rlim_t)1 << 30)
#define MESSAGE_BYTES 200
#define FAILED_STATUS 1

static const struct pyro_database *const databases[] = {&pyro_database_sqlite,
                                                        &pyro_database_postgresql};

/* -- libraries ---------------------------------------------------------------------------------- */

bool pyro_explain_load(void **library, const char *file, FILE *out)
{
    *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!*library)
        fprintf(out, "%s is not installed: %s", file, dlerror());
    return *library != NULL;
}

bool pyro_explain_symbol(void *library, const char *name, void *function, FILE *out)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof(symbol));
    if (!symbol)
        fprintf(out, "the library has no %s", name);
    return symbol != NULL;
}

/* -- which database ----------------------------------------------------------------------------- */

static const char *prefix_of(const struct pyro_database *database, const char *text)
{
    for (const char *const *prefix = database->prefixes; *prefix; prefix++)
        if (strncmp(text, *prefix, strlen(*prefix)) == 0)
            return *prefix;
    return NULL;
}

const struct pyro_database *pyro_database_of(const char *text)
{
    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
        if (prefix_of(databases[i], text))
            return databases[i];
    return NULL;
}

static const char *where_of(const struct pyro_database *database, const char *text)
{
    return database->url ? text : text + strlen(prefix_of(database, text));
}

/* -- the child ---------------------------------------------------------------------------------- */

static void limit(int what, rlim_t value)
{
    setrlimit(what, &(struct rlimit){value, value});
}

/* It must not outlive us, write a file, or take more than it is given. */
static void confine(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, MEMORY_BYTES);
    limit(RLIMIT_CPU, PYRO_EXPLAIN_SECONDS);
    for (int fd = 0; nowhere >= 0 && fd < 3; fd++)
        dup2(nowhere, fd);
}

static _Noreturn void run_child(const struct pyro_database *database, const char *where,
                                const char *statement, unsigned count, int fd)
{
    confine();
    FILE *out = fdopen(fd, "w");
    int code = out ? database->ask(where, statement, count, out) : -1;
    if (out)
        fflush(out);
    _exit(code == 0 ? 0 : FAILED_STATUS);
}

/* -- the parent --------------------------------------------------------------------------------- */

/* What comes from FD until its end, terminated: 0, or -ETIMEDOUT, -EMSGSIZE. */
static int read_all(int fd, char *text, size_t size)
{
    uint64_t end_ns = pyro_clock_ns() + PYRO_EXPLAIN_SECONDS * PYRO_NS_PER_S;
    size_t used = 0;
    for (;;) {
        uint64_t now_ns = pyro_clock_ns();
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        if (now_ns >= end_ns)
            return -ETIMEDOUT;
        int ready = poll(&wanted, 1, (int)((end_ns - now_ns) / PYRO_NS_PER_MS) + 1);
        if (ready <= 0)
            continue;
        ssize_t got = read(fd, text + used, size - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        used += got > 0 ? (size_t)got : 0;
        text[used] = '\0';
        if (got <= 0)
            return got < 0 ? -errno : 0;
        if (used + 1 == size)
            return -EMSGSIZE;
    }
}

/* The first line of what the database said, fit to be shown. */
static int complain(char *text, const char *where, struct pyro_error *error)
{
    text[strcspn(text, "\r\n")] = '\0';
    for (char *at = text; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = '?';
    return pyro_error_set(error, -EIO, "cannot explain a query: %.*s", MESSAGE_BYTES,
                          *text ? text : "the database did not answer");
}

static int ask(const struct pyro_database *database, const char *text, const char *statement,
               unsigned count, struct pyro_plan *plan, struct pyro_error *error)
{
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pyro_error_set(error, -errno, "cannot explain a query: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        run_child(database, where_of(database, text), statement, count, ends[1]);
    close(ends[1]);
    int code = child < 0 ? -errno : read_all(ends[0], plan->text, sizeof(plan->text));
    close(ends[0]);
    if (child > 0 && code < 0)
        kill(child, SIGKILL);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (code == -ETIMEDOUT)
        return pyro_error_set(error, code, "cannot explain a query: no answer in %d s",
                              PYRO_EXPLAIN_SECONDS);
    if (code < 0)
        return pyro_error_set(error, code, "cannot explain a query: %s", strerror(-code));
    return status == 0 ? 0 : complain(plan->text, text, error);
}

/* The lines of a plan are from the outermost step in. */
static void find_scan(const struct pyro_database *database, struct pyro_plan *plan)
{
    plan->scan[0] = '\0';
    for (const char *line = plan->text; *line;) {
        size_t length = strcspn(line, "\n");
        char step[sizeof(plan->scan)];
        const char *begin = line + strspn(line, " ->");
        snprintf(step, sizeof(step), "%.*s", (int)(length - (size_t)(begin - line)), begin);
        if (database->is_scan(step))
            memcpy(plan->scan, step, sizeof(step));
        line += length + (line[length] == '\n');
    }
}

int pyro_explain(const char *text, const char *shape, struct pyro_plan *ret_plan,
                 struct pyro_error *error)
{
    const struct pyro_database *database = pyro_database_of(text);
    char statement[STATEMENT_MAX];
    unsigned count;
    if (!database)
        return pyro_error_set(error, -EINVAL, "'%s' is no database", text);
    int code =
        pyro_explain_statement(shape, database->numbered, statement, sizeof(statement), &count);
    if (code < 0)
        return pyro_error_set(
            error, code, "only a single query that reads, whose text is complete, is explained");
    code = ask(database, text, statement, count, ret_plan, error);
    if (code == 0)
        find_scan(database, ret_plan);
    return code;
}

/* -- findings ----------------------------------------------------------------------------------- */

static const char *shape_of(const struct pyro_finding *finding)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].key, "shape") == 0)
            return finding->evidence[i].text;
    return NULL;
}

int pyro_explain_findings(struct pyro_findings *findings, const char *text,
                          void (*tell)(const struct pyro_error *error))
{
    int result = 0;
    bool answers = true;
    for (size_t i = 0; result == 0 && answers && i < findings->count; i++) {
        const char *shape = shape_of(&findings->items[i]);
        struct pyro_plan plan;
        struct pyro_error error = {0};
        int code = shape ? pyro_explain(text, shape, &plan, &error) : -EINVAL;
        if (code == 0)
            result = pyro_finding_take_plan(findings, i, plan.text, plan.scan);
        else if (shape)
            tell(&error);
        answers = code != -ETIMEDOUT;
    }
    pyro_findings_sort(findings);
    return result;
}
