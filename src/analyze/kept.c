/* analyze/kept.c - moments put on one scale of time, containers told from contents, and who was called again. */
#include "analyze/kept.h"

#include "base/grow.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS PYRO_KEPT_STEPS

/* A container's own block, rather than what lies in it. */
#define BLOCK_MIN 4096 /* bytes at the end */
#define DOUBLED \
    1.4 /* at the end, of what it was when an eighth of its time was over: a set grows fourfold */
#define BY_KEY_MIN \
    1.5 /* of a larger block to the one before: a dict doubles, a list grows by an eighth */
#define AGAIN_MIN 4  /* times a function was seen to begin: calls that go on */
#define HOMES_MAX 64 /* containers: each of them is compared with each row */

/* Of what is kept at the end, what may have been there after a part of the time since it began: more, and it was built once. */
#define END_MIN     0.85 /* of all time: before, it is given back, and so nothing that stays */
#define WINDOW_MIN  0.4  /* of all time, since it began */
#define QUARTER_MAX 0.7
#define HALF_MIN    0.1
#define HALF_MAX    0.92
#define LAST        0.92  /* of the time: it grows after that, too */
#define ENDING_US   200e3 /* at least so long before the end */
#define LAST_MAX    0.995
#define DROP_MAX    0.1 /* of what is kept at the end: more, and it is given back from time to time */

/* -- rows --------------------------------------------------------------------------------------- */

static struct pyro_kept_row *row_of(struct pyro_kept *kept, uint32_t process, uint32_t stack)
{
    bool is_new;
    uint64_t *id = pyro_map_insert(&kept->ids, process, stack, &is_new);
    if (!id)
        return NULL;
    if (is_new) {
        if (pyro_grow(&kept->rows, kept->count, &kept->capacity, sizeof(*kept->rows)) < 0)
            return NULL;
        kept->rows[kept->count] =
            (struct pyro_kept_row){.process = process, .stack = stack, .container = SIZE_MAX};
        *id = kept->count++;
    }
    return &kept->rows[*id];
}

static void put_largest(struct pyro_kept_row *row, double largest, size_t from)
{
    if (row->largest_first <= 0)
        row->largest_first = largest;
    else if (largest > row->largest[STEPS])
        row->largest_times++;
    for (size_t k = from; k <= STEPS; k++)
        row->largest[k] = largest;
}

static int put_moments(struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct pyro_stack_moment *moment = &profile->moments[i];
        if (moment->stack == PYRO_STACK_ROOT)
            continue;
        struct pyro_kept_row *row = row_of(kept, moment->process, moment->stack);
        if (!row)
            return -ENOMEM;
        double part = (double)moment->time_us / kept->total_us;
        size_t from = part < 1 ? (size_t)(part * STEPS) + 1 : STEPS;
        for (size_t k = from; k <= STEPS; k++)
            row->live[k] = (double)moment->live;
        put_largest(row, (double)moment->largest, from);
    }
    return 0;
}

/* Also of what held much at the peak, but came and went while nobody looked. */
static int put_figures(struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    for (size_t i = 0; i < profile->memory_count; i++) {
        const struct pyro_stack_memory *memory = &profile->memory[i];
        if (memory->stack == PYRO_STACK_ROOT)
            continue;
        if (memory->held < BLOCK_MIN && !pyro_map_find(&kept->ids, memory->process, memory->stack))
            continue;
        struct pyro_kept_row *row = row_of(kept, memory->process, memory->stack);
        if (!row)
            return -ENOMEM;
        row->figures = *memory;
    }
    return 0;
}

static bool is_own(const struct pyro_kept *kept, uint32_t stack)
{
    return !kept->context->library[pyro_profile_function_of(kept->context->profile, stack)];
}

static void put_own(struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    for (size_t i = 0; i < kept->count; i++) {
        uint32_t stack = kept->rows[i].stack;
        while (stack != PYRO_STACK_ROOT && !is_own(kept, stack))
            stack = profile->stacks[stack].parent;
        kept->rows[i].own = stack;
    }
}

/* -- who was called again ----------------------------------------------------------------------- */

/* The stack that a thread had at its last sample, root first. */
struct path {
    uint32_t *frames;
    size_t depth, capacity;
};

