/* cli/export.c - `pyrometer export`: a recording in the format of another program. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/print.h"
#include "formats/import.h"

#include <errno.h>

struct options {
    const char *format, *output;
    struct pyro_export_options export;
};

static int parse_bytes(const char *text, void *field, struct pyro_error *error)
{
    if (pyro_bytes_by_name(text, field) == 0)
        return 0;
    return pyro_error_set(error, -EINVAL,
                          "cannot export bytes of '%s': say allocated, peak or live", text);
}

static const struct pyro_option export_options[] = {
    {.letter = 'f',
     .name = "format",
     .value = "FORMAT",
     .purpose = "to choose a format",
     .summary =
         "pyro, html, flamegraph, collapsed, speedscope, pstats, pprof, json, lprof or plot; else "
         "the suffix "
         "of OUT decides",
     .choices = "pyro html flamegraph collapsed speedscope pstats pprof json lprof plot",
     .parse = pyro_parse_format,
     .field = offsetof(struct options, format)},
    {.letter = 'o',
     .name = "output",
     .value = "OUT",
     .purpose = "to write a file",
     .summary = "where to write; - for standard output",
     .choices = "FILE",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, output)},
    {.letter = 'F',
     .name = "function",
     .summary = "one entry a function: lines are merged",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.functions)},
    {.letter = 't',
     .name = "threads",
     .summary = "a root for each thread",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.by_thread)},
    {.letter = 'i',
     .name = "idle",
     .summary = "include parked threads",
     .parse = pyro_parse_switch,
     .field = offsetof(struct options, export.idle)},
    {.name = "clock",
     .value = "CLOCK",
     .summary = "which time: wall (default), cpu, gil or wait",
     .choices = "wall cpu gil wait",
     .parse = pyro_parse_clock,
     .field = offsetof(struct options, export.clock)},
    {.name = "bytes",
     .value = "WHICH",
     .purpose = "to have memory in place of time",
     .summary = "bytes in place of time, of a recording of `run --memory`: allocated, peak (held "
                "when the most was alive) or live (left at the end)",
     .choices = "allocated peak live",
     .parse = parse_bytes,
     .field = offsetof(struct options, export.bytes)},
    {0},
};

static int usage(const struct pyro_error *error)
{
    pyro_print_error(error);
    return PYRO_EXIT_USAGE;
}

/* Timed calls without samples: not every format has a place for them, and no clock can be asked. */
static int check_timed(const char *path, const struct pyro_output *output,
                       const struct pyro_export_options *options, struct pyro_error *error)
{
    if (!output->format || (output->format->holds != PYRO_HOLDS_TIMED_CALLS &&
                            output->format->holds != PYRO_HOLDS_ALL)) {
        pyro_error_set(error, -EINVAL, "'%s' holds calls and their times, no stacks for %s", path,
                       pyro_output_format_name(output));
        pyro_error_hint(error, "it can be written as html, pstats or json");
        return -EINVAL;
    }
    if (options->clock != PYRO_CLOCK_WALL)
        return pyro_error_set(error, -EINVAL,
                              "'%s' holds calls and their times, no samples: leave out --clock",
                              path);
    return 0;
}

/* Lines alone have one format besides the page, and no clock can be asked. */
static int check_lines(const char *path, const struct pyro_output *output,
                       const struct pyro_export_options *options, struct pyro_error *error)
{
    if (!output->format || (output->format->holds != PYRO_HOLDS_COUNTED_LINES &&
                            output->format->holds != PYRO_HOLDS_ALL)) {
        pyro_error_set(error, -EINVAL, "'%s' holds lines of functions, no stacks for %s", path,
                       pyro_output_format_name(output));
        pyro_error_hint(error, "it can be written as lprof or html");
        return -EINVAL;
    }
    if (options->clock != PYRO_CLOCK_WALL)
        return pyro_error_set(error, -EINVAL,
                              "'%s' holds lines of functions, no samples: leave out --clock", path);
    return 0;
}

static int check_tracked(const char *path, const struct pyro_profile *profile,
                         const struct pyro_export_options *options, struct pyro_error *error)
{
    if (!options->bytes || profile->heaps)
        return 0;
    pyro_error_set(error, -ENODATA, "memory was not tracked in '%s'", path);
    pyro_error_hint(error, "record it anew with: pyrometer run --memory SCRIPT");
    return -ENODATA;
}

/* Memory has no clock, no state, and no thread that it belongs to. */
static int check_bytes_alone(const struct pyro_export_options *options, struct pyro_error *error)
{
    const char *other = options->by_thread                  ? "-t"
                        : options->idle                     ? "-i"
                        : options->clock != PYRO_CLOCK_WALL ? "--clock"
                                                            : NULL;
    if (other)
        return pyro_error_set(error, -EINVAL,
                              "export: --bytes is of processes, not of threads and their time: "
                              "leave out %s",
                              other);
    return 0;
}

static int check_format_for_bytes(const struct pyro_output *output, struct pyro_error *error)
{
    if (output->format && output->format->has_bytes)
        return 0;
    pyro_error_set(error, -EINVAL, "export: %s has no place for bytes",
                   pyro_output_format_name(output));
    pyro_error_hint(error, "--bytes goes with flamegraph, collapsed, speedscope or pprof");
    return -EINVAL;
}

