/* report/timeline.h - what was resident over time, as a chart, a table of processes, and JSON. */
#ifndef PYRO_REPORT_TIMELINE_H
#define PYRO_REPORT_TIMELINE_H

#include "base/json.h"
#include "profile/timeline.h"
#include "report/report.h"

/* The whole report of `run --rss`: the peak and who had it, the chart, the processes. */
int pyro_report_timeline(FILE *out, const struct pyro_timeline *timeline,
                         const struct pyro_report_limit *limit,
                         const struct pyro_report_style *style, struct pyro_error *error);
int pyro_report_timeline_json(FILE *out, const struct pyro_timeline *timeline,
                              struct pyro_error *error);

/* What `memory` shows of a run that was tracked: the chart, and which lines had what was alive at some steps of it. */
int pyro_report_over_time(FILE *out, const struct pyro_timeline *timeline,
                          const struct pyro_report_style *style, struct pyro_error *error);

/* The chart alone. Where memory was tracked what is alive is drawn in it, too. */
int pyro_report_chart(FILE *out, const struct pyro_timeline *timeline,
                      const struct pyro_report_style *style, struct pyro_error *error);
/* The member "timeline" of an object. -ENOMEM. */
int pyro_report_timeline_member(struct pyro_json *json, const struct pyro_timeline *timeline,
                                struct pyro_error *error);

#endif
