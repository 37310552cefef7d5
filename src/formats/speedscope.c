/* formats/speedscope.c - one "sampled" profile a thread, in the order of time, weights in microseconds; of memory one a
 * process, weights in bytes. What was traced has no order, nor has memory: they stand as the tree does.
 *
 * Follows file-format-schema.json of speedscope's npm package. Samples in a row with the same stack are one entry.
 * Streamed: only the entries of one owner are in memory. */
#include "base/json.h"
#include "formats/internal.h"
#include "formats/tree.h"
#include "profile/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

/* What weighs, as a list for each owner: samples in the order of time. */
struct lists {
    uint32_t *first, *last; /* [pyro_tree_owner_count()] numbers of what weighs; PYRO_NO_ID: none */
    uint32_t *next;         /* [pyro_tree_weighed_count()] */
};

static void free_lists(struct lists *lists)
{
    free(lists->first);
    free(lists->last);
    free(lists->next);
}

static int make_lists(struct lists *lists, const struct pyro_tree *tree)
{
    size_t count = pyro_tree_weighed_count(tree), owners = pyro_tree_owner_count(tree);
    struct pyro_weighed weighed;
    if (count >= PYRO_NO_ID)
        return -EOVERFLOW;
    lists->first = calloc(owners + 1, sizeof(*lists->first));
    lists->last = calloc(owners + 1, sizeof(*lists->last));
    lists->next = calloc(count + 1, sizeof(*lists->next));
    if (!lists->first || !lists->last || !lists->next)
        return -ENOMEM;
    for (size_t i = 0; i < owners; i++)
        lists->first[i] = PYRO_NO_ID;
    for (uint32_t i = 0; i < count; i++) {
        if (!pyro_tree_weighed(tree, i, &weighed))
            continue;
        uint32_t owner = weighed.owner;
        if (lists->first[owner] == PYRO_NO_ID)
            lists->first[owner] = i;
        else
            lists->next[lists->last[owner]] = i;
        lists->last[owner] = i;
        lists->next[i] = PYRO_NO_ID;
    }
    return 0;
}

/* -- frames ------------------------------------------------------------------------------------- */

static void json_frame(struct pyro_json *json, const struct pyro_profile *profile,
                       uint32_t function_id, uint32_t line)
{
    const struct pyro_function *function = &profile->functions[function_id];
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", pyro_profile_text(profile, function->name));
    if (function->kind == PYRO_FUNCTION_PYTHON) {
        pyro_json_string(json, "file", pyro_profile_text(profile, function->file));
        if (line)
            pyro_json_u64(json, "line", line);
    }
    pyro_json_end(json);
}

static void json_named(struct pyro_json *json, const char *name)
{
    pyro_json_object(json, NULL);
    pyro_json_string(json, "name", name);
    pyro_json_end(json);
}

/* The frames (or functions) of the profile under their own numbers, then the two that are none. */
static void json_shared(struct pyro_json *json, const struct pyro_profile *profile, bool functions)
{
    pyro_json_object(json, "shared");
    pyro_json_array(json, "frames");
    for (uint32_t i = 0; functions && i < profile->function_count; i++)
        json_frame(json, profile, i, profile->functions[i].first_line);
    for (uint32_t i = 0; !functions && i < profile->frame_count; i++)
        json_frame(json, profile, profile->frames[i].function, profile->frames[i].line);
    json_named(json, "[frames elided]");
    json_named(json, "[no Python frame]");
    pyro_json_end(json);
    pyro_json_end(json);
}

/* A node's index in "frames". */
static size_t frame_index(const struct pyro_tree *tree, uint32_t node)
{
    size_t own = tree->functions ? tree->profile->function_count : tree->profile->frame_count;
    switch (tree->nodes[node].kind) {
    case PYRO_NODE_ELIDED:
        return own;
    case PYRO_NODE_NO_PYTHON:
        return own + 1;
    default:
        return tree->nodes[node].id;
    }
}

/* -- samples ------------------------------------------------------------------------------------ */

static void json_stack(struct pyro_json *json, const struct pyro_tree *tree, uint32_t node)
{
    uint32_t path[PYRO_TREE_DEEPEST + 4];
    size_t count = 0;
    for (; node != 0 && count < PYRO_TREE_DEEPEST + 4; node = tree->nodes[node].parent)
        path[count++] = node;
    pyro_json_array(json, NULL);
    while (count-- > 0)
        pyro_json_u64(json, NULL, frame_index(tree, path[count]));
    pyro_json_end(json);
}

/* The weights of an owner's entries while its stacks are written: microseconds, or bytes. */
struct weights {
    double *items;
    size_t count;
    double total;
};

static void json_weight(struct pyro_json *json, const char *key, const struct pyro_tree *tree,
                        double weight)
{
    if (tree->bytes)
        pyro_json_u64(json, key, (uint64_t)weight);
    else
        pyro_json_double(json, key, weight);
}

