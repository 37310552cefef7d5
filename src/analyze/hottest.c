/* analyze/hottest.c - the hottest of the program's own functions. */
#include "analyze/hottest.h"

#include "profile/paths.h"
#include "profile/totals.h"

#include <stdlib.h>
#include <string.h>

#define SHARE_MIN 0.01 /* of all time */

static bool is_candidate(const struct pyro_profile *profile, const struct pyro_totals *totals,
                         uint32_t id, bool modules)
{
    const struct pyro_function *function = &profile->functions[id];
    const char *file = pyro_profile_text(profile, function->file);
    bool is_module = strcmp(pyro_profile_text(profile, function->name), "<module>") == 0;
    return function->kind == PYRO_FUNCTION_PYTHON && is_module == modules && *file != '<' &&
           totals->functions[id].total_us >= SHARE_MIN * totals->counted_us &&
           totals->functions[id].total_samples > 0 && !pyro_path_is_library(file);
}

static bool is_taken(const uint32_t *functions, size_t count, uint32_t id)
{
    while (count && functions[count - 1] != id)
        count--;
    return count > 0;
}

/* The hottest one that is not among FUNCTIONS; PYRO_NO_ID: there is none. */
static uint32_t next(const struct pyro_profile *profile, const struct pyro_totals *totals,
                     const uint32_t *functions, size_t count, bool modules)
{
    uint32_t best = PYRO_NO_ID;
    for (uint32_t id = 0; id < profile->function_count; id++)
        if (is_candidate(profile, totals, id, modules) && !is_taken(functions, count, id) &&
            (best == PYRO_NO_ID ||
             totals->functions[id].total_us > totals->functions[best].total_us))
            best = id;
    return best;
}

int pyro_hottest_find(const struct pyro_profile *profile, uint32_t *ret_functions, size_t max)
{
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    int result = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    size_t count = 0;
    for (int modules = 0; result == 0 && modules <= 1; modules++) {
        uint32_t id = PYRO_NO_ID;
        while (count < max &&
               (id = next(profile, &totals, ret_functions, count, modules)) != PYRO_NO_ID)
            ret_functions[count++] = id;
    }
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result < 0 ? result : (int)count;
}
