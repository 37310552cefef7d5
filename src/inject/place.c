/* inject/place.c - descriptors of folders, so that no path is looked up twice. */
#include "inject/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TRIES 16

struct pyro_place {
    int parent, folder, locked;
    uid_t user;
    gid_t group;
    char name[32];
    char path[64];
};

static const char *const parents[][2] = {{"tmp", NULL}, {"var", "tmp"}, {"dev", "shm"}};

/* -- the folder --------------------------------------------------------------------------------- */

/* As whom the process reads files: the last of the four numbers. */
static int read_owner(pid_t pid, struct pyro_place *place)
{
    char path[64], line[256];
    unsigned user = 0, group = 0;
    int found = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? -ESRCH : -errno;
    while (fgets(line, sizeof(line), file)) {
        found += sscanf(line, "Uid: %*u %*u %*u %u", &user) == 1;
        found += sscanf(line, "Gid: %*u %*u %*u %u", &group) == 1;
    }
    fclose(file);
    place->user = user;
    place->group = group;
    return found == 2 ? 0 : -EPROTO;
}

static int open_folder(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_parent(int root, const char *const names[2])
{
    int first = open_folder(root, names[0]);
    if (first < 0 || !names[1])
        return first;
    int second = open_folder(first, names[1]);
    close(first);
    return second;
}

static void name_it(struct pyro_place *place, size_t at)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof(number), 0) < 0)
        number = (uint64_t)getpid();
    snprintf(place->name, sizeof(place->name), "pyrometer-%zu%010llx", at,
             (unsigned long long)(number & UINT64_C(0xffffffffff)));
}

/* 0, or negative errno: nothing can be made in PARENT, number AT, which is closed then. */
static int make_in(struct pyro_place *place, int parent, size_t at)
{
    int code = -EEXIST;
    for (int i = 0; code == -EEXIST && i < TRIES; i++) {
        name_it(place, at);
        code = mkdirat(parent, place->name, 0700) < 0 ? -errno : 0;
    }
    int folder = code == 0 ? open_folder(parent, place->name) : -1;
    if (code == 0 && folder < 0) {
        code = -errno;
        unlinkat(parent, place->name, AT_REMOVEDIR);
    }
    if (code < 0) {
        if (folder >= 0)
            close(folder);
        close(parent);
        return code;
    }
    place->parent = parent;
    place->folder = folder;
    return 0;
}

static void put_path(char *path, size_t size, size_t at, const char *rest)
{
    snprintf(path, size, "/%s%s%s/%s", parents[at][0], parents[at][1] ? "/" : "",
             parents[at][1] ? parents[at][1] : "", rest);
}

bool pyro_place_of(const char *mapped, const char *name, char *path, size_t size)
{
    const char *slash = strrchr(mapped, '/');
    if (!slash || strcmp(slash + 1, name) != 0)
        return false;
    const char *folder = slash;
    while (folder > mapped && folder[-1] != '/')
        folder--;
    unsigned at;
    if (sscanf(folder, "pyrometer-%1u", &at) != 1 || at >= sizeof(parents) / sizeof(parents[0]))
        return false;
    put_path(path, size, at, folder);
    return true;
}

/* In the first place that allows it, and that code may be loaded from; -ENOEXEC: there are only such that it may not. */
static int make(struct pyro_place *place, int root)
{
    int code = -ENOENT;
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        struct statvfs status;
        int parent = open_parent(root, parents[i]);
        if (parent < 0)
            continue;
        bool known = fstatvfs(parent, &status) == 0;
        if (!known || status.f_flag & ST_NOEXEC) {
            code = known && code == -ENOENT ? -ENOEXEC : code;
            close(parent);
            continue;
        }
        code = make_in(place, parent, i);
        if (code < 0)
            continue;
        put_path(place->path, sizeof(place->path), i, place->name);
        return 0;
    }
    return code;
}

int pyro_place_make(pid_t pid, struct pyro_place **ret_place, struct pyro_error *error)
{
    char path[64];
    struct pyro_place *place = calloc(1, sizeof(*place));
    if (!place)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    *place = (struct pyro_place){.parent = -1, .folder = -1, .locked = -1};
    snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = root < 0 ? -errno : read_owner(pid, place);
    if (code == 0)
        code = make(place, root);
    if (root >= 0)
        close(root);
    if (code == 0) {
        *ret_place = place;
        return 0;
    }
    pyro_place_remove(place);
    pyro_error_set(error, code,
                   "no folder for process %d can be made in its /tmp, /var/tmp or "
                   "/dev/shm: %s",
                   (int)pid,
                   code == -ENOEXEC ? "nothing there may be executed (noexec)" : strerror(-code));
    return code;
}

/* Whatever lies in it by now. */
static void empty(int folder)
{
    int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
    if (!directory) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(folder, entry->d_name, 0);
    closedir(directory);
}

void pyro_place_unlock(struct pyro_place *place)
{
    if (place->locked >= 0)
        close(place->locked);
    place->locked = -1;
}

void pyro_place_leave(struct pyro_place *place)
{
    if (place->folder >= 0) {
        close(place->folder);
        close(place->parent);
    }
    pyro_place_unlock(place);
    free(place);
}

void pyro_place_remove(struct pyro_place *place)
{
    if (!place)
        return;
    if (place->folder >= 0) {
        empty(place->folder);
        unlinkat(place->parent, place->name, AT_REMOVEDIR);
    }
    pyro_place_leave(place);
}

const char *pyro_place_path(const struct pyro_place *place)
{
    return place->path;
}

/* -- its files ---------------------------------------------------------------------------------- */

static int create(struct pyro_place *place, const char *name)
{
    int fd =
        openat(place->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

/* CODE, or why the file is not complete. */
static int finish(struct pyro_place *place, int fd, int code)
{
    if (code == 0 && geteuid() != place->user && fchown(fd, place->user, place->group) < 0)
        code = -errno;
    if (close(fd) < 0 && code == 0)
        code = -errno;
    return code;
}

int pyro_place_put(struct pyro_place *place, const char *name, const void *data, size_t size)
{
    int fd = create(place, name);
    if (fd < 0)
        return fd;
    ssize_t written = write(fd, data, size);
    return finish(place, fd, written < 0 ? -errno : (size_t)written < size ? -ENOSPC : 0);
}

int pyro_place_copy(struct pyro_place *place, const char *name, const char *from)
{
    struct stat status;
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return -errno;
    int fd = create(place, name), code = fd < 0 ? fd : 0;
    if (code == 0 && fstat(source, &status) < 0)
        code = -errno;
    for (off_t at = 0; code == 0 && at < status.st_size;) {
        ssize_t copied = sendfile(fd, source, &at, (size_t)(status.st_size - at));
        if (copied <= 0)
            code = copied < 0 ? -errno : -EIO;
    }
    close(source);
    return fd < 0 ? code : finish(place, fd, code);
}

int pyro_place_give(struct pyro_place *place, const char *name)
{
    place->locked = openat(place->folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (place->locked < 0 || lockf(place->locked, F_TLOCK, 0) < 0)
        return -errno;
    if (geteuid() != place->user && fchown(place->folder, place->user, place->group) < 0)
        return -errno;
    return 0;
}

ssize_t pyro_place_get(struct pyro_place *place, const char *name, char *text, size_t size)
{
    int fd = openat(place->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, text, size - 1);
    if (length < 0)
        length = -errno;
    close(fd);
    text[length < 0 ? 0 : length] = '\0';
    return length;
}
