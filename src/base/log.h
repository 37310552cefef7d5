/* base/log.h - debug messages by domain, for developers.
 *
 * Silent unless PYROMETER_DEBUG names the domain ("target,sample" or "all"). Never used for what a
 * user must know: that is an error or a counter. Costs one load when off. */
#ifndef PYRO_BASE_LOG_H
#define PYRO_BASE_LOG_H

#include <stdbool.h>

bool pyro_log_on(const char *domain);
__attribute__((format(printf, 2, 3))) void pyro_log_write(const char *domain, const char *format,
                                                          ...);

#define pyro_log(domain, ...)                    \
    do {                                         \
        if (pyro_log_on(domain))                 \
            pyro_log_write(domain, __VA_ARGS__); \
    } while (0)

#endif
