/* target/maps.c - parses /proc/PID/maps and opens the files behind it. */
#include "target/maps.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "target/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What is opened is the memory of the program that runs at that moment: after exec it is empty. */
#define TRIES         8
#define MAPS_TEXT_MAX (256u << 20)

#ifndef BCACHEFS_SUPER_MAGIC
#define BCACHEFS_SUPER_MAGIC 0xca451a4e
#endif

/* -- parsing ------------------------------------------------------------------------------------ */

/* The kernel writes a newline in a name as \012 and appends " (deleted)" to an unlinked one. */
static const char *copy_path(struct pyro_arena *arena, const char *text, size_t length,
                             bool *ret_deleted)
{
    static const char suffix[] = " (deleted)";
    size_t suffix_length = sizeof(suffix) - 1;
    *ret_deleted = length > suffix_length && text[0] == '/' &&
                   memcmp(text + length - suffix_length, suffix, suffix_length) == 0;
    if (*ret_deleted)
        length -= suffix_length;
    char *path = pyro_arena_strndup(arena, text, length);
    if (!path)
        return NULL;
    char *to = path;
    for (const char *from = path; *from; to++) {
        bool newline = strncmp(from, "\\012", 4) == 0;
        *to = newline ? '\n' : *from;
        from += newline ? 4 : 1;
    }
    *to = '\0';
    return path;
}

static int expect(const char **text, char wanted)
{
    if (**text != wanted)
        return -EINVAL;
    (*text)++;
    return 0;
}

/* "start-end perms offset major:minor inode". *TEXT is left at what follows. */
static int parse_numbers(const char **text, struct pyro_mapping *mapping)
{
    uint64_t major_number, minor_number;
    if (pyro_proc_number(text, 16, &mapping->start.u) < 0 || expect(text, '-') < 0 ||
        pyro_proc_number(text, 16, &mapping->end.u) < 0 || expect(text, ' ') < 0)
        return -EINVAL;
    if (strnlen(*text, 5) < 5 || (*text)[4] != ' ')
        return -EINVAL;
    mapping->readable = (*text)[0] == 'r';
    mapping->writable = (*text)[1] == 'w';
    mapping->executable = (*text)[2] == 'x';
    mapping->shared = (*text)[3] == 's';
    *text += 5;
    if (pyro_proc_number(text, 16, &mapping->file_offset) < 0 ||
        pyro_proc_number(text, 16, &major_number) < 0 || expect(text, ':') < 0 ||
        pyro_proc_number(text, 16, &minor_number) < 0 ||
        pyro_proc_number(text, 10, &mapping->inode) < 0)
        return -EINVAL;
    if (major_number > UINT32_MAX || minor_number > UINT32_MAX)
        return -EINVAL;
    mapping->device_major = (uint32_t)major_number;
    mapping->device_minor = (uint32_t)minor_number;
    return mapping->start.u < mapping->end.u ? 0 : -EINVAL;
}

/* The text comes in several reads while the target runs, so an entry may reach back into the one
 * before it: keep the part that is new. */
static void append(struct pyro_maps *maps, struct pyro_mapping mapping)
{
    if (maps->count) {
        uint64_t last_end = maps->items[maps->count - 1].end.u;
        if (mapping.end.u <= last_end)
            return;
        if (mapping.start.u < last_end) {
            mapping.file_offset += last_end - mapping.start.u;
            mapping.start.u = last_end;
        }
    }
    maps->items[maps->count++] = mapping;
}

/* LINE is NUL-terminated. */
static int parse_line(const char *line, struct pyro_maps *maps, const char **last_name)
{
    struct pyro_mapping mapping = {0};
    if (parse_numbers(&line, &mapping) < 0)
        return -EINVAL;
    line += strspn(line, " ");
    struct pyro_mapping *last = maps->count ? &maps->items[maps->count - 1] : NULL;
    if (last && *last_name && strcmp(*last_name, line) == 0) {
        mapping.path = last->path; /* a library has several mappings in a row */
        mapping.deleted = last->deleted;
    } else {
        mapping.path = copy_path(maps->arena_, line, strlen(line), &mapping.deleted);
    }
    if (!mapping.path)
        return -ENOMEM;
    *last_name = line;
    append(maps, mapping);
    return 0;
}

/* TEXT ends in NUL and is cut into lines in place. */
static int parse_lines(char *text, struct pyro_maps *maps)
{
    const char *last_name = NULL;
    while (*text) {
        char *end = strchrnul(text, '\n');
        char *next = *end ? end + 1 : end;
        *end = '\0';
        size_t before = maps->count;
        int error = parse_line(text, maps, &last_name);
        if (error < 0)
            return error;
        if (maps->count == before)
            last_name = NULL; /* that entry was dropped: its name is not the last one's */
        text = next;
    }
    return 0;
}

int pyro_maps_parse(const char *text, size_t size, struct pyro_maps *ret_maps)
{
    if (size > MAPS_TEXT_MAX)
        return -E2BIG;
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    struct pyro_maps maps = {0};
    int error = -ENOMEM;
    char *copy = strndup(size ? text : "", size);
    maps.items = calloc(lines, sizeof(*maps.items));
    maps.arena_ = calloc(1, sizeof(struct pyro_arena));
    if (copy && maps.items && maps.arena_)
        error = strlen(copy) == size ? parse_lines(copy, &maps) : -EINVAL;
    free(copy);
    if (error < 0)
        pyro_maps_clear(&maps);
    else
        *ret_maps = maps;
    return error;
}

