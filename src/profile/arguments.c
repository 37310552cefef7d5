/* profile/arguments.c - a recorder writes what is new every few seconds; a reader wants each function once. */
#include "profile/arguments.h"

#include <stdlib.h>

static int by_function(const void *left, const void *right)
{
    const struct pyro_arguments *a = left, *b = right;
    return (a->function > b->function) - (a->function < b->function);
}

void pyro_arguments_merge(struct pyro_profile *profile)
{
    size_t kept = 0;
    if (!profile->argument_count)
        return;
    qsort(profile->arguments, profile->argument_count, sizeof(*profile->arguments), by_function);
    for (size_t i = 0; i < profile->argument_count; i++) {
        const struct pyro_arguments *more = &profile->arguments[i];
        if (!kept || profile->arguments[kept - 1].function != more->function) {
            profile->arguments[kept++] = *more;
            continue;
        }
        profile->arguments[kept - 1].looked += more->looked;
        profile->arguments[kept - 1].distinct += more->distinct;
        profile->arguments[kept - 1].unknown += more->unknown;
    }
    profile->argument_count = kept;
}
