/* report/label.c - names as a terminal may show them. Names come from the target: no byte is trusted. */
#include "report/internal.h"

#include "base/utf8.h"
#include "profile/paths.h"

#include <string.h>

const char *pyro_ink_on(const struct pyro_report_style *style, enum pyro_ink ink)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[33m"};
    return style->color ? codes[ink] : "";
}

const char *pyro_ink_off(const struct pyro_report_style *style, enum pyro_ink ink)
{
    return style->color && ink != PYRO_INK_PLAIN ? "\033[0m" : "";
}

/* Append what stands for CODE_POINT in a terminal; false when it does not fit. */
static bool put_visible(char *out, size_t size, size_t *used, uint32_t code_point, bool utf8)
{
    if (!pyro_utf8_is_plain(code_point) || (!utf8 && code_point >= 0x80))
        code_point = '?';
    char bytes[4];
    size_t length = pyro_utf8_put(bytes, code_point);
    if (*used + length >= size)
        return false;
    memcpy(out + *used, bytes, length);
    *used += length;
    return true;
}

void pyro_report_fit(char *out, size_t size, const char *text, size_t columns, bool utf8)
{
    const char *end = text + strlen(text), *mark = utf8 ? "\xe2\x80\xa6" : "...";
    size_t total = pyro_utf8_columns(text, (size_t)(end - text)), mark_columns = utf8 ? 1 : 3;
    size_t head = total, tail_at = total;
    if (total > columns && columns > mark_columns) {
        head = (columns - mark_columns) / 3; /* the end holds the name, which tells more */
        tail_at = total - (columns - mark_columns - head);
    }
    size_t used = 0;
    bool fits = true;
    for (size_t at = 0; text < end && fits; at++) {
        uint32_t code_point = pyro_utf8_next(&text, end);
        if (at < head || at >= tail_at) {
            fits = put_visible(out, size, &used, code_point, utf8);
        } else if (at == head && used + strlen(mark) < size) {
            memcpy(out + used, mark, strlen(mark));
            used += strlen(mark);
        }
    }
    out[used] = '\0';
}

void pyro_report_plain(char *text, size_t size, const char *from)
{
    pyro_report_fit(text, size, from, size, true);
}

#define LABEL_BYTES 4096
#define MIN_NAME    8 /* columns: names are not cut to less */

void pyro_report_standard_name(char *text, size_t size, const struct pyro_profile *profile,
                               uint32_t function_id)
{
    const struct pyro_function *function = &profile->functions[function_id];
    const char *name = pyro_profile_text(profile, function->name);
    const char *path = pyro_profile_text(profile, function->file);
    if (function->kind != PYRO_FUNCTION_PYTHON || !*path)
        snprintf(text, size, "%s", name); /* C functions and special frames are only a name */
    else
        snprintf(text, size, "%s:%u(%s)", path, function->first_line, name);
}

static size_t width_of(const struct pyro_report_style *style)
{
    return style->width > 0 ? (size_t)style->width : 80;
}

static size_t columns_of(const char *text)
{
    return pyro_utf8_columns(text, strlen(text));
}

/* The first folders tell least: leave out COLUMNS or more of them, but never the file itself. */
static const char *path_without(const char *path, size_t columns)
{
    const char *file = pyro_path_basename(path), *rest = path;
    while (rest < file && pyro_utf8_columns(path, (size_t)(rest - path)) < columns) {
        const char *slash = strchr(rest, '/');
        rest = slash && slash < file ? slash + 1 : file;
    }
    return rest;
}

/* PATH and LINE, ":7", without the first folders where PLACE and NAME_COLUMNS would not fit otherwise. */
static void write_place(char *place, size_t size, const char *path, const char *line,
                        size_t name_columns, const struct pyro_report_style *style)
{
    size_t width = width_of(style);
    snprintf(place, size, "%s%s", path, line);
    size_t columns = columns_of(place) + name_columns;
    if (columns <= width)
        return;
    const char *mark = style->utf8 ? "\xe2\x80\xa6/" : ".../";
    const char *rest = path_without(path, columns - width + columns_of(mark));
    if (rest != path)
        snprintf(place, size, "%s%s%s", mark, rest, line);
}

void pyro_report_label(char *text, size_t size, const struct pyro_profile *profile,
                       uint32_t function_id, const struct pyro_report_style *style)
{
    const struct pyro_function *function = &profile->functions[function_id];
    char whole[2 * LABEL_BYTES + 4], place[LABEL_BYTES], name[LABEL_BYTES], line[16] = "";
    size_t width = width_of(style);
    const char *full_name = pyro_profile_text(profile, function->name);
    if (function->kind != PYRO_FUNCTION_PYTHON || !function->file) {
        pyro_report_fit(text, size, full_name, width, style->utf8);
        return;
    }
    const char *path =
        pyro_path_short(pyro_profile_text(profile, function->file), style->directory);
    size_t name_columns = columns_of(full_name) + 2;
    if (function->first_line || !profile->foreign) /* other tools do not tell where it begins */
        snprintf(line, sizeof(line), ":%u", function->first_line);
    write_place(place, sizeof(place), path, line, name_columns, style);
    size_t taken = columns_of(place) + 2;
    size_t room = taken + MIN_NAME < width ? width - taken : MIN_NAME;
    pyro_report_fit(name, sizeof(name), full_name, room, style->utf8);
    snprintf(whole, sizeof(whole), "%s(%s)", place, name);
    pyro_report_fit(text, size, whole, width, style->utf8);
}
