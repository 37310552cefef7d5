/* target/snapshot.c - the file format of snapshots.
 *
 *     pyrometer snapshot 1
 *     runtime 7f12a0c4b2c0
 *     version 30d02f0
 *     segment 7f12a0c4a000 5000        (hexadecimal address and size, any number of these lines)
 *     data
 *     ...                              (the bytes of all segments, in that order)
 */
#include "target/snapshot.h"

#include "base/buffer.h"
#include "target/internal.h"
#include "target/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_SIZE_MAX (1u << 30)
#define SEGMENTS_MAX      (1u << 16)
#define CHUNK_SIZE        (256u << 10)
#define ZERO_RUN          (64u << 10) /* zeros this long are left out: untouched stack and heap */

/* -- saving ------------------------------------------------------------------------------------- */

struct saver {
    const struct pyro_memory *memory;
    const struct pyro_maps *maps;
    const struct pyro_mapping *runtime; /* the one that holds the runtime */
    size_t max_bytes;
    struct pyro_buffer header, data;
    uint8_t chunk[CHUNK_SIZE];
    uint64_t segment_start, segment_size; /* the one being written; size 0: none */
};

static void end_segment(struct saver *saver)
{
    if (saver->segment_size)
        pyro_buffer_printf(&saver->header, "segment %" PRIx64 " %" PRIx64 "\n",
                           saver->segment_start, saver->segment_size);
    saver->segment_size = 0;
}

static void add_bytes(struct saver *saver, uint64_t addr, const uint8_t *bytes, size_t size)
{
    if (saver->segment_size && saver->segment_start + saver->segment_size != addr)
        end_segment(saver);
    if (saver->segment_size == 0)
        saver->segment_start = addr;
    saver->segment_size += size;
    pyro_buffer_put(&saver->data, bytes, size);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void save_chunk(struct saver *saver, uint64_t addr, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (pyro_memory_read(saver->memory, pyro_addr_at(addr), saver->chunk, size) < 0) {
        /* Some of it cannot be read: go by pages. */
        for (size_t at = 0; size > page && at < size; at += page)
            save_chunk(saver, addr + at, size - at < page ? size - at : page);
        return;
    }
    for (size_t at = 0; at < size; at += ZERO_RUN) {
        size_t piece = size - at < ZERO_RUN ? size - at : ZERO_RUN;
        if (piece < ZERO_RUN || !is_zero(saver->chunk + at, piece))
            add_bytes(saver, addr + at, saver->chunk + at, piece);
    }
}

static void save_mapping(struct saver *saver, const struct pyro_mapping *mapping)
{
    for (uint64_t addr = mapping->start.u; addr < mapping->end.u; addr += CHUNK_SIZE) {
        uint64_t left = mapping->end.u - addr;
        size_t size = left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE;
        if (saver->data.failed || size > saver->max_bytes - saver->data.size)
            break;
        save_chunk(saver, addr, size);
    }
    end_segment(saver);
}

/* The mapping of the interpreter's file that holds RUNTIME or, up to 3.11, that its .bss follows. */
static const struct pyro_mapping *find_runtime(const struct pyro_maps *maps, pyro_addr runtime)
{
    const struct pyro_mapping *found = pyro_maps_find(maps, runtime);
    while (found && found->inode == 0 && found > maps->items && found[-1].end.u == found->start.u)
        found--;
    return found;
}

/* Of the file that the runtime lies in, or the .bss that follows its last mapping. */
static bool is_interpreter(const struct saver *saver, const struct pyro_mapping *mapping)
{
    const struct pyro_mapping *runtime = saver->runtime;
    if (mapping == runtime)
        return true;
    if (mapping->inode == 0)
        return mapping > saver->maps->items && mapping->start.u == mapping[-1].end.u &&
               mapping[-1].inode != 0 && is_interpreter(saver, mapping - 1);
    return mapping->inode == runtime->inode && mapping->device_major == runtime->device_major &&
           mapping->device_minor == runtime->device_minor;
}

static bool is_wanted(const struct pyro_mapping *mapping, bool interpreter)
{
    if (!mapping->readable || mapping->shared || strncmp(mapping->path, "/dev/", 5) == 0 ||
        strncmp(mapping->path, "[v", 2) == 0) /* [vvar], [vdso], [vsyscall] */
        return false;
    if (mapping->end.u - mapping->start.u > SNAPSHOT_SIZE_MAX) /* address space, not memory: ASan */
        return false;
    /* Where the file begins with code (aarch64), its read-only data lies in the same mapping. */
    bool read_only_data = !mapping->executable || mapping->file_offset == 0;
    return mapping->writable || (interpreter && read_only_data);
}

/* The interpreter first, so that MAX_BYTES cuts something else. */
static void save_mappings(struct saver *saver)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < saver->maps->count; i++) {
            const struct pyro_mapping *mapping = &saver->maps->items[i];
            bool interpreter = saver->runtime && is_interpreter(saver, mapping);
            if (interpreter == (pass == 0) && is_wanted(mapping, interpreter))
                save_mapping(saver, mapping);
        }
    }
}

