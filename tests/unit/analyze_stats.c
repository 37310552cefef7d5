/* tests/unit/analyze_stats.c - analyze/stats.h and, below it, profile/totals.h. */
#include "analyze/stats.h"

#include "fixture_profile.h"

#include <errno.h>
#include <math.h>

static struct pyro_stats *stats_of(const struct pyro_profile *profile,
                                   struct pyro_stats_options options)
{
    struct pyro_stats *stats = NULL;
    struct pyro_error error = {0};
    CHECK_EQ(pyro_stats_make(profile, &options, &stats, &error), 0);
    return stats;
}
#define ALL(...) ((struct pyro_stats_options){.thread = PYRO_NO_ID, __VA_ARGS__})

static const struct pyro_stats_row *row_of(const struct pyro_stats *stats, const char *name)
{
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_function *function = &stats->profile->functions[stats->rows[i].function];
        if (strcmp(pyro_profile_text(stats->profile, function->name), name) == 0)
            return &stats->rows[i];
    }
    return NULL;
}

static const struct pyro_stats_edge *edge_of(const struct pyro_stats *stats, const char *caller,
                                             const char *callee)
{
    size_t count;
    const struct pyro_stats_edge *edges =
        pyro_stats_callers(stats, row_of(stats, callee)->function, &count);
    uint32_t wanted = caller ? row_of(stats, caller)->function : PYRO_NO_ID;
    for (size_t i = 0; i < count; i++)
        if (edges[i].caller == wanted)
            return &edges[i];
    return NULL;
}

static bool near(double actual, double expected)
{
    return fabs(actual - expected) < 1e-6;
}

static double sum_of_rows(const struct pyro_stats *stats)
{
    double sum_s = 0;
    for (size_t i = 0; i < stats->row_count; i++)
        sum_s += stats->rows[i].tottime_s;
    return sum_s;
}

