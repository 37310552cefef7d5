/* base/strings.h - an intern table: equal texts get equal small numbers.
 *
 * Ids count up from 0, which is always the empty string. Texts may hold any byte but are
 * NUL-terminated besides; they never move until free. A zeroed table is empty and ready. */
#ifndef PYRO_BASE_STRINGS_H
#define PYRO_BASE_STRINGS_H

#include "base/arena.h"
#include "base/map.h"

#include <stddef.h>
#include <stdint.h>

struct pyro_strings {
    struct pyro_arena arena;
    struct pyro_map by_hash;
    struct pyro_string *items;
    size_t count;
    size_t capacity;
};
struct pyro_string {
    const char *text;
    uint32_t length;
    uint32_t next_same_hash; /* 0: none */
};

/* The id of TEXT, added when new; negative errno when out of memory or past 2^31 strings. */
int64_t pyro_strings_intern(struct pyro_strings *strings, const char *text, size_t length);
/* "" for an unknown id. */
const char *pyro_strings_text(const struct pyro_strings *strings, uint32_t id);
size_t pyro_strings_length(const struct pyro_strings *strings, uint32_t id);
void pyro_strings_free(struct pyro_strings *strings);

#endif
