/* inject/place.h - a folder in the target's own file system: what it is to read lies there, and what it answers.
 *
 * A target may live in another mount namespace, as another user, in folders that nothing may be executed in. So the folder is
 * made below /proc/PID/root, in the first of a few places that allows both, for the target's user alone. What lies there
 * belongs to whoever owns that file system: it is never followed through a link, and believed as little as the target. */
#ifndef PYRO_INJECT_PLACE_H
#define PYRO_INJECT_PLACE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pyro_place; /* one folder */

int pyro_place_make(pid_t pid, struct pyro_place **ret_place, struct pyro_error *error);
/* Its files and itself are removed; NULL is fine. */
void pyro_place_remove(struct pyro_place *place);

/* Leave them where they are: the target removes them when it is through. */
void pyro_place_leave(struct pyro_place *place);
/* The lock is let go of: nobody waits for what is there any more. */
void pyro_place_unlock(struct pyro_place *place);

/* As the target sees it. */
const char *pyro_place_path(const struct pyro_place *place);
/* Is what the kernel shows as MAPPED, which is how we would get there, the file NAME of such a folder? Then PATH is how the target
 * got there, even if it is removed. */
bool pyro_place_of(const char *mapped, const char *name, char *path, size_t size);

/* A new file; `_copy`: with what the file FROM holds. Before pyro_place_give(). 0 or negative errno. */
int pyro_place_put(struct pyro_place *place, const char *name, const void *data, size_t size);
int pyro_place_copy(struct pyro_place *place, const char *name, const char *from);
/* All of it is the target's from now on. File NAME is locked by lockf(3) as long as we live and the place is there. */
int pyro_place_give(struct pyro_place *place, const char *name);
/* The text of a file the target wrote, NUL-terminated, cut at SIZE - 1 bytes. -ENOENT: it has not. */
ssize_t pyro_place_get(struct pyro_place *place, const char *name, char *text, size_t size);

#endif
