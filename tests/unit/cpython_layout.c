/* Layouts: the static tables' edges, real debug offsets, and hostile ones. That the numbers are
 * those of the headers is shown by tools/check_offsets. */
#include "check.h"
#include "cpython_data.h"

#include "cpython/internal.h"
#include "cpython/layout.h"

#include <errno.h>

#define ROOM PYRO_DEBUG_OFFSETS_READ_MAX

static size_t load_offsets(const char *name, uint8_t bytes[ROOM])
{
    char line[256];
    size_t size = 0;
    FILE *file = open_test_data(__FILE__, name);
    while (fgets(line, sizeof line, file))
        size += unhex(line, bytes + size, ROOM - size);
    fclose(file);
    CHECK(size > 500);
    return size;
}

static void static_tables(void)
{
    struct pyro_layout layout;
    CHECK_EQ(pyro_layout_static(0x030800f0, &layout), 0);
    CHECK_EQ(layout.minor, 8);
    CHECK_EQ(layout.frames, PYRO_FRAMES_LINKED);
    CHECK_EQ(layout.tstate.native_thread_id, PYRO_ABSENT);
    CHECK_EQ(pyro_layout_static(0x030b07f0, &layout), 0);
    CHECK_EQ(layout.version, 0x030b07f0);
    CHECK_EQ(layout.frames, PYRO_FRAMES_CFRAME);
    CHECK_EQ(layout.cframe_current_frame, 8);
    CHECK_EQ(pyro_layout_static(0x030c01f0, &layout), 0);
    CHECK_EQ(layout.cframe_current_frame, 0);
    CHECK(!layout.guessed && !layout.free_threaded);
    CHECK_EQ(pyro_layout_static(0x030700f0, &layout), -ENOTSUP);
    CHECK_EQ(pyro_layout_static(0x030d00f0, &layout), -ENOTSUP);
    CHECK_EQ(pyro_layout_static(0x020800f0, &layout), -ENOTSUP);
    CHECK_EQ(pyro_layout_static(0, &layout), -ENOTSUP);
}

static void real_3_13(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.13.hex", bytes);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
    CHECK_EQ(layout.version, 0x030d00f0);
    CHECK_EQ(layout.runtime.interpreters_head, 632);
    CHECK_EQ(layout.interp.threads_main, PYRO_ABSENT);
    CHECK_EQ(layout.interp.gc_collecting, 7600);
    CHECK_EQ(layout.gil.holder, 8);
    CHECK_EQ(layout.gil.locked, 16);
    CHECK_EQ(layout.tstate.frame, 72);
    CHECK_EQ(layout.tstate.chunk_top, 240);
    CHECK_EQ(layout.tstate.base_frame, PYRO_ABSENT);
    CHECK_EQ(layout.frame.stacktop, 64);
    CHECK_EQ(layout.frame.stackpointer, PYRO_ABSENT);
    CHECK_EQ(layout.code.flags, 48);
    CHECK_EQ(layout.unicode.compact_data, 56);
}

static void real_3_14(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.14.hex", bytes);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
    CHECK_EQ(layout.minor, 14);
    CHECK_EQ(layout.interp.threads_main, 7360);
    CHECK_EQ(layout.interp.code_generation, 7992);
    CHECK_EQ(layout.frame.stackpointer, 64);
    CHECK_EQ(layout.frame.stacktop, PYRO_ABSENT);
    CHECK_EQ(layout.frame.tlbc_index, PYRO_ABSENT);
    CHECK_EQ(layout.code.tlbc, PYRO_ABSENT);
    CHECK_EQ(layout.tstate.holds_gil, PYRO_ABSENT);
    CHECK_EQ(layout.generator.frame, 72);
}

static void real_3_15(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.15.hex", bytes);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
    CHECK_EQ(layout.minor, 15);
    CHECK_EQ(layout.tstate.base_frame, 80);
    CHECK_EQ(layout.tstate.holds_gil, 36);
    CHECK_EQ(layout.tstate.gil_requested, 40);
    CHECK_EQ(layout.tstate.chunk, 256);
    CHECK_EQ(layout.tstate.native_thread_id, 184);
    CHECK_EQ(layout.type.cached_keys, 888);
    CHECK_EQ(layout.unicode.compact_data, 56);
    CHECK_EQ(layout.interp.gc_collecting, 7512);
}

static void set_number(uint8_t *bytes, size_t at, uint64_t value)
{
    memcpy(bytes + at, &value, sizeof value);
}

