/* probe/blocks.h - our share of the recording's memory: claiming blocks, and whether we are armed.
 *
 * All calls want the GIL. No block is ever given back: what was counted must stay readable. */
#ifndef PYRO_PROBE_BLOCKS_H
#define PYRO_PROBE_BLOCKS_H

#include "collect/tables.h"

#include <stdbool.h>

/* Is this process counting? The page is wiped on fork, so a child never writes into its parent's blocks. A thread's
 * table is valid in the generation it was made in. */
struct pyro_armed {
    uint64_t generation; /* 0: no */
};
extern volatile struct pyro_armed *pyro_armed; /* never NULL: before _open it points to zero */

/* Map the memory behind FD. 0 or a negative errno. */
int pyro_blocks_open(int fd);
/* Unmap it. Hooks are gone by then, and nobody is in a callback: those call nothing that would let go of the GIL. */
void pyro_blocks_close(void);
/* Without the GIL: may what lies in the memory of GENERATION be touched, until _let_go()? */
bool pyro_blocks_hold(uint64_t generation);
void pyro_blocks_let_go(void);
/* A process block of our own: the first one, or the one of a forked child, which goes on with its parent's ids below
 * NEXT_ID. NULL: no room. */
struct pyro_process_block *pyro_blocks_begin_process(uint32_t next_id);
struct pyro_process_block *pyro_blocks_process(void); /* NULL: none yet */

/* This process's next block of KIND after BLOCK (NULL: from the first on). NULL: there is none. */
const struct pyro_block_head *pyro_blocks_next(const struct pyro_block_head *block,
                                               enum pyro_block_kind kind);
/* More than half of what may be claimed is. */
bool pyro_blocks_scarce(void);
uint32_t pyro_blocks_index(const void *block); /* of a block that was claimed */
/* A zeroed block for THREAD, its pages there already. NULL: no room, by any of the limits. */
void *pyro_blocks_claim(enum pyro_block_kind kind, uint32_t thread);

/* A call was seen that is counted nowhere else. */
void pyro_blocks_lose(void);
/* Why not all is counted, for the report; the first reason counts. */
void pyro_blocks_say(const char *reason);

/* For the sampler: FRAME, of CODE, calls the function CALLEE (0: Python's) by the instruction at OFFSET. */
static inline void pyro_blocks_note_call(struct pyro_thread_block *thread, const void *frame,
                                         const void *code, uint32_t offset, uint32_t callee)
{
    struct pyro_callee_slot *slot = &thread->callees[pyro_callee_slot_of((uintptr_t)frame)];
    slot->frame = (uintptr_t)frame;
    slot->code = (uintptr_t)code;
    slot->offset = offset;
    slot->callee = callee;
}

void pyro_blocks_arm(void);
void pyro_blocks_disarm(void);

#endif
