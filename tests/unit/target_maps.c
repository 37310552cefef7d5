/* tests/unit/target_maps.c - target/maps.h. */
#include "target/maps.h"

#include "target_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int parse(const char *text, struct pyro_maps *maps)
{
    return pyro_maps_parse(text, strlen(text), maps);
}

static void lines_become_mappings(void)
{
    struct pyro_maps maps;
    CHECK_EQ(parse("55d0c0000000-55d0c0002000 r--p 00000000 fe:01 1234   /usr/bin/py thon\n"
                   "55d0c0002000-55d0c0003000 r-xp 00002000 fe:01 1234   /usr/bin/py thon\n"
                   "55d0c0004000-55d0c0005000 rw-s 00000000 00:05 18446744073709551615 "
                   "/memfd:x (deleted)\n"
                   "55d0c0010000-55d0c0020000 rw-p 00000000 00:00 0 \n"
                   "55d0c1000000-55d0c1020000 rw-p 00000000 00:00 0                [heap]\n"
                   "7f0000000000-7f0000001000 ---p 00abc000 103:02 7 /a\\012b (deleted)\n"
                   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
                   &maps),
             0);
    CHECK_EQ(maps.count, 7);
    CHECK_STR(maps.items[0].path, "/usr/bin/py thon");
    CHECK(maps.items[1].path == maps.items[0].path);
    CHECK(maps.items[0].readable && !maps.items[0].writable && !maps.items[0].executable);
    CHECK(maps.items[1].executable && !maps.items[1].shared && !maps.items[1].deleted);
    CHECK_EQ(maps.items[1].file_offset, 0x2000);
    CHECK_EQ(maps.items[1].device_major, 0xfe);
    CHECK_EQ(maps.items[1].inode, 1234);
    CHECK_STR(maps.items[2].path, "/memfd:x");
    CHECK(maps.items[2].deleted && maps.items[2].shared && maps.items[2].writable);
    CHECK_EQ(maps.items[2].inode, -1);
    CHECK_STR(maps.items[3].path, "");
    CHECK_STR(maps.items[4].path, "[heap]");
    CHECK_STR(maps.items[5].path, "/a\nb");
    CHECK(maps.items[5].deleted && !maps.items[5].readable);
    CHECK_EQ(maps.items[5].device_major, 0x103);
    CHECK_EQ(maps.items[6].end.u, 0xffffffffff601000);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(0x55d0c0002000)) == &maps.items[1]);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(0x55d0c0002fff)) == &maps.items[1]);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(0x55d0c0003000)) == NULL);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(0)) == NULL);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(UINT64_MAX)) == NULL);
    pyro_maps_clear(&maps);
    CHECK(maps.items == NULL && maps.arena_ == NULL);
    pyro_maps_clear(&maps);
}

/* The kernel hands the text out in pieces while the target goes on mapping. */
static void overlaps_of_a_moving_target_are_trimmed(void)
{
    struct pyro_maps maps;
    CHECK_EQ(parse("1000-3000 rw-p 00000000 fe:01 5 /a\n"
                   "1000-5000 rw-p 00000000 fe:01 5 /b\n"
                   "2000-4000 rw-p 00000000 fe:01 5 /c\n"
                   "6000-7000 rw-p 00000000 fe:01 5 /c\n",
                   &maps),
             0);
    CHECK_EQ(maps.count, 3);
    CHECK_EQ(maps.items[1].start.u, 0x3000);
    CHECK_EQ(maps.items[1].end.u, 0x5000);
    CHECK_EQ(maps.items[1].file_offset, 0x2000);
    CHECK_STR(maps.items[1].path, "/b");
    CHECK_STR(maps.items[2].path, "/c");
    pyro_maps_clear(&maps);
}

