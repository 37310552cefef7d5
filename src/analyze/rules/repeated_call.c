/* analyze/rules/repeated_call.c - a function that takes long and is asked the same again.
 *
 * How often it is called is exact, how long it takes is sampled, and with how many different arguments is known from the calls
 * that were looked at (probe/arguments.h); of some of them the result was the same, too. Whether it always is, nobody can tell: so it is
 * a "maybe". */
#include "analyze/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MIN     20
#define LOOKED_MIN    20
#define UNKNOWN_MOST  0.05 /* of the calls that were looked at */
#define DISTINCT_MOST 0.5  /* of those that were compared */
#define CALL_S_MIN    5e-6 /* a call that takes less is hardly worth a cache */
#define CACHED_S      2e-7 /* what a call still takes with one */
#define FEW           128  /* different arguments: lru_cache's own bound holds them */
#define CHAIN_SHARE   0.8  /* of the time: it is spent by a caller that is repeated itself */
#define WITHIN_SELF   1
#define WITHIN_OTHER  2

struct suspect {
    const struct pyro_arguments *arguments;
    uint64_t calls, outer; /* outer: not by itself */
    double time_s, error_s;
    double part; /* of the calls that a cache would answer: likely, */
    double most; /* and at most */
};

static const char *name_of(const struct pyro_rule_context *context, uint32_t function)
{
    const struct pyro_profile *profile = context->profile;
    return pyro_profile_text(profile, profile->functions[function].name);
}

/* False: no suspect. */
static bool suspect_of(const struct pyro_rule_context *context,
                       const struct pyro_arguments *arguments, struct suspect *suspect)
{
    uint32_t function = arguments->function;
    const struct pyro_function_total *total = &context->totals.functions[function];
    double looked = (double)arguments->looked, compared = looked - (double)arguments->unknown;
    *suspect = (struct suspect){
        .arguments = arguments,
        .calls = context->counted.ncalls[function],
        .outer = context->counted.primitive[function],
        .time_s = total->total_us / 1e6,
        .error_s = pyro_totals_error_us(total->total_us, total->total_squares_us2,
                                        context->totals.counted_us) /
                   1e6,
    };
    if (suspect->outer == PYRO_NO_CALLS || !suspect->outer)
        suspect->outer = suspect->calls;
    if (context->library[function] || suspect->calls < CALLS_MIN || looked < LOOKED_MIN ||
        (double)arguments->unknown > UNKNOWN_MOST * looked ||
        (double)arguments->distinct > DISTINCT_MOST * compared ||
        suspect->time_s < CALL_S_MIN * (double)suspect->outer)
        return false;
    suspect->part = 1 - (double)arguments->distinct / compared;
    suspect->most = fmax(suspect->part, 1 - (double)arguments->distinct / (double)suspect->calls);
    return true;
}

static void set_gain(const struct suspect *suspect, struct pyro_finding *finding)
{
    double cached_s = CACHED_S * (double)suspect->outer;
    finding->gain_s = fmax(0, suspect->part * suspect->time_s - cached_s);
    finding->gain_low_s = fmax(0, finding->gain_s - cached_s - 2 * suspect->error_s);
    finding->gain_high_s = suspect->most * suspect->time_s + 2 * suspect->error_s;
}

/* Enough for all that was seen, twice; 0: no power of two is. */
static uint64_t bound_of(uint64_t distinct)
{
    uint64_t bound = FEW;
    while (bound && bound < 2 * distinct)
        bound *= 2;
    return bound;
}

/* By its qualified name: "Class.method", "make.<locals>.Class.method". */
static bool is_method(const char *name)
{
    const char *inner = strrchr(name, '>');
    return strchr(inner && inner[1] ? inner + 2 : name, '.') != NULL;
}

static const char *fix_of(struct pyro_rule_context *context, const struct suspect *suspect)
{
    uint64_t distinct = suspect->arguments->distinct;
    if (is_method(name_of(context, suspect->arguments->function)))
        return "keep the result on the object, by the arguments, until it changes: "
               "functools.lru_cache would keep the object alive";
    if (distinct <= FEW)
        return pyro_finding_text(context, "@functools.lru_cache(maxsize=%" PRIu64 ") on it",
                                 bound_of(distinct));
    return pyro_finding_text(context,
                             "@functools.lru_cache(maxsize=%" PRIu64
                             ") on it; without a bound it would keep whatever ever comes",
                             bound_of(distinct));
}

