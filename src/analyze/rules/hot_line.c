/* analyze/rules/hot_line.c - a loop takes several steps, and one of them has nearly all the time.
 *
 * That steps belong to one loop is told by exact counts: functions of the program's own that one function calls equally often. Asked
 * last: where another rule says what is wrong in that line, this one has nothing to add. */
#include "analyze/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SHARE      0.5  /* of all time, or more */
#define OTHERS_MIN 2    /* other steps ... */
#define OTHERS     0.25 /* ... which have so much of its time together, or less */
#define ALIKE      0.8  /* called so many times as often, or more: a step of the same loop */
#define EXPLAINED  0.5  /* of its time, or more, another finding would give back */
#define WITHIN     0.5  /* of its time, or more, lies in one call further in ... */
#define WITHIN_MAX 64   /* ... so far at most */
#define CALLS_IN   2    /* below the step, at most: who looks something up does not go far */
#define ONE_PLACE \
    0.33 /* of its time, or more, one function has for itself; else it is many things */
#define LOOKS_MAX   64   /* steps that are looked at closer */
#define GAIN_LIKELY 0.75 /* an index or a cache leaves something between nothing and nearly all */

/* What a loop of CALLER calls. */
struct step {
    uint32_t caller, callee;
    double time_us, squares_us2;
    uint64_t count; /* of its calls */
    uint32_t others;
    double others_us;
};

static const char *name_of(const struct pyro_rule_context *context, uint32_t function)
{
    const struct pyro_profile *profile = context->profile;
    return pyro_profile_text(profile, profile->functions[function].name);
}

static bool is_in_loop(const struct pyro_rule_context *context, const struct step *step)
{
    uint64_t calls = context->counted.ncalls[step->caller];
    return calls && step->count / calls >= PYRO_LOOP_CALLS;
}

/* Are there other steps of the loop, which take little? */
static bool stands_out(const struct pyro_rule_context *context, struct step *step)
{
    const struct pyro_counted *counted = &context->counted;
    for (size_t i = 0; i < counted->edge_count; i++) {
        const struct pyro_counted_edge *edge = &counted->edges[i];
        double often = (double)edge->ncalls / (double)step->count;
        if (edge->caller != step->caller || edge->callee == step->callee ||
            context->library[edge->callee] || often < ALIKE || often > 1 / ALIKE)
            continue;
        step->others++;
        step->others_us += 1e6 * pyro_loop_time_s(context, edge->caller, edge->callee);
    }
    return step->others >= OTHERS_MIN && step->others_us <= OTHERS * step->time_us;
}

/* Those with a large share of the time lie within each other: the innermost. False: there is none. */
static bool find_step(const struct pyro_rule_context *context, struct step *found)
{
    const struct pyro_totals *totals = &context->totals;
    int looks = 0;
    found->time_us = 2 * totals->counted_us;
    for (size_t i = 0; i < totals->edge_count && looks < LOOKS_MAX; i++) {
        const struct pyro_edge_total *edge = &totals->edges[i];
        struct step step = {
            edge->caller, edge->callee, edge->total_us, edge->total_squares_us2, 0, 0, 0};
        if (step.time_us < SHARE * totals->counted_us || step.time_us >= found->time_us ||
            step.caller == PYRO_NO_ID || context->library[step.caller])
            continue;
        step.count = pyro_loop_calls(context, step.caller, step.callee);
        if (is_in_loop(context, &step) && looks++ < LOOKS_MAX && stands_out(context, &step))
            *found = step;
    }
    return found->count > 0;
}

/* Where in a step a stack is. */
struct depth {
    uint32_t calls; /* of Python functions, the step itself being 1; 0: not in it */
    uint32_t
        function; /* the innermost of them: what it calls itself of a library is its own time */
};

static struct depth depth_of(const struct pyro_rule_context *context, const struct step *step,
                             uint32_t stack, struct depth below)
{
    const struct pyro_profile *profile = context->profile;
    uint32_t function = pyro_profile_function_of(profile, stack);
    uint32_t caller = pyro_profile_function_of(profile, profile->stacks[stack].parent);
    bool starts = function == step->callee && caller == step->caller;
    bool is_python = profile->functions[function].kind == PYRO_FUNCTION_PYTHON;
    bool deeper = is_python && (!context->library[function] || context->library[step->callee] ||
                                (caller != PYRO_NO_ID && context->library[caller]));
    if (!below.calls)
        return starts ? (struct depth){1, function} : below;
    return deeper ? (struct depth){below.calls + 1, function} : below;
}

/* Has one function near the step most of it? Where time lies in many, or far in, the step is what the program is for: no index or cache
 * will save it. 0 or -ENOMEM. */
