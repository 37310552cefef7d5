/* target/process.c - /proc/PID and /proc/PID/task/TID. Formats: proc(5). */
#include "target/process.h"

#include "base/map.h"
#include "base/redact.h"
#include "target/internal.h"
#include "target/memory.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAT_TEXT_MAX   1024 /* a stat line is 52 numbers and a name */
#define STATUS_TEXT_MAX 8192
#define COMMAND_MAX     (64u << 10) /* for showing */
#define AUXV_MAX        64
#define CPUS_MAX        8192 /* as many as a kernel can be built for */
#define ARGUMENTS_MAX   (16u << 20)

/* -- reading /proc ------------------------------------------------------------------------------ */

int pyro_proc_errno(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ESRCH:
        return -ESRCH;
    case EACCES:
    case EPERM:
        return -EPERM;
    default:
        return -error_number;
    }
}

static int open_proc(pid_t pid, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? pyro_proc_errno(errno) : fd;
}

ssize_t pyro_proc_read(pid_t pid, const char *name, char *text, size_t size)
{
    int fd = open_proc(pid, name);
    if (fd < 0)
        return fd;
    size_t length = 0;
    ssize_t count = 0;
    while (length < size - 1) {
        count = read(fd, text + length, size - 1 - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    int error = count < 0 ? pyro_proc_errno(errno) : 0;
    close(fd);
    text[length] = '\0';
    return error < 0 ? error : (ssize_t)length;
}

int pyro_proc_number(const char **text, int base, uint64_t *ret_number)
{
    const char *start = *text + strspn(*text, " \t");
    if (*start == '-' || *start == '+') /* strtoull would take a sign */
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(start, &end, base);
    if (end == start || errno == ERANGE)
        return -EINVAL;
    *text = end;
    *ret_number = number;
    return 0;
}

/* A directory entry's name as a positive number, or 0. */
static pid_t entry_number(const char *name)
{
    uint64_t number;
    if (name[0] < '1' || name[0] > '9')
        return 0;
    if (pyro_proc_number(&name, 10, &number) < 0 || *name || number > INT32_MAX)
        return 0;
    return (pid_t)number;
}

/* getdents64 rather than readdir: this is called while sampling, and readdir allocates. */
int pyro_proc_each_number(const char *path, int (*visit)(pid_t number, void *context),
                          void *context)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pyro_proc_errno(errno);
    _Alignas(struct dirent64) char entries[1 << 14];
    int result = 0;
    while (result == 0) {
        ssize_t size = getdents64(fd, entries, sizeof(entries));
        if (size <= 0) {
            result = size < 0 ? pyro_proc_errno(errno) : 0;
            break;
        }
        for (ssize_t at = 0; at < size && result == 0;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            at += entry->d_reclen;
            pid_t number = entry_number(entry->d_name);
            if (number)
                result = visit(number, context);
        }
    }
    close(fd);
    return result;
}

/* -- one process -------------------------------------------------------------------------------- */

/* What we use of a stat line. */
struct stat_line {
    const char *comm;
    size_t comm_length;
    char state;
    uint64_t parent, child_faults, user_ticks, system_ticks, thread_count, start_ticks, rss_pages,
        cpu, heap_start;
};

/* The name may hold anything, spaces and parentheses too; what follows it never holds ')'. */
static int parse_stat(const char *text, struct stat_line *ret_line)
{
    struct stat_line line = {0};
    const char *open_mark = strchr(text, '('), *close_mark = strrchr(text, ')');
    if (!open_mark || !close_mark || close_mark < open_mark)
        return -EINVAL;
    line.comm = open_mark + 1;
    line.comm_length = (size_t)(close_mark - line.comm);
    const char *rest = close_mark + 1;
    rest += strspn(rest, " ");
    if (!*rest)
        return -EINVAL;
    line.state = *rest++;
    /* Fields are numbered from 1 in proc(5); the state was field 3. */
    for (int field = 4; field <= 47; field++) {
        uint64_t *number = NULL;
        switch (field) {
        case 4:
            number = &line.parent;
            break;
        case 11:
            number = &line.child_faults;
            break;
        case 14:
            number = &line.user_ticks;
            break;
        case 15:
            number = &line.system_ticks;
            break;
        case 20:
            number = &line.thread_count;
            break;
        case 22:
            number = &line.start_ticks;
            break;
        case 24:
            number = &line.rss_pages;
            break;
        case 39:
            number = &line.cpu;
            break;
        case 47:
            number = &line.heap_start;
            break;
        default:
            break;
        }
        rest += strspn(rest, " ");
        if (number && pyro_proc_number(&rest, 10, number) < 0)
            return -EINVAL;
        rest += strcspn(rest, " ");
    }
    *ret_line = line;
    return 0;
}

static int read_stat(pid_t pid, char *text, size_t size, struct stat_line *ret_line)
{
    ssize_t length = pyro_proc_read(pid, "stat", text, size);
    if (length < 0)
        return (int)length;
    return length == 0 ? -ESRCH : parse_stat(text, ret_line);
}

/* The WHICH-th number (from 0) after "NAME:" in /proc/PID/status, or the last one for -1. */
static int status_number(const char *status, const char *name, int which, uint64_t *ret_number)
{
    const char *line = strstr(status, name);
    if (!line || line == status || line[-1] != '\n')
        return -ENOENT;
    line += strlen(name);
    int error = -ENOENT;
    for (int i = 0; which < 0 || i <= which; i++) {
        uint64_t number;
        if (pyro_proc_number(&line, 10, &number) < 0)
            return which < 0 ? error : -ENOENT;
        *ret_number = number;
        error = 0;
    }
    return error;
}

int pyro_process_info(pid_t pid, struct pyro_process_info *ret_info)
{
    char text[STAT_TEXT_MAX], status[STATUS_TEXT_MAX];
    struct stat_line line;
    int error = read_stat(pid, text, sizeof(text), &line);
    if (error < 0)
        return error;
    ssize_t length = pyro_proc_read(pid, "status", status, sizeof(status));
    if (length < 0)
        return (int)length;
    uint64_t uid = 0, tracer = 0, namespace_pid = (uint64_t)pid;
    status_number(status, "Uid:", 1, &uid); /* the effective one */
    status_number(status, "TracerPid:", 0, &tracer);
    status_number(status, "NSpid:", -1, &namespace_pid); /* innermost last; absent before 4.1 */
    struct pyro_process_info info = {
        .pid = pid,
        .parent = (pid_t)line.parent,
        .namespace_pid = (pid_t)namespace_pid,
        .uid = (uid_t)uid,
        .tracer = (pid_t)tracer,
        .state = line.state,
        .start_ticks = line.start_ticks,
        .cpu_ticks = line.user_ticks + line.system_ticks,
        .rss_bytes = line.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE),
        .child_faults = line.child_faults,
        .thread_count = (uint32_t)line.thread_count,
        .heap_start = line.heap_start,
    };
    snprintf(info.comm, sizeof(info.comm), "%.*s", (int)line.comm_length, line.comm);
    *ret_info = info;
    return 0;
}

