/* tests/unit/analyze_findings.c - rules over profiles that are made by hand: what they find, and what they leave alone. */
#include "fixture_findings.h"

#define ORDERS   "SELECT \"shop_order\".\"id\", \"shop_order\".\"customer_id\" FROM \"shop_order\""
#define CUSTOMER "SELECT \"shop_customer\".\"id\" FROM \"shop_customer\" WHERE \"id\" = ? LIMIT ?"

/* A view of the program's own that calls an ORM, which calls its sender of queries. */
struct story {
    struct pyro_profile *profile;
    uint32_t module, view, orm, sender; /* frames */
};

static uint32_t function_of(const struct story *story, uint32_t frame)
{
    return story->profile->frames[frame].function;
}

static void add_calls(const struct story *story, uint32_t caller, uint32_t callee, uint64_t count)
{
    fixture_calls(story->profile, function_of(story, caller), function_of(story, callee), count);
}

/* QUERIES in one call of the view. The view's line, 46, takes 800 ms in the ORM, the rest of the program 200. */
static struct story story_of(uint64_t queries)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    const char *folder = "/usr/lib/python3/dist-packages/django/db/";
    char orm[128], sender[128];
    snprintf(orm, sizeof(orm), "%smodels/fields/related_descriptors.py", folder);
    snprintf(sender, sizeof(sender), "%sbackends/utils.py", folder);
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    story.orm = fixture_code(profile, "ForwardManyToOneDescriptor.__get__", orm, 200);
    story.sender = fixture_code(profile, "CursorWrapper._execute", sender, 80);
    FIXTURE_ADD(profile,
                .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm, story.sender),
                .state = PYRO_STATE_WAITING, .count = 600);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 200);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 200);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    add_calls(&story, story.view, story.orm, queries);
    add_calls(&story, story.orm, story.sender, queries);
    return story;
}

/* From the view's line LINE. */
static struct pyro_query *add_query(struct story *story, const char *shape, uint32_t line,
                                    uint64_t count)
{
    struct pyro_profile *profile = story->profile;
    FIXTURE_GROW(profile->queries, profile->query_count);
    struct pyro_query *query = &profile->queries[profile->query_count++];
    *query = (struct pyro_query){
        .site = function_of(story, story->view),
        .line = line,
        .sender = function_of(story, story->sender),
        .shape = fixture_text(profile, shape),
        .count = count,
        .distinct = count,
        .timed = count,
        .time_ns = count * 700000,
        .first_us = 1000 * profile->query_count,
        .last_us = 1000 * profile->query_count + 800 * 1000,
    };
    return query;
}

static struct pyro_findings *ask(const struct story *story)
{
    struct pyro_findings *findings = NULL;
    CHECK_EQ(pyro_findings_make(story->profile, &findings, NULL), 0);
    return findings;
}

static const struct pyro_evidence *evidence_of(const struct pyro_finding *finding, const char *key)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].key, key) == 0)
            return &finding->evidence[i];
    printf("# no evidence %s\n", key);
    CHECK(!"evidence");
    return NULL;
}

/* The N+1 of Django, with all that is known of one. */
static struct story n_plus_one(void)
{
    struct story story = story_of(846);
    add_query(&story, ORDERS, 46, 1)->time_ns = 1000;
    struct pyro_query *query = add_query(&story, CUSTOMER, 46, 846);
    query->relation = fixture_text(story.profile, "customer");
    query->owner = fixture_text(story.profile, "Order");
    return story;
}

static void an_n_plus_one_is_found_with_its_line_source_and_fix(void)
{
    struct story story = n_plus_one();
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "n-plus-one");
    CHECK_STR(finding->title, "N+1: 846 queries of one shape");
    CHECK_EQ(finding->function, function_of(&story, story.view));
    CHECK_EQ(finding->line, 46);
    CHECK_STR(finding->fix, ".select_related(\"customer\") on the query of views.py:46");
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_HIGH);
    CHECK_EQ(evidence_of(finding, "per_call")->number, 846);
    CHECK_EQ(evidence_of(finding, "loop")->function, function_of(&story, story.view));
    CHECK_EQ(evidence_of(finding, "source")->line, 46);
    CHECK_STR(evidence_of(finding, "source_shape")->text, ORDERS);
    CHECK(!finding->doubt);
    fixture_end(story.profile, findings);
}

/* pyrometer.web tells the queries of a request: no calls are counted, and what sends them is its own hook. */
static void the_queries_of_a_request_are_enough(void)
{
    struct story story = n_plus_one();
    struct pyro_profile *profile = story.profile;
    uint32_t hook = function_of(
        &story, fixture_code(profile, "_django_wrapper",
                             "/usr/lib/python3/dist-packages/pyrometer/web/_queries.py", 210));
    profile->call_count = 0;
    for (size_t i = 0; i < profile->query_count; i++)
        profile->queries[i].sender = hook;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_EQ(pyro_rule_lacks(finding->rule, findings), 0);
    CHECK_STR(finding->title, "N+1: 846 queries of one shape");
    CHECK_STR(finding->why, "all in one request, by way of orders.py:2; 846 of them are different");
    CHECK(fixture_near(evidence_of(finding, "time_s")->number, 0.8)); /* no sample met the hook */
    CHECK_STR(finding->fix, ".select_related(\"customer\") on the query of views.py:46");
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_HIGH);
    for (size_t i = 0; i < finding->evidence_count; i++)
        CHECK(strcmp(finding->evidence[i].key, "per_call") != 0 &&
              strcmp(finding->evidence[i].key, "loop") != 0);
    pyro_findings_free(findings);
    profile->queries[1].unknown = 1;
    profile->functions[function_of(&story, story.module)].file =
        fixture_text(profile, "/usr/lib/python3/dist-packages/gunicorn/sync.py");
    findings = ask(&story);
    CHECK_STR(findings->items[0].why, "all in one request"); /* a server called it */
    pyro_findings_free(findings);
    profile->queries[1].unknown = 0;
    size_t samples = profile->samples.count;
    profile->samples.count = 1; /* which says next to nothing: not more than all is won */
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK(findings->total_s < 0.002 && findings->items[0].gain_high_s == findings->total_s);
    pyro_findings_free(findings);
    profile->samples.count = samples;
    profile->queries[1].count = 9; /* too few to be a loop */
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    pyro_findings_free(findings);
    profile->queries[1].time_ns = 900000000; /* but slow */
    profile->queries[1].count = 2;
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "slow-query");
    CHECK_EQ(pyro_rule_lacks(findings->items[0].rule, findings), 0);
    fixture_end(profile, findings);
}

/* A driver may take objects for statements. */
static void queries_of_unknown_text_are_found(void)
{
    struct story story = story_of(846);
    add_query(&story, "", 46, 846)->distinct = 1;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "N+1: 846 queries");
    CHECK_EQ(findings->items[0].line, 46);
    CHECK(!findings->items[0].doubt);
    fixture_end(story.profile, findings);
}

/* 800 ms in the ORM below that line, of which the source query has next to nothing. */
static void the_gain_is_the_sampled_time_of_the_line(void)
{
    struct story story = n_plus_one();
    struct pyro_findings *findings = ask(&story);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK(fixture_near(findings->total_s, 1.0));
    CHECK(fixture_near(evidence_of(finding, "time_s")->number, 0.8));
    CHECK(fixture_near(finding->gain_s, 0.72));
    CHECK(finding->gain_low_s > 0.5 && finding->gain_low_s < finding->gain_s);
    CHECK(finding->gain_high_s > finding->gain_s && finding->gain_high_s < 0.9);
    fixture_end(story.profile, findings);
}

static void few_queries_or_little_time_are_left_alone(void)
{
    struct story story = story_of(9);
    add_query(&story, CUSTOMER, 46, 9);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
    story = n_plus_one();
    uint32_t other = fixture_code(story.profile, "other", "/srv/shop/other.py", 1);
    FIXTURE_ADD(story.profile, .stack = FIXTURE_PATH(story.profile, story.module, other),
                .state = PYRO_STATE_RUNNING, .count = 20000);
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

/* A handler that sends one query, called 846 times by the server: each request has its own. */
static void one_query_a_request_is_no_loop(void)
{
    struct story story = story_of(846);
    struct pyro_profile *profile = story.profile;
    uint32_t server = fixture_function(
        profile, "serve_forever", "/usr/lib/python3.12/socketserver.py", 9, PYRO_FUNCTION_PYTHON);
    profile->call_count = 0;
    fixture_calls(profile, PYRO_NO_ID, server, 1);
    fixture_calls(profile, server, function_of(&story, story.view), 846);
    add_calls(&story, story.view, story.orm, 846);
    add_query(&story, CUSTOMER, 46, 846);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void the_same_query_again_is_told_apart(void)
{
    struct story story = story_of(200);
    add_query(&story, CUSTOMER, 46, 200)->distinct = 2;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "the same query 200 times");
    CHECK(fixture_near(findings->items[0].gain_s, 0.8 * 198 / 200));
    fixture_end(story.profile, findings);
    story = story_of(200);
    struct pyro_query *query = add_query(&story, CUSTOMER, 46, 200);
    query->distinct = 2;
    query->unknown = 100; /* these may all be different */
    findings = ask(&story);
    CHECK_STR(findings->items[0].title, "N+1: 200 queries of one shape");
    fixture_end(story.profile, findings);
}

/* What the view sends for 300 rows, of which there are DISTINCT. */
static struct story asked_for_again(uint64_t calls, uint64_t distinct)
{
    struct story story = story_of(300 * calls);
    struct pyro_profile *profile = story.profile;
    profile->call_count = 0;
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, calls);
    add_calls(&story, story.view, story.orm, 300 * calls);
    add_calls(&story, story.orm, story.sender, 300 * calls);
    add_query(&story, CUSTOMER, 46, 300 * calls)->distinct = distinct;
    return story;
}

