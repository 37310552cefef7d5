/* tests/unit/formats_export.c - formats/formats.h: what each format's bytes say. tests/formats/ asks the real programs. */
#include "base/json.h"
#include "formats/formats.h"
#include "formats/pprof.pb-c.h"
#include "formats/tree.h"

#include "fixture_profile.h"

#include <jansson.h>
#include <errno.h>
#include <math.h>
#include <zlib.h>

static char *written;
static size_t written_size;

/* PROFILE in FORMAT, in `written`. */
static void export(const struct pyro_profile *profile, const char *format,
                   struct pyro_export_options options)
{
    FILE *out = open_memstream(&written, &written_size);
    CHECK(out);
    CHECK_EQ(pyro_format_by_name(format)->write(profile, &options, out, NULL), 0);
    fclose(out);
}
#define OPTIONS(...) ((struct pyro_export_options){__VA_ARGS__})

static void the_suffix_chooses_the_format(void)
{
    static const struct {
        const char *path, *format;
    } cases[] = {
        {"profile.svg", "flamegraph"},
        {"a/b.collapsed", "collapsed"},
        {"x.speedscope.json", "speedscope"},
        {"x.speedscope", "speedscope"},
        {"x.json", "json"},
        {"out.prof", "pstats"},
        {"out.pb.gz", "pprof"},
        {"/tmp/x.folded", "collapsed"},
        {"x.plot.svg", "plot"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pyro_format *format = pyro_format_by_path(cases[i].path);
        CHECK(format);
        CHECK_STR(format->name, cases[i].format);
    }
    CHECK(!pyro_format_by_path("out.xyz"));
    CHECK(!pyro_format_by_path("svg"));
    CHECK(!pyro_format_by_path(".svg"));
    CHECK(!pyro_format_by_path(""));
    CHECK(!pyro_format_by_name("svg"));
}

/* -- collapsed ---------------------------------------------------------------------------------- */

static void check_collapsed(const struct pyro_profile *profile, struct pyro_export_options options,
                            const char *expected)
{
    export(profile, "collapsed", options);
    CHECK_STR(written, expected);
    free(written);
}

static void collapsed_has_a_line_a_stack(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_collapsed(
        profile, OPTIONS(.clock = PYRO_CLOCK_WALL),
        "orders.py:<module>:2;views.py:order_list:46;orm.py:execute_query:313;"
        "psycopg2/cursor.py:Cursor.execute:91 880\n"
        "orders.py:<module>:2;{built-in method time.sleep} 30\n"
        "orders.py:<module>:2;views.py:order_list:46;serializers.py:OrderSerializer.data:21 48\n"
        "orders.py:<module>:2;tree.py:walk:8 10\n"
        "orders.py:<module>:2;tree.py:walk:8;tree.py:walk:8;tree.py:walk:8 30\n"
        "orders.py:<module>:2;views.py:order_list:46;[unsure] 2\n");
    check_collapsed(profile, OPTIONS(.clock = PYRO_CLOCK_CPU, .functions = true),
                    "<module>;order_list;OrderSerializer.data 48\n"
                    "<module>;walk 10\n"
                    "<module>;walk;walk;walk 30\n"
                    "<module>;order_list;[unsure] 2\n");
    fixture_free(profile);
}

static void collapsed_keeps_threads_and_processes_apart(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t child =
        fixture_thread(profile, fixture_process(profile, 4800, "python3 b.py"), 4801, "pool;0");
    uint32_t code = fixture_code(profile, "f", "/srv/shop/a.py", 1),
             stack = FIXTURE_PATH(profile, code);
    FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_RUNNING, .count = 3);
    FIXTURE_ADD(profile, .stack = stack, .thread = child, .state = PYRO_STATE_RUNNING, .count = 4);
    FIXTURE_ADD(profile, .stack = PYRO_STACK_ROOT, .thread = child, .state = PYRO_STATE_RUNNING,
                .count = 1);
    check_collapsed(profile, OPTIONS(.functions = true), "f 7\n[no Python frame] 1\n");
    check_collapsed(profile, OPTIONS(.functions = true, .by_thread = true),
                    "thread 4711 MainThread;f 3\nthread 4801 pool,0;f 4\nthread 4801 pool,0;[no "
                    "Python frame] 1\n");
    check_collapsed(
        profile, OPTIONS(.functions = true, .by_process = true),
        "process 4711 python3 /srv/shop/orders.py --all;f 3\nprocess 4800 python3 b.py;f 4\n"
        "process 4800 python3 b.py;[no Python frame] 1\n");
    fixture_free(profile);
}

