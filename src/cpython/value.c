/* cpython/value.c - a Python value as repr() would write it, read from outside.
 *
 * Only built-in types that are not subclassed are taken apart; everything else is named. The text
 * is cut at PYRO_DUMP_VALUE_MAX characters, which also bounds the work. */
#include "cpython/dict.h"
#include "cpython/dump.h"
#include "cpython/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX      2 /* containers in containers that are opened */
#define TYPE_NAME_MAX  64
#define INT_DIGITS_MAX 22 /* of 30 bits: 199 decimal digits */
#define SET_SLOTS_MAX  (1u << 16)
#define SET_BATCH      64
#define WORK_MAX       512 /* batches and values read for one value: sparse tables cost no more */
#define TYPE_HEAP      (1u << 9) /* Py_TPFLAGS_HEAPTYPE: made at run time, so no built-in */
#define TEXT_ROOM      (PYRO_DUMP_VALUE_MAX * 4 + 128)

/* The text so far. Full when the characters are used up; what comes then is dropped. */
struct text {
    char bytes[TEXT_ROOM];
    size_t size, characters;
    bool full;
};

struct value_reader {
    const struct pyro_memory *memory;
    const struct pyro_layout *layout;
    struct text text;
    int depth, work; /* work: what this value may still cost */
};

/* False, and the text closed, when this value has cost enough. */
static bool may_work(struct value_reader *reader)
{
    if (reader->work <= 0)
        reader->text.full = true;
    return reader->work-- > 0;
}

static void put(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !text->full;) {
        size_t length = 1; /* of one character */
        while (i + length < size && ((unsigned char)bytes[i + length] & 0xc0) == 0x80 && length < 4)
            length++;
        if (text->characters == PYRO_DUMP_VALUE_MAX) {
            text->full = true;
            return;
        }
        memcpy(text->bytes + text->size, bytes + i, length);
        text->size += length;
        text->characters++;
        i += length;
    }
}

static void puts_text(struct text *text, const char *words)
{
    put(text, words, strlen(words));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct text *text, const char *format,
                                                             ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0)
        put(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* -- the type --------------------------------------------------------------------------------- */

/* A C string at ADDR, cut at SIZE - 1 bytes; never reads past the page where it ends. */
static int read_c_string(const struct pyro_memory *memory, pyro_addr addr, char *text, size_t size)
{
    size_t have = 0;
    while (have < size - 1) {
        size_t step = 4096 - (addr.u + have) % 4096;
        if (step > size - 1 - have)
            step = size - 1 - have;
        int code = pyro_memory_read(memory, pyro_addr_plus(addr, have), text + have, step);
        if (code != 0)
            return code;
        if (memchr(text + have, '\0', step))
            return 0;
        have += step;
    }
    text[have] = '\0';
    return 0;
}

struct type {
    char name[TYPE_NAME_MAX];
    bool built_in;
};

static int read_type(const struct value_reader *reader, pyro_addr object, struct type *type)
{
    const struct pyro_layout *layout = reader->layout;
    pyro_addr at, name;
    uint64_t flags;
    if (!pyro_addr_aligned(object))
        return -EINVAL;
    int code =
        pyro_memory_read_addr(reader->memory, pyro_addr_plus(object, layout->object.type), &at);
    if (code != 0)
        return code;
    const struct pyro_span spans[] = {
        {pyro_addr_plus(at, layout->type.name), &name, sizeof name},
        {pyro_addr_plus(at, layout->type.flags), &flags, sizeof flags},
    };
    ssize_t count = pyro_memory_read_spans(reader->memory, spans, 2);
    if (count != 2)
        return count < 0 ? (int)count : -EFAULT;
    type->built_in = !(flags & TYPE_HEAP);
    code = read_c_string(reader->memory, name, type->name, sizeof type->name);
    for (char *c = type->name; code == 0 && *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    }
    return code;
}

/* -- numbers ---------------------------------------------------------------------------------- */

/* Divide the COUNT digits of 30 bits in place by 10^9; the rest. */
static uint32_t divide(uint32_t *digits, size_t count)
{
    uint64_t rest = 0;
    for (size_t i = count; i-- > 0;) {
        uint64_t value = rest << 30 | digits[i];
        digits[i] = (uint32_t)(value / 1000000000u);
        rest = value % 1000000000u;
    }
    return (uint32_t)rest;
}

static void put_digits(struct text *text, uint32_t *digits, size_t count, bool negative)
{
    uint32_t parts[INT_DIGITS_MAX + 2];
    size_t used = 0;
    do {
        parts[used++] = divide(digits, count);
        while (count && digits[count - 1] == 0)
            count--;
    } while (count && used < INT_DIGITS_MAX + 2);
    put_format(text, "%s%" PRIu32, negative ? "-" : "", parts[used - 1]);
    for (size_t i = used - 1; i-- > 0;)
        put_format(text, "%09" PRIu32, parts[i]);
}

static int put_int(struct value_reader *reader, pyro_addr object, bool is_bool)
{
    const struct pyro_layout *layout = reader->layout;
    uint32_t digits[INT_DIGITS_MAX] = {0};
    uint64_t tag;
    int code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->integer.tag), &tag,
                                sizeof tag);
    if (code != 0)
        return code;
    struct pyro_int_shape shape = pyro_int_shape(layout, tag);
    if (shape.count > INT_DIGITS_MAX) {
        put_format(&reader->text, "<int of about %" PRIu64 " bits>", shape.count * 30);
        return 0;
    }
    if (shape.count)
        code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->integer.digits),
                                digits, shape.count * sizeof *digits);
    if (code != 0)
        return code;
    if (is_bool)
        puts_text(&reader->text, digits[0] ? "True" : "False");
    else
        put_digits(&reader->text, digits, shape.count, shape.negative);
    return 0;
}

