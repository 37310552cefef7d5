/* requests/spool.c - read the whole folder each time: others may have changed it. */
#include "requests/spool.h"

#include "base/grow.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX      ".pyro"
#define ENTRIES_MAX 100000 /* of the folder that are looked at */

struct entry {
    char name[PYRO_REQUEST_ID_MAX + sizeof(SUFFIX)];
    uint64_t size_bytes;
};
struct listing {
    struct entry *entries; /* the oldest first */
    size_t count, capacity;
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
    return strcmp(name, SUFFIX) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void add(struct listing *listing, int directory, const char *name)
{
    struct stat status;
    if (!is_ours(name) || fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        pyro_grow(&listing->entries, listing->count, &listing->capacity, sizeof(struct entry)) < 0)
        return;
    struct entry *entry = &listing->entries[listing->count++];
    size_t length = strnlen(name, sizeof(entry->name) - 1);
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
    entry->size_bytes = (uint64_t)status.st_size;
    listing->size_bytes += entry->size_bytes;
}

/* Remove the oldest of them while there are more than KEEP, or of more than KEEP_BYTES. How many went. */
static size_t prune(const char *path, size_t keep, uint64_t keep_bytes)
{
    DIR *directory = opendir(path);
    struct listing listing = {0};
    const struct dirent *next;
    size_t gone = 0;
    for (int i = 0; directory && i < ENTRIES_MAX && (next = readdir(directory)); i++)
        add(&listing, dirfd(directory), next->d_name);
    if (listing.count)
        qsort(listing.entries, listing.count, sizeof(*listing.entries), by_name);
    while (gone < listing.count &&
           (listing.count - gone > keep || listing.size_bytes > keep_bytes)) {
        (void)unlinkat(dirfd(directory), listing.entries[gone].name, 0); /* or another one did */
        listing.size_bytes -= listing.entries[gone++].size_bytes;
    }
    free(listing.entries);
    if (directory)
        closedir(directory);
    return gone;
}

void pyro_spool_make_room(const char *directory, uint32_t keep, uint64_t keep_bytes)
{
    prune(directory, keep ? keep - 1 : 0, keep_bytes);
}

static size_t count_of(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *next;
    size_t count = 0;
    for (int i = 0; directory && i < ENTRIES_MAX && (next = readdir(directory)); i++)
        count += is_ours(next->d_name);
    if (directory)
        closedir(directory);
    return count;
}

bool pyro_spool_remove_oldest(const char *directory)
{
    size_t count = count_of(directory);
    return count > 0 && prune(directory, count - 1, UINT64_MAX) > 0;
}
