/* probe/memory.c - the wrappers, and the swap. */
#include "probe/memory.h"

#include "base/clock.h"
#include "base/resident.h"
#include "probe/blocks.h"
#include "probe/mappings.h"
#include "probe/native.h"
#include "probe/tracked.h"

#include <dlfcn.h>
#include <sys/resource.h>

/* PyMemAllocatorEx and PyMemAllocatorDomain, Include/cpython/pymem.h. */
struct allocator {
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};
enum domain { RAW, MEM, OBJ, DOMAINS };
#define TRIED_SIZE \
    3 /* bytes of a block that is allocated to see whether it is told of; rarely those of one that was there */

static struct allocator before[DOMAINS];
static void (*get_allocator)(enum domain domain, struct allocator *allocator);
static void (*set_allocator)(enum domain domain, struct allocator *allocator);

/* -- wrappers ----------------------------------------------------------------------------------- */

/* What is not to be told of, or has to be asked for under the lock. Apart from wrappers, so that these need no registers but their
 * arguments' where it is sampled and none of the sample, as nearly always. */
#define APART __attribute__((noinline))

static APART void *told_malloc(enum domain domain, void *context, size_t size)
{
    if (pyro_tracked_is_inside() || !pyro_tracked_is_on())
        return before[domain].malloc(context, size);
    pyro_tracked_set_inside(true);
    void *block = before[domain].malloc(context, size);
    if (block)
        pyro_tracked_allocated(block, size);
    pyro_tracked_set_inside(false);
    return block;
}

static APART void *told_calloc(enum domain domain, void *context, size_t count, size_t size)
{
    if (pyro_tracked_is_inside() || !pyro_tracked_is_on())
        return before[domain].calloc(context, count, size);
    pyro_tracked_set_inside(true);
    void *block = before[domain].calloc(context, count, size);
    if (block)
        pyro_tracked_allocated(block, count * size);
    pyro_tracked_set_inside(false);
    return block;
}

/* From within a wrapper a block that is known is another one than the wrapper's, which is already taken. So it is one that somebody who
 * wraps us (tracemalloc, its record of a large block) had allocated on its own account: it is followed like any other. */
static APART void *told_realloc(enum domain domain, void *context, void *block, size_t size)
{
    if (!pyro_tracked_is_on())
        return before[domain].realloc(context, block, size);
    const bool nested = pyro_tracked_is_inside();
    pyro_heap_cell cell = block ? pyro_tracked_before_move(block) : 0;
    pyro_tracked_set_inside(true);
    void *moved = before[domain].realloc(context, block, size);
    if (!nested || cell)
        pyro_tracked_moved(cell, block, moved, size);
    pyro_tracked_set_inside(nested);
    return moved;
}

static APART void told_free(enum domain domain, void *context, void *block)
{
    if (!pyro_tracked_is_on() || !block) {
        before[domain].free(context, block);
        return;
    }
    const bool nested = pyro_tracked_is_inside();
    pyro_tracked_free(block); /* from within a wrapper, too: as in told_realloc() */
    pyro_tracked_set_inside(true);
    before[domain].free(context, block);
    pyro_tracked_set_inside(nested);
}

/* What passes is inside all the same: what is wrapped may ask other domains, C's malloc() or mmap(). */

static inline void *wrap_malloc(enum domain domain, void *context, size_t size)
{
    if (!pyro_tracked_passes(size))
        return told_malloc(domain, context, size);
    pyro_tracked_set_inside(true);
    void *block = before[domain].malloc(context, size);
    pyro_tracked_set_inside(false);
    return block;
}

/* A product that is too large is one of a call that fails. */
static inline void *wrap_calloc(enum domain domain, void *context, size_t count, size_t size)
{
    if (!pyro_tracked_passes(count * size))
        return told_calloc(domain, context, count, size);
    pyro_tracked_set_inside(true);
    void *block = before[domain].calloc(context, count, size);
    pyro_tracked_set_inside(false);
    return block;
}

static inline void *wrap_realloc(enum domain domain, void *context, void *block, size_t size)
{
    if (!pyro_tracked_samples() || !pyro_tracked_is_unknown(block))
        return told_realloc(domain, context, block, size);
    if (pyro_tracked_is_inside())
        return before[domain].realloc(context, block, size);
    if (!pyro_tracked_passes(size))
        return told_realloc(domain, context, block, size);
    pyro_tracked_set_inside(true);
    void *moved = before[domain].realloc(context, block, size);
    pyro_tracked_set_inside(false);
    return moved;
}

/* Of blocks within one that is freed, each is asked for itself. */
static inline void wrap_free(enum domain domain, void *context, void *block)
{
    if (pyro_tracked_samples() && pyro_tracked_is_unknown(block))
        before[domain].free(context, block);
    else
        told_free(domain, context, block);
}

