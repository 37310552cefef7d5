/* fuzz/fuzz_tables.c - the collector over memory that a program wrote what it liked into.
 *
 * An input is a list of patches, each a block (byte), an offset in it (two bytes), a size (byte) and so many bytes. After
 * every eighth patch the collector reads, as it does while a program runs. */
#include "collect/collect.h"
#include "collect/tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS       8
#define PATCH_HEAD   4
#define PATCHES_A_GO 8
#define MEMORY_SIZE  ((size_t)PYRO_BLOCKS_MAX * PYRO_BLOCK_SIZE)

static void ask(struct pyro_collector *collector, struct pyro_writer *writer, const uint8_t *memory)
{
    for (uint32_t i = 1; i < BLOCKS; i++) {
        const struct pyro_thread_block *thread =
            (const struct pyro_thread_block *)(memory + (size_t)i * PYRO_BLOCK_SIZE);
        const struct pyro_callee_slot slot = thread->callees[0];
        (void)pyro_collector_callee(collector, writer, 7, thread->head.thread, slot.frame,
                                    slot.code, slot.offset);
        (void)pyro_collector_operand(collector, 7, slot.code, slot.offset);
    }
    struct pyro_counters counters = {0};
    pyro_collector_runs(collector, 7, 7, 0);
    pyro_collector_drain(collector, writer, &counters);
    pyro_collector_look(collector, writer, 0, true);
}

static void patch(uint8_t *memory, const uint8_t *data, size_t size,
                  struct pyro_collector *collector, struct pyro_writer *writer)
{
    for (unsigned count = 1; size > PATCH_HEAD; count++) {
        size_t at = (size_t)(data[0] % BLOCKS) * PYRO_BLOCK_SIZE +
                    (data[1] | (size_t)data[2] << 8) % (PYRO_BLOCK_SIZE - 256);
        size_t length = data[3] < size - PATCH_HEAD ? data[3] : size - PATCH_HEAD;
        memcpy(memory + at, data + PATCH_HEAD, length);
        data += PATCH_HEAD + length;
        size -= PATCH_HEAD + length;
        if (count % PATCHES_A_GO == 0)
            ask(collector, writer, memory);
    }
    ask(collector, writer, memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pyro_recording_info info = {.rate_hz = 1000};
    struct pyro_collector *collector;
    struct pyro_writer *writer;
    if (pyro_collector_new(&collector, false, NULL) < 0)
        return 0;
    if (pyro_writer_open("/dev/null", &info, &writer, NULL) == 0) {
        uint8_t *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                               pyro_collector_fd(collector), 0);
        if (memory != MAP_FAILED) {
            ((struct pyro_tables_head *)memory)->used = BLOCKS;
            patch(memory, data, size, collector, writer);
            munmap(memory, MEMORY_SIZE);
        }
        (void)pyro_writer_close(writer, NULL);
    }
    pyro_collector_free(collector);
    return 0;
}
