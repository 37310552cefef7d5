/* base/grown.h - what is left of a figure without a part of it, or what it grew by: 0 where a figure from outside says that it shrank. */
#ifndef PYRO_BASE_GROWN_H
#define PYRO_BASE_GROWN_H

#include <stdint.h>

static inline uint64_t pyro_grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

#endif
