/* report/timeline.c - the peak, who had it, and the processes. */
#include "report/timeline.h"

#include "profile/summary.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TEXT_BYTES 4096
#define CELL_BYTES 32
#define TIME       10 /* columns */
#define SIZE       11

static const char *command_of(const struct pyro_timeline *timeline, const struct pyro_life *life)
{
    const struct pyro_profile *profile = timeline->profile;
    return pyro_profile_text(profile, profile->processes[life->process].command);
}

static int32_t pid_of(const struct pyro_timeline *timeline, const struct pyro_life *life)
{
    return timeline->profile->processes[life->process].pid;
}

static double seconds(uint64_t us)
{
    return (double)us / 1e6;
}

/* The most that any process had, at a look or in between. */
static uint64_t largest_seen(const struct pyro_timeline *timeline)
{
    uint64_t most = 0;
    for (size_t i = 0; i < timeline->life_count; i++) {
        const struct pyro_life *life = &timeline->lives[i];
        uint64_t own = life->most > life->peak ? life->most : life->peak;
        most = own > most ? own : most;
    }
    return most;
}

/* What was not seen is told. */
static void print_unseen(FILE *out, const struct pyro_timeline *timeline)
{
    const struct pyro_watch *watch = &timeline->profile->watch;
    char size[CELL_BYTES];
    if (watch->unseen)
        fprintf(out,
                "at least %" PRIu64 " process%s came and went between two looks: in no figure\n",
                watch->unseen, watch->unseen == 1 ? "" : "es");
    if (watch->largest > largest_seen(timeline)) {
        pyro_summary_size(size, sizeof(size), watch->largest);
        fprintf(
            out,
            "one process had %s at most, says the kernel: more than any look saw (-r looks more "
            "often)\n",
            size);
    }
}

static void print_head(FILE *out, const struct pyro_timeline *timeline,
                       const struct pyro_report_style *style)
{
    const struct pyro_watch *watch = &timeline->profile->watch;
    const struct pyro_timeline_step *peak = &timeline->steps[timeline->peak];
    const struct pyro_life *holder = &timeline->lives[timeline->holder];
    char program[256], shown[256], duration[CELL_BYTES], size[CELL_BYTES], part[CELL_BYTES];
    char command[TEXT_BYTES], at[CELL_BYTES];
    pyro_summary_program(program, sizeof(program), timeline->profile);
    pyro_report_plain(shown, sizeof(shown), program);
    pyro_summary_duration(duration, sizeof(duration), seconds(timeline->until_us));
    pyro_summary_duration(at, sizeof(at), seconds(peak->time_us));
    pyro_summary_size(size, sizeof(size), peak->rss);
    fprintf(out, "%s  %s   %speak %s%s resident at %s", shown, duration,
            pyro_ink_on(style, PYRO_INK_BOLD), size, pyro_ink_off(style, PYRO_INK_BOLD), at);
    if (timeline->life_count > 1)
        fprintf(out, ", in %" PRIu32 " process%s", peak->processes,
                peak->processes == 1 ? "" : "es");
    fputc('\n', out);
    if (timeline->life_count > 1) {
        pyro_summary_size(part, sizeof(part), holder->at_peak);
        pyro_report_fit(command, sizeof(command), command_of(timeline, holder),
                        (size_t)(style->width > 60 ? style->width - 40 : 20), style->utf8);
        fprintf(out, "most of it: %s in process %" PRId32 ", %s\n", part, pid_of(timeline, holder),
                command);
        fprintf(out,
                "%zu processes in all, %" PRIu32 " at once at most; what they share is counted "
                "in each\n",
                timeline->life_count, timeline->together);
    }
    fprintf(out, "looked at %" PRIu64 " times, every %.3g s", watch->looks,
            seconds(watch->interval_us));
    if (watch->missed)
        fprintf(out, "; %" PRIu64 " looks came too late, and were left out", watch->missed);
    fputc('\n', out);
    print_unseen(out, timeline);
    pyro_report_confinement(out, timeline->profile, timeline->swapped, style);
}

