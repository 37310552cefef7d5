/* inject/inject.h - have a running Python execute one line of ours. The one file of this program that writes into another
 * process.
 *
 * What is written, all in one system call while every thread of the target stands still, after each byte that is relied on was
 * checked, and by nobody while we are not there:
 *
 *   3.14+       in the state of one thread, or of all for a call that is left there: the path of a script (debugger_script_path), the
 *               mark that it is there (debugger_pending_call, which was 0), and one bit in its eval_breaker. PEP 768 has this for debuggers.
 *   3.11-3.13   in the main interpreter: the next free place among the pending calls (the address of PyRun_SimpleString
 *               and that of our line), its index, and what tells the eval loop to look: `calls_to_do` and `eval_breaker`
 *               (3.11, 3.12), `npending` and a bit in each thread's `eval_breaker` (3.13);
 *               our line itself, behind the .bss of a loaded library, where the rest of its last page is nobody's.
 *
 * No register, no instruction, nothing that is executed, and no function is called with anything held: the interpreter comes
 * by at its own next safe point. A call that it did not take is taken back, but for the one that removes the probe. If this program is killed in between, the kernel
 * lets the threads run; the line may still be executed then, and has to find out by itself that nobody wants it any
 * more (probe/bootstrap/call.py). */
#ifndef PYRO_INJECT_INJECT_H
#define PYRO_INJECT_INJECT_H

#include "cpython/runtime.h"

#include <signal.h>

/* How the line of a call begins: what a program that was killed left behind is known by that. */
#define PYRO_CALL_BEGINS "__import__('builtins').exec(\"try:"
#define PYRO_CALL_MAX    384 /* bytes of a line, its end included */

struct pyro_injector; /* for one process */

struct pyro_call {
    const char *
        line; /* PYRO_CALL_BEGINS and the rest of one line of Python that raises nothing; 3.11-3.13 */
    const char *script; /* a file with the same, as the target sees it; 3.14+ */
    uint64_t timeout_ns;
    const volatile sig_atomic_t *stop; /* true: give up; may be NULL */
};

/* MEMORY and RUNTIME stay the caller's, and must live on. -ENOTSUP, -EACCES, -EPROTO as pyro_entry_find(); -EPERM. */
int pyro_injector_new(pid_t pid, const struct pyro_memory *memory,
                      const struct pyro_runtime *runtime, struct pyro_injector **ret_injector,
                      struct pyro_error *error);
void pyro_injector_free(struct pyro_injector *injector); /* NULL is fine */

/* Have CALL executed. 0: it was begun. -ETIMEDOUT: no thread came by, and it was taken back, or the process is stopped; -EBUSY: a call of before still waits
 * there; -EINTR: it was taken back by *stop; -ESRCH: the process is gone, or became another program. */
int pyro_injector_call(struct pyro_injector *injector, const struct pyro_call *call,
                       struct pyro_error *error);
/* The same without waiting for it: it stays, for each thread that could execute it, until one does. From 3.14 on, others may begin with it
 * too, as long as that one has not taken it back. */
int pyro_injector_leave(struct pyro_injector *injector, const struct pyro_call *call,
                        struct pyro_error *error);
/* It was executed to the end: what was written for it is not needed any more, and is as before. */
void pyro_injector_clear(struct pyro_injector *injector);

#endif