static int report(struct pyro_rule_context *context, const struct suspect *suspect)
{
    const struct pyro_arguments *arguments = suspect->arguments;
    uint32_t function = arguments->function;
    struct pyro_finding *finding =
        pyro_finding_new(context, function, context->profile->functions[function].first_line);
    if (!finding)
        return -ENOMEM;
    set_gain(suspect, finding);
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->title = pyro_finding_text(context, "repeated call: %" PRIu64 " times %s",
                                       suspect->calls, name_of(context, function));
    finding->why = pyro_finding_text(
        context, "%" PRIu64 " calls were looked at, %" PRIu64 " with other arguments; %.0f us each",
        arguments->looked, arguments->distinct, 1e6 * suspect->time_s / (double)suspect->outer);
    finding->fix = fix_of(context, suspect);
    finding->doubt = "only if the result depends on nothing but the arguments, and nothing else is "
                     "done there";
    pyro_finding_count(finding, "calls", suspect->calls);
    pyro_finding_count(finding, "looked", arguments->looked);
    pyro_finding_count(finding, "distinct", arguments->distinct);
    pyro_finding_count(finding, "not_compared", arguments->unknown);
    pyro_finding_seconds(finding, "time_s", suspect->time_s);
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* Is nearly all time of SUSPECT's function spent below another one that is REPEATED itself, however far? Who caches that one needs no
 * more. Parents have smaller ids. OUTER: [stack_count], which of them are at or below a stack. */
static bool is_within(const struct pyro_rule_context *context, const struct suspect *suspect,
                      const bool *repeated, uint32_t *outer)
{
    const struct pyro_profile *profile = context->profile;
    uint32_t self = suspect->arguments->function;
    double within_us = 0, all_us = 0;
    outer[PYRO_STACK_ROOT] = 0;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        uint32_t function = pyro_profile_function_of(profile, i);
        uint32_t below = outer[profile->stacks[i].parent];
        outer[i] = below;
        if (function == self && !(below & WITHIN_SELF)) {
            double time_us = context->totals.stacks[i].tree_us;
            all_us += time_us;
            within_us += below & WITHIN_OTHER ? time_us : 0;
        }
        if (function == self)
            outer[i] |= WITHIN_SELF;
        else if (function != PYRO_NO_ID && repeated[function])
            outer[i] |= WITHIN_OTHER;
    }
    return within_us >= CHAIN_SHARE * all_us;
}

static int find(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct suspect *suspects = calloc(profile->argument_count + 1, sizeof(*suspects));
    bool *repeated = calloc(profile->function_count + 1, sizeof(*repeated));
    uint32_t *outer = calloc(profile->stack_count + 1, sizeof(*outer));
    int result = suspects && repeated && outer ? 0 : -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; result == 0 && i < profile->argument_count; i++) {
        struct pyro_finding gain = {0};
        if (!suspect_of(context, &profile->arguments[i], &suspects[count]))
            continue;
        set_gain(&suspects[count], &gain);
        if (pyro_worth_it(context, gain.gain_s))
            repeated[suspects[count++].arguments->function] = true;
    }
    for (size_t i = 0; result == 0 && i < count; i++)
        if (!is_within(context, &suspects[i], repeated, outer))
            result = report(context, &suspects[i]);
    free(suspects);
    free(repeated);
    free(outer);
    return result;
}

const struct pyro_rule pyro_rule_repeated_call = {
    .name = "repeated-call",
    .tier = PYRO_TIER_ALGORITHM,
    .needs = PYRO_NEED_CALLS,
    .mode = "run",
    .looks_for = "a function of 5 us or more that is called with arguments it was called with "
                 "before, in half "
                 "of its calls or more",
    .evidence =
        "exact calls, sampled time, and of the first 1000 calls and one in some 128 later how many "
        "had other arguments than each before, objects by identity and attributes; the results of "
        "some calls, which are values, and the same for the same arguments",
    .fix = "functools.lru_cache with a bound, of a method a result that the object keeps; ask once "
           "before the loop",
    .gain = "the time of the function, less the part of the calls with new arguments, and 0.2 us a "
            "call",
    .refuted_by =
        "the result depends on more than the arguments and the object (time, files, globals, what "
        "the object's attributes hold), is changed by who gets it, or the function is called for "
        "what it does besides",
    .blind_spots =
        "functions that use variables of the one around them; other arguments than str, bytes, "
        "numbers, None, dates and lists, tuples and dicts of them, and objects of classes without "
        "__slots__ that are written in Python; functions without arguments, or that return only "
        "None or objects; generators and coroutines; arguments that come again after thousands of "
        "others; "
        "Python before 3.11",
    .find = find,
};
