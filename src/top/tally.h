/* top/tally.h - functions, or lines, with their times: in the window that is now, and since the beginning.
 *
 * Rows are known by name, file and line, so that recordings of other ids can be added up. A tally stays bounded: when there are
 * too many rows, the half with the least time is dropped, and counted. */
#ifndef PYRO_TOP_TALLY_H
#define PYRO_TOP_TALLY_H

#include "profile/profile.h"

#define PYRO_TALLY_MAX 32768 /* rows */

struct pyro_times {
    double own_s, total_s;
};

struct pyro_tally_row {
    uint32_t function;        /* of names: its first_line is the line that is meant */
    struct pyro_times now;    /* in the window */
    struct pyro_times before; /* in the window of the refresh before */
    struct pyro_times ended;  /* in pieces that are over */
    struct pyro_times all;    /* since the beginning: ended, and the piece that grows */
};

struct pyro_tally {
    struct pyro_profile *names; /* only its strings and functions; NULL: empty */
    struct pyro_tally_row *rows;
    size_t count, capacity, function_capacity;
    struct pyro_map ids;
    uint64_t dropped; /* rows */
    double dropped_s; /* their own time */
};

enum pyro_tally_field { PYRO_TALLY_NOW, PYRO_TALLY_ENDED, PYRO_TALLY_GROWING };

/* FUNCTION of PROFILE, at LINE, had these times more. 0 or -ENOMEM. */
int pyro_tally_add(struct pyro_tally *tally, const struct pyro_profile *profile, uint32_t function,
                   uint32_t line, enum pyro_tally_field field, struct pyro_times times);
/* A refresh begins: `now` becomes `before`, and what grows is counted anew. */
void pyro_tally_begin(struct pyro_tally *tally);
/* When there are too many rows, drop those with the least time in pieces that are over. 0 or -ENOMEM: all is as it was. */
int pyro_tally_trim(struct pyro_tally *tally);
void pyro_tally_clear(struct pyro_tally *tally); /* a zeroed struct is fine */

#endif
