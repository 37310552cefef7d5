/* tests/unit/report_text.c - report/report.h: what a person reads, and the JSON of stats. */
#include "report/report.h"
#include "report/lines.h"

#include "base/utf8.h"
#include "profile/paths.h"

#include "fixture_profile.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

static const struct pyro_report_style style = {
    .width = 120, .utf8 = true, .directory = "/srv/shop"};

static struct pyro_stats *stats_of(const struct pyro_profile *profile, enum pyro_clock clock)
{
    struct pyro_stats_options options = {.clock = clock, .thread = PYRO_NO_ID};
    struct pyro_stats *stats = NULL;
    CHECK_EQ(pyro_stats_make(profile, &options, &stats, NULL), 0);
    return stats;
}

/* What was written to a memory stream; one at a time. */
static char *written;
static size_t written_size;

static FILE *page(void)
{
    FILE *out = open_memstream(&written, &written_size);
    CHECK(out);
    return out;
}

static void check_headline(const struct pyro_profile *profile, const struct pyro_report_style *how,
                           const char *expected)
{
    struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
    FILE *out = page();
    pyro_report_headline(out, stats, how);
    fclose(out);
    CHECK_STR(written, expected);
    free(written);
    pyro_stats_free(stats);
}

static void line_1_says_what_it_waits_for(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_headline(
        profile, &style,
        "orders.py  1.00 s   91 % waiting (database 88, sleep 3) \xc2\xb7 9 % Python        "
        "python 3.14.10, 1 kHz, 0.20 % unsure\n");
    struct pyro_report_style ascii = style;
    ascii.utf8 = false;
    ascii.width = 80;
    check_headline(profile, &ascii,
                   "orders.py  1.00 s   91 % waiting (database 88, sleep 3) | 9 % Python\n"
                   "    python 3.14.10, 1 kHz, 0.20 % unsure\n");
    fixture_free(profile);
}

/* Three thirds: 34 + 33 + 33, never 99. */
static void percentages_add_up(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t code = fixture_code(profile, "f", "/srv/shop/a.py", 1);
    uint32_t stack = FIXTURE_PATH(profile, code);
    FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_RUNNING, .count = 10);
    FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_RUNNABLE, .count = 10);
    FIXTURE_ADD(profile, .stack = stack, .state = PYRO_STATE_GIL_WAIT, .count = 10);
    struct pyro_summary summary;
    char text[128];
    CHECK_EQ(pyro_summary_make(&summary, profile, &PYRO_TOTALS_ALL), 0);
    pyro_summary_split(text, sizeof(text), &summary, false);
    CHECK_STR(text, "34 % waiting (gil) | 33 % Python | 33 % ready but without a CPU");
    fixture_free(profile);
}

static void programs_are_named_by_their_script(void)
{
    static const struct {
        const char *command, *name;
    } cases[] = {
        {"python3 /srv/shop/orders.py --all", "orders.py"},
        {"/usr/bin/python3.11 -X dev -W error -u orders.py", "orders.py"},
        {"python -m http.server 8000", "http.server"},
        {"python3 -c import x", "python -c"},
        {"/srv/venv/bin/gunicorn app", "gunicorn"},
        {"python3", "python3"},
        {"python3 -m", "python3"},
        {"", "python"},
        {"GET /orders", "GET /orders"}, /* a request that pyrometer.web recorded */
        {"M-SEARCH /a b", "M-SEARCH /a b"},
        {"GET http://localhost/", "GET"},
        {"/usr/bin/make /x", "make"},
    };
    struct pyro_profile *profile = fixture_profile();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];
        profile->info.command = cases[i].command;
        pyro_summary_program(name, sizeof(name), profile);
        CHECK_STR(name, cases[i].name);
    }
    profile->info.command = NULL;
    char name[64];
    pyro_summary_program(name, sizeof(name), profile);
    CHECK_STR(name, "python");
    fixture_free(profile);
}

