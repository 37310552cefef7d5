/* formats/picture.h - which boxes of a tree a picture has, and in which order.
 *
 * Boxes are in preorder, the largest child first, so depth and weight say where each one lies. The narrowest are
 * left out once there are too many: a picture of a hundred thousand stacks stays a small file. */
#ifndef PYRO_FORMATS_PICTURE_H
#define PYRO_FORMATS_PICTURE_H

#include "formats/tree.h"

#define PYRO_PICTURE_BOXES 25000 /* with data, found by zooming */
#define PYRO_PICTURE_DRAWN 1500  /* drawn in the file itself, for viewers without scripts */

struct pyro_box {
    uint32_t node, name; /* NAME: index into the picture's names */
    uint32_t depth;
    double start; /* where it begins, the root beginning at 0 */
    bool drawn;
};

struct pyro_picture {
    const struct pyro_tree *tree;
    struct pyro_box *boxes;
    size_t count, deepest;
    uint32_t *names; /* a node for each different name */
    size_t name_count;
    size_t left_out;        /* boxes */
    double left_out_weight; /* weight of the outermost of them */
};

int pyro_picture_init(struct pyro_picture *picture,
                      const struct pyro_tree *tree); /* 0 or -ENOMEM */
void pyro_picture_clear(struct pyro_picture *picture);

#endif
