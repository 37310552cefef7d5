/* tests/unit/target_process.c - target/process.h but its waits (target_wait.c). */
#include "target/process.h"

#include "target_child.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char in_bss[64];

static void take_a_hostile_name(int ready_fd)
{
    prctl(PR_SET_NAME, ") R 1 (a\nb");
    child_ready(ready_fd);
}

static void a_hostile_name_does_not_confuse(void)
{
    struct pyro_process_info info;
    char comm[32];
    pid_t pid = child_start(take_a_hostile_name);
    CHECK(EVENTUALLY(pyro_process_info(pid, &info) == 0 && info.state == 'S'));
    CHECK_EQ(info.pid, pid);
    CHECK_EQ(info.parent, getpid());
    CHECK_EQ(info.uid, geteuid());
    CHECK_EQ(info.thread_count, 1);
    CHECK(info.rss_bytes > 4096);
    CHECK(info.heap_start > (uintptr_t)&in_bss && info.heap_start <= (uintptr_t)sbrk(0));
    CHECK(info.start_ticks > 0);
    CHECK_STR(info.comm, ") R 1 (a\nb");
    CHECK_EQ(pyro_kernel_thread_comm(pid, pid, comm, sizeof(comm)), 0);
    CHECK_STR(comm, ") R 1 (a\nb");
    CHECK(pyro_process_alive(pid, info.start_ticks));
    CHECK(!pyro_process_alive(pid, info.start_ticks + 1)); /* another one by the same number */
    siginfo_t status;
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &status, WEXITED | WNOWAIT);
    CHECK(!pyro_process_alive(pid, info.start_ticks)); /* a zombie */
    waitpid(pid, NULL, 0);
    CHECK_EQ(pyro_process_info(pid, &info), -ESRCH);
    CHECK_EQ(pyro_kernel_thread_comm(pid, pid, comm, sizeof(comm)), -ESRCH);
}

static void the_pid_in_its_own_namespace_is_told(void)
{
    struct pyro_process_info info;
    CHECK_EQ(pyro_process_info(getpid(), &info), 0);
    CHECK_EQ(info.namespace_pid, getpid());
    if (unshare(CLONE_NEWPID) < 0)
        SKIP("no right to make a pid namespace");
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    CHECK_EQ(pyro_process_info(pid, &info), 0);
    CHECK_EQ(info.pid, pid);
    CHECK_EQ(info.namespace_pid, 1);
    child_kill(pid);
    fflush(stdout);
    _exit(0); /* no more processes can be made here, which leak checking would need */
}

/* The kernel shows the new program a moment before its arguments. */
static bool has_arguments(pid_t pid)
{
    struct pyro_buffer buffer = {0};
    bool has = pyro_process_arguments(pid, &buffer) == 0 && buffer.size > 0;
    pyro_buffer_free(&buffer);
    return has;
}

static pid_t exec_child(const char *const *arguments)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        end_with(parent);
        execv("/bin/sleep", (char *const *)arguments);
        _exit(127);
    }
    char path[64] = "";
    CHECK(EVENTUALLY(pyro_process_exe(pid, path, sizeof(path)) == 0 && strstr(path, "sleep")));
    CHECK(EVENTUALLY(has_arguments(pid)));
    return pid;
}

static void command_and_arguments_are_told(void)
{
    const char *arguments[] = {"my sleep\033[31m\302\233", "1000", NULL};
    struct pyro_buffer buffer = {0};
    pid_t pid = exec_child(arguments);
    CHECK_EQ(pyro_process_command(pid, &buffer), 0);
    pyro_buffer_put_u8(&buffer, 0);
    CHECK_STR((const char *)buffer.data, "my sleep?[31m?? 1000");
    pyro_buffer_clear(&buffer);
    CHECK_EQ(pyro_process_arguments(pid, &buffer), 0);
    CHECK_EQ(buffer.size, strlen(arguments[0]) + 1 + 5);
    CHECK(memcmp(buffer.data, arguments[0], strlen(arguments[0]) + 1) == 0);
    CHECK_STR((const char *)buffer.data + strlen(arguments[0]) + 1, "1000");
    char path[64], tiny[6];
    CHECK_EQ(pyro_process_exe(pid, path, sizeof(path)), 0);
    CHECK(strstr(path, "bin/sleep"));
    CHECK_EQ(pyro_process_exe(pid, tiny, sizeof(tiny)), -ENAMETOOLONG);
    child_kill(pid);
    CHECK_EQ(pyro_process_exe(pid, path, sizeof(path)), -ESRCH);
    CHECK_EQ(pyro_process_command(pid, &buffer), -ESRCH);
    pyro_buffer_free(&buffer);
}