static void collapsed_replaces_what_separates(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t code = fixture_code(profile, "a;b\nc\xff", "/srv/shop/x;y.py", 1);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, code), .state = PYRO_STATE_RUNNING);
    check_collapsed(profile, OPTIONS(.clock = PYRO_CLOCK_WALL), "x,y.py:a,b c\xef\xbf\xbd:2 1\n");
    fixture_free(profile);
}

/* -- very deep stacks --------------------------------------------------------------------------- */

static struct pyro_profile *deep_profile(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t down = fixture_code(profile, "down", "/srv/shop/a.py", 1);
    uint32_t leaf = fixture_code(profile, "leaf", "/srv/shop/a.py", 9), stack = PYRO_STACK_ROOT;
    for (int depth = 0; depth < 20000; depth++) {
        stack = fixture_stack(profile, stack, down);
        if (depth % 100 == 99)
            FIXTURE_ADD(profile, .stack = fixture_stack(profile, stack, leaf),
                        .state = PYRO_STATE_RUNNING);
    }
    return profile;
}

static void deep_stacks_are_elided_in_the_middle(void)
{
    struct pyro_profile *profile = deep_profile();
    struct pyro_tree tree;
    CHECK_EQ(pyro_tree_init(&tree, profile, &OPTIONS(.clock = PYRO_CLOCK_WALL)), 0);
    CHECK_EQ(pyro_tree_fill(&tree), 0);
    CHECK_EQ(tree.nodes[0].total_count, 200);
    size_t elided = 0;
    for (size_t i = 0; i < tree.count; i++) {
        CHECK(tree.nodes[i].depth <= PYRO_TREE_DEEPEST + 1);
        if (tree.nodes[i].kind != PYRO_NODE_ELIDED)
            continue;
        CHECK_EQ(tree.nodes[i].depth, PYRO_TREE_FIRST + 1);
        elided += tree.nodes[i].total_count;
    }
    CHECK_EQ(elided, 200 - 3); /* depths 101, 201, 301 are whole; 401 and deeper are not */
    pyro_tree_clear(&tree);
    fixture_free(profile);
}

/* So that a format of looks has something to write. */
static struct pyro_look one_look = {.rss = 1 << 20};
static void give_look(struct pyro_profile *profile)
{
    profile->looks = &one_look;
    profile->look_count = 1;
}

static void deep_stacks_make_small_files(void)
{
    struct pyro_profile *profile = deep_profile();
    give_look(profile);
    for (const struct pyro_format *format = pyro_formats; format->name; format++) {
        export(profile, format->name, OPTIONS(.clock = PYRO_CLOCK_WALL));
        CHECK(written_size > 0 && written_size < 3000000);
        free(written);
    }
    fixture_free(profile);
}

/* -- hostile names ------------------------------------------------------------------------------ */

#define HOSTILE "<script>alert(1)</script>]]>\"'&\\\x01\n\xff\xf0\x9f\x94\xa5"

static struct pyro_profile *hostile_profile(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t code = fixture_code(profile, HOSTILE, "/srv/shop/" HOSTILE ".py", 1);
    uint32_t thread = fixture_thread(profile, 0, 4712, HOSTILE);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, code), .thread = thread,
                .wait_plus_1 = fixture_wait(profile, HOSTILE, HOSTILE) + 1,
                .state = PYRO_STATE_WAITING);
    profile->info.command = HOSTILE;
    return profile;
}

static void the_picture_escapes_what_xml_could_take_for_its_own(void)
{
    struct pyro_profile *profile = hostile_profile();
    export(profile, "flamegraph", OPTIONS(.by_thread = true, .by_process = true, .title = HOSTILE));
    CHECK(!strstr(written, "<script>alert"));
    CHECK(!strstr(written, "alert(1)</script>"));
    CHECK(!strchr(written, 1) && !strchr(written, (char)0xff));
    CHECK(strstr(written, "&lt;script&gt;alert(1)&lt;/script&gt;]]&gt;&quot;&#39;&amp;\\"));
    CHECK(strstr(written, "\\u003cscript\\u003ealert(1)"));
    size_t ends = 0;
    for (const char *at = written; (at = strstr(at, "]]>")); at++)
        ends++;
    CHECK_EQ(ends, 2); /* of the style and of the script */
    free(written);
    fixture_free(profile);
}

static json_t *exported_json(const struct pyro_profile *profile, const char *format)
{
    export(profile, format, OPTIONS(.clock = PYRO_CLOCK_WALL));
    json_error_t error;
    json_t *root = json_loadb(written, written_size, 0, &error);
    if (!root)
        printf("# %s: %s\n", format, error.text);
    free(written);
    return root;
}

