/* tests/unit/view_data.c - what a page is told: view/internal.h. */
#include "view/internal.h"

#include "profile/sums.h"
#include "profile/timeline.h"

#include "fixture_profile.h"

#include <math.h>
#include <zlib.h>

/* Samples of the same part of time, thread, stack and state are one cell; nothing is lost. */
static void cells_keep_all_time(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_cells cells;
    double all_us = 0, cpu_us = 0;
    uint64_t samples = 0;
    CHECK_EQ(pyro_cells_make(&cells, profile), 0);
    for (size_t i = 0; i < cells.count; i++) {
        const struct pyro_cell_kind *kind = &cells.kinds[cells.kind[i]];
        CHECK(cells.bucket[i] < cells.bucket_count && cells.stack[i] < profile->stack_count);
        CHECK(i == 0 || cells.bucket[i] >= cells.bucket[i - 1]);
        all_us += pyro_cell_time_us(&cells, i);
        samples += cells.samples[i];
        if (kind->clocks & 1 << PYRO_CLOCK_CPU)
            cpu_us += pyro_cell_time_us(&cells, i);
    }
    CHECK_EQ(samples, 1000);
    CHECK(fabs(all_us - 1e6) < 1);
    CHECK(fabs(cpu_us - 90e3) < 1);
    CHECK_EQ(cells.bucket_count, 1000);
    pyro_cells_clear(&cells);
    fixture_free(profile);
}

enum { STACKS = 40000 };

/* However many there are in one part of the time, each is found again. */
static void a_part_has_as_many_cells_as_it_needs(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t frames[] = {fixture_code(profile, "left", "/srv/shop/a.py", 1),
                         fixture_code(profile, "right", "/srv/shop/a.py", 9)};
    struct pyro_cells cells;
    for (uint32_t i = 1; i < STACKS; i++)
        CHECK_EQ(fixture_stack(profile, i / 2, frames[i % 2]), i);
    CHECK_EQ(pyro_samples_weigh(&profile->samples, 0, 1000), 0);
    CHECK_EQ(pyro_samples_kind(&profile->samples,
                               &(struct pyro_sample_kind){
                                   .thread = 0, .wait = PYRO_NO_ID, .state = PYRO_STATE_RUNNING}),
             0);
    for (uint32_t sweep = 0; sweep < 3; sweep++) { /* two in the first part, one in the next */
        CHECK_EQ(pyro_samples_sweep(&profile->samples, sweep < 2 ? 100 : 1500), 0);
        for (uint32_t i = 1; i < STACKS; i++)
            CHECK_EQ(pyro_samples_add(&profile->samples, i, 0), 0);
    }
    profile->counters.duration_us = 2000;
    CHECK_EQ(pyro_cells_make(&cells, profile), 0);
    CHECK_EQ(cells.bucket_count, 2);
    CHECK_EQ(cells.count, 2 * (STACKS - 1));
    for (uint32_t i = 0; i < cells.count; i++) {
        CHECK_EQ(cells.samples[i], cells.bucket[i] ? 1 : 2);
        CHECK_EQ(cells.stack[i], 1 + i % (STACKS - 1));
    }
    pyro_cells_clear(&cells);
    fixture_free(profile);
}

/* Ten times as long: still as many parts, and cells of several samples. */
static void a_long_recording_is_no_larger(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t frame = fixture_code(profile, "main", "/srv/shop/a.py", 1);
    struct pyro_cells cells;
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, frame), .state = PYRO_STATE_RUNNING,
                .count = 20000);
    CHECK_EQ(pyro_cells_make(&cells, profile), 0);
    CHECK_EQ(cells.bucket_count, PYRO_CELL_BUCKETS);
    CHECK(cells.count <= PYRO_CELL_BUCKETS);
    pyro_cells_clear(&cells);
    fixture_free(profile);
}

enum { SWEEPS = 200000, THREADS = 4 };