static void a_page_that_is_asked_for_again_is_judged_as_once(void)
{
    struct story story = asked_for_again(24, 300);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "N+1: 7200 queries of one shape");
    CHECK(!findings->items[0].doubt);
    fixture_end(story.profile, findings);
    story = asked_for_again(24, 24); /* in each call no more than these */
    findings = ask(&story);
    CHECK_STR(findings->items[0].title, "the same query 7200 times");
    fixture_end(story.profile, findings);
    story = asked_for_again(400, 300); /* or one of these in each call, 300 times: who knows? */
    findings = ask(&story);
    CHECK_STR(findings->items[0].title, "N+1: 120000 queries of one shape");
    CHECK(strstr(findings->items[0].doubt, "the same few"));
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_MEDIUM);
    fixture_end(story.profile, findings);
}

/* The loop calls the ORM CALLS times, and that sends QUERIES. */
static struct pyro_findings *asked_by_way_of_the_orm(struct story *story, uint64_t calls,
                                                     uint64_t queries, uint64_t distinct)
{
    *story = story_of(calls);
    struct pyro_query *query = add_query(story, CUSTOMER, 200, queries);
    query->site = function_of(story, story->orm);
    query->distinct = distinct;
    query->time_ns = 400000000;
    return ask(story);
}

static void what_the_loop_calls_may_send_none_or_several(void)
{
    struct story story;
    struct pyro_findings *findings = asked_by_way_of_the_orm(&story, 1000, 12, 12); /* a cache */
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "N+1: 12 queries of one shape");
    fixture_end(story.profile, findings);
    findings = asked_by_way_of_the_orm(&story, 50, 9, 9);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
    findings = asked_by_way_of_the_orm(&story, 20, 100, 5);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "the same query 100 times");
    fixture_end(story.profile, findings);
}

static void a_write_loop_is_told_apart(void)
{
    struct story story = story_of(200);
    add_query(&story, "INSERT INTO \"t\" VALUES (?, ...)", 46, 200);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "row by row: 200 writes of one shape");
    CHECK_STR(findings->items[0].fix, "one bulk_create() after the loop");
    fixture_end(story.profile, findings);
    story = story_of(200);
    add_query(&story, "INSERT INTO \"t\" VALUES (?, ...)", 46, 200)->many = true;
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
    story = story_of(200);
    add_query(&story, "SAVEPOINT ?", 46, 200);
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void check_doubt(const char *shape, uint64_t last_us, bool doubted)
{
    struct story story = story_of(100);
    struct pyro_query *query = add_query(&story, shape, 46, 100);
    if (last_us)
        query->last_us = last_us;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].confidence == PYRO_CONFIDENCE_LOW, doubted);
    CHECK_EQ(findings->items[0].doubt != NULL, doubted);
    fixture_end(story.profile, findings);
}

static void paging_batches_and_polling_are_doubted(void)
{
    check_doubt(CUSTOMER, 0, false);
    check_doubt("SELECT a FROM t LIMIT ? OFFSET ?", 0, true);
    check_doubt("SELECT a FROM t WHERE b IN (?, ...)", 0, true);
    check_doubt("SELECT a FROM t WHERE b IN (?)", 0, false);
    check_doubt(CUSTOMER, 60 * 1000 * 1000, true);
}

/* Two shapes from one line share its time as the driver's time says. */
static void shapes_of_one_line_share_its_time(void)
{
    struct story story = story_of(300);
    add_query(&story, CUSTOMER, 46, 100)->time_ns = 300000000;
    add_query(&story, "SELECT a FROM city WHERE id = ?", 46, 200)->time_ns = 100000000;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 2);
    CHECK(fixture_near(evidence_of(&findings->items[0], "time_s")->number, 0.6));
    CHECK(fixture_near(evidence_of(&findings->items[1], "time_s")->number, 0.2));
    fixture_end(story.profile, findings);
}

/* SQLite finds the rows when they are fetched, which a library does after its sender has returned. */
static void fetching_the_rows_is_a_part_of_a_query(void)
{
    struct story story = story_of(2);
    struct pyro_profile *profile = story.profile;
    uint32_t result = fixture_code(profile, "Result.fetchall",
                                   "/usr/lib/python3/dist-packages/django/db/result.py", 9);
    uint32_t fetch = fixture_function(profile, "{method 'fetchall' of 'sqlite3.Cursor' objects}",
                                      "", 0, PYRO_FUNCTION_C);
    add_query(&story, CUSTOMER, 46, 2)->time_ns = 2000;
    FIXTURE_ADD(profile,
                .stack = FIXTURE_PATH(profile, story.module, story.view, result,
                                      fixture_frame(profile, fetch, 0)),
                .state = PYRO_STATE_RUNNING, .count = 3000);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "slow query: 2 of 1.90 s each");
    fixture_end(story.profile, findings);
}

static void few_slow_queries_are_found(void)
{
    struct story story = story_of(2);
    struct pyro_query *query = add_query(&story, CUSTOMER, 46, 2);
    query->time_ns = 600000000;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "slow-query");
    CHECK_STR(findings->items[0].title, "slow query: 2 of 0.40 s each");
    CHECK_EQ(findings->items[0].line, 46);
    CHECK(fixture_near(findings->items[0].gain_high_s, 0.8));
    fixture_end(story.profile, findings);
}

static void few_samples_make_no_query_slow(void)
{
    for (size_t samples = 5; samples <= 20; samples += 15) {
        struct story story = story_of(2);
        uint32_t result = fixture_code(story.profile, "Result.fetchall",
                                       "/usr/lib/python3/dist-packages/django/db/result.py", 9);
        uint32_t fetch =
            fixture_function(story.profile, "{method 'fetchall' of 'sqlite3.Cursor' objects}", "",
                             0, PYRO_FUNCTION_C);
        add_query(&story, CUSTOMER, 52, 1)->time_ns = 4000000;
        FIXTURE_ADD(
            story.profile,
            .stack = FIXTURE_PATH(story.profile, story.module,
                                  fixture_frame(story.profile, function_of(&story, story.view), 52),
                                  result, fixture_frame(story.profile, fetch, 0)),
            .state = PYRO_STATE_RUNNING, .count = samples,
            .weight_us = (float)(2e6 / (double)samples));
        struct pyro_findings *findings = ask(&story);
        CHECK_EQ(findings->count, samples < 10 ? 0 : 1);
        fixture_end(story.profile, findings);
    }
}

/* A program that calls a driver written in C by way of functions of its own: the culprit is where the loop is. */
static struct story driver_story(uint64_t queries, uint64_t slow_us)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    uint32_t execute = fixture_function(profile, "{method 'execute' of 'sqlite3.Cursor' objects}",
                                        "", 0, PYRO_FUNCTION_C);
    uint32_t c_frame = fixture_frame(profile, execute, 0);
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    story.orm = fixture_code(profile, "fetch", "/srv/shop/orm.py", 10);
    story.sender = fixture_code(profile, "execute_query", "/srv/shop/orm.py", 20);
    FIXTURE_ADD(
        profile,
        .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm, story.sender, c_frame),
        .state = PYRO_STATE_WAITING, .count = queries * slow_us / 1000);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    add_calls(&story, story.view, story.orm, queries);
    add_calls(&story, story.orm, story.sender, queries);
    fixture_calls(profile, function_of(&story, story.sender), execute, queries);
    return story;
}

static void calls_of_a_driver_are_followed_up_to_the_loop(void)
{
    struct story story = driver_story(500, 2000);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "N+1: 500 queries");
    CHECK_EQ(findings->items[0].function, function_of(&story, story.view));
    CHECK_EQ(findings->items[0].line, 46);
    CHECK(fixture_near(evidence_of(&findings->items[0], "time_s")->number, 1.0));
    fixture_end(story.profile, findings);
    story = driver_story(3, 400000);
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "slow-query");
    CHECK_EQ(findings->items[0].function, function_of(&story, story.sender));
    CHECK_EQ(findings->items[0].line, 21);
    fixture_end(story.profile, findings);
}

/* -- threads and the GIL ------------------------------------------------------------------------ */

/* A sweep of 1 ms a time, TIMES: COUNT threads in the stacks and states given. */
static void add_sweeps(struct pyro_profile *profile, size_t times,
                       const struct fixture_sample *threads, size_t count)
{
    CHECK_EQ(pyro_samples_weigh(&profile->samples, profile->samples.sweep_count, 1000), 0);
    for (size_t i = 0; i < times; i++) {
        CHECK_EQ(pyro_samples_sweep(&profile->samples, 1000 * (profile->samples.sweep_count + 1)),
                 0);
        for (size_t j = 0; j < count; j++) {
            const struct pyro_sample_kind kind = {threads[j].thread, threads[j].wait_plus_1 - 1,
                                                  (uint8_t)threads[j].state,
                                                  (uint8_t)threads[j].flags};
            int64_t id = pyro_samples_kind(&profile->samples, &kind);
            CHECK_EQ(pyro_samples_add(&profile->samples, threads[j].stack, (uint32_t)id), 0);
        }
        profile->counters.duration_us += 1000;
    }
}

