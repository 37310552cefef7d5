/* base/resident.c - /proc/PID/status. */
#include "base/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX 4096

static uint64_t bytes_of(const char *status, const char *key)
{
    const char *at = strstr(status, key);
    return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

int pyro_resident_read(pid_t pid, struct pyro_resident *ret_resident)
{
    char path[64], status[STATUS_MAX];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)(pid ? pid : getpid()));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t size = read(fd, status, sizeof(status) - 1);
    close(fd);
    status[size < 0 ? 0 : size] = '\0';
    const struct pyro_resident resident = {
        .all = bytes_of(status, "VmRSS:"),
        .most = bytes_of(status, "VmHWM:"),
        .files = bytes_of(status, "RssFile:") + bytes_of(status, "RssShmem:"),
        .swapped = bytes_of(status, "VmSwap:"),
    };
    if (!resident.all)
        return -ENOENT;
    *ret_resident = resident;
    return 0;
}
