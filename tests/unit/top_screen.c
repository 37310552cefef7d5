/* tests/unit/top_screen.c - what a live view shows, without a terminal: pieces of recordings and keys in, lines out. */
#include "base/utf8.h"
#include "fixture_profile.h"
#include "top/live.h"
#include "top/screen.h"
#include "top/view.h"

#include <stdbool.h>

/* -- helpers ------------------------------------------------------------------------------------ */

struct fixture {
    struct pyro_live live;
    struct pyro_top_view view;
    struct pyro_top_screen screen;
    struct pyro_top_facts facts;
};

static void open_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){.facts = {.program = "orders.py",
                                          .python = "3.14.10",
                                          .pid = 4711,
                                          .state = "",
                                          .aside = "",
                                          .utf8 = true}};
    pyro_top_view_init(&fixture->view);
}

/* The live view takes pieces over, and what it frees is what was allocated one by one. */
static void take(struct fixture *fixture, struct pyro_profile *profile, bool over)
{
    CHECK_EQ(pyro_live_take(&fixture->live, profile, over), 0);
    CHECK_EQ(pyro_live_refresh(&fixture->live), 0);
}

static void make(struct fixture *fixture, int rows, int columns)
{
    CHECK_EQ(pyro_top_screen_make(&fixture->screen, rows, columns, &fixture->live, &fixture->view,
                                  &fixture->facts),
             0);
}

static const char *line(const struct fixture *fixture, int row)
{
    CHECK(row < fixture->screen.rows);
    return fixture->screen.lines[row].text;
}

/* The first row in which TEXT stands, or -1. */
static int find(const struct fixture *fixture, const char *text)
{
    for (int i = 0; i < fixture->screen.rows; i++)
        if (strstr(fixture->screen.lines[i].text, text))
            return i;
    return -1;
}

static void press(struct fixture *fixture, const char *keys)
{
    for (; *keys; keys++)
        pyro_top_view_key(&fixture->view, (uint32_t)(unsigned char)*keys);
}

static void close_fixture(struct fixture *fixture)
{
    pyro_live_clear(&fixture->live);
    pyro_top_view_clear(&fixture->view);
    pyro_top_screen_clear(&fixture->screen);
}

/* A piece of a function, COUNT ms long, that begins AT_US after the first. */
static struct pyro_profile *piece_of(const char *name, size_t count, uint64_t at_us)
{
    struct pyro_profile *profile = fixture_profile();
    profile->info.started_unix_us += at_us;
    uint32_t frame = fixture_code(profile, name, "/srv/shop/work.py", 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, frame), .state = PYRO_STATE_RUNNING,
                .flags = PYRO_SAMPLE_GIL, .count = count);
    return profile;
}

/* -- what is shown ------------------------------------------------------------------------------ */

static void functions_by_own_time(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 0), "orders.py  pid 4711  python 3.14.10  1.00 s");
    CHECK_STR(line(&fixture, 1), "91 % waiting (database 88, sleep 3) \xc2\xb7 9 % Python");
    CHECK_STR(line(&fixture, 2),
              "CPU 9 %  GIL 9 %  GC 0 %  1 thread, 1 running  1 kHz  0 % unsure  own 0.0 %");
    CHECK_STR(line(&fixture, 3),
              "  %Own %Total    Own s  Total s Function                          "
              "       by %Own");
    CHECK_STR(line(&fixture, 4),
              "  88.0   88.0     0.88     0.88 psycopg2/cursor.py:90(Cursor.execute)");
    CHECK_STR(line(&fixture, 5),
              "   4.8    4.8     0.05     0.05 serializers.py:20(OrderSerializer.data)");
    CHECK_STR(line(&fixture, 6), "   4.0    4.0     0.04     0.04 tree.py:7(walk)");
    CHECK_EQ(fixture.screen.lines[4].ink, PYRO_TOP_SELECTED);
    CHECK(find(&fixture, "q quit") == 23);
    close_fixture(&fixture);
}

