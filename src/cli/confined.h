/* cli/confined.h - the control group of what is recorded, looked at before and after. */
#ifndef PYRO_CLI_CONFINED_H
#define PYRO_CLI_CONFINED_H

#include "base/cgroup.h"
#include "profile/writer.h"

struct pyro_confined {
    bool known; /* there is a group */
    struct pyro_cgroup cgroup;
    struct pyro_cgroup_figures before;
};

/* PID is there. What cannot be told is left out later. */
void pyro_confined_begin(struct pyro_confined *confined, pid_t pid);
/* Write what was counted since; PID may be gone. */
void pyro_confined_end(const struct pyro_confined *confined, struct pyro_writer *writer);

#endif
