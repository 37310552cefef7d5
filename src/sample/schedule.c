/* sample/schedule.c - exponential gaps; sleep, then spin. */
#include "sample/schedule.h"

#include <math.h>

#include "base/clock.h"
#include "base/random.h"

#define SPIN_NS      (30 * PYRO_NS_PER_US) /* a sleep of less returns too late to be of use */
#define GAP_MAX      8.0                   /* means: a gap longer than this (1 in 3000) is cut */
#define LEAST_GAP_NS (40 * PYRO_NS_PER_US)
#define SLEEP_MAX_NS (100 * PYRO_NS_PER_MS)
/* Of a mean gap that is chosen by what it takes: how much shorter the next one may be, and the longest. */
#define SHORTER        0.7
#define THRIFTY_MAX_NS 5e8

static double random_means(struct pyro_schedule *schedule)
{
    double means = -log1p(-pyro_random_unit(&schedule->random));
    return means < GAP_MAX ? means : GAP_MAX;
}

static uint64_t random_gap(struct pyro_schedule *schedule)
{
    if (schedule->fixed)
        return schedule->mean_ns;
    return (uint64_t)((double)schedule->mean_ns * random_means(schedule));
}

/* The next tick, when we keep the target waiting while we work. Who comes back to a CPU before the one it kept waiting
 * has caught up is not let in before the kernel's next tick, milliseconds later: so there is a least gap, from now on. The
 * random rest is shortened by that and by what a sweep takes. */
static void draw_polite(struct pyro_schedule *schedule, uint64_t now_ns)
{
    uint64_t least = schedule->mean_ns * 2 / 5, busy = now_ns - schedule->due_ns;
    if (least > LEAST_GAP_NS)
        least = LEAST_GAP_NS;
    if (busy < schedule->mean_ns)
        schedule->busy_ns += ((int64_t)busy - (int64_t)schedule->busy_ns) / 16;
    uint64_t rest = schedule->mean_ns / 4;
    if (rest + least + schedule->busy_ns < schedule->mean_ns)
        rest = schedule->mean_ns - least - schedule->busy_ns;
    schedule->due_ns = now_ns + least + (uint64_t)((double)rest * random_means(schedule));
}

void pyro_schedule_start(struct pyro_schedule *schedule, uint64_t mean_ns, uint64_t now_ns)
{
    schedule->random = pyro_random_seed(now_ns);
    schedule->mean_ns = mean_ns;
    schedule->missed = schedule->late = 0;
    schedule->due_ns = now_ns;
}

uint64_t pyro_schedule_thrifty_gap_ns(uint64_t gap_ns, uint64_t asked_ns, double times)
{
    double wanted_ns = (double)gap_ns * (times > SHORTER ? times : SHORTER);
    wanted_ns = wanted_ns < THRIFTY_MAX_NS ? wanted_ns : THRIFTY_MAX_NS;
    return wanted_ns > (double)asked_ns ? (uint64_t)wanted_ns : asked_ns;
}

void pyro_schedule_set_mean(struct pyro_schedule *schedule, uint64_t mean_ns)
{
    schedule->mean_ns = mean_ns;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

uint64_t pyro_schedule_wait(struct pyro_schedule *schedule, uint64_t latest_ns,
                            const volatile int *stop, bool *ret_due)
{
    uint64_t now = pyro_clock_ns();
    *ret_due = false;
    if (schedule->polite && schedule->to_draw)
        draw_polite(schedule, now);
    schedule->to_draw = false;
    while (now < schedule->due_ns) {
        if ((stop && *stop) || now >= latest_ns)
            return now;
        uint64_t until = schedule->due_ns < latest_ns ? schedule->due_ns : latest_ns;
        if (until - now > SLEEP_MAX_NS)
            until = now + SLEEP_MAX_NS;
        bool sleeps = until > now + SPIN_NS || schedule->polite;
        if (sleeps && schedule->pause)
            schedule->pause(schedule->pause_context, until);
        else if (sleeps)
            pyro_clock_sleep_until(until);
        else
            relax();
        now = pyro_clock_ns();
    }
    *ret_due = true;
    schedule->late_ns = now - schedule->due_ns;
    if (schedule->late_ns > schedule->mean_ns / 2)
        schedule->late++;
    schedule->to_draw = schedule->polite && !schedule->fixed;
    if (schedule
            ->to_draw) { /* at the beginning of the next wait, when it is known how long the sweep took */
        schedule->missed += schedule->late_ns / schedule->mean_ns;
        return now;
    }
    schedule->due_ns += random_gap(schedule);
    if (schedule->due_ns + schedule->mean_ns < now) {
        /* Exponential gaps have no memory: what is overdue is missed, and the next tick is drawn from now. */
        schedule->missed += (now - schedule->due_ns) / schedule->mean_ns;
        schedule->due_ns = now + random_gap(schedule);
    }
    return now;
}