static void times_of_functions_and_edges(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK(near(stats->total_s, 1.0) && near(stats->duration_s, 1.0));
    CHECK(near(sum_of_rows(stats), 1.0));
    CHECK(near(row_of(stats, "<module>")->cumtime_s, 1.0));
    CHECK(near(row_of(stats, "<module>")->tottime_s, 0));
    CHECK(near(row_of(stats, "Cursor.execute")->tottime_s, 0.880));
    CHECK(near(row_of(stats, "order_list")->cumtime_s, 0.930));
    CHECK_EQ(row_of(stats, "order_list")->samples_total, 930);
    CHECK_EQ(row_of(stats, "order_list")->samples_self, 0);
    CHECK_EQ(row_of(stats, "order_list")->ncalls, PYRO_NO_CALLS);
    CHECK(near(edge_of(stats, "order_list", "execute_query")->time_s, 0.880));
    CHECK(near(edge_of(stats, NULL, "<module>")->time_s, 1.0));
    CHECK(!edge_of(stats, "<module>", "execute_query"));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void recursion_counts_once(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, ALL());
    const struct pyro_stats_row *walk = row_of(stats, "walk");
    CHECK(near(walk->cumtime_s, 0.040) && near(walk->tottime_s, 0.040));
    CHECK_EQ(walk->samples_total, 40);
    CHECK(near(edge_of(stats, "walk", "walk")->time_s, 0.030));
    CHECK(near(edge_of(stats, "<module>", "walk")->time_s, 0.040));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void states_and_waiting_categories(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK(near(stats->waiting_s, 0.910) && near(stats->running_s, 0.090));
    CHECK(near(stats->unsure_s, 0.002) && near(stats->parked_s, 0));
    CHECK_EQ(stats->waiting_count, 2);
    CHECK_STR(stats->waiting[0].category, "database");
    CHECK(near(stats->waiting[0].time_s, 0.880));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void each_clock_counts_its_samples(void)
{
    struct pyro_profile *profile = fixture_orders();
    static const struct {
        enum pyro_clock clock;
        double total_s;
    } expected[] = {{PYRO_CLOCK_WALL, 1.0},
                    {PYRO_CLOCK_CPU, 0.090},
                    {PYRO_CLOCK_GIL, 0.090},
                    {PYRO_CLOCK_WAIT, 0.910}};
    for (size_t i = 0; i < 4; i++) {
        struct pyro_stats *stats = stats_of(profile, ALL(.clock = expected[i].clock));
        CHECK(near(stats->total_s, expected[i].total_s));
        CHECK(near(sum_of_rows(stats), expected[i].total_s));
        CHECK(near(stats->waiting_s, 0.910)); /* the summary is always of wall time */
        pyro_stats_free(stats);
    }
    fixture_free(profile);
}

/* A worker of a thread pool that waits for work, and a thread that was seen without any Python frame. */
static void parked_and_empty_threads_stand_apart(void)
{
    struct pyro_profile *profile = fixture_orders();
    uint32_t worker = fixture_thread(profile, 0, 4712, "pool_0");
    uint32_t loop =
        fixture_code(profile, "_worker", "/usr/lib/python3.11/concurrent/futures/thread.py", 70);
    FIXTURE_ADD(profile, .thread = worker, .stack = FIXTURE_PATH(profile, loop),
                .state = PYRO_STATE_WAITING, .count = 500);
    FIXTURE_ADD(profile, .thread = worker, .stack = PYRO_STACK_ROOT, .state = PYRO_STATE_RUNNING,
                .count = 7);
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK(near(stats->parked_s, 0.500) && near(stats->total_s, 1.007) &&
          near(stats->no_python_s, 0.007));
    CHECK(near(sum_of_rows(stats) + stats->no_python_s, stats->total_s));
    CHECK(!row_of(stats, "_worker"));
    CHECK_EQ(stats->thread_count, 2);
    pyro_stats_free(stats);
    stats = stats_of(profile, ALL(.idle = true));
    CHECK(near(row_of(stats, "_worker")->tottime_s, 0.500) && near(stats->total_s, 1.507));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void threads_and_processes_can_be_asked_for_alone(void)
{
    struct pyro_profile *profile = fixture_orders();
    uint32_t child = fixture_process(profile, 4800, "python3 child.py");
    uint32_t thread = fixture_thread(profile, child, 4800, "MainThread");
    uint32_t code = fixture_code(profile, "work", "/srv/shop/child.py", 3);
    FIXTURE_ADD(profile, .thread = thread, .stack = FIXTURE_PATH(profile, code),
                .state = PYRO_STATE_RUNNING, .count = 20);
    struct pyro_stats *stats = stats_of(profile, ALL(.pid = 4800));
    CHECK(near(stats->total_s, 0.020) && stats->row_count == 1 && near(stats->waiting_s, 0));
    pyro_stats_free(stats);
    stats = stats_of(profile, (struct pyro_stats_options){.thread = 0});
    CHECK(near(stats->total_s, 1.0) && !row_of(stats, "work"));
    pyro_stats_free(stats);
    fixture_free(profile);
}

/* 200 samples of 1 ms, 20 of them in rare(): sigma is sqrt(20 * 0.9) ms. */
static void the_error_is_that_of_a_binomial_count(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t rare = fixture_code(profile, "rare", "a.py", 1),
             often = fixture_code(profile, "often", "a.py", 9);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, rare), .state = PYRO_STATE_RUNNING,
                .count = 20);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, often), .state = PYRO_STATE_RUNNING,
                .count = 180);
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK(near(row_of(stats, "rare")->tottime_sigma_s, sqrt(20 * 0.9) / 1e3));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void twenty_thousand_frames_are_walked_without_recursion(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t even = fixture_code(profile, "even", "a.py", 1),
             odd = fixture_code(profile, "odd", "a.py", 9);
    uint32_t stack = PYRO_STACK_ROOT;
    for (int depth = 0; depth < 20000; depth++)
        stack = fixture_stack(profile, stack, depth % 2 ? odd : even);
    FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_RUNNING, .count = 5);
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK(near(row_of(stats, "even")->cumtime_s, 0.005) &&
          near(row_of(stats, "odd")->cumtime_s, 0.005));
    CHECK(near(edge_of(stats, "odd", "even")->time_s, 0.005));
    CHECK(near(row_of(stats, "odd")->tottime_s, 0.005) &&
          near(row_of(stats, "even")->tottime_s, 0));
    CHECK_EQ(stats->edge_count, 3);
    pyro_stats_free(stats);
    fixture_free(profile);
}

/* -- against the plain definition --------------------------------------------------------------- */

#define FUNCTIONS 8
#define STACKS    400
#define SAMPLES   3000

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

/* For each sample: the set of functions and the set of pairs on its stack. */
struct plain {
    double self_us[FUNCTIONS], total_us[FUNCTIONS], edge_us[FUNCTIONS + 1][FUNCTIONS];
};

