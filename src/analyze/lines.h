/* analyze/lines.h - time by line: where in a function it went, and how often each line ran.
 *
 * Of functions whose lines a probe counted, hits are exact and times were measured, unless the probe only counted. All other
 * times are sampled: a line has the time of the samples that stood in it, and in what it called. Where a function recurses, a moment in which the line
 * stands twice on the stack counts once. So lines of a recursive function may add up to more than the function
 * took: the line that calls it has the time of the call, and the lines of the call have it too. A pure function over a
 * profile. */
#ifndef PYRO_ANALYZE_LINES_H
#define PYRO_ANALYZE_LINES_H

#include "analyze/stats.h"

struct pyro_line {
    uint32_t line;
    const char *source;    /* of the profile; NULL: it was not recorded */
    uint64_t hits;         /* exact; PYRO_NO_CALLS: not counted; 0: a call begins in it, say */
    double time_s, self_s; /* self_s is sampled always */
    double time_sigma_s;   /* standard error of time_s; 0 where it was measured */
    uint64_t samples;      /* that stood in it and in what it called */
    bool rough;            /* counting its hits cost more than the time that was left */
};

struct pyro_lines_function {
    uint32_t function;
    bool counted;    /* its lines were */
    bool timed;      /* and timed, not sampled */
    double total_s;  /* with what it called, recursion once */
    double before_s; /* sampled, before its lines were counted: in none of these */
    uint64_t samples;
    size_t first, count; /* its lines, ascending */
};

struct pyro_lines {
    double
        hit_cost_us; /* what counting one hit cost on average, which no time has; 0: none were counted */
    double
        from_s; /* of the recording: lines were counted from then on, chosen by what was sampled before; 0: always */
    struct pyro_stats *stats; /* of the whole recording; owned */
    struct pyro_line *lines;
    size_t line_count;
    struct pyro_lines_function *functions; /* the hottest first; of equal ones the caller, mostly */
    size_t function_count;
};

/* -ENODATA: calls were timed, by function, so that nothing is known of lines. -ENOMEM and others. */
int pyro_lines_make(const struct pyro_profile *profile, struct pyro_lines **ret_lines,
                    struct pyro_error *error);
void pyro_lines_free(struct pyro_lines *lines); /* NULL is fine */

#endif
