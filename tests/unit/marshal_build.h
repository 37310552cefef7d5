/* tests/unit/marshal_build.h - make .prof files by hand, as Python/marshal.c writes them, and wrong ones. */
#ifndef PYRO_TESTS_MARSHAL_BUILD_H
#define PYRO_TESTS_MARSHAL_BUILD_H

#include "base/buffer.h"

#include <string.h>

#define MARKED 0x80 /* FLAG_REF: the object gets the next number */

static inline void put_type(struct pyro_buffer *file, int type)
{
    pyro_buffer_put_u8(file, (uint8_t)type);
}
static inline void put_tuple(struct pyro_buffer *file, int mark, uint8_t count)
{
    put_type(file, ')' | mark);
    pyro_buffer_put_u8(file, count);
}
/* TYPE: u t a A z Z, marked or not. */
static inline void put_text(struct pyro_buffer *file, int type, const char *text)
{
    size_t length = strlen(text);
    put_type(file, type);
    if ((type & ~MARKED) == 'z' || (type & ~MARKED) == 'Z')
        pyro_buffer_put_u8(file, (uint8_t)length);
    else
        pyro_buffer_put_u32(file, (uint32_t)length);
    pyro_buffer_put(file, text, length);
}
static inline void put_int(struct pyro_buffer *file, int32_t value)
{
    put_type(file, 'i');
    pyro_buffer_put_u32(file, (uint32_t)value);
}
static inline void put_float(struct pyro_buffer *file, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_type(file, 'g');
    pyro_buffer_put_u64(file, bits);
}
static inline void put_ref(struct pyro_buffer *file, uint32_t number)
{
    put_type(file, 'r');
    pyro_buffer_put_u32(file, number);
}

static inline void put_key(struct pyro_buffer *file, int mark, const char *path, int32_t line,
                           const char *name)
{
    put_tuple(file, mark, 3);
    put_text(file, 'z', path);
    put_int(file, line);
    put_text(file, 'Z', name);
}
/* First and second are cc, nc for a function and nc, cc for a caller. */
static inline void put_figures(struct pyro_buffer *file, uint8_t count, int32_t first,
                               int32_t second, double self_s, double total_s)
{
    put_tuple(file, 0, count);
    put_int(file, first);
    put_int(file, second);
    put_float(file, self_s);
    put_float(file, total_s);
}

/* main calls fact, which calls itself, and len. */
static inline void put_good_file(struct pyro_buffer *file)
{
    put_type(file, '{');
    put_key(file, MARKED, "a.py", 1, "main"); /* 0 */
    put_figures(file, 5, 1, 1, 0.25, 1.5);
    put_type(file, '{');
    put_type(file, '0');
    put_key(file, MARKED, "a.py", 7, "fact"); /* 1 */
    put_figures(file, 5, 3, 15, 0.75, 1.0);
    put_type(file, '{');
    put_ref(file, 1);
    put_figures(file, 4, 12, 2, 0.5, 0.625);
    put_ref(file, 0);
    put_figures(file, 4, 3, 3, 0.25, 1.0);
    put_type(file, '0');
    put_key(file, 0, "~", 0, "<built-in method builtins.len>");
    put_figures(file, 5, 4, 4, 0.125, 0.125);
    put_type(file, '{');
    put_ref(file, 0);
    put_figures(file, 4, 4, 4, 0.125, 0.125);
    put_type(file, '0');
    put_type(file, '0');
}

#endif
