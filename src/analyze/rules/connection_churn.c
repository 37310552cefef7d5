/* analyze/rules/connection_churn.c - a new connection for each request, where one could be kept open.
 *
 * The time is that of the functions that open connections (look up the name, connect, shake hands), by samples; how often, by exact
 * counts. A request that finds its connection open calls none of them: where they are called about as often as the program's line
 * calls its library, each request opens its own. */
#include "analyze/rule.h"

#include "base/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OPENED_MIN  10
#define OPENED_PART 0.5 /* for each call of the library, or oftener */
#define PEERS_MAX   2   /* more, and they may all be needed */
#define GAIN_LEAST  0.5 /* of the time: the rest may be due to something else */

struct opening {       /* by way of a call of the program's own */
    uint32_t function; /* the program's own */
    uint32_t callee;   /* what it calls; may be the opener */
    uint32_t opener;   /* the first function on the way that opens connections */
};
struct site { /* a function of the program's own */
    uint32_t function, callee, opener;
    uint64_t opened, calls;
    double time_us, squares_us2;
    bool tls;
    uint32_t line;
    double line_us;
    struct pyro_map peers;
    size_t peer_count;
};
struct look {
    struct pyro_rule_context *context;
    const struct pyro_profile *profile;
    uint8_t *kinds;  /* [function_count] */
    uint32_t *sites; /* [stack_count]; PYRO_NO_ID */
    struct site *items;
    size_t count, capacity;
};

/* -- functions that are known -------------------------------------------------------------------- */

enum { OPENS = 1 << 0, TLS = 1 << 1 };

/* C functions by the begin of their names; Python functions by the end of their path and their qualified name. */
static const struct opener {
    const char *file, *name;
    uint8_t kind;
} openers[] = {
    {NULL, "{method 'connect' of '_socket.socket'", OPENS},
    {NULL, "{method 'connect_ex' of '_socket.socket'", OPENS},
    {NULL, "{built-in method _socket.getaddrinfo}", OPENS},
    {NULL, "{method 'do_handshake' of '_ssl._SSLSocket'", OPENS | TLS},
    {NULL, "{method 'load_verify_locations' of '_ssl._SSLContext'", OPENS | TLS},
    {NULL, "{method 'set_default_verify_paths' of '_ssl._SSLContext'", OPENS | TLS},
    {NULL, "{built-in method _sqlite3.connect}", OPENS},
    {NULL, "{built-in method sqlite3.connect}", OPENS},
    {NULL, "{built-in method psycopg2._psycopg._connect}", OPENS},
    {"/socket.py", "create_connection", OPENS},
    {"/socket.py", "getaddrinfo", OPENS},
    {"/ssl.py", "create_default_context", OPENS | TLS},
    {"/ssl.py", "SSLContext.wrap_socket", OPENS | TLS},
    {"/ssl.py", "SSLSocket.connect", OPENS | TLS},
    {"/ssl.py", "SSLSocket.do_handshake", OPENS | TLS},
    {"/http/client.py", "HTTPConnection.connect", OPENS},
    {"/http/client.py", "HTTPSConnection.connect", OPENS | TLS},
    {"/urllib3/connection.py", "HTTPConnection.connect", OPENS},
    {"/urllib3/connection.py", "HTTPSConnection.connect", OPENS | TLS},
    {"/httpcore/_sync/connection.py", "HTTPConnection._connect", OPENS},
    {"/smtplib.py", "SMTP.connect", OPENS},
    {"/ftplib.py", "FTP.connect", OPENS},
    {"/sqlite3/dbapi2.py", "connect", OPENS},
    {"/psycopg/connection.py", "Connection.connect", OPENS},
    {"/psycopg2/__init__.py", "connect", OPENS},
    {"/pymysql/connections.py", "Connection.connect", OPENS},
    {"/MySQLdb/__init__.py", "Connect", OPENS},
    {"/redis/connection.py", "AbstractConnection.connect", OPENS},
    {"/sqlalchemy/engine/default.py", "DefaultDialect.connect", OPENS},
};

/* What to do instead, by a part of the path of what the program calls. */
static const struct {
    const char *path, *fix;
} fixes[] = {
    {"/requests/", "one requests.Session() for all requests, made once"},
    {"/httpx/", "one httpx.Client() for all requests, made once"},
    {"/urllib3/", "one urllib3.PoolManager() for all requests, made once"},
    {"/http/client.py",
     "keep the connection open, or a pooled session: requests.Session(), httpx.Client()"},
    {"/urllib/request.py",
     "a pooled session in place of urlopen(): requests.Session(), httpx.Client(), "
     "urllib3.PoolManager()"},
    {"/psycopg", "a pool (psycopg_pool.ConnectionPool), or one connection that is kept open"},
    {"/sqlalchemy/", "one Engine for all, made once: it has a pool"},
    {"/sqlite3/", "connect once and keep the connection"},
};

static const char *text(const struct look *look, uint32_t string)
{
    return pyro_profile_text(look->profile, string);
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);
    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

