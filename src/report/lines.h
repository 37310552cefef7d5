/* report/lines.h - where in each function the time went, for a terminal and as JSON. */
#ifndef PYRO_REPORT_LINES_H
#define PYRO_REPORT_LINES_H

#include "analyze/lines.h"
#include "report/report.h"

struct pyro_report_lines {
    struct pyro_report_limit limit; /* of functions */
    bool counted; /* only those whose lines were counted, and nothing is said of others */
    const char *
        only; /* POSIX extended regular expression: functions that match; NULL: the program's own */
};

/* A table for each function, the hottest first, with the columns of line_profiler. Lines that took less than a hundredth of
 * their function are left out, functions that took less than a hundredth of all time too, and so are libraries: their
 * number is told. */
int pyro_report_lines(FILE *out, const struct pyro_lines *lines,
                      const struct pyro_report_lines *choice, const struct pyro_report_style *style,
                      struct pyro_error *error);
/* All functions and lines: docs/json.md. */
int pyro_report_lines_json(FILE *out, const struct pyro_lines *lines, struct pyro_error *error);

#endif
