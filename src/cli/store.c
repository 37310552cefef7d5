/* cli/store.c - a folder of recordings, by modification time. */
#include "cli/store.h"

#include "cli/identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX      ".pyro"
#define NAME_PART   40   /* characters of a program's name in a file's name */
#define ENTRIES_MAX 4096 /* of the folder that are looked at */
#define FRESH_S     60   /* a file written to this lately may still be growing: never removed */

struct entry {
    char name[NAME_MAX + 1];
    struct timespec modified;
    uint64_t size_bytes;
};

/* -- the folder --------------------------------------------------------------------------------- */

/* Its path without making it. */
static int store_directory(char *path, size_t size, struct pyro_error *error)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = pyro_identity_home();
    int length;
    if (state && state[0] == '/') /* the XDG rules: a relative one is to be ignored */
        length = snprintf(path, size, "%s/pyrometer", state);
    else if (home[0] == '/')
        length = snprintf(path, size, "%s/.local/state/pyrometer", home);
    else
        return pyro_error_set(error, -ENOENT, "no home folder to keep recordings in: set HOME");
    if (length < 0 || (size_t)length >= size)
        return pyro_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    return 0;
}

/* mkdir -p, private. */
static int make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) < 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return -errno;
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The last part of NAME's first word, of letters a file name can carry. */
static void plain_name(const char *name, char *text, size_t size)
{
    size_t word = strcspn(name, " "), at = 0;
    const char *start = name;
    for (const char *c = name; c < name + word; c++)
        if (*c == '/')
            start = c + 1;
    for (const char *c = start; c < name + word && at + 1 < size; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' || (*c == '.' && at > 0);
        text[at++] = plain ? *c : '_';
    }
    text[at] = '\0';
}

/* FORMATted as "20261122-210102.123-app.py-4711.pyro". */
static int new_path(const char *directory, const char *name, pid_t pid, char *path, size_t size)
{
    struct timespec now;
    struct tm parts;
    char when[32], plain[NAME_PART];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &parts);
    plain_name(name, plain, sizeof(plain));
    int length = snprintf(path, size, "%s/%s.%03ld-%s-%d" SUFFIX, directory, when,
                          now.tv_nsec / 1000000, *plain ? plain : "python", (int)pid);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int pyro_store_new(const char *name, pid_t pid, char *path, size_t size, struct pyro_error *error)
{
    char directory[PATH_MAX];
    int code = store_directory(directory, sizeof(directory), error);
    if (code < 0)
        return code;
    pyro_identity_enter_caller();
    code = make_directories(directory);
    if (code == 0 && access(directory, W_OK) < 0 && geteuid() == getuid())
        code = -errno;
    pyro_identity_leave();
    if (code == 0)
        code = new_path(directory, name, pid, path, size);
    if (code < 0)
        return pyro_error_set(error, code, "cannot keep recordings in '%s': %s", directory,
                              strerror(-code));
    return 0;
}

/* -- what is in it ------------------------------------------------------------------------------ */

static bool is_recording(const char *name)
{
    size_t length = strlen(name), suffix = strlen(SUFFIX);
    return name[0] != '.' && length > suffix && strcmp(name + length - suffix, SUFFIX) == 0;
}

/* A link counts with its own time and size: removing it removes nothing else. */
static bool read_entry(int directory_fd, const char *name, struct entry *entry)
{
    struct stat status, behind;
    if (fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISLNK(status.st_mode) && fstatat(directory_fd, name, &behind, 0) < 0) {
        unlinkat(directory_fd, name, 0); /* what it led to is gone */
        return false;
    }
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode))
        return false;
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->modified = status.st_mtim;
    entry->size_bytes = (uint64_t)status.st_size;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *first = a, *second = b;
    if (first->modified.tv_sec != second->modified.tv_sec)
        return first->modified.tv_sec < second->modified.tv_sec ? 1 : -1;
    if (first->modified.tv_nsec != second->modified.tv_nsec)
        return first->modified.tv_nsec < second->modified.tv_nsec ? 1 : -1;
    return strcmp(second->name, first->name);
}

/* All recordings of the folder, newest first: *RET_ENTRIES is to be freed. The count or negative errno. */
static int list_entries(const char *path, struct entry **ret_entries)
{
    DIR *directory = opendir(path);
    if (!directory)
        return -errno;
    struct entry *entries = calloc(ENTRIES_MAX, sizeof(*entries));
    int count = 0;
    const struct dirent *item;
    while (entries && count < ENTRIES_MAX && (item = readdir(directory)))
        if (is_recording(item->d_name) &&
            read_entry(dirfd(directory), item->d_name, &entries[count]))
            count++;
    closedir(directory);
    if (!entries)
        return -ENOMEM;
    qsort(entries, (size_t)count, sizeof(*entries), newest_first);
    *ret_entries = entries;
    return count;
}

int pyro_store_last(char *path, size_t size, struct pyro_error *error)
{
    char directory[PATH_MAX];
    int code = store_directory(directory, sizeof(directory), error);
    if (code < 0)
        return code;
    struct entry *entries = NULL;
    pyro_identity_enter_caller();
    int count = list_entries(directory, &entries);
    pyro_identity_leave();
    if (count > 0) {
        int length = snprintf(path, size, "%s/%s", directory, entries[0].name);
        code = length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
    } else {
        code = -ENOENT;
    }
    free(entries);
    if (code < 0) {
        pyro_error_set(error, code, "there is no recording in '%s' yet", directory);
        pyro_error_hint(error, "make one: pyrometer run SCRIPT, or pyrometer record --pid PID");
    }
    return code;
}

const char *pyro_store_given_or_last(const char *given, char last[PATH_MAX],
                                     struct pyro_error *error)
{
    if (given)
        return given;
    return pyro_store_last(last, PATH_MAX, error) < 0 ? NULL : last;
}

void pyro_store_remember(const char *target)
{
    char absolute[PATH_MAX], path[PATH_MAX];
    if (!realpath(target, absolute) ||
        pyro_store_new("elsewhere", getpid(), path, sizeof(path), NULL) < 0)
        return;
    pyro_identity_enter_caller();
    if (symlink(absolute, path) < 0)
        path[0] = '\0'; /* then `stats` takes the one before */
    pyro_identity_leave();
}

void pyro_store_prune(void)
{
    char directory[PATH_MAX];
    struct entry *entries = NULL;
    if (store_directory(directory, sizeof(directory), NULL) < 0)
        return;
    pyro_identity_enter_caller();
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd < 0 ? 0 : list_entries(directory, &entries);
    uint64_t total = 0;
    time_t fresh = time(NULL) - FRESH_S;
    for (int i = 0; i < count; i++) {
        total += entries[i].size_bytes;
        bool too_much = i >= PYRO_STORE_KEEP || total > PYRO_STORE_BYTES_MAX;
        /* Others may be recording at this moment: what was written to just now stays, within reason. */
        bool growing = entries[i].modified.tv_sec >= fresh && i < PYRO_STORE_KEEP;
        if (i > 0 && too_much && !growing && unlinkat(fd, entries[i].name, 0) == 0)
            total -= entries[i].size_bytes;
    }
    if (fd >= 0)
        close(fd);
    pyro_identity_leave();
    free(entries);
}
