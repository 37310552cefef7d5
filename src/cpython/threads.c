/* cpython/threads.c - interpreters, their threads, what these are called.
 *
 * Lists change while they are read: each is followed only as long as its members point back to what
 * they belong to, and never further than the limits. */
#include "cpython/threads.h"
#include "cpython/code.h"
#include "cpython/dict.h"
#include "cpython/internal.h"

#include "target/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* struct pthread of glibc: 704 (x86-64) or 192 (others, nptl/descr.h) bytes of header, two list
 * pointers, then tid. Checked against the thread list of the kernel before it is believed. */
#if defined(__x86_64__)
#define PTHREAD_TID 720
#else
#define PTHREAD_TID 208
#endif

/* -- interpreters ----------------------------------------------------------------------------- */

static int next_interpreter(const struct pyro_memory *memory, const struct pyro_layout *layout,
                            pyro_addr interp, int64_t *ret_id, pyro_addr *ret_next)
{
    const struct pyro_span spans[] = {
        {pyro_addr_plus(interp, layout->interp.id), ret_id, sizeof *ret_id},
        {pyro_addr_plus(interp, layout->interp.next), ret_next, sizeof *ret_next},
    };
    ssize_t count = pyro_memory_read_spans(memory, spans, 2);
    return count < 0 ? (int)count : count == 2 ? 0 : -EFAULT;
}

struct interpreter {
    pyro_addr addr;
    int64_t id;
};

static int list_interpreters(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                             struct interpreter *list, int max)
{
    const struct pyro_layout *layout = &runtime->layout;
    struct interpreter main = {.id = 0};
    pyro_addr at;
    int code = pyro_memory_read_addr(
        memory, pyro_addr_plus(runtime->addr, layout->runtime.interpreters_head), &at);
    if (code != 0)
        return code;
    int count = 0;
    while (count < max && pyro_addr_aligned(at)) {
        pyro_addr next;
        struct interpreter *interp = &list[count];
        interp->addr = at;
        code = next_interpreter(memory, layout, at, &interp->id, &next);
        if (code == -EFAULT)
            break;
        if (code != 0)
            return code;
        count++;
        at = next;
    }
    for (int i = 1; i < count; i++) { /* the main one is the oldest, so the last: to the front */
        if (list[i].id == 0) {
            main = list[i];
            memmove(list + 1, list, (size_t)i * sizeof *list);
            list[0] = main;
            break;
        }
    }
    return count;
}

int pyro_interpreters_list(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                           pyro_addr *interpreters, int max)
{
    struct interpreter list[PYRO_INTERPRETERS_MAX];
    int count = list_interpreters(memory, runtime, list,
                                  max < PYRO_INTERPRETERS_MAX ? max : PYRO_INTERPRETERS_MAX);
    for (int i = 0; i < count; i++)
        interpreters[i] = list[i].addr;
    return count;
}

/* -- the kernel's numbers --------------------------------------------------------------------- */

struct task {
    pid_t native, kernel;
};
struct tasks {
    struct task *items; /* ascending native */
    int count;
};

/* The last number of the line "NSpid: 4711 12": what the thread itself sees. 0 when there is none.
 */
static pid_t namespace_id(pid_t pid, pid_t tid)
{
    char path[64], line[512];
    pid_t last = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (last == 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, "NSpid:", 6) != 0)
            continue;
        char *next = line + 6, *end;
        for (long number; number = strtol(next, &end, 10), end != next; next = end)
            last = (pid_t)number;
    }
    fclose(file);
    return last;
}

static int by_native(const void *a, const void *b)
{
    const struct task *one = a, *other = b;
    return (one->native > other->native) - (one->native < other->native);
}

static int load_tasks(pid_t pid, struct tasks *tasks)
{
    pid_t *ids = NULL;
    int room = 256, count = 0;
    for (;;) {
        pid_t *grown = realloc(ids, (size_t)room * sizeof *ids);
        if (!grown) {
            free(ids);
            return -ENOMEM;
        }
        ids = grown;
        count = pyro_process_threads(pid, ids, room);
        if (count <= room || room >= PYRO_THREADS_MAX)
            break;
        room = count < PYRO_THREADS_MAX / 2 ? count * 2 : PYRO_THREADS_MAX;
    }
    if (count > room)
        count = room;
    tasks->items = count > 0 ? calloc((size_t)count, sizeof *tasks->items) : NULL;
    /* The first thread tells whether the target numbers threads as we do. */
    bool same = count > 0 && (namespace_id(pid, pid) == pid || namespace_id(pid, pid) == 0);
    for (int i = 0; tasks->items && i < count; i++)
        tasks->items[tasks->count++] =
            (struct task){.native = same ? ids[i] : namespace_id(pid, ids[i]), .kernel = ids[i]};
    free(ids);
    if (tasks->count)
        qsort(tasks->items, (size_t)tasks->count, sizeof *tasks->items, by_native);
    return count < 0 ? count : count > 0 && !tasks->items ? -ENOMEM : 0;
}

