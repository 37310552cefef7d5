/* profile/chunk.c - headers, checksums and packed blocks, each way side by side. */
#include "profile/chunk.h"

#include "base/checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define PACK_LEVEL      3
#define PACK_WINDOW_LOG 17
/* A zstd frame of its own costs about 12 bytes: below this it never pays. */
#define PACK_SIZE_MIN 32

/* -- the header --------------------------------------------------------------------------------- */

static uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void store_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

void pyro_file_put_header(struct pyro_buffer *out)
{
    uint8_t header[PYRO_FILE_HEADER_SIZE];
    memcpy(header, PYRO_FILE_MAGIC, PYRO_FILE_MAGIC_SIZE);
    store_u32(header + 8, PYRO_FILE_VERSION);
    store_u32(header + 12, pyro_crc32c(0, header, 12));
    pyro_buffer_put(out, header, sizeof(header));
}

int64_t pyro_file_take_header(struct pyro_reader *file)
{
    const uint8_t *header = pyro_reader_take(file, PYRO_FILE_HEADER_SIZE);
    if (!header || memcmp(header, PYRO_FILE_MAGIC, PYRO_FILE_MAGIC_SIZE) != 0 ||
        load_u32(header + 12) != pyro_crc32c(0, header, 12))
        return -EBADMSG;
    return load_u32(header + 8);
}

/* -- chunks ------------------------------------------------------------------------------------- */

static uint32_t chunk_checksum(const uint8_t *head, const uint8_t *payload, size_t size)
{
    return pyro_crc32c(pyro_crc32c(0, head, 4), payload, size);
}

size_t pyro_chunk_begin(struct pyro_buffer *out, enum pyro_chunk_type type)
{
    size_t begin = out->size;
    pyro_buffer_put_u32(out, type);
    pyro_buffer_put_u32(out, 0);
    return begin;
}

int pyro_chunk_end(struct pyro_buffer *out, size_t begin)
{
    if (out->failed)
        return -ENOMEM;
    uint8_t *head = out->data + begin;
    uint8_t *payload = head + PYRO_CHUNK_HEAD_SIZE;
    size_t size = out->size - begin - PYRO_CHUNK_HEAD_SIZE;
    if (size > PYRO_CHUNK_PAYLOAD_MAX)
        return -EFBIG;
    store_u32(head, load_u32(head) | (uint32_t)size << 8);
    store_u32(head + 4, chunk_checksum(head, payload, size));
    return 0;
}

size_t pyro_chunk_size(const uint8_t *head)
{
    return PYRO_CHUNK_HEAD_SIZE + (load_u32(head) >> 8);
}

int pyro_chunk_take(struct pyro_reader *file, struct pyro_chunk *ret_chunk)
{
    size_t left = pyro_reader_left(file);
    if (left == 0)
        return 0;
    if (left < PYRO_CHUNK_HEAD_SIZE)
        return -EBADMSG;
    const uint8_t *head = file->next;
    const uint8_t *payload = head + PYRO_CHUNK_HEAD_SIZE;
    size_t size = pyro_chunk_size(head) - PYRO_CHUNK_HEAD_SIZE;
    if (size > left - PYRO_CHUNK_HEAD_SIZE ||
        load_u32(head + 4) != chunk_checksum(head, payload, size))
        return -EBADMSG;
    *ret_chunk = (struct pyro_chunk){.type = head[0], .payload = pyro_reader_over(payload, size)};
    pyro_reader_take(file, PYRO_CHUNK_HEAD_SIZE + size);
    return 1;
}

/* -- blocks ------------------------------------------------------------------------------------- */

static int packer_start(struct pyro_packer *packer)
{
    if (packer->context)
        return 0;
    packer->context = ZSTD_createCCtx();
    if (!packer->context)
        return -ENOMEM;
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, PACK_LEVEL);
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_windowLog, PACK_WINDOW_LOG);
    return 0;
}