static void json_survives_hostile_names(void)
{
    struct pyro_profile *profile = hostile_profile();
    json_t *root = exported_json(profile, "json");
    CHECK(root);
    json_t *function = json_array_get(json_object_get(root, "functions"), 0);
    CHECK_STR(json_string_value(json_object_get(function, "name")),
              "<script>alert(1)</script>]]>\"'&\\\x01\n\xef\xbf\xbd\xf0\x9f\x94\xa5");
    json_decref(root);
    root = exported_json(profile, "speedscope");
    CHECK(root);
    json_decref(root);
    fixture_free(profile);
}

static void seconds_have_nine_decimals(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct pyro_json json = pyro_json_to(out);
    const double values[] = {0, 1.5, 0.000000001, 0.0000000004, -0.25, 12.123456789, NAN};
    pyro_json_array(&json, NULL);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        pyro_json_seconds(&json, NULL, values[i]);
    pyro_json_end(&json);
    fclose(out);
    CHECK_STR(text, "[0,1.5,0.000000001,0,-0.25,12.123456789,null]");
    free(text);
}

/* -- json --------------------------------------------------------------------------------------- */

static void json_holds_every_sample(void)
{
    static const char *const columns[] = {"time_us",   "thread", "stack",  "state",
                                          "weight_us", "flags",  "unsure", "wait"};
    struct pyro_profile *profile = fixture_orders();
    json_t *root = exported_json(profile, "json"), *samples = json_object_get(root, "samples");
    CHECK_STR(json_string_value(json_object_get(root, "format")), "pyrometer-profile");
    CHECK_EQ(json_object_size(samples), 8);
    for (size_t i = 0; i < 8; i++)
        CHECK_EQ(json_array_size(json_object_get(samples, columns[i])), 1000);
    CHECK_EQ(json_array_size(json_object_get(root, "stacks")), profile->stack_count);
    json_t *first = json_array_get(json_object_get(root, "stacks"), 0);
    CHECK_EQ(json_integer_value(json_object_get(first, "parent")), -1);
    CHECK_EQ(json_integer_value(json_object_get(first, "frame")), -1);
    CHECK_EQ(json_integer_value(json_array_get(json_object_get(samples, "wait"), 999)), -1);
    CHECK_EQ(json_integer_value(json_array_get(json_object_get(samples, "wait"), 0)), 0);
    CHECK_EQ(json_integer_value(json_array_get(json_object_get(samples, "unsure"), 999)), 1);
    CHECK_STR(json_string_value(json_array_get(json_object_get(root, "states"), 4)), "gil_wait");
    json_decref(root);
    fixture_free(profile);
}

static void speedscope_weights_add_up_by_thread(void)
{
    struct pyro_profile *profile = fixture_orders();
    json_t *root = exported_json(profile, "speedscope"),
           *threads = json_object_get(root, "profiles");
    CHECK_EQ(json_array_size(threads), 1);
    json_t *thread = json_array_get(threads, 0), *weights = json_object_get(thread, "weights");
    double sum_us = 0;
    for (size_t i = 0; i < json_array_size(weights); i++)
        sum_us += json_number_value(json_array_get(weights, i));
    CHECK_EQ(json_array_size(weights), json_array_size(json_object_get(thread, "samples")));
    CHECK(fabs(sum_us - 1e6) < 0.5);
    CHECK(fabs(json_number_value(json_object_get(thread, "endValue")) - sum_us) < 0.5);
    json_decref(root);
    fixture_free(profile);
}

/* -- pprof -------------------------------------------------------------------------------------- */

static Perftools__Profiles__Profile *exported_pprof(const struct pyro_profile *profile)
{
    export(profile, "pprof", OPTIONS(.clock = PYRO_CLOCK_WALL));
    static uint8_t plain[1 << 20];
    z_stream zip = {.next_in = (Bytef *)written,
                    .avail_in = (uInt)written_size,
                    .next_out = plain,
                    .avail_out = sizeof(plain)};
    CHECK_EQ(inflateInit2(&zip, 15 + 16), Z_OK);
    CHECK_EQ(inflate(&zip, Z_FINISH), Z_STREAM_END);
    size_t size = sizeof(plain) - zip.avail_out;
    inflateEnd(&zip);
    free(written);
    return perftools__profiles__profile__unpack(NULL, size, plain);
}

