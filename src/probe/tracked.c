/* probe/tracked.c - from a wrapper's event to the heap. */
#include "probe/tracked.h"

struct pyro_heap *pyro_tracked_heap;
__thread struct pyro_tracked_here pyro_tracked_here;

static inline void code_may_have_died(pyro_heap_cell cell, const void *address)
{
    if (__builtin_expect((cell & PYRO_HEAP_CODE) != 0, 0))
        pyro_callers_code_died(address);
}

void pyro_tracked_allocated(void *block, uint64_t size)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on()) {
        uint32_t stack = pyro_callers_stack(&callers, heap);
        code_may_have_died(pyro_heap_allocated(heap, stack, block, size), block);
        pyro_tracked_here.net += (int64_t)(size & ~PYRO_HEAP_BY_C);
    }
    pyro_heap_unlock(heap);
    pyro_tracked_here.last = pyro_tracked_here.fresh = block;
}

void pyro_tracked_free(void *block)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on()) {
        pyro_heap_cell cell = pyro_heap_take(heap, block);
        if (pyro_heap_stack_of(cell) != PYRO_STACK_NONE)
            pyro_heap_freed(heap, cell, block == pyro_tracked_here.last);
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

void pyro_tracked_moved(pyro_heap_cell cell, void *block, void *moved, uint64_t size)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on() && !moved) {
        pyro_heap_put_back(heap, block, cell);
    } else if (pyro_tracked_is_on()) {
        uint32_t stack = pyro_callers_stack(&callers, heap);
        code_may_have_died(cell, block);
        code_may_have_died(pyro_heap_moved(heap, cell, stack, moved, size), moved);
        pyro_tracked_here.net +=
            (int64_t)(size & ~PYRO_HEAP_BY_C) - (int64_t)pyro_heap_size_of(cell);
    }
    pyro_heap_unlock(heap);
    pyro_tracked_here.last = moved;
}

void pyro_tracked_gone(pyro_heap_cell cell, void *block)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on() && pyro_heap_stack_of(cell) != PYRO_STACK_NONE) {
        pyro_heap_freed(heap, cell, false);
        pyro_tracked_here.net -= (int64_t)pyro_heap_size_of(cell);
    }
    if (pyro_tracked_is_on())
        code_may_have_died(cell, block);
    pyro_heap_unlock(heap);
}
