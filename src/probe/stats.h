/* probe/stats.h - the figures of a Profile as Python objects. All calls want the GIL. */
#ifndef PYRO_PROBE_STATS_H
#define PYRO_PROBE_STATS_H

#include "probe/profiles.h"

/* Make the types of the objects below, once, and add them to MODULE. -1 with an exception. */
int pyro_stats_init(PyObject *module);

/* A list of profiler_entry, as cProfile's getstats() returns. HIDES: what is left out. NULL with an exception. */
PyObject *pyro_stats_list(const struct pyro_profile *profile, bool (*hides)(const void *key));
/* A dict: what each event costs and what was taken out, in seconds. NULL with an exception. */
PyObject *pyro_stats_costs(const struct pyro_profile *profile);

#endif
