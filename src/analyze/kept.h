/* analyze/kept.h - what a program keeps while it goes on: memory over time, by line of its own.
 *
 * A stack's figures tell what is alive at the end, its moments when that came to be. A container (a list, a dict) that is filled is
 * told by its own block, which is allocated anew again and again, and larger each time. Whether it is filled by one
 * loop that ends or by calls that go on is told by samples: a function that left a thread's stack and is there again
 * was called again. Pure functions over a profile. */
#ifndef PYRO_ANALYZE_KEPT_H
#define PYRO_ANALYZE_KEPT_H

#include "analyze/rule.h"

#define PYRO_KEPT_STEPS 64 /* parts of the time of the recording */

/* What a stack of a process has alive over time. */
struct pyro_kept_row {
    uint32_t process, stack;
    uint32_t
        own; /* the innermost stack below it, or it itself, whose function is the program's own; 0: there is none */
    struct pyro_stack_memory figures;
    double live[PYRO_KEPT_STEPS + 1];    /* bytes; the last one is at the end */
    double largest[PYRO_KEPT_STEPS + 1]; /* the largest block that it ever allocated, until then */
    double largest_first;                /* when it was first seen to have much alive */
    uint32_t largest_times;              /* how often it was seen to be a larger one since */
    size_t container; /* whose contents it is: an index of rows; SIZE_MAX: none's */
};

struct pyro_kept {
    const struct pyro_rule_context *context;
    struct pyro_kept_row *rows; /* stacks that ever had much alive */
    size_t count, capacity;
    struct pyro_map ids;   /* (process, stack) -> row */
    uint64_t *begins;      /* [function_count]: how often it was seen to begin, at least */
    double total_us;       /* the time of the recording */
    double peak, live_end; /* bytes of all processes */
};

/* 0 or -ENOMEM; without rows where memory was not tracked, or a sample of it (run --memory=sampled). Cleared in either case. */
int pyro_kept_make(struct pyro_kept *kept, const struct pyro_rule_context *context);
void pyro_kept_clear(struct pyro_kept *kept);

/* A container that is filled for as long as the program goes on, by a function that is called again and again. */
struct pyro_kept_growth {
    const struct pyro_kept_row *row; /* of the container itself */
    uint32_t again;                  /* the function that is called again */
    uint64_t begins;
    bool by_key;                      /* it grows by doubling: a dict or a set */
    double live[PYRO_KEPT_STEPS + 1]; /* with its contents */
    double most;                      /* of these: at the end, or just before it is given back */
};
/* One after the other: *AT begins at 0. False: there is no more. */
bool pyro_kept_next_growth(const struct pyro_kept *kept, size_t *at,
                           struct pyro_kept_growth *ret_growth);
/* A finding of GROWTH at a place of the program's own, with its evidence and gain. NULL: out of memory. */
struct pyro_finding *pyro_kept_finding(struct pyro_rule_context *context,
                                       const struct pyro_kept_growth *growth, uint32_t function,
                                       uint32_t line);

#endif