static void sorted_by_the_keys(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    press(&fixture, "2");
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4), "   0.0  100.0     0.00     1.00 orders.py:1(<module>)");
    CHECK(strstr(line(&fixture, 3), "by %Total"));
    press(&fixture, "S1sss"); /* back, first, then two more and the third */
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 3), "by Total"));
    press(&fixture, "s");
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 3), "by name"));
    CHECK(strstr(line(&fixture, 4), "(<module>)"));
    press(&fixture, "s");
    CHECK_EQ(fixture.view.sort, PYRO_TOP_OWN_NOW);
    close_fixture(&fixture);
}

static void lines_of_code(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    press(&fixture, "l");
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 3), " Line "));
    CHECK_STR(line(&fixture, 4),
              "  88.0   88.0     0.88     0.88 psycopg2/cursor.py:91(Cursor.execute)");
    press(&fixture, "L");
    CHECK_EQ(fixture.view.page, PYRO_PAGE_FUNCTIONS);
    close_fixture(&fixture);
}

static void columns_that_fit(void)
{
    static const struct {
        int columns;
        const char *heading;
    } cases[] = {{20, "  %Own Function"},
                 {40, "  %Own %Total Function           by %Own"},
                 {80, "  %Own %Total    Own s  Total s Function"},
                 {120, "  %Own %Total    Own s  Total s %Own all %Tot all Function"}};
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make(&fixture, 24, cases[i].columns);
        CHECK(strncmp(line(&fixture, 3), cases[i].heading, strlen(cases[i].heading)) == 0);
    }
    make(&fixture, 24, 200);
    CHECK(strstr(line(&fixture, 4), "/dist-packages/psycopg2/cursor.py") ||
          strstr(line(&fixture, 4), "psycopg2/cursor.py:90(Cursor.execute)"));
    close_fixture(&fixture);
}

/* No line is wider than the terminal, whatever its size, on no page. */
static void any_size_fits(void)
{
    static const char *const pages[] = {"f", "l", "a", "a\r", "at", "v", "?", "/", "w"};
    for (size_t page = 0; page < sizeof(pages) / sizeof(pages[0]); page++) {
        struct fixture fixture;
        open_fixture(&fixture);
        take(&fixture, fixture_orders(), false);
        press(&fixture, pages[page]);
        for (int rows = -1; rows < 30; rows++)
            for (int columns = -1; columns < 90; columns++) {
                make(&fixture, rows, columns);
                CHECK(fixture.screen.rows == (rows < 1 ? 1 : rows));
                for (int i = 0; i < fixture.screen.rows; i++)
                    CHECK(pyro_utf8_columns(line(&fixture, i), strlen(line(&fixture, i))) <=
                          (size_t)(columns < 1 ? 1 : columns));
            }
        close_fixture(&fixture);
    }
}

static void a_small_terminal_shows_the_split(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    make(&fixture, 5, 20);
    CHECK_STR(line(&fixture, 0), "91 % waiting (databa");
    CHECK(strstr(line(&fixture, 1), "%Own"));
    CHECK(strstr(line(&fixture, 2), "  88.0 "));
    CHECK(strstr(line(&fixture, 4), "q quit"));
    close_fixture(&fixture);
}

static void nothing_yet(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.facts.state = "no Python in it now";
    for (const char *page = "fltP?"; *page; page++) {
        press(&fixture, (const char[]){*page, '\0'});
        make(&fixture, 24, 80);
        CHECK(strstr(line(&fixture, 0), "no Python in it now"));
        CHECK_STR(line(&fixture, 1), "no samples");
    }
    close_fixture(&fixture);
}

static void hostile_names_stay_on_their_line(void)
{
    struct fixture fixture;
    struct pyro_profile *profile = fixture_profile();
    uint32_t frame = fixture_code(profile, "a\033[2Jb\nc\xff", "/srv/shop/\r\x9b.py", 10);
    profile->threads[0].name = fixture_text(profile, "\033]0;owned\a\n");
    profile->processes[0].command = fixture_text(profile, "python3\t\033[31m");
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, frame), .state = PYRO_STATE_RUNNING,
                .count = 10);
    open_fixture(&fixture);
    take(&fixture, profile, false);
    static const char *const pages[] = {"f", "l", "a", "a\r", "at", "v"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        fixture.view.page = PYRO_PAGE_FUNCTIONS;
        if (i)
            press(&fixture, pages[i]);
        make(&fixture, 24, 120);
        for (int row = 0; row < 24; row++)
            for (const char *at = line(&fixture, row); *at; at++)
                CHECK((unsigned char)*at >= ' ' && *at != 127);
    }
    close_fixture(&fixture);
}

