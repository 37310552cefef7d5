/* tests/unit/view_data.c - what a page is told: view/internal.h. */
#include "view/internal.h"

#include "fixture_profile.h"

#include <math.h>

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
    return CHECK_MAIN(TEST(cells_keep_all_time), TEST(a_long_recording_is_no_larger),
                      TEST(a_guess_shares_out_in_proportion), TEST(a_guess_of_a_recursion_ends),
                      TEST(columns_are_narrow), TEST(ways_and_counts),
                      TEST(stacks_in_the_order_of_a_flame_graph));
}