static void *raw_malloc(void *context, size_t size)
{
    return wrap_malloc(RAW, context, size);
}
static void *raw_calloc(void *context, size_t count, size_t size)
{
    return wrap_calloc(RAW, context, count, size);
}
static void *raw_realloc(void *context, void *block, size_t size)
{
    return wrap_realloc(RAW, context, block, size);
}
static void raw_free(void *context, void *block)
{
    wrap_free(RAW, context, block);
}
static void *mem_malloc(void *context, size_t size)
{
    return wrap_malloc(MEM, context, size);
}
static void *mem_calloc(void *context, size_t count, size_t size)
{
    return wrap_calloc(MEM, context, count, size);
}
static void *mem_realloc(void *context, void *block, size_t size)
{
    return wrap_realloc(MEM, context, block, size);
}
static void mem_free(void *context, void *block)
{
    wrap_free(MEM, context, block);
}
static void *object_malloc(void *context, size_t size)
{
    return wrap_malloc(OBJ, context, size);
}
static void *object_calloc(void *context, size_t count, size_t size)
{
    return wrap_calloc(OBJ, context, count, size);
}
static void *object_realloc(void *context, void *block, size_t size)
{
    return wrap_realloc(OBJ, context, block, size);
}
static void object_free(void *context, void *block)
{
    wrap_free(OBJ, context, block);
}

static const struct allocator wrappers[DOMAINS] = {
    [RAW] = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
    [MEM] = {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
    [OBJ] = {NULL, object_malloc, object_calloc, object_realloc, object_free},
};

/* -- for what the program asks for itself --------------------------------------------------------- */

struct pyro_heap *pyro_memory_heap(void)
{
    return pyro_tracked_heap && pyro_tracked_is_on() ? pyro_tracked_heap : NULL;
}

int64_t pyro_memory_net(void)
{
    return pyro_tracked_here.net;
}

bool pyro_memory_hide(bool hide)
{
    bool before_that = pyro_tracked_is_inside();
    pyro_tracked_set_inside(hide);
    return before_that;
}

void pyro_memory_reused(void *block)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    if (pyro_tracked_is_inside() || !pyro_tracked_is_on())
        return;
    if (block == pyro_tracked_here.fresh) {
        pyro_tracked_here.fresh = NULL;
        return;
    }
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    pyro_heap_cell *cell = pyro_tracked_is_on() ? pyro_heap_cell_at(heap, block) : NULL;
    uint32_t stack = cell && pyro_heap_stack_of(*cell) ? pyro_callers_stack(&callers, heap) : 0;
    if (stack && stack != pyro_heap_stack_of(*cell)) {
        pyro_heap_cell taken = pyro_heap_take(heap, block);
        (void)pyro_heap_moved(heap, taken, stack, block, pyro_heap_size_of(taken));
    }
    pyro_heap_unlock(heap);
}

uint64_t pyro_memory_resident(void)
{
    struct pyro_resident resident = {0};
    (void)pyro_resident_read(0, &resident);
    return resident.all;
}

/* -- the swap ----------------------------------------------------------------------------------- */

static bool is_wrapped(enum domain domain)
{
    struct allocator now;
    get_allocator(domain, &now);
    return now.malloc == wrappers[domain].malloc;
}

/* A domain whose wrapper somebody else has wrapped since a stop calls ours still: it is not wrapped again. */
static void wrap(void)
{
    for (enum domain domain = RAW; domain < DOMAINS; domain++) {
        struct allocator now, wrapper = wrappers[domain];
        get_allocator(domain, &now);
        if (now.malloc == wrapper.malloc || now.free == wrapper.free)
            continue;
        before[domain] = now;
        wrapper.context = now.context;
        set_allocator(domain, &wrapper);
    }
}

static void unwrap(void)
{
    for (enum domain domain = RAW; domain < DOMAINS; domain++)
        if (is_wrapped(domain))
            set_allocator(domain, &before[domain]);
}

static struct pyro_block_head *claim(enum pyro_block_kind kind)
{
    return pyro_blocks_claim(kind, 0);
}

static int open_heap(struct pyro_process_block *process, enum pyro_tracking tracks, uint64_t period,
                     struct pyro_heap_totals *totals)
{
    totals->period = period;
    uint8_t *blocks = (uint8_t *)process - (size_t)pyro_blocks_index(process) * PYRO_BLOCK_SIZE;
    if (pyro_heap_open(pyro_tracked_heap, blocks, totals, claim) < 0)
        return -1;
    if (totals == &process->heap)
        process->tracks = tracks;
    pyro_tracked_set_sampled(period != 0);
    atomic_store_explicit(&pyro_tracked_heap->on, true, memory_order_relaxed);
    return 0;
}

/* A run goes on without; who asked for himself is told. */
static int without_native(struct pyro_process_block *process, const struct pyro_heap_totals *totals)
{
    static const char why[] = "what C code allocates itself could not be tracked";
    if (totals) {
        pyro_memory_stop();
        PyErr_SetString(PyExc_RuntimeError, why);
        return -1;
    }
    process->tracks = PYRO_TRACKS_PYTHON;
    pyro_blocks_say(why);
    return 0;
}