/* -- pieces and the window ---------------------------------------------------------------------- */

static void pieces_are_added_up(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, piece_of("first", 1000, 0), false);
    take(&fixture, piece_of("first", 2000, 0), false); /* the same, longer */
    take(&fixture, piece_of("first", 4000, 0), true);
    take(&fixture, piece_of("second", 1000, 4000000), false);
    make(&fixture, 24, 80);
    /* 5 s are the window: all of it. */
    CHECK_STR(line(&fixture, 4), "  80.0   80.0     4.00     4.00 work.py:10(first)");
    CHECK_STR(line(&fixture, 5), "  20.0   20.0     1.00     1.00 work.py:10(second)");
    take(&fixture, piece_of("second", 3000, 4000000), false);
    make(&fixture, 24, 80);
    /* Now the first 2 s have left it, but not the sums. */
    CHECK_STR(line(&fixture, 4), "  60.0   60.0     3.00     3.00 work.py:10(second)");
    CHECK_STR(line(&fixture, 5), "  40.0   40.0     4.00     4.00 work.py:10(first)");
    take(&fixture, piece_of("second", 6000, 4000000), true);
    take(&fixture, piece_of("first", 3000, 10000000), true);
    take(&fixture, piece_of("first", 1000, 13000000), true);
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4), "  80.0   80.0     8.00     8.00 work.py:10(first)");
    CHECK_STR(line(&fixture, 5), "  20.0   20.0     6.00     6.00 work.py:10(second)");
    CHECK(strstr(line(&fixture, 0), "14.0 s"));
    CHECK_EQ(fixture.live.piece_count, 3); /* what the window has left is gone */
    close_fixture(&fixture);
}

static void paused_it_stays_but_is_added_up(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, piece_of("first", 1000, 0), false);
    press(&fixture, "p");
    CHECK(fixture.view.paused);
    fixture.live.paused = true;
    take(&fixture, piece_of("first", 2000, 0), true);
    take(&fixture, piece_of("second", 3000, 2000000), true);
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 0), "PAUSED"));
    CHECK_STR(line(&fixture, 4), " 100.0  100.0     1.00     1.00 work.py:10(first)");
    press(&fixture, "p");
    fixture.live.paused = false;
    take(&fixture, piece_of("second", 1000, 5000000), false);
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4), " 100.0  100.0     4.00     4.00 work.py:10(second)");
    CHECK_STR(line(&fixture, 5), "   0.0    0.0     2.00     2.00 work.py:10(first)");
    close_fixture(&fixture);
}

static void a_reset_forgets(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, piece_of("first", 1000, 0), true);
    CHECK_EQ(pyro_top_view_key(&fixture.view, 'r'), PYRO_ACTION_RESET);
    pyro_live_reset(&fixture.live);
    take(&fixture, piece_of("second", 1000, 1000000), false);
    make(&fixture, 24, 80);
    CHECK(find(&fixture, "first") < 0);
    CHECK_STR(line(&fixture, 4), " 100.0  100.0     1.00     1.00 work.py:10(second)");
    close_fixture(&fixture);
}

