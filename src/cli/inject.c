/* cli/inject.c - a folder for the process, a call in it, its answer. */
#include "cli/inject.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/utf8.h"
#include "cli/installed.h"
#include "cli/print.h"
#include "collect/tables.h"
#include "cpython/runtime.h"
#include "inject/inject.h"
#include "inject/place.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_NS   (10 * PYRO_NS_PER_S)
#define STOP_NS    (5 * PYRO_NS_PER_S) /* it is done later then */
#define ANSWER_NS  (10 * PYRO_NS_PER_S)
#define POLL_NS    (PYRO_NS_PER_MS / 2)
#define ANSWER_MAX 512
#define NAME_MAX_  48

/* One line for the interpreter, whatever the program made of its own names; it raises nothing. Each call of the system lets go of the GIL: the time
 * after which a thread asks for it is short from the first one on, and is again what it was. */
#define LINE                                                                   \
    PYRO_CALL_BEGINS "\\n import sys\\n d,i='%s',sys.getswitchinterval()"      \
                     "\\n try:\\n  sys.setswitchinterval(1e-4)\\n"             \
                     "  with open(d+'/call.py','rb',0)as f:s=f.read()\\n"      \
                     "  exec(compile(s,'<pyrometer>','exec'),{'folder':d})\\n" \
                     " finally:sys.setswitchinterval(i)\\n"                    \
                     "except BaseException:pass\",{})\n"

struct pyro_injection {
    pid_t pid;
    uint64_t start_ticks;
    struct pyro_memory *memory;
    struct pyro_runtime runtime;
    struct pyro_injector *injector;
    const struct pyro_probe_options *options;
    uint64_t
        counted_into; /* the memory's inode, by which its process knows it, too; 0: whichever it has */
    char folder[PATH_MAX]; /* where the probe is installed */
    char name[NAME_MAX_];  /* of its copy: by what it holds */
    const volatile sig_atomic_t *stop;
};

/* -- the probe ---------------------------------------------------------------------------------- */

