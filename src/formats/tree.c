/* formats/tree.c - stacks become nodes once each; what is known is looked up, never walked again. */
#include "formats/tree.h"

#include "profile/summary.h"
#include "profile/totals.h"
#include "profile/traced.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool reserve_path(struct pyro_tree *tree, size_t count)
{
    if (count <= tree->path_capacity)
        return true;
    size_t capacity = tree->path_capacity ? tree->path_capacity * 2 : 2 * PYRO_TREE_DEEPEST;
    while (capacity < count)
        capacity *= 2;
    uint32_t *path = reallocarray(tree->path, capacity, sizeof(*path));
    if (!path)
        return false;
    tree->path = path;
    tree->path_capacity = capacity;
    return true;
}

static uint32_t child(struct pyro_tree *tree, uint32_t parent, enum pyro_node_kind kind,
                      uint32_t id)
{
    bool is_new;
    uint64_t *slot = pyro_map_insert(&tree->children, parent, (uint64_t)kind << 32 | id, &is_new);
    if (!slot)
        return PYRO_NO_ID;
    if (!is_new)
        return (uint32_t)*slot;
    *slot = PYRO_NO_ID; /* until there is a node */
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 1024;
        struct pyro_node *nodes = reallocarray(tree->nodes, capacity, sizeof(*nodes));
        if (!nodes)
            return PYRO_NO_ID;
        tree->nodes = nodes;
        tree->capacity = capacity;
    }
    uint32_t depth = tree->count ? tree->nodes[parent].depth + 1 : 0;
    tree->nodes[tree->count] =
        (struct pyro_node){.parent = parent, .kind = kind, .id = id, .depth = depth};
    *slot = tree->count;
    return (uint32_t)tree->count++;
}

static uint32_t frame_child(struct pyro_tree *tree, uint32_t parent, uint32_t stack)
{
    uint32_t frame = tree->profile->stacks[stack].frame;
    if (parent == PYRO_NO_ID)
        return PYRO_NO_ID;
    if (tree->functions)
        return child(tree, parent, PYRO_NODE_FUNCTION, tree->profile->frames[frame].function);
    return child(tree, parent, PYRO_NODE_FRAME, frame);
}

size_t pyro_tree_owner_count(const struct pyro_tree *tree)
{
    return tree->bytes ? tree->profile->process_count : tree->profile->thread_count;
}

uint32_t pyro_tree_owner_process(const struct pyro_tree *tree, uint32_t owner)
{
    return tree->bytes ? owner : tree->profile->threads[owner].process;
}

static uint32_t root_of_owner(struct pyro_tree *tree, uint32_t owner)
{
    if (tree->owner_root[owner] != PYRO_NO_ID)
        return tree->owner_root[owner];
    uint32_t node = 0;
    if (tree->by_process)
        node = child(tree, node, PYRO_NODE_PROCESS, pyro_tree_owner_process(tree, owner));
    if (tree->by_thread && !tree->bytes && node != PYRO_NO_ID)
        node = child(tree, node, PYRO_NODE_THREAD, owner);
    tree->owner_root[owner] = node;
    return node;
}

static void remember(struct pyro_tree *tree, uint32_t root, uint32_t stack, uint32_t node)
{
    uint64_t *slot = pyro_map_insert(&tree->of_stack, root, stack, NULL);
    if (slot)
        *slot = node; /* without room for it the walk is only longer */
}

/* A stack that is not cut: up to the nearest known ancestor, then down again. */
static uint32_t whole_stack(struct pyro_tree *tree, uint32_t root, uint32_t stack)
{
    size_t count = 0;
    uint32_t node = root;
    for (; stack != PYRO_STACK_ROOT; stack = tree->profile->stacks[stack].parent) {
        const uint64_t *known = pyro_map_find(&tree->of_stack, root, stack);
        if (known) {
            node = (uint32_t)*known;
            break;
        }
        if (!reserve_path(tree, count + 1))
            return PYRO_NO_ID;
        tree->path[count++] = stack;
    }
    while (count-- > 0) {
        node = frame_child(tree, node, tree->path[count]);
        if (node == PYRO_NO_ID)
            return PYRO_NO_ID;
        remember(tree, root, tree->path[count], node);
    }
    return node;
}

