/* collect/tables.c - the memory itself: made by whoever begins, the collector or, where that cannot hand it over, the probe. */
#include "collect/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void make_head(struct pyro_tables_head *head)
{
    head->magic = PYRO_TABLES_MAGIC;
    head->block_size = PYRO_BLOCK_SIZE;
    head->block_count = PYRO_BLOCKS_MAX;
    atomic_store(&head->used, 1);
}

int pyro_tables_new(void)
{
    int fd = memfd_create("pyrometer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    void *head = MAP_FAILED;
    if (ftruncate(fd, (off_t)PYRO_TABLES_SIZE) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        head = mmap(NULL, PYRO_BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED) {
        int code = -errno;
        close(fd);
        return code;
    }
    make_head(head);
    munmap(head, PYRO_BLOCK_SIZE);
    return fd;
}

int pyro_tables_map(int fd, void **ret_memory)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || status.st_size != (off_t)PYRO_TABLES_SIZE)
        return -EPROTO;
    void *memory = mmap(NULL, PYRO_TABLES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ret_memory = memory;
    return 0;
}
