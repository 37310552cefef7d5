/* analyze/diff.h - what moved between two profiles: by function, by line, by caller and callee.
 *
 * A pure function over two profiles, whoever made them. Functions are matched as match.h tells, lines by their text where
 * both recordings have it, else by their distance from the first line of the function.
 *
 * Times that were sampled have an error, and a move is *sure* only beyond three of it. What runs differ by from each
 * other is not in that: one run each gives no verdict. */
#ifndef PYRO_ANALYZE_DIFF_H
#define PYRO_ANALYZE_DIFF_H

#include "analyze/match.h"
#include "analyze/stats.h"

#define PYRO_DIFF_SURE 3 /* standard errors */

/* Of one side. Where it was not there, all is 0 but ncalls. */
struct pyro_diff_figures {
    bool there;
    double self_s, total_s; /* NAN: not known; of lines only the total is */
    double self_sigma_s, total_sigma_s;
    double probe_s; /* what counting cost, taken out of self_s */
    uint64_t
        ncalls; /* PYRO_NO_CALLS: not counted; 0 where it was not there but calls were counted */
};

struct pyro_diff_row {
    struct pyro_match_row match;
    struct pyro_diff_figures side[PYRO_SIDES];
};

struct pyro_diff_line {
    uint32_t row;
    uint32_t line[PYRO_SIDES];      /* 0: was not there */
    const char *source[PYRO_SIDES]; /* of a profile; NULL: not recorded */
    struct pyro_diff_figures side[PYRO_SIDES];
};

struct pyro_diff_edge {
    uint32_t caller, callee; /* rows; PYRO_NO_ID as caller: the root of a thread */
    struct pyro_diff_figures side[PYRO_SIDES];
};

struct pyro_diff {
    const struct pyro_profile *profile[PYRO_SIDES];
    struct pyro_stats *stats[PYRO_SIDES]; /* for totals; owned */
    enum pyro_clock clock;
    /* Only one side saw C functions: there, their time was put to their callers, so that both say the same thing. */
    bool folded_c[PYRO_SIDES];
    bool counted[PYRO_SIDES]; /* some calls were */
    bool lines_known;         /* on both sides */
    struct pyro_diff_row *rows;
    struct pyro_diff_line *lines;
    struct pyro_diff_edge *edges;
    size_t row_count, line_count, edge_count;
};

enum pyro_diff_key {
    PYRO_DIFF_BY_TIME,
    PYRO_DIFF_BY_CUMULATIVE,
    PYRO_DIFF_BY_CALLS,
    PYRO_DIFF_BY_NAME,
    PYRO_DIFF_BY_FILE,
};
/* "time" "tottime" "cumulative" "cumtime" "calls" "ncalls" "name" "file" "filename" and prefixes of one key only. -EINVAL
 * with all of them in the message. */
int pyro_diff_key_by_name(const char *name, enum pyro_diff_key *ret_key, struct pyro_error *error);

struct pyro_diff_options {
    enum pyro_clock clock;
    enum pyro_diff_key
        sort; /* the largest move first, whether up or down; lines have only one time */
};

/* BEFORE and AFTER stay the caller's and must outlive it. */
int pyro_diff_make(const struct pyro_profile *before, const struct pyro_profile *after,
                   const struct pyro_diff_options *options, struct pyro_diff **ret_diff,
                   struct pyro_error *error);
void pyro_diff_free(struct pyro_diff *diff); /* NULL is fine */

/* -- one move ----------------------------------------------------------------------------------- */

struct pyro_move {
    double before, after, change; /* NAN: not known */
    double sigma;                 /* standard error of the change; 0: both were measured */
    bool sure;
};
/* Of the total time, or that in the function itself. */
struct pyro_move pyro_diff_time(const struct pyro_diff_figures side[PYRO_SIDES], bool total);
struct pyro_move pyro_diff_calls(const struct pyro_diff_figures side[PYRO_SIDES]);

/* All calls of each side, of what both count. False: one of them has none. */
bool pyro_diff_all_calls(const struct pyro_diff *diff, double ret_calls[PYRO_SIDES]);

/* The function to show for ROW, and the side whose profile it is of: after, if it is still there. */
uint32_t pyro_diff_function(const struct pyro_diff_row *row, int *ret_side);

#endif
