/* formats/import.h: what is read from .lprof files, and that what is written reads the same. */
#include "base/buffer.h"
#include "check.h"
#include "failing_malloc.h"
#include "formats/formats.h"
#include "formats/import.h"
#include "profile/line_counts.h"

#include <errno.h>

/* -- pickles by hand ---------------------------------------------------------------------------- */

#define PUT(file, literal) pyro_buffer_put(file, literal, sizeof(literal) - 1)

static void put_short_text(struct pyro_buffer *file, const char *text)
{
    pyro_buffer_put_u8(file, 0x8c);
    pyro_buffer_put_u8(file, (uint8_t)strlen(text));
    pyro_buffer_puts(file, text);
}

/* As Python's own pickle writes them in protocol 5: two functions, one of them with two lines. */
static void put_head(struct pyro_buffer *file)
{
    PUT(file, "\x80\x05\x95\x10\0\0\0\0\0\0\0");
    put_short_text(file, "line_profiler.line_profiler");
    PUT(file, "\x94");
    put_short_text(file, "LineStats");
    PUT(file, "\x94\x93\x94)\x81\x94}\x94(");
    put_short_text(file, "timings");
    PUT(file, "\x94}\x94(");
}
static void put_label(struct pyro_buffer *file, const char *name, uint8_t line)
{
    put_short_text(file, "a.py");
    PUT(file, "K");
    pyro_buffer_put_u8(file, line);
    put_short_text(file, name);
    PUT(file, "\x87\x94");
}
static void put_tail(struct pyro_buffer *file)
{
    PUT(file, "u");
    put_short_text(file, "unit");
    PUT(file, "\x94G\x3e\x11\x2e\x0b\xe8\x26\xd6\x95ub."); /* 1e-9, big-endian */
}
static void put_good_file(struct pyro_buffer *file)
{
    put_head(file);
    put_label(file, "f", 1);
    PUT(file, "]\x94(K\x02K\x0bM\x00\x02\x87\x94K\x03K\x0aJ\x00\x00\x01\x00\x87\x94"
              "e");
    put_label(file, "Shop.price", 7);
    PUT(file, "]\x94K\x08K\x01\x8a\x05\x00\xf2\x05\x2a\x01\x87\x94"
              "a"); /* 5e9, little-endian */
    put_tail(file);
}

static int read_bytes(const void *data, size_t size, struct pyro_profile **ret_profile,
                      struct pyro_error *error)
{
    uint8_t *copy =
        malloc(size ? size : 1); /* of exactly its size, so that ASan sees one too many */
    memcpy(copy, data, size);
    int code = pyro_lprof_read("x.lprof", copy, size, ret_profile, error);
    free(copy);
    return code;
}

static struct pyro_profile *read_good(struct pyro_buffer *file)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    CHECK(pyro_lprof_recognise(file->data, file->size));
    if (read_bytes(file->data, file->size, &profile, &error) < 0)
        printf("# %s\n", error.message);
    CHECK(profile);
    pyro_buffer_free(file);
    return profile;
}

static void check_refused(struct pyro_buffer *file, const char *reason)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    char expected[256];
    snprintf(expected, sizeof(expected), "cannot read 'x.lprof': %s", reason);
    CHECK_EQ(read_bytes(file->data, file->size, &profile, &error), -EBADMSG);
    CHECK_STR(error.message, expected);
    pyro_buffer_free(file);
}

static const char other_shape[] =
    "it is no .lprof file: it holds something else than line_profiler's LineStats";

/* -- good files --------------------------------------------------------------------------------- */