/* 0: no thread of the target has this id. */
static pid_t kernel_id_of(const struct tasks *tasks, pid_t native)
{
    const struct task key = {.native = native};
    const struct task *task =
        tasks->count ? bsearch(&key, tasks->items, (size_t)tasks->count, sizeof key, by_native)
                     : NULL;
    return task && native > 0 ? task->kernel : 0;
}

static pid_t pthread_tid(const struct pyro_memory *memory, uint64_t thread_id)
{
    int32_t tid;
    if (thread_id % 8 != 0 || thread_id == 0 ||
        pyro_memory_read(memory, pyro_addr_at(thread_id + PTHREAD_TID), &tid, sizeof tid) != 0)
        return 0;
    return tid > 0 ? tid : 0;
}

/* TOLD is what the thread state says, 0 before 3.11. After a fork it may still be the parent's
 * number. */
static void number_thread(const struct pyro_memory *memory, const struct tasks *tasks, pid_t told,
                          struct pyro_thread_info *thread)
{
    thread->told_id = thread->native_id = told;
    thread->kernel_id = kernel_id_of(tasks, told);
    if (thread->kernel_id != 0 || (told != 0 && tasks->count == 0))
        return;
    pid_t tid = pthread_tid(memory, thread->thread_id);
    if (tasks->count == 0) { /* a snapshot: nothing to check against */
        thread->native_id = tid;
        return;
    }
    thread->kernel_id = kernel_id_of(tasks, tid);
    if (thread->kernel_id != 0 || told == 0)
        thread->native_id = thread->kernel_id ? tid : 0;
}

/* -- threads ---------------------------------------------------------------------------------- */

struct thread_list {
    const struct pyro_memory *memory;
    const struct pyro_runtime *runtime;
    struct tasks tasks;
    struct pyro_thread_info *threads;
    int count, max;
};

static int add_threads(struct thread_list *list, const struct interpreter *interp)
{
    const struct pyro_layout *layout = &list->runtime->layout;
    uint8_t copy[PYRO_TSTATE_SIZE_MAX + 8];
    pyro_addr at;
    int code = pyro_memory_read_addr(
        list->memory, pyro_addr_plus(interp->addr, layout->interp.threads_head), &at);
    while (code == 0 && list->count < list->max && pyro_addr_aligned(at)) {
        code = pyro_memory_read(list->memory, at, copy, layout->tstate.size);
        if (code != 0 || pyro_field_addr(copy, layout->tstate.interp).u != interp->addr.u)
            break;
        struct pyro_thread_info *thread = &list->threads[list->count++];
        *thread = (struct pyro_thread_info){
            .tstate = at,
            .interp = interp->addr,
            .interp_id = interp->id,
            .thread_id = pyro_field_u64(copy, layout->tstate.thread_id),
        };
        if (layout->tstate.unique_id != PYRO_ABSENT &&
            pyro_memory_read(list->memory, pyro_addr_plus(at, layout->tstate.unique_id),
                             &thread->unique_id, sizeof thread->unique_id) != 0)
            thread->unique_id = 0;
        pid_t told = 0;
        if (layout->tstate.native_thread_id != PYRO_ABSENT)
            told = (pid_t)pyro_field_u64(copy, layout->tstate.native_thread_id);
        number_thread(list->memory, &list->tasks, told, thread);
        at = pyro_field_addr(copy, layout->tstate.next);
    }
    return code == -EFAULT ? 0 : code;
}

int pyro_threads_list(pid_t pid, const struct pyro_memory *memory,
                      const struct pyro_runtime *runtime, struct pyro_thread_info *threads, int max)
{
    struct thread_list list = {.memory = memory, .runtime = runtime, .threads = threads};
    struct interpreter interpreters[PYRO_INTERPRETERS_MAX];
    list.max = max < PYRO_THREADS_MAX ? max : PYRO_THREADS_MAX;
    int count = list_interpreters(memory, runtime, interpreters, PYRO_INTERPRETERS_MAX);
    if (count < 0)
        return count;
    int code = pid > 0 ? load_tasks(pid, &list.tasks) : 0;
    for (int i = 0; i < count && code == 0; i++)
        code = add_threads(&list, &interpreters[i]);
    free(list.tasks.items);
    return code != 0 ? code : list.count;
}

