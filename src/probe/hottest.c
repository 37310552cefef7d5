/* probe/hottest.c - look whether they were told, and where they run. */
#include "probe/hottest.h"

#if !PYRO_FREE_THREADED

#include "probe/blocks.h"
#include "probe/current.h"
#include "probe/lines.h"

#define FRAMES_MAX 256 /* of a stack are looked through, from the top */

bool pyro_hottest_awaited;
static uint32_t counted;              /* a bit for each slot whose function is */
static _Thread_local uint32_t looked; /* through this thread's stack, in that recording */

/* The slot of function ID; -1: it is none of them. */
static int slot_of(const struct pyro_process_block *process, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (__atomic_load_n(&process->hottest[i], __ATOMIC_RELAXED) == id)
            return (int)i;
    return -1;
}

/* If CODE is one of them, its lines are counted from now on. Is it? */
static bool take(const struct pyro_process_block *process, uint32_t count, PyObject *code,
                 const struct pyro_code_record *record)
{
    int slot = slot_of(process, count, record->id);
    if (slot < 0)
        return false;
    if (!record->lines && pyro_lines_watch(code) < 0)
        PyErr_Clear();
    counted |= 1u << slot;
    if (counted == (1u << count) - 1)
        pyro_hottest_awaited = false;
    return record->lines != NULL;
}

/* Those that FRAME and its callers are of, the outermost first. */
static void take_stack(const struct pyro_process_block *process, uint32_t count, const void *frame)
{
    const void *frames[FRAMES_MAX];
    size_t found = 0;
    for (size_t i = 0; frame && i < FRAMES_MAX; i++, frame = pyro_caller_frame(frame)) {
        PyObject *code = pyro_frame_code(frame);
        const struct pyro_code_record *record = pyro_names_known(code);
        if (record && take(process, count, code, record))
            frames[found++] = frame;
    }
    while (found)
        pyro_lines_take_up(frames[--found]);
}

void pyro_hottest_look(PyObject *code, struct pyro_code_record *record, const void *frame)
{
    const struct pyro_process_block *process = pyro_blocks_process();
    uint32_t count = atomic_load_explicit(&process->hottest_count, memory_order_acquire);
    if (!count || count > PYRO_HOTTEST_MAX)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (looked != pyro_names_recording) {
        looked = pyro_names_recording;
        take_stack(process, count, frame);
    } else {
        (void)take(process, count, code, record);
    }
    PyErr_Restore(type, value, traceback);
}

void pyro_hottest_await(void)
{
    counted = 0;
    pyro_hottest_awaited = true;
}

#endif /* PYRO_FREE_THREADED */
