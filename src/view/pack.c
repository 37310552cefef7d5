/* view/pack.c - the data of a page as it holds them: packed in pieces, 7 bits of these as a character.
 *
 * Large data are cut into pieces that are compressed at once, each by itself: what comes out is the same whatever the number of CPUs.
 * viewer/src/packed.ts opens them; tools/page writes the program in the same way. */
#include "base/parallel.h"
#include "view/internal.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

#define PIECE_SIZE (2u << 20)

struct piece {
    const uint8_t *from;
    uint8_t *packed;
    size_t size, packed_size;
    int level;
};

/* -- compressing ------------------------------------------------------------------------------------ */

/* What takes the longest of a large page is packing it as small as can be. */
static int level_for(size_t size)
{
    return size <= PIECE_SIZE ? 12 : size < 16u << 20 ? 6 : 1;
}

static void pack_piece(void *context, size_t which)
{
    struct piece *piece = (struct piece *)context + which;
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(piece->level);
    if (!compressor)
        return;
    size_t room = libdeflate_zlib_compress_bound(compressor, piece->size);
    piece->packed = malloc(room);
    if (piece->packed)
        piece->packed_size =
            libdeflate_zlib_compress(compressor, piece->from, piece->size, piece->packed, room);
    libdeflate_free_compressor(compressor);
}

/* -- bytes as text ---------------------------------------------------------------------------------- */

/* What might end or begin something in a page, or be taken for something else on the way to it: line ends, spaces, what terminals obey. */
static const char unsafe[] = {0,    '\b', '\t', '\n', '\v', '\f', '\r',
                              0x1a, 0x1b, ' ',  '&',  '<',  '\\', 0x7f};

enum { BITS = 7, FIRST_UNSAFE = 2 /* U+0100 and what follows: two bytes of UTF-8, 14 bits */ };

struct writer {
    FILE *out;
    uint32_t bits, count; /* those that wait for more */
    size_t used;
    uint8_t marks[1 << BITS]; /* 0: stands for itself */
    char text[1 << 14];
};

static void begin_text(struct writer *writer, FILE *out)
{
    *writer = (struct writer){.out = out};
    for (size_t i = 0; i < sizeof(unsafe); i++)
        writer->marks[(uint8_t)unsafe[i]] = (uint8_t)(FIRST_UNSAFE + i);
}

static void flush_text(struct writer *writer)
{
    fwrite(writer->text, 1, writer->used, writer->out);
    writer->used = 0;
}

/* One character of 7 bits; where that would be an unsafe one, another that holds 7 more. */
static void put_character(struct writer *writer)
{
    const uint32_t mask = (1u << BITS) - 1;
    uint32_t taken = BITS, value = writer->bits & mask, mark = writer->marks[value];
    if (writer->used + 2 > sizeof(writer->text))
        flush_text(writer);
    if (mark) {
        value = mark << BITS | (writer->bits >> BITS & mask);
        taken = 2 * BITS;
        writer->text[writer->used++] = (char)(0xc0 | value >> 6);
        value = 0x80 | (value & 0x3f);
    }
    writer->text[writer->used++] = (char)value;
    writer->bits >>= taken;
    writer->count -= taken < writer->count ? taken : writer->count;
}

static void put_bytes(struct writer *writer, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        writer->bits |= (uint32_t)bytes[i] << writer->count;
        writer->count += 8;
        while (writer->count >= 2 * BITS)
            put_character(writer);
    }
}

/* The last bits are followed by zeros, which nobody reads: it is known how much there is. */
static void end_text(struct writer *writer)
{
    while (writer->count)
        put_character(writer);
    flush_text(writer);
}

/* -- all of it -------------------------------------------------------------------------------------- */

static size_t pieces_of(const struct pyro_buffer *data)
{
    return data->size > PIECE_SIZE ? (data->size + PIECE_SIZE - 1) / PIECE_SIZE : 1;
}

static void cut(const struct pyro_buffer *data, struct piece *pieces)
{
    size_t count = pieces_of(data);
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct piece){
            .from = data->data + i * PIECE_SIZE,
            .size = i + 1 < count ? PIECE_SIZE : data->size - i * PIECE_SIZE,
            .level = level_for(data->size),
        };
}

static void put_u32(struct writer *writer, size_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                             (uint8_t)(value >> 24)};
    put_bytes(writer, bytes, sizeof(bytes));
}

int pyro_page_pack(struct pyro_packed_data *packed, const struct pyro_buffer *data)
{
    if (data->size > UINT32_MAX)
        return -EFBIG;
    packed->count = pieces_of(data);
    packed->pieces = calloc(packed->count, sizeof(*packed->pieces));
    if (!packed->pieces) {
        packed->count = 0;
        return -ENOMEM;
    }
    cut(data, packed->pieces);
    pyro_parallel(packed->count, pack_piece, packed->pieces);
    for (size_t i = 0; i < packed->count; i++)
        if (packed->pieces[i].packed_size == 0)
            return -ENOMEM;
    return 0;
}

/* How many pieces, the size of each as it is packed, and they. */
int pyro_page_put_packed(FILE *out, const struct pyro_packed_data *packed)
{
    struct writer *writer = malloc(sizeof(*writer));
    if (!writer)
        return -ENOMEM;
    begin_text(writer, out);
    put_u32(writer, packed->count);
    for (size_t i = 0; i < packed->count; i++)
        put_u32(writer, packed->pieces[i].packed_size);
    for (size_t i = 0; i < packed->count; i++)
        put_bytes(writer, packed->pieces[i].packed, packed->pieces[i].packed_size);
    end_text(writer);
    free(writer);
    return 0;
}

void pyro_page_packed_clear(struct pyro_packed_data *packed)
{
    for (size_t i = 0; i < packed->count; i++)
        free(packed->pieces[i].packed);
    free(packed->pieces);
    *packed = (struct pyro_packed_data){0};
}