/* Two threads: each computes for 400 ms while the other one is in the state OTHER; then one waits for WAITS ms. */
static struct story threads_story(uint32_t cpus, enum pyro_state other, size_t waits)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    profile->info.cpus = cpus;
    uint32_t library = fixture_code(profile, "Thread.run", "/usr/lib/python3.12/threading.py", 900);
    story.module = fixture_code(profile, "build", "/srv/shop/report.py", 10);
    story.view = fixture_code(profile, "near_pairs", "/srv/shop/report.py", 20);
    uint32_t second = fixture_thread(profile, 0, 4712, "Thread-1");
    uint32_t stack = FIXTURE_PATH(profile, library, story.module, story.view);
    struct fixture_sample threads[] = {
        {.stack = stack, .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL},
        {.thread = second, .stack = stack, .state = other},
    };
    add_sweeps(profile, 400, threads, 2);
    threads[0].thread = second;
    threads[1].thread = 0;
    add_sweeps(profile, 400, threads, 2);
    threads[1].state = PYRO_STATE_WAITING;
    add_sweeps(profile, waits, threads + 1, 1);
    return story;
}

static void threads_that_compute_in_turn_are_found(void)
{
    struct story story = threads_story(2, PYRO_STATE_GIL_WAIT, 0);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "gil-contention");
    CHECK_STR(finding->title, "one at a time: 2 threads compute");
    CHECK_EQ(finding->function, function_of(&story, story.view));
    CHECK_EQ(finding->line, 21);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_HIGH);
    CHECK_EQ(evidence_of(finding, "task")->function, function_of(&story, story.module));
    CHECK(fixture_near(evidence_of(finding, "in_turn_s")->number, 0.8));
    CHECK(fixture_near(finding->gain_high_s, 0.4) && fixture_near(finding->gain_s, 0.36));
    CHECK(fixture_near(finding->gain_low_s, 0.2));
    fixture_end(story.profile, findings);
}

static void check_threads(uint32_t cpus, enum pyro_state other, size_t waits, size_t count)
{
    struct story story = threads_story(cpus, other, waits);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, count);
    fixture_end(story.profile, findings);
}

static void nothing_is_won_without_a_second_cpu_or_thread(void)
{
    check_threads(2, PYRO_STATE_GIL_WAIT, 0, 1);
    check_threads(1, PYRO_STATE_GIL_WAIT, 0, 0);
    check_threads(2, PYRO_STATE_RUNNING, 0, 0); /* C code that let go of the GIL */
    check_threads(2, PYRO_STATE_WAITING, 0, 0);
    check_threads(2, PYRO_STATE_GIL_WAIT, 900, 0); /* it merely brushes the GIL */
}

/* It wakes up to ask for the GIL, and uses a CPU for that: processes would have it. */
static void who_wakes_up_for_the_gil_waits_all_the_same(void)
{
    struct story story = threads_story(2, PYRO_STATE_GIL_WAIT, 0);
    struct fixture_sample threads[] = {
        {.stack = 3, .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL},
        {.thread = 1, .stack = 3, .state = PYRO_STATE_RUNNING},
    };
    add_sweeps(story.profile, 200, threads, 2);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK(fixture_near(evidence_of(&findings->items[0], "in_turn_s")->number, 1.0));
    CHECK(fixture_near(findings->items[0].gain_high_s,
                       0.4)); /* one thread held it for 600 of 1000 ms */
    fixture_end(story.profile, findings);
}

/* One computes, the other one is woken again and again, waits for the GIL and does next to nothing. */
static void a_thread_that_only_looks_in_is_left_alone(void)
{
    struct story story = threads_story(2, PYRO_STATE_GIL_WAIT, 0);
    struct fixture_sample threads[] = {
        {.stack = 3, .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL},
        {.thread = 1, .stack = 3, .state = PYRO_STATE_GIL_WAIT},
    };
    add_sweeps(story.profile, 8000, threads, 2);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void waits_and_unknown_cpus_are_doubted(void)
{
    struct story story = threads_story(0, PYRO_STATE_GIL_WAIT, 0);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
    fixture_end(story.profile, findings);
    story = threads_story(2, PYRO_STATE_GIL_WAIT, 700);
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].doubt,
              "these threads wait for other things too: 30 % of their time");
    fixture_end(story.profile, findings);
}

/* -- waits --------------------------------------------------------------------------------------- */

/* A function with a loop that calls a function of its own 10 times, which calls CALLEE, which waits for WAIT, 100 ms each. */
struct waits {
    struct story story;
    uint32_t callee, stack; /* frame, stack */
    struct fixture_sample sample;
};

static struct waits waits_story(uint32_t callee_kind, const char *callee, const char *file,
                                const char *wait, const char *wait_text)
{
    struct waits waits = {.story = {.profile = fixture_profile()}};
    struct story *story = &waits.story;
    struct pyro_profile *profile = story->profile;
    story->module = fixture_code(profile, "<module>", "/srv/shop/prices.py", 1);
    story->view = fixture_code(profile, "fetch_all", "/srv/shop/prices.py", 10);
    story->orm = fixture_code(profile, "fetch", "/srv/shop/prices.py", 20);
    waits.callee = fixture_frame(
        profile, fixture_function(profile, callee, file, 1, (enum pyro_function_kind)callee_kind),
        1);
    waits.stack = FIXTURE_PATH(profile, story->module, story->view, story->orm, waits.callee);
    waits.sample = (struct fixture_sample){
        .stack = waits.stack,
        .state = PYRO_STATE_WAITING,
        .wait_plus_1 = fixture_wait(profile, wait, wait_text) + 1,
        .count = 1000,
    };
    fixture_calls(profile, PYRO_NO_ID, function_of(story, story->module), 1);
    add_calls(story, story->module, story->view, 1);
    add_calls(story, story->view, story->orm, 10);
    add_calls(story, story->orm, waits.callee, 10);
    return waits;
}

static struct waits answers_story(void)
{
    return waits_story(PYRO_FUNCTION_PYTHON, "HTTPConnection.getresponse",
                       "/usr/lib/python3.12/http/client.py", "socket", "recv 10.0.0.7:443");
}

static void waits_in_a_loop_are_found(void)
{
    struct waits waits = answers_story();
    fixture_add(waits.story.profile, waits.sample);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "sequential-wait");
    CHECK_STR(finding->title, "one after the other: 10 waits of 100 ms");
    CHECK_EQ(finding->function, function_of(&waits.story, waits.story.view));
    CHECK_EQ(finding->line, 11);
    CHECK_STR(finding->fix,
              "ask for all at once: ThreadPoolExecutor().map(fetch, ...), or asyncio.gather()");
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_MEDIUM);
    CHECK(fixture_near(finding->gain_s, 0.9) && finding->gain_low_s > 0.7 &&
          finding->gain_low_s < 0.76);
    CHECK_EQ(evidence_of(finding, "waits")->number, 10);
    fixture_end(waits.story.profile, findings);
}

static size_t count_waits(struct waits *waits)
{
    struct pyro_findings *findings = ask(&waits->story);
    size_t count = findings->count;
    fixture_end(waits->story.profile, findings);
    return count;
}

/* The same, but CALLS of the function that waits for each call of the one with the loop, by CALLER if any. */
static struct waits answers_of(uint64_t calls, const char *caller_file)
{
    struct waits waits = answers_story();
    struct pyro_profile *profile = waits.story.profile;
    profile->call_count = 0;
    fixture_calls(profile, PYRO_NO_ID, function_of(&waits.story, waits.story.module), 1);
    add_calls(&waits.story, waits.story.module, waits.story.view, 1);
    if (caller_file) {
        uint32_t library = fixture_code(profile, "_WorkItem.run", caller_file, 50);
        fixture_calls(profile, PYRO_NO_ID, function_of(&waits.story, library), 1);
        add_calls(&waits.story, library, waits.story.orm, calls);
    } else {
        add_calls(&waits.story, waits.story.view, waits.story.orm, calls);
    }
    add_calls(&waits.story, waits.story.orm, waits.callee, calls);
    fixture_add(profile, waits.sample);
    return waits;
}

static void few_or_short_waits_and_those_of_a_library_are_left_alone(void)
{
    struct waits waits = answers_of(10, NULL);
    CHECK_EQ(count_waits(&waits), 1);
    waits = answers_of(4, NULL);
    CHECK_EQ(count_waits(&waits), 0);
    waits = answers_of(100, NULL); /* 10 ms each */
    CHECK_EQ(count_waits(&waits), 0);
    waits = answers_of(10, "/usr/lib/python3.12/concurrent/futures/thread.py");
    CHECK_EQ(count_waits(&waits), 0);
}

