/* sample/state.h - what one thread is doing, asking the kernel as seldom as the truth allows.
 *
 * What the interpreter tells rides in every sweep. The kernel is asked (2-4 us) only about a thread that may not run
 * Python code and moved since its last sample, about one that may and stands still (every RECHECK_NS at most, while it
 * gets its CPU), and every RECHECK_NS about one that goes on standing still (sooner about one that runs outside of Python, where it
 * may be about to wait); what it waits on once per stay. */
#ifndef PYRO_SAMPLE_STATE_H
#define PYRO_SAMPLE_STATE_H

#include "profile/writer.h"
#include "target/process.h"

struct pyro_thread_state {
    struct pyro_kernel_thread kernel;
    bool open;
    enum pyro_state state;
    uint32_t wait;             /* of the recording; PYRO_NO_ID */
    uint64_t checked_ns;       /* when the kernel was asked last; 0: never since it moved */
    uint64_t recheck_ns;       /* after that it is asked again */
    uint64_t moved_ns;         /* the last sample in which it had moved */
    uint64_t asked_ns;         /* when the kernel was asked last */
    bool calm;                 /* it said then that the thread ran and got its CPU */
    uint64_t run_ns, queue_ns; /* schedstat then */
    uint64_t first_run_ns;     /* schedstat at first sight */
    bool waits_known;          /* wait belongs to this stay */
    char peeked; /* kernel state seen before the thread was stopped for its copy; 0: ask now */
    bool has_peeked_wait;
    struct pyro_wait peeked_wait;
};

/* What the sweep itself told. */
struct pyro_state_hints {
    uint64_t now_ns;
    bool moved;     /* its frame or instruction is not that of its last sample */
    bool may_run;   /* Python code: it holds the GIL; without one it is attached */
    bool wants_gil; /* 3.15 */
    uint64_t gil;   /* address of the GIL: a futex near it is a wait for the GIL; 0 when unknown */
};

void pyro_thread_state_init(struct pyro_thread_state *state, pid_t pid, pid_t tid,
                            struct pyro_socket_names *sockets);
void pyro_thread_state_close(struct pyro_thread_state *state);
/* Ask the kernel now, for the next update: before the thread is stopped (--exact), which would hide what it does. */
void pyro_thread_state_peek(struct pyro_thread_state *state);
/* Brings state->state and state->wait up to date. */
void pyro_thread_state_update(struct pyro_thread_state *state, const struct pyro_state_hints *hints,
                              struct pyro_writer *writer);
/* CPU time the kernel counted since first sight. */
uint64_t pyro_thread_state_cpu_us(struct pyro_thread_state *state);

#endif