static void damaged_text_is_refused(void)
{
    static const char *const texts[] = {
        "x",
        "1000",
        "1000-",
        "1000-2000",
        "1000-2000 rw-p",
        "1000-2000 rw-p 0 fe:01",
        "1000-2000 rwp 00000000 fe:01 5 /a",
        "2000-1000 rw-p 00000000 fe:01 5 /a",
        "1000-1000 rw-p 00000000 fe:01 5 /a",
        "-1000-2000 rw-p 00000000 fe:01 5 /a",
        "1000-2000 rw-p 00000000 fffffffff:01 5 /a",
        "1000-10000000000000000 rw-p 00000000 fe:01 5 /a",
        "\n",
        "1000-2000 rw-p 00000000 fe:01 5 /a\n\n",
    };
    struct pyro_maps maps;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK_EQ(parse(texts[i], &maps), -EINVAL);
    CHECK_EQ(pyro_maps_parse("1000-2000 rw-p 0 fe:1 5 /a\0b\n", 29, &maps), -EINVAL);
    CHECK_EQ(pyro_maps_parse(NULL, 0, &maps), 0);
    CHECK_EQ(maps.count, 0);
    CHECK(pyro_maps_find(&maps, pyro_addr_at(0)) == NULL);
    pyro_maps_clear(&maps);
}

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
    return path[next];
}

static void make_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(content, file) >= 0 && fclose(file) == 0);
}

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/pyro-test-maps-XXXXXX");
    CHECK(mkdtemp(folder));
    make_file(in_folder("data"), "the mapped one");
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

static void *mapped;

static void *map_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *data = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    CHECK(data != MAP_FAILED);
    return data;
}

static void just_wait(int ready_fd)
{
    child_ready(ready_fd);
}

static bool reads_as(int fd, const char *content)
{
    char text[64] = "";
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return false;
    close(fd);
    return strcmp(text, content) == 0;
}

/* The mapping of MAPPED in PID, as maps show it now. */
static struct pyro_mapping load_mapping(pid_t pid, struct pyro_maps *maps)
{
    CHECK_EQ(pyro_maps_load(pid, maps, NULL), 0);
    const struct pyro_mapping *found =
        pyro_maps_find(maps, pyro_addr_at((uint64_t)(uintptr_t)mapped));
    CHECK(found);
    return *found;
}

static void the_mapped_file_is_opened_even_when_replaced(void)
{
    struct pyro_maps maps;
    make_folder();
    mapped = map_file(in_folder("data"));
    pid_t pid = child_start(just_wait);
    struct pyro_mapping mapping = load_mapping(pid, &maps);
    CHECK_STR(mapping.path, in_folder("data"));
    CHECK(!mapping.deleted);
    CHECK(reads_as(pyro_maps_open_file(pid, &mapping), "the mapped one"));
    pyro_maps_clear(&maps);

    make_file(in_folder("other"), "another one");
    CHECK(rename(in_folder("other"), in_folder("data")) == 0);
    mapping = load_mapping(pid, &maps);
    CHECK(mapping.deleted);
    CHECK_STR(mapping.path, in_folder("data"));
    int fd = pyro_maps_open_file(pid, &mapping); /* by map_files, or not at all */
    CHECK(fd < 0 || reads_as(fd, "the mapped one"));
    if (geteuid() == 0)
        CHECK(fd >= 0);
    pyro_maps_clear(&maps);
    child_kill(pid);
    remove_folder();
}

