/* formats/marshal.c - the objects of marshal, from bytes that may be anything. */
#include "formats/marshal.h"

#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_REF       0x80
#define AGAIN_BASE     (1u << 20) /* bytes that may be read again, and as many more as the file has */
#define FREE_ITEMS     4 /* tuples of so few do not count: figures, which may be the same often */
#define INTEGER_DIGITS 4 /* of 15 bits each: nothing that is counted needs more */
#define DIGIT_BITS     15

enum { AGAIN_FREE = 1, AGAIN_COUNTED = 2 };

struct pyro_marshal pyro_marshal_over(const void *data, size_t size)
{
    return (struct pyro_marshal){.data = data, .size = size, .again_left = AGAIN_BASE + size};
}

void pyro_marshal_free(struct pyro_marshal *marshal)
{
    free(marshal->refs);
    marshal->refs = NULL;
}

int pyro_marshal_bad(struct pyro_marshal *marshal, const char *problem)
{
    marshal->problem = problem;
    return -EBADMSG;
}

bool pyro_marshal_is_dict_of_tuples(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    return size >= 2 && (bytes[0] & ~FLAG_REF) == '{' &&
           (bytes[1] == '0' || (bytes[1] & ~FLAG_REF) == '(' || (bytes[1] & ~FLAG_REF) == ')');
}

/* -- bytes -------------------------------------------------------------------------------------- */

/* SIZE bytes, which are then behind us; NULL with the problem where there are not so many. */
static const uint8_t *take(struct pyro_marshal *marshal, size_t size)
{
    if (size > marshal->size - marshal->at) {
        marshal->problem = "it breaks off";
        return NULL;
    }
    bool counts = marshal->again == AGAIN_COUNTED;
    if (counts && size > marshal->again_left) {
        marshal->problem = "it unfolds into too much";
        return NULL;
    }
    if (counts)
        marshal->again_left -= size;
    marshal->at += size;
    return marshal->data + marshal->at - size;
}

/* A little-endian number of SIZE bytes. */
static int take_number(struct pyro_marshal *marshal, size_t size, uint64_t *ret_number)
{
    const uint8_t *bytes = take(marshal, size);
    if (!bytes)
        return -EBADMSG;
    *ret_number = 0;
    for (size_t i = 0; i < size; i++)
        *ret_number |= (uint64_t)bytes[i] << 8 * i;
    return 0;
}

/* -- one object --------------------------------------------------------------------------------- */

static int take_text(struct pyro_marshal *marshal, size_t size_bytes,
                     struct pyro_marshal_object *object)
{
    uint64_t size;
    if (take_number(marshal, size_bytes, &size) < 0)
        return -EBADMSG;
    object->type = PYRO_MARSHAL_TEXT;
    object->count = (uint32_t)size;
    object->text = (const char *)take(marshal, size);
    return object->text ? 0 : -EBADMSG;
}

static int take_tuple(struct pyro_marshal *marshal, size_t size_bytes,
                      struct pyro_marshal_object *object)
{
    uint64_t count;
    if (take_number(marshal, size_bytes, &count) < 0)
        return -EBADMSG;
    object->type = PYRO_MARSHAL_TUPLE;
    object->count = (uint32_t)count;
    return 0;
}

static int take_integer(struct pyro_marshal *marshal, size_t size,
                        struct pyro_marshal_object *object)
{
    uint64_t bits;
    if (take_number(marshal, size, &bits) < 0)
        return -EBADMSG;
    object->type = PYRO_MARSHAL_INTEGER;
    object->integer = size == 4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    return 0;
}

