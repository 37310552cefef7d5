/* profile/chunk.h - the framing of a .pyro file, for the writer and the reader: header, chunks, packed blocks.
 *
 *     file     header chunk chunk ... END
 *     header   magic (8 bytes)   u32 version   u32 checksum of these 12 bytes
 *     chunk    u32 type | payload size << 8    u32 checksum of the first word and the payload   payload
 *     block    varint size   varint stored size   stored bytes (a zstd frame when shorter than size)
 *
 * Internal to profile/; tests and the fuzzer use it too. docs/format.md is the whole story. */
#ifndef PYRO_PROFILE_CHUNK_H
#define PYRO_PROFILE_CHUNK_H

#include "base/buffer.h"

#define PYRO_FILE_MAGIC       "\x89PYRO\r\n\x1a" /* not text, and shows when something took it for text */
#define PYRO_FILE_MAGIC_SIZE  8
#define PYRO_FILE_HEADER_SIZE 16
#define PYRO_FILE_VERSION     1
#define PYRO_CHUNK_HEAD_SIZE  8

enum pyro_chunk_type {
    PYRO_CHUNK_INFO = 1,
    PYRO_CHUNK_STRINGS = 2,
    PYRO_CHUNK_FUNCTIONS = 3,
    PYRO_CHUNK_FRAMES = 4,
    PYRO_CHUNK_STACKS = 5,
    PYRO_CHUNK_WAITS = 6,
    PYRO_CHUNK_PROCESSES = 7,
    PYRO_CHUNK_THREADS = 8,
    PYRO_CHUNK_EDGES = 9,
    PYRO_CHUNK_SOURCES = 10,
    PYRO_CHUNK_SAMPLES = 11,
    PYRO_CHUNK_COUNTERS = 12,
    PYRO_CHUNK_END = 13,
    PYRO_CHUNK_CALLS = 14,
    PYRO_CHUNK_PROBES = 15,
    PYRO_CHUNK_CONTEXTS = 16,
    PYRO_CHUNK_TRACES = 17,
    PYRO_CHUNK_QUERIES = 18,
    PYRO_CHUNK_LOOKUPS = 19,
    PYRO_CHUNK_ARGUMENTS = 20,
    PYRO_CHUNK_LINES = 21,
    PYRO_CHUNK_MEMORY = 22,
    PYRO_CHUNK_HEAPS = 23,
    PYRO_CHUNK_RESIDENT = 24,
    PYRO_CHUNK_LOOKS = 30,
    PYRO_CHUNK_WATCH = 31,
    PYRO_CHUNK_SIZES = 32,
    PYRO_CHUNK_CONFINEMENT = 34,
    PYRO_CHUNK_MOMENTS = 35,
    PYRO_CHUNK_PERIODS = 40,
    PYRO_CHUNK_SAMPLED = 41,
};

/* Keys of an INFO chunk; unknown ones are passed over. */
enum pyro_info_key {
    PYRO_INFO_COMMAND = 1,
    PYRO_INFO_PYTHON = 2,
    PYRO_INFO_MODE = 3,
    PYRO_INFO_PYROMETER = 4,
    PYRO_INFO_DIRECTORY = 5,
    PYRO_INFO_PID = 6,
    PYRO_INFO_STARTED_UNIX_US = 7,
    PYRO_INFO_RATE_HZ = 8,
    PYRO_INFO_EXACT = 9,
    PYRO_INFO_CPUS = 10,
};