bool pyro_process_alive(pid_t pid, uint64_t start_ticks)
{
    char text[STAT_TEXT_MAX];
    struct stat_line line;
    if (read_stat(pid, text, sizeof(text), &line) < 0)
        return false;
    return line.start_ticks == start_ticks && line.state != 'Z' && line.state != 'X';
}

bool pyro_process_shares_memory(pid_t one, pid_t other)
{
    const int kcmp_vm = 1; /* linux/kcmp.h */
    return syscall(SYS_kcmp, one, other, kcmp_vm, 0, 0) == 0;
}

int pyro_process_image(pid_t pid, const struct pyro_memory *memory, uint64_t *ret_image)
{
    Elf64_auxv_t entries[AUXV_MAX];
    uint8_t random[16];
    ssize_t length = pyro_proc_read(pid, "auxv", (char *)entries, sizeof(entries));
    if (length < 0)
        return (int)length;
    for (size_t i = 0; i < (size_t)length / sizeof(entries[0]); i++) {
        if (entries[i].a_type != AT_RANDOM)
            continue;
        pyro_addr addr = pyro_addr_at(entries[i].a_un.a_val);
        int error = pyro_memory_read(memory, addr, random, sizeof(random));
        if (error == 0)
            *ret_image = pyro_hash_bytes(random, sizeof(random));
        return error;
    }
    return -ENOENT;
}