static void newer_minor_is_guessed(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.15.hex", bytes);
    set_number(bytes, 8, 0x031000f0);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
    CHECK(layout.guessed);
    CHECK_EQ(layout.minor, 16);
    set_number(bytes, 8, 0x030c00f0);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), -ENOTSUP);
    set_number(bytes, 8, 0x040000f0);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), -EINVAL);
}

/* Of 3.13t from a process, of the others from Debian's headers, compiled with Py_GIL_DISABLED. */
static void real_free_threaded(void)
{
    static const struct {
        const char *file;
        uint32_t attachment, tlbc, tlbc_index, cached_keys;
        size_t enabled; /* which of the numbers says where the GIL's `enabled` is */
    } known[] = {
        {"debug_offsets-3.13t.hex", 40, PYRO_ABSENT, PYRO_ABSENT, 896, 13},
        {"debug_offsets-3.14t.hex", 44, 224, 72, 896, 14},
        {"debug_offsets-3.15t.hex", 48, 224, 72, 904, 14},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint8_t bytes[ROOM] = {0};
        struct pyro_layout layout;
        size_t size = load_offsets(known[i].file, bytes);
        CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
        CHECK(layout.free_threaded);
        CHECK_EQ(layout.object.size, 32);
        CHECK_EQ(layout.gil.enabled, 0);
        CHECK_EQ(layout.gil.holder, 16);
        CHECK_EQ(layout.gil.locked, 24);
        CHECK_EQ(layout.cell.content, 32);
        CHECK_EQ(layout.dict.used, 32);
        CHECK_EQ(layout.unicode.compact_data, 72);
        CHECK_EQ(layout.tstate.attachment, known[i].attachment);
        CHECK(layout.tstate.attachment + 4 <= layout.tstate.size);
        CHECK_EQ(layout.code.tlbc, known[i].tlbc);
        CHECK_EQ(layout.frame.tlbc_index, known[i].tlbc_index);
        CHECK_EQ(layout.type.cached_keys, known[i].cached_keys);
        set_number(bytes, 24 + 8 * known[i].enabled, 17); /* behind the holder */
        CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), -EINVAL);
    }
}

static void free_threaded_is_told(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.14.hex", bytes);
    set_number(bytes, 16, 1);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), 0);
    CHECK(layout.free_threaded);
    CHECK(layout.frame.tlbc_index != PYRO_ABSENT);
    set_number(bytes, 16, 2);
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), -EINVAL);
}

/* What readers rely on: nothing they add to an address, or index a copy with, is out of bounds. */
static void check_bounds(const struct pyro_layout *layout)
{
    /* The ends of a stack are copied in one piece: from the innermost frame to the end of the data stack. */
    CHECK(layout->tstate.chunk_top > layout->tstate.frame);
    const uint8_t *start = (const uint8_t *)&layout->runtime;
    for (const uint8_t *at = start; at < (const uint8_t *)(layout + 1); at += 4) {
        uint32_t offset = pyro_field_u32(at, 0);
        CHECK(offset == PYRO_ABSENT || offset <= 2 * PYRO_OFFSET_MAX);
    }
    CHECK(layout->tstate.size <= PYRO_TSTATE_SIZE_MAX + 8);
    CHECK(layout->tstate.next + 8 <= layout->tstate.size);
    CHECK(layout->tstate.chunk_top + 8 <= layout->tstate.size);
    CHECK(layout->tstate.thread_id + 8 <= layout->tstate.size);
    CHECK(layout->frame.size <= PYRO_FRAME_SIZE_MAX);
    CHECK(layout->frame.executable + 8 <= layout->frame.size);
    CHECK(layout->frame.previous + 8 <= layout->frame.size);
    CHECK(layout->frame.instruction + 8 <= layout->frame.size);
    CHECK(layout->frame.owner < layout->frame.size);
    CHECK(layout->code.size <= PYRO_CODE_SIZE_MAX);
    CHECK(layout->code.linetable < layout->code.size);
    CHECK(layout->code.flags + 4 <= layout->code.size);
    CHECK(layout->unicode.ascii_data <= PYRO_OBJECT_SIZE_MAX);
    CHECK(layout->unicode.state + 4 <= layout->unicode.ascii_data);
    CHECK(layout->gil.locked <= PYRO_OBJECT_SIZE_MAX);
}

static const char *const real_files[] = {"debug_offsets-3.13.hex",  "debug_offsets-3.14.hex",
                                         "debug_offsets-3.15.hex",  "debug_offsets-3.13t.hex",
                                         "debug_offsets-3.14t.hex", "debug_offsets-3.15t.hex"};
