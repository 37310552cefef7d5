/* analyze/rules/list_membership.c - looking for something in a list, again and again, where a set or dict would know at once.
 *
 * `x in a_list` calls nothing, so no count tells of it: samples found the line within the test, and what was searched
 * (sample/lookups.h). list.index() and its like are calls, and counted. */
#include "analyze/rule.h"

#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LOOKS_MIN   5   /* that found a list: fewer are chance */
#define LISTS_SHARE 0.8 /* of the looks */
#define CHANGES_MAX \
    0.5 /* of the looks that found another list than before: each is searched seldom */
#define LENGTH_MIN 10   /* on average: shorter ones are searched as fast as a set */
#define GROWN      1.05 /* the longest was so many times as long as the shortest: it changes */
#define TIMES_MIN  10   /* it was searched */

/* One comparison takes 10 to 30 ns where it is done in C; more is assumed where one asks how often it was searched at least. */
#define COMPARE_S_MOST 100e-9
/* What a set needs, as so many comparisons: most where searches end soon. */
#define SET_LIKELY 3.0
#define SET_MOST   10.0

#define CALLS_MIN  100
#define CALL_S_MIN 1e-6 /* each takes so long, or the list is short */
#define DICT_S     1e-7 /* what is left of each with a dict */

static const char *text(const struct pyro_rule_context *context, uint32_t string)
{
    return pyro_profile_text(context->profile, string);
}

/* -- `x in a_list` ------------------------------------------------------------------------------ */

struct search {
    const struct pyro_lookup *lookup;
    uint32_t function, line;
    double time_s, length; /* within the test; of the list, on average */
    double times;          /* it was searched, at least */
};

/* The sampled time in LOOKUP's line itself. */
static double line_time_s(const struct pyro_rule_context *context, const struct pyro_lookup *lookup)
{
    const struct pyro_profile *profile = context->profile;
    double time_us = 0;
    for (size_t i = 1; i < profile->stack_count; i++)
        if (profile->stacks[i].frame == lookup->frame)
            time_us += context->totals.stacks[i].self_us;
    return time_us / 1e6;
}

/* Is what LOOKUP searches nearly always the same long list? */
static bool is_long_list(const struct pyro_lookup *lookup)
{
    double looked = (double)lookup->looked, lists = (double)lookup->lists;
    return lookup->lists >= LOOKS_MIN && lists >= LISTS_SHARE * looked &&
           (double)lookup->changes <= CHANGES_MAX * lists &&
           (double)lookup->length >= LENGTH_MIN * lists;
}

static struct search search_of(const struct pyro_rule_context *context,
                               const struct pyro_lookup *lookup)
{
    const struct pyro_frame *frame = &context->profile->frames[lookup->frame];
    double part = fmin(1, (double)lookup->testing / (double)lookup->samples);
    struct search search = {
        .lookup = lookup,
        .function = frame->function,
        .line = frame->line,
        .time_s = line_time_s(context, lookup) * part,
        .length = (double)lookup->length / (double)lookup->lists,
    };
    search.times = search.time_s / ((double)lookup->longest * COMPARE_S_MOST);
    return search;
}

static bool changes(const struct pyro_lookup *lookup)
{
    return (double)lookup->longest > GROWN * (double)lookup->shortest;
}

static void set_gain(const struct search *search, struct pyro_finding *finding)
{
    double error_s = 2 * search->time_s / sqrt((double)search->lookup->testing);
    finding->gain_s = (1 - fmin(1, SET_LIKELY / search->length)) * search->time_s;
    finding->gain_low_s =
        fmax(0, (1 - fmin(1, SET_MOST / search->length)) * search->time_s - error_s);
    finding->gain_high_s = search->time_s + error_s;
}

static const char *why_of(struct pyro_rule_context *context, const struct search *search)
{
    const struct pyro_lookup *lookup = search->lookup;
    return pyro_finding_text(context,
                             "%" PRIu64 " of %" PRIu64
                             " looks found a list or tuple, searched at least %.0f times",
                             lookup->lists, lookup->looked, search->times);
}

