/* analyze/rules/n_plus_one.c - one query for each row of another, where one would do for all.
 *
 * Queries are grouped by the line of the program's own that led to them and by their shape, whatever lies between them. Where no
 * library tells the text, the calls of the driver's execute() are followed up to the loop. */
#include "analyze/rule.h"

#include "base/repetition.h"
#include "base/sql.h"
#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SOLE_SHARE    0.8    /* of the time of all queries from there: the others do not count */
#define POLL_PAUSE_US 100000 /* longer pauses between queries are somebody's intent */
#define HOOKS         "/pyrometer/web/_queries.py" /* of libraries: they are senders, too */

/* What is left when it is done right: one larger query, rows to be made into objects. */
#define JOINED_LEFT_LIKELY 0.10
#define JOINED_LEFT_MOST   0.25
#define WRITE_LEFT_LIKELY  0.20
#define WRITE_LEFT_MOST    0.50
#define WRITE_LEFT_LEAST   0.05
#define CACHE_LEFT_MOST    0.10

struct suspect {
    const struct pyro_query *query;
    struct pyro_site site;
    struct pyro_loop loop;
    enum pyro_repetition kind;
    const struct pyro_query *source; /* whose rows drive the loop; NULL: not known */
};

/* -- what it is --------------------------------------------------------------------------------- */

static const char *text(const struct pyro_rule_context *context, uint32_t string)
{
    return pyro_profile_text(context->profile, string);
}

static bool contains(const struct pyro_rule_context *context, const struct suspect *suspect,
                     const char *part)
{
    return strstr(text(context, suspect->query->shape), part) != NULL;
}

static bool is_lazy(const struct pyro_rule_context *context, const struct pyro_query *query)
{
    return *text(context, query->relation) != '\0';
}

/* A request is one call of whatever sends them. */
static struct pyro_loop loop_of(const struct pyro_rule_context *context,
                                const struct pyro_query *query)
{
    if (!pyro_is_of_request(context->profile))
        return pyro_loop_find(context, query->site, PYRO_NO_ID, query->count, PYRO_LOOP_CALLS);
    bool is_loop = query->count >= PYRO_LOOP_CALLS;
    return (struct pyro_loop){is_loop ? query->site : PYRO_NO_ID, PYRO_NO_ID, query->count,
                              query->count};
}

static uint64_t calls_of(const struct pyro_loop *loop)
{
    return loop->count / loop->per_call;
}

/* Whether they are the same again is judged by what one call of the loop's function sends: a page that is asked for again sends the same
 * queries again, which is no fault of the loop. */
static enum pyro_repetition kind_of(const struct pyro_rule_context *context,
                                    const struct pyro_query *query, const struct pyro_loop *loop)
{
    uint64_t sent = query->count / calls_of(loop);
    if (query->count < PYRO_REPETITION_MIN)
        return PYRO_REPETITION_NONE;
    const struct pyro_repeated queries = {
        .count = sent < PYRO_REPETITION_MIN ? PYRO_REPETITION_MIN : sent,
        .distinct = query->distinct, /* in one call, at most */
        .unknown = query->unknown,
        .many = query->many,
        .lazily = is_lazy(context, query),
    };
    return pyro_repetition(text(context, query->shape), &queries);
}

/* Of its time, the part that one would win: at least, likely and at most. */
static void set_gain(const struct suspect *suspect, struct pyro_finding *finding)
{
    const struct pyro_query *query = suspect->query;
    double time_s = suspect->site.time_us / 1e6, count = (double)query->count;
    double samples = (double)suspect->site.samples;
    double error_s = samples > 0 ? 2 * time_s / sqrt(samples) : 0;
    double least = 1 - JOINED_LEFT_MOST, likely = 1 - JOINED_LEFT_LIKELY, most = 1 - 1 / count;
    if (suspect->kind == PYRO_REPETITION_SAME) {
        most = likely = 1 - (double)query->distinct / count;
        least = likely * (1 - CACHE_LEFT_MOST);
    } else if (suspect->kind == PYRO_REPETITION_WRITES) {
        least = 1 - WRITE_LEFT_MOST;
        likely = 1 - WRITE_LEFT_LIKELY;
        most = 1 - WRITE_LEFT_LEAST;
    }
    if (likely > most)
        likely = most;
    finding->gain_s = likely * time_s;
    finding->gain_low_s = fmax(0, least * time_s - error_s);
    finding->gain_high_s = most * time_s + error_s;
}

