/* Looks at processes, added up; and looks that are lies. */
#include "fixture_recording.h"
#include "profile/chunk.h"
#include "profile/timeline.h"

#include <errno.h>

static const char path[] = "profile_timeline.pyro";
static struct pyro_writer *writer;

static uint32_t process(int32_t pid, const char *command)
{
    return pyro_writer_process(writer, pid, 1, command, "");
}

static void see(uint32_t id, uint64_t time_us, uint64_t rss)
{
    const struct pyro_look look = {
        .process = id, .time_us = time_us, .rss = rss, .most = rss + 1, .gone = !rss};
    CHECK(pyro_writer_look(writer, &look));
}

static struct pyro_profile *read_back(struct pyro_timeline **ret_timeline)
{
    struct pyro_profile *profile = fixture_read_back(path, writer);
    CHECK_EQ(pyro_timeline_make(profile, ret_timeline, NULL), 0);
    return profile;
}

static void end(struct pyro_profile *profile, struct pyro_timeline *timeline)
{
    pyro_timeline_free(timeline);
    pyro_profile_free(profile);
}

/* What was not written stayed as it was. */
static void processes_are_added_up(void)
{
    struct pyro_timeline *timeline;
    writer = fixture_record(path, 10);
    uint32_t parent = process(10, "parent"), child = process(11, "child");
    see(parent, 0, 100);
    see(parent, 100, 150);
    see(child, 200, 40);
    see(parent, 300, 120);
    see(child, 300, 80); /* together the most, though neither of them has it alone */
    see(child, 400, 0);
    pyro_writer_watch(writer, &(struct pyro_watch){.looks = 6, .until_us = 500, .unseen = 3});
    struct pyro_profile *profile = read_back(&timeline);
    CHECK_EQ(timeline->step_count, 5);
    CHECK_EQ(timeline->steps[2].rss, 190);
    CHECK_EQ(timeline->steps[2].processes, 2);
    CHECK_EQ(timeline->steps[3].rss, 200);
    CHECK_EQ(timeline->steps[4].rss, 120);
    CHECK_EQ(timeline->peak, 3);
    CHECK_EQ(timeline->until_us, 500);
    CHECK_EQ(timeline->together, 2);
    CHECK_EQ(timeline->life_count, 2);
    CHECK_EQ(timeline->holder, 0);
    CHECK_EQ(timeline->lives[0].peak, 150);
    CHECK_EQ(timeline->lives[0].peak_us, 100);
    CHECK_EQ(timeline->lives[0].most, 151);
    CHECK_EQ(timeline->lives[0].at_peak, 120);
    CHECK(timeline->lives[0].went_us == PYRO_LIFE_GOES_ON);
    CHECK_EQ(timeline->lives[1].at_peak, 80);
    CHECK_EQ(timeline->lives[1].came_us, 200);
    CHECK_EQ(timeline->lives[1].went_us, 400);
    CHECK_EQ(profile->watch.unseen, 3);
    end(profile, timeline);
}

/* One that becomes another program goes on; one that has the number of one that ended does not. */
static void lives_are_told_apart(void)
{
    struct pyro_timeline *timeline;
    writer = fixture_record(path, 10);
    uint32_t shell = process(10, "sh"), program = process(10, "sleep");
    see(shell, 0, 70);
    see(shell, 100, 0);
    see(program, 100, 30);
    see(program, 200, 0);
    see(program, 300, 90); /* the same number again, and the same command */
    struct pyro_profile *profile = read_back(&timeline);
    CHECK_EQ(timeline->life_count, 2);
    CHECK_STR(pyro_profile_text(profile, profile->processes[timeline->lives[0].process].command),
              "sleep");
    CHECK_EQ(timeline->lives[0].went_us, 200);
    CHECK_EQ(timeline->lives[0].peak, 70);
    CHECK_EQ(timeline->lives[0].at_peak, 0);
    CHECK_EQ(timeline->lives[1].came_us, 300);
    CHECK_EQ(timeline->lives[1].at_peak, 90);
    CHECK_EQ(timeline->holder, 1);
    end(profile, timeline);
}

/* No peak is lost by a narrow picture, and none is where it was not. */
static void columns_show_the_most(void)
{
    struct pyro_timeline *timeline;
    size_t columns[4], single[1];
    writer = fixture_record(path, 10);
    uint32_t id = process(10, "sh");
    for (uint64_t i = 0; i < 100; i++)
        see(id, i * 10, i == 61 ? 1000 : 100 + i);
    struct pyro_profile *profile = read_back(&timeline);
    pyro_timeline_columns(timeline, columns, 4);
    CHECK_EQ(columns[0], 24);
    CHECK_EQ(columns[1], 49);
    CHECK_EQ(columns[2], 61);
    CHECK_EQ(columns[3], 99);
    pyro_timeline_columns(timeline, single, 1);
    CHECK_EQ(single[0], 61);
    end(profile, timeline);
}

/* What was before the first look is not made up. */
static void before_the_first_look_is_nothing(void)
{
    struct pyro_timeline *timeline;
    size_t columns[4];
    writer = fixture_record(path, 10);
    uint32_t id = process(10, "sh");
    see(id, 60, 10);
    see(id, 90, 20);
    see(id, 100, 5);
    struct pyro_profile *profile = read_back(&timeline);
    pyro_timeline_columns(timeline, columns, 4);
    CHECK(columns[0] == PYRO_NO_STEP && columns[1] == PYRO_NO_STEP);
    CHECK_EQ(columns[2], 0);
    CHECK_EQ(columns[3], 1);
    end(profile, timeline);
}