static void waits_that_overlap_are_left_alone(void)
{
    struct waits waits = answers_story();
    struct fixture_sample threads[2] = {waits.sample, waits.sample};
    threads[1].thread = fixture_thread(waits.story.profile, 0, 4712, "Thread-1");
    add_sweeps(waits.story.profile, 1000, threads, 2);
    CHECK_EQ(count_waits(&waits), 0);
}

static size_t count_c_waits(const char *callee, const char *kind, const char *text)
{
    struct waits waits = waits_story(PYRO_FUNCTION_C, callee, "", kind, text);
    fixture_add(waits.story.profile, waits.sample);
    return count_waits(&waits);
}

static void idle_loops_and_streams_are_left_alone(void)
{
    CHECK_EQ(count_c_waits("{method 'accept' of '_socket.socket' objects}", "socket", "accept"), 0);
    CHECK_EQ(count_c_waits("{built-in method select.select}", "poll", "select"), 0);
    CHECK_EQ(
        count_c_waits("{method 'recv' of '_socket.socket' objects}", "socket", "recv 10.0.0.7:80"),
        0);
    CHECK_EQ(count_c_waits("{method 'acquire' of '_thread.lock' objects}", "lock", "futex"), 0);
    CHECK_EQ(count_c_waits("{method 'recv' of '_socket.socket' objects}", "socket",
                           "recv 10.0.0.7:5432"),
             0); /* a database */
}

/* It sends before each: what it receives is an answer. */
static void a_conversation_is_found(void)
{
    struct waits waits = waits_story(PYRO_FUNCTION_C, "{method 'recv' of '_socket.socket' objects}",
                                     "", "socket", "recv 10.0.0.7:80");
    uint32_t send =
        fixture_function(waits.story.profile, "{method 'sendall' of '_socket.socket' objects}", "",
                         0, PYRO_FUNCTION_C);
    fixture_calls(waits.story.profile, function_of(&waits.story, waits.story.orm), send, 10);
    fixture_add(waits.story.profile, waits.sample);
    CHECK_EQ(count_waits(&waits), 1);
}

static void sleep_in_a_loop_is_a_pause_elsewhere_it_is_doubted(void)
{
    struct waits waits =
        waits_story(PYRO_FUNCTION_C, "{built-in method time.sleep}", "", "sleep", "sleep");
    fixture_add(waits.story.profile, waits.sample);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
    CHECK(findings->items[0].doubt);
    fixture_end(waits.story.profile, findings);
    waits = waits_story(PYRO_FUNCTION_C, "{built-in method time.sleep}", "", "sleep", "sleep");
    waits.story.profile->call_count = 0;
    fixture_calls(waits.story.profile, PYRO_NO_ID, function_of(&waits.story, waits.story.orm), 1);
    add_calls(&waits.story, waits.story.orm, waits.callee, 10);
    fixture_add(waits.story.profile, waits.sample);
    CHECK_EQ(count_waits(&waits), 0);
}

/* Tasks of one event loop that call CALLEE, once each. */
static struct waits tasks_story(const char *callee, const char *kind, uint64_t tasks)
{
    struct waits waits = waits_story(PYRO_FUNCTION_C, callee, "", kind, kind);
    struct pyro_profile *profile = waits.story.profile;
    uint32_t handle =
        fixture_code(profile, "Handle._run", "/usr/lib/python3.12/asyncio/events.py", 80);
    profile->call_count = 0;
    fixture_calls(profile, PYRO_NO_ID, function_of(&waits.story, waits.story.module), 1);
    add_calls(&waits.story, waits.story.module, handle, tasks);
    add_calls(&waits.story, handle, waits.story.orm, tasks);
    add_calls(&waits.story, waits.story.orm, waits.callee, tasks);
    waits.sample.stack =
        FIXTURE_PATH(profile, waits.story.module, handle, waits.story.orm, waits.callee);
    return waits;
}

static void what_blocks_an_event_loop_is_found(void)
{
    struct waits waits = tasks_story("{built-in method time.sleep}", "sleep", 10);
    fixture_add(waits.story.profile, waits.sample);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "the event loop stands still: 10 waits of 100 ms");
    CHECK_STR(findings->items[0].fix, "await asyncio.sleep()");
    CHECK_EQ(findings->items[0].function, function_of(&waits.story, waits.story.orm));
    CHECK_EQ(findings->items[0].line, 21);
    CHECK(fixture_near(findings->items[0].gain_s, 0.9) && findings->items[0].gain_low_s == 0);
    fixture_end(waits.story.profile, findings);
}

static void a_database_in_the_process_blocks_too(void)
{
    struct waits waits =
        tasks_story("{method 'executescript' of 'sqlite3.Cursor' objects}", "", 100);
    waits.sample.state = PYRO_STATE_RUNNING; /* in SQLite, without the GIL */
    waits.sample.wait_plus_1 = 0;
    fixture_add(waits.story.profile, waits.sample);
    FIXTURE_ADD(waits.story.profile, .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(evidence_of(&findings->items[0], "form")->text, "blocking");
    fixture_end(waits.story.profile, findings);
}

/* -- connections --------------------------------------------------------------------------------- */

/* A line of the program's own sends REQUESTS, OPENED of which open a connection: 400 ms for all these, 100 for the rest. */
static struct waits requests_story(uint64_t requests, uint64_t opened, size_t peers)
{
    struct waits waits = {.story = {.profile = fixture_profile()}};
    struct story *story = &waits.story;
    struct pyro_profile *profile = story->profile;
    const char *http = "/usr/lib/python3.12/http/client.py";
    story->module = fixture_code(profile, "<module>", "/srv/shop/client.py", 1);
    story->view = fixture_code(profile, "fetch_all", "/srv/shop/client.py", 10);
    story->orm = fixture_code(profile, "HTTPConnection.request", http, 100);
    story->sender = fixture_code(profile, "HTTPSConnection.connect", http, 200);
    uint32_t shake = fixture_frame(
        profile,
        fixture_function(profile, "{method 'do_handshake' of '_ssl._SSLSocket' objects}", "", 0,
                         PYRO_FUNCTION_C),
        0);
    uint32_t stack =
        FIXTURE_PATH(profile, story->module, story->view, story->orm, story->sender, shake);
    for (size_t i = 0; i < peers; i++) {
        char text[32];
        snprintf(text, sizeof(text), "recv 10.0.0.%zu:443", i);
        FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_WAITING,
                    .wait_plus_1 = fixture_wait(profile, "socket", text) + 1, .count = 400 / peers);
    }
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story->module, story->view, story->orm),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 100);
    fixture_calls(profile, PYRO_NO_ID, function_of(story, story->module), 1);
    add_calls(story, story->module, story->view, 1);
    add_calls(story, story->view, story->orm, requests);
    add_calls(story, story->orm, story->sender, opened);
    add_calls(story, story->sender, shake, opened);
    return waits;
}

static void a_connection_for_each_request_is_found(void)
{
    struct waits waits = requests_story(100, 100, 1);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "connection-churn");
    CHECK_STR(finding->title, "100 new TLS connections");
    CHECK_EQ(finding->function, function_of(&waits.story, waits.story.view));
    CHECK_EQ(finding->line, 11);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_HIGH);
    CHECK(fixture_near(finding->gain_s, 0.4 * 0.99));
    CHECK(strstr(finding->fix, "pooled session"));
    CHECK_STR(evidence_of(finding, "opened_by")->text, "HTTPSConnection.connect");
    fixture_end(waits.story.profile, findings);
}

static void connections_that_are_kept_are_left_alone(void)
{
    struct waits waits = requests_story(100, 1, 1);
    CHECK_EQ(count_waits(&waits), 0);
    waits = requests_story(100, 30, 1); /* closed now and then */
    CHECK_EQ(count_waits(&waits), 0);
}

/* They are waits, though. */
static void few_connections_are_left_alone(void)
{
    struct waits waits = requests_story(9, 9, 1);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "sequential-wait");
    fixture_end(waits.story.profile, findings);
}

static void connections_to_many_places_are_doubted(void)
{
    struct waits waits = requests_story(100, 100, 4);
    struct pyro_findings *findings = ask(&waits.story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
    CHECK_STR(findings->items[0].doubt,
              "they lead to 4 or more different places: each may be needed");
    fixture_end(waits.story.profile, findings);
}

/* A loop of TURNS turns with three steps: MS of the second is further in, OTHER_MS are of the third. */
static struct story pipeline(unsigned ms, unsigned other_ms, uint64_t turns)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "process", "/srv/shop/pipeline.py", 45);
    uint32_t check = fixture_code(profile, "check", "/srv/shop/pipeline.py", 10);
    uint32_t enrich = fixture_code(profile, "enrich", "/srv/shop/pipeline.py", 20);
    uint32_t total = fixture_code(profile, "total", "/srv/shop/pipeline.py", 30);
    uint32_t lookup = fixture_code(profile, "lookup", "/srv/shop/catalog.py", 5);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, enrich, lookup),
                .state = PYRO_STATE_RUNNING, .count = ms);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, total),
                .state = PYRO_STATE_RUNNING, .count = other_ms);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    add_calls(&story, story.view, check, turns);
    add_calls(&story, story.view, enrich, turns);
    add_calls(&story, story.view, total, turns);
    add_calls(&story, enrich, lookup, 2 * turns);
    return story;
}

