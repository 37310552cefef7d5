/* profile/model.c - names of the model's terms. */
#include "profile/model.h"

const char *pyro_state_name(enum pyro_state state)
{
    static const char *const names[PYRO_STATE_COUNT] = {
        [PYRO_STATE_UNKNOWN] = "unknown",   [PYRO_STATE_RUNNING] = "running",
        [PYRO_STATE_RUNNABLE] = "runnable", [PYRO_STATE_WAITING] = "waiting",
        [PYRO_STATE_GIL_WAIT] = "gil_wait",
    };
    return (unsigned)state < PYRO_STATE_COUNT ? names[state] : names[PYRO_STATE_UNKNOWN];
}
