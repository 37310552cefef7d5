/* The schedule: gaps are exponential whatever the mean, and what was missed is counted. Time is not waited for: a tick
 * that is long overdue comes at once, so gaps are read off due_ns. */
#include "check.h"

#include "base/clock.h"
#include "sample/schedule.h"

#include <math.h>

#define TICKS   20000
#define MEAN_NS (10 * PYRO_NS_PER_US)

/* Draw TICKS gaps from a schedule whose ticks all lie far in the past, in units of the mean. The mean is so large, seen
 * from there, that nothing counts as missed. */
static void draw(struct pyro_schedule *schedule, double *gaps)
{
    uint64_t mean = PYRO_NS_PER_S * 3600;
    for (int i = 0; i < TICKS; i++) {
        bool due = false;
        schedule->mean_ns = mean;
        schedule->due_ns = pyro_clock_ns();
        uint64_t before = schedule->due_ns,
                 now = pyro_schedule_wait(schedule, UINT64_MAX, NULL, &due);
        CHECK(due);
        CHECK(now >= before);
        CHECK(schedule->due_ns >= before);
        gaps[i] = (double)(schedule->due_ns - before) / (double)mean;
    }
}

static void gaps_are_exponential(void)
{
    static double gaps[TICKS];
    struct pyro_schedule schedule = {0};
    pyro_schedule_start(&schedule, MEAN_NS, 12345);
    draw(&schedule, gaps);
    double sum = 0, squares = 0, products = 0;
    int longer[5] = {0};
    for (int i = 0; i < TICKS; i++) {
        sum += gaps[i];
        squares += gaps[i] * gaps[i];
        products += i ? (gaps[i] - 1) * (gaps[i - 1] - 1) : 0;
        for (int k = 0; k < 5; k++)
            longer[k] += gaps[i] > k;
    }
    double mean = sum / TICKS, variance = squares / TICKS - mean * mean;
    printf("# mean %.4f variance %.4f correlation %.4f\n", mean, variance, products / TICKS);
    CHECK(fabs(mean - 1) < 5 / sqrt(TICKS));
    CHECK(fabs(variance - 1) <
          5 * sqrt(8.0 / TICKS)); /* the variance of the square of an exponential's deviation */
    CHECK(fabs(products / TICKS) < 5 / sqrt(TICKS)); /* each gap knows nothing of the last */
    for (int k = 0; k < 5; k++) {
        double expected = exp(-k), sigma = sqrt(expected * (1 - expected) / TICKS);
        CHECK(fabs((double)longer[k] / TICKS - expected) <= 5 * sigma + 1.0 / TICKS);
    }
}

static void thrift_follows_what_it_takes(void)
{
    uint64_t asked = 20 * PYRO_NS_PER_MS, gap = asked;
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(asked, asked, 0.3), asked);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(asked, asked, 1.0), asked);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(asked, asked, 4.0), 4 * asked);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(asked, asked, 1000.0), 500 * PYRO_NS_PER_MS);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(4 * asked, asked, 0.9), asked * 36 / 10);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(4 * asked, asked, 0.01),
             asked * 28 / 10); /* not at once */
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(asked + 1, asked, 0.0), asked);
    CHECK_EQ(pyro_schedule_thrifty_gap_ns(PYRO_NS_PER_S, PYRO_NS_PER_S, 9.0), PYRO_NS_PER_S);
    for (int i = 0; i < 30; i++) /* a sweep takes 1 ms, all else 2 ms a second; 9 are allowed */
        gap = pyro_schedule_thrifty_gap_ns(gap, asked, (1e6 * 1e9 / (double)gap + 2e6) / 9e6);
    CHECK(fabs((double)gap - 1e9 / 7) < 1e6);
}

static void no_gap_is_endless(void)
{
    static double gaps[TICKS];
    struct pyro_schedule schedule = {0};
    pyro_schedule_start(&schedule, MEAN_NS, 1);
    draw(&schedule, gaps);
    for (int i = 0; i < TICKS; i++)
        CHECK(gaps[i] <= 8);
}

static void two_starts_are_not_in_step(void)
{
    static double first[TICKS], second[TICKS];
    struct pyro_schedule schedule = {0};
    pyro_schedule_start(&schedule, MEAN_NS, 1000);
    draw(&schedule, first);
    pyro_schedule_start(&schedule, MEAN_NS, 1001);
    draw(&schedule, second);
    double products = 0;
    for (int i = 0; i < TICKS; i++)
        products += (first[i] - 1) * (second[i] - 1);
    CHECK(fabs(products / TICKS) < 5 / sqrt(TICKS));
}

static void a_fixed_period_has_no_jitter(void)
{
    static double gaps[TICKS];
    struct pyro_schedule schedule = {.fixed = true};
    pyro_schedule_start(&schedule, MEAN_NS, 1);
    draw(&schedule, gaps);
    for (int i = 0; i < TICKS; i++)
        CHECK(gaps[i] == 1);
}

