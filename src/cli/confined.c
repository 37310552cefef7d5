/* cli/confined.c - differences of the kernel's counters. */
#include "cli/confined.h"

#include <string.h>

#define FIGURE_MAX (UINT64_C(1) << 56) /* docs/format.md */

void pyro_confined_begin(struct pyro_confined *confined, pid_t pid)
{
    confined->known = pyro_cgroup_of(pid, &confined->cgroup) == 0;
    if (confined->known)
        pyro_cgroup_read(&confined->cgroup, &confined->before);
    else
        pyro_cgroup_machine(&confined->before);
}

/* A counter that went back was another one's: the group was made anew. */
static uint64_t since(uint64_t now, uint64_t before)
{
    return now > before && now - before < FIGURE_MAX ? now - before : 0;
}

void pyro_confined_end(const struct pyro_confined *confined, struct pyro_writer *writer)
{
    const struct pyro_cgroup_figures *before = &confined->before;
    const char *path = confined->known ? confined->cgroup.path : "";
    struct pyro_cgroup_figures now;
    if (confined->known)
        pyro_cgroup_read(&confined->cgroup, &now);
    else
        pyro_cgroup_machine(&now);
    const struct pyro_confinement confinement = {
        .cgroup = pyro_writer_string(writer, path, strlen(path)),
        .limit = before->limit ? before->limit : now.limit,
        .has_reached = before->has_reached && now.has_reached,
        .has_oom = before->has_oom && now.has_oom,
        .has_kills = before->has_kills && now.has_kills,
        .has_pressure =
            before->has_pressure && now.has_pressure && before->of_machine == now.of_machine,
        .reached = since(now.reached, before->reached),
        .oom = since(now.oom, before->oom),
        .kills = since(now.kills, before->kills),
        .of_machine = now.of_machine,
        .some_us = since(now.some_us, before->some_us),
        .full_us = since(now.full_us, before->full_us),
    };
    pyro_writer_confinement(writer, &confinement);
}
