/* cpython/dict.c - dicts, as Objects/dictobject.c and Include/internal/pycore_dict.h of 3.8-3.15
 * lay them out.
 *
 * The header of a keys object is not in debug offsets; it has been the same since 3.11. */
#include "cpython/dict.h"
#include "cpython/internal.h"

#include <errno.h>
#include <string.h>

/* PyDictKeysObject: reference count, then */
enum {
    KEYS_SIZE_TO_310 = 8,     /* dk_size */
    KEYS_COUNT_TO_310 = 32,   /* dk_nentries */
    KEYS_INDICES_TO_310 = 40, /* dk_indices */

    KEYS_LOG2_INDEX_BYTES = 9, /* dk_log2_index_bytes */
    KEYS_KIND = 10,            /* dk_kind */
    KEYS_COUNT = 24,
    KEYS_INDICES = 32,

    KEYS_HEADER_MAX = 40,
    KIND_GENERAL = 0, /* hash, key, value; else key, value */
};

/* Flags of a type, Include/object.h */
#define TYPE_INLINE_VALUES (1u << 2) /* 3.13+ */
#define TYPE_MANAGED_DICT  (1u << 4) /* 3.11+ */

#define KEY_TEXT_MAX    32
#define TEXT_HEADER_MAX 96 /* of a str, in every known version 40-56 */
#define INT_HEADER_MAX  64

/* -- tables ----------------------------------------------------------------------------------- */

static void open_keys_to_310(const uint8_t *keys, pyro_addr at, struct pyro_dict *dict)
{
    uint64_t slots = pyro_field_u64(keys, KEYS_SIZE_TO_310);
    uint64_t index_size = slots <= 0xff ? 1 : slots <= 0xffff ? 2 : slots <= 0xffffffff ? 4 : 8;
    dict->entries = pyro_addr_plus(at, KEYS_INDICES_TO_310 + slots * index_size);
    dict->entry_size = 24;
    dict->key_offset = 8;
}

static int open_keys_from_311(const uint8_t *keys, pyro_addr at, struct pyro_dict *dict)
{
    unsigned log2_bytes = keys[KEYS_LOG2_INDEX_BYTES];
    if (log2_bytes > 40)
        return -EINVAL;
    dict->entries = pyro_addr_plus(at, KEYS_INDICES + (1ull << log2_bytes));
    bool general = keys[KEYS_KIND] == KIND_GENERAL;
    dict->entry_size = general ? 24 : 16;
    dict->key_offset = general ? 8 : 0;
    return 0;
}

/* The keys object AT; VALUES null for a combined table. */
static int open_keys(const struct pyro_memory *memory, const struct pyro_layout *layout,
                     pyro_addr at, pyro_addr values, struct pyro_dict *dict)
{
    uint8_t keys[KEYS_HEADER_MAX];
    if (!pyro_addr_aligned(at))
        return -EINVAL;
    int code = pyro_memory_read(memory, at, keys, sizeof keys);
    if (code != 0)
        return code;
    uint64_t count = pyro_field_u64(keys, layout->minor >= 11 ? KEYS_COUNT : KEYS_COUNT_TO_310);
    if (layout->minor >= 11)
        code = open_keys_from_311(keys, at, dict);
    else
        open_keys_to_310(keys, at, dict);
    dict->values = values;
    dict->count = count < PYRO_DICT_ENTRIES_MAX ? (uint32_t)count : PYRO_DICT_ENTRIES_MAX;
    return code;
}

/* Where the values begin in the struct that ma_values, or an instance, points at. */
static uint32_t values_offset(const struct pyro_layout *layout)
{
    return layout->minor >= 13 ? 8 : 0;
}

