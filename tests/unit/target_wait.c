/* tests/unit/target_wait.c - pyro_kernel_thread_wait() of target/process.h: children that wait. */
#include "target/process.h"

#include "target_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* The descriptor the child waits for, and the port of the other end. */
static int waited_fd;
static uint16_t port;
static int lock_word;

static struct pyro_socket_names *sockets; /* that the next ones remember */

/* Start a child that runs RUN and see what it waits for, once it waits. */
static struct pyro_wait wait_of(void (*run)(int ready_fd))
{
    struct pyro_kernel_thread thread;
    struct pyro_wait wait = {0};
    pid_t pid = child_start(run);
    pyro_kernel_thread_init(&thread, pid, pid);
    thread.sockets = sockets;
    /* Until it has left the write that tells us. */
    CHECK(EVENTUALLY(pyro_kernel_thread_wait(&thread, &wait) == 0 &&
                     wait.kind != PYRO_WAIT_UNKNOWN && strncmp(wait.text, "write", 5) != 0));
    pyro_kernel_thread_close(&thread);
    child_kill(pid);
    return wait;
}

/* A connection on the loopback: the child's end in waited_fd, the port it is connected to. */
static void connect_loopback(int family)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *address = family == AF_INET ? (void *)&v4 : (void *)&v6;
    socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
    int listener = socket(family, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, address, size) < 0)
        SKIP("no loopback of this kind");
    CHECK(listen(listener, 1) == 0 && getsockname(listener, address, &size) == 0);
    port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    waited_fd = socket(family, SOCK_STREAM, 0);
    CHECK(connect(waited_fd, address, size) == 0);
}

static void check_socket(struct pyro_wait wait, const char *format)
{
    char wanted[96];
    snprintf(wanted, sizeof(wanted), format, port);
    CHECK_STR(wait.text, wanted);
    CHECK_EQ(wait.kind, PYRO_WAIT_SOCKET);
    CHECK_EQ(wait.peer_port, port);
}

static void recv_one(int ready_fd)
{
    char byte;
    child_ready(ready_fd);
    recv(waited_fd, &byte, 1, 0);
}

static void read_one(int ready_fd)
{
    char byte;
    child_ready(ready_fd);
    if (read(waited_fd, &byte, 1) < 0)
        _exit(1);
}

static void poll_one(int ready_fd)
{
    struct pollfd fds[2] = {{.fd = -1}, {.fd = waited_fd, .events = POLLIN}};
    child_ready(ready_fd);
    poll(fds, 2, -1);
}

static void poll_two(int ready_fd)
{
    struct pollfd fds[2] = {{.fd = waited_fd, .events = POLLPRI},
                            {.fd = waited_fd, .events = POLLIN}};
    child_ready(ready_fd);
    poll(fds, 2, -1);
}

static void select_one(int ready_fd)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(waited_fd, &set);
    child_ready(ready_fd);
    select(waited_fd + 1, &set, NULL, NULL, NULL);
}

static void epoll_one(int ready_fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(0);
    epoll_ctl(fd, EPOLL_CTL_ADD, waited_fd, &event);
    child_ready(ready_fd);
    epoll_wait(fd, &event, 1, -1);
}

static void epoll_none(int ready_fd)
{
    struct epoll_event event;
    int fd = epoll_create1(0);
    child_ready(ready_fd);
    epoll_wait(fd, &event, 1, -1);
}

static void sockets_are_named_by_their_peer(void)
{
    connect_loopback(AF_INET);
    check_socket(wait_of(recv_one), "recv 127.0.0.1:%u");
    check_socket(wait_of(read_one), "recv 127.0.0.1:%u");
    check_socket(wait_of(poll_one), "recv 127.0.0.1:%u");
    check_socket(wait_of(select_one), "recv 127.0.0.1:%u");
    check_socket(wait_of(epoll_one), "recv 127.0.0.1:%u");
    struct pyro_wait wait = wait_of(poll_two);
    CHECK_EQ(wait.kind, PYRO_WAIT_POLL);
    CHECK_STR(wait.text, "poll 2 descriptors");
    wait = wait_of(epoll_none);
    CHECK_EQ(wait.kind, PYRO_WAIT_POLL);
}

static void ipv6_sockets_too(void)
{
    connect_loopback(AF_INET6);
    check_socket(wait_of(recv_one), "recv [::1]:%u");
}

/* An IPv4 peer seen through an IPv6 socket reads as what it is. */
static void mapped_addresses_read_as_ipv4(void)
{
    connect_loopback(AF_INET);
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    CHECK(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr) == 1);
    waited_fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (waited_fd < 0 || connect(waited_fd, (void *)&mapped, sizeof(mapped)) < 0)
        SKIP("no IPv6 here");
    check_socket(wait_of(recv_one), "recv 127.0.0.1:%u");
}

