/* base/resident.h - what is resident of a process, as the kernel says. */
#ifndef PYRO_BASE_RESIDENT_H
#define PYRO_BASE_RESIDENT_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes. */
struct pyro_resident {
    uint64_t all,
        most;         /* now, and at most so far; the kernel brings these up to date now and then */
    uint64_t files;   /* of `all`: pages of files and of memory that is shared */
    uint64_t swapped; /* besides */
};

/* PID 0: our own. Neither allocates nor opens a stream. 0 or a negative errno; -ENOENT: it has no memory any more. */
int pyro_resident_read(pid_t pid, struct pyro_resident *ret_resident);

#endif
