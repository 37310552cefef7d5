/* formats/lprof_read.c - read what line_profiler's dump_stats() and kernprof leave: a .lprof file.
 *
 * It is a pickle (Lib/pickletools.py names the opcodes) of one object, line_profiler's LineStats, whose state is
 *     {'timings': {(file, first line, name): [(line, hits, time), ...], ...}, 'unit': seconds}
 * A pickle is a program. This one is not executed: what is read here is the few opcodes that such an object is made of in
 * protocols 2 to 5, over values that are numbers, texts and the parts drawn above; the class is compared by its name and made
 * nothing of. Whatever else a file asks for is refused. Each opcode adds one value at most, so memory is a few words for each byte. */
#include "base/buffer.h"
#include "base/grow.h"
#include "base/map.h"
#include "formats/import.h"
#include "profile/line_counts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_MIN   2
#define PROTOCOL_MAX   5
#define NAME_BYTES_MAX (64u << 10)
#define FIGURE_MAX     (UINT64_C(1) << 53) /* hits, and nanoseconds: what a double holds exactly */
#define SUM_MAX        0x1p62
#define UNIT_MAX_S     1e3
#define LONG_BYTES_MAX 8

enum kind {
    MARK,
    TEXT,    /* a string of the profile */
    INTEGER, /* not negative */
    FLOAT,
    LABEL,   /* a function of the profile */
    FIGURES, /* a line, its hits and its time */
    LIST,    /* of figures */
    DICT,
    CLASS, /* LineStats */
    NOTHING,
    OBJECT, /* one of it */
};

struct value {
    enum kind kind;
    union {
        uint64_t number; /* of a TEXT, LABEL, FIGURES or LIST its index */
        double real;
    };
};

struct values {
    struct value *items;
    size_t count, capacity;
};

struct load {
    struct pyro_profile *profile;
    struct pyro_reader bytes;
    struct values stack, memo;
    struct pyro_map functions; /* file and line, name: function */
    struct figures {
        uint32_t line, list;
        uint64_t hits;
        double time;
    } * figures;
    uint32_t *lists; /* whose they are; PYRO_NO_ID: nobody's yet */
    size_t figure_count, figure_capacity, list_count, list_capacity, function_capacity,
        line_capacity;
    double unit_s; /* 0: not told yet */
    double sum;    /* of all hits and nanoseconds */
    bool timings, built;
    const char *problem;
};

static int bad(struct load *load, const char *problem)
{
    load->problem = problem;
    return -EBADMSG;
}

static int not_the_shape(struct load *load)
{
    return bad(load,
               "it is no .lprof file: it holds something else than line_profiler's LineStats");
}

/* -- values ------------------------------------------------------------------------------------- */

static int add_value(struct values *values, struct value value)
{
    int error = pyro_grow(&values->items, values->count, &values->capacity, sizeof(value));
    if (error == 0)
        values->items[values->count++] = value;
    return error;
}

static int push(struct load *load, enum kind kind, uint64_t number)
{
    return add_value(&load->stack, (struct value){.kind = kind, .number = number});
}

/* The topmost COUNT values, which are not on the stack any more; NULL: there are not so many. */
static const struct value *pop(struct load *load, size_t count)
{
    if (count > load->stack.count)
        return NULL;
    load->stack.count -= count;
    return load->stack.items + load->stack.count;
}

static const struct value *top(const struct load *load)
{
    return load->stack.count ? &load->stack.items[load->stack.count - 1] : NULL;
}

/* All above the topmost mark, and the mark, are not on the stack any more. NULL: there is no mark. */
static const struct value *pop_to_mark(struct load *load, size_t *ret_count)
{
    size_t at = load->stack.count;
    while (at && load->stack.items[at - 1].kind != MARK)
        at--;
    if (!at)
        return NULL;
    *ret_count = load->stack.count - at;
    load->stack.count = at - 1;
    return load->stack.items + at;
}

static int memorise(struct load *load, uint64_t index)
{
    const struct value *value = top(load);
    if (!value || value->kind == MARK || index > load->memo.count)
        return not_the_shape(load);
    if (index == load->memo.count)
        return add_value(&load->memo, *value);
    load->memo.items[index] = *value;
    return 0;
}

static int recall(struct load *load, uint64_t index)
{
    if (index >= load->memo.count)
        return bad(load, "it refers to what is not there");
    return add_value(&load->stack, load->memo.items[index]);
}

/* -- numbers and texts -------------------------------------------------------------------------- */

/* A little-endian number of SIZE bytes. */
static uint64_t take_number(struct load *load, size_t size)
{
    const uint8_t *bytes = pyro_reader_take(&load->bytes, size);
    uint64_t number = 0;
    for (size_t i = 0; bytes && i < size; i++)
        number |= (uint64_t)bytes[i] << 8 * i;
    return number;
}

