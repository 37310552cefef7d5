/* analyze/rules/garbage_collection.c - the cycle collector goes through the same living objects again and again.
 *
 * Whether an interpreter collects is a field of its own, which is read with each sample. A program that builds much (a syntax tree, a
 * model, a cache) makes the collector visit all of it several times, and frees next to nothing by that. */
#include "analyze/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MACHINERY "<frozen importlib"
#define COLLECT   "{built-in method gc.collect}"
#define BY_CALLS  0.5 /* of the time of collections, or more: the program asks for them itself */
#define WITHIN    0.5 /* of that time, or more, lies in what the line calls that is named */
#define FEW \
    10 /* calls: what is set for the collector is set around what happens once, not within what happens all the time */

/* What is left of the time of collections that come by themselves: a higher threshold makes them rare, not cheaper. */
#define LEFT_LIKELY 0.3
#define LEFT_MOST   0.7

/* Less tells nothing, where the sampler was held up, or is nothing that one would tune a collector for. */
#define SAMPLES_MIN 30
#define TIME_S_MIN  0.1

struct collections {
    double *stacks_us; /* [stack_count]: in collections, those above it included */
    double time_us, squares_us2;
    size_t samples;
    double called_us; /* of time_us: the program asked for them */
};

static bool is_collect(const struct pyro_profile *profile, uint32_t stack)
{
    uint32_t function = pyro_profile_function_of(profile, stack);
    return function != PYRO_NO_ID && profile->functions[function].kind == PYRO_FUNCTION_C &&
           strcmp(pyro_profile_text(profile, profile->functions[function].name), COLLECT) == 0;
}

static void add(const struct pyro_profile *profile, const struct pyro_sample_sum *sum,
                struct collections *found)
{
    if (!(profile->samples.kinds[sum->kind].flags & PYRO_SAMPLE_GC))
        return;
    found->stacks_us[sum->stack] += sum->weight_us;
    found->time_us += sum->weight_us;
    found->samples += sum->count;
    found->squares_us2 += sum->squares_us2;
    if (is_collect(profile, sum->stack))
        found->called_us += sum->weight_us;
}

static void add_up(const struct pyro_profile *profile, struct collections *found)
{
    for (size_t i = 0; i < pyro_sample_part_count(profile); i++) {
        const struct pyro_sample_sum sum = pyro_sample_part(profile, i);
        add(profile, &sum, found);
    }
    for (size_t i = profile->stack_count; i-- > 1;) /* children have larger ids */
        found->stacks_us[profile->stacks[i].parent] += found->stacks_us[i];
}

/* A function of the program's own that runs a few times in all. Where nobody counted, each is taken for one. */
static bool is_stage(const struct pyro_rule_context *context, uint32_t function)
{
    return !context->library[function] && context->counted.ncalls[function] <= FEW;
}

static bool is_body(const struct pyro_profile *profile, uint32_t function)
{
    return strcmp(pyro_profile_text(profile, profile->functions[function].name), "<module>") == 0;
}

static bool is_importing(const struct pyro_profile *profile, uint32_t function)
{
    return strncmp(pyro_profile_text(profile, profile->functions[function].file), MACHINERY,
                   strlen(MACHINERY)) == 0;
}

/* The innermost line below which most of the collections lie, of a function that is called a few times: who builds the model, reads the
 * input, or is the program. What it passes through further in, a proxy or a visitor, is nowhere to change anything. PYRO_STACK_ROOT: there
 * is none, or modules are imported, which is over when it is done: what is built then is small. */
static uint32_t place_of(const struct pyro_rule_context *context, const struct collections *found)
{
    const struct pyro_profile *profile = context->profile;
    uint32_t at = PYRO_STACK_ROOT, place = PYRO_STACK_ROOT;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        if (profile->stacks[i].parent != at || found->stacks_us[i] < WITHIN * found->time_us)
            continue;
        at = i;
        uint32_t function = pyro_profile_function_of(profile, i);
        if (is_stage(context, function) &&
            (place == PYRO_STACK_ROOT || !is_body(profile, function)))
            place = i;
        if (is_importing(profile, function))
            return PYRO_STACK_ROOT;
    }
    return place;
}

