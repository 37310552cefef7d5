/* cpython/linetable.h - from an offset in the bytecode to a source line, for each of CPython's
 * three encodings. Pure functions over bytes; hostile tables give a wrong line, never a bad access.
 */
#ifndef PYRO_CPYTHON_LINETABLE_H
#define PYRO_CPYTHON_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

struct pyro_linetable {
    const uint8_t *bytes;
    size_t size;
    uint32_t first_line; /* co_firstlineno */
};

/* The line of the instruction at byte OFFSET; 0 when the table has none for it. */
uint32_t pyro_linetable_lnotab(const struct pyro_linetable *table, uint64_t offset); /* 3.8, 3.9 */
uint32_t pyro_linetable_ranges(const struct pyro_linetable *table, uint64_t offset); /* 3.10 */
uint32_t pyro_linetable_locations(const struct pyro_linetable *table, uint64_t offset); /* 3.11+ */

#endif
