/* Moments of stacks, added up by line at steps of time. */
#include "fixture_recording.h"
#include "profile/held.h"

#include <errno.h>

static const char path[] = "profile_held.pyro";
static struct pyro_writer *writer;
static uint32_t function;

static void begin(void)
{
    writer = fixture_record(path, 10);
    const struct pyro_function keep = {.name = pyro_writer_string(writer, "keep", 4)};
    function = pyro_writer_function(writer, &keep);
}

static uint32_t stack(uint32_t parent, uint32_t line)
{
    return pyro_writer_stack(writer, parent, pyro_writer_frame(writer, function, line));
}

static void note(uint32_t process, uint32_t stack, uint64_t time_us, uint64_t live)
{
    const struct pyro_stack_moment moment = {
        .process = process, .stack = stack, .time_us = time_us, .live = live};
    pyro_writer_moment(writer, &moment);
}

static void look(uint32_t process, uint64_t time_us, bool gone)
{
    const struct pyro_look look = {
        .process = process, .time_us = time_us, .rss = 1, .tracked = true, .gone = gone};
    CHECK(pyro_writer_look(writer, &look));
}

struct seen {
    struct pyro_held items[200];
    size_t steps[200], count;
};
static struct seen seen;

static void see(void *context, size_t step, const struct pyro_held *held)
{
    CHECK(context == &seen && seen.count < 200);
    seen.steps[seen.count] = step;
    seen.items[seen.count++] = *held;
}

static struct pyro_profile *ask(size_t steps)
{
    struct pyro_profile *profile = fixture_read_back(path, writer);
    seen.count = 0;
    CHECK_EQ(pyro_held_each(profile, steps, see, &seen), 0);
    return profile;
}

static uint32_t line_of(const struct pyro_profile *profile, const struct pyro_held *held, size_t at)
{
    return profile->frames[held->lines[at].frame].line;
}

/* A stack has what its last moment says; those that end in one line are added up. */
static void lines_have_what_their_stacks_have(void)
{
    begin();
    uint32_t one = pyro_writer_process(writer, 10, 1, "one", "");
    uint32_t outer = stack(PYRO_STACK_ROOT, 7), inner = stack(outer, 8), again = stack(inner, 7);
    note(one, outer, 100, 5000);
    note(one, inner, 150, 9000);
    note(one, again, 200, 6000);
    note(one, outer, 300, 0);
    note(one, PYRO_STACK_ROOT, 290, 777); /* of the end: no stack's */
    struct pyro_profile *profile = ask(5);
    CHECK_EQ(seen.count, 5);
    const uint64_t times[] = {100, 150, 200, 250, 300}, live[] = {5000, 14000, 20000, 20000, 15000};
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(seen.steps[i], i);
        CHECK_EQ(seen.items[i].time_us, times[i]);
        CHECK_EQ(seen.items[i].live, live[i]);
    }
    CHECK_EQ(seen.items[0].count, 1);
    CHECK_EQ(line_of(profile, &seen.items[1], 0), 8);
    CHECK_EQ(line_of(profile, &seen.items[2], 0), 7);
    CHECK_EQ(seen.items[2].lines[0].bytes, 11000);
    CHECK_EQ(line_of(profile, &seen.items[4], 0), 8);
    CHECK_EQ(seen.items[4].lines[1].bytes, 6000);
    pyro_profile_free(profile);
}

/* From its first moment until it was gone; what nobody saw the end of goes on. */
static void processes_have_their_time(void)
{
    begin();
    uint32_t one = pyro_writer_process(writer, 10, 1, "one", "");
    uint32_t other = pyro_writer_process(writer, 11, 10, "other", "");
    uint32_t kept = stack(PYRO_STACK_ROOT, 7);
    note(one, kept, 0, 5000);
    note(other, kept, 100, 7000);
    note(other, kept, 210, 8000); /* read after its end */
    look(one, 0, false);
    look(other, 200, true);
    pyro_writer_watch(writer, &(struct pyro_watch){.looks = 2, .until_us = 400});
    struct pyro_profile *profile = ask(5);
    CHECK_EQ(seen.count, 6); /* 0, 100 (both), 200, 300, 400 */
    CHECK_EQ(seen.items[1].process, one);
    CHECK_EQ(seen.items[2].process, other);
    CHECK_EQ(seen.items[2].time_us, 100);
    CHECK_EQ(seen.items[2].live, 7000);
    CHECK_EQ(seen.items[5].time_us, 400);
    pyro_profile_free(profile);
}

/* It had what it had until the other program has something, whenever its end was noticed. */
static void who_becomes_another_program_begins_anew(void)
{
    begin();
    uint32_t before = pyro_writer_process(writer, 10, 1, "one", "");
    uint32_t after = pyro_writer_process(writer, 10, 1, "one", "3.13");
    uint32_t kept = stack(PYRO_STACK_ROOT, 7);
    note(before, kept, 0, 5000);
    note(after, kept, 150, 3000);
    look(before, 0, false);
    look(before, 310, true); /* so late */
    look(after, 310, false);
    pyro_writer_watch(writer, &(struct pyro_watch){.looks = 3, .until_us = 400});
    struct pyro_profile *profile = ask(5);
    CHECK_EQ(seen.count, 5); /* 0, 100, 200, 300, 400 */
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(seen.items[i].process, i < 2 ? before : after);
        CHECK_EQ(seen.items[i].live, i < 2 ? 5000 : 3000);
    }
    pyro_profile_free(profile);
}

static void those_with_the_most_are_told(void)
{
    begin();
    uint32_t one = pyro_writer_process(writer, 10, 1, "one", "");
    for (uint32_t i = 0; i < 40; i++)
        note(one, stack(PYRO_STACK_ROOT, 100 + i * 7 % 40), 50, 4096 + i * 7 % 40);
    struct pyro_profile *profile = ask(64);
    CHECK_EQ(seen.count, 1); /* there is one moment only */
    CHECK_EQ(seen.items[0].count, PYRO_HELD_LINES);
    CHECK_EQ(seen.items[0].live, 40 * 4096 + 40 * 39 / 2);
    for (uint32_t i = 0; i < PYRO_HELD_LINES; i++) {
        CHECK_EQ(seen.items[0].lines[i].bytes, 4096 + 39 - i);
        CHECK_EQ(line_of(profile, &seen.items[0], i), 100 + 39 - i);
    }
    pyro_profile_free(profile);
}

/* Figures are then as wrong as what they are of, but nothing else happens. */
static void moments_may_be_lies(void)
{
    begin();
    uint32_t one = pyro_writer_process(writer, 10, 1, "one", "");
    uint32_t kept = stack(PYRO_STACK_ROOT, 7);
    for (uint64_t i = 0; i < 300; i++)
        note(one, i % 2 ? kept : stack(kept, (uint32_t)i), (i * 7919) << 32, UINT64_C(1) << 56);
    look(one, 0, true); /* before it began */
    struct pyro_profile *profile = ask(64);
    CHECK_EQ(seen.count, 1); /* all of them are of before its end */
    pyro_profile_free(profile);
    begin();
    profile = ask(64);
    CHECK_EQ(seen.count, 0);
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(TEST(lines_have_what_their_stacks_have), TEST(processes_have_their_time),
                      TEST(who_becomes_another_program_begins_anew),
                      TEST(those_with_the_most_are_told), TEST(moments_may_be_lies));
}
