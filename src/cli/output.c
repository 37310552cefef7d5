/* cli/output.c - the file that -o names, in the format meant. */
#include "cli/output.h"

#include "base/buffer.h"
#include "cli/identity.h"
#include "view/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_page(const struct pyro_profile *profile, const struct pyro_export_options *options,
                      FILE *out, struct pyro_error *error)
{
    return pyro_page_write(profile, &(struct pyro_page_options){.title = options->title}, out,
                           error);
}

/* No row of pyro_formats: formats/ may not know view/, which makes it. */
static const struct pyro_format page_format = {
    "html",     ".html .htm",   "one page: summary, flame graph, table, source",
    write_page, PYRO_HOLDS_ALL, true};

const struct pyro_format *pyro_output_format_by_name(const char *name)
{
    return strcmp(name, page_format.name) == 0 ? &page_format : pyro_format_by_name(name);
}

bool pyro_output_is_stdout(const struct pyro_output *output)
{
    return output->path && strcmp(output->path, "-") == 0;
}

const char *pyro_output_format_name(const struct pyro_output *output)
{
    return output->format ? output->format->name : "pyro";
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_page(const char *path)
{
    return ends_with(path, ".html") || ends_with(path, ".htm");
}

static int unknown_suffix(const char *path, struct pyro_error *error)
{
    struct pyro_buffer names = {0};
    pyro_buffer_puts(&names, ".pyro");
    for (const struct pyro_format *format = pyro_formats; format->name; format++)
        pyro_buffer_printf(&names, "%s%s", *format->suffixes ? " " : "", format->suffixes);
    pyro_buffer_printf(&names, " %s", page_format.suffixes);
    pyro_buffer_put_u8(&names, '\0');
    pyro_error_set(error, -EINVAL, "the suffix of '%s' names no format", path);
    pyro_error_hint(error, "add -f FORMAT, or use one of %s",
                    names.failed ? ".pyro" : (const char *)names.data);
    pyro_buffer_free(&names);
    return -EINVAL;
}

int pyro_output_resolve(const char *path, const char *format, struct pyro_output *ret_output,
                        struct pyro_error *error)
{
    *ret_output = (struct pyro_output){.path = path};
    if (format) /* the option's parser knows it */
        ret_output->format = pyro_output_format_by_name(format);
    else if (!ends_with(path, ".pyro") && !pyro_output_is_stdout(ret_output))
        ret_output->format = is_page(path) ? &page_format : pyro_format_by_path(path);
    if (!format && !ret_output->format && !ends_with(path, ".pyro"))
        return unknown_suffix(path, error);
    return 0;
}

int pyro_output_plot(struct pyro_output *output, struct pyro_error *error)
{
    if (output->format && ends_with(output->path, ".svg"))
        output->format = pyro_format_by_name("plot");
    if (!output->format || output->format->holds == PYRO_HOLDS_LOOKS ||
        output->format->holds == PYRO_HOLDS_ALL)
        return 0;
    pyro_error_set(error, -EINVAL, "what was resident has no place in %s: it holds no samples",
                   output->format->name);
    pyro_error_hint(error,
                    "it can be drawn (.svg), kept (.pyro) or printed (pyrometer memory --json)");
    return -EINVAL;
}

/* The folder PATH lies in. */
static void directory_of(const char *path, char *directory, size_t size)
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 1;
    snprintf(directory, size, "%.*s", length ? length : 1, slash ? path : ".");
}

int pyro_output_check(const struct pyro_output *output, struct pyro_error *error)
{
    char directory[PATH_MAX];
    struct stat status;
    if (pyro_output_is_stdout(output))
        return 0;
    int failed;
    if (stat(output->path, &status) == 0) {
        failed = access(output->path, W_OK) < 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    } else {
        directory_of(output->path, directory, sizeof(directory));
        failed = access(directory, W_OK | X_OK) < 0 ? errno : 0;
    }
    if (failed)
        return pyro_error_set(error, -failed, "cannot write '%s': %s", output->path,
                              strerror(failed));
    return 0;
}

/* Under sudo the file is the user's, or root's where the user may not write. */
static FILE *open_output(const char *path)
{
    pyro_identity_enter_caller();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = errno;
    pyro_identity_leave();
    if (fd < 0 && error == EACCES)
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

static int copy_file(const char *from, FILE *out, struct pyro_error *error)
{
    char buffer[65536];
    FILE *in = fopen(from, "rbe");
    if (!in)
        return pyro_error_set(error, -errno, "cannot open '%s': %s", from, strerror(errno));
    size_t count;
    while ((count = fread(buffer, 1, sizeof(buffer), in)) > 0 &&
           fwrite(buffer, 1, count, out) == count)
        ;
    int failed = ferror(in);
    fclose(in);
    return failed ? pyro_error_set(error, -EIO, "cannot read '%s'", from) : 0;
}

static int write_failed(const char *path, int code, struct pyro_error *error)
{
    return pyro_error_set(error, code, "cannot write '%s': %s", path, strerror(-code));
}

static int write_to(const struct pyro_output *output, const struct pyro_profile *profile,
                    const char *recording, const struct pyro_export_options *options, FILE *out,
                    struct pyro_error *error)
{
    if (output->baseline)
        return pyro_page_write(
            profile,
            &(struct pyro_page_options){.baseline = output->baseline, .title = options->title}, out,
            error);
    return output->format ? output->format->write(profile, options, out, error)
                          : copy_file(recording, out, error);
}

int pyro_output_write(const struct pyro_output *output, const struct pyro_profile *profile,
                      const char *recording, const struct pyro_export_options *options,
                      struct pyro_error *error)
{
    bool to_stdout = pyro_output_is_stdout(output);
    struct stat status;
    FILE *out = to_stdout ? stdout : open_output(output->path);
    if (!out)
        return write_failed(output->path, -errno, error);
    errno = 0;
    int code = write_to(output, profile, recording, options, out, error);
    bool regular = !to_stdout && fstat(fileno(out), &status) == 0 && S_ISREG(status.st_mode);
    bool failed = fflush(out) != 0 || ferror(out);
    if (code == 0 && failed)
        code = write_failed(output->path, errno ? -errno : -EIO, error);
    if (!to_stdout && fclose(out) != 0 && code == 0)
        code = write_failed(output->path, -errno, error);
    if (code < 0 && regular)
        unlink(output->path);
    return code;
}
