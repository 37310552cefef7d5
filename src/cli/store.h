/* cli/store.h - the recordings that are kept: ${XDG_STATE_HOME:-~/.local/state}/pyrometer/.
 *
 * Names begin with the time, so the folder sorts by it. The last 20 stay, 1 GiB at most, the newest
 * whatever its size. Under sudo everything in it belongs to the calling user. */
#ifndef PYRO_CLI_STORE_H
#define PYRO_CLI_STORE_H

#include "base/error.h"

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#define PYRO_STORE_KEEP      20
#define PYRO_STORE_BYTES_MAX (1ull << 30)

/* A path for a new recording of the program NAME (any text; made into a file name); the folder is made. */
int pyro_store_new(const char *name, pid_t pid, char *path, size_t size, struct pyro_error *error);
/* The recording written last. -ENOENT: there is none. */
int pyro_store_last(char *path, size_t size, struct pyro_error *error);
/* GIVEN, or if that is NULL the recording written last, whose path is put into LAST. NULL: there is none. */
const char *pyro_store_given_or_last(const char *given, char last[PATH_MAX],
                                     struct pyro_error *error);
/* Make the recording at TARGET, which lies elsewhere, the last one too (a symbolic link). Best effort. */
void pyro_store_remember(const char *target);
/* Remove what is too old or too much. Best effort. */
void pyro_store_prune(void);

#endif
