/* tests/unit/target_memory.c - target/memory.h, by all three ways to read. */
#include "target/memory.h"

#include "target_child.h"

#include <errno.h>
#include <sys/mman.h>

static char text[] = "what the child holds";
static char *two_pages; /* the second one cannot be read */
static size_t page;

static void change_text(int ready_fd)
{
    text[0] = 'W';
    child_ready(ready_fd);
}

static pid_t start(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    two_pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two_pages != MAP_FAILED);
    memset(two_pages, 7, page);
    CHECK(munmap(two_pages + page, page) == 0);
    return child_start(change_text);
}

static pyro_addr addr_of(const void *data)
{
    return pyro_addr_at((uint64_t)(uintptr_t)data);
}

static void check_reads(const struct pyro_memory *memory)
{
    char copy[sizeof(text)];
    pyro_addr pointer;
    static char *pointed_at = text;
    CHECK_EQ(pyro_memory_read(memory, addr_of(text), copy, sizeof(copy)), 0);
    CHECK_STR(copy, "What the child holds");
    CHECK_EQ(pyro_memory_read_addr(memory, addr_of(&pointed_at), &pointer), 0);
    CHECK_EQ(pointer.u, addr_of(text).u);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(0), NULL, 0), 0);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(8), copy, 1), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(UINT64_MAX - 3), copy, 8), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(UINT64_C(1) << 63), copy, 8), -EFAULT);
    /* Half of it is there: that is an error, not a success. */
    CHECK_EQ(pyro_memory_read(memory, addr_of(two_pages + page - 4), copy, 8), -EFAULT);
}

static void check_spans(const struct pyro_memory *memory)
{
    char copy[64] = {0}, other[16];
    struct pyro_span spans[] = {
        {addr_of(text), copy, 4},           {addr_of(text + 9), copy + 4, 5}, /* neighbours here */
        {addr_of(text), NULL, 0},           {addr_of(text + 15), other, 5},
        {addr_of(two_pages), copy + 20, 1},
    };
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 5), 5);
    CHECK_STR(copy, "Whatchild");
    CHECK(memcmp(other, "holds", 5) == 0);
    CHECK_EQ(copy[20], 7);
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 0), 0);
    CHECK_EQ(pyro_memory_read_spans(memory, spans + 2, 1), 1);
    CHECK_EQ(pyro_memory_read_spans(memory, spans, PYRO_MEMORY_SPANS_MAX + 1), -EINVAL);
}

static void check_partial_spans(const struct pyro_memory *memory)
{
    char copy[64];
    struct pyro_span spans[] = {
        {addr_of(text), copy, 4},
        {pyro_addr_at(0), NULL, 0},
        {addr_of(two_pages + page - 4), copy + 4, 8}, /* half of it is there */
        {addr_of(text), copy + 12, 4},
    };
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 4), 2);
    CHECK_EQ(pyro_memory_read_spans(memory, spans + 1, 3), 1);
    CHECK_EQ(pyro_memory_read_spans(memory, spans + 2, 2), 0);
    spans[2].addr = pyro_addr_at(8);
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 4), 2);
    CHECK_EQ(pyro_memory_read_spans(memory, spans + 2, 1), 0);
    spans[2].addr = pyro_addr_at(UINT64_MAX - 2);
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 4), 2);
}

static void check_many_spans(const struct pyro_memory *memory)
{
    static char copy[2 * PYRO_MEMORY_SPANS_MAX];
    static struct pyro_span spans[PYRO_MEMORY_SPANS_MAX];
    for (size_t i = 0; i < PYRO_MEMORY_SPANS_MAX; i++)
        spans[i] = (struct pyro_span){addr_of(two_pages + i), copy + 2 * i, 1};
    CHECK_EQ(pyro_memory_read_spans(memory, spans, PYRO_MEMORY_SPANS_MAX), PYRO_MEMORY_SPANS_MAX);
    for (size_t i = 0; i < PYRO_MEMORY_SPANS_MAX; i++)
        CHECK_EQ(copy[2 * i], 7);
    spans[1000].addr = pyro_addr_at(0);
    CHECK_EQ(pyro_memory_read_spans(memory, spans, PYRO_MEMORY_SPANS_MAX), 1000);
}

static void check_live(void)
{
    struct pyro_memory *memory;
    struct pyro_error error;
    pid_t pid = start();
    CHECK_EQ(pyro_memory_open(pid, &memory, &error), 0);
    CHECK_EQ(pyro_memory_pid(memory), pid);
    check_reads(memory);
    check_spans(memory);
    check_partial_spans(memory);
    check_many_spans(memory);
    /* Dead but not buried, then buried: gone both times. */
    char copy[4];
    struct pyro_span span = {addr_of(text), copy, 4};
    siginfo_t info;
    kill(pid, SIGKILL);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(pyro_memory_read(memory, addr_of(text), copy, 4), -ESRCH);
    CHECK_EQ(pyro_memory_read_spans(memory, &span, 1), -ESRCH);
    struct pyro_memory *zombie;
    CHECK_EQ(pyro_memory_open(pid, &zombie, &error), -ESRCH);
    waitpid(pid, NULL, 0);
    CHECK_EQ(pyro_memory_read(memory, addr_of(text), copy, 4), -ESRCH);
    pyro_memory_free(memory);
    CHECK_EQ(pyro_memory_open(pid, &zombie, &error), -ESRCH);
    CHECK(strstr(error.message, "no process"));
    CHECK_EQ(pyro_memory_open(-1, &zombie, NULL), -ESRCH);
}

