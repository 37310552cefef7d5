/* probe/lock.h - around what threads share, where no GIL keeps them apart; nothing where one does.
 *
 * One lock for all of it: it is taken in slow ways only, those in which a thread sees something for the first time. Who
 * holds it calls nothing of the interpreter, which might wait for other threads that wait for us here. It does not nest. */
#ifndef PYRO_PROBE_LOCK_H
#define PYRO_PROBE_LOCK_H

#include "probe/python.h"

#if PYRO_FREE_THREADED

#include <pthread.h>

/* Who sets hooks for Profiles, or takes them away, does so when it is its turn. Waits for the interpreter; nests. */
void pyro_turn_take(void);
void pyro_turn_give(void);

extern pthread_mutex_t pyro_lock_mutex; /* module.c's, which holds it over a fork */

static inline void pyro_lock(void)
{
    (void)pthread_mutex_lock(&pyro_lock_mutex);
}

static inline void pyro_unlock(void)
{
    (void)pthread_mutex_unlock(&pyro_lock_mutex);
}

/* A list or dict of the program's: nobody else changes it until pyro_let_go(). Waits for the interpreter, and nests. */
struct pyro_hold {
    void *section[4]; /* a PyCriticalSection, of two words in 3.13 to 3.15 */
};

static inline void pyro_hold(struct pyro_hold *hold, PyObject *object)
{
    pyro_python.begin_section(hold->section, object);
}

static inline void pyro_let_go(struct pyro_hold *hold)
{
    pyro_python.end_section(hold->section);
}

static inline int pyro_collection_pause(void)
{
    return 0;
}

static inline void pyro_collection_resume(int paused)
{
}

#else

/* In 3.11 an allocation may start the garbage collector, and that code of the program's, which lets go of the GIL: not from within
 * a callback, whose other half would find us stopped. */
static inline int pyro_collection_pause(void)
{
    return PyGC_Disable();
}

static inline void pyro_collection_resume(int paused)
{
    if (paused)
        PyGC_Enable();
}

static inline void pyro_lock(void)
{
}

static inline void pyro_unlock(void)
{
}

static inline void pyro_turn_take(void)
{
}

static inline void pyro_turn_give(void)
{
}

struct pyro_hold {
    char nothing;
};

static inline void pyro_hold(struct pyro_hold *hold, PyObject *object)
{
}

static inline void pyro_let_go(struct pyro_hold *hold)
{
}

#endif

#endif