static uint8_t kind_of(const struct look *look, const struct pyro_function *function)
{
    const char *name = text(look, function->name), *file = text(look, function->file);
    bool is_c = function->kind == PYRO_FUNCTION_C;
    for (size_t i = 0; i < sizeof(openers) / sizeof(*openers); i++) {
        const struct opener *opener = &openers[i];
        if (is_c ? !opener->file && strncmp(name, opener->name, strlen(opener->name)) == 0
                 : opener->file && strcmp(name, opener->name) == 0 && ends_with(file, opener->file))
            return opener->kind;
    }
    return 0;
}

static const char *fix_of(const struct look *look, const struct site *site)
{
    const struct pyro_function *callee = &look->profile->functions[site->callee];
    const char *file = text(look, callee->file);
    if (strstr(text(look, callee->name), "sqlite3."))
        file = "/sqlite3/";
    for (size_t i = 0; i < sizeof(fixes) / sizeof(*fixes); i++)
        if (strstr(file, fixes[i].path))
            return fixes[i].fix;
    return "keep the connection open for the next request, or take one from a pool";
}

/* -- sites --------------------------------------------------------------------------------------- */

/* Below STACK's top, the nearest frame of the program's own; PYRO_STACK_ROOT: there is none, or nothing opens a connection above. */
static uint32_t find_opening(const struct look *look, uint32_t stack, struct opening *ret_opening,
                             bool *ret_tls)
{
    struct opening opening = {PYRO_NO_ID, PYRO_NO_ID, PYRO_NO_ID};
    bool tls = false;
    for (; stack != PYRO_STACK_ROOT; stack = look->profile->stacks[stack].parent) {
        uint32_t function = pyro_profile_function_of(look->profile, stack);
        if (!look->context->library[function]) {
            opening.function = function;
            break;
        }
        opening.callee = function;
        if (look->kinds[function])
            opening.opener = function;
        tls |= look->kinds[function] & TLS;
    }
    *ret_opening = opening;
    *ret_tls = tls;
    return opening.opener == PYRO_NO_ID ? PYRO_STACK_ROOT : stack;
}

static struct site *site_of(struct look *look, struct pyro_map *ids, uint32_t function)
{
    bool is_new;
    uint64_t *id = pyro_map_insert(ids, function, 0, &is_new);
    if (!id ||
        (is_new && pyro_grow(&look->items, look->count, &look->capacity, sizeof(*look->items)) < 0))
        return NULL;
    if (is_new) {
        *id = look->count;
        look->items[look->count++] =
            (struct site){.function = function, .callee = PYRO_NO_ID, .opener = PYRO_NO_ID};
    }
    return &look->items[*id];
}

/* The way by which most connections are opened stands for all: a name is looked up and hands are shaken for the same one. */
static void count_opened(const struct look *look, const struct opening *opening, struct site *site)
{
    uint64_t calls = pyro_loop_calls(look->context, opening->function, opening->callee);
    uint64_t opened =
        opening->opener == opening->callee ? calls : look->context->counted.ncalls[opening->opener];
    if (opened > calls)
        opened = calls;
    if (site->opener != PYRO_NO_ID && opened <= site->opened)
        return;
    site->callee = opening->callee;
    site->opener = opening->opener;
    site->opened = opened;
    site->calls = calls;
}

static int find_sites(struct look *look)
{
    struct pyro_map ids = {0}, lines = {0}; /* function -> site; function, line -> microseconds */
    int result = 0;
    look->sites[PYRO_STACK_ROOT] = PYRO_NO_ID;
    for (uint32_t i = 1; i < look->profile->stack_count && result == 0; i++) {
        const struct pyro_stack_total *total = &look->context->totals.stacks[i];
        struct opening opening;
        bool tls;
        look->sites[i] = PYRO_NO_ID;
        uint32_t own = total->self_us > 0 ? find_opening(look, i, &opening, &tls) : PYRO_STACK_ROOT;
        if (own == PYRO_STACK_ROOT)
            continue;
        uint32_t line = look->profile->frames[look->profile->stacks[own].frame].line;
        struct site *site = site_of(look, &ids, opening.function);
        uint64_t *line_us = pyro_map_insert(&lines, opening.function, line, NULL);
        if (!site || !line_us) {
            result = -ENOMEM;
            break;
        }
        look->sites[i] = (uint32_t)(site - look->items);
        count_opened(look, &opening, site);
        site->time_us += total->self_us;
        site->tls |= tls;
        *line_us += (uint64_t)total->self_us;
        if ((double)*line_us > site->line_us) {
            site->line_us = (double)*line_us;
            site->line = line;
        }
    }
    pyro_map_free(&ids);
    pyro_map_free(&lines);
    return result;
}

/* "10.0.0.7:443" of "recv 10.0.0.7:443"; NULL: no peer is named. */
static const char *peer_of(const struct look *look, size_t sample)
{
    uint32_t wait = pyro_sample_wait(look->profile, sample);
    if (wait >= look->profile->wait_count)
        return NULL;
    const char *space = strchr(text(look, look->profile->waits[wait].text), ' ');
    return space && strpbrk(space, ":/") ? space + 1 : NULL;
}