static void durations_and_rates_are_short(void)
{
    static const struct {
        double value;
        const char *text;
    } durations[] = {{0.83, "830 ms"},  {4.02, "4.02 s"},     {9.996, "10.0 s"},
                     {59.94, "59.9 s"}, {723, "12 min 03 s"}, {7322, "2 h 02 min"}},
      rates[] = {{100, "100 Hz"}, {999.6, "1 kHz"}, {2500, "2.5 kHz"}, {10000, "10 kHz"}};
    char text[32];
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        pyro_summary_duration(text, sizeof(text), durations[i].value);
        CHECK_STR(text, durations[i].text);
    }
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        pyro_summary_rate(text, sizeof(text), rates[i].value);
        CHECK_STR(text, rates[i].text);
    }
}

static void check_table(const struct pyro_profile *profile, enum pyro_clock clock,
                        struct pyro_report_table table, const char *expected)
{
    struct pyro_stats *stats = stats_of(profile, clock);
    FILE *out = page();
    struct pyro_report_style narrow = style;
    narrow.width = 90;
    CHECK_EQ(pyro_report_stats(out, stats, &table, &narrow, NULL), 0);
    fclose(out);
    CHECK_STR(written, expected);
    free(written);
    pyro_stats_free(stats);
}

#define REASON \
    "ncalls and percall are -: the program was sampled from outside, its calls were not counted\n"

static void the_table_adds_up_to_the_duration(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_table(profile, PYRO_CLOCK_WALL,
                (struct pyro_report_table){.limit.rows = 3, .fold_libraries = true},
                "ncalls tottime        percall cumtime percall filename:lineno(function)\n"
                "     -  <0.001              -   1.000       - orders.py:1(<module>)\n"
                "     -  <0.001              -   0.930       - views.py:45(order_list)\n"
                "     -  <0.001              -   0.880       - orm.py:312(execute_query)\n"
                "         0.998                                [4 more functions]\n"
                "     -   0.002 \xc2\xb1"
                "0.001       -   0.002       - [unsure]\n"
                "         1.000                                total\n" REASON);
    fixture_free(profile);
}

static void small_library_rows_are_folded(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t own = fixture_code(profile, "main", "/srv/shop/a.py", 1), library[3];
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "lib%d", i);
        library[i] =
            fixture_code(profile, name, "/usr/lib/python3.11/json/decoder.py", 10 + (uint32_t)i);
    }
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, own), .state = PYRO_STATE_RUNNING,
                .count = 900);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, own, library[0]),
                .state = PYRO_STATE_RUNNING, .count = 90);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, own, library[1]),
                .state = PYRO_STATE_RUNNING, .count = 6);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, own, library[2]),
                .state = PYRO_STATE_RUNNING, .count = 4);
    check_table(profile, PYRO_CLOCK_CPU, (struct pyro_report_table){.fold_libraries = true},
                "ncalls tottime        percall cumtime percall filename:lineno(function)\n"
                "     -   0.900              -   1.000       - a.py:1(main)\n"
                "     -   0.090              -   0.090       - json/decoder.py:10(lib0)\n"
                "         0.010                                [2 library functions below 1 %]\n"
                "         1.000                                total of CPU time\n" REASON);
    fixture_free(profile);
}

static void callers_and_callees(void)
{
    struct pyro_profile *profile = fixture_orders();
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.callers = "walk"},
                "\ncallers of tree.py:7(walk)   0.040 s\n"
                "             -   0.040  100 %  orders.py:1(<module>)\n"
                "             -   0.030   75 %  tree.py:7(walk)\n");
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.callees = "/srv/shop/views"},
                "\ncallees of views.py:45(order_list)   0.930 s\n"
                "             -   0.880   95 %  orm.py:312(execute_query)\n"
                "             -   0.048    5 %  serializers.py:20(OrderSerializer.data)\n"
                "             -   0.002    0 %  [unsure]\n");
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.callers = "nobody"},
                "\nno function matches 'nobody'\n");
    fixture_free(profile);
}

static struct pyro_profile *timed_profile(bool by_samples)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t main = fixture_function(profile, "main", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t fact = fixture_function(profile, "fact", "/srv/shop/a.py", 9, PYRO_FUNCTION_PYTHON);
    uint32_t len = fixture_function(profile, "{built-in method len}", "", 0, PYRO_FUNCTION_C);
    const struct pyro_timed_function functions[] = {
        {main, 1, 1, 0.25, 1.5}, {fact, 150, 30, 0.75, 1.0}, {len, 400, 400, 0.0001, 0.0001}};
    const struct pyro_timed_edge edges[] = {{fact, fact, 120, 20, 0.5, 0.625},
                                            {main, fact, 30, 30, 0.25, 1.0},
                                            {main, len, 400, 0, NAN, NAN}};
    profile->timed_functions = malloc(sizeof(functions));
    profile->timed_edges = malloc(sizeof(edges));
    memcpy(profile->timed_functions, functions, sizeof(functions));
    memcpy(profile->timed_edges, edges, sizeof(edges));
    profile->timed_function_count = profile->timed_edge_count = 3;
    profile->timed = true;
    profile->timed_by_samples = by_samples;
    return profile;
}

