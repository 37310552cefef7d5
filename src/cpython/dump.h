/* cpython/dump.h - one careful look at a thread's stack, locals included: the slow path.
 *
 * Reads frame by frame; used by `pyrometer dump`, by tests as the reference for the fast path
 * (cpython/stack.h), and by the fuzzer. */
#ifndef PYRO_CPYTHON_DUMP_H
#define PYRO_CPYTHON_DUMP_H

#include "cpython/code.h"
#include "cpython/threads.h"

#define PYRO_DUMP_FRAMES_MAX 200000 /* more than any recursion limit in use; then: incomplete */
#define PYRO_DUMP_VALUE_MAX  200    /* characters of a value shown */
#define PYRO_DUMP_BYTES_MAX \
    (64u << 20) /* in the arena; a stack that needs more is cut: incomplete */

struct pyro_dump_local {
    const char *name;
    const char *value; /* as repr() would show it, as far as reading from outside can tell */
};
struct pyro_dump_frame {
    const char *name, *file;
    uint32_t first_line, line;
    struct pyro_dump_local *locals;
    size_t local_count;
};
struct pyro_dump_stack {
    struct pyro_dump_frame *frames; /* innermost first */
    size_t count;
    bool incomplete; /* the chain broke before its end: it changed under our eyes */
};

/* Everything returned lives in ARENA. Shim frames are left out. */
int pyro_dump_stack(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    const struct pyro_thread_info *thread, bool with_locals,
                    struct pyro_arena *arena, struct pyro_dump_stack *ret_stack);

/* A value as repr() shows it: None, bool, int, float, str, bytes, and containers of them two levels deep; anything else
 * as <TYPE at 0x...>. Never runs code in the target. */
int pyro_value_text(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    pyro_addr object, struct pyro_arena *arena, const char **ret_text);

#endif
