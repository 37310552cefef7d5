/* analyze/rules/growth.c - a list that is filled by each request, or each pass of a loop, and never emptied.
 *
 * What is kept is told from what is built once by two things: it grows until the end, and the function that fills it was called
 * again and again (analyze/kept.h). */
#include "analyze/kept.h"

#include <errno.h>

static int report(struct pyro_rule_context *context, const struct pyro_kept_growth *growth)
{
    const struct pyro_profile *profile = context->profile;
    const struct pyro_frame *frame = &profile->frames[profile->stacks[growth->row->own].frame];
    struct pyro_finding *finding = pyro_kept_finding(context, growth, frame->function, frame->line);
    if (!finding)
        return -ENOMEM;
    const char *size = pyro_finding_size(context, growth->most);
    const char *half = pyro_finding_size(context, (double)finding->evidence[1].number);
    if (!size || !half)
        return -ENOMEM;
    finding->title = pyro_finding_text(context, "%s that only grow", size);
    finding->fix = "clear it when the request is done; deque(maxlen=) where the last are enough";
    finding->why = pyro_finding_text(
        context, "%s after half of the time, %s at the end; %s() goes on being called", half, size,
        pyro_profile_text(profile, profile->functions[growth->again].name));
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int find(struct pyro_rule_context *context)
{
    struct pyro_kept kept;
    struct pyro_kept_growth growth;
    int result = pyro_kept_make(&kept, context);
    for (size_t at = 0; result == 0 && pyro_kept_next_growth(&kept, &at, &growth);)
        if (!growth.by_key && pyro_worth_its_bytes(context, growth.most))
            result = report(context, &growth);
    pyro_kept_clear(&kept);
    return result;
}

const struct pyro_rule pyro_rule_growth = {
    .name = "growth",
    .tier = PYRO_TIER_MEMORY,
    .mode = "run --memory",
    .looks_for = "a list that is filled across requests, or passes of a loop, and never emptied",
    .evidence =
        "bytes alive over time, exact: the list's own block, which is allocated anew "
        "and larger each time, and what grows with it, until the end; samples: the function "
        "that fills it left the stack and was there again, four times or more",
    .fix = "clear it when the request is done; write out what it has; deque(maxlen=)",
    .gain = "what is alive of it at the end, less 5 % (0 to 50 %) that a bound leaves",
    .refuted_by =
        "all of it is needed until the end, such as the rows of a report that is written last",
    .blind_spots =
        "lists that are filled by a loop in the function that has them, or in a module: "
        "those look like any that is built once; many small ones, deques and linked "
        "objects; programs of half a second, and what begins to grow late; Python before 3.11",
    .find = find,
};