/* Samples of four threads at once, which stay where they are for some time. */
static struct pyro_profile *many_samples(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t frame = fixture_code(profile, "main", "/srv/shop/a.py", 1), stacks[3];
    for (uint32_t i = 0; i < 3; i++)
        stacks[i] = fixture_stack(profile, i ? stacks[i - 1] : PYRO_STACK_ROOT, frame);
    while (profile->thread_count < THREADS)
        fixture_thread(profile, 0, 100 + profile->thread_count, "worker");
    CHECK_EQ(pyro_samples_weigh(&profile->samples, 0, 250), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_EQ(pyro_samples_kind(&profile->samples,
                                   &(struct pyro_sample_kind){.thread = i,
                                                              .wait = PYRO_NO_ID,
                                                              .state = PYRO_STATE_RUNNING}),
                 i);
    for (uint32_t i = 0; i < SWEEPS; i++) {
        CHECK_EQ(pyro_samples_sweep(&profile->samples, 250 * (i + 1)), 0);
        for (uint32_t thread = 0; thread < THREADS; thread++)
            CHECK_EQ(pyro_samples_add(&profile->samples, stacks[(i / 40 + thread) % 3], thread), 0);
    }
    profile->counters.duration_us = 250 * SWEEPS;
    return profile;
}

/* Made in parts: none is lost, none is there twice, the order is that of time, threads and what was seen first. */
static void many_samples_are_made_in_parts(void)
{
    struct pyro_profile *profile = many_samples();
    struct pyro_cells cells;
    struct pyro_cell_sum *one, *other;
    size_t ones, others;
    uint64_t samples = 0;
    uint32_t numbers[] = {0, 1, 2, 3};
    double all_us = 0;
    CHECK_EQ(pyro_cells_make(&cells, profile), 0);
    CHECK(cells.count >= (size_t)PYRO_CELL_BUCKETS * THREADS && !cells.sums);
    for (size_t i = 0; i < cells.count; i++) {
        samples += cells.samples[i];
        all_us += pyro_cell_time_us(&cells, i);
        if (i == 0)
            continue;
        CHECK(cells.bucket[i] >= cells.bucket[i - 1]);
        if (cells.bucket[i] == cells.bucket[i - 1])
            CHECK(cells.thread[i] > cells.thread[i - 1] ||
                  (cells.thread[i] == cells.thread[i - 1] && cells.stack[i] != cells.stack[i - 1]));
    }
    CHECK_EQ(samples, (uint64_t)SWEEPS * THREADS);
    CHECK(fabs(all_us - 250.0 * SWEEPS * THREADS) < 1);
    CHECK_EQ(pyro_cells_sum_up(&cells, numbers, &one, &ones), 0);
    pyro_cells_clear(&cells);
    CHECK_EQ(pyro_sums_make(profile), 0);
    CHECK_EQ(pyro_cells_make(&cells, profile), 0);
    CHECK(cells.sums);
    CHECK_EQ(pyro_cells_sum_up(&cells, numbers, &other, &others), 0);
    CHECK_EQ(ones, 3 * THREADS);
    CHECK_EQ(others, ones);
    for (size_t i = 0; i < ones; i++) {
        CHECK(one[i].stack == other[i].stack && one[i].thread == other[i].thread &&
              one[i].kind == other[i].kind);
        CHECK(fabs(one[i].samples - other[i].samples) < 0.5);
        CHECK(fabs(one[i].time_us - other[i].time_us) < 1);
    }
    free(one);
    free(other);
    pyro_cells_clear(&cells);
    fixture_free(profile);
}

/* What viewer/src/packed.ts makes of TEXT; how many bytes. */
static size_t unpack(const char *text, size_t length, uint8_t *bytes)
{
    static const uint8_t unsafe[] = {0,    '\b', '\t', '\n', '\v', '\f', '\r',
                                     0x1a, 0x1b, ' ',  '&',  '<',  '\\', 0x7f};
    uint32_t bits = 0, count = 0;
    size_t made = 0;
    for (size_t i = 0; i < length; i++) {
        uint32_t code = (uint8_t)text[i];
        CHECK(code >= 0x80 || !memchr(unsafe, (int)code, sizeof(unsafe)));
        if (code < 0x80) {
            bits |= code << count;
            count += 7;
        } else { /* U+0100 to U+07FF */
            code = (code & 0x1f) << 6 | ((uint8_t)text[++i] & 0x3f);
            CHECK(code >= 0x100 && (code >> 7) - 2 < sizeof(unsafe));
            bits |= (unsafe[(code >> 7) - 2] | (code & 127) << 7) << count;
            count += 14;
        }
        for (; count >= 8; count -= 8, bits >>= 8)
            bytes[made++] = (uint8_t)bits;
    }
    return made;
}

static uint32_t number_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* All of it, whatever it was cut into; at most a zero byte follows. */
static void check_packed(const struct pyro_packed_data *packed, const struct pyro_buffer *data)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    CHECK_EQ(pyro_page_put_packed(out, packed), 0);
    CHECK_EQ(fclose(out), 0);
    uint8_t *zipped = malloc(length), *opened = malloc(data->size + 1);
    size_t size = unpack(text, length, zipped);
    uint32_t pieces = number_at(zipped);
    size_t from = 4 * (1 + (size_t)pieces), made = 0;
    for (uint32_t i = 0; i < pieces; i++) {
        uLongf room = data->size + 1 - made;
        uLong packed_size = number_at(zipped + 4 * (1 + i));
        CHECK(from + packed_size <= size);
        CHECK_EQ(uncompress(opened + made, &room, zipped + from, packed_size), Z_OK);
        made += room;
        from += packed_size;
    }
    CHECK(from == size || (from + 1 == size && zipped[from] == 0));
    CHECK_EQ(made, data->size);
    CHECK(data->size == 0 || memcmp(opened, data->data, data->size) == 0);
    free(opened);
    free(zipped);
    free(text);
}