static void a_zombie_shows_its_name(void)
{
    struct pyro_buffer buffer = {0};
    pid_t pid = fork();
    siginfo_t info;
    if (pid == 0) {
        prctl(PR_SET_NAME, "gone");
        _exit(0);
    }
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    CHECK_EQ(pyro_process_command(pid, &buffer), 0);
    CHECK_EQ(buffer.size, 6);
    CHECK(memcmp(buffer.data, "[gone]", 6) == 0);
    pyro_buffer_free(&buffer);
    waitpid(pid, NULL, 0);
}

struct visit {
    pid_t last, stop_at;
    int count;
    bool found, ordered;
};

static int visit_one(pid_t pid, void *context)
{
    struct visit *visit = context;
    visit->ordered = visit->ordered && pid > visit->last;
    visit->last = pid;
    visit->count++;
    visit->found = visit->found || pid == getpid();
    return pid == visit->stop_at ? 42 : 0;
}

static void every_process_is_visited_in_order(void)
{
    struct visit visit = {.ordered = true};
    CHECK_EQ(pyro_process_each(visit_one, &visit), 0);
    CHECK(visit.found && visit.ordered && visit.count > 1);
    visit = (struct visit){.ordered = true, .stop_at = getpid()};
    CHECK_EQ(pyro_process_each(visit_one, &visit), 42);
    CHECK_EQ(visit.last, getpid());
}

static void have_children(int ready_fd)
{
    pid_t parent = getpid();
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            end_with(parent);
            for (;;)
                pause();
        }
    }
    child_ready(ready_fd);
}

static void children_are_found_and_grandchildren_not(void)
{
    pid_t children[8], mine[8];
    pid_t pid = child_start(have_children);
    CHECK_EQ(pyro_process_children(pid, children, 8), 3);
    CHECK(children[0] != children[1] && children[1] != children[2]);
    CHECK_EQ(pyro_process_children(pid, children, 1), 3); /* more than there is room for */
    CHECK_EQ(pyro_process_children(getpid(), mine, 8), 1);
    CHECK_EQ(mine[0], pid);
    child_kill(pid);
    CHECK_EQ(pyro_process_children(pid, children, 8), -ESRCH);
    CHECK_EQ(pyro_process_children(getpid(), mine, 8), 0);
}

static void *sleep_long(void *context)
{
    prctl(PR_SET_NAME, "worker");
    child_ready(*(int *)context);
    while (pause() < 0)
        continue;
    return NULL;
}

static volatile int spinning = 1;

static void *spin(void *context)
{
    child_ready(*(int *)context);
    while (spinning)
        continue;
    return NULL;
}

static void threads_are_listed_and_looked_at(void)
{
    int ends[2];
    char bytes[1];
    pthread_t sleeper, spinner;
    pid_t threads[8];
    struct pyro_kernel_thread kernel;
    struct pyro_kernel_state state;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&sleeper, NULL, sleep_long, &ends[1]) == 0);
    CHECK(read(ends[0], bytes, 1) == 1);
    CHECK_EQ(pyro_process_threads(getpid(), threads, 8), 2);
    pid_t tid = threads[0] == getpid() ? threads[1] : threads[0];
    char name[32];
    CHECK_EQ(pyro_kernel_thread_comm(getpid(), tid, name, sizeof(name)), 0);
    CHECK_STR(name, "worker");
    pyro_kernel_thread_init(&kernel, getpid(), tid);
    CHECK(EVENTUALLY(pyro_kernel_thread_stat(&kernel, &state) == 0 && state.state == 'S'));

    CHECK(pthread_create(&spinner, NULL, spin, &ends[1]) == 0);
    CHECK(read(ends[0], bytes, 1) == 1);
    CHECK_EQ(pyro_process_threads(getpid(), threads, 1), 3);
    CHECK_EQ(pyro_process_threads(getpid(), threads, 8), 3);
    struct pyro_kernel_thread busy;
    pid_t busy_tid = 0;
    for (int i = 0; i < 3; i++) {
        if (threads[i] != getpid() && threads[i] != tid)
            busy_tid = threads[i];
    }
    uint64_t run_ns, wait_ns, first_ns;
    pyro_kernel_thread_init(&busy, getpid(), busy_tid);
    CHECK(EVENTUALLY(pyro_kernel_thread_stat(&busy, &state) == 0 && state.user_ticks >= 2));
    CHECK_EQ(state.state, 'R');
    CHECK_EQ(pyro_kernel_thread_schedstat(&busy, &first_ns, &wait_ns), 0);
    CHECK(first_ns > 0);
    CHECK(EVENTUALLY(pyro_kernel_thread_schedstat(&busy, &run_ns, &wait_ns) == 0 &&
                     run_ns > first_ns));
    spinning = 0;
    pthread_join(spinner, NULL);
    CHECK(EVENTUALLY(pyro_kernel_thread_stat(&busy, &state) == -ESRCH));
    CHECK_EQ(state.state, 0);
    CHECK_EQ(pyro_kernel_thread_schedstat(&busy, &run_ns, &wait_ns), -ESRCH);
    pyro_kernel_thread_close(&busy);
    CHECK_EQ(busy.stat_fd, -1);
    CHECK_EQ(pyro_kernel_thread_stat(&busy, &state), -ESRCH);
    pyro_kernel_thread_close(&kernel);
    pyro_kernel_thread_close(&kernel);
    CHECK_EQ(pyro_process_threads(999999999, threads, 8), -ESRCH);
    _exit(0); /* the sleeper sleeps on */
}

