/* target/seat.c - threads bound to one CPU each, of which one is awake. */
#include "target/seat.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/elf.h"
#include "target/internal.h"

#define STACK_BYTES  (512u << 10)
#define TURN_NS      100000
#define CPU_ID_FIELD 4 /* in struct rseq (linux/rseq.h): cpu_id_start, cpu_id */

struct place {
    struct pyro_seat seat;
    struct pyro_seats *seats;
    pthread_t thread;
    sem_t turn;
};

struct pyro_seats {
    struct place home, *places[CPU_SETSIZE];
    bool refused[CPU_SETSIZE];
    pyro_seat_work work;
    void *context;
    bool over; /* the threads shall end */
};

/* How often the calling thread was taken off its CPU or left it by itself. Negative: not known. */
static long switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) < 0 ? -1 : usage.ru_nvcsw + usage.ru_nivcsw;
}

void pyro_seat_begin(struct pyro_seat *seat)
{
    seat->switches = switches();
}

bool pyro_seat_kept(const struct pyro_seat *seat)
{
    return seat->cpu != PYRO_SEAT_NONE && seat->switches >= 0 && switches() == seat->switches;
}

/* Who asks for short turns is let in sooner (Linux 6.12 and later; refused before, which does no harm). */
void pyro_seat_short_turns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof(attributes), .policy = SCHED_OTHER, .runtime = TURN_NS};
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);
    if (errno)
        return;
    attributes.nice = nice;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/* -- whose turn it is ------------------------------------------------------------------------- */

static void wait_for_turn(struct place *place)
{
    while (sem_wait(&place->turn) < 0 && errno == EINTR)
        ;
}

static void *sit(void *argument);

static int place_occupy(struct place *place)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET((size_t)place->seat.cpu, &only);
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return -ENOMEM;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setaffinity_np(&attributes, sizeof(only), &only);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&place->thread, &attributes, sit, place);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

static struct place *place_at(struct pyro_seats *seats, int cpu)
{
    if (cpu == PYRO_SEAT_NONE)
        return &seats->home;
    if (!pyro_seats_offer(seats, cpu))
        return NULL;
    if (seats->places[cpu])
        return seats->places[cpu];
    struct place *place = calloc(1, sizeof(*place));
    if (place) {
        place->seat.cpu = cpu;
        place->seats = seats;
        sem_init(&place->turn, 0, 0);
        if (place_occupy(place) == 0)
            return seats->places[cpu] = place;
        sem_destroy(&place->turn);
        free(place);
    }
    seats->refused[cpu] = true;
    return NULL;
}

/* Work here until it goes on elsewhere, and whenever it comes back, until all is done. */
static void drive(struct place *place)
{
    struct pyro_seats *seats = place->seats;
    for (;;) {
        int cpu = seats->work(&place->seat, seats->context);
        struct place *next = cpu == PYRO_SEAT_DONE ? &seats->home : place_at(seats, cpu);
        if (cpu == PYRO_SEAT_DONE)
            seats->work = NULL;
        else if (!next || next == place)
            continue;
        if (next != place) {
            sem_post(&next->turn);
            wait_for_turn(place);
        }
        if (!seats->work)
            return;
    }
}

static void *sit(void *argument)
{
    struct place *place = argument;
    (void)prctl(PR_SET_TIMERSLACK, 1);
    (void)prctl(PR_SET_NAME, "pyrometer-seat");
    pyro_seat_short_turns();
    for (;;) {
        wait_for_turn(place);
        if (place->seats->over)
            return NULL;
        drive(place);
        if (place->seats->over)
            return NULL;
    }
}

/* -- all of them ------------------------------------------------------------------------------ */

int pyro_seats_new(struct pyro_seats **ret_seats)
{
    struct pyro_seats *seats = calloc(1, sizeof(*seats));
    if (!seats)
        return -ENOMEM;
    seats->home.seat.cpu = PYRO_SEAT_NONE;
    seats->home.seats = seats;
    sem_init(&seats->home.turn, 0, 0);
    *ret_seats = seats;
    return 0;
}