static int read_path(struct path *path, const struct pyro_profile *profile, uint32_t stack)
{
    size_t depth = profile->stacks[stack].depth;
    while (path->capacity < depth)
        if (pyro_grow(&path->frames, path->capacity, &path->capacity, sizeof(uint32_t)) < 0)
            return -ENOMEM;
    path->depth = depth;
    for (; stack != PYRO_STACK_ROOT && depth > 0; stack = profile->stacks[stack].parent)
        path->frames[--depth] = profile->stacks[stack].frame;
    return 0;
}

/* Where NOW has another call than BEFORE: behind the frame whose line moved, or the first one of another function. */
static size_t other_from(const struct pyro_profile *profile, const struct path *before,
                         const struct path *now)
{
    size_t at = 0, most = before->depth < now->depth ? before->depth : now->depth;
    while (at < most && before->frames[at] == now->frames[at])
        at++;
    if (at < most &&
        profile->frames[before->frames[at]].function == profile->frames[now->frames[at]].function)
        at++;
    return at;
}

/* Functions that recurse count where they are outermost. SEEN [function_count]: a number of each, STAMP that of this path. */
static void count_begins(struct pyro_kept *kept, const struct path *now, size_t from,
                         uint64_t *seen, uint64_t stamp)
{
    for (size_t at = 0; at < now->depth; at++) {
        uint32_t function = kept->context->profile->frames[now->frames[at]].function;
        if (at >= from && seen[function] != stamp)
            kept->begins[function]++;
        seen[function] = stamp;
    }
}

