/* tests/unit/cpython_dumper.c - print what is seen of a process, for the live tests to compare.
 *
 * usage: test-cpython-dumper PID [symbol|section|cookie|scan] [--locals]
 *
 * Plain text, one fact a line, fields separated by tabs:
 *   runtime SOURCE VERSION ADDRESS       thread THREAD_ID NATIVE_ID KERNEL_ID NAME
 *   frame NAME FILE FIRST_LINE LINE      local NAME VALUE
 *   end COMPLETE                         gil HOLDER's THREAD_ID */
#include "cpython/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pyro_thread_info threads[1024];

static void print_text(const char *text)
{
    for (; *text; text++)
        putchar(*text == '\t' || *text == '\n' ? '?' : *text);
}

static int print_stack(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       const struct pyro_thread_info *thread, bool with_locals)
{
    struct pyro_arena arena = {0};
    struct pyro_dump_stack stack;
    int code = pyro_dump_stack(memory, runtime, thread, with_locals, &arena, &stack);
    for (size_t i = 0; code == 0 && i < stack.count; i++) {
        const struct pyro_dump_frame *frame = &stack.frames[i];
        printf("frame\t%s\t%s\t%u\t%u\n", frame->name, frame->file, frame->first_line, frame->line);
        for (size_t k = 0; k < frame->local_count; k++) {
            printf("local\t%s\t", frame->locals[k].name);
            print_text(frame->locals[k].value);
            putchar('\n');
        }
    }
    printf("end\t%s\n", code != 0 ? strerror(-code) : stack.incomplete ? "incomplete" : "complete");
    pyro_arena_free(&arena);
    return code;
}

static int print_threads(pid_t pid, const struct pyro_memory *memory,
                         const struct pyro_runtime *runtime, bool with_locals)
{
    int count = pyro_threads_list(pid, memory, runtime, threads, 1024);
    struct pyro_interp_state state;
    for (int i = 0; i < count; i++) {
        char name[128];
        if (pyro_thread_name(memory, runtime, &threads[i], name, sizeof name) != 0)
            snprintf(name, sizeof name, "?");
        printf("thread\t%" PRIu64 "\t%d\t%d\t%s\n", threads[i].thread_id, threads[i].native_id,
               threads[i].kernel_id, name);
        print_stack(memory, runtime, &threads[i], with_locals);
        if (pyro_interp_state(memory, runtime, threads[i].interp, &state) == 0 &&
            state.gil_holder.u == threads[i].tstate.u)
            printf("gil\t%" PRIu64 "\n", threads[i].thread_id);
    }
    return count < 0 ? count : 0;
}

static int find(pid_t pid, const struct pyro_memory *memory, const char *source,
                struct pyro_runtime *runtime, struct pyro_error *error)
{
    for (int i = PYRO_RUNTIME_BY_SYMBOL; source && i <= PYRO_RUNTIME_BY_SCAN; i++) {
        if (strcmp(source, pyro_runtime_source_name((enum pyro_runtime_source)i)) == 0)
            return pyro_runtime_find_by(pid, memory, (enum pyro_runtime_source)i, runtime, error);
    }
    return pyro_runtime_find(pid, memory, runtime, error);
}

int main(int argc, char **argv)
{
    struct pyro_memory *memory;
    struct pyro_runtime runtime;
    struct pyro_error error = {0};
    const char *source = NULL;
    bool with_locals = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--locals") == 0)
            with_locals = true;
        else
            source = argv[i];
    }
    pid_t pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
    int code = pyro_memory_open(pid, &memory, &error);
    if (code == 0) {
        code = find(pid, memory, source, &runtime, &error);
        if (code == 0) {
            printf("runtime\t%s\t%s\t0x%" PRIx64 "\n", pyro_runtime_source_name(runtime.source),
                   runtime.version_text, runtime.addr.u);
            code = print_threads(pid, memory, &runtime, with_locals);
        }
        pyro_memory_free(memory);
    }
    if (code != 0)
        printf("error\t%d\t%s\n", code, error.message);
    return code != 0;
}