static int largest_first(const void *left, const void *right)
{
    const struct pyro_life *a = left, *b = right;
    if (a->peak != b->peak)
        return a->peak > b->peak ? -1 : 1;
    return (a->came_us > b->came_us) - (a->came_us < b->came_us);
}

static void print_life(FILE *out, const struct pyro_timeline *timeline,
                       const struct pyro_life *life, const struct pyro_report_style *style)
{
    char cell[CELL_BYTES], command[TEXT_BYTES];
    uint64_t most = life->most > life->peak ? life->most : life->peak;
    snprintf(cell, sizeof(cell), "%" PRId32, pid_of(timeline, life));
    pyro_cell_print(out, cell, 8);
    snprintf(cell, sizeof(cell), "%.2f s", seconds(life->came_us));
    pyro_cell_print(out, cell, TIME);
    if (life->went_us == PYRO_LIFE_GOES_ON)
        snprintf(cell, sizeof(cell), "-");
    else
        snprintf(cell, sizeof(cell), "%.2f s", seconds(life->went_us));
    pyro_cell_print(out, cell, TIME);
    pyro_summary_size(cell, sizeof(cell), most);
    pyro_cell_print(out, cell, SIZE);
    pyro_summary_size(cell, sizeof(cell), life->at_peak);
    pyro_cell_print(out, cell, SIZE);
    int used = 8 + 2 * TIME + 2 * SIZE + 5;
    pyro_report_fit(command, sizeof(command), command_of(timeline, life),
                    (size_t)(style->width > used + 20 ? style->width - used : 20), style->utf8);
    fprintf(out, "%s\n", command);
}

/* Those that had the most first. */
static int print_lives(FILE *out, const struct pyro_timeline *timeline,
                       const struct pyro_report_limit *limit, const struct pyro_report_style *style,
                       struct pyro_error *error)
{
    size_t count = timeline->life_count, rows = limit->rows;
    struct pyro_life *lives = calloc(count + 1, sizeof(*lives));
    if (!lives)
        return pyro_error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < count; i++)
        lives[i] = timeline->lives[i];
    if (count)
        qsort(lives, count, sizeof(*lives), largest_first);
    if (limit->share > 0)
        rows = (size_t)(limit->share * (double)count + 0.5);
    if (rows == 0 || rows > count)
        rows = count;
    fprintf(out, "\n%s", pyro_ink_on(style, PYRO_INK_BOLD));
    pyro_cell_print(out, "pid", 8);
    pyro_cell_print(out, "came", TIME);
    pyro_cell_print(out, "went", TIME);
    pyro_cell_print(out, "at most", SIZE);
    pyro_cell_print(out, "at peak", SIZE);
    fprintf(out, "command%s\n", pyro_ink_off(style, PYRO_INK_BOLD));
    for (size_t i = 0; i < rows; i++)
        print_life(out, timeline, &lives[i], style);
    if (count > rows)
        fprintf(out, "%s%zu more process%s: -n 0 shows all%s\n", pyro_ink_on(style, PYRO_INK_GREY),
                count - rows, count - rows == 1 ? "" : "es", pyro_ink_off(style, PYRO_INK_GREY));
    free(lives);
    return 0;
}

int pyro_report_timeline(FILE *out, const struct pyro_timeline *timeline,
                         const struct pyro_report_limit *limit,
                         const struct pyro_report_style *style, struct pyro_error *error)
{
    print_head(out, timeline, style);
    fputc('\n', out);
    int code = pyro_report_chart(out, timeline, style, error);
    return code == 0 ? print_lives(out, timeline, limit, style, error) : code;
}

