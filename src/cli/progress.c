/* cli/progress.c - one line on standard error, redrawn in place. */
#include "cli/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool pyro_progress_wanted(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0);
}

void pyro_progress_show(const struct pyro_recorder_progress *progress, void *context)
{
    struct pyro_progress_line *line = context;
    char end[32] = "";
    if (line->duration_ns)
        snprintf(end, sizeof(end), " of %g", (double)line->duration_ns / (double)PYRO_NS_PER_S);
    fprintf(stderr, "\r%.1f%s s  %" PRIu64 " samples  %.0f Hz  %" PRIu64 " unsure  %u thread%s",
            (double)progress->elapsed_ns / (double)PYRO_NS_PER_S, end, progress->counters.samples,
            progress->rate_hz, progress->counters.unsure, progress->threads,
            progress->threads == 1 ? "" : "s");
    if (progress->processes > 1)
        fprintf(stderr, "  %u processes", progress->processes);
    fprintf(stderr, "  (Ctrl-C ends)\033[K");
    fflush(stderr);
    line->shown = true;
}

void pyro_progress_clear(struct pyro_progress_line *line)
{
    if (line->shown)
        fprintf(stderr, "\r\033[K");
    line->shown = false;
}
