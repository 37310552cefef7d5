/* cli/progress.h - the line that moves on a terminal while recording. */
#ifndef PYRO_CLI_PROGRESS_H
#define PYRO_CLI_PROGRESS_H

#include "sample/recorder.h"

#include <stdbool.h>

struct pyro_progress_line {
    uint64_t duration_ns; /* asked; 0: no end known */
    bool shown;
};

/* For struct pyro_recorder_options: CONTEXT is a struct pyro_progress_line. */
void pyro_progress_show(const struct pyro_recorder_progress *progress, void *context);
/* Take the line away again. */
void pyro_progress_clear(struct pyro_progress_line *line);
bool pyro_progress_wanted(void); /* standard error is a terminal */

#endif