int pyro_dict_open(const struct pyro_memory *memory, const struct pyro_layout *layout,
                   pyro_addr addr, struct pyro_dict *ret_dict)
{
    uint64_t used;
    pyro_addr keys, values;
    struct pyro_dict dict = {.count = 0};
    const struct pyro_span spans[] = {
        {pyro_addr_plus(addr, layout->dict.used), &used, sizeof used},
        {pyro_addr_plus(addr, layout->dict.keys), &keys, sizeof keys},
        {pyro_addr_plus(addr, layout->dict.values), &values, sizeof values},
    };
    if (!pyro_addr_aligned(addr))
        return -EINVAL;
    ssize_t count = pyro_memory_read_spans(memory, spans, 3);
    if (count != 3)
        return count < 0 ? (int)count : -EFAULT;
    if (!pyro_addr_is_null(values))
        values = pyro_addr_plus(values, values_offset(layout));
    int code = open_keys(memory, layout, keys, values, &dict);
    if (code != 0)
        return code;
    dict.used = used < PYRO_DICT_ENTRIES_MAX ? (uint32_t)used : PYRO_DICT_ENTRIES_MAX;
    *ret_dict = dict;
    return 0;
}

int pyro_dict_entries(const struct pyro_memory *memory, const struct pyro_dict *dict,
                      uint32_t start, struct pyro_dict_entry *entries)
{
    uint8_t raw[PYRO_DICT_BATCH * 24];
    pyro_addr values[PYRO_DICT_BATCH];
    if (start >= dict->count)
        return 0;
    uint32_t count = dict->count - start < PYRO_DICT_BATCH ? dict->count - start : PYRO_DICT_BATCH;
    bool split = !pyro_addr_is_null(dict->values);
    const struct pyro_span spans[] = {
        {pyro_addr_plus(dict->entries, (uint64_t)start * dict->entry_size), raw,
         (size_t)count * dict->entry_size},
        {pyro_addr_plus(dict->values, (uint64_t)start * 8), values,
         split ? count * sizeof *values : 0},
    };
    ssize_t got = pyro_memory_read_spans(memory, spans, 2);
    if (got != 2)
        return got < 0 ? (int)got : -EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = raw + (size_t)i * dict->entry_size + dict->key_offset;
        entries[i].key = pyro_field_addr(entry, 0);
        entries[i].value = split ? values[i] : pyro_field_addr(entry, 8);
        if (pyro_addr_is_null(entries[i].key) || pyro_addr_is_null(entries[i].value))
            entries[i] = (struct pyro_dict_entry){{0}, {0}};
    }
    return (int)count;
}

/* -- finding a key ---------------------------------------------------------------------------- */

/* Copy SIZE bytes of each key into COPIES, STRIDE apart; a key that cannot be read is left zero. */
static int copy_keys(const struct pyro_memory *memory, const struct pyro_dict_entry *entries,
                     int count, uint8_t *copies, size_t stride, size_t size)
{
    struct pyro_span spans[PYRO_DICT_BATCH];
    memset(copies, 0, (size_t)count * stride);
    for (int i = 0; i < count; i++)
        spans[i] = (struct pyro_span){entries[i].key, copies + (size_t)i * stride,
                                      pyro_addr_is_null(entries[i].key) ? 0 : size};
    for (int done = 0; done < count;) {
        ssize_t got = pyro_memory_read_spans(memory, spans + done, (size_t)(count - done));
        if (got < 0)
            return (int)got;
        done += (int)got;
        if (done < count) {
            memset(copies + (size_t)done * stride, 0, stride);
            done++;
        }
    }
    return 0;
}

static bool is_text(const struct pyro_layout *layout, const uint8_t *copy, const char *text,
                    size_t length)
{
    return pyro_field_u64(copy, layout->unicode.length) == length &&
           memcmp(copy + layout->unicode.ascii_data, text, length) == 0;
}

