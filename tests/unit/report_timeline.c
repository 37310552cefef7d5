/* What is said of memory over time: the head, the chart, what kept it small. */
#include "fixture_recording.h"
#include "report/timeline.h"

#include <jansson.h>

static const char path[] = "report_timeline.pyro";
static struct pyro_writer *writer;
static const struct pyro_report_limit all = {0};

static void see(uint32_t id, uint64_t time_us, uint64_t rss, uint64_t swapped)
{
    const struct pyro_look look = {
        .process = id, .time_us = time_us, .rss = rss, .gone = !rss, .swapped = swapped};
    CHECK(pyro_writer_look(writer, &look));
}

/* Two processes, of which the second is gone at last; the most is at 3 s. */
static void write_looks(void)
{
    writer = fixture_record(path, 10);
    uint32_t one = pyro_writer_process(writer, 10, 1, "server --port 1", "");
    uint32_t other = pyro_writer_process(writer, 11, 10, "worker\x1b[31m", "");
    see(one, 0, 10 << 20, 0);
    see(other, 3000000, 30 << 20, 5 << 20);
    see(other, 6000000, 0, 0);
    see(one, 9000000, 20 << 20, 1 << 20);
}

static char *report_of(int width, bool utf8)
{
    const struct pyro_report_style style = {.width = width, .utf8 = utf8};
    struct pyro_profile *profile = fixture_read_back(path, writer);
    struct pyro_timeline *timeline;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK_EQ(pyro_timeline_make(profile, &timeline, NULL), 0);
    CHECK_EQ(pyro_report_timeline(out, timeline, &all, &style, NULL), 0);
    fclose(out);
    pyro_timeline_free(timeline);
    pyro_profile_free(profile);
    return text;
}

static void check_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        printf("# no '%s' in:\n%s\n", part, text);
    CHECK(strstr(text, part));
}

static void who_had_what(void)
{
    write_looks();
    pyro_writer_watch(writer, &(struct pyro_watch){.looks = 91,
                                                   .interval_us = 100000,
                                                   .until_us = 12000000,
                                                   .unseen = 2,
                                                   .missed = 3,
                                                   .largest = 50 << 20});
    char *text = report_of(100, false);
    check_says(text, "peak 40.0 MiB resident at 3.00 s, in 2 processes\n");
    check_says(text, "most of it: 30.0 MiB in process 11, worker?[31m\n");
    check_says(text, "2 processes in all, 2 at once at most");
    check_says(text, "looked at 91 times, every 0.1 s; 3 looks came too late, and were left out\n");
    check_says(text, "at least 2 processes came and went");
    check_says(text, "one process had 50.0 MiB at most");
    check_says(text, "12.0 s\n");
    CHECK(!strstr(text, "swapped out")); /* nobody asked */
    free(text);
}

/* The chart as it is, 80 columns of ASCII: a quarter of the time each. */
static void the_chart(void)
{
    write_looks();
    pyro_writer_watch(writer, &(struct pyro_watch){.looks = 4, .until_us = 12000000});
    char *text = report_of(80, false);
    check_says(text, "  40.0 MiB +                 #################\n"
                     "           |                 #################\n");
    check_says(text,
               "           |##################################################################"
               "##\n       0 B +----");
    check_says(text,
               "            0 s              ^ peak                                       12.0 s"
               "\n");
    free(text);
}

static void confine(struct pyro_confinement confinement, const char *cgroup)
{
    confinement.cgroup = pyro_writer_string(writer, cgroup, strlen(cgroup));
    pyro_writer_confinement(writer, &confinement);
}

static void what_kept_it_small(void)
{
    write_looks();
    confine((struct pyro_confinement){.limit = 64 << 20,
                                      .has_reached = true,
                                      .has_oom = true,
                                      .has_kills = true,
                                      .has_pressure = true,
                                      .reached = 12,
                                      .oom = 1,
                                      .kills = 2,
                                      .some_us = 1500000,
                                      .full_us = 250000},
            "/jobs/\x1b");
    char *text = report_of(100, false);
    check_says(text,
               "swapped out: 5.0 MiB at most; control group /jobs/?: limit 64.0 MiB, reached 12 "
               "times, out of memory 1 time, 2 killed for it; waited for memory: some 1.50 s, "
               "all 250 ms\n");
    free(text);
    write_looks();
    confine((struct pyro_confinement){.has_pressure = true, .of_machine = true}, "");
    text = report_of(100, false);
    check_says(text,
               "5.0 MiB at most; no limit on memory; nothing on this machine waited for it\n");
    free(text);
    write_looks();
    confine((struct pyro_confinement){.has_reached = true}, "/a");
    text = report_of(100, false);
    check_says(text, " at most; no limit on memory\n");
    free(text);
}

static void the_json(void)
{
    write_looks();
    confine((struct pyro_confinement){.has_kills = true, .kills = 2, .limit = 7}, "/a");
    struct pyro_profile *profile = fixture_read_back(path, writer);
    struct pyro_timeline *timeline;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK_EQ(pyro_timeline_make(profile, &timeline, NULL), 0);
    CHECK_EQ(pyro_report_timeline_json(out, timeline, NULL), 0);
    fclose(out);
    json_t *json = json_loads(text, 0, NULL);
    json_t *line = json_object_get(json, "timeline"), *kept = json_object_get(json, "confinement");
    CHECK_EQ(json_array_size(json_object_get(line, "steps")), 4);
    CHECK_EQ(json_integer_value(json_object_get(line, "peak_pid")), 11);
    CHECK(json_is_null(json_object_get(line, "largest_process_bytes")));
    json_t *lives = json_object_get(line, "processes");
    CHECK(json_is_null(json_object_get(json_array_get(lives, 0), "went_s")));
    CHECK(json_real_value(json_object_get(json_array_get(lives, 1), "went_s")) == 6 ||
          json_integer_value(json_object_get(json_array_get(lives, 1), "went_s")) == 6);
    CHECK_EQ(json_integer_value(json_object_get(kept, "swapped_peak_bytes")), 5 << 20);
    CHECK_EQ(json_integer_value(json_object_get(kept, "oom_kills")), 2);
    CHECK_EQ(json_integer_value(json_object_get(kept, "limit_bytes")), 7);
    CHECK(json_is_null(json_object_get(kept, "oom")));
    CHECK(json_is_null(json_object_get(kept, "pressure_some_s")));
    json_decref(json);
    free(text);
    pyro_timeline_free(timeline);
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(TEST(who_had_what), TEST(the_chart), TEST(what_kept_it_small),
                      TEST(the_json));
}
