/* formats/import.h: what is read from .prof files, good ones and bad ones. */
#include "check.h"
#include "failing_malloc.h"
#include "formats/formats.h"
#include "formats/import.h"
#include "marshal_build.h"

#include <errno.h>
#include <math.h>
#include <sys/resource.h>

/* -- reading ------------------------------------------------------------------------------------ */

static int read_bytes(const void *data, size_t size, struct pyro_profile **ret_profile,
                      struct pyro_error *error)
{
    uint8_t *copy =
        malloc(size ? size : 1); /* of exactly its size, so that ASan sees one too many */
    memcpy(copy, data, size);
    const struct pyro_prof_file file = {"x.prof", copy, size};
    int code = pyro_pstats_read(&file, 1, ret_profile, error);
    free(copy);
    return code;
}

static struct pyro_profile *read_good(struct pyro_buffer *file)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
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
    snprintf(expected, sizeof(expected), "cannot read 'x.prof': %s", reason);
    CHECK_EQ(read_bytes(file->data, file->size, &profile, &error), -EBADMSG);
    CHECK_STR(error.message, expected);
    pyro_buffer_free(file);
}

static const char *name_of(const struct pyro_profile *profile, uint32_t function)
{
    return pyro_profile_text(profile, profile->functions[function].name);
}

static const struct pyro_timed_function *function_of(const struct pyro_profile *profile,
                                                     const char *name)
{
    for (size_t i = 0; i < profile->timed_function_count; i++)
        if (strcmp(name_of(profile, profile->timed_functions[i].function), name) == 0)
            return &profile->timed_functions[i];
    return NULL;
}

static const struct pyro_timed_edge *edge_of(const struct pyro_profile *profile, const char *caller,
                                             const char *callee)
{
    for (size_t i = 0; i < profile->timed_edge_count; i++)
        if (strcmp(name_of(profile, profile->timed_edges[i].caller), caller) == 0 &&
            strcmp(name_of(profile, profile->timed_edges[i].callee), callee) == 0)
            return &profile->timed_edges[i];
    return NULL;
}

/* All ids are in range; what is wrong with a value is for the reader to refuse. */
static void check_promises(const struct pyro_profile *profile)
{
    CHECK(profile->timed && profile->stack_count == 1 && profile->samples.count == 0);
    for (size_t i = 0; i < profile->function_count; i++)
        CHECK(profile->functions[i].name < profile->strings.count &&
              profile->functions[i].file < profile->strings.count);
    for (size_t i = 0; i < profile->timed_function_count; i++)
        CHECK(profile->timed_functions[i].function < profile->function_count &&
              isfinite(profile->timed_functions[i].total_s));
    for (size_t i = 0; i < profile->timed_edge_count; i++)
        CHECK(profile->timed_edges[i].caller < profile->function_count &&
              profile->timed_edges[i].callee < profile->function_count);
}

/* -- good files --------------------------------------------------------------------------------- */

static void figures_are_those_of_the_file(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    struct pyro_profile *profile = read_good(&file);
    check_promises(profile);
    CHECK_EQ(profile->timed_function_count, 3);
    CHECK_EQ(profile->timed_edge_count, 3);
    CHECK(!profile->timed_by_samples);
    const struct pyro_timed_function *fact = function_of(profile, "fact");
    CHECK_EQ(fact->ncalls, 15);
    CHECK_EQ(fact->primitive_calls, 3);
    CHECK(fact->self_s == 0.75 && fact->total_s == 1.0);
    CHECK_STR(pyro_profile_text(profile, profile->functions[fact->function].file), "a.py");
    CHECK_EQ(profile->functions[fact->function].first_line, 7);
    const struct pyro_timed_edge *recursion = edge_of(profile, "fact", "fact");
    CHECK_EQ(recursion->ncalls, 12);
    CHECK_EQ(recursion->primitive_calls, 2);
    CHECK(recursion->self_s == 0.5 && recursion->total_s == 0.625);
    CHECK_EQ(edge_of(profile, "main", "fact")->ncalls, 3);
    pyro_profile_free(profile);
}

