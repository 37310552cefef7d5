/* formats/lprof.c - what line_profiler's dump_stats() leaves: for python -m line_profiler and load_stats().
 *
 * The pickle is drawn in lprof_read.c. It is written in protocol 2, without a memo, which every Python 3 reads, under the name of the class
 * that line_profiler 4 and 5 both have. Of the lines of all
 * threads and processes the sums; a line without a hit is left out, since readers divide by its hits. Where lines were counted
 * only, their times are those of samples. */
#include "formats/internal.h"
#include "profile/line_counts.h"
#include "profile/line_totals.h"

#include <string.h>

#define HEAD                                     \
    "\x80\x02"                                   \
    "cline_profiler._line_profiler\nLineStats\n" \
    ")\x81" /* an object of that class */
#define UNIT_S 1e-9

/* -- pickle, see Lib/pickletools.py ------------------------------------------------------------- */

static void put_bytes(FILE *out, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        putc_unlocked((int)(value >> (8 * i) & 0xff), out);
}

/* BININT while it fits into 31 bits, else LONG1 of eight bytes, the last of which says that it is not negative. */
static void put_integer(FILE *out, uint64_t value)
{
    bool small = value <= INT32_MAX;
    putc_unlocked(small ? 'J' : 0x8a, out);
    if (!small)
        putc_unlocked(8, out);
    put_bytes(out, value <= INT64_MAX ? value : INT64_MAX, small ? 4 : 8);
}

static void put_float(FILE *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    putc_unlocked('G', out);
    for (int i = 56; i >= 0; i -= 8)
        putc_unlocked((int)(bits >> i & 0xff), out);
}

static void put_text(FILE *out, const char *text, size_t length)
{
    putc_unlocked('X', out);
    put_bytes(out, pyro_python_text_size(text, text + length), 4);
    pyro_python_text_write(out, text, text + length);
}

static void put_string(FILE *out, const struct pyro_profile *profile, uint32_t string)
{
    put_text(out, pyro_profile_text(profile, string),
             pyro_strings_length(&profile->strings, string));
}

static void put_tuple3(FILE *out)
{
    putc_unlocked(0x87, out);
}

/* -- the object --------------------------------------------------------------------------------- */

static void put_label(FILE *out, const struct pyro_profile *profile, uint32_t id)
{
    const struct pyro_function *function = &profile->functions[id];
    put_string(out, profile, function->file);
    put_integer(out, function->first_line);
    put_string(out, profile, function->name);
    put_tuple3(out);
}

static uint64_t sampled_ns(const struct pyro_line_totals *sampled,
                           const struct pyro_line_count *line)
{
    double us = 0;
    for (size_t i = 0; i < sampled->count; i++)
        if (sampled->lines[i].function == line->function && sampled->lines[i].line == line->line)
            us = sampled->lines[i].total_us;
    return us > 0 ? (uint64_t)(us * 1000) : 0;
}

/* The counts of one line, of all threads, from the one at AT on. Where the next one begins. */
static size_t put_line(FILE *out, const struct pyro_profile *profile,
                       const struct pyro_line_totals *sampled, size_t at)
{
    const struct pyro_line_count *first = &profile->lines[at];
    uint64_t hits = 0, time_ns = 0;
    for (; at < profile->line_count && profile->lines[at].function == first->function &&
           profile->lines[at].line == first->line;
         at++) {
        hits += profile->lines[at].hits;
        time_ns += profile->lines[at].time_ns;
    }
    if (first->line && hits) {
        put_integer(out, first->line);
        put_integer(out, hits);
        put_integer(out, time_ns + sampled_ns(sampled, first));
        put_tuple3(out);
    }
    return at;
}

static void put_timings(FILE *out, const struct pyro_profile *profile,
                        const struct pyro_line_totals *sampled)
{
    fputs("}(", out);
    for (size_t at = 0; at < profile->line_count;) {
        uint32_t function = profile->lines[at].function;
        put_label(out, profile, function);
        fputs("](", out);
        while (at < profile->line_count && profile->lines[at].function == function)
            at = put_line(out, profile, sampled, at);
        putc_unlocked('e', out);
    }
    putc_unlocked('u', out);
}

/* Of lines that were counted and not timed, since then; of others nothing. To be cleared. */
static int take_sampled(const struct pyro_profile *profile, struct pyro_line_totals *ret_sampled)
{
    const struct pyro_totals_filter filter = {.thread = PYRO_NO_ID,
                                              .since_us = pyro_line_counts_since_us(profile)};
    struct pyro_totals totals = {0};
    struct pyro_clock_view view;
    *ret_sampled = (struct pyro_line_totals){0};
    if (!profile->counters.lines_sampled)
        return 0;
    int result = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &filter);
    if (result == 0)
        result = pyro_line_totals_init(ret_sampled, profile, &totals);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result;
}

int pyro_write_lprof(const struct pyro_profile *profile, const struct pyro_export_options *options,
                     FILE *out, struct pyro_error *error)
{
    struct pyro_line_totals sampled;
    int result = take_sampled(profile, &sampled);
    if (result < 0)
        return pyro_export_done(result, out, ".lprof", error);
    fwrite(HEAD, 1, sizeof(HEAD) - 1, out);
    fputs("}(", out);
    put_text(out, "timings", strlen("timings"));
    put_timings(out, profile, &sampled);
    put_text(out, "unit", strlen("unit"));
    put_float(out, UNIT_S);
    fputs("ub.", out);
    pyro_line_totals_clear(&sampled);
    return pyro_export_done(0, out, ".lprof", error);
}