int pyro_dict_find(const struct pyro_memory *memory, const struct pyro_layout *layout,
                   const struct pyro_dict *dict, const char *key, pyro_addr *ret_value)
{
    enum { STRIDE = TEXT_HEADER_MAX + KEY_TEXT_MAX };
    uint8_t copies[PYRO_DICT_BATCH * STRIDE];
    struct pyro_dict_entry entries[PYRO_DICT_BATCH];
    size_t length = strlen(key);
    if (length >= KEY_TEXT_MAX || layout->unicode.ascii_data > TEXT_HEADER_MAX)
        return -EINVAL;
    for (uint32_t start = 0; start < dict->count; start += PYRO_DICT_BATCH) {
        int count = pyro_dict_entries(memory, dict, start, entries);
        int code = count < 0 ? count
                             : copy_keys(memory, entries, count, copies, STRIDE,
                                         layout->unicode.ascii_data + length);
        if (code < 0)
            return code;
        for (int i = 0; i < count; i++) {
            if (!pyro_addr_is_null(entries[i].key) &&
                is_text(layout, copies + (size_t)i * STRIDE, key, length)) {
                *ret_value = entries[i].value;
                return 0;
            }
        }
    }
    return -ENOENT;
}

struct pyro_int_shape pyro_int_shape(const struct pyro_layout *layout, uint64_t tag)
{
    if (layout->minor >=
        12) /* the digits' count, shifted, over the sign: 0 positive, 1 zero, 2 negative */
        return (struct pyro_int_shape){.count = tag >> 3, .negative = (tag & 3) == 2};
    bool negative = (int64_t)tag < 0; /* the count, negative for a negative number */
    return (struct pyro_int_shape){.count = negative ? 0 - tag : tag, .negative = negative};
}

static bool is_int(const struct pyro_layout *layout, const uint8_t *copy, uint64_t key)
{
    struct pyro_int_shape shape = pyro_int_shape(layout, pyro_field_u64(copy, layout->integer.tag));
    if (shape.count > 3 || shape.negative)
        return false;
    uint64_t value = 0;
    for (uint32_t i = 0; i < shape.count; i++)
        value |= (uint64_t)pyro_field_u32(copy, layout->integer.digits + i * 4) << (30 * i);
    return value == key;
}

int pyro_dict_find_int(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       const struct pyro_dict *dict, uint64_t key, pyro_addr *ret_value)
{
    uint8_t copies[PYRO_DICT_BATCH * INT_HEADER_MAX];
    struct pyro_dict_entry entries[PYRO_DICT_BATCH];
    uint32_t digits = key >> 60 ? 3 : key >> 30 ? 2 : 1;
    size_t size = layout->integer.digits + (size_t)digits * 4;
    if (size > INT_HEADER_MAX || layout->integer.tag + 8 > layout->integer.digits)
        return -EINVAL;
    for (uint32_t start = 0; start < dict->count; start += PYRO_DICT_BATCH) {
        int count = pyro_dict_entries(memory, dict, start, entries);
        int code =
            count < 0 ? count : copy_keys(memory, entries, count, copies, INT_HEADER_MAX, size);
        if (code < 0)
            return code;
        for (int i = 0; i < count; i++) {
            if (!pyro_addr_is_null(entries[i].key) &&
                is_int(layout, copies + (size_t)i * INT_HEADER_MAX, key)) {
                *ret_value = entries[i].value;
                return 0;
            }
        }
    }
    return -ENOENT;
}

/* -- attributes ------------------------------------------------------------------------------- */

struct instance {
    pyro_addr object, type;
    uint64_t flags, basicsize, dictoffset;
};

static int open_instance(const struct pyro_memory *memory, const struct pyro_layout *layout,
                         pyro_addr object, struct instance *instance)
{
    instance->object = object;
    if (!pyro_addr_aligned(object))
        return -EINVAL;
    int code =
        pyro_memory_read_addr(memory, pyro_addr_plus(object, layout->object.type), &instance->type);
    if (code != 0)
        return code;
    const struct pyro_span spans[] = {
        {pyro_addr_plus(instance->type, layout->type.flags), &instance->flags, 8},
        {pyro_addr_plus(instance->type, layout->type.basicsize), &instance->basicsize, 8},
        {pyro_addr_plus(instance->type, layout->type.dictoffset), &instance->dictoffset, 8},
    };
    ssize_t count = pyro_memory_read_spans(memory, spans, 3);
    return count < 0 ? (int)count : count == 3 ? 0 : -EFAULT;
}

