/* base/buffer.c - little-endian writing and reading, independent of the machine's byte order. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- writing ------------------------------------------------------------------------------------ */

void pyro_buffer_clear(struct pyro_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

void pyro_buffer_free(struct pyro_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (struct pyro_buffer){0};
}

/* Make room for SIZE more bytes. */
static bool reserve(struct pyro_buffer *buffer, size_t size)
{
    if (buffer->failed)
        return false;
    if (size <= buffer->capacity - buffer->size)
        return true;
    if (size > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : 64;
    while (capacity < buffer->size + size)
        capacity *= 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void pyro_buffer_put(struct pyro_buffer *buffer, const void *data, size_t size)
{
    if (size == 0 || !reserve(buffer, size))
        return;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void pyro_buffer_put_u8(struct pyro_buffer *buffer, uint8_t value)
{
    pyro_buffer_put(buffer, &value, 1);
}

void pyro_buffer_put_u32(struct pyro_buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    pyro_buffer_put(buffer, bytes, sizeof(bytes));
}

void pyro_buffer_put_u64(struct pyro_buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    pyro_buffer_put(buffer, bytes, sizeof(bytes));
}

void pyro_buffer_put_varint(struct pyro_buffer *buffer, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    while (value >= 0x80) {
        bytes[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[count++] = (uint8_t)value;
    pyro_buffer_put(buffer, bytes, count);
}

void pyro_buffer_put_zigzag(struct pyro_buffer *buffer, int64_t value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    pyro_buffer_put_varint(buffer, ((uint64_t)value << 1) ^ sign);
}

void pyro_buffer_put_bytes(struct pyro_buffer *buffer, const void *data, size_t size)
{
    pyro_buffer_put_varint(buffer, size);
    pyro_buffer_put(buffer, data, size);
}

void pyro_buffer_puts(struct pyro_buffer *buffer, const char *text)
{
    pyro_buffer_put(buffer, text, strlen(text));
}

void pyro_buffer_printf(struct pyro_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if (!reserve(buffer, (size_t)length + 1)) /* vsnprintf wants room for its NUL */
        return;
    va_start(args, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, args);
    va_end(args);
    buffer->size += (size_t)length;
}

/* -- reading ------------------------------------------------------------------------------------ */

const uint8_t *pyro_reader_take(struct pyro_reader *reader, size_t size)
{
    if (reader->failed || size > pyro_reader_left(reader)) {
        reader->failed = true;
        reader->next = reader->end;
        return NULL;
    }
    const uint8_t *data = reader->next;
    if (size)
        reader->next += size;
    return data;
}

uint8_t pyro_reader_u8(struct pyro_reader *reader)
{
    const uint8_t *data = pyro_reader_take(reader, 1);
    return data ? *data : 0;
}

static uint64_t read_little_endian(struct pyro_reader *reader, size_t size)
{
    const uint8_t *data = pyro_reader_take(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; data && i < size; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

uint32_t pyro_reader_u32(struct pyro_reader *reader)
{
    return (uint32_t)read_little_endian(reader, 4);
}

uint64_t pyro_reader_u64(struct pyro_reader *reader)
{
    return read_little_endian(reader, 8);
}

uint64_t pyro_reader_varint(struct pyro_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = pyro_reader_u8(reader);
        if (shift == 63 && byte > 1) /* more than 64 bits, or an eleventh byte */
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return reader->failed ? 0 : value;
    }
    reader->failed = true;
    reader->next = reader->end;
    return 0;
}

int64_t pyro_reader_zigzag(struct pyro_reader *reader)
{
    uint64_t value = pyro_reader_varint(reader);
    uint64_t sign = value & 1 ? UINT64_MAX : 0;
    return (int64_t)((value >> 1) ^ sign);
}

const uint8_t *pyro_reader_bytes(struct pyro_reader *reader, size_t *ret_size)
{
    uint64_t size = pyro_reader_varint(reader);
    const uint8_t *data = NULL;
    if (!reader->failed && size <= pyro_reader_left(reader))
        data = pyro_reader_take(reader, (size_t)size);
    else
        pyro_reader_take(reader, SIZE_MAX);
    *ret_size = data ? (size_t)size : 0;
    return data;
}
