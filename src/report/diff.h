/* report/diff.h - what moved between two profiles, for a terminal and as JSON. */
#ifndef PYRO_REPORT_DIFF_H
#define PYRO_REPORT_DIFF_H

#include "analyze/diff.h"
#include "base/json.h"
#include "report/report.h"

enum pyro_diff_by { PYRO_DIFF_FUNCTIONS, PYRO_DIFF_LINES, PYRO_DIFF_EDGES };

struct pyro_diff_table {
    enum pyro_diff_by by;
    enum pyro_diff_key key; /* as DIFF is sorted */
    struct pyro_report_limit limit;
    const char *only;              /* as in struct pyro_report_table; of an edge either end */
    const char *names[PYRO_SIDES]; /* of the files */
};

/* Both in one line each; the table, the largest move first, with the sum of what is not shown and both totals; what to
 * know of it. */
int pyro_report_diff(FILE *out, const struct pyro_diff *diff, const struct pyro_diff_table *table,
                     const struct pyro_report_style *style, struct pyro_error *error);

/* Why it is faster or slower, in few lines: the functions, lines and calls that surely moved, and most. Nothing but that
 * when none did. */
void pyro_report_why(FILE *out, const struct pyro_diff *diff,
                     const struct pyro_report_style *style);

/* docs/json.md. ONLY may be NULL. */
int pyro_report_diff_json(FILE *out, const struct pyro_diff *diff, const char *only,
                          struct pyro_error *error);
/* The members "functions", "lines" and "edges" of a JSON object: of each the first LIMIT whose time surely moved, or whose
 * calls did. */
void pyro_report_moves_json(struct pyro_json *json, const struct pyro_diff *diff, size_t limit);

/* What to know of the figures: the other time was measured in another way, C functions on one side only ... */
#define PYRO_DIFF_NOTES 8
size_t pyro_diff_notes(const struct pyro_diff *diff, const char *notes[PYRO_DIFF_NOTES]);

#endif
