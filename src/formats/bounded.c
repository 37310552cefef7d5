/* formats/bounded.c - malloc, counted. */
#include "formats/bounded.h"

#include <malloc.h>
#include <stdlib.h>

static struct {
    size_t limit_bytes, used_bytes;
    bool hit;
} bounded;

void pyro_bounded_begin(size_t limit_bytes)
{
    bounded.limit_bytes = limit_bytes;
    bounded.used_bytes = 0;
    bounded.hit = false;
}

void *pyro_bounded_alloc(size_t size)
{
    if (size > bounded.limit_bytes - bounded.used_bytes) {
        bounded.hit = true;
        return NULL;
    }
    void *block = malloc(size);
    if (block)
        bounded.used_bytes += malloc_usable_size(block);
    if (bounded.used_bytes > bounded.limit_bytes)
        bounded.used_bytes = bounded.limit_bytes; /* by the bytes past SIZE: nothing more fits */
    return block;
}

void pyro_bounded_free(void *block)
{
    size_t size = block ? malloc_usable_size(block) : 0;
    bounded.used_bytes -= size < bounded.used_bytes ? size : bounded.used_bytes;
    free(block);
}

bool pyro_bounded_was_hit(void)
{
    return bounded.hit;
}