static void functions_of_c_are_named_as_pstats_prints_them(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    struct pyro_profile *profile = read_good(&file);
    const struct pyro_timed_function *len = function_of(profile, "{built-in method builtins.len}");
    CHECK(len);
    CHECK_EQ(profile->functions[len->function].kind, PYRO_FUNCTION_C);
    CHECK_EQ(profile->functions[len->function].file, 0);
    pyro_profile_free(profile);
}

/* An entry ("FILE", 1, "f"): (1, 1, 0.5, 0.5, {}), where FILE and what follows it is the caller's. */
static void put_entry_tail(struct pyro_buffer *file, int first_line)
{
    put_int(file, first_line);
    put_text(file, 'z', "f");
    put_figures(file, 5, 1, 1, 0.5, 0.5);
    put_type(file, '{');
    put_type(file, '0');
}

static void every_kind_of_text_is_read(void)
{
    static const char types[] = "utaAzZ";
    struct pyro_buffer file = {0};
    put_type(&file, '{' | MARKED);
    for (int i = 0; types[i]; i++) {
        put_tuple(&file, 0, 3);
        put_text(&file, types[i], "x.py");
        put_entry_tail(&file, i);
    }
    put_type(&file, '0');
    struct pyro_profile *profile = read_good(&file);
    CHECK_EQ(profile->timed_function_count, 6);
    for (size_t i = 0; i < 6; i++)
        CHECK_STR(pyro_profile_text(profile, profile->functions[i].file), "x.py");
    pyro_profile_free(profile);
}

static void put_long(struct pyro_buffer *file, uint64_t value, uint32_t digits)
{
    put_type(file, 'l');
    pyro_buffer_put_u32(file, digits);
    for (; digits; digits--, value >>= 15) {
        pyro_buffer_put_u8(file, (uint8_t)value);
        pyro_buffer_put_u8(file, (uint8_t)(value >> 8 & 0x7f));
    }
}

static void every_kind_of_number_is_read(void)
{
    struct pyro_buffer file = {0};
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "main");
    put_type(&file, '('); /* of five, with the long count */
    pyro_buffer_put_u32(&file, 5);
    put_type(&file, 'I');
    pyro_buffer_put_u64(&file, UINT64_C(5000000000));
    put_long(&file, UINT64_C(6000000000), 3);
    put_text(&file, 'z', "0.25");
    file.data[file.size - 6] = 'f'; /* a text with one byte of length is what 'f' is */
    put_int(&file, -2);             /* a time may be whole, and a bad clock runs backwards */
    put_type(&file, '{');
    put_type(&file, '0');
    put_type(&file, '0');
    struct pyro_profile *profile = read_good(&file);
    CHECK_EQ(profile->timed_functions[0].primitive_calls, 5000000000);
    CHECK_EQ(profile->timed_functions[0].ncalls, 6000000000);
    CHECK(profile->timed_functions[0].self_s == 0.25 && profile->timed_functions[0].total_s == -2);
    pyro_profile_free(profile);
}

