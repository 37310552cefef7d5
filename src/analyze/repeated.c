/* analyze/repeated.c - calls that are probably a bug: the same thing asked for again and again.
 *
 * Loops that call something are what programs are made of, so the number of calls alone is no sign. What is marked is
 * called by code of the user's own, at least REPEATED_PER_CALL times for each call of that caller and REPEATED_CALLS times in
 * all, takes REPEATED_SHARE of the time, and each call is either slow, or mostly waits: a query, a request, a read. */
#include "analyze/internal.h"

#include "profile/paths.h"

#include <errno.h>
#include <stdlib.h>

#define REPEATED_PER_CALL 20
#define REPEATED_CALLS    100
#define REPEATED_SHARE    0.05  /* of all time */
#define SLOW_CALL_S       0.001 /* a call that costs so much is worth saving */
#define WAITING_SHARE     0.5   /* of the time of an edge */

/* What is asked about waiting, only if there is need. */
struct waits {
    const struct pyro_profile *profile;
    const struct pyro_totals_filter *filter;
    struct pyro_totals totals;
    bool made;
    int error;
};

static int make_waits(struct waits *waits)
{
    struct pyro_clock_view view;
    if (waits->made || waits->error < 0)
        return waits->error;
    waits->error = pyro_clock_view_init(&view, waits->profile, PYRO_CLOCK_WAIT, false);
    if (waits->error < 0)
        return waits->error;
    waits->error = pyro_totals_init(&waits->totals, &view, waits->filter);
    pyro_clock_view_clear(&view);
    waits->made = waits->error == 0;
    return waits->error;
}

static bool mostly_waits(struct waits *waits, const struct pyro_stats_edge *edge)
{
    if (make_waits(waits) < 0)
        return false;
    for (size_t i = 0; i < waits->totals.edge_count; i++) {
        const struct pyro_edge_total *total = &waits->totals.edges[i];
        if (total->caller == edge->caller && total->callee == edge->callee)
            return total->total_us / 1e6 >= WAITING_SHARE * edge->time_s;
    }
    return false;
}

static bool is_users(const struct pyro_profile *profile, uint32_t function)
{
    const char *file = pyro_profile_text(profile, profile->functions[function].file);
    return !pyro_path_is_library(file);
}

static bool is_repeated(const struct pyro_stats *stats, const struct pyro_counted *counted,
                        struct waits *waits, const struct pyro_stats_edge *edge)
{
    if (edge->caller == PYRO_NO_ID || edge->ncalls == PYRO_NO_CALLS ||
        edge->ncalls < REPEATED_CALLS || edge->time_s < REPEATED_SHARE * stats->total_s)
        return false;
    uint64_t caller_calls = counted->ncalls[edge->caller];
    if (!caller_calls || edge->ncalls / caller_calls < REPEATED_PER_CALL ||
        !is_users(stats->profile, edge->caller))
        return false;
    return edge->time_s >= SLOW_CALL_S * (double)edge->ncalls || mostly_waits(waits, edge);
}

/* The caller that takes the most time so. Edges are sorted by callee, then time. */
static void mark_row(const struct pyro_stats *stats, const struct pyro_counted *counted,
                     struct waits *waits, struct pyro_stats_row *row)
{
    size_t count;
    const struct pyro_stats_edge *edges = pyro_stats_callers(stats, row->function, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_repeated(stats, counted, waits, &edges[i]))
            continue;
        row->repeated_by = edges[i].caller;
        row->repeated = edges[i].ncalls / counted->ncalls[edges[i].caller];
        return;
    }
}

int pyro_mark_repeated(struct pyro_stats *stats, const struct pyro_counted *counted,
                       const struct pyro_totals_filter *filter)
{
    struct waits waits = {.profile = stats->profile, .filter = filter};
    for (size_t i = 0; i < stats->row_count; i++)
        mark_row(stats, counted, &waits, &stats->rows[i]);
    if (waits.made)
        pyro_totals_clear(&waits.totals);
    return waits.error;
}
