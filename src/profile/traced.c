/* profile/traced.c - add up calling contexts. */
#include "profile/traced.h"

#include "profile/walk.h"

#include <errno.h>
#include <stdlib.h>

/* -- reading ------------------------------------------------------------------------------------ */

static int compare(const void *left, const void *right)
{
    const struct pyro_traced *a = left, *b = right;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return (a->stack > b->stack) - (a->stack < b->stack);
}

static void add(struct pyro_traced *sum, const struct pyro_traced *more)
{
    sum->calls += more->calls;
    sum->resumes += more->resumes;
    sum->self_ns += more->self_ns;
    sum->calls_of_python += more->calls_of_python;
    sum->lives += more->lives;
    sum->life_ns += more->life_ns;
}

void pyro_traced_merge(struct pyro_profile *profile)
{
    struct pyro_traced *traced = profile->traced;
    if (profile->traced_count == 0)
        return;
    qsort(traced, profile->traced_count, sizeof(*traced), compare);
    size_t last = 0;
    for (size_t i = 1; i < profile->traced_count; i++) {
        if (compare(&traced[last], &traced[i]) == 0)
            add(&traced[last], &traced[i]);
        else
            traced[++last] = traced[i];
    }
    profile->traced_count = last + 1;
}

/* -- time --------------------------------------------------------------------------------------- */

bool pyro_traced_answers(const struct pyro_clock_view *view)
{
    return view->profile->traced_count > 0 && view->clock == PYRO_CLOCK_WALL;
}

static const struct pyro_traced *record_of(const struct pyro_profile *profile, uint32_t thread,
                                           uint32_t stack)
{
    const struct pyro_traced key = {.thread = thread, .stack = stack};
    return bsearch(&key, profile->traced, profile->traced_count, sizeof(key), compare);
}

static const struct pyro_trace_cost *cost_of(const struct pyro_profile *profile, uint32_t thread)
{
    static const struct pyro_trace_cost none;
    return profile->probes ? &profile->probes[profile->threads[thread].process].trace : &none;
}

/* What the events of TRACED's calls cost: itself, and its caller. */
static void add_costs(struct pyro_traced_time *times, const struct pyro_profile *profile,
                      const struct pyro_traced *traced)
{
    const struct pyro_trace_cost *cost = cost_of(profile, traced->thread);
    uint32_t function = pyro_profile_function_of(profile, traced->stack);
    bool c = profile->functions[function].kind == PYRO_FUNCTION_C;
    double all_ns = c ? cost->c_ns : cost->python_ns;
    double inside_ns = c ? cost->c_inside_ns : cost->python_inside_ns;
    double entered = (double)traced->calls + (double)traced->resumes;
    times[traced - profile->traced].removed_us +=
        (entered * inside_ns + (double)traced->calls_of_python * cost->call_ns) / 1000;
    const struct pyro_traced *caller =
        record_of(profile, traced->thread, profile->stacks[traced->stack].parent);
    if (caller)
        times[caller - profile->traced].removed_us += entered * (all_ns - inside_ns) / 1000;
}

static void take_costs_out(struct pyro_traced_time *times, const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->traced_count; i++)
        add_costs(times, profile, &profile->traced[i]);
    for (size_t i = 0; i < profile->traced_count; i++) {
        double measured_us = (double)profile->traced[i].self_ns / 1000;
        if (times[i].removed_us > measured_us)
            times[i].removed_us = measured_us;
        times[i].self_us = measured_us - times[i].removed_us;
    }
}

static bool in_parked_stack(const struct pyro_clock_view *view, size_t traced)
{
    return view->parked_stacks[view->profile->traced[traced].stack] & PYRO_CLOCK_STACK_PARKED;
}

/* What part of its time in stacks of parked threads each thread was parked: [thread_count], to be freed. */
static double *parked_parts(const struct pyro_clock_view *view,
                            const struct pyro_traced_time *times)
{
    const struct pyro_profile *profile = view->profile;
    double *parts = calloc(profile->thread_count + 1, sizeof(*parts));
    double *there_us = calloc(profile->thread_count + 1, sizeof(*there_us));
    for (size_t i = 0; parts && there_us && i < pyro_sample_part_count(profile); i++) {
        const struct pyro_sample_sum sum = pyro_sample_part(profile, i);
        if (pyro_clock_parked_sum(view, &sum))
            parts[profile->samples.kinds[sum.kind].thread] += sum.weight_us;
    }
    for (size_t i = 0; parts && there_us && i < profile->traced_count; i++)
        if (in_parked_stack(view, i))
            there_us[profile->traced[i].thread] += times[i].self_us;
    for (size_t i = 0; parts && there_us && i < profile->thread_count; i++)
        parts[i] = parts[i] < there_us[i] ? parts[i] / there_us[i] : 1;
    if (!there_us) {
        free(parts);
        parts = NULL;
    }
    free(there_us);
    return parts;
}

