/* probe/own.c - memory as the collector makes it (collect/collect.c), which nobody collects. */
#include "probe/own.h"

#include "probe/blocks.h"
#include "probe/python.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int os_error(int code)
{
    errno = code;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

static int make_memory(int fd)
{
    const struct pyro_tables_head head = {
        .magic = PYRO_TABLES_MAGIC,
        .block_size = PYRO_BLOCK_SIZE,
        .block_count = PYRO_BLOCKS_MAX,
        .used = 1,
    };
    if (ftruncate(fd, (off_t)PYRO_BLOCKS_MAX * PYRO_BLOCK_SIZE) < 0 ||
        pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return -errno;
    return pyro_blocks_open(fd);
}

int pyro_own_blocks(void)
{
    if (pyro_blocks_process()) {
        if (pyro_blocks_process()->pid == getpid())
            return 0;
        PyErr_SetString(PyExc_RuntimeError, "this process was forked from one that counted: it "
                                            "cannot count for itself");
        return -1;
    }
    int fd = memfd_create("pyrometer", MFD_CLOEXEC);
    int code = fd < 0 ? -errno : make_memory(fd);
    if (fd >= 0)
        close(fd);
    if (code < 0)
        return os_error(-code);
    struct pyro_process_block *process = pyro_blocks_begin_process(0);
    if (!process)
        return os_error(ENOMEM);
    process->state = PYRO_PROBE_COUNTS;
    return 0;
}
