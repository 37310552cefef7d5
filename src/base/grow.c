/* base/grow.c - arrays that grow. */
#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

int pyro_grow(void *items_pointer, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return 0;
    void *items;
    memcpy(&items, items_pointer, sizeof(items));
    size_t grown = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    items = reallocarray(items, grown, item_size);
    if (!items)
        return -ENOMEM;
    memcpy(items_pointer, &items, sizeof(items));
    *capacity = grown;
    return 0;
}