static void timed_calls_are_shown_as_pstats_does(void)
{
    struct pyro_profile *profile = timed_profile(false);
    static const char header[] =
        "ncalls tottime percall cumtime percall filename:lineno(function)\n";
    static const char fact[] = "150/30   0.750   0.005   1.000   0.033 a.py:9(fact)\n";
    char expected[1024];
    snprintf(expected, sizeof(expected), "%s%s%s%s%s", header,
             "     1   0.250   0.250   1.500   1.500 a.py:1(main)\n", fact,
             "   400  <0.001  0.25us  <0.001  0.25us {built-in method len}\n",
             "         1.000                         total\n");
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){0}, expected);
    snprintf(expected, sizeof(expected), "%s%s%s%s", header, fact,
             "         0.250                         [2 more functions]\n",
             "         1.000                         total\n");
    check_table(profile, PYRO_CLOCK_WALL,
                (struct pyro_report_table){.only = "fact|len", .limit.share = 0.3}, expected);
    check_table(profile, PYRO_CLOCK_WALL,
                (struct pyro_report_table){.callers = "fact", .callees = "main"},
                "\ncallers of a.py:9(fact)   1.000 s\n"
                "        ncalls tottime cumtime\n"
                "            30   0.250   1.000  100 %  a.py:1(main)\n"
                "        120/20   0.500   0.625   62 %  a.py:9(fact)\n"
                "\ncallees of a.py:1(main)   1.500 s\n"
                "        ncalls tottime cumtime\n"
                "            30   0.250   1.000   67 %  a.py:9(fact)\n"
                "           400       -       -      -  {built-in method len}\n");
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.callers = "main"},
                "\ncallers of a.py:1(main)   1.500 s\n"
                "        ncalls tottime cumtime\n"
                "    none was seen\n");
    fixture_free(profile);
}

static void line_1_of_timed_calls_is_that_of_pstats(void)
{
    for (int by_samples = 0; by_samples < 2; by_samples++) {
        struct pyro_profile *profile = timed_profile(by_samples);
        struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
        FILE *out = page();
        pyro_report_headline(out, stats, &style);
        fclose(out);
        CHECK_STR(written, by_samples
                               ? "431 samples in 1.000 seconds\n"
                               : "551 function calls (431 primitive calls) in 1.000 seconds\n");
        free(written);
        pyro_stats_free(stats);
        fixture_free(profile);
    }
}

static void samples_in_a_prof_file_are_called_so(void)
{
    struct pyro_profile *profile = timed_profile(true);
    profile->timed_edges[1].total_s = profile->timed_edges[1].self_s = NAN;
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.only = "fact"},
                "nsamples tottime        percall cumtime percall filename:lineno(function)\n"
                "  150/30   0.750              -   1.000       - a.py:9(fact)\n"
                "           0.250                                [2 more functions]\n"
                "           1.000                                total\n");
    check_table(profile, PYRO_CLOCK_WALL, (struct pyro_report_table){.callers = "len"},
                "\ncallers of {built-in method len}   0.000 s\n"
                "      nsamples tottime cumtime\n"
                "           400       -       -  100 %  a.py:1(main)\n");
    fixture_free(profile);
}

static void a_bad_regular_expression_is_an_error(void)
{
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
    struct pyro_error error = {0};
    FILE *out = page();
    const struct pyro_report_table table = {.callers = "("};
    CHECK_EQ(pyro_report_stats(out, stats, &table, &style, &error), -EINVAL);
    CHECK(strstr(error.message, "bad regular expression '('"));
    fclose(out);
    free(written);
    pyro_stats_free(stats);
    fixture_free(profile);
}