int pyro_report_over_time(FILE *out, const struct pyro_timeline *timeline,
                          const struct pyro_report_style *style, struct pyro_error *error)
{
    fputc('\n', out);
    int code = pyro_report_chart(out, timeline, style, error);
    return code == 0 ? pyro_report_holders(out, timeline->profile, style, error) : code;
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_step(struct pyro_json *json, const struct pyro_timeline *timeline,
                      const struct pyro_timeline_step *step)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_us_as_s(json, "time_s", step->time_us);
    pyro_json_u64(json, "rss_bytes", step->rss);
    pyro_json_u64(json, "files_bytes", step->files);
    pyro_json_u64(json, "swapped_bytes", step->swapped);
    pyro_json_u64(json, "processes", step->processes);
    if (timeline->tracked) {
        pyro_json_u64(json, "live_bytes", step->live);
        pyro_json_u64(json, "native_live_bytes", step->native);
    }
    pyro_json_end(json);
}

static void json_life(struct pyro_json *json, const struct pyro_timeline *timeline,
                      const struct pyro_life *life)
{
    const struct pyro_process *process = &timeline->profile->processes[life->process];
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_i64(json, "pid", process->pid);
    pyro_json_i64(json, "parent_pid", process->parent_pid);
    pyro_json_string(json, "command", command_of(timeline, life));
    pyro_json_us_as_s(json, "came_s", life->came_us);
    if (life->went_us == PYRO_LIFE_GOES_ON)
        pyro_json_null(json, "went_s");
    else
        pyro_json_us_as_s(json, "went_s", life->went_us);
    pyro_json_u64(json, "peak_bytes", life->peak);
    pyro_json_us_as_s(json, "peak_s", life->peak_us);
    pyro_json_u64(json, "most_bytes", life->most);
    pyro_json_u64(json, "at_peak_bytes", life->at_peak);
    pyro_json_end(json);
}

int pyro_report_timeline_member(struct pyro_json *json, const struct pyro_timeline *timeline,
                                struct pyro_error *error)
{
    int code = 0;
    const struct pyro_watch *watch = &timeline->profile->watch;
    const struct pyro_timeline_step *peak = &timeline->steps[timeline->peak];
    pyro_json_line(json);
    pyro_json_object(json, "timeline");
    pyro_json_us_as_s(json, "duration_s", timeline->until_us);
    pyro_json_us_as_s(json, "interval_s", watch->interval_us);
    pyro_json_u64(json, "looks", watch->looks);
    pyro_json_u64(json, "missed_looks", watch->missed);
    pyro_json_u64(json, "peak_bytes", peak->rss);
    pyro_json_us_as_s(json, "peak_s", peak->time_us);
    pyro_json_i64(json, "peak_pid", pid_of(timeline, &timeline->lives[timeline->holder]));
    pyro_json_u64(json, "unseen_processes", watch->unseen);
    if (watch->largest)
        pyro_json_u64(json, "largest_process_bytes", watch->largest);
    else
        pyro_json_null(json, "largest_process_bytes");
    pyro_json_array(json, "steps");
    for (size_t i = 0; i < timeline->step_count; i++)
        json_step(json, timeline, &timeline->steps[i]);
    pyro_json_end(json);
    pyro_json_array(json, "processes");
    for (size_t i = 0; i < timeline->life_count; i++)
        json_life(json, timeline, &timeline->lives[i]);
    pyro_json_end(json);
    if (timeline->profile->moment_count)
        code = pyro_report_holders_member(json, timeline->profile);
    pyro_json_end(json);
    return code < 0 ? pyro_error_set(error, code, "no memory") : 0;
}

int pyro_report_timeline_json(FILE *out, const struct pyro_timeline *timeline,
                              struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    int code = pyro_report_timeline_member(&json, timeline, error);
    pyro_report_confinement_member(&json, timeline->profile, timeline->swapped);
    pyro_json_end(&json);
    putc('\n', out);
    if (code == 0 && ferror(out))
        return pyro_error_set(error, -EIO, "cannot write the JSON");
    return code;
}