static size_t count_in(struct story story)
{
    struct pyro_findings *findings = ask(&story);
    size_t count = findings->count;
    fixture_end(story.profile, findings);
    return count;
}

static void one_step_of_a_loop_stands_out(void)
{
    struct story story = pipeline(890, 110, 1000);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "hot-line");
    CHECK_STR(finding->title, "hot line: one step of 3 has 89 %");
    CHECK_EQ(finding->function, function_of(&story, story.view));
    CHECK_EQ(finding->line, 46);
    CHECK_STR(evidence_of(finding, "step")->text, "enrich");
    CHECK_EQ(evidence_of(finding, "calls")->number, 1000);
    CHECK(fixture_near(finding->gain_s, 0.75 * 0.89) && finding->gain_low_s == 0);
    CHECK_STR(finding->why,
              "2 other steps of process are called as often and take 11 % together; most of it is "
              "in lookup");
    fixture_end(story.profile, findings);
    CHECK_EQ(count_in(pipeline(780, 220, 1000)), 0); /* the others are not small */
    CHECK_EQ(count_in(pipeline(890, 110, 9)), 0);    /* no loop */
    struct story large = pipeline(890, 110, 1000);
    uint32_t other = fixture_code(large.profile, "other", "/srv/shop/other.py", 1);
    FIXTURE_ADD(large.profile, .stack = FIXTURE_PATH(large.profile, large.module, other),
                .state = PYRO_STATE_RUNNING, .count = 900);
    CHECK_EQ(count_in(large), 0); /* less than half of all time */
}

/* A step whose time lies in a hundred functions is what the program is for. */
static void a_step_that_does_many_things_is_not_hot(void)
{
    struct story story = pipeline(0, 110, 1000);
    struct pyro_profile *profile = story.profile;
    uint32_t enrich = (uint32_t)profile->frame_count - 3; /* check, enrich, total, lookup */
    for (int i = 0; i < 10; i++) {
        uint32_t part = fixture_code(profile, "part", "/srv/shop/parts.py", 10 * (uint32_t)i);
        FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, enrich, part),
                    .state = PYRO_STATE_RUNNING, .count = 89);
    }
    CHECK_EQ(count_in(story), 0);
    /* in one function, but far in; in the middle of a library that it calls, too */
    const char *files[] = {"/srv/shop/parts.py", "/usr/lib/python3.12/html/parser.py"};
    for (int library = 0; library < 2; library++) {
        story = pipeline(0, 110, 1000);
        profile = story.profile;
        uint32_t path[8] = {story.module, story.view, enrich};
        for (uint32_t i = 3; i < 7; i++)
            path[i] = fixture_code(profile, "deeper", files[library], 10 * i);
        path[7] = PYRO_NO_ID;
        FIXTURE_ADD(profile, .stack = fixture_path(profile, path), .state = PYRO_STATE_RUNNING,
                    .count = 890);
        CHECK_EQ(count_in(story), 0);
    }
}

/* -- garbage collection ------------------------------------------------------------------------- */

/* Of ALL milliseconds MS are in collections, most of them below the view's line. */
static struct story collecting_of(size_t ms, size_t all)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "load", "/srv/shop/model.py", 45);
    story.orm = fixture_code(profile, "parse", "/usr/lib/python3.12/json/decoder.py", 10);
    const uint32_t flags = PYRO_SAMPLE_GIL | PYRO_SAMPLE_GC;
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm),
                .state = PYRO_STATE_RUNNING, .flags = flags, .count = ms * 6 / 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module), .state = PYRO_STATE_RUNNING,
                .flags = flags, .count = ms - ms * 6 / 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = all - ms);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    add_calls(&story, story.view, story.orm, 1);
    return story;
}

static struct story collecting(size_t ms)
{
    return collecting_of(ms, 1000);
}

static void much_garbage_collection_is_found(void)
{
    struct story story = collecting(300);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "garbage-collection");
    CHECK_EQ(finding->function, function_of(&story, story.view));
    CHECK_EQ(finding->line, 46);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_MEDIUM);
    CHECK(fixture_near(evidence_of(finding, "time_s")->number, 0.3));
    CHECK(fixture_near(finding->gain_s, 0.7 * 0.3));
    CHECK(finding->gain_low_s < 0.3 * 0.3 && finding->gain_high_s > 0.3);
    CHECK_STR(finding->why, "30 % of all time is in collections that come by themselves");
    fixture_end(story.profile, findings);
    CHECK_EQ(count_in(collecting(60)), 0); /* 4.2 % are not worth it */
    CHECK_EQ(count_in(collecting_of(110, 300)), 1);
    CHECK_EQ(count_in(collecting_of(90, 300)), 0); /* nor is a tenth of a second */
}

/* What is called over and over, a proxy or a visitor, is no place to set anything. */
static void collections_below_a_line_of_many_calls_are_told_of_its_caller(void)
{
    struct story story = collecting(300);
    add_calls(&story, story.module, story.view, 10);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].function, function_of(&story, story.module));
    fixture_end(story.profile, findings);
    story = collecting(300);
    fixture_calls(story.profile, PYRO_NO_ID, function_of(&story, story.module), 10);
    add_calls(&story, story.module, story.view, 10);
    CHECK_EQ(count_in(story), 0); /* a handler that a library calls */
    story = collecting(300);
    story.profile->functions[function_of(&story, story.view)].name =
        fixture_text(story.profile, "<module>"); /* it is imported */
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].function, function_of(&story, story.module));
    fixture_end(story.profile, findings);
    story = collecting(300);
    story.profile->functions[function_of(&story, story.view)].file =
        fixture_text(story.profile, "<frozen importlib._bootstrap>"); /* while it imports */
    CHECK_EQ(count_in(story), 0);
}

static void collections_that_are_asked_for_are_doubted(void)
{
    struct story story = collecting(10);
    uint32_t collect =
        fixture_function(story.profile, "{built-in method gc.collect}", "~", 0, PYRO_FUNCTION_C);
    uint32_t frame = fixture_frame(story.profile, collect, 0);
    FIXTURE_ADD(
        story.profile, .stack = FIXTURE_PATH(story.profile, story.module, story.view, frame),
        .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL | PYRO_SAMPLE_GC, .count = 200);
    fixture_calls(story.profile, function_of(&story, story.view), collect, 5);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "garbage collection: gc.collect() 5 times");
    CHECK_EQ(findings->items[0].line, 46);
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
    fixture_end(story.profile, findings);
}

/* -- imports ------------------------------------------------------------------------------------ */

#define SITE "/srv/venv/lib/python3.12/site-packages/"

/* The program imports a library that loads a module of the standard one, with a fifth of the time in each. */
struct loading {
    struct story story;
    uint32_t import, heavy, library; /* frames: the machinery, bodies of modules */
    uint32_t work;                   /* a function of the heavy one */
};

static struct loading loading(const char *importer, const char *heavy)
{
    struct loading made = {.story = {.profile = fixture_profile()}};
    struct story *story = &made.story;
    struct pyro_profile *profile = story->profile;
    story->module = fixture_code(profile, "<module>", importer, 1);
    made.import = fixture_code(profile, "_find_and_load", "<frozen importlib._bootstrap>", 1349);
    made.heavy = fixture_code(profile, "<module>", heavy, 1);
    made.library = fixture_code(profile, "<module>", "/usr/lib/python3.12/decimal.py", 1);
    made.work = fixture_code(profile, "work", heavy, 30);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story->module, made.import, made.heavy),
                .state = PYRO_STATE_RUNNING, .count = 200);
    FIXTURE_ADD(profile,
                .stack = FIXTURE_PATH(profile, story->module, made.import, made.heavy, made.import,
                                      made.library),
                .state = PYRO_STATE_RUNNING, .count = 200);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story->module), .state = PYRO_STATE_RUNNING,
                .count = 600);
    fixture_calls(profile, PYRO_NO_ID, function_of(story, story->module), 1);
    add_calls(story, story->module, made.import, 1);
    add_calls(story, made.import, made.heavy, 1);
    add_calls(story, made.import, made.library, 1);
    return made;
}

static void an_import_that_is_not_used_is_found(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    add_calls(&made.story, made.heavy, made.work, 3); /* by itself, while it is imported */
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "unused-import");
    CHECK_STR(finding->title, "import that this run does not use: 40 %");
    CHECK_EQ(finding->function, function_of(&made.story, made.story.module));
    CHECK_EQ(finding->line, 2);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_LOW);
    CHECK_EQ(evidence_of(finding, "modules")->number, 2);
    CHECK_STR(evidence_of(finding, "imported")->text, "heavy/__init__.py");
    CHECK(fixture_near(finding->gain_s, 0.9 * 0.4) && finding->gain_low_s == 0);
    fixture_end(made.story.profile, findings);
}

