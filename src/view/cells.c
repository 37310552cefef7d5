/* view/cells.c - samples of the same stack, thread and state, close in time, become one cell. */
#include "base/grow.h"
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
    struct pyro_map places;          /* (stack, thread and kind) -> cell of this bucket */
    /* Of each kind of sample, and what its stack says, the kind of its cell; UNKNOWN: not asked yet. */
    uint32_t *kinds;
};
#define STACKS_SAY 4 /* PYRO_CLOCK_STACK_* are two bits */
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

static int add(struct maker *maker, const struct cell *cell)
{
    struct pyro_cells *cells = maker->cells;
    if (cells->count && cells->bucket[cells->count - 1] != cell->bucket)
        pyro_map_clear(&maker->places);
    bool is_new;
    uint64_t *place = pyro_map_insert(&maker->places, cell->stack,
                                      (uint64_t)cell->thread << 32 | cell->kind, &is_new);
    if (!place || !reserve_cell(cells))
        return -ENOMEM;
    if (is_new) {
        size_t at = *place = cells->count++;
        cells->bucket[at] = cell->bucket;
        cells->thread[at] = cell->thread;
        cells->stack[at] = cell->stack;
        cells->kind[at] = cell->kind;
        cells->samples[at] = 0;
        cells->time_us[at] = 0;
    }
    uint64_t samples = cells->samples[*place] + cell->samples;
    cells->samples[*place] = samples < UINT32_MAX ? (uint32_t)samples : UINT32_MAX;
    cells->time_us[*place] += (float)cell->time_us;
    return 0;
}

static uint32_t kind_of_sample(struct maker *maker, size_t sample)
{
    const struct pyro_profile *profile = maker->profile;
    uint8_t flags = pyro_sample_flags(profile, sample);
    struct pyro_cell_kind kind = {
        .state = pyro_sample_state(profile, sample),
        .gil = flags & PYRO_SAMPLE_GIL,
        .gc = flags & PYRO_SAMPLE_GC,
        .parked = pyro_clock_parked(&maker->views[0], sample),
        .waits = pyro_clock_wait_category(&maker->views[0], sample),
    };
    for (unsigned clock = 0; clock < 4; clock++)
        if (pyro_clock_counts(&maker->views[clock], sample))
            kind.clocks |= (uint8_t)(1u << clock);
    return kind_number(maker->cells, &kind);
}

/* There are millions of samples, of some dozens of kinds: each is looked at once. */
static uint32_t known_kind(struct maker *maker, size_t sample)
{
    const struct pyro_sample *it = pyro_sample_at(maker->profile, sample);
    unsigned said = maker->views[0].parked_stacks[it->stack] % STACKS_SAY;
    uint32_t *known = &maker->kinds[(size_t)it->kind * STACKS_SAY + said];
    if (*known == UNKNOWN)
        *known = kind_of_sample(maker, sample);
    return *known;
}

static int add_samples(struct maker *maker)
{
    const struct pyro_profile *profile = maker->profile;
    struct pyro_cells *cells = maker->cells;
    size_t kinds = profile->samples.kind_count * STACKS_SAY;
    int result = 0;
    maker->kinds = calloc(kinds + 1, sizeof(*maker->kinds));
    if (!maker->kinds)
        return -ENOMEM;
    for (size_t i = 0; i < kinds; i++)
        maker->kinds[i] = UNKNOWN;
    for (size_t i = 0; result == 0 && i < profile->samples.count; i++) {
        double bucket = (double)pyro_sample_time_us(profile, i) / cells->bucket_us;
        struct cell cell = {
            .bucket = bucket < cells->bucket_count - 1 ? (uint32_t)bucket : cells->bucket_count - 1,
            .thread = pyro_sample_thread(profile, i),
            .stack = pyro_sample_stack(profile, i),
            .kind = known_kind(maker, i),
            .samples = 1,
            .time_us = (double)pyro_sample_weight_us(profile, i),
        };
        if (cell.kind == PYRO_NO_ID)
            return -ENOMEM;
        result = add(maker, &cell);
    }
    return result;
}

static int add_traced(struct maker *maker)
{
    const struct pyro_profile *profile = maker->profile;
    const struct pyro_cell_kind kind = {.waits = "", .clocks = 1 << PYRO_CLOCK_WALL};
    struct pyro_traced_time *times = pyro_traced_times(profile);
    int result = times && kind_number(maker->cells, &kind) == 0 ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        result = add(maker, &(struct cell){.thread = traced->thread,
                                           .stack = traced->stack,
                                           .samples = traced->calls,
                                           .time_us = times[i].self_us});
    }
    free(times);
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

