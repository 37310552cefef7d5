/* analyze/sites.c - the lines that queries come from, and the time behind them. */
#include "analyze/rule.h"

#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXECUTE "{method 'execute' of '" /* of any driver */
#define FETCH   "{method 'fetch"         /* fetchone, fetchmany, fetchall */

static bool begins_with(const struct pyro_profile *profile, uint32_t function, const char *begin)
{
    const struct pyro_function *item = &profile->functions[function];
    return item->kind == PYRO_FUNCTION_C &&
           strncmp(pyro_profile_text(profile, item->name), begin, strlen(begin)) == 0;
}

/* -- where the text is known -------------------------------------------------------------------- */

static struct pyro_site *site_at(struct pyro_sites *sites, uint32_t function, uint32_t line)
{
    bool is_new;
    uint64_t *id = pyro_map_insert(&sites->ids, function, line, &is_new);
    if (!id)
        return NULL;
    if (!is_new)
        return &sites->items[*id];
    if (pyro_grow(&sites->items, sites->count, &sites->capacity, sizeof(*sites->items)) < 0)
        return NULL;
    *id = sites->count;
    sites->items[sites->count] = (struct pyro_site){.function = function, .line = line};
    return &sites->items[sites->count++];
}

/* Which functions send queries or fetch their rows, which is when some drivers find them: [function_count]. */
static bool *mark_senders(const struct pyro_profile *profile)
{
    bool *senders = calloc(profile->function_count + 1, sizeof(*senders));
    for (uint32_t i = 0; senders && i < profile->function_count; i++)
        senders[i] = begins_with(profile, i, FETCH);
    for (size_t i = 0; senders && i < profile->query_count; i++)
        senders[profile->queries[i].sender] = true;
    return senders;
}

/* Up from each sender through the libraries to the first function of the program's. Children have larger ids. A request has few samples, of which
 * perhaps none met a sender: there all that libraries do for a line counts. */
static int add_up(struct pyro_sites *sites, const struct pyro_rule_context *context,
                  const bool *senders, bool *leads)
{
    const struct pyro_profile *profile = context->profile;
    bool all = pyro_is_of_request(profile);
    for (uint32_t i = (uint32_t)profile->stack_count; i-- > 1;) {
        uint32_t function = pyro_profile_function_of(profile, i);
        leads[i] |= senders[function] || (all && context->library[function]);
        uint32_t below = profile->stacks[i].parent;
        if (!leads[i] || below == PYRO_STACK_ROOT)
            continue;
        const struct pyro_frame *frame = &profile->frames[profile->stacks[below].frame];
        if (context->library[frame->function]) {
            leads[below] = true;
            continue;
        }
        struct pyro_site *site = site_at(sites, frame->function, frame->line);
        if (!site)
            return -ENOMEM;
        site->time_us += context->totals.stacks[i].tree_us;
        site->samples += context->totals.stacks[i].tree_samples;
    }
    return 0;
}

/* Traced stacks do not tell lines apart. */
static uint32_t line_of(const struct pyro_rule_context *context, const struct pyro_query *query)
{
    return context->totals.traced ? 0 : query->line;
}

static int add_queries(struct pyro_sites *sites, const struct pyro_rule_context *context)
{
    for (size_t i = 0; i < context->profile->query_count; i++) {
        const struct pyro_query *query = &context->profile->queries[i];
        struct pyro_site *site = site_at(sites, query->site, line_of(context, query));
        if (!site)
            return -ENOMEM;
        site->query_ns += (double)query->time_ns;
        site->queries += (double)query->count;
    }
    return 0;
}

int pyro_sites_make(struct pyro_sites *sites, const struct pyro_rule_context *context)
{
    *sites = (struct pyro_sites){0};
    bool *senders = mark_senders(context->profile);
    bool *leads = calloc(context->profile->stack_count + 1, sizeof(*leads));
    int result = senders && leads ? add_up(sites, context, senders, leads) : -ENOMEM;
    if (result == 0)
        result = add_queries(sites, context);
    free(senders);
    free(leads);
    return result;
}

