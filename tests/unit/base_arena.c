/* tests/unit/base_arena.c - base/arena.h. */
#include "base/arena.h"

#include "check.h"

#include <stdint.h>

static void memory_is_zeroed_aligned_and_stays(void)
{
    struct pyro_arena arena = {0};
    enum { COUNT = 5000 };
    static uint8_t *pieces[COUNT];
    for (int i = 0; i < COUNT; i++) {
        size_t size = (size_t)(i * 37 % 700);
        pieces[i] = pyro_arena_alloc(&arena, size);
        CHECK(pieces[i]);
        CHECK_EQ((uintptr_t)pieces[i] % 16, 0);
        for (size_t k = 0; k < size; k++)
            CHECK_EQ(pieces[i][k], 0);
        memset(pieces[i], i, size);
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < (size_t)(i * 37 % 700); k++)
            CHECK_EQ(pieces[i][k], (uint8_t)i);
    }
    CHECK(arena.used_bytes >= 5000 * 340);
    pyro_arena_free(&arena);
    CHECK(arena.blocks == NULL && arena.used_bytes == 0);
    pyro_arena_free(&arena);
}

static void large_pieces_do_not_waste_the_block(void)
{
    struct pyro_arena arena = {0};
    char *large = pyro_arena_alloc(&arena, 1 << 20);
    char *first = pyro_arena_alloc(&arena, 16);
    char *another = pyro_arena_alloc(&arena, 3 << 20);
    char *second = pyro_arena_alloc(&arena, 16);
    CHECK(large && first && another && second);
    memset(large, 1, 1 << 20);
    memset(another, 2, 3 << 20);
    CHECK_EQ(first[0] | second[15], 0);
    CHECK(second - first > 0 && second - first < 64); /* the same block goes on */
    pyro_arena_free(&arena);
}

static void strings_are_copied_and_ended(void)
{
    struct pyro_arena arena = {0};
    char source[] = "module\0name";
    char *copy = pyro_arena_strndup(&arena, source, sizeof(source) - 1);
    source[0] = '!';
    CHECK(memcmp(copy, "module\0name", 12) == 0);
    CHECK_STR(pyro_arena_strndup(&arena, "abc", 2), "ab");
    CHECK_STR(pyro_arena_strndup(&arena, NULL, 0), "");
    CHECK(pyro_arena_strndup(&arena, "", SIZE_MAX) == NULL);
    CHECK(pyro_arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(pyro_arena_alloc(&arena, SIZE_MAX - 8) == NULL);
    pyro_arena_free(&arena);
}

int main(void)
{
    return CHECK_MAIN(TEST(memory_is_zeroed_aligned_and_stays),
                      TEST(large_pieces_do_not_waste_the_block),
                      TEST(strings_are_copied_and_ended));
}
