/* base/buffer.h - bytes that grow, and reading them back within bounds.
 *
 * A zeroed struct pyro_buffer is empty and ready. A failed allocation sets `failed` and later
 * writes do nothing, so a writer checks once at the end. Clear keeps the memory, free gives it back. */
#ifndef PYRO_BASE_BUFFER_H
#define PYRO_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pyro_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed; /* an allocation failed: the content is not complete */
};

void pyro_buffer_clear(struct pyro_buffer *buffer);
void pyro_buffer_free(struct pyro_buffer *buffer); /* leaves it zeroed; NULL is fine */

void pyro_buffer_put(struct pyro_buffer *buffer, const void *data, size_t size);
void pyro_buffer_put_u8(struct pyro_buffer *buffer, uint8_t value);
void pyro_buffer_put_u32(struct pyro_buffer *buffer, uint32_t value); /* little-endian */
void pyro_buffer_put_u64(struct pyro_buffer *buffer, uint64_t value);
void pyro_buffer_put_varint(struct pyro_buffer *buffer, uint64_t value); /* LEB128 */
void pyro_buffer_put_zigzag(struct pyro_buffer *buffer, int64_t value);
void pyro_buffer_put_bytes(struct pyro_buffer *buffer, const void *data,
                           size_t size); /* varint size first */
void pyro_buffer_puts(struct pyro_buffer *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void pyro_buffer_printf(struct pyro_buffer *buffer,
                                                              const char *format, ...);

/* Reads forward over bytes somebody else owns. Reading past the end gives zeros and sets `failed`:
 * check once, at the end of a record. */
struct pyro_reader {
    const uint8_t *next;
    const uint8_t *end;
    bool failed;
};

static inline struct pyro_reader pyro_reader_over(const void *data, size_t size)
{
    return (struct pyro_reader){.next = data, .end = (const uint8_t *)data + size};
}
static inline size_t pyro_reader_left(const struct pyro_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}
uint8_t pyro_reader_u8(struct pyro_reader *reader);
uint32_t pyro_reader_u32(struct pyro_reader *reader);
uint64_t pyro_reader_u64(struct pyro_reader *reader);
uint64_t pyro_reader_varint(struct pyro_reader *reader); /* fails past 10 bytes */
int64_t pyro_reader_zigzag(struct pyro_reader *reader);
const uint8_t *pyro_reader_take(struct pyro_reader *reader,
                                size_t size); /* NULL and failed when short */
const uint8_t *pyro_reader_bytes(struct pyro_reader *reader,
                                 size_t *ret_size); /* as put_bytes wrote */

#endif
