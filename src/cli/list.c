/* cli/list.c - looks at every process twice, so that CPU is that of now, not of its whole life. */
#include "cli/list.h"

#include "base/clock.h"
#include "cli/print.h"
#include "cpython/runtime.h"
#include "target/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS     100
#define ROWS_MAX    1024
#define THREADS_MAX 4096

struct row {
    pid_t pid;
    uint64_t cpu_before_ns;
    double cpu_percent;
    uint64_t rss_bytes;
    char version[32]; /* "" : not known */
};

struct list {
    struct row rows[ROWS_MAX];
    int count;
    pid_t threads[THREADS_MAX];
};

/* Nanoseconds on a CPU so far, all threads. The kernel's ticks are too coarse for a tenth of a second. */
static uint64_t cpu_ns(struct list *list, pid_t pid)
{
    uint64_t total = 0;
    int count = pyro_process_threads(pid, list->threads, THREADS_MAX);
    for (int i = 0; i < count && i < THREADS_MAX; i++) {
        struct pyro_kernel_thread thread;
        uint64_t run_ns, wait_ns;
        pyro_kernel_thread_init(&thread, pid, list->threads[i]);
        if (pyro_kernel_thread_schedstat(&thread, &run_ns, &wait_ns) == 0)
            total += run_ns;
        pyro_kernel_thread_close(&thread);
    }
    return total;
}

static int add_process(pid_t pid, void *context)
{
    struct list *list = context;
    struct pyro_process_info info;
    if (pid == getpid() || !pyro_runtime_plausible(pid) || pyro_process_info(pid, &info) < 0 ||
        info.state == 'Z')
        return 0;
    list->rows[list->count++] = (struct row){
        .pid = pid,
        .rss_bytes = info.rss_bytes,
        .cpu_before_ns = cpu_ns(list, pid),
    };
    return list->count == ROWS_MAX;
}

static void find_version(struct row *row)
{
    struct pyro_memory *memory = NULL;
    struct pyro_runtime runtime;
    if (pyro_memory_open(row->pid, &memory, NULL) == 0 &&
        pyro_runtime_find(row->pid, memory, &runtime, NULL) == 0)
        snprintf(row->version, sizeof(row->version), "%s", runtime.version_text);
    pyro_memory_free(memory);
}

static void measure(struct list *list)
{
    uint64_t begin_ns = pyro_clock_ns();
    for (int i = 0; i < list->count; i++)
        find_version(&list->rows[i]);
    pyro_clock_sleep_until(begin_ns + LOOK_MS * PYRO_NS_PER_MS);
    double elapsed_ns = (double)(pyro_clock_ns() - begin_ns);
    for (int i = 0; i < list->count; i++) {
        struct row *row = &list->rows[i];
        uint64_t now_ns = cpu_ns(list, row->pid);
        if (now_ns > row->cpu_before_ns)
            row->cpu_percent = 100 * (double)(now_ns - row->cpu_before_ns) / elapsed_ns;
    }
}

static int busiest_first(const void *a, const void *b)
{
    const struct row *first = a, *second = b;
    if (first->cpu_percent != second->cpu_percent)
        return first->cpu_percent < second->cpu_percent ? 1 : -1;
    return (first->pid > second->pid) - (first->pid < second->pid);
}

static void print_row(FILE *out, const struct row *row, int width)
{
    struct pyro_buffer command = {0};
    char rss[32];
    pyro_print_bytes(rss, sizeof(rss), row->rss_bytes);
    if (pyro_process_command(row->pid, &command) < 0)
        pyro_buffer_clear(&command);
    size_t room = isatty(fileno(out)) && width > 48 ? (size_t)width - 38 : SIZE_MAX;
    fprintf(out, "%8d %5.1f %8s  %-10s  %.*s\n", (int)row->pid, row->cpu_percent, rss,
            *row->version ? row->version : "?", (int)(command.size < room ? command.size : room),
            command.data ? (const char *)command.data : "");
    pyro_buffer_free(&command);
}

int pyro_list_print(FILE *out)
{
    struct list *list = calloc(1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    struct pyro_report_style style = pyro_print_style(out, NULL);
    pyro_process_each(add_process, list);
    measure(list);
    qsort(list->rows, (size_t)list->count, sizeof(list->rows[0]), busiest_first);
    if (list->count)
        fprintf(out, "%8s %5s %8s  %-10s  %s\n", "PID", "CPU%", "RSS", "PYTHON", "COMMAND");
    for (int i = 0; i < list->count; i++)
        print_row(out, &list->rows[i], style.width);
    int count = list->count;
    free(list);
    return count;
}