static int report(struct pyro_rule_context *context, const struct search *search)
{
    const struct pyro_lookup *lookup = search->lookup;
    struct pyro_finding *finding = pyro_finding_new(context, search->function, search->line);
    if (!finding)
        return -ENOMEM;
    set_gain(search, finding);
    finding->confidence = PYRO_CONFIDENCE_HIGH;
    finding->title =
        pyro_finding_text(context, "list search: `in` with a list of %.0f", search->length);
    finding->why = why_of(context, search);
    finding->fix = "make it a set once, before the loop: a look-up takes the same time however "
                   "long it is";
    if (changes(lookup)) {
        finding->confidence = PYRO_CONFIDENCE_LOW;
        finding->fix = "keep a set beside the list, add to both, and look in the set (of keys, "
                       "where items cannot be hashed)";
        finding->doubt = pyro_finding_text(
            context, "the list changes meanwhile: it had %" PRIu64 " to %" PRIu64 " items",
            lookup->shortest, lookup->longest);
    }
    pyro_finding_count(finding, "samples", lookup->testing);
    pyro_finding_count(finding, "looked", lookup->looked);
    pyro_finding_count(finding, "lists", lookup->lists);
    pyro_finding_count(finding, "shortest", lookup->shortest);
    pyro_finding_count(finding, "longest", lookup->longest);
    pyro_finding_count(finding, "searched_at_least", (uint64_t)search->times);
    pyro_finding_seconds(finding, "time_s", search->time_s);
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int look_at_tests(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    for (size_t i = 0; i < profile->lookup_count; i++) {
        const struct pyro_lookup *lookup = &profile->lookups[i];
        if (!is_long_list(lookup) || context->library[profile->frames[lookup->frame].function])
            continue;
        struct search search = search_of(context, lookup);
        struct pyro_finding gain = {0};
        set_gain(&search, &gain);
        if (search.times < TIMES_MIN || !pyro_worth_it(context, gain.gain_s))
            continue;
        int result = report(context, &search);
        if (result < 0)
            return result;
    }
    return 0;
}

/* -- methods that search ------------------------------------------------------------------------ */

static const struct method {
    const char *name, *title, *fix;
} methods[] = {
    {"{method 'index' of 'list' objects}", "list.index()",
     "make a dict from each item to its position once, before the loop"},
    {"{method 'index' of 'tuple' objects}", "tuple.index()",
     "make a dict from each item to its position once, before the loop"},
    {"{method 'count' of 'list' objects}", "list.count()",
     "count all of them once: collections.Counter(...)"},
    {"{method 'remove' of 'list' objects}", "list.remove()",
     "keep the items in a set, or, where their order matters, as keys of a dict"},
};

static const struct method *method_of(const struct pyro_rule_context *context, uint32_t function)
{
    const struct pyro_function *item = &context->profile->functions[function];
    for (size_t i = 0; item->kind == PYRO_FUNCTION_C && i < sizeof(methods) / sizeof(methods[0]);
         i++)
        if (strcmp(text(context, item->name), methods[i].name) == 0)
            return &methods[i];
    return NULL;
}

static int report_method(struct pyro_rule_context *context, const struct method *method,
                         const struct pyro_counted_edge *edge, double time_s)
{
    uint32_t line = pyro_loop_line(context, edge->caller, edge->callee);
    struct pyro_finding *finding = pyro_finding_new(context, edge->caller, line);
    if (!finding)
        return -ENOMEM;
    double left_s = DICT_S * (double)edge->ncalls;
    finding->gain_s = fmax(0, time_s - left_s);
    finding->gain_low_s = fmax(0, time_s - 5 * left_s);
    finding->gain_high_s = time_s;
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->title =
        pyro_finding_text(context, "list search: %" PRIu64 " %s", edge->ncalls, method->title);
    finding->why = pyro_finding_text(context, "%.1f us each: it goes through the list every time",
                                     1e6 * time_s / (double)edge->ncalls);
    finding->fix = method->fix;
    finding->doubt = "whether the list changes between the calls cannot be seen";
    pyro_finding_count(finding, "calls", edge->ncalls);
    pyro_finding_seconds(finding, "time_s", time_s);
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int look_at_methods(struct pyro_rule_context *context)
{
    const struct pyro_counted *counted = &context->counted;
    for (size_t i = 0; i < counted->edge_count; i++) {
        const struct pyro_counted_edge *edge = &counted->edges[i];
        const struct method *method = method_of(context, edge->callee);
        if (!method || edge->caller == PYRO_NO_ID || context->library[edge->caller] ||
            edge->ncalls < CALLS_MIN)
            continue;
        double time_s = pyro_loop_time_s(context, edge->caller, edge->callee);
        if (time_s < CALL_S_MIN * (double)edge->ncalls || !pyro_worth_it(context, time_s))
            continue;
        int result = report_method(context, method, edge, time_s);
        if (result < 0)
            return result;
    }
    return 0;
}

static int find(struct pyro_rule_context *context)
{
    int result = look_at_tests(context);
    return result < 0 ? result : look_at_methods(context);
}

const struct pyro_rule pyro_rule_list_membership = {
    .name = "list-membership",
    .tier = PYRO_TIER_ALGORITHM,
    .needs = PYRO_NEED_CALLS,
    .mode = "run",
    .looks_for =
        "`x in a_list` that was evaluated over and over with a list or tuple of 10 items or more; "
        "list.index(), count() and remove() called over and over",
    .evidence =
        "how many samples of the line were within the test, and at some of them what was searched: "
        "its type, length, and whether it was the same; of methods, exact calls and their time",
    .fix = "a set made once, or kept beside the list; a dict from item to position; Counter",
    .gain =
        "the sampled time within the test, less what a set needs: as much as 3 comparisons (0 to "
        "10)",
    .refuted_by =
        "items cannot be hashed, equal ones have different hashes, or the list is made anew for "
        "each look-up, so that making a set would take as long",
    .blind_spots =
        "whether the list changes between look-ups, unless its length does; a line whose list is "
        "another one each time; tests in except blocks (Python before 3.14), in libraries, or of "
        "items that compare in Python; Python before 3.11",
    .find = find,
};
