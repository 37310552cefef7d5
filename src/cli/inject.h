/* cli/inject.h - the probe of a process that runs already: started in it for one recording, and removed after.
 *
 * What is written into the process is inject/inject.h's; what it executes then, probe/bootstrap/call.py's. */
#ifndef PYRO_CLI_INJECT_H
#define PYRO_CLI_INJECT_H

#include "cli/probe.h"

#include <signal.h>

struct pyro_injection; /* in one process */

/* Start the probe, with OPTIONS, after it was said on standard error. PROBE reads what it counts. *STOP: give up. Negative errno:
 * nothing of it is left there. */
int pyro_injection_start(pid_t pid, const struct pyro_probe_options *options,
                         const volatile sig_atomic_t *stop, struct pyro_run_probe *probe,
                         struct pyro_injection **ret_injection, struct pyro_error *error);
/* Remove it, if the process is still there. Negative errno: it is not removed, and says why. */
int pyro_injection_stop(struct pyro_injection *injection, struct pyro_error *error);
void pyro_injection_free(struct pyro_injection *injection); /* NULL is fine */

#endif
