/* What C code allocates itself, in sizes that a test knows: one function for each allocator, which leaves what it says. For ctypes.CDLL,
 * without the GIL. And the slots by which all loaded objects call those allocators, as they stand. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define COUNT 40

static void must(int holds)
{
    if (!holds)
        abort();
}

/* Every second one is freed. */
static void free_half(void *volatile *blocks)
{
    for (int i = 0; i < COUNT; i += 2)
        free(blocks[i]);
}

void by_malloc(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must((blocks[i] = malloc(1000)) != NULL);
    free_half(blocks);
}

void by_calloc(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must((blocks[i] = calloc(10, 70)) != NULL);
    free_half(blocks);
}

void by_realloc(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        must((blocks[i] = realloc(NULL, 100)) != NULL);
        must((blocks[i] = realloc(blocks[i], 90000)) != NULL);
        must((blocks[i] = realloc(blocks[i], 500)) != NULL);
    }
    free_half(blocks);
}

/* A failed one moves nothing, and a size of 0 frees. */
void by_failing_realloc(void)
{
    void *volatile blocks[COUNT];
    volatile size_t too_much = SIZE_MAX / 2;
    for (int i = 0; i < COUNT; i++) {
        must((blocks[i] = malloc(300)) != NULL);
        must(realloc(blocks[i], too_much) == NULL);
    }
    for (int i = 0; i < COUNT; i += 2)
        must(realloc(blocks[i], 0) == NULL);
}

void by_posix_memalign(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must(posix_memalign((void **)&blocks[i], 64, 2000) == 0);
    free_half(blocks);
}

void by_aligned_alloc(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must((blocks[i] = aligned_alloc(128, 1280)) != NULL);
    free_half(blocks);
}

void by_memalign(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must((blocks[i] = memalign(4096, 4096)) != NULL);
    free_half(blocks);
}

/* By addresses that lie in data: a relocation tells where. */
static struct table {
    void *(*allocate)(size_t size);
    void *(*change)(void *block, size_t size);
    void (*release)(void *block);
} table = {malloc, realloc, free};

void by_table(void)
{
    void *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        must((blocks[i] = table.allocate(600)) != NULL);
    for (int i = 0; i < COUNT; i += 2)
        table.release(blocks[i]);
}

/* Of ten pages, three in the middle are given back, then the first two; of ten others all, in three parts. One page is mapped over. */
void by_mmap(void)
{
    const int how = MAP_PRIVATE | MAP_ANONYMOUS;
    char *left = mmap(NULL, 40960, PROT_READ | PROT_WRITE, how, -1, 0);
    char *gone = mmap(NULL, 40960, PROT_READ | PROT_WRITE, how, -1, 0);
    must(left != MAP_FAILED && gone != MAP_FAILED);
    must(munmap(left + 12288, 12288) == 0 && munmap(left, 8192) == 0);
    must(munmap(gone + 8192, 8192) == 0 && munmap(gone, 12288) == 0 && munmap(gone, 40960) == 0);
    must(mmap(left + 8192, 4096, PROT_READ | PROT_WRITE, how | MAP_FIXED, -1, 0) == left + 8192);
}

/* 30 pages become 50, which move or do not. */
void by_mremap(void)
{
    char *pages = mmap(NULL, 30 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pages != MAP_FAILED);
    must(mremap(pages, 30 * 4096, 50 * 4096, MREMAP_MAYMOVE) != MAP_FAILED);
}

/* Address space is no memory. */
void by_reserving(void)
{
    must(mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void *in_thread(void *unused)
{
    by_malloc();
    return unused;
}

/* A thread that Python does not know. */
void by_thread(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    must(pthread_join(thread, NULL) == 0);
}

/* -- across threads ----------------------------------------------------------------------------- */

#define SLOTS    4096
#define SMALLEST 4096
#define SIZES    3000

struct block {
    size_t size;
};
static struct block *_Atomic shared[SLOTS];
static _Atomic uint64_t told[2]; /* bytes that were allocated, and that are left */

static uint32_t below(uint64_t *random, uint32_t count)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % count);
}

