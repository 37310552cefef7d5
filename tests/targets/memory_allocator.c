/* An allocator that programs preload: small blocks from one arena, large ones of pages of their own, which free() unmaps. So an allocation may
 * call mmap() and munmap() where those are not C's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE (UINT64_C(16) << 10)

struct block {
    size_t size;
    size_t pages; /* bytes; 0: of the arena */
};

static char arena[UINT64_C(512) << 20];
static size_t used;

static void *from_arena(size_t alignment, size_t size)
{
    size_t at =
        __atomic_fetch_add(&used, size + alignment + sizeof(struct block), __ATOMIC_RELAXED);
    if (size > sizeof(arena) || at > sizeof(arena) - size - alignment - sizeof(struct block))
        return NULL;
    uintptr_t start =
        ((uintptr_t)arena + at + sizeof(struct block) + alignment - 1) & ~(alignment - 1);
    ((struct block *)start)[-1] = (struct block){.size = size};
    return (void *)start;
}

static void *from_pages(size_t size)
{
    size_t bytes = (size + sizeof(struct block) + 4095) & ~(size_t)4095;
    struct block *block =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    *block = (struct block){.size = size, .pages = bytes};
    return block + 1;
}

static void *allocate(size_t alignment, size_t size)
{
    void *block = size >= LARGE && size < SIZE_MAX / 2 && alignment <= 16
                      ? from_pages(size)
                      : from_arena(alignment, (size + 15) & ~(size_t)15);
    if (!block)
        errno = ENOMEM;
    return block;
}

void *malloc(size_t size)
{
    return allocate(16, size);
}

void free(void *memory)
{
    struct block *block = (struct block *)memory - 1;
    if (memory && block->pages)
        (void)munmap(block, block->pages);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return allocate(16, bytes); /* zeroed: nothing is used twice */
}

void *realloc(void *memory, size_t size)
{
    void *moved = allocate(16, size);
    if (moved && memory) {
        size_t before = ((struct block *)memory)[-1].size;
        memcpy(moved, memory, before < size ? before : size);
        free(memory);
    }
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return allocate(alignment < 16 ? 16 : alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    *ret_block = memalign(alignment, size);
    return *ret_block ? 0 : ENOMEM;
}