static void add_plainly(struct plain *plain, const struct pyro_profile *profile, size_t sample)
{
    bool seen[FUNCTIONS] = {false}, pair[FUNCTIONS + 1][FUNCTIONS] = {{false}};
    double weight_us = (double)pyro_sample_weight_us(profile, sample);
    uint32_t stack = pyro_sample_stack(profile, sample);
    if (stack)
        plain->self_us[profile->frames[profile->stacks[stack].frame].function] += weight_us;
    for (; stack; stack = profile->stacks[stack].parent) {
        uint32_t parent = profile->stacks[stack].parent;
        uint32_t callee = profile->frames[profile->stacks[stack].frame].function;
        uint32_t caller =
            parent ? profile->frames[profile->stacks[parent].frame].function : FUNCTIONS;
        plain->total_us[callee] += seen[callee] ? 0 : weight_us;
        plain->edge_us[caller][callee] += pair[caller][callee] ? 0 : weight_us;
        seen[callee] = pair[caller][callee] = true;
    }
}

static void random_trees_agree_with_the_plain_definition(void)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        uint32_t random = seed, frames[FUNCTIONS];
        struct pyro_profile *profile = fixture_profile();
        struct plain plain = {0};
        for (int i = 0; i < FUNCTIONS; i++) {
            char name[16];
            snprintf(name, sizeof(name), "f%d", i);
            frames[i] = fixture_code(profile, name, "a.py", 10 * (uint32_t)i);
        }
        for (int i = 1; i < STACKS; i++) {
            uint32_t parent = next_random(&random) % (uint32_t)i;
            fixture_stack(profile, parent, frames[next_random(&random) % FUNCTIONS]);
        }
        for (int i = 0; i < SAMPLES; i++) {
            FIXTURE_ADD(profile, .stack = next_random(&random) % STACKS,
                        .state = PYRO_STATE_RUNNING,
                        .weight_us = (float)(1 + next_random(&random) % 5000));
            add_plainly(&plain, profile, (size_t)i);
        }
        struct pyro_stats *stats = stats_of(profile, ALL());
        CHECK(near(sum_of_rows(stats) + stats->no_python_s, stats->total_s));
        for (size_t i = 0; i < stats->row_count; i++) {
            const struct pyro_stats_row *row = &stats->rows[i];
            CHECK(near(row->tottime_s, plain.self_us[row->function] / 1e6));
            CHECK(near(row->cumtime_s, plain.total_us[row->function] / 1e6));
        }
        for (size_t i = 0; i < stats->edge_count; i++) {
            const struct pyro_stats_edge *edge = &stats->edges[i];
            uint32_t caller = edge->caller == PYRO_NO_ID ? FUNCTIONS : edge->caller;
            CHECK(near(edge->time_s, plain.edge_us[caller][edge->callee] / 1e6));
        }
        pyro_stats_free(stats);
        fixture_free(profile);
    }
}

/* -- sorting ------------------------------------------------------------------------------------ */

static void check_order(enum pyro_stats_key key, const char *expected)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, ALL(.sort = key));
    char names[512] = "";
    for (size_t i = 0; i < stats->row_count; i++) {
        const struct pyro_function *function = &profile->functions[stats->rows[i].function];
        const char *name = pyro_profile_text(profile, function->name);
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%.3s ", name);
    }
    CHECK_STR(names, expected);
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void rows_are_sorted_as_asked(void)
{
    check_order(PYRO_SORT_CUMULATIVE, "<mo ord exe Cur Ord wal {bu [un ");
    check_order(PYRO_SORT_TIME, "Cur Ord wal {bu [un <mo ord exe ");
    /* A C function is '<built-in ...>' in the file '~' for pstats, and so is what is no function. */
    check_order(PYRO_SORT_NAME, "{bu <mo Cur Ord [un exe ord wal ");
    check_order(PYRO_SORT_FILE, "<mo exe Ord wal ord Cur {bu [un ");
    check_order(PYRO_SORT_NFL, "{bu <mo Cur Ord [un exe ord wal ");
    check_order(PYRO_SORT_STDNAME, "<mo exe Ord wal ord Cur [un {bu ");
    check_order(PYRO_SORT_LINE, "{bu [un <mo wal Ord ord Cur exe ");
    check_order(PYRO_SORT_CALLS, "<mo ord exe Cur Ord wal {bu [un "); /* not counted: by time */
}

