/* probe/entries.c - a hash table of edges. That of a function without a caller leads to its entry: it is always there. */
#include "probe/entries.h"

#include "base/map.h"
#include "probe/callees.h"

#include <stdlib.h>

#define PLACES_FIRST 64
#define PLACES_MAX   (UINT32_C(1) << 26)

/* -- the table ---------------------------------------------------------------------------------- */

static uint32_t place_of(const struct pyro_entries *entries, const struct pyro_entry *caller,
                         const void *key)
{
    uint32_t mask = entries->place_count - 1;
    uint32_t at = (uint32_t)pyro_hash_u64((uintptr_t)caller * 31 + (uintptr_t)key) & mask;
    for (; entries->places[at]; at = (at + 1) & mask)
        if (entries->places[at]->callee->key == key && entries->places[at]->caller == caller)
            break;
    return at;
}

static bool grow(struct pyro_entries *entries)
{
    struct pyro_entries grown = *entries;
    grown.place_count = entries->place_count ? entries->place_count * 2 : PLACES_FIRST;
    if (grown.place_count > PLACES_MAX)
        return false;
    grown.places = calloc(grown.place_count, sizeof(struct pyro_edge *));
    if (!grown.places)
        return false;
    for (uint32_t i = 0; i < entries->place_count; i++) {
        struct pyro_edge *edge = entries->places[i];
        if (edge)
            grown.places[place_of(&grown, edge->caller, edge->callee->key)] = edge;
    }
    free(entries->places);
    *entries = grown;
    return true;
}

struct pyro_edge *pyro_entries_find(const struct pyro_entries *entries,
                                    const struct pyro_entry *caller, const void *key)
{
    return entries->places ? entries->places[place_of(entries, caller, key)] : NULL;
}

/* -- what is new -------------------------------------------------------------------------------- */

static struct pyro_edge *insert(struct pyro_entries *entries, struct pyro_entry *caller,
                                struct pyro_entry *callee)
{
    if (entries->used >= entries->place_count / 4 * 3 && !grow(entries))
        return NULL;
    struct pyro_edge *edge = pyro_arena_alloc(&entries->arena, sizeof(*edge));
    if (!edge)
        return NULL;
    edge->caller = caller;
    edge->callee = callee;
    entries->places[place_of(entries, caller, callee->key)] = edge;
    entries->used++;
    if (caller) {
        edge->next = caller->edges;
        __atomic_store_n(&caller->edges, edge, __ATOMIC_RELEASE); /* reader: add_edges() */
    }
    return edge;
}

/* WHAT and KEEP get a reference more. */
static struct pyro_entry *new_entry(struct pyro_entries *entries, const void *key, PyObject *what,
                                    PyObject *keep)
{
    struct pyro_entry *entry = pyro_arena_alloc(&entries->arena, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->key = key;
    if (!insert(entries, NULL, entry))
        return NULL;
    entry->what = Py_NewRef(what);
    entry->keep = Py_XNewRef(keep);
    entry->next = entries->first;
    __atomic_store_n(&entries->first, entry, __ATOMIC_RELEASE); /* reader: pyro_entries_add() */
    return entry;
}

static struct pyro_entry *entry_of(struct pyro_entries *entries, const struct pyro_called *called)
{
    const struct pyro_edge *edge = pyro_entries_find(entries, NULL, called->key);
    if (edge)
        return edge->callee;
    if (called->code)
        return new_entry(entries, called->key, called->code, NULL);
    if (!called->name)
        return NULL;
    return new_entry(entries, called->key, called->name,
                     pyro_callee_keep(called->key, called->callable));
}

struct pyro_edge *pyro_entries_edge(struct pyro_entries *entries, struct pyro_entry *caller,
                                    const struct pyro_called *called)
{
    struct pyro_edge *edge = pyro_entries_find(entries, caller, called->key);
    if (edge)
        return edge;
    struct pyro_entry *entry = entry_of(entries, called);
    if (!entry)
        return NULL;
    return caller ? insert(entries, caller, entry) : pyro_entries_find(entries, NULL, called->key);
}

/* -- all of them -------------------------------------------------------------------------------- */

static void add_figures(struct pyro_figures *figures, const struct pyro_figures *more)
{
    /* First, so that there are never more than calls: pyro_figures_end() adds it last. */
    figures->recursive += __atomic_load_n(&more->recursive, __ATOMIC_ACQUIRE);
    figures->total += pyro_figure(&more->total);
    figures->own += pyro_figure(&more->own);
    figures->calls += pyro_figure(&more->calls);
    figures->resumes += pyro_figure(&more->resumes);
}

/* The entry that stands for FROM's here. */
static struct pyro_entry *counterpart(struct pyro_entries *entries, const struct pyro_entry *from)
{
    const struct pyro_edge *edge = pyro_entries_find(entries, NULL, from->key);
    return edge ? edge->callee : new_entry(entries, from->key, from->what, from->keep);
}

static int add_edges(struct pyro_entries *entries, struct pyro_entry *caller,
                     const struct pyro_entry *from)
{
    const struct pyro_edge *edge = __atomic_load_n(&from->edges, __ATOMIC_ACQUIRE);
    for (; edge; edge = edge->next) {
        struct pyro_entry *callee = counterpart(entries, edge->callee);
        struct pyro_edge *sum = callee ? pyro_entries_find(entries, caller, callee->key) : NULL;
        if (callee && !sum)
            sum = insert(entries, caller, callee);
        if (!sum)
            return -1;
        add_figures(&sum->figures, &edge->figures);
    }
    return 0;
}

int pyro_entries_add(struct pyro_entries *entries, const struct pyro_entries *from)
{
    const struct pyro_entry *entry = __atomic_load_n(&from->first, __ATOMIC_ACQUIRE);
    for (; entry; entry = entry->next) {
        struct pyro_entry *sum = counterpart(entries, entry);
        if (!sum || add_edges(entries, sum, entry) < 0)
            return -1;
        add_figures(&sum->figures, &entry->figures);
    }
    return 0;
}

void pyro_entries_clear(struct pyro_entries *entries)
{
    struct pyro_entries old = *entries;
    *entries = (struct pyro_entries){0};
    for (struct pyro_entry *entry = old.first; entry; entry = entry->next) {
        Py_DECREF(entry->what);
        Py_XDECREF(entry->keep);
    }
    free(old.places);
    pyro_arena_free(&old.arena);
}
