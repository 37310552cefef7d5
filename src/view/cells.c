/* view/cells.c - samples of the same stack, thread and state, close in time, become one cell. */
#include "base/grow.h"
#include "base/parallel.h"
#include "profile/traced.h"
#include "view/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_US_MIN 1000.0

struct maker {
    struct pyro_cells *cells;
    const struct pyro_profile *profile;
    struct pyro_clock_view views[4]; /* one a clock; they share what the first one owns */
    uint32_t *
        near; /* [NEAR] of this bucket's cells, where each is and one more; those of buckets before are none */
    size_t bucket_begin; /* its first cell */
    struct pyro_map
        places; /* (stack, thread and kind) -> cell of this bucket, of those that NEAR had no room for */
    uint32_t *
        last; /* [thread_count] the cell of each thread's last sample: mostly that of its next one, too */
    /* Of each kind of sample, and what its stack says, the kind of its cell; UNKNOWN: not asked yet. */
    uint32_t *kinds;
};
#define NEAR_BITS  13
#define NEAR       (1u << NEAR_BITS)
#define NEAR_STEPS 8 /* from where a cell belongs: a file that is made to be slow is not */
#define STACKS_SAY 8 /* PYRO_CLOCK_STACK_* are three bits */
#define UNKNOWN    (PYRO_NO_ID - 1)

static bool reserve_cell(struct pyro_cells *cells)
{
    if (cells->count < cells->capacity)
        return true;
    size_t capacity = cells->capacity ? cells->capacity * 2 : 4096;
    uint32_t **const columns[] = {&cells->bucket, &cells->thread, &cells->stack, &cells->kind,
                                  &cells->samples};
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        uint32_t *grown = reallocarray(*columns[i], capacity, sizeof(*grown));
        if (!grown)
            return false;
        *columns[i] = grown;
    }
    float *times = reallocarray(cells->time_us, capacity, sizeof(*times));
    if (!times)
        return false;
    cells->time_us = times;
    cells->capacity = capacity;
    return true;
}

static bool is_kind(const struct pyro_cell_kind *a, const struct pyro_cell_kind *b)
{
    return a->state == b->state && a->gil == b->gil && a->gc == b->gc && a->parked == b->parked &&
           a->clocks == b->clocks && strcmp(a->waits, b->waits) == 0;
}

/* There are some dozens at most: states times flags times categories. PYRO_NO_ID: out of memory. */
static uint32_t kind_number(struct pyro_cells *cells, const struct pyro_cell_kind *kind)
{
    for (size_t i = 0; i < cells->kind_count; i++)
        if (is_kind(&cells->kinds[i], kind))
            return (uint32_t)i;
    if (pyro_grow(&cells->kinds, cells->kind_count, &cells->kind_capacity, sizeof(*kind)) < 0)
        return PYRO_NO_ID;
    cells->kinds[cells->kind_count] = *kind;
    return (uint32_t)cells->kind_count++;
}

struct cell {
    uint32_t bucket, thread, stack, kind;
    uint64_t samples;
    double time_us;
};

/* Is it that of cell AT, in the bucket that is being filled? */
static bool is_cell(const struct pyro_cells *cells, size_t at, const struct cell *cell)
{
    return at < cells->count && cells->bucket[at] == cell->bucket &&
           cells->thread[at] == cell->thread && cells->stack[at] == cell->stack &&
           cells->kind[at] == cell->kind;
}

static void add_to(struct pyro_cells *cells, size_t at, const struct cell *cell)
{
    uint64_t samples = cells->samples[at] + cell->samples;
    cells->samples[at] = samples < UINT32_MAX ? (uint32_t)samples : UINT32_MAX;
    cells->time_us[at] += (float)cell->time_us;
}

/* A new one, the last of all, of no samples yet. */
static int add_cell(struct maker *maker, const struct cell *cell)
{
    struct pyro_cells *cells = maker->cells;
    if (!reserve_cell(cells))
        return -ENOMEM;
    size_t at = cells->count++;
    cells->bucket[at] = cell->bucket;
    cells->thread[at] = cell->thread;
    cells->stack[at] = cell->stack;
    cells->kind[at] = cell->kind;
    cells->samples[at] = 0;
    cells->time_us[at] = 0;
    return 0;
}

static int64_t place_in_map(struct maker *maker, const struct cell *cell)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(&maker->places, cell->stack,
                                      (uint64_t)cell->thread << 32 | cell->kind, &is_new);
    if (!place)
        return -ENOMEM;
    if (is_new) {
        *place = maker->cells->count;
        if (add_cell(maker, cell) < 0)
            return -ENOMEM;
    }
    return (int64_t)*place;
}