static void pprof_adds_up_and_refers_to_what_is_there(void)
{
    struct pyro_profile *profile = fixture_orders();
    FIXTURE_ADD(profile, .stack = 1, .state = PYRO_STATE_RUNNING, .weight_us = 4000);
    Perftools__Profiles__Profile *read = exported_pprof(profile);
    CHECK(read);
    CHECK_STR(read->string_table[0], "");
    CHECK_STR(read->string_table[read->sample_type[1]->type], "wall");
    CHECK_STR(read->string_table[read->sample_type[1]->unit], "nanoseconds");
    int64_t samples = 0, time_ns = 0;
    for (size_t i = 0; i < read->n_sample; i++) {
        samples += read->sample[i]->value[0];
        time_ns += read->sample[i]->value[1];
        CHECK_EQ(read->sample[i]->n_label, 3);
        for (size_t k = 0; k < read->sample[i]->n_location_id; k++)
            CHECK(read->sample[i]->location_id[k] >= 1 &&
                  read->sample[i]->location_id[k] <= read->n_location);
    }
    CHECK_EQ(samples, 1001);
    CHECK_EQ(time_ns, 1004000000);
    uint64_t leaf = read->sample[0]->location_id[0];
    uint64_t function = read->location[leaf - 1]->line[0]->function_id;
    CHECK_STR(read->string_table[read->function[function - 1]->name], "Cursor.execute");
    CHECK_EQ(read->location[leaf - 1]->line[0]->line, 91);
    perftools__profiles__profile__free_unpacked(read, NULL);
    fixture_free(profile);
}

/* -- the picture -------------------------------------------------------------------------------- */

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* A hundred thousand different stacks: few are drawn, the rest is said to be left out. */
static void a_wide_profile_stays_a_small_picture(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t root = fixture_stack(profile, 0, fixture_code(profile, "main", "/srv/shop/a.py", 1));
    uint32_t code = fixture_code(profile, "f", "/srv/shop/a.py", 3);
    uint32_t function = profile->frames[code].function;
    for (uint32_t i = 0; i < 100000; i++)
        FIXTURE_ADD(profile,
                    .stack = fixture_stack(profile, root, fixture_frame(profile, function, i + 1)),
                    .state = PYRO_STATE_RUNNING, .weight_us = i % 10 ? 1000 : 3000);
    export(profile, "flamegraph", OPTIONS(.clock = PYRO_CLOCK_WALL));
    CHECK(written_size < 2000000);
    CHECK(occurrences(written, "<rect width=\"100%\" height=\"100%\" rx") <= 1500);
    CHECK(
        strstr(written, "90000 of the narrowest boxes are left out, together 75.00 % of the time"));
    free(written);
    export(profile, "flamegraph", OPTIONS(.functions = true));
    CHECK_EQ(occurrences(written, "<rect width=\"100%\" height=\"100%\" rx"), 3);
    CHECK(!strstr(written, "left out"));
    free(written);
    fixture_free(profile);
}

/* But for one of looks, which says that there are none. */
static void every_format_takes_an_empty_recording(void)
{
    const struct pyro_export_options no_options = {0};
    struct pyro_profile *profile = fixture_profile();
    struct pyro_error error;
    for (const struct pyro_format *format = pyro_formats; format->name; format++) {
        if (format->holds == PYRO_HOLDS_LOOKS) {
            CHECK_EQ(format->write(profile, &no_options, stdout, &error), -ENODATA);
            continue;
        }
        export(profile, format->name, OPTIONS(.by_thread = true));
        free(written);
    }
    fixture_free(profile);
}

static void a_full_disk_is_an_error(void)
{
    struct pyro_profile *profile = fixture_orders();
    give_look(profile);
    for (const struct pyro_format *format = pyro_formats; format->name; format++) {
        FILE *out = fopen("/dev/full", "w");
        CHECK(out);
        struct pyro_error error = {0};
        const struct pyro_export_options options = {0};
        CHECK(format->write(profile, &options, out, &error) < 0);
        CHECK(strstr(error.message, "No space left"));
        fclose(out);
    }
    fixture_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(the_suffix_chooses_the_format), TEST(collapsed_has_a_line_a_stack),
        TEST(collapsed_keeps_threads_and_processes_apart), TEST(collapsed_replaces_what_separates),
        TEST(deep_stacks_are_elided_in_the_middle), TEST(deep_stacks_make_small_files),
        TEST(the_picture_escapes_what_xml_could_take_for_its_own),
        TEST(json_survives_hostile_names), TEST(json_holds_every_sample),
        TEST(seconds_have_nine_decimals), TEST(speedscope_weights_add_up_by_thread),
        TEST(pprof_adds_up_and_refers_to_what_is_there), TEST(a_wide_profile_stays_a_small_picture),
        TEST(every_format_takes_an_empty_recording), TEST(a_full_disk_is_an_error));
}
