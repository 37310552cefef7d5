/* base/utf8.c - decoding by the table of well-formed sequences in the Unicode standard (3.9, table 3-7). */
#include "base/utf8.h"

#include <string.h>

#include <stdbool.h>

/* Bytes in the sequence that LEAD begins; 0 when it begins none. */
static size_t sequence_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

uint32_t pyro_utf8_next(const char **text, const char *end)
{
    const uint8_t *bytes = (const uint8_t *)*text;
    size_t left = (size_t)(end - *text), length = sequence_length(bytes[0]);
    (*text)++;
    if (length == 1)
        return bytes[0];
    if (length == 0 || length > left)
        return PYRO_UTF8_REPLACEMENT;
    uint32_t code_point = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return PYRO_UTF8_REPLACEMENT;
        code_point = code_point << 6 | (bytes[i] & 0x3fu);
    }
    bool overlong = (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
    bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (overlong || surrogate || code_point > 0x10ffff)
        return PYRO_UTF8_REPLACEMENT;
    *text += length - 1;
    return code_point;
}

size_t pyro_utf8_put(char bytes[4], uint32_t code_point)
{
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code_point >>= 6)
        bytes[i] = (char)(0x80 | (code_point & 0x3f));
    bytes[0] = (char)(leads[length] | code_point);
    return length;
}

size_t pyro_utf8_columns(const char *text, size_t length)
{
    size_t columns = 0;
    for (const char *end = text + length; text < end; columns++)
        pyro_utf8_next(&text, end);
    return columns;
}

bool pyro_utf8_is_plain(uint32_t code_point)
{
    bool control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    bool direction = (code_point >= 0x200e && code_point <= 0x200f) ||
                     (code_point >= 0x2028 && code_point <= 0x202e) ||
                     (code_point >= 0x2066 && code_point <= 0x2069);
    return !control && !direction;
}

void pyro_utf8_make_plain(char *text, size_t length)
{
    const char *next = text, *end = text + length;
    while (next < end) {
        size_t at = (size_t)(next - text);
        uint32_t code_point = pyro_utf8_next(&next, end);
        size_t size = (size_t)(next - text) - at;
        bool is_none = code_point == PYRO_UTF8_REPLACEMENT && size == 1;
        if (is_none || !pyro_utf8_is_plain(code_point))
            memset(text + at, '?', size);
    }
}
