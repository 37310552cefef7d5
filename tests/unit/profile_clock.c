/* What counts as running, waiting and parked, by states, wait reasons and frames. */
#include "check.h"
#include "profile/clock.h"
#include "profile/writer.h"

#include <errno.h>

static const char path[] = "profile_clock.pyro";
static struct pyro_writer *writer;
static struct pyro_profile *profile;
static struct pyro_clock_view view;
static uint64_t time_us;

#define LIB  "/usr/lib/python3.12/"
#define SITE "/srv/venv/lib/python3.12/site-packages/"

static void start(void)
{
    const struct pyro_recording_info info = {.command = "x"};
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
}

static uint32_t string(const char *text)
{
    return pyro_writer_string(writer, text, strlen(text));
}

/* "file:function" from the root on, separated by spaces; a function without a file is a C function. */
static uint32_t stack_of(const char *frames)
{
    char copy[1024], *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", frames);
    uint32_t stack = PYRO_STACK_ROOT;
    for (char *item = strtok_r(copy, " ", &rest); item; item = strtok_r(NULL, " ", &rest)) {
        char *colon = strchr(item, ':');
        struct pyro_function function = {.kind = colon ? PYRO_FUNCTION_PYTHON : PYRO_FUNCTION_C};
        if (colon)
            *colon = '\0';
        function.name = string(colon ? colon + 1 : item);
        function.file = string(colon ? item : "");
        uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &function), 1);
        stack = pyro_writer_stack(writer, stack, frame);
    }
    return stack;
}

static void sample(const char *frames, enum pyro_state state, uint32_t flags, const char *kind,
                   const char *text)
{
    uint32_t process = pyro_writer_process(writer, 1, 0, "", "");
    uint32_t stack = stack_of(frames);
    struct pyro_written_sample item = {
        .thread = pyro_writer_thread(writer, process, 1),
        .stack = stack,
        .agreed = stack,
        .state = state,
        .flags = flags,
        .wait = kind ? pyro_writer_wait(writer, kind, text) : PYRO_NO_ID,
    };
    pyro_writer_sweep(writer, time_us += 1000);
    pyro_writer_sample(writer, &item);
}

static void look(enum pyro_clock clock, bool idle)
{
    if (writer) {
        CHECK_EQ(pyro_writer_close(writer, NULL), 0);
        writer = NULL;
        CHECK_EQ(pyro_profile_read(path, &profile, NULL), 0);
        unlink(path);
    } else {
        pyro_clock_view_clear(&view);
    }
    CHECK_EQ(pyro_clock_view_init(&view, profile, clock, idle), 0);
}

static void end(void)
{
    pyro_clock_view_clear(&view);
    pyro_profile_free(profile);
}

/* -- parked ------------------------------------------------------------------------------------- */

#define BOOT LIB "threading.py:Thread._bootstrap " LIB "threading.py:Thread.run "

static const char *const idle_workers[] = {
    BOOT LIB "concurrent/futures/thread.py:_worker",
    BOOT LIB "concurrent/futures/thread.py:_worker {method_get_of_SimpleQueue}",
    BOOT LIB "concurrent/futures/thread.py:_worker " LIB "queue.py:_PySimpleQueue.get " LIB
             "threading.py:Semaphore.acquire " LIB "threading.py:Condition.wait",
    BOOT LIB "multiprocessing/pool.py:worker",
    BOOT LIB "multiprocessing/pool.py:worker " LIB "multiprocessing/queues.py:SimpleQueue.get " LIB
             "multiprocessing/connection.py:_ConnectionBase.recv_bytes " LIB
             "multiprocessing/connection.py:Connection._recv",
    BOOT LIB "multiprocessing/pool.py:Pool._handle_workers " LIB
             "multiprocessing/pool.py:Pool._wait_for_updates " LIB
             "multiprocessing/connection.py:wait " LIB "selectors.py:_PollLikeSelector.select",
    BOOT LIB "multiprocessing/pool.py:Pool._handle_tasks",
    BOOT LIB "multiprocessing/pool.py:Pool._handle_results " LIB
             "multiprocessing/connection.py:_ConnectionBase.recv",
    BOOT LIB "multiprocessing/queues.py:Queue._feed " LIB "threading.py:Condition.wait",
    "/srv/app.py:main " LIB "socketserver.py:BaseServer.serve_forever " LIB
    "selectors.py:_PollLikeSelector.select",
    "/srv/app.py:main " SITE "gunicorn/workers/sync.py:SyncWorker.wait",
};