static void what_is_tracked_is_kept(void)
{
    struct pyro_timeline *timeline;
    writer = fixture_record(path, 10);
    const struct pyro_look look = {.process = process(10, "sh"),
                                   .tracked = true,
                                   .rss = 5,
                                   .files = 4,
                                   .swapped = 3,
                                   .live = 2,
                                   .native = 1};
    CHECK(pyro_writer_look(writer, &look));
    struct pyro_profile *profile = read_back(&timeline);
    CHECK(timeline->tracked);
    CHECK_EQ(timeline->steps[0].files, 4);
    CHECK_EQ(timeline->steps[0].swapped, 3);
    CHECK_EQ(timeline->steps[0].live, 2);
    CHECK_EQ(timeline->steps[0].native, 1);
    end(profile, timeline);
}

static void no_looks_are_told(void)
{
    struct pyro_timeline *timeline = NULL;
    struct pyro_error error;
    writer = fixture_record(path, 10);
    struct pyro_profile *profile = fixture_read_back(path, writer);
    CHECK_EQ(pyro_timeline_make(profile, &timeline, &error), -ENODATA);
    CHECK(strstr(error.hint, "--rss"));
    pyro_profile_free(profile);
    writer = fixture_record(path, 10);
    see(process(10, "sh"), 0, 0); /* the end of what never was */
    profile = fixture_read_back(path, writer);
    CHECK_EQ(pyro_timeline_make(profile, &timeline, &error), -EBADMSG);
    pyro_profile_free(profile);
}

static void the_writer_takes_no_nonsense(void)
{
    writer = fixture_record(path, 10);
    struct pyro_look look = {.process = 3, .rss = 1};
    CHECK(!pyro_writer_look(writer, &look));
    look.process = process(10, "sh");
    look.time_us = 9;
    CHECK(pyro_writer_look(writer, &look));
    look.time_us = 8; /* before the last one */
    CHECK(!pyro_writer_look(writer, &look));
    struct pyro_profile *profile = fixture_read_back(path, writer);
    CHECK_EQ(profile->look_count, 1);
    pyro_profile_free(profile);
}

/* A recording with one process, and a chunk of TYPE that holds NUMBERS: what reading it says. */
static int read_lie(enum pyro_chunk_type type, const uint64_t *numbers, size_t count)
{
    struct pyro_buffer block = {0}, chunk = {0};
    struct pyro_packer packer = {0};
    struct pyro_profile *profile = NULL;
    writer = fixture_record(path, 10);
    (void)process(10, "sh");
    CHECK_EQ(pyro_writer_close(writer, NULL), 0);
    for (size_t i = 0; i < count; i++)
        pyro_buffer_put_varint(&block, numbers[i]);
    size_t begin = pyro_chunk_begin(&chunk, type);
    CHECK_EQ(pyro_packer_put(&packer, &chunk, &block), 0);
    CHECK_EQ(pyro_chunk_end(&chunk, begin), 0);
    FILE *file = fopen(path, "r+b"); /* in the place of the end mark */
    CHECK_EQ(fseek(file, -PYRO_CHUNK_HEAD_SIZE, SEEK_END), 0);
    CHECK_EQ(fwrite(chunk.data, 1, chunk.size, file), chunk.size);
    fclose(file);
    int code = pyro_profile_read(path, &profile, NULL);
    pyro_profile_free(profile);
    unlink(path);
    pyro_packer_free(&packer);
    pyro_buffer_free(&block);
    pyro_buffer_free(&chunk);
    return code;
}

#define READ_LIE(type, ...)                         \
    read_lie(type, (const uint64_t[]){__VA_ARGS__}, \
             sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void lies_are_refused(void)
{
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, 0, 5, 0, 1, 2, 3, 4), 0);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, 1, 5, 0, 1, 2, 3, 4), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, UINT64_C(1) << 32, 5, 0, 1, 2, 3, 4), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, 0, 5, 0, UINT64_MAX, 2, 3, 4), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, 0, 5, 2, 1, 2, 3, 4, 5), -EBADMSG); /* cut off */
    const uint64_t half = UINT64_C(1) << 55;
    CHECK_EQ(READ_LIE(PYRO_CHUNK_LOOKS, 0, half, 1, 0, half, 1, 0, 1, 1), -EBADMSG); /* late */
    CHECK_EQ(READ_LIE(PYRO_CHUNK_CONFINEMENT, 0, 31, 1, 2, 3, 4, 5, 6), 0);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_CONFINEMENT, 9, 31, 1, 2, 3, 4, 5, 6), -EBADMSG); /* no text */
    CHECK_EQ(READ_LIE(PYRO_CHUNK_CONFINEMENT, 0, 31, UINT64_MAX, 2, 3, 4, 5, 6), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_CONFINEMENT, 0, 31, 1), -EBADMSG);
    CHECK_EQ(READ_LIE((enum pyro_chunk_type)33, 9, 9, 9), 0); /* of an older version: passed over */
    CHECK_EQ(READ_LIE(PYRO_CHUNK_SIZES, 0, 2, 1, 1, 1, 2), 0);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_SIZES, 0, PYRO_BLOCK_SIZES + 1, 1, 1), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_SIZES, 0, 2, 1, 1, 1), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_SIZES, 1, 1, 1, 1), -EBADMSG);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_WATCH, 1, 2, 3, 4, 5, 6), 0);
    CHECK_EQ(READ_LIE(PYRO_CHUNK_WATCH, 1, 2, UINT64_MAX, 4, 5, 6), -EBADMSG);
}

int main(void)
{
    return CHECK_MAIN(TEST(processes_are_added_up), TEST(lives_are_told_apart),
                      TEST(columns_show_the_most), TEST(before_the_first_look_is_nothing),
                      TEST(what_is_tracked_is_kept), TEST(no_looks_are_told),
                      TEST(the_writer_takes_no_nonsense), TEST(lies_are_refused));
}