void pyro_maps_clear(struct pyro_maps *maps)
{
    if (maps->arena_)
        pyro_arena_free(maps->arena_);
    free(maps->arena_);
    free(maps->items);
    *maps = (struct pyro_maps){0};
}

/* -- loading ------------------------------------------------------------------------------------ */

static int read_all(int fd, struct pyro_buffer *buffer)
{
    char chunk[1 << 14];
    for (;;) {
        ssize_t count = read(fd, chunk, sizeof(chunk));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return pyro_proc_errno(errno);
        if (count == 0)
            return buffer->failed ? -ENOMEM : 0;
        pyro_buffer_put(buffer, chunk, (size_t)count);
        if (buffer->size > MAPS_TEXT_MAX)
            return -E2BIG;
    }
}

/* Append the text of the file. */
static int read_file(pid_t pid, struct pyro_buffer *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pyro_proc_errno(errno);
    int error = read_all(fd, text);
    close(fd);
    return error;
}

static int load(pid_t pid, struct pyro_maps *ret_maps)
{
    struct pyro_buffer text = {0};
    int error = 0;
    for (int i = 0; error == 0 && text.size == 0 && i < TRIES; i++)
        error = read_file(pid, &text);
    if (error == 0 && text.size == 0)
        error = -ESRCH; /* a zombie has no memory, nor has a kernel thread */
    if (error == 0)
        error = pyro_maps_parse((const char *)text.data, text.size, ret_maps);
    pyro_buffer_free(&text);
    return error;
}

int pyro_maps_load(pid_t pid, struct pyro_maps *ret_maps, struct pyro_error *error)
{
    int code = load(pid, ret_maps);
    if (code == 0)
        return 0;
    if (code == -EPERM)
        return pyro_target_not_allowed(error, pid);
    if (code == -ESRCH)
        return pyro_error_set(error, code, "no process %d, or it has ended", (int)pid);
    return pyro_error_set(error, code, "cannot read the memory map of process %d: %s", (int)pid,
                          strerror(-code));
}

const struct pyro_mapping *pyro_maps_find(const struct pyro_maps *maps, pyro_addr addr)
{
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->items[middle].end.u <= addr.u)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == maps->count || maps->items[low].start.u > addr.u)
        return NULL;
    return &maps->items[low];
}

/* -- the files behind --------------------------------------------------------------------------- */

/* Look before opening: O_PATH touches neither a FIFO nor a device. A descriptor, or negative errno. */
static int look_at(const char *path, struct stat *ret_stat)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, ret_stat) < 0 ? -errno : 0;
    if (error == 0 && !S_ISREG(ret_stat->st_mode))
        error = -EINVAL;
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* Open for reading what LOOKED (consumed) stands for. */
static int open_looked(int looked)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", looked);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? -errno : fd;
    close(looked);
    return error;
}

/* Some file systems show other numbers in stat than in maps: btrfs and bcachefs a device for each
 * subvolume, overlayfs (containers) before Linux 6.8 the numbers of the layer below. There the
 * kernel's own word must do that the name still leads to the mapped file. */
static bool same_file(int fd, const struct stat *stat, const struct pyro_mapping *mapping)
{
    bool same_inode = stat->st_ino == mapping->inode;
    if (same_inode && major(stat->st_dev) == mapping->device_major &&
        minor(stat->st_dev) == mapping->device_minor)
        return true;
    struct statfs file_system;
    if (mapping->deleted || fstatfs(fd, &file_system) < 0)
        return false;
    switch ((unsigned long)file_system.f_type) {
    case OVERLAYFS_SUPER_MAGIC:
        return true;
    case BTRFS_SUPER_MAGIC:
    case BCACHEFS_SUPER_MAGIC:
        return same_inode;
    default:
        return false;
    }
}

static int open_if_same(const char *path, const struct pyro_mapping *mapping)
{
    struct stat stat;
    int looked = look_at(path, &stat);
    if (looked < 0)
        return looked;
    if (same_file(looked, &stat, mapping))
        return open_looked(looked);
    close(looked);
    return -ENOENT;
}

/* /proc/PID/exe leads to the very file, deleted or not; is it the one of MAPPING? Its name says so
 * where the numbers do not. */
static int open_exe(pid_t pid, const struct pyro_mapping *mapping)
{
    char path[64], target[4096 + 16];
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    int fd = open_if_same(path, mapping);
    if (fd >= 0)
        return fd;
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    size_t path_length = strlen(mapping->path);
    if (strncmp(target, mapping->path, path_length) != 0 ||
        strcmp(target + path_length, mapping->deleted ? " (deleted)" : "") != 0)
        return -ENOENT;
    struct stat stat;
    int looked = look_at(path, &stat);
    return looked < 0 ? looked : open_looked(looked);
}

int pyro_maps_open_file(pid_t pid, const struct pyro_mapping *mapping)
{
    if (mapping->inode == 0 || mapping->path[0] != '/')
        return -ENOENT;
    char path[4096 + 64];
    snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
             mapping->start.u, mapping->end.u);
    struct stat stat;
    int fd = look_at(path, &stat); /* needs privileges, and then is always right */
    if (fd >= 0)
        fd = open_looked(fd);
    if (fd >= 0)
        return fd;
    fd = open_exe(pid, mapping);
    if (fd >= 0)
        return fd;
    int length = snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, mapping->path);
    if (length < 0 || (size_t)length >= sizeof(path))
        return -ENAMETOOLONG;
    return open_if_same(path, mapping);
}
