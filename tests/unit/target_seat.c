/* tests/unit/target_seat.c - target/seat.h. */
#include "target/seat.h"
#include "base/clock.h"
#include "target/internal.h"

#include "target_child.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define NO_SUCH_CPU (CPU_SETSIZE - 1)
#define LOOKS       300

/* -- moving ----------------------------------------------------------------------------------- */

static struct {
    const int *route; /* CPUs to go to, PYRO_SEAT_DONE last */
    int calls, cpus[8], really[8];
    pthread_t threads[8];
} tour;

static int visit(struct pyro_seat *seat, void *context)
{
    CHECK(context == &tour);
    CHECK(tour.calls < 8);
    tour.cpus[tour.calls] = seat->cpu;
    tour.really[tour.calls] = sched_getcpu();
    tour.threads[tour.calls] = pthread_self();
    return tour.route[tour.calls++];
}

/* The first two CPUs we may use; the same twice if there is one only. */
static void usable(int cpus[2])
{
    cpu_set_t set;
    int count = 0;
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++)
        if (CPU_ISSET((size_t)cpu, &set))
            cpus[count++] = cpu;
    if (count == 1)
        cpus[1] = cpus[0];
}

static void travel(const int *route)
{
    struct pyro_seats *seats;
    CHECK(pyro_seats_new(&seats) == 0);
    memset(&tour, 0, sizeof(tour));
    tour.route = route;
    pyro_seats_run(seats, visit, &tour);
    pyro_seats_free(seats);
}

static void work_moves_from_seat_to_seat(void)
{
    int cpus[2];
    usable(cpus);
    const int route[] = {cpus[0], cpus[1], cpus[0], PYRO_SEAT_NONE, cpus[1], PYRO_SEAT_DONE};
    travel(route);
    CHECK_EQ(tour.calls, 6);
    CHECK_EQ(tour.cpus[0], PYRO_SEAT_NONE);
    for (int i = 1; i < 6; i++) {
        CHECK_EQ(tour.cpus[i], route[i - 1]);
        if (route[i - 1] != PYRO_SEAT_NONE)
            CHECK_EQ(tour.really[i], route[i - 1]);
    }
    CHECK(pthread_equal(tour.threads[0], pthread_self()));
    CHECK(pthread_equal(tour.threads[4], pthread_self()));
    CHECK(pthread_equal(tour.threads[1], tour.threads[3]));
    CHECK(!pthread_equal(tour.threads[1], pthread_self()));
}

static void a_cpu_that_is_refused_leaves_us_where_we_are(void)
{
    int cpus[2];
    usable(cpus);
    const int route[] = {NO_SUCH_CPU, cpus[0], NO_SUCH_CPU, PYRO_SEAT_DONE};
    struct pyro_seats *seats;
    CHECK(pyro_seats_new(&seats) == 0);
    memset(&tour, 0, sizeof(tour));
    tour.route = route;
    CHECK(pyro_seats_offer(seats, NO_SUCH_CPU));
    pyro_seats_run(seats, visit, &tour);
    CHECK(!pyro_seats_offer(seats, NO_SUCH_CPU));
    CHECK(pyro_seats_offer(seats, cpus[0]));
    CHECK(!pyro_seats_offer(seats, -5));
    CHECK(!pyro_seats_offer(seats, CPU_SETSIZE));
    pyro_seats_free(seats);
    CHECK_EQ(tour.calls, 4);
    CHECK_EQ(tour.cpus[1], PYRO_SEAT_NONE);
    CHECK_EQ(tour.cpus[2], cpus[0]);
    CHECK_EQ(tour.cpus[3], cpus[0]);
}

/* -- standing still --------------------------------------------------------------------------- */

static struct {
    volatile unsigned long turns; /* counts as long as the child runs */
    uint64_t self;                /* its pthread_self() */
} * shared;

static void spin(int ready_fd)
{
    shared->self = (uint64_t)pthread_self();
    child_ready(ready_fd);
    for (;;)
        shared->turns++;
}

static struct {
    struct pyro_memory *memory;
    pyro_addr note;
    int looks, proved, moved, went_on;
    unsigned long last;
} watch;

static void busy_wait(uint64_t ns)
{
    for (uint64_t until = pyro_clock_ns() + ns; pyro_clock_ns() < until;)
        ;
}

/* Look at the counter twice, some time apart, and then at the note: as a copy and its proof. */
static int look(struct pyro_seat *seat, void *context)
{
    (void)context;
    int32_t cpu = -1;
    while (watch.looks < LOOKS) {
        pyro_clock_sleep_until(pyro_clock_ns() + 200 * PYRO_NS_PER_US);
        pyro_seat_begin(seat);
        unsigned long before = shared->turns;
        busy_wait(50 * PYRO_NS_PER_US);
        unsigned long after = shared->turns;
        CHECK(pyro_memory_read(watch.memory, watch.note, &cpu, sizeof(cpu)) == 0);
        bool proved = pyro_seat_kept(seat) && cpu == seat->cpu;
        watch.looks++;
        watch.proved += proved;
        watch.moved += proved && before != after;
        watch.went_on += before != watch.last;
        watch.last = after;
        if (cpu != seat->cpu && cpu >= 0)
            return cpu;
    }
    return PYRO_SEAT_DONE;
}

