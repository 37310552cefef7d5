/* base/grow.h - arrays that grow. */
#ifndef PYRO_BASE_GROW_H
#define PYRO_BASE_GROW_H

#include <stddef.h>

/* Room for one more item of an array: ITEMS_POINTER is the address of the pointer to its items, of which there are
 * COUNT. The room doubles. -ENOMEM: all is as it was. */
int pyro_grow(void *items_pointer, size_t count, size_t *capacity, size_t item_size);

#endif