/* The query that was sent last before the first of these, much less often, from the loop's function or, else, from anywhere. */
static const struct pyro_query *find_source(const struct pyro_rule_context *context,
                                            const struct suspect *suspect)
{
    const struct pyro_query *best = NULL, *query = suspect->query;
    for (size_t i = 0; i < context->profile->query_count; i++) {
        const struct pyro_query *other = &context->profile->queries[i];
        if (other->first_us > query->first_us || other->process != query->process ||
            other == query || other->count * PYRO_LOOP_CALLS > query->count ||
            pyro_sql_verb(text(context, other->shape)) != PYRO_SQL_READ)
            continue;
        if (!best || other->site == suspect->loop.function || best->site != suspect->loop.function)
            best = other;
    }
    return best;
}

/* -- doubts ------------------------------------------------------------------------------------- */

/* Between the end of one and the start of the next, on average. */
static double pause_us(const struct suspect *suspect)
{
    const struct pyro_query *query = suspect->query;
    double span_us = (double)query->last_us - (double)query->first_us;
    return (span_us - suspect->site.time_us) / (double)(query->count - 1);
}

/* No more different ones than calls: there may be one of its own for each, again and again. */
static bool may_be_the_same(const struct pyro_rule_context *context, const struct suspect *suspect)
{
    const struct pyro_query *query = suspect->query;
    return suspect->kind == PYRO_REPETITION_N_PLUS_ONE && *text(context, query->shape) &&
           !query->unknown && !is_lazy(context, query) &&
           query->distinct <= calls_of(&suspect->loop);
}

static void set_doubt(const struct pyro_rule_context *context, const struct suspect *suspect,
                      struct pyro_finding *finding)
{
    finding->confidence = PYRO_CONFIDENCE_MEDIUM;
    if (suspect->source || is_lazy(context, suspect->query))
        finding->confidence = PYRO_CONFIDENCE_HIGH;
    if (contains(context, suspect, "OFFSET ?"))
        finding->doubt = "the queries read page after page (OFFSET): that may be meant so";
    else if (contains(context, suspect, "IN (?, ...)"))
        finding->doubt = "the queries are for many keys at once (IN): these may be batches already";
    else if (suspect->query->count > 1 && pause_us(suspect) > POLL_PAUSE_US)
        finding->doubt = "there is a pause between the queries: it may be polling";
    if (finding->doubt)
        finding->confidence = PYRO_CONFIDENCE_LOW;
    else if (may_be_the_same(context, suspect)) /* too many they are all the same */
        finding->doubt =
            "all calls ask for the same few: each may ask for one of them again and again";
}

/* -- words -------------------------------------------------------------------------------------- */

enum library { DJANGO, SQLALCHEMY, OTHER };

static enum library library_of(const struct pyro_rule_context *context, uint32_t sender)
{
    const struct pyro_function *function = &context->profile->functions[sender];
    const char *file = text(context, function->file), *name = text(context, function->name);
    bool hook = strstr(file, HOOKS) != NULL;
    if (strstr(file, "/django/") || (hook && strcmp(name, "_django_wrapper") == 0))
        return DJANGO;
    return strstr(file, "/sqlalchemy/") || (hook && strncmp(name, "_sqlalchemy", 11) == 0)
               ? SQLALCHEMY
               : OTHER;
}

/* "the query of views.py:15", or in general. */
static const char *place_of_source(struct pyro_rule_context *context, const struct suspect *suspect)
{
    const struct pyro_query *source = suspect->source;
    if (!source || source->site == PYRO_NO_ID)
        return "the query before the loop";
    const struct pyro_function *function = &context->profile->functions[source->site];
    return pyro_finding_text(context, "the query of %s:%u",
                             pyro_path_basename(text(context, function->file)), source->line);
}