/* The cell of that bucket, thread, stack and kind, made if it is not there. */
static int64_t place_of(struct maker *maker, const struct cell *cell)
{
    const struct pyro_cells *cells = maker->cells;
    uint32_t hash =
        (cell->stack + cell->thread * 0x85ebca6bu + cell->kind * 0xc2b2ae35u) * 0x9e3779b1u;
    uint32_t slot = hash >> (32 - NEAR_BITS);
    for (int step = 0; step < NEAR_STEPS; step++, slot = (slot + 1) % NEAR) {
        uint32_t *near = &maker->near[slot];
        if (*near <= maker->bucket_begin) {
            size_t at = cells->count;
            if (at >= UINT32_MAX || add_cell(maker, cell) < 0)
                return -ENOMEM;
            *near = (uint32_t)at + 1;
            return (int64_t)at;
        }
        if (is_cell(cells, *near - 1, cell))
            return *near - 1;
    }
    return place_in_map(maker, cell);
}

static int add(struct maker *maker, const struct cell *cell)
{
    struct pyro_cells *cells = maker->cells;
    uint32_t *last = &maker->last[cell->thread];
    if (!is_cell(cells, *last, cell)) {
        if (cells->count && cells->bucket[cells->count - 1] != cell->bucket) {
            maker->bucket_begin = cells->count;
            if (maker->places.count)
                pyro_map_clear(&maker->places);
        }
        int64_t place = place_of(maker, cell);
        if (place < 0)
            return -ENOMEM;
        *last = (uint32_t)place;
    }
    add_to(cells, *last, cell);
    return 0;
}

static uint32_t kind_of_sum(struct maker *maker, const struct pyro_sample_sum *sum)
{
    const struct pyro_sample_kind *of = &maker->profile->samples.kinds[sum->kind];
    struct pyro_cell_kind kind = {
        .state = (enum pyro_state)of->state,
        .gil = of->flags & PYRO_SAMPLE_GIL,
        .gc = of->flags & PYRO_SAMPLE_GC,
        .parked = pyro_clock_parked_sum(&maker->views[0], sum),
        .waits = pyro_clock_wait_category_sum(&maker->views[0], sum),
    };
    for (unsigned clock = 0; clock < 4; clock++)
        if (pyro_clock_counts_sum(&maker->views[clock], sum))
            kind.clocks |= (uint8_t)(1u << clock);
    return kind_number(maker->cells, &kind);
}

/* There are millions of samples, of some dozens of kinds: each is looked at once. */
static uint32_t *known_kind(const struct maker *maker, uint32_t stack, uint32_t kind)
{
    unsigned said = maker->views[0].parked_stacks[stack] % STACKS_SAY;
    return &maker->kinds[(size_t)kind * STACKS_SAY + said];
}

static int know_kind(struct maker *maker, const struct pyro_sample_sum *sum)
{
    uint32_t *known = known_kind(maker, sum->stack, sum->kind);
    if (*known == UNKNOWN)
        *known = kind_of_sum(maker, sum);
    return *known == PYRO_NO_ID ? -ENOMEM : 0;
}

/* Of all samples, in the order in which they were first seen. */
static int know_kinds(struct maker *maker)
{
    const struct pyro_profile_samples *samples = &maker->profile->samples;
    size_t kinds = samples->kind_count * STACKS_SAY;
    int result = 0;
    maker->kinds = calloc(kinds + 1, sizeof(*maker->kinds));
    if (!maker->kinds)
        return -ENOMEM;
    for (size_t i = 0; i < kinds; i++)
        maker->kinds[i] = UNKNOWN;
    for (size_t i = 0; result == 0 && i < pyro_sample_part_count(maker->profile); i++) {
        const struct pyro_sample_sum sum = pyro_sample_part(maker->profile, i);
        result = know_kind(maker, &sum);
    }
    return result;
}

static uint32_t bucket_of(const struct pyro_profile *profile, const struct pyro_cells *cells,
                          size_t sample)
{
    double bucket = (double)pyro_sample_time_us(profile, sample) / cells->bucket_us;
    return bucket < cells->bucket_count - 1 ? (uint32_t)bucket : cells->bucket_count - 1;
}

