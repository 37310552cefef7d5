/* requests/spool.h - a folder with the recordings of requests, of which the oldest go.
 *
 * Their names are ids that begin with the time, so the order of names is that of age. Several processes may share a folder. */
#ifndef PYRO_REQUESTS_SPOOL_H
#define PYRO_REQUESTS_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#define PYRO_REQUEST_ID_MAX 48 /* bytes, the NUL included */

/* Digits, letters a to z and hyphens only, and not empty. */
bool pyro_request_id_valid(const char *id);

/* Remove the oldest until there is room for one more: at most KEEP then, and of KEEP_BYTES without it. Other files stay. */
void pyro_spool_make_room(const char *directory, uint32_t keep, uint64_t keep_bytes);
/* Remove the oldest one. False: there is none. */
bool pyro_spool_remove_oldest(const char *directory);

#endif