/* A sample whose top is not sure shows no call that has ended. */
static int put_begins(struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    struct path *threads = calloc(profile->thread_count + 1, sizeof(*threads)), now = {0};
    uint64_t *seen = calloc(profile->function_count + 1, sizeof(*seen));
    int result = threads && seen ? 0 : -ENOMEM;
    for (size_t i = 0; i < profile->samples.count && result == 0; i++) {
        struct path *before = &threads[pyro_sample_kind(profile, i)->thread];
        if (pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE)
            continue;
        result = read_path(&now, profile, pyro_sample_stack(profile, i));
        if (result < 0)
            break;
        count_begins(kept, &now, other_from(profile, before, &now), seen, i + 1);
        struct path other = *before;
        *before = now;
        now = other;
    }
    for (size_t i = 0; threads && i < profile->thread_count; i++)
        free(threads[i].frames);
    free(now.frames);
    free(threads);
    free(seen);
    return result;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* A generator comes back without having been called: what it fills may be its own. Its source says that it is one, where it was seen there. */
static void forget_generators(struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    for (size_t i = 0; i < profile->frame_count; i++) {
        const struct pyro_frame *frame = &profile->frames[i];
        const struct pyro_function *function = &profile->functions[frame->function];
        const char *source = pyro_profile_source(profile, function->file, frame->line);
        if ((source && strstr(source, "yield")) ||
            ends_with(pyro_profile_text(profile, function->name), "<genexpr>"))
            kept->begins[frame->function] = 0;
    }
}

/* The outermost function of the program's own on the way to STACK that was called again and again. */
static uint32_t called_again(const struct pyro_kept *kept, uint32_t stack)
{
    const struct pyro_profile *profile = kept->context->profile;
    uint32_t found = PYRO_NO_ID;
    for (; stack != PYRO_STACK_ROOT; stack = profile->stacks[stack].parent)
        if (is_own(kept, stack) &&
            kept->begins[pyro_profile_function_of(profile, stack)] >= AGAIN_MIN)
            found = pyro_profile_function_of(profile, stack);
    return found;
}

/* -- over time ---------------------------------------------------------------------------------- */

/* From when on something is alive, and until when nearly as much as ever; after that it is given back, or the recording ends. */
struct span {
    size_t first, last;
    double most;
};

static struct span span_of(const double *live)
{
    struct span span = {0};
    for (size_t k = 0; k <= STEPS; k++)
        span.most = live[k] > span.most ? live[k] : span.most;
    while (span.first < STEPS && live[span.first] <= 0)
        span.first++;
    for (span.last = STEPS; span.last > span.first && live[span.last] < (1 - DROP_MAX) * span.most;)
        span.last--;
    return span;
}

static size_t at_part(const struct span *span, double part)
{
    return span->first + (size_t)(part * (double)(span->last - span->first));
}

/* Shortly before the end: but Python takes its time to end, too. */
static size_t at_tail(const struct pyro_kept *kept, const struct span *span)
{
    const size_t last = at_part(span, LAST),
                 steps = (size_t)(ENDING_US / kept->total_us * STEPS) + 1;
    return span->last - span->first <= steps ? span->first
           : last < span->last - steps       ? last
                                             : span->last - steps;
}

/* LIVE is more and more, from early on until it ends with the recording, or shortly before. EVENLY: in its last part, too. */
static bool grows(const struct pyro_kept *kept, const double *live, bool evenly)
{
    const struct span span = span_of(live);
    double before = 0;
    if (span.most <= 0 || (double)(span.last - span.first) < WINDOW_MIN * STEPS ||
        (double)span.last < END_MIN * STEPS)
        return false;
    for (size_t k = span.first; k <= span.last; k++) {
        before = live[k] > before ? live[k] : before;
        if (before - live[k] > DROP_MAX * span.most)
            return false;
    }
    double half = live[at_part(&span, 0.5)] / span.most;
    return live[at_part(&span, 0.25)] <= QUARTER_MAX * span.most && half >= HALF_MIN &&
           half <= HALF_MAX && (!evenly || live[at_tail(kept, &span)] <= LAST_MAX * span.most);
}

/* -- containers and contents -------------------------------------------------------------------- */

static bool is_container(const struct pyro_kept *kept, const struct pyro_kept_row *row)
{
    const struct span span = span_of(row->live);
    const double largest = row->largest[span.last];
    return row->own != PYRO_STACK_ROOT && largest >= BLOCK_MIN && span.most >= largest &&
           largest >= DOUBLED * row->largest[at_part(&span, 0.125)] && row->largest_times > 1 &&
           called_again(kept, row->own) != PYRO_NO_ID;
}

/* The largest block of ROW became larger by leaps. */
static bool leaps(const struct pyro_kept_row *row)
{
    double all = row->largest[STEPS] / row->largest_first;
    return row->largest_first > 0 && all >= pow(BY_KEY_MIN, row->largest_times);
}

/* How many frames A and B share. */
static uint32_t shared_depth(const struct pyro_profile *profile, uint32_t a, uint32_t b)
{
    while (a != b)
        if (a > b)
            a = profile->stacks[a].parent;
        else
            b = profile->stacks[b].parent;
    return profile->stacks[a].depth;
}

/* The largest containers; the others are left alone. */
struct homes {
    size_t rows[HOMES_MAX], count;
};

static void add_home(struct homes *homes, const struct pyro_kept *kept, size_t row)
{
    size_t at = 0;
    if (homes->count < HOMES_MAX) {
        homes->rows[homes->count++] = row;
        return;
    }
    for (size_t i = 1; i < HOMES_MAX; i++)
        if (kept->rows[homes->rows[i]].largest[STEPS] < kept->rows[homes->rows[at]].largest[STEPS])
            at = i;
    if (kept->rows[homes->rows[at]].largest[STEPS] < kept->rows[row].largest[STEPS])
        homes->rows[at] = row;
}

/* The container that ROW most likely lies in: the nearest one, or else the largest. */
static size_t container_of(const struct pyro_kept *kept, const struct homes *homes,
                           const struct pyro_kept_row *row)
{
    size_t found = SIZE_MAX;
    uint32_t deepest = 0;
    for (size_t k = 0; k < homes->count; k++) {
        const size_t i = homes->rows[k];
        const struct pyro_kept_row *other = &kept->rows[i];
        if (other->process != row->process)
            continue;
        uint32_t depth = shared_depth(kept->context->profile, row->stack, other->stack);
        if (found == SIZE_MAX || depth > deepest ||
            (depth == deepest && other->largest[STEPS] > kept->rows[found].largest[STEPS])) {
            found = i;
            deepest = depth;
        }
    }
    return found;
}

static void sort_out(struct pyro_kept *kept)
{
    struct homes homes = {.count = 0};
    for (size_t i = 0; i < kept->count; i++)
        if (is_container(kept, &kept->rows[i]))
            add_home(&homes, kept, i);
    for (size_t k = 0; k < homes.count; k++)
        kept->rows[homes.rows[k]].container = homes.rows[k];
    for (size_t i = 0; i < kept->count; i++)
        if (kept->rows[i].container != i && grows(kept, kept->rows[i].live, true))
            kept->rows[i].container = container_of(kept, &homes, &kept->rows[i]);
}

/* -- all of it ---------------------------------------------------------------------------------- */

/* When all that is known of ended: programs take their time after that, too. */
static double time_of(const struct pyro_profile *profile)
{
    double stop_us = 0, end_us = (double)profile->counters.duration_us;
    size_t stopped = 0, tracked = 0;
    for (size_t i = 0; profile->heaps && i < profile->process_count; i++)
        tracked += profile->heaps[i].tracked;
    for (size_t i = 0; i < profile->moment_count; i++) {
        double time_us = (double)profile->moments[i].time_us;
        bool is_stop = profile->moments[i].stack == PYRO_STACK_ROOT;
        stopped += is_stop;
        stop_us = is_stop && time_us > stop_us ? time_us : stop_us;
        end_us = time_us > end_us ? time_us : end_us;
    }
    if (stopped >= tracked && stop_us > 0)
        return stop_us;
    return end_us > 0 ? end_us : 1;
}

int pyro_kept_make(struct pyro_kept *kept, const struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    *kept = (struct pyro_kept){.context = context, .total_us = time_of(profile)};
    kept->begins = calloc(profile->function_count + 1, sizeof(*kept->begins));
    if (!kept->begins)
        return -ENOMEM;
    for (size_t i = 0; profile->heaps && i < profile->process_count; i++)
        kept->peak += (double)profile->heaps[i].peak;
    if (pyro_profile_memory_period(profile))
        return 0; /* a block that is allocated anew, and larger each time, is rarely one of the sample */
    int result = put_moments(kept);
    if (result == 0)
        result = put_figures(kept);
    if (result == 0 && kept->count)
        result = put_begins(kept);
    if (result == 0) {
        forget_generators(kept);
        put_own(kept);
        sort_out(kept);
    }
    return result;
}

void pyro_kept_clear(struct pyro_kept *kept)
{
    free(kept->rows);
    free(kept->begins);
    pyro_map_free(&kept->ids);
}

static struct pyro_kept_growth growth_of(const struct pyro_kept *kept, size_t container)
{
    const struct pyro_kept_row *row = &kept->rows[container];
    struct pyro_kept_growth growth = {.row = row, .again = called_again(kept, row->own)};
    growth.begins = kept->begins[growth.again];
    growth.by_key = leaps(row);
    for (size_t i = 0; i < kept->count; i++)
        for (size_t k = 0; kept->rows[i].container == container && k <= STEPS; k++)
            growth.live[k] += kept->rows[i].live[k];
    growth.most = span_of(growth.live).most;
    return growth;
}

bool pyro_kept_next_growth(const struct pyro_kept *kept, size_t *at,
                           struct pyro_kept_growth *ret_growth)
{
    while (*at < kept->count) {
        size_t container = (*at)++;
        if (kept->rows[container].container != container)
            continue;
        *ret_growth = growth_of(kept, container);
        bool evenly =
            !ret_growth->by_key || ret_growth->most >= 2 * ret_growth->row->largest[STEPS];
        if (grows(kept, ret_growth->live, evenly))
            return true;
    }
    return false;
}

/* -- telling it --------------------------------------------------------------------------------- */

#define LEFT_LIKELY 0.05 /* of what is kept: what a bound leaves */
#define LEFT_MOST   0.5

struct pyro_finding *pyro_kept_finding(struct pyro_rule_context *context,
                                       const struct pyro_kept_growth *growth, uint32_t function,
                                       uint32_t line)
{
    static const char *const keys[] = {"bytes_at_quarter", "bytes_at_half",
                                       "bytes_at_three_quarters", "bytes"};
    struct pyro_finding *finding = pyro_finding_new(context, function, line);
    const double bytes = growth->most;
    const struct span span = span_of(growth->live);
    if (!finding)
        return NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        pyro_finding_count(finding, keys[i],
                           (uint64_t)growth->live[at_part(&span, (double)(i + 1) / 4)]);
    pyro_finding_count(finding, "container_bytes", (uint64_t)growth->row->largest[STEPS]);
    pyro_finding_count(finding, "called_again_at_least", growth->begins);
    pyro_finding_place(finding, "called_again", growth->again, 0);
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->doubt = "if all of it is needed until the end, it has to stay";
    finding->gain_bytes = (1 - LEFT_LIKELY) * bytes;
    finding->gain_low_bytes = (1 - LEFT_MOST) * bytes;
    finding->gain_high_bytes = bytes;
    return finding;
}
