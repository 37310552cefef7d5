/* sample/processes.c - follow processes: fork, exec, end. */
#include "sample/processes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/map.h"
#include "target/process.h"

#define WATCHED_MAX    65536
#define CHILDREN_MAX   4096
#define SCAN_NS        (50 * PYRO_NS_PER_MS)
#define RETRY_FIRST_NS (2 * PYRO_NS_PER_MS) /* an interpreter needs some ms to come up */
#define RETRY_LAST_NS  (500 * PYRO_NS_PER_MS)

/* Device and inode of the program a process runs: another one after exec. */
static uint64_t exe_identity(pid_t pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (stat(path, &status) < 0)
        return 0;
    return pyro_hash_u64((uint64_t)status.st_dev * 31 + (uint64_t)status.st_ino);
}

static struct pyro_watched *process_find(const struct pyro_processes *processes, pid_t pid)
{
    for (size_t i = 0; i < processes->count; i++)
        if (processes->items[i].pid == pid && !processes->items[i].ended)
            return &processes->items[i];
    return NULL;
}

static struct pyro_watched *process_add(struct pyro_processes *processes, pid_t pid, pid_t parent,
                                        uint64_t start_ticks)
{
    if (processes->count >= WATCHED_MAX)
        return NULL;
    if (processes->count == processes->capacity) {
        size_t capacity = processes->capacity ? processes->capacity * 2 : 8;
        struct pyro_watched *grown = realloc(processes->items, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        processes->items = grown;
        processes->capacity = capacity;
    }
    struct pyro_watched *watched = &processes->items[processes->count++];
    *watched = (struct pyro_watched){
        .pid = pid, .parent = parent, .start_ticks = start_ticks, .retry_gap_ns = RETRY_FIRST_NS};
    return watched;
}

int pyro_processes_init(struct pyro_processes *processes, pid_t root,
                        const struct pyro_sampler_options *options, bool subprocesses)
{
    *processes = (struct pyro_processes){.options = *options, .subprocesses = subprocesses};
    struct pyro_process_info info;
    int status = pyro_process_info(root, &info);
    if (status < 0)
        return status;
    return process_add(processes, root, info.parent, info.start_ticks) ? 0 : -ENOMEM;
}

void pyro_processes_clear(struct pyro_processes *processes)
{
    for (size_t i = 0; i < processes->count; i++)
        pyro_sampler_free(processes->items[i].sampler);
    free(processes->items);
    *processes = (struct pyro_processes){0};
}

static void tell_image(const struct pyro_processes *processes, const struct pyro_watched *watched)
{
    const struct pyro_callee_source *callees = processes->options.callees;
    uint64_t image, since_us = (pyro_clock_ns() - processes->began_ns) / PYRO_NS_PER_US;
    if (callees && pyro_sampler_image(watched->sampler, &image) == 0)
        callees->runs(callees->context, watched->pid, image, since_us);
}

static int watched_start(struct pyro_processes *processes, struct pyro_watched *watched)
{
    struct pyro_buffer command = {0};
    (void)pyro_process_command(watched->pid, &command);
    pyro_buffer_put_u8(&command, 0);
    int status = pyro_sampler_start(watched->sampler, processes->writer, watched->parent,
                                    command.failed ? "" : (const char *)command.data);
    pyro_buffer_free(&command);
    tell_image(processes, watched);
    return status;
}

static int watched_open(struct pyro_processes *processes, struct pyro_watched *watched,
                        struct pyro_error *error)
{
    watched->exe_identity = exe_identity(watched->pid);
    int status = pyro_sampler_open(watched->pid, &processes->options, &watched->sampler, error);
    if (status == 0 && processes->writer)
        status = watched_start(processes, watched);
    return status;
}

int pyro_processes_open_root(struct pyro_processes *processes, struct pyro_error *error)
{
    return watched_open(processes, &processes->items[0], error);
}

int pyro_processes_start(struct pyro_processes *processes, struct pyro_writer *writer,
                         uint64_t now_ns)
{
    processes->writer = writer;
    processes->began_ns = now_ns;
    for (size_t i = 0; i < processes->count; i++)
        if (processes->items[i].sampler)
            (void)watched_start(processes, &processes->items[i]);
    return 0;
}

static void watched_close(struct pyro_watched *watched)
{
    if (watched->sampler)
        pyro_sampler_settle(watched->sampler);
    pyro_sampler_free(watched->sampler);
    watched->sampler = NULL;
}

/* Its interpreter is gone: it ended, or runs another program now. */
static void watched_lost(struct pyro_watched *watched, uint64_t now_ns)
{
    watched_close(watched);
    watched->ended = !pyro_process_alive(watched->pid, watched->start_ticks);
    watched->retry_gap_ns = RETRY_FIRST_NS;
    watched->retry_ns = now_ns + RETRY_FIRST_NS;
}

static void watched_retry(struct pyro_processes *processes, struct pyro_watched *watched,
                          uint64_t now_ns)
{
    if (!pyro_process_alive(watched->pid, watched->start_ticks)) {
        watched->ended = true;
        return;
    }
    uint64_t identity = exe_identity(watched->pid);
    if (identity != watched->exe_identity)
        watched->retry_gap_ns = RETRY_FIRST_NS;
    struct pyro_error error;
    if (watched_open(processes, watched, &error) == 0)
        return;
    watched->retry_ns = now_ns + watched->retry_gap_ns;
    if (watched->retry_gap_ns < RETRY_LAST_NS)
        watched->retry_gap_ns = watched->retry_gap_ns * 3 / 2;
}

static void find_children(struct pyro_processes *processes, size_t parent)
{
    pid_t children[CHILDREN_MAX];
    pid_t pid = processes->items[parent].pid;
    int count = pyro_process_children(pid, children, CHILDREN_MAX);
    for (int i = 0; i < count && i < CHILDREN_MAX; i++) {
        struct pyro_process_info info;
        if (process_find(processes, children[i]) || pyro_process_info(children[i], &info) < 0)
            continue;
        (void)process_add(processes, children[i], pid, info.start_ticks);
    }
}

static void drop_ended(struct pyro_processes *processes)
{
    size_t kept = 1; /* the root stays, so that it can be seen to have ended */
    for (size_t i = 1; i < processes->count; i++) {
        if (processes->items[i].ended)
            watched_close(&processes->items[i]);
        else
            processes->items[kept++] = processes->items[i];
    }
    processes->count = kept;
}

void pyro_processes_tend(struct pyro_processes *processes, uint64_t now_ns)
{
    if (processes->subprocesses && now_ns >= processes->scan_ns) {
        /* Often at first, when programs start their workers. */
        processes->scan_ns =
            now_ns + (now_ns - processes->began_ns < PYRO_NS_PER_S ? SCAN_NS / 5 : SCAN_NS);
        for (size_t i = 0; i < processes->count; i++)
            if (!processes->items[i].ended)
                find_children(processes, i);
        drop_ended(processes);
    }
    for (size_t i = 0; i < processes->count; i++) {
        struct pyro_watched *watched = &processes->items[i];
        if (!watched->sampler && !watched->ended && now_ns >= watched->retry_ns)
            watched_retry(processes, watched, now_ns);
    }
}

int pyro_processes_sweep(struct pyro_processes *processes, struct pyro_seat *seat, uint64_t now_ns,
                         struct pyro_counters *counters)
{
    for (; processes->sweep_at < processes->count; processes->sweep_at++) {
        struct pyro_watched *watched = &processes->items[processes->sweep_at];
        int cpu;
        if (!watched->sampler)
            continue;
        int status = pyro_sampler_sweep(watched->sampler, seat, now_ns, counters, &cpu);
        if (status == PYRO_SWEEP_ELSEWHERE)
            return cpu;
        if (status < 0 &&
            (status != -EAGAIN || !pyro_process_alive(watched->pid, watched->start_ticks))) {
            watched_lost(watched, now_ns);
            processes->lost++;
        }
    }
    processes->sweep_at = 0;
    return PYRO_SEAT_DONE;
}

bool pyro_processes_ended(const struct pyro_processes *processes)
{
    for (size_t i = 0; i < processes->count; i++)
        if (!processes->items[i].ended)
            return false;
    return true;
}

size_t pyro_processes_threads(const struct pyro_processes *processes)
{
    size_t count = 0;
    for (size_t i = 0; i < processes->count; i++)
        if (processes->items[i].sampler)
            count += pyro_sampler_threads(processes->items[i].sampler);
    return count;
}

size_t pyro_processes_count(const struct pyro_processes *processes)
{
    size_t count = 0;
    for (size_t i = 0; i < processes->count; i++)
        count += processes->items[i].sampler != NULL;
    return count;
}