static void a_deleted_program_keeps_its_name(void)
{
    char copy[64], command[256], path[128];
    snprintf(copy, sizeof(copy), "/tmp/pyro-test-exe-%d", (int)getpid());
    snprintf(command, sizeof(command), "cp /bin/sleep %s && cp /bin/sleep '%s (deleted)'", copy,
             copy);
    CHECK_EQ(system(command), 0);
    const char *arguments[] = {"sleep", "1000", NULL};
    for (int real_name = 0; real_name < 2; real_name++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", copy, real_name ? " (deleted)" : "");
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
            end_with(parent);
            execv(name, (char *const *)arguments);
            _exit(127);
        }
        CHECK(
            EVENTUALLY(pyro_process_exe(pid, path, sizeof(path)) == 0 && strcmp(path, name) == 0));
        if (!real_name)
            unlink(name);
        CHECK_EQ(pyro_process_exe(pid, path, sizeof(path)), 0);
        CHECK_STR(path, name);
        unlink(name);
        child_kill(pid);
    }
}

/* 0: it is between two programs. */
static uint64_t image_of(pid_t pid)
{
    struct pyro_memory *memory;
    uint64_t image = 0;
    if (pyro_memory_open(pid, &memory, NULL) < 0)
        return 0;
    int error = pyro_process_image(pid, memory, &image);
    pyro_memory_free(memory);
    return error == 0 ? image : 0;
}

/* The image of PID, once it is another program than we are. */
static uint64_t image_after_exec(pid_t pid)
{
    uint64_t image = 0;
    CHECK(EVENTUALLY((image = image_of(pid)) != 0 && image != image_of(getpid())));
    return image;
}

static void exec_makes_another_program_and_fork_does_not(void)
{
    pid_t forked = child_start(child_ready);
    CHECK(image_of(getpid()) != 0);
    CHECK_EQ(image_of(forked), image_of(getpid()));
    child_kill(forked);
    uint64_t images[2];
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(execl("/bin/sleep", "sleep", "60", (char *)NULL));
        images[i] = image_after_exec(pid);
        child_kill(pid);
    }
    CHECK(images[0] != images[1]);
}

static void just_be_ready(int ready_fd)
{
    child_ready(ready_fd);
}

static int wait_for_end(void *stack)
{
    (void)stack;
    while (pause() < 0)
        ;
    return 0;
}

/* As between vfork() and exec; a forked one has a copy. */
static void who_shares_memory_is_told(void)
{
    static _Alignas(16) char stack[1 << 16];
    pid_t copy = child_start(just_be_ready);
    pid_t same = clone(wait_for_end, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
    CHECK(same > 0);
    bool shares = pyro_process_shares_memory(getpid(), same);
    bool copied = pyro_process_shares_memory(getpid(), copy);
    kill(same, SIGKILL);
    CHECK_EQ(waitpid(same, NULL, 0), same);
    CHECK(shares);
    CHECK(!copied);
    CHECK(!pyro_process_shares_memory(getpid(), INT32_MAX));
}

int main(void)
{
    return CHECK_MAIN(
        TEST(a_hostile_name_does_not_confuse), TEST(the_pid_in_its_own_namespace_is_told),
        TEST(command_and_arguments_are_told), TEST(a_zombie_shows_its_name),
        TEST(every_process_is_visited_in_order), TEST(children_are_found_and_grandchildren_not),
        TEST(threads_are_listed_and_looked_at), TEST(a_deleted_program_keeps_its_name),
        TEST(exec_makes_another_program_and_fork_does_not), TEST(who_shares_memory_is_told));
}
