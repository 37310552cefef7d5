/* requests/spool.h - a folder with the recordings of requests, of which the oldest go.
 *
 * Their names are ids that begin with the time, so the order of names is that of age. Several processes may share a folder: it is read again
 * now and then, and in between what this one wrote is added up. So what others put there counts a second later. */
#ifndef PYRO_REQUESTS_SPOOL_H
#define PYRO_REQUESTS_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYRO_REQUEST_ID_MAX 48 /* bytes, the NUL included */

/* Digits, letters a to z and hyphens only, and not empty. */
bool pyro_request_id_valid(const char *id);

struct pyro_spool_entry;
/* All zero but for what is chosen: good to begin with. */
struct pyro_spool {
    const char *directory; /* lives as long as this */
    uint32_t keep;
    uint64_t keep_bytes;
    struct pyro_spool_entry *entries; /* the oldest first */
    size_t count, capacity;
    uint64_t size_bytes;
    uint64_t read_ns; /* when the folder was; 0: not yet */
};

/* Remove the oldest until there is room for one more: at most KEEP then, and of KEEP_BYTES without it. Other files stay. */
void pyro_spool_make_room(struct pyro_spool *spool, uint64_t now_ns);
/* ID.pyro was written. (While it is, it is ID.part, which goes as the others do if it stays.) */
void pyro_spool_wrote(struct pyro_spool *spool, const char *id);
/* Read the folder, and remove the oldest one. False: there is none. */
bool pyro_spool_remove_oldest(struct pyro_spool *spool, uint64_t now_ns);
void pyro_spool_clear(struct pyro_spool *spool);

#endif
