/* probe/path.c - what is not done at every event. */
#include "probe/path.h"

#include "probe/names.h"

#include <string.h>

#define ROOM_FIRST 64
#define ROOM_MAX   (UINT32_C(1) << 26)
#define LIVES_MAX  (UINT32_C(1) << 24) /* generators that are suspended at a time */

/* Where a thread without a block of its own says what it does. */
static struct pyro_thread_block nobody_looks;

/* -- a thread's life ---------------------------------------------------------------------------- */

bool pyro_path_begin(struct pyro_path *path, struct pyro_thread_block *shared, uint32_t native_id,
                     uint64_t now)
{
    if (!path->open && !pyro_path_grow(path))
        return false;
    path->shared = shared ? shared : &nobody_looks;
    path->shared->since = now;
    path->native_id = native_id;
    path->open[0] = (struct pyro_open_call){.context = pyro_contexts_root(&path->contexts)};
    path->depth = 1;
    return true;
}

bool pyro_path_grow(struct pyro_path *path)
{
    uint32_t room = path->room ? path->room * 2 : ROOM_FIRST;
    if (room > ROOM_MAX)
        return false;
    struct pyro_open_call *open = realloc(path->open, room * sizeof(*open));
    if (!open)
        return false;
    path->open = open;
    path->room = room;
    return true;
}

void pyro_path_clear(struct pyro_path *path)
{
    free(path->open);
    free(path->lives);
    pyro_map_free(&path->suspended);
    pyro_contexts_clear(&path->contexts);
    *path = (struct pyro_path){0};
}

/* -- made anew ---------------------------------------------------------------------------------- */

static uint32_t count_frames(const void *frame)
{
    uint32_t count = 0;
    for (; frame; frame = pyro_caller_frame(frame))
        count++;
    return count;
}

static uint32_t id_of(const void *frame)
{
    const struct pyro_code_record *record = pyro_record_of(pyro_frame_code(frame));
    return record ? record->id : PYRO_ID_ROOT;
}

/* How much of PATH stands for the COUNT frames of CHAIN (innermost first), from the root on; in *RET_FRAMES, how many
 * of them. */
static uint32_t agreed(const struct pyro_path *path, const void *const *chain, uint32_t count,
                       uint32_t *ret_frames)
{
    uint32_t depth = 1, frames = 0, at = 1;
    for (; at < path->depth && frames < count; at++) {
        const struct pyro_open_call *call = &path->open[at];
        if (call->frame & PYRO_OPEN_C)
            continue; /* agreed if what stands above it is */
        const void *frame = chain[count - 1 - frames];
        if (call->frame != (uintptr_t)frame || call->context->function != id_of(frame))
            break;
        depth = at + 1;
        frames++;
    }
    *ret_frames = frames;
    return depth;
}

static const void **chain_of(const void *frame, uint32_t count)
{
    const void **chain = malloc((count + 1) * sizeof(*chain));
    for (uint32_t i = 0; chain && i < count; i++, frame = pyro_caller_frame(frame))
        chain[i] = frame;
    return chain;
}

bool pyro_path_follow(struct pyro_path *path, const void *frame, uint64_t now)
{
    uint32_t count = count_frames(frame), frames;
    const void **chain = chain_of(frame, count);
    if (!chain)
        return false;
    bool ok = true;
    const struct pyro_context *before = pyro_path_top(path)->context;
    path->depth = agreed(path, chain, count, &frames);
    for (; ok && frames < count; frames++) {
        const void *next = chain[count - 1 - frames];
        ok = pyro_path_push(path, (uintptr_t)next, id_of(next), 0) != NULL;
    }
    free(chain);
    pyro_path_turn(path, before, pyro_path_top(path)->context, now);
    return ok;
}

/* -- generators --------------------------------------------------------------------------------- */

/* A place for one more; 0: no room. Those that are free are chained by their begin. */
static uint32_t new_life(struct pyro_path *path)
{
    if (path->life_free) {
        uint32_t index = path->life_free;
        path->life_free = (uint32_t)path->lives[index].begin;
        return index;
    }
    if (path->life_count + 1 >= path->life_room) {
        uint32_t room = path->life_room ? path->life_room * 2 : ROOM_FIRST;
        struct pyro_suspended *lives =
            room > LIVES_MAX ? NULL : realloc(path->lives, room * sizeof(*lives));
        if (!lives)
            return 0;
        path->lives = lives;
        path->life_room = room;
    }
    return ++path->life_count;
}

void pyro_path_suspend(struct pyro_path *path, const void *frame, const struct pyro_open_call *call)
{
    if (!call->begin)
        return; /* it was suspended before, or its beginning was not seen */
    uint64_t *index = pyro_map_insert(&path->suspended, (uintptr_t)frame, 0, NULL);
    if (!index)
        return;
    if (!*index)
        *index = new_life(path);
    if (*index)
        path->lives[*index] = (struct pyro_suspended){call->context, call->begin};
}

static void end_life(struct pyro_context *context, uint64_t begin, uint64_t now)
{
    pyro_path_add(&context->shared->lives, 1);
    pyro_path_add(&context->shared->life_ticks, pyro_path_passed(begin, now));
}

void pyro_path_end_life(struct pyro_path *path, const void *frame,
                        const struct pyro_open_call *call, uint64_t now)
{
    uint64_t *index = pyro_map_find(&path->suspended, (uintptr_t)frame, 0);
    if (call->begin) /* it was never suspended; whatever had this address is over */
        end_life(call->context, call->begin, now);
    else if (index && *index)
        end_life(path->lives[*index].context, path->lives[*index].begin, now);
    if (!index || !*index)
        return;
    path->lives[*index].begin = path->life_free;
    path->life_free = (uint32_t)*index;
    *index = 0;
}
