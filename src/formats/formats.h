/* formats/formats.h - foreign formats: one table, one file for each.
 *
 * A format turns a profile into bytes. The suffix of the output file chooses the format where none is named. */
#ifndef PYRO_FORMATS_FORMATS_H
#define PYRO_FORMATS_FORMATS_H

#include "profile/clock.h"
#include "profile/profile.h"

#include <stdio.h>

/* Which bytes weigh in place of time, where memory was tracked. */
enum pyro_bytes {
    PYRO_BYTES_NONE, /* time does */
    PYRO_BYTES_ALLOCATED,
    PYRO_BYTES_PEAK, /* held at the process's high-water mark */
    PYRO_BYTES_LIVE, /* allocated and not freed when it ended */
};
int pyro_bytes_by_name(const char *name,
                       enum pyro_bytes *ret_bytes); /* "allocated" "peak" "live"; -EINVAL */

struct pyro_export_options {
    enum pyro_clock clock;
    enum pyro_bytes bytes; /* not NONE: the profile has heaps, and nothing is asked by thread */
    bool functions;        /* -F: one entry a function, lines merged */
    bool by_thread;        /* -t: a root for each thread */
    bool by_process;
    bool idle;         /* -i: parked threads too */
    const char *title; /* NULL: made from the recording */
};

struct pyro_format {
    const char *name;     /* "flamegraph" */
    const char *suffixes; /* ".svg", space-separated; "" for none */
    const char *summary;  /* one line for --help */
    int (*write)(const struct pyro_profile *profile, const struct pyro_export_options *options,
                 FILE *out, struct pyro_error *error);
    enum {
        PYRO_HOLDS_SAMPLES,
        PYRO_HOLDS_TIMED_CALLS,   /* those too, without samples */
        PYRO_HOLDS_COUNTED_LINES, /* those alone */
        PYRO_HOLDS_LOOKS,         /* at what was resident: those alone */
        PYRO_HOLDS_ALL,           /* whatever there is */
    } holds;
    bool has_bytes; /* memory can weigh in it, or is in it whatever is asked */
};

extern const struct pyro_format pyro_formats[]; /* ends with a NULL name */

const struct pyro_format *pyro_format_by_name(const char *name); /* NULL: no such format */
const struct pyro_format *pyro_format_by_path(
    const char *path); /* by its suffix; NULL: none fits */

#endif
