/* base/utf8.h - walk text that may be anything.
 *
 * Names come from the target and need not be UTF-8. Reading gives U+FFFD for each byte that is none,
 * so what is written out is always valid. Surrogates count as invalid. */
#ifndef PYRO_BASE_UTF8_H
#define PYRO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYRO_UTF8_REPLACEMENT 0xfffdu

/* The code point at *TEXT, which moves on; *TEXT must be before END. */
uint32_t pyro_utf8_next(const char **text, const char *end);
/* Writes CODE_POINT into BYTES; the number of bytes. */
size_t pyro_utf8_put(char bytes[4], uint32_t code_point);
/* Code points in TEXT: the columns it takes in a terminal, near enough for names of functions. */
size_t pyro_utf8_columns(const char *text, size_t length);
/* Is CODE_POINT only shown by a terminal? Control characters are obeyed, and marks that change the direction of the text make
 * a name read as another one. */
bool pyro_utf8_is_plain(uint32_t code_point);
/* Each byte of TEXT that is no UTF-8, or of a code point that is not plain, becomes '?'. */
void pyro_utf8_make_plain(char *text, size_t length);

#endif
