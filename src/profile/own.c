/* profile/own.c - one special function in place of all that is ours. */
#include "profile/own.h"

#include <string.h>

static bool is_own(const struct pyro_profile *profile, uint32_t function)
{
    return function != PYRO_NO_ID &&
           strcmp(pyro_profile_text(profile, profile->functions[function].file), PYRO_OWN_FILE) ==
               0;
}

/* The first function that is ours; PYRO_NO_ID: there is none. */
static uint32_t find_own(const struct pyro_profile *profile)
{
    for (uint32_t i = 0; i < profile->function_count; i++)
        if (is_own(profile, i))
            return i;
    return PYRO_NO_ID;
}

static void leave_out_calls(struct pyro_profile *profile)
{
    size_t kept = 0;
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct pyro_calls *calls = &profile->calls[i];
        if (!is_own(profile, calls->caller) && !is_own(profile, calls->callee))
            profile->calls[kept++] = *calls;
    }
    profile->call_count = kept;
    for (size_t i = kept = 0; i < profile->line_count; i++)
        if (!is_own(profile, profile->lines[i].function))
            profile->lines[kept++] = profile->lines[i];
    profile->line_count = kept;
    for (size_t i = 0; i < profile->traced_count; i++) {
        struct pyro_traced *traced = &profile->traced[i];
        uint32_t caller = profile->stacks[traced->stack].parent;
        if (is_own(profile, pyro_profile_function_of(profile, traced->stack)) ||
            is_own(profile, pyro_profile_function_of(profile, caller)))
            traced->calls = 0;
    }
}

static void join_frames(struct pyro_profile *profile, uint32_t own)
{
    for (size_t i = 0; i < profile->frame_count; i++)
        if (is_own(profile, profile->frames[i].function))
            profile->frames[i] = (struct pyro_frame){.function = own};
}

int pyro_own_set_apart(struct pyro_profile *profile)
{
    uint32_t own = find_own(profile);
    if (own == PYRO_NO_ID)
        return 0;
    int64_t name =
        pyro_strings_intern(&profile->strings, PYRO_OWN_FUNCTION, strlen(PYRO_OWN_FUNCTION));
    if (name < 0)
        return (int)name;
    leave_out_calls(profile);
    join_frames(profile, own);
    profile->functions[own] =
        (struct pyro_function){.name = (uint32_t)name, .kind = PYRO_FUNCTION_SPECIAL};
    return 0;
}