static int write_all(int fd, const struct pyro_buffer *buffer)
{
    for (size_t at = 0; at < buffer->size;) {
        ssize_t count = write(fd, buffer->data + at, buffer->size - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        at += (size_t)count;
    }
    return 0;
}

/* The file is for its owner only: memory holds secrets. */
static int write_file(const char *path, const struct saver *saver)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int error = write_all(fd, &saver->header);
    if (error == 0)
        error = write_all(fd, &saver->data);
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error < 0)
        unlink(path);
    return error;
}

static int save_to(const char *path, struct saver *saver, pyro_addr runtime, uint32_t version)
{
    pyro_buffer_printf(&saver->header, "pyrometer snapshot 1\nruntime %" PRIx64 "\nversion %x\n",
                       runtime.u, version);
    save_mappings(saver);
    pyro_buffer_puts(&saver->header, "data\n");
    if (saver->header.failed || saver->data.failed)
        return -ENOMEM;
    return write_file(path, saver);
}

int pyro_snapshot_save(pid_t pid, pyro_addr runtime, uint32_t version, size_t max_bytes,
                       const char *path, struct pyro_error *error)
{
    struct pyro_memory *memory = NULL;
    struct pyro_maps maps = {0};
    struct saver *saver = NULL;
    int code = pyro_memory_open(pid, &memory, error);
    if (code == 0)
        code = pyro_maps_load(pid, &maps, error);
    if (code < 0)
        goto out;
    saver = calloc(1, sizeof(*saver));
    if (!saver) {
        code = pyro_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    saver->memory = memory;
    saver->maps = &maps;
    saver->runtime = find_runtime(&maps, runtime);
    saver->max_bytes = max_bytes;
    code = save_to(path, saver, runtime, version);
    if (code < 0)
        pyro_error_set(error, code, "cannot write '%s': %s", path, strerror(-code));
    pyro_buffer_free(&saver->header);
    pyro_buffer_free(&saver->data);
out:
    free(saver);
    pyro_maps_clear(&maps);
    pyro_memory_free(memory);
    return code;
}

/* -- loading ------------------------------------------------------------------------------------ */

/* The next line, NUL-terminated, in LINE. Lines of the header are short. */
static int read_line(struct pyro_reader *reader, char *line, size_t size)
{
    const uint8_t *end = memchr(reader->next, '\n', pyro_reader_left(reader));
    if (!end || (size_t)(end - reader->next) >= size)
        return -EINVAL;
    size_t length = (size_t)(end - reader->next);
    memcpy(line, reader->next, length);
    line[length] = '\0';
    pyro_reader_take(reader, length + 1);
    return strlen(line) == length ? 0 : -EINVAL;
}

/* "NAME number [number]" in hexadecimal and nothing else. */
static int parse_line(const char *line, const char *name, uint64_t *numbers, size_t count)
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || line[length] != ' ')
        return -EINVAL;
    line += length;
    for (size_t i = 0; i < count; i++) {
        if (*line++ != ' ' || pyro_proc_number(&line, 16, &numbers[i]) < 0)
            return -EINVAL;
    }
    return *line ? -EINVAL : 0;
}

