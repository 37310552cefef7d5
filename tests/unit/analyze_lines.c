/* tests/unit/analyze_lines.c - analyze/lines.h, profile/line_totals.h. */
#include "analyze/lines.h"

#include "fixture_profile.h"

#include <errno.h>
#include <math.h>

static bool near(double actual, double expected)
{
    return fabs(actual - expected) < 1e-6;
}

static struct pyro_lines *lines_of(const struct pyro_profile *profile)
{
    struct pyro_lines *lines = NULL;
    struct pyro_error error = {0};
    CHECK_EQ(pyro_lines_make(profile, &lines, &error), 0);
    return lines;
}

static void check_line(const struct pyro_line *line, uint32_t number, double time_s, double self_s)
{
    CHECK_EQ(line->line, number);
    CHECK(near(line->time_s, time_s));
    CHECK(near(line->self_s, self_s));
    CHECK_EQ(line->samples, (uint64_t)(time_s * 1000 + 0.5)); /* of 1 ms each */
    CHECK_EQ(line->hits, PYRO_NO_CALLS);
}

/* Two lines of one function, one of which calls; a C function is a callee like any other. */
static void a_line_has_what_it_called(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t run = fixture_function(profile, "run", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t late = fixture_frame(profile, run, 5), early = fixture_frame(profile, run, 3);
    uint32_t callee = fixture_code(profile, "callee", "/srv/shop/a.py", 10);
    uint32_t sleep =
        fixture_frame(profile, fixture_function(profile, "{sleep}", "", 0, PYRO_FUNCTION_C), 0);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, late), .state = PYRO_STATE_RUNNING,
                .count = 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, early, callee), .state = PYRO_STATE_RUNNING,
                .count = 70);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, early, sleep), .state = PYRO_STATE_RUNNING,
                .count = 20);
    struct pyro_lines *lines = lines_of(profile);
    CHECK_EQ(lines->function_count, 2);
    const struct pyro_lines_function *first = &lines->functions[0], *second = first + 1;
    CHECK(first->function == run && near(first->total_s, 0.1) && first->samples == 100);
    CHECK_EQ(first->count, 2);
    check_line(&lines->lines[first->first], 3, 0.09, 0);
    check_line(&lines->lines[first->first + 1], 5, 0.01, 0.01);
    CHECK(near(second->total_s, 0.07) && second->count == 1);
    check_line(&lines->lines[second->first], 11, 0.07, 0.07);
    CHECK(lines->lines[second->first].time_sigma_s > 0);
    pyro_lines_free(lines);
    fixture_free(profile);
}

/* walk() calls itself in line 3: a moment counts once for a line, however often that is on the stack. */
static void a_recursive_call_is_in_the_line_that_calls(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t walk = fixture_function(profile, "walk", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t calls = fixture_frame(profile, walk, 3), works = fixture_frame(profile, walk, 4);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, calls, calls, works),
                .state = PYRO_STATE_RUNNING, .count = 30);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, calls, calls), .state = PYRO_STATE_RUNNING,
                .count = 5);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, works), .state = PYRO_STATE_RUNNING,
                .count = 10);
    struct pyro_lines *lines = lines_of(profile);
    CHECK_EQ(lines->function_count, 1);
    CHECK(near(lines->functions[0].total_s, 0.045));
    check_line(&lines->lines[0], 3, 0.035, 0.005);
    check_line(&lines->lines[1], 4, 0.04, 0.04);
    pyro_lines_free(lines);
    fixture_free(profile);
}

/* Of two threads; what was not counted is sampled beside it. */
static void counted_lines_are_exact(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t work = fixture_function(profile, "work", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t other = fixture_code(profile, "other", "/srv/shop/a.py", 20);
    uint32_t three = fixture_frame(profile, work, 3);
    uint32_t second = fixture_thread(profile, 0, 4712, "second");
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, three), .state = PYRO_STATE_RUNNING,
                .count = 4);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, three, other), .state = PYRO_STATE_RUNNING,
                .count = 6);
    fixture_line(profile, 0, work, 0, 0, 40000000);
    fixture_line(profile, second, work, 0, 0, 2000000);
    fixture_line(profile, 0, work, 2, 7, 1000000);
    fixture_line(profile, 0, work, 3, 100, 39000000);
    fixture_line(profile, second, work, 3, 50, 2000000);
    struct pyro_lines *lines = lines_of(profile);
    CHECK_EQ(lines->function_count, 2);
    const struct pyro_lines_function *first = &lines->functions[0], *sampled = first + 1;
    CHECK(first->function == work && first->counted && near(first->total_s, 0.042));
    CHECK_EQ(first->count, 2);
    const struct pyro_line *line = &lines->lines[first->first];
    CHECK(line[0].line == 2 && line[0].hits == 7 && near(line[0].time_s, 0.001));
    CHECK(line[1].line == 3 && line[1].hits == 150 && near(line[1].time_s, 0.041));
    CHECK(line[0].samples == 0 && line[1].samples == 10 && near(line[1].self_s, 0.004));
    CHECK(line[1].time_sigma_s == 0);
    CHECK(!sampled->counted && sampled->function == profile->frames[other].function);
    pyro_lines_free(lines);
    fixture_free(profile);
}