static int add_up_samples(struct look *look)
{
    for (size_t i = 0; i < look->profile->samples.count; i++) {
        uint32_t id = look->sites[pyro_sample_stack(look->profile, i)];
        if (id == PYRO_NO_ID)
            continue;
        struct site *site = &look->items[id];
        double weight_us = (double)pyro_sample_weight_us(look->profile, i);
        const char *peer = peer_of(look, i);
        bool is_new = false;
        site->squares_us2 += weight_us * weight_us;
        if (peer &&
            !pyro_map_insert(&site->peers, pyro_hash_bytes_here(peer, strlen(peer)), 0, &is_new))
            return -ENOMEM;
        site->peer_count += is_new;
    }
    return 0;
}

/* -- words --------------------------------------------------------------------------------------- */

static void set_gain(const struct look *look, const struct site *site, struct pyro_finding *finding)
{
    double part = 1 - 1 / (double)site->opened;
    double error_us =
        pyro_totals_error_us(site->time_us, site->squares_us2, look->context->totals.counted_us);
    double low_us = site->time_us - 2 * error_us;
    finding->gain_s = site->time_us * part / 1e6;
    finding->gain_low_s = low_us > 0 ? GAIN_LEAST * low_us * part / 1e6 : 0;
    finding->gain_high_s = (site->time_us + 2 * error_us) * part / 1e6;
}

static bool is_worth_it(const struct look *look, const struct site *site)
{
    struct pyro_finding gain = {0};
    if (site->opened < OPENED_MIN || (double)site->opened < OPENED_PART * (double)site->calls)
        return false;
    set_gain(look, site, &gain);
    return pyro_worth_it(look->context, gain.gain_s);
}

static int report(const struct look *look, const struct site *site)
{
    struct pyro_rule_context *context = look->context;
    struct pyro_finding *finding = pyro_finding_new(context, site->function, site->line);
    if (!finding)
        return -ENOMEM;
    const char *callee = text(look, look->profile->functions[site->callee].name);
    set_gain(look, site, finding);
    finding->confidence = PYRO_CONFIDENCE_HIGH;
    finding->title = pyro_finding_text(context, "%" PRIu64 " new %sconnections", site->opened,
                                       site->tls ? "TLS " : "");
    finding->why = pyro_finding_text(
        context, "%" PRIu64 " for %" PRIu64 " calls of %s; %.1f ms each to open one", site->opened,
        site->calls, callee, site->time_us / (double)site->opened / 1e3);
    finding->fix = fix_of(look, site);
    if (site->peer_count > PEERS_MAX) {
        finding->confidence = PYRO_CONFIDENCE_LOW;
        finding->doubt = pyro_finding_text(
            context, "they lead to %zu or more different places: each may be needed",
            site->peer_count);
    }
    pyro_finding_count(finding, "connections", site->opened);
    pyro_finding_count(finding, "calls", site->calls);
    pyro_finding_say(finding, "opened_by", text(look, look->profile->functions[site->opener].name));
    pyro_finding_seconds(finding, "time_s", site->time_us / 1e6);
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* -- the rule ------------------------------------------------------------------------------------ */

static int look_at_sites(struct look *look)
{
    for (size_t i = 0; i < look->profile->function_count; i++)
        look->kinds[i] = kind_of(look, &look->profile->functions[i]);
    int result = find_sites(look);
    if (result == 0)
        result = add_up_samples(look);
    for (size_t i = 0; i < look->count && result == 0; i++)
        if (is_worth_it(look, &look->items[i]))
            result = report(look, &look->items[i]);
    return result;
}

static int find(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct look look = {.context = context, .profile = profile};
    if (context->totals.traced || profile->timed)
        return 0;
    look.kinds = calloc(profile->function_count + 1, sizeof(*look.kinds));
    look.sites = calloc(profile->stack_count + 1, sizeof(*look.sites));
    int result = look.kinds && look.sites ? look_at_sites(&look) : -ENOMEM;
    for (size_t i = 0; i < look.count; i++)
        pyro_map_free(&look.items[i].peers);
    free(look.items);
    free(look.sites);
    free(look.kinds);
    return result;
}

const struct pyro_rule pyro_rule_connection_churn = {
    .name = "connection-churn",
    .tier = PYRO_TIER_WAITING,
    .needs = PYRO_NEED_CALLS | PYRO_NEED_SAMPLES,
    .mode = "run",
    .looks_for =
        "connections (TCP, TLS, to a database) that are opened for each request, ten or more",
    .evidence = "exact calls of connect(), do_handshake() and what opens connections in "
                "http.client, urllib3, psycopg, sqlite3 and "
                "others, beside those of the line's own call; the sampled time in them",
    .fix = "a pooled session (requests.Session, httpx.Client), a connection pool, a connection "
           "that is kept open",
    .gain = "the sampled time of opening them, less the first one; half of it at the least",
    .refuted_by =
        "the other side closes the connection after each answer, or each leads to another place",
    .blind_spots = "connections that asyncio opens (a suspended coroutine is on no stack); "
                   "libraries that connect in C, but "
                   "sqlite3 and psycopg2; what closing costs, and the server's part",
    .find = find,
};
