/* formats/tree.h - the stacks of a profile as one tree, as the export options want it.
 *
 * Nodes are merged by line or by function, below roots for processes and threads where asked. A stack deeper than
 * PYRO_TREE_DEEPEST keeps its first and last frames, with one [frames elided] node between: a chart or a text line
 * of twenty thousand frames helps nobody, and files would grow with depth times stacks. */
#ifndef PYRO_FORMATS_TREE_H
#define PYRO_FORMATS_TREE_H

#include "base/map.h"
#include "formats/formats.h"

#define PYRO_TREE_FIRST   300
#define PYRO_TREE_LAST    100
#define PYRO_TREE_DEEPEST (PYRO_TREE_FIRST + PYRO_TREE_LAST)

enum pyro_node_kind {
    PYRO_NODE_ROOT,
    PYRO_NODE_PROCESS,
    PYRO_NODE_THREAD,
    PYRO_NODE_FRAME,    /* id: a frame */
    PYRO_NODE_FUNCTION, /* id: a function */
    PYRO_NODE_ELIDED,   /* frames left out in the middle */
    PYRO_NODE_NO_PYTHON /* the thread stood in no Python frame */
};

struct pyro_node {
    uint32_t parent; /* a smaller number; node 0 is the root */
    enum pyro_node_kind kind;
    uint32_t id;
    uint32_t depth; /* 0 for the root */
    double self_us, total_us;
    uint64_t self_samples, total_samples;
};

struct pyro_tree {
    const struct pyro_profile *profile;
    bool functions, by_thread, by_process;
    struct pyro_clock_view view;
    struct pyro_node *nodes;
    size_t count, capacity;
    /* how stacks become nodes */
    struct pyro_map children; /* (parent, kind and id) -> node */
    struct pyro_map of_stack; /* (root, stack) -> node */
    uint32_t *thread_root;    /* [thread_count]; PYRO_NO_ID: not made yet */
    uint32_t *cut_at; /* [stack_count] the stack itself or its ancestor PYRO_TREE_FIRST deep */
    uint32_t *path;   /* room for the frames between two known nodes */
    size_t path_capacity;
};

/* Nothing is added up yet. 0 or -ENOMEM, then *TREE is clear. */
int pyro_tree_init(struct pyro_tree *tree, const struct pyro_profile *profile,
                   const struct pyro_export_options *options);
void pyro_tree_clear(struct pyro_tree *tree);

/* The node where a sample of THREAD with STACK ends, made when new; PYRO_NO_ID when out of memory. */
uint32_t pyro_tree_node(struct pyro_tree *tree, uint32_t thread, uint32_t stack);
/* Adds every sample that counts, then sums up towards the root. 0 or -ENOMEM. */
int pyro_tree_fill(struct pyro_tree *tree);

/* The function of a frame or function node, else PYRO_NO_ID. */
uint32_t pyro_tree_function(const struct pyro_tree *tree, uint32_t node);
/* The line of a frame node; of a function node its first line; 0: none. */
uint32_t pyro_tree_line(const struct pyro_tree *tree, uint32_t node);
/* What a node is called without its file: the function's name, "thread 77 MainThread", "process 12 orders.py". */
void pyro_tree_name(char *text, size_t size, const struct pyro_tree *tree, uint32_t node);

#endif
