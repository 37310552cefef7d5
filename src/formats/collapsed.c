/* formats/collapsed.c - "root;caller;callee COUNT" lines, for flamegraph.pl, inferno, speedscope and many more.
 *
 * COUNT is the number of samples, as every reader expects. A frame is "file:function:line", or the function alone
 * with merged lines. What separates frames and lines is replaced inside names: ';' by ',', line ends by a blank. */
#include "base/utf8.h"
#include "formats/internal.h"
#include "formats/tree.h"
#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void put_text(FILE *out, const char *text)
{
    for (const char *end = text + strlen(text); text < end;) {
        uint32_t code_point = pyro_utf8_next(&text, end);
        if (code_point < 0x20 || code_point == 0x7f || code_point == 0x85 || code_point == 0x2028 ||
            code_point == 0x2029)
            code_point = ' ';
        if (code_point == ';')
            code_point = ',';
        char bytes[4];
        fwrite_unlocked(bytes, 1, pyro_utf8_put(bytes, code_point), out);
    }
}

static void put_node(FILE *out, const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_profile *profile = tree->profile;
    uint32_t function_id = pyro_tree_function(tree, node);
    char name[PYRO_NAME_BYTES];
    pyro_tree_name(name, sizeof(name), tree, node);
    bool python = function_id != PYRO_NO_ID && profile->functions[function_id].kind == PYRO_FUNCTION_PYTHON;
    if (!python || tree->functions) {
        put_text(out, name);
        return;
    }
    const char *path = pyro_profile_text(profile, profile->functions[function_id].file);
    put_text(out, pyro_path_short(path, profile->info.directory));
    putc_unlocked(':', out);
    put_text(out, name);
    fprintf(out, ":%" PRIu32, pyro_tree_line(tree, node));
}

/* At most the roots, the kept frames, and the one that stands for the elided. */
#define MAX_PATH (PYRO_TREE_DEEPEST + 4)

static void put_stack(FILE *out, const struct pyro_tree *tree, uint32_t node)
{
    uint32_t path[MAX_PATH];
    size_t count = 0;
    uint64_t samples = tree->nodes[node].self_samples;
    for (; node != 0 && count < MAX_PATH; node = tree->nodes[node].parent)
        path[count++] = node;
    while (count-- > 0) {
        put_node(out, tree, path[count]);
        putc_unlocked(count ? ';' : ' ', out);
    }
    fprintf(out, "%" PRIu64 "\n", samples);
}

int pyro_write_collapsed(const struct pyro_profile *profile, const struct pyro_export_options *options,
                         FILE *out, struct pyro_error *error)
{
    struct pyro_tree tree;
    int result = pyro_tree_init(&tree, profile, options);
    if (result == 0) {
        result = pyro_tree_fill(&tree);
        for (size_t i = 1; result == 0 && i < tree.count && !ferror(out); i++)
            if (tree.nodes[i].self_samples)
                put_stack(out, &tree, (uint32_t)i);
        pyro_tree_clear(&tree);
    }
    return pyro_export_done(result, out, "collapsed stacks", error);
}
