/* cli/session.c - from the first byte of a recording to the last line said about it. */
#include "cli/session.h"

#include "cli/print.h"
#include "cli/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void pyro_session_begin(struct pyro_session *session, pid_t pid, bool with_source)
{
    session->with_source = with_source;
    pyro_source_roots_open(&session->roots, pid);
    if (session->confines)
        pyro_confined_begin(&session->confined, pid);
}

/* Does -o name a recording, so that it is written right there? */
static bool writes_recording(const struct pyro_session *session)
{
    const struct pyro_output *output = &session->output;
    return output->path && !output->format && !pyro_output_is_stdout(output);
}

/* Under sudo as the user; as root only where the user may not write. */
static int open_writer(struct pyro_session *session, const struct pyro_recording_info *info,
                       struct pyro_error *error)
{
    pyro_identity_enter_caller();
    int code = pyro_writer_open(session->path, info, &session->writer, error);
    pyro_identity_leave();
    if (code == -EACCES && writes_recording(session))
        code = pyro_writer_open(session->path, info, &session->writer, error);
    return code;
}

static int open_temporary(struct pyro_session *session, const struct pyro_recording_info *info,
                          const struct pyro_error *reason, struct pyro_error *error)
{
    const char *directory = getenv("TMPDIR");
    snprintf(session->path, sizeof(session->path), "%s/pyrometer-XXXXXX.pyro",
             directory && *directory ? directory : "/tmp");
    int fd = mkstemps(session->path, 5);
    if (fd < 0)
        return pyro_error_set(error, -errno, "%s", reason->message);
    close(fd);
    session->temporary = true;
    pyro_print_note("%s; this recording is not kept", reason->message);
    return pyro_writer_open(session->path, info, &session->writer, error);
}

int pyro_session_open(struct pyro_session *session, const struct pyro_recording_info *info,
                      struct pyro_error *error)
{
    struct pyro_error reason = {0};
    if (writes_recording(session)) {
        snprintf(session->path, sizeof(session->path), "%s", session->output.path);
        return open_writer(session, info, error);
    }
    int code = pyro_store_new(info->command ? info->command : "", info->pid, session->path,
                              sizeof(session->path), &reason);
    if (code == 0)
        code = open_writer(session, info, &reason);
    return code < 0 ? open_temporary(session, info, &reason, error) : 0;
}

int pyro_session_close(struct pyro_session *session, struct pyro_error *error)
{
    if (session->with_source && pyro_writer_error(session->writer) == 0)
        pyro_source_write(&session->roots, session->writer);
    if (session->confines)
        pyro_confined_end(&session->confined, session->writer);
    int code = pyro_writer_close(session->writer, error);
    session->writer = NULL;
    if (code == 0 && writes_recording(session))
        pyro_store_remember(session->path);
    pyro_store_prune();
    return code;
}

int pyro_session_export(struct pyro_session *session, const struct pyro_export_options *options,
                        struct pyro_profile **ret_profile, struct pyro_error *error)
{
    int code = pyro_profile_read(session->path, ret_profile, error);
    if (code < 0 || !session->output.path || writes_recording(session))
        return code;
    return pyro_output_write(&session->output, *ret_profile, session->path, options, error);
}

void pyro_session_discard(struct pyro_session *session)
{
    struct stat status;
    if (session->path[0] && stat(session->path, &status) == 0 && S_ISREG(status.st_mode))
        unlink(session->path);
    session->path[0] = '\0';
}

void pyro_session_end(struct pyro_session *session)
{
    if (session->writer)
        pyro_writer_close(session->writer, NULL);
    session->writer = NULL;
    if (session->temporary)
        pyro_session_discard(session);
    pyro_source_roots_close(&session->roots);
}

void pyro_session_print_kept(const struct pyro_session *session, FILE *out)
{
    if (session->temporary || !session->path[0])
        return;
    /* ~ for the home folder. */
    const char *home = pyro_identity_home();
    size_t length = strlen(home);
    bool below =
        length > 1 && strncmp(session->path, home, length) == 0 && session->path[length] == '/';
    fprintf(out, "kept in %s%s   ask again: %s\n", below ? "~" : "",
            session->path + (below ? length : 0),
            session->again ? session->again : "pyrometer stats -s tottime");
}

void pyro_session_print_wrote(const struct pyro_session *session,
                              const struct pyro_profile *profile)
{
    char bytes[32] = "";
    struct stat status;
    if (stat(session->output.path, &status) == 0 && S_ISREG(status.st_mode))
        pyro_print_bytes(bytes, sizeof(bytes), (uint64_t)status.st_size);
    bool looked = !profile->samples.count && profile->watch.looks;
    pyro_print_note(
        "wrote %s (%s%s%s): %" PRIu64 " %s in %.2f s",
        pyro_output_is_stdout(&session->output) ? "standard output" : session->output.path,
        pyro_output_format_name(&session->output), *bytes ? ", " : "", bytes,
        looked ? profile->watch.looks : (uint64_t)profile->samples.count,
        looked ? "looks" : "samples",
        (double)(looked ? profile->watch.until_us : profile->counters.duration_us) / 1e6);
}
