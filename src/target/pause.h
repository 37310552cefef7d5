/* target/pause.h - stop one thread of a target for a moment (--exact only).
 *
 * Each stop is PTRACE_SEIZE, INTERRUPT ... DETACH. Staying attached between stops would hold the
 * target up at every signal it gets until we look again, and keep its dead threads and its end from
 * its parent. No signal is left behind, one that arrives meanwhile is passed on, a target stopped
 * by job control stays so, and when this program dies the kernel lets the threads run again.
 *
 * The ptrace calls are made by a thread of the pauser's own (the kernel ties them to one thread, and
 * detaches all when that ends). A pauser may be used from one thread at a time. While one is in use,
 * a waitpid() for the target elsewhere in this program may report stops: it must look for an exit. */
#ifndef PYRO_TARGET_PAUSE_H
#define PYRO_TARGET_PAUSE_H

#include "base/error.h"

#include <sys/types.h>

struct pyro_pauser; /* for one process */

int pyro_pauser_new(pid_t pid, struct pyro_pauser **ret_pauser, struct pyro_error *error);
void pyro_pauser_free(
    struct pyro_pauser *pauser); /* resumes and detaches everything; NULL is fine */

/* Stop thread TID and return when it stands still; nothing to do if it already does. -ESRCH: it is
 * gone; -EPERM: not allowed, or a debugger has it; -ETIMEDOUT: it could not be stopped within 100 ms
 * (uninterruptible; 2 s if it only waits for a CPU) and was left running; -EAGAIN: too many threads stopped at once. */
int pyro_pauser_stop(struct pyro_pauser *pauser, pid_t tid);
/* -ESRCH: it was not stopped by this pauser, or was killed meanwhile. */
int pyro_pauser_resume(struct pyro_pauser *pauser, pid_t tid);
/* The same, not waiting until it is done: on a CPU of both, the thread would be let run first, and we only at the kernel's next
 * tick. */
void pyro_pauser_release(struct pyro_pauser *pauser, pid_t tid);

#endif
