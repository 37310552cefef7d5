/* cpython/chunks.c - follow the list of chunks, keep what is known of each. */
#include "cpython/chunks.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK_HEADER 24   /* previous, size, top: enough of a chunk to link it */
#define CHUNK_AHEAD  2048 /* bytes copied past the last known top */
#define SIZE_MIN     1024

/* -- the list --------------------------------------------------------------------------------- */

static void drop(struct pyro_stack_reader *reader, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        free(reader->chunks[i].own);
    if (count)
        memmove(&reader->chunks[first], &reader->chunks[first + count],
                (reader->chunk_count - first - count) * sizeof(*reader->chunks));
    reader->chunk_count -= count;
}

void pyro_chunks_clear(struct pyro_stack_reader *reader)
{
    drop(reader, 0, reader->chunk_count);
    free(reader->chunks);
    reader->chunks = NULL;
    reader->chunk_capacity = 0;
}

static struct pyro_stack_chunk *insert(struct pyro_stack_reader *reader, size_t at)
{
    if (reader->chunk_count == PYRO_STACK_CHUNKS_MAX)
        return NULL;
    if (reader->chunk_count == reader->chunk_capacity) {
        size_t capacity = reader->chunk_capacity ? reader->chunk_capacity * 2 : 4;
        struct pyro_stack_chunk *grown = realloc(reader->chunks, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        reader->chunks = grown;
        reader->chunk_capacity = capacity;
    }
    memmove(&reader->chunks[at + 1], &reader->chunks[at],
            (reader->chunk_count - at) * sizeof(*reader->chunks));
    reader->chunk_count++;
    reader->chunks[at] = (struct pyro_stack_chunk){0};
    return &reader->chunks[at];
}

/* Is chunk INDEX among those copied in every sweep? */
static bool is_copied(const struct pyro_stack_reader *reader, size_t index)
{
    return index < PYRO_STACK_CHUNKS_READ || index + 1 == reader->chunk_count;
}

struct pyro_stack_chunk *pyro_chunk_holding(struct pyro_stack_reader *reader, uint64_t address)
{
    for (size_t i = 0; i < reader->chunk_count; i++)
        if (address - reader->chunks[i].address < reader->chunks[i].size)
            return &reader->chunks[i];
    return NULL;
}

bool pyro_chunks_end_known(const struct pyro_stack_reader *reader, uint64_t top, uint64_t after)
{
    if (reader->chunk_count == 0)
        return false;
    const struct pyro_stack_chunk *newest = &reader->chunks[0];
    return top - newest->address <= newest->size && after - newest->address <= newest->size;
}

bool pyro_chunks_below(const struct pyro_stack_reader *reader, uint64_t address, uint64_t top,
                       uint64_t after)
{
    if (!pyro_chunks_end_known(reader, top, after))
        return false;
    const struct pyro_stack_chunk *newest = &reader->chunks[0];
    return address < top || address - newest->address >= newest->size;
}

/* -- reading late ----------------------------------------------------------------------------- */

static int read_late(struct pyro_take *take, struct pyro_stack_chunk *chunk, size_t until)
{
    if (until > chunk->size)
        until = chunk->size;
    if (take->late_reads >= PYRO_STACK_LATE_MAX)
        return -ELOOP;
    if (!chunk->own)
        chunk->own = malloc(chunk->size);
    if (!chunk->own)
        return -ENOMEM;
    take->late_reads++;
    take->stack->late = true;
    int status = pyro_memory_read(take->memory, pyro_addr_at(chunk->address), chunk->own, until);
    if (status == 0) {
        chunk->data = chunk->own;
        chunk->copied = until;
    }
    return status;
}

const uint8_t *pyro_chunk_fetch(struct pyro_take *take, struct pyro_stack_chunk *chunk,
                                uint64_t address, size_t size)
{
    const uint8_t *data = pyro_chunk_view(chunk, address, size);
    if (data)
        return data;
    if (read_late(take, chunk, address - chunk->address + size + CHUNK_AHEAD) < 0)
        return NULL;
    return pyro_chunk_view(chunk, address, size);
}

/* -- following -------------------------------------------------------------------------------- */

/* Fill a new entry for the chunk at ADDRESS from its header. */
static int open_chunk(struct pyro_take *take, struct pyro_stack_chunk *chunk, uint64_t address)
{
    uint8_t header[CHUNK_HEADER];
    take->stack->late = true;
    int status = pyro_memory_read(take->memory, pyro_addr_at(address), header, sizeof(header));
    if (status < 0)
        return status;
    uint64_t size = pyro_field_u64(header, take->layout->chunk.size);
    if (size < SIZE_MIN || size > PYRO_CHUNK_SIZE_MAX)
        return -EINVAL;
    chunk->address = address;
    chunk->size = size;
    chunk->previous = pyro_field_u64(header, take->layout->chunk.previous);
    chunk->want = size;
    return 0;
}

/* Does the copy of CHUNK say that it is another one at the same address? Memory of a chunk that was left is soon used for
 * the next, whose predecessor may be another. */
static bool is_another(const struct pyro_take *take, const struct pyro_stack_chunk *chunk)
{
    const struct pyro_layout *layout = take->layout;
    return chunk->copied >= CHUNK_HEADER &&
           (pyro_field_u64(chunk->data, layout->chunk.previous) != chunk->previous ||
            pyro_field_u64(chunk->data, layout->chunk.size) != chunk->size);
}

/* Is the list what it was, from NEWEST on? */
static bool is_unchanged(const struct pyro_take *take, uint64_t newest)
{
    const struct pyro_stack_reader *reader = take->reader;
    if (reader->chunk_count == 0 || reader->chunks[0].address != newest)
        return false;
    for (size_t i = 0; i < reader->chunk_count && i < PYRO_STACK_CHUNKS_READ; i++)
        if (is_another(take, &reader->chunks[i]))
            return false;
    return true;
}

/* Where the chunk at ADDRESS stands among those known, from AT on; the count: nowhere. Of the first ones only what was
 * copied is believed; those deeper down change more seldom than they are looked at. */
static size_t find_known(const struct pyro_take *take, size_t at, uint64_t address)
{
    const struct pyro_stack_reader *reader = take->reader;
    size_t known = at;
    while (known < reader->chunk_count && reader->chunks[known].address != address)
        known++;
    if (known == reader->chunk_count)
        return known;
    const struct pyro_stack_chunk *chunk = &reader->chunks[known];
    bool believed = chunk->copied ? !is_another(take, chunk) : at >= PYRO_STACK_CHUNKS_READ;
    return believed ? known : reader->chunk_count;
}

/* Walk the list from NEWEST, keeping the entries that are known. Loops end at the limit: an address that is already
 * in the new part of the list is not looked for there, and the list cannot grow past PYRO_STACK_CHUNKS_MAX. */
static void rebuild(struct pyro_take *take, uint64_t newest)
{
    struct pyro_stack_reader *reader = take->reader;
    uint64_t address = newest;
    size_t at = 0;
    for (; address != 0 && at < PYRO_STACK_CHUNKS_MAX; at++) {
        size_t known = find_known(take, at, address);
        if (known < reader->chunk_count) {
            drop(reader, at, known - at);
        } else {
            struct pyro_stack_chunk *chunk = insert(reader, at);
            if (!chunk)
                break;
            if (open_chunk(take, chunk, address) < 0) {
                drop(reader, at, 1);
                break;
            }
        }
        address = reader->chunks[at].previous;
    }
    drop(reader, at, reader->chunk_count - at);
}

/* Next time copy what is in use now and somewhat more; come down slowly, since depth comes and goes. */
static void predict(struct pyro_stack_chunk *chunk, size_t used)
{
    size_t want = used + CHUNK_AHEAD, slow = chunk->want - chunk->want / 16;
    if (want < slow)
        want = slow;
    chunk->want = want < chunk->size ? want : chunk->size;
}

void pyro_chunks_follow(struct pyro_take *take, uint64_t newest)
{
    struct pyro_stack_reader *reader = take->reader;
    if (newest == 0) {
        drop(reader, 0, reader->chunk_count);
        return;
    }
    if (!is_unchanged(take, newest))
        rebuild(take, newest);
    if (reader->chunk_count == 0)
        return;
    struct pyro_stack_chunk *chunk = &reader->chunks[0];
    uint64_t used = take->chunk_top - chunk->address;
    if (used > chunk->size)
        used = chunk->size;
    if (chunk->copied < used || chunk->copied == 0)
        (void)read_late(take, chunk, used + reader->header);
    predict(chunk, used);
}

/* -- spans ------------------------------------------------------------------------------------ */

size_t pyro_chunks_plan(struct pyro_stack_reader *reader, struct pyro_span *spans)
{
    size_t count = 0;
    for (size_t i = reader->chunk_count; i-- > 0;) {
        struct pyro_stack_chunk *chunk = &reader->chunks[i];
        chunk->planned = is_copied(reader, i);
        if (chunk->planned)
            spans[count++] =
                (struct pyro_span){.addr = pyro_addr_at(chunk->address), .size = chunk->want};
    }
    return count;
}

void pyro_chunks_accept(struct pyro_stack_reader *reader, const struct pyro_span *spans,
                        size_t first, size_t arrived)
{
    for (size_t i = reader->chunk_count; i-- > 0;) {
        struct pyro_stack_chunk *chunk = &reader->chunks[i];
        bool here = chunk->planned && first < arrived;
        chunk->data = here ? spans[first].data : NULL;
        chunk->copied = here ? spans[first].size : 0;
        first += chunk->planned;
        chunk->planned = false;
    }
}

size_t pyro_chunks_plan_again(const struct pyro_stack_reader *reader, struct pyro_span *spans)
{
    size_t count = 0;
    for (size_t i = reader->chunk_count; i-- > 0;) {
        const struct pyro_stack_chunk *chunk = &reader->chunks[i];
        if (is_copied(reader, i) && chunk->copied)
            spans[count++] =
                (struct pyro_span){.addr = pyro_addr_at(chunk->address), .size = chunk->copied};
    }
    return count;
}

/* -- the middle of very deep stacks ----------------------------------------------------------- */

/* Count the frames of a chunk from the one at ADDRESS, its newest, downwards: once in the chunk's life. */
static int count_frames(struct pyro_take *take, struct pyro_stack_chunk *chunk, uint64_t address)
{
    uint64_t frames = 0;
    take->late_reads = 0;
    if (read_late(take, chunk, chunk->size) < 0)
        return -EFAULT;
    while (address - chunk->address < chunk->size) {
        const uint8_t *data = pyro_chunk_view(chunk, address, take->reader->header);
        uint64_t below = data ? pyro_field_u64(data, take->layout->frame.previous) : address;
        if (below >= address && below - chunk->address < chunk->size)
            return -EINVAL; /* not a stack: callers lie below */
        frames++;
        address = below;
    }
    chunk->frames = frames;
    chunk->below = address;
    free(chunk->own);
    chunk->own = NULL;
    chunk->data = NULL;
    chunk->copied = 0;
    return 0;
}

uint64_t pyro_chunks_skip(struct pyro_take *take, uint64_t address, uint64_t *ret_elided)
{
    struct pyro_stack_reader *reader = take->reader;
    *ret_elided = 0;
    struct pyro_stack_chunk *chunk = pyro_chunk_holding(reader, address);
    if (!chunk || is_copied(reader, (size_t)(chunk - reader->chunks)))
        return address;
    uint64_t elided = 0, at = address;
    take->window = NULL;
    while (chunk && !is_copied(reader, (size_t)(chunk - reader->chunks))) {
        if (!chunk->frames && count_frames(take, chunk, at) < 0)
            return address;
        elided += chunk->frames;
        at = chunk->below;
        chunk = pyro_chunk_holding(reader, at);
        if (elided > UINT32_MAX)
            return address;
    }
    *ret_elided = elided;
    return at;
}
