/* sample/codes.h - code objects of one process that were seen, and what they are in the recording.
 *
 * A code object's address is reused when it dies. 3.14+ counts deaths in a generation; before, an entry is
 * looked at again when it was not for a while (as long as it is known already, up to VERIFY_NS), and at every use
 * while it is young in a program that keeps making new code. So a name is stale for at most VERIFY_NS, mostly for
 * less, and then counted. */
#ifndef PYRO_SAMPLE_CODES_H
#define PYRO_SAMPLE_CODES_H

#include "base/map.h"
#include "cpython/code.h"
#include "profile/writer.h"

struct pyro_code_entry {
    struct pyro_code code;
    uint32_t function;   /* in the recording; PYRO_NO_ID for a shim */
    uint64_t generation; /* when it was last known to be the same */
    uint64_t verified_ns, first_seen_ns;
};

struct pyro_codes {
    const struct pyro_memory *memory;
    const struct pyro_runtime *runtime;
    struct pyro_writer *writer;
    struct pyro_arena arena;    /* names and line tables */
    struct pyro_map by_address; /* code object -> entry */
    struct pyro_map frames;     /* (entry, instruction) -> frame in the recording */
    struct pyro_code_entry *entries;
    size_t count, capacity;
    uint64_t generation;       /* of the interpreter, 3.14+ */
    pyro_addr generation_addr; /* null before 3.14 */
    uint64_t now_ns, churn_until_ns;
    uint64_t reread; /* entries that turned out to be another code object */
};

void pyro_codes_init(struct pyro_codes *codes, const struct pyro_memory *memory,
                     const struct pyro_runtime *runtime, struct pyro_writer *writer);
void pyro_codes_clear(struct pyro_codes *codes);

/* Before a sweep: the time, and the interpreter's generation (0 before 3.14). May forget everything when the
 * cache has grown past its limit. */
void pyro_codes_tick(struct pyro_codes *codes, uint64_t now_ns, uint64_t generation);

/* The entry of the code object at ADDRESS, read when it is new. Negative errno: there is none. */
int64_t pyro_codes_find(struct pyro_codes *codes, uint64_t address);
static inline const struct pyro_code_entry *pyro_codes_at(const struct pyro_codes *codes,
                                                          int64_t entry)
{
    return &codes->entries[entry];
}
/* May a stack that was looked up at VERIFIED_NS, at GENERATION, be taken over as it is? */
bool pyro_codes_settled(const struct pyro_codes *codes, uint64_t verified_ns, uint64_t generation);

/* The frame (line) of INSTRUCTION in ENTRY. */
uint32_t pyro_codes_frame(struct pyro_codes *codes, int64_t entry, uint64_t instruction);

#endif
