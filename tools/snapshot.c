/* tools/snapshot.c - keep what a look at a Python process reads, and nothing else, as a snapshot
 * file.
 *
 * Walks everything that src/cpython can see of process PID (which should stand still) while every
 * read is noted (the linker wraps the calls), then writes these bytes in the format of
 * target/snapshot.h. The result is small enough for tests and for a fuzzer's corpus. Built and run
 * by tools/snapshot.
 *
 * usage: snapshot PID FILE */
#include "cpython/dump.h"
#include "cpython/stack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX  (1u << 20)
#define THREADS_MAX 256
#define LOOKS       3
#define SEAM        16         /* gaps up to this many bytes are filled */

int __real_pyro_memory_read(const struct pyro_memory *memory, pyro_addr addr, void *data,
                            size_t size);
int __wrap_pyro_memory_read(const struct pyro_memory *memory, pyro_addr addr, void *data,
                            size_t size);
int __real_pyro_memory_read_addr(const struct pyro_memory *memory, pyro_addr addr,
                                 pyro_addr *ret_addr);
int __wrap_pyro_memory_read_addr(const struct pyro_memory *memory, pyro_addr addr,
                                 pyro_addr *ret_addr);
ssize_t __real_pyro_memory_read_spans(const struct pyro_memory *memory,
                                      const struct pyro_span *spans, size_t count);
ssize_t __wrap_pyro_memory_read_spans(const struct pyro_memory *memory,
                                      const struct pyro_span *spans, size_t count);

static struct range {
    uint64_t start, end;
} ranges[RANGES_MAX];
static size_t range_count;
static bool noting;

static void note(pyro_addr addr, size_t size)
{
    if (noting && size && range_count < RANGES_MAX)
        ranges[range_count++] = (struct range){addr.u, addr.u + size};
}

int __wrap_pyro_memory_read(const struct pyro_memory *memory, pyro_addr addr, void *data,
                            size_t size)
{
    int code = __real_pyro_memory_read(memory, addr, data, size);
    if (code == 0)
        note(addr, size);
    return code;
}

int __wrap_pyro_memory_read_addr(const struct pyro_memory *memory, pyro_addr addr,
                                 pyro_addr *ret_addr)
{
    int code = __real_pyro_memory_read_addr(memory, addr, ret_addr);
    if (code == 0)
        note(addr, sizeof *ret_addr);
    return code;
}

ssize_t __wrap_pyro_memory_read_spans(const struct pyro_memory *memory,
                                      const struct pyro_span *spans, size_t count)
{
    ssize_t got = __real_pyro_memory_read_spans(memory, spans, count);
    for (ssize_t i = 0; i < got; i++)
        note(spans[i].addr, spans[i].size);
    return got;
}

/* As the sampler looks, until its predictions hold. */
static void look_as_sampler(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                            const struct pyro_thread_info *thread)
{
    static struct pyro_raw_frame frames[PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX];
    static struct pyro_span spans[PYRO_STACK_SPANS_MAX];
    struct pyro_raw_stack stack = {.buffer = frames};
    struct pyro_stack_reader reader;
    struct pyro_map sizes = {0};
    if (pyro_stack_reader_init(&reader, runtime, thread->tstate, thread->interp) < 0)
        return;
    for (int round = 0; round < LOOKS; round++) {
        size_t count = pyro_stack_plan(&reader, spans);
        for (size_t i = 0; i < count; i++)
            spans[i].data = malloc(spans[i].size + 1);
        ssize_t arrived = pyro_memory_read_spans(memory, spans, count);
        if (arrived > 0 && pyro_stack_take(&reader, memory, spans, (size_t)arrived, &sizes, &stack) == 0)
            (void)pyro_stack_confirm(&reader, memory, &stack);
        for (size_t i = 0; i < count; i++)
            free(spans[i].data);
    }
    pyro_stack_reader_clear(&reader);
    pyro_map_free(&sizes);
}