/* The project lies in /srv/shop: what is below site-packages is shown without that. */
static void only_what_is_shown_matches(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t own = fixture_code(profile, "orders", "/srv/shop/views.py", 1);
    uint32_t flask = fixture_code(profile, "call",
                                  "/srv/shop/venv/lib/python3.13/site-packages/flask/app.py", 1);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, flask, own), .count = 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, flask), .count = 10);
    struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
    const struct {
        const char *only;
        bool own, flask;
    } cases[] = {{"shop", false, false},
                 {"^views", true, false},
                 {"flask/", false, true},
                 {"^/srv/shop/venv", false, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        FILE *out = page();
        const struct pyro_report_table table = {.only = cases[i].only};
        CHECK_EQ(pyro_report_stats(out, stats, &table, &style, NULL), 0);
        fclose(out);
        CHECK_EQ(strstr(written, "views.py:1(orders)") != NULL, cases[i].own);
        CHECK_EQ(strstr(written, "flask/app.py:1(call)") != NULL, cases[i].flask);
        free(written);
    }
    pyro_stats_free(stats);
    fixture_free(profile);
}

/* What is printed of FUNCTION, which has LINES. */
static void print_lines(struct pyro_profile *profile, struct pyro_lines_function *function,
                        struct pyro_line *lines)
{
    struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
    const struct pyro_lines all = {
        .stats = stats, .lines = lines, .functions = function, .function_count = 1};
    const struct pyro_report_lines choice = {.only = "f"};
    FILE *out = page();
    CHECK_EQ(pyro_report_lines(out, &all, &choice, &style, NULL), 0);
    fclose(out);
    pyro_stats_free(stats);
}

static void a_line_of_one_sample_is_known_to_one_sample(void)
{
    struct pyro_profile *profile = fixture_profile();
    fixture_code(profile, "f", "/srv/shop/a.py", 1);
    struct pyro_line line = {.line = 2, .hits = PYRO_NO_CALLS, .time_s = 0.004, .samples = 1};
    struct pyro_lines_function function = {.count = 1, .total_s = 0.004, .samples = 1};
    print_lines(profile, &function, &line);
    CHECK(strstr(written, "sampled (1 sample)\n"));
    CHECK(strstr(written, " 4.000 \xc2\xb1"
                          "4.000 "));
    free(written);
    line.time_s = function.total_s = 0.04; /* all of ten: off by one at most times */
    line.samples = function.samples = 10;
    print_lines(profile, &function, &line);
    CHECK(strstr(written, "sampled (10 samples)\n"));
    CHECK(strstr(written, " 40.000 \xc2\xb1"
                          "4.000 "));
    free(written);
    fixture_free(profile);
}

static void a_short_hit_is_more_than_0(void)
{
    struct pyro_profile *profile = fixture_profile();
    fixture_code(profile, "f", "/srv/shop/a.py", 1);
    struct pyro_line lines[] = {{.line = 2, .hits = 1, .time_s = 0.004},
                                {.line = 3, .hits = 848, .time_s = 0.000375},
                                {.line = 4, .hits = 10, .time_s = 0.0005}};
    struct pyro_lines_function function = {
        .count = 3, .counted = true, .timed = true, .total_s = 0.004875};
    print_lines(profile, &function, lines);
    CHECK(strstr(written, "Per Hit (ms)"));
    CHECK(strstr(written, " 4.000 "));
    CHECK(strstr(written, " 0.00044 "));
    CHECK(strstr(written, " 0.050 "));
    free(written);
    fixture_free(profile);
}

static void hostile_names_stay_harmless(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t code = fixture_code(profile,
                                 "a\033[31m\n\xe2\x80\xae"
                                 "b\xff",
                                 "/srv/shop/x.py", 3);
    char label[128];
    pyro_report_label(label, sizeof(label), profile, profile->frames[code].function, &style);
    CHECK_STR(label, "x.py:3(a?[31m??b\xef\xbf\xbd)");
    struct pyro_report_style ascii = {.width = 80};
    pyro_report_label(label, sizeof(label), profile, profile->frames[code].function, &ascii);
    CHECK_STR(label, "/srv/shop/x.py:3(a?[31m??b?)");
    fixture_free(profile);
}