/* Attributes whose values stand at VALUES, in the order of the keys the class shares. */
static int open_shared(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       const struct instance *instance, pyro_addr values, struct pyro_dict *dict)
{
    pyro_addr keys;
    int code = pyro_memory_read_addr(
        memory, pyro_addr_plus(instance->type, layout->type.cached_keys), &keys);
    return code != 0 ? code : open_keys(memory, layout, keys, values, dict);
}

/* 3.13+: values behind the object's own fields, valid until a dict took them over. */
static int open_inline(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       const struct instance *instance, struct pyro_dict *dict)
{
    uint8_t head[4]; /* capacity, size, embedded, valid */
    pyro_addr at = pyro_addr_plus(instance->object, instance->basicsize);
    if (!(instance->flags & TYPE_INLINE_VALUES) || instance->basicsize > PYRO_OFFSET_MAX)
        return -ENOENT;
    int code = pyro_memory_read(memory, at, head, sizeof head);
    if (code != 0)
        return code;
    return head[3] == 1 ? open_shared(memory, layout, instance,
                                      pyro_addr_plus(at, values_offset(layout)), dict)
                        : -ENOENT;
}

/* 3.11+: before the object itself stands a pointer to its dict, or to its values.
 * Include/internal/pycore_object.h of each minor. */
static int open_managed(const struct pyro_memory *memory, const struct pyro_layout *layout,
                        const struct instance *instance, struct pyro_dict *dict)
{
    pyro_addr word;
    if (layout->minor >= 13) {
        int code = open_inline(memory, layout, instance, dict);
        if (code != -ENOENT)
            return code;
    }
    uint64_t back = layout->free_threaded ? 8 : 24;
    int code = pyro_memory_read_addr(memory, pyro_addr_at(instance->object.u - back), &word);
    if (code != 0)
        return code;
    if (layout->minor == 12 && word.u & 1) /* tagged: values */
        return open_shared(memory, layout, instance, pyro_addr_at(word.u + 1), dict);
    if (!pyro_addr_is_null(word))
        return pyro_dict_open(memory, layout, word, dict);
    if (layout->minor != 11)
        return -ENOENT;
    code = pyro_memory_read_addr(memory, pyro_addr_at(instance->object.u - 32), &word);
    if (code != 0)
        return code;
    return pyro_addr_is_null(word) ? -ENOENT : open_shared(memory, layout, instance, word, dict);
}

static int open_attributes(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           const struct instance *instance, struct pyro_dict *dict)
{
    pyro_addr at;
    if (layout->minor >= 11 && instance->flags & TYPE_MANAGED_DICT)
        return open_managed(memory, layout, instance, dict);
    if (instance->dictoffset == 0 || instance->dictoffset > PYRO_OFFSET_MAX)
        return -ENOENT;
    int code =
        pyro_memory_read_addr(memory, pyro_addr_plus(instance->object, instance->dictoffset), &at);
    if (code != 0)
        return code;
    return pyro_addr_is_null(at) ? -ENOENT : pyro_dict_open(memory, layout, at, dict);
}

int pyro_attribute_find(const struct pyro_memory *memory, const struct pyro_layout *layout,
                        pyro_addr object, const char *name, pyro_addr *ret_value)
{
    struct instance instance;
    struct pyro_dict dict;
    int code = open_instance(memory, layout, object, &instance);
    if (code == 0)
        code = open_attributes(memory, layout, &instance, &dict);
    return code != 0 ? code : pyro_dict_find(memory, layout, &dict, name, ret_value);
}