/* Numbers, texts, tuples and dictionaries that come again. Marks are counted as the objects begin. */
static void references_are_followed(void)
{
    struct pyro_buffer file = {0};
    put_type(&file, '{' | MARKED);         /* 0 */
    put_tuple(&file, MARKED, 3);           /* 1 */
    put_text(&file, 'z' | MARKED, "a.py"); /* 2 */
    put_type(&file, 'i' | MARKED);         /* 3 */
    pyro_buffer_put_u32(&file, 7);
    put_text(&file, 'u' | MARKED, "f"); /* 4 */
    put_tuple(&file, MARKED, 5);        /* 5 */
    put_ref(&file, 3);
    put_ref(&file, 3);
    put_type(&file, 'g' | MARKED); /* 6: 0.0 */
    pyro_buffer_put_u64(&file, 0);
    put_ref(&file, 6);
    put_type(&file, '{' | MARKED); /* 7 */
    put_ref(&file, 1);
    put_tuple(&file, MARKED, 4); /* 8 */
    put_ref(&file, 3);
    put_type(&file, 'i' | MARKED); /* 9 */
    pyro_buffer_put_u32(&file, 2);
    put_ref(&file, 6);
    put_ref(&file, 6);
    put_type(&file, '0');
    put_tuple(&file, 0, 3);
    put_ref(&file, 2);
    put_ref(&file, 9);
    put_ref(&file, 4);
    put_ref(&file, 5);
    put_key(&file, 0, "b.py", 3, "g");
    put_figures(&file, 5, 1, 1, 0, 0);
    put_ref(&file, 7); /* its parts keep the numbers they have */
    put_tuple(&file, 0, 3);
    put_text(&file, 'z' | MARKED, "c.py"); /* 10 */
    put_int(&file, 4);
    put_ref(&file, 10);
    put_ref(&file, 5);
    put_type(&file, '0');
    struct pyro_profile *profile = read_good(&file);
    check_promises(profile);
    CHECK_EQ(profile->timed_function_count, 4);
    CHECK_EQ(profile->timed_edge_count, 4);
    CHECK_EQ(profile->functions[1].first_line, 2);
    CHECK_EQ(profile->timed_functions[1].ncalls, 7);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(profile->timed_edges[i].caller, 0);
        CHECK_EQ(profile->timed_edges[i].callee, i);
        CHECK_EQ(profile->timed_edges[i].ncalls, 7);
        CHECK_EQ(profile->timed_edges[i].primitive_calls, 2);
    }
    pyro_profile_free(profile);
}

static void put_one_caller(struct pyro_buffer *file, bool counted_only, bool mark)
{
    put_type(file, '{');
    put_key(file, 0, "a.py", 1, "main");
    put_figures(file, 5, 2, 3, 0.5, 0.5);
    put_type(file, '{');
    put_key(file, 0, "a.py", 9, "caller");
    if (counted_only)
        put_int(file, 3);
    else
        put_figures(file, 4, 3, 2, 0.5, 0.5);
    put_type(file, '0');
    if (mark) {
        put_tuple(file, 0, 1);
        put_text(file, 'Z', "__sampled__");
        put_type(file, 'T');
    }
    put_type(file, '0');
}

static void a_caller_may_be_only_counted(void)
{
    struct pyro_buffer file = {0};
    put_one_caller(&file, true, false);
    struct pyro_profile *profile = read_good(&file);
    CHECK_EQ(profile->timed_function_count, 1);
    CHECK_EQ(profile->function_count, 2);
    CHECK_EQ(profile->timed_edges[0].ncalls, 3);
    CHECK(isnan(profile->timed_edges[0].self_s) && isnan(profile->timed_edges[0].total_s));
    pyro_profile_free(profile);
}

static void the_mark_of_a_sampler_is_seen(void)
{
    struct pyro_buffer file = {0};
    put_one_caller(&file, true, true);
    struct pyro_profile *profile = read_good(&file);
    CHECK(profile->timed_by_samples);
    CHECK_EQ(profile->timed_function_count, 1);
    CHECK_EQ(profile->timed_functions[0].ncalls, 3);
    CHECK_EQ(profile->timed_functions[0].primitive_calls, 2);
    pyro_profile_free(profile);
}

/* -- several files ------------------------------------------------------------------------------ */