static uint32_t cut_stack(struct pyro_tree *tree, uint32_t root, uint32_t stack)
{
    const uint64_t *known = pyro_map_find(&tree->of_stack, root, stack);
    if (known)
        return (uint32_t)*known;
    uint32_t node = whole_stack(tree, root, tree->cut_at[stack]);
    if (node != PYRO_NO_ID)
        node = child(tree, node, PYRO_NODE_ELIDED, 0);
    if (node == PYRO_NO_ID || !reserve_path(tree, PYRO_TREE_LAST))
        return PYRO_NO_ID;
    uint32_t at = stack;
    for (size_t i = 0; i < PYRO_TREE_LAST; i++, at = tree->profile->stacks[at].parent)
        tree->path[i] = at;
    for (size_t i = PYRO_TREE_LAST; i-- > 0 && node != PYRO_NO_ID;)
        node = frame_child(tree, node, tree->path[i]);
    if (node != PYRO_NO_ID)
        remember(tree, root, stack, node);
    return node;
}

uint32_t pyro_tree_node(struct pyro_tree *tree, uint32_t owner, uint32_t stack)
{
    uint32_t root = root_of_owner(tree, owner);
    if (root == PYRO_NO_ID)
        return PYRO_NO_ID;
    if (stack == PYRO_STACK_ROOT)
        return child(tree, root, PYRO_NODE_NO_PYTHON, 0);
    if (tree->profile->stacks[stack].depth > PYRO_TREE_DEEPEST)
        return cut_stack(tree, root, stack);
    return whole_stack(tree, root, stack);
}

size_t pyro_tree_weighed_count(const struct pyro_tree *tree)
{
    if (tree->bytes)
        return tree->profile->memory_count;
    return tree->traced ? tree->profile->traced_count : tree->profile->samples.count;
}

static struct pyro_weighed weighed_memory(const struct pyro_tree *tree, size_t number)
{
    const struct pyro_stack_memory *memory = &tree->profile->memory[number];
    struct pyro_weighed weighed = {
        .owner = memory->process, .stack = memory->stack, .memory = memory};
    switch (tree->bytes) {
    case PYRO_BYTES_NONE:
        break;
    case PYRO_BYTES_ALLOCATED:
        weighed.weight = (double)memory->allocated;
        weighed.count = memory->allocations;
        break;
    case PYRO_BYTES_PEAK:
        weighed.weight = (double)memory->held;
        weighed.count = memory->held_blocks;
        break;
    case PYRO_BYTES_LIVE:
        weighed.weight = (double)(memory->allocated - memory->freed);
        weighed.count = memory->allocations - memory->frees;
        break;
    }
    return weighed;
}

static struct pyro_weighed weighed_sample(const struct pyro_tree *tree, size_t sample)
{
    const struct pyro_profile *profile = tree->profile;
    struct pyro_weighed weighed = {
        .owner = pyro_sample_thread(profile, sample),
        .stack = pyro_sample_stack(profile, sample),
        .state = pyro_sample_state(profile, sample),
        .weight = (double)pyro_sample_weight_us(profile, sample),
        .count = 1,
    };
    if (tree->left)
        weighed.weight *= (double)tree->left[weighed.stack];
    return weighed;
}

bool pyro_tree_weighed(const struct pyro_tree *tree, size_t number, struct pyro_weighed *ret)
{
    if (tree->bytes) {
        *ret = weighed_memory(tree, number);
        return ret->weight > 0 || ret->count > 0;
    }
    if (!tree->traced) {
        bool counts = pyro_clock_counts(&tree->view, number);
        if (counts)
            *ret = weighed_sample(tree, number);
        return counts;
    }
    const struct pyro_traced *traced = &tree->profile->traced[number];
    *ret = (struct pyro_weighed){
        .owner = traced->thread,
        .stack = traced->stack,
        .state = PYRO_STATE_UNKNOWN,
        .weight = tree->traced[number].self_us,
        .count = traced->calls ? traced->calls : 1,
    };
    return true;
}

int pyro_tree_fill(struct pyro_tree *tree)
{
    struct pyro_weighed weighed;
    for (size_t i = 0; i < pyro_tree_weighed_count(tree); i++) {
        if (!pyro_tree_weighed(tree, i, &weighed))
            continue;
        uint32_t node = pyro_tree_node(tree, weighed.owner, weighed.stack);
        if (node == PYRO_NO_ID)
            return -ENOMEM;
        tree->nodes[node].self += weighed.weight;
        tree->nodes[node].self_count += weighed.count;
    }
    for (size_t i = 0; i < tree->count; i++) {
        tree->nodes[i].total = tree->nodes[i].self;
        tree->nodes[i].total_count = tree->nodes[i].self_count;
    }
    for (size_t i = tree->count; i-- > 1;) {
        struct pyro_node *parent = &tree->nodes[tree->nodes[i].parent];
        parent->total += tree->nodes[i].total;
        parent->total_count += tree->nodes[i].total_count;
    }
    return 0;
}

