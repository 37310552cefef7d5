/* probe/costs.h - what the events of a call cost whoever times it, measured in this process on this machine. */
#ifndef PYRO_PROBE_COSTS_H
#define PYRO_PROBE_COSTS_H

#include "probe/gauge.h"
#include "probe/shadow.h"

/* Nanoseconds a call. `inside`: the part between the two readings of the clock, which is what the called function seems to
 * take longer. */
struct pyro_call_costs {
    double python, python_inside;
    double c, c_inside;
    double ignored; /* the call instruction of a Python function, besides */
};

/* SWITCH_TO sets what times calls and removes it: 0, or -1 with an exception. SHOWN: what it says that the function it saw
 * called most often took, in nanoseconds a call (0: it saw none), since it was asked the last time.
 * Takes some ten milliseconds and wants the GIL. -1 with an exception. */
int pyro_costs_measure(int (*switch_to)(bool on), double (*shown)(void),
                       struct pyro_call_costs *ret_costs);

/* Of a Profile with our own clock, in nanoseconds, as the machine is at this moment; 0 before they were measured. */
extern struct pyro_event_costs pyro_costs_of_profile;
/* Measure them, once in a process; if the stack or the memory is short, they stay 0, and are measured when this is called
 * again. -1 with an exception: the user interrupted. */
int pyro_costs_measure_profile(void);

/* What events of Profiles take in the calling thread. */
extern __thread struct pyro_gauge_hand pyro_costs_gauge __attribute__((tls_model("initial-exec")));
/* The calling thread has such events; done twice is fine. */
void pyro_costs_begin_thread(void);
/* After each one that was measured: once there are some, the costs are made those of now. */
void pyro_costs_follow(void);

#endif
