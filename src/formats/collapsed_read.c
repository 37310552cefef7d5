/* formats/collapsed_read.c - read collapsed stacks: a line a stack, root first, frames parted by ';', then a blank and a count.
 *
 * Nothing says what a frame looks like. Known are
 *     busy.py:Shop.price:12       ours, Austin's, profiling.sampling's
 *     price (shop/busy.py:12)     py-spy's
 * and all else is a name alone. Frames at the root that stand for a process or thread become one: ours ("process 7 busy.py",
 * "thread 9 MainThread"), Austin's ("P7", "T9"; 3.x: "T0:9") and profiling.sampling's ("tid:9"). The count is one of samples,
 * unless Austin wrote the file: then it is microseconds. */
#include "formats/stacks.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECOGNISED_BYTES 65536 /* the first stack ends before, or is taken for one */
#define COUNT_MAX        1e15

struct text {
    const char *at, *end;
};

struct load {
    struct pyro_stacks stacks;
    struct pyro_map labels; /* of a frame's text: frame */
    size_t line;            /* for messages */
    double unit_us;
};

/* -- texts -------------------------------------------------------------------------------------- */

static size_t size_of(struct text text)
{
    return (size_t)(text.end - text.at);
}

static bool begins_with(struct text text, const char *begin)
{
    size_t length = strlen(begin);
    return size_of(text) >= length && memcmp(text.at, begin, length) == 0;
}

static struct text without(struct text text, size_t first)
{
    return (struct text){text.at + first, text.end};
}

/* The place of the last C in TEXT, NULL: none. */
static const char *last_of(struct text text, char c)
{
    return size_of(text) ? memrchr(text.at, c, size_of(text)) : NULL;
}