static int push_integer(struct load *load, uint64_t number)
{
    return number > FIGURE_MAX ? bad(load, "a number in it is out of range")
                               : push(load, INTEGER, number);
}

/* Two's complement of as many bytes as it says. */
static int take_long(struct load *load)
{
    size_t size = take_number(load, 1);
    if (size > LONG_BYTES_MAX)
        return bad(load, "a number in it is out of range");
    uint64_t number = take_number(load, size);
    bool negative = size && number >> (8 * size - 1);
    return push_integer(load, negative ? UINT64_MAX : number);
}

static int take_float(struct load *load)
{
    const uint8_t *bytes = pyro_reader_take(&load->bytes, 8);
    struct value value = {.kind = FLOAT};
    uint64_t bits = 0;
    for (int i = 0; bytes && i < 8; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&value.real, &bits, sizeof(bits));
    return add_value(&load->stack, value);
}

static int push_text(struct load *load, const void *text, size_t size)
{
    int64_t string = pyro_strings_intern(&load->profile->strings, text, size);
    return string < 0 ? (int)string : push(load, TEXT, (uint64_t)string);
}

static int take_text(struct load *load, size_t size_bytes)
{
    uint64_t size = take_number(load, size_bytes);
    if (size > NAME_BYTES_MAX)
        return bad(load, "a name in it is too long");
    const uint8_t *text = pyro_reader_take(&load->bytes, size);
    return text ? push_text(load, text, size) : 0; /* the caller sees that it broke off */
}

static const char *text_of(const struct load *load, const struct value *value)
{
    return value->kind == TEXT ? pyro_profile_text(load->profile, (uint32_t)value->number) : "";
}

/* -- parts -------------------------------------------------------------------------------------- */

static int push_class(struct load *load, const char *module, const char *name)
{
    static const char *const modules[] = {"line_profiler.line_profiler",
                                          "line_profiler._line_profiler", "_line_profiler"};
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (strcmp(module, modules[i]) == 0 && strcmp(name, "LineStats") == 0)
            return push(load, CLASS, 0);
    return not_the_shape(load);
}

/* A line of text of the file; "" where it is not as short as the names we know. */
static void take_word(struct load *load, char *word, size_t size)
{
    size_t used = 0;
    uint8_t byte;
    while ((byte = pyro_reader_u8(&load->bytes)) != '\n' && !load->bytes.failed)
        if (used < size - 1)
            word[used++] = (char)byte;
    word[used < size - 1 ? used : 0] = '\0';
}

static int take_global(struct load *load)
{
    char module[64], name[64];
    take_word(load, module, sizeof(module));
    take_word(load, name, sizeof(name));
    return push_class(load, module, name);
}

static int take_stack_global(struct load *load)
{
    const struct value *names = pop(load, 2);
    return names ? push_class(load, text_of(load, &names[0]), text_of(load, &names[1]))
                 : not_the_shape(load);
}

static int push_label(struct load *load, const struct value *parts)
{
    struct pyro_profile *profile = load->profile;
    const struct pyro_function function = {.kind = PYRO_FUNCTION_PYTHON,
                                           .file = (uint32_t)parts[0].number,
                                           .first_line = (uint32_t)parts[1].number,
                                           .name = (uint32_t)parts[2].number};
    bool is_new;
    uint64_t *id =
        pyro_map_insert(&load->functions, (uint64_t)function.file << 32 | function.first_line,
                        function.name, &is_new);
    if (!id || (is_new && pyro_grow(&profile->functions, profile->function_count,
                                    &load->function_capacity, sizeof(function)) < 0))
        return -ENOMEM;
    if (is_new) {
        *id = profile->function_count;
        profile->functions[profile->function_count++] = function;
    }
    return push(load, LABEL, *id);
}

static int push_figures(struct load *load, const struct value *parts)
{
    const struct figures figures = {
        .line = (uint32_t)parts[0].number,
        .hits = parts[1].number,
        .time = parts[2].kind == FLOAT ? parts[2].real : (double)parts[2].number,
        .list = PYRO_NO_ID,
    };
    if (!figures.line || !(figures.time >= 0 && figures.time <= (double)FIGURE_MAX))
        return bad(load, "a figure in it is out of range");
    if (pyro_grow(&load->figures, load->figure_count, &load->figure_capacity, sizeof(figures)) < 0)
        return -ENOMEM;
    load->figures[load->figure_count++] = figures;
    return push(load, FIGURES, load->figure_count - 1);
}

