/* base/map.c - linear probing, at most three quarters full. */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define MAP_CAPACITY_FIRST 16

#define HASH_STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t hash_from(uint64_t hash, const void *data, size_t size);

static uint64_t seed; /* 0: not known yet. Two threads find the same. */

static uint64_t own_seed(void)
{
    uint64_t known = __atomic_load_n(&seed, __ATOMIC_RELAXED);
    if (known)
        return known;
    const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes by the kernel */
    known = (random ? hash_from(HASH_STEP, random, 16) : pyro_hash_u64((uintptr_t)&seed)) | 1;
    __atomic_store_n(&seed, known, __ATOMIC_RELAXED);
    return known;
}

/* Of a map with slots: the seed is known then. */
static uint64_t hash_key(uint64_t key0, uint64_t key1)
{
    uint64_t hash = pyro_hash_u64(key0 ^ __atomic_load_n(&seed, __ATOMIC_RELAXED));
    /* Most keys have no second half; one multiplication more for those that do. */
    return key1 ? pyro_hash_u64(hash + key1 * HASH_STEP) : hash;
}

/* The slot of the key, or the free one where it belongs. The map has a free slot. */
static struct pyro_map_slot *probe(const struct pyro_map *map, uint64_t key0, uint64_t key1)
{
    size_t mask = map->capacity - 1;
    size_t index = (size_t)hash_key(key0, key1) & mask;
    for (;; index = (index + 1) & mask) {
        struct pyro_map_slot *slot = &map->slots[index];
        if (!slot->used || (slot->key[0] == key0 && slot->key[1] == key1))
            return slot;
    }
}

/* Zeroed. NULL: out of memory. */
static struct pyro_map_slot *slots_new(size_t capacity, bool of_pages)
{
    if (!of_pages)
        return calloc(capacity, sizeof(struct pyro_map_slot));
    void *pages = mmap(NULL, capacity * sizeof(struct pyro_map_slot), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static void slots_free(struct pyro_map *map)
{
    if (!map->of_pages)
        free(map->slots);
    else if (map->slots)
        munmap(map->slots, map->capacity * sizeof(*map->slots));
}

static int rehash(struct pyro_map *map, size_t capacity)
{
    struct pyro_map grown = *map;
    (void)own_seed();
    grown.capacity = capacity;
    grown.slots = slots_new(capacity, map->of_pages);
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct pyro_map_slot *slot = &map->slots[i];
        if (slot->used)
            *probe(&grown, slot->key[0], slot->key[1]) = *slot;
    }
    slots_free(map);
    *map = grown;
    return 0;
}

static bool fits(size_t count, size_t capacity)
{
    return count <= capacity - capacity / 4;
}

int pyro_map_reserve(struct pyro_map *map, size_t count)
{
    if (count > SIZE_MAX / 4 / sizeof(struct pyro_map_slot))
        return -ENOMEM;
    size_t capacity = map->capacity ? map->capacity : MAP_CAPACITY_FIRST;
    while (!fits(count, capacity))
        capacity *= 2;
    return capacity == map->capacity ? 0 : rehash(map, capacity);
}

uint64_t *pyro_map_find(const struct pyro_map *map, uint64_t key0, uint64_t key1)
{
    if (map->count == 0)
        return NULL;
    struct pyro_map_slot *slot = probe(map, key0, key1);
    return slot->used ? &slot->value : NULL;
}

uint64_t *pyro_map_insert(struct pyro_map *map, uint64_t key0, uint64_t key1, bool *ret_new)
{
    struct pyro_map_slot *slot = map->count ? probe(map, key0, key1) : NULL;
    bool is_new = !slot || !slot->used;
    if (is_new) {
        if (!fits(map->count + 1, map->capacity) && pyro_map_reserve(map, map->count + 1) < 0)
            return NULL;
        slot = probe(map, key0, key1);
        *slot = (struct pyro_map_slot){.key = {key0, key1}, .used = true};
        map->count++;
    }
    if (ret_new)
        *ret_new = is_new;
    return &slot->value;
}

void pyro_map_clear(struct pyro_map *map)
{
    if (map->capacity)
        memset(map->slots, 0, map->capacity * sizeof(*map->slots));
    map->count = 0;
}

void pyro_map_free(struct pyro_map *map)
{
    slots_free(map);
    *map = (struct pyro_map){.of_pages = map->of_pages};
}

static uint64_t hash_from(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    hash ^= size;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        hash = pyro_hash_u64(hash ^ word) + HASH_STEP;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < size; i++)
        rest |= (uint64_t)bytes[i] << (8 * i);
    return pyro_hash_u64(hash ^ rest);
}

uint64_t pyro_hash_bytes(const void *data, size_t size)
{
    return hash_from(HASH_STEP, data, size);
}

uint64_t pyro_hash_bytes_here(const void *data, size_t size)
{
    return hash_from(own_seed(), data, size);
}