static void what_is_proved_to_stand_still_does(void)
{
    struct pyro_seats *seats;
    struct pyro_error error;
    int64_t offset;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t pid = child_start(spin);
    CHECK(pyro_memory_open(pid, &watch.memory, &error) == 0);
    int found = pyro_seat_find_note(pid, watch.memory, &offset);
    if (found < 0) {
        child_kill(pid);
        SKIP("no rseq areas here (they take glibc 2.35 and Linux 4.18)");
    }
    watch.note = pyro_addr_at(shared->self + (uint64_t)offset);
    CHECK(pyro_seats_new(&seats) == 0);
    pyro_seats_run(seats, look, NULL);
    pyro_seats_free(seats);
    pyro_memory_free(watch.memory);
    child_kill(pid);
    printf("# %d looks, %d proved\n", watch.looks, watch.proved);
    CHECK_EQ(watch.moved, 0);
    CHECK(watch.proved > 0);
    CHECK(watch.went_on > LOOKS / 2); /* and between the looks it does not */
}

#ifdef __has_builtin
#if __has_builtin(__builtin_thread_pointer)
#define thread_pointer() ((uint64_t)(uintptr_t)__builtin_thread_pointer())
#endif
#endif

static void the_thread_pointer_is_found(void)
{
#ifdef thread_pointer
    struct pyro_maps maps;
    struct pyro_memory *memory;
    struct pyro_error error;
    int64_t offset;
    CHECK(pyro_memory_open(getpid(), &memory, &error) == 0);
    CHECK(pyro_maps_load(getpid(), &maps, &error) == 0);
    CHECK_EQ(pyro_thread_pointer_offset(getpid(), &maps, memory, &offset), 0);
    CHECK_EQ((uint64_t)pthread_self() + (uint64_t)offset, thread_pointer());
    pyro_maps_clear(&maps);
    pyro_memory_free(memory);
#else
    SKIP("a compiler that does not tell the thread pointer");
#endif
}

static void the_note_is_where_we_run(void)
{
    struct pyro_memory *memory;
    struct pyro_error error;
    int64_t offset;
    int32_t cpu = -1;
    CHECK(pyro_memory_open(getpid(), &memory, &error) == 0);
    if (pyro_seat_find_note(getpid(), memory, &offset) < 0)
        SKIP("no rseq areas here (they take glibc 2.35 and Linux 4.18)");
    int cpus[2];
    usable(cpus);
    for (int i = 0; i < 2; i++) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET((size_t)cpus[i], &only);
        CHECK(sched_setaffinity(0, sizeof(only), &only) == 0);
        pyro_addr note = pyro_addr_at((uint64_t)pthread_self() + (uint64_t)offset);
        CHECK(pyro_memory_read(memory, note, &cpu, sizeof(cpu)) == 0);
        CHECK_EQ(cpu, cpus[i]);
    }
    pyro_memory_free(memory);
}

static void sitting_nowhere_proves_nothing(void)
{
    struct pyro_seat nowhere = {.cpu = PYRO_SEAT_NONE};
    pyro_seat_begin(&nowhere);
    CHECK(!pyro_seat_kept(&nowhere));
}

/* Try until nobody else wanted the CPU: awake it is kept, asleep it is not. */
static int doze(struct pyro_seat *seat, void *context)
{
    int *cpu = context;
    if (seat->cpu == PYRO_SEAT_NONE)
        return *cpu;
    bool kept = false;
    for (int i = 0; i < 1000 && !kept; i++) {
        pyro_seat_begin(seat);
        kept = pyro_seat_kept(seat);
    }
    CHECK(kept);
    pyro_seat_begin(seat);
    sleep_ms(1);
    CHECK(!pyro_seat_kept(seat));
    return PYRO_SEAT_DONE;
}

static void who_sleeps_does_not_keep_the_seat(void)
{
    struct pyro_seats *seats;
    int cpus[2];
    usable(cpus);
    CHECK(pyro_seats_new(&seats) == 0);
    pyro_seats_run(seats, doze, &cpus[0]);
    pyro_seats_free(seats);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(work_moves_from_seat_to_seat), TEST(a_cpu_that_is_refused_leaves_us_where_we_are),
        TEST(the_thread_pointer_is_found), TEST(the_note_is_where_we_run),
        TEST(what_is_proved_to_stand_still_does), TEST(sitting_nowhere_proves_nothing),
        TEST(who_sleeps_does_not_keep_the_seat));
}
