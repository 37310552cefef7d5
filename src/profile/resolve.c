/* profile/resolve.c - which samples are sure, and how much time each stands for. */
#include "profile/resolve.h"

#include "profile/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- unsure samples ----------------------------------------------------------------------------- */

/* Facts about each stack, so that a sample costs a few steps however deep it is. */
struct sureness {
    uint32_t *
        doubt; /* depth of the top frame whose edge to its caller is not known to be real; 0: none */
    uint32_t *jump;      /* an ancestor far down, in the manner of a skip list */
    struct pyro_map cut; /* agreed stack -> the same with [unsure] on top */
    uint32_t unsure_frame;
};

static const struct pyro_function *function_of(const struct pyro_profile *profile, uint32_t stack)
{
    return &profile->functions[profile->frames[profile->stacks[stack].frame].function];
}

static void fill_stack(const struct pyro_parse *parse, struct sureness *sureness, uint32_t id)
{
    const struct pyro_profile *profile = parse->profile;
    const struct pyro_stack *stacks = profile->stacks;
    uint32_t parent = stacks[id].parent, far = sureness->jump[parent];
    uint32_t near_step = stacks[parent].depth - stacks[far].depth;
    uint32_t far_step = stacks[far].depth - stacks[sureness->jump[far]].depth;
    sureness->jump[id] = near_step == far_step ? sureness->jump[far] : parent;
    sureness->doubt[id] = sureness->doubt[parent];
    /* C functions stand between Python frames where a probe told so: what is looked at are pairs of Python frames. */
    parent = pyro_profile_python_below(profile, parent);
    enum pyro_function_kind kind = function_of(profile, id)->kind;
    if (kind == PYRO_FUNCTION_SPECIAL) /* [unsure] is that also right above the root */
        sureness->doubt[id] = stacks[id].depth;
    if (parent == PYRO_STACK_ROOT || kind != PYRO_FUNCTION_PYTHON)
        return;
    uint64_t caller = profile->frames[stacks[parent].frame].function;
    uint64_t callee = profile->frames[stacks[id].frame].function;
    if (!pyro_map_find(&parse->edges, caller << 32 | callee, 0))
        sureness->doubt[id] = stacks[id].depth;
}

static int fill(const struct pyro_parse *parse, struct sureness *sureness)
{
    size_t count = parse->profile->stack_count;
    sureness->doubt = calloc(count, sizeof(*sureness->doubt));
    sureness->jump = calloc(count, sizeof(*sureness->jump));
    if (!sureness->doubt || !sureness->jump)
        return -ENOMEM;
    for (uint32_t id = 1; id < count; id++)
        fill_stack(parse, sureness, id);
    return 0;
}

/* The part of STACK that is DEPTH frames deep. */
static uint32_t root_part(const struct pyro_profile *profile, const struct sureness *sureness,
                          uint32_t stack, uint32_t depth)
{
    while (profile->stacks[stack].depth > depth) {
        uint32_t jump = sureness->jump[stack];
        stack = profile->stacks[jump].depth >= depth ? jump : profile->stacks[stack].parent;
    }
    return stack;
}

/* The function "[unsure]": the recorder's own if it wrote one, so that a table has one row of it. */
static int64_t unsure_function(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    static const char name[] = "[unsure]";
    int64_t string = pyro_strings_intern(&profile->strings, name, sizeof(name) - 1);
    if (string < 0)
        return string;
    const struct pyro_function function = {.name = (uint32_t)string, .kind = PYRO_FUNCTION_SPECIAL};
    for (size_t i = 0; i < profile->function_count; i++)
        if (profile->functions[i].kind == function.kind &&
            profile->functions[i].name == function.name)
            return (int64_t)i;
    int error = pyro_grow(&profile->functions, profile->function_count, &parse->function_capacity,
                          sizeof(function));
    if (error < 0)
        return error;
    profile->functions[profile->function_count] = function;
    return (int64_t)profile->function_count++;
}

/* Add the frame "[unsure]". */
static int add_unsure_frame(struct pyro_parse *parse, struct sureness *sureness)
{
    struct pyro_profile *profile = parse->profile;
    int64_t function = unsure_function(parse);
    if (function < 0)
        return (int)function;
    int error = pyro_grow(&profile->frames, profile->frame_count, &parse->frame_capacity,
                          sizeof(*profile->frames));
    if (error < 0)
        return error;
    sureness->unsure_frame = (uint32_t)profile->frame_count++;
    profile->frames[sureness->unsure_frame] = (struct pyro_frame){.function = (uint32_t)function};
    return 0;
}

/* The stack AGREED with "[unsure]" on top. */
static int cut_stack(struct pyro_parse *parse, struct sureness *sureness, uint32_t agreed,
                     uint32_t *ret_stack)
{
    struct pyro_profile *profile = parse->profile;
    bool is_new;
    uint64_t *cut = pyro_map_insert(&sureness->cut, agreed, 0, &is_new);
    if (!cut)
        return -ENOMEM;
    int error = 0;
    if (is_new && sureness->cut.count == 1)
        error = add_unsure_frame(parse, sureness);
    if (is_new && error == 0)
        error = pyro_grow(&profile->stacks, profile->stack_count, &parse->stack_capacity,
                          sizeof(*profile->stacks));
    if (error < 0)
        return error;
    if (is_new) {
        *cut = profile->stack_count++;
        profile->stacks[*cut] = (struct pyro_stack){.parent = agreed,
                                                    .frame = sureness->unsure_frame,
                                                    .depth = profile->stacks[agreed].depth + 1};
    }
    *ret_stack = (uint32_t)*cut;
    return 0;
}