static void an_import_that_is_used_is_left_alone(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    add_calls(&made.story, made.story.module, made.work, 1);
    CHECK_EQ(count_in(made.story), 0); /* what it imports itself is not for the program to change */
    made = loading(SITE "shop/main.py", SITE "heavy.py"); /* a library's import */
    CHECK_EQ(count_in(made.story), 0);
    made = loading("/srv/shop/main.py", "/srv/shop/heavy.py"); /* of a module of its own, ... */
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].function, function_of(&made.story, made.heavy)); /* ... by that */
    CHECK(fixture_near(findings->items[0].gain_s, 0.9 * 0.2));
    fixture_end(made.story.profile, findings);
    made = loading("<string>", SITE "heavy.py"); /* by no line of a file */
    CHECK_EQ(count_in(made.story), 0);
    made = loading("/srv/shop/main.py", SITE "heavy.py");
    made.story.profile->call_count = 0; /* nobody counted */
    CHECK_EQ(count_in(made.story), 0);
}

/* The package itself has no function that is called. */
static void a_package_passes_on_what_it_imports(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    struct pyro_profile *profile = made.story.profile;
    uint32_t graph = fixture_code(profile, "<module>", SITE "heavy/graph.py", 1);
    uint32_t edges = fixture_code(profile, "edges", SITE "heavy/graph.py", 9);
    FIXTURE_ADD(profile,
                .stack = FIXTURE_PATH(profile, made.story.module, made.import, made.heavy,
                                      made.import, graph),
                .state = PYRO_STATE_RUNNING, .count = 10);
    add_calls(&made.story, made.import, graph, 1);
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    pyro_findings_free(findings);
    add_calls(&made.story, made.story.module, edges, 1);
    CHECK_EQ(count_in(made.story), 0);
    made = loading("/srv/shop/main.py", "/usr/lib/python3.12/fractions.py"); /* no package */
    uint32_t quantize =
        fixture_code(made.story.profile, "quantize", "/usr/lib/python3.12/decimal.py", 77);
    add_calls(&made.story, made.story.module, quantize, 1);
    findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    CHECK(fixture_near(findings->items[0].gain_s, 0.9 * 0.2));
    fixture_end(made.story.profile, findings);
}

/* FILE has TEXT on LINE; the last one that is added has the highest of both. */
static void add_source(struct pyro_profile *profile, const char *file, uint32_t line,
                       const char *text)
{
    FIXTURE_GROW(profile->sources, profile->source_count);
    profile->sources[profile->source_count++] =
        (struct pyro_source_line){fixture_text(profile, file), line, fixture_text(profile, text)};
}

/* The program's other module, of which nothing was sampled, has an import on its first line. */
static void check_other_import(const char *line, size_t count)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    struct pyro_profile *profile = made.story.profile;
    uint32_t other = fixture_code(profile, "<module>", "/srv/shop/zebra.py", 1);
    add_calls(&made.story, made.import, other, 1);
    add_source(profile, "/srv/shop/main.py", 2, "import heavy");
    add_source(profile, "/srv/shop/zebra.py", 1, line);
    CHECK_EQ(count_in(made.story), count);
}

static void what_others_import_is_not_won(void)
{
    check_other_import("import heavy", 0);
    check_other_import("from heavy import work", 0);
    check_other_import("    import os, heavy.work as work  # noqa", 0);
    check_other_import("import heavier", 1);
    check_other_import("from . import heavy", 1); /* another one */
    check_other_import("# import heavy", 1);
    /* of what it loads, a part: an import of the other fifth is left */
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    uint32_t other = fixture_code(made.story.profile, "<module>", "/srv/shop/zebra.py", 1);
    add_calls(&made.story, made.import, other, 1);
    add_source(made.story.profile, "/srv/shop/zebra.py", 1, "from decimal import (");
    add_source(made.story.profile, "/srv/shop/zebra.py", 2, "    Decimal)");
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    CHECK(fixture_near(findings->items[0].gain_s, 0.9 * 0.2));
    fixture_end(made.story.profile, findings);
}

/* What a library imports counts if that library stays: a used one does, and so does what it imports. */
static void what_used_libraries_import_is_not_won(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    struct pyro_profile *profile = made.story.profile;
    uint32_t light = fixture_code(profile, "<module>", SITE "light/core.py", 1);
    uint32_t use = fixture_code(profile, "use", SITE "light/core.py", 30);
    add_calls(&made.story, made.import, light, 1);
    add_source(profile, "/srv/shop/main.py", 2, "import heavy");
    uint32_t more = fixture_code(profile, "<module>", SITE "light/data/more.py", 1);
    add_calls(&made.story, made.import, more, 1);
    add_source(profile, SITE "light/core.py", 1, "from .data.more import x");
    add_source(profile, SITE "light/data/more.py", 1, "from ... import nothing");
    add_source(profile, SITE "light/data/more.py", 2, "import heavy");
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    pyro_findings_free(findings);
    add_calls(&made.story, made.story.module, use, 1);
    CHECK_EQ(count_in(made.story), 0);
}

/* `heavy` hands out what it has from `_heavy`, which the program calls, and imports nowhere. */
static void what_is_handed_out_is_used(void)
{
    for (int named = 0; named < 2; named++) {
        struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
        struct pyro_profile *profile = made.story.profile;
        uint32_t inner = fixture_code(profile, "<module>", SITE "_heavy/core.py", 1);
        uint32_t use = fixture_code(profile, "use", SITE "_heavy/core.py", 30);
        FIXTURE_ADD(profile,
                    .stack = FIXTURE_PATH(profile, made.story.module, made.import, made.heavy,
                                          made.import, inner),
                    .state = PYRO_STATE_RUNNING, .count = 10);
        add_calls(&made.story, made.import, inner, 1);
        add_calls(&made.story, made.story.module, use, 1);
        add_source(profile, "/srv/shop/main.py", 2, "import heavy");
        if (named)
            add_source(profile, "/srv/shop/main.py", 3, "from _heavy.core import use");
        CHECK_EQ(count_in(made.story), named);
    }
}

/* Two lines of a module import parts of a library: together they are worth it, and only together. */
static void lines_that_import_one_library_are_told_together(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    struct story *story = &made.story;
    struct pyro_profile *profile = story->profile;
    uint32_t rest = fixture_code(profile, "<module>", SITE "heavy/rest.py", 1);
    uint32_t line = fixture_frame(profile, function_of(story, story->module), 5);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, line, made.import, rest),
                .state = PYRO_STATE_RUNNING, .count = 45);
    add_calls(story, made.import, rest, 1);
    add_source(profile, "/srv/shop/main.py", 2, "import heavy");
    add_source(profile, "/srv/shop/main.py", 5, "import heavy.rest");
    add_source(profile, "/srv/shop/main.py", 6, "import decimal"); /* of another library */
    add_source(profile, "/srv/shop/main.py", 7, "from heavy import a, b");
    struct pyro_findings *findings = ask(story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].line, 2);
    CHECK_EQ(evidence_of(&findings->items[0], "lines")->number, 3);
    CHECK_STR(findings->items[0].fix,
              "import it where it is used, within the function; 3 lines of this module do");
    CHECK(fixture_near(findings->items[0].gain_s, 0.9 * 0.245)); /* decimal stays */
    pyro_findings_free(findings);
    /* in another module that line is too little to be moved: it stays, and what it imports */
    uint32_t other = fixture_code(profile, "<module>", "/srv/shop/other.py", 1);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, other, made.import, rest),
                .state = PYRO_STATE_RUNNING, .count = 45);
    add_calls(story, made.import, other, 1);
    add_source(profile, SITE "heavy/rest.py", 1, "import heavy");
    CHECK_EQ(count_in(*story), 0);
}

/* The program's import has NAMES, and LINE stands below. */
static void check_use(const char *names, const char *line, size_t count)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy/__init__.py");
    char import[100];
    snprintf(import, sizeof(import), "from heavy import %s", names);
    add_source(made.story.profile, "/srv/shop/main.py", 2, import);
    add_source(made.story.profile, "/srv/shop/main.py", 9, line);
    add_source(made.story.profile, "/srv/shop/main.py", 10, "    Third): pass");
    CHECK_EQ(count_in(made.story), count);
}

static void what_a_module_uses_at_once_is_used(void)
{
    check_use("Base, Other", "class Mine(Base):", 0);
    check_use("Third", "class Mine(Base,", 0);
    check_use("THAT", "THIS = THAT + 1", 0);
    check_use("deco", "@deco", 0);
    check_use("THAT", "THAT = None", 1);
    check_use("Third", "class Mine:", 1);
    check_use("Base", "class Mine(own.Base): 'Base'  # Base", 1);
    check_use("THAT", "    return THAT", 1); /* of a frame, in a function */
    check_use("THAT", "def function(x=THAT):", 1);
}

/* Their functions in Python are not called, but those that they wrap. */
static void a_module_around_one_in_c_is_used_by_that(void)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy.py");
    uint32_t start = fixture_function(made.story.profile, "{built-in method _heavy.start}", "~", 0,
                                      PYRO_FUNCTION_C);
    fixture_calls(made.story.profile, function_of(&made.story, made.story.module), start, 1);
    CHECK_EQ(count_in(made.story), 0);
}