static void files_are_added_up(void)
{
    struct pyro_buffer good = {0}, other = {0};
    put_good_file(&good);
    put_one_caller(&other, false, false);
    const struct pyro_prof_file files[] = {{"a.prof", good.data, good.size},
                                           {"b.prof", other.data, other.size},
                                           {"c.prof", good.data, good.size}};
    struct pyro_profile *profile;
    CHECK_EQ(pyro_pstats_read(files, 3, &profile, NULL), 0);
    check_promises(profile);
    CHECK_EQ(profile->timed_function_count, 3);
    CHECK_EQ(profile->timed_edge_count, 4);
    CHECK_EQ(function_of(profile, "fact")->ncalls, 30);
    CHECK_EQ(function_of(profile, "main")->ncalls, 1 + 3 + 1);
    CHECK_EQ(function_of(profile, "main")->primitive_calls, 1 + 2 + 1);
    CHECK(function_of(profile, "main")->total_s == 1.5 + 0.5 + 1.5);
    CHECK_EQ(edge_of(profile, "fact", "fact")->ncalls, 24);
    CHECK(edge_of(profile, "fact", "fact")->total_s == 1.25);
    pyro_profile_free(profile);
    pyro_buffer_free(&good);
    pyro_buffer_free(&other);
}

/* pstats.Stats(a, b, c) is a, and c, and b: 0.1 + 0.1 + 0.4 would be another number. */
static void the_order_of_adding_is_that_of_pstats(void)
{
    static const double times_s[] = {0.1, 0.1, 0.4};
    struct pyro_buffer bytes[3] = {0};
    struct pyro_prof_file files[3];
    for (int i = 0; i < 3; i++) {
        put_type(&bytes[i], '{');
        put_key(&bytes[i], 0, "a.py", 1, "main");
        put_figures(&bytes[i], 5, 1, 1, times_s[i], times_s[i]);
        put_type(&bytes[i], '{');
        put_type(&bytes[i], '0');
        put_type(&bytes[i], '0');
        files[i] = (struct pyro_prof_file){"x.prof", bytes[i].data, bytes[i].size};
    }
    struct pyro_profile *profile;
    CHECK_EQ(pyro_pstats_read(files, 3, &profile, NULL), 0);
    CHECK(profile->timed_functions[0].total_s == 0.1 + 0.4 + 0.1);
    CHECK(profile->timed_functions[0].total_s != 0.1 + 0.1 + 0.4);
    pyro_profile_free(profile);
    for (int i = 0; i < 3; i++)
        pyro_buffer_free(&bytes[i]);
}

static void samples_are_not_added_to_calls(void)
{
    struct pyro_buffer good = {0}, sampled = {0};
    struct pyro_error error = {0};
    struct pyro_profile *profile;
    put_good_file(&good);
    put_one_caller(&sampled, true, true);
    const struct pyro_prof_file files[] = {{"a.prof", good.data, good.size},
                                           {"b.prof", sampled.data, sampled.size}};
    CHECK_EQ(pyro_pstats_read(files, 2, &profile, &error), -EBADMSG);
    CHECK_STR(error.message,
              "cannot read 'b.prof': it holds samples, but the first file timed calls");
    pyro_buffer_free(&good);
    pyro_buffer_free(&sampled);
}

/* -- bad files ---------------------------------------------------------------------------------- */

static void every_cut_is_refused(void)
{
    struct pyro_buffer file = {0};
    put_good_file(&file);
    for (size_t size = 0; size < file.size; size++) {
        struct pyro_profile *profile;
        struct pyro_error error = {0};
        CHECK_EQ(read_bytes(file.data, size, &profile, &error), -EBADMSG);
        CHECK_STR(error.message, "cannot read 'x.prof': it breaks off");
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
            struct pyro_profile *profile;
            file.data[at] = (uint8_t)value;
            int code = read_bytes(file.data, file.size, &profile, NULL);
            CHECK(code == 0 || code == -EBADMSG);
            if (code == 0) {
                check_promises(profile);
                pyro_profile_free(profile);
            }
            read += code == 0;
            refused += code != 0;
        }
        file.data[at] = was;
    }
    CHECK(read > 1000 && refused > 1000);
    pyro_buffer_free(&file);
}

