/* cpython/runtime.c - the ways to the interpreter tried one after another, and what each must pass.
 */
#include "cpython/runtime.h"
#include "cpython/internal.h"

#include "base/log.h"
#include "target/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERPRETERS_CHECKED 64 /* a list longer than this passes on its first ones */
#define THREADS_CHECKED      256
#define FRAMES_LOOKED_AT     64 /* for the first that runs a code object */
#define STARTING_SECONDS \
    10 /* a program named python without an interpreter is starting up for this long */

/* -- checks ----------------------------------------------------------------------------------- */

/* Is one of the threads in the list of INTERP its own? 1 yes, 0 no thread, negative errno. */
static int check_threads(const struct pyro_memory *memory, const struct pyro_layout *layout,
                         pyro_addr interp, pyro_addr *ret_thread)
{
    pyro_addr thread;
    int code =
        pyro_memory_read_addr(memory, pyro_addr_plus(interp, layout->interp.threads_head), &thread);
    if (code != 0)
        return code;
    if (pyro_addr_is_null(thread))
        return 0;
    pyro_addr back;
    if (!pyro_addr_aligned(thread))
        return -EINVAL;
    code = pyro_memory_read_addr(memory, pyro_addr_plus(thread, layout->tstate.interp), &back);
    if (code != 0)
        return code == -EFAULT ? -EINVAL : code;
    if (back.u != interp.u)
        return -EINVAL;
    *ret_thread = thread;
    return 1;
}

static int check_interpreters(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                              pyro_addr *ret_thread)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr interp;
    int code = pyro_memory_read_addr(
        memory, pyro_addr_plus(runtime->addr, layout->runtime.interpreters_head), &interp);
    if (code != 0)
        return code == -EFAULT ? -EINVAL : code;
    int found = 0;
    for (int i = 0; i < INTERPRETERS_CHECKED && !pyro_addr_is_null(interp); i++) {
        if (!pyro_addr_aligned(interp))
            return -EINVAL;
        code = check_threads(memory, layout, interp, ret_thread);
        if (code == 1)
            found++;
        else if (code < 0)
            return code == -EFAULT ? -EINVAL : code;
        code = pyro_memory_read_addr(memory, pyro_addr_plus(interp, layout->interp.next), &interp);
        if (code != 0)
            return code == -EFAULT ? -EINVAL : code;
    }
    return found ? 0 : -EAGAIN;
}

int pyro_runtime_check(const struct pyro_memory *memory, const struct pyro_runtime *runtime)
{
    pyro_addr thread;
    return check_interpreters(memory, runtime, &thread);
}

bool pyro_type_named(const struct pyro_memory *memory, const struct pyro_layout *layout,
                     pyro_addr type, const char *name)
{
    char text[64];
    size_t size = strlen(name) + 1;
    pyro_addr at;
    return size <= sizeof text && pyro_addr_aligned(type) &&
           pyro_memory_read_addr(memory, pyro_addr_plus(type, layout->type.name), &at) == 0 &&
           pyro_memory_read(memory, at, text, size) == 0 && memcmp(text, name, size) == 0;
}

/* -- the type of code objects ----------------------------------------------------------------- */

static int innermost_frame(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr thread, pyro_addr *ret_frame)
{
    int code =
        pyro_memory_read_addr(memory, pyro_addr_plus(thread, layout->tstate.frame), ret_frame);
    if (code == 0 && layout->frames == PYRO_FRAMES_CFRAME && !pyro_addr_is_null(*ret_frame))
        code = pyro_memory_read_addr(
            memory, pyro_addr_plus(*ret_frame, layout->cframe_current_frame), ret_frame);
    return code;
}

static bool learn_from_frame(const struct pyro_memory *memory, struct pyro_runtime *runtime,
                             const uint8_t *frame)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr executable = pyro_field_addr(frame, layout->frame.executable), type, meta;
    if (layout->minor >= 14)
        executable.u &= ~(uint64_t)3;
    if (!pyro_addr_aligned(executable) ||
        pyro_memory_read_addr(memory, pyro_addr_plus(executable, layout->object.type), &type) !=
            0 ||
        !pyro_type_named(memory, layout, type, "code") ||
        pyro_memory_read_addr(memory, pyro_addr_plus(type, layout->object.type), &meta) != 0 ||
        !pyro_type_named(memory, layout, meta, "type"))
        return false;
    runtime->code_type = type;
    return true;
}

static bool learn_from_thread(const struct pyro_memory *memory, struct pyro_runtime *runtime,
                              pyro_addr thread)
{
    const struct pyro_layout *layout = &runtime->layout;
    uint8_t copy[PYRO_FRAME_SIZE_MAX + 8];
    pyro_addr frame;
    if (innermost_frame(memory, layout, thread, &frame) != 0)
        return false;
    for (int i = 0; i < FRAMES_LOOKED_AT && pyro_addr_aligned(frame); i++) {
        if (pyro_memory_read(memory, frame, copy, layout->frame.size) != 0)
            return false;
        if (learn_from_frame(memory, runtime, copy))
            return true;
        frame = pyro_field_addr(copy, layout->frame.previous);
    }
    return false;
}

void pyro_runtime_learn_code_type(const struct pyro_memory *memory, struct pyro_runtime *runtime)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr thread;
    if (check_interpreters(memory, runtime, &thread) != 0)
        return;
    for (int i = 0; i < THREADS_CHECKED && pyro_addr_aligned(thread); i++) {
        if (learn_from_thread(memory, runtime, thread))
            return;
        if (pyro_memory_read_addr(memory, pyro_addr_plus(thread, layout->tstate.next), &thread) !=
            0)
            return;
    }
}

