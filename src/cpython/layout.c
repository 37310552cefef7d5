/* cpython/layout.c - the layouts of CPython 3.8-3.12.
 *
 * Within each of these minors the structs never changed between patch releases, and none of the
 * fields lies behind a field whose size depends on the platform: the mutexes and condition
 * variables of the GIL (40 and 48 bytes on x86-64, 48 and 48 on aarch64) come after the GIL's
 * holder and its locked flag, and in the runtime after everything else used here.
 * tools/check_offsets proves both with the real headers, for whichever versions it finds. */
#include "cpython/layout.h"

#include <errno.h>

#define NO PYRO_ABSENT

/* Objects of 3.8-3.11; 3.12 shortened str, and int has its sign in the tag. */
#define OBJECTS(shared_keys)                                                           \
    .object = {.size = 16, .type = 8},                                                 \
    .type = {.name = 24,                                                               \
             .flags = 168,                                                             \
             .basicsize = 32,                                                          \
             .dictoffset = 288,                                                        \
             .cached_keys = (shared_keys)},                                            \
    .bytes = {.size = 16, .data = 32}, .tuple = {.size = 16, .items = 24},             \
    .list = {.size = 16, .items = 24}, .dict = {.used = 16, .keys = 32, .values = 40}, \
    .floating = {.value = 16}, .integer = {.tag = 16, .digits = 24}, .cell = {.content = 16}

#define UNICODE_TO_311                                                  \
    {                                                                   \
        .length = 16, .state = 32, .ascii_data = 48, .compact_data = 72 \
    }
#define UNICODE_312                                                     \
    {                                                                   \
        .length = 16, .state = 32, .ascii_data = 40, .compact_data = 56 \
    }

#define TSTATE_TO_310                                                                            \
    {                                                                                            \
        .size = 184, .next = 8, .interp = 16, .frame = 24, .thread_id = 176,                     \
        .native_thread_id = NO, .unique_id = 256, .chunk = NO, .chunk_top = NO, .holds_gil = NO, \
        .gil_requested = NO, .base_frame = NO, .status = NO,                                     \
    }

#define CHUNK_NONE                                        \
    {                                                     \
        .data = NO, .previous = NO, .size = NO, .top = NO \
    }
#define CHUNK_FROM_311                                  \
    {                                                   \
        .data = 24, .previous = 0, .size = 8, .top = 16 \
    }

#define FRAME_TO_310(lasti, locals)                                                              \
    {                                                                                            \
        .size = (locals), .executable = 32, .previous = 24, .instruction = (lasti), .owner = NO, \
        .is_entry = NO, .localsplus = (locals), .stacktop = NO, .stackpointer = NO,              \
        .function = NO, .tlbc_index = NO,                                                        \
    }

#define CODE_TO_310                                                                               \
    {                                                                                             \
        .size = 128, .argcount = 16, .flags = 36, .first_line = 40, .filename = 104, .name = 112, \
        .qualname = NO, .linetable = 120, .bytecode = 48, .local_names = 72, .local_kinds = NO,   \
        .cell_names = 88, .free_names = 80, .framesize = NO, .slot_count = NO, .stacksize = NO,   \
        .tlbc = NO,                                                                               \
    }

#define GIL_IN_RUNTIME             \
    {                              \
        .holder = NO, .locked = NO \
    }