static void wrong_shapes_are_refused(void)
{
    struct pyro_buffer file = {0};
    put_type(&file, '(');
    check_refused(&file, "it breaks off");
    put_type(&file, 'N');
    check_refused(&file, "it is no profile");
    put_type(&file, '{');
    put_text(&file, 'z', "a");
    check_refused(&file, "it is no profile: a key is no (file, line, name)");
    put_type(&file, '{');
    put_tuple(&file, 0, 1);
    put_text(&file, 'z', "__other__");
    put_type(&file, 'T');
    check_refused(&file, "it has a mark that is not known");
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "f");
    put_figures(&file, 4, 1, 1, 0, 0);
    put_type(&file, '0');
    check_refused(&file, "the figures of a function in it are not five");
    put_type(&file, '{');
    put_key(&file, 0, "a.py", -1, "f");
    check_refused(&file, "a line in it is out of range");
    put_type(&file, '[');
    check_refused(&file, "it holds what no profile holds");
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "f");
    put_tuple(&file, 0, 5);
    put_int(&file, 1);
    put_int(&file, 1);
    put_type(&file, 'N');
    check_refused(&file, "a time in it is no number");
}

/* (COUNT, 1, TIME, 0.0, {}) is refused. */
static void check_figures_refused(int32_t count, double time_s, const char *reason)
{
    struct pyro_buffer file = {0};
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "f");
    put_figures(&file, 5, count, 1, time_s, 0);
    put_type(&file, '{');
    put_type(&file, '0');
    put_type(&file, '0');
    check_refused(&file, reason);
}

static void numbers_have_limits(void)
{
    check_figures_refused(-1, 0, "a count in it is out of range");
    check_figures_refused(1, (double)NAN, "a time in it is out of range");
    check_figures_refused(1, 1.1e12, "a time in it is out of range");
    struct pyro_buffer file = {0};
    for (uint32_t digits = 4; digits <= 5; digits++) {
        put_type(&file, '{');
        put_key(&file, 0, "a.py", 1, "f");
        put_tuple(&file, 0, 5);
        put_long(&file, UINT64_C(1) << 54, digits);
        check_refused(&file, digits == 4 ? "a count in it is out of range"
                                         : "a number in it is too large");
    }
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "f");
    put_tuple(&file, 0, 5);
    put_long(&file, 1, 1);
    put_long(&file, (UINT64_C(1) << 53) - 1, 4);
    put_float(&file, 0);
    put_float(&file, 0);
    put_type(&file, '{');
    put_type(&file, '0');
    size_t size = file.size;
    put_type(&file, '0');
    struct pyro_buffer same = {0};
    pyro_buffer_put(&same, file.data, file.size);
    pyro_profile_free(read_good(&same));
    file.size = size; /* one call more, of another function, is too many */
    put_key(&file, 0, "a.py", 2, "g");
    put_figures(&file, 5, 1, 0, 0, 0);
    check_refused(&file, "a count in it is out of range");
}

static void names_have_a_limit(void)
{
    struct pyro_buffer file = {0};
    char *name = malloc(65538);
    memset(name, 'n', 65537);
    name[65537] = '\0';
    put_type(&file, '{');
    put_tuple(&file, 0, 3);
    put_text(&file, 'u', name);
    check_refused(&file, "a name in it is too long");
    free(name);
}

static void references_to_nothing_and_to_oneself_are_refused(void)
{
    struct pyro_buffer file = {0};
    put_type(&file, '{');
    put_ref(&file, 0);
    check_refused(&file, "it refers to what is not there");
    put_type(&file, '{' | MARKED);
    put_ref(&file, 0); /* the dictionary as its own key */
    check_refused(&file, "it is no profile: a key is no (file, line, name)");
    put_type(&file, '{' | MARKED);
    put_key(&file, 0, "a.py", 1, "f");
    put_figures(&file, 5, 1, 1, 0, 0);
    put_ref(&file, 0); /* and as its own callers */
    put_type(&file, '0');
    check_refused(&file, "the figures of a caller in it are not four");
    put_type(&file, '{');
    put_tuple(&file, MARKED, 3);
    put_ref(&file, 0); /* a key within itself */
    check_refused(&file, "a name in it is no text");
    put_type(&file, '{');
    put_tuple(&file, 0, 3);
    put_text(&file, 'z' | MARKED, "a.p"); /* a text that was read, of three bytes, as a key */
    put_entry_tail(&file, 1);
    put_ref(&file, 0);
    check_refused(&file, "it is no profile: a key is no (file, line, name)");
}

