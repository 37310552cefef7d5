/* analyze/imported.c - modules have the names that their files have, below the folder they are installed in. */
#include "analyze/imported.h"

#include "base/buffer.h"
#include "base/grow.h"
#include "base/statements.h"
#include "profile/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_BYTES_MAX 8192 /* a longer one is cut, */
#define LINE_BYTES_MAX      1000 /* and a longer line */
#define LEVEL_MAX           64

struct reading {
    const struct pyro_profile *profile;
    struct pyro_import_lines *lines;
    struct pyro_map files; /* hash of a module's name -> its file */
    struct pyro_map words; /* of the importer: hashes of those in statements that run at once */
    struct pyro_buffer statement; /* all lines of one */
    struct pyro_buffer name;      /* of a module */
    uint32_t importer, line;
    size_t begin, end; /* of the importer's lines in profile->sources */
};

/* -- names -------------------------------------------------------------------------------------- */

static bool ends_with(const struct pyro_buffer *text, const char *end)
{
    size_t size = strlen(end);
    return text->size >= size && memcmp(text->data + text->size - size, end, size) == 0;
}

static void put_dotted(struct pyro_buffer *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        pyro_buffer_put_u8(out, text[i] == '/' ? '.' : (uint8_t)text[i]);
}

/* "a.b" of "a/b/__init__.py", "a.b.c" of "a/b/c.py"; *RET_PACKAGE: what stands before its names with one dot, "a.b" for both. */
static void put_module(struct reading *reading, uint32_t file, size_t *ret_package)
{
    const struct pyro_profile *profile = reading->profile;
    const char *path = pyro_path_short(pyro_profile_text(profile, file), profile->info.directory);
    struct pyro_buffer *name = &reading->name;
    pyro_buffer_clear(name);
    put_dotted(name, path, strlen(path));
    if (ends_with(name, ".py"))
        name->size -= strlen(".py");
    bool is_package = ends_with(name, ".__init__");
    if (is_package)
        name->size -= strlen(".__init__");
    *ret_package = name->size;
    while (!is_package && *ret_package && name->data[*ret_package - 1] != '.')
        --*ret_package;
    *ret_package -= !is_package && *ret_package;
}

static uint64_t *file_of(struct reading *reading, size_t size)
{
    return pyro_map_find(&reading->files, pyro_hash_bytes_here(reading->name.data, size), 0);
}

static int name_files(struct reading *reading, const bool *body)
{
    for (uint32_t i = 0; i < reading->profile->function_count; i++) {
        size_t package;
        if (!body[i])
            continue;
        put_module(reading, reading->profile->functions[i].file, &package);
        if (reading->name.failed)
            return -ENOMEM;
        uint64_t *file = pyro_map_insert(
            &reading->files, pyro_hash_bytes_here(reading->name.data, reading->name.size), 0, NULL);
        if (!file)
            return -ENOMEM;
        *file = reading->profile->functions[i].file;
    }
    return 0;
}

/* -- one statement ------------------------------------------------------------------------------ */

static const char *text_of(const struct reading *reading, size_t index, size_t *ret_size)
{
    uint32_t string = reading->profile->sources[index].text;
    const char *text = pyro_profile_text(reading->profile, string);
    size_t indent = strspn(text, " \t\f"), size = strnlen(text + indent, LINE_BYTES_MAX);
    *ret_size = size;
    return text + indent;
}

/* The lines of the statement that begins with source INDEX; returns the next one's. */
static size_t take_statement(struct reading *reading, size_t index)
{
    const struct pyro_source_line *sources = reading->profile->sources;
    struct pyro_buffer *statement = &reading->statement;
    unsigned depth = 0;
    pyro_buffer_clear(statement);
    for (size_t i = index;; i++) {
        size_t size;
        const char *text = text_of(reading, i, &size);
        pyro_buffer_put(statement, text, size);
        if (!pyro_statement_goes_on(text, size, &depth) || statement->size > STATEMENT_BYTES_MAX ||
            i + 1 == reading->end || sources[i + 1].line != sources[i].line + 1)
            return i + 1;
        pyro_buffer_put_u8(statement, '\n');
    }
}

static int note_words(struct reading *reading)
{
    const char *text = (const char *)reading->statement.data, *end = text + reading->statement.size;
    const char *at = pyro_statement_used(text, reading->statement.size);
    struct pyro_word word;
    while (pyro_words_next(&at, end, &word))
        if (!pyro_map_insert(&reading->words, pyro_hash_bytes_here(word.text, word.size), 0, NULL))
            return -ENOMEM;
    return reading->statement.failed ? -ENOMEM : 0;
}

