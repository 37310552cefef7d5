/* requests/spool.c - a list of what is there, as of when the folder was last read and with what was written since. */
#include "requests/spool.h"

#include "base/clock.h"
#include "base/grow.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX      ".pyro"
#define UNFINISHED  ".part" /* is being written, or was when its writer was killed */
#define ENTRIES_MAX 100000  /* of the folder that are looked at */
#define READ_NS     PYRO_NS_PER_S

struct pyro_spool_entry {
    char name[PYRO_REQUEST_ID_MAX + sizeof(SUFFIX)];
    uint64_t size_bytes;
};

bool pyro_request_id_valid(const char *id)
{
    size_t size = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-");
    return size > 0 && size < PYRO_REQUEST_ID_MAX && id[size] == '\0';
}

/* "20261127-121706-013917-804b.pyro", as python/pyrometer/web/_service.py names them. Whatever else lies there is somebody's. */
static bool is_ours(const char *name)
{
    static const char shape[] = "dddddddd-dddddd-dddddd-xxxx";
    for (const char *wanted = shape; *wanted; wanted++, name++) {
        bool is_digit = *name >= '0' && *name <= '9', is_letter = *name >= 'a' && *name <= 'f';
        if (*wanted == '-' ? *name != '-' : !is_digit && (*wanted == 'd' || !is_letter))
            return false;
    }
    return strcmp(name, SUFFIX) == 0 || strcmp(name, UNFINISHED) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pyro_spool_entry *)a)->name,
                  ((const struct pyro_spool_entry *)b)->name);
}

/* -- what is there ------------------------------------------------------------------------------ */

static void add(struct pyro_spool *spool, int directory, const char *name)
{
    struct stat status;
    if (!is_ours(name) || fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        pyro_grow(&spool->entries, spool->count, &spool->capacity, sizeof(*spool->entries)) < 0)
        return;
    struct pyro_spool_entry *entry = &spool->entries[spool->count++];
    size_t length = strnlen(name, sizeof(entry->name) - 1);
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
    entry->size_bytes = (uint64_t)status.st_size;
    spool->size_bytes += entry->size_bytes;
}

static void read_folder(struct pyro_spool *spool, uint64_t now_ns)
{
    DIR *directory = opendir(spool->directory);
    const struct dirent *next;
    spool->count = 0;
    spool->size_bytes = 0;
    spool->read_ns = now_ns;
    for (int i = 0; directory && i < ENTRIES_MAX && (next = readdir(directory)); i++)
        add(spool, dirfd(directory), next->d_name);
    if (directory)
        closedir(directory);
    if (spool->count)
        qsort(spool->entries, spool->count, sizeof(*spool->entries), by_name);
}

static int open_folder(const struct pyro_spool *spool)
{
    return open(spool->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* As a rule it is the newest; not if a request's end was told late, or another process writes as well. */
void pyro_spool_wrote(struct pyro_spool *spool, const char *id)
{
    char name[PYRO_REQUEST_ID_MAX + sizeof(SUFFIX)];
    size_t before = spool->count;
    int directory = open_folder(spool);
    snprintf(name, sizeof(name), "%.*s" SUFFIX, PYRO_REQUEST_ID_MAX - 1, id);
    if (directory < 0)
        return;
    add(spool, directory, name);
    close(directory);
    for (size_t at = before; spool->count > before && at > 0; at--) {
        struct pyro_spool_entry *entry = &spool->entries[at], newer = entry[-1];
        if (by_name(entry - 1, entry) <= 0)
            break;
        entry[-1] = *entry;
        *entry = newer;
    }
}

/* -- what goes ---------------------------------------------------------------------------------- */

/* Remove the oldest of them while there are more than KEEP, or of more than KEEP_BYTES. How many went. */
static size_t prune(struct pyro_spool *spool, size_t keep, uint64_t keep_bytes)
{
    size_t gone = 0;
    int directory = -1;
    while (gone < spool->count && (spool->count - gone > keep || spool->size_bytes > keep_bytes)) {
        if (directory < 0 && (directory = open_folder(spool)) < 0)
            break;
        (void)unlinkat(directory, spool->entries[gone].name, 0); /* or another one did */
        spool->size_bytes -= spool->entries[gone++].size_bytes;
    }
    if (directory >= 0)
        close(directory);
    spool->count -= gone;
    if (gone)
        memmove(spool->entries, spool->entries + gone, spool->count * sizeof(*spool->entries));
    return gone;
}

void pyro_spool_make_room(struct pyro_spool *spool, uint64_t now_ns)
{
    if (!spool->read_ns || now_ns - spool->read_ns >= READ_NS)
        read_folder(spool, now_ns);
    prune(spool, spool->keep ? spool->keep - 1 : 0, spool->keep_bytes);
}

bool pyro_spool_remove_oldest(struct pyro_spool *spool, uint64_t now_ns)
{
    read_folder(spool, now_ns);
    return spool->count > 0 && prune(spool, spool->count - 1, UINT64_MAX) > 0;
}

void pyro_spool_clear(struct pyro_spool *spool)
{
    free(spool->entries);
    spool->entries = NULL;
    spool->count = spool->capacity = 0;
    spool->size_bytes = spool->read_ns = 0;
}