static void pieces_are_all_of_it(void)
{
    static const size_t sizes[] = {0, 1, 1000, 2 << 20, (2 << 20) + 1, 5 << 20, 13 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct pyro_buffer data = {0};
        struct pyro_packed_data packed = {0};
        uint32_t random = 1;
        for (size_t k = 0; k < sizes[i]; k++) {
            random = random * 1664525 + 1013904223;
            pyro_buffer_put_u8(&data, (uint8_t)(random >> (k % 50 < 40 ? 30 : 24)));
        }
        CHECK_EQ(pyro_page_pack(&packed, &data), 0);
        check_packed(&packed, &data);
        pyro_page_packed_clear(&packed);
        pyro_buffer_free(&data);
    }
}

static const struct pyro_page_column *column(const struct pyro_page_columns *columns,
                                             const char *name)
{
    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->items[i].name, name) == 0)
            return &columns->items[i];
    CHECK(!"there is such a column");
    return NULL;
}

/* Number I of a column of ways, from the first one on. */
static uint32_t way_to(const struct pyro_page_columns *columns, const char *name, size_t i)
{
    const struct pyro_page_column *it = column(columns, name);
    size_t width = strcmp(it->type, "u8") == 0 ? 1 : strcmp(it->type, "u16") == 0 ? 2 : 4;
    uint32_t value = 0;
    for (size_t k = 0; k <= i; k++) {
        uint32_t way = 0;
        for (size_t plane = 0; plane < width; plane++)
            way |= (uint32_t)columns->bytes.data[it->offset + plane * it->count + k] << (8 * plane);
        value += way & 1 ? ~(way >> 1) : way >> 1;
    }
    return value;
}

/* Of many looks each part of the time has the one with the most, the peak among them. */
static void memory_over_time_is_bounded(void)
{
    enum { LOOKS = 30000, PEAK = 12347 };
    struct pyro_profile *profile = fixture_profile();
    struct pyro_page_columns columns = {0};
    char *head = NULL;
    size_t size = 0, found = 0;
    profile->looks = calloc(LOOKS, sizeof(*profile->looks));
    for (size_t i = 0; i < LOOKS; i++)
        profile->looks[i] = (struct pyro_look){
            .time_us = 100000 * i, .rss = (i == PEAK ? 90000 : 10000 + i % 77) * UINT64_C(1024)};
    profile->look_count = LOOKS;
    FILE *out = open_memstream(&head, &size);
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    CHECK_EQ(pyro_page_over_time(&columns, &json, profile, NULL), 0);
    pyro_json_end(&json);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(head, "\"thinned\": true") || strstr(head, "\"thinned\":true"));
    const struct pyro_page_column *rss = column(&columns, "look_rss");
    CHECK(rss->count <= 2000 && rss->count > 1000);
    for (size_t i = 0; i < rss->count; i++)
        if (way_to(&columns, "look_rss", i) == 90000) {
            CHECK_EQ(way_to(&columns, "look_ms", i), 100 * PEAK);
            found++;
        }
    CHECK_EQ(found, 1);
    free(head);
    free(profile->looks);
    pyro_page_columns_free(&columns);
    fixture_free(profile);
}