/* The shortest digits that read back as VALUE, laid out as float.__repr__ does. */
static void put_float_value(struct text *text, double value)
{
    char line[40];
    int precision = 0;
    if (isnan(value) || isinf(value)) {
        puts_text(text, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    do {
        snprintf(line, sizeof line, "%.*e", precision, value);
    } while (strtod(line, NULL) != value && ++precision < 17);
    const char *mark = strchr(line, 'e');
    long exponent = mark ? strtol(mark + 1, NULL, 10) : 0;
    if (exponent < -4 || exponent >= 16) {
        put_format(text, "%.*se%s%02ld", (int)(mark - line), line, exponent < 0 ? "-" : "+",
                   labs(exponent));
        return;
    }
    long decimals = precision - exponent;
    put_format(text, "%.*f", decimals > 0 ? (int)decimals : 1, value);
}

static int put_float(struct value_reader *reader, pyro_addr object)
{
    double value;
    int code =
        pyro_memory_read(reader->memory, pyro_addr_plus(object, reader->layout->floating.value),
                         &value, sizeof value);
    if (code == 0)
        put_float_value(&reader->text, value);
    return code;
}

/* -- text and bytes --------------------------------------------------------------------------- */

static void put_escaped(struct text *text, const char *bytes, size_t size, char quote, bool is_text)
{
    for (size_t i = 0; i < size && !text->full; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\\' || c == (unsigned char)quote)
            put_format(text, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            put_format(text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text))
            put_format(text, "\\x%02x", c);
        else if (is_text && c == 0xc2 && i + 1 < size && (unsigned char)bytes[i + 1] <= 0xa0)
            put_format(text, "\\x%02x",
                       (unsigned char)bytes[++i]); /* U+0080 - U+00A0 do not print */
        else {
            size_t length = 1;
            while (i + length < size && ((unsigned char)bytes[i + length] & 0xc0) == 0x80)
                length++;
            put(text, bytes + i, is_text ? length : 1);
            i += is_text ? length - 1 : 0;
        }
    }
}

static void put_quoted(struct text *text, const char *bytes, size_t size, bool is_text)
{
    char quote = memchr(bytes, '\'', size) && !memchr(bytes, '"', size) ? '"' : '\'';
    put_format(text, "%s%c", is_text ? "" : "b", quote);
    put_escaped(text, bytes, size, quote, is_text);
    put(text, &quote, 1);
}

static int put_str(struct value_reader *reader, pyro_addr object)
{
    struct pyro_arena arena = {0};
    const char *bytes;
    uint32_t length;
    int code = pyro_unicode_read_some(reader->memory, reader->layout, object,
                                      PYRO_DUMP_VALUE_MAX + 1, &arena, &bytes, &length);
    if (code == 0)
        put_quoted(&reader->text, bytes, length, true);
    pyro_arena_free(&arena);
    return code;
}

static int put_bytes(struct value_reader *reader, pyro_addr object)
{
    const struct pyro_layout *layout = reader->layout;
    char bytes[PYRO_DUMP_VALUE_MAX + 1];
    uint64_t size;
    int code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->bytes.size), &size,
                                sizeof size);
    if (size > sizeof bytes)
        size = sizeof bytes;
    if (code == 0 && size)
        code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->bytes.data), bytes,
                                size);
    if (code == 0)
        put_quoted(&reader->text, bytes, size, false);
    return code;
}

