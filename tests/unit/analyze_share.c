/* tests/unit/analyze_share.c - analyze/share.h. */
#include "analyze/share.h"

#include "fixture_profile.h"

#include <math.h>

static struct pyro_shares *shares_of(const struct pyro_profile *profile, const char *name)
{
    struct pyro_shares *shares = NULL;
    struct pyro_error error = {0};
    CHECK_EQ(pyro_shares_make(profile, name, &shares, &error), 0);
    return shares;
}

static bool near(double actual, double expected)
{
    return fabs(actual - expected) < 1e-6;
}

/* NAME must mean one thing, of KIND and of so many functions, that took SECONDS. */
static void check_one(const struct pyro_profile *profile, const char *name,
                      enum pyro_share_kind kind, size_t functions, double seconds)
{
    struct pyro_shares *shares = shares_of(profile, name);
    printf("# %s\n", name);
    CHECK_EQ(shares->count, 1);
    CHECK_EQ(shares->items[0].kind, kind);
    CHECK_EQ(shares->items[0].functions, functions);
    CHECK(near(shares->items[0].time_s, seconds));
    CHECK(near(shares->items[0].saves_s, seconds)); /* one thread */
    pyro_shares_free(shares);
}

static void functions_files_and_packages(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_one(profile, "order_list", PYRO_SHARE_FUNCTION, 1, 0.930);
    check_one(profile, "OrderSerializer.data", PYRO_SHARE_FUNCTION, 1, 0.048);
    check_one(profile, "data", PYRO_SHARE_FUNCTION, 1, 0.048);
    check_one(profile, "serializers.OrderSerializer.data", PYRO_SHARE_FUNCTION, 1, 0.048);
    check_one(profile, "psycopg2.cursor.Cursor.execute", PYRO_SHARE_FUNCTION, 1, 0.880);
    check_one(profile, "time.sleep", PYRO_SHARE_FUNCTION, 1, 0.030);
    check_one(profile, "sleep", PYRO_SHARE_FUNCTION, 1, 0.030);
    check_one(profile, "orm.py", PYRO_SHARE_FILE, 1, 0.880);
    check_one(profile, "/srv/shop/orm.py", PYRO_SHARE_FILE, 1, 0.880);
    check_one(profile, "psycopg2", PYRO_SHARE_PACKAGE, 1, 0.880);
    check_one(profile, "psycopg2.cursor", PYRO_SHARE_PACKAGE, 1, 0.880);
    check_one(profile, "psycopg2/", PYRO_SHARE_PACKAGE, 1, 0.880);
    check_one(profile, "[unsure]", PYRO_SHARE_FUNCTION, 1, 0.002);
    static const char *const nothing[] = {"order", "list", "rm.py", "psycopg", "execute_quer", "."};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        struct pyro_shares *shares = shares_of(profile, nothing[i]);
        CHECK_EQ(shares->count, 0);
        pyro_shares_free(shares);
    }
    fixture_free(profile);
}

static void recursion_counts_once_and_states_are_told_apart(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_one(profile, "tree.py", PYRO_SHARE_FILE, 1, 0.040);
    struct pyro_shares *shares = shares_of(profile, "order_list");
    const struct pyro_share *share = &shares->items[0];
    CHECK(near(share->waiting_s, 0.880) && near(share->computing_s, 0.050));
    CHECK(near(share->self_s, 0) && share->ncalls == PYRO_NO_CALLS && share->samples == 930);
    CHECK(near(share->sigma_s, sqrt(930 * 0.07) / 1e3)); /* a binomial count of 1000 */
    CHECK(near(shares->total_s, 1) && near(shares->duration_s, 1) && !shares->at_most);
    pyro_shares_free(shares);
    fixture_free(profile);
}

/* get of two classes, one calling the other: together they took no more than the outer one. */
static void several_of_a_name_are_told_apart_and_put_together(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t a = fixture_code(profile, "A.get", "/srv/shop/a.py", 1);
    uint32_t b = fixture_code(profile, "B.get", "/srv/shop/a.py", 9);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, a, b, a), .state = PYRO_STATE_RUNNING,
                .count = 30);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, b), .state = PYRO_STATE_RUNNING,
                .count = 10);
    struct pyro_shares *shares = shares_of(profile, "get");
    CHECK_EQ(shares->count, 3);
    CHECK_EQ(shares->items[0].kind, PYRO_SHARE_FUNCTION);
    CHECK(near(shares->items[0].time_s, 0.040) && near(shares->items[1].time_s, 0.030));
    CHECK_EQ(shares->items[2].kind, PYRO_SHARE_FUNCTIONS);
    CHECK(near(shares->items[2].time_s, 0.040) && shares->items[2].functions == 2);
    CHECK(near(shares->items[2].self_s, 0.040));
    pyro_shares_free(shares);
    fixture_free(profile);
}

