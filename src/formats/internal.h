/* formats/internal.h - what the writers of this folder share. */
#ifndef PYRO_FORMATS_INTERNAL_H
#define PYRO_FORMATS_INTERNAL_H

#include "formats/formats.h"

#define PYRO_NAME_BYTES 2048 /* a longer name is cut */

#define PYRO_WRITER(name)                                                                   \
    int name(const struct pyro_profile *profile, const struct pyro_export_options *options, \
             FILE *out, struct pyro_error *error)
PYRO_WRITER(pyro_write_collapsed);
PYRO_WRITER(pyro_write_flamegraph);
PYRO_WRITER(pyro_write_json);
PYRO_WRITER(pyro_write_pprof);
PYRO_WRITER(pyro_write_pstats);
PYRO_WRITER(pyro_write_speedscope);

/* The end of every writer: RESULT (0 or negative errno) or a failed OUT becomes an error that names FORMAT. */
int pyro_export_done(int result, FILE *out, const char *format, struct pyro_error *error);

/* options->title, or "orders.py, 4.02 s". */
void pyro_export_title(char *text, size_t size, const struct pyro_profile *profile,
                       const struct pyro_export_options *options);
const char *pyro_export_clock(enum pyro_clock clock); /* "wall", "cpu", "gil", "wait" */

#endif
