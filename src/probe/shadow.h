/* probe/shadow.h - the calls that are open in one thread, as one Profile saw them begin, and their arithmetic.
 *
 * The arithmetic is cProfile's: a function's total is added where the outermost of its open calls ends, its own time is
 * that without callees. Every time is made less by what our events cost in it.
 *
 * Not every beginning has an end: some versions let a generator be closed without an event, and a switch of greenlets has
 * none. So each event is compared with the real frames, and what is not there any more is ended then. If it comes back, as
 * the calls of a greenlet do, it is open again, and not counted again. All calls want the GIL, and the thread itself where
 * a frame is passed; they call nothing of the interpreter, but for pyro_shadow_clear(). */
#ifndef PYRO_PROBE_SHADOW_H
#define PYRO_PROBE_SHADOW_H

#include "base/map.h"
#include "probe/entries.h"
#include "probe/inside.h"

#include <stdatomic.h>

/* What our events cost, in ticks: a whole call, and the part of it that lies between its two readings of the clock, which
 * is what the called function seems to take longer. */
struct pyro_event_costs {
    _Atomic int64_t python, python_inside; /* set by costs.c, perhaps while others read */
    _Atomic int64_t c, c_inside;
    _Atomic int64_t ignored; /* an event that says nothing new: the call of a Python function */
};

static inline int64_t pyro_cost(const _Atomic int64_t *cost)
{
    return atomic_load_explicit(cost, memory_order_relaxed);
}

extern const struct pyro_event_costs pyro_no_costs; /* with a clock that is not ours */

struct pyro_shadow_rules {
    atomic_bool subcalls;   /* edges, too; set by enable(), perhaps while others are in events */
    bool resumes_are_calls; /* as cProfile counts; else a generator is called once */
    _Atomic(const struct pyro_event_costs *) costs; /* as subcalls; may change at any event */
};

static inline const struct pyro_event_costs *pyro_costs_of(const struct pyro_shadow_rules *rules)
{
    return atomic_load_explicit(&rules->costs, memory_order_relaxed);
}

enum pyro_how { PYRO_STARTS, PYRO_RESUMES, PYRO_CALLS_C, PYRO_COMES_BACK };

struct pyro_activation {
    const void *frame; /* its own, or the one that called the C function */
    struct pyro_edge *edge;
    int64_t begin;
    int64_t inner; /* the time of callees that ended */
    int64_t cost;  /* of our events in it */
    enum pyro_how how;
};

struct pyro_shadow {
    struct pyro_activation *open; /* outermost first */
    uint32_t depth, room;
    struct pyro_entries entries;
    int64_t removed;      /* cost of all events, in ticks */
    struct pyro_map away; /* frame -> struct pyro_edge *: ended since its frame was not there */
};

/* End all that is above the first DEPTH. */
void pyro_shadow_end(struct pyro_shadow *shadow, const struct pyro_shadow_rules *rules,
                     uint32_t depth, int64_t now);
/* End what FRAME, which is about to begin or to call, shows to be over, and open what it shows to be back. */
void pyro_shadow_heal(struct pyro_shadow *shadow, const struct pyro_shadow_rules *rules,
                      const void *frame, enum pyro_how how, int64_t now);
/* How many calls are outside of the innermost open one of FRAME and KEY; -1: none is open. */
int64_t pyro_shadow_find(const struct pyro_shadow *shadow, const void *frame, const void *key);
bool pyro_shadow_grow(struct pyro_shadow *shadow);
/* Forget everything. Releases code objects: may run anything. */
void pyro_shadow_clear(struct pyro_shadow *shadow);

static inline struct pyro_activation *pyro_shadow_top(const struct pyro_shadow *shadow)
{
    return shadow->depth ? &shadow->open[shadow->depth - 1] : NULL;
}

/* Is the innermost open call the one that FRAME, which is about to begin or to call, was called by? */
static inline bool pyro_shadow_fits(const struct pyro_shadow *shadow, const void *frame,
                                    enum pyro_how how)
{
    const struct pyro_activation *top = pyro_shadow_top(shadow);
    if (!top)
        return shadow->away.count == 0;
    if (how == PYRO_CALLS_C)
        return top->frame == frame && top->how != PYRO_CALLS_C;
    return top->frame == pyro_caller_frame(frame);
}

