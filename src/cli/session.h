/* cli/session.h - one recording being made, by `run` or `record`: where it goes, its source lines, what is said
 * about it afterwards. */
#ifndef PYRO_CLI_SESSION_H
#define PYRO_CLI_SESSION_H

#include "cli/confined.h"
#include "cli/output.h"
#include "cli/source.h"
#include "profile/writer.h"

#include <limits.h>

struct pyro_session {
    char path[PATH_MAX]; /* of the recording */
    bool temporary;      /* it could not be kept: removed by _end */
    bool with_source;
    struct pyro_writer *writer;
    struct pyro_source_roots roots;
    bool confines; /* what kept its memory small is written, too */
    struct pyro_confined confined;
    struct pyro_output output; /* path NULL: none asked for */
    const char *again; /* what to type to ask it again; NULL: "pyrometer stats -s tottime" */
};

/* Begin: remember where the target's files are. Nothing is written yet. */
void pyro_session_begin(struct pyro_session *session, pid_t pid, bool with_source);
/* Make the recording: where -o says for a .pyro file, else in the store, else in a temporary file. */
int pyro_session_open(struct pyro_session *session, const struct pyro_recording_info *info,
                      struct pyro_error *error);
/* Add the source lines, close the file, tidy the store. The first error of the whole recording. */
int pyro_session_close(struct pyro_session *session, struct pyro_error *error);
/* Read it back; give what -o asked for to its file. */
int pyro_session_export(struct pyro_session *session, const struct pyro_export_options *options,
                        struct pyro_profile **ret_profile, struct pyro_error *error);
/* Remove a recording without samples. */
void pyro_session_discard(struct pyro_session *session);
void pyro_session_end(struct pyro_session *session);

/* "kept in PATH ..." for the last line of a report. */
void pyro_session_print_kept(const struct pyro_session *session, FILE *out);
/* "wrote PATH (FORMAT)": the one line where -o was given. */
void pyro_session_print_wrote(const struct pyro_session *session,
                              const struct pyro_profile *profile);

#endif
