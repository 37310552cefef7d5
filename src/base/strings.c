/* base/strings.c - found by hash of the bytes; strings of equal hash form a chain. */
#include "base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_MAX (UINT32_C(1) << 31)

static int grow(struct pyro_strings *strings)
{
    if (strings->count < strings->capacity)
        return 0;
    size_t capacity = strings->capacity ? strings->capacity * 2 : 64;
    struct pyro_string *items = realloc(strings->items, capacity * sizeof(*items));
    if (!items)
        return -ENOMEM;
    strings->items = items;
    strings->capacity = capacity;
    return 0;
}

/* Append without looking. On failure nothing has changed but spare memory. */
static int64_t append(struct pyro_strings *strings, const char *text, size_t length)
{
    if (strings->count >= STRINGS_MAX || length > UINT32_MAX)
        return -EOVERFLOW;
    int error = grow(strings);
    if (error < 0)
        return error;
    const char *copy = pyro_arena_strndup(&strings->arena, text, length);
    if (!copy)
        return -ENOMEM;
    strings->items[strings->count] = (struct pyro_string){.text = copy, .length = (uint32_t)length};
    return (int64_t)strings->count++;
}

int64_t pyro_strings_intern(struct pyro_strings *strings, const char *text, size_t length)
{
    if (strings->count == 0) {
        int64_t id = append(strings, "", 0);
        if (id < 0)
            return id;
    }
    if (length == 0)
        return 0;
    bool is_new;
    /* A zero value (id of the empty string, which is in no chain) ends a chain. */
    uint64_t *first =
        pyro_map_insert(&strings->by_hash, pyro_hash_bytes_here(text, length), 0, &is_new);
    if (!first)
        return -ENOMEM;
    for (uint32_t id = (uint32_t)*first; id != 0; id = strings->items[id].next_same_hash) {
        const struct pyro_string *item = &strings->items[id];
        if (item->length == length && memcmp(item->text, text, length) == 0)
            return id;
    }
    int64_t id = append(strings, text, length);
    if (id < 0)
        return id;
    strings->items[id].next_same_hash = (uint32_t)*first;
    *first = (uint64_t)id;
    return id;
}

const char *pyro_strings_text(const struct pyro_strings *strings, uint32_t id)
{
    return id < strings->count ? strings->items[id].text : "";
}

size_t pyro_strings_length(const struct pyro_strings *strings, uint32_t id)
{
    return id < strings->count ? strings->items[id].length : 0;
}

void pyro_strings_free(struct pyro_strings *strings)
{
    pyro_arena_free(&strings->arena);
    pyro_map_free(&strings->by_hash);
    free(strings->items);
    *strings = (struct pyro_strings){0};
}
