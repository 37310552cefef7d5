/* cpython/entry.c - Include/internal/pycore_ceval_state.h, which begins with the eval breaker (3.11, 3.12) and ends with the
 * pending calls; in 3.12 and 3.13 the GIL's pointer lies in between, which our layouts have. */
#include "cpython/entry.h"

#include "cpython/internal.h"

#include <errno.h>

#define INTERPRETERS_MAX 256
#define CALLS_OLD        32  /* NPENDINGCALLS, to 3.12 */
#define CALLS_313        300 /* PENDINGCALLSARRAYSIZE */
#define LOOP_313         100 /* MAXPENDINGCALLSLOOP */

/* Offsets from the struct of pending calls. */
struct queue {
    uint32_t lock, flag, calls, first, behind, count, stride;
};
static const struct queue queues[] = {
    [11] = {0, 8, 16, 528, 532, CALLS_OLD, 16},
    [12] = {8, 16, 24, 536, 540, CALLS_OLD, 16},
    [13] = {8, 12, 24, 7224, 7228, CALLS_313, 24},
};
/* From the interpreter in 3.11; later from where it has its pointer to the GIL. */
#define BREAKER_311 100
#define QUEUE_311   112
#define BREAKER_312 (-16)
#define QUEUE_312   16
/* 3.13: the most calls at once, and in one go, from the struct. */
#define MAX_313 16

static int refuse(struct pyro_error *error, int code, const char *text)
{
    return pyro_error_set(error, code, "this Python cannot be asked from outside: %s", text);
}

static int main_interpreter(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                            pyro_addr *ret_interp)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr interp;
    int code = pyro_memory_read_addr(
        memory, pyro_addr_plus(runtime->addr, layout->runtime.interpreters_head), &interp);
    for (int i = 0; code == 0 && i < INTERPRETERS_MAX && pyro_addr_aligned(interp); i++) {
        int64_t id = -1;
        code = pyro_memory_read(memory, pyro_addr_plus(interp, layout->interp.id), &id, sizeof(id));
        if (code == 0 && id == 0) {
            *ret_interp = interp;
            return 0;
        }
        if (code == 0)
            code =
                pyro_memory_read_addr(memory, pyro_addr_plus(interp, layout->interp.next), &interp);
    }
    return code < 0 ? code : -EPROTO;
}

/* -- 3.14+ -------------------------------------------------------------------------------------- */

static int find_remote(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       struct pyro_entry *entry, struct pyro_error *error)
{
    int32_t enabled = 0;
    if (layout->remote.eval_breaker >= PYRO_TSTATE_SIZE_MAX || layout->remote.eval_breaker % 8 ||
        layout->remote.support >= PYRO_TSTATE_SIZE_MAX || layout->remote.support % 4 ||
        layout->remote.enabled >= PYRO_OFFSET_MAX || layout->remote.enabled % 4 ||
        layout->remote.pending_call >= PYRO_OBJECT_SIZE_MAX ||
        layout->remote.script_path >= PYRO_OBJECT_SIZE_MAX ||
        layout->remote.script_path_size < PYRO_ENTRY_SCRIPT_MAX ||
        layout->remote.script_path_size > PYRO_TSTATE_SIZE_MAX)
        return refuse(error, -EPROTO, "its offsets for debuggers are not plausible");
    if (pyro_memory_read(memory, pyro_addr_plus(entry->interp, layout->remote.enabled), &enabled,
                         sizeof(enabled)) < 0)
        return refuse(error, -EPROTO, "its settings cannot be read");
    if (enabled == 1)
        return 0;
    refuse(error, -EACCES, "it was started so that no debugger may (PEP 768)");
    pyro_error_hint(error, "start it without PYTHON_DISABLE_REMOTE_DEBUG and -X "
                           "disable-remote-debug, or with: pyrometer run");
    return -EACCES;
}

/* -- 3.11-3.13 ---------------------------------------------------------------------------------- */

