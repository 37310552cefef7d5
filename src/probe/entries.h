/* probe/entries.h - what one thread called while a Profile was on: figures of each function and of each edge.
 *
 * A zeroed struct pyro_entries is empty and ready. Entries and edges never move; they end together. All calls want the
 * GIL.
 *
 * One thread writes. Without a GIL another one may add them to its own meanwhile: it finds each entry and edge whole, and
 * each figure as it was before an event or as it is after it. */
#ifndef PYRO_PROBE_ENTRIES_H
#define PYRO_PROBE_ENTRIES_H

#include "base/arena.h"
#include "probe/python.h"

/* Of calls that ended, in ticks of the Profile's clock. A call within another one of the same function, or of the same
 * edge, is recursive; its time lies in the outer one's total. */
struct pyro_figures {
    int64_t total, own;
    int64_t calls, recursive;
    int64_t
        resumes; /* times it went on after a yield or await and left again, where that is no call */
    int64_t open; /* calls and resumes that did not end: the writer's alone */
};

/* Only the writer changes it; pyro_entries_add() reads it, perhaps at this moment. */
static inline void pyro_figure_add(int64_t *figure, int64_t more)
{
    __atomic_store_n(figure, *figure + more, __ATOMIC_RELAXED);
}

static inline int64_t pyro_figure(const int64_t *figure)
{
    return __atomic_load_n(figure, __ATOMIC_RELAXED);
}

struct pyro_entry {
    const void *key;          /* the code object, or pyro_callee_key() */
    PyObject *what;           /* the code object, or the C function's name; owned, as is ... */
    PyObject *keep;           /* ... what the key is of; may be NULL */
    struct pyro_edge *edges;  /* what it calls */
    struct pyro_edge *recent; /* the last of these that was asked for */
    struct pyro_entry *next;  /* of all */
    struct pyro_figures figures;
};

struct pyro_edge {
    struct pyro_entry *caller; /* NULL: nobody known */
    struct pyro_entry *callee;
    struct pyro_edge *next; /* of the caller's */
    struct pyro_figures figures;
};

struct pyro_entries {
    struct pyro_arena arena;
    struct pyro_entry *first;
    struct pyro_edge **places; /* by caller and key */
    uint32_t place_count, used;
};

/* How a function becomes an entry. */
struct pyro_called {
    const void *key;
    PyObject *code;     /* of a Python function, else NULL and ... */
    PyObject *callable; /* ... this is the C function */
    PyObject *name;     /* and its name; NULL: not known yet */
};

/* The edge from CALLER (NULL: nobody known) to the function, made if need be. NULL: out of memory, or it is a C function
 * that is new here and its name is not known. Calls nothing of the interpreter. */
struct pyro_edge *pyro_entries_edge(struct pyro_entries *entries, struct pyro_entry *caller,
                                    const struct pyro_called *called);
/* Is it there? Neither allocates nor calls anything. */
struct pyro_edge *pyro_entries_find(const struct pyro_entries *entries,
                                    const struct pyro_entry *caller, const void *key);
/* Add what is in FROM, of calls that ended. -1: out of memory, without an exception. */
int pyro_entries_add(struct pyro_entries *entries, const struct pyro_entries *from);
/* Leaves it empty. Releases code objects: may run anything. */
void pyro_entries_clear(struct pyro_entries *entries);

#endif