/* Another build has another name: a library stays loaded, and is found by its path. */
static int name_probe(struct pyro_injection *injection, struct pyro_error *error)
{
    char path[PATH_MAX + 32];
    struct stat status;
    int code = pyro_installed_probe(injection->folder);
    if (code < 0)
        return pyro_error_set(error, code, "no probe beside this program");
    snprintf(path, sizeof(path), "%s/" PYRO_PROBE_FILE, injection->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    code = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;
    void *bytes = MAP_FAILED;
    if (code == 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (code == 0 && bytes == MAP_FAILED)
        code = -errno;
    if (fd >= 0)
        close(fd);
    if (code < 0)
        return pyro_error_set(error, code, "cannot read '%s': %s", path, strerror(-code));
    snprintf(injection->name, sizeof(injection->name), "pyrometer-probe-%016llx.so",
             (unsigned long long)pyro_hash_bytes(bytes, (size_t)status.st_size));
    munmap(bytes, (size_t)status.st_size);
    return 0;
}

/* The path of a probe like ours that was loaded before; "": none. */
static void find_loaded(const struct pyro_injection *injection, char path[PATH_MAX])
{
    struct pyro_maps maps;
    path[0] = '\0';
    if (pyro_maps_load(injection->pid, &maps, NULL) < 0)
        return;
    for (size_t i = 0; i < maps.count; i++)
        if (pyro_place_of(maps.items[i].path, injection->name, path, PATH_MAX))
            break;
    pyro_maps_clear(&maps);
}

/* -- a call ------------------------------------------------------------------------------------- */

static int put_script(struct pyro_injection *injection, struct pyro_place *place)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/" PYRO_PROBE_BOOTSTRAP "/call.py", injection->folder);
    return pyro_place_copy(place, "call.py", path);
}

/* As probe/bootstrap/call.py reads it. */
static int put_wanted(struct pyro_injection *injection, struct pyro_place *place,
                      const char *action)
{
    const struct pyro_probe_options *options = injection->options;
    char probe[PATH_MAX];
    struct pyro_buffer text = {0};
    int code = 0;
    find_loaded(injection, probe);
    if (!probe[0]) {
        char from[PATH_MAX + 32];
        snprintf(from, sizeof(from), "%s/" PYRO_PROBE_FILE, injection->folder);
        snprintf(probe, sizeof(probe), "%s/%s", pyro_place_path(place), injection->name);
        code = pyro_place_copy(place, injection->name, from);
    }
    pyro_buffer_printf(&text, "%s\n%d\n%s\n%d\n%d\n%s%s\n%d\n%" PRIu64, action, (int)injection->pid,
                       probe, options->c_calls, options->traces, options->lines ? "=" : "",
                       options->lines ? options->lines : "", options->memory, options->period);
    if (strcmp(action, "stop") == 0)
        pyro_buffer_printf(&text, "\n%llu", (unsigned long long)injection->counted_into);
    if (code == 0)
        code = text.failed ? -ENOMEM : pyro_place_put(place, "wanted", text.data, text.size);
    pyro_buffer_free(&text);
    return code;
}

static int fill(struct pyro_injection *injection, struct pyro_place *place, const char *action,
                const char *line)
{
    int code = put_script(injection, place);
    if (code == 0)
        code = pyro_place_put(place, "run", line, strlen(line));
    if (code == 0)
        code = put_wanted(injection, place, action);
    return code < 0 ? code : pyro_place_give(place, "wanted");
}

static int await_answer(struct pyro_injection *injection, struct pyro_place *place,
                        char answer[ANSWER_MAX], struct pyro_error *error)
{
    uint64_t deadline_ns = pyro_clock_ns() + ANSWER_NS;
    ssize_t length;
    while ((length = pyro_place_get(place, "answer", answer, ANSWER_MAX)) == -ENOENT) {
        if (!pyro_process_alive(injection->pid, injection->start_ticks))
            return pyro_error_set(error, -ESRCH, "process %d is gone", (int)injection->pid);
        if (pyro_clock_ns() >= deadline_ns)
            return pyro_error_set(error, -ETIMEDOUT, "process %d does not answer",
                                  (int)injection->pid);
        pyro_clock_sleep_until(pyro_clock_ns() + POLL_NS);
    }
    if (length < 0)
        return pyro_error_set(error, (int)length, "cannot read what process %d answers: %s",
                              (int)injection->pid, strerror((int)-length));
    pyro_utf8_make_plain(answer, strlen(answer)); /* for a terminal */
    return 0;
}

/* Nobody came by. What comes by later finds that nobody waits for it, and then does all there is to do by itself. */
static int leave(struct pyro_injection *injection, struct pyro_place *place,
                 const struct pyro_call *call, bool *ret_left, struct pyro_error *error)
{
    int pid = (int)injection->pid;
    struct pyro_error why = {0};
    pyro_place_unlock(place);
    int code = pyro_injector_leave(injection->injector, call, &why);
    if (code < 0) {
        *error = why;
        return code;
    }
    *ret_left = true;
    pyro_error_set(error, -ETIMEDOUT,
                   "process %d did not come by in time: it will, as soon as it can", pid);
    pyro_error_hint(error, "pyrometer dump --pid %d shows where it waits", pid);
    return -ETIMEDOUT;
}

/* STAYS: whenever it is executed, it is right. RET_LEFT: the folder is still to be read. */
static int call_in(struct pyro_injection *injection, struct pyro_place *place, const char *action,
                   bool stays, char answer[ANSWER_MAX], bool *ret_left, struct pyro_error *error)
{
    char line[PYRO_CALL_MAX], script[128];
    const char *path = pyro_place_path(place);
    if (snprintf(line, sizeof(line), LINE, path) >= (int)sizeof(line))
        return pyro_error_set(error, -ENAMETOOLONG, "the path '%s' is too long", path);
    snprintf(script, sizeof(script), "%s/run", path);
    int code = fill(injection, place, action, line);
    if (code < 0)
        return pyro_error_set(error, code, "cannot write into %s of process %d: %s", path,
                              (int)injection->pid, strerror(-code));
    const struct pyro_call call = {
        .line = line,
        .script = script,
        .timeout_ns = stays ? STOP_NS : START_NS,
        .stop = injection->stop,
    };
    code = pyro_injector_call(injection->injector, &call, error);
    if (stays && (code == -ETIMEDOUT || code == -EBUSY))
        return leave(injection, place, &call, ret_left, error);
    if (code == 0)
        code = await_answer(injection, place, answer, error);
    if (code == 0)
        pyro_injector_clear(injection->injector);
    *ret_left = stays && code == -ETIMEDOUT; /* it was begun */
    return code;
}

static int call(struct pyro_injection *injection, const char *action, bool stays,
                char answer[ANSWER_MAX], struct pyro_error *error)
{
    struct pyro_place *place = NULL;
    bool left = false;
    int code = pyro_place_make(injection->pid, &place, error);
    if (code == 0)
        code = call_in(injection, place, action, stays, answer, &left, error);
    if (left)
        pyro_place_leave(place);
    else
        pyro_place_remove(place);
    return code;
}

/* -- start -------------------------------------------------------------------------------------- */

/* The memory that the process made, by the descriptor it names. It stays locked while we have it: who comes later knows that
 * somebody reads it. */
static int take_memory(struct pyro_injection *injection, const char *answer,
                       struct pyro_run_probe *probe, struct pyro_error *error)
{
    char path[64], link[64] = "";
    int number = -1;
    if (strncmp(answer, "failed ", 7) == 0)
        return pyro_error_set(error, -ENOTSUP, "the probe was not started in process %d: %s",
                              (int)injection->pid, answer + 7);
    if (sscanf(answer, "started %d", &number) != 1 || number < 0)
        return pyro_error_set(error, -EPROTO, "process %d answers '%.40s'", (int)injection->pid,
                              answer);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)injection->pid, number);
    ssize_t length = readlink(path, link, sizeof(link) - 1);
    int fd = length > 0 && strncmp(link, "/memfd:pyrometer ", 17) == 0
                 ? open(path, O_RDWR | O_CLOEXEC)
                 : -1;
    if (fd < 0)
        return pyro_error_set(error, -ENOENT, "process %d closed the memory to count into",
                              (int)injection->pid);
    (void)lockf(fd, F_TLOCK, 0);
    struct stat status;
    if (fstat(fd, &status) == 0)
        injection->counted_into = status.st_ino;
    return pyro_run_probe_adopt(probe, injection->options, fd, error);
}

