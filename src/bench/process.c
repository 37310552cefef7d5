/* bench/process.c - one process from its start to its end.
 *
 * What the kernel counted of it comes from wait4. The peak is the one figure that lies: a process
 * inherits the high-water mark of the memory it was made in (exec_mmap() in fs/exec.c), which is
 * ours; where a program stays below that, its peak is not known. Resident memory is looked at from
 * time to time, in intervals that double, for how it grows. */
#include "bench/run.h"

#include "base/checksum.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKS_MAX     128 /* at the memory */
#define LOOKS_MIN     30  /* for growth to be told: before, it is the start-up that grows */
#define FIRST_LOOK_NS (10 * PYRO_NS_PER_MS)
#define LAST_WORDS_NS (2 * PYRO_NS_PER_S) /* between asking a group to end and making it */

struct memory_looks {
    int fd;
    uint64_t begin_ns, due_ns, interval_ns;
    struct {
        uint64_t at_ns, rss_bytes;
    } looks[LOOKS_MAX];
    size_t count;
};

struct watch {
    pid_t pid;
    struct memory_looks memory;
    int out_fd, err_fd; /* -1: not captured */
    uint64_t end_ns;
};

/* -- signals ---------------------------------------------------------------------------------- */

int pyro_bench_signals_take(struct pyro_bench_signals *signals, struct pyro_error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
    struct sigaction action = {.sa_handler = SIG_DFL}, now;
    sigset_t set;
    *signals = (struct pyro_bench_signals){.fd = -1};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* as nohup does */
            sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, &signals->before);
    sigaction(SIGCHLD, &action, &signals->child_before); /* ignored, a status would be lost */
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd >= 0)
        return 0;
    int code = pyro_error_set(error, -errno, "cannot take signals: %s", strerror(errno));
    pyro_bench_signals_return(signals);
    return code;
}

void pyro_bench_signals_return(struct pyro_bench_signals *signals)
{
    /* What came is taken, or it would end us now. */
    struct signalfd_siginfo info;
    while (signals->fd >= 0 && read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        ;
    if (signals->fd >= 0)
        close(signals->fd);
    signals->fd = -1;
    sigaction(SIGCHLD, &signals->child_before, NULL);
    sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

static void read_signals(struct pyro_bench_signals *signals)
{
    struct signalfd_siginfo info;
    while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo != SIGCHLD &&
            info.ssi_signo != SIGTSTP) /* stopped, we would mismeasure */
            signals->interrupted = true;
}

/* -- memory ----------------------------------------------------------------------------------- */

static void memory_open(struct memory_looks *memory, pid_t pid, uint64_t now_ns)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    memory->fd = open(path, O_RDONLY | O_CLOEXEC);
    memory->count = 0;
    memory->begin_ns = now_ns;
    memory->interval_ns = FIRST_LOOK_NS;
    memory->due_ns = now_ns + FIRST_LOOK_NS;
}

static void memory_thin_out(struct memory_looks *memory)
{
    for (size_t i = 0; i < LOOKS_MAX / 2; i++)
        memory->looks[i] = memory->looks[2 * i + 1];
    memory->count = LOOKS_MAX / 2;
    memory->interval_ns *= 2;
}

static void memory_look(struct memory_looks *memory, uint64_t now_ns)
{
    char text[128];
    unsigned long long resident;
    ssize_t length = memory->fd < 0 ? -1 : pread(memory->fd, text, sizeof(text) - 1, 0);
    memory->due_ns = now_ns + memory->interval_ns;
    if (length <= 0)
        return;
    text[length] = '\0';
    if (sscanf(text, "%*u %llu", &resident) != 1 || resident == 0)
        return;
    if (memory->count == LOOKS_MAX)
        memory_thin_out(memory);
    memory->looks[memory->count].at_ns = now_ns;
    memory->looks[memory->count++].rss_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The most of either half of its time. Not what there was last: a program that ends gives its
 * memory back first. */
static void memory_tell(const struct memory_looks *memory, uint64_t end_ns,
                        struct pyro_bench_run *run)
{
    uint64_t half_ns = memory->begin_ns + (end_ns - memory->begin_ns) / 2;
    if (memory->count < LOOKS_MIN)
        return;
    for (size_t i = 0; i < memory->count; i++) {
        uint64_t *peak = memory->looks[i].at_ns < half_ns ? &run->first_half_peak_bytes
                                                          : &run->second_half_peak_bytes;
        if (memory->looks[i].rss_bytes > *peak)
            *peak = memory->looks[i].rss_bytes;
    }
}

/* The most memory that we ourselves had resident: below it a child's peak is not its own. */
static uint64_t own_peak_bytes(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *line = strstr(text, "VmHWM:");
    return line ? strtoull(line + 6, NULL, 10) * 1024 : 0;
}

/* -- starting --------------------------------------------------------------------------------- */

/* Our environment with PYTHONHASHSEED, unless the user chose one. SEED is "PYTHONHASHSEED=..." */
static char **make_environment(char *seed)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **copy = calloc(count + 2, sizeof(*copy));
    if (!copy)
        return NULL;
    memcpy(copy, environ, count * sizeof(*copy));
    if (!getenv("PYTHONHASHSEED"))
        copy[count] = seed;
    return copy;
}

