/* profile/walk.c - the tree of stacks as lists of children. */
#include "profile/walk.h"

#include <errno.h>
#include <stdlib.h>

struct links {
    uint32_t *first_child, *next_sibling; /* [stack_count]; 0: none */
};

static void link_children(const struct pyro_walk *walk, struct links *links)
{
    for (size_t i = walk->profile->stack_count; i-- > 1;) {
        if (!walk->wants(walk->context, (uint32_t)i))
            continue;
        uint32_t parent = walk->profile->stacks[i].parent;
        links->next_sibling[i] = links->first_child[parent];
        links->first_child[parent] = (uint32_t)i;
    }
}

static bool go(const struct pyro_walk *walk, const struct links *links)
{
    uint32_t stack = PYRO_STACK_ROOT;
    for (;;) {
        if (links->first_child[stack]) {
            stack = links->first_child[stack];
        } else {
            while (stack != PYRO_STACK_ROOT && !links->next_sibling[stack]) {
                walk->leave(walk->context, stack);
                stack = walk->profile->stacks[stack].parent;
            }
            if (stack == PYRO_STACK_ROOT)
                return true;
            walk->leave(walk->context, stack);
            stack = links->next_sibling[stack];
        }
        if (!walk->enter(walk->context, stack))
            return false;
    }
}

int pyro_walk_stacks(const struct pyro_walk *walk)
{
    struct links links = {
        .first_child = calloc(walk->profile->stack_count + 1, sizeof(*links.first_child)),
        .next_sibling = calloc(walk->profile->stack_count + 1, sizeof(*links.next_sibling)),
    };
    bool ok = links.first_child && links.next_sibling;
    if (ok) {
        link_children(walk, &links);
        ok = go(walk, &links);
    }
    free(links.first_child);
    free(links.next_sibling);
    return ok ? 0 : -ENOMEM;
}
