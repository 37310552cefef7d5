/* tests/unit/target_snapshot.c - target/snapshot.h. */
#include "target/snapshot.h"

#include "target_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char known_data[] = "data of the program";
static const char known_text[] = "read-only data of the program";
static char *heap, *untouched;

static void just_wait(int ready_fd)
{
    child_ready(ready_fd);
}

static pyro_addr addr_of(const void *data)
{
    return pyro_addr_at((uint64_t)(uintptr_t)data);
}

static void make_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/pyro-test-snapshot-%d", (int)getpid());
}

static void what_was_saved_is_read_back(void)
{
    char path[64], copy[64];
    struct pyro_snapshot snapshot;
    struct pyro_error error = {0};
    struct stat stat_of;
    make_path(path, sizeof(path));
    heap = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    untouched = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(heap != MAP_FAILED && untouched != MAP_FAILED);
    memcpy(heap + 70000, "on the heap", 12);
    pid_t pid = child_start(just_wait);
    CHECK_EQ(pyro_snapshot_save(pid, addr_of(known_data), 0x030d02f0, 512 << 20, path, &error), 0);
    child_kill(pid);
    CHECK(stat(path, &stat_of) == 0);
    CHECK_EQ(stat_of.st_mode & 0777, 0600);
    CHECK_EQ(pyro_snapshot_load(path, &snapshot, &error), 0);
    unlink(path);
    CHECK_EQ(snapshot.version, 0x030d02f0);
    CHECK_EQ(snapshot.runtime.u, addr_of(known_data).u);
    CHECK_EQ(pyro_memory_read(snapshot.memory, snapshot.runtime, copy, sizeof(known_data)), 0);
    CHECK_STR(copy, known_data);
    CHECK_EQ(pyro_memory_read(snapshot.memory, addr_of(known_text), copy, sizeof(known_text)), 0);
    CHECK_STR(copy, known_text);
    CHECK_EQ(pyro_memory_read(snapshot.memory, addr_of(heap + 70000), copy, 12), 0);
    CHECK_STR(copy, "on the heap");
    CHECK_EQ(pyro_memory_read(snapshot.memory, addr_of(untouched + (9 << 20)), copy, 8), -EFAULT);
    pyro_snapshot_clear(&snapshot);
    CHECK(snapshot.memory == NULL);
    pyro_snapshot_clear(&snapshot);
}

static void a_small_limit_keeps_the_interpreter(void)
{
    char path[64], copy[64];
    struct pyro_snapshot snapshot;
    struct stat stat_of;
    make_path(path, sizeof(path));
    pid_t pid = child_start(just_wait);
    CHECK_EQ(pyro_snapshot_save(pid, addr_of(known_data), 1, 2 << 20, path, NULL), 0);
    child_kill(pid);
    CHECK(stat(path, &stat_of) == 0);
    CHECK(stat_of.st_size < (2 << 20) + (64 << 10));
    CHECK_EQ(pyro_snapshot_load(path, &snapshot, NULL), 0);
    CHECK_EQ(pyro_memory_read(snapshot.memory, snapshot.runtime, copy, sizeof(known_data)), 0);
    pyro_snapshot_clear(&snapshot);
    unlink(path);
}

static void failures_are_told(void)
{
    struct pyro_snapshot snapshot;
    struct pyro_error error;
    pid_t pid = child_start(just_wait);
    CHECK_EQ(pyro_snapshot_save(pid, pyro_addr_at(0), 1, 1 << 20, "/no/such/folder", &error),
             -ENOENT);
    CHECK_STR(error.message, "cannot write '/no/such/folder': No such file or directory");
    child_kill(pid);
    CHECK_EQ(pyro_snapshot_save(pid, pyro_addr_at(0), 1, 1 << 20, "/tmp/x", &error), -ESRCH);
    CHECK_EQ(pyro_snapshot_load("/no/such/file", &snapshot, &error), -ENOENT);
}

static int parse(const char *text, size_t size)
{
    struct pyro_snapshot snapshot;
    struct pyro_error error;
    int code = pyro_snapshot_parse(text, size, &snapshot, &error);
    if (code == 0)
        pyro_snapshot_clear(&snapshot);
    return code;
}

#define HEAD "pyrometer snapshot 1\nruntime 1000\nversion 30d02f0\n"

static void damaged_snapshots_are_refused(void)
{
    static const char good[] = HEAD "segment 1000 3\nsegment 2000 1\ndata\nabcd";
    struct pyro_snapshot snapshot;
    char copy[4] = {0};
    CHECK_EQ(pyro_snapshot_parse(good, sizeof(good) - 1, &snapshot, NULL), 0);
    CHECK_EQ(pyro_memory_read(snapshot.memory, snapshot.runtime, copy, 3), 0);
    CHECK_STR(copy, "abc");
    pyro_snapshot_clear(&snapshot);
    for (size_t size = 0; size < sizeof(good) - 1; size++)
        CHECK_EQ(parse(good, size), -EINVAL);
    static const char *const bad[] = {
        HEAD "segment 1000 4\nsegment 1003 1\ndata\nabcde", /* overlap */
        HEAD "segment ffffffffffffffff 4\ndata\nabcd",      /* wraps */
        HEAD "segment 1000 ffffffffffffffff\ndata\nabcd",   /* huge */
        HEAD "segment 1000 -1\ndata\nabcd",
        HEAD "segment 1000\t4\ndata\nabcd",
        HEAD "segment 1000 4 \ndata\nabcd",
        HEAD "nonsense\ndata\n",
        "pyrometer snapshot 2\nruntime 1000\nversion 30d02f0\ndata\n",
        "pyrometer snapshot 1\nversion 30d02f0\nruntime 1000\ndata\n",
        "pyrometer snapshot 1\nruntime 1000\nversion 30d02f0ff\ndata\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int code = parse(bad[i], strlen(bad[i]));
        if (code != -EINVAL)
            printf("# case %zu\n", i);
        CHECK_EQ(code, -EINVAL);
    }
    CHECK_EQ(parse(HEAD "data\n", sizeof(HEAD "data\n") - 1), 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(what_was_saved_is_read_back), TEST(a_small_limit_keeps_the_interpreter),
                      TEST(failures_are_told), TEST(damaged_snapshots_are_refused));
}
