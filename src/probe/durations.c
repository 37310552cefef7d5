/* probe/durations.c - counting into buckets, and the clock for it. */
#include "probe/durations.h"

#include "base/ticks.h"

#include <stddef.h>
#include <string.h>

/* -- buckets ------------------------------------------------------------------------------------ */

#define US(n) (1000ull * (n))
#define DECADE(tenth)                                                               \
    US(10 * (tenth)) / 10, US(15 * (tenth)) / 10, US(2 * (tenth)), US(3 * (tenth)), \
        US(5 * (tenth)), US(7 * (tenth))

static const uint64_t bounds_ns[] = {
    DECADE(1ull),       DECADE(10ull),       DECADE(100ull),
    DECADE(1000ull),    DECADE(10000ull),    DECADE(100000ull),
    DECADE(1000000ull), DECADE(10000000ull), DECADE(100000000ull),
};
_Static_assert(sizeof(bounds_ns) / sizeof(*bounds_ns) == PYRO_DURATION_BOUNDS, "nine decades");

/* The first bound that is not below it. */
static size_t bucket_of(uint64_t took_ns)
{
    size_t low = 0, high = PYRO_DURATION_BOUNDS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bounds_ns[middle] < took_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_to(struct pyro_durations *durations, uint64_t took_ns, size_t bucket)
{
    durations->count++;
    durations->sum_ns += took_ns;
    durations->buckets[bucket]++;
    if (took_ns > durations->max_ns)
        durations->max_ns = took_ns;
}

/* From one on, so that a slice of zeros is no slice. */
static uint64_t slice_number(uint64_t now_ns)
{
    return now_ns / PYRO_DURATION_SLICE_NS + 1;
}

void pyro_durations_add(struct pyro_durations_rolling *rolling, uint64_t took_ns, uint64_t now_ns)
{
    size_t bucket = bucket_of(took_ns);
    uint64_t number = slice_number(now_ns);
    struct pyro_durations *slice = &rolling->slices[number % PYRO_DURATION_SLICES];
    if (slice->number != number)
        *slice = (struct pyro_durations){.number = number};
    add_to(slice, took_ns, bucket);
    add_to(&rolling->all, took_ns, bucket);
}

static void merge(struct pyro_durations *into, const struct pyro_durations *from)
{
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (size_t i = 0; i <= PYRO_DURATION_BOUNDS; i++)
        into->buckets[i] += from->buckets[i];
}

void pyro_durations_recent(const struct pyro_durations_rolling *rolling, uint64_t now_ns,
                           struct pyro_durations *ret_recent)
{
    uint64_t number = slice_number(now_ns);
    *ret_recent = (struct pyro_durations){0};
    for (size_t i = 0; i < PYRO_DURATION_SLICES; i++) {
        const struct pyro_durations *slice = &rolling->slices[i];
        if (slice->number <= number && slice->number + PYRO_DURATION_SLICES > number)
            merge(ret_recent, slice);
    }
}

/* -- the clock ---------------------------------------------------------------------------------- */

#define RATE_NS PYRO_NS_PER_MS /* over which the rate is measured */

static struct pyro_moment beginning;
static double ns_per_tick; /* 0: not known yet */

void pyro_durations_clock_init(void)
{
    if (ns_per_tick > 0)
        return;
    pyro_ticks_init();
    beginning = pyro_moment();
    ns_per_tick = pyro_tick_ns_over(RATE_NS);
}

uint64_t pyro_durations_clock_ns(void)
{
    return beginning.ns + (uint64_t)((double)(pyro_ticks() - beginning.ticks) * ns_per_tick);
}
