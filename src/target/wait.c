/* target/wait.c - what a sleeping thread waits on.
 *
 * /proc/PID/task/TID/syscall gives the number and arguments of the call it sleeps in; descriptors are
 * looked up in /proc/PID/fd, sockets in /proc/PID/net. All of it may change while we look, so a part
 * that cannot be had is left out of the text, not an error. */
#include "target/internal.h"

#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_FD UINT64_MAX

/* -- which calls -------------------------------------------------------------------------------- */

enum call_shape {
    CALL_FD,        /* waits for the descriptor in argument 0 */
    CALL_PATH0,     /* a path in argument 0 */
    CALL_PATH1,     /* a path in argument 1 */
    CALL_POLL,      /* pollfd array, count */
    CALL_SELECT,    /* count, three sets */
    CALL_EPOLL,     /* descriptor of the epoll */
    CALL_FUTEX,     /* address */
    CALL_SLEEP,     /* no argument of interest */
    CALL_WAIT4,     /* pid */
    CALL_WAITID,    /* kind of id, id */
    CALL_RESTARTED, /* a call that a signal or a stop interrupted: which one is not told */
    CALL_OTHER,
};

struct call {
    int number;
    enum call_shape shape;
    const char *verb;
};

/* Linux system call numbers: arch/x86/entry/syscalls/syscall_64.tbl. */
static const struct call calls_x86_64[] = {
    {0, CALL_FD, "read"},
    {1, CALL_FD, "write"},
    {2, CALL_PATH0, "open"},
    {3, CALL_FD, "close"},
    {4, CALL_PATH0, "stat"},
    {7, CALL_POLL, "poll"},
    {9, CALL_OTHER, "mmap"},
    {11, CALL_OTHER, "munmap"},
    {12, CALL_OTHER, "brk"},
    {16, CALL_FD, "ioctl"},
    {17, CALL_FD, "read"},  /* pread64 */
    {18, CALL_FD, "write"}, /* pwrite64 */
    {19, CALL_FD, "read"},  /* readv */
    {20, CALL_FD, "write"}, /* writev */
    {23, CALL_SELECT, "select"},
    {26, CALL_OTHER, "msync"},
    {28, CALL_OTHER, "madvise"},
    {34, CALL_SLEEP, "pause"},
    {35, CALL_SLEEP, "sleep"}, /* nanosleep */
    {40, CALL_FD, "sendfile"},
    {42, CALL_FD, "connect"},
    {43, CALL_FD, "accept"},
    {44, CALL_FD, "send"}, /* sendto */
    {45, CALL_FD, "recv"}, /* recvfrom */
    {46, CALL_FD, "send"}, /* sendmsg */
    {47, CALL_FD, "recv"}, /* recvmsg */
    {61, CALL_WAIT4, "waitpid"},
    {65, CALL_OTHER, "semop"},
    {69, CALL_OTHER, "msgsnd"},
    {70, CALL_OTHER, "msgrcv"},
    {72, CALL_FD, "fcntl"},
    {73, CALL_FD, "flock"},
    {74, CALL_FD, "fsync"},
    {75, CALL_FD, "fdatasync"},
    {82, CALL_PATH0, "rename"},
    {87, CALL_PATH0, "unlink"},
    {128, CALL_SLEEP, "sigwait"}, /* rt_sigtimedwait */
    {130, CALL_SLEEP, "sigsuspend"},
    {162, CALL_OTHER, "sync"},
    {202, CALL_FUTEX, "futex"},
    {208, CALL_OTHER, "io_getevents"},
    {217, CALL_FD, "read"}, /* getdents64 */
    {219, CALL_RESTARTED, "restarted call"},
    {220, CALL_OTHER, "semtimedop"},
    {230, CALL_SLEEP, "sleep"}, /* clock_nanosleep */
    {232, CALL_EPOLL, "epoll"}, /* epoll_wait */
    {243, CALL_OTHER, "mq_receive"},
    {247, CALL_WAITID, "waitpid"}, /* waitid */
    {257, CALL_PATH1, "open"},     /* openat */
    {262, CALL_PATH1, "stat"},     /* newfstatat */
    {263, CALL_PATH1, "unlink"},   /* unlinkat */
    {270, CALL_SELECT, "select"},  /* pselect6 */
    {271, CALL_POLL, "poll"},      /* ppoll */
    {275, CALL_FD, "splice"},
    {277, CALL_FD, "fsync"},    /* sync_file_range */
    {281, CALL_EPOLL, "epoll"}, /* epoll_pwait */
    {288, CALL_FD, "accept"},   /* accept4 */
    {295, CALL_FD, "read"},     /* preadv */
    {296, CALL_FD, "write"},    /* pwritev */
    {299, CALL_FD, "recv"},     /* recvmmsg */
    {306, CALL_FD, "fsync"},    /* syncfs */
    {307, CALL_FD, "send"},     /* sendmmsg */
    {318, CALL_OTHER, "getrandom"},
    {326, CALL_FD, "copy_file_range"},
    {332, CALL_PATH1, "stat"}, /* statx */
    {426, CALL_OTHER, "io_uring"},
    {441, CALL_EPOLL, "epoll"}, /* epoll_pwait2 */
    {449, CALL_OTHER, "futex"}, /* futex_waitv: several addresses */
    {455, CALL_FUTEX, "futex"}, /* futex_wait */
};

