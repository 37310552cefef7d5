/* report/bench.h - measurements and verdicts, for a terminal and as JSON. */
#ifndef PYRO_REPORT_BENCH_H
#define PYRO_REPORT_BENCH_H

#include "bench/bench.h"
#include "report/report.h"

/* What was measured of each command: a row, a line of its distribution, outliers, what disturbed.
 * -ENOMEM. */
int pyro_report_bench(FILE *out, const struct pyro_bench *bench,
                      const struct pyro_report_style *style);
/* The verdict, by every metric that is known, and what it rests on. */
void pyro_report_judgement(FILE *out, const struct pyro_judgement *judgement,
                           const struct pyro_report_style *style);
/* Members of an object: the contract of docs/json.md. COUNT is at least 1. */
void pyro_report_judgements_json(FILE *out, const struct pyro_judgement *judgements, size_t count);

#endif
