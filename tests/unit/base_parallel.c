/* Parts are done once each, whoever does them. */
#include "base/parallel.h"

#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum { PARTS = 1000 };

struct seen {
    unsigned done[PARTS];
    uint64_t sums[PARTS];
};

static void add_up(void *context, size_t which)
{
    struct seen *seen = context;
    seen->done[which]++;
    for (uint64_t i = 0; i < which; i++)
        seen->sums[which] += i;
}

static void each_part_is_done_once(void)
{
    static struct seen seen;
    pyro_parallel(PARTS, add_up, &seen);
    for (size_t i = 0; i < PARTS; i++) {
        CHECK_EQ(seen.done[i], 1);
        CHECK_EQ(seen.sums[i], i * (i - (i > 0)) / 2);
    }
    pyro_parallel(0, add_up, &seen);
    CHECK_EQ(seen.done[0], 1);
}

static atomic_uint here;

/* Two parts wait for each other: alone, neither would end. */
static void meet(void *context, size_t which)
{
    (void)context;
    (void)which;
    atomic_fetch_add(&here, 1);
    while (atomic_load(&here) < 2)
        sched_yield();
}

static void parts_go_on_at_once(void)
{
    cpu_set_t cpus;
    CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    if (CPU_COUNT(&cpus) < 2)
        return; /* by one thread, one after the other */
    pyro_parallel(2, meet, NULL);
    CHECK_EQ(atomic_load(&here), 2);
}

static void note_thread(void *context, size_t which)
{
    ((pthread_t *)context)[which] = pthread_self();
}

static void one_cpu_needs_no_thread(void)
{
    cpu_set_t before, one;
    pthread_t who[3];
    CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    pyro_parallel(3, note_thread, who);
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_equal(who[i], pthread_self()));
    CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(each_part_is_done_once), TEST(parts_go_on_at_once),
                      TEST(one_cpu_needs_no_thread));
}