/* Events cost 10 us a hit: line 2 has less than that left, line 3 more, and line 4 more than the function. */
static void lines_that_cost_more_to_count_than_they_took_are_rough(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t work = fixture_function(profile, "work", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    fixture_line(profile, 0, work, 0, 0, 5000000);
    fixture_line(profile, 0, work, 2, 100, 900000);
    fixture_line(profile, 0, work, 3, 100, 1100000);
    fixture_line(profile, 0, work, 4, 100, 5500000);
    profile->counters.lines_cost_us = 3000;
    struct pyro_lines *lines = lines_of(profile);
    CHECK(near(lines->hit_cost_us, 10));
    CHECK(near(lines->functions[0].total_s, 0.0055));
    CHECK(lines->lines[0].rough && !lines->lines[1].rough && !lines->lines[2].rough);
    pyro_lines_free(lines);
    fixture_free(profile);
}

/* A call begins in line 1, which has no hit. */
static void lines_that_were_only_counted_have_the_time_of_samples(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t work = fixture_function(profile, "work", "/srv/shop/a.py", 1, PYRO_FUNCTION_PYTHON);
    uint32_t other = fixture_code(profile, "other", "/srv/shop/a.py", 20);
    uint32_t one = fixture_frame(profile, work, 1), three = fixture_frame(profile, work, 3);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, one), .state = PYRO_STATE_RUNNING,
                .count = 2);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, three), .state = PYRO_STATE_RUNNING,
                .count = 4);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, three, other), .state = PYRO_STATE_RUNNING,
                .count = 6);
    fixture_line(profile, 0, work, 2, 7, 0);
    fixture_line(profile, 0, work, 3, 150, 0);
    profile->counters.lines_sampled = 1;
    struct pyro_lines *lines = lines_of(profile);
    const struct pyro_lines_function *function = &lines->functions[0];
    const struct pyro_line *line = &lines->lines[function->first];
    CHECK(function->function == work && function->counted && !function->timed);
    CHECK(function->count == 3 && near(function->total_s, 0.012));
    CHECK(line[0].line == 1 && line[0].hits == 0 && near(line[0].time_s, 0.002));
    CHECK(line[1].line == 2 && line[1].hits == 7 && line[1].time_s == 0);
    CHECK(line[2].line == 3 && line[2].hits == 150 && near(line[2].time_s, 0.010));
    CHECK(line[2].time_sigma_s > 0 && line[2].samples == 10);
    pyro_lines_free(lines);
    /* Chosen after the samples in which no other was called. */
    profile->counters.lines_from_us = pyro_sample_time_us(profile, 5);
    lines = lines_of(profile);
    function = &lines->functions[0];
    CHECK(function->count == 2 && near(function->total_s, 0.006));
    CHECK(near(function->before_s, 0.006));
    CHECK(near(lines->lines[function->first + 1].time_s, 0.006));
    pyro_lines_free(lines);
    fixture_free(profile);
}

static void timed_calls_know_no_lines(void)
{
    struct pyro_profile *profile = fixture_profile();
    struct pyro_lines *lines = NULL;
    struct pyro_error error = {0};
    profile->timed = true;
    CHECK_EQ(pyro_lines_make(profile, &lines, &error), -ENODATA);
    CHECK(!lines && *error.message && *error.hint);
    fixture_free(profile);
}

static void nothing_is_no_function(void)
{
    struct pyro_profile *profile = fixture_profile();
    struct pyro_lines *lines = lines_of(profile);
    CHECK_EQ(lines->function_count, 0);
    pyro_lines_free(lines);
    fixture_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(a_line_has_what_it_called), TEST(a_recursive_call_is_in_the_line_that_calls),
        TEST(counted_lines_are_exact), TEST(lines_that_were_only_counted_have_the_time_of_samples),
        TEST(lines_that_cost_more_to_count_than_they_took_are_rough),
        TEST(timed_calls_know_no_lines), TEST(nothing_is_no_function));
}