static const char *what_it_does(const struct pyro_probe_options *options)
{
    if (options->memory)
        return "tracks what it allocates";
    if (options->lines)
        return "counts its calls and lines";
    return options->traces ? "times its calls" : "counts its calls";
}

/* What is counted is told by the numbers that threads have there; samples have ours. */
static int refuse_namespace(const struct pyro_process_info *info, struct pyro_error *error)
{
    pyro_error_set(error, -ENOTSUP,
                   "process %d lives in a pid namespace of its own, where it is %d: --inject wants "
                   "to be in the same one",
                   (int)info->pid, (int)info->namespace_pid);
    pyro_error_hint(error, "run pyrometer in its container, or beside it: kubectl debug --target, "
                           "docker run --pid=container:NAME");
    return -ENOTSUP;
}

static int open_target(struct pyro_injection *injection, struct pyro_error *error)
{
    struct pyro_process_info info;
    int code = pyro_process_info(injection->pid, &info);
    if (code < 0)
        return pyro_error_set(error, code, "there is no process %d", (int)injection->pid);
    injection->start_ticks = info.start_ticks;
    if (info.namespace_pid != info.pid)
        return refuse_namespace(&info, error);
    code = name_probe(injection, error);
    if (code == 0)
        code = pyro_memory_open(injection->pid, &injection->memory, error);
    if (code == 0)
        code = pyro_runtime_find(injection->pid, injection->memory, &injection->runtime, error);
    if (code == 0)
        code = pyro_injector_new(injection->pid, injection->memory, &injection->runtime,
                                 &injection->injector, error);
    return code;
}

static int start(struct pyro_injection *injection, struct pyro_run_probe *probe,
                 struct pyro_error *error)
{
    char answer[ANSWER_MAX];
    struct pyro_error ignored = {0};
    int code = open_target(injection, error);
    if (code < 0)
        return code;
    pyro_print_note("starting the probe in process %d (Python %s): it %s while this records, and "
                    "is removed then",
                    (int)injection->pid, injection->runtime.version_text,
                    what_it_does(injection->options));
    uint64_t began_ns = pyro_clock_ns();
    code = call(injection, "start", false, answer, error);
    if (code < 0)
        return code;
    code = take_memory(injection, answer, probe, error);
    if (code == 0)
        pyro_print_note("the probe is there after %.1f ms",
                        (double)(pyro_clock_ns() - began_ns) / (double)PYRO_NS_PER_MS);
    else if (strncmp(answer, "started", 7) == 0)
        (void)pyro_injection_stop(injection, &ignored);
    return code;
}

int pyro_injection_start(pid_t pid, const struct pyro_probe_options *options,
                         const volatile sig_atomic_t *stop, struct pyro_run_probe *probe,
                         struct pyro_injection **ret_injection, struct pyro_error *error)
{
    struct pyro_injection *injection = calloc(1, sizeof(*injection));
    *probe = (struct pyro_run_probe){.child_fd = -1};
    if (!injection)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    injection->pid = pid;
    injection->options = options;
    injection->stop = stop;
    int code = start(injection, probe, error);
    if (code < 0) {
        pyro_injection_free(injection);
        return code;
    }
    *ret_injection = injection;
    return 0;
}

/* -- stop --------------------------------------------------------------------------------------- */

int pyro_injection_stop(struct pyro_injection *injection, struct pyro_error *error)
{
    char answer[ANSWER_MAX];
    injection->stop = NULL; /* whatever asked us to end: this is how */
    if (!pyro_process_alive(injection->pid, injection->start_ticks))
        return 0;
    int code = call(injection, "stop", true, answer, error);
    if (code == -ESRCH) /* it ended, or became another program */
        return 0;
    if (code < 0)
        return code;
    if (strcmp(answer, "stopped") != 0)
        return pyro_error_set(error, -EPROTO, "the probe was not removed from process %d: %s",
                              (int)injection->pid, answer);
    return 0;
}

void pyro_injection_free(struct pyro_injection *injection)
{
    if (!injection)
        return;
    pyro_injector_free(injection->injector);
    pyro_memory_free(injection->memory);
    free(injection);
}