/* Limits of a valid file. The writer keeps them, so a reader may rely on them. */
#define PYRO_CHUNK_PAYLOAD_MAX ((UINT32_C(1) << 24) - 1)
#define PYRO_BLOCK_SIZE_MAX    (UINT32_C(8) << 20) /* unpacked */
#define PYRO_STRING_SIZE_MAX   (UINT32_C(1) << 16) /* longer texts are cut */
#define PYRO_STRINGS_MAX       (UINT32_C(1) << 22)
#define PYRO_FUNCTIONS_MAX     (UINT32_C(1) << 22)
#define PYRO_FRAMES_MAX        (UINT32_C(1) << 23)
#define PYRO_STACKS_MAX        (UINT32_C(1) << 24)
#define PYRO_STACK_DEPTH_MAX   (UINT32_C(1) << 20)
#define PYRO_WAITS_MAX         (UINT32_C(1) << 20)
#define PYRO_PROCESSES_MAX     (UINT32_C(1) << 20)
#define PYRO_THREADS_MAX       (UINT32_C(1) << 20)
#define PYRO_EDGES_MAX         (UINT32_C(1) << 22)
#define PYRO_CALLS_MAX         (UINT32_C(1) << 24)
#define PYRO_CONTEXTS_MAX      (UINT32_C(1) << 24)
#define PYRO_QUERIES_MAX       (UINT32_C(1) << 20)
#define PYRO_LOOKUPS_MAX       (UINT32_C(1) << 20)
#define PYRO_ARGUMENTS_MAX     (UINT32_C(1) << 22)
#define PYRO_LINES_MAX         (UINT32_C(1) << 22)
#define PYRO_MEMORY_MAX        (UINT32_C(1) << 24)
#define PYRO_LOOKS_MAX         (UINT32_C(1) << 22)
#define PYRO_MOMENTS_MAX       (UINT32_C(1) << 22)
#define PYRO_SOURCES_MAX       (UINT32_C(1) << 22)
#define PYRO_SWEEP_SAMPLES_MAX (UINT32_C(1) << 20) /* one a thread */

/* -- writing ------------------------------------------------------------------------------------ */

void pyro_file_put_header(struct pyro_buffer *out);
/* Between the two the payload is put into OUT. _begin returns what _end wants. */
size_t pyro_chunk_begin(struct pyro_buffer *out, enum pyro_chunk_type type);
int pyro_chunk_end(struct pyro_buffer *out,
                   size_t begin); /* -EFBIG: the payload is past its limit */

/* Packs blocks; one zstd context for all of them. Zeroed is ready. */
struct pyro_packer {
    struct ZSTD_CCtx_s *context;
    struct pyro_buffer scratch;
};
int pyro_packer_put(struct pyro_packer *packer, struct pyro_buffer *out,
                    const struct pyro_buffer *block);
void pyro_packer_free(struct pyro_packer *packer);

/* -- reading ------------------------------------------------------------------------------------ */

/* The version, or -EBADMSG when this is no recording at all. */
int64_t pyro_file_take_header(struct pyro_reader *file);

struct pyro_chunk {
    uint8_t type; /* may be one we do not know */
    struct pyro_reader payload;
};
/* How long the chunk is that begins with HEAD, PYRO_CHUNK_HEAD_SIZE bytes; with the head. */
size_t pyro_chunk_size(const uint8_t *head);
/* 1: a good chunk. 0: the end of the bytes. -EBADMSG: torn here; FILE stays where the chunk began. */
int pyro_chunk_take(struct pyro_reader *file, struct pyro_chunk *ret_chunk);

/* Unpacks blocks, each SLOT into memory of its own that lives until the slot is used again. Zeroed but for the
 * budget is ready. */
#define PYRO_UNPACK_SLOTS 9
struct pyro_unpacker {
    struct ZSTD_DCtx_s *context;
    uint8_t *slots[PYRO_UNPACK_SLOTS];
    size_t slot_sizes[PYRO_UNPACK_SLOTS];
    uint64_t budget; /* bytes that may still be unpacked: zstd makes megabytes out of nothing */
};
/* -EBADMSG: not a good block. -EFBIG: past the budget. -ENOMEM. */
int pyro_unpacker_take(struct pyro_unpacker *unpacker, unsigned slot, struct pyro_reader *payload,
                       struct pyro_reader *ret_block);
void pyro_unpacker_free(struct pyro_unpacker *unpacker);

#endif
