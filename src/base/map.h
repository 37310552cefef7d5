/* base/map.h - a hash map from a 64-bit key, or a pair of them, to a 64-bit value.
 *
 * Open addressing, power-of-two capacity, no deletion but clear. A zeroed map is empty and ready, its slots allocated by
 * malloc(); one that begins as PYRO_MAP_OF_PAGES has them mapped, and never calls malloc() or free(). Where a key lies is
 * another place in each process, so that nobody can choose keys that all lie at one. Any key is allowed, 0 included. Values
 * found through the pointers below stay valid until the next insertion. Not thread-safe. */
#ifndef PYRO_BASE_MAP_H
#define PYRO_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pyro_map_slot {
    uint64_t key[2];
    uint64_t value;
    bool used;
};
struct pyro_map {
    struct pyro_map_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    bool of_pages; /* the slots are mapped, not allocated */
};
#define PYRO_MAP_OF_PAGES ((struct pyro_map){.of_pages = true})

/* The value, or NULL when the key is not there. */
uint64_t *pyro_map_find(const struct pyro_map *map, uint64_t key0, uint64_t key1);
/* The value, inserted as 0 when the key was not there (*ret_new tells; may be NULL). NULL: out of memory. */
uint64_t *pyro_map_insert(struct pyro_map *map, uint64_t key0, uint64_t key1, bool *ret_new);
int pyro_map_reserve(struct pyro_map *map,
                     size_t count);        /* so that COUNT keys fit without growing */
void pyro_map_clear(struct pyro_map *map); /* keeps the memory */
void pyro_map_free(struct pyro_map *map);  /* leaves it as it began */

static inline uint64_t pyro_hash_u64(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    return value ^ value >> 32;
}
/* The same everywhere, for what is compared or shown. Whoever chooses the bytes can choose two that have the same. */
uint64_t pyro_hash_bytes(const void *data, size_t size);
/* Another one in each process: for tables of what comes from outside. */
uint64_t pyro_hash_bytes_here(const void *data, size_t size);

#endif
