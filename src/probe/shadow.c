/* probe/shadow.c - what is not done at every event. */
#include "probe/shadow.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64
#define ROOM_MAX   (UINT32_C(1) << 26)
#define AWAY_MAX   (1u << 16)
#define BACK_MAX   256 /* frames that come back at a time, the innermost */

const struct pyro_event_costs pyro_no_costs;

void pyro_shadow_end(struct pyro_shadow *shadow, const struct pyro_shadow_rules *rules,
                     uint32_t depth, int64_t now)
{
    while (shadow->depth > depth)
        pyro_shadow_pop(shadow, rules, now);
}

/* Is WANTED among FRAME and the frames below it? */
static bool is_below(const void *frame, const void *wanted)
{
    while (frame && frame != wanted)
        frame = pyro_caller_frame(frame);
    return frame != NULL;
}

/* A frame that begins is on no stack yet, so what has its address is over. A frame that calls is in no C function. */
static bool is_over(const struct pyro_activation *activation, const void *frame, enum pyro_how how)
{
    if (activation->frame == frame)
        return how != PYRO_CALLS_C || activation->how == PYRO_CALLS_C;
    return !is_below(frame, activation->frame);
}

/* Keep what is about to end for its frame, which may come back. */
static void put_away(struct pyro_shadow *shadow)
{
    const struct pyro_activation *top = pyro_shadow_top(shadow);
    if (top->how == PYRO_CALLS_C)
        return;
    if (shadow->away.count >= AWAY_MAX)
        pyro_map_clear(&shadow->away);
    uint64_t *edge = pyro_map_insert(&shadow->away, (uintptr_t)top->frame, 0, NULL);
    if (edge)
        *edge = (uintptr_t)top->edge;
}

/* The call that FRAME was, if it was put away; NULL: it was not, or another function's frame has its address now. */
static struct pyro_edge *edge_away(const struct pyro_shadow *shadow, const void *frame)
{
    const uint64_t *found = pyro_map_find(&shadow->away, (uintptr_t)frame, 0);
    struct pyro_edge *edge = found ? (struct pyro_edge *)(uintptr_t)*found : NULL;
    return edge && edge->callee->key == pyro_frame_code(frame) ? edge : NULL;
}

static void open_again(struct pyro_shadow *shadow, const void *frame, int64_t now)
{
    struct pyro_edge *edge = edge_away(shadow, frame);
    if (!edge || (shadow->depth == shadow->room && !pyro_shadow_grow(shadow)))
        return;
    edge->figures.open++;
    edge->callee->figures.open++;
    shadow->open[shadow->depth++] = (struct pyro_activation){
        .frame = frame, .edge = edge, .begin = now, .how = PYRO_COMES_BACK};
}

/* FRAME and those below it, down to what is open, are on the stack: those that were put away are back. */
static void bring_back(struct pyro_shadow *shadow, const void *frame, int64_t now)
{
    const struct pyro_activation *top = pyro_shadow_top(shadow);
    const void *known = top ? top->frame : NULL, *chain[BACK_MAX];
    uint32_t count = 0;
    for (; frame && frame != known && count < BACK_MAX; frame = pyro_caller_frame(frame))
        chain[count++] = frame;
    while (count-- > 0)
        open_again(shadow, chain[count], now);
}

void pyro_shadow_heal(struct pyro_shadow *shadow, const struct pyro_shadow_rules *rules,
                      const void *frame, enum pyro_how how, int64_t now)
{
    while (shadow->depth && !pyro_shadow_fits(shadow, frame, how) &&
           is_over(pyro_shadow_top(shadow), frame, how)) {
        put_away(shadow);
        pyro_shadow_pop(shadow, rules, now);
    }
    if (shadow->away.count && !pyro_shadow_fits(shadow, frame, how))
        bring_back(shadow, how == PYRO_CALLS_C ? frame : pyro_caller_frame(frame), now);
}

int64_t pyro_shadow_find(const struct pyro_shadow *shadow, const void *frame, const void *key)
{
    for (int64_t i = (int64_t)shadow->depth - 1; i >= 0; i--)
        if (shadow->open[i].frame == frame && shadow->open[i].edge->callee->key == key)
            return i;
    return -1;
}

bool pyro_shadow_grow(struct pyro_shadow *shadow)
{
    uint32_t room = shadow->room ? shadow->room * 2 : ROOM_FIRST;
    if (room > ROOM_MAX)
        return false;
    struct pyro_activation *open = realloc(shadow->open, room * sizeof(*open));
    if (!open)
        return false;
    shadow->open = open;
    shadow->room = room;
    return true;
}

void pyro_shadow_clear(struct pyro_shadow *shadow)
{
    struct pyro_shadow old = *shadow;
    *shadow = (struct pyro_shadow){0};
    free(old.open);
    pyro_map_free(&old.away);
    pyro_entries_clear(&old.entries);
}
