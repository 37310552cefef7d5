/* formats/pprof_read.c - read perftools.profiles.Profile, gzipped or not: what pprof.c draws, from whoever wrote it.
 *
 * protobuf-c parses, within a limit of memory; here every number is looked at before it is used. Of the values of a sample the
 * times are taken; where there are none but a count of samples, and the time between two of them is told, that. Threads,
 * processes and states are labels, by the names that ours and others' have. */
#include "base/buffer.h"
#include "formats/bounded.h"
#include "formats/pprof.pb-c.h"
#include "formats/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS   (15 + 16) /* inflateInit2: a gzip header and trailer */
#define UNPACKED_BYTES_MAX (UINT64_C(512) << 20)
#define MEMORY_BYTES_MAX   (UINT64_C(2) << 30)
#define GZIP_1             0x1f
#define GZIP_2             0x8b

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__Sample Sample;
typedef Perftools__Profiles__Label Label;
typedef Perftools__Profiles__ValueType ValueType;
typedef Perftools__Profiles__Location Location;

struct load {
    struct pyro_stacks stacks;
    const Profile *file;
    struct pyro_map functions; /* id: place in file->function */
    struct pyro_map locations; /* id: place in file->location */
    uint32_t *frames;          /* of each location in turn, root first */
    size_t *first;             /* [n_location + 1] where in FRAMES they begin */
    size_t time_at, count_at;  /* which value is what; SIZE_MAX: none */
    double time_us;            /* a unit of the value at TIME_AT */
};

/* -- bytes -------------------------------------------------------------------------------------- */

/* All that is packed in DATA, which may be several packed parts in a row, into ROOM. */
static int unpack_parts(struct load *load, z_stream *zip, struct pyro_buffer *room)
{
    static uint8_t piece[65536];
    while (zip->avail_in) {
        zip->next_out = piece;
        zip->avail_out = sizeof(piece);
        int state = inflate(zip, Z_NO_FLUSH);
        if (state == Z_MEM_ERROR)
            return -ENOMEM;
        if (state != Z_OK && state != Z_STREAM_END)
            return pyro_stacks_bad(&load->stacks, "what is packed in it is damaged");
        pyro_buffer_put(room, piece, sizeof(piece) - zip->avail_out);
        if (room->failed)
            return -ENOMEM;
        if (room->size > UNPACKED_BYTES_MAX)
            return pyro_stacks_bad(&load->stacks, "it unfolds into too much");
        if (state == Z_STREAM_END && (!zip->avail_in || inflateReset(zip) != Z_OK))
            return 0;
    }
    return pyro_stacks_bad(&load->stacks, "it breaks off");
}

static int unpack(struct load *load, const void *data, size_t size, struct pyro_buffer *room)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    if (inflateInit2(&zip, GZIP_WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    int error = unpack_parts(load, &zip, room);
    inflateEnd(&zip);
    return error;
}

static void *take_memory(void *context, size_t size)
{
    return pyro_bounded_alloc(size);
}
static void give_memory(void *context, void *block)
{
    pyro_bounded_free(block);
}
static ProtobufCAllocator allocator = {.alloc = take_memory, .free = give_memory};

/* -- names -------------------------------------------------------------------------------------- */

/* "" for an index that is not there: others do without an empty first text. */
static const char *text_at(const struct load *load, int64_t index)
{
    return index >= 0 && (uint64_t)index < load->file->n_string_table
               ? load->file->string_table[index]
               : "";
}

static int64_t intern(struct load *load, int64_t index)
{
    const char *text = text_at(load, index);
    return pyro_stacks_text(&load->stacks, text, strlen(text));
}

static uint32_t line_of(int64_t line)
{
    return line > 0 && line < UINT32_MAX ? (uint32_t)line : 0;
}

static int64_t frame_of(struct load *load, const Perftools__Profiles__Line *line)
{
    const uint64_t *at = pyro_map_find(&load->functions, line->function_id, 0);
    if (!at)
        return pyro_stacks_bad(&load->stacks, "it refers to a function that is not there");
    const Perftools__Profiles__Function *function = load->file->function[*at];
    int64_t name = intern(load, function->name ? function->name : function->system_name);
    int64_t file = name < 0 ? name : intern(load, function->filename);
    int64_t id = file < 0 ? file
                          : pyro_stacks_function(&load->stacks, (uint32_t)name, (uint32_t)file,
                                                 line_of(function->start_line));
    return id < 0 ? id : pyro_stacks_frame(&load->stacks, (uint32_t)id, line_of(line->line));
}

/* A place in a program without symbols. */
static int64_t nameless_frame(struct load *load)
{
    static const char name[] = "[without a name]";
    int64_t text = pyro_stacks_text(&load->stacks, name, sizeof(name) - 1);
    int64_t function = text < 0 ? text : pyro_stacks_function(&load->stacks, (uint32_t)text, 0, 0);
    return function < 0 ? function : pyro_stacks_frame(&load->stacks, (uint32_t)function, 0);
}

static int put_number(struct load *load, struct pyro_map *map, uint64_t id, size_t at)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(map, id, 0, &is_new);
    if (!place)
        return -ENOMEM;
    if (!is_new)
        return pyro_stacks_bad(&load->stacks, "two things in it have the same number");
    *place = at;
    return 0;
}