/* Days of ever new functions: the busiest stay, and the others are counted. */
static void a_tally_stays_bounded(void)
{
    enum { EACH = 1000, PIECES = 70 };
    struct fixture fixture;
    open_fixture(&fixture);
    uint64_t at_us = 0;
    take(&fixture, piece_of("busiest", 5000, at_us), true);
    for (int piece = 0; piece < PIECES; piece++) {
        struct pyro_profile *profile = fixture_profile();
        at_us += 10000000;
        profile->info.started_unix_us += at_us;
        for (int i = 0; i < EACH; i++) {
            char name[32];
            snprintf(name, sizeof(name), "rare_%d_%d", piece, i);
            uint32_t frame = fixture_code(profile, name, "/srv/shop/rare.py", (uint32_t)i);
            FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, frame),
                        .state = PYRO_STATE_RUNNING);
        }
        take(&fixture, profile, true);
        CHECK(fixture.live.functions.count <= PYRO_TALLY_MAX + EACH);
        CHECK(fixture.live.lines.count <= PYRO_TALLY_MAX + EACH);
    }
    const struct pyro_tally *tally = &fixture.live.functions;
    CHECK(tally->dropped > 0);
    CHECK(tally->dropped + tally->count >= EACH * PIECES + 1); /* one may come back, and go again */
    press(&fixture, "3");
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4), "   0.0    0.0     5.00     5.00 work.py:10(busiest)");
    close_fixture(&fixture);
}

/* -- threads and processes ---------------------------------------------------------------------- */

static struct pyro_profile *two_threads(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t worker = fixture_thread(profile, 0, 4712, "worker");
    uint32_t nameless = fixture_thread(profile, 0, 4713, "");
    uint32_t main_frame = fixture_code(profile, "main", "/srv/shop/app.py", 3);
    uint32_t read_frame = fixture_code(profile, "read", "/srv/shop/net.py", 8);
    uint32_t old_frame = fixture_code(profile, "old", "/srv/shop/old.py", 5);
    uint32_t socket = fixture_wait(profile, "socket", "recv 127.0.0.1:9") + 1;
    FIXTURE_ADD(profile, .thread = nameless, .stack = FIXTURE_PATH(profile, old_frame),
                .state = PYRO_STATE_GIL_WAIT, .count = 1000);
    FIXTURE_ADD(profile, .thread = worker, .stack = FIXTURE_PATH(profile, main_frame, read_frame),
                .state = PYRO_STATE_WAITING, .wait_plus_1 = socket, .count = 500);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, main_frame), .state = PYRO_STATE_RUNNING,
                .flags = PYRO_SAMPLE_GIL, .count = 500);
    return profile;
}

static void threads_with_their_states(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, two_threads(), false);
    press(&fixture, "a");
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4),
              " 25.0  25.0   0.0 *MainThread    running                   app.py:4(main)");
    CHECK_STR(line(&fixture, 5),
              "  0.0   0.0  25.0  worker        waiting: recv 127.0.0.1:9 net.py:9(read)");
    CHECK_STR(line(&fixture, 6),
              "  0.0   0.0  50.0  thread 4713   gone                      old.py:6(old)");
    close_fixture(&fixture);
}

/* Without a sample; attaching took 10 ms. */
static struct pyro_profile *begun_for(uint64_t at_us, uint64_t duration_us)
{
    struct pyro_profile *profile = fixture_profile();
    profile->info.started_unix_us += at_us;
    profile->counters.duration_us = duration_us;
    profile->counters.sampler_cpu_us = 10000;
    profile->counters.sweeps = 1;
    return profile;
}

/* A piece that has just begun knows nobody yet, and no rate. */
static void threads_stay_between_two_pieces(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, piece_of("first", 1000, 0), true);
    take(&fixture, begun_for(1100000, 300), false);
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 2), "  1 thread, 1 running  1 kHz  0 % unsure  own 0.0 %"));
    take(&fixture, begun_for(1100000, 300000), false);
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 2), "  1 thread, 1 running  1 kHz  0 % unsure  own 0.0 %"));
    take(&fixture, begun_for(1100000, 2600000), false);
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 2), "  1 thread, 1 running  0 Hz  0 % unsure  own 0.4 %"));
    take(&fixture, begun_for(1100000, 5300000), false); /* it has left the window */
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 2), "  0 threads, 0 running  "));
    close_fixture(&fixture);
}

