/* cli/source.c - which lines, from which files, within limits.
 *
 * A path comes from the target (co_filename) and may be anything: a device, a pipe, a file the target
 * itself could not read. So it is resolved within the target's root, read with its owner's rights,
 * and only when it is a regular file of a sane size. */
#include "cli/source.h"

#include "base/grow.h"
#include "base/statements.h"
#include "profile/paths.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_BYTES_MAX  (16u << 20) /* a larger file is no source */
#define LINE_BYTES_MAX  1000u       /* longer lines are cut */
#define TOTAL_BYTES_MAX (64u << 20) /* of text in one recording */

#define STATEMENT_LINES_MAX 256u /* of one statement: the rest is left out */

struct place {
    uint32_t file, line;
};
#define STATEMENTS \
    UINT32_MAX /* the line of a place: what its module says while it is imported; the last one of its file */

void pyro_source_roots_open(struct pyro_source_roots *roots, pid_t pid)
{
    char path[64];
    struct stat status;
    struct pyro_process_info info;
    *roots = (struct pyro_source_roots){.root_fd = -1, .directory_fd = -1};
    if (pyro_process_info(pid, &info) < 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    /* The group of /proc/PID is the process's only while its owner is: else it is root's, no use to us. */
    bool same = stat(path, &status) == 0 && status.st_uid == info.uid;
    roots->owner = (struct pyro_identity){info.uid, same ? status.st_gid : (gid_t)65534};
    snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    roots->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    roots->directory_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void pyro_source_roots_close(struct pyro_source_roots *roots)
{
    if (roots->root_fd >= 0)
        close(roots->root_fd);
    if (roots->directory_fd >= 0)
        close(roots->directory_fd);
    roots->root_fd = roots->directory_fd = -1;
}

/* -- one file ----------------------------------------------------------------------------------- */

static int open_below(int root_fd, const char *path, uint64_t resolve)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = resolve,
    };
    return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* Symbolic links are followed as the target would: absolute ones start at its root. */
static int open_source(const struct pyro_source_roots *roots, const char *path)
{
    int fd;
    if (path[0] == '/')
        fd = open_below(roots->root_fd, path, RESOLVE_IN_ROOT);
    else /* relative to where the target stood when we began */
        fd = open_below(roots->directory_fd, path, RESOLVE_BENEATH);
    if (fd < 0 && errno == ENOSYS) { /* before Linux 5.6 */
        bool absolute = path[0] == '/';
        fd = openat(absolute ? roots->root_fd : roots->directory_fd, path + strspn(path, "/"),
                    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    }
    return fd;
}

/* The whole file in a buffer to be freed; NULL when it is none we want. */
static char *read_source(const struct pyro_source_roots *roots, const char *path, size_t *ret_size)
{
    struct stat status;
    int fd = open_source(roots, path);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= FILE_BYTES_MAX)
        text = malloc((size_t)status.st_size);
    while (text && size < (size_t)status.st_size) {
        ssize_t count = read(fd, text + size, (size_t)status.st_size - size);
        if (count <= 0)
            break;
        size += (size_t)count;
    }
    close(fd);
    *ret_size = size;
    return text;
}

/* Where lines go: to one of them. */
struct sink {
    struct pyro_writer *writer;
    struct pyro_profile *profile;
    size_t capacity, total_bytes;
};

static void put_line(struct sink *sink, const struct place *place, const char *text, size_t length)
{
    struct pyro_profile *profile = sink->profile;
    sink->total_bytes += length;
    if (sink->writer) {
        pyro_writer_source(sink->writer, place->file, place->line, text, length);
        return;
    }
    int64_t string = pyro_strings_intern(&profile->strings, text, length);
    if (string >= 0 && pyro_grow(&profile->sources, profile->source_count, &sink->capacity,
                                 sizeof(*profile->sources)) == 0)
        profile->sources[profile->source_count++] =
            (struct pyro_source_line){place->file, place->line, (uint32_t)string};
}

/* One line of TEXT, which ends at END, without its end; *AT moves behind it. */
static size_t next_line(const char **at, const char *end)
{
    const char *begin = *at,
               *newline = begin < end ? memchr(begin, '\n', (size_t)(end - begin)) : NULL;
    size_t length = (size_t)((newline ? newline : end) - begin);
    *at = newline ? newline + 1 : end;
    if (length && begin[length - 1] == '\r')
        length--;
    return length < LINE_BYTES_MAX ? length : LINE_BYTES_MAX;
}

static void put_statement(struct sink *sink, uint32_t file, const struct pyro_statement *statement)
{
    const char *at = statement->text, *end = at + statement->size;
    for (uint32_t i = 0; at < end && i < STATEMENT_LINES_MAX; i++) {
        const char *begin = at;
        size_t length = next_line(&at, end);
        put_line(sink, &(struct place){file, statement->line + i}, begin, length);
    }
}

static void note_imported(struct pyro_map *imported, const struct pyro_statement *statement)
{
    struct pyro_imports imports = pyro_imports_over(statement->text, statement->size);
    struct pyro_imported name;
    while (pyro_imports_next(&imports, &name)) /* without memory for it less is kept */
        (void)pyro_map_insert(imported, pyro_hash_bytes_here(name.bound.text, name.bound.size), 0,
                              NULL);
}

static bool uses_one(const struct pyro_map *imported, const struct pyro_statement *statement)
{
    const char *end = statement->text + statement->size;
    const char *at = pyro_statement_used(statement->text, statement->size);
    struct pyro_word word;
    while (pyro_words_next(&at, end, &word))
        if (pyro_map_find(imported, pyro_hash_bytes_here(word.text, word.size), 0))
            return true;
    return false;
}

/* What a module imports, which findings ask for, and of the program's own what uses that at once: who else imports a thing, and can it
 * wait (analyze/imported.h)? */
static void put_statements(struct sink *sink, uint32_t file, bool library, const char *text,
                           size_t size)
{
    struct pyro_map imported = {0};
    struct pyro_statements statements = pyro_statements_over(text, size);
    struct pyro_statement statement;
    while (sink->total_bytes < TOTAL_BYTES_MAX && pyro_statements_next(&statements, &statement)) {
        bool imports = pyro_statement_imports(statement.text, statement.size);
        if (imports && !library)
            note_imported(&imported, &statement);
        if (imports || (!library && uses_one(&imported, &statement)))
            put_statement(sink, file, &statement);
    }
    pyro_map_free(&imported);
}

/* Hand the lines of PLACES[0..COUNT), all in one file and ascending, to SINK. */
static void put_lines(struct sink *sink, const struct place *places, size_t count, const char *text,
                      size_t size)
{
    const char *at = text, *end = text + size;
    uint32_t line = 1;
    for (size_t i = 0; i < count && at < end && sink->total_bytes < TOTAL_BYTES_MAX; i++) {
        while (line < places[i].line && at < end) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            at = newline ? newline + 1 : end;
            line++;
        }
        const char *next = at;
        size_t length = next_line(&next, end);
        if (at < end)
            put_line(sink, &places[i], at, length);
    }
}

