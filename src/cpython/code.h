/* cpython/code.h - code objects: names, files, lines. */
#ifndef PYRO_CPYTHON_CODE_H
#define PYRO_CPYTHON_CODE_H

#include "base/arena.h"
#include "cpython/runtime.h"

#define PYRO_NAME_MAX      (64u << 10) /* bytes of a name or path; longer ones are cut */
#define PYRO_LINETABLE_MAX (64u << 20)

struct pyro_code {
    pyro_addr addr;
    pyro_addr bytecode;     /* first instruction: instr_ptr - bytecode is the offset */
    uint32_t bytecode_size; /* in bytes; free-threaded only, where there may be copies of it */
    uint64_t identity;      /* a hash of fields that differ when the address is reused */
    uint32_t first_line;
    uint32_t flags;     /* co_flags */
    uint32_t framesize; /* bytes of a frame in a chunk; 0 when the layout does not tell */
    uint32_t file_length, name_length;
    const char *file; /* co_filename, UTF-8, in the arena */
    const char *name; /* co_qualname, before 3.11 co_name */
    const uint8_t *linetable;
    uint32_t linetable_size;
    bool shim; /* an entry trampoline, not a function of the user's */
};

/* Read the code object at ADDR; strings and line table go into ARENA. -EINVAL: there is no code object
 * (type or fields not plausible), -EFAULT, -ENOMEM. */
int pyro_code_read(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                   pyro_addr addr, struct pyro_arena *arena, struct pyro_code *ret_code);

/* The identity field alone, with one small read, to see whether ADDR still holds the same code. */
int pyro_code_identity(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       pyro_addr addr, uint64_t *ret_identity);

/* Was the code object at ADDR alive when it was looked at just now? By its reference count, over which the allocator writes. */
bool pyro_code_alive(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                     pyro_addr addr);

/* The source line of a frame whose instruction field holds INSTRUCTION: an address for 3.11+, f_lasti as stored
 * (sign-extended) before. First line when it has not started; 0 when the table has none for it.
 * In free-threaded builds from 3.14 on a thread may run a copy of the bytecode of its own: MEMORY is read to find which. */
uint32_t pyro_code_line(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                        const struct pyro_code *code, uint64_t instruction);

/* A str object as UTF-8 in ARENA, at most PYRO_NAME_MAX bytes. */
int pyro_unicode_read(const struct pyro_memory *memory, const struct pyro_layout *layout,
                      pyro_addr addr, struct pyro_arena *arena, const char **ret_text,
                      uint32_t *ret_length);

#endif
