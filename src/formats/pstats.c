/* formats/pstats.c - what cProfile's dump_stats() leaves: for pstats.Stats(path), snakeviz and tuna.
 *
 * A marshalled dictionary {(file, line, name): (cc, nc, tt, ct, {caller: (nc, cc, tt, ct)})}, as
 * Lib/cProfile.py (snapshot_stats) and Lib/pstats.py (load_stats) have it in every Python 3. Written without
 * references, which every version of marshal reads.
 * A sampler does not count calls, but the readers divide by them: the number of samples with the function on the
 * stack stands in for nc and cc. Real ones will be written where a recording has them. */
#include "base/utf8.h"
#include "formats/internal.h"
#include "profile/totals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- marshal, see Python/marshal.c -------------------------------------------------------------- */

static void put_u32(FILE *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        putc_unlocked((int)(value >> (8 * i) & 0xff), out);
}

/* 'i' while it fits into 31 bits, else 'l': digits of 15 bits. */
static void put_integer(FILE *out, uint64_t value)
{
    if (value <= INT32_MAX) {
        putc_unlocked('i', out);
        put_u32(out, (uint32_t)value);
        return;
    }
    uint32_t digits = 0;
    for (uint64_t rest = value; rest; rest >>= 15)
        digits++;
    putc_unlocked('l', out);
    put_u32(out, digits);
    for (; digits; digits--, value >>= 15) {
        putc_unlocked((int)(value & 0xff), out);
        putc_unlocked((int)(value >> 8 & 0x7f), out);
    }
}

static void put_float(FILE *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    putc_unlocked('g', out);
    put_u32(out, (uint32_t)bits);
    put_u32(out, (uint32_t)(bits >> 32));
}

/* 'u': UTF-8 with its length. What is no UTF-8 is replaced, so the length is only known afterwards. */
static void put_text(FILE *out, const char *text)
{
    uint32_t size = 0;
    char bytes[4];
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;)
        size += (uint32_t)pyro_utf8_put(bytes, pyro_utf8_next(&at, end));
    putc_unlocked('u', out);
    put_u32(out, size);
    for (const char *at = text; at < end;)
        fwrite_unlocked(bytes, 1, pyro_utf8_put(bytes, pyro_utf8_next(&at, end)), out);
}

static void put_tuple(FILE *out, uint32_t count)
{
    putc_unlocked('(', out);
    put_u32(out, count);
}

#define DICT_BEGIN '{'
#define DICT_END   '0'

/* -- the dictionary ----------------------------------------------------------------------------- */

/* cProfile gives what is not Python the file '~' and line 0, and '<name>' for what it prints as '{name}'. */
static void put_special_name(FILE *out, const char *name)
{
    size_t length = strlen(name);
    char text[PYRO_NAME_BYTES];
    if (length >= 2 && length < sizeof(text) && name[0] == '{' && name[length - 1] == '}') {
        snprintf(text, sizeof(text), "<%.*s>", (int)(length - 2), name + 1);
        name = text;
    }
    put_text(out, name);
}

static void put_key(FILE *out, const struct pyro_profile *profile, uint32_t function_id)
{
    const struct pyro_function *function = &profile->functions[function_id];
    const char *name = pyro_profile_text(profile, function->name);
    put_tuple(out, 3);
    if (function->kind == PYRO_FUNCTION_PYTHON) {
        put_text(out, pyro_profile_text(profile, function->file));
        put_integer(out, function->first_line);
        put_text(out, name);
        return;
    }
    put_text(out, "~");
    put_integer(out, 0);
    put_special_name(out, name);
}

/* The same four figures for a function and for a caller. */
static void put_figures(FILE *out, uint64_t samples, double self_us, double total_us)
{
    put_integer(out, samples);
    put_integer(out, samples);
    put_float(out, self_us / 1e6);
    put_float(out, total_us / 1e6);
}

static int by_callee(const void *left, const void *right)
{
    const struct pyro_edge_total *a = left, *b = right;
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    return a->caller < b->caller ? -1 : a->caller > b->caller;
}

static void put_stats(FILE *out, const struct pyro_profile *profile, struct pyro_totals *totals)
{
    if (totals->edge_count)
        qsort(totals->edges, totals->edge_count, sizeof(*totals->edges), by_callee);
    const struct pyro_edge_total *edge = totals->edges, *end = edge + totals->edge_count;
    putc_unlocked(DICT_BEGIN, out);
    for (uint32_t i = 0; i < profile->function_count; i++) {
        const struct pyro_function_total *function = &totals->functions[i];
        if (!function->total_samples)
            continue; /* and so it has no edges */
        put_key(out, profile, i);
        put_tuple(out, 5);
        put_figures(out, function->total_samples, function->self_us, function->total_us);
        putc_unlocked(DICT_BEGIN, out);
        for (; edge < end && edge->callee == i; edge++) {
            if (edge->caller == PYRO_NO_ID)
                continue;
            put_key(out, profile, edge->caller);
            put_tuple(out, 4);
            put_figures(out, edge->total_samples, edge->self_us, edge->total_us);
        }
        putc_unlocked(DICT_END, out);
    }
    putc_unlocked(DICT_END, out);
}

int pyro_write_pstats(const struct pyro_profile *profile, const struct pyro_export_options *options,
                      FILE *out, struct pyro_error *error)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    int result = pyro_clock_view_init(&view, profile, options->clock, options->idle);
    if (result == 0) {
        result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
        pyro_clock_view_clear(&view);
    }
    if (result == 0) {
        put_stats(out, profile, &totals);
        pyro_totals_clear(&totals);
    }
    return pyro_export_done(result, out, "pstats", error);
}
