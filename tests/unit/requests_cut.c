/* Which samples belong to a request, what they add up to, and what is written of them: with clocks that are known. */
#include "requests/cut.h"

#include "base/clock.h"
#include "fixture_recording.h"
#include "requests/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SLOTS_FILE "/x/site-packages/pyrometer/web/_slots.py"
#define MS         PYRO_NS_PER_MS

static const char names_path[] = "requests_cut_names.pyro", cut_path[] = "requests_cut.pyro";
static struct pyro_ring ring;
static uint32_t thread;

static uint32_t text(const char *words)
{
    return pyro_writer_string(ring.names, words, strlen(words));
}

static uint32_t push(uint32_t parent, const char *file, const char *name, uint32_t line)
{
    struct pyro_function function = {.name = text(name), .file = text(file), .first_line = 1};
    uint32_t id = pyro_writer_function(ring.names, &function);
    return pyro_writer_stack(ring.names, parent, pyro_writer_frame(ring.names, id, line));
}

static void begin(void)
{
    struct pyro_writer *names = fixture_record(names_path, 1000);
    CHECK_EQ(pyro_ring_init(&ring, names), 0);
    thread = pyro_writer_thread(names, pyro_writer_process(names, 1, 0, "server", "3.13.0"), 7);
}

static void end(void)
{
    struct pyro_writer *names = ring.names;
    pyro_ring_clear(&ring);
    CHECK_EQ(pyro_writer_close(names, NULL), 0);
    unlink(names_path);
}

/* A sweep from BEFORE_MS to AFTER_MS with one sample (of STACK, of which AGREED is sure), or with none: STACK 0. */
static void sweep(uint64_t before_ms, uint64_t after_ms, uint32_t stack, uint32_t agreed,
                  enum pyro_state state)
{
    pyro_writer_sweep(ring.names, before_ms * 1000);
    ring.sweeps[(ring.sweep_count - 1) % PYRO_RING_SWEEPS] =
        (struct pyro_ring_sweep){before_ms * MS, after_ms * MS, ring.stands};
    if (stack)
        pyro_writer_sample(ring.names, &(struct pyro_written_sample){.thread = thread,
                                                                     .stack = stack,
                                                                     .agreed = agreed,
                                                                     .state = state,
                                                                     .wait = PYRO_NO_ID});
}

static struct pyro_request_figures figures_of(uint32_t slot, uint64_t begin_ms, uint64_t end_ms)
{
    struct pyro_request_figures figures;
    const struct pyro_request request = {slot, begin_ms * MS, end_ms * MS, "GET /", NULL};
    CHECK_EQ(pyro_request_figures(&ring, &request, &figures), 0);
    return figures;
}

/* Two requests that take turns, and another one that has the first one's slot afterwards. */
static void only_its_own(void)
{
    begin();
    uint32_t root = push(PYRO_STACK_ROOT, "/srv/site-packages/server.py", "serve", 5);
    uint32_t slot3 = push(root, SLOTS_FILE, "pyrometer_request_3", 30);
    uint32_t slot33 = push(root, SLOTS_FILE, "pyrometer_request_33", 30);
    uint32_t a = push(slot3, "/srv/app/views.py", "a", 45);
    uint32_t orm = push(a, "/srv/site-packages/orm.py", "execute", 312);
    uint32_t b = push(slot33, "/srv/app/views.py", "b", 60);
    uint32_t named = push(root, "/srv/app/views.py", "pyrometer_request_3", 1); /* not our file */
    sweep(90, 101, a, a, PYRO_STATE_RUNNING); /* began before the request did: may be another's */
    sweep(110, 111, orm, orm, PYRO_STATE_WAITING);
    sweep(120, 121, b, b, PYRO_STATE_RUNNING);
    sweep(130, 131, a, a, PYRO_STATE_RUNNING);
    sweep(140, 141, named, named, PYRO_STATE_RUNNING);
    sweep(150, 151, orm, root, PYRO_STATE_RUNNING);  /* not sure to be in it at all */
    sweep(160, 161, orm, slot3, PYRO_STATE_RUNNING); /* sure to be in it, not where */
    sweep(170, 171, 0, 0, PYRO_STATE_UNKNOWN);
    sweep(180, 181, 0, 0, PYRO_STATE_UNKNOWN);
    sweep(199, 201, a, a, PYRO_STATE_RUNNING); /* ended after the request did */
    sweep(210, 211, a, a, PYRO_STATE_RUNNING); /* the next one's */
    struct pyro_request_figures figures = figures_of(3, 100, 200);
    CHECK_EQ(figures.sweeps, 8);
    CHECK_EQ(figures.samples, 3);
    CHECK_EQ(figures.unclear, 1);
    CHECK_EQ(figures.missed_ns, 0);
    CHECK(figures.running_s > 0.0249 && figures.running_s < 0.0251); /* 2 of 8 sweeps in 100 ms */
    CHECK(figures.waiting_s > 0.0124 && figures.waiting_s < 0.0126);
    CHECK(figures.off_stack_s > 0.0624 && figures.off_stack_s < 0.0626);
    CHECK_STR(figures.top_file, "/srv/app/views.py"); /* the program's own, not the library's */
    CHECK_EQ(figures.top_line, 45);
    CHECK_EQ(figures_of(33, 100, 200).samples, 1);
    CHECK_EQ(figures_of(3, 200, 220).samples, 1);
    CHECK_EQ(figures_of(4, 100, 200).samples, 0);
    end();
}

