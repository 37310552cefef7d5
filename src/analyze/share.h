/* analyze/share.h - what share of the time a function, a file or a package is, and the most one could win by making it
 * free.
 *
 * Its time is that in which it, or anything it called, was running or waiting: a stack in which it stands twice counts
 * once. A pure function over a profile. */
#ifndef PYRO_ANALYZE_SHARE_H
#define PYRO_ANALYZE_SHARE_H

#include "analyze/stats.h"

enum pyro_share_kind {
    PYRO_SHARE_FUNCTION,
    PYRO_SHARE_FUNCTIONS, /* all functions of the name, together */
    PYRO_SHARE_FILE,
    PYRO_SHARE_PACKAGE, /* or a module, or a folder */
};

struct pyro_share {
    enum pyro_share_kind kind;
    uint32_t function; /* PYRO_NO_ID: of several */
    uint32_t file;     /* a string; PYRO_NO_ID: of several */
    size_t functions;  /* of which something was seen */
    double time_s;     /* over all threads */
    double sigma_s;    /* standard error; 0 where calls were timed */
    double self_s;     /* in itself; 0 where there are no stacks */
    double computing_s,
        waiting_s; /* of time_s; NAN: not known. What is missing was neither: ready without a CPU */
    /* The most that the program's duration could shrink by: threads that were in it at once are won once. */
    double saves_s;
    uint64_t samples; /* 0 where calls were timed */
    uint64_t ncalls;  /* from outside it; PYRO_NO_CALLS: not counted */
};

#define PYRO_SHARE_ITEMS 32 /* functions of one name that are told apart */

struct pyro_shares {
    struct pyro_stats *stats; /* of the whole recording; owned */
    double total_s;           /* that shares are of: over all threads */
    double duration_s;        /* of the program, as far as known: saves_s is of that */
    bool
        at_most; /* calls were timed, without stacks: where a file or package calls back into itself by way of
                               * others, time counts twice */
    struct pyro_share items[PYRO_SHARE_ITEMS + 3];
    size_t count; /* functions by time, all of them, file, package */
    size_t more;  /* functions of that name that are not among the items */
};

/* What NAME means: a function by its qualified name or the end of it ("fetch", "ForeignKey.fetch", "orm.execute_query",
 * "sqlite3.Cursor.execute"), a file by the end of its path, a package, module or folder by its name ("json", "django.db",
 * "shop/models"). Several of these may be meant: each is an item. Nothing of the kind: count is 0. -ENOMEM and others. */
int pyro_shares_make(const struct pyro_profile *profile, const char *name,
                     struct pyro_shares **ret_shares, struct pyro_error *error);
void pyro_shares_free(struct pyro_shares *shares); /* NULL is fine */

/* Names in PROFILE that are most like NAME, nearest first; how many there are. */
#define PYRO_SHARE_NEAREST 3
size_t pyro_share_nearest(const struct pyro_profile *profile, const char *name,
                          char near[PYRO_SHARE_NEAREST][128]);

#endif
