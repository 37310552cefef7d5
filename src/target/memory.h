/* target/memory.h - read the memory of another process.
 *
 * The target runs while we look: every byte is untrusted and may be torn. A struct pyro_memory is one
 * opened source: a live process, or bytes (a recorded snapshot, a fuzzer's input). No call here
 * writes into a target. Reading neither allocates nor logs, so the sampling loop may call it. One
 * memory may be used from one thread at a time. */
#ifndef PYRO_TARGET_MEMORY_H
#define PYRO_TARGET_MEMORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An address in the target: cannot be dereferenced here by mistake. */
typedef struct {
    uint64_t u;
} pyro_addr;

static inline pyro_addr pyro_addr_at(uint64_t u)
{
    return (pyro_addr){u};
}
static inline pyro_addr pyro_addr_plus(pyro_addr addr, uint64_t offset)
{
    return (pyro_addr){addr.u + offset};
}
static inline bool pyro_addr_is_null(pyro_addr addr)
{
    return addr.u == 0;
}

/* One piece of a scattered read. */
struct pyro_span {
    pyro_addr addr;
    void *data;
    size_t size;
};

#define PYRO_MEMORY_SPANS_MAX 1024 /* IOV_MAX: more in one call are refused with -EINVAL */

struct pyro_memory;

/* The memory of process PID: process_vm_readv, or /proc/PID/mem where that call is blocked.
 * -ESRCH no such process; -EPERM not allowed, with the command to type in the hint. */
int pyro_memory_open(pid_t pid, struct pyro_memory **ret_memory, struct pyro_error *error);

/* Memory made of SEGMENTS, copied. They may not overlap. */
struct pyro_segment {
    pyro_addr addr;
    const void *data;
    size_t size;
};
int pyro_memory_from_segments(const struct pyro_segment *segments, size_t count,
                              struct pyro_memory **ret_memory);

void pyro_memory_free(struct pyro_memory *memory); /* NULL is fine */

/* Copy SIZE bytes at ADDR into DATA: all of them or an error, never a part reported as whole.
 * -ESRCH: the process is gone. -EFAULT: not mapped (often just a race). */
int pyro_memory_read(const struct pyro_memory *memory, pyro_addr addr, void *data, size_t size);

/* Copy COUNT spans in one system call, in their order. Returns how many leading spans arrived whole
 * (COUNT: all of them; fewer: the next one is not mapped), or negative errno when nothing can be
 * read any more (-ESRCH, -EPERM). A span of size 0 is skipped and counts as whole. */
ssize_t pyro_memory_read_spans(const struct pyro_memory *memory, const struct pyro_span *spans,
                               size_t count);

/* A pointer stored at ADDR. */
int pyro_memory_read_addr(const struct pyro_memory *memory, pyro_addr addr, pyro_addr *ret_addr);

/* 0 for a memory that is no process. */
pid_t pyro_memory_pid(const struct pyro_memory *memory);

#endif
