/* cli/dump.c - `pyrometer dump`: what every thread is doing at this moment.
 *
 * The process is not stopped, so a stack may move while it is read frame by frame. It is read until two
 * looks in a row agree; a thread that never stands still for so long is shown as it was last seen, and
 * marked. */
#include "cli/command.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/print.h"

#include "base/clock.h"
#include "base/redact.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cpython/dump.h"
#include "cpython/threads.h"
#include "target/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKS_MAX       20
#define START_TRIES     25  /* a Python that is just starting, 20 ms apart */
#define GIL_BYTES       256 /* its struct is smaller than this */
#define THREADS_SHOWN   PYRO_THREADS_MAX
#define ARENA_BYTES_MAX (256u << 20) /* of stacks, in all looks at one thread */

struct options {
    pid_t pid;
    bool locals, json;
};

static const struct pyro_option dump_options[] = {
    {.letter = 'p',
     .name = "pid",
     .value = "PID",
     .parse = pyro_parse_pid,
     .summary = "the process, decimal or 0x...; without it the Python processes are listed",
     .field = offsetof(struct options, pid)},
    {.letter = 'l',
     .name = "locals",
     .purpose = "to see local variables",
     .summary = "local variables too; values of secret-looking names are left out",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, locals)},
    {.letter = 'j',
     .name = "json",
     .summary = "print JSON (docs/json.md)",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, json)},
    {.name = "nonblocking", .parse = pyro_parse_nothing},
    {0},
};

struct dumped {
    const struct options *options;
    const struct pyro_runtime *runtime;
    const struct pyro_memory *memory;
    struct pyro_report_style style;
    struct pyro_json json;
};

/* One thread as it is shown. */
struct look {
    struct pyro_dump_stack stack;
    bool moving;
    bool holds_gil;
    const char *state;
    char name[128];
    char wait[128]; /* what it waits on; "" when it does not */
};

/* -- looking ------------------------------------------------------------------------------------ */

static bool same_frame(const struct pyro_dump_frame *a, const struct pyro_dump_frame *b)
{
    return a->line == b->line && a->first_line == b->first_line && strcmp(a->name, b->name) == 0 &&
           strcmp(a->file, b->file) == 0;
}

static bool same_stack(const struct pyro_dump_stack *a, const struct pyro_dump_stack *b)
{
    if (a->count != b->count || a->incomplete || b->incomplete)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_frame(&a->frames[i], &b->frames[i]))
            return false;
    return true;
}

static int read_stack(const struct dumped *dumped, const struct pyro_thread_info *thread,
                      struct pyro_arena *arena, struct look *look)
{
    struct pyro_dump_stack before = {0};
    look->moving = true;
    for (int i = 0; i < LOOKS_MAX && look->moving && arena->used_bytes < ARENA_BYTES_MAX; i++) {
        int error = pyro_dump_stack(dumped->memory, dumped->runtime, thread,
                                    dumped->options->locals, arena, &look->stack);
        if (error < 0)
            return error;
        look->moving = i == 0 || !same_stack(&before, &look->stack);
        before = look->stack;
    }
    return 0;
}

/* What the kernel says about the thread, in our terms. */
static void read_state(const struct pyro_thread_info *thread, pid_t pid, pyro_addr gil,
                       struct look *look)
{
    struct pyro_kernel_thread kernel;
    struct pyro_kernel_state state;
    struct pyro_wait wait;
    look->state = "unknown";
    if (!thread->kernel_id)
        return;
    pyro_kernel_thread_init(&kernel, pid, thread->kernel_id);
    if (pyro_kernel_thread_stat(&kernel, &state) == 0 && state.state) {
        look->state = state.state == 'R' ? "running" : "waiting";
        if (state.state == 'T' || state.state == 't')
            look->state = "stopped";
        if (state.state != 'R' && pyro_kernel_thread_wait(&kernel, &wait) == 0) {
            bool for_gil = wait.kind == PYRO_WAIT_LOCK && gil.u && wait.futex >= gil.u &&
                           wait.futex < gil.u + GIL_BYTES;
            if (for_gil)
                look->state = "gil_wait";
            else
                snprintf(look->wait, sizeof(look->wait), "%s", wait.text);
        }
    }
    pyro_kernel_thread_close(&kernel);
}

static int look_at(const struct dumped *dumped, const struct pyro_thread_info *thread,
                   struct pyro_arena *arena, struct look *look)
{
    struct pyro_interp_state interp = {0};
    *look = (struct look){.state = "unknown"};
    if (pyro_interp_state(dumped->memory, dumped->runtime, thread->interp, &interp) == 0)
        look->holds_gil = interp.gil_holder.u && interp.gil_holder.u == thread->tstate.u;
    read_state(thread, dumped->options->pid, interp.gil, look);
    if (pyro_thread_name(dumped->memory, dumped->runtime, thread, look->name, sizeof(look->name)) <
        0)
        look->name[0] = '\0';
    return read_stack(dumped, thread, arena, look);
}

/* -- as text ------------------------------------------------------------------------------------ */