/* Takes what other threads left in a slot, and leaves something else there, until SECONDS have passed. */
void hammer(uint64_t seed, double seconds)
{
    struct timespec now, first;
    uint64_t random = seed, allocated = 0, left = 0;
    clock_gettime(CLOCK_MONOTONIC, &first);
    do {
        for (int i = 0; i < 1000; i++) {
            size_t size = SMALLEST + below(&random, SIZES);
            uint32_t slot = below(&random, SLOTS);
            struct block *block = atomic_exchange(&shared[slot], NULL);
            left -= block ? block->size : 0;
            if (block && below(&random, 2)) {
                free(block);
                continue;
            }
            block = block               ? table.change(block, size)
                    : below(&random, 2) ? malloc(size)
                                        : calloc(1, size);
            must(block != NULL);
            block->size = size;
            allocated += size;
            left += size;
            struct block *other = atomic_exchange(&shared[slot], block);
            left -= other ? other->size : 0;
            table.release(other);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - first.tv_sec) + (double)(now.tv_nsec - first.tv_nsec) / 1e9 <
             seconds);
    atomic_fetch_add(&told[0], allocated);
    atomic_fetch_add(&told[1], left);
}

void tell(uint64_t figures[2])
{
    figures[0] = told[0];
    figures[1] = told[1];
}

/* -- slots -------------------------------------------------------------------------------------- */

static const char *const names[] = {
    "malloc",   "calloc", "realloc", "reallocarray", "free",   "posix_memalign", "aligned_alloc",
    "memalign", "valloc", "mmap",    "mmap64",       "munmap", "mremap",         "dlopen"};

struct found {
    uint64_t *pairs; /* address of a slot, what stands there */
    size_t count, room;
};

static const void *at(const struct dl_phdr_info *info, uint64_t value)
{
    return (const void *)(value >= info->dlpi_addr ? value : info->dlpi_addr + value);
}

static void look(const struct dl_phdr_info *info, const Elf64_Rela *table, size_t size,
                 const Elf64_Sym *symbols, const char *strings, struct found *found)
{
    for (size_t i = 0; table && i < size / sizeof(*table); i++) {
        uint64_t symbol = ELF64_R_SYM(table[i].r_info);
        const uint64_t *slot = (const uint64_t *)(info->dlpi_addr + table[i].r_offset);
        for (size_t j = 0; symbol && j < sizeof(names) / sizeof(names[0]); j++)
            if (strcmp(strings + symbols[symbol].st_name, names[j]) == 0 &&
                found->count + 2 <= found->room) {
                found->pairs[found->count++] = (uint64_t)slot;
                found->pairs[found->count++] = *slot;
            }
    }
}

static int look_at(struct dl_phdr_info *info, size_t size, void *found)
{
    uint64_t values[DT_JMPREL + 1] = {0};
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            for (const Elf64_Dyn *entry =
                     (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
                 entry->d_tag != DT_NULL; entry++)
                if (entry->d_tag <= DT_JMPREL)
                    values[entry->d_tag] = entry->d_un.d_val;
    if (!values[DT_SYMTAB] || !values[DT_STRTAB])
        return 0;
    const Elf64_Sym *symbols = at(info, values[DT_SYMTAB]);
    const char *strings = at(info, values[DT_STRTAB]);
    if (values[DT_RELA])
        look(info, at(info, values[DT_RELA]), values[DT_RELASZ], symbols, strings, found);
    if (values[DT_JMPREL])
        look(info, at(info, values[DT_JMPREL]), values[DT_PLTRELSZ], symbols, strings, found);
    return 0;
}

/* Pairs of a slot's address and what stands there, up to ROOM numbers. How many. */
size_t slots(uint64_t *pairs, size_t room)
{
    struct found found = {.pairs = pairs, .room = room};
    dl_iterate_phdr(look_at, &found);
    return found.count;
}
