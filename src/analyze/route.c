/* analyze/route.c - stacks that end in the function, by the program's own frame on them. */
#include "analyze/route.h"

#include "base/map.h"
#include "profile/paths.h"
#include "profile/totals.h"

#include <errno.h>
#include <stdlib.h>

struct by_frame {
    double us, leaf_us; /* of all its stacks, and of the largest, */
    uint32_t own, leaf;
};

static bool is_own(const struct pyro_profile *profile, uint32_t stack)
{
    const struct pyro_function *function =
        &profile->functions[pyro_profile_function_of(profile, stack)];
    return function->kind == PYRO_FUNCTION_PYTHON &&
           !pyro_path_is_library(pyro_profile_text(profile, function->file));
}

/* Below its last frame. */
static uint32_t own_below(const struct pyro_profile *profile, uint32_t stack)
{
    do
        stack = profile->stacks[stack].parent;
    while (stack != PYRO_STACK_ROOT && !is_own(profile, stack));
    return stack;
}

/* FOUND has room for one frame more than there are. 0 or -ENOMEM. */
static int add(struct by_frame *found, size_t *count, struct pyro_map *ids, uint32_t frame,
               const struct by_frame *one)
{
    uint64_t *id = pyro_map_insert(ids, frame, 0, NULL);
    if (!id)
        return -ENOMEM;
    if (!*id) {
        *id = ++*count;
        found[*id - 1] = (struct by_frame){0};
    }
    struct by_frame *all = &found[*id - 1];
    all->us += one->us;
    if (one->us > all->leaf_us) {
        all->leaf_us = one->us;
        all->own = one->own;
        all->leaf = one->leaf;
    }
    return 0;
}

static int look(const struct pyro_profile *profile, const struct pyro_totals *totals,
                uint32_t function, struct by_frame *found, struct pyro_route *ret_route)
{
    struct pyro_map ids = {0};
    size_t count = 0, best = 0;
    double all_us = 0;
    int code = 0;
    for (uint32_t stack = 1; code == 0 && stack < profile->stack_count; stack++) {
        double us = totals->stacks[stack].self_us;
        if (!(us > 0) || pyro_profile_function_of(profile, stack) != function)
            continue;
        uint32_t own = own_below(profile, stack);
        uint32_t frame = own == PYRO_STACK_ROOT ? PYRO_NO_ID : profile->stacks[own].frame;
        all_us += us;
        code = add(found, &count, &ids, frame,
                   &(struct by_frame){.us = us, .own = own, .leaf = stack});
    }
    for (size_t i = 1; i < count; i++)
        if (found[i].us > found[best].us)
            best = i;
    pyro_map_free(&ids);
    if (code == 0 && count)
        *ret_route =
            (struct pyro_route){found[best].own, found[best].leaf, found[best].us / all_us};
    return code < 0 ? code : count ? 0 : -ENOENT;
}

int pyro_route_find(const struct pyro_profile *profile, enum pyro_clock clock, uint32_t function,
                    struct pyro_route *ret_route)
{
    const struct pyro_totals_filter filter = PYRO_TOTALS_ALL;
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    struct by_frame *found = malloc((profile->frame_count + 1) * sizeof(*found));
    int code = found ? pyro_clock_view_init(&view, profile, clock, false) : -ENOMEM;
    if (code < 0) {
        free(found);
        return code;
    }
    code = pyro_totals_init(&totals, &view, &filter);
    if (code == 0)
        code = look(profile, &totals, function, found, ret_route);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    free(found);
    return code;
}
