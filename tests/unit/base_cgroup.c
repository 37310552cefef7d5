/* Control groups: which one, from texts as kernels write them and from lies; and its figures, in a folder that stands for the hierarchy. */
#include "base/cgroup.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char unified[] =
    "26 1 0:24 / /sys rw,nosuid - sysfs sysfs rw\n"
    "30 26 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw master:9 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

static void check_found(const char *groups, const char *mounts, int version, const char *mount,
                        const char *path)
{
    struct pyro_cgroup cgroup;
    CHECK_EQ(pyro_cgroup_find(groups, mounts, &cgroup), 0);
    CHECK_EQ(cgroup.version, version);
    CHECK_STR(cgroup.mount, mount);
    CHECK_STR(cgroup.path, path);
}

static void the_right_one_is_found(void)
{
    check_found("0::/user.slice/run-r1.scope\n", unified, 2, "/sys/fs/cgroup",
                "/user.slice/run-r1.scope");
    check_found("0::/\n", unified, 2, "/sys/fs/cgroup", "/");
    check_found("9:name=systemd:/x\n8:pids:/y\n4:memory:/a/b\n0::/z\n", hybrid, 1,
                "/sys/fs/cgroup/memory", "/a/b");
    check_found("0::/z\n5:cpu,memory,pids:/a:b c\n", /* any byte but a line's end is in a name */
                hybrid, 1, "/sys/fs/cgroup/memory", "/a:b c");
    check_found("3:cpu,cpuacct:/y\n0::/z\n", hybrid, 2, "/sys/fs/cgroup/unified", "/z");
    check_found("0::/a..b/...", unified, 2, "/sys/fs/cgroup", "/a..b/...");
}

/* A part of the hierarchy is mounted, as in a container. */
static void a_part_of_the_hierarchy(void)
{
    static const char part[] =
        "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup c rw,memory\n";
    check_found("4:memory:/docker/1f/job\n", part, 1, "/sys/fs/cgroup/memory", "/job");
    check_found("4:memory:/docker/1f\n", part, 1, "/sys/fs/cgroup/memory", "/");
    struct pyro_cgroup cgroup;
    CHECK_EQ(pyro_cgroup_find("4:memory:/docker/1fx\n", part, &cgroup), -ENOENT);
    CHECK_EQ(pyro_cgroup_find("4:memory:/docker\n", part, &cgroup), -ENOENT);
}

static void lies_lead_nowhere(void)
{
    static const char *const groups[] = {"",
                                         "\n\n\n",
                                         "0:",
                                         "0::",
                                         "0::relative\n",
                                         "0::/../../etc\n",
                                         "0::/a/..\n",
                                         "0::/..",
                                         "1:mem:/a\n",
                                         "1:memoryx:/a\n",
                                         ":::::\n",
                                         "12:memory:/a/../b"};
    struct pyro_cgroup cgroup;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        CHECK_EQ(pyro_cgroup_find(groups[i], unified, &cgroup), -ENOENT);
        CHECK_EQ(pyro_cgroup_find(groups[i], hybrid, &cgroup), -ENOENT);
    }
    static const char *const mounts[] = {"",
                                         "\n",
                                         " - cgroup2",
                                         "1 2 3 / relative rw - cgroup2 c rw\n",
                                         "1 2 3 /.. /x rw - cgroup2 c rw\n",
                                         "1 2 3 / /a\\040b rw - cgroup2 c rw\n",
                                         "1 2 3 / /x rw cgroup2 c rw\n",
                                         "1 2 3 / /x rw - cgroup2x c rw\n"};
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
        CHECK_EQ(pyro_cgroup_find("0::/a\n", mounts[i], &cgroup), -ENOENT);
    char *longest = calloc(1, 3 * PATH_MAX);
    memset(longest, 'x', 2 * PATH_MAX);
    memcpy(longest, "0::/", 4);
    CHECK_EQ(pyro_cgroup_find(longest, unified, &cgroup), -ENOENT);
    memcpy(longest, "1 2 3 / /", 9);
    CHECK_EQ(pyro_cgroup_find("0::/a\n", longest, &cgroup), -ENOENT);
    free(longest);
}

static void pressure_is_read(void)
{
    uint64_t some, full;
    CHECK(pyro_pressure_parse("some avg10=0.00 avg60=1.50 avg300=0.22 total=1234567\n"
                              "full avg10=0.00 avg60=0.00 avg300=0.00 total=89\n",
                              &some, &full));
    CHECK_EQ(some, 1234567);
    CHECK_EQ(full, 89);
    CHECK(pyro_pressure_parse("some avg10=0.00 total=5\n", &some, &full)); /* older kernels */
    CHECK_EQ(full, 0);
    CHECK(!pyro_pressure_parse("", &some, &full));
    CHECK(!pyro_pressure_parse("some avg10=0.00\nfull ", &some, &full));
    CHECK(!pyro_pressure_parse("awesome total=1\nxfull total=2\n", &some, &full));
}

