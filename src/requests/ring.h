/* requests/ring.h - the last samples of a process, and to which web request each belongs.
 *
 * pyrometer.web (python/pyrometer/web/_slots.py) calls the program of each request through a function of its own name,
 * "pyrometer_request_N", where no two requests have the same N at a time. So the stack itself tells which request it is,
 * whatever threads, tasks and greenlets do. Of a stack without such a function, that of a thread or task which works for a request, the context tells (OTHERWISE). A sample belongs to the
 * request that had N if it was taken, from the reading of the clock before the sweep to that after it, while the request had it, and if the part of the stack up to
 * that function is sure.
 *
 * Names are kept by a writer whose file is /dev/null; what is sampled, by the last PYRO_RING_SAMPLES samples in the order in
 * which they were taken. Not for several threads. */
#ifndef PYRO_REQUESTS_RING_H
#define PYRO_REQUESTS_RING_H

#include "profile/writer.h"

#define PYRO_RING_SAMPLES (1u << 18)
#define PYRO_RING_SWEEPS  (1u << 16)
#define PYRO_RING_STACKS  400000u /* so many different ones, and the sampler is to be started anew */
#define PYRO_RING_NOBODY  UINT32_MAX

struct pyro_ring_sample {
    uint64_t sweep; /* its number */
    uint32_t
        slot; /* of the request whose context its thread had; PYRO_RING_NOBODY: its stack tells, or nothing does */
    struct pyro_written_sample sample;
};
struct pyro_ring_sweep {
    uint64_t before_ns, after_ns; /* CLOCK_MONOTONIC */
    uint32_t stands;              /* for so many at the full rate */
};
struct pyro_ring_stack {
    uint32_t
        nearest; /* the stack that ends in a request's function, this one or the nearest below it; root: none */
    uint32_t slot; /* of that function */
};

struct pyro_ring {
    struct pyro_writer *names;
    struct pyro_writer_observer observer;
    struct pyro_ring_sample *samples;   /* [PYRO_RING_SAMPLES] */
    struct pyro_ring_sweep *sweeps;     /* [PYRO_RING_SWEEPS] */
    uint64_t sample_count, sweep_count; /* ever */
    struct pyro_ring_stack *stacks;     /* what is known of those of names */
    size_t stack_count, stack_capacity;
    struct pyro_ring_edge {
        uint32_t caller, callee;
    } * edges;
    size_t edge_count, edge_capacity;
    uint32_t stands; /* what the next sweep stands for */
    /* Whose request is the sample that is being taken, if its stack does not tell? A slot or PYRO_RING_NOBODY. NULL: nobody knows. */
    uint32_t (*otherwise)(void *context);
    void *otherwise_context;
    bool failed; /* out of memory */
};

/* Keep what NAMES is told from now on. 0 or -ENOMEM. */
int pyro_ring_init(struct pyro_ring *ring, struct pyro_writer *names);
void pyro_ring_clear(struct pyro_ring *ring);

/* The sweep is over. */
void pyro_ring_swept(struct pyro_ring *ring);

/* The part of STACK that ends in the function of request SLOT; PYRO_STACK_ROOT: it is not in it. */
uint32_t pyro_ring_request_in(struct pyro_ring *ring, uint32_t stack, uint32_t slot);

#endif