/* Lines up to "data"; sizes only so far. */
static int read_segments(struct pyro_reader *reader, struct pyro_buffer *segments)
{
    char line[128];
    uint64_t numbers[2];
    for (size_t i = 0; i <= SEGMENTS_MAX; i++) {
        if (read_line(reader, line, sizeof(line)) < 0)
            return -EINVAL;
        if (strcmp(line, "data") == 0)
            return segments->failed ? -ENOMEM : 0;
        if (parse_line(line, "segment", numbers, 2) < 0 || numbers[1] > SNAPSHOT_SIZE_MAX)
            return -EINVAL;
        struct pyro_segment segment = {.addr = {numbers[0]}, .size = (size_t)numbers[1]};
        pyro_buffer_put(segments, &segment, sizeof(segment));
    }
    return -EINVAL;
}

static int read_header(struct pyro_reader *reader, struct pyro_snapshot *snapshot)
{
    char line[128];
    uint64_t version;
    if (read_line(reader, line, sizeof(line)) < 0 || strcmp(line, "pyrometer snapshot 1") != 0 ||
        read_line(reader, line, sizeof(line)) < 0 ||
        parse_line(line, "runtime", &snapshot->runtime.u, 1) < 0 ||
        read_line(reader, line, sizeof(line)) < 0 || parse_line(line, "version", &version, 1) < 0 ||
        version > UINT32_MAX)
        return -EINVAL;
    snapshot->version = (uint32_t)version;
    return 0;
}

static int parse(const void *data, size_t size, struct pyro_snapshot *ret_snapshot)
{
    struct pyro_snapshot snapshot = {0};
    struct pyro_buffer buffer = {0};
    struct pyro_reader reader = pyro_reader_over(data, size);
    if (size == 0)
        return -EINVAL;
    int error = read_header(&reader, &snapshot);
    if (error == 0)
        error = read_segments(&reader, &buffer);
    struct pyro_segment *segments = (struct pyro_segment *)(void *)buffer.data;
    size_t count = buffer.size / sizeof(*segments);
    for (size_t i = 0; i < count && error == 0; i++) {
        segments[i].data = pyro_reader_take(&reader, segments[i].size);
        error = reader.failed ? -EINVAL : 0;
    }
    if (error == 0)
        error = pyro_memory_from_segments(segments, count, &snapshot.memory);
    pyro_buffer_free(&buffer);
    if (error == 0)
        *ret_snapshot = snapshot;
    return error;
}

int pyro_snapshot_parse(const void *data, size_t size, struct pyro_snapshot *ret_snapshot,
                        struct pyro_error *error)
{
    int code = parse(data, size, ret_snapshot);
    if (code < 0)
        pyro_error_set(error, code, "cannot read the snapshot: %s",
                       code == -EINVAL ? "not a snapshot, or damaged" : strerror(-code));
    return code;
}

static int read_file(const char *path, struct pyro_buffer *buffer)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    uint8_t chunk[1 << 14];
    ssize_t count;
    int error = 0;
    while (error == 0 && (count = read(fd, chunk, sizeof(chunk))) != 0) {
        if (count < 0)
            error = errno == EINTR ? 0 : -errno;
        else
            pyro_buffer_put(buffer, chunk, (size_t)count);
        if (buffer->failed)
            error = -ENOMEM;
        if (buffer->size > SNAPSHOT_SIZE_MAX)
            error = -EFBIG;
    }
    close(fd);
    return error;
}

int pyro_snapshot_load(const char *path, struct pyro_snapshot *ret_snapshot,
                       struct pyro_error *error)
{
    struct pyro_buffer buffer = {0};
    int code = read_file(path, &buffer);
    if (code < 0)
        pyro_error_set(error, code, "cannot read '%s': %s", path, strerror(-code));
    else
        code = pyro_snapshot_parse(buffer.data, buffer.size, ret_snapshot, error);
    pyro_buffer_free(&buffer);
    return code;
}

void pyro_snapshot_clear(struct pyro_snapshot *snapshot)
{
    pyro_memory_free(snapshot->memory);
    *snapshot = (struct pyro_snapshot){0};
}
