/* probe/chain.h - a sum that tells one chain of frames from another, of where each of them stands.
 *
 * A thread keeps the chain that it had last. Each frame is looked at every time: that it stands where it stood and has the
 * caller that it had, down to the outermost. So what is kept never has to be true, and a frame's memory may be another's by now. What it
 * saves is the waiting for one frame's address until the one before is read, which the processor need not do where it may guess. A frame is
 * only read once the one that it called has been seen to point to it.
 *
 * Nothing here knows Python, or allocates but by mmap(). A chain is its thread's alone. */
#ifndef PYRO_PROBE_CHAIN_H
#define PYRO_PROBE_CHAIN_H

#include <stdint.h>

#define PYRO_CHAIN_MAX 1024 /* frames; longer ones are summed up without what was kept */

/* Where a frame has the address of its caller (NULL: none) and of its instruction, in bytes. */
struct pyro_chain_layout {
    uint32_t previous, instruction;
};

struct pyro_chain;

/* Of nothing. NULL: no memory. */
struct pyro_chain *pyro_chain_new(void);
void pyro_chain_free(struct pyro_chain *chain); /* NULL is fine */

/* The sum of INNERMOST and its callers. NULL: of none. Two chains with the same sum of 64 bits are taken for one. */
uint64_t pyro_chain_sum(struct pyro_chain *chain, const struct pyro_chain_layout *layout,
                        const void *innermost);
/* The same, by nothing but the frames. */
uint64_t pyro_chain_plain_sum(const struct pyro_chain_layout *layout, const void *innermost);

#endif
