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
    bool control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    /* Marks that change the direction of the text could make a name read as another one. */
    bool direction = (code_point >= 0x200e && code_point <= 0x200f) ||
                     (code_point >= 0x2028 && code_point <= 0x202e) ||
                     (code_point >= 0x2066 && code_point <= 0x2069);
    if (control || direction || (!utf8 && code_point >= 0x80))
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

/* "MARK PATH:LINE(NAME)" without the space; C functions and special frames are only a name. */
static void write_label(char *text, size_t size, const struct pyro_profile *profile,
                        uint32_t function_id, const char *mark, const char *path)
{
    const struct pyro_function *function = &profile->functions[function_id];
    const char *name = pyro_profile_text(profile, function->name);
    if (function->kind != PYRO_FUNCTION_PYTHON)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s%s:%u(%s)", mark, path, function->first_line, name);
}

void pyro_report_standard_name(char *text, size_t size, const struct pyro_profile *profile,
                               uint32_t function)
{
    const char *path = pyro_profile_text(profile, profile->functions[function].file);
    write_label(text, size, profile, function, "", path);
}

#define LABEL_BYTES 4096

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

void pyro_report_label(char *text, size_t size, const struct pyro_profile *profile,
                       uint32_t function, const struct pyro_report_style *style)
{
    char whole[LABEL_BYTES];
    const char *path = pyro_profile_text(profile, profile->functions[function].file);
    path = pyro_path_short(path, style->directory);
    write_label(whole, sizeof(whole), profile, function, "", path);
    size_t width = style->width > 0 ? (size_t)style->width : 80;
    size_t columns = pyro_utf8_columns(whole, strlen(whole));
    const char *mark = style->utf8 ? "\xe2\x80\xa6/" : ".../", *rest = path;
    if (columns > width)
        rest = path_without(path, columns - width + pyro_utf8_columns(mark, strlen(mark)));
    if (rest != path)
        write_label(whole, sizeof(whole), profile, function, mark, rest);
    pyro_report_fit(text, size, whole, width, style->utf8);
}