static void more_functions_than_items_are_said_to_be_more(void)
{
    struct pyro_profile *profile = fixture_profile();
    for (int i = 0; i < PYRO_SHARE_ITEMS + 5; i++) {
        char name[32];
        snprintf(name, sizeof(name), "C%d.get", i);
        uint32_t code = fixture_code(profile, name, "/srv/shop/a.py", 10 * (uint32_t)i);
        FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, code), .state = PYRO_STATE_RUNNING);
    }
    struct pyro_shares *shares = shares_of(profile, "get");
    CHECK_EQ(shares->more, 5);
    CHECK_EQ(shares->count, PYRO_SHARE_ITEMS + 1);
    const struct pyro_share *all = &shares->items[PYRO_SHARE_ITEMS];
    CHECK(all->functions == PYRO_SHARE_ITEMS + 5 && near(all->time_s, 0.037));
    pyro_shares_free(shares);
    fixture_free(profile);
}

/* Two threads in work() in the same sweeps: 40 ms over both, of which the program gains 20. */
static void threads_that_are_in_it_at_once_are_won_once(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t other = fixture_thread(profile, 0, 4712, "worker");
    uint32_t work = fixture_code(profile, "work", "/srv/shop/a.py", 1);
    uint32_t stack = FIXTURE_PATH(profile, work);
    const struct pyro_sample_kind kind = {other, PYRO_NO_ID, PYRO_STATE_RUNNING, 0};
    for (int i = 0; i < 20; i++) {
        FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_RUNNING);
        int64_t id = pyro_samples_kind(&profile->samples, &kind);
        CHECK_EQ(pyro_samples_add(&profile->samples, stack, (uint32_t)id), 0); /* same sweep */
    }
    struct pyro_shares *shares = shares_of(profile, "work");
    CHECK(near(shares->items[0].time_s, 0.040) && near(shares->items[0].saves_s, 0.020));
    pyro_shares_free(shares);
    fixture_free(profile);
}

static void timed_calls_have_no_stacks(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t view = fixture_function(profile, "view", "/srv/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t get = fixture_function(profile, "get", "/srv/orm/b.py", 9, PYRO_FUNCTION_PYTHON);
    uint32_t run = fixture_function(profile, "run", "/srv/orm/b.py", 20, PYRO_FUNCTION_PYTHON);
    const struct pyro_timed_function functions[] = {
        {view, 1, 1, 1, 4}, {get, 9, 9, 1, 3}, {run, 9, 9, 2, 2}};
    const struct pyro_timed_edge edges[] = {{view, get, 9, 9, 1, 3}, {get, run, 9, 9, 2, 2}};
    profile->timed_functions = malloc(sizeof(functions));
    profile->timed_edges = malloc(sizeof(edges));
    memcpy(profile->timed_functions, functions, sizeof(functions));
    memcpy(profile->timed_edges, edges, sizeof(edges));
    profile->timed_function_count = 3;
    profile->timed_edge_count = 2;
    profile->timed = true;
    profile->info.directory = NULL;
    struct pyro_shares *shares = shares_of(profile, "b.py");
    CHECK(shares->count == 1 && shares->at_most && shares->items[0].time_s == 3);
    CHECK(shares->items[0].ncalls == 9 && isnan(shares->items[0].waiting_s));
    pyro_shares_free(shares);
    shares = shares_of(profile, "orm"); /* no root is known: a folder anywhere */
    CHECK(shares->count == 1 && shares->items[0].time_s == 3 && shares->total_s == 4);
    pyro_shares_free(shares);
    shares = shares_of(profile, "view");
    CHECK(shares->items[0].time_s == 4 && shares->items[0].sigma_s == 0);
    pyro_shares_free(shares);
    fixture_free(profile);
}

static void unknown_names_have_neighbours(void)
{
    char near_names[PYRO_SHARE_NEAREST][128];
    struct pyro_profile *profile = fixture_orders(), *empty = fixture_profile();
    CHECK(pyro_share_nearest(profile, "order_lst", near_names) > 0);
    CHECK_STR(near_names[0], "order_list");
    CHECK(pyro_share_nearest(profile, "serialiser", near_names) > 0);
    CHECK_STR(near_names[0], "serializers.py");
    CHECK(pyro_share_nearest(profile, "psycopg3", near_names) > 0);
    CHECK_STR(near_names[0], "psycopg2");
    CHECK_EQ(pyro_share_nearest(profile, "nothing_of_the_kind", near_names), 0);
    CHECK_EQ(pyro_share_nearest(empty, "x", near_names), 0);
    struct pyro_shares *shares = shares_of(empty, "x");
    CHECK_EQ(shares->count, 0);
    pyro_shares_free(shares);
    fixture_free(profile);
    fixture_free(empty);
}

int main(void)
{
    return CHECK_MAIN(TEST(functions_files_and_packages),
                      TEST(recursion_counts_once_and_states_are_told_apart),
                      TEST(several_of_a_name_are_told_apart_and_put_together),
                      TEST(more_functions_than_items_are_said_to_be_more),
                      TEST(threads_that_are_in_it_at_once_are_won_once),
                      TEST(timed_calls_have_no_stacks), TEST(unknown_names_have_neighbours));
}