static const struct pyro_layout layouts[] = {
    {
        .minor = 8,
        .frames = PYRO_FRAMES_LINKED,
        .runtime =
            {.interpreters_head = 32, .gil_holder = 1160, .gil_locked = 1168, .gc_collecting = 544},
        .interp = {.size = 64,
                   .next = 0,
                   .id = 16,
                   .threads_head = 8,
                   .threads_main = NO,
                   .gil = NO,
                   .gc_collecting = NO,
                   .modules = 56,
                   .code_generation = NO},
        .gil = GIL_IN_RUNTIME,
        .tstate = TSTATE_TO_310,
        .cframe_current_frame = NO,
        .chunk = CHUNK_NONE,
        .frame = FRAME_TO_310(104, 360),
        .code = CODE_TO_310,
        OBJECTS(872),
        .unicode = UNICODE_TO_311,
        .generator = {.frame = 16, .state = NO},
    },
    {
        .minor = 9,
        .frames = PYRO_FRAMES_LINKED,
        .runtime =
            {.interpreters_head = 32, .gil_holder = 360, .gil_locked = 368, .gc_collecting = NO},
        .interp = {.size = 864,
                   .next = 0,
                   .id = 24,
                   .threads_head = 8,
                   .threads_main = NO,
                   .gil = NO,
                   .gc_collecting = 816,
                   .modules = 856,
                   .code_generation = NO},
        .gil = GIL_IN_RUNTIME,
        .tstate = TSTATE_TO_310,
        .cframe_current_frame = NO,
        .chunk = CHUNK_NONE,
        .frame = FRAME_TO_310(104, 360),
        .code = CODE_TO_310,
        OBJECTS(864),
        .unicode = UNICODE_TO_311,
        .generator = {.frame = 16, .state = NO},
    },
    {
        .minor = 10,
        .frames = PYRO_FRAMES_LINKED,
        .runtime =
            {.interpreters_head = 32, .gil_holder = 360, .gil_locked = 368, .gc_collecting = NO},
        .interp = {.size = 864,
                   .next = 0,
                   .id = 24,
                   .threads_head = 8,
                   .threads_main = NO,
                   .gil = NO,
                   .gc_collecting = 816,
                   .modules = 856,
                   .code_generation = NO},
        .gil = GIL_IN_RUNTIME,
        .tstate = TSTATE_TO_310,
        .cframe_current_frame = NO,
        .chunk = CHUNK_NONE,
        .frame = FRAME_TO_310(96, 352),
        .code = CODE_TO_310,
        OBJECTS(872),
        .unicode = UNICODE_TO_311,
        .generator = {.frame = 16, .state = NO},
    },
    {
        .minor = 11,
        .frames = PYRO_FRAMES_CFRAME,
        .runtime =
            {.interpreters_head = 40, .gil_holder = 368, .gil_locked = 376, .gc_collecting = NO},
        .interp = {.size = 896,
                   .next = 0,
                   .id = 48,
                   .threads_head = 16,
                   .threads_main = NO,
                   .gil = NO,
                   .gc_collecting = 848,
                   .modules = 888,
                   .code_generation = NO},
        .gil = GIL_IN_RUNTIME,
        .tstate = {.size = 312,
                   .next = 8,
                   .interp = 16,
                   .frame = 56,
                   .thread_id = 152,
                   .native_thread_id = 160,
                   .unique_id = NO,
                   .chunk = 296,
                   .chunk_top = 304,
                   .holds_gil = NO,
                   .gil_requested = NO,
                   .base_frame = NO,
                   .status = NO},
        .cframe_current_frame = 8,
        .chunk = CHUNK_FROM_311,
        .frame = {.size = 72,
                  .executable = 32,
                  .previous = 48,
                  .instruction = 56,
                  .owner = 69,
                  .is_entry = 68,
                  .localsplus = 72,
                  .stacktop = 64,
                  .stackpointer = NO,
                  .function = 0,
                  .tlbc_index = NO},
        .code = {.size = 184,
                 .argcount = 56,
                 .flags = 48,
                 .first_line = 72,
                 .filename = 112,
                 .name = 120,
                 .qualname = 128,
                 .linetable = 136,
                 .bytecode = 184,
                 .local_names = 96,
                 .local_kinds = 104,
                 .cell_names = NO,
                 .free_names = NO,
                 .framesize = NO,
                 .slot_count = 76,
                 .stacksize = 68,
                 .tlbc = NO},
        OBJECTS(872),
        .unicode = UNICODE_TO_311,
        .generator = {.frame = 80, .state = 75},
    },
    {
        .minor = 12,
        .frames = PYRO_FRAMES_CFRAME,
        .runtime =
            {.interpreters_head = 40, .gil_holder = NO, .gil_locked = NO, .gc_collecting = NO},
        .interp = {.size = 952,
                   .next = 0,
                   .id = 8,
                   .threads_head = 72,
                   .threads_main = NO,
                   .gil = 384,
                   .gc_collecting = 312,
                   .modules = 944,
                   .code_generation = NO},
        .gil = {.holder = 8, .locked = 16},
        .tstate = {.size = 248,
                   .next = 8,
                   .interp = 16,
                   .frame = 56,
                   .thread_id = 136,
                   .native_thread_id = 144,
                   .unique_id = NO,
                   .chunk = 232,
                   .chunk_top = 240,
                   .holds_gil = NO,
                   .gil_requested = NO,
                   .base_frame = NO,
                   .status = 24},
        .cframe_current_frame = 0,
        .chunk = CHUNK_FROM_311,
        .frame = {.size = 72,
                  .executable = 0,
                  .previous = 8,
                  .instruction = 56,
                  .owner = 70,
                  .is_entry = NO,
                  .localsplus = 72,
                  .stacktop = 64,
                  .stackpointer = NO,
                  .function = 16,
                  .tlbc_index = NO},
        .code = {.size = 192,
                 .argcount = 52,
                 .flags = 48,
                 .first_line = 68,
                 .filename = 112,
                 .name = 120,
                 .qualname = 128,
                 .linetable = 136,
                 .bytecode = 192,
                 .local_names = 96,
                 .local_kinds = 104,
                 .cell_names = NO,
                 .free_names = NO,
                 .framesize = 76,
                 .slot_count = NO,
                 .stacksize = NO,
                 .tlbc = NO},
        OBJECTS(880),
        .unicode = UNICODE_312,
        .generator = {.frame = 72, .state = 67},
    },
};

int pyro_layout_static(uint32_t version, struct pyro_layout *ret_layout)
{
    if (version >> 24 != 3)
        return -ENOTSUP;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (layouts[i].minor == (version >> 16 & 0xff)) {
            *ret_layout = layouts[i];
            ret_layout->version = version;
            return 0;
        }
    }
    return -ENOTSUP;
}
