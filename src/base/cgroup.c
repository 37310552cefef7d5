/* base/cgroup.c - /proc/PID/cgroup, /proc/self/mountinfo, and the files of a group. */
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX   (1 << 16)
#define FILE_MAX   4096
#define LIMIT_NONE (UINT64_C(1) << 56) /* version 1 has a number near 2^63 where there is none */

/* -- text --------------------------------------------------------------------------------------- */

static int read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    size_t used = 0;
    ssize_t got = 1;
    while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    int error = got < 0 ? -errno : 0;
    close(fd);
    text[used] = '\0';
    return error;
}

/* The number after KEY at the beginning of a line. */
static bool number_of(const char *text, const char *key, uint64_t *ret_number)
{
    size_t length = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *digits = line + length;
        if (strncmp(line, key, length) != 0 || *digits < '0' || *digits > '9')
            continue;
        errno = 0;
        *ret_number = strtoull(digits, NULL, 10);
        return errno == 0;
    }
    return false;
}

bool pyro_pressure_parse(const char *text, uint64_t *ret_some_us, uint64_t *ret_full_us)
{
    uint64_t *const fields[] = {ret_some_us, ret_full_us};
    static const char *const keys[] = {"some ", "full "};
    *ret_some_us = *ret_full_us = 0;
    bool found = false;
    for (int i = 0; i < 2; i++) {
        const char *line = strstr(text, keys[i]);
        const char *total = line ? strstr(line, " total=") : NULL;
        const char *end = line ? strchr(line, '\n') : NULL;
        if (!total || (end && total > end) || (line != text && line[-1] != '\n'))
            continue;
        *fields[i] = strtoull(total + strlen(" total="), NULL, 10);
        found = true;
    }
    return found;
}

/* -- which -------------------------------------------------------------------------------------- */

static bool has_word(const char *words, size_t length, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; at + size <= words + length;) {
        const char *end = memchr(at, ',', (size_t)(words + length - at));
        size_t this = end ? (size_t)(end - at) : (size_t)(words + length - at);
        if (this == size && memcmp(at, word, size) == 0)
            return true;
        at += this + 1;
    }
    return false;
}

/* No step leads up, and it is a path at all. */
static bool is_plain(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")); at += 2)
        if (at > path && at[-1] == '/' && (at[2] == '/' || !at[2]))
            return false;
    return path[0] == '/';
}

/* The path of a line "4:memory:/a/b" or "0::/a/b". */
static bool take_group(const char *line, size_t length, struct pyro_cgroup *cgroup)
{
    const char *first = memchr(line, ':', length);
    const char *second = first ? memchr(first + 1, ':', length - (size_t)(first + 1 - line)) : NULL;
    if (!second)
        return false;
    size_t size = length - (size_t)(second + 1 - line);
    bool unified = second == first + 1 && line[0] == '0';
    if (size >= sizeof(cgroup->path) || cgroup->version == 1 ||
        (!unified && !has_word(first + 1, (size_t)(second - first - 1), "memory")))
        return false;
    memcpy(cgroup->path, second + 1, size);
    cgroup->path[size] = '\0';
    cgroup->version = unified ? 2 : 1;
    return true;
}

/* Version 1 where it has the memory: then version 2 has it not. */
static int find_group(const char *groups, struct pyro_cgroup *cgroup)
{
    while (*groups) {
        size_t length = strcspn(groups, "\n");
        (void)take_group(groups, length, cgroup);
        groups += length + (groups[length] == '\n');
    }
    return cgroup->version && is_plain(cgroup->path) ? 0 : -ENOENT;
}

/* A line of mountinfo, in words: "31 23 0:28 ROOT PLACE options [more ...] - TYPE source OPTIONS". */
struct mount {
    char root[PATH_MAX], place[PATH_MAX], type[32], options[256];
};

static void copy_word(char *to, size_t size, const char *word, size_t length)
{
    snprintf(to, size, "%.*s", (int)length, length < size ? word : "");
}

static bool take_mount(const char *line, size_t length, struct mount *mount)
{
    *mount = (struct mount){0};
    size_t word = 0, since_dash = 0;
    for (const char *at = line, *end = line + length; at < end; word++) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        size_t size = blank ? (size_t)(blank - at) : (size_t)(end - at);
        if (word == 3)
            copy_word(mount->root, sizeof(mount->root), at, size);
        if (word == 4)
            copy_word(mount->place, sizeof(mount->place), at, size);
        if (since_dash == 1)
            copy_word(mount->type, sizeof(mount->type), at, size);
        if (since_dash == 3)
            copy_word(mount->options, sizeof(mount->options), at, size);
        if (since_dash || (word > 5 && size == 1 && *at == '-'))
            since_dash++;
        at += size + 1;
    }
    /* A blank in a path is written with a backslash: nobody mounts groups there. */
    return mount->place[0] == '/' && is_plain(mount->root) && !strchr(mount->place, '\\');
}

static bool is_hierarchy_of(const struct mount *mount, int version)
{
    if (version == 2)
        return strcmp(mount->type, "cgroup2") == 0;
    return strcmp(mount->type, "cgroup") == 0 &&
           has_word(mount->options, strlen(mount->options), "memory");
}