/* -- containers ------------------------------------------------------------------------------- */

static int put_value(struct value_reader *reader, pyro_addr object);

static int put_item(struct value_reader *reader, pyro_addr item, bool *first)
{
    if (!*first)
        puts_text(&reader->text, ", ");
    *first = false;
    return put_value(reader, item);
}

/* COUNT object pointers from AT on. */
static int put_items(struct value_reader *reader, pyro_addr at, uint64_t count)
{
    bool first = true;
    int code = 0;
    for (uint64_t i = 0; code == 0 && i < count && !reader->text.full; i++) {
        pyro_addr item;
        code = pyro_memory_read_addr(reader->memory, pyro_addr_plus(at, i * 8), &item);
        if (code == 0)
            code = put_item(reader, item, &first);
    }
    return code;
}

static int put_tuple(struct value_reader *reader, pyro_addr object)
{
    const struct pyro_layout *layout = reader->layout;
    uint64_t size;
    int code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->tuple.size), &size,
                                sizeof size);
    puts_text(&reader->text, "(");
    if (code == 0)
        code = put_items(reader, pyro_addr_plus(object, layout->tuple.items), size);
    puts_text(&reader->text, code == 0 && size == 1 ? ",)" : ")");
    return code;
}

static int put_list(struct value_reader *reader, pyro_addr object)
{
    const struct pyro_layout *layout = reader->layout;
    uint64_t size;
    pyro_addr items;
    int code = pyro_memory_read(reader->memory, pyro_addr_plus(object, layout->list.size), &size,
                                sizeof size);
    if (code == 0)
        code = pyro_memory_read_addr(reader->memory, pyro_addr_plus(object, layout->list.items),
                                     &items);
    puts_text(&reader->text, "[");
    if (code == 0)
        code = put_items(reader, items, size);
    puts_text(&reader->text, "]");
    return code;
}

static int put_pairs(struct value_reader *reader, const struct pyro_dict *dict)
{
    struct pyro_dict_entry entries[PYRO_DICT_BATCH];
    bool first = true;
    for (uint32_t start = 0; start < dict->count && !reader->text.full && may_work(reader);
         start += PYRO_DICT_BATCH) {
        int count = pyro_dict_entries(reader->memory, dict, start, entries);
        if (count < 0)
            return count;
        for (int i = 0; i < count && !reader->text.full; i++) {
            if (pyro_addr_is_null(entries[i].key))
                continue;
            int code = put_item(reader, entries[i].key, &first);
            puts_text(&reader->text, ": ");
            if (code == 0)
                code = put_value(reader, entries[i].value);
            if (code != 0)
                return code;
        }
    }
    return 0;
}

static int put_dict(struct value_reader *reader, pyro_addr object)
{
    struct pyro_dict dict;
    int code = pyro_dict_open(reader->memory, reader->layout, object, &dict);
    puts_text(&reader->text, "{");
    if (code == 0)
        code = put_pairs(reader, &dict);
    puts_text(&reader->text, "}");
    return code;
}

/* PySetObject: after the object's header fill, used, mask, table; a slot is {key, hash}, -1 when
 * deleted (Include/cpython/setobject.h, 3.8-3.15). */
static int put_set_items(struct value_reader *reader, pyro_addr table, uint64_t slots)
{
    uint64_t batch[SET_BATCH][2];
    bool first = true;
    for (uint64_t start = 0; start < slots && !reader->text.full && may_work(reader);
         start += SET_BATCH) {
        uint64_t count = slots - start < SET_BATCH ? slots - start : SET_BATCH;
        int code = pyro_memory_read(reader->memory, pyro_addr_plus(table, start * sizeof *batch),
                                    batch, count * sizeof *batch);
        for (uint64_t i = 0; code == 0 && i < count && !reader->text.full; i++) {
            if (batch[i][0] != 0 && batch[i][1] != UINT64_MAX)
                code = put_item(reader, pyro_addr_at(batch[i][0]), &first);
        }
        if (code != 0)
            return code;
    }
    return 0;
}