/* What a thread did stands together, in the order in which it was seen. */
static int sort_by_thread(struct pyro_cells *cells, size_t threads)
{
    uint32_t **const columns[] = {&cells->thread, &cells->stack, &cells->kind, &cells->samples};
    uint32_t *from = calloc(cells->count + 1, sizeof(*from));
    uint32_t *next = calloc(threads + 2, sizeof(*next));
    int result = from && next ? 0 : -ENOMEM;
    if (result == 0)
        order_by_thread(cells, threads, from, next);
    for (size_t column = 0; result == 0 && column < sizeof(columns) / sizeof(*columns); column++) {
        uint32_t *sorted = calloc(cells->capacity + 1, sizeof(*sorted));
        result = sorted ? 0 : -ENOMEM;
        for (size_t i = 0; sorted && i < cells->count; i++)
            sorted[i] = (*columns[column])[from[i]];
        if (sorted) {
            free(*columns[column]);
            *columns[column] = sorted;
        }
    }
    float *times = result == 0 ? calloc(cells->capacity + 1, sizeof(*times)) : NULL;
    for (size_t i = 0; times && i < cells->count; i++)
        times[i] = cells->time_us[from[i]];
    if (times) {
        free(cells->time_us);
        cells->time_us = times;
    }
    free(from);
    free(next);
    return times ? 0 : -ENOMEM;
}

static void free_maker(struct maker *maker)
{
    pyro_clock_view_clear(&maker->views[0]);
    pyro_map_free(&maker->places);
    free(maker->kinds);
}

int pyro_cells_make(struct pyro_cells *cells, const struct pyro_profile *profile)
{
    struct maker maker = {.cells = cells, .profile = profile};
    *cells = (struct pyro_cells){.bucket_count = 1, .bucket_us = BUCKET_US_MIN};
    int result = pyro_clock_view_init(&maker.views[0], profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    for (unsigned clock = 1; clock < 4; clock++) {
        maker.views[clock] = maker.views[0];
        maker.views[clock].clock = (enum pyro_clock)clock;
    }
    if (pyro_traced_answers(&maker.views[0])) {
        result = add_traced(&maker);
    } else {
        lay_out_buckets(cells, profile);
        result = pyro_totals_left(&maker.views[0], &cells->left);
        if (result == 0)
            result = add_samples(&maker);
    }
    if (result == 0)
        result = sort_by_thread(cells, profile->thread_count);
    free_maker(&maker);
    if (result < 0)
        pyro_cells_clear(cells);
    return result;
}

/* -- sums of cells -------------------------------------------------------------------------------- */

struct sums {
    struct pyro_cell_sum *items;
    size_t count, capacity;
    struct pyro_map places; /* stack, thread and kind -> place in ITEMS */
};

static int add_to_sum(struct sums *sums, const struct pyro_cells *cells, size_t i)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(&sums->places, cells->stack[i],
                                      (uint64_t)cells->thread[i] << 32 | cells->kind[i], &is_new);
    if (!place || pyro_grow(&sums->items, sums->count, &sums->capacity, sizeof(*sums->items)) < 0)
        return -ENOMEM;
    if (is_new) {
        *place = sums->count;
        sums->items[sums->count++] = (struct pyro_cell_sum){
            .stack = cells->stack[i], .thread = cells->thread[i], .kind = cells->kind[i]};
    }
    sums->items[*place].samples += cells->samples[i];
    sums->items[*place].time_us += pyro_cell_time_us(cells, i);
    return 0;
}

static int compare_sums(const void *a_pointer, const void *b_pointer)
{
    const struct pyro_cell_sum *a = a_pointer, *b = b_pointer;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->kind < b->kind ? -1 : a->kind > b->kind;
}

int pyro_cells_sum_up(const struct pyro_cells *cells, const uint32_t *numbers,
                      struct pyro_cell_sum **ret_sums, size_t *ret_count)
{
    struct sums sums = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < cells->count; i++)
        result = add_to_sum(&sums, cells, i);
    pyro_map_free(&sums.places);
    if (result < 0) {
        free(sums.items);
        return result;
    }
    for (size_t i = 0; i < sums.count; i++)
        sums.items[i].stack = numbers[sums.items[i].stack];
    if (sums.count)
        qsort(sums.items, sums.count, sizeof(*sums.items), compare_sums);
    *ret_sums = sums.items;
    *ret_count = sums.count;
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
    *cells = (struct pyro_cells){0};
}
