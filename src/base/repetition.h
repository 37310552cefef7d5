/* base/repetition.h - which queries are too many: the one rule that `findings` and pyrometer.web judge by. */
#ifndef PYRO_BASE_REPETITION_H
#define PYRO_BASE_REPETITION_H

#include <stdbool.h>
#include <stdint.h>

#define PYRO_REPETITION_MIN 10 /* queries: fewer are not worth a change */

/* Queries of one shape from one line. */
struct pyro_repeated {
    uint64_t count;
    uint64_t distinct; /* how many had different parameters ... */
    uint64_t unknown;  /* ... of those whose parameters could be compared: all but these */
    bool many;         /* they have lists of parameters: many rows at once already */
    bool lazily;       /* a library loads what an object refers to: one query for each object */
};

enum pyro_repetition {
    PYRO_REPETITION_NONE,
    PYRO_REPETITION_N_PLUS_ONE, /* one for each row of another query */
    PYRO_REPETITION_SAME,       /* the same, again and again */
    PYRO_REPETITION_WRITES,     /* one write for each row */
};
/* SHAPE is that of base/sql.h; "", that of a text that is not known, for one that reads, and
 * never the same again. */
enum pyro_repetition pyro_repetition(const char *shape, const struct pyro_repeated *queries);

#endif
