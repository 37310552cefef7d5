/* formats/import.h - a file to be asked, whoever made it: our own recordings, .prof and .lprof files, and stacks of other
 * tools: collapsed, speedscope's, pprof's.
 *
 * What a file is, its content tells, not its name. */
#ifndef PYRO_FORMATS_IMPORT_H
#define PYRO_FORMATS_IMPORT_H

#include "profile/profile.h"

/* Read PATHS, one at least: a recording, or .prof files of cProfile, profile, profiling.tracing or profiling.sampling,
 * which are added up as pstats.Stats does. "-" is standard input. -EBADMSG and others, with the file's name. */
int pyro_import(const char *const *paths, size_t count, struct pyro_profile **ret_profile,
                struct pyro_error *error);
/* The same of one file, for who asks for lines only: a .lprof file of line_profiler, too, which has nothing else. */
int pyro_import_lines(const char *path, struct pyro_profile **ret_profile,
                      struct pyro_error *error);

/* The same for who asks for what was resident over time: a recording of `run --rss`, too. And for who takes all of these. */
int pyro_import_looks(const char *path, struct pyro_profile **ret_profile,
                      struct pyro_error *error);
int pyro_import_any(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error);

/* -- one format --------------------------------------------------------------------------------- */

struct pyro_prof_file {
    const char *name; /* for messages */
    const void *data; /* hostile bytes are fine */
    size_t size;
};
#define PYRO_PROF_BYTES_MAX (UINT64_C(64) << 20) /* the .prof of a large program has one or two */

/* Whether a file that begins so is a .prof file. Two bytes are enough. */
bool pyro_pstats_recognise(const void *data, size_t size);
/* A profile with timed calls, and without samples. */
int pyro_pstats_read(const struct pyro_prof_file *files, size_t count,
                     struct pyro_profile **ret_profile, struct pyro_error *error);

/* Whether a file that begins so is a pickle, as .lprof files are. Two bytes are enough. */
bool pyro_lprof_recognise(const void *data, size_t size);
/* A profile with counted lines, and nothing else. NAME is for messages, DATA may be hostile. */
int pyro_lprof_read(const char *name, const void *data, size_t size,
                    struct pyro_profile **ret_profile, struct pyro_error *error);
#define PYRO_LPROF_BYTES_MAX (UINT64_C(16) << 20) /* the .lprof of a large program has a tenth */

/* Stacks of other tools: a profile with samples, `foreign`. Of the first 64 KiB of a file, whether it is one: */
bool pyro_collapsed_recognise(const void *data,
                              size_t size); /* not all text is: its first line ends in a count */
bool pyro_speedscope_recognise(const void *data, size_t size); /* any JSON */
bool pyro_pprof_recognise(const void *data, size_t size);      /* anything gzipped, too */
/* NAME is for messages, DATA may be hostile: -EBADMSG, and what is wrong. */
int pyro_collapsed_read(const char *name, const void *data, size_t size,
                        struct pyro_profile **ret_profile, struct pyro_error *error);
int pyro_speedscope_read(const char *name, const void *data, size_t size,
                         struct pyro_profile **ret_profile, struct pyro_error *error);
int pyro_pprof_read(const char *name, const void *data, size_t size,
                    struct pyro_profile **ret_profile, struct pyro_error *error);
#define PYRO_STACKS_HEAD_BYTES (64u << 10)
#define PYRO_STACKS_BYTES_MAX  (UINT64_C(512) << 20)

/* An empty profile: the string "" and the root of the stacks are always there. NULL: no memory. */
struct pyro_profile *pyro_import_profile_new(void);

#endif