/* A number that is all of TEXT and at most LIMIT. */
static bool read_number(struct text text, uint64_t limit, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (const char *at = text.at; at < text.end; at++) {
        if (*at < '0' || *at > '9' || number > (limit - (uint64_t)(*at - '0')) / 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *ret_number = number;
    return size_of(text) > 0;
}

/* Digits, and perhaps a point and more of them, which some tools write. */
static bool read_count(struct text text, double *ret_count)
{
    uint64_t whole = 0, part = 0;
    double scale = 1;
    const char *point = size_of(text) ? memchr(text.at, '.', size_of(text)) : NULL;
    struct text left = {text.at, point ? point : text.end};
    if (!read_number(left, (uint64_t)COUNT_MAX, &whole))
        return false;
    if (point && point + 1 < text.end) {
        struct text right = {point + 1, text.end};
        if (!read_number(right, (uint64_t)COUNT_MAX, &part))
            return false;
        for (size_t i = 0; i < size_of(right); i++)
            scale *= 10;
    }
    *ret_count = (double)whole + (double)part / scale;
    return true;
}

static struct text next_line(struct text *rest)
{
    const char *newline = size_of(*rest) ? memchr(rest->at, '\n', size_of(*rest)) : NULL;
    struct text line = {rest->at, newline ? newline : rest->end};
    rest->at = newline ? newline + 1 : rest->end;
    while (line.at < line.end && (line.end[-1] == '\r' || line.end[-1] == ' '))
        line.end--;
    return line;
}

/* -- frames ------------------------------------------------------------------------------------- */

struct label {
    struct text name, file;
    uint64_t line;
};

/* FILE:NAME:LINE */
static bool split_colons(struct text text, struct label *label)
{
    const char *second = last_of(text, ':');
    const char *first = second ? last_of((struct text){text.at, second}, ':') : NULL;
    if (!first || first == text.at || first + 1 == second ||
        !read_number(without(text, (size_t)(second + 1 - text.at)), UINT32_MAX - 1, &label->line))
        return false;
    label->file = (struct text){text.at, first};
    label->name = (struct text){first + 1, second};
    return true;
}

/* NAME (FILE:LINE) */
static bool split_brackets(struct text text, struct label *label)
{
    const char *bracket = last_of(text, '('), *colon = last_of(text, ':');
    if (!bracket || !colon || colon < bracket + 2 || bracket < text.at + 2 || bracket[-1] != ' ' ||
        text.end[-1] != ')' ||
        !read_number((struct text){colon + 1, text.end - 1}, UINT32_MAX - 1, &label->line))
        return false;
    label->name = (struct text){text.at, bracket - 1};
    label->file = (struct text){bracket + 1, colon};
    return true;
}

static int64_t make_frame(struct load *load, struct text text)
{
    struct label label = {.name = text};
    if (!split_brackets(text, &label) && !split_colons(text, &label))
        label = (struct label){.name = text};
    int64_t name = pyro_stacks_text(&load->stacks, label.name.at, size_of(label.name));
    int64_t file =
        name < 0 ? name : pyro_stacks_text(&load->stacks, label.file.at, size_of(label.file));
    int64_t function =
        file < 0 ? file : pyro_stacks_function(&load->stacks, (uint32_t)name, (uint32_t)file, 0);
    return function < 0
               ? function
               : pyro_stacks_frame(&load->stacks, (uint32_t)function, (uint32_t)label.line);
}

/* The same text is looked at once. */
static int64_t frame_of(struct load *load, struct text text)
{
    bool is_new;
    int64_t string = pyro_stacks_text(&load->stacks, text.at, size_of(text));
    if (string < 0)
        return string;
    uint64_t *known = pyro_map_insert(&load->labels, (uint64_t)string, 0, &is_new);
    if (!known)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*known;
    int64_t frame = make_frame(load, text);
    if (frame >= 0)
        *known = (uint64_t)frame;
    return frame;
}

/* -- threads ------------------------------------------------------------------------------------ */

struct owner {
    uint64_t pid, thread;
    struct text name; /* of the thread */
};

/* "7 busy.py" */
static bool split_number(struct text text, uint64_t limit, uint64_t *ret_number,
                         struct text *ret_name)
{
    const char *blank = size_of(text) ? memchr(text.at, ' ', size_of(text)) : NULL;
    struct text number = {text.at, blank ? blank : text.end};
    *ret_name = blank ? (struct text){blank + 1, text.end} : (struct text){text.end, text.end};
    return read_number(number, limit, ret_number);
}

/* Whether FRAME, at the root, stands for what the frames above belong to. */
static bool take_owner(struct owner *owner, struct text frame)
{
    struct text name;
    const char *colon = last_of(frame, ':');
    if (begins_with(frame, "process "))
        return split_number(without(frame, 8), INT32_MAX, &owner->pid, &name);
    if (begins_with(frame, "thread "))
        return split_number(without(frame, 7), UINT64_MAX / 2, &owner->thread, &owner->name);
    if (begins_with(frame, "tid:"))
        return read_number(without(frame, 4), UINT64_MAX / 2, &owner->thread);
    if (begins_with(frame, "P"))
        return read_number(without(frame, 1), INT32_MAX, &owner->pid);
    if (begins_with(frame, "T"))
        return read_number(without(frame, colon ? (size_t)(colon + 1 - frame.at) : 1),
                           UINT64_MAX / 2, &owner->thread);
    return false;
}

static int64_t thread_of(struct load *load, const struct owner *owner)
{
    int64_t name = pyro_stacks_text(&load->stacks, owner->name.at, size_of(owner->name));
    return name < 0 ? name
                    : pyro_stacks_thread(&load->stacks, (int32_t)owner->pid, owner->thread,
                                         (uint32_t)name);
}

/* -- lines -------------------------------------------------------------------------------------- */

static struct text next_frame(struct text *rest)
{
    const char *end = size_of(*rest) ? memchr(rest->at, ';', size_of(*rest)) : NULL;
    struct text frame = {rest->at, end ? end : rest->end};
    rest->at = end ? end + 1 : rest->end;
    return frame;
}

/* What TEXT, frames of a line, is: a thread and a stack. */
static int read_stack(struct load *load, struct text text, struct pyro_stacks_entry *entry)
{
    struct owner owner = {0};
    struct text first = next_frame(&text);
    while (text.at < text.end && take_owner(&owner, first))
        first = next_frame(&text);
    int64_t thread = thread_of(load, &owner), stack = PYRO_STACK_ROOT;
    for (struct text frame = first; thread >= 0 && stack >= 0; frame = next_frame(&text)) {
        int64_t id = size_of(frame) ? frame_of(load, frame) : 0;
        if (size_of(frame))
            stack = id < 0 ? id : pyro_stacks_child(&load->stacks, (uint32_t)stack, (uint32_t)id);
        if (text.at == text.end)
            break;
    }
    entry->thread = (uint32_t)thread;
    entry->stack = (uint32_t)stack;
    return thread < 0 ? (int)thread : stack < 0 ? (int)stack : 0;
}

/* Austin's head: what the counts are. */
static int read_comment(struct load *load, struct text line)
{
    if (begins_with(line, "# mode: wall") || begins_with(line, "# mode: cpu"))
        load->unit_us = 1;
    if (begins_with(line, "# mode: memory") || begins_with(line, "# mode: full"))
        return pyro_stacks_bad(&load->stacks, "it holds memory, and no times alone");
    return 0;
}

static int read_line(struct load *load, struct text line)
{
    const char *blank = last_of(line, ' ');
    double count = 0;
    if (!blank || !read_count((struct text){blank + 1, line.end}, &count))
        return pyro_stacks_bad(&load->stacks, "line %zu does not end in a count", load->line);
    struct pyro_stacks_entry entry = {.count = count < 1 ? 1 : (uint64_t)(count + 0.5),
                                      .weight_us = count * load->unit_us};
    int error = read_stack(load, (struct text){line.at, blank}, &entry);
    return error < 0 ? error : pyro_stacks_add(&load->stacks, &entry);
}

static int read_lines(struct load *load, struct text rest)
{
    int error = 0;
    while (error == 0 && rest.at < rest.end) {
        struct text line = next_line(&rest);
        load->line++;
        if (begins_with(line, "#"))
            error = read_comment(load, line);
        else if (size_of(line))
            error = read_line(load, line);
    }
    return error;
}

/* -- the file ----------------------------------------------------------------------------------- */

bool pyro_collapsed_recognise(const void *data, size_t size)
{
    struct text rest = {data,
                        (const char *)data + (size < RECOGNISED_BYTES ? size : RECOGNISED_BYTES)};
    double count;
    for (const char *at = rest.at; at < rest.end; at++)
        if (iscntrl((unsigned char)*at) && !isspace((unsigned char)*at))
            return false;
    while (rest.at < rest.end) {
        struct text line = next_line(&rest);
        const char *blank = last_of(line, ' ');
        if (size_of(line) && *line.at != '#')
            return (rest.at == rest.end && size > RECOGNISED_BYTES) /* cut in the middle */
                   || (blank && read_count((struct text){blank + 1, line.end}, &count));
    }
    return false;
}

int pyro_collapsed_read(const char *name, const void *data, size_t size,
                        struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct load load = {.unit_us = PYRO_STACKS_COUNT_US};
    int code = pyro_stacks_init(&load.stacks);
    if (code == 0)
        code = read_lines(&load, (struct text){data, (const char *)data + size});
    if (code == 0)
        load.stacks.profile->timeless = load.unit_us != 1;
    pyro_map_free(&load.labels);
    return pyro_stacks_done(&load.stacks, code, "collapsed stacks", name, ret_profile, error);
}
