/* report/share.h - what share of the time something is, for a terminal and as JSON. */
#ifndef PYRO_REPORT_SHARE_H
#define PYRO_REPORT_SHARE_H

#include "analyze/share.h"
#include "report/report.h"

/* A paragraph for each item: its share, the most to win, and what its time is made of. SHARES has one item at least. */
void pyro_report_shares(FILE *out, const struct pyro_shares *shares, const char *name,
                        const struct pyro_report_style *style);
int pyro_report_shares_json(FILE *out, const struct pyro_shares *shares, const char *name,
                            struct pyro_error *error); /* docs/json.md */

#endif