/* include/uapi/asm-generic/unistd.h. */
static const struct call calls_aarch64[] = {
    {4, CALL_OTHER, "io_getevents"},
    {22, CALL_EPOLL, "epoll"}, /* epoll_pwait */
    {25, CALL_FD, "fcntl"},
    {29, CALL_FD, "ioctl"},
    {32, CALL_FD, "flock"},
    {35, CALL_PATH1, "unlink"}, /* unlinkat */
    {38, CALL_PATH1, "rename"}, /* renameat */
    {56, CALL_PATH1, "open"},   /* openat */
    {57, CALL_FD, "close"},
    {61, CALL_FD, "read"}, /* getdents64 */
    {63, CALL_FD, "read"},
    {64, CALL_FD, "write"},
    {65, CALL_FD, "read"},  /* readv */
    {66, CALL_FD, "write"}, /* writev */
    {67, CALL_FD, "read"},  /* pread64 */
    {68, CALL_FD, "write"}, /* pwrite64 */
    {69, CALL_FD, "read"},  /* preadv */
    {70, CALL_FD, "write"}, /* pwritev */
    {71, CALL_FD, "sendfile"},
    {72, CALL_SELECT, "select"}, /* pselect6 */
    {73, CALL_POLL, "poll"},     /* ppoll */
    {76, CALL_FD, "splice"},
    {79, CALL_PATH1, "stat"}, /* newfstatat */
    {81, CALL_OTHER, "sync"},
    {82, CALL_FD, "fsync"},
    {83, CALL_FD, "fdatasync"},
    {84, CALL_FD, "fsync"}, /* sync_file_range */
    {95, CALL_WAITID, "waitpid"},
    {98, CALL_FUTEX, "futex"},
    {101, CALL_SLEEP, "sleep"}, /* nanosleep */
    {115, CALL_SLEEP, "sleep"}, /* clock_nanosleep */
    {128, CALL_RESTARTED, "restarted call"},
    {133, CALL_SLEEP, "sigsuspend"},
    {137, CALL_SLEEP, "sigwait"}, /* rt_sigtimedwait */
    {183, CALL_OTHER, "mq_receive"},
    {188, CALL_OTHER, "msgrcv"},
    {189, CALL_OTHER, "msgsnd"},
    {192, CALL_OTHER, "semtimedop"},
    {193, CALL_OTHER, "semop"},
    {202, CALL_FD, "accept"},
    {203, CALL_FD, "connect"},
    {206, CALL_FD, "send"}, /* sendto */
    {207, CALL_FD, "recv"}, /* recvfrom */
    {211, CALL_FD, "send"}, /* sendmsg */
    {212, CALL_FD, "recv"}, /* recvmsg */
    {214, CALL_OTHER, "brk"},
    {215, CALL_OTHER, "munmap"},
    {222, CALL_OTHER, "mmap"},
    {227, CALL_OTHER, "msync"},
    {233, CALL_OTHER, "madvise"},
    {242, CALL_FD, "accept"}, /* accept4 */
    {243, CALL_FD, "recv"},   /* recvmmsg */
    {260, CALL_WAIT4, "waitpid"},
    {267, CALL_FD, "fsync"},     /* syncfs */
    {269, CALL_FD, "send"},      /* sendmmsg */
    {276, CALL_PATH1, "rename"}, /* renameat2 */
    {278, CALL_OTHER, "getrandom"},
    {285, CALL_FD, "copy_file_range"},
    {291, CALL_PATH1, "stat"}, /* statx */
    {426, CALL_OTHER, "io_uring"},
    {441, CALL_EPOLL, "epoll"}, /* epoll_pwait2 */
    {449, CALL_OTHER, "futex"}, /* futex_waitv */
    {455, CALL_FUTEX, "futex"}, /* futex_wait */
};