void pyro_seats_free(struct pyro_seats *seats)
{
    if (!seats)
        return;
    seats->over = true;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        struct place *place = seats->places[cpu];
        if (!place)
            continue;
        sem_post(&place->turn);
        pthread_join(place->thread, NULL);
        sem_destroy(&place->turn);
        free(place);
    }
    sem_destroy(&seats->home.turn);
    free(seats);
}

void pyro_seats_run(struct pyro_seats *seats, pyro_seat_work work, void *context)
{
    seats->work = work;
    seats->context = context;
    drive(&seats->home);
}

bool pyro_seats_offer(const struct pyro_seats *seats, int cpu)
{
    return cpu >= 0 && cpu < CPU_SETSIZE && !seats->refused[cpu];
}

/* -- the kernel's note ------------------------------------------------------------------------ */

static bool is_called(const struct pyro_mapping *mapping, const char *start)
{
    const char *slash = strrchr(mapping->path, '/');
    return strncmp(slash ? slash + 1 : mapping->path, start, strlen(start)) == 0;
}

/* Copy the variable NAME of the library whose file is called LIBRARY..., or of a Python that it is linked
 * into. From the top, where libraries lie: the symbols of a Python are many. */
static int read_variable(pid_t pid, const struct pyro_maps *maps, const struct pyro_memory *memory,
                         const char *library, const char *name, void *data, size_t size)
{
    int status = -ENOENT;
    for (size_t i = maps->count; i-- > 0 && status < 0;) {
        const struct pyro_mapping *mapping = &maps->items[i];
        struct pyro_elf *elf;
        pyro_addr addr;
        if (mapping->file_offset != 0 || mapping->path[0] != '/' ||
            !(is_called(mapping, library) || is_called(mapping, "python")) ||
            pyro_elf_open(pid, maps, mapping, &elf) < 0)
            continue;
        status = pyro_elf_symbol(elf, name, &addr, NULL);
        if (status == 0)
            status = pyro_memory_read(memory, addr, data, size);
        pyro_elf_free(elf);
    }
    return status;
}

int pyro_thread_pointer_offset(pid_t pid, const struct pyro_maps *maps,
                               const struct pyro_memory *memory, int64_t *ret_offset)
{
#if defined(__x86_64__)
    *ret_offset = 0; /* it points to struct pthread */
    return 0;
#elif defined(__aarch64__)
    /* It points behind struct pthread (THREAD_SELF in glibc's sysdeps/aarch64/nptl/tls.h), whose size libc
     * tells debuggers. */
    uint32_t size;
    int status = read_variable(pid, maps, memory, "libc.so", "_thread_db_sizeof_pthread", &size,
                               sizeof(size));
    if (status == 0)
        *ret_offset = size;
    return status;
#else
    return -ENOTSUP;
#endif
}

/* __rseq_offset counts from the thread pointer (sys/rseq.h). */
static int find_note(pid_t pid, const struct pyro_maps *maps, const struct pyro_memory *memory,
                     int64_t *ret_offset)
{
    int64_t pointer, area;
    uint32_t size;
    int status = read_variable(pid, maps, memory, "ld", "__rseq_size", &size, sizeof(size));
    if (status == 0 && size == 0)
        status = -ENOENT;
    if (status == 0)
        status = read_variable(pid, maps, memory, "ld", "__rseq_offset", &area, sizeof(area));
    if (status == 0)
        status = pyro_thread_pointer_offset(pid, maps, memory, &pointer);
    if (status == 0)
        *ret_offset = (int64_t)((uint64_t)pointer + (uint64_t)area + CPU_ID_FIELD);
    return status;
}

int pyro_seat_find_note(pid_t pid, const struct pyro_memory *memory, int64_t *ret_offset)
{
    struct pyro_maps maps;
    struct pyro_error error;
    int status = pyro_maps_load(pid, &maps, &error);
    if (status < 0)
        return status;
    status = find_note(pid, &maps, memory, ret_offset);
    pyro_maps_clear(&maps);
    return status;
}
