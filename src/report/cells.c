/* report/cells.c - what tables have in common: cells in columns, and rows that a pattern chooses. */
#include "report/internal.h"

#include <errno.h>
#include <string.h>

#define NAME_BYTES 4096

int pyro_cell_columns(const char *cell)
{
    int columns = 0;
    for (; *cell; cell++)
        columns += ((unsigned char)*cell & 0xc0) != 0x80;
    return columns;
}

void pyro_cell_print(FILE *out, const char *cell, int columns)
{
    int pad = columns - pyro_cell_columns(cell);
    fprintf(out, "%*s%s ", pad > 0 ? pad : 0, "", cell);
}

bool pyro_report_asks_path(const char *expression)
{
    return expression[strspn(expression, "^(")] == '/';
}

int pyro_pattern_compile(struct pyro_pattern *pattern, const char *text, struct pyro_error *error)
{
    pattern->of_paths = pyro_report_asks_path(text);
    int result = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
    if (!result)
        return 0;
    char reason[128];
    regerror(result, &pattern->regex, reason, sizeof(reason));
    return pyro_error_set(error, -EINVAL, "bad regular expression '%s': %s", text, reason);
}

bool pyro_pattern_matches(const struct pyro_pattern *pattern, const struct pyro_profile *profile,
                          uint32_t function, const char *directory)
{
    char text[NAME_BYTES];
    const struct pyro_report_style wide = {
        .width = NAME_BYTES, .utf8 = true, .directory = directory};
    pyro_report_standard_name(text, sizeof(text), profile, function);
    if (pattern->of_paths && regexec(&pattern->regex, text, 0, NULL, 0) == 0)
        return true;
    pyro_report_label(text, sizeof(text), profile, function, &wide);
    return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
}

void pyro_pattern_free(struct pyro_pattern *pattern)
{
    regfree(&pattern->regex);
}