static void long_labels_lose_folders_first(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t code =
        fixture_code(profile, "execute_query", "/srv/shop/models/managers/orders.py", 312);
    uint32_t function = profile->frames[code].function;
    char label[128], tiny[8];
    struct pyro_report_style narrow = {.width = 39, .utf8 = true, .directory = "/srv/shop/"};
    pyro_report_label(label, sizeof(label), profile, function, &narrow);
    CHECK_STR(label, "\xe2\x80\xa6/managers/orders.py:312(execute_query)");
    narrow.width = 38;
    pyro_report_label(label, sizeof(label), profile, function, &narrow);
    CHECK_STR(label, "\xe2\x80\xa6/orders.py:312(execute_query)");
    narrow.width = 27;
    pyro_report_label(label, sizeof(label), profile, function, &narrow);
    CHECK_STR(label, "\xe2\x80\xa6/orders.py:312(exe\xe2\x80\xa6"
                     "_query)");
    narrow.width = 20;
    pyro_report_label(label, sizeof(label), profile, function, &narrow);
    CHECK_EQ(pyro_utf8_columns(label, strlen(label)), 20);
    narrow = (struct pyro_report_style){.width = 60, .directory = "/srv/shop/"};
    pyro_report_label(tiny, sizeof(tiny), profile, function, &narrow);
    CHECK_STR(tiny, "models/");
    fixture_free(profile);
}

static void paths_are_told_apart(void)
{
    CHECK_STR(pyro_path_short("/srv/shop/a/b.py", "/srv/shop"), "a/b.py");
    CHECK_STR(pyro_path_short("/srv/shopping/b.py", "/srv/shop"), "/srv/shopping/b.py");
    CHECK_STR(pyro_path_short("/v/lib/python3.13t/json/decoder.py", NULL), "json/decoder.py");
    CHECK_STR(
        pyro_path_short("/srv/shop/.venv/lib/python3.11/site-packages/django/x.py", "/srv/shop"),
        "django/x.py");
    CHECK(pyro_path_is_library("/srv/shop/.venv/lib/python3.11/site-packages/django/x.py"));
    CHECK(pyro_path_is_library("/usr/lib/python3.11/json/decoder.py"));
    CHECK(pyro_path_is_library("<frozen importlib._bootstrap>"));
    CHECK(pyro_path_is_library("/srv/p/build/src/probe/bootstrap/sitecustomize.py"));
    CHECK(!pyro_path_is_library("/srv/p/sitecustomize.py"));
    CHECK(!pyro_path_is_library("/srv/shop/x.py") && !pyro_path_is_library("x.py"));
    CHECK(!pyro_path_is_library("<string>"));
    CHECK_STR(pyro_path_basename("/usr/lib/python3.11/json/__init__.py"), "json/__init__.py");
    CHECK_STR(pyro_path_basename("/srv/orm.py"), "orm.py");
    CHECK_STR(pyro_path_basename("__main__.py"), "__main__.py");
}

static void quality_tells_what_went_wrong(void)
{
    struct pyro_profile *profile = fixture_orders();
    profile->threads[0].cpu_kernel_us = 92000;
    profile->counters.missed_ticks = 5;
    profile->counters.late = 7;
    profile->counters.sampler_cpu_us = 7000;
    profile->counters.sampler_rss = 9 << 20;
    profile->complete = false;
    FILE *out = page();
    pyro_report_quality(out, profile, &style);
    fclose(out);
    CHECK_STR(written, "1000 samples at 1 kHz (asked 1 kHz), 5 missed, 7 late, 0.20 % unsure, own "
                       "CPU 0.7 % of a core, own memory 9.0 MiB\n"
                       "CPU: kernel 0.09 s, profile 0.09 s\n"
                       "the recording was not closed: its last second may be missing\n");
    free(written);
    fixture_free(profile);
}