/* Stacks of other tools: they may not tell who ran, and a recording holds what they do not know. */
static int check_foreign(const char *path, const struct pyro_profile *profile,
                         const struct pyro_output *output,
                         const struct pyro_export_options *options, struct pyro_error *error)
{
    if (!output->format)
        return pyro_error_set(error, -EINVAL,
                              "'%s' cannot become a recording: nothing is known of how it was made",
                              path);
    if (profile->stateless && options->clock != PYRO_CLOCK_WALL)
        return pyro_error_set(error, -EINVAL,
                              "'%s' does not tell who ran and who waited: leave out --clock", path);
    return 0;
}

static int check(const char *path, const struct pyro_profile *profile,
                 const struct pyro_output *output, const struct pyro_export_options *options,
                 struct pyro_error *error)
{
    if (profile->lines_alone)
        return check_lines(path, output, options, error);
    if (output->format && output->format->holds == PYRO_HOLDS_COUNTED_LINES &&
        !profile->line_count && !profile->timed) {
        pyro_error_set(error, -EINVAL, "in '%s' no lines were counted, which %s is for", path,
                       output->format->name);
        pyro_error_hint(error, "record it with: pyrometer run --lines=NAME,...");
        return -EINVAL;
    }
    if (profile->foreign)
        return check_foreign(path, profile, output, options, error);
    return profile->timed ? check_timed(path, output, options, error) : 0;
}

/* What `run --rss` made has nothing but its looks. */
static int resolve_looks(const struct options *options, const struct pyro_profile *profile,
                         struct pyro_output *output, struct pyro_error *error)
{
    if (output->format &&
        (output->format->holds == PYRO_HOLDS_LOOKS || output->format->holds == PYRO_HOLDS_ALL))
        return 0; /* whose writer says if there are none */
    bool alone = profile->look_count && !profile->samples.count && !profile->heaps;
    if (!alone || !output->format)
        return 0;
    if (!options->format)
        return pyro_output_plot(output, error);
    return pyro_error_set(error, -EINVAL,
                          "what was resident has no place in %s: leave out -f, or say -f plot",
                          output->format->name);
}

static int write_export(const char *path, const struct options *given, struct pyro_output *output,
                        const struct pyro_export_options *options, struct pyro_error *error)
{
    struct pyro_profile *profile = NULL;
    if (pyro_import_any(path, &profile, error) < 0)
        return PYRO_EXIT_FILE;
    int status = PYRO_EXIT_OK;
    if (check_tracked(path, profile, options, error) < 0)
        status = PYRO_EXIT_FILE;
    else if (resolve_looks(given, profile, output, error) < 0 ||
             check(path, profile, output, options, error) < 0)
        status = PYRO_EXIT_USAGE;
    else if (pyro_output_write(output, profile, path, options, error) < 0)
        status = PYRO_EXIT_FAILED;
    pyro_profile_free(profile);
    return status;
}

static int run_export(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_output output;
    struct pyro_error error = {0};
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (operands.count == 0)
        pyro_error_set(&error, -1, "export: which recording? pyrometer export FILE -o OUT");
    else if (!options.output)
        pyro_error_set(&error, -1, "export: where to? pyrometer export %s -o OUT",
                       operands.items[0]);
    if (error.code || pyro_output_resolve(options.output, options.format, &output, &error) < 0)
        return usage(&error);
    if (options.export.bytes && (check_bytes_alone(&options.export, &error) < 0 ||
                                 check_format_for_bytes(&output, &error) < 0))
        return usage(&error);
    status = write_export(operands.items[0], &options, &output, &options.export, &error);
    if (status != PYRO_EXIT_OK)
        pyro_print_error(&error);
    return status;
}

const struct pyro_command pyro_command_export = {
    .name = "export",
    .group = "move files",
    .summary = "write a recording in another program's format",
    .usage = {"export FILE -o OUT [-f FORMAT] [-F] [-t] [-i] [--clock CLOCK]",
              "export FILE -o OUT [-f FORMAT] [-F] --bytes allocated|peak|live"},
    .about =
        "html is one page with every view of `view`; flamegraph is one interactive SVG file; "
        "collapsed, speedscope, pstats and pprof are for the programs of those names; json is one "
        "object with everything that was sampled; lprof is for line_profiler, of the lines that "
        "`run --lines` counted; plot is an SVG of what was resident over time, of `run --rss` and "
        "`run --memory`, and .svg means it where there is nothing else.\n\n"
        "With --bytes, flamegraph, collapsed and speedscope show memory in place of time. Then "
        "pprof has alloc_objects, alloc_space, inuse_objects and inuse_space, in use at the end, "
        "or with --bytes peak at the peak. html and json have what was tracked without it.\n\n"
        "FILE may be a .prof file too: it can be written as html, pstats and json. Or a .lprof "
        "file: it can be written as lprof and html. Or stacks of other tools, as `stats` reads "
        "them.",
    .examples = {"pyrometer export app.pyro -o profile.svg",
                 "pyrometer export app.pyro -f speedscope -o app.speedscope.json",
                 "pyrometer export app.pyro -f collapsed -o - --clock cpu",
                 "pyrometer export app.pyro -o memory.svg --bytes peak"},
    .options = export_options,
    .operands_max = 1,
    .run = run_export,
};