/* The innermost of functions that were made one comes first. */
static int read_location(struct load *load, const Location *location, size_t *used)
{
    int64_t frame = location->n_line ? 0 : nameless_frame(load);
    if (!location->n_line && frame >= 0)
        load->frames[(*used)++] = (uint32_t)frame;
    for (size_t i = location->n_line; frame >= 0 && i-- > 0;) {
        frame = frame_of(load, location->line[i]);
        if (frame >= 0)
            load->frames[(*used)++] = (uint32_t)frame;
    }
    return frame < 0 ? (int)frame : 0;
}

static int read_tables(struct load *load)
{
    const Profile *file = load->file;
    size_t frames = 0, used = 0;
    int error = 0;
    for (size_t i = 0; error == 0 && i < file->n_function; i++)
        error = put_number(load, &load->functions, file->function[i]->id, i);
    for (size_t i = 0; error == 0 && i < file->n_location; i++) {
        error = put_number(load, &load->locations, file->location[i]->id, i);
        frames += file->location[i]->n_line ? file->location[i]->n_line : 1;
    }
    if (error < 0)
        return error;
    load->frames = calloc(frames + 1, sizeof(*load->frames));
    load->first = calloc(file->n_location + 1, sizeof(*load->first));
    if (!load->frames || !load->first)
        return -ENOMEM;
    for (size_t i = 0; error == 0 && i < file->n_location; i++) {
        error = read_location(load, file->location[i], &used);
        load->first[i + 1] = used;
    }
    return error;
}

/* -- values ------------------------------------------------------------------------------------- */

/* Microseconds; 0: TYPE is no time. */
static double unit_of(const struct load *load, const ValueType *type)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"nanoseconds", 1e-3}, {"microseconds", 1}, {"milliseconds", 1e3},
                 {"seconds", 1e6},      {"ns", 1e-3},        {"us", 1},
                 {"ms", 1e3},           {"s", 1e6}};
    for (size_t i = 0; type && i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(text_at(load, type->unit), units[i].name) == 0)
            return units[i].us;
    return 0;
}

/* Which values to take: the default one if it is a time, else the last that is; and the samples. */
static int choose_values(struct load *load)
{
    const Profile *file = load->file;
    bool settled = false;
    load->time_at = load->count_at = SIZE_MAX;
    for (size_t i = 0; i < file->n_sample_type; i++) {
        const ValueType *type = file->sample_type[i];
        double unit_us = unit_of(load, type);
        if (strcmp(text_at(load, type->type), "samples") == 0)
            load->count_at = i;
        if (unit_us > 0 && !settled) {
            load->time_at = i;
            load->time_us = unit_us;
            settled = file->default_sample_type && type->type == file->default_sample_type;
        }
    }
    if (load->time_at == SIZE_MAX && load->count_at != SIZE_MAX) {
        double period_us = (double)file->period * unit_of(load, file->period_type);
        load->time_at = load->count_at;
        load->time_us = period_us > 0 ? period_us : PYRO_STACKS_COUNT_US;
        load->stacks.profile->timeless = !(period_us > 0);
    }
    return load->time_at == SIZE_MAX
               ? pyro_stacks_bad(&load->stacks, "it holds neither times nor samples")
               : 0;
}

/* -- samples ------------------------------------------------------------------------------------ */

static enum pyro_state state_named(const char *name)
{
    for (unsigned state = 0; state < PYRO_STATE_COUNT; state++)
        if (strcmp(name, pyro_state_name((enum pyro_state)state)) == 0)
            return (enum pyro_state)state;
    return PYRO_STATE_UNKNOWN;
}

static bool is_one_of(const char *key, const char *first, const char *second, const char *third)
{
    return strcmp(key, first) == 0 || strcmp(key, second) == 0 || strcmp(key, third) == 0;
}