/* At the beginning there was a look every 50 ms, later every 10: each stands for as much time as it is apart. */
static void looks_stand_for_their_rate(void)
{
    begin();
    uint32_t slot = push(PYRO_STACK_ROOT, SLOTS_FILE, "pyrometer_request_3", 30);
    uint32_t first = push(slot, "/srv/app/views.py", "first", 10);
    uint32_t then = push(slot, "/srv/app/views.py", "then", 20);
    sweep(90, 91, 0, 0, PYRO_STATE_UNKNOWN); /* nothing is missed */
    ring.stands = 5;
    sweep(125, 126, first, first, PYRO_STATE_WAITING);
    sweep(175, 176, first, first, PYRO_STATE_RUNNING);
    ring.stands = 1;
    for (uint64_t i = 0; i < 8; i++)
        sweep(205 + 10 * i, 206 + 10 * i, then, then, PYRO_STATE_RUNNING);
    sweep(285, 286, 0, 0, PYRO_STATE_UNKNOWN);
    sweep(295, 296, 0, 0, PYRO_STATE_UNKNOWN);
    struct pyro_request_figures figures = figures_of(3, 100, 300);
    CHECK_EQ(figures.sweeps, 12);
    CHECK_EQ(figures.samples, 10);
    CHECK(figures.waiting_s > 0.0499 && figures.waiting_s < 0.0501);
    CHECK(figures.running_s > 0.1299 && figures.running_s < 0.1301);
    CHECK(figures.off_stack_s > 0.0199 && figures.off_stack_s < 0.0201);
    CHECK_EQ(figures.top_line, 10); /* two samples have more time than eight */
    CHECK(figures.top_s > 0.0999 && figures.top_s < 0.1001);
    end();
}

static void nested_ones(void)
{
    begin();
    uint32_t outer = push(PYRO_STACK_ROOT, SLOTS_FILE, "pyrometer_request_1", 30);
    uint32_t inner =
        push(push(outer, "/srv/app/a.py", "a", 2), SLOTS_FILE, "pyrometer_request_2", 30);
    uint32_t top = push(inner, "/srv/app/b.py", "b", 3);
    sweep(110, 111, top, top, PYRO_STATE_RUNNING);
    CHECK_EQ(figures_of(1, 100, 200).samples, 1);
    CHECK_EQ(figures_of(2, 100, 200).samples, 1);
    CHECK_EQ(pyro_ring_request_in(&ring, top, 1), outer);
    CHECK_EQ(pyro_ring_request_in(&ring, top, 2), inner);
    end();
}

/* What was before the first sweep, or is forgotten, is missed and not guessed. */
static void missed(void)
{
    begin();
    uint32_t slot = push(PYRO_STACK_ROOT, SLOTS_FILE, "pyrometer_request_0", 30);
    CHECK_EQ(figures_of(0, 100, 200).missed_ns, 100 * MS);
    for (uint64_t i = 0; i < PYRO_RING_SAMPLES + 1000; i++)
        sweep(1000 + i, 1000 + i, slot, slot, PYRO_STATE_RUNNING);
    struct pyro_request_figures figures = figures_of(0, 900, 1000 + PYRO_RING_SAMPLES + 1000);
    CHECK_EQ(figures.sweeps, PYRO_RING_SWEEPS);
    CHECK_EQ(figures.samples, PYRO_RING_SWEEPS);
    CHECK_EQ(figures.missed_ns, (100 + PYRO_RING_SAMPLES + 1000 - PYRO_RING_SWEEPS) * MS);
    end();
}

