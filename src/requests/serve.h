/* requests/serve.h - the sampler of pyrometer.web: a process beside the server, which keeps the last samples of it and writes down
 * those of a request when it is told to.
 *
 * It is spoken to by messages of text over a socket (SOCK_SEQPACKET), so that no message is ever half there:
 *
 *     here PID                            to the server: that is whom to let look (PR_SET_PTRACER)
 *     go [ADDRESS COUNT OLD EVERY CONTEXT_AT VARIABLE HASH]
 *                                         from it: it does. At ADDRESS are COUNT numbers of 64 bits, by slot: 0, or when the request began
 *                                         that is under way, odd if somebody asked for it. While none is odd, nor older than OLD
 *                                         nanoseconds, every EVERY-th look is enough. Behind them as many addresses: what the context variable at
 *                                         VARIABLE holds in the request's context. CONTEXT_AT is where a thread state has its context, 0 if that is not known
 *                                         (sample/sampler.h)
 *     ready VERSION | error WHY           it samples from now on; or not at all, and this process ends
 *     cut SLOT BEGIN END ID TITLE         a request is over, which had that slot (requests/ring.h) from BEGIN to END,
 *     [its queries]                       in nanoseconds of CLOCK_MONOTONIC; keep it as ID.pyro. Lines behind the first are of requests/sent.h
 *     {"id": ID, "recording": ...}        JSON, the answer at once, with the figures, and whether a recording will be written; if that
 *                                         fails, another one without figures. Dropped where nobody reads it
 *
 * It ends with the server, when the other end of the socket is closed, or when it has seen too much (PYRO_RING_STACKS). */
#ifndef PYRO_REQUESTS_SERVE_H
#define PYRO_REQUESTS_SERVE_H

#include "base/error.h"
#include "requests/cut.h"

#include <stdint.h>
#include <sys/types.h>

struct pyro_serve_options {
    pid_t pid;
    int socket;
    uint32_t rate_hz;
    const char *directory; /* for recordings; exists */
    uint32_t keep;         /* recordings; the oldest go */
    uint64_t keep_bytes;
    struct pyro_source source;
};

/* Until the end. 0, or the error that the server was told, too. */
int pyro_requests_serve(const struct pyro_serve_options *options, struct pyro_error *error);

#endif
