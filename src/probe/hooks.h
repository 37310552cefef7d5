/* probe/hooks.h - have the interpreter call us: by sys.monitoring (3.12+) or the legacy profile function (3.11).
 *
 * Each struct pyro_hooks takes a tool id of its own, a free one, never one in use. All calls want the GIL, and the
 * interpreter that the first one was made in. */
#ifndef PYRO_PROBE_HOOKS_H
#define PYRO_PROBE_HOOKS_H

#include "probe/python.h"

enum pyro_event {
    PYRO_PY_START,
    PYRO_PY_RESUME,
    PYRO_PY_THROW,
    PYRO_PY_RETURN,
    PYRO_PY_YIELD,
    PYRO_PY_UNWIND,
    PYRO_CALL,
    PYRO_C_RETURN, /* this and the next one come only where PYRO_CALL is wanted too */
    PYRO_C_RAISE,
    PYRO_LINE,
    PYRO_JUMP,
    PYRO_EVENTS
};
#define PYRO_EVENT_BIT(event) (1u << (event))
#define PYRO_EVENTS_ALL       (PYRO_EVENT_BIT(PYRO_EVENTS) - 1)

struct pyro_hooks {
    pyro_vectorcall on[PYRO_EVENTS]; /* NULL: not wanted */
    uint32_t
        local; /* of these, the events (PYRO_EVENT_BIT()) that come only from code that is watched */
    pyro_tracefunc profile; /* 3.11: for all, in every thread */

    int tool;          /* hooks.c's own: the tool id + 1, */
    PyObject *watched; /* a list of code objects; NULL: none */
    PyObject *callbacks
        [PYRO_EVENTS]; /* and what is called; without a GIL they are kept for the next time */
};

/* -1 with an exception; nothing is set then. */
int pyro_hooks_set(struct pyro_hooks *hooks);
/* 3.12+: of what is set, only the EVENTS (PYRO_EVENT_BIT()) from now on. -1 with an exception. */
int pyro_hooks_select(const struct pyro_hooks *hooks, uint32_t events);
/* Off and on again, from code that is watched too; what is set stays known. -1 with an exception. */
int pyro_hooks_switch(const struct pyro_hooks *hooks, bool on);
/* 3.12+: the local events come from CODE from now on. -1 with an exception. */
int pyro_hooks_watch(struct pyro_hooks *hooks, PyObject *code);
/* 3.12+: those of CODE do not come any more, or again; it is watched then. -1 with an exception. */
int pyro_hooks_listen(struct pyro_hooks *hooks, PyObject *code, bool on);
/* As before pyro_hooks_set(); nothing happens if that was not called. An exception that is set stays. */
void pyro_hooks_clear(struct pyro_hooks *hooks);
/* 3.11, at the return of a C function: if a thread was started, its events are ours from its first one on. */
void pyro_hooks_c_return(PyObject *function);
/* What a callback returns to be called no more from where it was called: sys.monitoring.DISABLE. */
PyObject *pyro_hooks_disable(void);
/* What stands for a first argument that is not there: sys.monitoring.MISSING, borrowed. */
PyObject *pyro_hooks_missing(void);

#endif
