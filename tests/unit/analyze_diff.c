/* tests/unit/analyze_diff.c - analyze/diff.h and, below it, analyze/match.h and profile/line_totals.h. */
#include "analyze/diff.h"

#include "fixture_profile.h"

#include <errno.h>
#include <math.h>

static struct pyro_diff *diff_of(const struct pyro_profile *before,
                                 const struct pyro_profile *after, enum pyro_diff_key key)
{
    const struct pyro_diff_options options = {.sort = key};
    struct pyro_diff *diff = NULL;
    struct pyro_error error = {0};
    CHECK_EQ(pyro_diff_make(before, after, &options, &diff, &error), 0);
    return diff;
}

static const char *name_of(const struct pyro_diff *diff, const struct pyro_diff_row *row)
{
    int side;
    uint32_t function = pyro_diff_function(row, &side);
    return pyro_profile_text(diff->profile[side], diff->profile[side]->functions[function].name);
}

/* The only row of that name, or NULL. */
static const struct pyro_diff_row *row_of(const struct pyro_diff *diff, const char *name)
{
    const struct pyro_diff_row *found = NULL;
    for (size_t i = 0; i < diff->row_count; i++)
        if (strcmp(name_of(diff, &diff->rows[i]), name) == 0) {
            CHECK(!found);
            found = &diff->rows[i];
        }
    return found;
}

static bool is_paired(const struct pyro_diff *diff, const char *name)
{
    const struct pyro_diff_row *row = row_of(diff, name);
    return row && row->match.function[PYRO_BEFORE] != PYRO_NO_ID &&
           row->match.function[PYRO_AFTER] != PYRO_NO_ID;
}

static bool near(double actual, double expected)
{
    return fabs(actual - expected) < 1e-6;
}

/* COUNT samples of 1 ms with FRAME at the root and at the top. */
static void run_code(struct pyro_profile *profile, uint32_t frame, size_t count)
{
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, frame), .state = PYRO_STATE_RUNNING,
                .count = count);
}

/* -- times -------------------------------------------------------------------------------------- */

