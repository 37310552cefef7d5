/* analyze/allocations.h - memory by line and by function: what was allocated, what was left, what was held at the high-water mark.
 *
 * Self is what a line allocated with no Python function called from there in between; total is that and what it called allocated. A
 * line that stands twice on a stack, since its function recurses, counts once in its total. Processes are added up: the
 * peak is the sum of their high-water marks. A pure function over a profile. */
#ifndef PYRO_ANALYZE_ALLOCATIONS_H
#define PYRO_ANALYZE_ALLOCATIONS_H

#include "analyze/interval.h"
#include "base/error.h"
#include "profile/profile.h"

/* What stands behind an estimate. */
struct pyro_allocation_samples {
    uint64_t blocks, bytes; /* that were seen themselves */
    double bytes_variance, blocks_variance;
};

struct pyro_allocation_figures {
    uint64_t blocks, allocated, freed; /* how many, and bytes */
    uint64_t live, peak;               /* bytes: alive at the end, held at the high-water mark */
    uint64_t brief, brief_bytes;       /* freed before the thread allocated anything else */
    struct pyro_allocation_samples of_allocated, of_live, of_peak; /* where it was sampled */
};
void pyro_allocation_add(struct pyro_allocation_figures *sum,
                         const struct pyro_allocation_figures *more);

struct pyro_allocation_line {
    uint32_t function, line;
    const char *source; /* of the profile; NULL: it was not recorded */
    struct pyro_allocation_figures self, total;
};

struct pyro_allocation_function {
    uint32_t function;
    struct pyro_allocation_figures self, total; /* recursion once */
    size_t first, count;                        /* its lines, ascending */
};

struct pyro_allocations {
    const struct pyro_profile *profile;
    struct pyro_allocation_line *lines;
    size_t line_count;
    struct pyro_allocation_function *functions; /* those that held the most at the peak first */
    size_t function_count;
    struct pyro_allocation_figures all;     /* with what was allocated while no Python code ran */
    uint64_t lost, unseen, cut;             /* struct pyro_process_memory */
    uint64_t rss, rss_peak, own;            /* 0: not known */
    uint64_t native, files, slack, swapped; /* struct pyro_process_memory */
    struct pyro_process_sizes sizes;        /* of all processes */
    bool has_sizes;
    bool unhooked;        /* of one of these the last allocations were not seen */
    bool has_native;      /* of all of these it is known */
    size_t process_count; /* that were tracked */
    bool stopped;         /* all of these ended by themselves */
    uint64_t
        period; /* bytes between samples, the most of any: figures are estimated. 0: all was seen */
};

/* Where it was sampled: between what the truth is, by confidence of analyze/interval.h, of each of these for itself. What is `brief` has
 * no interval. */
struct pyro_interval pyro_allocation_allocated(const struct pyro_allocations *memory,
                                               const struct pyro_allocation_figures *figures);
struct pyro_interval pyro_allocation_live(const struct pyro_allocations *memory,
                                          const struct pyro_allocation_figures *figures);
struct pyro_interval pyro_allocation_peak(const struct pyro_allocations *memory,
                                          const struct pyro_allocation_figures *figures);
struct pyro_interval pyro_allocation_blocks(const struct pyro_allocation_figures *figures);

/* -ENODATA: memory was not tracked. -ENOMEM. */
int pyro_allocations_make(const struct pyro_profile *profile, struct pyro_allocations **ret_memory,
                          struct pyro_error *error);
void pyro_allocations_free(struct pyro_allocations *memory); /* NULL is fine */

#endif
