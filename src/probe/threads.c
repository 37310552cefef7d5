/* probe/threads.c - tables of edges. */
#include "probe/threads.h"

#include "base/map.h"
#include "base/ticks.h"
#include "probe/lines.h"
#include "probe/lock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLACES_FIRST 256
#define PLACES_MAX   (UINT32_C(1) << 24)

__thread struct pyro_here pyro_here __attribute__((tls_model("initial-exec")));

bool pyro_threads_trace;

/* Under the lock: */
static pthread_key_t ended_key;
static bool has_ended_key;
static uint32_t serials;

/* -- a thread's life ---------------------------------------------------------------------------- */

/* Tables whose threads are gone. Pushed by threads that end, without the GIL; taken all at once, with it or the lock. */
static _Atomic(struct pyro_thread_table *) ended;
static struct pyro_thread_table *idle; /* those taken: under the GIL, or the lock */

/* The thread is gone; what it counted is in shared memory. */
static void table_ended(void *data)
{
    struct pyro_thread_table *table = data;
    pyro_here = (struct pyro_here){0};
#if PYRO_FREE_THREADED
    pyro_records_clear();
#endif
    if (pyro_blocks_hold(table->generation)) {
        if (table->shared)
            __atomic_store_n(&table->shared->context, PYRO_CONTEXT_ROOT, __ATOMIC_RELAXED);
        pyro_lines_thread_ended(table->lines);
        pyro_blocks_let_go();
    }
    table->next = atomic_load_explicit(&ended, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&ended, &table->next, table, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

static void table_free(struct pyro_thread_table *table)
{
    pyro_path_clear(&table->path);
    pyro_lines_thread_free(table->lines);
    free(table->places);
    free(table);
}

/* A program that starts thread after thread must not run out of blocks: where these are scarce, one of GENERATION that
 * is idle goes on for this thread. NULL: none. */
static struct pyro_thread_table *table_again(uint64_t generation)
{
    if (!pyro_blocks_scarce())
        return NULL;
    if (!idle)
        idle = atomic_exchange_explicit(&ended, NULL, memory_order_acquire);
    while (idle) {
        struct pyro_thread_table *table = idle;
        idle = table->next;
        if (table->generation == generation) {
            table->native_id = (uint32_t)syscall(SYS_gettid);
            if (table->shared)
                __atomic_store_n(&table->shared->head.thread, table->native_id, __ATOMIC_RELAXED);
            return table;
        }
        table_free(table); /* of a parent, or from before a stop */
    }
    return NULL;
}

static struct pyro_thread_table *table_new(uint64_t generation)
{
    struct pyro_thread_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    table->generation = generation;
    table->serial = ++serials;
    table->native_id = (uint32_t)syscall(SYS_gettid);
    table->places = calloc(PLACES_FIRST, sizeof(*table->places));
    table->place_mask = PLACES_FIRST - 1;
    table->shared = pyro_blocks_claim(PYRO_BLOCK_THREAD, table->native_id);
    table->gauge.gauges = table->shared ? table->shared->gauges : NULL;
    if (!table->places) {
        free(table);
        return NULL;
    }
    return table;
}

struct pyro_thread_table *pyro_threads_enter(PyThreadState *thread)
{
    uint64_t generation = pyro_armed->generation;
    if (!generation)
        return NULL;
    struct pyro_thread_table *table = pyro_here.generation == generation ? pyro_here.table : NULL;
    if (!table) {
        if (!PYRO_FREE_THREADED && pyro_here.table)
            table_free(
                pyro_here.table); /* of an earlier recording; records know it by its serial */
        pyro_lock();
        if (!has_ended_key)
            has_ended_key = pthread_key_create(&ended_key, table_ended) == 0;
        table = table_again(generation);
        if (!table)
            table = table_new(generation);
        pyro_unlock();
        if (table && has_ended_key)
            pthread_setspecific(ended_key, table);
        if (table && pyro_threads_trace)
            (void)pyro_path_begin(&table->path, table->shared, table->native_id, pyro_ticks());
    }
    if (table)
        pyro_here = (struct pyro_here){thread, generation, table};
    return table;
}

/* -- edges -------------------------------------------------------------------------------------- */

static uint32_t place_of(const struct pyro_thread_table *table, uint64_t key)
{
    uint32_t at = (uint32_t)pyro_hash_u64(key) & table->place_mask;
    while (table->places[at].key && table->places[at].key != key)
        at = (at + 1) & table->place_mask;
    return at;
}

static bool grow(struct pyro_thread_table *table)
{
    uint32_t count = (table->place_mask + 1) * 2;
    if (count > PLACES_MAX)
        return false;
    struct pyro_thread_table grown = *table;
    grown.places = calloc(count, sizeof(*grown.places));
    grown.place_mask = count - 1;
    if (!grown.places)
        return false;
    for (uint32_t i = 0; i <= table->place_mask; i++)
        if (table->places[i].key)
            grown.places[place_of(&grown, table->places[i].key)] = table->places[i];
    free(table->places);
    *table = grown;
    return true;
}

/* A new counter in shared memory; NULL: no room. */
static uint64_t *append(struct pyro_thread_table *table, uint32_t caller, uint32_t callee)
{
    if (!table->block || table->block_used == PYRO_BLOCK_EDGE_COUNT) {
        struct pyro_block_head *block = pyro_blocks_claim(PYRO_BLOCK_EDGES, table->native_id);
        if (!block)
            return NULL;
        table->block = block;
        table->block_used = 0;
    }
    struct pyro_edge_entry *edge =
        (struct pyro_edge_entry *)(table->block + 1) + table->block_used++;
    edge->caller = caller;
    edge->callee = callee;
    atomic_store_explicit(&table->block->used, table->block_used, memory_order_release);
    return &edge->count;
}

uint64_t *pyro_threads_count(struct pyro_thread_table *table, uint32_t caller, uint32_t callee)
{
    uint64_t key = (uint64_t)caller << 32 | callee;
    uint32_t at = place_of(table, key);
    if (table->places[at].key)
        return table->places[at].count;
    uint64_t *count = NULL;
    if (table->place_count < table->place_mask / 4 * 3 || grow(table))
        count = append(table, caller, callee);
    if (!count)
        return PYRO_FREE_THREADED ? NULL : (uint64_t *)&pyro_blocks_process()->lost;
    table->places[place_of(table, key)] = (struct pyro_edge_place){key, count};
    table->place_count++;
    return count;
}

void pyro_threads_forget(PyThreadState *thread)
{
    struct pyro_thread_table *table = pyro_threads_table(thread);
    for (uint32_t i = 0; table && i <= table->place_mask; i++)
        if (table->places[i].key)
            *table->places[i].count = 0;
    if (table)
        pyro_contexts_forget(&table->path.contexts);
}

#if !PYRO_FREE_THREADED
void pyro_threads_forget_all(void)
{
    for (const struct pyro_block_head *block = NULL;
         (block = pyro_blocks_next(block, PYRO_BLOCK_EDGES));) {
        struct pyro_edge_entry *edges = (struct pyro_edge_entry *)(block + 1);
        uint32_t used = atomic_load_explicit(&block->used, memory_order_relaxed);
        for (uint32_t i = 0; i < used; i++)
            edges[i].count = 0;
    }
}
#endif

void pyro_threads_take_gauge(PyThreadState *thread, double ret_ticks[PYRO_GAUGES])
{
    struct pyro_thread_table *table = pyro_threads_table(thread);
    if (table)
        pyro_gauge_take(&table->gauge, ret_ticks);
}