/* Compress into the scratch buffer. Returns its size, or 0 when that gains nothing. */
static int64_t pack(struct pyro_packer *packer, const struct pyro_buffer *block)
{
    int error = packer_start(packer);
    if (error < 0)
        return error;
    struct pyro_buffer *scratch = &packer->scratch;
    size_t bound = ZSTD_compressBound(block->size);
    if (scratch->capacity < bound) {
        uint8_t *data = realloc(scratch->data, bound);
        if (!data)
            return -ENOMEM;
        scratch->data = data;
        scratch->capacity = bound;
    }
    size_t size =
        ZSTD_compress2(packer->context, scratch->data, scratch->capacity, block->data, block->size);
    if (ZSTD_isError(size))
        return -ENOMEM; /* the only one there is with room enough */
    return size < block->size ? (int64_t)size : 0;
}

int pyro_packer_put(struct pyro_packer *packer, struct pyro_buffer *out,
                    const struct pyro_buffer *block)
{
    if (block->failed)
        return -ENOMEM;
    if (block->size > PYRO_BLOCK_SIZE_MAX)
        return -EFBIG;
    int64_t packed = block->size >= PACK_SIZE_MIN ? pack(packer, block) : 0;
    if (packed < 0)
        return (int)packed;
    pyro_buffer_put_varint(out, block->size);
    if (packed)
        pyro_buffer_put_bytes(out, packer->scratch.data, (size_t)packed);
    else
        pyro_buffer_put_bytes(out, block->data, block->size);
    return out->failed ? -ENOMEM : 0;
}

void pyro_packer_free(struct pyro_packer *packer)
{
    ZSTD_freeCCtx(packer->context);
    pyro_buffer_free(&packer->scratch);
    packer->context = NULL;
}

static int reserve_slot(struct pyro_unpacker *unpacker, unsigned slot, size_t size)
{
    if (unpacker->slot_sizes[slot] >= size)
        return 0;
    free(unpacker->slots[slot]);
    unpacker->slot_sizes[slot] = 0;
    unpacker->slots[slot] = malloc(size);
    if (!unpacker->slots[slot])
        return -ENOMEM;
    unpacker->slot_sizes[slot] = size;
    return 0;
}

static int unpack(struct pyro_unpacker *unpacker, unsigned slot, const uint8_t *packed,
                  size_t packed_size, size_t size)
{
    if (!unpacker->context)
        unpacker->context = ZSTD_createDCtx();
    if (!unpacker->context)
        return -ENOMEM;
    int error = reserve_slot(unpacker, slot, size);
    if (error < 0)
        return error;
    size_t got =
        ZSTD_decompressDCtx(unpacker->context, unpacker->slots[slot], size, packed, packed_size);
    return got == size ? 0 : -EBADMSG; /* an error code is never equal: sizes are small */
}

int pyro_unpacker_take(struct pyro_unpacker *unpacker, unsigned slot, struct pyro_reader *payload,
                       struct pyro_reader *ret_block)
{
    uint64_t size = pyro_reader_varint(payload);
    size_t stored_size;
    const uint8_t *stored = pyro_reader_bytes(payload, &stored_size);
    if (payload->failed || size > PYRO_BLOCK_SIZE_MAX || stored_size > size)
        return -EBADMSG;
    if (stored_size == size) {
        *ret_block = pyro_reader_over(stored, stored_size);
        return 0;
    }
    if (size > unpacker->budget)
        return -EFBIG;
    unpacker->budget -= size;
    int error = unpack(unpacker, slot, stored, stored_size, (size_t)size);
    if (error == 0)
        *ret_block = pyro_reader_over(unpacker->slots[slot], (size_t)size);
    return error;
}

void pyro_unpacker_free(struct pyro_unpacker *unpacker)
{
    ZSTD_freeDCtx(unpacker->context);
    unpacker->context = NULL;
    for (unsigned slot = 0; slot < PYRO_UNPACK_SLOTS; slot++) {
        free(unpacker->slots[slot]);
        unpacker->slots[slot] = NULL;
        unpacker->slot_sizes[slot] = 0;
    }
}