static void set_files(posix_spawn_file_actions_t *files, const struct pyro_bench_process *process,
                      int out_fd, int err_fd)
{
    posix_spawn_file_actions_init(files);
    if (*process->directory)
        posix_spawn_file_actions_addchdir_np(files, process->directory);
    posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (process->output == PYRO_BENCH_SHOW) {
        posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
    } else if (process->output == PYRO_BENCH_CAPTURE) {
        posix_spawn_file_actions_adddup2(files, out_fd, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(files, err_fd, STDERR_FILENO);
    } else {
        posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
}

static void set_attributes(posix_spawnattr_t *attributes, const struct pyro_bench_signals *signals)
{
    sigset_t defaults;
    sigemptyset(&defaults);
    if (signals->child_before.sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGCHLD);
    posix_spawnattr_init(attributes);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &signals->before);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF);
}

static int start(const struct pyro_bench_process *process, const struct pyro_bench_signals *signals,
                 int out_fd, int err_fd, pid_t *ret_pid, struct pyro_error *error)
{
    char seed[32];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    snprintf(seed, sizeof(seed), "PYTHONHASHSEED=%u", process->hash_seed);
    char **environment = make_environment(seed);
    if (!environment)
        return pyro_error_set(error, -ENOMEM, "no memory");
    set_files(&files, process, out_fd, err_fd);
    set_attributes(&attributes, signals);
    int failed =
        posix_spawnp(ret_pid, process->argv[0], &files, &attributes, process->argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    if (failed)
        return pyro_error_set(error, -failed, "cannot run '%s': %s", process->argv[0],
                              strerror(failed));
    return 0;
}

/* -- capturing -------------------------------------------------------------------------------- */

static void keep_last_words(struct pyro_bench_process *process, const char *data, size_t size)
{
    size_t room = sizeof(process->last_words) - 1, old = strlen(process->last_words);
    if (size > room) {
        data += size - room;
        size = room;
    }
    size_t kept = old + size > room ? room - size : old;
    memmove(process->last_words, process->last_words + old - kept, kept);
    memcpy(process->last_words + kept, data, size);
    process->last_words[kept + size] = '\0';
    for (char *character = process->last_words; character < process->last_words + kept + size;
         character++)
        if (!*character)
            *character = '?';
}

/* What there is to read now; false at its end. */
static bool drain(struct watch *watch, struct pyro_bench_process *process, int fd)
{
    char data[65536];
    ssize_t count;
    while ((count = read(fd, data, sizeof(data))) > 0) {
        bool out = fd == watch->out_fd;
        if (out) {
            process->printed_sum = pyro_crc32c(process->printed_sum, data, (size_t)count);
            process->printed_bytes += (uint64_t)count;
        } else if (!process->complained) {
            process->last_words[0] = '\0';
            process->complained = true;
        }
        if (!out || !process->complained)
            keep_last_words(process, data, (size_t)count);
    }
    return count < 0 && errno == EAGAIN;
}

static void drain_one(struct watch *watch, struct pyro_bench_process *process, int *fd)
{
    if (*fd < 0 || drain(watch, process, *fd))
        return;
    close(*fd);
    *fd = -1;
}

/* Two pipes; ends to write in RET_OUT and RET_ERR. */
static int open_pipes(struct watch *watch, int *ret_out, int *ret_err)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) < 0) {
        int code = -errno;
        close(out[0]);
        close(out[1]);
        return code;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    watch->out_fd = out[0];
    watch->err_fd = err[0];
    *ret_out = out[1];
    *ret_err = err[1];
    return 0;
}

/* -- to its end ------------------------------------------------------------------------------- */