static void the_stack_of_one_thread(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, two_threads(), false);
    press(&fixture, "a");
    make(&fixture, 24, 80);
    pyro_top_view_key(&fixture.view, PYRO_KEY_DOWN);
    pyro_top_view_key(&fixture.view, PYRO_KEY_ENTER);
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 3),
              "worker  waiting: recv 127.0.0.1:9  (2 of 3; left, right: another thread)");
    CHECK_STR(line(&fixture, 4), "  net.py:9(read)");
    CHECK_STR(line(&fixture, 5), "  app.py:4(main)");
    pyro_top_view_key(&fixture.view, PYRO_KEY_LEFT);
    make(&fixture, 24, 80);
    CHECK(strncmp(line(&fixture, 3), "MainThread  running, holds the GIL", 34) == 0);
    pyro_top_view_key(&fixture.view, PYRO_KEY_LEFT); /* round to the last one */
    make(&fixture, 24, 80);
    CHECK(strncmp(line(&fixture, 3), "thread 4713  gone", 17) == 0);
    take(&fixture, piece_of("alone", 6000, 2000000),
         true); /* that thread is not in the window any more */
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 3), "this thread is gone"));
    pyro_top_view_key(&fixture.view, PYRO_KEY_ESCAPE);
    CHECK_EQ(fixture.view.page, PYRO_PAGE_THREADS);
    close_fixture(&fixture);
}

static void the_tables_of_one_thread(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, two_threads(), false);
    press(&fixture, "t"); /* the first thread's */
    make(&fixture, 24, 120);
    CHECK_STR(line(&fixture, 3),
              "MainThread  running, holds the GIL  (1 of 3; left, right: another thread; t: all)");
    CHECK(strncmp(line(&fixture, 4), "  %Own %Total Function  ", 24) == 0);
    CHECK_STR(line(&fixture, 5), "  25.0   25.0 app.py:3(main)");
    CHECK_STR(line(&fixture, 6), "");
    pyro_top_view_key(&fixture.view, PYRO_KEY_RIGHT);
    press(&fixture,
          "4"); /* since the beginning is not known of one thread: what it does now decides */
    make(&fixture, 24, 120);
    CHECK(strncmp(line(&fixture, 3), "worker  waiting", 15) == 0);
    CHECK(strstr(line(&fixture, 4), "by %Total"));
    CHECK_STR(line(&fixture, 5), "   0.0   25.0 app.py:3(main)");
    CHECK_STR(line(&fixture, 6), "  25.0   25.0 net.py:8(read)");
    press(&fixture, "l/read\r");
    make(&fixture, 24, 120);
    CHECK_STR(line(&fixture, 5),
              "  25.0   25.0 net.py:9(read)"); /* rows are filtered, not threads */
    CHECK_STR(line(&fixture, 6), "");
    press(&fixture, "ct");
    make(&fixture, 24, 120);
    CHECK(find(&fixture, "app.py:4(main)") > 0 && find(&fixture, "old.py:6(old)") > 0);
    pyro_top_view_key(&fixture.view, PYRO_KEY_LEFT); /* from all of them to the last one */
    make(&fixture, 24, 120);
    CHECK(strncmp(line(&fixture, 3), "thread 4713  gone", 17) == 0);
    press(&fixture, "a");
    make(&fixture, 24, 120);
    press(&fixture, "jt"); /* the chosen one's */
    make(&fixture, 24, 120);
    CHECK(strncmp(line(&fixture, 3), "worker  waiting", 15) == 0);
    take(&fixture, piece_of("alone", 6000, 2000000), true);
    make(&fixture, 24, 120);
    CHECK(strstr(line(&fixture, 3), "this thread is gone"));
    CHECK_STR(line(&fixture, 5), "");
    close_fixture(&fixture);
}

