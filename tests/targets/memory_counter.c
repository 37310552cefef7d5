/* A counter of Python's allocators, of its own: told apart from ours by all it does. Wraps the three domains, and knows each block
 * that was allocated while count() calls, by a table under a mutex. No header of Python's is used: it loads into each of them by
 * ctypes.PyDLL. hammer() is for ctypes.CDLL: it runs without the GIL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLACES   (1u << 20)
#define SLOTS    4096
#define SMALLEST 4096
#define SIZES    3000

struct allocator {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

struct figures {
    uint64_t blocks, bytes, live_blocks, live_bytes;
};

static struct figures all;
static struct allocator below[3];
static struct place {
    uintptr_t block; /* 0: never used, 1: no more */
    uint64_t size;
} places[PLACES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread int counting, nested;

/* A block ends, if it is known. */
static void end(void *block)
{
    for (uint32_t i = (uint32_t)((uintptr_t)block >> 4) % PLACES; places[i].block;
         i = (i + 1) % PLACES)
        if (places[i].block == (uintptr_t)block) {
            places[i].block = 1;
            all.live_blocks--;
            all.live_bytes -= places[i].size;
            return;
        }
}

static void begin(void *block, size_t size)
{
    uint32_t i = (uint32_t)((uintptr_t)block >> 4) % PLACES;
    while (places[i].block > 1)
        i = (i + 1) % PLACES;
    places[i] = (struct place){(uintptr_t)block, size};
    all.blocks++;
    all.bytes += size;
    all.live_blocks++;
    all.live_bytes += size;
}

/* The GIL or not: an address must not be another's before its end is noted. So the call itself is under the mutex. */
static void *change(struct allocator *table, void *before, size_t count, size_t size, int how)
{
    if (nested)
        return how == 0   ? table->malloc(table->context, size)
               : how == 1 ? table->calloc(table->context, count, size)
               : how == 2 ? table->realloc(table->context, before, size)
                          : (table->free(table->context, before), NULL);
    nested = 1;
    pthread_mutex_lock(&mutex);
    void *after = NULL;
    if (how == 3)
        table->free(table->context, before);
    else
        after = how == 0   ? table->malloc(table->context, size)
                : how == 1 ? table->calloc(table->context, count, size)
                           : table->realloc(table->context, before, size);
    if (before && (how == 3 || after))
        end(before);
    if (after && counting)
        begin(after, how == 1 ? count * size : size);
    pthread_mutex_unlock(&mutex);
    nested = 0;
    return after;
}

static void *counted_malloc(void *table, size_t size)
{
    return change(table, NULL, 1, size, 0);
}
static void *counted_calloc(void *table, size_t count, size_t size)
{
    return change(table, NULL, count, size, 1);
}
static void *counted_realloc(void *table, void *block, size_t size)
{
    return change(table, block, 1, size, 2);
}
static void counted_free(void *table, void *block)
{
    change(table, block, 0, 0, 3);
}

static void *function(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (!found)
        abort();
    return found;
}

void wrap(void)
{
    void (*get)(int, struct allocator *), (*set)(int, struct allocator *);
    *(void **)&get = function("PyMem_GetAllocator");
    *(void **)&set = function("PyMem_SetAllocator");
    for (int domain = 0; domain < 3; domain++) {
        get(domain, &below[domain]);
        struct allocator mine = {&below[domain], counted_malloc, counted_calloc, counted_realloc,
                                 counted_free};
        set(domain, &mine);
    }
}

/* With the GIL: what BODY allocates in this thread is counted. 0: it raised. */
int count(void *body)
{
    void *(*call)(void *, void *);
    void (*release)(void *);
    *(void **)&call = function("PyObject_CallObject");
    *(void **)&release = function("Py_DecRef");
    counting = 1;
    void *result = call(body, NULL);
    counting = 0;
    if (result)
        release(result);
    return result != NULL;
}

void tell(struct figures *figures)
{
    pthread_mutex_lock(&mutex);
    *figures = all;
    pthread_mutex_unlock(&mutex);
}

/* -- across threads ----------------------------------------------------------------------------- */

struct block {
    size_t size;
};

static struct block *_Atomic slots[SLOTS];
static _Atomic uint64_t hammered[4]; /* as struct figures */

static uint32_t below_count(uint64_t *random, uint32_t count)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % count);
}

/* Takes what other threads left in a slot, and leaves something else there, until SECONDS have passed. */
void hammer(uint64_t seed, double seconds)
{
    void *(*raw_malloc)(size_t), *(*raw_calloc)(size_t, size_t), *(*raw_realloc)(void *, size_t);
    void (*raw_free)(void *);
    struct timespec now, first;
    uint64_t mine[4] = {0}, random = seed;
    *(void **)&raw_malloc = function("PyMem_RawMalloc");
    *(void **)&raw_calloc = function("PyMem_RawCalloc");
    *(void **)&raw_realloc = function("PyMem_RawRealloc");
    *(void **)&raw_free = function("PyMem_RawFree");
    clock_gettime(CLOCK_MONOTONIC, &first);
    do {
        for (int i = 0; i < 1000; i++) {
            size_t size = SMALLEST + below_count(&random, SIZES);
            uint32_t slot = below_count(&random, SLOTS);
            struct block *block = atomic_exchange(&slots[slot], NULL);
            if (block && below_count(&random, 2)) {
                mine[2]--;
                mine[3] -= block->size;
                raw_free(block);
                continue;
            }
            if (block) {
                mine[2]--;
                mine[3] -= block->size;
                block = raw_realloc(block, size);
            } else {
                block = below_count(&random, 2) ? raw_malloc(size) : raw_calloc(1, size);
            }
            if (!block)
                abort();
            block->size = size;
            mine[0]++;
            mine[1] += size;
            mine[2]++;
            mine[3] += size;
            struct block *other = atomic_exchange(&slots[slot], block);
            if (other) {
                mine[2]--;
                mine[3] -= other->size;
                raw_free(other);
            }
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - first.tv_sec) + (double)(now.tv_nsec - first.tv_nsec) / 1e9 <
             seconds);
    for (int i = 0; i < 4; i++)
        atomic_fetch_add(&hammered[i], mine[i]);
}

void tell_hammered(struct figures *figures)
{
    *figures = (struct figures){hammered[0], hammered[1], hammered[2], hammered[3]};
}
