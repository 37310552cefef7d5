/* cli/output.h - -o FILE and -f FORMAT, for run, record and export. */
#ifndef PYRO_CLI_OUTPUT_H
#define PYRO_CLI_OUTPUT_H

#include "formats/formats.h"

#include <stdbool.h>

struct pyro_output {
    const char *path;                    /* "-": standard output */
    const struct pyro_format *format;    /* NULL: a copy of the recording (.pyro) */
    const struct pyro_profile *baseline; /* for a page that compares; may be NULL */
};

/* Those of formats/, and "html", which is made by view/. NULL: no such format. */
const struct pyro_format *pyro_output_format_by_name(const char *name);

/* FORMAT names it, or else PATH's suffix does. -EINVAL: neither, with all suffixes in the message. */
int pyro_output_resolve(const char *path, const char *format, struct pyro_output *ret_output,
                        struct pyro_error *error);
/* Of what holds looks at what is resident alone: a suffix .svg means their plot. -EINVAL: the format has no place for them. */
int pyro_output_plot(struct pyro_output *output, struct pyro_error *error);
/* Can a file be made there? Asked before anything is measured. */
int pyro_output_check(const struct pyro_output *output, struct pyro_error *error);
/* Write PROFILE, which was read from RECORDING. What cannot be written whole is removed again. */
int pyro_output_write(const struct pyro_output *output, const struct pyro_profile *profile,
                      const char *recording, const struct pyro_export_options *options,
                      struct pyro_error *error);
bool pyro_output_is_stdout(const struct pyro_output *output);
/* "flamegraph", "pyro". */
const char *pyro_output_format_name(const struct pyro_output *output);

#endif
