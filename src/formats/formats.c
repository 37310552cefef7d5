/* formats/formats.c - the table of formats. */
#include "formats/formats.h"

#include "formats/internal.h"
#include "profile/summary.h"

#include <errno.h>
#include <string.h>

const struct pyro_format pyro_formats[] = {
    {"flamegraph", ".svg", "one interactive SVG: zoom, search, keyboard", pyro_write_flamegraph,
     PYRO_HOLDS_SAMPLES, true},
    {"collapsed", ".collapsed .folded .txt", "a line a stack, root first, with its samples",
     pyro_write_collapsed, PYRO_HOLDS_SAMPLES, true},
    {"speedscope", ".speedscope .speedscope.json", "for https://www.speedscope.app",
     pyro_write_speedscope, PYRO_HOLDS_SAMPLES, true},
    {"pprof", ".pb.gz .pprof", "for go tool pprof and its relatives", pyro_write_pprof,
     PYRO_HOLDS_SAMPLES, true},
    {"pstats", ".prof .pstats", "for pstats, snakeviz and tuna; samples stand in for calls",
     pyro_write_pstats, PYRO_HOLDS_TIMED_CALLS, false},
    {"json", ".json", "every sample and stack, see docs/json.md", pyro_write_json,
     PYRO_HOLDS_TIMED_CALLS, true},
    {"lprof", ".lprof", "lines that were counted, for line_profiler", pyro_write_lprof,
     PYRO_HOLDS_COUNTED_LINES, false},
    {"plot", ".plot.svg", "what was resident over time, one SVG", pyro_write_plot, PYRO_HOLDS_LOOKS,
     false},
    {NULL, NULL, NULL, NULL, PYRO_HOLDS_SAMPLES, false},
};

const struct pyro_format *pyro_format_by_name(const char *name)
{
    for (const struct pyro_format *format = pyro_formats; format->name; format++)
        if (strcmp(format->name, name) == 0)
            return format;
    return NULL;
}

/* The length of the longest of the space-separated SUFFIXES that PATH ends with, 0: none. */
static size_t suffix_length(const char *suffixes, const char *path)
{
    size_t path_length = strlen(path), best = 0;
    while (*suffixes) {
        size_t length = strcspn(suffixes, " ");
        if (length > best && length < path_length &&
            strncmp(path + path_length - length, suffixes, length) == 0)
            best = length;
        suffixes += length;
        suffixes += strspn(suffixes, " ");
    }
    return best;
}

/* The longest suffix wins: ".speedscope.json" before ".json". */
const struct pyro_format *pyro_format_by_path(const char *path)
{
    const struct pyro_format *best = NULL;
    size_t best_length = 0;
    for (const struct pyro_format *format = pyro_formats; format->name; format++) {
        size_t length = suffix_length(format->suffixes, path);
        if (length > best_length) {
            best = format;
            best_length = length;
        }
    }
    return best;
}

int pyro_export_done(int result, FILE *out, const char *format, struct pyro_error *error)
{
    if (result == 0 && (fflush(out) != 0 || ferror(out)))
        result = errno ? -errno : -EIO;
    if (result < 0)
        return pyro_error_set(error, result, "cannot write %s: %s", format, strerror(-result));
    return 0;
}

int pyro_bytes_by_name(const char *name, enum pyro_bytes *ret_bytes)
{
    static const char *const names[] = {"", "allocated", "peak", "live"};
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_bytes = (enum pyro_bytes)i;
            return 0;
        }
    return -EINVAL;
}

void pyro_export_bytes(struct pyro_export_bytes *sums, const struct pyro_profile *profile)
{
    *sums = (struct pyro_export_bytes){
        .native = true, .stopped = true, .period = pyro_profile_memory_period(profile)};
    for (size_t i = 0; i < profile->memory_count; i++) {
        const struct pyro_stack_memory *memory = &profile->memory[i];
        sums->allocated += memory->allocated;
        sums->blocks += memory->allocations;
        sums->peak += memory->held;
        sums->live += memory->allocated - memory->freed;
    }
    for (size_t i = 0; i < profile->process_count; i++) {
        const struct pyro_process_memory *heap = &profile->heaps[i];
        if (!heap->tracked)
            continue;
        sums->lost += heap->lost;
        sums->unhooked = sums->unhooked || heap->unhooked;
        sums->native = sums->native && heap->all;
        sums->stopped = sums->stopped && heap->stopped;
    }
}

/* "orders.py, 9.0 MiB held at the peak", of a sample ", estimated" behind it */
static void bytes_title(char *text, size_t size, const struct pyro_profile *profile,
                        enum pyro_bytes bytes)
{
    struct pyro_export_bytes sums;
    char program[256], sum[32];
    pyro_export_bytes(&sums, profile);
    pyro_summary_program(program, sizeof(program), profile);
    const struct {
        uint64_t bytes;
        const char *words;
    } titles[] = {
        [PYRO_BYTES_ALLOCATED] = {sums.allocated, "allocated"},
        [PYRO_BYTES_PEAK] = {sums.peak, "held at the peak"},
        [PYRO_BYTES_LIVE] = {sums.live,
                             sums.stopped ? "left at the end" : "left when it was last seen"},
    };
    pyro_summary_size(sum, sizeof(sum), titles[bytes].bytes);
    snprintf(text, size, "%s, %s %s%s", program, sum, titles[bytes].words,
             sums.period ? ", estimated" : "");
}

void pyro_export_title(char *text, size_t size, const struct pyro_profile *profile,
                       const struct pyro_export_options *options)
{
    if (options->title) {
        snprintf(text, size, "%s", options->title);
        return;
    }
    if (options->bytes) {
        bytes_title(text, size, profile, options->bytes);
        return;
    }
    char program[256], duration[32];
    pyro_summary_program(program, sizeof(program), profile);
    pyro_summary_duration(duration, sizeof(duration), (double)profile->counters.duration_us / 1e6);
    snprintf(text, size, "%s, %s", program, duration);
}

const char *pyro_export_clock(enum pyro_clock clock)
{
    static const char *const names[] = {"wall", "cpu", "gil", "wait"};
    return names[clock];
}
