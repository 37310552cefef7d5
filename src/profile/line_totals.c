/* profile/line_totals.c - one walk over the tree of stacks, as for functions. */
#include "profile/line_totals.h"

#include "base/grow.h"
#include "base/map.h"
#include "profile/walk.h"

#include <errno.h>
#include <stdlib.h>

struct lines_walk {
    const struct pyro_profile *profile;
    const struct pyro_totals *totals;
    struct pyro_line_totals *lines;
    struct pyro_map ids; /* (function, line) -> its place among the lines */
    uint32_t *of_frame;  /* [frame_count] its line; PYRO_NO_ID: it has none */
    uint32_t *on_path;   /* [frame_count] of each line: how often it is on the path */
};

static bool has_time(void *context, uint32_t stack)
{
    const struct lines_walk *walk = context;
    return walk->totals->stacks[stack].tree_samples > 0;
}

static uint32_t line_of(const struct lines_walk *walk, uint32_t stack)
{
    return walk->of_frame[walk->profile->stacks[stack].frame];
}

static bool enter(void *context, uint32_t stack)
{
    struct lines_walk *walk = context;
    const struct pyro_stack_total *node = &walk->totals->stacks[stack];
    uint32_t id = line_of(walk, stack);
    if (id == PYRO_NO_ID)
        return true;
    struct pyro_line_total *line = &walk->lines->lines[id];
    line->self_us += node->self_us;
    if (walk->on_path[id]++ > 0)
        return true;
    line->total_us += node->tree_us;
    line->total_squares_us2 += node->tree_squares_us2;
    line->total_samples += node->tree_samples;
    return true;
}

static void leave(void *context, uint32_t stack)
{
    struct lines_walk *walk = context;
    uint32_t id = line_of(walk, stack);
    if (id != PYRO_NO_ID)
        walk->on_path[id]--;
}

/* Frames of the same line share one. */
static int name_line(struct lines_walk *walk, size_t frame_id)
{
    const struct pyro_frame *frame = &walk->profile->frames[frame_id];
    struct pyro_line_totals *lines = walk->lines;
    bool is_new;
    walk->of_frame[frame_id] = PYRO_NO_ID;
    if (!frame->line || walk->profile->functions[frame->function].kind != PYRO_FUNCTION_PYTHON)
        return 0;
    uint64_t *id = pyro_map_insert(&walk->ids, frame->function, frame->line, &is_new);
    if (!id)
        return -ENOMEM;
    if (is_new) {
        if (pyro_grow(&lines->lines, lines->count, &lines->capacity, sizeof(*lines->lines)) < 0)
            return -ENOMEM;
        lines->lines[lines->count] =
            (struct pyro_line_total){.function = frame->function, .line = frame->line};
        *id = lines->count++;
    }
    walk->of_frame[frame_id] = (uint32_t)*id;
    return 0;
}

int pyro_line_totals_init(struct pyro_line_totals *lines, const struct pyro_profile *profile,
                          const struct pyro_totals *totals)
{
    struct lines_walk walk = {
        .profile = profile,
        .totals = totals,
        .lines = lines,
        .of_frame = calloc(profile->frame_count + 1, sizeof(*walk.of_frame)),
        .on_path = calloc(profile->frame_count + 1, sizeof(*walk.on_path)),
    };
    const struct pyro_walk stacks = {profile, has_time, enter, leave, &walk};
    *lines = (struct pyro_line_totals){0};
    int result = walk.of_frame && walk.on_path ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < profile->frame_count; i++)
        result = name_line(&walk, i);
    if (result == 0)
        result = pyro_walk_stacks(&stacks);
    free(walk.of_frame);
    free(walk.on_path);
    pyro_map_free(&walk.ids);
    if (result < 0)
        pyro_line_totals_clear(lines);
    return result;
}

void pyro_line_totals_clear(struct pyro_line_totals *lines)
{
    free(lines->lines);
    *lines = (struct pyro_line_totals){0};
}