/* Writes the stacks and collects the weights. */
static int json_stacks(struct pyro_json *json, struct pyro_tree *tree, const struct lists *lists,
                       uint32_t owner, struct weights *weights)
{
    uint32_t previous = PYRO_NO_ID;
    struct pyro_weighed weighed;
    weights->count = 0;
    weights->total = 0;
    pyro_json_array(json, "samples");
    for (uint32_t i = lists->first[owner]; i != PYRO_NO_ID; i = lists->next[i]) {
        (void)pyro_tree_weighed(tree, i, &weighed); /* it counts, or it were in no list */
        uint32_t node = pyro_tree_node(tree, owner, weighed.stack);
        if (node == PYRO_NO_ID)
            return -ENOMEM;
        if (node != previous) {
            json_stack(json, tree, node);
            weights->items[weights->count++] = 0;
        }
        previous = node;
        weights->items[weights->count - 1] += weighed.weight;
        weights->total += weighed.weight;
    }
    pyro_json_end(json);
    return 0;
}

static void json_thread_name(struct pyro_json *json, const struct pyro_profile *profile,
                             uint32_t id)
{
    const struct pyro_thread *thread = &profile->threads[id];
    const char *name = pyro_profile_text(profile, thread->name);
    char text[PYRO_NAME_BYTES];
    snprintf(text, sizeof(text), "%s%s(pid %" PRId32 ", thread %" PRIu64 ")", name,
             *name ? " " : "", profile->processes[thread->process].pid, thread->native_id);
    pyro_json_string(json, "name", text);
}

static void json_owner_name(struct pyro_json *json, const struct pyro_tree *tree, uint32_t owner)
{
    const struct pyro_profile *profile = tree->profile;
    char program[256], text[PYRO_NAME_BYTES];
    if (!tree->bytes) {
        json_thread_name(json, profile, owner);
        return;
    }
    pyro_summary_program(program, sizeof(program), profile);
    snprintf(text, sizeof(text), "%s (pid %" PRId32 ")", program, profile->processes[owner].pid);
    pyro_json_string(json, "name", text);
}

static int json_owner(struct pyro_json *json, struct pyro_tree *tree, const struct lists *lists,
                      uint32_t owner, struct weights *weights)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_string(json, "type", "sampled");
    json_owner_name(json, tree, owner);
    pyro_json_string(json, "unit", tree->bytes ? "bytes" : "microseconds");
    int result = json_stacks(json, tree, lists, owner, weights);
    if (result < 0)
        return result;
    pyro_json_array(json, "weights");
    for (size_t i = 0; i < weights->count; i++)
        json_weight(json, NULL, tree, weights->items[i]);
    pyro_json_end(json);
    pyro_json_u64(json, "startValue", 0);
    json_weight(json, "endValue", tree, weights->total);
    pyro_json_end(json);
    return 0;
}

static int json_file(FILE *out, struct pyro_tree *tree, const struct lists *lists,
                     const char *title)
{
    struct weights weights = {
        .items = calloc(pyro_tree_weighed_count(tree) + 1, sizeof(*weights.items))};
    if (!weights.items)
        return -ENOMEM;
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_json_string(&json, "$schema", SCHEMA);
    pyro_json_string(&json, "exporter", "pyrometer");
    pyro_json_string(&json, "name", title);
    pyro_json_u64(&json, "activeProfileIndex", 0);
    json_shared(&json, tree->profile, tree->functions);
    pyro_json_array(&json, "profiles");
    int result = 0;
    for (uint32_t i = 0; i < pyro_tree_owner_count(tree) && result == 0; i++)
        if (lists->first[i] != PYRO_NO_ID)
            result = json_owner(&json, tree, lists, i, &weights);
    free(weights.items);
    if (result < 0)
        return result;
    pyro_json_end(&json);
    pyro_json_end(&json);
    putc('\n', out);
    return 0;
}

int pyro_write_speedscope(const struct pyro_profile *profile,
                          const struct pyro_export_options *options, FILE *out,
                          struct pyro_error *error)
{
    struct pyro_export_options plain = *options; /* a thread is a profile of its own, not a frame */
    plain.by_thread = plain.by_process = false;
    char title[PYRO_NAME_BYTES];
    pyro_export_title(title, sizeof(title), profile, options);
    struct pyro_tree tree;
    struct lists lists = {0};
    int result = pyro_tree_init(&tree, profile, &plain);
    if (result == 0) {
        result = make_lists(&lists, &tree);
        if (result == 0)
            result = json_file(out, &tree, &lists, title);
        free_lists(&lists);
        pyro_tree_clear(&tree);
    }
    return pyro_export_done(result, out, "speedscope", error);
}
