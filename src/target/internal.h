/* target/internal.h - what the files of this folder share: small reads from /proc, one wording for
 * "not allowed". */
#ifndef PYRO_TARGET_INTERNAL_H
#define PYRO_TARGET_INTERNAL_H

#include "target/maps.h"
#include "target/process.h"

#include <stddef.h>

/* errno of a failed call on a /proc/PID file, in this program's terms: the process is gone is
 * -ESRCH, a refusal -EPERM, anything else stays. */
int pyro_proc_errno(int error_number);

/* Read the file /proc/PID/NAME into TEXT, NUL-terminated, cut at SIZE - 1 bytes. The length or
 * negative errno. */
ssize_t pyro_proc_read(pid_t pid, const char *name, char *text, size_t size);

/* An unsigned number at *TEXT in BASE, after spaces. Moves *TEXT past it. -EINVAL when there is none
 * or it does not fit. */
int pyro_proc_number(const char **text, int base, uint64_t *ret_number);

/* Call VISIT with each entry of directory PATH whose name is a positive number, until it returns
 * non-zero, and return that. Does not allocate. */
int pyro_proc_each_number(const char *path, int (*visit)(pid_t number, void *context),
                          void *context);

/* Give each line of /proc/PID/NAME to MATCH until it says true, which is returned. The rest of an overlong line counts as a line. */
bool pyro_proc_each_line(pid_t pid, const char *name,
                         bool (*match)(const char *line, void *context), void *context);

/* What the socket INODE of PID is connected to, at least "socket"; LINK: /proc/PID/fd/N. What does not change is remembered in NAMES, which may be NULL. */
void pyro_socket_find(struct pyro_socket_names *names, pid_t pid, const char *link, uint64_t inode,
                      struct pyro_socket_name *ret_name);

/* Read the file NAME of a thread's /proc directory through *FD, opened on first use. TEXT is
 * NUL-terminated, cut at SIZE - 1 bytes. The length or negative errno; an empty file is -ESRCH. */
ssize_t pyro_kernel_thread_read(const struct pyro_kernel_thread *thread, int *fd, const char *name,
                                char *text, size_t size);

/* Where the thread pointer of a thread of PID is, from its pthread_self(). -ENOENT: glibc's
 * variables are not found; -ENOTSUP: not known on this architecture. */
int pyro_thread_pointer_offset(pid_t pid, const struct pyro_maps *maps,
                               const struct pyro_memory *memory, int64_t *ret_offset);

/* Fill ERROR for "may not look into PID" with the command to type as the hint; returns -EPERM. */
int pyro_target_not_allowed(struct pyro_error *error, pid_t pid);

#endif