/* Names come from the target: nothing that the user's terminal would obey. */
static void put_text(FILE *out, const char *text)
{
    struct pyro_buffer shown = {0};
    pyro_buffer_puts(&shown, text);
    if (!shown.failed) {
        pyro_utf8_make_plain((char *)shown.data, shown.size);
        fwrite(shown.data, 1, shown.size, out);
    }
    pyro_buffer_free(&shown);
}

static const char *short_file(const struct dumped *dumped, const char *file)
{
    const char *directory = dumped->style.directory;
    size_t length = directory ? strlen(directory) : 0;
    bool below = length > 1 && strncmp(file, directory, length) == 0 && file[length] == '/';
    return below ? file + length + 1 : file;
}

static void print_local(FILE *out, const struct pyro_dump_local *local)
{
    struct pyro_buffer value = {0};
    if (pyro_secret_name(local->name, strlen(local->name)))
        pyro_buffer_puts(&value, PYRO_REDACTED);
    else
        pyro_redact_value(local->value ? local->value : "?", &value);
    pyro_buffer_put_u8(&value, '\0');
    fputs("            ", out);
    put_text(out, local->name);
    fputs(" = ", out);
    put_text(out, value.failed ? "?" : (const char *)value.data);
    fputc('\n', out);
    pyro_buffer_free(&value);
}

static void print_frame(FILE *out, const struct dumped *dumped, const struct pyro_dump_frame *frame)
{
    fputs("    ", out);
    put_text(out, frame->name);
    fputs(" (", out);
    put_text(out, short_file(dumped, frame->file));
    fprintf(out, ":%" PRIu32 ")\n", frame->line ? frame->line : frame->first_line);
    for (size_t i = 0; i < frame->local_count; i++)
        print_local(out, &frame->locals[i]);
}

static void print_thread(FILE *out, const struct dumped *dumped,
                         const struct pyro_thread_info *thread, const struct look *look)
{
    fprintf(out, "\nThread %d", (int)(thread->native_id ? thread->native_id : thread->kernel_id));
    if (*look->name) {
        fputs(" \"", out);
        put_text(out, look->name);
        fputc('"', out);
    }
    bool gil_wait = strcmp(look->state, "gil_wait") == 0;
    fprintf(out, " (%s%s", look->holds_gil ? "holds the GIL, " : "",
            gil_wait ? "waiting for the GIL" : look->state);
    if (*look->wait)
        fprintf(out, ": %s", look->wait);
    fputs(")\n", out);
    for (size_t i = 0; i < look->stack.count; i++)
        print_frame(out, dumped, &look->stack.frames[i]);
    if (look->stack.count == 0)
        fputs("    no Python frame\n", out);
    if (look->stack.incomplete)
        fputs("    ... the rest could not be read\n", out);
    if (look->moving)
        fputs("    [it never stood still: these frames may not belong together]\n", out);
}

static void print_head(FILE *out, const struct dumped *dumped)
{
    struct pyro_buffer command = {0};
    char path[4096];
    pyro_process_command(dumped->options->pid, &command);
    pyro_buffer_put_u8(&command, '\0');
    fprintf(out, "Process %d: %s\n", (int)dumped->options->pid,
            command.failed ? "" : (const char *)command.data);
    fprintf(out, "Python %s", dumped->runtime->version_text);
    if (pyro_process_exe(dumped->options->pid, path, sizeof(path)) == 0) {
        fputs(" (", out);
        put_text(out, path);
        fputc(')', out);
    }
    fputc('\n', out);
    pyro_buffer_free(&command);
}

/* -- as JSON ------------------------------------------------------------------------------------ */

static void json_locals(struct pyro_json *json, const struct pyro_dump_frame *frame)
{
    pyro_json_object(json, "locals");
    for (size_t i = 0; i < frame->local_count; i++) {
        const struct pyro_dump_local *local = &frame->locals[i];
        struct pyro_buffer value = {0};
        if (pyro_secret_name(local->name, strlen(local->name)))
            pyro_buffer_puts(&value, PYRO_REDACTED);
        else if (local->value)
            pyro_redact_value(local->value, &value);
        pyro_buffer_put_u8(&value, '\0');
        bool known = !value.failed && (local->value || value.size > 1);
        pyro_json_string(json, local->name, known ? (const char *)value.data : NULL);
        pyro_buffer_free(&value);
    }
    pyro_json_end(json);
}

static void json_frame(const struct dumped *dumped, struct pyro_json *json,
                       const struct pyro_dump_frame *frame)
{
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", frame->name);
    pyro_json_string(json, "file", frame->file);
    if (frame->line)
        pyro_json_u64(json, "line", frame->line);
    else
        pyro_json_null(json, "line");
    pyro_json_u64(json, "first_line", frame->first_line);
    if (dumped->options->locals)
        json_locals(json, frame);
    else
        pyro_json_null(json, "locals");
    pyro_json_end(json);
}