static uint64_t calls_of_collect(const struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    uint64_t calls = 0;
    for (size_t i = 0; i < profile->function_count; i++)
        if (profile->functions[i].kind == PYRO_FUNCTION_C &&
            strcmp(pyro_profile_text(profile, profile->functions[i].name), COLLECT) == 0)
            calls += context->counted.ncalls[i];
    return calls;
}

/* They come by themselves. */
static int tell_own(struct pyro_rule_context *context, struct pyro_finding *finding, double share)
{
    finding->title = "garbage collection";
    finding->fix = "gc.freeze() when what stays is built, and a higher gc.set_threshold(); "
                   "gc.disable() in a run that ends soon";
    finding->why = pyro_finding_text(
        context, "%.0f %% of all time is in collections that come by themselves", 100 * share);
    return finding->why ? 0 : -ENOMEM;
}

/* The program calls gc.collect(). */
static int tell_called(struct pyro_rule_context *context, struct pyro_finding *finding,
                       double share)
{
    uint64_t calls = calls_of_collect(context);
    finding->title =
        pyro_finding_text(context, "garbage collection: gc.collect() %" PRIu64 " times", calls);
    finding->fix = "call it less often: what is in no cycle is freed without it";
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->doubt = "if something waits for what it frees, it has to stay";
    finding->why = pyro_finding_text(context, "%.0f %% of all time is in it", 100 * share);
    pyro_finding_count(finding, "calls", calls);
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int report(struct pyro_rule_context *context, const struct collections *found)
{
    const struct pyro_profile *profile = context->profile;
    double error_s =
        pyro_totals_error_us(found->time_us, found->squares_us2, context->totals.counted_us) / 1e6;
    double time_s = found->time_us / 1e6;
    uint32_t place = place_of(context, found);
    if (place == PYRO_STACK_ROOT || !pyro_worth_it(context, (1 - LEFT_LIKELY) * time_s))
        return 0;
    const struct pyro_frame *frame = &profile->frames[profile->stacks[place].frame];
    struct pyro_finding *finding = pyro_finding_new(context, frame->function, frame->line);
    if (!finding)
        return -ENOMEM;
    double low_s = (1 - LEFT_MOST) * time_s - 2 * error_s;
    finding->gain_s = (1 - LEFT_LIKELY) * time_s;
    finding->gain_low_s = low_s > 0 ? low_s : 0;
    finding->gain_high_s = time_s + 2 * error_s;
    pyro_finding_seconds(finding, "time_s", time_s);
    pyro_finding_seconds(finding, "called_s", found->called_us / 1e6);
    double share = time_s / context->findings->total_s;
    return found->called_us >= BY_CALLS * found->time_us ? tell_called(context, finding, share)
                                                         : tell_own(context, finding, share);
}

static int find(struct pyro_rule_context *context)
{
    struct collections found = {0};
    found.stacks_us = calloc(context->profile->stack_count + 1, sizeof(*found.stacks_us));
    if (!found.stacks_us)
        return -ENOMEM;
    add_up(context->profile, &found);
    bool enough = found.samples >= SAMPLES_MIN && found.time_us >= TIME_S_MIN * 1e6;
    int result = enough ? report(context, &found) : 0;
    free(found.stacks_us);
    return result;
}

const struct pyro_rule pyro_rule_garbage_collection = {
    .name = "garbage-collection",
    .tier = PYRO_TIER_MEMORY,
    .needs = PYRO_NEED_SAMPLES | PYRO_NEED_STATES,
    .mode = "run",
    .looks_for =
        "collections of cyclic garbage that take 7 % of all time or more, by themselves or "
        "because the program asks for them",
    .evidence = "samples: whether the interpreter was collecting, which it tells with each; the "
                "innermost line of the program's own that most collections lie below, of a "
                "function that is called ten times at most; exact calls of gc.collect()",
    .fix = "gc.freeze() when what stays is built, a higher gc.set_threshold(), gc.disable() in a "
           "run that ends soon; fewer gc.collect()",
    .gain = "the sampled time of collections, less what must still be collected: 30 % are taken "
            "for likely, 70 % for the most, nothing for the least",
    .refuted_by = "the peak of memory grows by more than one can spare, since much garbage is in "
                  "cycles",
    .blind_spots = "how much the collections freed; what freeing costs besides; collections while "
                   "modules are imported; programs that are "
                   "installed as libraries, of which no line is the program's own, or whose own "
                   "functions are all called by a library, over and over",
    .find = find,
};