static void timed(struct pyro_profile *profile, uint32_t function, double self_s, double total_s)
{
    FIXTURE_GROW(profile->timed_functions, profile->timed_function_count);
    profile->timed_functions[profile->timed_function_count++] =
        (struct pyro_timed_function){.function = function,
                                     .ncalls = 1,
                                     .primitive_calls = 1,
                                     .self_s = self_s,
                                     .total_s = total_s};
}

static void edge(struct pyro_profile *profile, uint32_t caller, uint32_t callee, double total_s)
{
    FIXTURE_GROW(profile->timed_edges, profile->timed_edge_count);
    profile->timed_edges[profile->timed_edge_count++] = (struct pyro_timed_edge){
        .caller = caller, .callee = callee, .ncalls = 1, .primitive_calls = 1, .total_s = total_s};
}

static double time_at(const struct pyro_guess *guess, uint32_t parent, uint32_t function)
{
    double time_us = NAN;
    for (size_t i = 1; i < guess->count; i++)
        if (guess->parents[i] == parent && guess->functions[i] == function)
            time_us = (double)guess->self_us[i];
    return time_us;
}

/* main spends 4 s on work, which is 3 s for b and 1 s for a: a quarter of what work calls is put below a. */
static void a_guess_shares_out_in_proportion(void)
{
    struct pyro_profile *profile = fixture_profile();
    struct pyro_guess guess;
    uint32_t functions[4];
    for (uint32_t i = 0; i < 4; i++)
        functions[i] = fixture_function(profile, (const char *[]){"main", "a", "b", "work"}[i],
                                        "/srv/shop/a.py", i, PYRO_FUNCTION_PYTHON);
    profile->timed = true;
    timed(profile, functions[0], 1, 6);
    timed(profile, functions[1], 0, 1);
    timed(profile, functions[2], 1, 4);
    timed(profile, functions[3], 4, 4);
    edge(profile, functions[0], functions[1], 1);
    edge(profile, functions[0], functions[2], 4);
    edge(profile, functions[1], functions[3], 1);
    edge(profile, functions[2], functions[3], 3);
    CHECK_EQ(pyro_guess_make(&guess, profile), 0);
    CHECK_EQ(guess.count, 6); /* the root, main, a and b, work below each */
    CHECK(fabs(time_at(&guess, 0, functions[0]) - 1e6) < 1);
    for (uint32_t i = 1; i < guess.count; i++)
        if (guess.functions[i] == functions[1])
            CHECK(fabs(time_at(&guess, i, functions[3]) - 1e6) < 1);
        else if (guess.functions[i] == functions[2])
            CHECK(fabs(time_at(&guess, i, functions[3]) - 3e6) < 1);
    pyro_guess_clear(&guess);
    fixture_free(profile);
}