static int look_at_thread(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                          const struct pyro_thread_info *thread)
{
    struct pyro_arena arena = {0};
    struct pyro_dump_stack stack;
    struct pyro_interp_state state;
    uint8_t tstate[PYRO_TSTATE_SIZE_MAX];
    char name[128];
    pyro_memory_read(memory, thread->tstate, tstate, runtime->layout.tstate.size);
    pyro_thread_name(memory, runtime, thread, name, sizeof name);
    pyro_interp_state(memory, runtime, thread->interp, &state);
    uint64_t generation;
    if (runtime->layout.interp.code_generation != PYRO_ABSENT)
        pyro_memory_read(memory, pyro_addr_plus(thread->interp, runtime->layout.interp.code_generation), &generation,
                         sizeof generation);
    look_as_sampler(memory, runtime, thread);
    int code = pyro_dump_stack(memory, runtime, thread, true, &arena, &stack);
    for (size_t i = 0; code == 0 && i < stack.count; i++)
        printf("%s %s:%u\n", stack.frames[i].name, stack.frames[i].file, stack.frames[i].line);
    pyro_arena_free(&arena);
    return code;
}

static int look(const struct pyro_memory *memory, const struct pyro_runtime *found)
{
    static struct pyro_thread_info threads[THREADS_MAX];
    struct pyro_runtime runtime;
    struct pyro_error error = {0};
    noting = true;
    int code = pyro_runtime_at(memory, found->addr, found->layout.version, &runtime, &error);
    int count = code == 0 ? pyro_threads_list(0, memory, &runtime, threads, THREADS_MAX) : code;
    for (int i = 0; i < count; i++) {
        code = look_at_thread(memory, &runtime, &threads[i]);
        if (code != 0)
            return code;
    }
    noting = false;
    return count < 0 ? count : 0;
}

static int by_start(const void *a, const void *b)
{
    const struct range *one = a, *other = b;
    return (one->start > other->start) - (one->start < other->start);
}

static void merge_ranges(void)
{
    size_t kept = 0;
    qsort(ranges, range_count, sizeof *ranges, by_start);
    for (size_t i = 0; i < range_count; i++) {
        if (kept && ranges[i].start <= ranges[kept - 1].end + SEAM) {
            if (ranges[i].end > ranges[kept - 1].end)
                ranges[kept - 1].end = ranges[i].end;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    range_count = kept;
}

static int write_file(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -1;
    fprintf(file, "pyrometer snapshot 1\nruntime %" PRIx64 "\nversion %x\n", runtime->addr.u,
            runtime->layout.version);
    for (size_t i = 0; i < range_count; i++)
        fprintf(file, "segment %" PRIx64 " %" PRIx64 "\n", ranges[i].start,
                ranges[i].end - ranges[i].start);
    fputs("data\n", file);
    int code = 0;
    for (size_t i = 0; i < range_count && code == 0; i++) {
        size_t size = ranges[i].end - ranges[i].start;
        uint8_t *bytes = malloc(size);
        code = bytes ? pyro_memory_read(memory, pyro_addr_at(ranges[i].start), bytes, size) : -1;
        if (code == 0)
            fwrite(bytes, 1, size, file);
        free(bytes);
    }
    return fclose(file) != 0 ? -1 : code;
}

int main(int argc, char **argv)
{
    struct pyro_memory *memory;
    struct pyro_runtime runtime;
    struct pyro_error error = {0};
    if (argc != 3)
        return 2;
    pid_t pid = (pid_t)strtol(argv[1], NULL, 10);
    int code = pyro_memory_open(pid, &memory, &error);
    if (code == 0)
        code = pyro_runtime_find(pid, memory, &runtime, &error);
    if (code == 0)
        code = look(memory, &runtime);
    merge_ranges();
    if (code == 0)
        code = write_file(memory, &runtime, argv[2]);
    if (code != 0)
        fprintf(stderr, "snapshot: %d %s\n", code, error.message);
    pyro_memory_free(code == 0 ? memory : NULL);
    return code != 0;
}
