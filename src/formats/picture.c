/* formats/picture.c - a threshold picks the boxes; since no child is wider than its parent, what is picked is a tree. */
#include "formats/picture.h"

#include <errno.h>
#include <stdlib.h>

static int descending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a > b ? -1 : a < b;
}

/* A weight so that at most COUNT nodes have more. */
static double weight_above(const double *sorted, size_t nodes, size_t count)
{
    return nodes > count ? sorted[count] : 0;
}

struct order {
    const struct pyro_node *nodes;
};

static int by_parent_then_weight(const void *left, const void *right, void *data)
{
    const struct pyro_node *nodes = ((const struct order *)data)->nodes;
    uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;
    const struct pyro_node *a = &nodes[x], *b = &nodes[y];
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    if (a->total != b->total)
        return a->total > b->total ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The picked nodes, all siblings together, the largest first; where the children of each begin. */
struct picked {
    uint32_t *nodes;
    size_t count;
    uint32_t *children; /* [tree->count] into nodes; PYRO_NO_ID: none */
};

static int pick(struct picked *picked, struct pyro_picture *picture, double more_than)
{
    const struct pyro_tree *tree = picture->tree;
    picked->nodes = calloc(tree->count + 1, sizeof(*picked->nodes));
    picked->children = calloc(tree->count + 1, sizeof(*picked->children));
    if (!picked->nodes || !picked->children)
        return -ENOMEM;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct pyro_node *node = &tree->nodes[i];
        picked->children[i] = PYRO_NO_ID;
        if (i == 0)
            continue;
        if (node->total > more_than) {
            picked->nodes[picked->count++] = i;
        } else {
            picture->left_out++;
            if (tree->nodes[node->parent].total > more_than || node->parent == 0)
                picture->left_out_weight += node->total;
        }
    }
    const struct order order = {tree->nodes};
    qsort_r(picked->nodes, picked->count, sizeof(*picked->nodes), by_parent_then_weight,
            (void *)&order);
    for (size_t i = picked->count; i-- > 0;)
        picked->children[tree->nodes[picked->nodes[i]].parent] = (uint32_t)i;
    return 0;
}

/* The number of NODE's name, new or known. */
static int64_t name_of(struct pyro_picture *picture, struct pyro_map *names, uint32_t node)
{
    const struct pyro_node *it = &picture->tree->nodes[node];
    bool is_new;
    uint64_t *slot = pyro_map_insert(names, it->kind, it->id, &is_new);
    if (!slot)
        return -ENOMEM;
    if (is_new) {
        *slot = picture->name_count;
        picture->names[picture->name_count++] = node;
    }
    return (int64_t)*slot;
}

static int add_box(struct pyro_picture *picture, struct pyro_map *names, uint32_t node,
                   uint32_t depth, double start, double drawn_above)
{
    int64_t name = name_of(picture, names, node);
    if (name < 0)
        return (int)name;
    double total = picture->tree->nodes[node].total;
    picture->boxes[picture->count++] = (struct pyro_box){
        .node = node,
        .name = (uint32_t)name,
        .depth = depth,
        .start = start,
        .drawn = node == 0 || total > drawn_above,
    };
    if (depth > picture->deepest)
        picture->deepest = depth;
    return 0;
}

#define MAX_DEPTH (PYRO_TREE_DEEPEST + 8)

/* Preorder without recursion: at each depth, the place of the next sibling in the list and in the picture. */
static int lay_out(struct pyro_picture *picture, const struct picked *picked,
                   struct pyro_map *names, double drawn_above)
{
    const struct pyro_node *nodes = picture->tree->nodes;
    struct {
        uint32_t next, parent;
        double at;
    } level[MAX_DEPTH];
    int result = add_box(picture, names, 0, 0, 0, drawn_above);
    level[1].next = picked->children[0];
    level[1].parent = 0;
    level[1].at = 0;
    for (uint32_t depth = 1; depth > 0 && result == 0;) {
        uint32_t place = level[depth].next;
        if (place >= picked->count || nodes[picked->nodes[place]].parent != level[depth].parent) {
            depth--;
            continue;
        }
        uint32_t node = picked->nodes[place];
        double start = level[depth].at;
        level[depth].next++;
        level[depth].at += nodes[node].total;
        result = add_box(picture, names, node, depth, start, drawn_above);
        if (picked->children[node] != PYRO_NO_ID && depth + 1 < MAX_DEPTH) {
            depth++;
            level[depth].next = picked->children[node];
            level[depth].parent = node;
            level[depth].at = start;
        }
    }
    return result;
}

int pyro_picture_init(struct pyro_picture *picture, const struct pyro_tree *tree)
{
    *picture = (struct pyro_picture){.tree = tree};
    struct picked picked = {0};
    struct pyro_map names = {0};
    int result = -ENOMEM;
    double *sorted = calloc(tree->count + 1, sizeof(*sorted));
    picture->boxes = calloc(tree->count + 1, sizeof(*picture->boxes));
    picture->names = calloc(tree->count + 1, sizeof(*picture->names));
    if (sorted && picture->boxes && picture->names) {
        for (size_t i = 0; i < tree->count; i++)
            sorted[i] = tree->nodes[i].total;
        qsort(sorted, tree->count, sizeof(*sorted), descending);
        result = pick(&picked, picture, weight_above(sorted, tree->count, PYRO_PICTURE_BOXES));
        if (result == 0)
            result = lay_out(picture, &picked, &names,
                             weight_above(sorted, tree->count, PYRO_PICTURE_DRAWN));
    }
    free(sorted);
    free(picked.nodes);
    free(picked.children);
    pyro_map_free(&names);
    if (result < 0)
        pyro_picture_clear(picture);
    return result;
}

void pyro_picture_clear(struct pyro_picture *picture)
{
    free(picture->boxes);
    free(picture->names);
    *picture = (struct pyro_picture){0};
}