/* Samples up to END. Those of a sweep have their time and their weight in common. */
static int add_samples(struct maker *maker, size_t begin, size_t end)
{
    const struct pyro_profile *profile = maker->profile;
    uint32_t sweep = PYRO_NO_ID;
    struct cell cell = {.samples = 1};
    int result = 0;
    for (size_t i = begin; result == 0 && i < end; i++) {
        const struct pyro_sample *it = pyro_sample_at(profile, i);
        if (it->sweep != sweep) {
            sweep = it->sweep;
            cell.bucket = bucket_of(profile, maker->cells, i);
            cell.time_us = (double)pyro_sample_weight_us(profile, i);
        }
        cell.thread = profile->samples.kinds[it->kind].thread;
        cell.stack = it->stack;
        cell.kind = *known_kind(maker, it->stack, it->kind);
        result = add(maker, &cell);
    }
    return result;
}

static void lay_out_buckets(struct pyro_cells *cells, const struct pyro_profile *profile)
{
    size_t sweeps = profile->samples.sweep_count;
    double last_us = sweeps ? (double)pyro_sweep_time_us(profile, sweeps - 1) : 0;
    double end_us = (double)profile->counters.duration_us;
    if (end_us < last_us)
        end_us = last_us;
    if (!pyro_profile_tells_when(profile)) /* all of it is one part */
        end_us = 0;
    cells->bucket_us = end_us / PYRO_CELL_BUCKETS;
    if (cells->bucket_us < BUCKET_US_MIN)
        cells->bucket_us = BUCKET_US_MIN;
    double parts = ceil(end_us / cells->bucket_us);
    cells->bucket_count = parts < 1                   ? 1
                          : parts < PYRO_CELL_BUCKETS ? (uint32_t)parts
                                                      : PYRO_CELL_BUCKETS;
}

/* FROM, the place of each cell, by thread within each bucket; NEXT has room for a number of each thread, and one more. */
static void order_by_thread(const struct pyro_cells *cells, size_t threads, uint32_t *from,
                            uint32_t *next)
{
    for (size_t begin = 0, end; begin < cells->count; begin = end) {
        memset(next, 0, (threads + 1) * sizeof(*next));
        for (end = begin; end < cells->count && cells->bucket[end] == cells->bucket[begin]; end++)
            next[cells->thread[end] + 1]++;
        for (size_t thread = 0; thread < threads; thread++)
            next[thread + 1] += next[thread];
        for (size_t i = begin; i < end; i++)
            from[begin + next[cells->thread[i]]++] = (uint32_t)i;
    }
}

/* What a thread did stands together, in the order in which it was seen: CELLS so, from place TO on in SORTED, which has room for it. */
static int sort_by_thread(const struct pyro_cells *cells, size_t threads, struct pyro_cells *sorted,
                          size_t to)
{
    uint32_t *from = malloc((cells->count + 1) * sizeof(*from));
    uint32_t *next = malloc((threads + 2) * sizeof(*next));
    int result = from && next ? 0 : -ENOMEM;
    if (result == 0)
        order_by_thread(cells, threads, from, next);
    for (size_t i = 0; result == 0 && i < cells->count; i++) {
        sorted->bucket[to + i] = cells->bucket[from[i]];
        sorted->thread[to + i] = cells->thread[from[i]];
        sorted->stack[to + i] = cells->stack[from[i]];
        sorted->kind[to + i] = cells->kind[from[i]];
        sorted->samples[to + i] = cells->samples[from[i]];
        sorted->time_us[to + i] = cells->time_us[from[i]];
    }
    free(from);
    free(next);
    return result;
}

static int reserve_cells(struct pyro_cells *cells, size_t count)
{
    uint32_t **const columns[] = {&cells->bucket, &cells->thread, &cells->stack, &cells->kind,
                                  &cells->samples};
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
        if (!(*columns[i] = malloc((count + 1) * sizeof(**columns[i]))))
            return -ENOMEM;
    cells->time_us = malloc((count + 1) * sizeof(*cells->time_us));
    cells->capacity = count + 1;
    return cells->time_us ? 0 : -ENOMEM;
}

/* -- parts, each of some buckets -------------------------------------------------------------------- */

#define PARTS         8
#define PARTS_SAMPLES (1u << 19)

struct parts {
    const struct maker *maker; /* what they have in common */
    size_t count;
    struct part {
        size_t begin, end; /* samples */
        struct pyro_cells cells;
        size_t to; /* where its cells stand among all */
        int result;
    } parts[PARTS];
};