static void check_good_profile(const struct pyro_profile *profile)
{
    static const struct {
        const char *name;
        uint32_t first_line, line;
        uint64_t hits, time_ns;
    } expected[] = {{"f", 1, 0, 0, 66048},
                    {"f", 1, 2, 11, 512},
                    {"f", 1, 3, 10, 65536},
                    {"Shop.price", 7, 0, 0, 5000000000},
                    {"Shop.price", 7, 8, 1, 5000000000}};
    CHECK(profile->lines_alone && !profile->timed && profile->samples.count == 0);
    CHECK_EQ(profile->line_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct pyro_line_count *line = &profile->lines[i];
        const struct pyro_function *function = &profile->functions[line->function];
        CHECK_STR(pyro_profile_text(profile, function->name), expected[i].name);
        CHECK_STR(pyro_profile_text(profile, function->file), "a.py");
        CHECK_EQ(function->first_line, expected[i].first_line);
        CHECK_EQ(line->line, expected[i].line);
        CHECK_EQ(line->hits, expected[i].hits);
        CHECK_EQ(line->time_ns, expected[i].time_ns);
    }
}

static void lines_are_those_of_the_file(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    struct pyro_profile *profile = read_good(&file);
    check_good_profile(profile);
    pyro_profile_free(profile);
}

static void what_is_written_is_read_again(void)
{
    struct pyro_buffer file = {0}, written = {0};
    const struct pyro_export_options options = {0};
    char *text = NULL;
    size_t size = 0;
    put_good_file(&file);
    struct pyro_profile *profile = read_good(&file);
    FILE *out = open_memstream(&text, &size);
    CHECK_EQ(pyro_format_by_path("x.lprof")->write(profile, &options, out, NULL), 0);
    fclose(out);
    pyro_buffer_put(&written, text, size);
    struct pyro_profile *again = read_good(&written);
    check_good_profile(again);
    pyro_profile_free(again);
    pyro_profile_free(profile);
    free(text);
}

static void a_function_that_never_ran_is_kept(void)
{
    struct pyro_buffer file = {0};
    put_head(&file);
    put_label(&file, "never", 1);
    PUT(&file, "]\x94");
    put_tail(&file);
    struct pyro_profile *profile = read_good(&file);
    CHECK_EQ(profile->line_count, 1);
    CHECK_EQ(profile->lines[0].line, 0);
    pyro_profile_free(profile);
}

/* -- bad ones ----------------------------------------------------------------------------------- */

static void each_shorter_file_breaks_off(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    for (size_t size = 3; size < file.size; size++) {
        struct pyro_buffer part = {0};
        pyro_buffer_put(&part, file.data, size);
        check_refused(&part, "it breaks off");
    }
    pyro_buffer_free(&file);
}

static void any_changed_byte_is_harmless(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    size_t read = 0, refused = 0;
    for (size_t at = 0; at < file.size; at++) {
        uint8_t was = file.data[at];
        for (int value = 0; value < 256; value++) {
            struct pyro_profile *profile = NULL;
            file.data[at] = (uint8_t)value;
            if (read_bytes(file.data, file.size, &profile, NULL) == 0)
                read++;
            else
                refused++;
            for (size_t i = 0; profile && i < profile->line_count; i++)
                CHECK(profile->lines[i].function < profile->function_count);
            pyro_profile_free(profile);
        }
        file.data[at] = was;
    }
    CHECK(read > 100 && refused > 100);
    pyro_buffer_free(&file);
}

/* What a pickle can do, and this reader does not. */
static void nothing_is_executed(void)
{
    struct pyro_buffer file = {0};
    PUT(&file, "\x80\x02"
               "cos\nsystem\nX\x04\0\0\0true\x85R.");
    check_refused(&file, other_shape);
    PUT(&file, "\x80\x02"
               "cline_profiler.line_profiler\nLineStats\n)R."); /* REDUCE of the right one */
    check_refused(&file, other_shape);
    PUT(&file, "\x80\x02"
               "cline_profiler.line_profiler\nload_stats\n)\x81}b.");
    check_refused(&file, other_shape);
    PUT(&file, "\x80\x05"); /* a name that only begins as the right one does */
    put_short_text(&file, "line_profiler.line_profiler.os");
    put_short_text(&file, "LineStats");
    PUT(&file, "\x93)\x81}b.");
    check_refused(&file, other_shape);
    PUT(&file, "\x80\x00(I1\nI2\nd."); /* protocol 0 */
    check_refused(&file, other_shape);
}