/* What was not sure is. */
static int make_sure(struct pyro_profile_samples *samples, struct pyro_sample *sample)
{
    struct pyro_sample_kind kind = samples->kinds[sample->kind];
    kind.flags &= (uint8_t)~PYRO_SAMPLE_UNSURE;
    int64_t id = pyro_samples_kind(samples, &kind);
    if (id < 0)
        return (int)id;
    sample->kind = (uint32_t)id;
    return 0;
}

static int resolve_sample(struct pyro_parse *parse, struct sureness *sureness,
                          struct pyro_sample *sample, uint32_t drop)
{
    struct pyro_profile *profile = parse->profile;
    uint32_t agreed_depth = profile->stacks[sample->stack].depth - drop;
    if (sureness->doubt[sample->stack] <= agreed_depth)
        return make_sure(&profile->samples, sample);
    profile->counters.unsure++;
    uint32_t agreed = root_part(profile, sureness, sample->stack, agreed_depth);
    return cut_stack(parse, sureness, agreed, &sample->stack);
}

int pyro_resolve_unsure(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    profile->counters.unsure = 0;
    if (parse->drop_count == 0)
        return 0;
    struct sureness sureness = {0};
    int error = fill(parse, &sureness);
    size_t drop = 0;
    for (size_t i = 0; error == 0 && i < profile->samples.count; i++) {
        if (pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE)
            error = resolve_sample(parse, &sureness, pyro_samples_at(&profile->samples, i),
                                   parse->drops[drop++]);
    }
    free(sureness.doubt);
    free(sureness.jump);
    pyro_map_free(&sureness.cut);
    return error;
}

/* -- weights ------------------------------------------------------------------------------------ */

#define STRETCH_US       100000 /* sweeps of a stretch weigh the same */
#define SUSPENDED_GAPS   20     /* a gap of more mean gaps than this ... */
#define SUSPENDED_MIN_US 50000  /* ... and longer than this is no sampling */
#define SLOWEST_FACTOR   10     /* rates more than this below the one asked for are not believed */

static uint64_t gap_before(const struct pyro_profile *profile, size_t sweep)
{
    return pyro_sweep_time_us(profile, sweep) -
           (sweep ? pyro_sweep_time_us(profile, sweep - 1) : 0);
}

/* The mean of the gaps up to LIMIT_US. */
static double mean_gap_below(const struct pyro_profile *profile, double limit_us)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < profile->samples.sweep_count; i++) {
        uint64_t gap_us = gap_before(profile, i);
        if ((double)gap_us <= limit_us) {
            sum += (double)gap_us;
            count++;
        }
    }
    return count ? sum / (double)count : limit_us;
}

/* The mean gap while the sampler ran. Gaps in which it was suspended raise a plain mean, so they are left out in a
 * second and a third look. The rate asked for bounds the first: few sweeps and one long sleep would hide it. */
static double mean_gap(const struct pyro_profile *profile)
{
    uint32_t rate_hz = profile->info.rate_hz;
    double mean_us = mean_gap_below(profile, 1e18);
    double slowest_us = rate_hz ? SLOWEST_FACTOR * 1e6 / rate_hz : mean_us;
    if (mean_us > slowest_us)
        mean_us = slowest_us;
    for (int look = 0; look < 3; look++) {
        double limit_us = SUSPENDED_GAPS * mean_us;
        mean_us =
            mean_gap_below(profile, limit_us < SUSPENDED_MIN_US ? SUSPENDED_MIN_US : limit_us);
    }
    return mean_us;
}

/* Sweeps that share their time, being gathered. */
struct gathered {
    size_t first_sweep, sweep_count;
    double time_us;
};

static int weigh(struct pyro_profile *profile, const struct gathered *gathered)
{
    if (gathered->sweep_count == 0)
        return 0;
    float weight_us = (float)(gathered->time_us / (double)gathered->sweep_count);
    return pyro_samples_weigh(&profile->samples, gathered->first_sweep, weight_us);
}

/* Cut the sweeps into stretches. The last one is short; it joins the one before it. */
static int weigh_stretches(struct pyro_profile *profile, double mean_us)
{
    double limit_us = SUSPENDED_GAPS * mean_us;
    if (limit_us < SUSPENDED_MIN_US)
        limit_us = SUSPENDED_MIN_US;
    struct gathered before = {0}, now = {0};
    for (size_t i = 0; i < profile->samples.sweep_count; i++) {
        double gap_us = (double)gap_before(profile, i);
        if (gap_us > limit_us) {
            profile->counters.gap_us += (uint64_t)(gap_us - mean_us);
            gap_us = mean_us;
        }
        if (now.time_us >= STRETCH_US) {
            int error = weigh(profile, &before);
            if (error < 0)
                return error;
            before = now;
            now = (struct gathered){.first_sweep = i};
        }
        now.time_us += gap_us;
        now.sweep_count++;
    }
    before.sweep_count += now.sweep_count;
    before.time_us += now.time_us;
    return weigh(profile, &before);
}

int pyro_resolve_weights(struct pyro_profile *profile)
{
    const struct pyro_profile_samples *samples = &profile->samples;
    struct pyro_counters *counters = &profile->counters;
    counters->sweeps = samples->sweep_count;
    counters->samples = samples->count;
    counters->gap_us = 0;
    counters->duration_us =
        samples->sweep_count ? pyro_sweep_time_us(profile, samples->sweep_count - 1) : 0;
    return samples->count ? weigh_stretches(profile, mean_gap(profile)) : 0;
}