/* -- a runtime at a known place --------------------------------------------------------------- */

void pyro_version_text(uint32_t version, char *text, size_t size)
{
    static const char *const levels[16] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
    int length =
        snprintf(text, size, "%u.%u.%u", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
    const char *level = levels[version >> 4 & 0xf];
    if (level && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, "%s%u", level, version & 0xf);
}

int pyro_runtime_at(const struct pyro_memory *memory, pyro_addr addr, uint32_t version,
                    struct pyro_runtime *ret_runtime, struct pyro_error *error)
{
    struct pyro_runtime runtime = {.addr = addr, .source = PYRO_RUNTIME_BY_SYMBOL};
    int code;
    if (version >> 16 >= 0x30d) {
        uint8_t offsets[PYRO_DEBUG_OFFSETS_READ_MAX];
        code = pyro_memory_read(memory, addr, offsets, sizeof offsets);
        if (code == 0)
            code = pyro_layout_from_debug_offsets(offsets, sizeof offsets, &runtime.layout, error);
    } else {
        code = pyro_layout_static(version, &runtime.layout);
    }
    if (code == 0)
        code = pyro_runtime_check(memory, &runtime);
    if (code != 0)
        return code;
    pyro_version_text(runtime.layout.version, runtime.version_text, sizeof runtime.version_text);
    pyro_runtime_learn_code_type(memory, &runtime);
    *ret_runtime = runtime;
    return 0;
}

/* -- finding it ------------------------------------------------------------------------------- */

const char *pyro_runtime_source_name(enum pyro_runtime_source source)
{
    static const char *const names[] = {"symbol", "section", "cookie", "scan"};
    return (size_t)source < sizeof names / sizeof *names ? names[source] : "?";
}

bool pyro_path_is_python(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strstr(slash ? slash + 1 : path, "python") != NULL;
}

bool pyro_runtime_plausible(pid_t pid)
{
    char exe[4096];
    if (pyro_process_exe(pid, exe, sizeof exe) != 0)
        return false;
    if (pyro_path_is_python(exe))
        return true;
    struct pyro_maps maps = {0};
    if (pyro_maps_load(pid, &maps, NULL) != 0)
        return false;
    bool found = false;
    for (size_t i = 0; i < maps.count && !found; i++) {
        const char *slash = strrchr(maps.items[i].path, '/');
        found = slash && strncmp(slash, "/libpython", 10) == 0;
    }
    pyro_maps_clear(&maps);
    return found;
}

uint64_t pyro_process_age_s(pid_t pid)
{
    struct pyro_process_info info;
    struct timespec now;
    long ticks = sysconf(_SC_CLK_TCK);
    if (ticks <= 0 || pyro_process_info(pid, &info) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return UINT64_MAX;
    uint64_t start = info.start_ticks / (uint64_t)ticks;
    return (uint64_t)now.tv_sec > start ? (uint64_t)now.tv_sec - start : 0;
}

static int not_found(struct pyro_error *error, pid_t pid, const char *exe)
{
    /* The dynamic linker maps libpython some milliseconds after the program starts. */
    if (pyro_path_is_python(exe) && pyro_process_age_s(pid) <= STARTING_SECONDS)
        return pyro_error_set(error, -EAGAIN,
                              "process %d has not started its Python interpreter yet", (int)pid);
    pyro_error_set(error, -ENOEXEC, "no Python interpreter (3.8-3.15) found in process %d (%s)",
                   (int)pid, exe[0] ? exe : "program unknown");
    pyro_error_hint(error,
                    "pyrometer record without --pid lists the Python processes of this machine");
    return -ENOEXEC;
}

static int find_by_sources(pid_t pid, const struct pyro_memory *memory,
                           const enum pyro_runtime_source *sources, int count,
                           struct pyro_runtime *ret_runtime, struct pyro_error *error)
{
    struct pyro_discovery discovery;
    int code = pyro_discovery_start(&discovery, pid, memory, error);
    if (code != 0)
        return code;
    code = -ENOENT;
    for (int i = 0; i < count && code == -ENOENT; i++) {
        code = pyro_discover(&discovery, sources[i], ret_runtime);
        pyro_log("cpython", "pid %d by %s: %d", (int)pid, pyro_runtime_source_name(sources[i]),
                 code);
    }
    if (code == -ENOENT)
        code = not_found(error, pid, discovery.exe);
    else if (code == -EAGAIN)
        pyro_error_set(error, code, "process %d has not started its Python interpreter yet",
                       (int)pid);
    else if (code == -ESRCH)
        pyro_error_set(error, code, "process %d is gone", (int)pid);
    else if (code != 0)
        pyro_error_set(error, code, "cannot read the memory of process %d: %s", (int)pid,
                       strerror(-code));
    pyro_discovery_end(&discovery);
    return code;
}

int pyro_runtime_find(pid_t pid, const struct pyro_memory *memory, struct pyro_runtime *ret_runtime,
                      struct pyro_error *error)
{
    static const enum pyro_runtime_source all[] = {PYRO_RUNTIME_BY_SYMBOL, PYRO_RUNTIME_BY_SECTION,
                                                   PYRO_RUNTIME_BY_COOKIE, PYRO_RUNTIME_BY_SCAN};
    return find_by_sources(pid, memory, all, 4, ret_runtime, error);
}

int pyro_runtime_find_by(pid_t pid, const struct pyro_memory *memory,
                         enum pyro_runtime_source source, struct pyro_runtime *ret_runtime,
                         struct pyro_error *error)
{
    return find_by_sources(pid, memory, &source, 1, ret_runtime, error);
}