/* -- names ------------------------------------------------------------------------------------ */

/* sys.modules["threading"].__dict__["_active"] */
static int find_active(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       pyro_addr interp, struct pyro_dict *ret_active)
{
    struct pyro_dict dict;
    pyro_addr at;
    int code = pyro_memory_read_addr(memory, pyro_addr_plus(interp, layout->interp.modules), &at);
    if (code == 0)
        code = pyro_dict_open(memory, layout, at, &dict);
    if (code == 0)
        code = pyro_dict_find(memory, layout, &dict, "threading", &at);
    if (code == 0) /* PyModuleObject: the dict is its first field */
        code = pyro_memory_read_addr(memory, pyro_addr_plus(at, layout->object.size), &at);
    if (code == 0)
        code = pyro_dict_open(memory, layout, at, &dict);
    if (code == 0)
        code = pyro_dict_find(memory, layout, &dict, "_active", &at);
    return code != 0 ? code : pyro_dict_open(memory, layout, at, ret_active);
}

/* TEXT, cut at a character's border when it does not fit. */
static void copy_cut(const char *text, size_t length, char *name, size_t size)
{
    if (size == 0)
        return;
    if (length > size - 1) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(name, text, length);
    name[length] = '\0';
}

int pyro_thread_name(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                     const struct pyro_thread_info *thread, char *name, size_t size)
{
    const struct pyro_layout *layout = &runtime->layout;
    struct pyro_arena arena = {0};
    struct pyro_dict active;
    pyro_addr object, text_object;
    const char *text;
    uint32_t length;
    int code = find_active(memory, layout, thread->interp, &active);
    if (code == 0)
        code = pyro_dict_find_int(memory, layout, &active, thread->thread_id, &object);
    if (code == 0)
        code = pyro_attribute_find(memory, layout, object, "_name", &text_object);
    if (code == 0)
        code = pyro_unicode_read(memory, layout, text_object, &arena, &text, &length);
    if (code == 0)
        copy_cut(text, length, name, size);
    pyro_arena_free(&arena);
    return code == -ESRCH || code == -EPERM || code == -ENOMEM || code == 0 ? code : -ENOENT;
}

/* -- GIL and GC ------------------------------------------------------------------------------- */

static int read_gil(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    pyro_addr interp, struct pyro_interp_state *state)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr base = runtime->addr, holder;
    uint32_t holder_offset = layout->runtime.gil_holder, locked_offset = layout->runtime.gil_locked;
    int32_t locked;
    if (layout->interp.gil != PYRO_ABSENT) {
        int code = pyro_memory_read_addr(memory, pyro_addr_plus(interp, layout->interp.gil), &base);
        if (code != 0 || pyro_addr_is_null(base))
            return code;
        holder_offset = layout->gil.holder;
        locked_offset = layout->gil.locked;
        state->gil = base;
    } else {
        state->gil = pyro_addr_plus(base, holder_offset - 8); /* the interval comes first */
    }
    bool optional = layout->free_threaded;
    int32_t enabled = PYRO_GIL_ENABLED;
    const struct pyro_span spans[] = {
        {pyro_addr_plus(base, holder_offset), &holder, sizeof holder},
        {pyro_addr_plus(base, locked_offset), &locked, sizeof locked},
        {pyro_addr_plus(base, layout->gil.enabled), &enabled, optional ? sizeof enabled : 0},
    };
    ssize_t count = pyro_memory_read_spans(memory, spans, 2 + optional);
    if (count != 2 + optional)
        return count < 0 ? (int)count : -EFAULT;
    if (locked > 0 && enabled == PYRO_GIL_ENABLED)
        state->gil_holder = holder;
    return 0;
}

int pyro_interp_state(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      pyro_addr interp, struct pyro_interp_state *ret_state)
{
    const struct pyro_layout *layout = &runtime->layout;
    struct pyro_interp_state state = {.collecting = false};
    int32_t collecting;
    int code = read_gil(memory, runtime, interp, &state);
    if (code != 0)
        return code;
    bool in_runtime = layout->interp.gc_collecting == PYRO_ABSENT;
    pyro_addr at = in_runtime ? pyro_addr_plus(runtime->addr, layout->runtime.gc_collecting)
                              : pyro_addr_plus(interp, layout->interp.gc_collecting);
    code = pyro_memory_read(memory, at, &collecting, sizeof collecting);
    if (code != 0)
        return code;
    state.collecting = collecting != 0;
    *ret_state = state;
    return 0;
}