/* Appends at most MAX bytes of /proc/PID/cmdline; *ret_whole tells whether that was all. */
static int read_cmdline(pid_t pid, size_t max, struct pyro_buffer *buffer, bool *ret_whole)
{
    int fd = open_proc(pid, "cmdline");
    if (fd < 0)
        return fd;
    int error = 0;
    *ret_whole = false;
    for (size_t left = max; left;) {
        char chunk[4096];
        ssize_t count = read(fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            error = pyro_proc_errno(errno);
        *ret_whole = count == 0;
        if (count <= 0)
            break;
        pyro_buffer_put(buffer, chunk, (size_t)count);
        left -= (size_t)count;
    }
    close(fd);
    return error == 0 && buffer->failed ? -ENOMEM : error;
}

int pyro_process_arguments(pid_t pid, struct pyro_buffer *buffer)
{
    bool whole;
    int error = read_cmdline(pid, ARGUMENTS_MAX, buffer, &whole);
    return error == 0 && !whole ? -E2BIG : error;
}

uint32_t pyro_process_cpus(pid_t pid)
{
    cpu_set_t *cpus = CPU_ALLOC(CPUS_MAX);
    uint32_t count = 0;
    if (cpus && sched_getaffinity(pid, CPU_ALLOC_SIZE(CPUS_MAX), cpus) == 0)
        count = (uint32_t)CPU_COUNT_S(CPU_ALLOC_SIZE(CPUS_MAX), cpus);
    CPU_FREE(cpus);
    return count;
}

int pyro_process_command(pid_t pid, struct pyro_buffer *buffer)
{
    struct pyro_buffer arguments = {0};
    bool whole;
    int error = read_cmdline(pid, COMMAND_MAX, &arguments, &whole);
    while (arguments.size && arguments.data[arguments.size - 1] == '\0')
        arguments.size--;
    if (error == 0 && arguments.size == 0) { /* a kernel thread or a zombie */
        char comm[32];
        error = pyro_kernel_thread_comm(pid, pid, comm, sizeof(comm));
        if (error == 0)
            pyro_buffer_printf(&arguments, "[%s]", comm);
    }
    if (error == 0)
        pyro_redact_arguments((const char *)arguments.data, arguments.size, buffer);
    if (error == 0 && (arguments.failed || buffer->failed))
        error = -ENOMEM;
    pyro_buffer_free(&arguments);
    return error;
}

/* Whether PATH, a link text ending in " (deleted)", is that file's real name. */
static bool name_is_real(pid_t pid, const char *path)
{
    char link[64], whole[4096 + 64];
    struct stat by_link, by_name;
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    int length = snprintf(whole, sizeof(whole), "/proc/%d/root%s", (int)pid, path);
    if (length < 0 || (size_t)length >= sizeof(whole))
        return false;
    return stat(link, &by_link) == 0 && stat(whole, &by_name) == 0 &&
           by_link.st_dev == by_name.st_dev && by_link.st_ino == by_name.st_ino;
}

int pyro_process_exe(pid_t pid, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(link, path, size);
    if (length < 0)
        return pyro_proc_errno(errno);
    if ((size_t)length >= size)
        return -ENAMETOOLONG;
    path[length] = '\0';
    static const char suffix[] = " (deleted)";
    size_t suffix_length = sizeof(suffix) - 1;
    if ((size_t)length > suffix_length && strcmp(path + length - suffix_length, suffix) == 0 &&
        !name_is_real(pid, path))
        path[(size_t)length - suffix_length] = '\0';
    return 0;
}

/* -- all of them -------------------------------------------------------------------------------- */

static int put_number(pid_t number, void *context)
{
    struct pyro_buffer *buffer = context;
    pyro_buffer_put(buffer, &number, sizeof(number));
    return buffer->failed ? -ENOMEM : 0;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;
    return (first > second) - (first < second);
}

int pyro_process_each(int (*visit)(pid_t pid, void *context), void *context)
{
    struct pyro_buffer buffer = {0};
    int result = pyro_proc_each_number("/proc", put_number, &buffer);
    pid_t *pids = (pid_t *)(void *)buffer.data;
    size_t count = buffer.size / sizeof(pid_t);
    if (result == 0 && count)
        qsort(pids, count, sizeof(pid_t), compare_pids);
    for (size_t i = 0; i < count && result == 0; i++)
        result = visit(pids[i], context);
    pyro_buffer_free(&buffer);
    return result;
}

/* Numbers for a caller's array. */
struct number_list {
    pid_t *items;
    int max;
    int count;    /* of all, may pass max */
    pid_t parent; /* whose children or threads they are */
};

static int add_number(pid_t number, void *context)
{
    struct number_list *list = context;
    if (list->count < list->max)
        list->items[list->count] = number;
    list->count++;
    return 0;
}

static int add_if_child(pid_t pid, void *context)
{
    struct number_list *list = context;
    char text[STAT_TEXT_MAX];
    struct stat_line line;
    if (read_stat(pid, text, sizeof(text), &line) == 0 && (pid_t)line.parent == list->parent)
        add_number(pid, list);
    return 0;
}

/* The children that thread TID has forked: "12 34 56 ". */
static int add_children_of_thread(pid_t tid, void *context)
{
    struct number_list *list = context;
    char name[64], text[1 << 14];
    snprintf(name, sizeof(name), "task/%d/children", (int)tid);
    ssize_t length = pyro_proc_read(list->parent, name, text, sizeof(text));
    if (length < 0)
        return tid == list->parent ? (int)length : 0; /* another thread may just have ended */
    if ((size_t)length == sizeof(text) - 1)
        return -E2BIG; /* too many: scan */
    uint64_t number;
    for (const char *next = text; pyro_proc_number(&next, 10, &number) == 0;)
        add_number((pid_t)number, list);
    return 0;
}

int pyro_process_children(pid_t pid, pid_t *children, int max)
{
    const struct number_list empty = {.items = children, .max = max, .parent = pid};
    struct number_list list = empty;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    if (pyro_proc_each_number(path, add_children_of_thread, &list) == 0)
        return list.count;
    if (access(path, F_OK) < 0)
        return pyro_proc_errno(errno);
    list = empty; /* a kernel without the children files */
    int error = pyro_proc_each_number("/proc", add_if_child, &list);
    return error < 0 ? error : list.count;
}

/* -- threads ------------------------------------------------------------------------------------ */

int pyro_process_threads(pid_t pid, pid_t *threads, int max)
{
    struct number_list list = {.items = threads, .max = max, .parent = pid};
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    int error = pyro_proc_each_number(path, add_number, &list);
    return error < 0 ? error : list.count;
}

void pyro_kernel_thread_init(struct pyro_kernel_thread *thread, pid_t pid, pid_t tid)
{
    *thread = (struct pyro_kernel_thread){
        .pid = pid, .tid = tid, .stat_fd = -1, .schedstat_fd = -1, .syscall_fd = -1};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void pyro_kernel_thread_close(struct pyro_kernel_thread *thread)
{
    close_fd(&thread->stat_fd);
    close_fd(&thread->schedstat_fd);
    close_fd(&thread->syscall_fd);
}

ssize_t pyro_kernel_thread_read(const struct pyro_kernel_thread *thread, int *fd, const char *name,
                                char *text, size_t size)
{
    if (*fd < 0) {
        char path[64];
        snprintf(path, sizeof(path), "task/%d/%s", (int)thread->tid, name);
        int opened = open_proc(thread->pid, path);
        if (opened < 0)
            return opened;
        *fd = opened;
    }
    ssize_t length = pread(*fd, text, size - 1, 0);
    if (length < 0)
        return pyro_proc_errno(errno);
    text[length] = '\0';
    return length ? length : -ESRCH;
}

int pyro_kernel_thread_stat(struct pyro_kernel_thread *thread, struct pyro_kernel_state *ret_state)
{
    char text[STAT_TEXT_MAX];
    struct stat_line line;
    ssize_t length = pyro_kernel_thread_read(thread, &thread->stat_fd, "stat", text, sizeof(text));
    int error = length < 0 ? (int)length : parse_stat(text, &line);
    if (error == -ESRCH)
        *ret_state = (struct pyro_kernel_state){0};
    if (error < 0)
        return error;
    *ret_state = (struct pyro_kernel_state){
        .state = line.state,
        .cpu = (int)line.cpu,
        .user_ticks = line.user_ticks,
        .system_ticks = line.system_ticks,
    };
    return 0;
}

int pyro_kernel_thread_schedstat(struct pyro_kernel_thread *thread, uint64_t *ret_run_ns,
                                 uint64_t *ret_wait_ns)
{
    char text[128];
    uint64_t run_ns, wait_ns;
    ssize_t length =
        pyro_kernel_thread_read(thread, &thread->schedstat_fd, "schedstat", text, sizeof(text));
    if (length < 0)
        return (int)length;
    const char *next = text;
    if (pyro_proc_number(&next, 10, &run_ns) < 0 || pyro_proc_number(&next, 10, &wait_ns) < 0)
        return -EINVAL;
    *ret_run_ns = run_ns;
    *ret_wait_ns = wait_ns;
    return 0;
}

int pyro_kernel_thread_comm(pid_t pid, pid_t tid, char *name, size_t size)
{
    char path[64];
    if (size == 0)
        return -EINVAL;
    snprintf(path, sizeof(path), "task/%d/comm", (int)tid);
    ssize_t length = pyro_proc_read(pid, path, name, size);
    if (length < 0)
        return (int)length;
    if (length && name[length - 1] == '\n')
        name[length - 1] = '\0';
    return 0;
}