static const char *fix_of_django(struct pyro_rule_context *context, const struct suspect *suspect,
                                 const char *source)
{
    const char *relation = text(context, suspect->query->relation);
    if (*relation)
        return pyro_finding_text(context, ".select_related(\"%s\") on %s", relation, source);
    return pyro_finding_text(
        context, ".prefetch_related(...) on %s, or one query for all keys (in_bulk(), __in)",
        source);
}

static const char *fix_of_sqlalchemy(struct pyro_rule_context *context,
                                     const struct suspect *suspect, const char *source)
{
    const char *relation = text(context, suspect->query->relation);
    const char *owner = text(context, suspect->query->owner);
    const char *load = contains(context, suspect, "WHERE ? =") ? "selectinload" : "joinedload";
    if (*relation && *owner)
        return pyro_finding_text(context, ".options(%s(%s.%s)) on %s", load, owner, relation,
                                 source);
    return pyro_finding_text(
        context, ".options(selectinload(...)) on %s, or one query for all keys (in_())", source);
}

static const char *fix_of_writes(const struct pyro_rule_context *context,
                                 const struct suspect *suspect, enum library library)
{
    bool insert = contains(context, suspect, "INSERT");
    if (library == DJANGO)
        return insert ? "one bulk_create() after the loop"
                      : "one bulk_update(), or one update() or delete() of a filter, for all rows";
    if (library == SQLALCHEMY)
        return insert ? "one insert() with a list of rows: session.execute(insert(...), rows)"
                      : "one update() or delete() with a WHERE for all rows";
    return "executemany() with all rows, in one transaction";
}

static const char *fix_of(struct pyro_rule_context *context, const struct suspect *suspect)
{
    enum library library = library_of(context, suspect->query->sender);
    if (suspect->kind == PYRO_REPETITION_WRITES)
        return fix_of_writes(context, suspect, library);
    if (suspect->kind == PYRO_REPETITION_SAME)
        return "ask once, before the loop, and keep the answer";
    const char *source = place_of_source(context, suspect);
    if (!source)
        return NULL;
    if (library == DJANGO)
        return fix_of_django(context, suspect, source);
    if (library == SQLALCHEMY)
        return fix_of_sqlalchemy(context, suspect, source);
    return "one query for all: a JOIN, or WHERE key IN (...)";
}

static const char *title_of(struct pyro_rule_context *context, const struct suspect *suspect)
{
    const char *form = *text(context, suspect->query->shape) ? " of one shape" : "";
    uint64_t count = suspect->query->count;
    if (suspect->kind == PYRO_REPETITION_SAME)
        return pyro_finding_text(context, "the same query %" PRIu64 " times", count);
    if (suspect->kind == PYRO_REPETITION_WRITES)
        return pyro_finding_text(context, "row by row: %" PRIu64 " writes of one shape", count);
    return pyro_finding_text(context, "N+1: %" PRIu64 " queries%s", count, form);
}

/* Who has nearly all the sampled time of FUNCTION, and is the program's own; PYRO_NO_ID: nobody. */
static uint32_t sampled_caller(const struct pyro_rule_context *context, uint32_t function)
{
    const struct pyro_totals *totals = &context->totals;
    const struct pyro_edge_total *most = NULL;
    double all_us = 0;
    for (size_t i = 0; i < totals->edge_count; i++) {
        const struct pyro_edge_total *edge = &totals->edges[i];
        if (edge->callee != function)
            continue;
        all_us += edge->total_us;
        if (!most || edge->total_us > most->total_us)
            most = edge;
    }
    bool is_own = most && most->caller != PYRO_NO_ID && !context->library[most->caller];
    return is_own && most->total_us >= SOLE_SHARE * all_us ? most->caller : PYRO_NO_ID;
}

/* Of a request: the loop may be where what sends them is called, which samples alone tell. */
static const char *why_of_request(struct pyro_rule_context *context, const struct suspect *suspect)
{
    const struct pyro_query *query = suspect->query;
    uint32_t caller = sampled_caller(context, query->site);
    uint32_t line = caller == PYRO_NO_ID ? 0 : pyro_loop_line(context, caller, query->site);
    const char *way = "all in one request";
    if (line) {
        uint32_t file = context->profile->functions[caller].file;
        way = pyro_finding_text(context, "%s, by way of %s:%u", way,
                                pyro_path_basename(text(context, file)), line);
    }
    if (!way || query->unknown)
        return way;
    return pyro_finding_text(context, "%s; %" PRIu64 " of them are different", way,
                             query->distinct);
}

