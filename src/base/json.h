/* base/json.h - write JSON as a stream, so that a profile of millions of samples is never in memory twice.
 *
 * Values come in order; commas and quotes are put here. KEY is the member's name inside an object and
 * NULL inside an array. Output is pure ASCII besides valid UTF-8, may stand inside XML or a script
 * element ('<', '>' and '&' are escaped), and does not depend on the locale. Bytes that are no UTF-8
 * become U+FFFD. Nesting deeper than 64 is a programming error. */
#ifndef PYRO_BASE_JSON_H
#define PYRO_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pyro_json {
    FILE *out;
    unsigned depth;
    uint64_t is_array; /* bit d: the container at depth d is an array */
    bool any;          /* the innermost container has a value already */
};

static inline struct pyro_json pyro_json_to(FILE *out)
{
    return (struct pyro_json){.out = out};
}
void pyro_json_object(struct pyro_json *json, const char *key);
void pyro_json_array(struct pyro_json *json, const char *key);
void pyro_json_end(struct pyro_json *json); /* of the innermost object or array */

void pyro_json_string(struct pyro_json *json, const char *key, const char *text); /* NULL: null */
void pyro_json_bytes(struct pyro_json *json, const char *key, const char *text, size_t length);
void pyro_json_u64(struct pyro_json *json, const char *key, uint64_t value);
void pyro_json_i64(struct pyro_json *json, const char *key, int64_t value);
void pyro_json_double(struct pyro_json *json, const char *key,
                      double value); /* six decimals; no number: null */
void pyro_json_seconds(struct pyro_json *json, const char *key,
                       double value_s); /* the same, nine decimals: a clock's nanoseconds */
void pyro_json_null(struct pyro_json *json, const char *key);
void pyro_json_bool(struct pyro_json *json, const char *key, bool value);

/* Microseconds as seconds, exactly. */
void pyro_json_us_as_s(struct pyro_json *json, const char *key, uint64_t value_us);

/* A moment as "2026-11-22T21:08:22.123456Z"; null when it is nonsense. */
void pyro_json_utc(struct pyro_json *json, const char *key, uint64_t unix_us);

/* For layout: a line break before the next value. */
void pyro_json_line(struct pyro_json *json);

#endif