int pyro_memory_start(struct pyro_process_block *process, enum pyro_tracking tracks,
                      uint64_t period, struct pyro_heap_totals *totals)
{
    *(void **)&get_allocator = dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    *(void **)&set_allocator = dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    if (!get_allocator || !set_allocator) {
        PyErr_SetString(PyExc_ImportError, "this Python does not export what the probe needs");
        return -1;
    }
    if (pyro_callers_init() < 0)
        return -1;
    if (!pyro_tracked_heap)
        pyro_tracked_heap = pyro_heap_new();
    if (!pyro_tracked_heap ||
        open_heap(process, tracks, period, totals ? totals : &process->heap) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    wrap();
    if (tracks == PYRO_TRACKS_ALL && pyro_native_start() < 0)
        return without_native(process, totals);
    return 0;
}

/* -- the end ------------------------------------------------------------------------------------ */

struct malloc_figures { /* struct mallinfo2 of glibc 2.33 */
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

static void note_resident(struct pyro_heap_totals *totals)
{
    struct pyro_resident resident = {0};
    struct rusage usage;
    struct malloc_figures (*ask_malloc)(void);
    *(void **)&ask_malloc = dlsym(RTLD_DEFAULT, "mallinfo2");
    if (ask_malloc)
        totals->slack = ask_malloc().fordblks;
    (void)pyro_resident_read(0, &resident);
    totals->files = resident.files;
    totals->swapped = resident.swapped;
    totals->rss = totals->rss_peak = resident.all;
    if (getrusage(RUSAGE_SELF, &usage) == 0 && (uint64_t)usage.ru_maxrss * 1024 > totals->rss)
        totals->rss_peak = (uint64_t)usage.ru_maxrss * 1024;
}

/* Sampled, does a block count on the way to the next sample? It is none itself. */
static bool counts_for_us(const struct allocator *allocator)
{
    struct pyro_sampling *sampling = &pyro_tracked_here.sampling;
    const uint64_t left = sampling->left, far = UINT64_MAX;
    sampling->left = far;
    void *block = allocator->malloc(allocator->context, TRIED_SIZE);
    bool counts = !block || sampling->left != far;
    sampling->left = left;
    allocator->free(allocator->context, block);
    return counts;
}

/* Is a block of DOMAIN still told of? Where somebody who was there before us put back what was there before him (tracemalloc.stop() after
 * PYTHONTRACEMALLOC=1), it no longer is, and nobody said so. */
static bool leads_to_us(enum domain domain)
{
    struct allocator now;
    get_allocator(domain, &now);
    if (pyro_tracked_heap->period)
        return counts_for_us(&now);
    void *block = now.malloc(now.context, TRIED_SIZE);
    pyro_heap_lock(pyro_tracked_heap);
    const pyro_heap_cell *cell = block ? pyro_heap_cell_at(pyro_tracked_heap, block) : NULL;
    bool known = !block || pyro_tracked_heap->totals->lost ||
                 (cell && pyro_heap_size_of(*cell) == TRIED_SIZE);
    pyro_heap_unlock(pyro_tracked_heap);
    now.free(now.context, block);
    return known;
}

static void note_unhooked(struct pyro_heap_totals *totals)
{
    for (enum domain domain = RAW; domain < DOMAINS; domain++)
        totals->unhooked |= !leads_to_us(domain);
}

void pyro_memory_stop(void)
{
    if (!pyro_tracked_heap || !pyro_tracked_is_on())
        return;
    note_unhooked(pyro_tracked_heap->totals);
    note_resident(pyro_tracked_heap->totals);
    pyro_tracked_heap->totals->stopped_ns = pyro_clock_ns();
    pyro_tracked_set_sampled(false);
    pyro_heap_lock(pyro_tracked_heap);
    atomic_store_explicit(&pyro_tracked_heap->on, false, memory_order_relaxed);
    pyro_tracked_heap->totals->own = pyro_heap_own_bytes(pyro_tracked_heap);
    pyro_heap_close(pyro_tracked_heap);
    pyro_mappings_forget(false);
    pyro_callers_forget(false);
    pyro_heap_unlock(pyro_tracked_heap);
    pyro_native_stop();
    unwrap();
}

void pyro_memory_forked(struct pyro_process_block *process, enum pyro_tracking tracks,
                        uint64_t period)
{
    if (!pyro_tracked_heap)
        return;
    pyro_tracked_set_sampled(false); /* and if it is again: not the samples of its parent */
    pyro_tracked_here.last = NULL;
    pyro_mappings_forget(true);
    pyro_callers_forget(true);
    if (process && open_heap(process, tracks, period, &process->heap) < 0)
        process->heap.lost++;
}
