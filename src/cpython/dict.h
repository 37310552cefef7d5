/* cpython/dict.h - read dicts, instance attributes and ints of a target.
 *
 * Dicts have three shapes: combined tables of any keys, combined tables of str keys (smaller
 * entries, 3.11+), and split tables, where the keys belong to a class and each instance has only
 * values. All are read in batches, entry by entry in insertion order; nothing is hashed. */
#ifndef PYRO_CPYTHON_DICT_H
#define PYRO_CPYTHON_DICT_H

#include "cpython/layout.h"

#define PYRO_DICT_BATCH       64         /* entries read at once */
#define PYRO_DICT_ENTRIES_MAX (1u << 16) /* looked at in one dict */

struct pyro_dict {
    pyro_addr entries; /* the first of them */
    pyro_addr values;  /* of a split table; null: they are in the entries */
    uint32_t count;    /* entries, deleted ones included */
    uint32_t used;     /* items */
    uint8_t entry_size, key_offset;
};
struct pyro_dict_entry {
    pyro_addr key, value; /* both null: deleted, or not set in this instance */
};

/* The dict at ADDR. -EINVAL: it does not look like one. */
int pyro_dict_open(const struct pyro_memory *memory, const struct pyro_layout *layout,
                   pyro_addr addr, struct pyro_dict *ret_dict);

/* At most PYRO_DICT_BATCH entries from number START on. Returns their count (0: the end) or
 * negative errno. */
int pyro_dict_entries(const struct pyro_memory *memory, const struct pyro_dict *dict,
                      uint32_t start, struct pyro_dict_entry *entries);

/* The value under a str key, ASCII and at most 31 characters. -ENOENT. */
int pyro_dict_find(const struct pyro_memory *memory, const struct pyro_layout *layout,
                   const struct pyro_dict *dict, const char *key, pyro_addr *ret_value);

/* The value under an int key. -ENOENT. */
int pyro_dict_find_int(const struct pyro_memory *memory, const struct pyro_layout *layout,
                       const struct pyro_dict *dict, uint64_t key, pyro_addr *ret_value);

/* OBJECT.NAME, when it stands in the instance's own attributes. -ENOENT. */
int pyro_attribute_find(const struct pyro_memory *memory, const struct pyro_layout *layout,
                        pyro_addr object, const char *name, pyro_addr *ret_value);

/* An int in parts: COUNT digits of 30 bits. */
struct pyro_int_shape {
    uint64_t count;
    bool negative;
};
struct pyro_int_shape pyro_int_shape(const struct pyro_layout *layout, uint64_t tag);

#endif
