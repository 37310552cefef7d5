/* formats/python_text.c - texts as Python's own files hold them. */
#include "base/utf8.h"
#include "formats/internal.h"

#include <string.h>

/* Python writes surrogates, which stand for bytes of a file name that are no UTF-8. */
static bool is_surrogate(const char *at, const char *end)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return end - at >= 3 && bytes[0] == 0xed && bytes[1] >= 0xa0 && bytes[1] <= 0xbf &&
           bytes[2] >= 0x80 && bytes[2] <= 0xbf;
}

/* The next code point of *AT as it is written, into BYTES; how many. What is no UTF-8 is replaced. */
static size_t next_bytes(char bytes[4], const char **at, const char *end)
{
    if (!is_surrogate(*at, end))
        return pyro_utf8_put(bytes, pyro_utf8_next(at, end));
    memcpy(bytes, *at, 3);
    *at += 3;
    return 3;
}

uint32_t pyro_python_text_size(const char *at, const char *end)
{
    uint32_t size = 0;
    char bytes[4];
    while (at < end)
        size += (uint32_t)next_bytes(bytes, &at, end);
    return size;
}

void pyro_python_text_write(FILE *out, const char *at, const char *end)
{
    char bytes[4];
    while (at < end)
        fwrite_unlocked(bytes, 1, next_bytes(bytes, &at, end), out);
}
