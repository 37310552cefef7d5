/* target/memory.c - three sources behind one interface: process_vm_readv, /proc/PID/mem, bytes.
 *
 * Which way a live process is read is settled once, at open, by a read that cannot succeed: the
 * kernel checks permission before it looks at the address. PYROMETER_READ=mem chooses /proc/PID/mem,
 * for tests. */
#include "target/memory.h"

#include "target/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum memory_kind {
    MEMORY_CALL, /* process_vm_readv */
    MEMORY_FILE, /* pread on /proc/PID/mem */
    MEMORY_BYTES,
};

struct segment {
    uint64_t start, end;
    const uint8_t *data;
};

struct pyro_memory {
    enum memory_kind kind;
    pid_t pid;
    int fd; /* MEMORY_FILE */
    struct segment *segments;
    size_t segment_count;
    uint8_t *bytes; /* what the segments point into */
};

/* -- process_vm_readv --------------------------------------------------------------------------- */

/* errno of a read, as our callers know it. */
static int read_errno(int error_number)
{
    switch (error_number) {
    case ESRCH:
        return -ESRCH;
    case EPERM:
    case EACCES:
        return -EPERM;
    case ENOMEM:
        return -ENOMEM;
    default:
        /* EIO of /proc/PID/mem, EINVAL of an address or a size the kernel takes for negative. */
        return -EFAULT;
    }
}

static int read_by_call(pid_t pid, pyro_addr addr, void *data, size_t size)
{
    struct iovec local = {.iov_base = data, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)addr.u, .iov_len = size};
    ssize_t count = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (count == (ssize_t)size)
        return 0;
    return count < 0 ? read_errno(errno) : -EFAULT;
}

/* How many leading spans lie whole within the first ARRIVED bytes. */
static ssize_t whole_spans(const struct pyro_span *spans, size_t count, size_t arrived)
{
    size_t whole = 0;
    while (whole < count && spans[whole].size <= arrived) {
        arrived -= spans[whole].size;
        whole++;
    }
    return (ssize_t)whole;
}

static ssize_t read_spans_by_call(pid_t pid, const struct pyro_span *spans, size_t count)
{
    struct iovec local[PYRO_MEMORY_SPANS_MAX], remote[PYRO_MEMORY_SPANS_MAX];
    size_t local_count = 0, remote_count = 0, total = 0;
    const char *local_end = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct pyro_span *span = &spans[i];
        if (span->size == 0)
            continue;
        remote[remote_count++] = (struct iovec){(void *)(uintptr_t)span->addr.u, span->size};
        /* Neighbours here are one piece for the kernel: fewer to copy in and check. */
        if (span->data == local_end)
            local[local_count - 1].iov_len += span->size;
        else
            local[local_count++] = (struct iovec){span->data, span->size};
        local_end = (const char *)span->data + span->size;
        total += span->size;
    }
    if (remote_count == 0)
        return (ssize_t)count;
    ssize_t arrived = process_vm_readv(pid, local, local_count, remote, remote_count, 0);
    if (arrived == (ssize_t)total)
        return (ssize_t)count;
    if (arrived < 0) {
        int error = read_errno(errno);
        if (error != -EFAULT)
            return error;
        arrived = 0;
    }
    return whole_spans(spans, count, (size_t)arrived);
}

/* -- /proc/PID/mem ------------------------------------------------------------------------------ */

static int open_mem(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? pyro_proc_errno(errno) : fd;
}

/* The open file belongs to the program that ran when it was opened. After an exec it reads as empty;
 * put the new program's memory behind the same descriptor. */
static int reopen_mem(const struct pyro_memory *memory)
{
    int fd = open_mem(memory->pid);
    if (fd < 0)
        return fd;
    int error = dup3(fd, memory->fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return error;
}

static int read_by_file(const struct pyro_memory *memory, pyro_addr addr, void *data, size_t size)
{
    uint8_t *next = data;
    bool reopened = false;
    while (size) {
        ssize_t count = pread(memory->fd, next, size, (off_t)addr.u);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return read_errno(errno);
        if (count == 0) { /* not an end: there is no memory any more */
            if (reopened || reopen_mem(memory) < 0)
                return -ESRCH;
            reopened = true;
            continue;
        }
        next += count;
        size -= (size_t)count;
        addr.u += (size_t)count;
    }
    return 0;
}

/* -- bytes -------------------------------------------------------------------------------------- */

/* The segment that holds ADDR, or NULL. */
static const struct segment *find_segment(const struct pyro_memory *memory, uint64_t addr)
{
    size_t low = 0, high = memory->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->segments[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == memory->segment_count || memory->segments[low].start > addr)
        return NULL;
    return &memory->segments[low];
}

/* A read may go on from one segment into the next when they touch. */
static int read_bytes(const struct pyro_memory *memory, pyro_addr addr, void *data, size_t size)
{
    uint8_t *next = data;
    while (size) {
        const struct segment *segment = find_segment(memory, addr.u);
        if (!segment)
            return -EFAULT;
        uint64_t left = segment->end - addr.u;
        size_t piece = left < size ? (size_t)left : size;
        memcpy(next, segment->data + (addr.u - segment->start), piece);
        next += piece;
        size -= piece;
        addr.u += piece;
    }
    return 0;
}

static int compare_segments(const void *a, const void *b)
{
    const struct segment *first = a, *second = b;
    return (first->start > second->start) - (first->start < second->start);
}

static int copy_segments(struct pyro_memory *memory, const struct pyro_segment *segments,
                         size_t count)
{
    uint8_t *next = memory->bytes;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].size == 0)
            continue;
        memcpy(next, segments[i].data, segments[i].size);
        memory->segments[memory->segment_count++] = (struct segment){
            .start = segments[i].addr.u,
            .end = segments[i].addr.u + segments[i].size,
            .data = next,
        };
        next += segments[i].size;
    }
    if (memory->segment_count)
        qsort(memory->segments, memory->segment_count, sizeof(struct segment), compare_segments);
    for (size_t i = 1; i < memory->segment_count; i++) {
        if (memory->segments[i].start < memory->segments[i - 1].end)
            return -EINVAL;
    }
    return 0;
}

