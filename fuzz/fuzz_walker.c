/* fuzz/fuzz_walker.c - everything that looks into a Python process, over a memory image that may
 * hold anything.
 *
 * Input: a snapshot (target/snapshot.h), or else a byte that chooses the version and the raw bytes
 * of one segment that begins with the runtime. Nothing may crash, loop, or take memory out of
 * proportion. */
#include "cpython/dump.h"
#include "target/snapshot.h"

#include <stdint.h>
#include <string.h>

#define THREADS_MAX  32
#define RAW_ADDRESS  0x10000u
#define RAW_SIZE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_thread(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                        const struct pyro_thread_info *thread)
{
    struct pyro_arena arena = {0};
    struct pyro_dump_stack stack;
    struct pyro_interp_state state;
    char name[64];
    pyro_thread_name(memory, runtime, thread, name, sizeof name);
    pyro_interp_state(memory, runtime, thread->interp, &state);
    if (pyro_dump_stack(memory, runtime, thread, true, &arena, &stack) == 0) {
        for (size_t i = 0; i < stack.count; i++) {
            const struct pyro_dump_frame *frame = &stack.frames[i];
            if (strlen(frame->name) > PYRO_NAME_MAX || strlen(frame->file) > PYRO_NAME_MAX)
                __builtin_trap();
            for (size_t k = 0; k < frame->local_count; k++) {
                if (strlen(frame->locals[k].value) > PYRO_DUMP_VALUE_MAX * 4 + 3)
                    __builtin_trap();
            }
        }
    }
    pyro_arena_free(&arena);
}

/* Every line of a code object, asked at every offset of a small range and a few wild ones. */
static void walk_code(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      pyro_addr addr)
{
    struct pyro_arena arena = {0};
    struct pyro_code code;
    uint64_t identity;
    if (pyro_code_read(memory, runtime, addr, &arena, &code) == 0) {
        uint64_t base = runtime->layout.minor >= 11 ? code.bytecode.u : 0;
        for (uint64_t offset = 0; offset < 64; offset += 2)
            pyro_code_line(memory, runtime, &code, base + offset);
        pyro_code_line(memory, runtime, &code, UINT64_MAX);
        pyro_code_line(memory, runtime, &code, base + (UINT64_MAX >> 1));
        if (pyro_code_identity(memory, runtime, addr, &identity) == 0 && identity != code.identity)
            __builtin_trap();
    }
    pyro_arena_free(&arena);
}

static void walk(const struct pyro_memory *memory, pyro_addr addr, uint32_t version)
{
    struct pyro_runtime runtime;
    struct pyro_error error;
    struct pyro_thread_info threads[THREADS_MAX];
    pyro_addr interpreters[PYRO_INTERPRETERS_MAX], frame, code;
    if (pyro_runtime_at(memory, addr, version, &runtime, &error) != 0)
        return;
    pyro_interpreters_list(memory, &runtime, interpreters, PYRO_INTERPRETERS_MAX);
    int count = pyro_threads_list(0, memory, &runtime, threads, THREADS_MAX);
    for (int i = 0; i < count; i++) {
        walk_thread(memory, &runtime, &threads[i]);
        if (pyro_memory_read_addr(memory,
                                  pyro_addr_plus(threads[i].tstate, runtime.layout.tstate.frame),
                                  &frame) == 0 &&
            pyro_memory_read_addr(memory, pyro_addr_plus(frame, runtime.layout.frame.executable),
                                  &code) == 0)
            walk_code(memory, &runtime, code);
    }
}

static void walk_raw(const uint8_t *data, size_t size)
{
    struct pyro_memory *memory;
    if (size < 2 || size > RAW_SIZE_MAX)
        return;
    const struct pyro_segment segment = {pyro_addr_at(RAW_ADDRESS), data + 1, size - 1};
    uint32_t minor = 8 + data[0] % 9;
    if (pyro_memory_from_segments(&segment, 1, &memory) != 0)
        return;
    walk(memory, segment.addr, 3u << 24 | minor << 16);
    pyro_memory_free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_snapshot snapshot;
    struct pyro_error error;
    if (pyro_snapshot_parse(data, size, &snapshot, &error) == 0) {
        walk(snapshot.memory, snapshot.runtime, snapshot.version);
        pyro_snapshot_clear(&snapshot);
    } else {
        walk_raw(data, size);
    }
    return 0;
}
