/* Line tables of real interpreters against what these interpreters say of every instruction. The
 * vectors in data/linetable-3.X.txt are made by data/make_linetables.py. */
#include "check.h"
#include "cpython_data.h"

#include "cpython/linetable.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t (*line_fn)(const struct pyro_linetable *table, uint64_t offset);

/* The rest of a vector: "0:7 4:8 ... END". */
static unsigned check_runs(char *runs, const struct pyro_linetable *table, line_fn line_of)
{
    unsigned checked = 0, offset = 0, line = 0;
    for (char *word = strtok_r(runs, " \n", &runs); word; word = strtok_r(NULL, " \n", &runs)) {
        char *colon;
        unsigned until = (unsigned)strtoul(word, &colon, 10);
        for (; offset < until; offset += 2, checked++)
            CHECK_EQ(line_of(table, offset), line);
        if (*colon == ':')
            line = (unsigned)strtoul(colon + 1, NULL, 10);
    }
    CHECK(offset > 0);
    return checked;
}

static void check_file(const char *version, line_fn line_of)
{
    char path[256], *line = NULL, *rest;
    size_t room = 0;
    unsigned objects = 0, checked = 0;
    snprintf(path, sizeof path, "linetable-%s.txt", version);
    FILE *file = open_test_data(__FILE__, path);
    CHECK(file != NULL);
    while (getline(&line, &room, file) > 0) {
        if (line[0] == '#')
            continue;
        char *first = strtok_r(line, " ", &rest), *hex = strtok_r(NULL, " ", &rest);
        CHECK(first && hex);
        uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
        struct pyro_linetable table = {.bytes = bytes,
                                       .first_line = (uint32_t)strtoul(first, NULL, 10)};
        table.size = unhex(hex, bytes, strlen(hex) / 2);
        checked += check_runs(rest, &table, line_of);
        objects++;
        free(bytes);
    }
    free(line);
    fclose(file);
    CHECK(objects > 20);
    CHECK(checked > 1000);
}

static void python_3_8(void)
{
    check_file("3.8", pyro_linetable_lnotab);
}
static void python_3_9(void)
{
    check_file("3.9", pyro_linetable_lnotab);
}
static void python_3_10(void)
{
    check_file("3.10", pyro_linetable_ranges);
}
static void python_3_11(void)
{
    check_file("3.11", pyro_linetable_locations);
}
static void python_3_12(void)
{
    check_file("3.12", pyro_linetable_locations);
}
static void python_3_13(void)
{
    check_file("3.13", pyro_linetable_locations);
}
static void python_3_14(void)
{
    check_file("3.14", pyro_linetable_locations);
}
static void python_3_15(void)
{
    check_file("3.15", pyro_linetable_locations);
}

/* Any bytes end, within bounds (the sanitizers watch), and a line is positive or none. */
static void hostile_tables(void)
{
    const line_fn all[] = {pyro_linetable_lnotab, pyro_linetable_ranges, pyro_linetable_locations};
    uint32_t random = 12345;
    for (int round = 0; round < 3000; round++) {
        size_t size = round % 40;
        uint8_t *bytes = malloc(size + 1);
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(random >> 24);
        }
        uint8_t *exact = malloc(size ? size : 1); /* so that reading past the end is seen */
        memcpy(exact, bytes, size);
        struct pyro_linetable table = {exact, size, round % 3 ? 7 : UINT32_MAX};
        for (uint64_t offset = 0; offset < 60; offset += 2) {
            for (int i = 0; i < 3; i++)
                CHECK(all[i](&table, offset) <= INT32_MAX);
        }
        free(exact);
        free(bytes);
    }
}

static void outside_the_code(void)
{
    const uint8_t table_bytes[] = {0xd8 | 1, 0x00}; /* two code units, same line */
    struct pyro_linetable table = {table_bytes, 1, 5};
    CHECK_EQ(pyro_linetable_locations(&table, 1u << 20), 0);
    CHECK_EQ(pyro_linetable_locations(&table, UINT64_MAX), 0);
    table.size = 0;
    CHECK_EQ(pyro_linetable_lnotab(&table, 0), 5);
    CHECK_EQ(pyro_linetable_ranges(&table, 0), 0);
    CHECK_EQ(pyro_linetable_locations(&table, 0), 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(python_3_8), TEST(python_3_9), TEST(python_3_10), TEST(python_3_11),
                      TEST(python_3_12), TEST(python_3_13), TEST(python_3_14), TEST(python_3_15),
                      TEST(hostile_tables), TEST(outside_the_code));
}