static void json_thread(const struct dumped *dumped, struct pyro_json *json,
                        const struct pyro_thread_info *thread, const struct look *look)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "id", thread->thread_id);
    pyro_json_i64(json, "native_id", thread->native_id ? thread->native_id : thread->kernel_id);
    pyro_json_string(json, "name", *look->name ? look->name : NULL);
    pyro_json_string(json, "state", look->state);
    pyro_json_string(json, "waiting_on", *look->wait ? look->wait : NULL);
    pyro_json_bool(json, "gil", look->holds_gil);
    pyro_json_bool(json, "moving", look->moving || look->stack.incomplete);
    pyro_json_array(json, "frames");
    for (size_t i = look->stack.count; i > 0; i--)
        json_frame(dumped, json, &look->stack.frames[i - 1]);
    pyro_json_end(json);
    pyro_json_end(json);
}

/* -- the command -------------------------------------------------------------------------------- */

static int dump_thread(struct dumped *dumped, const struct pyro_thread_info *thread)
{
    struct pyro_arena arena = {0};
    struct look look;
    int error = look_at(dumped, thread, &arena, &look);
    if (error == 0 && dumped->options->json)
        json_thread(dumped, &dumped->json, thread, &look);
    else if (error == 0)
        print_thread(stdout, dumped, thread, &look);
    pyro_arena_free(&arena);
    return error == -ESRCH || error == -ENOMEM ? error
                                               : 0; /* a thread that vanished is just not there */
}

static int dump_threads(struct dumped *dumped, struct pyro_error *error)
{
    struct pyro_thread_info *threads = calloc(THREADS_SHOWN, sizeof(*threads));
    if (!threads)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    pid_t pid = dumped->options->pid;
    int count = pyro_threads_list(pid, dumped->memory, dumped->runtime, threads, THREADS_SHOWN);
    int code = count < 0 ? count : 0;
    for (int i = count; i > 0 && code == 0; i--) /* oldest first: the main thread */
        code = dump_thread(dumped, &threads[i - 1]);
    free(threads);
    if (code < 0)
        pyro_error_set(error, code, "cannot read the threads of process %d: %s", (int)pid,
                       strerror(-code));
    return code;
}

static int print_dump(struct dumped *dumped, struct pyro_error *error)
{
    if (!dumped->options->json) {
        print_head(stdout, dumped);
        return dump_threads(dumped, error);
    }
    struct pyro_json *json = &dumped->json;
    *json = pyro_json_to(stdout);
    pyro_json_object(json, NULL);
    pyro_json_i64(json, "pid", dumped->options->pid);
    pyro_json_string(json, "python", dumped->runtime->version_text);
    pyro_json_array(json, "threads");
    int code = dump_threads(dumped, error);
    pyro_json_end(json);
    pyro_json_end(json);
    fputc('\n', stdout);
    return code;
}

/* One that is just starting gets half a second to become a Python. */
static int find_runtime(pid_t pid, const struct pyro_memory *memory, struct pyro_runtime *runtime,
                        struct pyro_error *error)
{
    int code = pyro_runtime_find(pid, memory, runtime, error);
    for (int i = 0; i < START_TRIES && code == -EAGAIN; i++) {
        pyro_clock_sleep_until(pyro_clock_ns() + 20 * PYRO_NS_PER_MS);
        code = pyro_runtime_find(pid, memory, runtime, error);
    }
    return code;
}

static int dump(const struct options *options, struct pyro_error *error)
{
    struct pyro_memory *memory = NULL;
    struct pyro_runtime runtime;
    char directory[4096], link[64];
    int code = pyro_memory_open(options->pid, &memory, error);
    if (code == 0)
        code = find_runtime(options->pid, memory, &runtime, error);
    if (code == 0 && runtime.layout.guessed)
        pyro_print_guessed(runtime.version_text);
    if (code == 0) {
        struct dumped dumped = {.options = options, .runtime = &runtime, .memory = memory};
        snprintf(link, sizeof(link), "/proc/%d/cwd", (int)options->pid);
        ssize_t length = readlink(link, directory, sizeof(directory) - 1);
        directory[length < 0 ? 0 : length] = '\0';
        dumped.style = pyro_print_style(stdout, directory);
        code = print_dump(&dumped, error);
    }
    pyro_memory_free(memory);
    return code;
}

static int run_dump(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (!options.pid) {
        int count = pyro_list_print(stdout);
        fflush(stdout);
        pyro_print_note(count > 0 ? "choose one: pyrometer dump --pid PID"
                                  : "no Python is running");
        return PYRO_EXIT_USAGE;
    }
    if (dump(&options, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_TARGET;
    }
    return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

const struct pyro_command pyro_command_dump = {
    .name = "dump",
    .group = "start here",
    .summary = "print what every thread of a process is doing now",
    .usage = {"dump --pid PID [--locals] [--json]"},
    .about = "Prints the stack of each thread, innermost frame first, with its state: on a CPU, "
             "waiting and "
             "on what, holding the GIL or waiting for it. The process is read, never stopped, and "
             "runs no "
             "code for it.",
    .examples = {"pyrometer dump --pid 12345", "pyrometer dump --pid 12345 --locals",
                 "pyrometer dump --pid 12345 --json | jq '.threads[].name'"},
    .options = dump_options,
    .run = run_dump,
};
