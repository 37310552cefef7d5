/* requests/cut.h - the samples of one web request: its figures, and a recording of its own. */
#ifndef PYRO_REQUESTS_CUT_H
#define PYRO_REQUESTS_CUT_H

#include "base/error.h"
#include "requests/ring.h"

struct pyro_request {
    uint32_t slot;
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
    const char *title;         /* "GET /orders": the recording's command */
    const char *sent; /* its queries (requests/sent.h); "" or NULL: nothing is known of them */
};

/* Who reads the program's files: PUT adds the lines that the frames known to WRITER stand at. NULL: nobody. */
struct pyro_source {
    void (*put)(const void *roots, struct pyro_writer *writer);
    const void *roots;
};

struct pyro_request_figures {
    uint64_t sweeps;    /* within it */
    uint64_t samples;   /* of these, that are certainly its */
    uint64_t unclear;   /* that may be its: the sure part of the stack is too short to tell */
    uint64_t missed_ns; /* of its time, before the sampler began or already forgotten */
    double running_s, waiting_s,
        off_stack_s; /* together the rest of its time; off: no stack is in it, as while it is awaited */
    const char *
        top_file; /* the line of the program's own that has most of its time; NULL: none. Valid while the ring is */
    uint32_t top_line;
    double top_s;
};

/* 0, or -ENOMEM. */
int pyro_request_figures(struct pyro_ring *ring, const struct pyro_request *request,
                         struct pyro_request_figures *ret_figures);

/* Write the recording PATH, mode 0600; INFO is that of the process, and SOURCE reads its files. Stacks begin above the request's
 * function. */
int pyro_request_write(struct pyro_ring *ring, const struct pyro_request *request,
                       const struct pyro_recording_info *info, const struct pyro_source *source,
                       const char *path, struct pyro_error *error);

#endif
