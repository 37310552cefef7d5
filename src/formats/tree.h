/* formats/tree.h - the stacks of a profile as one tree, as the export options want it.
 *
 * What weighs is samples, or what was traced, both in microseconds; or, where it is asked for, memory in bytes. Samples and what
 * was traced belong to a thread, memory to a process: the *owner* below is the one or the other.
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
    uint32_t depth;                   /* 0 for the root */
    double self, total;               /* microseconds, or bytes */
    uint64_t self_count, total_count; /* samples, calls or blocks */
};

struct pyro_tree {
    const struct pyro_profile *profile;
    bool functions, by_thread, by_process;
    enum pyro_bytes bytes; /* not NONE: what weighs is memory */
    struct pyro_clock_view view;
    float *left; /* [stack_count] the part of its time that is not the probe's; NULL: all */
    struct pyro_traced_time *traced; /* what weighs is what was traced; NULL: it is not */
    struct pyro_node *nodes;
    size_t count, capacity;
    /* how stacks become nodes */
    struct pyro_map children; /* (parent, kind and id) -> node */
    struct pyro_map of_stack; /* (root, stack) -> node */
    uint32_t *owner_root;     /* [pyro_tree_owner_count()]; PYRO_NO_ID: not made yet */
    uint32_t *cut_at; /* [stack_count] the stack itself or its ancestor PYRO_TREE_FIRST deep */
    uint32_t *path;   /* room for the frames between two known nodes */
    size_t path_capacity;
};

/* Nothing is added up yet. 0 or -ENOMEM, then *TREE is clear. */
int pyro_tree_init(struct pyro_tree *tree, const struct pyro_profile *profile,
                   const struct pyro_export_options *options);
void pyro_tree_clear(struct pyro_tree *tree);

size_t pyro_tree_owner_count(const struct pyro_tree *tree); /* threads, or processes */
uint32_t pyro_tree_owner_process(const struct pyro_tree *tree, uint32_t owner);
/* The node where what OWNER has with STACK ends, made when new; PYRO_NO_ID when out of memory. */
uint32_t pyro_tree_node(struct pyro_tree *tree, uint32_t owner, uint32_t stack);
/* What weighs: samples, in the order of time, or what was traced, by thread and stack; or memory. */
struct pyro_weighed {
    uint32_t owner, stack;
    enum pyro_state state; /* PYRO_STATE_UNKNOWN of what is no sample */
    double
        weight; /* microseconds without what counting or tracing cost, as tables have it; or bytes */
    uint64_t count;                         /* samples; or calls, at least one; or blocks */
    const struct pyro_stack_memory *memory; /* NULL: time weighs */
};
size_t pyro_tree_weighed_count(const struct pyro_tree *tree);
/* false: the one with that number does not count. */
bool pyro_tree_weighed(const struct pyro_tree *tree, size_t number, struct pyro_weighed *ret);
/* Adds all that weighs, then sums up towards the root. 0 or -ENOMEM. */
int pyro_tree_fill(struct pyro_tree *tree);

/* The function of a frame or function node, else PYRO_NO_ID. */
uint32_t pyro_tree_function(const struct pyro_tree *tree, uint32_t node);
/* The line of a frame node; of a function node its first line; 0: none. */
uint32_t pyro_tree_line(const struct pyro_tree *tree, uint32_t node);
/* What a node is called without its file: the function's name, "thread 77 MainThread", "process 12 orders.py". */
void pyro_tree_name(char *text, size_t size, const struct pyro_tree *tree, uint32_t node);

#endif
