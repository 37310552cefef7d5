/* profile/uncounted.c - put what the recording knows of calls that were not counted into words. */
#include "profile/uncounted.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __attribute__((format(printf, 2, 3))) void add(struct pyro_uncounted *uncounted,
                                                      const char *format, ...)
{
    va_list arguments;
    if (uncounted->count == PYRO_UNCOUNTED_LINES)
        return;
    char *line = uncounted->lines[uncounted->count++];
    va_start(arguments, format);
    vsnprintf(line, sizeof(uncounted->lines[0]), format, arguments);
    va_end(arguments);
    pyro_utf8_make_plain(line, strlen(line)); /* reasons come from the program */
}

/* -- nothing was counted ------------------------------------------------------------------------ */

/* Is there a probe for this Python, "3.12.1"? Yes if that is not known. */
static bool can_count(const char *version)
{
    unsigned major, minor;
    if (!version || sscanf(version, "%u.%u", &major, &minor) != 2)
        return true;
    return major > 3 || minor >= 11;
}

static const char *why_nothing(const struct pyro_profile *profile)
{
    if (!profile->probes)
        return can_count(profile->info.python)
                   ? "the program was sampled from outside, its calls were not counted"
                   : "calls can be counted on Python 3.11 and newer";
    for (size_t i = 0; i < profile->process_count; i++) {
        const char *reason = pyro_profile_text(profile, profile->probes[i].reason);
        if (*reason)
            return reason;
    }
    return "no call was seen";
}

/* -- not all was -------------------------------------------------------------------------------- */

/* Did a process before that one give the same reason? It is the same in many, mostly. */
static bool is_known(const struct pyro_profile *profile, size_t process)
{
    for (size_t i = 0; i < process; i++)
        if (profile->probes[i].reason == profile->probes[process].reason)
            return true;
    return false;
}

static void add_reasons(struct pyro_uncounted *uncounted, const struct pyro_profile *profile)
{
    size_t others = 0;
    for (size_t i = 0; i < profile->process_count; i++) {
        const char *reason = pyro_profile_text(profile, profile->probes[i].reason);
        if (!*reason || is_known(profile, i))
            continue;
        if (uncounted->count < PYRO_UNCOUNTED_REASONS)
            add(uncounted, "%s", reason);
        else
            others++;
    }
    if (others)
        add(uncounted, "%zu more reasons of other processes", others);
}

/* Did a probe say anything, good or bad, in the process with that pid? One that became another program is listed twice. */
static bool was_told_of(const struct pyro_profile *profile, int32_t pid)
{
    for (size_t i = 0; i < profile->process_count; i++)
        if (profile->processes[i].pid == pid &&
            (profile->probes[i].counted || *pyro_profile_text(profile, profile->probes[i].reason)))
            return true;
    return false;
}

static void add_silent(struct pyro_uncounted *uncounted, const struct pyro_profile *profile)
{
    size_t silent = 0, turned_away = (size_t)profile->counters.turned_away;
    for (size_t i = 0; i < profile->process_count; i++)
        silent += !was_told_of(profile, profile->processes[i].pid);
    silent -= silent < turned_away ? silent : turned_away; /* told below */
    if (silent)
        add(uncounted, "%zu of %zu processes, whose Python did not load the probe", silent,
            profile->process_count);
}

static void add_lost(struct pyro_uncounted *uncounted, const struct pyro_profile *profile)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < profile->process_count; i++)
        lost += profile->probes[i].lost;
    if (lost)
        add(uncounted, "%" PRIu64 " calls that found no room", lost);
}

void pyro_uncounted_make(struct pyro_uncounted *uncounted, const struct pyro_profile *profile)
{
    const struct pyro_counters *counters = &profile->counters;
    *uncounted = (struct pyro_uncounted){.nothing = !profile->timed && !profile->call_count &&
                                                    !profile->traced_count};
    if (uncounted->nothing)
        add(uncounted, "%s", why_nothing(profile));
    if (uncounted->nothing || !profile->probes)
        return;
    add_reasons(uncounted, profile);
    add_silent(uncounted, profile);
    add_lost(uncounted, profile);
    if (counters->lines_lost)
        add(uncounted, "%" PRIu64 " hits of lines that found no room", counters->lines_lost);
    if (counters->turned_away)
        add(uncounted, "%" PRIu64 " processes, for which there was no room", counters->turned_away);
    if (counters->sub_interpreters)
        add(uncounted, "calls in sub-interpreters, since only the main interpreter is counted");
}
