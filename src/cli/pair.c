/* cli/pair.c - read two recordings, and join them. */
#include "cli/pair.h"

#include "formats/import.h"

#include <errno.h>

static bool is_clock_answered(const struct pyro_pair *pair, enum pyro_clock clock)
{
    return clock == PYRO_CLOCK_WALL ||
           (!pair->profiles[PYRO_BEFORE]->timed && !pair->profiles[PYRO_AFTER]->timed);
}

int pyro_pair_open(struct pyro_pair *pair, const char *before, const char *after,
                   const struct pyro_diff_options *options, bool *ret_unreadable,
                   struct pyro_error *error)
{
    const char *paths[PYRO_SIDES] = {before, after};
    int code = 0;
    *pair = (struct pyro_pair){0};
    for (int side = 0; code == 0 && side < PYRO_SIDES; side++)
        code = pyro_import(&paths[side], 1, &pair->profiles[side], error);
    *ret_unreadable = code < 0;
    if (code == 0 && !is_clock_answered(pair, options->clock))
        code = pyro_error_set(error, -EINVAL,
                              "a .prof file holds calls and their times, no samples of threads: "
                              "leave out --clock");
    if (code == 0)
        code = pyro_diff_make(pair->profiles[PYRO_BEFORE], pair->profiles[PYRO_AFTER], options,
                              &pair->diff, error);
    if (code < 0)
        pyro_pair_close(pair);
    return code;
}

void pyro_pair_close(struct pyro_pair *pair)
{
    pyro_diff_free(pair->diff);
    for (int side = 0; side < PYRO_SIDES; side++)
        pyro_profile_free(pair->profiles[side]);
    *pair = (struct pyro_pair){0};
}