static void make_part(void *context, size_t which)
{
    struct parts *parts = context;
    struct part *part = &parts->parts[which];
    struct maker maker = *parts->maker;
    size_t threads = maker.profile->thread_count;
    maker.cells = &part->cells;
    maker.last = malloc((threads + 1) * sizeof(*maker.last));
    maker.near = calloc(NEAR, sizeof(*maker.near));
    part->cells.bucket_us = parts->maker->cells->bucket_us;
    part->cells.bucket_count = parts->maker->cells->bucket_count;
    part->result = maker.last && maker.near ? 0 : -ENOMEM;
    for (size_t i = 0; maker.last && i < threads; i++)
        maker.last[i] = PYRO_NO_ID;
    if (part->result == 0)
        part->result = add_samples(&maker, part->begin, part->end);
    pyro_map_free(&maker.places);
    free(maker.last);
    free(maker.near);
}

static void put_part(void *context, size_t which)
{
    struct parts *parts = context;
    struct part *part = &parts->parts[which];
    part->result = sort_by_thread(&part->cells, parts->maker->profile->thread_count,
                                  parts->maker->cells, part->to);
    pyro_cells_clear(&part->cells);
}

/* A part ends where a bucket does. */
static void cut(struct parts *parts, const struct maker *maker)
{
    const struct pyro_profile *profile = maker->profile;
    size_t samples = profile->samples.count;
    *parts = (struct parts){.maker = maker, .count = samples < PARTS_SAMPLES ? 1 : PARTS};
    for (size_t i = 0, begin = 0; i < parts->count; i++) {
        size_t end = samples * (i + 1) / parts->count;
        if (end < begin)
            end = begin;
        while (end > begin && end < samples &&
               bucket_of(profile, maker->cells, end) == bucket_of(profile, maker->cells, end - 1))
            end++;
        parts->parts[i].begin = begin;
        parts->parts[i].end = begin = end;
    }
}

static int result_of(const struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->parts[i].result < 0)
            return parts->parts[i].result;
    return 0;
}

static int make_cells(struct maker *maker)
{
    struct parts parts;
    size_t count = 0;
    cut(&parts, maker);
    pyro_parallel(parts.count, make_part, &parts);
    int result = result_of(&parts);
    for (size_t i = 0; i < parts.count; i++) {
        parts.parts[i].to = count;
        count += parts.parts[i].cells.count;
    }
    if (result == 0)
        result = reserve_cells(maker->cells, count);
    if (result == 0) {
        pyro_parallel(parts.count, put_part, &parts);
        maker->cells->count = count;
        result = result_of(&parts);
    }
    for (size_t i = 0; i < parts.count; i++)
        pyro_cells_clear(&parts.parts[i].cells);
    return result;
}

/* What the samples have been added up to, as kinds of cells have it. */
static int take_sums(struct maker *maker)
{
    const struct pyro_profile_samples *samples = &maker->profile->samples;
    struct pyro_cells *cells = maker->cells;
    if (!samples->sums)
        return 0;
    cells->sums = malloc((samples->sum_count + 1) * sizeof(*cells->sums));
    for (size_t i = 0; cells->sums && i < samples->sum_count; i++) {
        const struct pyro_sample_sum *sum = &samples->sums[i];
        uint32_t kind = *known_kind(maker, sum->stack, sum->kind);
        bool whole = !cells->left || cells->kinds[kind].parked;
        cells->sums[i] = (struct pyro_cell_sum){
            .stack = sum->stack,
            .thread = samples->kinds[sum->kind].thread,
            .kind = kind,
            .samples = (double)sum->count,
            .time_us = sum->weight_us * (whole ? 1 : (double)cells->left[sum->stack]),
        };
    }
    cells->sum_count = samples->sum_count;
    return cells->sums ? 0 : -ENOMEM;
}

static int make_sampled(struct maker *maker)
{
    lay_out_buckets(maker->cells, maker->profile);
    int result = pyro_totals_left(&maker->views[0], &maker->cells->left);
    if (result == 0)
        result = know_kinds(maker);
    if (result == 0)
        result = take_sums(maker);
    return result == 0 ? make_cells(maker) : result;
}

static int add_parked(struct maker *maker, const struct pyro_traced *traced, double parked_us)
{
    const struct pyro_cell_kind kind = {
        .waits = "", .state = PYRO_STATE_WAITING, .parked = true, .clocks = 0};
    const struct cell cell = {.thread = traced->thread,
                              .stack = traced->stack,
                              .kind = kind_number(maker->cells, &kind),
                              .time_us = parked_us};
    return cell.kind == PYRO_NO_ID ? -ENOMEM : add(maker, &cell);
}

