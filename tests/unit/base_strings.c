/* tests/unit/base_strings.c - base/strings.h. */
#include "base/strings.h"

#include "check.h"

static void equal_texts_get_equal_ids(void)
{
    struct pyro_strings strings = {0};
    char text[32];
    CHECK_STR(pyro_strings_text(&strings, 0), "");
    CHECK_EQ(pyro_strings_intern(&strings, "", 0), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i <= 10000; i++) {
            int length = snprintf(text, sizeof(text), "name %d", i);
            CHECK_EQ(pyro_strings_intern(&strings, text, (size_t)length), i);
        }
    }
    CHECK_EQ(strings.count, 10001);
    CHECK_STR(pyro_strings_text(&strings, 1), "name 1");
    CHECK_STR(pyro_strings_text(&strings, 10000), "name 10000");
    CHECK_EQ(pyro_strings_length(&strings, 10000), 10);
    pyro_strings_free(&strings);
    CHECK_EQ(strings.count, 0);
}

static void unknown_ids_are_empty(void)
{
    struct pyro_strings strings = {0};
    CHECK_EQ(pyro_strings_intern(&strings, "x", 1), 1);
    CHECK_STR(pyro_strings_text(&strings, 2), "");
    CHECK_STR(pyro_strings_text(&strings, UINT32_MAX), "");
    CHECK_EQ(pyro_strings_length(&strings, 2), 0);
    pyro_strings_free(&strings);
}

static void any_byte_is_kept(void)
{
    struct pyro_strings strings = {0};
    CHECK_EQ(pyro_strings_intern(&strings, "a\0b", 3), 1);
    CHECK_EQ(pyro_strings_intern(&strings, "a\0c", 3), 2);
    CHECK_EQ(pyro_strings_intern(&strings, "a", 1), 3);
    CHECK_EQ(pyro_strings_intern(&strings, "a\0b", 3), 1);
    CHECK_EQ(pyro_strings_length(&strings, 1), 3);
    CHECK(memcmp(pyro_strings_text(&strings, 2), "a\0c", 4) == 0);
    pyro_strings_free(&strings);
}

/* Two texts in one chain: made by entering the second under the hash of the first. */
static void texts_of_equal_hash_are_told_apart(void)
{
    struct pyro_strings strings = {0};
    CHECK_EQ(pyro_strings_intern(&strings, "first", 5), 1);
    *pyro_map_insert(&strings.by_hash, pyro_hash_bytes_here("second", 6), 0, NULL) = 1;
    CHECK_EQ(pyro_strings_intern(&strings, "second", 6), 2);
    CHECK_EQ(strings.items[2].next_same_hash, 1);
    CHECK_EQ(pyro_strings_intern(&strings, "second", 6), 2);
    *pyro_map_find(&strings.by_hash, pyro_hash_bytes_here("first", 5), 0) = 2;
    CHECK_EQ(pyro_strings_intern(&strings, "first", 5), 1);
    pyro_strings_free(&strings);
}

int main(void)
{
    return CHECK_MAIN(TEST(equal_texts_get_equal_ids), TEST(unknown_ids_are_empty),
                      TEST(any_byte_is_kept), TEST(texts_of_equal_hash_are_told_apart));
}
