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
PYRO_WRITER(pyro_write_lprof);
PYRO_WRITER(pyro_write_plot);
PYRO_WRITER(pyro_write_pprof);
PYRO_WRITER(pyro_write_pstats);
PYRO_WRITER(pyro_write_speedscope);

/* The end of every writer: RESULT (0 or negative errno) or a failed OUT becomes an error that names FORMAT. */
int pyro_export_done(int result, FILE *out, const char *format, struct pyro_error *error);

/* options->title, or "orders.py, 4.02 s", or "orders.py, 9.0 MiB held at the peak". */
void pyro_export_title(char *text, size_t size, const struct pyro_profile *profile,
                       const struct pyro_export_options *options);
/* All memory of a profile with heaps. */
struct pyro_export_bytes {
    uint64_t allocated, blocks, peak, live;
    uint64_t lost;   /* blocks that are in no figure */
    bool unhooked;   /* not all was seen */
    uint64_t period; /* bytes between samples, from which all this is estimated; 0: it is exact */
    bool native;     /* what C code took itself is in it, too */
    bool stopped;    /* every process ended by itself: `live` is of the end */
};
void pyro_export_bytes(struct pyro_export_bytes *sums, const struct pyro_profile *profile);
const char *pyro_export_clock(enum pyro_clock clock); /* "wall", "cpu", "gil", "wait" */

/* Text as XML has it, of flamegraph.c: escaped, what XML cannot hold replaced. */
void pyro_put_xml(FILE *out, const char *text);

/* The text from AT to before END as marshal and pickle write it: UTF-8, surrogates kept, what is neither replaced. */
uint32_t pyro_python_text_size(const char *at, const char *end);
void pyro_python_text_write(FILE *out, const char *at, const char *end);

#endif
