/* cpython/linetable.c - the three encodings of line numbers.
 *
 * 3.8, 3.9: co_lnotab, pairs (bytes of code, change of line); Objects/lnotab_notes.txt of 3.9.
 * 3.10: co_linetable of PEP 626, pairs (bytes of code, change of line for exactly these bytes).
 * 3.11+: co_linetable of PEP 657, entries of a lead byte and varints; Objects/locations.md of 3.11.
 */
#include "cpython/linetable.h"

#define CODE_UNIT 2 /* bytes of an instruction or cache entry */

static uint32_t line_or_none(int64_t line)
{
    return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

uint32_t pyro_linetable_lnotab(const struct pyro_linetable *table, uint64_t offset)
{
    int64_t line = table->first_line;
    uint64_t start = 0;
    for (size_t i = 0; i + 1 < table->size; i += 2) {
        start += table->bytes[i];
        if (start > offset)
            break;
        line += (int8_t)table->bytes[i + 1];
    }
    return line_or_none(line);
}

uint32_t pyro_linetable_ranges(const struct pyro_linetable *table, uint64_t offset)
{
    const int8_t no_line = -128;
    int64_t line = table->first_line;
    uint64_t end = 0;
    for (size_t i = 0; i + 1 < table->size; i += 2) {
        int8_t change = (int8_t)table->bytes[i + 1];
        end += table->bytes[i];
        if (change != no_line)
            line += change;
        if (offset < end)
            return change == no_line ? 0 : line_or_none(line);
    }
    return 0;
}

/* -- 3.11+ ------------------------------------------------------------------------------------ */

enum {
    LEAD_BIT = 0x80, /* set in an entry's first byte only */
    MORE_BIT = 0x40, /* of a varint, six bits a byte, lowest first */

    CODE_ONE_LINE_0 = 10, /* line + 0, and two bytes of columns */
    CODE_ONE_LINE_2 = 12,
    CODE_NO_COLUMNS = 13, /* signed varint */
    CODE_LONG = 14,       /* signed varint, then three varints */
    CODE_NONE = 15,
};

static const uint8_t *read_varint(const uint8_t *next, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; next < end && !(*next & LEAD_BIT); shift += 6) {
        uint8_t byte = *next++;
        if (shift < 60)
            value |= (uint64_t)(byte & 0x3f) << shift;
        if (!(byte & MORE_BIT))
            break;
    }
    *ret_value = value;
    return next;
}

static int64_t change_of_line(unsigned code, const uint8_t *next, const uint8_t *end)
{
    if (code >= CODE_ONE_LINE_0 && code <= CODE_ONE_LINE_2)
        return code - CODE_ONE_LINE_0;
    if (code != CODE_NO_COLUMNS && code != CODE_LONG)
        return 0;
    uint64_t value;
    read_varint(next, end, &value);
    int64_t magnitude = (int64_t)(value >> 1 & UINT32_MAX);
    return value & 1 ? -magnitude : magnitude;
}

uint32_t pyro_linetable_locations(const struct pyro_linetable *table, uint64_t offset)
{
    const uint8_t *next = table->bytes, *end = table->bytes + table->size;
    int64_t line = table->first_line;
    uint64_t covered = 0;
    while (next < end) {
        uint8_t lead = *next++;
        unsigned code = lead >> 3 & 15;
        line += change_of_line(code, next, end);
        covered += ((lead & 7u) + 1) * CODE_UNIT;
        if (offset < covered)
            return code == CODE_NONE ? 0 : line_or_none(line);
        while (next < end && !(*next & LEAD_BIT))
            next++;
    }
    return 0;
}
