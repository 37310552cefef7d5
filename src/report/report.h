/* report/report.h - what a person reads in a terminal, and the JSON a machine reads.
 *
 * Writes to a FILE; the caller says how wide and whether colour is welcome. */
#ifndef PYRO_REPORT_REPORT_H
#define PYRO_REPORT_REPORT_H

#include "analyze/findings.h"
#include "analyze/stats.h"

#include <stdio.h>

struct pyro_report_style {
    int width; /* columns, 80 or more */
    bool color;
    bool utf8;             /* the locale can show more than ASCII */
    const char *directory; /* paths below it are shown relative to it; NULL: as they are */
};

/* Line 1: "2003 function calls (1004 primitive calls) in 0.412 seconds" of calls that were timed, else "orders.py  4.02 s   91 % waiting (database 88, other 3) · 9 % Python     python 3.14.10, 1 kHz, 0 unsure". */
void pyro_report_headline(FILE *out, const struct pyro_stats *stats,
                          const struct pyro_report_style *style);
/* How well it was measured, in one or two lines: samples, rate reached, missed and late, unsure, own CPU, kernel against
 * profile CPU. */
void pyro_report_quality(FILE *out, const struct pyro_profile *profile,
                         const struct pyro_report_style *style);

struct pyro_report_limit {
    size_t rows;  /* 0: all */
    double share; /* above 0, below 1: of the rows, and rows does not count */
};

struct pyro_report_table {
    struct pyro_report_limit limit;
    const char *only;    /* rows that match; as callers below. Applied before the limit */
    const char *callers; /* POSIX extended regular expression, or NULL */
    const char *callees;
    bool
        fold_libraries; /* rows outside the working directory below 1 % folded into one with their sum */
};
int pyro_report_stats(FILE *out, const struct pyro_stats *stats,
                      const struct pyro_report_table *table, const struct pyro_report_style *style,
                      struct pyro_error *error);

/* The contract of docs/json.md. */
int pyro_report_stats_json(FILE *out, const struct pyro_stats *stats, struct pyro_error *error);

/* "1 finding", and each with its place, reason, fix and gain; what is said when there is none. */
void pyro_report_findings(FILE *out, const struct pyro_findings *findings,
                          const struct pyro_report_style *style);
int pyro_report_findings_json(FILE *out, const struct pyro_findings *findings,
                              struct pyro_error *error);
/* The rules as a table in Markdown. */
void pyro_report_rules(FILE *out);

/* Is EXPRESSION about paths? It begins with a slash then, and is asked about whole ones as well as about labels. */
bool pyro_report_asks_path(const char *expression);

/* A function as cProfile labels it: "orm.py:312(execute_query)"; cut in the middle to style->width columns.
 * Control characters of hostile names become '?'. */
void pyro_report_label(char *text, size_t size, const struct pyro_profile *profile,
                       uint32_t function, const struct pyro_report_style *style);

/* Copies TEXT as a terminal may see it, cut in the middle to COLUMNS. */
void pyro_report_fit(char *out, size_t size, const char *text, size_t columns, bool utf8);
/* Any text as a terminal may see it: without control characters. */
void pyro_report_plain(char *text, size_t size, const char *from);

#endif
