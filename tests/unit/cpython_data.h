/* tests/unit/cpython_data.h - files in tests/unit/data, for the tests of src/cpython. */
#ifndef PYRO_TESTS_CPYTHON_DATA_H
#define PYRO_TESTS_CPYTHON_DATA_H

#include "check.h"

#include <stdint.h>

/* data/NAME beside the source SOURCE (__FILE__, which meson gives relative to where it runs tests).
 */
static inline FILE *open_test_data(const char *source, const char *name)
{
    char path[512];
    const char *slash = strrchr(source, '/');
    snprintf(path, sizeof path, "%.*sdata/%s", slash ? (int)(slash + 1 - source) : 0, source, name);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    return file;
}

/* Bytes from hex digits, at most ROOM. */
static inline size_t unhex(const char *text, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    unsigned byte;
    for (; count < room && sscanf(text + count * 2, "%2x", &byte) == 1; count++)
        bytes[count] = (uint8_t)byte;
    return count;
}

#endif