/* The body of SHOP calls a function of the module that the heavy one loads. */
static void check_a_body_that_needs(const char *shop, bool used, double saved_s)
{
    struct loading made = loading("/srv/shop/main.py", SITE "heavy.py");
    struct pyro_profile *profile = made.story.profile;
    uint32_t body = fixture_code(profile, "<module>", shop, 1);
    uint32_t sell = fixture_code(profile, "sell", shop, 9);
    uint32_t quantize = fixture_code(profile, "quantize", "/usr/lib/python3.12/decimal.py", 77);
    add_calls(&made.story, made.import, body, 1);
    add_calls(&made.story, body, quantize, 1);
    if (used)
        add_calls(&made.story, made.story.module, sell, 1);
    struct pyro_findings *findings = ask(&made.story);
    CHECK_EQ(findings->count, 1);
    CHECK(fixture_near(findings->items[0].gain_s, 0.9 * saved_s));
    fixture_end(made.story.profile, findings);
}

/* A decorator, say, or the version of the program, which is asked for while it is imported. */
static void what_a_used_module_needs_is_used(void)
{
    check_a_body_that_needs(SITE "shop.py", true, 0.2); /* of the heavy module alone */
    check_a_body_that_needs(SITE "shop.py", false, 0.4);
    check_a_body_that_needs("/srv/shop/version.py", false, 0.2);
}

/* The N+1 in a loop with other steps is an N+1. */
static void a_line_that_is_explained_is_not_hot(void)
{
    struct story story = n_plus_one();
    add_calls(&story, story.view, fixture_code(story.profile, "a", "/srv/shop/views.py", 80), 846);
    add_calls(&story, story.view, fixture_code(story.profile, "b", "/srv/shop/views.py", 90), 846);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "n-plus-one");
    fixture_end(story.profile, findings);
    story = n_plus_one();
    add_calls(&story, story.view, fixture_code(story.profile, "a", "/srv/shop/views.py", 80), 846);
    add_calls(&story, story.view, fixture_code(story.profile, "b", "/srv/shop/views.py", 90), 846);
    story.profile->query_count = 0; /* nobody told of the queries */
    findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "hot-line");
    fixture_end(story.profile, findings);
}

/* What the same function calls beside it, if that is little; else what its callers do. */
static void what_is_innocent_stands_beside_the_culprit(void)
{
    struct story story = n_plus_one();
    struct pyro_profile *profile = story.profile;
    uint32_t other_line = fixture_frame(profile, function_of(&story, story.view), 52);
    uint32_t data = fixture_code(profile, "Serializer.data", "/srv/shop/serializers.py", 5);
    uint32_t setup = fixture_code(profile, "fill", "/srv/shop/rows.py", 5);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, setup),
                .state = PYRO_STATE_RUNNING, .count = 90);
    struct pyro_findings *findings = ask(&story);
    CHECK_STR(findings->items[0].innocent, "rows.py");
    CHECK(fixture_near(findings->items[0].innocent_s, 0.09));
    pyro_findings_free(findings);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line, data),
                .state = PYRO_STATE_RUNNING, .count = 20);
    findings = ask(&story);
    CHECK_STR(findings->items[0].innocent, "serializers.py");
    CHECK(fixture_near(findings->items[0].innocent_s, 0.02));
    pyro_findings_free(findings);
    /* libraries are suspected later, functions of the same file by their own names */
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line, story.orm),
                .state = PYRO_STATE_RUNNING, .count = 100);
    uint32_t tax = fixture_code(profile, "tax", "/srv/shop/views.py", 70);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line, tax),
                .state = PYRO_STATE_RUNNING, .count = 30);
    findings = ask(&story);
    CHECK_STR(findings->items[0].innocent, "tax");
    pyro_findings_free(findings);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line, data),
                .state = PYRO_STATE_RUNNING, .count = 400);
    findings = ask(&story);
    CHECK(!findings->items[0].innocent); /* it is a problem, too */
    fixture_end(story.profile, findings);
}

/* In whatever called it, the culprit included, as `share` has it. */
static void what_is_innocent_costs_all_its_time(void)
{
    struct story story = n_plus_one();
    struct pyro_profile *profile = story.profile;
    uint32_t other_line = fixture_frame(profile, function_of(&story, story.view), 52);
    uint32_t data = fixture_code(profile, "Serializer.data", "/srv/shop/serializers.py", 5);
    uint32_t field = fixture_code(profile, "Field.data", "/srv/shop/serializers.py", 20);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line, data, field),
                .state = PYRO_STATE_RUNNING, .count = 20);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm, data),
                .state = PYRO_STATE_RUNNING, .count = 40);
    struct pyro_findings *findings = ask(&story);
    CHECK_STR(findings->items[0].innocent, "serializers.py");
    CHECK(fixture_near(findings->items[0].innocent_s, 0.06));
    pyro_findings_free(findings);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm, data),
                .state = PYRO_STATE_RUNNING, .count = 400);
    findings = ask(&story);
    CHECK(!findings->items[0].innocent); /* it is much of the problem */
    fixture_end(profile, findings);
}

/* The file itself has all the culprit's time. */
static void in_a_file_that_leads_there_a_function_is_innocent(void)
{
    struct story story = n_plus_one();
    struct pyro_profile *profile = story.profile;
    uint32_t fill = fixture_code(profile, "fill", "/srv/shop/orders.py", 5);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, fill),
                .state = PYRO_STATE_RUNNING, .count = 20);
    struct pyro_findings *findings = ask(&story);
    CHECK_STR(findings->items[0].innocent, "fill");
    CHECK(fixture_near(findings->items[0].innocent_s, 0.02));
    fixture_end(profile, findings);
}

static void a_culprit_is_not_innocent(void)
{
    struct story story = n_plus_one();
    struct pyro_profile *profile = story.profile;
    uint32_t other_line = fixture_frame(profile, function_of(&story, story.view), 52);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, other_line),
                .state = PYRO_STATE_RUNNING, .count = 20);
    struct pyro_findings *findings = ask(&story);
    CHECK(!findings->items[0].innocent);
    fixture_end(profile, findings);
}

/* -- lists that are searched -------------------------------------------------------------------- */

/* 900 ms in line 46 of the view, 800 of them within a test that was found to search this. */
static struct story search_story(const struct pyro_lookup *lookup)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 900);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module), .state = PYRO_STATE_RUNNING,
                .flags = PYRO_SAMPLE_GIL, .count = 100);
    FIXTURE_GROW(profile->lookups, profile->lookup_count);
    profile->lookups[profile->lookup_count] = *lookup;
    profile->lookups[profile->lookup_count++].frame = story.view;
    return story;
}

static const struct pyro_lookup long_list = {
    .samples = 900,
    .testing = 800,
    .looked = 100,
    .lists = 100,
    .length = 100 * 1000,
    .shortest = 1000,
    .longest = 1000,
};

static void a_long_list_that_is_searched_is_found(void)
{
    struct story story = search_story(&long_list);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "list-membership");
    CHECK_STR(finding->title, "list search: `in` with a list of 1000");
    CHECK_EQ(finding->function, function_of(&story, story.view));
    CHECK_EQ(finding->line, 46);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_HIGH);
    CHECK(fixture_near(evidence_of(finding, "time_s")->number, 0.8));
    CHECK(fixture_near(finding->gain_s, 0.8 * (1 - 3.0 / 1000)));
    CHECK(finding->gain_low_s > 0.7 && finding->gain_low_s < finding->gain_s);
    CHECK(finding->gain_high_s > 0.8 && finding->gain_high_s < 0.9);
    CHECK_EQ(evidence_of(finding, "searched_at_least")->number, 8000);
    fixture_end(story.profile, findings);
}

static void a_list_that_grows_is_doubted(void)
{
    struct pyro_lookup lookup = long_list;
    lookup.shortest = 12;
    struct story story = search_story(&lookup);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
    CHECK_STR(findings->items[0].doubt, "the list changes meanwhile: it had 12 to 1000 items");
    fixture_end(story.profile, findings);
}

static void check_no_search(struct pyro_lookup lookup)
{
    struct story story = search_story(&lookup);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void other_searches_are_left_alone(void)
{
    struct pyro_lookup lookup = long_list;
    lookup.length = 100 * 9; /* a set would take as long */
    lookup.longest = lookup.shortest = 9;
    check_no_search(lookup);
    lookup = long_list;
    lookup.lists = 70; /* often it is something else */
    lookup.length = 70 * 1000;
    check_no_search(lookup);
    lookup = long_list;
    lookup.changes = 60; /* each list is searched seldom */
    check_no_search(lookup);
    lookup = long_list;
    lookup.looked = lookup.lists = 4; /* hardly seen */
    lookup.length = 4 * 1000;
    check_no_search(lookup);
    lookup = long_list;
    lookup.testing = 40; /* the line does something else */
    check_no_search(lookup);
    lookup = long_list;
    lookup.length = UINT64_C(100) * 2000000; /* searched four times, perhaps */
    lookup.longest = lookup.shortest = 2000000;
    check_no_search(lookup);
    struct story story = search_story(&long_list);
    story.profile->functions[function_of(&story, story.view)].file =
        fixture_text(story.profile, "/usr/lib/python3.12/json/decoder.py");
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

/* COUNT calls of METHOD by the view, of US microseconds each. */
static struct story method_story(const char *method, uint64_t count, uint64_t us)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    uint32_t callee = fixture_function(profile, method, "", 0, PYRO_FUNCTION_C);
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    FIXTURE_ADD(
        profile,
        .stack = FIXTURE_PATH(profile, story.module, story.view, fixture_frame(profile, callee, 0)),
        .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = count * us / 1000);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    fixture_calls(profile, function_of(&story, story.view), callee, count);
    return story;
}

static void check_method(const char *method, uint64_t count, uint64_t us, const char *title)
{
    struct story story = method_story(method, count, us);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, title ? 1 : 0);
    if (title) {
        CHECK_STR(findings->items[0].title, title);
        CHECK_EQ(findings->items[0].line, 46);
        CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_LOW);
        CHECK(fixture_near(findings->items[0].gain_s, (double)count * ((double)us - 0.1) / 1e6));
    }
    fixture_end(story.profile, findings);
}