static void accept_one(int ready_fd)
{
    child_ready(ready_fd);
    accept(waited_fd, NULL, NULL);
}

static void a_listener_is_named_by_its_own_address(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof(any);
    char wanted[64];
    waited_fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(waited_fd, (void *)&any, size) == 0 && listen(waited_fd, 1) == 0);
    CHECK(getsockname(waited_fd, (void *)&any, &size) == 0);
    struct pyro_wait wait = wait_of(accept_one);
    snprintf(wanted, sizeof(wanted), "accept 0.0.0.0:%u", ntohs(any.sin_port));
    CHECK_STR(wait.text, wanted);
    CHECK_EQ(wait.kind, PYRO_WAIT_SOCKET);
    CHECK_EQ(wait.peer_port, 0);
}

static void unix_sockets_are_named_by_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char wanted[128];
    int pair[2];
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/pyro-test-%d.sock", (int)getpid());
    waited_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(waited_fd, (void *)&address, sizeof(address)) == 0 && listen(waited_fd, 1) == 0);
    struct pyro_wait wait = wait_of(accept_one);
    unlink(address.sun_path);
    snprintf(wanted, sizeof(wanted), "accept %s", address.sun_path);
    CHECK_STR(wait.text, wanted);
    CHECK_EQ(wait.kind, PYRO_WAIT_SOCKET);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    waited_fd = pair[0];
    CHECK_STR(wait_of(recv_one).text, "recv unix socket");
}

/* To look one up costs milliseconds: the second time its name is that which is remembered. */
static void a_socket_is_looked_up_once(void)
{
    struct pyro_socket_names names = {0};
    int pair[2];
    sockets = &names;
    connect_loopback(AF_INET);
    check_socket(wait_of(recv_one), "recv 127.0.0.1:%u");
    CHECK_EQ(names.next, 1);
    snprintf(names.known[0].text, sizeof(names.known[0].text), "remembered:%u", port);
    check_socket(wait_of(poll_one), "recv remembered:%u");
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    waited_fd = pair[0];
    CHECK_STR(wait_of(recv_one).text, "recv unix socket");
    CHECK_EQ(names.next, 2);
    for (unsigned i = 0; i < PYRO_SOCKET_NAMES - 1; i++) { /* the oldest goes */
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
        waited_fd = pair[0];
        CHECK_STR(wait_of(recv_one).text, "recv unix socket");
        close(pair[0]);
        close(pair[1]);
    }
    connect_loopback(AF_INET);
    check_socket(wait_of(recv_one), "recv 127.0.0.1:%u");
    CHECK_EQ(names.next, PYRO_SOCKET_NAMES + 2);
    sockets = NULL;
}

/* A socket of UDP may be connected to another one meanwhile; one that is in no table is looked for again. */
static void what_may_change_is_looked_up_again(void)
{
    struct pyro_socket_names names = {0};
    struct sockaddr_in any = {.sin_family = AF_INET}, peer = any;
    peer.sin_port = htons(port = 9);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockets = &names;
    waited_fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(waited_fd, (void *)&any, sizeof(any)) == 0);
    CHECK_EQ(wait_of(recv_one).peer_port, 0);
    CHECK(connect(waited_fd, (void *)&peer, sizeof(peer)) == 0);
    check_socket(wait_of(recv_one), "recv 127.0.0.1:%u");
    waited_fd = socket(AF_NETLINK, SOCK_RAW, 0);
    CHECK(waited_fd >= 0);
    CHECK_STR(wait_of(recv_one).text, "recv socket");
    CHECK_EQ(names.next, 0);
    sockets = NULL;
}

static void pipes_and_files_are_told_apart(void)
{
    int ends[2];
    char path[64], wanted[96];
    CHECK(pipe(ends) == 0);
    waited_fd = ends[0];
    struct pyro_wait wait = wait_of(read_one);
    CHECK_EQ(wait.kind, PYRO_WAIT_PIPE);
    CHECK_STR(wait.text, "read pipe");
    snprintf(path, sizeof(path), "/tmp/pyro-test-fifo-%d", (int)getpid());
    snprintf(wanted, sizeof(wanted), "read %s", path);
    CHECK(mkfifo(path, 0600) == 0);
    waited_fd = open(path, O_RDWR | O_CLOEXEC);
    wait = wait_of(read_one);
    unlink(path);
    CHECK_EQ(wait.kind, PYRO_WAIT_PIPE);
    CHECK(strncmp(wait.text, wanted, strlen(wanted)) == 0);
}

