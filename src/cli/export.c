/* cli/export.c - `pyrometer export`: a recording in the format of another program. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/print.h"

struct options {
    const char *format, *output;
    struct pyro_export_options export;
};

static const struct pyro_option export_options[] = {
    {.letter = 'f',
     .name = "format",
     .value = "FORMAT",
     .purpose = "to choose a format",
     .summary =
         "pyro, flamegraph, collapsed, speedscope, pstats, pprof or json; else the suffix of "
         "OUT decides",
     .choices = "pyro flamegraph collapsed speedscope pstats pprof json",
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
    {0},
};

static int usage(const struct pyro_error *error)
{
    pyro_print_error(error);
    return PYRO_EXIT_USAGE;
}

static int run_export(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {0};
    struct pyro_operands operands;
    struct pyro_output output;
    struct pyro_profile *profile = NULL;
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
    status = PYRO_EXIT_FILE;
    if (pyro_profile_read(operands.items[0], &profile, &error) == 0) {
        int code = pyro_output_write(&output, profile, operands.items[0], &options.export, &error);
        status = code < 0 ? PYRO_EXIT_FAILED : PYRO_EXIT_OK;
    }
    pyro_profile_free(profile);
    if (status != PYRO_EXIT_OK)
        pyro_print_error(&error);
    return status;
}

const struct pyro_command pyro_command_export = {
    .name = "export",
    .group = "move files",
    .summary = "write a recording in another program's format",
    .usage = {"export FILE -o OUT [-f FORMAT] [-F] [-t] [-i] [--clock CLOCK]"},
    .about =
        "flamegraph is one interactive SVG file; collapsed, speedscope, pstats and pprof are for "
        "the programs of those names; json is one object with everything that was sampled.",
    .examples = {"pyrometer export app.pyro -o profile.svg",
                 "pyrometer export app.pyro -f speedscope -o app.speedscope.json",
                 "pyrometer export app.pyro -f collapsed -o - --clock cpu"},
    .options = export_options,
    .operands_max = 1,
    .run = run_export,
};