/* TEXT is each line of all files. */
static void put_source(const void *text, struct pyro_writer *writer)
{
    for (uint32_t i = 0; i < pyro_writer_frame_count(writer); i++) {
        struct pyro_frame frame = pyro_writer_frame_at(writer, i);
        struct pyro_function function = pyro_writer_function_at(writer, frame.function);
        pyro_writer_source(writer, function.file, frame.line, text, strlen(text));
    }
}

static void written(void)
{
    begin();
    uint32_t slot = push(PYRO_STACK_ROOT, SLOTS_FILE, "pyrometer_request_9", 30);
    uint32_t a = push(slot, "/srv/app/views.py", "a", 45);
    uint32_t deep = a;
    for (int i = 0; i < 100000; i++)
        deep = push(deep, "/srv/app/views.py", "deep", 46);
    sweep(110, 111, a, a, PYRO_STATE_RUNNING);
    sweep(120, 121, deep, deep, PYRO_STATE_RUNNING);
    sweep(130, 131, 0, 0, PYRO_STATE_UNKNOWN);
    const struct pyro_request request = {9, 100 * MS, 140 * MS, "GET /orders", ""};
    const struct pyro_recording_info info = {
        .python = "3.13.0", .mode = "wall", .pid = 1, .rate_hz = 100};
    const struct pyro_source source = {put_source, "return a"};
    CHECK_EQ(pyro_request_write(&ring, &request, &info, &source, cut_path, NULL), 0);
    struct stat status;
    CHECK(stat(cut_path, &status) == 0 && (status.st_mode & 0777) == 0600);
    struct pyro_profile *profile;
    CHECK_EQ(pyro_profile_read(cut_path, &profile, NULL), 0);
    unlink(cut_path);
    CHECK(profile->complete && !profile->torn);
    CHECK_STR(profile->info.command, "GET /orders");
    CHECK_EQ(profile->samples.count, 2);
    CHECK_EQ(profile->samples.sweep_count, 3);
    CHECK_EQ(profile->counters.samples, 2);
    uint32_t stack = pyro_sample_stack(profile, 0); /* begins above the request's function */
    CHECK_EQ(profile->stacks[stack].depth, 1);
    CHECK_STR(pyro_profile_text(profile,
                                profile->functions[pyro_profile_function_of(profile, stack)].name),
              "a");
    CHECK_EQ(profile->stacks[pyro_sample_stack(profile, 1)].depth, 100001);
    const struct pyro_frame *frame = &profile->frames[profile->stacks[stack].frame];
    CHECK_STR(pyro_profile_source(profile, profile->functions[frame->function].file, frame->line),
              "return a");
    pyro_profile_free(profile);
    end();
}

/* A request with one sample that sent what SENT tells, written and read. */
static struct pyro_profile *profile_of(const char *sent)
{
    begin();
    uint32_t slot = push(PYRO_STACK_ROOT, SLOTS_FILE, "pyrometer_request_9", 30);
    uint32_t orders = push(slot, "/srv/app/views.py", "orders", 46);
    sweep(90, 91, 0, 0, PYRO_STATE_UNKNOWN); /* nothing is missed */
    sweep(120, 121, orders, orders, PYRO_STATE_RUNNING);
    const struct pyro_request request = {9, 100 * MS, 140 * MS, "GET /orders", sent};
    const struct pyro_recording_info info = {.python = "3.13.0", .mode = "wall", .pid = 1};
    const struct pyro_source source = {put_source, "of each line"};
    struct pyro_profile *profile;
    CHECK_EQ(pyro_request_write(&ring, &request, &info, &source, cut_path, NULL), 0);
    CHECK_EQ(pyro_profile_read(cut_path, &profile, NULL), 0);
    unlink(cut_path);
    end();
    return profile;
}

#define HOOK "_django_wrapper\t/x/pyrometer/web/_queries.py"

