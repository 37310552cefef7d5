/* formats/pstats.c - what cProfile's dump_stats() leaves: for pstats.Stats(path), snakeviz and tuna.
 *
 * A marshalled dictionary {(file, line, name): (cc, nc, tt, ct, {caller: (nc, cc, tt, ct)})}, as
 * Lib/cProfile.py (snapshot_stats) and Lib/pstats.py (load_stats) have it in every Python 3. Written without
 * references, which every version of marshal reads.
 * Calls that were timed are written as they are: what was read from a .prof file comes out the same.
 * A recording gives sampled times and counted calls. Where none were counted, the number of samples with the function
 * on the stack stands in for nc and cc, since readers divide by them; nc also for cc of functions that recurse by way of
 * others. */
#include "formats/internal.h"
#include "profile/counted.h"

#include <errno.h>
#include <math.h>
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

/* 'u': UTF-8 with its length. */
static void put_text(FILE *out, const char *text, size_t length)
{
    putc_unlocked('u', out);
    put_u32(out, pyro_python_text_size(text, text + length));
    pyro_python_text_write(out, text, text + length);
}

static void put_string(FILE *out, const struct pyro_profile *profile, uint32_t string)
{
    put_text(out, pyro_profile_text(profile, string),
             pyro_strings_length(&profile->strings, string));
}

static void put_tuple(FILE *out, uint32_t count)
{
    putc_unlocked('(', out);
    put_u32(out, count);
}

#define DICT_BEGIN '{'
#define DICT_END   '0'

#define SAMPLED_MARK "__sampled__"

/* -- the dictionary ----------------------------------------------------------------------------- */

/* cProfile gives what is not Python the file '~' and line 0, and '<name>' for what it prints as '{name}'. */
static void put_special_name(FILE *out, const struct pyro_profile *profile, uint32_t string)
{
    size_t length = pyro_strings_length(&profile->strings, string);
    const char *name = pyro_profile_text(profile, string), *end = name + length;
    if (length < 2 || name[0] != '{' || end[-1] != '}') {
        put_text(out, name, length);
        return;
    }
    putc_unlocked('u', out);
    put_u32(out, pyro_python_text_size(name, end));
    putc_unlocked('<', out);
    pyro_python_text_write(out, name + 1, end - 1);
    putc_unlocked('>', out);
}

static void put_key(FILE *out, const struct pyro_profile *profile, uint32_t function_id)
{
    const struct pyro_function *function = &profile->functions[function_id];
    put_tuple(out, 3);
    if (function->kind == PYRO_FUNCTION_PYTHON) {
        put_string(out, profile, function->file);
        put_integer(out, function->first_line);
        put_string(out, profile, function->name);
        return;
    }
    put_text(out, "~", 1);
    put_integer(out, 0);
    put_special_name(out, profile, function->name);
}

/* -- of samples --------------------------------------------------------------------------------- */

/* Calls of a function or an edge: counted, else the number of samples. */
struct calls {
    uint64_t primitive, all;
};

static struct calls calls_of(uint64_t samples)
{
    return (struct calls){samples, samples};
}

