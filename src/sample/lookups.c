/* sample/lookups.c - what stands at the top of samples, by line. */
#include "sample/lookups.h"

#include "base/clock.h"
#include "base/grow.h"
#include "cpython/contains.h"

#include <stdlib.h>

#define LOOK_GAP_NS (5 * PYRO_NS_PER_MS)
#define LINES_MAX   (1u << 16)
#define PLACES_MAX  (1u << 18)

/* What is kept of an instruction: the index of its line, and above it what it is. */
#define IS_TEST    (UINT64_C(1) << 63)
#define SLOT_SHIFT 32
#define NO_SLOT    0x7fffffffu
#define LINE_OF(x) ((uint32_t)(x))
#define SLOT_OF(x) ((uint32_t)((x) >> SLOT_SHIFT) & NO_SLOT)

void pyro_lookups_clear(struct pyro_lookups *lookups)
{
    pyro_map_free(&lookups->places);
    pyro_map_free(&lookups->by_line);
    free(lookups->lines);
    *lookups = (struct pyro_lookups){0};
}

/* The index of the line that is FRAME. False: no room. */
static bool find_line(struct pyro_lookups *lookups, uint32_t frame, uint64_t *ret_line)
{
    const uint64_t *known = pyro_map_find(&lookups->by_line, frame, 0);
    if (known) {
        *ret_line = *known;
        return true;
    }
    if (lookups->count >= LINES_MAX ||
        pyro_grow(&lookups->lines, lookups->count, &lookups->capacity, sizeof(*lookups->lines)) < 0)
        return false;
    uint64_t *added = pyro_map_insert(&lookups->by_line, frame, 0, NULL);
    if (!added)
        return false;
    *ret_line = *added = lookups->count;
    lookups->lines[lookups->count++] = (struct pyro_lookup_line){.seen = {.frame = frame}};
    return true;
}

static uint64_t test_at(const struct pyro_runtime *runtime, const struct pyro_raw_frame *top,
                        const struct pyro_operand_source *source)
{
    uint64_t slot = NO_SLOT;
    if (!pyro_contains_tells(runtime) && source)
        slot = source->operand(source->context, source->pid, top->code,
                               top->instruction - (top->code + runtime->layout.code.bytecode));
    return IS_TEST | (slot < NO_SLOT ? slot : NO_SLOT) << SLOT_SHIFT;
}

/* What is known of the instruction at TOP. NULL: no room. */
static const uint64_t *find_place(struct pyro_lookups *lookups, const struct pyro_memory *memory,
                                  const struct pyro_runtime *runtime,
                                  const struct pyro_raw_frame *top, uint32_t frame,
                                  const struct pyro_operand_source *source)
{
    uint64_t *place = pyro_map_find(&lookups->places, frame, top->instruction), line;
    if (place)
        return place;
    if (lookups->places.count >= PLACES_MAX || !find_line(lookups, frame, &line))
        return NULL;
    place = pyro_map_insert(&lookups->places, frame, top->instruction, NULL);
    if (place) {
        *place = line;
        if (pyro_contains_at(memory, runtime, top->instruction))
            *place |= test_at(runtime, top, source);
    }
    return place;
}

static void note_list(struct pyro_lookup_line *line, const struct pyro_container *container)
{
    struct pyro_lookup *seen = &line->seen;
    if (seen->lists == 0 || container->length < seen->shortest)
        seen->shortest = container->length;
    if (container->length > seen->longest)
        seen->longest = container->length;
    seen->changes += seen->lists > 0 && container->address != line->container;
    seen->lists++;
    seen->length += container->length;
    line->container = container->address;
}

static void look(struct pyro_lookup_line *line, const struct pyro_memory *memory,
                 const struct pyro_runtime *runtime, const struct pyro_raw_frame *top,
                 uint32_t slot, uint64_t now_ns)
{
    struct pyro_container container;
    if (line->looked_ns && now_ns - line->looked_ns < LOOK_GAP_NS)
        return;
    line->looked_ns = now_ns;
    if (pyro_contains_read(memory, runtime, top->address, top->instruction, slot, &container) < 0)
        return;
    line->seen.looked++;
    if (container.is_list)
        note_list(line, &container);
}

void pyro_lookups_note(struct pyro_lookups *lookups, const struct pyro_memory *memory,
                       const struct pyro_runtime *runtime, const struct pyro_raw_frame *top,
                       uint32_t frame, const struct pyro_operand_source *source, uint64_t now_ns)
{
    const uint64_t *place = find_place(lookups, memory, runtime, top, frame, source);
    if (!place)
        return;
    struct pyro_lookup_line *line = &lookups->lines[LINE_OF(*place)];
    line->seen.samples++;
    if (!(*place & IS_TEST))
        return;
    line->seen.testing++;
    if (pyro_contains_tells(runtime) || SLOT_OF(*place) != NO_SLOT)
        look(line, memory, runtime, top, SLOT_OF(*place), now_ns);
}

void pyro_lookups_write(struct pyro_lookups *lookups, struct pyro_writer *writer)
{
    for (size_t i = 0; i < lookups->count; i++) {
        struct pyro_lookup *seen = &lookups->lines[i].seen;
        if (seen->testing)
            pyro_writer_lookup(writer, seen);
        *seen = (struct pyro_lookup){.frame = seen->frame};
    }
}