static void methods_that_search_long_lists_are_found(void)
{
    check_method("{method 'index' of 'list' objects}", 2000, 50, "list search: 2000 list.index()");
    check_method("{method 'remove' of 'list' objects}", 2000, 50,
                 "list search: 2000 list.remove()");
    check_method("{method 'index' of 'list' objects}", 50, 2000, NULL);
    check_method("{method 'index' of 'str' objects}", 2000, 50, NULL);
    check_method("{method 'append' of 'list' objects}", 2000, 50, NULL);
    check_method("{method 'count' of 'list' objects}", 2000000, 0, NULL);
}

/* -- calls that are repeated -------------------------------------------------------------------- */

/* The view calls a function 2000 times, which takes 800 ms of 1000, and DISTINCT of LOOKED calls had other arguments. */
static struct story repeated_story(uint64_t looked, uint64_t distinct, uint64_t unknown)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    story.module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    story.view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    story.orm = fixture_code(profile, "rate", "/srv/shop/rates.py", 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 800);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, story.module, story.view),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 200);
    fixture_calls(profile, PYRO_NO_ID, function_of(&story, story.module), 1);
    add_calls(&story, story.module, story.view, 1);
    add_calls(&story, story.view, story.orm, 2000);
    FIXTURE_GROW(profile->arguments, profile->argument_count);
    profile->arguments[profile->argument_count++] =
        (struct pyro_arguments){function_of(&story, story.orm), looked, distinct, unknown};
    return story;
}

static void a_call_that_is_repeated_is_found(void)
{
    struct story story = repeated_story(1000, 100, 0);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "repeated-call");
    CHECK_STR(finding->title, "repeated call: 2000 times rate");
    CHECK_STR(finding->fix, "@functools.lru_cache(maxsize=256) on it");
    CHECK_EQ(finding->function, function_of(&story, story.orm));
    CHECK_EQ(finding->line, 10);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_LOW);
    CHECK(finding->doubt);
    CHECK(fixture_near(finding->gain_s, 0.8 * 0.9 - 0.0004));
    CHECK(finding->gain_low_s > 0.6 && finding->gain_low_s < finding->gain_s);
    CHECK(finding->gain_high_s > 0.8 * 0.95 && finding->gain_high_s < 0.85);
    CHECK_EQ(evidence_of(finding, "distinct")->number, 100);
    fixture_end(story.profile, findings);
    story = repeated_story(1000, 400, 0);
    findings = ask(&story);
    CHECK_STR(findings->items[0].fix,
              "@functools.lru_cache(maxsize=1024) on it; without a bound it "
              "would keep whatever ever comes");
    fixture_end(story.profile, findings);
}

static void a_method_s_result_is_kept_on_its_object(void)
{
    const char *names[] = {"Rates.rate", "make.<locals>.Rates.rate", "make.<locals>.rate"};
    for (int i = 0; i < 3; i++) {
        struct story story = repeated_story(1000, 100, 0);
        story.profile->functions[function_of(&story, story.orm)].name =
            fixture_text(story.profile, names[i]);
        struct pyro_findings *findings = ask(&story);
        CHECK_EQ(findings->count, 1);
        CHECK_EQ(strncmp(findings->items[0].fix, "keep the result on the object", 29) == 0, i < 2);
        fixture_end(story.profile, findings);
    }
}

static void check_no_repetition(struct story story)
{
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void other_calls_are_left_alone(void)
{
    check_no_repetition(repeated_story(1000, 600, 0)); /* mostly new arguments */
    check_no_repetition(repeated_story(1000, 1, 100)); /* who knows */
    check_no_repetition(repeated_story(19, 1, 0));     /* hardly looked at */
    check_no_repetition(repeated_story(0, 0, 0));
    struct story cheap = repeated_story(1000, 10, 0);
    add_calls(&cheap, cheap.view, cheap.orm, 1000000); /* less than a microsecond each */
    check_no_repetition(cheap);
    struct story library = repeated_story(1000, 10, 0);
    library.profile->functions[function_of(&library, library.orm)].file =
        fixture_text(library.profile, "/usr/lib/python3.12/json/decoder.py");
    check_no_repetition(library);
}

/* rate() calls another function with the same arguments each time: one cache is enough. */
static void of_a_chain_the_outer_call_is_told(void)
{
    struct story story = repeated_story(1000, 10, 0);
    struct pyro_profile *profile = story.profile;
    uint32_t inner = fixture_code(profile, "parse", "/srv/shop/rates.py", 20);
    uint32_t step = fixture_code(profile, "step", "/srv/shop/rates.py", 30);
    FIXTURE_ADD(profile,
                .stack = FIXTURE_PATH(profile, story.module, story.view, story.orm, step, inner),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 800);
    add_calls(&story, story.orm, step, 2000);
    add_calls(&story, step, inner, 2000);
    FIXTURE_GROW(profile->arguments, profile->argument_count);
    profile->arguments[profile->argument_count++] =
        (struct pyro_arguments){function_of(&story, inner), 1000, 1, 0};
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_EQ(findings->items[0].function, function_of(&story, story.orm));
    fixture_end(story.profile, findings);
}

static void nothing_is_found_where_nothing_is(void)
{
    struct story story = {.profile = fixture_orders()};
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
    story.profile = fixture_profile();
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(an_n_plus_one_is_found_with_its_line_source_and_fix),
        TEST(the_queries_of_a_request_are_enough), TEST(queries_of_unknown_text_are_found),
        TEST(the_gain_is_the_sampled_time_of_the_line),
        TEST(few_queries_or_little_time_are_left_alone), TEST(one_query_a_request_is_no_loop),
        TEST(the_same_query_again_is_told_apart),
        TEST(a_page_that_is_asked_for_again_is_judged_as_once),
        TEST(what_the_loop_calls_may_send_none_or_several), TEST(a_write_loop_is_told_apart),
        TEST(paging_batches_and_polling_are_doubted), TEST(shapes_of_one_line_share_its_time),
        TEST(few_slow_queries_are_found), TEST(few_samples_make_no_query_slow),
        TEST(calls_of_a_driver_are_followed_up_to_the_loop),
        TEST(fetching_the_rows_is_a_part_of_a_query), TEST(one_step_of_a_loop_stands_out),
        TEST(a_line_that_is_explained_is_not_hot), TEST(what_is_innocent_stands_beside_the_culprit),
        TEST(what_is_innocent_costs_all_its_time), TEST(a_culprit_is_not_innocent),
        TEST(in_a_file_that_leads_there_a_function_is_innocent),
        TEST(nothing_is_found_where_nothing_is), TEST(a_long_list_that_is_searched_is_found),
        TEST(a_list_that_grows_is_doubted), TEST(other_searches_are_left_alone),
        TEST(methods_that_search_long_lists_are_found), TEST(a_call_that_is_repeated_is_found),
        TEST(a_method_s_result_is_kept_on_its_object), TEST(other_calls_are_left_alone),
        TEST(of_a_chain_the_outer_call_is_told), TEST(threads_that_compute_in_turn_are_found),
        TEST(nothing_is_won_without_a_second_cpu_or_thread),
        TEST(who_wakes_up_for_the_gil_waits_all_the_same),
        TEST(a_thread_that_only_looks_in_is_left_alone), TEST(waits_and_unknown_cpus_are_doubted),
        TEST(waits_in_a_loop_are_found),
        TEST(few_or_short_waits_and_those_of_a_library_are_left_alone),
        TEST(waits_that_overlap_are_left_alone), TEST(idle_loops_and_streams_are_left_alone),
        TEST(a_conversation_is_found), TEST(sleep_in_a_loop_is_a_pause_elsewhere_it_is_doubted),
        TEST(what_blocks_an_event_loop_is_found), TEST(a_database_in_the_process_blocks_too),
        TEST(a_connection_for_each_request_is_found),
        TEST(connections_that_are_kept_are_left_alone), TEST(few_connections_are_left_alone),
        TEST(connections_to_many_places_are_doubted), TEST(a_step_that_does_many_things_is_not_hot),
        TEST(much_garbage_collection_is_found), TEST(collections_that_are_asked_for_are_doubted),
        TEST(an_import_that_is_not_used_is_found), TEST(an_import_that_is_used_is_left_alone),
        TEST(a_package_passes_on_what_it_imports), TEST(a_module_around_one_in_c_is_used_by_that),
        TEST(what_a_used_module_needs_is_used), TEST(what_others_import_is_not_won),
        TEST(what_used_libraries_import_is_not_won), TEST(what_a_module_uses_at_once_is_used),
        TEST(what_is_handed_out_is_used), TEST(lines_that_import_one_library_are_told_together),
        TEST(collections_below_a_line_of_many_calls_are_told_of_its_caller));
}
