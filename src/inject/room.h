/* inject/room.h - what a call of 3.11-3.13 needs in the target: the function, and room for one line. Internal to inject/. */
#ifndef PYRO_INJECT_ROOM_H
#define PYRO_INJECT_ROOM_H

#include "cpython/runtime.h"

/* PyRun_SimpleString, and PYRO_CALL_MAX bytes that belong to nobody: zero, or if there are none such, a line of ours that was
 * left. -ENOTSUP: one of them is not found. */
int pyro_room_find(pid_t pid, const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                   const struct pyro_maps *maps, pyro_addr *ret_run, pyro_addr *ret_room,
                   struct pyro_error *error);

#endif
