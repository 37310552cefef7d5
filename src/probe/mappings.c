/* probe/mappings.c - a sorted array of ranges. */
#include "probe/mappings.h"

#include <string.h>
#include <sys/mman.h>

#define FIRST_ROOM 1024
#define ROOM_MAX   (UINT32_C(1) << 20) /* the kernel's own limit is 65530, if nobody raised it */

struct mapping {
    uintptr_t start, end;
    uint32_t stack;
    uint32_t serial; /* parts of what was mapped at once have the same */
};

static struct {
    struct mapping *items; /* ascending, none overlaps another */
    uint32_t count, room, last_serial;
} all;

static bool make_room(void)
{
    if (all.count < all.room)
        return true;
    uint32_t room = all.room ? 2 * all.room : FIRST_ROOM;
    void *items = room > ROOM_MAX
                      ? MAP_FAILED
                      : mmap(NULL, room * sizeof(struct mapping), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (items == MAP_FAILED)
        return false;
    if (all.room) {
        memcpy(items, all.items, all.count * sizeof(struct mapping));
        munmap(all.items, all.room * sizeof(struct mapping));
    }
    all.items = items;
    all.room = room;
    return true;
}

/* The first one that ends behind ADDRESS. */
static uint32_t first_behind(uintptr_t address)
{
    uint32_t low = 0, high = all.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (all.items[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool insert(uint32_t at, struct mapping mapping)
{
    if (!make_room())
        return false;
    memmove(&all.items[at + 1], &all.items[at], (all.count - at) * sizeof(mapping));
    all.items[at] = mapping;
    all.count++;
    return true;
}

static void erase(uint32_t at)
{
    all.count--;
    memmove(&all.items[at], &all.items[at + 1], (all.count - at) * sizeof(struct mapping));
}

static bool has_part(uint32_t serial)
{
    for (uint32_t i = 0; i < all.count; i++)
        if (all.items[i].serial == serial)
            return true;
    return false;
}

/* What of the one AT lies from START to END goes, and is added to *BYTES. Where the next one to look at is. */
static uint32_t cut(struct pyro_heap *heap, uint32_t at, uintptr_t start, uintptr_t end,
                    uint64_t *bytes)
{
    const struct mapping before = all.items[at];
    struct mapping *mapping = &all.items[at];
    uintptr_t from = start > before.start ? start : before.start;
    uintptr_t to = end < before.end ? end : before.end;
    if (from == before.start && to == before.end) {
        erase(at);
        pyro_heap_unmapped(heap, before.stack, to - from, !has_part(before.serial));
        *bytes += to - from;
        return at;
    }
    if (from == before.start) {
        mapping->start = to;
    } else {
        mapping->end = from;
        struct mapping rest = before;
        rest.start = to;
        if (to < before.end && !insert(at + 1, rest)) {
            heap->totals->lost++;
            to = before.end;
        }
    }
    pyro_heap_unmapped(heap, before.stack, to - from, false);
    *bytes += to - from;
    return at + 1;
}

uint64_t pyro_mappings_remove(struct pyro_heap *heap, uintptr_t start, size_t size)
{
    uintptr_t end = start + size;
    uint64_t bytes = 0;
    uint32_t at = first_behind(start);
    while (at < all.count && all.items[at].start < end)
        at = cut(heap, at, start, end, &bytes);
    return bytes;
}

void pyro_mappings_add(struct pyro_heap *heap, uint32_t stack, uintptr_t start, size_t size)
{
    (void)pyro_mappings_remove(heap, start, size);
    const struct mapping mapping = {
        .start = start, .end = start + size, .stack = stack, .serial = ++all.last_serial};
    if (stack == PYRO_STACK_NONE || !insert(first_behind(start), mapping))
        heap->totals->lost++;
    else
        pyro_heap_mapped(heap, stack, size);
}

void pyro_mappings_each(void (*see)(void *context, uint32_t stack, uint64_t size), void *context)
{
    for (uint32_t i = 0; i < all.count; i++)
        see(context, all.items[i].stack, all.items[i].end - all.items[i].start);
}

void pyro_mappings_forget(bool torn)
{
    if (!torn && all.room)
        munmap(all.items, all.room * sizeof(struct mapping));
    memset(&all, 0, sizeof(all));
}