static bool check_limits_313(const struct pyro_memory *memory, pyro_addr queue)
{
    int32_t limits[2];
    return pyro_memory_read(memory, pyro_addr_plus(queue, MAX_313), limits, sizeof(limits)) == 0 &&
           limits[0] == CALLS_313 && limits[1] == LOOP_313;
}

static int find_queue(const struct pyro_memory *memory, const struct pyro_layout *layout,
                      struct pyro_entry *entry, struct pyro_error *error)
{
    const struct queue *offsets = &queues[layout->minor];
    pyro_addr queue = pyro_addr_plus(entry->interp, QUEUE_311);
    entry->breaker = pyro_addr_plus(entry->interp, BREAKER_311);
    if (layout->minor >= 12) {
        pyro_addr gil = pyro_addr_plus(entry->interp, layout->interp.gil);
        queue = pyro_addr_plus(gil, QUEUE_312);
        entry->breaker = pyro_addr_at(gil.u + (uint64_t)BREAKER_312);
    }
    entry->lock = pyro_addr_plus(queue, offsets->lock);
    entry->flag = pyro_addr_plus(queue, offsets->flag);
    entry->calls = pyro_addr_plus(queue, offsets->calls);
    entry->first = pyro_addr_plus(queue, offsets->first);
    entry->behind = pyro_addr_plus(queue, offsets->behind);
    entry->count = offsets->count;
    entry->stride = offsets->stride;
    if (layout->minor == 13 && !check_limits_313(memory, queue))
        return refuse(error, -EPROTO, "its pending calls are not where they should be");
    return 0;
}

int pyro_entry_find(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    struct pyro_entry *ret_entry, struct pyro_error *error)
{
    const struct pyro_layout *layout = &runtime->layout;
    struct pyro_entry entry = {.minor = layout->minor, .remote = layout->minor >= 14};
    if (layout->minor < 11 || layout->free_threaded || layout->guessed)
        return refuse(error, -ENOTSUP,
                      layout->free_threaded ? "not one without a GIL"
                      : layout->guessed     ? "it is newer than any that is known"
                                            : "the probe takes 3.11 or newer");
    if (main_interpreter(memory, runtime, &entry.interp) < 0)
        return refuse(error, -EPROTO, "its main interpreter is not found");
    int code = entry.remote ? find_remote(memory, layout, &entry, error)
                            : find_queue(memory, layout, &entry, error);
    if (code == 0)
        *ret_entry = entry;
    return code;
}

int pyro_entry_peek(const struct pyro_memory *memory, const struct pyro_entry *entry,
                    struct pyro_entry_ring *ret_ring)
{
    int32_t places[2], waiting;
    int code = pyro_memory_read(memory, entry->first, places, sizeof(places));
    if (code == 0)
        code = pyro_memory_read(memory, entry->flag, &waiting, sizeof(waiting));
    if (code < 0)
        return code;
    if (places[0] < 0 || places[1] < 0 || waiting < 0 || (uint32_t)places[0] >= entry->count ||
        (uint32_t)places[1] >= entry->count)
        return -EPROTO;
    *ret_ring =
        (struct pyro_entry_ring){(uint32_t)places[0], (uint32_t)places[1], (uint32_t)waiting};
    return 0;
}

/* 3.11, 3.12: a sem_t of glibc: its value, and in the upper half how many wait for it. 3.13: a PyMutex. */
static int check_lock(const struct pyro_memory *memory, const struct pyro_maps *maps,
                      const struct pyro_entry *entry)
{
    uint8_t mutex = 0xff;
    uint64_t semaphore = UINT64_MAX;
    pyro_addr at;
    if (entry->minor == 13) {
        int code = pyro_memory_read(memory, entry->lock, &mutex, sizeof(mutex));
        return code < 0 ? code : mutex == 0 ? 0 : mutex <= 3 ? -EAGAIN : -EPROTO;
    }
    int code = pyro_memory_read_addr(memory, entry->lock, &at);
    const struct pyro_mapping *mapping = code == 0 ? pyro_maps_find(maps, at) : NULL;
    if (!mapping || !mapping->writable || !pyro_addr_aligned(at) ||
        pyro_memory_read(memory, at, &semaphore, sizeof(semaphore)) < 0)
        return code < 0 ? code : -EPROTO;
    if ((uint32_t)semaphore > 1)
        return -EPROTO;
    return semaphore == 1 ? 0 : -EAGAIN;
}