/* -- figures, of files in a folder -------------------------------------------------------------- */

static char folder[64];

static void begin_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/base_cgroup-XXXXXX");
    CHECK(mkdtemp(folder));
}

static void end_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_EQ(system(command), 0);
}

static void make(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = text ? open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600) : -1;
    if (text)
        CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    else
        CHECK_EQ(mkdir(path, 0700), 0);
    close(fd);
}

static struct pyro_cgroup_figures figures_of(const char *path, int version)
{
    struct pyro_cgroup cgroup = {.version = version};
    struct pyro_cgroup_figures figures;
    snprintf(cgroup.mount, sizeof(cgroup.mount), "%s", folder);
    snprintf(cgroup.path, sizeof(cgroup.path), "%s", path);
    pyro_cgroup_read(&cgroup, &figures);
    return figures;
}

static void version_2(void)
{
    begin_folder();
    make("a", NULL);
    make("a/b", NULL);
    make("a/b/memory.max", "max\n");
    make("a/memory.max", "536870912\n");
    make("a/b/memory.events", "low 0\nhigh 7\nmax 12\noom 3\noom_kill 1\noom_group_kill 0\n");
    make("a/b/memory.pressure", "some avg10=0.00 total=400\nfull avg10=0.00 total=30\n");
    struct pyro_cgroup_figures figures = figures_of("/a/b", 2);
    CHECK_EQ(figures.limit, 536870912); /* of the one above */
    CHECK(figures.has_reached && figures.has_oom && figures.has_kills && figures.has_pressure);
    CHECK_EQ(figures.reached, 12);
    CHECK_EQ(figures.oom, 3);
    CHECK_EQ(figures.kills, 1);
    CHECK(!figures.of_machine);
    CHECK_EQ(figures.some_us, 400);
    CHECK_EQ(figures.full_us, 30);
    make("a/b/memory.max", "4096\n");
    CHECK_EQ(figures_of("/a/b", 2).limit, 4096);
    end_folder();
}

static void version_1(void)
{
    begin_folder();
    make("a", NULL);
    make("a/memory.stat", "cache 5\nhierarchical_memory_limit 1048576\n");
    make("a/memory.failcnt", "9\n");
    make("a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    struct pyro_cgroup_figures figures = figures_of("/a", 1);
    CHECK_EQ(figures.limit, 1048576);
    CHECK(figures.has_reached && figures.has_kills && !figures.has_oom);
    CHECK_EQ(figures.reached, 9);
    CHECK_EQ(figures.kills, 2);
    CHECK(figures.of_machine == figures.has_pressure);
    make("a/memory.stat", "hierarchical_memory_limit 9223372036854771712\n");
    CHECK_EQ(figures_of("/a", 1).limit, 0); /* none */
    end_folder();
}

static void figures_that_are_none(void)
{
    begin_folder();
    make("a", NULL);
    make("a/memory.max", "-5\n");
    make("a/memory.events", "max \noom 99999999999999999999999999\noom_kill x\n");
    make("a/memory.pressure", "total=4\n");
    struct pyro_cgroup_figures figures = figures_of("/a", 2);
    CHECK_EQ(figures.limit, 0);
    CHECK(!figures.has_reached && !figures.has_oom && !figures.has_kills);
    CHECK(figures.of_machine == figures.has_pressure);
    figures = figures_of("/gone", 2);
    CHECK_EQ(figures.limit, 0);
    CHECK(!figures.has_reached);
    make("a/memory.failcnt", "");
    CHECK(!figures_of("/a", 1).has_reached);
    end_folder();
}

/* What this machine has of this process, if anything: the texts of its own kernel are understood. */
static void this_process(void)
{
    struct pyro_cgroup cgroup;
    struct pyro_cgroup_figures figures;
    int code = pyro_cgroup_of(getpid(), &cgroup);
    CHECK(code == 0 || code == -ENOENT);
    if (code == 0) {
        pyro_cgroup_read(&cgroup, &figures);
        CHECK(cgroup.mount[0] == '/' && cgroup.path[0] == '/');
        CHECK(figures.has_reached || strcmp(cgroup.path, "/") == 0);
    }
    CHECK(pyro_cgroup_of(INT32_MAX, &cgroup) < 0);
    pyro_cgroup_machine(&figures);
    CHECK(figures.of_machine == figures.has_pressure);
}

int main(void)
{
    return CHECK_MAIN(TEST(the_right_one_is_found), TEST(a_part_of_the_hierarchy),
                      TEST(lies_lead_nowhere), TEST(pressure_is_read), TEST(version_2),
                      TEST(version_1), TEST(figures_that_are_none), TEST(this_process));
}