int pyro_memory_from_segments(const struct pyro_segment *segments, size_t count,
                              struct pyro_memory **ret_memory)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].addr.u > UINT64_MAX - segments[i].size)
            return -EINVAL;
        if (__builtin_add_overflow(total, segments[i].size, &total))
            return -EINVAL;
    }
    struct pyro_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return -ENOMEM;
    memory->kind = MEMORY_BYTES;
    memory->fd = -1;
    memory->segments = calloc(count ? count : 1, sizeof(*memory->segments));
    memory->bytes = malloc(total ? total : 1);
    int error =
        memory->segments && memory->bytes ? copy_segments(memory, segments, count) : -ENOMEM;
    if (error < 0) {
        pyro_memory_free(memory);
        return error;
    }
    *ret_memory = memory;
    return 0;
}

/* -- opening ------------------------------------------------------------------------------------ */

/* Settles KIND (and FD). 0 or negative errno. */
static int choose_source(struct pyro_memory *memory)
{
    const char *wanted = getenv("PYROMETER_READ");
    int error = -ENOSYS;
    if (!wanted || strcmp(wanted, "mem") != 0) {
        char byte;
        error = read_by_call(memory->pid, pyro_addr_at(0), &byte, 1);
        if (error == 0 || (error == -EFAULT && errno == EFAULT))
            return 0;
        if (error == -ESRCH)
            return error;
    }
    int fd = open_mem(memory->pid);
    if (fd < 0)
        return fd;
    memory->kind = MEMORY_FILE;
    memory->fd = fd;
    /* Opening is not enough: a zombie opens, and reads as empty. */
    char byte;
    error = read_by_file(memory, pyro_addr_at(0), &byte, 1);
    return error == -EFAULT ? 0 : error;
}

int pyro_memory_open(pid_t pid, struct pyro_memory **ret_memory, struct pyro_error *error)
{
    if (pid <= 0)
        return pyro_error_set(error, -ESRCH, "no process %d", (int)pid);
    struct pyro_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    memory->kind = MEMORY_CALL;
    memory->pid = pid;
    memory->fd = -1;
    int code = choose_source(memory);
    if (code == 0) {
        *ret_memory = memory;
        return 0;
    }
    pyro_memory_free(memory);
    if (code == -EPERM)
        return pyro_target_not_allowed(error, pid);
    if (code == -ESRCH)
        return pyro_error_set(error, code, "no process %d, or it has ended", (int)pid);
    return pyro_error_set(error, code, "cannot read the memory of process %d: %s", (int)pid,
                          strerror(-code));
}

void pyro_memory_free(struct pyro_memory *memory)
{
    if (!memory)
        return;
    if (memory->fd >= 0)
        close(memory->fd);
    free(memory->segments);
    free(memory->bytes);
    free(memory);
}

pid_t pyro_memory_pid(const struct pyro_memory *memory)
{
    return memory->pid;
}

/* -- reading ------------------------------------------------------------------------------------ */

int pyro_memory_read(const struct pyro_memory *memory, pyro_addr addr, void *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (memory->kind) {
    case MEMORY_CALL:
        return read_by_call(memory->pid, addr, data, size);
    case MEMORY_FILE:
        return read_by_file(memory, addr, data, size);
    case MEMORY_BYTES:
        break;
    }
    return read_bytes(memory, addr, data, size);
}

ssize_t pyro_memory_read_spans(const struct pyro_memory *memory, const struct pyro_span *spans,
                               size_t count)
{
    if (count > PYRO_MEMORY_SPANS_MAX)
        return -EINVAL;
    if (memory->kind == MEMORY_CALL)
        return read_spans_by_call(memory->pid, spans, count);
    for (size_t i = 0; i < count; i++) {
        int error = pyro_memory_read(memory, spans[i].addr, spans[i].data, spans[i].size);
        if (error == -EFAULT)
            return (ssize_t)i;
        if (error < 0)
            return error;
    }
    return (ssize_t)count;
}

int pyro_memory_read_addr(const struct pyro_memory *memory, pyro_addr addr, pyro_addr *ret_addr)
{
    pyro_addr value;
    int error = pyro_memory_read(memory, addr, &value, sizeof(value));
    if (error == 0)
        *ret_addr = value;
    return error;
}
