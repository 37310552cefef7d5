/* analyze/rules/slow_query.c - few queries that take long, each. */
#include "analyze/rule.h"

#include "base/sql.h"

#include <errno.h>
#include <inttypes.h>

#define SLOW_S 0.1 /* or longer, each */

/* Where the sampler was held up, each of so few samples stands for any time. */
#define SAMPLES_MIN 10

/* An index or a better plan leaves something between nothing and nearly all. */
#define GAIN_LIKELY 0.75

static const char *text(const struct pyro_rule_context *context, uint32_t string)
{
    return pyro_profile_text(context->profile, string);
}

static const char *title_of(struct pyro_rule_context *context, uint64_t count, double each_s)
{
    if (count == 1)
        return pyro_finding_text(context, "slow query: %.2f s", each_s);
    return pyro_finding_text(context, "slow query: %" PRIu64 " of %.2f s each", count, each_s);
}

static struct pyro_finding *report(struct pyro_rule_context *context, uint32_t function,
                                   uint32_t line, uint64_t count, double time_s)
{
    struct pyro_finding *finding = pyro_finding_new(context, function, line);
    if (!finding)
        return NULL;
    finding->gain_s = GAIN_LIKELY * time_s;
    finding->gain_high_s = time_s;
    finding->title = title_of(context, count, time_s / (double)count);
    finding->why = "the time of its line, fetching the rows included";
    finding->fix = "ask the database how it finds the rows (EXPLAIN): an index for the conditions, "
                   "fewer rows, fewer columns";
    pyro_finding_count(finding, "queries", count);
    pyro_finding_seconds(finding, "time_s", time_s);
    return finding->title ? finding : NULL;
}

static bool is_slow(const struct pyro_rule_context *context, uint64_t count, double time_s)
{
    return count && time_s >= SLOW_S * (double)count &&
           pyro_worth_it(context, GAIN_LIKELY * time_s);
}

static double query_time_s(const struct pyro_rule_context *context, const struct pyro_sites *sites,
                           const struct pyro_query *query)
{
    struct pyro_site site = pyro_sites_of(sites, context, query);
    return site.samples >= SAMPLES_MIN ? site.time_us / 1e6 : (double)query->time_ns / 1e9;
}

static int look_at_queries(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct pyro_sites sites = {0};
    int result = profile->query_count ? pyro_sites_make(&sites, context) : 0;
    for (size_t i = 0; result == 0 && i < profile->query_count; i++) {
        const struct pyro_query *query = &profile->queries[i];
        double time_s = query_time_s(context, &sites, query);
        bool reads = pyro_sql_verb(text(context, query->shape)) == PYRO_SQL_READ;
        if (context->explained[i] || !reads || query->site == PYRO_NO_ID ||
            !is_slow(context, query->count, time_s))
            continue;
        struct pyro_finding *finding =
            report(context, query->site, query->line, query->count, time_s);
        if (!finding) {
            result = -ENOMEM;
            break;
        }
        finding->query = text(context, query->shape);
        pyro_finding_say(finding, "shape", text(context, query->shape));
        pyro_finding_seconds(finding, "driver_s", (double)query->time_ns / 1e9);
        pyro_finding_seconds(finding, "longest_s", (double)query->longest_ns / 1e9);
    }
    pyro_sites_clear(&sites);
    return result;
}

static int look_at_drivers(struct pyro_rule_context *context)
{
    struct pyro_driver_calls calls;
    size_t at = 0;
    while (pyro_driver_calls_next(context, &at, &calls)) {
        double time_s = pyro_driver_time_s(context, &calls);
        if (!is_slow(context, calls.count, time_s))
            continue;
        uint32_t line = pyro_loop_line(context, calls.caller, calls.execute);
        struct pyro_finding *finding = report(context, calls.caller, line, calls.count, time_s);
        if (!finding)
            return -ENOMEM;
        finding->query = text(context, context->profile->functions[calls.execute].name);
        pyro_finding_say(finding, "driver", finding->query);
    }
    return 0;
}

static int find(struct pyro_rule_context *context)
{
    int result = look_at_queries(context);
    return result < 0 ? result : look_at_drivers(context);
}

const struct pyro_rule pyro_rule_slow_query = {
    .name = "slow-query",
    .tier = PYRO_TIER_WAITING,
    .needs = PYRO_NEED_CALLS,
    .by_queries = true,
    .mode = "run",
    .looks_for = "reading queries that take 0.1 s or longer each",
    .evidence =
        "exact numbers of queries by line and shape, the time of that line, fetching the rows "
        "included; of other drivers, exact calls of execute()",
    .fix = "EXPLAIN; an index, fewer rows or columns",
    .gain =
        "the time of that line: an index may save nearly all or nothing, three quarters are taken "
        "for likely",
    .refuted_by = "EXPLAIN shows that an index is used, or that all rows are really wanted",
    .blind_spots = "whether there is an index, without --explain; rows fetched by "
                   "iterating over a cursor written in C; drivers that read in the background; "
                   "Python before 3.11",
    .find = find,
};