static void processes_as_a_tree(void)
{
    struct fixture fixture;
    struct pyro_profile *profile = fixture_profile();
    uint32_t grandchild = fixture_process(profile, 4800, "python3 job.py");
    uint32_t child = fixture_process(profile, 4750, "python3 worker.py");
    profile->processes[grandchild].parent_pid = 4750;
    profile->processes[child].parent_pid = 4711;
    profile->processes[0].parent_pid = 1;
    uint32_t thread = fixture_thread(profile, grandchild, 4800, "MainThread");
    uint32_t frame = fixture_code(profile, "job", "/srv/shop/job.py", 1);
    FIXTURE_ADD(profile, .thread = thread, .stack = FIXTURE_PATH(profile, frame),
                .state = PYRO_STATE_RUNNING, .count = 1000);
    open_fixture(&fixture);
    take(&fixture, profile, false);
    press(&fixture, "v");
    fixture.facts.children = 2;
    make(&fixture, 24, 100);
    CHECK(strstr(line(&fixture, 4), "    4711   0.0"));
    CHECK(strstr(line(&fixture, 5),
                 "    4750   0.0   0.0    0  3.14.10    (no samples now) python3 worker.py"));
    CHECK(strstr(line(&fixture, 6), "    4800 100.0   0.0    1  3.14.10      python3 job.py"));
    CHECK_STR(line(&fixture, 7), "2 children are not watched: pyrometer top -s follows them");
    close_fixture(&fixture);
}

/* -- keys --------------------------------------------------------------------------------------- */

/* Folders that the label leaves out are not asked. */
static void a_filter_sees_what_is_shown(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    struct pyro_profile *profile = fixture_profile();
    uint32_t own = fixture_code(profile, "orders", "/srv/shop/views.py", 1);
    uint32_t flask = fixture_code(profile, "call",
                                  "/srv/shop/venv/lib/python3.13/site-packages/flask/app.py", 1);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, flask, own), .count = 10);
    take(&fixture, profile, false);
    press(&fixture, "/shop|views\r");
    make(&fixture, 24, 80);
    CHECK(find(&fixture, "(orders)") >= 0);
    CHECK_EQ(find(&fixture, "(call)"), -1);
    press(&fixture, "/\x15/srv/shop/venv\r"); /* a path that somebody typed */
    make(&fixture, 24, 80);
    CHECK_EQ(find(&fixture, "(orders)"), -1);
    CHECK(find(&fixture, "(call)") >= 0);
    close_fixture(&fixture);
}

static void a_filter_is_a_regular_expression(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    press(&fixture, "/walk|Cursox");
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 23), "filter (regular expression): walk|Cursox_");
    pyro_top_view_key(&fixture.view, PYRO_KEY_ERASE);
    press(&fixture, "r\r");
    make(&fixture, 24, 80);
    CHECK(strstr(line(&fixture, 4), "(Cursor.execute)"));
    CHECK(strstr(line(&fixture, 5), "(walk)"));
    CHECK_STR(line(&fixture, 6), "");
    CHECK_STR(line(&fixture, 23), "only /walk|Cursor/   c clears the filter");
    press(&fixture, "/\x15(\r"); /* a bad one changes nothing, and is told */
    make(&fixture, 24, 80);
    CHECK(strncmp(line(&fixture, 23), "bad regular expression '(': ", 28) == 0);
    CHECK(strstr(line(&fixture, 5), "(walk)"));
    CHECK_STR(line(&fixture, 6), "");
    press(&fixture, "c");
    make(&fixture, 24, 80);
    CHECK(find(&fixture, "OrderSerializer") > 0);
    press(&fixture, "/nobody\r");
    make(&fixture, 24, 80);
    CHECK_STR(line(&fixture, 4), "");
    close_fixture(&fixture);
}

static void rows_are_scrolled(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    take(&fixture, fixture_orders(), false);
    make(&fixture, 9, 80); /* three rows fit... */
    CHECK_EQ(fixture.view.room, 4);
    size_t rows = fixture.view.rows;
    CHECK(rows > 5);
    press(&fixture, "jjjjj");
    make(&fixture, 9, 80);
    CHECK_EQ(fixture.view.first, 2);
    CHECK_EQ(fixture.screen.lines[7].ink, PYRO_TOP_SELECTED);
    pyro_top_view_key(&fixture.view, PYRO_KEY_END);
    make(&fixture, 9, 80);
    CHECK_EQ(fixture.view.selected, rows - 1);
    pyro_top_view_key(&fixture.view, PYRO_KEY_DOWN);
    CHECK_EQ(fixture.view.selected, rows - 1);
    pyro_top_view_key(&fixture.view, PYRO_KEY_HOME);
    make(&fixture, 9, 80);
    CHECK_EQ(fixture.view.first, 0);
    pyro_top_view_key(&fixture.view, PYRO_KEY_PAGE_DOWN);
    CHECK_EQ(fixture.view.selected, 3);
    close_fixture(&fixture);
}