/* Did it end? Then it is reaped. */
static bool ended(struct watch *watch, int *status, struct rusage *usage)
{
    pid_t pid = wait4(watch->pid, status, WNOHANG, usage);
    return pid == watch->pid || (pid < 0 && errno != EINTR);
}

static void wait_for_something(struct watch *watch, struct pyro_bench_signals *signals)
{
    struct pollfd fds[3] = {
        {.fd = signals->fd, .events = POLLIN},
        {.fd = watch->out_fd, .events = POLLIN}, /* -1 is passed over */
        {.fd = watch->err_fd, .events = POLLIN},
    };
    uint64_t now_ns = pyro_clock_ns();
    uint64_t wait_ns = watch->memory.due_ns > now_ns ? watch->memory.due_ns - now_ns : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / PYRO_NS_PER_S),
                               .tv_nsec = (long)(wait_ns % PYRO_NS_PER_S)};
    ppoll(fds, 3, &timeout, NULL);
    watch->end_ns = pyro_clock_ns(); /* when this was the last time */
}

/* Ask the whole group to end, then make it. */
static void end_group(struct watch *watch, int *status, struct rusage *usage)
{
    uint64_t patience_ns = pyro_clock_ns() + LAST_WORDS_NS;
    kill(-watch->pid, SIGTERM);
    while (!ended(watch, status, usage)) {
        if (pyro_clock_ns() > patience_ns)
            kill(-watch->pid, SIGKILL);
        pyro_clock_sleep_until(pyro_clock_ns() + PYRO_NS_PER_MS);
    }
    kill(-watch->pid, SIGKILL); /* its children, if there are any left */
}

static int watch_to_the_end(struct watch *watch, struct pyro_bench_process *process,
                            struct pyro_bench_signals *signals, int *status, struct rusage *usage)
{
    while (true) {
        wait_for_something(watch, signals);
        if (ended(watch, status, usage))
            break;
        read_signals(signals);
        if (signals->interrupted) {
            end_group(watch, status, usage);
            return -EINTR;
        }
        drain_one(watch, process, &watch->out_fd);
        drain_one(watch, process, &watch->err_fd);
        if (watch->end_ns >= watch->memory.due_ns)
            memory_look(&watch->memory, watch->end_ns);
    }
    drain_one(watch, process, &watch->out_fd);
    drain_one(watch, process, &watch->err_fd);
    return 0;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void fill_run(struct pyro_bench_run *run, const struct watch *watch, int status,
                     const struct rusage *usage, uint64_t floor_bytes)
{
    uint64_t peak_bytes = (uint64_t)usage->ru_maxrss * 1024;
    run->wait_status = status;
    run->wall_s = (double)(watch->end_ns - watch->memory.begin_ns) / (double)PYRO_NS_PER_S;
    run->user_s = seconds(usage->ru_utime);
    run->system_s = seconds(usage->ru_stime);
    run->peak_bytes = peak_bytes > floor_bytes ? peak_bytes : 0;
    run->involuntary_switches = (uint64_t)usage->ru_nivcsw;
    run->major_faults = (uint64_t)usage->ru_majflt;
    memory_tell(&watch->memory, watch->end_ns, run);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int pyro_bench_process_run(struct pyro_bench_process *process, struct pyro_bench_signals *signals,
                           struct pyro_bench_run *run, struct pyro_error *error)
{
    struct watch watch = {.out_fd = -1, .err_fd = -1, .memory.fd = -1};
    struct rusage usage = {0};
    int out_fd = -1, err_fd = -1, status = 0, code = 0;
    uint64_t floor_bytes = own_peak_bytes();
    if (process->output == PYRO_BENCH_CAPTURE)
        code = open_pipes(&watch, &out_fd, &err_fd);
    if (code < 0)
        return pyro_error_set(error, code, "cannot make a pipe: %s", strerror(-code));
    uint64_t begin_ns = pyro_clock_ns();
    code = start(process, signals, out_fd, err_fd, &watch.pid, error);
    close_fd(out_fd);
    close_fd(err_fd);
    if (code == 0) {
        memory_open(&watch.memory, watch.pid, begin_ns);
        code = watch_to_the_end(&watch, process, signals, &status, &usage);
        if (code == 0)
            fill_run(run, &watch, status, &usage, floor_bytes);
    }
    close_fd(watch.memory.fd);
    close_fd(watch.out_fd);
    close_fd(watch.err_fd);
    return code;
}
