/* cli/ask.h - a question to a recording, and its answer as a table or JSON: shared by stats, run and record. */
#ifndef PYRO_CLI_ASK_H
#define PYRO_CLI_ASK_H

#include "analyze/stats.h"
#include "cli/options.h"
#include "report/report.h"

#include <stdio.h>

struct pyro_question {
    enum pyro_stats_key sort;
    enum pyro_clock clock;
    struct pyro_report_limit limit;
    const char *only, *callers, *callees;
    bool idle, json;
    enum pyro_split split;
};
#define PYRO_QUESTION_ROWS 20

/* Print the answer on OUT. */
int pyro_question_answer(FILE *out, const struct pyro_profile *profile,
                         const struct pyro_question *question, struct pyro_error *error);
/* Print what is worth changing, below an answer; nothing if that is nothing. */
int pyro_print_findings(FILE *out, const struct pyro_profile *profile, struct pyro_error *error);

#endif