static void its_queries(void)
{
    struct pyro_profile *profile =
        profile_of("850\n"
                   "847 846 3600000 9000 840 2 0 103000000 130000000 47 1 210\torders\t"
                   "/srv/app/views.py\t" HOOK "\tcustomer\tOrder\tSELECT ? FROM c\n"
                   "2 2 5000 4000 0 0 2 90000000 90000000 0 0 0\t\t\t\t\t\t\tINSERT ?\n");
    CHECK_EQ(profile->query_count, 2);
    CHECK_EQ(profile->counters.queries_lost, 1);
    const struct pyro_query *first = &profile->queries[1], *other = &profile->queries[0];
    CHECK_STR(pyro_profile_text(profile, profile->functions[first->site].name), "orders");
    CHECK_EQ(first->site, pyro_profile_function_of(profile, pyro_sample_stack(profile, 0)));
    CHECK_EQ(first->line, 47); /* at which no sample stands */
    CHECK_STR(pyro_profile_source(profile, profile->functions[first->site].file, 47),
              "of each line");
    const struct pyro_function *sender = &profile->functions[first->sender];
    CHECK_STR(pyro_profile_text(profile, sender->name), "_django_wrapper");
    CHECK_STR(pyro_profile_text(profile, sender->file), "/x/pyrometer/web/_queries.py");
    CHECK_EQ(sender->first_line, 210);
    CHECK_STR(pyro_profile_text(profile, first->relation), "customer");
    CHECK_STR(pyro_profile_text(profile, first->owner), "Order");
    CHECK_STR(pyro_profile_text(profile, first->shape), "SELECT ? FROM c");
    CHECK(first->count == 847 && first->timed == 846 && first->time_ns == 3600000);
    CHECK(first->longest_ns == 9000 && first->distinct == 840 && first->unknown == 2);
    CHECK(!first->many && first->first_us == 3000 && first->last_us == 30000);
    CHECK(other->site == PYRO_NO_ID && other->many && other->first_us == 0); /* before we began */
    CHECK_STR(pyro_profile_text(profile, other->shape), "INSERT ?");
    pyro_profile_free(profile);
}

/* What is wrong is left out, and its queries are lost; what is right is there. */
static void queries_that_are_no_such_lines(void)
{
#define TEXTS "\tf\t/a.py\ts\t/b.py\t\t\tSELECT ?"
    static const char *const wrong[] = {
        "",
        "5",
        "x\n",
        "-5\n5 5 1 1 0 0 0 1 1 1 1 1" TEXTS "\n",
        "99999999999999999999999\n5 5 1 1 0 0 0 1 1 1 1 1" TEXTS "\n",
        "5\n5 5 1 1 0 0 0 1 1 1 1 1" TEXTS,               /* cut off */
        "5\n5 5 1 1 0 0 0 1 1 1 1" TEXTS "\n",            /* a number too few */
        "5\n5 5 1 1 0 0 0 1 1 1 1 1 1" TEXTS "\n",        /* or too many */
        "5\n5 5 1 1 0 0 0 1 1 1 1 -1" TEXTS "\n",         /* below 0 */
        "5\n5 5 1 1 0 0 0 1 1 4294967295 1 1" TEXTS "\n", /* no line */
        "5\n5 5 99999999999999999999 1 0 0 0 1 1 1 1 1" TEXTS "\n",
        "5\n5 5 72057594037927937 1 0 0 0 1 1 1 1 1" TEXTS "\n",        /* more than is read */
        "5\n5 5 1 1 0 0 0 1 1 1 1 1\tf\t/a.py\ts\t/b.py\t\tSELECT ?\n", /* a text too few */
        "5\n\n\n\t\t\t\t\t\t\t\n          \n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pyro_profile *profile = profile_of(wrong[i]);
        CHECK_EQ(profile->query_count, 0);
        CHECK_EQ(profile->counters.queries_lost, strncmp(wrong[i], "5\n", 2) == 0 ? 5 : 0);
        pyro_profile_free(profile);
    }
    struct pyro_profile *profile = profile_of("7\nwhat?\n5 5 1 1 0 0 0 1 1 1 1 1" TEXTS "\n"
                                              "3 3 1 1 0 0 0 1 1 2 1 1" TEXTS "\n"
                                              "2 2 1 1 0 0 0 1 1 3 1 1" TEXTS "\n");
    CHECK_EQ(profile->query_count,
             3); /* some more than all: another thread sent them while they were counted */
    CHECK_EQ(profile->counters.queries_lost, 0);
    pyro_profile_free(profile);
}

/* Of a machine that has run for years. */
static void queries_after_years(void)
{
    struct pyro_profile *profile =
        profile_of("1\n1 1 1 1 0 0 0 90000000000000000 90000000000000000 1 1 1" TEXTS "\n");
    CHECK_EQ(profile->query_count, 1);
    CHECK_EQ(profile->queries[0].first_us, 90000000000000 - 100000);
    pyro_profile_free(profile);
}

static void touch(const char *path, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    close(fd);
}

