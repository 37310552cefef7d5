/* probe/calibrate.h - what counting costs, measured in this process on this machine. */
#ifndef PYRO_PROBE_CALIBRATE_H
#define PYRO_PROBE_CALIBRATE_H

#include "probe/python.h"

struct pyro_costs {
    double start_ns; /* of one start of a Python function */
    double call_ns;  /* of one call instruction */
};

/* While the hooks are set: switch them off and on in turn (SWITCH_TO: 0 or -1 with an exception), and time loops that do
 * nothing but call. Takes a few milliseconds. -1 with an exception; the hooks are on then, if that was possible. */
int pyro_calibrate(int (*switch_to)(bool on), struct pyro_costs *ret_costs);

#endif
