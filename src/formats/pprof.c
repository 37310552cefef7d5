/* formats/pprof.c - perftools.profiles.Profile, gzipped: for pprof and everything that speaks it.
 *
 * A message may be written in parts: fields of messages that follow each other are joined by every reader. So each
 * sample, location and function is packed as a small Profile of its own, and no more than that is in memory. The
 * texts come last, when all are known. Labels: thread, state, tid, and pid when there is more than one process.
 *
 * Memory has the four types of heap profiles, whatever of it is asked for: what is asked for decides which one is shown
 * first, and whether what is in use is that of the end or of the peak. */
#include "base/strings.h"
#include "base/utf8.h"
#include "formats/internal.h"
#include "formats/pprof.pb-c.h"
#include "formats/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* zlib: the largest window, with a gzip header */
#define CHUNK_BYTES      65536

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__Sample Sample;
typedef Perftools__Profiles__Label Label;
typedef Perftools__Profiles__ValueType ValueType;

struct writer {
    const struct pyro_profile *profile;
    struct pyro_tree *tree;
    FILE *out;
    z_stream zip;
    struct pyro_strings strings;
    uint8_t *packed; /* room for one part */
    size_t packed_capacity;
    int result;
};

static void fail(struct writer *writer, int result)
{
    if (writer->result == 0)
        writer->result = result;
}

/* -- bytes -------------------------------------------------------------------------------------- */

static void compress_bytes(struct writer *writer, const uint8_t *data, size_t size, int flush)
{
    uint8_t chunk[CHUNK_BYTES];
    writer->zip.next_in = (Bytef *)(uintptr_t)data;
    writer->zip.avail_in = (uInt)size;
    do {
        writer->zip.next_out = chunk;
        writer->zip.avail_out = sizeof(chunk);
        deflate(&writer->zip, flush);
        fwrite(chunk, 1, sizeof(chunk) - writer->zip.avail_out, writer->out);
    } while (writer->zip.avail_out == 0);
}

static void put_part(struct writer *writer, const Profile *part)
{
    size_t size = perftools__profiles__profile__get_packed_size(part);
    if (size > writer->packed_capacity) {
        uint8_t *packed = realloc(writer->packed, size * 2);
        if (!packed) {
            fail(writer, -ENOMEM);
            return;
        }
        writer->packed = packed;
        writer->packed_capacity = size * 2;
    }
    perftools__profiles__profile__pack(part, writer->packed);
    compress_bytes(writer, writer->packed, size, Z_NO_FLUSH);
}

/* The index of TEXT, made valid UTF-8. */
static int64_t text_index(struct writer *writer, const char *text)
{
    char valid[PYRO_NAME_BYTES];
    size_t size = 0;
    const char *end = text + strlen(text);
    while (text < end && size + 4 <= sizeof(valid))
        size += pyro_utf8_put(valid + size, pyro_utf8_next(&text, end));
    int64_t id = pyro_strings_intern(&writer->strings, valid, size);
    if (id < 0)
        fail(writer, (int)id);
    return id < 0 ? 0 : id;
}

static int64_t profile_text(struct writer *writer, uint32_t string)
{
    return text_index(writer, pyro_profile_text(writer->profile, string));
}

/* -- samples ------------------------------------------------------------------------------------ */

#define VALUES_MAX 4

/* What is one sample in the file: same owner, same node, same state. */
struct group {
    uint32_t owner, node;
    enum pyro_state state;
    double values[VALUES_MAX]; /* in the order of the sample types */
};

struct groups {
    struct group *items;
    size_t count, capacity;
    struct pyro_map map; /* (owner and state, node) -> item */
};

static struct group *find_group(struct groups *groups, uint32_t owner, uint32_t node,
                                enum pyro_state state)
{
    bool is_new;
    uint64_t *slot =
        pyro_map_insert(&groups->map, (uint64_t)owner << 8 | (uint64_t)state, node, &is_new);
    if (!slot)
        return NULL;
    if (!is_new)
        return &groups->items[*slot];
    if (groups->count == groups->capacity) {
        size_t capacity = groups->capacity ? groups->capacity * 2 : 1024;
        struct group *items = reallocarray(groups->items, capacity, sizeof(*items));
        if (!items)
            return NULL;
        groups->items = items;
        groups->capacity = capacity;
    }
    groups->items[groups->count] = (struct group){.owner = owner, .node = node, .state = state};
    *slot = groups->count;
    return &groups->items[groups->count++];
}

static void add_memory(struct group *group, const struct pyro_stack_memory *memory, bool at_peak)
{
    group->values[0] += (double)memory->allocations;
    group->values[1] += (double)memory->allocated;
    group->values[2] +=
        (double)(at_peak ? memory->held_blocks : memory->allocations - memory->frees);
    group->values[3] += (double)(at_peak ? memory->held : memory->allocated - memory->freed);
}

