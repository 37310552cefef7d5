/* sample/residents.h - what is resident of a process and of all that descend from it, over time.
 *
 * Any program will do, Python or not. It is neither stopped nor read: the kernel is asked (/proc/PID/status, stat, children) at a
 * fixed interval. A process that begins and ends between two looks is not seen; its parent's count of what its children cost
 * tells that there was one. All calls from one thread. */
#ifndef PYRO_SAMPLE_RESIDENTS_H
#define PYRO_SAMPLE_RESIDENTS_H

#include "profile/writer.h"

#include <signal.h>
#include <sys/types.h>

struct pyro_residents;

/* ROOT and its descendants, RATE_HZ (1 ... 1000) times a second. NULL: no memory. */
struct pyro_residents *pyro_residents_new(pid_t root, uint32_t rate_hz);
/* Look until *stop, or until ROOT is gone. COUNTERS get what that took. 0, or the writer's error. */
int pyro_residents_run(struct pyro_residents *residents, struct pyro_writer *writer,
                       const volatile sig_atomic_t *stop, struct pyro_counters *counters);
/* How it went, for pyro_writer_watch(). */
const struct pyro_watch *pyro_residents_watch(const struct pyro_residents *residents);
void pyro_residents_free(struct pyro_residents *residents); /* NULL is fine */

#endif
