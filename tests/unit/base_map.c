/* tests/unit/base_map.c - base/map.h. */
#include "base/map.h"

#include "check.h"

static uint64_t key_of(uint64_t i)
{
    return i << 20; /* addresses of arenas: low bits all alike */
}

static void every_key_is_found_with_its_value(void)
{
    struct pyro_map map = {0};
    bool is_new;
    CHECK(pyro_map_find(&map, 0, 0) == NULL);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t *value = pyro_map_insert(&map, key_of(i), i % 3, &is_new);
        CHECK(value && is_new);
        CHECK_EQ(*value, 0);
        *value = i;
    }
    CHECK_EQ(map.count, 20000);
    CHECK(map.count < map.capacity);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t *value = pyro_map_find(&map, key_of(i), i % 3);
        CHECK(value);
        CHECK_EQ(*value, i);
        CHECK(pyro_map_insert(&map, key_of(i), i % 3, &is_new) == value);
        CHECK(!is_new);
        CHECK(pyro_map_find(&map, key_of(i), i % 3 + 1) == NULL);
    }
    CHECK_EQ(map.count, 20000);
    pyro_map_free(&map);
    CHECK(map.slots == NULL && map.capacity == 0);
}

static void zero_and_all_ones_are_keys_like_others(void)
{
    struct pyro_map map = {0};
    *pyro_map_insert(&map, 0, 0, NULL) = 7;
    *pyro_map_insert(&map, UINT64_MAX, UINT64_MAX, NULL) = 8;
    *pyro_map_insert(&map, 0, UINT64_MAX, NULL) = 9;
    CHECK_EQ(*pyro_map_find(&map, 0, 0), 7);
    CHECK_EQ(*pyro_map_find(&map, UINT64_MAX, UINT64_MAX), 8);
    CHECK_EQ(*pyro_map_find(&map, 0, UINT64_MAX), 9);
    CHECK(pyro_map_find(&map, UINT64_MAX, 0) == NULL);
    pyro_map_clear(&map);
    CHECK_EQ(map.count, 0);
    CHECK(pyro_map_find(&map, 0, 0) == NULL);
    CHECK_EQ(*pyro_map_insert(&map, 0, 0, NULL), 0);
    pyro_map_free(&map);
}

static void reserved_room_is_enough(void)
{
    struct pyro_map map = {0};
    CHECK_EQ(pyro_map_reserve(&map, 1000), 0);
    const struct pyro_map_slot *slots = map.slots;
    for (uint64_t i = 0; i < 1000; i++)
        CHECK(pyro_map_insert(&map, i, i, NULL));
    CHECK(map.slots == slots);
    CHECK_EQ(pyro_map_reserve(&map, 10), 0);
    CHECK(map.slots == slots);
    CHECK(pyro_map_reserve(&map, SIZE_MAX / 8) < 0);
    CHECK_EQ(map.count, 1000);
    pyro_map_free(&map);
}

static void similar_texts_have_different_hashes(void)
{
    struct pyro_map seen = {0};
    char text[64];
    for (int i = 0; i < 50000; i++) {
        bool is_new;
        int length = snprintf(text, sizeof(text), "package.module.function_%d", i);
        pyro_map_insert(&seen, pyro_hash_bytes(text, (size_t)length), 0, &is_new);
        CHECK(is_new);
    }
    CHECK(pyro_hash_bytes("a", 1) != pyro_hash_bytes("a\0", 2));
    CHECK(pyro_hash_bytes("", 0) == pyro_hash_bytes(NULL, 0));
    pyro_map_free(&seen);
}

/* The value whose pyro_hash_u64() is HASH. */
static uint64_t unhash(uint64_t hash)
{
    const uint64_t factor = 0xd6e8feb86659fd93u;
    uint64_t inverse =
        factor; /* of an odd number, by Newton: each step doubles the bits that are right */
    for (int i = 0; i < 6; i++)
        inverse *= 2 - factor * inverse;
    for (int i = 0; i < 2; i++)
        hash = (hash ^ hash >> 32) * inverse;
    return hash ^ hash >> 32;
}

static void nobody_chooses_keys_that_all_lie_at_one_place(void)
{
    struct pyro_map map = {0};
    CHECK_EQ(pyro_hash_u64(unhash(12345)), 12345);
    CHECK_EQ(pyro_map_reserve(&map, 20000), 0);
    for (uint64_t i = 0; i < 10000; i++)
        CHECK(pyro_map_insert(&map, unhash(i << 32), 0, NULL));
    size_t run = 0, longest = 0;
    for (size_t i = 0; i < map.capacity; i++) {
        run = map.slots[i].used ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    CHECK(longest < 200);
    pyro_map_free(&map);
}

/* Of two words each, the second such that all have one hash, were that not begun by something they do not know. */
static void nobody_chooses_texts_of_one_hash(void)
{
    const uint64_t step = 0x9e3779b97f4a7c15u;
    struct pyro_map everywhere = {0}, here = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t words[2] = {i, pyro_hash_u64((step ^ sizeof(words)) ^ i) + step};
        CHECK(pyro_map_insert(&everywhere, pyro_hash_bytes(words, sizeof(words)), 0, NULL));
        CHECK(pyro_map_insert(&here, pyro_hash_bytes_here(words, sizeof(words)), 0, NULL));
    }
    CHECK_EQ(everywhere.count, 1);
    CHECK_EQ(here.count, 1000);
    pyro_map_free(&everywhere);
    pyro_map_free(&here);
}

static void mapped_slots_are_like_others(void)
{
    struct pyro_map map = PYRO_MAP_OF_PAGES;
    for (uint64_t i = 0; i < 5000; i++)
        *pyro_map_insert(&map, i, i / 3, NULL) = i;
    for (uint64_t i = 0; i < 5000; i++)
        CHECK_EQ(*pyro_map_find(&map, i, i / 3), i);
    pyro_map_clear(&map);
    CHECK(pyro_map_find(&map, 7, 2) == NULL);
    pyro_map_free(&map);
    CHECK(map.of_pages && !map.slots);
    CHECK(pyro_map_insert(&map, 7, 2, NULL));
    pyro_map_free(&map);
}

int main(void)
{
    return CHECK_MAIN(TEST(every_key_is_found_with_its_value),
                      TEST(zero_and_all_ones_are_keys_like_others), TEST(reserved_room_is_enough),
                      TEST(similar_texts_have_different_hashes),
                      TEST(nobody_chooses_keys_that_all_lie_at_one_place),
                      TEST(nobody_chooses_texts_of_one_hash), TEST(mapped_slots_are_like_others));
}
