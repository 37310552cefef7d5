/* requests/ring.c - filled by what a writer is told. */
#include "requests/ring.h"

#include "base/clock.h"
#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char request_name[] = "pyrometer_request_";
static const char request_file[] = "/pyrometer/web/_slots.py";

/* -- whose request it is ------------------------------------------------------------------------ */

/* The number of the request whose function ends STACK. False: it is another function. */
static bool ends_in_request(const struct pyro_ring *ring, const struct pyro_stack *stack,
                            uint32_t *ret_slot)
{
    uint32_t id = pyro_writer_frame_at(ring->names, stack->frame).function;
    struct pyro_function function = pyro_writer_function_at(ring->names, id);
    const char *name = pyro_writer_text(ring->names, function.name);
    const char *file = pyro_writer_text(ring->names, function.file);
    size_t size = strlen(file), end_size = sizeof(request_file) - 1;
    if (strncmp(name, request_name, sizeof(request_name) - 1) != 0 || size < end_size ||
        strcmp(file + size - end_size, request_file) != 0)
        return false;
    *ret_slot = (uint32_t)strtoul(name + sizeof(request_name) - 1, NULL, 10);
    return true;
}

/* Look at the stacks that came since the last time: parents come before their children. */
static int learn_stacks(struct pyro_ring *ring)
{
    size_t count = pyro_writer_stack_count(ring->names);
    while (ring->stack_count < count) {
        if (pyro_grow(&ring->stacks, ring->stack_count, &ring->stack_capacity,
                      sizeof(*ring->stacks)) < 0)
            return -ENOMEM;
        uint32_t id = (uint32_t)ring->stack_count++;
        struct pyro_stack stack = pyro_writer_stack_at(ring->names, id);
        struct pyro_ring_stack *known = &ring->stacks[id];
        *known = (struct pyro_ring_stack){.nearest = PYRO_STACK_ROOT};
        if (id == PYRO_STACK_ROOT)
            continue;
        if (ends_in_request(ring, &stack, &known->slot))
            known->nearest = id;
        else
            *known = ring->stacks[stack.parent];
    }
    return 0;
}

/* True also where it cannot be told. */
static bool is_in_a_request(struct pyro_ring *ring, uint32_t stack)
{
    return learn_stacks(ring) < 0 || stack >= ring->stack_count ||
           ring->stacks[stack].nearest != PYRO_STACK_ROOT;
}

uint32_t pyro_ring_request_in(struct pyro_ring *ring, uint32_t stack, uint32_t slot)
{
    if (learn_stacks(ring) < 0 || stack >= ring->stack_count)
        return PYRO_STACK_ROOT;
    struct pyro_ring_stack known = ring->stacks[stack];
    while (known.nearest != PYRO_STACK_ROOT && known.slot != slot)
        known = ring->stacks[pyro_writer_stack_at(ring->names, known.nearest).parent];
    return known.nearest;
}

/* -- filling it --------------------------------------------------------------------------------- */

static void begin_sweep(void *context)
{
    struct pyro_ring *ring = context;
    const struct pyro_ring_sweep sweep = {
        .before_ns = pyro_clock_ns(), .after_ns = UINT64_MAX, .stands = ring->stands};
    ring->sweeps[ring->sweep_count++ % PYRO_RING_SWEEPS] = sweep;
}

static void add_sample(void *context, const struct pyro_written_sample *sample)
{
    struct pyro_ring *ring = context;
    if (!ring->sweep_count)
        return;
    bool told = !ring->otherwise || is_in_a_request(ring, sample->stack);
    ring->samples[ring->sample_count++ % PYRO_RING_SAMPLES] = (struct pyro_ring_sample){
        .sweep = ring->sweep_count - 1,
        .slot = told ? PYRO_RING_NOBODY : ring->otherwise(ring->otherwise_context),
        .sample = *sample,
    };
}

static void add_edge(void *context, uint32_t caller, uint32_t callee)
{
    struct pyro_ring *ring = context;
    if (pyro_grow(&ring->edges, ring->edge_count, &ring->edge_capacity, sizeof(*ring->edges)) < 0)
        ring->failed = true;
    else
        ring->edges[ring->edge_count++] = (struct pyro_ring_edge){caller, callee};
}

void pyro_ring_swept(struct pyro_ring *ring)
{
    if (ring->sweep_count)
        ring->sweeps[(ring->sweep_count - 1) % PYRO_RING_SWEEPS].after_ns = pyro_clock_ns();
}

int pyro_ring_init(struct pyro_ring *ring, struct pyro_writer *names)
{
    *ring = (struct pyro_ring){.names = names, .stands = 1};
    ring->observer = (struct pyro_writer_observer){begin_sweep, add_sample, add_edge, ring};
    ring->samples = calloc(PYRO_RING_SAMPLES, sizeof(*ring->samples));
    ring->sweeps = calloc(PYRO_RING_SWEEPS, sizeof(*ring->sweeps));
    if (!ring->samples || !ring->sweeps) {
        pyro_ring_clear(ring);
        return -ENOMEM;
    }
    pyro_writer_observe(names, &ring->observer);
    return 0;
}

void pyro_ring_clear(struct pyro_ring *ring)
{
    if (ring->names)
        pyro_writer_observe(ring->names, NULL);
    free(ring->samples);
    free(ring->sweeps);
    free(ring->stacks);
    free(ring->edges);
    *ring = (struct pyro_ring){0};
}