/* The same figures for many callers are one tuple in the file, of which there may be millions of references. */
static void figures_may_be_the_same_often(void)
{
    struct pyro_buffer file = {0};
    char name[16];
    put_type(&file, '{');
    put_key(&file, MARKED, "a.py", 1, "f"); /* 0 */
    put_tuple(&file, 0, 5);
    put_int(&file, 1);
    put_int(&file, 1);
    put_float(&file, 0);
    put_float(&file, 0);
    put_type(&file, '{');
    put_ref(&file, 0);
    put_tuple(&file, MARKED, 4); /* 1 */
    put_int(&file, 1);
    put_int(&file, 1);
    put_float(&file, 0.5);
    put_float(&file, 0.5);
    for (int i = 0; i < 200000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        put_key(&file, 0, "", 0, name);
        put_ref(&file, 1);
    }
    put_type(&file, '0');
    put_type(&file, '0');
    struct pyro_profile *profile = read_good(&file);
    CHECK_EQ(profile->timed_edge_count, 200001);
    pyro_profile_free(profile);
}

/* A thousand callers, and a reference to them in each of many functions: 25 bytes become a thousand edges. */
static void a_small_file_cannot_unfold_into_much(void)
{
    struct pyro_buffer file = {0};
    char name[16];
    put_type(&file, '{');
    put_key(&file, 0, "a.py", 1, "f");
    put_figures(&file, 5, 1, 1, 0, 0);
    put_type(&file, '{' | MARKED); /* 0 */
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        put_key(&file, 0, "b.py", i, name);
        put_figures(&file, 4, 1, 1, 0, 0);
    }
    put_type(&file, '0');
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "g%d", i);
        put_key(&file, 0, "c.py", i, name);
        put_figures(&file, 5, 1, 1, 0, 0);
        put_ref(&file, 0);
    }
    put_type(&file, '0');
    const struct rlimit limit = {256u << 20, 256u << 20};
#if !defined(__SANITIZE_ADDRESS__)
    setrlimit(RLIMIT_DATA, &limit);
#else
    (void)limit;
#endif
    check_refused(&file, "it unfolds into too much");
}

static void each_failed_allocation_is_told(void)
{
#ifdef SANITIZED
    SKIP("the sanitizer owns the allocator");
#endif
    struct pyro_buffer file = {0};
    put_good_file(&file);
    const struct pyro_prof_file files[] = {{"x.prof", file.data, file.size},
                                           {"y.prof", file.data, file.size}};
    long failures = 0;
    for (long at = 1;; at++) {
        struct pyro_profile *profile = NULL;
        struct pyro_error error = {0};
        long alive_before = alive;
        allocations = 0;
        fail_at = at;
        int code = pyro_pstats_read(files, 2, &profile, &error);
        fail_at = 0;
        if (code < 0) {
            failures++;
            CHECK_EQ(code, -ENOMEM);
            CHECK(strstr(error.message, ".prof': out of memory"));
        }
        pyro_profile_free(profile);
        CHECK_EQ(alive, alive_before);
        if (allocations < at)
            break; /* there are not so many */
    }
    CHECK(failures > 10);
    pyro_buffer_free(&file);
}

/* -- recognising and writing -------------------------------------------------------------------- */

static void content_tells_what_it_is(void)
{
    static const char *const prof[] = {"{)", "{(", "{0", "\xfb\xa9", "\xfb(", "{\xa8"};
    static const char *const other[] = {"", "{", "{\"", "{}", "{\n", "PY", "[)", "()"};
    for (size_t i = 0; i < sizeof(prof) / sizeof(*prof); i++)
        CHECK(pyro_pstats_recognise(prof[i], strlen(prof[i])));
    for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
        CHECK(!pyro_pstats_recognise(other[i], strlen(other[i])));
}