static bool set_parked_apart(struct pyro_traced_time *times, const struct pyro_clock_view *view)
{
    const struct pyro_profile *profile = view->profile;
    double *parts = parked_parts(view, times);
    for (size_t i = 0; parts && i < profile->traced_count; i++) {
        if (!in_parked_stack(view, i))
            continue;
        times[i].parked_us = times[i].self_us * parts[profile->traced[i].thread];
        if (!view->idle)
            times[i].self_us -= times[i].parked_us;
    }
    free(parts);
    return parts;
}

struct pyro_traced_time *pyro_traced_times(const struct pyro_clock_view *view)
{
    struct pyro_traced_time *times = calloc(view->profile->traced_count + 1, sizeof(*times));
    if (!times)
        return NULL;
    take_costs_out(times, view->profile);
    if (set_parked_apart(times, view))
        return times;
    free(times);
    return NULL;
}

/* How often it was entered, and one more for the time it has: 0 leaves its function out. */
static uint64_t entered(const struct pyro_traced *traced, const struct pyro_traced_time *time)
{
    uint64_t count = traced->calls + traced->resumes;
    return count || time->self_us > 0 || time->parked_us == 0 ? count + 1 : 0;
}

int pyro_traced_add_up(struct pyro_totals *totals, const struct pyro_clock_view *view,
                       const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    struct pyro_traced_time *times = pyro_traced_times(view);
    if (!times)
        return -ENOMEM;
    for (size_t i = 0; i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        if (!pyro_totals_wants_thread(profile, filter, traced->thread))
            continue;
        uint32_t function = pyro_profile_function_of(profile, traced->stack);
        totals->stacks[traced->stack].self_us += times[i].self_us;
        totals->stacks[traced->stack].self_samples += entered(traced, &times[i]);
        totals->counted_us += times[i].self_us;
        totals->parked_us += times[i].parked_us;
        totals->functions[function].probe_us += times[i].removed_us;
        totals->probe_us += times[i].removed_us;
    }
    free(times);
    return 0;
}

/* -- counts ------------------------------------------------------------------------------------- */

struct count {
    const struct pyro_profile *profile;
    uint64_t *stack_calls; /* [stack_count] */
    bool *has_calls;       /* [stack_count] it, or one above it */
    uint32_t *on_path;     /* [function_count] how often */
    uint64_t *ncalls, *primitive;
};

static bool has_calls(void *context, uint32_t stack)
{
    const struct count *count = context;
    return count->has_calls[stack];
}

static bool enter(void *context, uint32_t stack)
{
    struct count *count = context;
    uint32_t function = pyro_profile_function_of(count->profile, stack);
    count->ncalls[function] += count->stack_calls[stack];
    if (count->on_path[function]++ == 0)
        count->primitive[function] += count->stack_calls[stack];
    return true;
}

static void leave(void *context, uint32_t stack)
{
    struct count *count = context;
    count->on_path[pyro_profile_function_of(count->profile, stack)]--;
}

static void add_calls(struct count *count, const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = count->profile;
    for (size_t i = 0; i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        if (pyro_totals_wants_thread(profile, filter, traced->thread))
            count->stack_calls[traced->stack] += traced->calls;
    }
    for (size_t i = profile->stack_count; i-- > 1;) {
        count->has_calls[i] = count->has_calls[i] || count->stack_calls[i];
        if (count->has_calls[i])
            count->has_calls[profile->stacks[i].parent] = true;
    }
}

int pyro_traced_count(const struct pyro_profile *profile, const struct pyro_totals_filter *filter,
                      uint64_t *ncalls, uint64_t *primitive)
{
    struct count count = {
        .profile = profile,
        .stack_calls = calloc(profile->stack_count + 1, sizeof(*count.stack_calls)),
        .has_calls = calloc(profile->stack_count + 1, sizeof(*count.has_calls)),
        .on_path = calloc(profile->function_count + 1, sizeof(*count.on_path)),
        .ncalls = ncalls,
        .primitive = primitive,
    };
    const struct pyro_walk walk = {profile, has_calls, enter, leave, &count};
    int result = -ENOMEM;
    if (count.stack_calls && count.has_calls && count.on_path) {
        add_calls(&count, filter);
        result = pyro_walk_stacks(&walk);
    }
    free(count.stack_calls);
    free(count.has_calls);
    free(count.on_path);
    return result;
}