/* Two functions that call each other have no end: a recursion is folded into its caller. */
static void a_guess_of_a_recursion_ends(void)
{
    struct pyro_profile *profile = fixture_profile();
    struct pyro_guess guess;
    uint32_t one = fixture_function(profile, "one", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t two = fixture_function(profile, "two", "/srv/shop/a.py", 9, PYRO_FUNCTION_PYTHON);
    uint32_t main = fixture_function(profile, "main", "/srv/shop/a.py", 20, PYRO_FUNCTION_PYTHON);
    double all_us = 0;
    profile->timed = true;
    timed(profile, main, 0, 4);
    timed(profile, one, 2, 4);
    timed(profile, two, 2, 3);
    edge(profile, main, one, 4);
    edge(profile, one, two, 3);
    edge(profile, two, one, 2);
    CHECK_EQ(pyro_guess_make(&guess, profile), 0);
    for (size_t i = 0; i < guess.count; i++)
        all_us += (double)guess.self_us[i];
    CHECK(fabs(all_us - 4e6) < 1);
    CHECK(guess.folded_us > 0);
    pyro_guess_clear(&guess);
    fixture_free(profile);
}

/* The narrowest type that holds the largest number, lowest bytes first; of what is all the same, that. */
static void columns_are_narrow(void)
{
    static const uint8_t expected[] = {1, 255, 3, 0, 1, 1, 1, 0, 0, 3, 0, 0, 1, 1, 0, 0, 0, 0, 0};
    struct pyro_page_columns columns = {0};
    pyro_page_columns_u32(&columns, "small", (const uint32_t[]){1, 255, 3}, 3);
    pyro_page_columns_u32(&columns, "middle", (const uint32_t[]){256, 257}, 2);
    pyro_page_columns_u32(&columns, "large", (const uint32_t[]){65536, 0, 259}, 3);
    pyro_page_columns_u32(&columns, "same", (const uint32_t[]){70000, 70000}, 2);
    pyro_page_columns_u32(&columns, "none", NULL, 0);
    CHECK(!columns.bytes.failed);
    CHECK(strcmp(columns.items[0].type, "u8") == 0 && columns.items[0].offset == 0);
    CHECK(strcmp(columns.items[1].type, "u16") == 0 && columns.items[1].offset == 3);
    CHECK(strcmp(columns.items[2].type, "u32") == 0 && columns.items[2].offset == 7);
    CHECK(strcmp(columns.items[3].type, "same") == 0 && columns.items[3].offset == 70000);
    CHECK_EQ(columns.items[3].count, 2);
    CHECK_EQ(columns.items[4].count, 0);
    CHECK_EQ(columns.bytes.size, sizeof(expected));
    CHECK(memcmp(columns.bytes.data, expected, sizeof(expected)) == 0);
    pyro_page_columns_free(&columns);
}

/* Up is even, down is odd; what counts is whole numbers where it can be. */
static void ways_and_counts(void)
{
    static const uint8_t ways[] = {10, 1, 4, 0};
    struct pyro_page_columns columns = {0};
    pyro_page_columns_ways(&columns, "ways", (const uint32_t[]){5, 4, 6, 6}, 4);
    CHECK(memcmp(columns.bytes.data, ways, sizeof(ways)) == 0);
    pyro_page_columns_counts(&columns, "whole", (const double[]){3, 300}, 2);
    pyro_page_columns_counts(&columns, "parts", (const double[]){3, 0.5}, 2);
    pyro_page_columns_counts(&columns, "many", (const double[]){3, 5e9}, 2);
    CHECK(strcmp(columns.items[1].type, "u16") == 0);
    CHECK(strcmp(columns.items[2].type, "f64") == 0);
    CHECK(strcmp(columns.items[3].type, "f64") == 0);
    pyro_page_columns_free(&columns);
}

/* Stacks of the same functions are one node; the heaviest child first, a stack's parent is told by its place in its node. */
static void stacks_in_the_order_of_a_flame_graph(void)
{
    /*                                   0  1 main 2 a 3 main 4 b 5 a, from line 3 of main */
    static const uint32_t parents[] = {0, 0, 1, 0, 1, 3}, functions[] = {0, 7, 8, 7, 9, 8};
    static const double self_us[] = {0, 1, 2, 3, 50, 4};
    static const uint32_t up[] = {0, 0, 0, 1}, nodes[] = {0, 7, 9, 8}, merged[] = {1, 2, 1, 2};
    static const uint32_t which[] = {0, 0, 0, 0, 0, 1}, stacks[] = {0, 1, 3, 4, 2, 5};
    struct pyro_page_order order;
    CHECK_EQ(
        pyro_page_order_make(&order, &(struct pyro_page_stacks){parents, functions, self_us, 6}),
        0);
    CHECK_EQ(order.node_count, 4);
    CHECK(memcmp(order.node_up, up, sizeof(up)) == 0);
    CHECK(memcmp(order.node_function, nodes, sizeof(nodes)) == 0);
    CHECK(memcmp(order.node_stacks, merged, sizeof(merged)) == 0);
    CHECK(memcmp(order.stack_parent, which, sizeof(which)) == 0);
    CHECK(memcmp(order.stacks, stacks, sizeof(stacks)) == 0);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_EQ(order.stacks[order.numbers[i]], i);
    pyro_page_order_clear(&order);
}

int main(void)
{
    return CHECK_MAIN(TEST(cells_keep_all_time), TEST(a_part_has_as_many_cells_as_it_needs),
                      TEST(a_long_recording_is_no_larger), TEST(many_samples_are_made_in_parts),
                      TEST(pieces_are_all_of_it), TEST(memory_over_time_is_bounded),
                      TEST(a_guess_shares_out_in_proportion), TEST(a_guess_of_a_recursion_ends),
                      TEST(columns_are_narrow), TEST(ways_and_counts),
                      TEST(stacks_in_the_order_of_a_flame_graph));
}
