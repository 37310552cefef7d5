/* formats/marshal.h - read Python's marshal format, object by object: as much of it as .prof files use.
 *
 * See Python/marshal.c; versions 0 to 5 are read. The bytes are hostile. Nothing is allocated for an object: a number
 * or a text is read at once, a container is only entered, and its parts are the next objects. An object that was
 * marked (FLAG_REF) may come again as a reference to it ('r'): then it is read once more at its place. So the depth is
 * that of the caller's own functions, and memory is four words for each marked object. How many bytes may be read
 * again is limited, else a small file could unfold into anything.
 *
 *     while ((error = pyro_marshal_next(&marshal, &object)) == 0 && object.type == ...)  read the parts
 *     pyro_marshal_leave(&marshal, &object)                                              after the last part
 */
#ifndef PYRO_FORMATS_MARSHAL_H
#define PYRO_FORMATS_MARSHAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pyro_marshal_type {
    PYRO_MARSHAL_TEXT,
    PYRO_MARSHAL_INTEGER,
    PYRO_MARSHAL_FLOAT,
    PYRO_MARSHAL_CONSTANT, /* None, True, False */
    PYRO_MARSHAL_TUPLE,    /* COUNT objects follow */
    PYRO_MARSHAL_DICT,     /* keys and values follow, up to an END */
    PYRO_MARSHAL_END,
};

struct pyro_marshal_object {
    enum pyro_marshal_type type;
    const char *text; /* within the bytes read; COUNT is its length, and no NUL ends it */
    uint32_t count;
    int64_t integer;
    double number;
    uint32_t ref;  /* which marked object it is; PYRO_MARSHAL_NO_REF: none */
    size_t back;   /* it came as a reference: where to go on after its parts; 0: it did not */
    uint8_t again; /* then: what marshal->again was */
};
#define PYRO_MARSHAL_NO_REF UINT32_MAX

struct pyro_marshal_ref {
    size_t at;
    uint64_t note; /* the caller's, 0 at first: what it made of the object */
};

struct pyro_marshal {
    const uint8_t *data;
    size_t size, at;
    struct pyro_marshal_ref *refs;
    size_t ref_count, ref_capacity;
    uint8_t again; /* at bytes that were read before: 1, and 2 where they count */
    size_t again_left;
    const char *problem; /* after -EBADMSG: why, to follow "cannot read 'x.prof': " */
};

/* Over SIZE bytes (below 2^32) that the caller keeps. */
struct pyro_marshal pyro_marshal_over(const void *data, size_t size);
void pyro_marshal_free(struct pyro_marshal *marshal);

/* Whether bytes that begin so may be a .prof file: a dictionary, whose first key is a tuple. */
bool pyro_marshal_is_dict_of_tuples(const void *data, size_t size);

/* -EBADMSG, -ENOMEM. */
int pyro_marshal_next(struct pyro_marshal *marshal, struct pyro_marshal_object *ret_object);
/* A tuple or dict is done with: its parts were read, or are to be passed over because it came as a reference. */
void pyro_marshal_leave(struct pyro_marshal *marshal, const struct pyro_marshal_object *object);

/* Fill the problem and return -EBADMSG. */
int pyro_marshal_bad(struct pyro_marshal *marshal, const char *problem);

#endif