static int make_groups(struct groups *groups, struct pyro_tree *tree,
                       const struct pyro_export_options *options)
{
    struct pyro_weighed weighed;
    for (size_t i = 0; i < pyro_tree_weighed_count(tree); i++) {
        if (!pyro_tree_weighed(tree, i, &weighed))
            continue;
        uint32_t node = pyro_tree_node(tree, weighed.owner, weighed.stack);
        struct group *group =
            node == PYRO_NO_ID ? NULL : find_group(groups, weighed.owner, node, weighed.state);
        if (!group)
            return -ENOMEM;
        if (weighed.memory) {
            add_memory(group, weighed.memory, options->bytes == PYRO_BYTES_PEAK);
        } else {
            group->values[0] += (double)weighed.count;
            group->values[1] += weighed.weight * 1e3; /* in nanoseconds */
        }
    }
    return 0;
}

/* Locations are frames (or functions) plus one, then the two nodes that are neither. */
static uint64_t location_count(const struct writer *writer)
{
    return writer->tree->functions ? writer->profile->function_count : writer->profile->frame_count;
}

static uint64_t location_id(const struct writer *writer, uint32_t node)
{
    switch (writer->tree->nodes[node].kind) {
    case PYRO_NODE_ELIDED:
        return location_count(writer) + 1;
    case PYRO_NODE_NO_PYTHON:
        return location_count(writer) + 2;
    default:
        return (uint64_t)writer->tree->nodes[node].id + 1;
    }
}

#define MAX_LABELS 4

#define THREAD_LABELS 3

static void make_thread_labels(struct writer *writer, const struct group *group,
                               Label labels[THREAD_LABELS])
{
    const struct pyro_profile *profile = writer->profile;
    const struct pyro_thread *thread = &profile->threads[group->owner];
    char name[PYRO_NAME_BYTES];
    const char *known = pyro_profile_text(profile, thread->name);
    if (*known)
        snprintf(name, sizeof(name), "%s", known);
    else
        snprintf(name, sizeof(name), "thread %" PRIu64, thread->native_id);
    labels[0].key = text_index(writer, "thread");
    labels[0].str = text_index(writer, name);
    labels[1].key = text_index(writer, "state");
    labels[1].str = text_index(writer, pyro_state_name(group->state));
    labels[2].key = text_index(writer, "tid");
    labels[2].num = (int64_t)thread->native_id;
}

/* Fills LABELS; their number. */
static size_t make_labels(struct writer *writer, const struct group *group,
                          Label labels[MAX_LABELS])
{
    const struct pyro_profile *profile = writer->profile;
    uint32_t process = pyro_tree_owner_process(writer->tree, group->owner);
    for (size_t i = 0; i < MAX_LABELS; i++)
        perftools__profiles__label__init(&labels[i]);
    size_t count = 0;
    if (!writer->tree->bytes) {
        make_thread_labels(writer, group, labels);
        count = THREAD_LABELS;
    }
    if (profile->process_count > 1) {
        labels[count].key = text_index(writer, "pid");
        labels[count++].num = profile->processes[process].pid;
    }
    return count;
}

static size_t value_count(const struct writer *writer)
{
    return writer->tree->bytes ? 4 : 2;
}

static void put_sample(struct writer *writer, const struct group *group)
{
    uint64_t locations[PYRO_TREE_DEEPEST + 4];
    int64_t values[VALUES_MAX];
    Label labels[MAX_LABELS], *label_list[MAX_LABELS];
    Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *samples[] = {&sample};
    for (uint32_t node = group->node; node != 0 && sample.n_location_id < PYRO_TREE_DEEPEST + 4;
         node = writer->tree->nodes[node].parent)
        locations[sample.n_location_id++] = location_id(writer, node);
    sample.location_id = locations;
    sample.n_value = value_count(writer);
    for (size_t i = 0; i < sample.n_value; i++)
        values[i] = (int64_t)(group->values[i] + 0.5);
    sample.value = values;
    sample.n_label = make_labels(writer, group, labels);
    for (size_t i = 0; i < sample.n_label; i++)
        label_list[i] = &labels[i];
    sample.label = label_list;
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_sample = 1;
    part.sample = samples;
    put_part(writer, &part);
}

/* -- tables ------------------------------------------------------------------------------------- */

static void put_location(struct writer *writer, uint64_t id, uint64_t function_id,
                         uint32_t line_number)
{
    Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT, *lines[] = {&line};
    Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
    Perftools__Profiles__Location *locations[] = {&location};
    line.function_id = function_id;
    line.line = line_number;
    location.id = id;
    location.n_line = 1;
    location.line = lines;
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_location = 1;
    part.location = locations;
    put_part(writer, &part);
}

static void put_function(struct writer *writer, uint64_t id, int64_t name, int64_t file,
                         uint32_t line)
{
    Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
    Perftools__Profiles__Function *functions[] = {&function};
    function.id = id;
    function.name = function.system_name = name;
    function.filename = file;
    function.start_line = line;
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_function = 1;
    part.function = functions;
    put_part(writer, &part);
}

