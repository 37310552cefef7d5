/* base/json.c - the state is only the depth and whether a comma is due. */
#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

static void put_code_point(FILE *out, uint32_t code_point)
{
    static const char short_names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *pair = short_names; *pair; pair += 2)
        if ((uint32_t)*pair == code_point) {
            putc_unlocked('\\', out);
            putc_unlocked(pair[1], out);
            return;
        }
    /* U+2028 and U+2029 end a line in old JavaScript, the others are not allowed in XML. */
    bool escape = code_point < 0x20 || code_point == 0x7f || code_point == '<' ||
                  code_point == '>' || code_point == '&' || code_point == 0x2028 ||
                  code_point == 0x2029 || code_point == 0xfffe || code_point == 0xffff;
    if (escape) {
        fprintf(out, "\\u%04" PRIx32, code_point);
        return;
    }
    char bytes[4];
    size_t length = pyro_utf8_put(bytes, code_point);
    fwrite_unlocked(bytes, 1, length, out);
}

static void put_string(FILE *out, const char *text, size_t length)
{
    putc_unlocked('"', out);
    for (const char *end = text + length; text < end;)
        put_code_point(out, pyro_utf8_next(&text, end));
    putc_unlocked('"', out);
}

/* What stands before a value: the comma and its key. */
static void lead(struct pyro_json *json, const char *key)
{
    if (json->any)
        putc_unlocked(',', json->out);
    json->any = true;
    bool in_array = json->depth == 0 || (json->is_array >> (json->depth - 1) & 1);
    assert(in_array == !key);
    if (!in_array && key) {
        put_string(json->out, key, strlen(key));
        putc_unlocked(':', json->out);
    }
}

static void enter(struct pyro_json *json, const char *key, bool array)
{
    lead(json, key);
    assert(json->depth < 64);
    uint64_t bit = UINT64_C(1) << json->depth++;
    json->is_array = array ? json->is_array | bit : json->is_array & ~bit;
    json->any = false;
    putc_unlocked(array ? '[' : '{', json->out);
}

void pyro_json_object(struct pyro_json *json, const char *key)
{
    enter(json, key, false);
}

void pyro_json_array(struct pyro_json *json, const char *key)
{
    enter(json, key, true);
}

void pyro_json_end(struct pyro_json *json)
{
    assert(json->depth > 0);
    json->depth--;
    putc_unlocked(json->is_array >> json->depth & 1 ? ']' : '}', json->out);
    json->any = true;
}

void pyro_json_line(struct pyro_json *json)
{
    if (json->any)
        putc_unlocked(',', json->out);
    putc_unlocked('\n', json->out);
    json->any = false;
}

void pyro_json_null(struct pyro_json *json, const char *key)
{
    lead(json, key);
    fwrite_unlocked("null", 1, 4, json->out);
}

void pyro_json_bool(struct pyro_json *json, const char *key, bool value)
{
    lead(json, key);
    fputs_unlocked(value ? "true" : "false", json->out);
}

void pyro_json_bytes(struct pyro_json *json, const char *key, const char *text, size_t length)
{
    lead(json, key);
    put_string(json->out, text, length);
}

void pyro_json_string(struct pyro_json *json, const char *key, const char *text)
{
    if (text)
        pyro_json_bytes(json, key, text, strlen(text));
    else
        pyro_json_null(json, key);
}

/* Digits by hand: fprintf is three times slower, and a long recording has tens of millions of them. */
static void put_digits(FILE *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    fwrite_unlocked(digits + at, 1, sizeof(digits) - at, out);
}

void pyro_json_u64(struct pyro_json *json, const char *key, uint64_t value)
{
    lead(json, key);
    put_digits(json->out, value);
}

void pyro_json_i64(struct pyro_json *json, const char *key, int64_t value)
{
    lead(json, key);
    if (value < 0)
        putc_unlocked('-', json->out);
    put_digits(json->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* PARTS / (10 * UNIT), without zeros at the end. */
static void put_decimals(FILE *out, uint64_t parts, uint64_t unit)
{
    put_digits(out, parts / unit / 10);
    uint64_t rest = parts % (10 * unit);
    if (!rest)
        return;
    putc_unlocked('.', out);
    for (; rest; rest %= unit, unit /= 10)
        putc_unlocked((char)('0' + rest / unit), out);
}

void pyro_json_us_as_s(struct pyro_json *json, const char *key, uint64_t value_us)
{
    lead(json, key);
    put_decimals(json->out, value_us, 100000);
}

static void put_double(struct pyro_json *json, const char *key, double value, double max,
                       uint64_t unit)
{
    if (!isfinite(value) || fabs(value) > max) {
        pyro_json_null(json, key);
        return;
    }
    lead(json, key);
    uint64_t parts = (uint64_t)(fabs(value) * 10 * (double)unit + 0.5);
    if (value < 0 && parts)
        putc_unlocked('-', json->out);
    put_decimals(json->out, parts, unit);
}

void pyro_json_double(struct pyro_json *json, const char *key, double value)
{
    put_double(json, key, value, 1e12, 100000);
}

void pyro_json_seconds(struct pyro_json *json, const char *key, double value_s)
{
    put_double(json, key, value_s, 1e9, 100000000);
}

void pyro_json_utc(struct pyro_json *json, const char *key, uint64_t unix_us)
{
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm parts;
    char day[40], text[64];
    if (!unix_us || unix_us / 1000000 > 253402300799ull || !gmtime_r(&seconds, &parts) ||
        !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts)) {
        pyro_json_null(json, key);
        return;
    }
    snprintf(text, sizeof(text), "%s.%06uZ", day, (unsigned)(unix_us % 1000000));
    pyro_json_string(json, key, text);
}
