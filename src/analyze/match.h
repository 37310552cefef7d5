/* analyze/match.h - which functions of two profiles are the same one.
 *
 * A function is known by its kind, its qualified name (the last part of it where one side has no other, as before Python
 * 3.11 and in cProfile's files) and its file; lines may move. Files are the same if their paths are;
 * else by what says most of the path, so that a moved checkout, a git worktree and another Python still match: below
 * site-packages, the standard library or the working directory; then by the last eight folders, seven, and so on down to
 * the name of the file; and at last as the programs' scripts, whatever they are called. Each step takes only what is
 * unique on both sides, and of libraries not the name of a file alone. */
#ifndef PYRO_ANALYZE_MATCH_H
#define PYRO_ANALYZE_MATCH_H

#include "profile/profile.h"

enum { PYRO_BEFORE, PYRO_AFTER, PYRO_SIDES };

/* What is compared with each other. Several functions of one name in one file (lambdas, a property's getter and setter)
 * are paired in their order where both sides have as many, else they are one row together. */
struct pyro_match_row {
    uint32_t function[PYRO_SIDES]; /* the first of them; PYRO_NO_ID: there is none on that side */
    uint32_t count[PYRO_SIDES];
};

struct pyro_match {
    struct pyro_match_row *rows; /* those of before, then what is new */
    size_t count, capacity;
    uint32_t *row_of[PYRO_SIDES]; /* [function_count]; PYRO_NO_ID: not asked for */
};

struct pyro_match_side {
    const struct pyro_profile *profile;
    const bool *wanted; /* [function_count] */
    uint32_t script;    /* its file, a string of the profile; PYRO_NO_ID: not known */
};

/* 0 or -ENOMEM. */
int pyro_match_make(struct pyro_match *match, const struct pyro_match_side sides[PYRO_SIDES]);
void pyro_match_clear(struct pyro_match *match); /* a zeroed struct is fine */

#endif