static int put_set(struct value_reader *reader, pyro_addr object, bool frozen)
{
    uint64_t fields[4]; /* fill, used, mask, table */
    int code = pyro_memory_read(reader->memory, pyro_addr_plus(object, reader->layout->object.size),
                                fields, sizeof fields);
    if (code != 0)
        return code;
    if (fields[1] == 0) {
        puts_text(&reader->text, frozen ? "frozenset()" : "set()");
        return 0;
    }
    puts_text(&reader->text, frozen ? "frozenset({" : "{");
    code = put_set_items(reader, pyro_addr_at(fields[3]),
                         fields[2] < SET_SLOTS_MAX ? fields[2] + 1 : SET_SLOTS_MAX);
    puts_text(&reader->text, frozen ? "})" : "}");
    return code;
}

static int put_container(struct value_reader *reader, pyro_addr object, const char *name)
{
    static const char *const closed[][2] = {{"tuple", "(...)"},
                                            {"list", "[...]"},
                                            {"dict", "{...}"},
                                            {"set", "{...}"},
                                            {"frozenset", "frozenset({...})"}};
    size_t kind = 0;
    while (kind < sizeof closed / sizeof *closed && strcmp(name, closed[kind][0]) != 0)
        kind++;
    if (kind == sizeof closed / sizeof *closed)
        return -ENOTSUP;
    if (reader->depth == DEPTH_MAX) {
        puts_text(&reader->text, closed[kind][1]);
        return 0;
    }
    reader->depth++;
    int code = kind == 0   ? put_tuple(reader, object)
               : kind == 1 ? put_list(reader, object)
               : kind == 2 ? put_dict(reader, object)
                           : put_set(reader, object, kind == 4);
    reader->depth--;
    return code;
}

/* -- any value -------------------------------------------------------------------------------- */

static int put_built_in(struct value_reader *reader, pyro_addr object, const char *name)
{
    if (strcmp(name, "NoneType") == 0) {
        puts_text(&reader->text, "None");
        return 0;
    }
    if (strcmp(name, "ellipsis") == 0) {
        puts_text(&reader->text, "Ellipsis");
        return 0;
    }
    if (strcmp(name, "int") == 0 || strcmp(name, "bool") == 0)
        return put_int(reader, object, name[0] == 'b');
    if (strcmp(name, "float") == 0)
        return put_float(reader, object);
    if (strcmp(name, "str") == 0)
        return put_str(reader, object);
    if (strcmp(name, "bytes") == 0)
        return put_bytes(reader, object);
    return put_container(reader, object, name);
}

static int put_value(struct value_reader *reader, pyro_addr object)
{
    struct type type;
    if (!may_work(reader))
        return 0;
    int code = read_type(reader, object, &type);
    if (code == -EFAULT || code == -EINVAL) {
        put_format(&reader->text, "<unreadable at 0x%" PRIx64 ">", object.u);
        return 0;
    }
    if (code != 0)
        return code;
    size_t before = reader->text.size, characters = reader->text.characters;
    code = type.built_in ? put_built_in(reader, object, type.name) : -ENOTSUP;
    if (code == -ENOTSUP || code == -EFAULT || code == -EINVAL) {
        reader->text.size = before; /* torn half way: what was written means nothing */
        reader->text.characters = characters;
        reader->text.full = reader->work <= 0;
        put_format(&reader->text, "<%s at 0x%" PRIx64 ">", type.name, object.u);
        code = 0;
    }
    return code;
}

int pyro_value_text_within(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr object, struct pyro_arena *arena, int *budget,
                           const char **ret_text)
{
    struct value_reader reader = {.memory = memory, .layout = layout};
    int allowed = *budget < WORK_MAX ? *budget : WORK_MAX;
    reader.work = allowed;
    int code = put_value(&reader, object);
    *budget -= allowed - (reader.work > 0 ? reader.work : 0);
    if (code != 0)
        return code;
    if (reader.text.full) {
        memcpy(reader.text.bytes + reader.text.size, "...", 3);
        reader.text.size += 3;
    }
    *ret_text = pyro_arena_strndup(arena, reader.text.bytes, reader.text.size);
    return *ret_text ? 0 : -ENOMEM;
}

int pyro_value_text(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    pyro_addr object, struct pyro_arena *arena, const char **ret_text)
{
    int budget = WORK_MAX;
    return pyro_value_text_within(memory, &runtime->layout, object, arena, &budget, ret_text);
}