static int read_labels(struct load *load, const Sample *sample, struct pyro_stacks_entry *entry)
{
    int64_t pid = 0, id = 0, name = 0;
    for (size_t i = 0; i < sample->n_label && name >= 0; i++) {
        const Label *label = sample->label[i];
        const char *key = text_at(load, label->key);
        if (is_one_of(key, "thread", "thread name", "thread_name"))
            name = intern(load, label->str);
        else if (is_one_of(key, "tid", "thread id", "thread_id"))
            id = label->num;
        else if (is_one_of(key, "pid", "process id", "process_id"))
            pid = label->num;
        else if (strcmp(key, "state") == 0)
            entry->state = state_named(text_at(load, label->str));
    }
    pid = pid > 0 && pid <= INT32_MAX ? pid : 0;
    int64_t thread =
        name < 0 ? name
                 : pyro_stacks_thread(&load->stacks, (int32_t)pid, (uint64_t)id, (uint32_t)name);
    entry->thread = (uint32_t)thread;
    return thread < 0 ? (int)thread : 0;
}

static int64_t add_location(struct load *load, int64_t stack, uint64_t id)
{
    const uint64_t *at = pyro_map_find(&load->locations, id, 0);
    if (!at)
        return pyro_stacks_bad(&load->stacks, "it refers to a place that is not there");
    for (size_t i = load->first[*at]; stack >= 0 && i < load->first[*at + 1]; i++)
        stack = pyro_stacks_child(&load->stacks, (uint32_t)stack, load->frames[i]);
    return stack;
}

static int read_sample(struct load *load, const Sample *sample)
{
    struct pyro_stacks_entry entry = {.count = 1};
    int64_t stack = PYRO_STACK_ROOT;
    if (sample->n_value != load->file->n_sample_type)
        return pyro_stacks_bad(&load->stacks, "a sample in it has too many values, or too few");
    if (load->count_at != SIZE_MAX && sample->value[load->count_at] > 0)
        entry.count = (uint64_t)sample->value[load->count_at];
    entry.weight_us = (double)sample->value[load->time_at] * load->time_us;
    for (size_t i = sample->n_location_id; stack >= 0 && i-- > 0;)
        stack = add_location(load, stack, sample->location_id[i]);
    entry.stack = (uint32_t)stack;
    int error = stack < 0 ? (int)stack : read_labels(load, sample, &entry);
    return error < 0 ? error : pyro_stacks_add(&load->stacks, &entry);
}

static int read_file(struct load *load)
{
    const Profile *file = load->file;
    struct pyro_profile *profile = load->stacks.profile;
    int error = choose_values(load);
    if (error == 0)
        error = read_tables(load);
    for (size_t i = 0; error == 0 && i < file->n_sample; i++)
        error = read_sample(load, file->sample[i]);
    if (file->time_nanos > 0)
        profile->info.started_unix_us = (uint64_t)file->time_nanos / 1000;
    if (file->duration_nanos > 0)
        profile->counters.duration_us = (uint64_t)file->duration_nanos / 1000;
    return error;
}

static int read_bytes(struct load *load, const uint8_t *data, size_t size)
{
    pyro_bounded_begin(MEMORY_BYTES_MAX);
    Profile *file = perftools__profiles__profile__unpack(&allocator, size, data);
    load->file = file;
    int error = file ? read_file(load)
                : pyro_bounded_was_hit()
                    ? pyro_stacks_bad(&load->stacks, "it unfolds into too much")
                    : pyro_stacks_bad(&load->stacks, "it is no pprof file, or a damaged one");
    if (file)
        perftools__profiles__profile__free_unpacked(file, &allocator);
    return error;
}

/* -- the file ----------------------------------------------------------------------------------- */

bool pyro_pprof_recognise(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    if (size >= 2 && bytes[0] == GZIP_1 && bytes[1] == GZIP_2)
        return true;
    /* field 1 of Profile, a message, whose field 1 is a number: no text begins so */
    return size >= 3 && bytes[0] == 0x0a && bytes[2] == 0x08;
}

int pyro_pprof_read(const char *name, const void *data, size_t size,
                    struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct load load = {0};
    struct pyro_buffer room = {0};
    const uint8_t *bytes = data;
    int code = pyro_stacks_init(&load.stacks);
    bool packed = size >= 2 && bytes[0] == GZIP_1 && bytes[1] == GZIP_2;
    if (code == 0 && packed)
        code = unpack(&load, data, size, &room);
    if (code == 0)
        code = read_bytes(&load, packed ? room.data : data, packed ? room.size : size);
    pyro_buffer_free(&room);
    pyro_map_free(&load.functions);
    pyro_map_free(&load.locations);
    free(load.frames);
    free(load.first);
    return pyro_stacks_done(&load.stacks, code, "a pprof file", name, ret_profile, error);
}
