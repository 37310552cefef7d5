/* cli/source.h - put the source lines that a recording, or a profile, refers to into it.
 *
 * Files are read as the target sees them: through its root and its working directory, held open from
 * the start, so that they can still be read when the target is gone. */
#ifndef PYRO_CLI_SOURCE_H
#define PYRO_CLI_SOURCE_H

#include "cli/identity.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <sys/types.h>

struct pyro_source_roots {
    int root_fd, directory_fd;  /* -1: not to be had */
    struct pyro_identity owner; /* of the target: files are read with its rights */
};

void pyro_source_roots_open(struct pyro_source_roots *roots, pid_t pid);
void pyro_source_roots_close(struct pyro_source_roots *roots);

/* Lines of all frames that WRITER knows by now. Missing files are left out. */
void pyro_source_write(const struct pyro_source_roots *roots, struct pyro_writer *writer);

/* Lines of PROFILE that were counted, as its files are now: it brought none itself. Missing files are left out. */
void pyro_source_read(struct pyro_profile *profile);

#endif