/* (file, first line, name) or (line, hits, time) */
static int take_three(struct load *load)
{
    const struct value *parts = pop(load, 3);
    if (!parts)
        return not_the_shape(load);
    const struct value copy[] = {parts[0], parts[1], parts[2]}; /* what is pushed lies there */
    bool is_label = copy[0].kind == TEXT && copy[1].kind == INTEGER && copy[2].kind == TEXT;
    bool is_figures = copy[0].kind == INTEGER && copy[1].kind == INTEGER &&
                      (copy[2].kind == INTEGER || copy[2].kind == FLOAT);
    if (!is_label && !is_figures)
        return not_the_shape(load);
    if (copy[is_label ? 1 : 0].number >= UINT32_MAX)
        return bad(load, "a line in it is out of range");
    return is_label ? push_label(load, copy) : push_figures(load, copy);
}

static int push_list(struct load *load)
{
    if (pyro_grow(&load->lists, load->list_count, &load->list_capacity, sizeof(*load->lists)) < 0)
        return -ENOMEM;
    load->lists[load->list_count++] = PYRO_NO_ID;
    return push(load, LIST, load->list_count - 1);
}

/* ITEMS go to the list that lies below them, which is the top now. */
static int append(struct load *load, const struct value *items, size_t count)
{
    const struct value *list = top(load);
    if (!items || !list || list->kind != LIST)
        return not_the_shape(load);
    for (size_t i = 0; i < count; i++) {
        struct figures *figures = items[i].kind == FIGURES ? &load->figures[items[i].number] : NULL;
        if (!figures || figures->list != PYRO_NO_ID)
            return not_the_shape(load);
        figures->list = (uint32_t)list->number;
    }
    return 0;
}

static int set_item(struct load *load, const struct value *key, const struct value *value)
{
    if (key->kind == LABEL && value->kind == LIST && load->lists[value->number] == PYRO_NO_ID) {
        load->lists[value->number] = (uint32_t)key->number;
    } else if (value->kind == DICT && strcmp(text_of(load, key), "timings") == 0) {
        load->timings = true;
    } else if (value->kind == FLOAT && strcmp(text_of(load, key), "unit") == 0) {
        if (!(value->real > 0 && value->real <= UNIT_MAX_S))
            return bad(load, "the unit of its times is out of range");
        load->unit_s = value->real;
    } else {
        return not_the_shape(load);
    }
    return 0;
}

/* ITEMS, keys and values, go to the dictionary that lies below them. */
static int set_items(struct load *load, const struct value *items, size_t count)
{
    const struct value *dict = top(load);
    int error = items && dict && dict->kind == DICT && count % 2 == 0 ? 0 : not_the_shape(load);
    for (size_t i = 0; error == 0 && i < count; i += 2)
        error = set_item(load, &items[i], &items[i + 1]);
    return error;
}

static int make_object(struct load *load)
{
    const struct value *parts = pop(load, 2);
    if (!parts || parts[0].kind != CLASS || parts[1].kind != NOTHING)
        return not_the_shape(load);
    return push(load, OBJECT, 0);
}

static int build(struct load *load)
{
    const struct value *state = pop(load, 1);
    const struct value *object = top(load);
    if (!state || state->kind != DICT || !object || object->kind != OBJECT)
        return not_the_shape(load);
    load->built = true;
    return 0;
}

/* -- opcodes ------------------------------------------------------------------------------------ */

static int append_marked(struct load *load)
{
    size_t count = 0;
    const struct value *items = pop_to_mark(load, &count);
    return append(load, items, count);
}

static int set_marked(struct load *load)
{
    size_t count = 0;
    const struct value *items = pop_to_mark(load, &count);
    return set_items(load, items, count);
}

static int take_protocol(struct load *load)
{
    uint64_t protocol = take_number(load, 1);
    return protocol >= PROTOCOL_MIN && protocol <= PROTOCOL_MAX ? 0 : not_the_shape(load);
}