static const char *why_of(struct pyro_rule_context *context, const struct suspect *suspect)
{
    const struct pyro_query *query = suspect->query;
    if (pyro_is_of_request(context->profile))
        return why_of_request(context, suspect);
    const char *loop = text(context, context->profile->functions[suspect->loop.function].name);
    if (query->unknown)
        return pyro_finding_text(context, "%" PRIu64 " for each call of %s", suspect->loop.per_call,
                                 loop);
    return pyro_finding_text(context,
                             "%" PRIu64 " for each call of %s; %" PRIu64 " of all are different",
                             suspect->loop.per_call, loop, query->distinct);
}

static void put_evidence(const struct pyro_rule_context *context, const struct suspect *suspect,
                         struct pyro_finding *finding)
{
    const struct pyro_query *query = suspect->query;
    pyro_finding_count(finding, "queries", query->count);
    if (!query->unknown)
        pyro_finding_count(finding, "distinct", query->distinct);
    if (!pyro_is_of_request(context->profile)) {
        pyro_finding_count(finding, "per_call", suspect->loop.per_call);
        pyro_finding_place(finding, "loop", suspect->loop.function, 0);
    }
    pyro_finding_say(finding, "shape", text(context, query->shape));
    pyro_finding_seconds(finding, "time_s", suspect->site.time_us / 1e6);
    pyro_finding_seconds(finding, "driver_s", (double)query->time_ns / 1e9);
    if (suspect->source && suspect->source->site != PYRO_NO_ID) {
        pyro_finding_place(finding, "source", suspect->source->site, suspect->source->line);
        pyro_finding_say(finding, "source_shape", text(context, suspect->source->shape));
    }
}

/* -- where the text is known -------------------------------------------------------------------- */

