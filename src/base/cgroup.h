/* base/cgroup.h - the control group that a process is in, what it allows of memory, and what the kernel counted there.
 *
 * Version 2 where that has the memory, else version 1. All that is read may be hostile: a path may be anything, and a group may
 * be gone the next moment. What cannot be told is left out. */
#ifndef PYRO_BASE_CGROUP_H
#define PYRO_BASE_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pyro_cgroup {
    int version;          /* 1 or 2 */
    char mount[PATH_MAX]; /* where its hierarchy is seen, "/sys/fs/cgroup" */
    char path[PATH_MAX];  /* below that; begins with a slash */
};

struct pyro_cgroup_figures {
    uint64_t limit; /* bytes: the least of its own and those above it; 0: none */
    bool has_reached, has_oom, has_kills;
    uint64_t reached;    /* how often its limit was */
    uint64_t oom, kills; /* that there was no memory left, and processes that were killed for it */
    bool has_pressure, of_machine;
    uint64_t some_us,
        full_us; /* in which something, or all that would have run, waited for memory */
};

/* Of texts as /proc/PID/cgroup and /proc/self/mountinfo have. -ENOENT: none that knows of memory, or none that is seen here. */
int pyro_cgroup_find(const char *groups, const char *mounts, struct pyro_cgroup *ret_cgroup);
/* The one of PID. Negative errno. */
int pyro_cgroup_of(pid_t pid, struct pyro_cgroup *ret_cgroup);
/* What it allows and what was counted until now. Where it does not tell how long was waited for memory, the machine does. */
void pyro_cgroup_read(const struct pyro_cgroup *cgroup, struct pyro_cgroup_figures *ret_figures);
/* Without a group: only the machine's. */
void pyro_cgroup_machine(struct pyro_cgroup_figures *ret_figures);

/* "some avg10=0.00 ... total=12" and "full ...", in us. False: that is none. */
bool pyro_pressure_parse(const char *text, uint64_t *ret_some_us, uint64_t *ret_full_us);

#endif
