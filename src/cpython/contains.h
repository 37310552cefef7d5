/* cpython/contains.h - `x in container`, seen from outside: does a frame do that, and what does it search?
 *
 * The container lies on the frame's value stack. 3.14+ stores the end of it in the frame before it calls what searches; before,
 * only who knows the bytecode knows how many values are on it at an instruction (the probe: collect/tables.h). The target runs
 * meanwhile, so the frame is read again behind the container: what changed counts as not seen. */
#ifndef PYRO_CPYTHON_CONTAINS_H
#define PYRO_CPYTHON_CONTAINS_H

#include "cpython/runtime.h"

/* Is the instruction at ADDR, of bytecode that ran, a membership test? No for those that the interpreter made into one of a set or
 * dict, and in Pythons whose number for it is not known. */
bool pyro_contains_at(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      uint64_t addr);

/* Does a frame tell where the container is (3.14+)? */
bool pyro_contains_tells(const struct pyro_runtime *runtime);

struct pyro_container {
    uint64_t address;
    uint64_t length;
    bool is_list; /* a list or tuple, exactly, and LENGTH is known */
};

/* The container that the frame at ADDRESS searches by INSTRUCTION: in SLOT of its variables and stack, where it does not tell.
 * -EAGAIN: the frame is elsewhere by now. -EFAULT, -ESRCH, -EINVAL: there is none to be read. */
int pyro_contains_read(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       uint64_t address, uint64_t instruction, uint32_t slot,
                       struct pyro_container *ret_container);

#endif
