/* view/order.c - stacks merged by function, in the order in which a flame graph draws them.
 *
 * The page would have to merge a million stacks by a hash table, sort the children of each node and walk the tree before it draws anything. Here it costs a
 * fraction of that, and in this order all columns are small steps. Loops only: stacks may be 20,000 frames deep. */
#include "base/map.h"
#include "view/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The tree while it is made: nodes as they were first seen, a parent before its children. */
struct merged {
    const struct pyro_page_stacks *stacks;
    uint32_t *node_of;             /* [stacks->count] */
    uint32_t *parents, *functions; /* [count] */
    uint32_t *first, *children;    /* of node N: children[first[N]] up to children[first[N + 1]] */
    uint32_t *numbers;             /* [count] in preorder */
    double *total_us;              /* [count] with what is below */
    size_t count;
};

static void free_merged(struct merged *merged)
{
    free(merged->node_of);
    free(merged->parents);
    free(merged->functions);
    free(merged->first);
    free(merged->children);
    free(merged->numbers);
    free(merged->total_us);
}

static int merge(struct merged *merged)
{
    const struct pyro_page_stacks *stacks = merged->stacks;
    struct pyro_map known = {0};
    int result = pyro_map_reserve(&known, stacks->count);
    merged->count = 1;
    for (size_t i = 1; result == 0 && i < stacks->count; i++) {
        uint32_t parent = merged->node_of[stacks->parents[i]], function = stacks->functions[i];
        bool is_new;
        uint64_t *node = pyro_map_insert(&known, parent, function, &is_new);
        if (!node) {
            result = -ENOMEM;
            break;
        }
        if (is_new) {
            *node = merged->count++;
            merged->parents[*node] = parent;
            merged->functions[*node] = function;
        }
        merged->node_of[i] = (uint32_t)*node;
    }
    pyro_map_free(&known);
    return result;
}

static void add_up(struct merged *merged)
{
    for (size_t i = 0; i < merged->stacks->count; i++)
        merged->total_us[merged->node_of[i]] += merged->stacks->self_us[i];
    for (size_t node = merged->count; node-- > 1;)
        merged->total_us[merged->parents[node]] += merged->total_us[node];
}

/* The heaviest first, of equals the one that was seen first. */
static int compare_nodes(const void *a_pointer, const void *b_pointer, void *context)
{
    const double *total_us = context;
    uint32_t a = *(const uint32_t *)a_pointer, b = *(const uint32_t *)b_pointer;
    if (total_us[a] != total_us[b])
        return total_us[a] > total_us[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void sort_children(struct merged *merged)
{
    uint32_t *first = merged->first;
    for (size_t node = 1; node < merged->count; node++)
        first[merged->parents[node] + 2]++;
    for (size_t node = 2; node < merged->count + 2; node++)
        first[node] += first[node - 1];
    for (size_t node = 1; node < merged->count; node++)
        merged->children[first[merged->parents[node] + 1]++] = (uint32_t)node;
    for (size_t node = 0; node < merged->count; node++)
        if (first[node + 1] - first[node] > 1)
            qsort_r(&merged->children[first[node]], first[node + 1] - first[node],
                    sizeof(*merged->children), compare_nodes, merged->total_us);
}

/* Number the nodes in preorder, and note of each how many levels it is above the one before. */
static int number(struct merged *merged, struct pyro_page_order *order)
{
    uint32_t *next = calloc(merged->count + 1, sizeof(*next)); /* of each node, its next child */
    if (!next)
        return -ENOMEM;
    memcpy(next, merged->first, merged->count * sizeof(*next));
    uint32_t node = 0, up = 0;
    for (uint32_t made = 1; made < merged->count;) {
        if (next[node] == merged->first[node + 1]) {
            node = merged->parents[node];
            up++;
            continue;
        }
        node = merged->children[next[node]++];
        merged->numbers[node] = made;
        order->node_function[made] = merged->functions[node];
        order->node_up[made++] = up;
        up = 0;
    }
    free(next);
    return 0;
}

/* Number the stacks: those of a node after those of the node before it, in the order in which they were first seen. */
static int number_stacks(const struct merged *merged, struct pyro_page_order *order)
{
    const struct pyro_page_stacks *stacks = merged->stacks;
    uint32_t *first = calloc(merged->count + 1, sizeof(*first));   /* of each node, by its number */
    uint32_t *places = calloc(stacks->count + 1, sizeof(*places)); /* of each stack, in its node */
    bool ok = first && places;
    for (size_t i = 0; ok && i < stacks->count; i++) {
        uint32_t node = merged->numbers[merged->node_of[i]];
        places[i] = order->node_stacks[node]++;
    }
    for (size_t node = 1; ok && node < merged->count; node++)
        first[node] = first[node - 1] + order->node_stacks[node - 1];
    for (size_t i = 0; ok && i < stacks->count; i++) {
        uint32_t at = first[merged->numbers[merged->node_of[i]]] + places[i];
        order->stacks[at] = (uint32_t)i;
        order->numbers[i] = at;
        order->stack_parent[at] = i ? places[stacks->parents[i]] : 0;
    }
    free(first);
    free(places);
    return ok ? 0 : -ENOMEM;
}

static bool make_room(struct merged *merged, struct pyro_page_order *order)
{
    size_t count = merged->stacks->count;
    merged->node_of = calloc(count + 1, sizeof(*merged->node_of));
    merged->parents = calloc(count + 1, sizeof(*merged->parents));
    merged->functions = calloc(count + 1, sizeof(*merged->functions));
    merged->first = calloc(count + 3, sizeof(*merged->first));
    merged->children = calloc(count + 1, sizeof(*merged->children));
    merged->numbers = calloc(count + 1, sizeof(*merged->numbers));
    merged->total_us = calloc(count + 1, sizeof(*merged->total_us));
    order->node_up = calloc(count + 1, sizeof(*order->node_up));
    order->node_function = calloc(count + 1, sizeof(*order->node_function));
    order->node_stacks = calloc(count + 1, sizeof(*order->node_stacks));
    order->stack_parent = calloc(count + 1, sizeof(*order->stack_parent));
    order->stacks = calloc(count + 1, sizeof(*order->stacks));
    order->numbers = calloc(count + 1, sizeof(*order->numbers));
    return merged->node_of && merged->parents && merged->functions && merged->first &&
           merged->children && merged->numbers && merged->total_us && order->node_up &&
           order->node_function && order->node_stacks && order->stack_parent && order->stacks &&
           order->numbers;
}

int pyro_page_order_make(struct pyro_page_order *order, const struct pyro_page_stacks *stacks)
{
    struct merged merged = {.stacks = stacks};
    *order = (struct pyro_page_order){.stack_count = stacks->count};
    int result = make_room(&merged, order) ? merge(&merged) : -ENOMEM;
    if (result == 0) {
        order->node_count = merged.count;
        add_up(&merged);
        sort_children(&merged);
        result = number(&merged, order);
    }
    if (result == 0)
        result = number_stacks(&merged, order);
    free_merged(&merged);
    if (result < 0)
        pyro_page_order_clear(order);
    return result;
}

void pyro_page_order_clear(struct pyro_page_order *order)
{
    free(order->node_up);
    free(order->node_function);
    free(order->node_stacks);
    free(order->stack_parent);
    free(order->stacks);
    free(order->numbers);
    *order = (struct pyro_page_order){0};
}