static const char *const busy_threads[] = {
    BOOT LIB "concurrent/futures/thread.py:_worker " LIB
             "concurrent/futures/thread.py:_WorkItem.run /srv/app.py:job",
    BOOT LIB "concurrent/futures/thread.py:_worker " LIB
             "concurrent/futures/thread.py:_WorkItem.run /srv/app.py:job " LIB "queue.py:Queue.get",
    "/srv/app.py:main " LIB "threading.py:Thread.join " LIB
    "threading.py:Thread._wait_for_tstate_lock",
    LIB "threading.py:_shutdown",
    "/srv/app.py:main " LIB "queue.py:Queue.get " LIB "threading.py:Condition.wait",
    "/srv/app.py:_worker",                         /* a name alone is not enough */
    "/srv/myconcurrent/futures/thread.py:_worker", /* nor the end of a folder's name */
    "/srv/pool.py:worker",
    BOOT LIB "concurrent/futures/thread.py:_worker_of_mine",
    "",
};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static void idle_workers_are_parked(void)
{
    start();
    for (size_t i = 0; i < COUNT_OF(idle_workers); i++)
        sample(idle_workers[i], PYRO_STATE_WAITING, 0, i % 2 ? "lock" : NULL, "futex");
    look(PYRO_CLOCK_WALL, false);
    for (size_t i = 0; i < COUNT_OF(idle_workers); i++) {
        if (!pyro_clock_parked(&view, i))
            printf("# %s\n", idle_workers[i]);
        CHECK(pyro_clock_parked(&view, i));
        CHECK(!pyro_clock_counts(&view, i));
    }
    look(PYRO_CLOCK_WALL, true);
    CHECK(pyro_clock_counts(&view, 0));
    look(PYRO_CLOCK_WAIT, false);
    CHECK(!pyro_clock_counts(&view, 0));
    look(PYRO_CLOCK_WAIT, true);
    CHECK(pyro_clock_counts(&view, 0));
    end();
}

static void threads_that_wait_for_their_own_work_are_not_parked(void)
{
    start();
    for (size_t i = 0; i < COUNT_OF(busy_threads); i++)
        sample(busy_threads[i], PYRO_STATE_WAITING, 0, "lock", "futex");
    look(PYRO_CLOCK_WALL, false);
    for (size_t i = 0; i < COUNT_OF(busy_threads); i++) {
        if (pyro_clock_parked(&view, i))
            printf("# %s\n", busy_threads[i]);
        CHECK(!pyro_clock_parked(&view, i));
        CHECK(pyro_clock_counts(&view, i));
    }
    end();
}

static void a_worker_that_runs_is_not_parked(void)
{
    start();
    sample(idle_workers[0], PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, NULL, NULL);
    sample(idle_workers[0], PYRO_STATE_GIL_WAIT, 0, NULL, NULL);
    look(PYRO_CLOCK_WALL, false);
    CHECK(!pyro_clock_parked(&view, 0) && !pyro_clock_parked(&view, 1));
    end();
}

/* -- clocks ------------------------------------------------------------------------------------- */

static void each_clock_counts_its_states(void)
{
    start();
    const char *frames = "/srv/app.py:main";
    sample(frames, PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, NULL, NULL);
    sample(frames, PYRO_STATE_RUNNING, 0, NULL, NULL);
    sample(frames, PYRO_STATE_RUNNABLE, 0, NULL, NULL);
    sample(frames, PYRO_STATE_WAITING, PYRO_SAMPLE_GIL, "file", "read x");
    sample(frames, PYRO_STATE_GIL_WAIT, 0, NULL, NULL);
    sample(frames, PYRO_STATE_UNKNOWN, 0, NULL, NULL);
    const char *expected[] = {
        [PYRO_CLOCK_WALL] = "111111",
        [PYRO_CLOCK_CPU] = "110000",
        [PYRO_CLOCK_GIL] = "100100",
        [PYRO_CLOCK_WAIT] = "000110",
    };
    for (size_t clock = 0; clock < COUNT_OF(expected); clock++) {
        look((enum pyro_clock)clock, false);
        for (size_t i = 0; i < 6; i++)
            CHECK_EQ(pyro_clock_counts(&view, i), expected[clock][i] == '1');
    }
    end();
}

