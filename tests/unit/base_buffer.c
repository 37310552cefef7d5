/* tests/unit/base_buffer.c - base/buffer.h. */
#include "base/buffer.h"

#include "check.h"

#include <stdint.h>

static void what_is_put_comes_back(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      127,
                                      128,
                                      16383,
                                      16384,
                                      UINT32_MAX,
                                      UINT64_C(1) << 56,
                                      UINT64_MAX,
                                      UINT64_MAX / 2,
                                      0x123456789abcdef};
    size_t count = sizeof(values) / sizeof(values[0]);
    struct pyro_buffer buffer = {0};
    for (size_t i = 0; i < count; i++) {
        pyro_buffer_put_u8(&buffer, (uint8_t)values[i]);
        pyro_buffer_put_u32(&buffer, (uint32_t)values[i]);
        pyro_buffer_put_u64(&buffer, values[i]);
        pyro_buffer_put_varint(&buffer, values[i]);
        pyro_buffer_put_zigzag(&buffer, (int64_t)values[i]);
        pyro_buffer_put_zigzag(&buffer, (int64_t)(0 - values[i]));
        pyro_buffer_put_bytes(&buffer, "hello", i % 6);
    }
    CHECK(!buffer.failed);
    struct pyro_reader reader = pyro_reader_over(buffer.data, buffer.size);
    for (size_t i = 0; i < count; i++) {
        size_t size;
        CHECK_EQ(pyro_reader_u8(&reader), (uint8_t)values[i]);
        CHECK_EQ(pyro_reader_u32(&reader), (uint32_t)values[i]);
        CHECK_EQ(pyro_reader_u64(&reader), values[i]);
        CHECK_EQ(pyro_reader_varint(&reader), values[i]);
        CHECK_EQ(pyro_reader_zigzag(&reader), (int64_t)values[i]);
        CHECK_EQ(pyro_reader_zigzag(&reader), (int64_t)(0 - values[i]));
        const uint8_t *bytes = pyro_reader_bytes(&reader, &size);
        CHECK_EQ(size, i % 6);
        CHECK(bytes && memcmp(bytes, "hello", size) == 0);
    }
    CHECK(!reader.failed);
    CHECK_EQ(pyro_reader_left(&reader), 0);
    pyro_buffer_free(&buffer);
    CHECK(buffer.data == NULL && buffer.size == 0);
}

static void numbers_are_little_endian_and_small(void)
{
    struct pyro_buffer buffer = {0};
    pyro_buffer_put_u32(&buffer, 0x01020304);
    pyro_buffer_put_varint(&buffer, 300);
    pyro_buffer_put_zigzag(&buffer, -1);
    pyro_buffer_put_zigzag(&buffer, INT64_MIN);
    static const uint8_t wanted[] = {4,    3,    2,    1,    0xac, 2,    1,    0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    CHECK_EQ(buffer.size, sizeof(wanted));
    CHECK(memcmp(buffer.data, wanted, sizeof(wanted)) == 0);
    pyro_buffer_free(&buffer);
}

static void short_input_gives_zeros_and_fails(void)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct pyro_reader reader = pyro_reader_over(bytes, sizeof(bytes));
    CHECK_EQ(pyro_reader_u32(&reader), 0);
    CHECK(reader.failed);
    CHECK_EQ(pyro_reader_left(&reader), 0);
    CHECK_EQ(pyro_reader_u8(&reader), 0); /* and stays failed */
    CHECK(pyro_reader_take(&reader, 0) == NULL);
    reader = pyro_reader_over(bytes, sizeof(bytes));
    CHECK(pyro_reader_take(&reader, SIZE_MAX) == NULL);
    CHECK(reader.failed);
    reader = pyro_reader_over(bytes, sizeof(bytes));
    CHECK(pyro_reader_take(&reader, 3) == bytes);
    CHECK(!reader.failed);
    reader = pyro_reader_over(NULL, 0);
    CHECK_EQ(pyro_reader_u8(&reader), 0);
    CHECK(reader.failed);
}

static void torn_and_overlong_varints_fail(void)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
        bool good;
        uint64_t value;
    } cases[] = {
        {{0x80}, 1, false, 0},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, true, UINT64_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10, false, 0},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 11, false, 0},
        {{0x80, 0x00}, 2, true, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pyro_reader reader = pyro_reader_over(cases[i].bytes, cases[i].size);
        CHECK_EQ(pyro_reader_varint(&reader), cases[i].value);
        CHECK_EQ(reader.failed, !cases[i].good);
    }
}

static void bytes_longer_than_the_input_fail(void)
{
    struct pyro_buffer buffer = {0};
    size_t size = 1;
    pyro_buffer_put_varint(&buffer, UINT64_MAX);
    pyro_buffer_puts(&buffer, "abc");
    struct pyro_reader reader = pyro_reader_over(buffer.data, buffer.size);
    CHECK(pyro_reader_bytes(&reader, &size) == NULL);
    CHECK(reader.failed);
    CHECK_EQ(size, 0);
    pyro_buffer_free(&buffer);
}

static void text_is_appended(void)
{
    struct pyro_buffer buffer = {0};
    for (int i = 0; i < 100; i++)
        pyro_buffer_printf(&buffer, "%d,", i);
    pyro_buffer_puts(&buffer, "end");
    CHECK_EQ(buffer.size, 290 + 3);
    CHECK(memcmp(buffer.data + 287, "99,end", 6) == 0);
    size_t capacity = buffer.capacity;
    pyro_buffer_clear(&buffer);
    CHECK_EQ(buffer.size, 0);
    CHECK_EQ(buffer.capacity, capacity);
    pyro_buffer_free(&buffer);
    pyro_buffer_free(NULL);
}

static void an_impossible_size_fails_for_good(void)
{
    struct pyro_buffer buffer = {0};
    pyro_buffer_puts(&buffer, "ab");
    pyro_buffer_put(&buffer, "x", SIZE_MAX / 2); /* refused before it is copied */
    CHECK(buffer.failed);
    pyro_buffer_puts(&buffer, "cd");
    CHECK_EQ(buffer.size, 2);
    pyro_buffer_clear(&buffer);
    CHECK(!buffer.failed);
    pyro_buffer_free(&buffer);
}

int main(void)
{
    return CHECK_MAIN(TEST(what_is_put_comes_back), TEST(numbers_are_little_endian_and_small),
                      TEST(short_input_gives_zeros_and_fails), TEST(torn_and_overlong_varints_fail),
                      TEST(bytes_longer_than_the_input_fail), TEST(text_is_appended),
                      TEST(an_impossible_size_fails_for_good));
}
