/* Free-threaded 3.14+: a thread may run its own copy of a code object's bytecode. */
#include "check.h"

#include "cpython/code.h"

#define CODE     0x10000
#define TLBC_AT  224
#define BYTECODE (CODE + 232)
#define ARRAY    0x20000
#define COPIES   0x30000
#define SIZE     8 /* bytes of bytecode: four units */

/* Two units in line 11, two in line 12: entries without columns (Objects/locations.md). */
static const uint8_t linetable[] = {0xe8 | 1, 2, 0xe8 | 1, 2};
static const struct pyro_code code = {
    .addr = {CODE},
    .bytecode = {BYTECODE},
    .bytecode_size = SIZE,
    .first_line = 10,
    .linetable = linetable,
    .linetable_size = sizeof linetable,
};
static const struct pyro_runtime runtime = {
    .layout = {.minor = 14, .free_threaded = true, .code = {.tlbc = TLBC_AT}}};

/* The array says COUNT and names the code object's own bytecode, 99 threads without a copy, one with one at COPIES. */
static struct pyro_memory *memory_with(uint64_t count)
{
    static uint64_t array[102];
    const uint64_t at = ARRAY;
    array[0] = count;
    array[1] = BYTECODE;
    array[101] = COPIES;
    const struct pyro_segment segments[] = {
        {{CODE + TLBC_AT}, &at, sizeof at},
        {{ARRAY}, array, sizeof array},
    };
    struct pyro_memory *memory;
    CHECK_EQ(pyro_memory_from_segments(segments, 2, &memory), 0);
    return memory;
}

static void lines_are_found_in_each_copy(void)
{
    struct pyro_memory *memory = memory_with(101);
    const uint64_t copies[] = {BYTECODE, COPIES};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, copies[i]), 11);
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, copies[i] + 2), 11);
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, copies[i] + 4), 12);
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, copies[i] + SIZE - 2), 12);
    }
    pyro_memory_free(memory);
}

static void what_lies_in_no_copy_has_no_line(void)
{
    struct pyro_memory *memory = memory_with(101);
    CHECK_EQ(pyro_code_line(memory, &runtime, &code, COPIES + SIZE), 0);
    CHECK_EQ(pyro_code_line(memory, &runtime, &code, BYTECODE + SIZE), 0);
    pyro_memory_free(memory);
}

/* More copies than there are, or than there can be: what is not mapped is not read. */
static void a_hostile_count_is_harmless(void)
{
    const uint64_t counts[] = {0, 100, 1000, 65536, 65537, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct pyro_memory *memory = memory_with(counts[i]);
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, COPIES), 0);
        CHECK_EQ(pyro_code_line(memory, &runtime, &code, BYTECODE), 11);
        pyro_memory_free(memory);
    }
}

int main(void)
{
    return CHECK_MAIN(TEST(lines_are_found_in_each_copy), TEST(what_lies_in_no_copy_has_no_line),
                      TEST(a_hostile_count_is_harmless));
}
