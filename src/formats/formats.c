/* formats/formats.c - the table of formats. */
#include "formats/formats.h"

#include "formats/internal.h"
#include "profile/summary.h"

#include <errno.h>
#include <string.h>

const struct pyro_format pyro_formats[] = {
    {"flamegraph", ".svg", "one interactive SVG: zoom, search, keyboard", pyro_write_flamegraph},
    {"collapsed", ".collapsed .folded .txt", "a line a stack, root first, with its samples",
     pyro_write_collapsed},
    {"speedscope", ".speedscope .speedscope.json", "for https://www.speedscope.app",
     pyro_write_speedscope},
    {"pprof", ".pb.gz .pprof", "for go tool pprof and its relatives", pyro_write_pprof},
    {"pstats", ".prof .pstats", "for pstats, snakeviz and tuna; samples stand in for calls",
     pyro_write_pstats},
    {"json", ".json", "every sample and stack, see docs/json.md", pyro_write_json},
    {NULL, NULL, NULL, NULL},
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

void pyro_export_title(char *text, size_t size, const struct pyro_profile *profile,
                       const struct pyro_export_options *options)
{
    if (options->title) {
        snprintf(text, size, "%s", options->title);
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