static void terminals_are_told(void)
{
    waited_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (waited_fd < 0 || grantpt(waited_fd) < 0 || unlockpt(waited_fd) < 0)
        SKIP("no pseudo terminals");
    int other = open(ptsname(waited_fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(other >= 0);
    waited_fd = other;
    struct pyro_wait wait = wait_of(read_one);
    CHECK_EQ(wait.kind, PYRO_WAIT_TERMINAL);
    CHECK(strncmp(wait.text, "read /dev/pts/", 14) == 0);
}

static void open_fifo(int ready_fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/pyro-test-open-%d", (int)getppid());
    child_ready(ready_fd);
    close(open(path, O_RDONLY | O_CLOEXEC)); /* waits for a writer */
}

static void an_open_that_hangs_names_its_path(void)
{
    char path[64], wanted[96];
    snprintf(path, sizeof(path), "/tmp/pyro-test-open-%d", (int)getpid());
    snprintf(wanted, sizeof(wanted), "open %s", path);
    CHECK(mkfifo(path, 0600) == 0);
    struct pyro_wait wait = wait_of(open_fifo);
    unlink(path);
    CHECK_EQ(wait.kind, PYRO_WAIT_FILE);
    CHECK_STR(wait.text, wanted);
}

static void wait_on_futex(int ready_fd)
{
    child_ready(ready_fd);
    syscall(SYS_futex, &lock_word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void sleep_long(int ready_fd)
{
    child_ready(ready_fd);
    sleep(1000);
}

static void sleep_by_select(int ready_fd)
{
    child_ready(ready_fd);
    select(0, NULL, NULL, NULL, NULL);
}

static void wait_for_child(int ready_fd)
{
    pid_t parent = getpid();
    if (fork() == 0) {
        end_with(parent);
        for (;;)
            pause();
    }
    child_ready(ready_fd);
    wait(NULL);
}

static void locks_sleeps_and_children_are_told(void)
{
    struct pyro_wait wait = wait_of(wait_on_futex);
    CHECK_EQ(wait.kind, PYRO_WAIT_LOCK);
    CHECK_EQ(wait.futex, (uintptr_t)&lock_word);
    CHECK_STR(wait.text, "futex");
    wait = wait_of(sleep_long);
    CHECK_EQ(wait.kind, PYRO_WAIT_SLEEP);
    CHECK_STR(wait.text, "sleep");
    CHECK_EQ(wait_of(sleep_by_select).kind, PYRO_WAIT_SLEEP);
    wait = wait_of(wait_for_child);
    CHECK_EQ(wait.kind, PYRO_WAIT_CHILD);
    CHECK_STR(wait.text, "waitpid");
}

static void spin(int ready_fd)
{
    child_ready(ready_fd);
    for (volatile int i = 0;; i++)
        continue;
}

static void who_runs_or_is_gone_does_not_wait(void)
{
    struct pyro_kernel_thread thread;
    struct pyro_wait wait;
    pid_t pid = child_start(spin);
    pyro_kernel_thread_init(&thread, pid, pid);
    CHECK(EVENTUALLY(pyro_kernel_thread_wait(&thread, &wait) == -EAGAIN));
    child_kill(pid);
    CHECK_EQ(pyro_kernel_thread_wait(&thread, &wait), -ESRCH);
    pyro_kernel_thread_close(&thread);
}

static void a_long_hostile_path_is_cut_and_cleaned(void)
{
    char folder[300], path[400];
    snprintf(folder, sizeof(folder), "/tmp/pyro-test-%d-%0200d", (int)getpid(), 1);
    snprintf(path, sizeof(path), "%s/a\033[31m\nend", folder);
    CHECK(mkdir(folder, 0700) == 0 && mkfifo(path, 0600) == 0);
    waited_fd = open(path, O_RDWR | O_CLOEXEC);
    struct pyro_wait wait = wait_of(read_one);
    unlink(path);
    rmdir(folder);
    CHECK(strncmp(wait.text, "read ...", 8) == 0);
    CHECK_EQ(strlen(wait.text), sizeof(wait.text) - 1);
    CHECK(strstr(wait.text, "/a?[31m?end"));
}

int main(void)
{
    return CHECK_MAIN(
        TEST(sockets_are_named_by_their_peer), TEST(ipv6_sockets_too),
        TEST(mapped_addresses_read_as_ipv4), TEST(a_listener_is_named_by_its_own_address),
        TEST(unix_sockets_are_named_by_path), TEST(a_socket_is_looked_up_once),
        TEST(what_may_change_is_looked_up_again), TEST(pipes_and_files_are_told_apart),
        TEST(terminals_are_told), TEST(an_open_that_hangs_names_its_path),
        TEST(locks_sleeps_and_children_are_told), TEST(who_runs_or_is_gone_does_not_wait),
        TEST(a_long_hostile_path_is_cut_and_cleaned));
}
