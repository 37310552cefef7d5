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
    float *left;                     /* [stack_count] or NULL */
    struct pyro_map places;          /* (stack, thread and kind) -> cell of this bucket */
};

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

static int add_samples(struct maker *maker)
{
    const struct pyro_profile *profile = maker->profile;
    struct pyro_cells *cells = maker->cells;
    int result = 0;
    for (size_t i = 0; result == 0 && i < profile->samples.count; i++) {
        double bucket = (double)pyro_sample_time_us(profile, i) / cells->bucket_us;
        struct cell cell = {
            .bucket = bucket < cells->bucket_count - 1 ? (uint32_t)bucket : cells->bucket_count - 1,
            .thread = pyro_sample_thread(profile, i),
            .stack = pyro_sample_stack(profile, i),
            .kind = kind_of_sample(maker, i),
            .samples = 1,
            .time_us = (double)pyro_sample_weight_us(profile, i),
        };
        if (cell.kind == PYRO_NO_ID)
            return -ENOMEM;
        if (maker->left && !cells->kinds[cell.kind].parked)
            cell.time_us *= (double)maker->left[cell.stack];
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

static void free_maker(struct maker *maker)
{
    pyro_clock_view_clear(&maker->views[0]);
    pyro_map_free(&maker->places);
    free(maker->left);
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
        result = pyro_totals_left(&maker.views[0], &maker.left);
        if (result == 0)
            result = add_samples(&maker);
    }
    free_maker(&maker);
    if (result < 0)
        pyro_cells_clear(cells);
    return result;
}

void pyro_cells_clear(struct pyro_cells *cells)
{
    free(cells->bucket);
    free(cells->thread);
    free(cells->stack);
    free(cells->kind);
    free(cells->samples);
    free(cells->time_us);
    free(cells->kinds);
    *cells = (struct pyro_cells){0};
}