/* A function of FILE is called CALLER_CALLS times and calls one that waits CALLS times, for WAITED_MS of a second: how often a
 * call of its own the mark says. 0: there is none. */
static uint64_t mark_of(const char *file, uint64_t caller_calls, uint64_t calls, uint64_t waited_ms)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t module = fixture_code(profile, "<module>", "/srv/shop/app.py", 1);
    uint32_t caller = fixture_code(profile, "order_list", file, 40);
    uint32_t callee = fixture_code(profile, "fetch", "/srv/shop/orm.py", 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, caller, callee),
                .state = PYRO_STATE_WAITING, .count = waited_ms);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, caller),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 1000 - waited_ms);
    const struct pyro_frame *frames = profile->frames;
    fixture_calls(profile, PYRO_NO_ID, frames[module].function, 1);
    fixture_calls(profile, frames[module].function, frames[caller].function, caller_calls);
    fixture_calls(profile, frames[caller].function, frames[callee].function, calls);
    struct pyro_stats *stats = stats_of(profile, ALL());
    const struct pyro_stats_row *row = row_of(stats, "fetch");
    uint64_t marked = row->repeated_by == frames[caller].function ? row->repeated : 0;
    CHECK(marked || row->repeated_by == PYRO_NO_ID);
    pyro_stats_free(stats);
    fixture_free(profile);
    return marked;
}

static void what_is_called_again_and_again_is_marked(void)
{
    const char *mine = "/srv/shop/views.py", *library = "/usr/lib/python3.12/views.py";
    CHECK_EQ(mark_of(mine, 1, 847, 900), 847);
    CHECK_EQ(mark_of(mine, 1, 100, 900), 100);
    CHECK_EQ(mark_of(mine, 1, 99, 900), 0);
    CHECK_EQ(mark_of(mine, 6, 120, 900), 20);
    CHECK_EQ(mark_of(mine, 6, 119, 900), 0);
    CHECK_EQ(mark_of(mine, 1, 847, 51), 847);
    CHECK_EQ(mark_of(mine, 1, 847, 49), 0);
    CHECK_EQ(mark_of(library, 1, 847, 900), 0);
}

/* A profile whose calls were timed: two functions of one file, and a C function. */
static struct pyro_profile *timed_profile(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t nine = fixture_function(profile, "nine", "/a.py", 9, PYRO_FUNCTION_PYTHON);
    uint32_t ten = fixture_function(profile, "ten", "/a.py", 10, PYRO_FUNCTION_PYTHON);
    uint32_t len = fixture_function(profile, "{built-in method len}", "", 0, PYRO_FUNCTION_C);
    const struct pyro_timed_function functions[] = {
        {nine, 15, 3, 0.25, 1.0}, {ten, 2, 2, 0.5, 0.75}, {len, 40, 40, 0.125, 0.125}};
    const struct pyro_timed_edge edges[] = {{nine, nine, 12, 2, 0.125, 0.5},
                                            {ten, nine, 3, 3, 0.125, 1.0},
                                            {nine, len, 10, 0, NAN, NAN},
                                            {ten, len, 30, 0, NAN, NAN}};
    profile->timed_functions = malloc(sizeof(functions));
    profile->timed_edges = malloc(sizeof(edges));
    memcpy(profile->timed_functions, functions, sizeof(functions));
    memcpy(profile->timed_edges, edges, sizeof(edges));
    profile->timed_function_count = 3;
    profile->timed_edge_count = 4;
    profile->timed = true;
    return profile;
}

