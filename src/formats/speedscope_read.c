/* formats/speedscope_read.c - read speedscope's JSON: file-format-schema.json of its npm package.
 *
 * jansson parses, within a limit of memory; here every value is looked at before it is used, since a file may be anything. A
 * "sampled" profile is a list of stacks and one of their weights, an "evented" one of openings and closings. Each becomes a thread.
 * How many samples a weight stands for the file does not say: as many as fit of its smallest one. */
#include "formats/bounded.h"
#include "formats/stacks.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX (UINT64_C(3) << 30)
#define COUNT_MAX        1000000 /* samples that one weight stands for */
#define LINE_MAX_NUMBER  (UINT32_MAX - 1)

struct load {
    struct pyro_stacks stacks;
    uint32_t *frames; /* [frame_count] */
    size_t frame_count;
    double unit_us;     /* of the profile being read */
    double smallest_us; /* weight of all; 0: none */
    uint32_t thread;
};

/* -- values ------------------------------------------------------------------------------------- */

static double number_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t intern(struct load *load, const char *text)
{
    return pyro_stacks_text(&load->stacks, text, strlen(text));
}

/* The frame that VALUE, a number, stands for. */
static int64_t frame_of(struct load *load, const json_t *value)
{
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < 0 || (uint64_t)number >= load->frame_count)
        return pyro_stacks_bad(&load->stacks, "it refers to a frame that is not there");
    return load->frames[number];
}

static int64_t read_frame(struct load *load, const json_t *value)
{
    double line = number_of(json_object_get(value, "line"));
    if (!json_is_string(json_object_get(value, "name")))
        return pyro_stacks_bad(&load->stacks, "a frame in it has no name");
    int64_t name = intern(load, text_of(value, "name"));
    int64_t file = name < 0 ? name : intern(load, text_of(value, "file"));
    int64_t function =
        file < 0 ? file : pyro_stacks_function(&load->stacks, (uint32_t)name, (uint32_t)file, 0);
    bool known = line >= 1 && line <= (double)LINE_MAX_NUMBER;
    return function < 0
               ? function
               : pyro_stacks_frame(&load->stacks, (uint32_t)function, known ? (uint32_t)line : 0);
}

static int read_frames(struct load *load, const json_t *root)
{
    const json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
    size_t count = json_array_size(frames);
    load->frames = calloc(count + 1, sizeof(*load->frames));
    if (!load->frames)
        return -ENOMEM;
    for (; load->frame_count < count; load->frame_count++) {
        int64_t frame = read_frame(load, json_array_get(frames, load->frame_count));
        if (frame < 0)
            return (int)frame;
        load->frames[load->frame_count] = (uint32_t)frame;
    }
    return 0;
}

/* -- profiles ----------------------------------------------------------------------------------- */

static int read_unit(struct load *load, const json_t *profile)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"seconds", 1e6},
                 {"milliseconds", 1e3},
                 {"microseconds", 1},
                 {"nanoseconds", 1e-3},
                 {"none", PYRO_STACKS_COUNT_US}};
    const char *unit = text_of(profile, "unit");
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(unit, units[i].name) == 0) {
            load->unit_us = units[i].us;
            load->stacks.profile->timeless |= strcmp(unit, "none") == 0;
            return 0;
        }
    return pyro_stacks_bad(&load->stacks, "what it holds are no times, or of an unknown unit");
}

/* "NAME (pid 7, thread 9)", as ours are called; of others the name alone. */
static int read_thread(struct load *load, const json_t *profile)
{
    const char *name = text_of(profile, "name"), *bracket = strrchr(name, '(');
    int32_t pid = 0;
    uint64_t id = 0;
    size_t length = strlen(name);
    if (bracket && sscanf(bracket, "(pid %" SCNd32 ", thread %" SCNu64 ")", &pid, &id) == 2)
        length = (size_t)(bracket - name);
    while (length && isspace((unsigned char)name[length - 1]))
        length--;
    int64_t text = pyro_stacks_text(&load->stacks, name, length);
    int64_t thread = text < 0 ? text : pyro_stacks_thread(&load->stacks, pid, id, (uint32_t)text);
    load->thread = (uint32_t)thread;
    return thread < 0 ? (int)thread : 0;
}

static int add(struct load *load, double start_us, double weight_us, uint32_t stack)
{
    const struct pyro_stacks_entry entry = {.start_us = start_us,
                                            .weight_us = weight_us,
                                            .count = 1,
                                            .stack = stack,
                                            .thread = load->thread};
    if (weight_us > 0 && (!(load->smallest_us > 0) || weight_us < load->smallest_us))
        load->smallest_us = weight_us;
    return pyro_stacks_add(&load->stacks, &entry);
}

/* SAMPLE is a list of frames, root first. */
static int64_t stack_of(struct load *load, const json_t *sample)
{
    int64_t stack = PYRO_STACK_ROOT;
    if (!json_is_array(sample))
        return pyro_stacks_bad(&load->stacks, "a stack in it is no list");
    for (size_t i = 0; stack >= 0 && i < json_array_size(sample); i++) {
        int64_t frame = frame_of(load, json_array_get(sample, i));
        stack =
            frame < 0 ? frame : pyro_stacks_child(&load->stacks, (uint32_t)stack, (uint32_t)frame);
    }
    return stack;
}

