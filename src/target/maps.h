/* target/maps.h - what is mapped where in another process (/proc/PID/maps). */
#ifndef PYRO_TARGET_MAPS_H
#define PYRO_TARGET_MAPS_H

#include "target/memory.h"

struct pyro_mapping {
    pyro_addr start, end;
    uint64_t file_offset;
    uint64_t inode;
    uint32_t device_major, device_minor;
    bool readable, writable, executable, shared;
    bool deleted; /* the file was unlinked or replaced since */
    const char *
        path; /* as the target sees it, without " (deleted)"; "" for none, "[heap]" and so on as they are */
};
struct pyro_maps {
    struct pyro_mapping *items; /* ascending addresses */
    size_t count;
    void *arena_; /* owns the paths */
};

int pyro_maps_load(pid_t pid, struct pyro_maps *ret_maps, struct pyro_error *error);
int pyro_maps_parse(const char *text, size_t size,
                    struct pyro_maps *ret_maps); /* for tests and fuzzing */
void pyro_maps_clear(struct pyro_maps *maps);
const struct pyro_mapping *pyro_maps_find(const struct pyro_maps *maps,
                                          pyro_addr addr); /* NULL: not mapped */

/* Open the file behind MAPPING, also when it was deleted or replaced, or lies in another mount
 * namespace: /proc/PID/map_files, then /proc/PID/exe for the program itself, then /proc/PID/root/PATH
 * if device and inode are still the same. A file descriptor, or negative errno. */
int pyro_maps_open_file(pid_t pid, const struct pyro_mapping *mapping);

#endif
