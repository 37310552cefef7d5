/* base/log.c - PYROMETER_DEBUG is read once, at the first question. */
#include "base/log.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_UNKNOWN, LOG_OFF, LOG_ON };

/* Threads may race to the first question: all of them find the same answer. */
static atomic_int log_state;

static int read_state(void)
{
    const char *wanted = getenv("PYROMETER_DEBUG");
    int state = wanted && *wanted ? LOG_ON : LOG_OFF;
    atomic_store_explicit(&log_state, state, memory_order_relaxed);
    return state;
}

static bool list_names(const char *list, const char *name)
{
    size_t name_length = strlen(name);
    while (*list) {
        size_t length = strcspn(list, ", ");
        if (length == name_length && memcmp(list, name, length) == 0)
            return true;
        list += length;
        list += strspn(list, ", ");
    }
    return false;
}

bool pyro_log_on(const char *domain)
{
    int state = atomic_load_explicit(&log_state, memory_order_relaxed);
    if (state == LOG_UNKNOWN)
        state = read_state();
    if (state == LOG_OFF)
        return false;
    const char *wanted = getenv("PYROMETER_DEBUG");
    return wanted && (list_names(wanted, "all") || list_names(wanted, domain));
}

void pyro_log_write(const char *domain, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    uint64_t now_us = pyro_clock_ns() / PYRO_NS_PER_US;
    /* One call, so that lines of two threads do not mix. */
    fprintf(stderr, "[%" PRIu64 ".%06" PRIu64 "] %s: %s\n", now_us / 1000000, now_us % 1000000,
            domain, line);
}