static int add_traced(struct maker *maker)
{
    const struct pyro_profile *profile = maker->profile;
    const struct pyro_cell_kind kind = {.waits = "", .clocks = 1 << PYRO_CLOCK_WALL};
    struct pyro_traced_time *times = pyro_traced_times(&maker->views[0]);
    int result = times && kind_number(maker->cells, &kind) == 0 ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        result = add(maker, &(struct cell){.thread = traced->thread,
                                           .stack = traced->stack,
                                           .samples = traced->calls,
                                           .time_us = times[i].self_us});
        if (result == 0 && times[i].parked_us > 0)
            result = add_parked(maker, traced, times[i].parked_us);
    }
    free(times);
    return result;
}

/* In one bucket, since it is not known when. */
static int make_traced(struct maker *maker)
{
    struct pyro_cells unsorted = {0}, *cells = maker->cells;
    size_t threads = maker->profile->thread_count;
    maker->last = malloc((threads + 1) * sizeof(*maker->last));
    maker->near = calloc(NEAR, sizeof(*maker->near));
    int result = maker->last && maker->near ? 0 : -ENOMEM;
    for (size_t i = 0; maker->last && i < threads; i++)
        maker->last[i] = PYRO_NO_ID;
    maker->cells = &unsorted;
    if (result == 0)
        result = add_traced(maker);
    if (result == 0)
        result = reserve_cells(cells, unsorted.count);
    if (result == 0)
        result = sort_by_thread(&unsorted, threads, cells, 0);
    if (result == 0) {
        cells->count = unsorted.count;
        cells->kinds = unsorted.kinds;
        cells->kind_count = unsorted.kind_count;
        unsorted.kinds = NULL;
    }
    pyro_cells_clear(&unsorted);
    return result;
}

static void free_maker(struct maker *maker)
{
    pyro_clock_view_clear(&maker->views[0]);
    pyro_map_free(&maker->places);
    free(maker->last);
    free(maker->near);
    free(maker->kinds);
}

int pyro_cells_make(struct pyro_cells *cells, const struct pyro_profile *profile)
{
    struct maker maker = {.cells = cells, .profile = profile};
    *cells = (struct pyro_cells){.bucket_count = 1, .bucket_us = BUCKET_US_MIN};
    int result = pyro_clock_view_init(&maker.views[0], profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    cells->traced = pyro_traced_answers(&maker.views[0]);
    for (unsigned clock = 1; clock < 4; clock++) {
        maker.views[clock] = maker.views[0];
        maker.views[clock].clock = (enum pyro_clock)clock;
    }
    result = cells->traced ? make_traced(&maker) : make_sampled(&maker);
    free_maker(&maker);
    if (result < 0)
        pyro_cells_clear(cells);
    return result;
}

/* -- sums of cells -------------------------------------------------------------------------------- */

static int compare_sums(const void *a_pointer, const void *b_pointer)
{
    const struct pyro_cell_sum *a = a_pointer, *b = b_pointer;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->kind < b->kind ? -1 : a->kind > b->kind;
}

/* Sorted, those of the same stack, thread and kind together; how many are left. */
static size_t merge(struct pyro_cell_sum *sums, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(sums, count, sizeof(*sums), compare_sums);
    for (size_t i = 0; i < count; i++)
        if (kept && compare_sums(&sums[kept - 1], &sums[i]) == 0) {
            sums[kept - 1].samples += sums[i].samples;
            sums[kept - 1].time_us += sums[i].time_us;
        } else {
            sums[kept++] = sums[i];
        }
    return kept;
}

int pyro_cells_sum_up(const struct pyro_cells *cells, const uint32_t *numbers,
                      struct pyro_cell_sum **ret_sums, size_t *ret_count)
{
    size_t count = cells->sums ? cells->sum_count : cells->count;
    struct pyro_cell_sum *sums = malloc((count + 1) * sizeof(*sums));
    if (!sums)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        sums[i] = cells->sums ? cells->sums[i]
                              : (struct pyro_cell_sum){.stack = cells->stack[i],
                                                       .thread = cells->thread[i],
                                                       .kind = cells->kind[i],
                                                       .samples = cells->samples[i],
                                                       .time_us = pyro_cell_time_us(cells, i)};
        sums[i].stack = numbers[sums[i].stack];
    }
    *ret_sums = sums;
    *ret_count = merge(sums, count);
    return 0;
}

void pyro_cells_clear(struct pyro_cells *cells)
{
    free(cells->bucket);
    free(cells->thread);
    free(cells->stack);
    free(cells->kind);
    free(cells->samples);
    free(cells->time_us);
    free(cells->left);
    free(cells->kinds);
    free(cells->sums);
    *cells = (struct pyro_cells){0};
}
