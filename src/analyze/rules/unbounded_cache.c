/* analyze/rules/unbounded_cache.c - a dict that is filled by each call, and from which nothing is ever taken.
 *
 * The same evidence as of rules/growth.c; what is filled is told for a dict by its own block, which doubles. functools.lru_cache
 * has such a dict, too: it lies with the line that calls the cached function. */
#include "analyze/kept.h"

#include <errno.h>
#include <string.h>

#define DECORATORS 4 /* lines from a function's first one on */

/* What the source says of a cache around FUNCTION; NULL: nothing. */
static const char *decorator_of(const struct pyro_profile *profile,
                                const struct pyro_function *function, uint32_t *ret_line)
{
    for (uint32_t line = function->first_line; line < function->first_line + DECORATORS; line++) {
        const char *source = pyro_profile_source(profile, function->file, line);
        while (source && *source == ' ')
            source++;
        if (!source || *source != '@')
            continue;
        *ret_line = line;
        if (strstr(source, "cache"))
            return source;
    }
    return NULL;
}

static bool is_bounded(const char *decorator)
{
    return !strstr(decorator, "maxsize=None") && !strstr(decorator, "(None)") &&
           (strstr(decorator, "lru_cache") || strstr(decorator, "maxsize"));
}

/* What the line that fills the cache calls behind a cache; PYRO_NO_ID: nothing that is known. */
static uint32_t cached_by(const struct pyro_profile *profile, const struct pyro_kept_growth *growth,
                          const char **ret_decorator, uint32_t *ret_line)
{
    for (uint32_t i = growth->row->stack + 1; i < profile->stack_count; i++) {
        if (profile->stacks[i].parent != growth->row->stack)
            continue;
        uint32_t function = pyro_profile_function_of(profile, i);
        *ret_decorator = decorator_of(profile, &profile->functions[function], ret_line);
        if (*ret_decorator)
            return function;
    }
    return PYRO_NO_ID;
}

static int say(struct pyro_rule_context *context, const struct pyro_kept_growth *growth,
               struct pyro_finding *finding)
{
    const struct pyro_profile *profile = context->profile;
    const char *size = pyro_finding_size(context, growth->most);
    const char *half = pyro_finding_size(context, (double)finding->evidence[1].number);
    if (!size || !half)
        return -ENOMEM;
    finding->title = pyro_finding_text(context, "cache without a bound: %s that only grow", size);
    finding->why = pyro_finding_text(
        context, "%s after half of the time, %s at the end; %s() goes on being called", half, size,
        pyro_profile_text(profile, profile->functions[growth->again].name));
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int report_cached(struct pyro_rule_context *context, const struct pyro_kept_growth *growth,
                         uint32_t function, uint32_t line)
{
    struct pyro_finding *finding = pyro_kept_finding(context, growth, function, line);
    if (!finding)
        return -ENOMEM;
    finding->confidence = PYRO_CONFIDENCE_MEDIUM;
    finding->doubt = NULL;
    finding->fix = "a bound: @functools.lru_cache(maxsize=1024)";
    return say(context, growth, finding);
}

static int report_dict(struct pyro_rule_context *context, const struct pyro_kept_growth *growth)
{
    const struct pyro_profile *profile = context->profile;
    const struct pyro_frame *frame = &profile->frames[profile->stacks[growth->row->own].frame];
    struct pyro_finding *finding = pyro_kept_finding(context, growth, frame->function, frame->line);
    if (!finding)
        return -ENOMEM;
    finding->fix = "a bound: functools.lru_cache(maxsize=), or take out the oldest when it is full";
    return say(context, growth, finding);
}

static int report(struct pyro_rule_context *context, const struct pyro_kept_growth *growth)
{
    const char *decorator = NULL;
    uint32_t line = 0, cached = cached_by(context->profile, growth, &decorator, &line);
    if (cached == PYRO_NO_ID)
        return report_dict(context, growth);
    return is_bounded(decorator) ? 0 : report_cached(context, growth, cached, line);
}

static int find(struct pyro_rule_context *context)
{
    struct pyro_kept kept;
    struct pyro_kept_growth growth;
    int result = pyro_kept_make(&kept, context);
    for (size_t at = 0; result == 0 && pyro_kept_next_growth(&kept, &at, &growth);)
        if (growth.by_key && pyro_worth_its_bytes(context, growth.most))
            result = report(context, &growth);
    pyro_kept_clear(&kept);
    return result;
}

const struct pyro_rule pyro_rule_unbounded_cache = {
    .name = "unbounded-cache",
    .tier = PYRO_TIER_MEMORY,
    .mode = "run --memory",
    .looks_for = "a dict, a set or an lru_cache(maxsize=None) that is filled by calls that go on, "
                 "and from which nothing is ever taken",
    .evidence =
        "bytes alive over time, exact: the dict's own block, which doubles, and what grows "
        "with it, until the end; samples: the function that fills it left the stack and was "
        "there again, four times or more; the decorator, where one is in the source",
    .fix = "functools.lru_cache with a bound, cachetools.TTLCache; take out the oldest",
    .gain = "what is alive of it at the end, less 5 % (0 to 50 %) that a bound leaves",
    .refuted_by = "all of it is needed until the end, such as an index that is built all the time; "
                  "it has a bound that was not reached in that run",
    .blind_spots = "dicts that are filled by a loop in the function that has them, or in a module: "
                   "those look like any that is built once; many small ones; whether what is kept "
                   "is ever asked for; programs of half a second, and what begins to grow late; "
                   "Python before 3.11",
    .find = find,
};
