/* probe/blocks.c - the memory of one recording. */
#include "probe/blocks.h"

#include "base/map.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14: fails where a first touch would kill */
#endif

static const volatile struct pyro_armed never = {0};
volatile struct pyro_armed *pyro_armed = (volatile struct pyro_armed *)&never;

static uint8_t *memory;
static size_t memory_size;
static uint32_t block_count;
static _Atomic uint32_t
    claimed; /* by this process; each claim adds one, without a GIL at once with others */
static uint64_t generations;
static struct pyro_process_block *process;

static struct pyro_tables_head *head(void)
{
    return (struct pyro_tables_head *)memory;
}

static int map_armed(void)
{
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -errno;
    if (madvise(page, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) < 0) {
        int error = -errno;
        munmap(page, (size_t)sysconf(_SC_PAGESIZE));
        return error;
    }
    pyro_armed = page;
    return 0;
}

static int check_head(size_t size)
{
    if (head()->magic != PYRO_TABLES_MAGIC || head()->block_size != PYRO_BLOCK_SIZE ||
        head()->block_count > PYRO_BLOCKS_MAX ||
        (size_t)head()->block_count * PYRO_BLOCK_SIZE > size)
        return -EPROTO;
    block_count = head()->block_count;
    return 0;
}

int pyro_blocks_open(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    size_t size = (size_t)status.st_size;
    if (size < PYRO_BLOCK_SIZE)
        return -EPROTO;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    memory = mapped;
    memory_size = size;
    int error = check_head(size);
    if (error == 0)
        error = map_armed();
    if (error < 0) {
        munmap(mapped, size);
        memory = NULL;
    }
    return error;
}

/* Threads that end do so without the GIL: they count themselves in, and look whether it is open; _close() says that it is
 * not any more, and looks whether they are there. */
static _Atomic uint64_t open_generation;
static _Atomic uint32_t holders;

bool pyro_blocks_hold(uint64_t generation)
{
    atomic_fetch_add(&holders, 1);
    if (generation && atomic_load(&open_generation) == generation)
        return true;
    atomic_fetch_sub(&holders, 1);
    return false;
}

void pyro_blocks_let_go(void)
{
    atomic_fetch_sub(&holders, 1);
}

void pyro_blocks_close(void)
{
    if (!memory)
        return;
    atomic_store(&open_generation, 0);
    while (atomic_load(&holders)) /* each for a few stores */
        sched_yield();
    munmap(memory, memory_size);
    munmap((void *)pyro_armed, (size_t)sysconf(_SC_PAGESIZE));
    memory = NULL;
    process = NULL;
    pyro_armed = (volatile struct pyro_armed *)&never;
}

/* The next free block, its pages made now: a machine without memory must not kill the program later. */
static struct pyro_block_head *claim(void)
{
    if (!memory || atomic_load_explicit(&claimed, memory_order_relaxed) >= PYRO_PROCESS_BLOCKS)
        return NULL;
    uint32_t index = atomic_load_explicit(&head()->used, memory_order_relaxed);
    do {
        if (index >= block_count)
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&head()->used, &index, index + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    void *block = memory + (size_t)index * PYRO_BLOCK_SIZE;
    if (madvise(block, PYRO_BLOCK_SIZE, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
        return NULL;
    atomic_fetch_add_explicit(&claimed, 1, memory_order_relaxed);
    return block;
}

uint32_t pyro_blocks_index(const void *block)
{
    return (uint32_t)(((const uint8_t *)block - memory) / PYRO_BLOCK_SIZE);
}

/* As pyro_process_image() of target/process.h sees it from outside. */
static uint64_t image(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    return random ? pyro_hash_bytes(random, 16) : 0;
}

struct pyro_process_block *pyro_blocks_begin_process(uint32_t next_id)
{
    struct pyro_process_block *parent = process;
    atomic_store_explicit(&claimed, 0, memory_order_relaxed);
    struct pyro_process_block *block = (struct pyro_process_block *)claim();
    if (!block) {
        atomic_fetch_add_explicit(&head()->turned_away, 1, memory_order_relaxed);
        return NULL;
    }
    block->head.process = pyro_blocks_index(block);
    block->pid = getpid();
    block->image = image();
    block->parent = parent ? pyro_blocks_index(parent) : 0;
    block->inherited = parent ? next_id : 0;
    if (parent) {
        block->python_version = parent->python_version;
        block->c_calls = parent->c_calls;
        block->start_ns = parent->start_ns;
        block->call_ns = parent->call_ns;
        memcpy(block->gauge_ticks, parent->gauge_ticks, sizeof(block->gauge_ticks));
        block->traces = parent->traces;
        block->tick_ns = parent->tick_ns;
        block->trace_costs = parent->trace_costs;
        block->line_costs = parent->line_costs;
    }
    atomic_store_explicit(&block->head.kind, PYRO_BLOCK_PROCESS, memory_order_release);
    process = block;
    return block;
}

struct pyro_process_block *pyro_blocks_process(void)
{
    return process;
}

const struct pyro_block_head *pyro_blocks_next(const struct pyro_block_head *block,
                                               enum pyro_block_kind kind)
{
    uint32_t used = atomic_load_explicit(&head()->used, memory_order_relaxed);
    if (used > block_count)
        used = block_count;
    for (uint32_t i = block ? pyro_blocks_index(block) + 1 : 1; i < used; i++) {
        const struct pyro_block_head *next =
            (const struct pyro_block_head *)(memory + (size_t)i * PYRO_BLOCK_SIZE);
        if (next->kind == kind && next->process == pyro_blocks_index(process))
            return next;
    }
    return NULL;
}

bool pyro_blocks_scarce(void)
{
    return atomic_load_explicit(&claimed, memory_order_relaxed) > PYRO_PROCESS_BLOCKS / 2 ||
           atomic_load_explicit(&head()->used, memory_order_relaxed) > block_count / 2;
}

void *pyro_blocks_claim(enum pyro_block_kind kind, uint32_t thread)
{
    struct pyro_block_head *block = claim();
    if (!block)
        return NULL;
    block->process = pyro_blocks_index(process);
    block->thread = thread;
    atomic_store_explicit(&block->kind, kind, memory_order_release);
    return block;
}

void pyro_blocks_lose(void)
{
    if (process)
        atomic_fetch_add_explicit(&process->lost, 1, memory_order_relaxed); /* reader: collect.c */
}

void pyro_blocks_say(const char *reason)
{
    if (!process || strstr(process->reason, reason))
        return;
    size_t used = strlen(process->reason);
    (void)snprintf(process->reason + used, sizeof(process->reason) - used, "%s%s", used ? "; " : "",
                   reason);
}

void pyro_blocks_arm(void)
{
    pyro_armed->generation = ++generations;
    atomic_store(&open_generation, generations);
}

void pyro_blocks_disarm(void)
{
    pyro_armed->generation = 0;
}
