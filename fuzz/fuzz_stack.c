/* fuzz/fuzz_stack.c - the fast path over a memory that changes under its eyes.
 *
 * Input: a snapshot (target/snapshot.h), then edits of EDIT_SIZE bytes each to its end. Every thread is looked at
 * ROUNDS times by one reader: what was planned is copied from one state of the memory, what is read late comes from
 * the next, the second look from the one after that; edits lie in between. Nothing may crash, loop, plan more than
 * it may or say more than it read.
 *
 * An edit: round, place, kind, width, offset (int16), value (uint64), little-endian. PLACE picks one of the addresses
 * the reader knows, so that few bytes hit what matters. */
#include "cpython/internal.h"
#include "cpython/stack.h"
#include "cpython/threads.h"
#include "target/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      5
#define STEPS       3 /* states of the memory in a round */
#define EDIT_SIZE   14
#define EDITS_MAX   256
#define THREADS_MAX 8
#define PLACES_MAX  64
#define BYTES_MAX   (8u << 20) /* of one plan: a handful of chunks */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SAY_NO(condition)     \
    do {                      \
        if (condition)        \
            __builtin_trap(); \
    } while (0)

enum edit_kind { EDIT_SET, EDIT_POINT, EDIT_FLIP, EDIT_UNMAP, EDIT_KINDS };

struct image {
    struct pyro_segment *segments; /* their data is ours to change */
    size_t count;
    struct pyro_memory *memory;
    pyro_addr unmapped; /* the segment this lies in is left out */
    const uint8_t *edits;
    size_t edit_count;
    uint64_t places[PLACES_MAX];
    size_t place_count;
};

/* -- the image -------------------------------------------------------------------------------- */

/* The segments of a snapshot that was parsed already, over BYTES. */
static void image_open(struct image *image, uint8_t *bytes, size_t size)
{
    uint8_t *next = bytes, *end = memmem(bytes, size, "\ndata\n", 6);
    size_t capacity = 0;
    uint8_t *data = end + 6;
    *image = (struct image){0};
    while (next < end) {
        unsigned long long start, length;
        if (sscanf((char *)next, "segment %llx %llx\n", &start, &length) == 2) {
            if (image->count == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                image->segments = realloc(image->segments, capacity * sizeof(*image->segments));
            }
            image->segments[image->count++] =
                (struct pyro_segment){.addr = pyro_addr_at(start), .data = data, .size = length};
            data += length;
        }
        next = (uint8_t *)memchr(next, '\n', (size_t)(end + 1 - next)) + 1;
    }
    image->edits = data;
    image->edit_count = (size_t)(bytes + size - data) / EDIT_SIZE;
    if (image->edit_count > EDITS_MAX)
        image->edit_count = EDITS_MAX;
}

static uint8_t *image_at(const struct image *image, uint64_t address, size_t size)
{
    for (size_t i = 0; i < image->count; i++) {
        const struct pyro_segment *segment = &image->segments[i];
        uint64_t offset = address - segment->addr.u;
        if (offset < segment->size && size <= segment->size - offset)
            return (uint8_t *)segment->data + offset;
    }
    return NULL;
}

static uint64_t place(const struct image *image, uint64_t index)
{
    return image->place_count ? image->places[index % image->place_count] : 0;
}

static void image_edit(struct image *image, const uint8_t *edit)
{
    int16_t offset;
    uint64_t value, now = 0;
    memcpy(&offset, edit + 4, sizeof(offset));
    memcpy(&value, edit + 6, sizeof(value));
    size_t width = (size_t)1 << edit[3] % 4;
    uint64_t address = place(image, edit[1]) + (uint64_t)(int64_t)offset;
    uint8_t *at = image_at(image, address, width);
    if (edit[2] % EDIT_KINDS == EDIT_UNMAP)
        image->unmapped = pyro_addr_at(address);
    if (!at)
        return;
    memcpy(&now, at, width);
    if (edit[2] % EDIT_KINDS == EDIT_POINT)
        value = place(image, value & 0xff) + (value >> 8);
    if (edit[2] % EDIT_KINDS == EDIT_FLIP)
        value ^= now;
    if (edit[2] % EDIT_KINDS != EDIT_UNMAP)
        memcpy(at, &value, width);
}

static struct pyro_memory *memory_of(const struct image *image)
{
    struct pyro_memory *memory = NULL;
    struct pyro_segment *kept = malloc((image->count + 1) * sizeof(*kept));
    size_t count = 0;
    for (size_t i = 0; i < image->count; i++)
        if (image->unmapped.u - image->segments[i].addr.u >= image->segments[i].size)
            kept[count++] = image->segments[i];
    SAY_NO(pyro_memory_from_segments(kept, count, &memory) < 0);
    free(kept);
    return memory;
}