static void clocks_have_names(void)
{
    enum pyro_clock clock;
    CHECK_EQ(pyro_clock_by_name("wall", &clock), 0);
    CHECK_EQ(clock, PYRO_CLOCK_WALL);
    CHECK_EQ(pyro_clock_by_name("wait", &clock), 0);
    CHECK_EQ(clock, PYRO_CLOCK_WAIT);
    CHECK_EQ(pyro_clock_by_name("gil", &clock), 0);
    CHECK_EQ(clock, PYRO_CLOCK_GIL);
    CHECK_EQ(pyro_clock_by_name("w", &clock), -EINVAL);
    CHECK_STR(pyro_state_name(PYRO_STATE_GIL_WAIT), "gil_wait");
    CHECK_STR(pyro_state_name((enum pyro_state)99), "unknown");
}

/* -- wait categories ---------------------------------------------------------------------------- */

static void wait_reasons_have_categories(void)
{
    static const char *const cases[][3] = {
        {"socket", "recv 10.0.0.1:443", "network"},
        {"socket", "recv 127.0.0.1:5432", "database"},
        {"socket", "connect [::1]:3306", "database"},
        {"socket", "recv 10.0.0.1:11211", "database"},
        {"socket", "recv 10.0.0.1:54320", "network"},
        {"socket", "recv /run/postgresql/.s.PGSQL.5432", "database"},
        {"socket", "recv /run/mysqld/mysqld.sock", "database"},
        {"socket", "recv", "network"},
        {"poll", "epoll", "network"},
        {"file", "read /data/mysql:5432", "file"},
        {"pipe", "read", "pipe"},
        {"lock", "futex", "lock"},
        {"sleep", "sleep", "sleep"},
        {"child", "waitpid", "child"},
        {"terminal", "read", "other"},
        {"something new", "", "other"},
    };
    start();
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        sample("/srv/app.py:main", PYRO_STATE_WAITING, 0, cases[i][0], cases[i][1]);
    sample("/srv/app.py:main", PYRO_STATE_WAITING, 0, NULL, NULL);
    sample("/srv/app.py:main", PYRO_STATE_GIL_WAIT, 0, NULL, NULL);
    sample("/srv/app.py:main", PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, NULL, NULL);
    look(PYRO_CLOCK_WALL, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CHECK_STR(pyro_clock_wait_category(&view, i), cases[i][2]);
    CHECK_STR(pyro_clock_wait_category(&view, COUNT_OF(cases)), "other");
    CHECK_STR(pyro_clock_wait_category(&view, COUNT_OF(cases) + 1), "gil");
    CHECK_STR(pyro_clock_wait_category(&view, COUNT_OF(cases) + 2), "");
    end();
}

static void a_driver_on_top_makes_it_the_database(void)
{
    static const char *const drivers[] = {
        SITE "psycopg2/extras.py:execute",
        SITE "psycopg/cursor.py:execute",
        SITE "sqlalchemy/engine/default.py:do_execute",
        SITE "django/db/backends/utils.py:execute",
        "/usr/lib/python3/dist-packages/pymysql/cursors.py:execute",
        SITE "redis/connection.py:read",
        LIB "sqlite3/dbapi2.py:x",
        SITE "peewee.py:execute_sql",
        "{method_of_sqlite3.Cursor}",
        SITE "redis/connection.py:read a.py:1 a.py:2 a.py:3 a.py:4 a.py:5 a.py:6 a.py:7",
    };
    static const char *const others[] = {
        "/srv/redis/app.py:main",
        SITE "sqlalchemy/orm/query.py:all",
        SITE "requests/api.py:get",
        SITE "redistribute/a.py:f",
        SITE "redis/connection.py:read a.py:1 a.py:2 a.py:3 a.py:4 a.py:5 a.py:6 a.py:7 a.py:8",
    };
    start();
    for (size_t i = 0; i < COUNT_OF(drivers); i++)
        sample(drivers[i], PYRO_STATE_WAITING, 0, "file", "read");
    for (size_t i = 0; i < COUNT_OF(others); i++)
        sample(others[i], PYRO_STATE_WAITING, 0, "file", "read");
    look(PYRO_CLOCK_WALL, false);
    for (size_t i = 0; i < COUNT_OF(drivers) + COUNT_OF(others); i++) {
        const char *expected = i < COUNT_OF(drivers) ? "database" : "file";
        CHECK_STR(pyro_clock_wait_category(&view, i), expected);
    }
    end();
}

/* Of driver and pool, the one that is nearer to the top. */
static void who_waits_in_a_pool_waits_for_others(void)
{
    static const char *const cases[][2] = {
        {SITE "sqlalchemy/engine/base.py:connect " SITE "sqlalchemy/pool/impl.py:_do_get " SITE
              "sqlalchemy/util/queue.py:get " LIB "threading.py:wait",
         "pool"},
        {SITE "sqlalchemy/pool/base.py:connect " SITE "psycopg/connection.py:connect " SITE
              "psycopg/waiting.py:wait",
         "database"},
        {SITE "psycopg_pool/pool.py:getconn", "pool"},
        {SITE
         "psycopg_pool/pool.py:getconn a.py:1 a.py:2 a.py:3 a.py:4 a.py:5 a.py:6 a.py:7 a.py:8",
         "lock"},
        {"/srv/sqlalchemy/pool/impl.py:_do_get", "lock"},
    };
    start();
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        sample(cases[i][0], PYRO_STATE_WAITING, 0, "lock", "futex");
    sample(cases[0][0], PYRO_STATE_RUNNING, 0, NULL, NULL);
    sample(cases[0][0], PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, NULL, NULL);
    look(PYRO_CLOCK_WALL, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CHECK_STR(pyro_clock_wait_category(&view, i), cases[i][1]);
    CHECK_STR(pyro_clock_wait_category(&view, COUNT_OF(cases)), "");
    end();
}

static void a_driver_that_works_without_the_gil_is_waited_for(void)
{
    const char *driver = SITE "aiosqlite/core.py:run";
    start();
    sample(driver, PYRO_STATE_RUNNING, 0, NULL, NULL);
    sample(driver, PYRO_STATE_RUNNING, PYRO_SAMPLE_GIL, NULL, NULL);
    sample("/srv/app.py:main", PYRO_STATE_RUNNING, 0, NULL, NULL);
    look(PYRO_CLOCK_WAIT, false);
    CHECK_STR(pyro_clock_wait_category(&view, 0), "database");
    CHECK_STR(pyro_clock_wait_category(&view, 1), "");
    CHECK_STR(pyro_clock_wait_category(&view, 2), "");
    CHECK(pyro_clock_counts(&view, 0));
    look(PYRO_CLOCK_CPU, false);
    CHECK(pyro_clock_counts(&view, 0));
    end();
}

static void without_any_gil_a_running_driver_is_running(void)
{
    start();
    sample(SITE "aiosqlite/core.py:run", PYRO_STATE_RUNNING, 0, NULL, NULL);
    look(PYRO_CLOCK_WAIT, false);
    CHECK_STR(pyro_clock_wait_category(&view, 0), "");
    end();
}

int main(void)
{
    return CHECK_MAIN(
        TEST(idle_workers_are_parked), TEST(threads_that_wait_for_their_own_work_are_not_parked),
        TEST(a_worker_that_runs_is_not_parked), TEST(each_clock_counts_its_states),
        TEST(clocks_have_names), TEST(wait_reasons_have_categories),
        TEST(a_driver_on_top_makes_it_the_database), TEST(who_waits_in_a_pool_waits_for_others),
        TEST(a_driver_that_works_without_the_gil_is_waited_for),
        TEST(without_any_gil_a_running_driver_is_running));
}