static void other_shapes_are_refused(void)
{
    static const char *const bodies[] = {
        "u",
        "e",
        "a",
        "s",
        "b",
        "\x87",
        "\x93",
        "\x81",
        ("K\x01"
         "b"),
        "]}s",
        "}]s",
        "(e",
        "h\x40",
        "q\x40",
        "\x94",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct pyro_buffer file = {0};
        PUT(&file, "\x80\x04");
        pyro_buffer_puts(&file, bodies[i]);
        PUT(&file, ".");
        check_refused(&file, strcmp(bodies[i], "h\x40") == 0 ? "it refers to what is not there"
                                                             : other_shape);
    }
}

/* The figures of one function, twice those of a list, or a list of two functions. */
static void nothing_is_shared(void)
{
    struct pyro_buffer file = {0};
    put_head(&file);
    put_label(&file, "f", 1);
    PUT(&file, "]q\x06"); /* in place of the dictionary */
    put_label(&file, "g", 2);
    PUT(&file, "h\x06");
    put_tail(&file);
    check_refused(&file, other_shape);
    put_head(&file);
    put_label(&file, "f", 1);
    PUT(&file, "](K\x02K\x01K\x01\x87q\x06h\x06"
               "e");
    put_tail(&file);
    check_refused(&file, other_shape);
}

static void check_line_refused(const char *line, size_t size, const char *reason)
{
    struct pyro_buffer file = {0};
    put_head(&file);
    put_label(&file, "f", 1);
    PUT(&file, "]\x94");
    pyro_buffer_put(&file, line, size);
    PUT(&file, "\x87"
               "a");
    put_tail(&file);
    check_refused(&file, reason);
}
#define REFUSED(line, reason) check_line_refused(line, sizeof(line) - 1, reason)

static void numbers_have_limits(void)
{
    REFUSED("J\xff\xff\xff\xffK\x01K\x01", "a number in it is out of range");
    REFUSED("K\0K\x01K\x01", "a figure in it is out of range");
    REFUSED("\x8a\x05\0\0\0\0\x01K\x01K\x01", "a line in it is out of range");
    REFUSED("K\x01\x8a\x01\xffK\x01", "a number in it is out of range");
    REFUSED("K\x01\x8a\x09\0\0\0\0\0\0\0\0\x01K\x01", "a number in it is out of range");
    REFUSED("K\x01K\x01G\x7f\xf8\0\0\0\0\0\0", "a figure in it is out of range");
    REFUSED("K\x01K\x01G\xbf\xf0\0\0\0\0\0\0", "a figure in it is out of range");
    struct pyro_buffer file = {0};
    put_head(&file);
    PUT(&file, "u");
    put_short_text(&file, "unit");
    PUT(&file, "G\0\0\0\0\0\0\0\0ub.");
    check_refused(&file, "the unit of its times is out of range");
}

static void each_failed_allocation_is_told(void)
{
#ifdef SANITIZED
    SKIP("the sanitizer owns the allocator");
#endif
    struct pyro_buffer file = {0};
    put_good_file(&file);
    long failures = 0;
    for (long at = 1;; at++) {
        struct pyro_profile *profile = NULL;
        struct pyro_error error = {0};
        long alive_before = alive;
        allocations = 0;
        fail_at = at;
        int code = pyro_lprof_read("x.lprof", file.data, file.size, &profile, &error);
        fail_at = 0;
        if (code < 0) {
            failures++;
            CHECK_EQ(code, -ENOMEM);
            CHECK(strstr(error.message, ".lprof': out of memory"));
        }
        pyro_profile_free(profile);
        CHECK_EQ(alive, alive_before);
        if (allocations < at)
            break; /* there are not so many */
    }
    CHECK(failures > 5);
    pyro_buffer_free(&file);
}

int main(void)
{
    return CHECK_MAIN(TEST(lines_are_those_of_the_file), TEST(what_is_written_is_read_again),
                      TEST(a_function_that_never_ran_is_kept), TEST(each_shorter_file_breaks_off),
                      TEST(any_changed_byte_is_harmless), TEST(nothing_is_executed),
                      TEST(other_shapes_are_refused), TEST(nothing_is_shared),
                      TEST(numbers_have_limits), TEST(each_failed_allocation_is_told));
}
