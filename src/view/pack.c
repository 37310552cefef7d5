/* view/pack.c - the data of a page as it holds them: gzipped, 13 bits of that as two of 91 printable characters.
 *
 * Large data are cut into pieces that are compressed at once, each with what stands before it as its dictionary, and make one stream: what comes out is the
 * same whatever the number of CPUs. viewer/src/packed.ts opens it. */
#include "base/parallel.h"
#include "view/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define PIECE_SIZE  (1u << 20)
#define WINDOW_BITS 15 /* negative: without a header, which stands before the first piece */
#define MEMORY      9

struct piece {
    const uint8_t *from;
    size_t size, before; /* how much of the same data stands before it */
    int level;
    bool last;
    struct pyro_buffer packed;
    uint32_t checksum;
    int result;
};

/* -- compressing ------------------------------------------------------------------------------------ */

/* What takes the longest of a large page is packing it as small as can be. */
static int level_for(size_t size)
{
    return size < 1u << 20 ? 9 : size < 4u << 20 ? 6 : size < 12u << 20 ? 4 : 1;
}

static int deflate_piece(struct piece *piece, z_stream *zip)
{
    size_t window = piece->before < 1u << WINDOW_BITS ? piece->before : 1u << WINDOW_BITS;
    if (window && deflateSetDictionary(zip, piece->from - window, (uInt)window) != Z_OK)
        return -EIO;
    zip->next_in = (Bytef *)piece->from; /* only read */
    zip->avail_in = (uInt)piece->size;
    uint8_t made[1 << 14];
    int state = Z_OK;
    do {
        zip->next_out = made;
        zip->avail_out = sizeof(made);
        state = deflate(zip, piece->last ? Z_FINISH : Z_SYNC_FLUSH);
        pyro_buffer_put(&piece->packed, made, sizeof(made) - zip->avail_out);
    } while (state == Z_OK && zip->avail_out == 0);
    return state == (piece->last ? Z_STREAM_END : Z_OK) || state == Z_BUF_ERROR ? 0 : -EIO;
}

static void pack_piece(void *context, size_t which)
{
    struct piece *piece = (struct piece *)context + which;
    z_stream zip = {0};
    piece->result = -ENOMEM;
    if (deflateInit2(&zip, piece->level, Z_DEFLATED, -WINDOW_BITS, MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return;
    piece->result = deflate_piece(piece, &zip);
    if (piece->packed.failed)
        piece->result = -ENOMEM;
    piece->checksum = (uint32_t)crc32(0, piece->from, (uInt)piece->size);
    deflateEnd(&zip);
}

/* -- bytes as text ---------------------------------------------------------------------------------- */

enum { DIGITS = 91, PAIR_BITS = 13, DIGIT_BITS = 6 /* that one character holds */ };

struct writer {
    FILE *out;
    uint32_t bits, count; /* those that wait for more */
    size_t used;
    char text[1 << 14], digits[DIGITS];
};

/* No space, nor what might end or begin something in a page: & < \ */
static void begin_text(struct writer *writer, FILE *out)
{
    writer->out = out;
    writer->bits = writer->count = 0;
    writer->used = 0;
    for (int digit = 0, character = 0x21; digit < DIGITS; character++)
        if (character != '&' && character != '<' && character != '\\')
            writer->digits[digit++] = (char)character;
}

static void flush_text(struct writer *writer)
{
    fwrite(writer->text, 1, writer->used, writer->out);
    writer->used = 0;
}

static void put_pair(struct writer *writer)
{
    uint32_t pair = writer->bits & ((1u << PAIR_BITS) - 1);
    if (writer->used + 2 > sizeof(writer->text))
        flush_text(writer);
    writer->text[writer->used++] = writer->digits[pair % DIGITS];
    writer->text[writer->used++] = writer->digits[pair / DIGITS];
    writer->bits >>= PAIR_BITS;
}

static void put_bytes(struct writer *writer, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        writer->bits |= (uint32_t)bytes[i] << writer->count;
        writer->count += 8;
        if (writer->count < PAIR_BITS)
            continue;
        put_pair(writer);
        writer->count -= PAIR_BITS;
    }
}

/* One character if that holds the rest, so that no byte more is read back than was written. */
static void end_text(struct writer *writer)
{
    if (writer->count > DIGIT_BITS)
        put_pair(writer);
    flush_text(writer);
    if (writer->count > 0 && writer->count <= DIGIT_BITS)
        fputc(writer->digits[writer->bits], writer->out);
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
            .before = i * PIECE_SIZE,
            .level = level_for(data->size),
            .last = i + 1 == count,
        };
}

static void put_u32(struct writer *writer, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                             (uint8_t)(value >> 24)};
    put_bytes(writer, bytes, sizeof(bytes));
}

/* RFC 1952: no time, no name, of Unix. */
static void put_gzip(struct writer *writer, const struct piece *pieces, size_t count)
{
    static const uint8_t header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uLong checksum = 0;
    size_t size = 0;
    put_bytes(writer, header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        put_bytes(writer, pieces[i].packed.data, pieces[i].packed.size);
        checksum = crc32_combine(checksum, pieces[i].checksum, (z_off_t)pieces[i].size);
        size += pieces[i].size;
    }
    put_u32(writer, (uint32_t)checksum);
    put_u32(writer, (uint32_t)size);
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
        if (packed->pieces[i].result < 0)
            return packed->pieces[i].result;
    return 0;
}

int pyro_page_put_packed(FILE *out, const struct pyro_packed_data *packed)
{
    struct writer *writer = malloc(sizeof(*writer));
    if (!writer)
        return -ENOMEM;
    begin_text(writer, out);
    put_gzip(writer, packed->pieces, packed->count);
    end_text(writer);
    free(writer);
    return 0;
}

void pyro_page_packed_clear(struct pyro_packed_data *packed)
{
    for (size_t i = 0; i < packed->count; i++)
        pyro_buffer_free(&packed->pieces[i].packed);
    free(packed->pieces);
    *packed = (struct pyro_packed_data){0};
}
