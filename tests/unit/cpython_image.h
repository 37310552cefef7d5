/* tests/unit/cpython_image.h - the recorded interpreters (one a version, made by tools/snapshot), to look at and to
 * break word by word. What they were doing is in data/snapshot_program.py. */
#ifndef PYRO_TESTS_CPYTHON_IMAGE_H
#define PYRO_TESTS_CPYTHON_IMAGE_H

#include "check.h"
#include "cpython_data.h"

#include "cpython/threads.h"
#include "target/snapshot.h"

#include <inttypes.h>

#define FOLDER "../../../fuzz/corpus/walker/"

static const char *const versions[] = {"3.8",  "3.9",   "3.10", "3.11", "3.12",
                                       "3.13", "3.13t", "3.14", "3.15"};
#define VERSIONS (sizeof versions / sizeof *versions)

/* A snapshot file in memory, its bytes addressable as the target's. */
struct image {
    uint8_t *bytes;
    size_t size, data; /* offset of the segments' bytes */
    struct pyro_snapshot snapshot;
    struct pyro_runtime runtime;
    struct pyro_thread_info threads[8];
    int count;
};

static inline void read_image(struct image *image, const char *version)
{
    char name[128];
    snprintf(name, sizeof name, FOLDER "%s.snapshot", version);
    FILE *file = open_test_data(__FILE__, name);
    memset(image, 0, sizeof *image);
    image->bytes = malloc(1u << 20);
    image->size = fread(image->bytes, 1, 1u << 20, file);
    fclose(file);
    const uint8_t *mark = memmem(image->bytes, image->size, "\ndata\n", 6);
    CHECK(mark != NULL);
    image->data = (size_t)(mark - image->bytes) + 6;
}

static inline void parse_image(struct image *image)
{
    struct pyro_error error = {0};
    CHECK_EQ(pyro_snapshot_parse(image->bytes, image->size, &image->snapshot, &error), 0);
}

static inline void open_image(struct image *image)
{
    struct pyro_error error = {0};
    parse_image(image);
    CHECK_EQ(pyro_runtime_at(image->snapshot.memory, image->snapshot.runtime,
                             image->snapshot.version, &image->runtime, &error),
             0);
    image->count = pyro_threads_list(0, image->snapshot.memory, &image->runtime, image->threads, 8);
}

static inline void close_image(struct image *image)
{
    pyro_snapshot_clear(&image->snapshot);
    free(image->bytes);
}

/* Where the byte at ADDR of the target stands in the file. */
static inline uint8_t *at(struct image *image, pyro_addr addr)
{
    const char *line = (const char *)image->bytes;
    size_t offset = image->data;
    for (const char *end = (const char *)image->bytes + image->data; line < end;
         line = strchr(line, '\n') + 1) {
        uint64_t start, size;
        if (sscanf(line, "segment %" SCNx64 " %" SCNx64, &start, &size) != 2)
            continue;
        if (addr.u >= start && addr.u - start < size)
            return image->bytes + offset + (addr.u - start);
        offset += size;
    }
    CHECK(!"the address is in the snapshot");
    return NULL;
}

static inline void poke(struct image *image, pyro_addr addr, uint64_t value)
{
    memcpy(at(image, addr), &value, sizeof value);
}

/* Take over the changes made by poke(). */
static inline void reopen(struct image *image)
{
    pyro_snapshot_clear(&image->snapshot);
    parse_image(image);
}

static inline const struct pyro_thread_info *thread_called(const struct image *image,
                                                           const char *wanted)
{
    char name[64];
    for (int i = 0; i < image->count; i++) {
        if (pyro_thread_name(image->snapshot.memory, &image->runtime, &image->threads[i], name,
                             sizeof name) == 0 &&
            strcmp(name, wanted) == 0)
            return &image->threads[i];
    }
    return NULL;
}

#endif