#define REAL_FILES ((int)(sizeof real_files / sizeof *real_files))
static const uint64_t hostile_values[] = {0,
                                          1,
                                          4,
                                          8,
                                          9,
                                          63,
                                          64,
                                          1000,
                                          1024,
                                          4096,
                                          0xfffff,
                                          0x100000,
                                          0x7fffffff,
                                          0x80000000,
                                          0xffffffff,
                                          1ull << 32,
                                          (1ull << 32) + 8,
                                          1ull << 63,
                                          UINT64_MAX,
                                          UINT64_MAX - 7};
#define HOSTILE (sizeof hostile_values / sizeof *hostile_values)

static void one_hostile_number(void)
{
    unsigned refused = 0, accepted = 0;
    for (int i = 0; i < REAL_FILES; i++) {
        uint8_t real[ROOM] = {0}, bytes[ROOM];
        size_t size = load_offsets(real_files[i], real);
        for (size_t at = 24; at + 8 <= size; at += 8) {
            for (size_t k = 0; k < HOSTILE; k++) {
                struct pyro_layout layout;
                memcpy(bytes, real, sizeof bytes);
                set_number(bytes, at, hostile_values[k]);
                if (pyro_layout_from_debug_offsets(bytes, sizeof bytes, &layout, NULL) == 0) {
                    check_bounds(&layout);
                    accepted++;
                } else {
                    refused++;
                }
            }
        }
    }
    CHECK(refused > accepted);
}

static void many_hostile_numbers(void)
{
    uint32_t random = 1;
    for (int round = 0; round < 100000; round++) {
        static uint8_t real[REAL_FILES][ROOM];
        uint8_t bytes[ROOM];
        struct pyro_layout layout;
        struct pyro_error error;
        if (round < REAL_FILES)
            load_offsets(real_files[round], real[round]);
        memcpy(bytes, real[round % REAL_FILES], sizeof bytes);
        for (int changes = 1 + round % 5; round >= REAL_FILES && changes; changes--) {
            random = random * 1664525 + 1013904223;
            set_number(bytes, 24 + (random >> 8) % 100 * 8,
                       round % 2 ? hostile_values[(random >> 4) % HOSTILE] : (random >> 16) % 1200);
        }
        if (pyro_layout_from_debug_offsets(bytes, sizeof bytes, &layout, &error) == 0)
            check_bounds(&layout);
        else
            CHECK(strstr(error.message, "debug offsets") != NULL);
    }
}

static void refuses_short_and_foreign_bytes(void)
{
    uint8_t bytes[ROOM] = {0};
    struct pyro_layout layout;
    size_t size = load_offsets("debug_offsets-3.14.hex", bytes);
    for (size_t part = 0; part < 690; part += 4) {
        uint8_t *exact = malloc(part ? part : 1);
        memcpy(exact, bytes, part);
        CHECK_EQ(pyro_layout_from_debug_offsets(exact, part, &layout, NULL), -EINVAL);
        free(exact);
    }
    bytes[0] = 'X';
    CHECK_EQ(pyro_layout_from_debug_offsets(bytes, size, &layout, NULL), -EINVAL);
}

static void versions_as_text(void)
{
    char text[32];
    pyro_version_text(0x030c01f0, text, sizeof text);
    CHECK_STR(text, "3.12.1");
    pyro_version_text(0x030d00b4, text, sizeof text);
    CHECK_STR(text, "3.13.0b4");
    pyro_version_text(0x030f00c2, text, sizeof text);
    CHECK_STR(text, "3.15.0rc2");
    CHECK_EQ(pyro_version_parse("3.9.18 (main, ...", 12), 0x030912f0);
    CHECK_EQ(pyro_version_parse("3.11.2+ (heads/", 15), 0x030b02f0);
    CHECK_EQ(pyro_version_parse("3.12.0rc3 (tags", 15), 0x030c00c3);
    CHECK_EQ(pyro_version_parse("3.8.0a10 (x)   ", 15), 0x030800aa);
    CHECK_EQ(pyro_version_parse("3.9.18", 6), 0);
    CHECK_EQ(pyro_version_parse("3.9.18 main (", 13), 0);
    CHECK_EQ(pyro_version_parse("3.9 (12345678", 13), 0);
    CHECK_EQ(pyro_version_parse("3.999.1 (abc", 12), 0);
    CHECK_EQ(pyro_version_parse("2.7.18 (abcde", 13), 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(static_tables), TEST(real_3_13), TEST(real_3_14), TEST(real_3_15),
                      TEST(newer_minor_is_guessed), TEST(real_free_threaded),
                      TEST(free_threaded_is_told), TEST(one_hostile_number),
                      TEST(many_hostile_numbers), TEST(refuses_short_and_foreign_bytes),
                      TEST(versions_as_text));
}