/* Make image->memory what it is after the edits of STEP. */
static void image_step(struct image *image, unsigned step)
{
    bool changed = image->unmapped.u != 0 || !image->memory;
    image->unmapped = pyro_addr_at(0);
    for (size_t i = 0; i < image->edit_count; i++) {
        if (image->edits[i * EDIT_SIZE] % (ROUNDS * STEPS) != step)
            continue;
        image_edit(image, image->edits + i * EDIT_SIZE);
        changed = true;
    }
    if (!changed)
        return;
    pyro_memory_free(image->memory);
    image->memory = memory_of(image);
}

/* -- one thread ------------------------------------------------------------------------------- */

static void know(struct image *image, uint64_t address)
{
    if (image->place_count < PLACES_MAX)
        image->places[image->place_count++] = address;
}

static void know_all(struct image *image, const struct pyro_stack_reader *reader,
                     const struct pyro_raw_stack *stack)
{
    image->place_count = 0;
    know(image, reader->tstate.u);
    for (size_t i = 0; i < reader->chunk_count && i < 6; i++)
        know(image, reader->chunks[i].address);
    for (size_t i = 0; i < reader->extra_count && i < 12; i++)
        know(image, reader->extras[i].address);
    for (size_t i = stack->count; i-- > 0 && i + 24 > stack->count;) {
        know(image, stack->frames[i].address);
        know(image, stack->frames[i].code);
    }
}

static void check_stack(const struct pyro_raw_stack *stack)
{
    const size_t room = PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX;
    SAY_NO(stack->count > room);
    if (stack->count)
        SAY_NO(stack->frames < stack->buffer ||
               stack->frames + stack->count > stack->buffer + room);
    SAY_NO(stack->elided && stack->elided_at > stack->count);
}

/* Copies of exactly their size, so that ASan sees the first byte past them. */
static size_t place_spans(struct pyro_span *spans, size_t count)
{
    size_t total = 0;
    SAY_NO(count == 0 || count > PYRO_STACK_SPANS_MAX);
    for (size_t i = 0; i < count; i++) {
        total += spans[i].size;
        SAY_NO(total > BYTES_MAX);
        spans[i].data = calloc(1, spans[i].size ? spans[i].size : 1);
    }
    return total;
}

/* Give the reader its last stack back, as the sampler does. */
static void hand_back(struct pyro_stack_reader *reader, const struct pyro_raw_stack *stack)
{
    static struct pyro_raw_frame prior[PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX];
    SAY_NO(stack->reused > stack->count && !stack->broken);
    memcpy(prior, stack->frames, stack->count * sizeof(*prior));
    reader->prior = prior;
    reader->prior_count = stack->broken || stack->elided ? 0 : stack->count;
}

static void look(struct image *image, struct pyro_stack_reader *reader, unsigned round,
                 struct pyro_map *sizes, struct pyro_raw_stack *stack)
{
    struct pyro_span spans[PYRO_STACK_SPANS_MAX];
    size_t count = pyro_stack_plan(reader, spans);
    place_spans(spans, count);
    image_step(image, round * STEPS);
    ssize_t arrived = pyro_memory_read_spans(image->memory, spans, count);
    image_step(image, round * STEPS + 1);
    if (arrived >= 0 &&
        pyro_stack_take(reader, image->memory, spans, (size_t)arrived, sizes, stack) == 0) {
        check_stack(stack);
        image_step(image, round * STEPS + 2);
        SAY_NO(pyro_stack_confirm(reader, image->memory, stack) > stack->count);
        know_all(image, reader, stack);
        hand_back(reader, stack);
    }
    for (size_t i = 0; i < count; i++)
        free(spans[i].data);
}

static void look_at_thread(struct image *image, const struct pyro_runtime *runtime,
                           const struct pyro_thread_info *thread, struct pyro_map *sizes)
{
    static struct pyro_raw_frame frames[PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX];
    struct pyro_raw_stack stack = {.buffer = frames};
    struct pyro_stack_reader reader;
    if (pyro_stack_reader_init(&reader, runtime, thread->tstate, thread->interp) < 0)
        return;
    reader.reuse_min = 2; /* the stacks here are short */
    image->place_count = 0;
    know(image, thread->tstate.u);
    for (unsigned round = 0; round < ROUNDS; round++)
        look(image, &reader, round, sizes, &stack);
    pyro_stack_reader_clear(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_thread_info threads[THREADS_MAX];
    struct pyro_snapshot snapshot;
    struct pyro_runtime runtime;
    struct pyro_error error;
    struct pyro_map sizes = {0};
    struct image image;
    if (pyro_snapshot_parse(data, size, &snapshot, &error) < 0)
        return 0;
    int count =
        pyro_runtime_at(snapshot.memory, snapshot.runtime, snapshot.version, &runtime, &error);
    if (count == 0)
        count = pyro_threads_list(0, snapshot.memory, &runtime, threads, THREADS_MAX);
    uint8_t *bytes = malloc(size + 1);
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    image_open(&image, bytes, size);
    for (int i = 0; i < count && i < THREADS_MAX; i++)
        look_at_thread(&image, &runtime, &threads[i], &sizes);
    pyro_map_free(&sizes);
    pyro_snapshot_clear(&snapshot);
    pyro_memory_free(image.memory);
    free(image.segments);
    free(bytes);
    return 0;
}