/* Without map_files (an address that no mapping has), by name: only the very file will do. */
static void by_name_only_the_same_file_is_opened(void)
{
    struct pyro_maps maps;
    make_folder();
    mapped = map_file(in_folder("data"));
    pid_t pid = child_start(just_wait);
    struct pyro_mapping mapping = load_mapping(pid, &maps);
    mapping.start.u += 1;
    CHECK(reads_as(pyro_maps_open_file(pid, &mapping), "the mapped one"));
    CHECK(rename(in_folder("data"), in_folder("moved")) == 0);
    CHECK_EQ(pyro_maps_open_file(pid, &mapping), -ENOENT);
    make_file(in_folder("data"), "another one");
    CHECK_EQ(pyro_maps_open_file(pid, &mapping), -ENOENT);
    /* A FIFO would block, a device may act: neither is opened, whatever the numbers say. */
    struct stat stat;
    unlink(in_folder("data"));
    CHECK(mkfifo(in_folder("data"), 0600) == 0 && lstat(in_folder("data"), &stat) == 0);
    mapping.inode = stat.st_ino;
    CHECK_EQ(pyro_maps_open_file(pid, &mapping), -EINVAL);
    mapping.path = "/dev/null";
    CHECK_EQ(pyro_maps_open_file(pid, &mapping), -EINVAL);
    mapping.path = "[heap]";
    CHECK_EQ(pyro_maps_open_file(pid, &mapping), -ENOENT);
    pyro_maps_clear(&maps);
    child_kill(pid);
    remove_folder();
}

static void live_maps_hold_what_is_there(void)
{
    struct pyro_maps maps;
    struct pyro_error error;
    static int variable;
    int local;
    CHECK_EQ(pyro_maps_load(getpid(), &maps, &error), 0);
    const struct pyro_mapping *data =
        pyro_maps_find(&maps, pyro_addr_at((uint64_t)(uintptr_t)&variable));
    const struct pyro_mapping *code =
        pyro_maps_find(&maps, pyro_addr_at((uint64_t)(uintptr_t)&live_maps_hold_what_is_there));
    CHECK(data && data->writable && !data->executable);
    CHECK(code && code->executable && !code->writable);
    CHECK(pyro_maps_find(&maps, pyro_addr_at((uint64_t)(uintptr_t)&local)));
    for (size_t i = 1; i < maps.count; i++)
        CHECK(maps.items[i - 1].end.u <= maps.items[i].start.u);
    /* The program itself, by /proc/PID/exe. */
    struct pyro_mapping moved = *code;
    struct stat opened, exe;
    moved.start.u += 1;
    int fd = pyro_maps_open_file(getpid(), &moved);
    CHECK(fd >= 0);
    CHECK(fstat(fd, &opened) == 0 && stat("/proc/self/exe", &exe) == 0);
    CHECK_EQ(opened.st_ino, exe.st_ino);
    close(fd);
    pyro_maps_clear(&maps);
}

static void who_is_gone_has_no_maps(void)
{
    struct pyro_maps maps;
    struct pyro_error error;
    siginfo_t info;
    pid_t pid = child_start(just_wait);
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    CHECK_EQ(pyro_maps_load(pid, &maps, &error), -ESRCH);
    waitpid(pid, NULL, 0);
    CHECK_EQ(pyro_maps_load(pid, &maps, &error), -ESRCH);
    CHECK_EQ(error.code, -ESRCH);
}

/* It executes itself for ever, which takes about a millisecond each time. */
static void become_another_program(int ready_fd)
{
    static const char script[] = "exec sh -c \"$0\" \"$0\"";
    child_ready(ready_fd);
    execlp("sh", "sh", "-c", script, script, NULL);
    _exit(127);
}

static void who_becomes_another_program_has_maps_at_any_moment(void)
{
    struct pyro_error error;
    pid_t pid = child_start(become_another_program);
    int missed = 0;
    for (int i = 0; i < 20000; i++) {
        struct pyro_maps maps;
        int code = pyro_maps_load(pid, &maps, &error);
        missed += code != 0;
        if (code == 0)
            pyro_maps_clear(&maps);
    }
    child_kill(pid);
    CHECK_EQ(missed, 0);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(lines_become_mappings), TEST(overlaps_of_a_moving_target_are_trimmed),
        TEST(damaged_text_is_refused), TEST(the_mapped_file_is_opened_even_when_replaced),
        TEST(by_name_only_the_same_file_is_opened), TEST(live_maps_hold_what_is_there),
        TEST(who_is_gone_has_no_maps), TEST(who_becomes_another_program_has_maps_at_any_moment));
}