static void put_tables(struct writer *writer)
{
    const struct pyro_profile *profile = writer->profile;
    uint64_t functions = profile->function_count, locations = location_count(writer);
    for (size_t i = 0; i < functions; i++) {
        const struct pyro_function *function = &profile->functions[i];
        put_function(writer, i + 1, profile_text(writer, function->name),
                     profile_text(writer, function->file), function->first_line);
    }
    put_function(writer, functions + 1, text_index(writer, "[frames elided]"), 0, 0);
    put_function(writer, functions + 2, text_index(writer, "[no Python frame]"), 0, 0);
    for (size_t i = 0; i < locations; i++) {
        if (writer->tree->functions)
            put_location(writer, i + 1, i + 1, profile->functions[i].first_line);
        else
            put_location(writer, i + 1, (uint64_t)profile->frames[i].function + 1,
                         profile->frames[i].line);
    }
    put_location(writer, locations + 1, functions + 1, 0);
    put_location(writer, locations + 2, functions + 2, 0);
}

static ValueType value_type(struct writer *writer, const char *type, const char *unit)
{
    ValueType value = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
    value.type = text_index(writer, type);
    value.unit = text_index(writer, unit);
    return value;
}

/* The names that heap profiles have, as pprof's own options -alloc_space and the like know them. */
static void make_memory_types(struct writer *writer, ValueType types[VALUES_MAX])
{
    types[0] = value_type(writer, "alloc_objects", "count");
    types[1] = value_type(writer, "alloc_space", "bytes");
    types[2] = value_type(writer, "inuse_objects", "count");
    types[3] = value_type(writer, "inuse_space", "bytes");
}

/* 1: each byte was seen. */
static int64_t bytes_between_samples(const struct pyro_profile *profile)
{
    struct pyro_export_bytes sums;
    pyro_export_bytes(&sums, profile);
    return sums.period ? (int64_t)sums.period : 1;
}

static void put_header(struct writer *writer, const struct pyro_export_options *options)
{
    const struct pyro_recording_info *info = &writer->profile->info;
    char title[PYRO_NAME_BYTES];
    pyro_export_title(title, sizeof(title), writer->profile, options);
    ValueType types[VALUES_MAX], *type_list[] = {&types[0], &types[1], &types[2], &types[3]};
    bool in_use = options->bytes == PYRO_BYTES_PEAK || options->bytes == PYRO_BYTES_LIVE;
    ValueType *shown = &types[in_use ? 3 : 1];
    if (options->bytes) {
        make_memory_types(writer, types);
    } else {
        types[0] = value_type(writer, "samples", "count");
        types[1] = value_type(writer, pyro_export_clock(options->clock), "nanoseconds");
    }
    int64_t comments[] = {text_index(writer, title)};
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_sample_type = value_count(writer);
    part.sample_type = type_list;
    part.time_nanos = (int64_t)(info->started_unix_us * 1000);
    part.duration_nanos = (int64_t)(writer->profile->counters.duration_us * 1000);
    part.period_type = shown;
    part.period = options->bytes  ? bytes_between_samples(writer->profile)
                  : info->rate_hz ? 1000000000 / info->rate_hz
                                  : 0;
    part.n_comment = 1;
    part.comment = comments;
    part.default_sample_type = shown->type;
    put_part(writer, &part);
}

static void put_strings(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->strings.count; i++) {
        char *text = (char *)(uintptr_t)pyro_strings_text(&writer->strings, i), *texts[] = {text};
        Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
        part.n_string_table = 1;
        part.string_table = texts;
        put_part(writer, &part);
    }
}

static int put_profile(struct writer *writer, const struct pyro_export_options *options,
                       const struct groups *groups)
{
    if (deflateInit2(&writer->zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    text_index(writer, "");
    put_header(writer, options);
    for (size_t i = 0; i < groups->count && writer->result == 0; i++)
        put_sample(writer, &groups->items[i]);
    put_tables(writer);
    put_strings(writer);
    compress_bytes(writer, NULL, 0, Z_FINISH);
    deflateEnd(&writer->zip);
    return writer->result;
}

int pyro_write_pprof(const struct pyro_profile *profile, const struct pyro_export_options *options,
                     FILE *out, struct pyro_error *error)
{
    struct pyro_export_options plain = *options; /* threads and processes are labels here */
    plain.by_thread = plain.by_process = false;
    if (plain.bytes)
        plain.bytes = PYRO_BYTES_ALLOCATED; /* all stacks, those too of which nothing is in use */
    struct pyro_tree tree;
    struct groups groups = {0};
    int result = pyro_tree_init(&tree, profile, &plain);
    if (result == 0) {
        struct writer writer = {.profile = profile, .tree = &tree, .out = out};
        result = make_groups(&groups, &tree, options);
        if (result == 0)
            result = put_profile(&writer, options, &groups);
        pyro_strings_free(&writer.strings);
        free(writer.packed);
        free(groups.items);
        pyro_map_free(&groups.map);
        pyro_tree_clear(&tree);
    }
    return pyro_export_done(result, out, "pprof", error);
}
