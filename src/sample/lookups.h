/* sample/lookups.h - lines that search a container (`x in container`): how often samples find them at it, and what it is.
 *
 * No sample is chosen or changed by this: it is asked afterwards, of the frame at the top of each. The container is looked at
 * once in LOOK_GAP_NS for each line. */
#ifndef PYRO_SAMPLE_LOOKUPS_H
#define PYRO_SAMPLE_LOOKUPS_H

#include "base/map.h"
#include "cpython/runtime.h"
#include "cpython/stack.h"
#include "profile/writer.h"

/* Who knows where on the value stack of a frame of CODE the container lies, at OFFSET in bytes: a slot of its variables and
 * stack; UINT32_MAX: not known. Asked once for each instruction, and not where the frame itself tells. */
struct pyro_operand_source {
    uint32_t (*operand)(void *context, int32_t pid, uint64_t code, uint64_t offset);
    void *context;
    int32_t pid;
};

struct pyro_lookup_line {
    struct pyro_lookup seen;       /* since it was last written */
    uint64_t looked_ns, container; /* of the last look: when, and at what */
};

struct pyro_lookups {
    struct pyro_map places;  /* (frame of the recording, instruction) -> see lookups.c */
    struct pyro_map by_line; /* frame of the recording -> its line's index */
    struct pyro_lookup_line *lines;
    size_t count, capacity;
};

void pyro_lookups_clear(struct pyro_lookups *lookups);

/* A sample has TOP, which is FRAME of the recording and calls no C function, at its top. SOURCE may be NULL. */
void pyro_lookups_note(struct pyro_lookups *lookups, const struct pyro_memory *memory,
                       const struct pyro_runtime *runtime, const struct pyro_raw_frame *top,
                       uint32_t frame, const struct pyro_operand_source *source, uint64_t now_ns);

/* Write what came since the last time. */
void pyro_lookups_write(struct pyro_lookups *lookups, struct pyro_writer *writer);

#endif