/* A parent comes before its children, so one pass knows every ancestor at the cut. */
static void find_cuts(struct pyro_tree *tree)
{
    const struct pyro_profile *profile = tree->profile;
    for (size_t i = 1; i < profile->stack_count; i++) {
        bool above = profile->stacks[i].depth <= PYRO_TREE_FIRST;
        tree->cut_at[i] = above ? (uint32_t)i : tree->cut_at[profile->stacks[i].parent];
    }
}

int pyro_tree_init(struct pyro_tree *tree, const struct pyro_profile *profile,
                   const struct pyro_export_options *options)
{
    *tree = (struct pyro_tree){
        .profile = profile,
        .functions = options->functions,
        .by_thread = options->by_thread,
        .by_process = options->by_process,
        .bytes = options->bytes,
    };
    int result = pyro_clock_view_init(&tree->view, profile, options->clock, options->idle);
    if (result < 0)
        return result;
    result = pyro_totals_left(&tree->view, &tree->left);
    if (result == 0 && !tree->bytes && pyro_traced_answers(&tree->view)) {
        tree->traced = pyro_traced_times(&tree->view);
        result = tree->traced ? 0 : -ENOMEM;
    }
    if (result < 0) {
        pyro_tree_clear(tree);
        return result;
    }
    size_t owners = pyro_tree_owner_count(tree) + 1;
    tree->owner_root = calloc(owners, sizeof(*tree->owner_root));
    tree->cut_at = calloc(profile->stack_count + 1, sizeof(*tree->cut_at));
    bool ok = tree->owner_root && tree->cut_at;
    if (ok) {
        memset(tree->owner_root, 0xff, owners * sizeof(*tree->owner_root));
        find_cuts(tree);
        ok = child(tree, PYRO_NO_ID, PYRO_NODE_ROOT, 0) == 0;
    }
    if (!ok)
        pyro_tree_clear(tree);
    return ok ? 0 : -ENOMEM;
}

void pyro_tree_clear(struct pyro_tree *tree)
{
    pyro_clock_view_clear(&tree->view);
    pyro_map_free(&tree->children);
    pyro_map_free(&tree->of_stack);
    free(tree->left);
    free(tree->traced);
    free(tree->nodes);
    free(tree->owner_root);
    free(tree->cut_at);
    free(tree->path);
    *tree = (struct pyro_tree){0};
}

/* -- what a node is ----------------------------------------------------------------------------- */

uint32_t pyro_tree_function(const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_node *it = &tree->nodes[node];
    if (it->kind == PYRO_NODE_FUNCTION)
        return it->id;
    return it->kind == PYRO_NODE_FRAME ? tree->profile->frames[it->id].function : PYRO_NO_ID;
}

uint32_t pyro_tree_line(const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_node *it = &tree->nodes[node];
    if (it->kind == PYRO_NODE_FUNCTION)
        return tree->profile->functions[it->id].first_line;
    return it->kind == PYRO_NODE_FRAME ? tree->profile->frames[it->id].line : 0;
}

void pyro_tree_name(char *text, size_t size, const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_profile *profile = tree->profile;
    const struct pyro_node *it = &tree->nodes[node];
    switch (it->kind) {
    case PYRO_NODE_ROOT:
        pyro_summary_program(text, size, profile);
        return;
    case PYRO_NODE_PROCESS: {
        const struct pyro_process *process = &profile->processes[it->id];
        snprintf(text, size, "process %" PRId32 " %s", process->pid,
                 pyro_profile_text(profile, process->command));
        return;
    }
    case PYRO_NODE_THREAD: {
        const struct pyro_thread *thread = &profile->threads[it->id];
        snprintf(text, size, "thread %" PRIu64 " %s", thread->native_id,
                 pyro_profile_text(profile, thread->name));
        return;
    }
    case PYRO_NODE_ELIDED:
        snprintf(text, size, "[frames elided]");
        return;
    case PYRO_NODE_NO_PYTHON:
        snprintf(text, size, "[no Python frame]");
        return;
    case PYRO_NODE_FRAME:
    case PYRO_NODE_FUNCTION:
        break;
    }
    uint32_t function = pyro_tree_function(tree, node);
    snprintf(text, size, "%s", pyro_profile_text(profile, profile->functions[function].name));
}