/* Both tables are always compiled, so that neither rots. */
static const struct call *find_call(uint64_t number)
{
#ifdef __aarch64__
    const bool is_aarch64 = true;
#else
    const bool is_aarch64 = false;
#endif
    const struct call *calls = is_aarch64 ? calls_aarch64 : calls_x86_64;
    size_t count = is_aarch64 ? sizeof(calls_aarch64) / sizeof(calls_aarch64[0])
                              : sizeof(calls_x86_64) / sizeof(calls_x86_64[0]);
    for (size_t i = 0; i < count; i++) {
        if ((uint64_t)calls[i].number == number)
            return &calls[i];
    }
    return NULL;
}

/* -- text --------------------------------------------------------------------------------------- */

/* "VERB NAME", the beginning of a long name left out; nothing that a terminal would obey. */
static void set_text(struct pyro_wait *wait, const char *verb, const char *name)
{
    size_t room = sizeof(wait->text) - strlen(verb) - 2, length = strlen(name);
    const char *dots = "";
    if (length > room) {
        dots = "...";
        name += length - (room - 3);
        while (((unsigned char)*name & 0xc0) == 0x80) /* do not begin within a character */
            name++;
    }
    snprintf(wait->text, sizeof(wait->text), "%s%s%s%s", verb, *name ? " " : "", dots, name);
    pyro_utf8_make_plain(wait->text, strlen(wait->text));
}

static void set_number_text(struct pyro_wait *wait, const char *verb, uint64_t number,
                            const char *unit)
{
    snprintf(wait->text, sizeof(wait->text), "%s %" PRIu64 "%s", verb, number, unit);
}

/* -- memory of the target ----------------------------------------------------------------------- */

/* As much of SIZE bytes at ADDR as can be read; the count, 0 for none. */
static size_t read_some(pid_t pid, uint64_t addr, void *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t count = pread(fd, data, size, (off_t)addr);
    close(fd);
    return count < 0 ? 0 : (size_t)count;
}

/* -- descriptors ------------------------------------------------------------------------------- */

/* LINK leads to the socket. */
static void describe_socket(const struct pyro_kernel_thread *thread, const char *link,
                            uint64_t inode, const char *verb, struct pyro_wait *wait)
{
    struct pyro_socket_name name;
    pyro_socket_find(thread->sockets, thread->pid, link, inode, &name);
    wait->kind = PYRO_WAIT_SOCKET;
    wait->peer_port = name.peer_port;
    if (strcmp(verb, "read") == 0)
        verb = "recv";
    else if (strcmp(verb, "write") == 0)
        verb = "send";
    set_text(wait, verb, name.text);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The type of what descriptor path LINK leads to, 0 if unknown. Never asks a file server: that one
 * may hang, which may be just what the target waits for. */
static mode_t file_type(const char *link)
{
    struct statx stat;
    if (statx(AT_FDCWD, link, AT_STATX_DONT_SYNC, STATX_TYPE, &stat) < 0)
        return 0;
    return stat.stx_mode & S_IFMT;
}

static enum pyro_wait_kind path_kind(const char *link, const char *path)
{
    mode_t type = file_type(link);
    if (type == S_IFIFO)
        return PYRO_WAIT_PIPE;
    bool terminal = starts_with(path, "/dev/pts/") || starts_with(path, "/dev/tty") ||
                    strcmp(path, "/dev/console") == 0;
    return type == S_IFCHR && terminal ? PYRO_WAIT_TERMINAL : PYRO_WAIT_FILE;
}

static void describe_fd(const struct pyro_kernel_thread *thread, uint64_t fd, const char *verb,
                        struct pyro_wait *wait)
{
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)thread->pid, (int)(uint32_t)fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    wait->kind = PYRO_WAIT_OTHER;
    if (length < 0) { /* closed meanwhile, or not for us to see */
        set_text(wait, verb, "");
        return;
    }
    path[length] = '\0';
    uint64_t inode;
    const char *digits = path + strlen("socket:[");
    if (starts_with(path, "socket:[") && pyro_proc_number(&digits, 10, &inode) == 0) {
        describe_socket(thread, link, inode, verb, wait);
    } else if (starts_with(path, "pipe:[")) {
        wait->kind = PYRO_WAIT_PIPE;
        set_text(wait, verb, "pipe");
    } else if (path[0] == '/') {
        wait->kind = path_kind(link, path);
        set_text(wait, verb, path);
    } else { /* "anon_inode:[eventfd]" */
        set_text(wait, verb,
                 starts_with(path, "anon_inode:") ? path + strlen("anon_inode:") : path);
    }
}

