/* probe/tracked.c - from a wrapper's event to the heap. */
#include "probe/tracked.h"

#include "base/clock.h"

#include <unistd.h>

struct pyro_heap *pyro_tracked_heap;
_Atomic uint32_t pyro_tracked_session = PYRO_TRACKED_EXACT;
__thread struct pyro_tracked_here pyro_tracked_here;

static inline void code_may_have_died(pyro_heap_cell cell, const void *address)
{
    if (__builtin_expect((cell & PYRO_HEAP_CODE) != 0, 0))
        pyro_callers_code_died(address);
}

/* The address of what is the thread's own, and the time: no two threads begin alike. */
static uint64_t seed(void)
{
    return (uintptr_t)&pyro_tracked_here ^ pyro_clock_ns() << 20 ^ (uint64_t)getpid();
}

void pyro_tracked_set_sampled(bool sampled)
{
    static uint32_t last = PYRO_TRACKED_FIRST - 1;
    atomic_store_explicit(&pyro_tracked_session, sampled ? ++last : PYRO_TRACKED_EXACT,
                          memory_order_relaxed); /* reader: _passes() */
}

/* What is left of a way from an earlier session is so long as that one's period has it. */
static void begin_session(void)
{
    const uint32_t session = atomic_load_explicit(&pyro_tracked_session, memory_order_relaxed);
    if (session == pyro_tracked_here.session || session < PYRO_TRACKED_FIRST)
        return;
    pyro_tracked_here.session = session;
    pyro_tracked_here.sampling = (struct pyro_sampling){0};
}

/* SIZE with how it is rounded. 0: the block is not sampled after all. The caller is inside, and opens what is begun here. */
static uint64_t sampled_size(uint64_t size)
{
    begin_session();
    struct pyro_sampling *sampling = &pyro_tracked_here.sampling;
    const uint64_t period = pyro_tracked_heap->period, bytes = size & ~PYRO_HEAP_FLAGS;
    if (!pyro_sampling_take(sampling, period, bytes, sampling->state ? 0 : seed()))
        return 0;
    const bool up = pyro_sampling_rounds_up(&sampling->state, period, bytes);
    return size | (up ? PYRO_HEAP_ROUNDED_UP : 0);
}

static void note_last(void *block)
{
    pyro_tracked_here.last = block;
    pyro_tracked_here.left = pyro_tracked_here.sampling.left;
}

/* Nothing was allocated by this thread since. */
static bool is_last(const void *block)
{
    return block == pyro_tracked_here.last &&
           pyro_tracked_here.left == pyro_tracked_here.sampling.left;
}

void pyro_tracked_allocated(void *block, uint64_t size)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    if (heap->period && !(size = sampled_size(size)))
        return;
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on()) {
        uint32_t stack = pyro_callers_stack(&callers, heap);
        code_may_have_died(pyro_heap_allocated(heap, stack, block, size), block);
        pyro_tracked_here.net += (int64_t)(size & ~PYRO_HEAP_FLAGS);
    }
    pyro_heap_unlock(heap);
    note_last(block);
    pyro_tracked_here.fresh = block;
}

void pyro_tracked_free(void *block)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on()) {
        pyro_heap_cell cell = pyro_heap_take(heap, block);
        if (pyro_heap_stack_of(cell) != PYRO_STACK_NONE)
            pyro_heap_freed(heap, cell, is_last(block));
        pyro_tracked_here.net -= (int64_t)pyro_heap_size_of(cell);
        code_may_have_died(cell, block);
    }
    pyro_heap_unlock(heap);
}

pyro_heap_cell pyro_tracked_before_move(void *block)
{
    pyro_heap_cell cell = 0;
    pyro_heap_lock(pyro_tracked_heap);
    if (pyro_tracked_is_on())
        cell = pyro_heap_take(pyro_tracked_heap, block);
    pyro_heap_unlock(pyro_tracked_heap);
    return cell;
}

/* Sampled, a block that moves ends where it was known, and begins again as any other: whether it was sampled before does not matter. */
static void moved_as_sample(pyro_heap_cell cell, void *block, void *moved, uint64_t size)
{
    if (!moved && cell) {
        pyro_heap_lock(pyro_tracked_heap);
        if (pyro_tracked_is_on())
            pyro_heap_put_back(pyro_tracked_heap, block, cell);
        pyro_heap_unlock(pyro_tracked_heap);
        return;
    }
    if (!moved)
        return;
    if (cell)
        pyro_tracked_gone(cell, block);
    pyro_tracked_allocated(moved, size);
}

void pyro_tracked_moved(pyro_heap_cell cell, void *block, void *moved, uint64_t size)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    if (heap->period) {
        moved_as_sample(cell, block, moved, size);
        return;
    }
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on() && !moved) {
        pyro_heap_put_back(heap, block, cell);
    } else if (pyro_tracked_is_on()) {
        uint32_t stack = pyro_callers_stack(&callers, heap);
        code_may_have_died(cell, block);
        code_may_have_died(pyro_heap_moved(heap, cell, stack, moved, size), moved);
        pyro_tracked_here.net +=
            (int64_t)(size & ~PYRO_HEAP_FLAGS) - (int64_t)pyro_heap_size_of(cell);
    }
    pyro_heap_unlock(heap);
    note_last(moved);
}

void pyro_tracked_gone(pyro_heap_cell cell, void *block)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    if (!cell)
        return;
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on() && pyro_heap_stack_of(cell) != PYRO_STACK_NONE) {
        pyro_heap_freed(heap, cell, false);
        pyro_tracked_here.net -= (int64_t)pyro_heap_size_of(cell);
    }
    if (pyro_tracked_is_on())
        code_may_have_died(cell, block);
    pyro_heap_unlock(heap);
}
