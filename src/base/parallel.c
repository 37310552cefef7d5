/* base/parallel.c - threads that take the next part until there is none. */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

struct work {
    void (*part)(void *context, size_t which);
    void *context;
    size_t count;
    atomic_size_t
        next; /* the first part that nobody took; threads meet here and at pthread_join() alone */
};

static void *take_parts(void *argument)
{
    struct work *work = argument;
    for (;;) {
        size_t which = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed);
        if (which >= work->count)
            return NULL;
        work->part(work->context, which);
    }
}

static size_t threads_for(size_t count)
{
    cpu_set_t cpus;
    int usable = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    size_t threads = usable > 1 ? (size_t)usable : 1;
    if (threads > PYRO_PARALLEL_MAX)
        threads = PYRO_PARALLEL_MAX;
    return threads < count ? threads : count;
}

void pyro_parallel(size_t count, void (*part)(void *context, size_t which), void *context)
{
    struct work work = {.part = part, .context = context, .count = count};
    pthread_t others[PYRO_PARALLEL_MAX];
    size_t wanted = threads_for(count), made = 0;
    sigset_t all, before;
    sigfillset(&all);
    if (wanted > 1 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        while (made + 1 < wanted && pthread_create(&others[made], NULL, take_parts, &work) == 0)
            made++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    take_parts(&work);
    while (made > 0)
        pthread_join(others[--made], NULL);
}