/* -- calls that wait for several ---------------------------------------------------------------- */

static void describe_poll(const struct pyro_kernel_thread *thread, const uint64_t *args,
                          struct pyro_wait *wait)
{
    struct pollfd fds[64];
    uint64_t count = args[1], live = 0, last = 0;
    wait->kind = PYRO_WAIT_POLL;
    if (count == 0) {
        wait->kind = PYRO_WAIT_SLEEP;
        set_text(wait, "sleep", "");
        return;
    }
    set_number_text(wait, "poll", count, count == 1 ? " descriptor" : " descriptors");
    if (count > sizeof(fds) / sizeof(fds[0]) ||
        read_some(thread->pid, args[0], fds, count * sizeof(fds[0])) != count * sizeof(fds[0]))
        return;
    for (uint64_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0) { /* a negative one is passed over */
            live++;
            last = i;
        }
    }
    if (live == 1) /* a socket with a timeout is waited for like this */
        describe_fd(thread, (uint64_t)fds[last].fd,
                    (fds[last].events & POLLOUT) && !(fds[last].events & POLLIN) ? "write" : "read",
                    wait);
}

/* The only member of the set at ADDR is *FD (NO_FD: empty); returns how many it has. */
static uint64_t read_set(pid_t pid, uint64_t addr, uint64_t count, uint64_t *fd)
{
    uint64_t words[1024 / 64] = {0}, members = 0;
    size_t size = (size_t)((count + 63) / 64 * 8);
    if (addr == 0 || size > sizeof(words) || read_some(pid, addr, words, size) != size)
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        if (words[i / 64] >> (i % 64) & 1) {
            members++;
            *fd = i;
        }
    }
    return members;
}

static void describe_select(const struct pyro_kernel_thread *thread, const uint64_t *args,
                            struct pyro_wait *wait)
{
    uint64_t count = (uint32_t)args[0], reads = NO_FD, writes = NO_FD;
    if (count == 0) {
        wait->kind = PYRO_WAIT_SLEEP;
        set_text(wait, "sleep", "");
        return;
    }
    wait->kind = PYRO_WAIT_POLL;
    uint64_t read_count = read_set(thread->pid, args[1], count, &reads);
    uint64_t write_count = read_set(thread->pid, args[2], count, &writes);
    if (read_count == 1 && (write_count == 0 || (write_count == 1 && writes == reads)))
        describe_fd(thread, reads, "read", wait);
    else if (read_count == 0 && write_count == 1)
        describe_fd(thread, writes, "write", wait);
    else
        set_text(wait, "select", "");
}

struct epoll_members {
    uint64_t count, last;
};

/* "tfd:        5 events:       19 data: ..." */
static bool count_member(const char *line, void *context)
{
    struct epoll_members *members = context;
    uint64_t fd;
    if (!starts_with(line, "tfd:"))
        return false;
    line += strlen("tfd:");
    if (pyro_proc_number(&line, 10, &fd) == 0) {
        members->count++;
        members->last = fd;
    }
    return false;
}

static void describe_epoll(const struct pyro_kernel_thread *thread, const uint64_t *args,
                           struct pyro_wait *wait)
{
    char name[64];
    struct epoll_members members = {0};
    snprintf(name, sizeof(name), "fdinfo/%d", (int)(uint32_t)args[0]);
    pyro_proc_each_line(thread->pid, name, count_member, &members);
    wait->kind = PYRO_WAIT_POLL;
    if (members.count == 1)
        describe_fd(thread, members.last, "read", wait);
    else
        set_number_text(wait, "epoll", members.count, " descriptors");
}

/* -- the rest ----------------------------------------------------------------------------------- */

