/* report/internal.h - the few marks that all reports share. */
#ifndef PYRO_REPORT_INTERNAL_H
#define PYRO_REPORT_INTERNAL_H

#include "base/json.h"
#include "report/report.h"

#include <regex.h>

enum pyro_ink { PYRO_INK_PLAIN, PYRO_INK_BOLD, PYRO_INK_GREY, PYRO_INK_HOT };

/* What to print before and after a text in that ink; "" without colour. */
const char *pyro_ink_on(const struct pyro_report_style *style, enum pyro_ink ink);
const char *pyro_ink_off(const struct pyro_report_style *style, enum pyro_ink ink);

/* "path:line(name)" in full, as pstats writes it. */
void pyro_report_standard_name(char *text, size_t size, const struct pyro_profile *profile,
                               uint32_t function);

/* -- cells of a table --------------------------------------------------------------------------- */

int pyro_cell_columns(const char *cell);                        /* a character of UTF-8 is one */
void pyro_cell_print(FILE *out, const char *cell, int columns); /* right-aligned, and a blank */

/* holders.c: which lines had what was alive, at some steps of time; and at more of them, as a member of an object: -ENOMEM. */
int pyro_report_holders(FILE *out, const struct pyro_profile *profile,
                        const struct pyro_report_style *style, struct pyro_error *error);
int pyro_report_holders_member(struct pyro_json *json, const struct pyro_profile *profile);

/* confinement.c: what kept memory small from outside, in a line; SWAPPED bytes were swapped out at most. And as a member. */
void pyro_report_confinement(FILE *out, const struct pyro_profile *profile, uint64_t swapped,
                             const struct pyro_report_style *style);
void pyro_report_confinement_member(struct pyro_json *json, const struct pyro_profile *profile,
                                    uint64_t swapped);

/* -- choosing functions ------------------------------------------------------------------------- */

struct pyro_pattern {
    regex_t regex;
    bool of_paths;
};
/* A POSIX extended regular expression. -EINVAL. */
int pyro_pattern_compile(struct pyro_pattern *pattern, const char *text, struct pyro_error *error);
/* Against the label as it is shown, below DIRECTORY: folders that are left out do not match. A pattern that begins with a slash is a
 * path that somebody typed: against the full one, too. */
bool pyro_pattern_matches(const struct pyro_pattern *pattern, const struct pyro_profile *profile,
                          uint32_t function, const char *directory);
void pyro_pattern_free(struct pyro_pattern *pattern);

/* "0 unsure", "0.05 % unsure". */
void pyro_report_unsure(char *text, size_t size, uint64_t unsure, uint64_t samples);

#endif