static bool is_used(const struct reading *reading, struct pyro_word word)
{
    return pyro_map_find(&reading->words, pyro_hash_bytes_here(word.text, word.size), 0);
}

/* The first SIZE bytes of the name may be a module's. */
static int put_line(struct reading *reading, size_t size, bool at_once)
{
    const uint64_t *file = file_of(reading, size);
    struct pyro_import_lines *lines = reading->lines;
    if (!file || *file == reading->importer)
        return 0;
    if (pyro_grow(&lines->items, lines->count, &lines->capacity, sizeof(*lines->items)) < 0)
        return -ENOMEM;
    lines->items[lines->count++] = (struct pyro_import_line){
        .importer = reading->importer,
        .imported = (uint32_t)*file,
        .line = reading->line,
        .at_once = at_once,
    };
    return 0;
}

/* `import a.b.c` loads a, a.b and a.b.c. */
static int put_lines(struct reading *reading, const struct pyro_imported *imported, bool at_once)
{
    struct pyro_buffer *name = &reading->name;
    size_t package = 0;
    pyro_buffer_clear(name);
    if (imported->level) {
        put_module(reading, reading->importer, &package);
        for (unsigned i = 1; i < imported->level && i < LEVEL_MAX && package; i++)
            while (package && name->data[--package] != '.')
                ;
        name->size = package;
        if (!package)
            return 0; /* of a package whose name is not known: the program's own */
    }
    size_t from = name->size + 1;
    const struct pyro_word words[] = {imported->module, imported->name};
    for (int i = 0; i < 2; i++) {
        if (name->size && words[i].size)
            pyro_buffer_put_u8(name, '.');
        pyro_buffer_put(name, words[i].text, words[i].size);
    }
    int result = name->failed ? -ENOMEM : 0;
    for (size_t size = from; size <= name->size && result == 0; size++)
        if (size == name->size || name->data[size] == '.')
            result = put_line(reading, size, at_once);
    return result;
}

static int note_imports(struct reading *reading)
{
    struct pyro_imported imported;
    struct pyro_imports imports =
        pyro_imports_over((const char *)reading->statement.data, reading->statement.size);
    int result = reading->statement.failed ? -ENOMEM : 0;
    while (result == 0 && pyro_imports_next(&imports, &imported))
        result = put_lines(reading, &imported, is_used(reading, imported.bound));
    return result;
}

/* -- all of them -------------------------------------------------------------------------------- */

/* Does a function stand there, or what is within one? A recording has lines of frames, too: they have their indent. */
static bool is_within(const struct reading *reading, size_t index, const char *text, size_t size)
{
    const char *line = pyro_profile_text(reading->profile, reading->profile->sources[index].text);
    return text != line || pyro_statement_hides(text, size);
}

/* NOTE each statement of the importer that IMPORTS, or else of its others. */
static int read_statements(struct reading *reading, bool imports, int (*note)(struct reading *))
{
    int result = 0;
    for (size_t i = reading->begin; i < reading->end && result == 0;) {
        size_t size;
        const char *text = text_of(reading, i, &size);
        if (pyro_statement_imports(text, size) != imports ||
            (!imports && is_within(reading, i, text, size))) {
            i++;
            continue;
        }
        reading->line = reading->profile->sources[i].line;
        i = take_statement(reading, i);
        result = note(reading);
    }
    return result;
}

static int read_module(struct reading *reading)
{
    pyro_map_clear(&reading->words);
    int result = read_statements(reading, false, note_words);
    return result < 0 ? result : read_statements(reading, true, note_imports);
}

int pyro_import_lines_make(struct pyro_import_lines *lines, const struct pyro_profile *profile,
                           const bool *body)
{
    struct reading reading = {.profile = profile, .lines = lines};
    *lines = (struct pyro_import_lines){0};
    int result = name_files(&reading, body);
    for (size_t at = 0; at < profile->source_count && result == 0; at = reading.end) {
        reading.importer = profile->sources[at].file;
        reading.begin = reading.end = at;
        while (reading.end < profile->source_count &&
               profile->sources[reading.end].file == reading.importer)
            reading.end++;
        result = read_module(&reading);
    }
    pyro_map_free(&reading.files);
    pyro_map_free(&reading.words);
    pyro_buffer_free(&reading.statement);
    pyro_buffer_free(&reading.name);
    return result;
}

size_t pyro_import_lines_of(const struct pyro_import_lines *lines, uint32_t importer)
{
    size_t low = 0, high = lines->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->items[middle].importer < importer)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void pyro_import_lines_clear(struct pyro_import_lines *lines)
{
    free(lines->items);
    *lines = (struct pyro_import_lines){0};
}