/* 100 samples in f, then 20; g is gone, h is new. */
static void moves_of_functions(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    run_code(before, fixture_code(before, "f", "/srv/shop/a.py", 1), 100);
    run_code(before, fixture_code(before, "g", "/srv/shop/a.py", 9), 50);
    run_code(after, fixture_code(after, "h", "/srv/shop/a.py", 40), 7);
    run_code(after, fixture_code(after, "f", "/srv/shop/a.py", 3), 20);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, 3);
    CHECK_STR(name_of(diff, &diff->rows[0]), "f"); /* the largest move first */
    CHECK_STR(name_of(diff, &diff->rows[1]), "g");
    struct pyro_move move = pyro_diff_time(row_of(diff, "f")->side, false);
    CHECK(near(move.before, 0.1) && near(move.after, 0.02) && near(move.change, -0.08));
    /* Binomial: sqrt(100 * (1 - 100/150)) and sqrt(20 * (1 - 20/27)) samples of 1 ms. */
    CHECK(near(move.sigma, sqrt(100.0 / 3 + 20.0 * 7 / 27) / 1e3) && move.sure);
    CHECK(!row_of(diff, "g")->side[PYRO_AFTER].there &&
          !row_of(diff, "h")->side[PYRO_BEFORE].there);
    move = pyro_diff_time(row_of(diff, "g")->side, true);
    CHECK(near(move.before, 0.05) && move.after == 0 && move.sure);
    CHECK_EQ(row_of(diff, "f")->side[PYRO_AFTER].ncalls, PYRO_NO_CALLS);
    CHECK(isnan(pyro_diff_calls(row_of(diff, "f")->side).change));
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* 10 and 16 samples of 500: well within three errors. 10 and 60 are not. */
static void small_moves_are_not_sure(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    run_code(before, fixture_code(before, "f", "a.py", 1), 10);
    run_code(after, fixture_code(after, "f", "a.py", 1), 16);
    run_code(before, fixture_code(before, "g", "a.py", 5), 10);
    run_code(after, fixture_code(after, "g", "a.py", 5), 60);
    run_code(before, fixture_code(before, "rest", "a.py", 9), 480);
    run_code(after, fixture_code(after, "rest", "a.py", 9), 424);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK(!pyro_diff_time(row_of(diff, "f")->side, false).sure);
    CHECK(pyro_diff_time(row_of(diff, "g")->side, false).sure);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

static void the_same_twice_does_not_move(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_diff *diff = diff_of(profile, profile, PYRO_DIFF_BY_CUMULATIVE);
    CHECK_EQ(diff->row_count, profile->function_count);
    for (size_t i = 0; i < diff->row_count; i++) {
        CHECK(pyro_diff_time(diff->rows[i].side, true).change == 0);
        CHECK(!pyro_diff_time(diff->rows[i].side, true).sure);
        CHECK_EQ(diff->rows[i].match.function[0], diff->rows[i].match.function[1]);
    }
    for (size_t i = 0; i < diff->edge_count; i++)
        CHECK(pyro_diff_time(diff->edges[i].side, true).change == 0);
    for (size_t i = 0; i < diff->line_count; i++)
        CHECK(diff->lines[i].line[0] == diff->lines[i].line[1] && diff->lines[i].line[0]);
    pyro_diff_free(diff);
    fixture_free(profile);
}

static void an_empty_recording_is_all_new_or_gone(void)
{
    struct pyro_profile *empty = fixture_profile(), *orders = fixture_orders();
    struct pyro_diff *diff = diff_of(empty, orders, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, orders->function_count);
    CHECK(!diff->folded_c[PYRO_AFTER]); /* nothing to be like */
    for (size_t i = 0; i < diff->row_count; i++)
        CHECK(!diff->rows[i].side[PYRO_BEFORE].there);
    pyro_diff_free(diff);
    diff = diff_of(orders, empty, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, orders->function_count);
    pyro_diff_free(diff);
    diff = diff_of(empty, empty, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count + diff->line_count + diff->edge_count, 0);
    pyro_diff_free(diff);
    fixture_free(empty);
    fixture_free(orders);
}

/* -- which functions are the same --------------------------------------------------------------- */

struct place {
    const char *name, *file;
};

/* Whether NAME is one function when BEFORE and AFTER have these; ended by a NULL. */
static bool are_paired(const struct place *before_places, const struct place *after_places,
                       const char *before_directory, const char *after_directory, const char *name)
{
    struct pyro_profile *sides[PYRO_SIDES] = {fixture_profile(), fixture_profile()};
    const struct place *places[PYRO_SIDES] = {before_places, after_places};
    for (int side = 0; side < PYRO_SIDES; side++)
        for (uint32_t i = 0; places[side][i].name; i++)
            run_code(sides[side],
                     fixture_code(sides[side], places[side][i].name, places[side][i].file,
                                  10 * i + (uint32_t)side),
                     10 + i);
    sides[PYRO_BEFORE]->info.directory = before_directory;
    sides[PYRO_AFTER]->info.directory = after_directory;
    struct pyro_diff *diff = diff_of(sides[0], sides[1], PYRO_DIFF_BY_TIME);
    size_t rows = 0;
    bool paired = false;
    for (size_t i = 0; i < diff->row_count; i++)
        if (strcmp(name_of(diff, &diff->rows[i]), name) == 0) {
            rows++;
            paired = diff->rows[i].side[0].there && diff->rows[i].side[1].there;
        }
    pyro_diff_free(diff);
    fixture_free(sides[0]);
    fixture_free(sides[1]);
    return rows == 1 && paired;
}
#define PLACES(...) ((const struct place[]){__VA_ARGS__, {NULL, NULL}})

static void moved_files_are_the_same(void)
{
    /* a checkout, with the folder as working directory and not */
    CHECK(are_paired(PLACES({"f", "/co1/app/a.py"}), PLACES({"f", "/co2/app/a.py"}), "/co1", "/co2",
                     "f"));
    CHECK(are_paired(PLACES({"f", "/home/x/shop/app/a.py"}), PLACES({"f", "/tmp/tree/app/a.py"}),
                     "/", "/tmp", "f"));
    /* another Python, another environment, a module that is frozen there */
    CHECK(are_paired(PLACES({"f", "/usr/lib/python3.11/json/decoder.py"}),
                     PLACES({"f", "/opt/py/lib/python3.13/json/decoder.py"}), "", "", "f"));
    CHECK(are_paired(PLACES({"f", "/v1/lib/python3.11/site-packages/lib/utils.py"}),
                     PLACES({"f", "/v2/lib/python3.11/site-packages/lib/utils.py"}), "", "", "f"));
    CHECK(are_paired(PLACES({"f", "/usr/lib/python3.10/posixpath.py"}),
                     PLACES({"f", "<frozen posixpath>"}), "", "", "f"));
    /* as typed, and in full */
    CHECK(are_paired(PLACES({"f", "a.py"}), PLACES({"f", "/srv/a.py"}), "/srv", "/srv", "f"));
    /* two of the name: the folders tell them apart */
    const struct place *two = PLACES({"f", "/co1/a/models.py"}, {"f", "/co1/b/models.py"});
    const struct place *moved = PLACES({"f", "/co2/b/models.py"}, {"g", "/co2/a/models.py"});
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    for (int i = 0; i < 2; i++) {
        run_code(before, fixture_code(before, two[i].name, two[i].file, 1), 5);
        run_code(after, fixture_code(after, moved[i].name, moved[i].file, 1), 5);
    }
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_FILE);
    CHECK_EQ(diff->row_count, 3);
    for (size_t i = 0; i < 3; i++)
        if (diff->rows[i].side[0].there && diff->rows[i].side[1].there)
            CHECK_EQ(diff->rows[i].match.function[PYRO_BEFORE], 1);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

static void what_only_looks_alike_is_not_the_same(void)
{
    CHECK(!are_paired(PLACES({"f", "/srv/a.py"}), PLACES({"f", "/srv/b.py"}), "/srv", "/srv", "f"));
    CHECK(!are_paired(PLACES({"A.f", "/srv/a.py"}), PLACES({"B.f", "/srv/a.py"}), "/srv", "/srv",
                      "A.f"));
    CHECK(!are_paired(PLACES({"f", "/v/lib/python3.11/site-packages/x/utils.py"}),
                      PLACES({"f", "/v/lib/python3.11/site-packages/y/utils.py"}), "", "", "f"));
    CHECK(!are_paired(PLACES({"<module>", "/srv/a/__init__.py"}),
                      PLACES({"<module>", "/srv/b/__init__.py"}, {"<module>", "/srv/b/c.py"}), "",
                      "", "<module>"));
}

/* a.py and b.py as two versions of one script: their functions are compared. */
static void scripts_are_the_same_by_any_name(void)
{
    const struct place *a = PLACES({"f", "/srv/a.py"}, {"<module>", "/srv/a.py"});
    const struct place *b = PLACES({"f", "/srv/b.py"}, {"<module>", "/srv/b.py"});
    CHECK(are_paired(a, b, "/srv", "/srv", "f"));
    CHECK(are_paired(a, b, "/srv", "/srv", "<module>"));
    /* an import takes longer than the script, but does not run at the root */
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    uint32_t load = fixture_code(before, "_load", "<frozen importlib._bootstrap>", 1);
    uint32_t site = fixture_code(before, "<module>", "<frozen site>", 1);
    /* and Python's own start takes longer at the root */
    run_code(before, fixture_code(before, "<module>", "<frozen getpath>", 1), 20);
    FIXTURE_ADD(before, .stack = FIXTURE_PATH(before, load, site), .state = PYRO_STATE_RUNNING,
                .count = 50);
    run_code(before, fixture_code(before, "<module>", "/srv/a.py", 1), 3);
    run_code(after, fixture_code(after, "<module>", "/srv/b.py", 1), 9);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, 4);
    for (size_t i = 0; i < diff->row_count; i++)
        if (diff->rows[i].side[PYRO_AFTER].there)
            CHECK(near(diff->rows[i].side[PYRO_BEFORE].self_s, 0.003));
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* 3.10 and cProfile know bare names only. */
static void bare_names_are_enough_where_there_are_no_others(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    run_code(before, fixture_code(before, "save", "/srv/a.py", 1), 10);
    run_code(before, fixture_code(before, "save", "/srv/a.py", 20), 30);
    run_code(before, fixture_code(before, "<genexpr>", "/srv/a.py", 40), 7);
    run_code(after, fixture_code(after, "B.save", "/srv/a.py", 22), 31);
    run_code(after, fixture_code(after, "A.save", "/srv/a.py", 2), 11);
    run_code(after, fixture_code(after, "f.<locals>.<genexpr>", "/srv/a.py", 42), 7);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, 3);
    CHECK(near(row_of(diff, "A.save")->side[PYRO_BEFORE].self_s, 0.010));
    CHECK(near(row_of(diff, "B.save")->side[PYRO_BEFORE].self_s, 0.030));
    CHECK(is_paired(diff, "f.<locals>.<genexpr>"));
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* Two lambdas, then three: which is which nobody knows, so they are one row. */
static void several_of_a_name_are_one_row_when_their_number_changes(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    for (uint32_t i = 0; i < 3; i++) {
        if (i < 2)
            run_code(before, fixture_code(before, "<lambda>", "a.py", 10 * i), 20);
        run_code(after, fixture_code(after, "<lambda>", "a.py", 10 * i), 20);
    }
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, 1);
    CHECK_EQ(diff->rows[0].match.count[PYRO_BEFORE], 2);
    CHECK_EQ(diff->rows[0].match.count[PYRO_AFTER], 3);
    struct pyro_move move = pyro_diff_time(diff->rows[0].side, false);
    CHECK(near(move.before, 0.040) && near(move.after, 0.060));
    CHECK(isnan(pyro_diff_time(diff->rows[0].side, true).change)); /* they may call each other */
    pyro_diff_free(diff);
    diff = diff_of(after, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->row_count, 3);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* -- C functions -------------------------------------------------------------------------------- */

/* Before, len was a row; after, its time is f's. */
static void c_functions_seen_on_one_side_are_put_to_their_callers(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    uint32_t f = fixture_code(before, "f", "a.py", 1);
    uint32_t len = fixture_frame(
        before, fixture_function(before, "{built-in method len}", "", 0, PYRO_FUNCTION_C), 0);
    FIXTURE_ADD(before, .stack = FIXTURE_PATH(before, f, len), .state = PYRO_STATE_RUNNING,
                .count = 40);
    run_code(before, f, 10);
    run_code(after, fixture_code(after, "f", "a.py", 1), 50);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK(diff->folded_c[PYRO_BEFORE] && !diff->folded_c[PYRO_AFTER]);
    CHECK_EQ(diff->row_count, 1);
    struct pyro_move move = pyro_diff_time(row_of(diff, "f")->side, false);
    CHECK(near(move.before, 0.050) && near(move.after, 0.050) && !move.sure);
    CHECK_EQ(diff->edge_count, 1);
    pyro_diff_free(diff);
    diff = diff_of(before, before, PYRO_DIFF_BY_TIME);
    CHECK(!diff->folded_c[PYRO_BEFORE] && diff->row_count == 2);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* -- edges and calls ---------------------------------------------------------------------------- */

static void timed(struct pyro_profile *profile, const struct pyro_timed_function *functions,
                  size_t count, const struct pyro_timed_edge *edges, size_t edge_count)
{
    profile->timed_functions = malloc(count * sizeof(*functions));
    profile->timed_edges = calloc(edge_count + 1, sizeof(*edges));
    memcpy(profile->timed_functions, functions, count * sizeof(*functions));
    for (size_t i = 0; i < edge_count; i++)
        profile->timed_edges[i] = edges[i];
    profile->timed_function_count = count;
    profile->timed_edge_count = edge_count;
    profile->timed = true;
}

/* view calls get 846 times, then not at all; calls are exact, and so are times. */
static void calls_and_edges_that_moved(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    uint32_t view = fixture_function(before, "view", "a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t get = fixture_function(before, "get", "a.py", 9, PYRO_FUNCTION_PYTHON);
    timed(before,
          (const struct pyro_timed_function[]){{view, 1, 1, 0.25, 4.25}, {get, 846, 846, 4, 4}}, 2,
          (const struct pyro_timed_edge[]){{view, get, 846, 846, 4, 4}}, 1);
    view = fixture_function(after, "view", "a.py", 1, PYRO_FUNCTION_PYTHON);
    timed(after, (const struct pyro_timed_function[]){{view, 1, 1, 0.25, 0.25}}, 1, NULL, 0);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_CALLS);
    CHECK_STR(name_of(diff, &diff->rows[0]), "get");
    struct pyro_move calls = pyro_diff_calls(diff->rows[0].side);
    CHECK(calls.before == 846 && calls.after == 0 && calls.change == -846 && calls.sure);
    CHECK(!pyro_diff_calls(diff->rows[1].side).sure);
    struct pyro_move time = pyro_diff_time(diff->rows[0].side, false);
    CHECK(time.change == -4 && time.sigma == 0 && time.sure);
    CHECK_EQ(diff->edge_count, 1);
    CHECK_EQ(diff->edges[0].callee, 0);
    CHECK_EQ(diff->edges[0].caller, 1);
    CHECK(pyro_diff_calls(diff->edges[0].side).change == -846);
    CHECK(!diff->lines_known && diff->line_count == 0);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* -- lines -------------------------------------------------------------------------------------- */

static const struct pyro_diff_line *line_at(const struct pyro_diff *diff, uint32_t before,
                                            uint32_t after)
{
    for (size_t i = 0; i < diff->line_count; i++)
        if (diff->lines[i].line[PYRO_BEFORE] == before && diff->lines[i].line[PYRO_AFTER] == after)
            return &diff->lines[i];
    return NULL;
}

/* f at line FIRST runs the lines at OFFSETS, 10 ms each and 10 more for each further one. */
static void run_lines(struct pyro_profile *profile, uint32_t first, const uint32_t *offsets,
                      const char *const *sources, size_t count)
{
    uint32_t f = fixture_function(profile, "f", "a.py", first, PYRO_FUNCTION_PYTHON);
    if (sources)
        profile->sources = calloc(count, sizeof(*profile->sources));
    for (size_t i = 0; i < count; i++) {
        run_code(profile, fixture_frame(profile, f, first + offsets[i]), 10 * (i + 1));
        if (sources)
            profile->sources[profile->source_count++] =
                (struct pyro_source_line){fixture_text(profile, "a.py"), first + offsets[i],
                                          fixture_text(profile, sources[i])};
    }
}

static void lines_are_matched_by_their_distance_without_source(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    run_lines(before, 10, (const uint32_t[]){1, 2, 3}, NULL, 3);
    run_lines(after, 50, (const uint32_t[]){2, 3, 9}, NULL, 3);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->line_count, 4);
    CHECK(line_at(diff, 12, 52) && line_at(diff, 13, 53) && line_at(diff, 11, 0) &&
          line_at(diff, 0, 59));
    struct pyro_move move = pyro_diff_time(line_at(diff, 13, 53)->side, true);
    CHECK(near(move.before, 0.030) && near(move.after, 0.020) && move.sigma > 0);
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

static void lines_are_matched_by_their_text(void)
{
    struct pyro_profile *before = fixture_profile(), *after = fixture_profile();
    run_lines(before, 10, (const uint32_t[]){1, 2, 3},
              (const char *const[]){"  x = 1", "  y = 2", "  x = 1"}, 3);
    run_lines(after, 10, (const uint32_t[]){1, 2, 3},
              (const char *const[]){"    y = 2", "    x = 1", "    z = 3"}, 3);
    struct pyro_diff *diff = diff_of(before, after, PYRO_DIFF_BY_TIME);
    CHECK_EQ(diff->line_count, 4);
    CHECK(line_at(diff, 11, 12) && line_at(diff, 12, 11) && line_at(diff, 13, 0) &&
          line_at(diff, 0, 13));
    CHECK_STR(line_at(diff, 0, 13)->source[PYRO_AFTER], "z = 3");
    pyro_diff_free(diff);
    fixture_free(before);
    fixture_free(after);
}

/* walk stands three times on the stack, at one line: that line took the time once. */
static void a_line_that_recurses_counts_once(void)
{
    struct pyro_profile *orders = fixture_orders();
    struct pyro_diff *diff = diff_of(orders, orders, PYRO_DIFF_BY_TIME);
    bool seen = false;
    for (size_t i = 0; i < diff->line_count; i++)
        if (strcmp(name_of(diff, &diff->rows[diff->lines[i].row]), "walk") == 0) {
            CHECK(near(diff->lines[i].side[0].total_s, 0.040));
            seen = true;
        }
    CHECK(seen);
    pyro_diff_free(diff);
    fixture_free(orders);
}

/* -- keys --------------------------------------------------------------------------------------- */

static void keys_have_names(void)
{
    enum pyro_diff_key key;
    struct pyro_error error = {0};
    static const struct {
        const char *name;
        enum pyro_diff_key key;
    } good[] = {{"time", PYRO_DIFF_BY_TIME},      {"t", PYRO_DIFF_BY_TIME},
                {"cum", PYRO_DIFF_BY_CUMULATIVE}, {"calls", PYRO_DIFF_BY_CALLS},
                {"nc", PYRO_DIFF_BY_CALLS},       {"name", PYRO_DIFF_BY_NAME},
                {"file", PYRO_DIFF_BY_FILE},      {"filename", PYRO_DIFF_BY_FILE}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_EQ(pyro_diff_key_by_name(good[i].name, &key, &error), 0);
        CHECK_EQ(key, good[i].key);
    }
    static const char *const bad[] = {"", "c", "n", "speed"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_EQ(pyro_diff_key_by_name(bad[i], &key, &error), -EINVAL);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(moves_of_functions), TEST(small_moves_are_not_sure),
        TEST(the_same_twice_does_not_move), TEST(an_empty_recording_is_all_new_or_gone),
        TEST(moved_files_are_the_same), TEST(what_only_looks_alike_is_not_the_same),
        TEST(scripts_are_the_same_by_any_name),
        TEST(bare_names_are_enough_where_there_are_no_others),
        TEST(several_of_a_name_are_one_row_when_their_number_changes),
        TEST(c_functions_seen_on_one_side_are_put_to_their_callers),
        TEST(calls_and_edges_that_moved), TEST(lines_are_matched_by_their_distance_without_source),
        TEST(lines_are_matched_by_their_text), TEST(a_line_that_recurses_counts_once),
        TEST(keys_have_names));
}
