/* target/snapshot.h - memory of a process kept in a file, to walk (and fuzz) it without the process.
 *
 * A snapshot holds named segments of bytes and a few numbers (the address of the runtime and so on).
 * Text header, then raw bytes; made by tools/snapshot, read by tests. Zeros of 64 KiB and more may be
 * left out: reading there is -EFAULT. */
#ifndef PYRO_TARGET_SNAPSHOT_H
#define PYRO_TARGET_SNAPSHOT_H

#include "target/memory.h"

struct pyro_snapshot {
    struct pyro_memory *memory;
    pyro_addr runtime; /* of _PyRuntime */
    uint32_t version;  /* PY_VERSION_HEX */
};

/* Every readable and writable private mapping of PID, and the read-only data of its interpreter,
 * as far as MAX_BYTES allows. The process should stand still (see target/pause.h). */
int pyro_snapshot_save(pid_t pid, pyro_addr runtime, uint32_t version, size_t max_bytes,
                       const char *path, struct pyro_error *error);
int pyro_snapshot_load(const char *path, struct pyro_snapshot *ret_snapshot,
                       struct pyro_error *error);
int pyro_snapshot_parse(const void *data, size_t size, struct pyro_snapshot *ret_snapshot,
                        struct pyro_error *error); /* DATA is copied; hostile bytes are fine */
void pyro_snapshot_clear(struct pyro_snapshot *snapshot);

#endif