static void write_again(const struct pyro_profile *profile, struct pyro_buffer *ret_file)
{
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    const struct pyro_export_options options = {0};
    CHECK_EQ(pyro_format_by_name("pstats")->write(profile, &options, out, NULL), 0);
    fclose(out);
    pyro_buffer_put(ret_file, written, size);
    free(written);
}

static void check_same(const struct pyro_profile *a, const struct pyro_profile *b)
{
    CHECK_EQ(a->timed_function_count, b->timed_function_count);
    CHECK_EQ(a->timed_edge_count, b->timed_edge_count);
    CHECK_EQ(a->timed_by_samples, b->timed_by_samples);
    for (size_t i = 0; i < a->timed_function_count; i++) {
        const struct pyro_timed_function *was = &a->timed_functions[i];
        const struct pyro_timed_function *is =
            function_of(b, name_of(a, a->timed_functions[i].function));
        CHECK(is && is->ncalls == was->ncalls && is->primitive_calls == was->primitive_calls &&
              is->self_s == was->self_s && is->total_s == was->total_s);
        CHECK_EQ(b->functions[is->function].kind, a->functions[was->function].kind);
    }
    for (size_t i = 0; i < a->timed_edge_count; i++) {
        const struct pyro_timed_edge *was = &a->timed_edges[i];
        const struct pyro_timed_edge *is =
            edge_of(b, name_of(a, was->caller), name_of(a, was->callee));
        CHECK(is && is->ncalls == was->ncalls && is->primitive_calls == was->primitive_calls);
        CHECK(memcmp(&is->total_s, &was->total_s, sizeof(double)) == 0 || isnan(is->total_s));
        CHECK_EQ(isnan(is->total_s) != 0, isnan(was->total_s) != 0);
    }
}

static void what_was_read_is_written_again(void)
{
    for (int i = 0; i < 4; i++) {
        struct pyro_buffer file = {0}, again = {0};
        if (i == 0)
            put_good_file(&file);
        else
            put_one_caller(&file, i != 1, i == 3);
        struct pyro_profile *profile = read_good(&file);
        write_again(profile, &again);
        struct pyro_profile *same = read_good(&again);
        check_same(profile, same);
        pyro_profile_free(profile);
        pyro_profile_free(same);
    }
}

/* A path that is no UTF-8 stands there with surrogates; Python reads them back only as they were. */
static void surrogates_are_kept(void)
{
    static const char path[] = "/tmp/\xed\xb3\xbf.py";
    struct pyro_buffer file = {0}, again = {0};
    put_type(&file, '{');
    put_tuple(&file, 0, 3);
    put_text(&file, 'u', path);
    put_entry_tail(&file, 1);
    put_type(&file, '0');
    struct pyro_profile *profile = read_good(&file);
    CHECK_STR(pyro_profile_text(profile, profile->functions[0].file), path);
    write_again(profile, &again);
    CHECK(memmem(again.data, again.size, path, strlen(path)));
    pyro_profile_free(profile);
    pyro_buffer_free(&again);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(figures_are_those_of_the_file), TEST(functions_of_c_are_named_as_pstats_prints_them),
        TEST(every_kind_of_text_is_read), TEST(every_kind_of_number_is_read),
        TEST(references_are_followed), TEST(a_caller_may_be_only_counted),
        TEST(the_mark_of_a_sampler_is_seen), TEST(files_are_added_up),
        TEST(the_order_of_adding_is_that_of_pstats), TEST(samples_are_not_added_to_calls),
        TEST(every_cut_is_refused), TEST(any_changed_byte_is_harmless),
        TEST(wrong_shapes_are_refused), TEST(numbers_have_limits), TEST(names_have_a_limit),
        TEST(references_to_nothing_and_to_oneself_are_refused), TEST(figures_may_be_the_same_often),
        TEST(a_small_file_cannot_unfold_into_much), TEST(each_failed_allocation_is_told),
        TEST(content_tells_what_it_is), TEST(what_was_read_is_written_again),
        TEST(surrogates_are_kept));
}