static void a_live_process_is_read_by_call(void)
{
    unsetenv("PYROMETER_READ");
    check_live();
}

static void a_live_process_is_read_by_file(void)
{
    setenv("PYROMETER_READ", "mem", 1);
    check_live();
}

static int go_fd;

static void exec_when_told(int ready_fd)
{
    char byte;
    child_ready(ready_fd);
    if (read(go_fd, &byte, 1) == 1)
        execl("/proc/self/exe", "exec'd", (char *)NULL);
    _exit(1);
}

/* The file of /proc/PID/mem goes stale at an exec; a reader must not mistake that for the end. */
static void reading_by_file_survives_exec(void)
{
    int go[2];
    struct pyro_memory *memory;
    char copy[4];
    setenv("PYROMETER_READ", "mem", 1);
    CHECK(pipe(go) == 0);
    go_fd = go[0];
    pid_t pid = child_start(exec_when_told);
    CHECK_EQ(pyro_memory_open(pid, &memory, NULL), 0);
    CHECK_EQ(pyro_memory_read(memory, addr_of(text), copy, 4), 0);
    CHECK(write(go[1], "x", 1) == 1);
    CHECK(EVENTUALLY(pyro_memory_read(memory, addr_of(text), copy, 4) == -EFAULT));
    child_kill(pid);
    CHECK_EQ(pyro_memory_read(memory, addr_of(text), copy, 4), -ESRCH);
    pyro_memory_free(memory);
}

static void try_as_nobody(pid_t pid)
{
    struct pyro_memory *memory;
    struct pyro_error error;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        _exit(77);
    CHECK_EQ(pyro_memory_open(pid, &memory, &error), -EPERM);
    CHECK(strstr(error.message, "permission denied"));
    CHECK(strncmp(error.hint, "run: sudo /", 11) == 0);
    CHECK(strstr(error.hint, "target_memory") || strstr(error.hint, "test-"));
    if (access("/proc/sys/kernel/yama/ptrace_scope", F_OK) < 0)
        CHECK(!strstr(error.hint, "yama"));
    _exit(0);
}

static void without_rights_the_command_is_told(void)
{
    if (geteuid() != 0)
        SKIP("needs root, to become nobody");
    for (int by_file = 0; by_file < 2; by_file++) {
        if (by_file)
            setenv("PYROMETER_READ", "mem", 1);
        pid_t pid = start(), nobody = fork();
        int status;
        if (nobody == 0)
            try_as_nobody(pid);
        waitpid(nobody, &status, 0);
        child_kill(pid);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 0);
    }
}

static void segments_read_as_one_memory(void)
{
    const struct pyro_segment segments[] = {
        {pyro_addr_at(0x2000), "cdef", 4},
        {pyro_addr_at(0x1ffe), "ab", 2}, /* touches the first */
        {pyro_addr_at(0x9000), "", 0},
        {pyro_addr_at(UINT64_MAX - 4), "high", 4},
    };
    struct pyro_memory *memory;
    char copy[8] = {0};
    CHECK_EQ(pyro_memory_from_segments(segments, 4, &memory), 0);
    CHECK_EQ(pyro_memory_pid(memory), 0);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(0x1ffe), copy, 6), 0);
    CHECK_STR(copy, "abcdef");
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(0x1ffe), copy, 7), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(0x1ffd), copy, 2), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(UINT64_MAX - 4), copy, 4), 0);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(UINT64_MAX - 4), copy, 5), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(UINT64_MAX), copy, 8), -EFAULT);
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(0x9000), copy, 1), -EFAULT);
    struct pyro_span spans[] = {{pyro_addr_at(0x2000), copy, 1},
                                {pyro_addr_at(0x2003), copy + 1, 2},
                                {pyro_addr_at(0x2000), copy + 3, 1}};
    CHECK_EQ(pyro_memory_read_spans(memory, spans, 3), 1);
    pyro_memory_free(memory);
}

static void bad_segments_are_refused(void)
{
    struct pyro_memory *memory;
    const struct pyro_segment overlap[] = {{pyro_addr_at(16), "abcd", 4},
                                           {pyro_addr_at(19), "e", 1}};
    CHECK_EQ(pyro_memory_from_segments(overlap, 2, &memory), -EINVAL);
    const struct pyro_segment wraps[] = {{pyro_addr_at(UINT64_MAX - 1), "abcd", 4}};
    CHECK_EQ(pyro_memory_from_segments(wraps, 1, &memory), -EINVAL);
    CHECK_EQ(pyro_memory_from_segments(NULL, 0, &memory), 0);
    char byte;
    CHECK_EQ(pyro_memory_read(memory, pyro_addr_at(16), &byte, 1), -EFAULT);
    pyro_memory_free(memory);
    pyro_memory_free(NULL);
}

int main(int argc, char **argv)
{
    if (argv[0] && strcmp(argv[0], "exec'd") == 0) {
        for (;;)
            pause();
    }
    return CHECK_MAIN(TEST(a_live_process_is_read_by_call), TEST(a_live_process_is_read_by_file),
                      TEST(reading_by_file_survives_exec), TEST(without_rights_the_command_is_told),
                      TEST(segments_read_as_one_memory), TEST(bad_segments_are_refused));
}