/* A call begins; its begin is for the caller to set. NULL: as pyro_entries_edge(). */
static inline struct pyro_activation *pyro_shadow_push(struct pyro_shadow *shadow,
                                                       const struct pyro_shadow_rules *rules,
                                                       const void *frame,
                                                       const struct pyro_called *called,
                                                       enum pyro_how how)
{
    const struct pyro_activation *top = pyro_shadow_top(shadow);
    bool subcalls = atomic_load_explicit(&rules->subcalls, memory_order_relaxed);
    struct pyro_entry *caller = top && subcalls ? top->edge->callee : NULL;
    struct pyro_edge *edge = caller ? caller->recent : NULL;
    if (!edge || edge->callee->key != called->key) {
        edge = pyro_entries_edge(&shadow->entries, caller, called);
        if (!edge)
            return NULL;
        if (caller)
            caller->recent = edge;
    }
    if (shadow->depth == shadow->room && !pyro_shadow_grow(shadow))
        return NULL;
    edge->figures.open++;
    edge->callee->figures.open++;
    struct pyro_activation *activation = &shadow->open[shadow->depth++];
    *activation = (struct pyro_activation){.frame = frame, .edge = edge, .how = how};
    return activation;
}

static inline void pyro_figures_end(struct pyro_figures *figures, int64_t total, int64_t own,
                                    bool is_call, bool is_resume)
{
    bool outermost = --figures->open == 0;
    if (outermost)
        pyro_figure_add(&figures->total, total);
    pyro_figure_add(&figures->own, own);
    pyro_figure_add(&figures->calls, is_call);
    pyro_figure_add(&figures->resumes, is_resume);
    __atomic_store_n(&figures->recursive, figures->recursive + (is_call && !outermost),
                     __ATOMIC_RELEASE); /* reader: add_figures() */
}

/* The innermost open call ends. There must be one. */
static inline void pyro_shadow_pop(struct pyro_shadow *shadow,
                                   const struct pyro_shadow_rules *rules, int64_t now)
{
    const struct pyro_activation *ended = &shadow->open[--shadow->depth];
    const struct pyro_event_costs *costs = pyro_costs_of(rules);
    bool c = ended->how == PYRO_CALLS_C;
    int64_t inside = pyro_cost(c ? &costs->c_inside : &costs->python_inside);
    int64_t cost = pyro_cost(c ? &costs->c : &costs->python);
    int64_t total = now - ended->begin - ended->cost - inside;
    int64_t own = total - ended->inner;
    bool is_resume = ended->how == PYRO_RESUMES && !rules->resumes_are_calls;
    bool is_call = ended->how != PYRO_COMES_BACK && !is_resume;
    if (shadow->depth) {
        struct pyro_activation *caller = &shadow->open[shadow->depth - 1];
        caller->inner += total;
        caller->cost += ended->cost + cost;
    }
    pyro_figure_add(&shadow->removed, cost);
    pyro_figures_end(&ended->edge->figures, total, own, is_call, is_resume);
    pyro_figures_end(&ended->edge->callee->figures, total, own, is_call, is_resume);
}

/* The call of FRAME and KEY, if one is open, ends, and all within it that was not seen to end. */
static inline void pyro_shadow_leave(struct pyro_shadow *shadow,
                                     const struct pyro_shadow_rules *rules, const void *frame,
                                     const void *key, int64_t now)
{
    const struct pyro_activation *top = pyro_shadow_top(shadow);
    if (top && top->frame == frame && top->edge->callee->key == key) {
        pyro_shadow_pop(shadow, rules, now);
        return;
    }
    int64_t depth = pyro_shadow_find(shadow, frame, key);
    if (depth >= 0)
        pyro_shadow_end(shadow, rules, (uint32_t)depth, now);
}

/* An event came that says nothing new. */
static inline void pyro_shadow_ignore(struct pyro_shadow *shadow,
                                      const struct pyro_shadow_rules *rules)
{
    struct pyro_activation *top = pyro_shadow_top(shadow);
    if (!top)
        return;
    int64_t cost = pyro_cost(&pyro_costs_of(rules)->ignored);
    top->cost += cost;
    pyro_figure_add(&shadow->removed, cost);
}

#endif