/* In a container a part of the hierarchy is mounted: the path as it is seen there. */
static bool cut_root(char *path, const char *root)
{
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, length) != 0 || (length && path[length] && path[length] != '/'))
        return false;
    memmove(path, path + length, strlen(path + length) + 1);
    if (!*path)
        memcpy(path, "/", 2);
    return true;
}

int pyro_cgroup_find(const char *groups, const char *mounts, struct pyro_cgroup *ret_cgroup)
{
    struct pyro_cgroup cgroup = {0};
    struct mount mount;
    int error = find_group(groups, &cgroup);
    while (error == 0 && *mounts) {
        size_t length = strcspn(mounts, "\n");
        if (take_mount(mounts, length, &mount) && is_hierarchy_of(&mount, cgroup.version) &&
            cut_root(cgroup.path, mount.root)) {
            memcpy(cgroup.mount, mount.place, sizeof(cgroup.mount));
            *ret_cgroup = cgroup;
            return 0;
        }
        mounts += length + (mounts[length] == '\n');
    }
    return -ENOENT;
}

int pyro_cgroup_of(pid_t pid, struct pyro_cgroup *ret_cgroup)
{
    char path[64], *groups = malloc(TEXT_MAX), *mounts = malloc(TEXT_MAX);
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    int error = groups && mounts ? read_text(path, groups, TEXT_MAX) : -ENOMEM;
    if (error == 0)
        error = read_text("/proc/self/mountinfo", mounts, TEXT_MAX);
    if (error == 0)
        error = pyro_cgroup_find(groups, mounts, ret_cgroup);
    free(groups);
    free(mounts);
    return error;
}

/* -- figures ------------------------------------------------------------------------------------ */

/* FILE of the group at PATH, below where its hierarchy is mounted. */
static bool read_file(const struct pyro_cgroup *cgroup, const char *path, const char *file,
                      char text[FILE_MAX])
{
    char full[2 * PATH_MAX + 64];
    snprintf(full, sizeof(full), "%s%s/%s", cgroup->mount, strcmp(path, "/") == 0 ? "" : path,
             file);
    return read_text(full, text, FILE_MAX) == 0;
}

static void take_limit(const char *text, const char *key, struct pyro_cgroup_figures *figures)
{
    uint64_t limit;
    if (!number_of(text, key, &limit) || limit >= LIMIT_NONE) /* "max" is none */
        return;
    if (!figures->limit || limit < figures->limit)
        figures->limit = limit;
}

/* Its own, and those of the groups above it. */
static void read_limits(const struct pyro_cgroup *cgroup, struct pyro_cgroup_figures *figures)
{
    char path[PATH_MAX], text[FILE_MAX];
    memcpy(path, cgroup->path, sizeof(path));
    for (char *slash; (slash = strrchr(path, '/')); *slash = '\0') {
        if (read_file(cgroup, *path ? path : "/", "memory.max", text))
            take_limit(text, "", figures);
        if (slash == path)
            break;
    }
}

static void read_version_2(const struct pyro_cgroup *cgroup, struct pyro_cgroup_figures *figures)
{
    char text[FILE_MAX];
    read_limits(cgroup, figures);
    if (read_file(cgroup, cgroup->path, "memory.events", text)) {
        figures->has_reached = number_of(text, "max ", &figures->reached);
        figures->has_oom = number_of(text, "oom ", &figures->oom);
        figures->has_kills = number_of(text, "oom_kill ", &figures->kills);
    }
    if (read_file(cgroup, cgroup->path, "memory.pressure", text))
        figures->has_pressure = pyro_pressure_parse(text, &figures->some_us, &figures->full_us);
}

static void read_version_1(const struct pyro_cgroup *cgroup, struct pyro_cgroup_figures *figures)
{
    char text[FILE_MAX];
    if (read_file(cgroup, cgroup->path, "memory.stat", text))
        take_limit(text, "hierarchical_memory_limit ", figures);
    if (read_file(cgroup, cgroup->path, "memory.failcnt", text))
        figures->has_reached = number_of(text, "", &figures->reached);
    if (read_file(cgroup, cgroup->path, "memory.oom_control", text))
        figures->has_kills = number_of(text, "oom_kill ", &figures->kills);
}

void pyro_cgroup_machine(struct pyro_cgroup_figures *ret_figures)
{
    char text[FILE_MAX];
    *ret_figures = (struct pyro_cgroup_figures){0};
    if (read_text("/proc/pressure/memory", text, sizeof(text)) == 0)
        ret_figures->has_pressure =
            pyro_pressure_parse(text, &ret_figures->some_us, &ret_figures->full_us);
    ret_figures->of_machine = ret_figures->has_pressure;
}

void pyro_cgroup_read(const struct pyro_cgroup *cgroup, struct pyro_cgroup_figures *ret_figures)
{
    struct pyro_cgroup_figures figures = {0}, machine;
    if (cgroup->version == 2)
        read_version_2(cgroup, &figures);
    else
        read_version_1(cgroup, &figures);
    if (!figures.has_pressure) {
        pyro_cgroup_machine(&machine);
        figures.has_pressure = figures.of_machine = machine.has_pressure;
        figures.some_us = machine.some_us;
        figures.full_us = machine.full_us;
    }
    *ret_figures = figures;
}
