/* report/internal.h - the few marks that all reports share. */
#ifndef PYRO_REPORT_INTERNAL_H
#define PYRO_REPORT_INTERNAL_H

#include "report/report.h"

enum pyro_ink { PYRO_INK_PLAIN, PYRO_INK_BOLD, PYRO_INK_GREY, PYRO_INK_HOT };

/* What to print before and after a text in that ink; "" without colour. */
const char *pyro_ink_on(const struct pyro_report_style *style, enum pyro_ink ink);
const char *pyro_ink_off(const struct pyro_report_style *style, enum pyro_ink ink);

/* Copies TEXT as a terminal may see it, cut in the middle to COLUMNS. */
void pyro_report_fit(char *out, size_t size, const char *text, size_t columns, bool utf8);

/* "path:line(name)" in full, as pstats writes it. */
void pyro_report_standard_name(char *text, size_t size, const struct pyro_profile *profile,
                               uint32_t function);

/* "0 unsure", "0.05 % unsure". */
void pyro_report_unsure(char *text, size_t size, uint64_t unsure, uint64_t samples);

#endif