/* Who shares the CPU with the target leaves it alone for a while, and keeps the rate all the same. */
static void polite_gaps_have_a_least_and_the_same_mean(void)
{
    static const volatile int stop = 1; /* drawn, but not waited for */
    struct pyro_schedule schedule = {.polite = true};
    uint64_t mean = 200 * PYRO_NS_PER_US, least = UINT64_MAX;
    double sum = 0;
    pyro_schedule_start(&schedule, mean, 1);
    for (int i = 0; i < TICKS; i++) {
        bool due = true;
        uint64_t before = pyro_clock_ns();
        schedule.due_ns = before;
        schedule.to_draw = true;
        schedule.busy_ns = 0;
        (void)pyro_schedule_wait(&schedule, UINT64_MAX, &stop, &due);
        CHECK(!due);
        uint64_t gap = schedule.due_ns - before;
        least = gap < least ? gap : least;
        sum += (double)gap / (double)mean;
    }
    printf("# least %llu ns, mean %.4f\n", (unsigned long long)least, sum / TICKS);
    CHECK(least >= 40 * PYRO_NS_PER_US);
    CHECK(fabs(sum / TICKS - 1) < 0.05); /* what the loop itself takes is in it */
}

/* What is overdue by N means is N ticks missed, as many as a sampler in time would have had. */
static void what_is_overdue_is_missed(void)
{
    struct pyro_schedule schedule = {0};
    uint64_t rounds = 400, overdue = 1000, ticks = 0;
    pyro_schedule_start(&schedule, PYRO_NS_PER_MS, pyro_clock_ns());
    for (uint64_t i = 0; i < rounds; i++) {
        bool due = false;
        schedule.due_ns = pyro_clock_ns() - overdue * PYRO_NS_PER_MS;
        uint64_t now = pyro_schedule_wait(&schedule, UINT64_MAX, NULL, &due);
        CHECK(due);
        CHECK(schedule.due_ns >= now); /* drawn from now: no burst to catch up */
        ticks++;
    }
    double expected = (double)(rounds * (overdue - 1));
    printf("# missed %llu, late %llu\n", (unsigned long long)schedule.missed,
           (unsigned long long)schedule.late);
    CHECK((double)schedule.missed > 0.99 * expected && (double)schedule.missed < 1.02 * expected);
    CHECK_EQ(schedule.late, ticks);
}

static void a_tick_in_time_is_neither_late_nor_missed(void)
{
    struct pyro_schedule schedule = {0};
    bool due = false;
    pyro_schedule_start(&schedule, 3600 * PYRO_NS_PER_S, pyro_clock_ns());
    CHECK(pyro_schedule_wait(&schedule, UINT64_MAX, NULL, &due) > 0);
    CHECK(due);
    CHECK_EQ(schedule.missed, 0);
    CHECK_EQ(schedule.late, 0);
}

static void waiting_ends_at_the_latest_or_when_told(void)
{
    struct pyro_schedule schedule = {0};
    volatile int stop = 1;
    bool due = true;
    uint64_t now = pyro_clock_ns();
    pyro_schedule_start(&schedule, PYRO_NS_PER_S, now);
    schedule.due_ns = now + 3600 * PYRO_NS_PER_S;
    CHECK(pyro_schedule_wait(&schedule, UINT64_MAX, &stop, &due) >= now);
    CHECK(!due);
    due = true;
    CHECK(pyro_schedule_wait(&schedule, now + PYRO_NS_PER_MS, NULL, &due) >= now + PYRO_NS_PER_MS);
    CHECK(!due);
    CHECK_EQ(schedule.due_ns, now + 3600 * PYRO_NS_PER_S); /* still to come */
    stop = 0;
    schedule.due_ns = pyro_clock_ns() + PYRO_NS_PER_MS;
    uint64_t tick = schedule.due_ns;
    CHECK(pyro_schedule_wait(&schedule, UINT64_MAX, &stop, &due) >= tick);
    CHECK(due);
}

struct paused {
    int count;
    uint64_t until_ns;
};

/* Comes back at once, as if something had to be done meanwhile. */
static void pause_briefly(void *context, uint64_t until_ns)
{
    struct paused *paused = context;
    paused->count++;
    paused->until_ns = until_ns;
    if (paused->count > 3)
        pyro_clock_sleep_until(until_ns);
}

static void a_pause_may_be_shorter_than_the_gap(void)
{
    struct paused paused = {0};
    struct pyro_schedule schedule = {.pause = pause_briefly, .pause_context = &paused};
    bool due = false;
    pyro_schedule_start(&schedule, PYRO_NS_PER_S, 12345);
    uint64_t due_ns = schedule.due_ns = pyro_clock_ns() + 5 * PYRO_NS_PER_MS;
    uint64_t now = pyro_schedule_wait(&schedule, UINT64_MAX, NULL, &due);
    CHECK(due && now >= due_ns);
    CHECK(paused.count > 3);
    CHECK_EQ(paused.until_ns, due_ns);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(gaps_are_exponential), TEST(thrift_follows_what_it_takes), TEST(no_gap_is_endless),
        TEST(two_starts_are_not_in_step), TEST(a_fixed_period_has_no_jitter),
        TEST(polite_gaps_have_a_least_and_the_same_mean), TEST(what_is_overdue_is_missed),
        TEST(a_tick_in_time_is_neither_late_nor_missed),
        TEST(waiting_ends_at_the_latest_or_when_told), TEST(a_pause_may_be_shorter_than_the_gap));
}