static void make_room(struct pyro_spool *spool, uint32_t keep, uint64_t keep_bytes, uint64_t now_s)
{
    spool->keep = keep;
    spool->keep_bytes = keep_bytes;
    pyro_spool_make_room(spool, now_s * PYRO_NS_PER_S);
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

static void spool(void)
{
    char folder[] = "requests_spool_XXXXXX";
    CHECK(mkdtemp(folder));
    CHECK_EQ(chdir(folder), 0);
    const char *names[] = {
        "20260101-000000-000000-0a1b.part", /* its writer was killed */
        "20260102-000000-000000-0a1b.pyro",
        "20260103-000000-000000-0a1b.pyro",
        "notes.txt",
        "notes.part",
        "20250101-1.pyro",
        "1.pyro",
        "20250101-000000-000000-0a1g.pyro",
        "20250101-000000-000000-0a1b.pyro.pyro",
        ".pyro",
    };
    const size_t count = sizeof(names) / sizeof(names[0]);
    struct pyro_spool spool = {.directory = "."}, nowhere = {.directory = "./nowhere"};
    for (size_t i = 0; i < count; i++)
        touch(names[i], 100);
    make_room(&spool, 4, 1000, 1);
    CHECK(is_there(names[0]));
    make_room(&spool, 3, 1000, 1);
    CHECK(!is_there(names[0]) && is_there(names[1]));
    make_room(&spool, 3, 150, 1);
    CHECK(!is_there(names[1]) && is_there(names[2]));
    CHECK(pyro_spool_remove_oldest(&spool, PYRO_NS_PER_S));
    CHECK(!pyro_spool_remove_oldest(&spool, PYRO_NS_PER_S));
    CHECK(!pyro_spool_remove_oldest(&nowhere, PYRO_NS_PER_S));
    make_room(&nowhere, 1, 1, 1);
    pyro_spool_wrote(&nowhere, "20260101-000000-000000-0a1b");
    for (size_t i = 3; i < count; i++) /* somebody else's stay, whatever their names */
        CHECK(is_there(names[i]) && unlink(names[i]) == 0);
    pyro_spool_clear(&spool);
    pyro_spool_clear(&nowhere);
    CHECK(chdir("..") == 0 && rmdir(folder) == 0);
    CHECK(pyro_request_id_valid("2026-a") && !pyro_request_id_valid("") &&
          !pyro_request_id_valid("../x"));
    CHECK(!pyro_request_id_valid("0123456789012345678901234567890123456789012345678"));
}

/* What this process writes counts at once, what others do when the folder is read again; the oldest go, whoever wrote them. */
static void spool_between_readings(void)
{
    char folder[] = "requests_spool_XXXXXX";
    CHECK(mkdtemp(folder));
    CHECK_EQ(chdir(folder), 0);
    const char *ours[] = {"20260102-000000-000000-0a1b", "20260104-000000-000000-0a1b",
                          "20260103-000000-000000-0a1b"};
    const char *others = "20260101-000000-000000-0a1b.pyro";
    char names[3][64];
    struct pyro_spool spool = {.directory = "."};
    make_room(&spool, 10, 1000, 1);
    for (size_t i = 0; i < 3; i++) {
        snprintf(names[i], sizeof(names[i]), "%s.pyro", ours[i]);
        touch(names[i], 100);
        pyro_spool_wrote(&spool, ours[i]);
    }
    touch(others, 100);
    make_room(&spool, 3, 1000, 1); /* of three that are known the oldest goes */
    CHECK(is_there(others) && !is_there(names[0]) && is_there(names[1]) && is_there(names[2]));
    make_room(&spool, 3, 150, 1); /* the third one is older than the second, though written last */
    CHECK(is_there(others) && !is_there(names[2]) && is_there(names[1]));
    CHECK_EQ(spool.size_bytes, 100);
    make_room(&spool, 2, 1000, 2); /* the other's is known by now */
    CHECK(!is_there(others) && is_there(names[1]));
    CHECK_EQ(unlink(names[1]), 0); /* somebody took it away: nothing is wrong with that */
    make_room(&spool, 1, 1000, 2);
    CHECK_EQ(spool.count, 0);
    pyro_spool_clear(&spool);
    CHECK(chdir("..") == 0 && rmdir(folder) == 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(only_its_own), TEST(looks_stand_for_their_rate), TEST(nested_ones),
                      TEST(missed), TEST(written), TEST(its_queries),
                      TEST(queries_that_are_no_such_lines), TEST(queries_after_years), TEST(spool),
                      TEST(spool_between_readings));
}
