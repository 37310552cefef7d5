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

int main(void)
{
    return CHECK_MAIN(TEST(every_key_is_found_with_its_value),
                      TEST(zero_and_all_ones_are_keys_like_others), TEST(reserved_room_is_enough),
                      TEST(similar_texts_have_different_hashes));
}
