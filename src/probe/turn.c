/* probe/turn.c - one thread after the other, by a mutex of the interpreter's: who waits for it does not keep the interpreter
 * from stopping all threads, which is what the one whose turn it is may ask for. */
#include "probe/lock.h"

#if PYRO_FREE_THREADED

#include <stdatomic.h>
#include <unistd.h>

static uint8_t mutex; /* a PyMutex */
static _Atomic uint64_t
    owner; /* id of its PyThreadState; 0: nobody's turn. Read by all, as is ... */
static _Atomic pid_t owner_pid;
static unsigned depth; /* the owner's alone */

/* A fork left its thread behind, or the interpreter ends, where only one thread goes on. */
static bool is_gone(uint64_t holder)
{
    return holder && (owner_pid != getpid() || pyro_python.is_finalizing());
}

void pyro_turn_take(void)
{
    uint64_t self = PyThreadState_GetID(PyThreadState_Get()), holder = owner;
    if (holder != self && is_gone(holder)) {
        owner = 0;
        mutex = 0;
    }
    if (holder != self) {
        pyro_python.lock_mutex(&mutex);
        owner_pid = getpid();
        owner = self;
        depth = 0;
    }
    depth++;
}

void pyro_turn_give(void)
{
    if (--depth)
        return;
    owner = 0;
    pyro_python.unlock_mutex(&mutex);
}

#endif