/* -- all of them -------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const struct place *first = a, *second = b;
    if (first->file != second->file)
        return first->file < second->file ? -1 : 1;
    return (first->line > second->line) - (first->line < second->line);
}

/* Sorted, once each: how many are left. */
static size_t sort_places(struct place *places, size_t count)
{
    size_t unique = 0;
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || compare_places(&places[i], &places[i - 1]) != 0)
            places[unique++] = places[i];
    return unique;
}

/* Every place a frame stands at, and every module's statements. *RET_PLACES is to be freed. */
static size_t collect_places(const struct pyro_writer *writer, struct place **ret_places)
{
    size_t frames = pyro_writer_frame_count(writer), count = 0;
    size_t functions = pyro_writer_function_count(writer);
    struct place *places = calloc(frames + functions + 1, sizeof(*places));
    *ret_places = places;
    if (!places)
        return 0;
    for (size_t i = 0; i < frames; i++) {
        struct pyro_frame frame = pyro_writer_frame_at(writer, (uint32_t)i);
        struct pyro_function function = pyro_writer_function_at(writer, frame.function);
        if (frame.line && function.kind == PYRO_FUNCTION_PYTHON)
            places[count++] = (struct place){function.file, frame.line};
    }
    for (size_t i = 0; i < functions; i++) {
        struct pyro_function function = pyro_writer_function_at(writer, (uint32_t)i);
        if (function.kind == PYRO_FUNCTION_PYTHON &&
            strcmp(pyro_writer_text(writer, function.name), "<module>") == 0)
            places[count++] = (struct place){function.file, STATEMENTS};
    }
    return sort_places(places, count);
}

/* The lines at PLACES, sorted. */
static void put_places(const struct pyro_source_roots *roots, struct sink *sink,
                       const struct place *places, size_t count)
{
    size_t next;
    pyro_identity_enter(&roots->owner);
    for (size_t at = 0; at < count && sink->total_bytes < TOTAL_BYTES_MAX; at = next) {
        for (next = at + 1; next < count && places[next].file == places[at].file; next++)
            ;
        const char *path = sink->writer ? pyro_writer_text(sink->writer, places[at].file)
                                        : pyro_profile_text(sink->profile, places[at].file);
        size_t size = 0;
        char *text = *path && *path != '<' ? read_source(roots, path, &size) : NULL;
        size_t lines = next - at - (places[next - 1].line == STATEMENTS);
        if (text)
            put_lines(sink, places + at, lines, text, size);
        if (text && lines < next - at)
            put_statements(sink, places[at].file, pyro_path_is_library(path), text, size);
        free(text);
    }
    pyro_identity_leave();
}

void pyro_source_write(const struct pyro_source_roots *roots, struct pyro_writer *writer)
{
    struct sink sink = {.writer = writer};
    struct place *places;
    size_t count = collect_places(writer, &places);
    put_places(roots, &sink, places, count);
    free(places);
}

void pyro_source_read(struct pyro_profile *profile)
{
    struct sink sink = {.profile = profile};
    struct pyro_source_roots roots;
    struct place *places = calloc(profile->line_count + 1, sizeof(*places));
    size_t count = 0;
    for (size_t i = 0; places && i < profile->line_count; i++)
        if (profile->lines[i].line)
            places[count++] = (struct place){profile->functions[profile->lines[i].function].file,
                                             profile->lines[i].line};
    pyro_source_roots_open(&roots, getpid());
    put_places(&roots, &sink, places, sort_places(places, count));
    pyro_source_roots_close(&roots);
    free(places);
}