static int take_opcode(struct load *load, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: /* PROTO */
        return take_protocol(load);
    case 0x95: /* FRAME: so many bytes belong together, which is nothing to us */
        (void)take_number(load, 8);
        return 0;
    case 0x8c: /* SHORT_BINUNICODE */
        return take_text(load, 1);
    case 'X': /* BINUNICODE */
        return take_text(load, 4);
    case 0x8d: /* BINUNICODE8 */
        return take_text(load, 8);
    case 'K': /* BININT1 */
        return push_integer(load, take_number(load, 1));
    case 'M': /* BININT2 */
        return push_integer(load, take_number(load, 2));
    case 'J': /* BININT: signed */
        return push_integer(load, (uint64_t)(int32_t)(uint32_t)take_number(load, 4));
    case 0x8a: /* LONG1 */
        return take_long(load);
    case 'G': /* BINFLOAT */
        return take_float(load);
    case 0x94: /* MEMOIZE */
        return memorise(load, load->memo.count);
    case 'q': /* BINPUT */
        return memorise(load, take_number(load, 1));
    case 'r': /* LONG_BINPUT */
        return memorise(load, take_number(load, 4));
    case 'h': /* BINGET */
        return recall(load, take_number(load, 1));
    case 'j': /* LONG_BINGET */
        return recall(load, take_number(load, 4));
    case 'c': /* GLOBAL */
        return take_global(load);
    case 0x93: /* STACK_GLOBAL */
        return take_stack_global(load);
    case ')': /* EMPTY_TUPLE */
        return push(load, NOTHING, 0);
    case 0x81: /* NEWOBJ */
        return make_object(load);
    case '}': /* EMPTY_DICT */
        return push(load, DICT, 0);
    case ']': /* EMPTY_LIST */
        return push_list(load);
    case '(':
        return push(load, MARK, 0);
    case 0x87: /* TUPLE3 */
        return take_three(load);
    case 'a': /* APPEND */
        return append(load, pop(load, 1), 1);
    case 'e': /* APPENDS */
        return append_marked(load);
    case 's': /* SETITEM */
        return set_items(load, pop(load, 2), 2);
    case 'u': /* SETITEMS */
        return set_marked(load);
    case 'b':
        return build(load);
    default:
        return not_the_shape(load);
    }
}

static int take_opcodes(struct load *load)
{
    uint8_t opcode;
    int error = 0;
    while (error == 0 && (opcode = pyro_reader_u8(&load->bytes)) != '.' && !load->bytes.failed)
        error = take_opcode(load, opcode);
    if (error == -ENOMEM)
        return error;
    if (load->bytes.failed)
        return bad(load, "it breaks off");
    if (error == 0 && (!load->built || !load->timings || !(load->unit_s > 0)))
        error = not_the_shape(load);
    return error;
}

/* -- the profile -------------------------------------------------------------------------------- */

static int add_line(struct load *load, uint32_t function, const struct figures *figures)
{
    struct pyro_profile *profile = load->profile;
    double time_ns = figures->time * load->unit_s * 1e9;
    load->sum += time_ns + (double)figures->hits;
    if (!(time_ns <= (double)FIGURE_MAX && load->sum <= SUM_MAX))
        return bad(load, "a time in it is out of range");
    if (pyro_grow(&profile->lines, profile->line_count, &load->line_capacity,
                  sizeof(*profile->lines)) < 0)
        return -ENOMEM;
    profile->lines[profile->line_count++] =
        (struct pyro_line_count){.function = function,
                                 .line = figures->line,
                                 .hits = figures->hits,
                                 .time_ns = (uint64_t)(time_ns + 0.5)};
    return 0;
}

/* Each line, and for each function the sum of its lines, which is what line_profiler shows. */
static int add_lines(struct load *load)
{
    static const struct figures none;
    int error = 0;
    for (size_t i = 0; error == 0 && i < load->list_count; i++)
        error = load->lists[i] == PYRO_NO_ID ? not_the_shape(load)
                                             : add_line(load, load->lists[i], &none);
    for (size_t i = 0; error == 0 && i < load->figure_count; i++) {
        struct figures figures = load->figures[i];
        if (figures.list == PYRO_NO_ID)
            return not_the_shape(load);
        uint32_t function = load->lists[figures.list];
        error = add_line(load, function, &figures);
        figures.line = 0;
        figures.hits = 0;
        if (error == 0)
            error = add_line(load, function, &figures);
    }
    return error;
}

bool pyro_lprof_recognise(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    return size >= 2 && bytes[0] == 0x80 && bytes[1] <= PROTOCOL_MAX;
}

int pyro_lprof_read(const char *name, const void *data, size_t size,
                    struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct load load = {.profile = pyro_import_profile_new(),
                        .bytes = pyro_reader_over(data, size)};
    int code = load.profile ? take_opcodes(&load) : -ENOMEM;
    if (code == 0)
        code = add_lines(&load);
    free(load.stack.items);
    free(load.memo.items);
    free(load.figures);
    free(load.lists);
    pyro_map_free(&load.functions);
    if (code == 0) {
        pyro_line_counts_merge(load.profile);
        load.profile->lines_alone = true;
        load.profile->info.mode = "lines";
        *ret_profile = load.profile;
        return 0;
    }
    pyro_profile_free(load.profile);
    return pyro_error_set(error, code, "cannot read '%s': %s", name,
                          code == -EBADMSG ? load.problem : "out of memory");
}
