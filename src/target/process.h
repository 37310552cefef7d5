/* target/process.h - processes and their threads as the kernel shows them in /proc. */
#ifndef PYRO_TARGET_PROCESS_H
#define PYRO_TARGET_PROCESS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "target/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* -- one process ------------------------------------------------------------------------------ */

struct pyro_process_info {
    pid_t pid, parent;
    pid_t namespace_pid; /* as the process itself sees its pid */
    uid_t uid;
    pid_t tracer;         /* who traces its main thread: a debugger; 0: nobody */
    char state;           /* R S D T Z ... */
    uint64_t start_ticks; /* since boot: with pid, an identity that is not reused */
    uint64_t cpu_ticks;   /* user + system, USER_HZ */
    uint64_t rss_bytes;
    uint64_t
        child_faults; /* page faults of the children it waited for, and of theirs: grows with each */
    uint32_t thread_count;
    uint64_t heap_start; /* behind the program, where brk() begins; 0: we may not know */
    char comm[32];
};
int pyro_process_info(pid_t pid, struct pyro_process_info *ret_info); /* -ESRCH, -EPERM */
bool pyro_process_alive(pid_t pid,
                        uint64_t start_ticks); /* and still the same one, and no zombie */

/* Do they have one memory, as after vfork() until exec? False, too, where we may not know. */
bool pyro_process_shares_memory(pid_t one, pid_t other);

/* The command line with spaces between the words (control characters shown as '?', what looks
 * secret as "[redacted]": see base/redact.h), into BUFFER. */
int pyro_process_command(pid_t pid, struct pyro_buffer *buffer);
/* The arguments one by one, NUL-separated as the kernel gives them. */
int pyro_process_arguments(pid_t pid, struct pyro_buffer *buffer);
/* How many CPUs it may run on; 0: cannot be told. */
uint32_t pyro_process_cpus(pid_t pid);
/* The path of the program, as the target sees it (" (deleted)" removed). */
int pyro_process_exe(pid_t pid, char *path, size_t size);

/* Which program it runs: another one after exec, also of the same file; the same in a forked child. A hash of the 16 random
 * bytes that the kernel gives each program it starts (AT_RANDOM of getauxval(3)). Negative errno as of a read. */
int pyro_process_image(pid_t pid, const struct pyro_memory *memory, uint64_t *ret_image);

/* -- all of them ------------------------------------------------------------------------------ */

/* Calls VISIT for every process (numeric order) until it returns non-zero, and returns that. */
int pyro_process_each(int (*visit)(pid_t pid, void *context), void *context);
/* Direct children of PID, from /proc/PID/task/TID/children or else by scanning. Returns the count
 * (may be more than MAX; then only MAX were written) or negative errno. */
int pyro_process_children(pid_t pid, pid_t *children, int max);

/* -- threads ---------------------------------------------------------------------------------- */

/* Thread ids of PID. Returns the count as above. */
int pyro_process_threads(pid_t pid, pid_t *threads, int max);

/* What is known of a process's sockets, so that none is looked up twice. Zeroed at first. */
#define PYRO_SOCKET_NAMES 64 /* the oldest goes */
struct pyro_socket_names {
    struct pyro_socket_name {
        uint64_t inode;
        uint16_t peer_port; /* 0: it has none */
        bool lasts;         /* as long as the socket */
        char text[96];      /* "127.0.0.1:5432" */
    } known[PYRO_SOCKET_NAMES];
    size_t next;
};

/* Kernel files of one thread, kept open so that a look costs one pread each.
 * State: R S D T Z X ..., 0 when the thread is gone. */
struct pyro_kernel_thread {
    pid_t pid, tid;
    int stat_fd, schedstat_fd,
        syscall_fd;                    /* -1: not open yet or not allowed; opened on first use */
    struct pyro_socket_names *sockets; /* its process's; NULL, as at first: nothing is remembered */
};
void pyro_kernel_thread_init(struct pyro_kernel_thread *thread, pid_t pid, pid_t tid);
void pyro_kernel_thread_close(struct pyro_kernel_thread *thread);

struct pyro_kernel_state {
    char state;
    int cpu; /* it runs on, or ran on last */
    uint64_t user_ticks, system_ticks;
};
int pyro_kernel_thread_stat(struct pyro_kernel_thread *thread, struct pyro_kernel_state *ret_state);
/* Time on a CPU and time runnable but waiting for one, both in ns since the thread began. */
int pyro_kernel_thread_schedstat(struct pyro_kernel_thread *thread, uint64_t *ret_run_ns,
                                 uint64_t *ret_wait_ns);

/* What a sleeping thread waits on, from /proc/PID/task/TID/syscall and its file descriptors.
 * -EAGAIN: it runs. Works for x86-64 and aarch64 numbers. */
enum pyro_wait_kind {
    PYRO_WAIT_UNKNOWN,
    PYRO_WAIT_SOCKET, /* recv, send, connect, accept, poll on one socket */
    PYRO_WAIT_FILE,
    PYRO_WAIT_PIPE,
    PYRO_WAIT_POLL, /* select, poll, epoll on several */
    PYRO_WAIT_LOCK, /* futex */
    PYRO_WAIT_SLEEP,
    PYRO_WAIT_CHILD, /* waitpid */
    PYRO_WAIT_TERMINAL,
    PYRO_WAIT_OTHER,
};
struct pyro_wait {
    enum pyro_wait_kind kind;
    uint64_t futex;     /* address, for LOCK */
    uint16_t peer_port; /* for an internet SOCKET, 0 when unknown */
    char text[96];      /* "recv 127.0.0.1:5432", "read /data/x.csv", "futex", "sleep" */
};
int pyro_kernel_thread_wait(struct pyro_kernel_thread *thread, struct pyro_wait *ret_wait);
int pyro_kernel_thread_comm(pid_t pid, pid_t tid, char *name, size_t size);

#endif