/* 'l': how many digits, negative for a negative number, then the digits, lowest first. */
static int take_long(struct pyro_marshal *marshal, struct pyro_marshal_object *object)
{
    uint64_t bits, digit, value = 0;
    if (take_number(marshal, 4, &bits) < 0)
        return -EBADMSG;
    int64_t digits = (int32_t)(uint32_t)bits;
    bool negative = digits < 0;
    if (negative)
        digits = -digits;
    if (digits > INTEGER_DIGITS)
        return pyro_marshal_bad(marshal, "a number in it is too large");
    for (int i = 0; i < digits; i++) {
        if (take_number(marshal, 2, &digit) < 0)
            return -EBADMSG;
        if (digit >> DIGIT_BITS)
            return pyro_marshal_bad(marshal, "a number in it is none");
        value |= digit << DIGIT_BITS * i;
    }
    object->type = PYRO_MARSHAL_INTEGER;
    object->integer = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

static int take_float(struct pyro_marshal *marshal, struct pyro_marshal_object *object)
{
    uint64_t bits;
    if (take_number(marshal, 8, &bits) < 0)
        return -EBADMSG;
    object->type = PYRO_MARSHAL_FLOAT;
    memcpy(&object->number, &bits, sizeof(bits));
    return 0;
}

/* 'f', in marshal's versions 0 and 1: as text. */
static int take_written_float(struct pyro_marshal *marshal, struct pyro_marshal_object *object)
{
    char text[UINT8_MAX + 1] = "", *end;
    struct pyro_marshal_object written;
    if (take_text(marshal, 1, &written) < 0)
        return -EBADMSG;
    memcpy(text, written.text, written.count);
    object->type = PYRO_MARSHAL_FLOAT;
    object->number = strtod(text, &end);
    return end == text + written.count && end != text
               ? 0
               : pyro_marshal_bad(marshal, "a number in it is none");
}

/* What follows the byte that tells the TYPE. */
static int take_body(struct pyro_marshal *marshal, uint8_t type, struct pyro_marshal_object *object)
{
    switch (type) {
    case 'u': /* UTF-8, surrogates included */
    case 't': /* the same, interned */
    case 'a': /* ASCII */
    case 'A':
        return take_text(marshal, 4, object);
    case 'z': /* short ASCII */
    case 'Z':
        return take_text(marshal, 1, object);
    case 'i':
        return take_integer(marshal, 4, object);
    case 'I': /* before Python 3.4 */
        return take_integer(marshal, 8, object);
    case 'l':
        return take_long(marshal, object);
    case 'g':
        return take_float(marshal, object);
    case 'f':
        return take_written_float(marshal, object);
    case '(':
        return take_tuple(marshal, 4, object);
    case ')':
        return take_tuple(marshal, 1, object);
    case '{':
        object->type = PYRO_MARSHAL_DICT;
        return 0;
    case '0':
        object->type = PYRO_MARSHAL_END;
        return 0;
    case 'N':
    case 'T':
    case 'F':
        object->type = PYRO_MARSHAL_CONSTANT;
        return 0;
    default:
        return pyro_marshal_bad(marshal, "it holds what no profile holds");
    }
}

/* -- references --------------------------------------------------------------------------------- */

/* The object that begins at AT is marked: it gets the next number. */
static int mark(struct pyro_marshal *marshal, size_t at, struct pyro_marshal_object *object)
{
    if (pyro_grow(&marshal->refs, marshal->ref_count, &marshal->ref_capacity,
                  sizeof(*marshal->refs)) < 0)
        return -ENOMEM;
    object->ref = (uint32_t)marshal->ref_count;
    marshal->refs[marshal->ref_count++] = (struct pyro_marshal_ref){.at = at};
    return 0;
}

static bool is_container(const struct pyro_marshal_object *object)
{
    return object->type == PYRO_MARSHAL_TUPLE || object->type == PYRO_MARSHAL_DICT;
}

/* The object that the reference here means. A container is left later, with its parts. */
static int follow(struct pyro_marshal *marshal, struct pyro_marshal_object *object)
{
    uint64_t ref;
    if (take_number(marshal, 4, &ref) < 0)
        return -EBADMSG;
    if (ref >= marshal->ref_count)
        return pyro_marshal_bad(marshal, "it refers to what is not there");
    size_t back = marshal->at;
    marshal->at = marshal->refs[ref].at;
    uint8_t type = marshal->data[marshal->at++] & (uint8_t)~FLAG_REF;
    int error = take_body(marshal, type, object);
    object->ref = (uint32_t)ref;
    if (error < 0 || !is_container(object)) {
        marshal->at = back;
        return error;
    }
    object->back = back;
    object->again = marshal->again;
    bool small = object->type == PYRO_MARSHAL_TUPLE && object->count <= FREE_ITEMS;
    if (marshal->again != AGAIN_COUNTED)
        marshal->again = small ? AGAIN_FREE : AGAIN_COUNTED;
    return 0;
}

int pyro_marshal_next(struct pyro_marshal *marshal, struct pyro_marshal_object *ret_object)
{
    size_t at = marshal->at;
    const uint8_t *byte = take(marshal, 1);
    *ret_object = (struct pyro_marshal_object){.ref = PYRO_MARSHAL_NO_REF};
    if (!byte)
        return -EBADMSG;
    uint8_t type = *byte & (uint8_t)~FLAG_REF;
    if (type == 'r')
        return follow(marshal, ret_object);
    bool marked = *byte & FLAG_REF && !marshal->again && !strchr("0NTF", type);
    int error = marked ? mark(marshal, at, ret_object) : 0;
    return error < 0 ? error : take_body(marshal, type, ret_object);
}

void pyro_marshal_leave(struct pyro_marshal *marshal, const struct pyro_marshal_object *object)
{
    if (!object->back)
        return;
    marshal->at = object->back;
    marshal->again = object->again;
}