static int read_sampled(struct load *load, const json_t *profile)
{
    const json_t *samples = json_object_get(profile, "samples");
    const json_t *weights = json_object_get(profile, "weights");
    double at_us = number_of(json_object_get(profile, "startValue")) * load->unit_us;
    int error = 0;
    if (json_array_size(samples) != json_array_size(weights))
        return pyro_stacks_bad(&load->stacks, "it has not as many weights as stacks");
    if (isnan(at_us))
        at_us = 0;
    for (size_t i = 0; error == 0 && i < json_array_size(samples); i++) {
        double weight_us = number_of(json_array_get(weights, i)) * load->unit_us;
        int64_t stack = stack_of(load, json_array_get(samples, i));
        error = stack < 0 ? (int)stack : add(load, at_us, weight_us, (uint32_t)stack);
        at_us += weight_us;
    }
    return error;
}

/* What is open while events are read. */
struct open {
    uint32_t stack;
    double since_us;
};

static int take_event(struct load *load, struct open *open, const json_t *event)
{
    const struct pyro_profile *profile = load->stacks.profile;
    const char *type = text_of(event, "type");
    double at_us = number_of(json_object_get(event, "at")) * load->unit_us;
    int64_t frame = frame_of(load, json_object_get(event, "frame")), stack;
    if (frame < 0)
        return (int)frame;
    if (!(at_us >= open->since_us))
        return pyro_stacks_bad(&load->stacks, "its events are not in the order of time");
    /* While nothing is open nothing was seen. */
    int error = open->stack ? add(load, open->since_us, at_us - open->since_us, open->stack) : 0;
    if (strcmp(type, "O") == 0)
        stack = pyro_stacks_child(&load->stacks, open->stack, (uint32_t)frame);
    else if (strcmp(type, "C") == 0 && open->stack &&
             profile->stacks[open->stack].frame == (uint32_t)frame)
        stack = profile->stacks[open->stack].parent;
    else
        stack = pyro_stacks_bad(&load->stacks, "its events close what is not open");
    if (error == 0 && stack < 0)
        error = (int)stack;
    *open = (struct open){(uint32_t)stack, at_us};
    return error;
}

static int read_evented(struct load *load, const json_t *profile)
{
    const json_t *events = json_object_get(profile, "events");
    struct open open = {.since_us = -PYRO_STACKS_TIME_MAX_US};
    double end_us = number_of(json_object_get(profile, "endValue")) * load->unit_us;
    int error = 0;
    if (!json_is_array(events))
        return pyro_stacks_bad(&load->stacks, "its events are no list");
    for (size_t i = 0; error == 0 && i < json_array_size(events); i++)
        error = take_event(load, &open, json_array_get(events, i));
    if (error == 0 && open.stack && end_us > open.since_us)
        error = add(load, open.since_us, end_us - open.since_us, open.stack);
    return error;
}

static int read_profile(struct load *load, const json_t *profile)
{
    const char *type = text_of(profile, "type");
    int error = read_unit(load, profile);
    if (error == 0)
        error = read_thread(load, profile);
    if (error < 0)
        return error;
    if (strcmp(type, "sampled") == 0)
        return read_sampled(load, profile);
    if (strcmp(type, "evented") == 0)
        return read_evented(load, profile);
    return pyro_stacks_bad(&load->stacks, "a profile in it is neither sampled nor evented");
}

static void count_samples(struct load *load)
{
    for (size_t i = 0; i < load->stacks.entry_count; i++) {
        struct pyro_stacks_entry *entry = &load->stacks.entries[i];
        double count = entry->weight_us / load->smallest_us + 0.5;
        entry->count = count < COUNT_MAX ? (uint64_t)count : COUNT_MAX;
    }
}

static int read_root(struct load *load, const json_t *root)
{
    const json_t *profiles = json_object_get(root, "profiles");
    if (!json_is_array(profiles) ||
        !json_is_array(json_object_get(json_object_get(root, "shared"), "frames")))
        return pyro_stacks_bad(&load->stacks,
                               "it is no pyrometer recording, and no speedscope file");
    int error = read_frames(load, root);
    for (size_t i = 0; error == 0 && i < json_array_size(profiles); i++)
        error = read_profile(load, json_array_get(profiles, i));
    if (error == 0)
        count_samples(load);
    return error;
}

/* -- the file ----------------------------------------------------------------------------------- */

/* NULL: what is wrong is told. */
static json_t *parse(struct load *load, const void *data, size_t size)
{
    json_error_t error;
    pyro_bounded_begin(MEMORY_BYTES_MAX);
    json_set_alloc_funcs(pyro_bounded_alloc, pyro_bounded_free);
    json_t *root = json_loadb(data, size, 0, &error);
    if (!root && pyro_bounded_was_hit())
        pyro_stacks_bad(&load->stacks, "it unfolds into too much");
    else if (!root)
        pyro_stacks_bad(&load->stacks, "it is no JSON from line %d on", error.line);
    return root;
}

bool pyro_speedscope_recognise(const void *data, size_t size)
{
    const char *at = data, *end = at + size;
    while (at < end && isspace((unsigned char)*at))
        at++;
    return at < end && *at == '{';
}

int pyro_speedscope_read(const char *name, const void *data, size_t size,
                         struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct load load = {0};
    int code = pyro_stacks_init(&load.stacks);
    load.stacks.ordered = true;
    json_t *root = code == 0 ? parse(&load, data, size) : NULL;
    if (code == 0)
        code = root ? read_root(&load, root) : -EBADMSG;
    json_decref(root);
    json_set_alloc_funcs(malloc, free);
    free(load.frames);
    return pyro_stacks_done(&load.stacks, code, "a speedscope file", name, ret_profile, error);
}