static int report(struct pyro_rule_context *context, struct suspect *suspect)
{
    struct pyro_finding gain = {0};
    set_gain(suspect, &gain);
    if (!pyro_worth_it(context, gain.gain_s))
        return 0;
    if (suspect->kind == PYRO_REPETITION_N_PLUS_ONE)
        suspect->source = find_source(context, suspect);
    struct pyro_finding *finding =
        pyro_finding_new(context, suspect->site.function, suspect->site.line);
    if (!finding)
        return -ENOMEM;
    set_gain(suspect, finding);
    set_doubt(context, suspect, finding);
    finding->title = title_of(context, suspect);
    finding->why = why_of(context, suspect);
    finding->query = text(context, suspect->query->shape);
    finding->fix = fix_of(context, suspect);
    put_evidence(context, suspect, finding);
    context->explained[suspect->query - context->profile->queries] = true;
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* Who calls a driver is often the program's own layer above it, and what is to be changed the loop above that: its line is told, as it
 * is where the driver tells no text. Not where that line of the layer sends other queries, too: theirs may be other loops. The time stays
 * that of the query's own line. */
static void follow_up(const struct pyro_rule_context *context, const struct pyro_sites *sites,
                      struct suspect *suspect)
{
    const struct pyro_loop *loop = &suspect->loop;
    if (library_of(context, suspect->query->sender) != OTHER ||
        loop->function == suspect->query->site ||
        pyro_sites_part(sites, context, suspect->query) < SOLE_SHARE)
        return;
    uint32_t line = pyro_loop_line(context, loop->function, loop->callee);
    if (!line)
        return;
    suspect->site.function = loop->function;
    suspect->site.line = line;
}

static int look_at_queries(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct pyro_sites sites = {0};
    int result = profile->query_count ? pyro_sites_make(&sites, context) : 0;
    for (size_t i = 0; result == 0 && i < profile->query_count; i++) {
        struct suspect suspect = {.query = &profile->queries[i]};
        if (suspect.query->site == PYRO_NO_ID)
            continue;
        suspect.loop = loop_of(context, suspect.query);
        if (suspect.loop.function == PYRO_NO_ID || context->library[suspect.loop.function])
            continue;
        suspect.kind = kind_of(context, suspect.query, &suspect.loop);
        if (!suspect.kind)
            continue;
        suspect.site = pyro_sites_of(&sites, context, suspect.query);
        follow_up(context, &sites, &suspect);
        result = report(context, &suspect);
    }
    pyro_sites_clear(&sites);
    return result;
}

/* -- where it is not ---------------------------------------------------------------------------- */

/* All that the loop calls is done for these queries; where it sends others, too, the driver's part alone. */
static double time_of_calls(const struct pyro_rule_context *context,
                            const struct pyro_driver_calls *calls, const struct pyro_loop *loop)
{
    if (loop->function != calls->caller && pyro_driver_part(context, calls, loop) >= SOLE_SHARE)
        return pyro_loop_time_s(context, loop->function, loop->callee);
    return pyro_driver_time_s(context, calls);
}

static int report_calls(struct pyro_rule_context *context, const struct pyro_driver_calls *calls,
                        const struct pyro_loop *loop)
{
    double time_s = time_of_calls(context, calls, loop);
    if (!pyro_worth_it(context, (1 - JOINED_LEFT_LIKELY) * time_s))
        return 0;
    uint32_t line = pyro_loop_line(context, loop->function, loop->callee);
    struct pyro_finding *finding = pyro_finding_new(context, loop->function, line);
    if (!finding)
        return -ENOMEM;
    const struct pyro_function *functions = context->profile->functions;
    const char *execute = text(context, functions[calls->execute].name);
    finding->gain_s = (1 - JOINED_LEFT_LIKELY) * time_s;
    finding->gain_low_s = (1 - JOINED_LEFT_MOST) * time_s;
    finding->gain_high_s = time_s * (1 - 1 / (double)loop->count);
    finding->title = pyro_finding_text(context, "N+1: %" PRIu64 " queries", loop->count);
    finding->query = execute;
    finding->why = pyro_finding_text(context, "%" PRIu64 " for each call of %s", loop->per_call,
                                     text(context, functions[loop->function].name));
    finding->fix = "one query for all: a JOIN, or WHERE key IN (...); of writes, executemany()";
    pyro_finding_count(finding, "queries", loop->count);
    pyro_finding_count(finding, "per_call", loop->per_call);
    pyro_finding_place(finding, "loop", loop->function, line);
    pyro_finding_say(finding, "driver", execute);
    pyro_finding_seconds(finding, "time_s", time_s);
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int look_at_drivers(struct pyro_rule_context *context)
{
    struct pyro_driver_calls calls;
    size_t at = 0;
    int result = 0;
    while (result == 0 && pyro_driver_calls_next(context, &at, &calls)) {
        struct pyro_loop loop =
            pyro_loop_find(context, calls.caller, calls.execute, calls.count, PYRO_LOOP_CALLS);
        if (calls.count >= PYRO_REPETITION_MIN && loop.function != PYRO_NO_ID &&
            !context->library[loop.function])
            result = report_calls(context, &calls, &loop);
    }
    return result;
}

static int find(struct pyro_rule_context *context)
{
    int result = look_at_queries(context);
    return result < 0 ? result : look_at_drivers(context);
}

const struct pyro_rule pyro_rule_n_plus_one = {
    .name = "n-plus-one",
    .tier = PYRO_TIER_ALGORITHM,
    .needs = PYRO_NEED_CALLS,
    .by_queries = true,
    .mode = "run",
    .looks_for =
        "queries of one shape that one line sends in a loop: for each row of another query "
        "(N+1), with the same values again, or one write for each row",
    .evidence =
        "exact numbers of queries by line and shape, how many had different parameters, the "
        "query before the loop; of other drivers, exact calls of execute()",
    .fix =
        "select_related, prefetch_related, joinedload, selectinload; bulk_create, executemany; ask "
        "once and keep it",
    .gain =
        "the sampled time of that line, less 0 to 25 % (writes 5 to 50 %) for what is left to do",
    .refuted_by =
        "the program paused between the queries, or each depends on the answer to the one "
        "before",
    .blind_spots =
        "loops in libraries (a server's requests); in the recording of a request, whether the "
        "line that sends is in the loop or called there; a database that answers slowly from time "
        "to time; "
        "asyncpg, MongoDB, Redis; Python before 3.11",
    .find = find,
};