/* What waits is code, and since 3.12 every other place is empty. */
static int check_place(const struct pyro_memory *memory, const struct pyro_maps *maps,
                       const struct pyro_entry *entry, const struct pyro_entry_ring *ring,
                       uint32_t place)
{
    pyro_addr function;
    int code = pyro_memory_read_addr(memory, pyro_entry_place(entry, place), &function);
    if (code < 0)
        return code;
    if (!pyro_entry_waits(entry, ring, place) && pyro_addr_is_null(function))
        return 0;
    if (!pyro_entry_waits(entry, ring, place) && entry->minor >= 12)
        return -EPROTO;
    const struct pyro_mapping *mapping = pyro_maps_find(maps, function);
    return mapping && mapping->executable ? 0 : -EPROTO;
}

int pyro_entry_ring(const struct pyro_memory *memory, const struct pyro_maps *maps,
                    const struct pyro_entry *entry, struct pyro_entry_ring *ret_ring)
{
    struct pyro_entry_ring ring;
    int code = pyro_entry_peek(memory, entry, &ring);
    if (code == 0)
        code = check_lock(memory, maps, entry);
    for (uint32_t i = 0; code == 0 && i < entry->count; i++)
        code = check_place(memory, maps, entry, &ring, i);
    if (code < 0)
        return code;
    uint32_t used = (ring.behind + entry->count - ring.first) % entry->count;
    if (used + 1 >= entry->count)
        return -EAGAIN;
    if (entry->minor == 13 ? ring.waiting != used : ring.waiting > 1)
        return -EPROTO;
    *ret_ring = ring;
    return 0;
}

/* -- threads ------------------------------------------------------------------------------------ */

int pyro_entry_threads(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       const struct pyro_entry *entry, pyro_addr *threads, int max)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr thread = {0}, interp, first = {0};
    int count = 0;
    if (layout->interp.threads_main != PYRO_ABSENT)
        (void)pyro_memory_read_addr(
            memory, pyro_addr_plus(entry->interp, layout->interp.threads_main), &first);
    int code = pyro_memory_read_addr(
        memory, pyro_addr_plus(entry->interp, layout->interp.threads_head), &thread);
    while (code == 0 && count < max && pyro_addr_aligned(thread)) {
        code =
            pyro_memory_read_addr(memory, pyro_addr_plus(thread, layout->tstate.interp), &interp);
        if (code < 0 || interp.u != entry->interp.u)
            return -EPROTO;
        threads[count++] = thread;
        if (thread.u == first.u) {
            threads[count - 1] = threads[0];
            threads[0] = thread;
        }
        code = pyro_memory_read_addr(memory, pyro_addr_plus(thread, layout->tstate.next), &thread);
    }
    return code < 0 ? code : count;
}

pyro_addr pyro_entry_holder(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                            const struct pyro_entry *entry)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr gil, holder;
    int32_t locked = 0;
    if (pyro_memory_read_addr(memory, pyro_addr_plus(entry->interp, layout->interp.gil), &gil) <
            0 ||
        !pyro_addr_aligned(gil) ||
        pyro_memory_read(memory, pyro_addr_plus(gil, layout->gil.locked), &locked, sizeof(locked)) <
            0 ||
        locked != 1 ||
        pyro_memory_read_addr(memory, pyro_addr_plus(gil, layout->gil.holder), &holder) < 0)
        return pyro_addr_at(0);
    return holder;
}