static void keys_ask_for_what_is_not_the_views(void)
{
    struct fixture fixture;
    open_fixture(&fixture);
    struct pyro_top_view *view = &fixture.view;
    snprintf(view->save_name, sizeof(view->save_name), "top-1.pyro");
    CHECK_EQ(pyro_top_view_key(view, 'p'), PYRO_ACTION_PAUSE);
    CHECK_EQ(pyro_top_view_key(view, 'R'), PYRO_ACTION_RESET);
    CHECK(!view->paused);
    CHECK_EQ(pyro_top_view_key(view, 'w'), PYRO_ACTION_NONE);
    CHECK_EQ(pyro_top_view_key(view, 'q'), PYRO_ACTION_NONE); /* a letter of the name */
    CHECK_EQ(pyro_top_view_key(view, PYRO_KEY_ENTER), PYRO_ACTION_SAVE);
    CHECK_STR(view->input, "top-1.pyroq");
    press(&fixture, "w");
    CHECK_EQ(pyro_top_view_key(view, PYRO_KEY_ESCAPE), PYRO_ACTION_NONE);
    CHECK_EQ(view->prompt, PYRO_PROMPT_NONE);
    press(&fixture, "-");
    CHECK_EQ(view->delay_ms, 2000);
    press(&fixture, "++++++");
    CHECK_EQ(view->delay_ms, PYRO_TOP_DELAY_MIN_MS);
    press(&fixture, "?");
    CHECK_EQ(view->page, PYRO_PAGE_HELP);
    press(&fixture, "h");
    CHECK_EQ(view->page, PYRO_PAGE_FUNCTIONS);
    CHECK_EQ(pyro_top_view_key(view, 'q'), PYRO_ACTION_QUIT);
    close_fixture(&fixture);
}

static void a_process_is_picked(void)
{
    const char *const listed[] = {"     PID  CPU%", "      12   1.0  app.py",
                                  "      13   2.0  other.py"};
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.view.page = PYRO_PAGE_PICK;
    fixture.facts.listed = listed;
    fixture.facts.listed_count = 3;
    make(&fixture, 10, 80);
    CHECK_STR(line(&fixture, 0), listed[0]);
    CHECK_STR(line(&fixture, 2), listed[2]);
    press(&fixture, "jjj");
    make(&fixture, 10, 80);
    CHECK_EQ(pyro_top_view_key(&fixture.view, PYRO_KEY_ENTER), PYRO_ACTION_PICK);
    CHECK_EQ(fixture.view.selected, 1);
    CHECK_EQ(pyro_top_view_key(&fixture.view, 'r'), PYRO_ACTION_RELIST);
    CHECK_EQ(pyro_top_view_key(&fixture.view, 'q'), PYRO_ACTION_QUIT);
    close_fixture(&fixture);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(functions_by_own_time), TEST(sorted_by_the_keys), TEST(lines_of_code),
        TEST(columns_that_fit), TEST(any_size_fits), TEST(a_small_terminal_shows_the_split),
        TEST(nothing_yet), TEST(hostile_names_stay_on_their_line), TEST(pieces_are_added_up),
        TEST(paused_it_stays_but_is_added_up), TEST(a_reset_forgets), TEST(a_tally_stays_bounded),
        TEST(threads_with_their_states), TEST(threads_stay_between_two_pieces),
        TEST(the_stack_of_one_thread), TEST(the_tables_of_one_thread), TEST(processes_as_a_tree),
        TEST(a_filter_is_a_regular_expression), TEST(a_filter_sees_what_is_shown),
        TEST(rows_are_scrolled), TEST(keys_ask_for_what_is_not_the_views),
        TEST(a_process_is_picked));
}