static void describe_path(pid_t pid, uint64_t addr, const char *verb, struct pyro_wait *wait)
{
    char path[256];
    size_t length = read_some(pid, addr, path, sizeof(path) - 1);
    path[length] = '\0';
    wait->kind = PYRO_WAIT_FILE;
    set_text(wait, verb, path);
}

static void describe_child(int64_t pid, struct pyro_wait *wait)
{
    wait->kind = PYRO_WAIT_CHILD;
    if (pid > 0)
        set_number_text(wait, "waitpid", (uint64_t)pid, "");
    else
        set_text(wait, "waitpid", "");
}

/* The name of the kernel function it sleeps in says what was restarted. */
static void describe_restarted(const struct pyro_kernel_thread *thread, const uint64_t *args,
                               struct pyro_wait *wait)
{
    char name[64], function[64];
    snprintf(name, sizeof(name), "task/%d/wchan", (int)thread->tid);
    if (pyro_proc_read(thread->pid, name, function, sizeof(function)) < 0)
        function[0] = '\0';
    if (strstr(function, "futex")) {
        *wait = (struct pyro_wait){.kind = PYRO_WAIT_LOCK, .futex = args[0], .text = "futex"};
    } else if (strstr(function, "nanosleep")) {
        *wait = (struct pyro_wait){.kind = PYRO_WAIT_SLEEP, .text = "sleep"};
    } else if (strstr(function, "poll")) {
        describe_poll(thread, args, wait);
    } else {
        *wait = (struct pyro_wait){.kind = PYRO_WAIT_UNKNOWN, .text = "restarted call"};
    }
}

static void describe_call(const struct pyro_kernel_thread *thread, const struct call *call,
                          const uint64_t *args, struct pyro_wait *wait)
{
    pid_t pid = thread->pid;
    switch (call->shape) {
    case CALL_FD:
        describe_fd(thread, args[0], call->verb, wait);
        break;
    case CALL_PATH0:
        describe_path(pid, args[0], call->verb, wait);
        break;
    case CALL_PATH1:
        describe_path(pid, args[1], call->verb, wait);
        break;
    case CALL_POLL:
        describe_poll(thread, args, wait);
        break;
    case CALL_SELECT:
        describe_select(thread, args, wait);
        break;
    case CALL_EPOLL:
        describe_epoll(thread, args, wait);
        break;
    case CALL_FUTEX:
        wait->kind = PYRO_WAIT_LOCK;
        wait->futex = args[0];
        set_text(wait, call->verb, "");
        break;
    case CALL_SLEEP:
        wait->kind = PYRO_WAIT_SLEEP;
        set_text(wait, call->verb, "");
        break;
    case CALL_WAIT4:
        describe_child((int32_t)args[0], wait);
        break;
    case CALL_WAITID:
        describe_child(args[0] == 1 /* P_PID */ ? (int32_t)args[1] : 0, wait);
        break;
    case CALL_RESTARTED:
        describe_restarted(thread, args, wait);
        break;
    case CALL_OTHER:
        wait->kind = PYRO_WAIT_OTHER;
        set_text(wait, call->verb, "");
        break;
    }
}

/* "NUMBER 0xARG0 ... 0xARG5 0xSP 0xPC", "running", or "-1 0xSP 0xPC" outside a call. */
int pyro_kernel_thread_wait(struct pyro_kernel_thread *thread, struct pyro_wait *ret_wait)
{
    char text[256];
    uint64_t number, args[6];
    ssize_t length =
        pyro_kernel_thread_read(thread, &thread->syscall_fd, "syscall", text, sizeof(text));
    if (length < 0)
        return (int)length;
    if (starts_with(text, "running"))
        return -EAGAIN;
    struct pyro_wait wait = {.kind = PYRO_WAIT_UNKNOWN};
    const char *next = text;
    if (text[0] == '-') { /* a page fault, or stopped outside a call */
        *ret_wait = wait;
        return 0;
    }
    if (pyro_proc_number(&next, 10, &number) < 0)
        return -EINVAL;
    for (int i = 0; i < 6; i++) {
        if (pyro_proc_number(&next, 16, &args[i]) < 0)
            return -EINVAL;
    }
    const struct call *call = find_call(number);
    if (call) {
        describe_call(thread, call, args, &wait);
    } else {
        wait.kind = PYRO_WAIT_OTHER;
        set_number_text(&wait, "system call", number, "");
    }
    *ret_wait = wait;
    return 0;
}