static int is_in_one_place(const struct pyro_rule_context *context, const struct step *step,
                           bool *ret_is)
{
    const struct pyro_profile *profile = context->profile;
    struct depth *depths = calloc(profile->stack_count + 1, sizeof(*depths));
    double *self_us = calloc(profile->function_count + 1, sizeof(*self_us));
    int result = depths && self_us ? 0 : -ENOMEM;
    *ret_is = false;
    for (uint32_t i = 1; result == 0 && i < profile->stack_count; i++) {
        depths[i] = depth_of(context, step, i, depths[profile->stacks[i].parent]);
        if (!depths[i].calls || depths[i].calls > 1 + CALLS_IN)
            continue;
        self_us[depths[i].function] += context->totals.stacks[i].self_us;
        *ret_is |= self_us[depths[i].function] >= ONE_PLACE * step->time_us;
    }
    free(depths);
    free(self_us);
    return result;
}

static bool is_explained(const struct pyro_rule_context *context, const struct step *step)
{
    const struct pyro_findings *findings = context->findings;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].gain_high_s >= EXPLAINED * step->time_us / 1e6)
            return true;
    return false;
}

/* What FUNCTION calls for at least TIME_US, if it is the program's own; PYRO_NO_ID: nothing. */
static uint32_t further_in(const struct pyro_rule_context *context, uint32_t function,
                           double time_us)
{
    const struct pyro_totals *totals = &context->totals;
    for (size_t i = 0; i < totals->edge_count; i++)
        if (totals->edges[i].caller == function && totals->edges[i].callee != function &&
            totals->edges[i].total_us >= time_us && !context->library[totals->edges[i].callee])
            return totals->edges[i].callee;
    return PYRO_NO_ID;
}

/* The function in which most of the step's time is spent. */
static uint32_t innermost(const struct pyro_rule_context *context, const struct step *step)
{
    uint32_t function = step->callee;
    for (int i = 0; i < WITHIN_MAX; i++) {
        uint32_t next = further_in(context, function, WITHIN * step->time_us);
        if (next == PYRO_NO_ID)
            break;
        function = next;
    }
    return function;
}

static const char *why_of(struct pyro_rule_context *context, const struct step *step,
                          uint32_t inside)
{
    const char *others = pyro_finding_text(
        context, "%" PRIu32 " other steps of %s are called as often and take %.0f %% together",
        step->others, name_of(context, step->caller),
        100 * step->others_us / context->totals.counted_us);
    if (inside == step->callee || !others)
        return others;
    return pyro_finding_text(context, "%s; most of it is in %s", others, name_of(context, inside));
}

static int report(struct pyro_rule_context *context, const struct step *step)
{
    uint32_t line = pyro_loop_line(context, step->caller, step->callee);
    uint32_t inside = innermost(context, step);
    double all_us = context->totals.counted_us, share = step->time_us / all_us;
    double error_us = pyro_totals_error_us(step->time_us, step->squares_us2, all_us);
    struct pyro_finding *finding = pyro_finding_new(context, step->caller, line);
    if (!finding)
        return -ENOMEM;
    finding->gain_s = GAIN_LIKELY * step->time_us / 1e6;
    finding->gain_high_s = (step->time_us + 2 * error_us) / 1e6;
    finding->title = pyro_finding_text(context, "hot line: one step of %" PRIu32 " has %.0f %%",
                                       step->others + 1, 100 * share);
    finding->why = why_of(context, step, inside);
    finding->fix = pyro_finding_text(
        context, "prepare once what each of %" PRIu64 " calls of %s looks for: an index, a cache",
        step->count, name_of(context, step->callee));
    finding->doubt = "if this is the work itself, there is less to win";
    pyro_finding_count(finding, "calls", step->count);
    pyro_finding_say(finding, "step", name_of(context, step->callee));
    pyro_finding_count(finding, "other_steps", step->others);
    pyro_finding_seconds(finding, "time_s", step->time_us / 1e6);
    pyro_finding_seconds(finding, "others_s", step->others_us / 1e6);
    if (!context->library[inside])
        pyro_finding_place(finding, "inside", inside, 0);
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

static int find(struct pyro_rule_context *context)
{
    struct step step = {0};
    bool one_place;
    if (!find_step(context, &step) || is_explained(context, &step))
        return 0;
    int result = is_in_one_place(context, &step, &one_place);
    return result < 0 || !one_place ? result : report(context, &step);
}

const struct pyro_rule pyro_rule_hot_line = {
    .name = "hot-line",
    .tier = PYRO_TIER_ALGORITHM,
    .needs = PYRO_NEED_CALLS,
    .mode = "run",
    .looks_for =
        "a loop that takes three steps or more, of which one has half of all time or more, "
        "and four times as much as the others together; a third of it in one function, "
        "two calls further in at most",
    .evidence =
        "exact calls: the steps are functions of your own that are called equally often; the "
        "sampled time of each",
    .fix = "prepare once what each call looks for: an index, a cache; call it less often",
    .gain = "the time of that step: an index may save nearly all or nothing, three quarters are "
            "taken for likely",
    .refuted_by = "the step is the work itself, done as well as can be",
    .blind_spots = "loops whose steps are not functions; steps whose time lies in many functions, "
                   "or far in; what "
                   "another rule explains; Python before 3.11",
    .find = find,
};
