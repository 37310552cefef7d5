/* cli/pair.h - two recordings and what moved between them: for diff, compare and bench. */
#ifndef PYRO_CLI_PAIR_H
#define PYRO_CLI_PAIR_H

#include "analyze/diff.h"

struct pyro_pair {
    struct pyro_profile *profiles[PYRO_SIDES];
    struct pyro_diff *diff;
};

/* Read both files and compare them. On an error nothing is to be closed; *RET_UNREADABLE: it lies
 * in a file. */
int pyro_pair_open(struct pyro_pair *pair, const char *before, const char *after,
                   const struct pyro_diff_options *options, bool *ret_unreadable,
                   struct pyro_error *error);
void pyro_pair_close(struct pyro_pair *pair); /* a zeroed struct is fine */

#endif
