/* profile/profile.c - from the bytes of a file to a profile that can be asked. */
#include "profile/profile.h"

#include "profile/parse.h"
#include "profile/resolve.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX  (UINT64_C(4) << 30)
#define READ_SIZE_STEP (256u << 10) /* of what tells no size: a pipe */

/* -- finishing ---------------------------------------------------------------------------------- */

static int keep_info(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    const char **const texts[PYRO_INFO_TEXTS] = {
        &profile->info.command,   &profile->info.python,    &profile->info.mode,
        &profile->info.pyrometer, &profile->info.directory,
    };
    for (int i = 0; i < PYRO_INFO_TEXTS; i++) {
        const struct pyro_text_slice *slice = &parse->info_texts[i];
        if (!slice->text)
            continue;
        int64_t id = pyro_strings_intern(&profile->strings, (const char *)slice->text, slice->size);
        if (id < 0)
            return (int)id;
        *texts[i] = pyro_strings_text(&profile->strings, (uint32_t)id);
    }
    return 0;
}

static int compare_sources(const void *a, const void *b)
{
    const struct pyro_source_line *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int finish(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    int error = keep_info(parse);
    if (error == 0)
        error = pyro_resolve_unsure(parse);
    if (error == 0)
        error = pyro_resolve_weights(parse);
    if (error == 0 && profile->source_count > 0)
        qsort(profile->sources, profile->source_count, sizeof(*profile->sources), compare_sources);
    return error;
}

/* -- reading ------------------------------------------------------------------------------------ */

static int tell(const struct pyro_parse *parse, int code, const char *path,
                struct pyro_error *error)
{
    if (code == -EBADMSG)
        return pyro_error_set(error, code, "cannot read '%s': %s", path, parse->problem);
    if (code == -EFBIG)
        return pyro_error_set(error, code, "cannot read '%s': it unfolds into too much", path);
    if (code != -EPROTONOSUPPORT)
        return pyro_error_set(error, code, "cannot read '%s': out of memory", path);
    pyro_error_set(error, -EBADMSG, "cannot read '%s': it was written by a newer pyrometer", path);
    pyro_error_hint(error, "update pyrometer");
    return -EBADMSG;
}

static int parse_bytes(const char *path, const void *data, size_t size,
                       struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_parse parse = {.profile = calloc(1, sizeof(struct pyro_profile))};
    int code = parse.profile ? 0 : -ENOMEM;
    if (code == 0)
        code = pyro_parse_run(&parse, data, size);
    if (code == 0)
        code = finish(&parse);
    pyro_parse_clear(&parse);
    if (code < 0) {
        pyro_profile_free(parse.profile);
        return tell(&parse, code, path, error);
    }
    *ret_profile = parse.profile;
    return 0;
}

int pyro_profile_parse(const void *data, size_t size, struct pyro_profile **ret_profile,
                       struct pyro_error *error)
{
    return parse_bytes("recording", data, size, ret_profile, error);
}

/* Append all that FD gives to BUFFER, which has room for SIZE_HINT bytes at once. */
static int read_all(int fd, size_t size_hint, struct pyro_buffer *buffer)
{
    for (;;) {
        size_t step = buffer->size < size_hint ? size_hint - buffer->size + 1 : READ_SIZE_STEP;
        if (buffer->capacity - buffer->size < step) {
            uint8_t *data = realloc(buffer->data, buffer->size + step);
            if (!data)
                return -ENOMEM;
            buffer->data = data;
            buffer->capacity = buffer->size + step;
        }
        ssize_t got = read(fd, buffer->data + buffer->size, step);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        buffer->size += (size_t)got;
        if (buffer->size > FILE_SIZE_MAX)
            return -EFBIG;
    }
}

static int read_file(const char *path, struct pyro_buffer *buffer)
{
    int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat status;
    int code = 0;
    if (fstat(fd, &status) < 0)
        code = -errno;
    else if ((uint64_t)status.st_size > FILE_SIZE_MAX)
        code = -EFBIG;
    else
        code = read_all(fd, S_ISREG(status.st_mode) ? (size_t)status.st_size : 0, buffer);
    close(fd);
    return code;
}

int pyro_profile_read(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_buffer bytes = {0};
    int code = read_file(path, &bytes);
    if (code < 0) {
        const char *reason = strerror(-code);
        pyro_error_set(error, code, "cannot read '%s': %c%s", path,
                       tolower((unsigned char)reason[0]), reason + 1);
    } else {
        code = parse_bytes(path, bytes.data, bytes.size, ret_profile, error);
    }
    pyro_buffer_free(&bytes);
    return code;
}

void pyro_profile_free(struct pyro_profile *profile)
{
    if (!profile)
        return;
    pyro_strings_free(&profile->strings);
    free(profile->functions);
    free(profile->frames);
    free(profile->stacks);
    free(profile->processes);
    free(profile->threads);
    free(profile->waits);
    free(profile->sources);
    free(profile->samples.time_us);
    free(profile->samples.thread);
    free(profile->samples.stack);
    free(profile->samples.wait);
    free(profile->samples.state);
    free(profile->samples.flags);
    free(profile->samples.weight_us);
    free(profile);
}

/* -- asking ------------------------------------------------------------------------------------- */

const char *pyro_profile_text(const struct pyro_profile *profile, uint32_t string)
{
    return pyro_strings_text(&profile->strings, string);
}

const char *pyro_profile_source(const struct pyro_profile *profile, uint32_t file, uint32_t line)
{
    if (profile->source_count == 0)
        return NULL;
    struct pyro_source_line key = {.file = file, .line = line};
    const struct pyro_source_line *found = bsearch(&key, profile->sources, profile->source_count,
                                                   sizeof(*profile->sources), compare_sources);
    return found ? pyro_profile_text(profile, found->text) : NULL;
}
