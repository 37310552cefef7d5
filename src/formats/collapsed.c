/* formats/collapsed.c - "root;caller;callee COUNT" lines, for flamegraph.pl, inferno, speedscope and many more.
 *
 * COUNT is the number of samples, as every reader expects: what counting calls cost cannot be taken out of it. Of what was
 * traced it is microseconds, of memory bytes. A frame is "file:function:line", or the function alone with merged lines.
 * What separates frames and lines is replaced inside names: ';' by ',', line ends by a blank. */
#include "base/buffer.h"
#include "base/utf8.h"
#include "formats/internal.h"
#include "formats/tree.h"
#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The texts of frames (or functions), made once: a frame is written for every stack above it. */
struct labels {
    struct pyro_buffer text;
    size_t *begin, *end; /* by frame or function; equal: not made yet */
};

struct writer {
    FILE *out;
    const struct pyro_tree *tree;
    struct labels labels;
};

static void put_text(struct pyro_buffer *buffer, const char *text)
{
    for (const char *end = text + strlen(text); text < end;) {
        uint32_t code_point = pyro_utf8_next(&text, end);
        bool ends_line = code_point < 0x20 || code_point == 0x7f || code_point == 0x85 ||
                         code_point == 0x2028 || code_point == 0x2029;
        code_point = ends_line ? ' ' : code_point == ';' ? ',' : code_point;
        char bytes[4];
        pyro_buffer_put(buffer, bytes, pyro_utf8_put(bytes, code_point));
    }
}

static void put_label(struct pyro_buffer *buffer, const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_profile *profile = tree->profile;
    uint32_t function_id = pyro_tree_function(tree, node);
    const struct pyro_function *function =
        function_id == PYRO_NO_ID ? NULL : &profile->functions[function_id];
    bool with_file = function && function->kind == PYRO_FUNCTION_PYTHON && !tree->functions;
    char name[PYRO_NAME_BYTES];
    pyro_tree_name(name, sizeof(name), tree, node);
    if (with_file) {
        const char *path = pyro_profile_text(profile, function->file);
        put_text(buffer, pyro_path_short(path, profile->info.directory));
        pyro_buffer_puts(buffer, ":");
    }
    put_text(buffer, name);
    if (with_file)
        pyro_buffer_printf(buffer, ":%" PRIu32, pyro_tree_line(tree, node));
}

static void write_node(struct writer *writer, uint32_t node)
{
    struct labels *labels = &writer->labels;
    const struct pyro_node *it = &writer->tree->nodes[node];
    size_t begin = labels->text.size, end;
    bool kept = it->kind == PYRO_NODE_FRAME || it->kind == PYRO_NODE_FUNCTION;
    if (kept && labels->begin[it->id] < labels->end[it->id]) {
        begin = labels->begin[it->id];
        end = labels->end[it->id];
    } else {
        put_label(&labels->text, writer->tree, node);
        end = labels->text.size;
    }
    if (end > begin)
        fwrite_unlocked(labels->text.data + begin, 1, end - begin, writer->out);
    if (kept) {
        labels->begin[it->id] = begin;
        labels->end[it->id] = end;
    } else {
        labels->text.size = begin; /* roots are few: made again each time */
    }
}

/* At most the roots, the kept frames, and the one that stands for the elided. */
#define MAX_PATH (PYRO_TREE_DEEPEST + 4)

static uint64_t count_of(const struct pyro_tree *tree, uint32_t node)
{
    const struct pyro_node *it = &tree->nodes[node];
    return tree->traced || tree->bytes ? (uint64_t)(it->self + 0.5) : it->self_count;
}

static void write_stack(struct writer *writer, uint32_t node)
{
    uint32_t path[MAX_PATH];
    size_t depth = 0;
    uint64_t count = count_of(writer->tree, node);
    for (; node != 0 && depth < MAX_PATH; node = writer->tree->nodes[node].parent)
        path[depth++] = node;
    while (depth-- > 0) {
        write_node(writer, path[depth]);
        putc_unlocked(depth ? ';' : ' ', writer->out);
    }
    fprintf(writer->out, "%" PRIu64 "\n", count);
}

static int write_stacks(FILE *out, const struct pyro_tree *tree)
{
    struct writer writer = {.out = out, .tree = tree};
    struct labels *labels = &writer.labels;
    size_t count = tree->functions ? tree->profile->function_count : tree->profile->frame_count;
    labels->begin = calloc(count + 1, sizeof(*labels->begin));
    labels->end = calloc(count + 1, sizeof(*labels->end));
    int result = labels->begin && labels->end ? 0 : -ENOMEM;
    for (size_t i = 1; result == 0 && i < tree->count && !ferror(out); i++)
        if (count_of(tree, (uint32_t)i))
            write_stack(&writer, (uint32_t)i);
    if (labels->text.failed)
        result = -ENOMEM;
    free(labels->begin);
    free(labels->end);
    pyro_buffer_free(&labels->text);
    return result;
}

int pyro_write_collapsed(const struct pyro_profile *profile,
                         const struct pyro_export_options *options, FILE *out,
                         struct pyro_error *error)
{
    struct pyro_tree tree;
    int result = pyro_tree_init(&tree, profile, options);
    if (result == 0) {
        result = pyro_tree_fill(&tree);
        if (result == 0)
            result = write_stacks(out, &tree);
        pyro_tree_clear(&tree);
    }
    return pyro_export_done(result, out, "collapsed stacks", error);
}