static void put_times(FILE *out, double self_us, double total_us)
{
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

static int compare_edges(const struct pyro_edge_total *sampled,
                         const struct pyro_counted_edge *counted)
{
    if (sampled->callee != counted->callee)
        return sampled->callee < counted->callee ? -1 : 1;
    return (sampled->caller > counted->caller) - (sampled->caller < counted->caller);
}

/* A caller, in the order that a function's own figures do not have: (nc, cc, tt, ct). */
static void put_caller(FILE *out, const struct pyro_profile *profile, uint32_t caller,
                       uint64_t calls, const struct pyro_edge_total *times)
{
    if (caller == PYRO_NO_ID)
        return;
    put_key(out, profile, caller);
    put_tuple(out, 4);
    put_integer(out, calls);
    put_integer(out, calls);
    put_times(out, times ? times->self_us : 0, times ? times->total_us : 0);
}

/* Edges of totals and of counts side by side, both sorted by callee and caller. */
struct edges {
    const struct pyro_edge_total *sampled, *sampled_end;
    const struct pyro_counted_edge *counted, *counted_end;
    bool traced; /* what was not counted was there already */
};

/* Those into FUNCTION. */
static void put_callers(FILE *out, const struct pyro_profile *profile, struct edges *edges,
                        uint32_t function)
{
    for (;;) {
        bool sampled = edges->sampled < edges->sampled_end && edges->sampled->callee == function;
        bool counted = edges->counted < edges->counted_end && edges->counted->callee == function;
        if (!sampled && !counted)
            return;
        int order = !sampled ? 1 : !counted ? -1 : compare_edges(edges->sampled, edges->counted);
        const struct pyro_edge_total *times = order <= 0 ? edges->sampled++ : NULL;
        const struct pyro_counted_edge *calls = order >= 0 ? edges->counted++ : NULL;
        uint64_t samples = times && !edges->traced ? times->total_samples : 0;
        put_caller(out, profile, times ? times->caller : calls->caller,
                   calls ? calls->ncalls : samples, times);
    }
}

static struct calls calls_of_function(const struct pyro_counted *counted, uint32_t function,
                                      uint64_t samples)
{
    uint64_t all = counted->ncalls[function], primitive = counted->primitive[function];
    if (!all)
        return calls_of(samples); /* it ran before calls were counted, or none were */
    return (struct calls){primitive == PYRO_NO_CALLS ? all : primitive, all};
}

static void put_stats(FILE *out, const struct pyro_profile *profile, struct pyro_totals *totals,
                      const struct pyro_counted *counted)
{
    if (totals->edge_count)
        qsort(totals->edges, totals->edge_count, sizeof(*totals->edges), by_callee);
    struct edges edges = {totals->edges, totals->edges + totals->edge_count, counted->edges,
                          counted->edges + counted->edge_count, totals->traced};
    putc_unlocked(DICT_BEGIN, out);
    for (uint32_t i = 0; i < profile->function_count; i++) {
        const struct pyro_function_total *function = &totals->functions[i];
        if (!function->total_samples && !counted->ncalls[i])
            continue; /* and so it has no edges */
        uint64_t samples = totals->traced ? 0 : function->total_samples;
        struct calls calls = calls_of_function(counted, i, samples);
        put_key(out, profile, i);
        put_tuple(out, 5);
        put_integer(out, calls.primitive);
        put_integer(out, calls.all);
        put_times(out, function->self_us, function->total_us);
        putc_unlocked(DICT_BEGIN, out);
        put_callers(out, profile, &edges, i);
        putc_unlocked(DICT_END, out);
    }
    putc_unlocked(DICT_END, out);
}

static int write_sampled(const struct pyro_profile *profile,
                         const struct pyro_export_options *options, FILE *out)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    struct pyro_counted counted;
    int result = pyro_clock_view_init(&view, profile, options->clock, options->idle);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    pyro_clock_view_clear(&view);
    if (result < 0)
        return result;
    result = pyro_counted_make(&counted, profile, &PYRO_TOTALS_ALL);
    if (result == 0) {
        put_stats(out, profile, &totals, &counted);
        pyro_counted_clear(&counted);
    }
    pyro_totals_clear(&totals);
    return result;
}

/* -- of timed calls ----------------------------------------------------------------------------- */

static void put_timed_caller(FILE *out, const struct pyro_profile *profile,
                             const struct pyro_timed_edge *edge)
{
    put_key(out, profile, edge->caller);
    if (isnan(edge->total_s)) {
        put_integer(out, edge->ncalls);
        return;
    }
    put_tuple(out, 4);
    put_integer(out, edge->ncalls);
    put_integer(out, edge->primitive_calls);
    put_float(out, edge->self_s);
    put_float(out, edge->total_s);
}

/* The edges into function i are ORDER[FIRST[i]] up to ORDER[FIRST[i + 1]], indexes of timed_edges. */
static void put_timed(FILE *out, const struct pyro_profile *profile, const size_t *order,
                      const size_t *first)
{
    putc_unlocked(DICT_BEGIN, out);
    for (size_t i = 0; i < profile->timed_function_count; i++) {
        const struct pyro_timed_function *timed = &profile->timed_functions[i];
        put_key(out, profile, timed->function);
        put_tuple(out, 5);
        put_integer(out, timed->primitive_calls);
        put_integer(out, timed->ncalls);
        put_float(out, timed->self_s);
        put_float(out, timed->total_s);
        putc_unlocked(DICT_BEGIN, out);
        for (size_t j = first[timed->function]; j < first[timed->function + 1]; j++)
            put_timed_caller(out, profile, &profile->timed_edges[order[j]]);
        putc_unlocked(DICT_END, out);
    }
    if (profile->timed_by_samples) { /* ('__sampled__',): True */
        put_tuple(out, 1);
        put_text(out, SAMPLED_MARK, strlen(SAMPLED_MARK));
        putc_unlocked('T', out);
    }
    putc_unlocked(DICT_END, out);
}

/* FIRST, of function_count + 2, is zeroed. */
static void order_by_callee(const struct pyro_profile *profile, size_t *order, size_t *first)
{
    const struct pyro_timed_edge *edges = profile->timed_edges;
    for (size_t i = 0; i < profile->timed_edge_count; i++)
        first[edges[i].callee + 2]++;
    for (size_t i = 2; i < profile->function_count + 2; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < profile->timed_edge_count; i++)
        order[first[edges[i].callee + 1]++] = i;
}

static int write_timed(const struct pyro_profile *profile, FILE *out)
{
    size_t *order = calloc(profile->timed_edge_count + 1, sizeof(*order));
    size_t *first = calloc(profile->function_count + 2, sizeof(*first));
    int result = order && first ? 0 : -ENOMEM;
    if (result == 0) {
        order_by_callee(profile, order, first);
        put_timed(out, profile, order, first);
    }
    free(order);
    free(first);
    return result;
}

int pyro_write_pstats(const struct pyro_profile *profile, const struct pyro_export_options *options,
                      FILE *out, struct pyro_error *error)
{
    int result = profile->timed ? write_timed(profile, out) : write_sampled(profile, options, out);
    return pyro_export_done(result, out, "pstats", error);
}