/* The kernel counted less than the samples say: who had the CPU? */
static void quality_tells_who_had_the_cpu(void)
{
    static const char by_sampler[] = "(the program waited for the sampler meanwhile)";
    static const char by_others[] = "(cores were short: ready and running are told apart roughly)";
    const struct {
        uint64_t sampler_us, still;
        const char *said, *not_said;
    } cases[] = {
        {60000, 1000, by_sampler, by_others}, /* it sat beside the program, and took as much */
        {7000, 1000, by_others, by_sampler},  /* it took too little */
        {60000, 0, by_others, by_sampler},    /* it sat elsewhere */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pyro_profile *profile = fixture_orders();
        profile->threads[0].cpu_kernel_us = 20000;
        profile->counters.samples = profile->samples.count;
        profile->counters.sampler_cpu_us = cases[i].sampler_us;
        profile->counters.still = cases[i].still;
        FILE *out = page();
        pyro_report_quality(out, profile, &style);
        fclose(out);
        CHECK(strstr(written, cases[i].said) != NULL);
        CHECK(strstr(written, cases[i].not_said) == NULL);
        free(written);
        fixture_free(profile);
    }
}

static void json_keeps_its_contract(void)
{
    static const char *const recording_keys[] = {"command",
                                                 "pid",
                                                 "python",
                                                 "started",
                                                 "duration_s",
                                                 "modes",
                                                 "rate_hz",
                                                 "samples",
                                                 "unsure",
                                                 "missed_ticks",
                                                 "late",
                                                 "sampler_cpu_s",
                                                 "sampler_peak_bytes",
                                                 "collector_cpu_s",
                                                 "probe_s",
                                                 "cpu_kernel_s",
                                                 "cpu_profile_s",
                                                 "waiting",
                                                 "not_counted"};
    static const char *const function_keys[] = {
        "name",      "file",      "line",    "kind",         "ncalls",        "primitive_calls",
        "tottime_s", "cumtime_s", "probe_s", "samples_self", "samples_total", "callers"};
    struct pyro_profile *profile = fixture_orders();
    struct pyro_stats *stats = stats_of(profile, PYRO_CLOCK_WALL);
    FILE *out = page();
    CHECK_EQ(pyro_report_stats_json(out, stats, NULL), 0);
    fclose(out);
    json_t *root = json_loadb(written, written_size, 0, NULL);
    CHECK(root);
    json_t *recording = json_object_get(root, "recording"),
           *functions = json_object_get(root, "functions");
    CHECK_EQ(json_object_size(recording), sizeof(recording_keys) / sizeof(recording_keys[0]));
    for (size_t i = 0; i < sizeof(recording_keys) / sizeof(recording_keys[0]); i++)
        CHECK(json_object_get(recording, recording_keys[i]));
    CHECK_STR(json_string_value(json_object_get(recording, "started")),
              "2026-05-28T20:26:40.123456Z");
    json_t *first = json_array_get(functions, 0);
    CHECK_EQ(json_object_size(first), sizeof(function_keys) / sizeof(function_keys[0]));
    for (size_t i = 0; i < sizeof(function_keys) / sizeof(function_keys[0]); i++)
        CHECK(json_object_get(first, function_keys[i]));
    CHECK(json_is_null(json_object_get(first, "ncalls")));
    json_t *caller = json_array_get(json_object_get(json_array_get(functions, 1), "callers"), 0);
    CHECK_STR(json_string_value(json_object_get(caller, "name")), "<module>");
    CHECK_STR(json_string_value(json_object_get(caller, "file")), "/srv/shop/orders.py");
    CHECK_EQ(json_integer_value(json_object_get(caller, "line")), 1);
    CHECK(fabs(json_number_value(json_object_get(caller, "time_s")) - 0.930) < 1e-6);
    json_decref(root);
    free(written);
    pyro_stats_free(stats);
    fixture_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(line_1_says_what_it_waits_for), TEST(percentages_add_up),
        TEST(programs_are_named_by_their_script), TEST(durations_and_rates_are_short),
        TEST(the_table_adds_up_to_the_duration), TEST(small_library_rows_are_folded),
        TEST(callers_and_callees), TEST(timed_calls_are_shown_as_pstats_does),
        TEST(line_1_of_timed_calls_is_that_of_pstats), TEST(samples_in_a_prof_file_are_called_so),
        TEST(a_bad_regular_expression_is_an_error), TEST(only_what_is_shown_matches),
        TEST(a_line_of_one_sample_is_known_to_one_sample), TEST(a_short_hit_is_more_than_0),
        TEST(hostile_names_stay_harmless), TEST(long_labels_lose_folders_first),
        TEST(paths_are_told_apart), TEST(quality_tells_what_went_wrong),
        TEST(quality_tells_who_had_the_cpu), TEST(json_keeps_its_contract));
}