void pyro_sites_clear(struct pyro_sites *sites)
{
    free(sites->items);
    pyro_map_free(&sites->ids);
    *sites = (struct pyro_sites){0};
}

/* What part of the line's time is QUERY's. */
static double part_of(const struct pyro_site *site, const struct pyro_query *query)
{
    if (site->query_ns > 0)
        return (double)query->time_ns / site->query_ns;
    return site->queries > 0 ? (double)query->count / site->queries : 0;
}

static const struct pyro_site *find(const struct pyro_sites *sites,
                                    const struct pyro_rule_context *context,
                                    const struct pyro_query *query)
{
    const uint64_t *id = pyro_map_find(&sites->ids, query->site, line_of(context, query));
    return id ? &sites->items[*id] : NULL;
}

double pyro_sites_part(const struct pyro_sites *sites, const struct pyro_rule_context *context,
                       const struct pyro_query *query)
{
    const struct pyro_site *site = find(sites, context, query);
    return site ? part_of(site, query) : 0;
}

struct pyro_site pyro_sites_of(const struct pyro_sites *sites,
                               const struct pyro_rule_context *context,
                               const struct pyro_query *query)
{
    const struct pyro_site *found = find(sites, context, query);
    struct pyro_site site = {.function = query->site, .line = query->line};
    if (found) {
        double part = part_of(found, query);
        site.time_us = found->time_us * part;
        site.samples = (uint64_t)((double)found->samples * part);
    }
    if (site.time_us < (double)query->time_ns / 1000) /* too short to be sampled well */
        site.time_us = (double)query->time_ns / 1000;
    return site;
}

/* -- drivers in C ------------------------------------------------------------------------------- */

static bool is_sender(const struct pyro_profile *profile, uint32_t function)
{
    for (size_t i = 0; i < profile->query_count; i++)
        if (profile->queries[i].sender == function)
            return true;
    return false;
}

bool pyro_driver_calls_next(const struct pyro_rule_context *context, size_t *at,
                            struct pyro_driver_calls *ret_calls)
{
    const struct pyro_counted *counted = &context->counted;
    while (*at < counted->edge_count) {
        const struct pyro_counted_edge *edge = &counted->edges[(*at)++];
        if (edge->caller == PYRO_NO_ID || context->library[edge->caller] ||
            !begins_with(context->profile, edge->callee, EXECUTE) ||
            is_sender(context->profile, edge->caller))
            continue;
        *ret_calls = (struct pyro_driver_calls){edge->caller, edge->callee, edge->ncalls};
        return true;
    }
    return false;
}

/* A driver may find the rows only when they are fetched. */
double pyro_driver_time_s(const struct pyro_rule_context *context,
                          const struct pyro_driver_calls *calls)
{
    const struct pyro_totals *totals = &context->totals;
    double time_us = 0;
    for (size_t i = 0; i < totals->edge_count; i++) {
        const struct pyro_edge_total *edge = &totals->edges[i];
        if (edge->caller == calls->caller &&
            (edge->callee == calls->execute || begins_with(context->profile, edge->callee, FETCH)))
            time_us += edge->total_us;
    }
    return time_us / 1e6;
}

double pyro_driver_part(const struct pyro_rule_context *context,
                        const struct pyro_driver_calls *calls, const struct pyro_loop *loop)
{
    const struct pyro_profile *profile = context->profile;
    bool *below = calloc(profile->stack_count + 1, sizeof(*below));
    double all_us = 0, part_us = 0;
    for (uint32_t i = 1; below && i < profile->stack_count; i++) {
        uint32_t parent = profile->stacks[i].parent;
        uint32_t function = pyro_profile_function_of(profile, i);
        uint32_t caller = pyro_profile_function_of(profile, parent);
        below[i] = below[parent] || (function == loop->callee && caller == loop->function);
        if (!below[i] ||
            (!begins_with(profile, function, EXECUTE) && !begins_with(profile, function, FETCH)))
            continue;
        all_us += context->totals.stacks[i].tree_us;
        if (caller == calls->caller)
            part_us += context->totals.stacks[i].tree_us;
    }
    free(below);
    return all_us > 0 ? part_us / all_us : 0;
}
