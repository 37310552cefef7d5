/* probe/own.c - memory as the collector makes it (collect/collect.c), which nobody collects. */
#include "probe/own.h"

#include "probe/blocks.h"
#include "probe/lines.h"
#include "probe/names.h"
#include "probe/python.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct pyro_process_block *own; /* of memory that was made here */

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

/* What the process that forked this one has is not ours to write to. -1 with an exception: a run's cannot be let go. */
static int leave_parents(void)
{
    if (pyro_blocks_process() != own) {
        PyErr_SetString(PyExc_RuntimeError, "this process was forked from one that counted: it "
                                            "cannot count for itself");
        return -1;
    }
    pyro_lines_stop();
    pyro_names_forget();
    pyro_blocks_close();
    return 0;
}

int pyro_own_blocks(void)
{
    if (pyro_blocks_process() && pyro_blocks_process()->pid == getpid())
        return 0;
    if (pyro_blocks_process() && leave_parents() < 0)
        return -1;
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
    own = process;
    return 0;
}
