/* analyze/sent.c - how many queries a recorded program sent. */
#include "analyze/sent.h"

#include "analyze/internal.h"
#include "analyze/rule.h"

#include <errno.h>
#include <stdlib.h>

static bool is_counted(const struct pyro_profile *profile)
{
    for (size_t i = 0; profile->probes && i < profile->process_count; i++)
        if (profile->probes[i].counted)
            return true;
    return false;
}

bool pyro_sent_by_drivers_known(const struct pyro_profile *profile)
{
    for (size_t i = 0; profile->probes && i < profile->process_count; i++)
        if (profile->probes[i].counted && !profile->probes[i].c_calls)
            return false;
    return is_counted(profile);
}

static int add_drivers(const struct pyro_profile *profile, uint64_t *count)
{
    struct pyro_rule_context context = {.profile = profile};
    struct pyro_driver_calls calls;
    size_t at = 0;
    int result = pyro_counted_make(&context.counted, profile, &PYRO_TOTALS_ALL);
    if (result < 0)
        return result;
    context.library = pyro_mark_libraries(profile);
    while (context.library && pyro_driver_calls_next(&context, &at, &calls))
        *count += calls.count;
    result = context.library ? 0 : -ENOMEM;
    free(context.library);
    pyro_counted_clear(&context.counted);
    return result;
}

int pyro_sent_queries(const struct pyro_profile *profile, bool drivers, uint64_t *ret_count,
                      bool *ret_known)
{
    uint64_t count = profile->counters.queries_lost;
    for (size_t i = 0; i < profile->query_count; i++)
        count += profile->queries[i].count;
    int result = drivers ? add_drivers(profile, &count) : 0;
    *ret_count = count;
    *ret_known = is_counted(profile);
    return result;
}