static void timed_calls_are_taken_as_they_are(void)
{
    struct pyro_profile *profile = timed_profile();
    struct pyro_stats *stats = stats_of(profile, ALL(.sort = PYRO_SORT_STDNAME));
    CHECK_EQ(stats->row_count, 3);
    CHECK_EQ(stats->rows[0].function, 1); /* ten: line 10 stands before line 9, as texts */
    CHECK_EQ(stats->ncalls, 57);
    CHECK_EQ(stats->primitive_calls, 45);
    CHECK(stats->total_s == 0.875);
    const struct pyro_stats_row *nine = row_of(stats, "nine");
    CHECK(nine->timed && nine->ncalls == 15 && nine->primitive_calls == 3);
    CHECK(nine->tottime_s == 0.25 && nine->cumtime_s == 1.0 && nine->tottime_sigma_s == 0);
    const struct pyro_stats_edge *edge = edge_of(stats, "ten", "nine");
    CHECK(edge->ncalls == 3 && edge->primitive_calls == 3 && edge->self_s == 0.125 &&
          edge->time_s == 1.0);
    edge = edge_of(stats, "ten", "{built-in method len}");
    CHECK_EQ(edge->ncalls, 30);
    CHECK_EQ(edge->primitive_calls, PYRO_NO_CALLS);
    CHECK(isnan(edge->time_s) && edge < edge_of(stats, "nine", "{built-in method len}"));
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void counts_of_a_sampler_are_samples(void)
{
    struct pyro_profile *profile = timed_profile();
    profile->timed_by_samples = true;
    struct pyro_stats *stats = stats_of(profile, ALL());
    const struct pyro_stats_row *nine = row_of(stats, "nine");
    CHECK_EQ(nine->ncalls, PYRO_NO_CALLS);
    CHECK_EQ(nine->samples_total, 15);
    CHECK_EQ(nine->samples_self, 3);
    CHECK(!nine->timed && near(nine->tottime_sigma_s, 0.25 / sqrt(3)));
    CHECK_EQ(edge_of(stats, "ten", "nine")->ncalls, PYRO_NO_CALLS);
    CHECK_EQ(edge_of(stats, "ten", "nine")->samples, 3);
    CHECK_EQ(stats->ncalls, PYRO_NO_CALLS);
    CHECK_EQ(stats->samples, 45);
    pyro_stats_free(stats);
    fixture_free(profile);
}

static void key_names_are_those_of_pstats(void)
{
    static const struct {
        const char *name;
        enum pyro_stats_key key;
    } good[] = {
        {"cumulative", PYRO_SORT_CUMULATIVE},
        {"cumtime", PYRO_SORT_CUMULATIVE},
        {"cu", PYRO_SORT_CUMULATIVE},
        {"time", PYRO_SORT_TIME},
        {"tottime", PYRO_SORT_TIME},
        {"t", PYRO_SORT_TIME},
        {"calls", PYRO_SORT_CALLS},
        {"ncalls", PYRO_SORT_CALLS},
        {"pcalls", PYRO_SORT_PRIMITIVE_CALLS},
        {"name", PYRO_SORT_NAME},
        {"filename", PYRO_SORT_FILE},
        {"module", PYRO_SORT_FILE},
        {"line", PYRO_SORT_LINE},
        {"nfl", PYRO_SORT_NFL},
        {"stdname", PYRO_SORT_STDNAME},
    };
    enum pyro_stats_key key;
    struct pyro_error error = {0};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_EQ(pyro_stats_key_by_name(good[i].name, &key, &error), 0);
        CHECK_EQ(key, good[i].key);
    }
    CHECK_EQ(pyro_stats_key_by_name("n", &key, &error), -EINVAL);
    CHECK(strstr(error.message, "could be"));
    CHECK_EQ(pyro_stats_key_by_name("speed", &key, &error), -EINVAL);
    CHECK(strstr(error.message, "cumulative"));
    CHECK_EQ(pyro_stats_key_by_name("", &key, &error), -EINVAL);
}

static void an_empty_recording_has_no_rows(void)
{
    struct pyro_profile *profile = fixture_profile();
    struct pyro_stats *stats = stats_of(profile, ALL());
    CHECK_EQ(stats->row_count, 0);
    CHECK(near(stats->total_s, 0));
    pyro_stats_free(stats);
    fixture_free(profile);
}

int main(void)
{
    return CHECK_MAIN(TEST(times_of_functions_and_edges), TEST(recursion_counts_once),
                      TEST(states_and_waiting_categories), TEST(each_clock_counts_its_samples),
                      TEST(parked_and_empty_threads_stand_apart),
                      TEST(threads_and_processes_can_be_asked_for_alone),
                      TEST(the_error_is_that_of_a_binomial_count),
                      TEST(twenty_thousand_frames_are_walked_without_recursion),
                      TEST(random_trees_agree_with_the_plain_definition),
                      TEST(rows_are_sorted_as_asked), TEST(timed_calls_are_taken_as_they_are),
                      TEST(what_is_called_again_and_again_is_marked),
                      TEST(counts_of_a_sampler_are_samples), TEST(key_names_are_those_of_pstats),
                      TEST(an_empty_recording_has_no_rows));
}
