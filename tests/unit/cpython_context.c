/* Contexts in memory that is made up: each kind of node, and what is no context at all. */
#include "check.h"

#include "cpython/context.h"

#include <errno.h>
#include <stdint.h>

#define BASE     0x10000
#define CONTEXT  (BASE + 0x000)
#define TRIE     (BASE + 0x100)
#define ARRAY    (BASE + 0x200)
#define BITMAP   (BASE + 0x400)
#define COLLIDES (BASE + 0x500)
#define SIZE     0x600
#define VARIABLE 0x7000
#define OTHER    0x8000
#define VALUE    0x9000
#define HASH     (3u | 9u << 5 | 17u << 10) /* places 3, 9 and 17 of the first three levels */

static uint64_t words[SIZE / 8];

static void put(uint64_t address, uint64_t value)
{
    words[(address - BASE) / 8] = value;
}

/* A bitmap with two entries: at place LOW that of OTHER, and at place HIGH one of KEY and VALUE. */
static void put_bitmap(uint64_t at, uint32_t low, uint32_t high, uint64_t key, uint64_t value)
{
    put(at + 16, 4);
    put(at + 24, 1u << low | 1u << high);
    put(at + 32, OTHER);
    put(at + 40, VALUE + 1);
    put(at + 48, key);
    put(at + 56, value);
}

/* The trie's root is an array, whose place 3 has a bitmap, whose place 9 has the variable. */
static void make(void)
{
    memset(words, 0, sizeof(words));
    put(CONTEXT + 24, TRIE);
    put(TRIE + 16, ARRAY);
    put(ARRAY + 16 + 8 * 3, BITMAP);
    put_bitmap(BITMAP, 8, 9, VARIABLE, VALUE);
}

static int find(uint32_t hash, uint64_t *ret_value)
{
    const struct pyro_segment segment = {pyro_addr_at(BASE), words, sizeof(words)};
    struct pyro_memory *memory;
    pyro_addr value = {0};
    CHECK_EQ(pyro_memory_from_segments(&segment, 1, &memory), 0);
    int code =
        pyro_context_value(memory, pyro_addr_at(CONTEXT), pyro_addr_at(VARIABLE), hash, &value);
    pyro_memory_free(memory);
    *ret_value = value.u;
    return code;
}

static void found_in_each_kind_of_node(void)
{
    uint64_t value;
    make();
    CHECK_EQ(find(HASH, &value), 0);
    CHECK_EQ(value, VALUE);
    put_bitmap(BITMAP, 8, 9, 0, ARRAY); /* a level more: place 17 of the same array */
    put(ARRAY + 16 + 8 * 17, COLLIDES);
    put_bitmap(COLLIDES, 0, 1, VARIABLE, VALUE + 2); /* of the fourth level, whose place is 0 */
    CHECK_EQ(find(HASH | 1u << 15, &value), 0);
    CHECK_EQ(value, VALUE + 2);
    make();
    put(TRIE + 16, BITMAP);
    put_bitmap(BITMAP, 2, 3, VARIABLE, VALUE);
    CHECK_EQ(find(HASH, &value), 0);
    CHECK_EQ(value, VALUE);
}

static void what_it_does_not_have(void)
{
    uint64_t value;
    make();
    CHECK_EQ(find(HASH + 1, &value), -ENOENT);      /* an empty place of the array */
    CHECK_EQ(find(3u | 10u << 5, &value), -ENOENT); /* a bit that is not set */
    CHECK_EQ(find(3u | 8u << 5, &value), -ENOENT);  /* another variable's */
    put(CONTEXT + 24, 0);                           /* a context without a trie */
    CHECK_EQ(find(HASH, &value), -EFAULT);
}

static void what_is_no_context(void)
{
    uint64_t value;
    make();
    put(ARRAY + 16 + 8 * 3, ARRAY); /* a circle: it ends with the hash */
    CHECK_EQ(find(3u | 3u << 5 | 3u << 10 | 3u << 15 | 3u << 20 | 3u << 25 | 3u << 30, &value),
             -ENOENT);
    make();
    put(BITMAP + 16, 6); /* more entries than bits: names that have the same hash, or garbage */
    CHECK(find(HASH, &value) < 0);
    make();
    put(TRIE + 16, BASE + SIZE - 16); /* reaches beyond what is mapped */
    CHECK_EQ(find(HASH, &value), -EFAULT);
    make();
    put(ARRAY + 16 + 8 * 3, UINT64_MAX - 8); /* wraps around */
    CHECK_EQ(find(HASH, &value), -EFAULT);
    memset(words, 0xff, sizeof(words));
    CHECK_EQ(find(HASH, &value), -EFAULT);
}

int main(void)
{
    return CHECK_MAIN(TEST(found_in_each_kind_of_node), TEST(what_it_does_not_have),
                      TEST(what_is_no_context));
}
