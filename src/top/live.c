/* top/live.c - each piece is added up by profile/totals.h, whole and from where the window begins; here sums are joined. */
#include "top/live.h"

#include "base/grow.h"
#include "profile/line_totals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GONE_US \
    500000 /* a thread that was not seen for so long, while others were, has ended, or waits where nobody looks */
#define YOUNG_US 500000 /* a piece that is younger tells no rate: attaching took more than it */

/* -- adding up one piece ------------------------------------------------------------------------ */

static int add_functions(struct pyro_tally *tally, const struct pyro_profile *profile,
                         const struct pyro_totals *totals, enum pyro_tally_field field)
{
    int error = 0;
    for (uint32_t i = 0; i < profile->function_count && error == 0; i++) {
        const struct pyro_function_total *function = &totals->functions[i];
        const struct pyro_times times = {function->self_us / 1e6, function->total_us / 1e6};
        if (function->total_samples)
            error =
                pyro_tally_add(tally, profile, i, profile->functions[i].first_line, field, times);
    }
    return error;
}

static int add_lines(struct pyro_tally *tally, const struct pyro_profile *profile,
                     const struct pyro_totals *totals, enum pyro_tally_field field)
{
    struct pyro_line_totals lines;
    int error = pyro_line_totals_init(&lines, profile, totals);
    if (error < 0)
        return error;
    for (size_t i = 0; i < lines.count && error == 0; i++) {
        const struct pyro_line_total *line = &lines.lines[i];
        const struct pyro_times times = {line->self_us / 1e6, line->total_us / 1e6};
        if (line->total_samples)
            error = pyro_tally_add(tally, profile, line->function, line->line, field, times);
    }
    pyro_line_totals_clear(&lines);
    return error;
}

/* What was sampled of PROFILE and passes FILTER, into both tallies, either of which may be NULL. */
static int add_filtered(const struct pyro_profile *profile, bool idle,
                        const struct pyro_totals_filter *filter, enum pyro_tally_field field,
                        struct pyro_tally *functions, struct pyro_tally *lines)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    int error = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, idle);
    if (error < 0)
        return error;
    error = pyro_totals_init(&totals, &view, filter);
    pyro_clock_view_clear(&view);
    if (error < 0)
        return error;
    if (functions)
        error = add_functions(functions, profile, &totals, field);
    if (error == 0 && lines)
        error = add_lines(lines, profile, &totals, field);
    pyro_totals_clear(&totals);
    return error;
}

/* What was sampled of PROFILE since SINCE_US. */
static int add_up(struct pyro_live *live, const struct pyro_profile *profile, uint64_t since_us,
                  enum pyro_tally_field field)
{
    const struct pyro_totals_filter filter = {.thread = PYRO_NO_ID, .since_us = since_us};
    return add_filtered(profile, live->idle, &filter, field, &live->functions, &live->lines);
}

/* -- taking pieces ------------------------------------------------------------------------------ */

static uint64_t end_us(const struct pyro_profile *profile)
{
    return profile->info.started_unix_us + profile->counters.duration_us;
}

/* A piece is over: its sums are what stays of it. */
static int add_ended(struct pyro_live *live, const struct pyro_profile *profile)
{
    int error = add_up(live, profile, 0, PYRO_TALLY_ENDED);
    live->ended_s += (double)profile->counters.duration_us / 1e6;
    live->ended_missed += profile->counters.missed_ticks;
    live->ended_failed += profile->counters.failed;
    live->ended_unsure += profile->counters.unsure;
    live->ended_samples += profile->counters.samples;
    if (error == 0)
        error = pyro_tally_trim(&live->functions);
    if (error == 0)
        error = pyro_tally_trim(&live->lines);
    return error;
}

static void drop_first(struct pyro_live *live)
{
    pyro_profile_free(live->pieces[0]);
    live->piece_count--;
    memmove(live->pieces, live->pieces + 1, live->piece_count * sizeof(*live->pieces));
}

/* What the last refresh made stays valid until the next one, which comes at once unless the view is paused. */
static void show_piece(struct pyro_live *live, struct pyro_profile *profile, bool over)
{
    if (live->grows)
        pyro_profile_free(live->pieces[--live->piece_count]);
    if (live->piece_count == PYRO_LIVE_PIECES)
        drop_first(live);
    live->pieces[live->piece_count++] = profile;
    live->grows = !over;
    live->thread_count = live->process_count = 0; /* they point into pieces */
}

int pyro_live_take(struct pyro_live *live, struct pyro_profile *profile, bool over)
{
    int error = over ? add_ended(live, profile) : 0;
    if (live->paused)
        pyro_profile_free(profile);
    else
        show_piece(live, profile, over);
    return error;
}

/* -- the window --------------------------------------------------------------------------------- */

/* Where in PROFILE the window begins that ends with the last piece. */
static uint64_t window_begin_us(const struct pyro_live *live, const struct pyro_profile *profile)
{
    uint64_t end = end_us(live->pieces[live->piece_count - 1]);
    uint64_t begin = profile->info.started_unix_us + PYRO_LIVE_WINDOW_US;
    return end > begin ? end - begin : 0;
}

static void drop_before_window(struct pyro_live *live)
{
    while (live->piece_count > 1 &&
           window_begin_us(live, live->pieces[0]) > live->pieces[0]->counters.duration_us)
        drop_first(live);
}

static void add_summary(struct pyro_summary *sum, const struct pyro_summary *more)
{
    sum->samples += more->samples;
    sum->unsure_samples += more->unsure_samples;
    sum->parked_us += more->parked_us;
    sum->running_us += more->running_us;
    sum->runnable_us += more->runnable_us;
    sum->waiting_us += more->waiting_us;
    sum->gil_wait_us += more->gil_wait_us;
    sum->unknown_us += more->unknown_us;
    sum->native_us += more->native_us;
    sum->database_us += more->database_us;
    sum->gc_us += more->gc_us;
    sum->unsure_us += more->unsure_us;
    for (size_t i = 0; i < more->waiting_count; i++)
        pyro_summary_add_waiting(sum, more->waiting[i].category, more->waiting[i].time_us);
}

/* -- threads and processes ---------------------------------------------------------------------- */

size_t pyro_live_find_thread(const struct pyro_live *live, int32_t pid, uint64_t native_id)
{
    size_t i = 0;
    while (i < live->thread_count &&
           (live->threads[i].pid != pid || live->threads[i].native_id != native_id))
        i++;
    return i;
}

int pyro_live_add_thread(const struct pyro_live *live, int32_t pid, uint64_t native_id,
                         struct pyro_tally *functions, struct pyro_tally *lines)
{
    int error = 0;
    for (size_t i = 0; i < live->piece_count; i++) {
        const struct pyro_profile *profile = live->pieces[i];
        struct pyro_totals_filter filter = {.since_us = window_begin_us(live, profile)};
        for (; filter.thread < profile->thread_count && error == 0; filter.thread++) {
            const struct pyro_thread *thread = &profile->threads[filter.thread];
            if (thread->native_id == native_id && profile->processes[thread->process].pid == pid)
                error =
                    add_filtered(profile, live->idle, &filter, PYRO_TALLY_NOW, functions, lines);
        }
    }
    return error;
}

static int64_t thread_entry(struct pyro_live *live, const struct pyro_profile *profile,
                            uint32_t thread)
{
    const struct pyro_thread *from = &profile->threads[thread];
    int32_t pid = profile->processes[from->process].pid;
    size_t at = pyro_live_find_thread(live, pid, from->native_id);
    if (at == live->thread_count) {
        if (pyro_grow(&live->threads, at, &live->thread_capacity, sizeof(*live->threads)) < 0)
            return -ENOMEM;
        live->threads[live->thread_count++] =
            (struct pyro_live_thread){.pid = pid, .native_id = from->native_id};
    }
    return (int64_t)at;
}

static void add_sample(struct pyro_live_thread *entry, const struct pyro_profile *profile, size_t i)
{
    double seconds = (double)pyro_sample_weight_us(profile, i) / 1e6;
    entry->profile = profile;
    entry->thread = pyro_sample_thread(profile, i);
    entry->process = profile->threads[entry->thread].process;
    entry->stack = pyro_sample_stack(profile, i);
    entry->wait = pyro_sample_wait(profile, i);
    entry->state = pyro_sample_state(profile, i);
    entry->flags = pyro_sample_flags(profile, i);
    entry->seen_us = profile->info.started_unix_us + pyro_sample_time_us(profile, i);
    entry->seen_s += seconds;
    entry->running_s += entry->state == PYRO_STATE_RUNNING ? seconds : 0;
    entry->waiting_s += entry->state == PYRO_STATE_WAITING ? seconds : 0;
    entry->gil_wait_s += entry->state == PYRO_STATE_GIL_WAIT ? seconds : 0;
    entry->gil_s += entry->flags & PYRO_SAMPLE_GIL ? seconds : 0;
}

/* The threads' places are looked up once a piece, not once a sample. */
static int add_threads(struct pyro_live *live, const struct pyro_profile *profile,
                       uint64_t since_us)
{
    int64_t *entries = calloc(profile->thread_count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    int error = 0;
    for (size_t i = 0; i < profile->samples.count && error == 0; i++) {
        if (pyro_sample_time_us(profile, i) < since_us)
            continue;
        uint32_t thread = pyro_sample_thread(profile, i);
        if (!entries[thread])
            entries[thread] = thread_entry(live, profile, thread) + 1;
        if (entries[thread] > 0)
            add_sample(&live->threads[entries[thread] - 1], profile, i);
        else
            error = -ENOMEM;
    }
    free(entries);
    return error;
}

/* Between two pieces, or two looks far apart, nobody is seen for a while: that says nothing. Who is seen no more leaves the window. */
static void find_gone(struct pyro_live *live)
{
    uint64_t newest_us = 0;
    for (size_t i = 0; i < live->thread_count; i++)
        if (live->threads[i].seen_us > newest_us)
            newest_us = live->threads[i].seen_us;
    for (size_t i = 0; i < live->thread_count; i++)
        live->threads[i].gone = live->threads[i].seen_us + GONE_US < newest_us;
}

static int by_process(const void *left, const void *right)
{
    const struct pyro_live_thread *a = left, *b = right;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return (a->native_id > b->native_id) - (a->native_id < b->native_id);
}

static struct pyro_live_process *find_process(struct pyro_live *live, int32_t pid)
{
    for (size_t i = 0; i < live->process_count; i++)
        if (live->processes[i].pid == pid)
            return &live->processes[i];
    return NULL;
}

/* Processes of PROFILE, the newest piece last: a process that became another program is the one it is now. */
static int add_processes(struct pyro_live *live, const struct pyro_profile *profile)
{
    for (uint32_t i = 0; i < profile->process_count; i++) {
        const struct pyro_process *from = &profile->processes[i];
        struct pyro_live_process *process = find_process(live, from->pid);
        if (!process) {
            if (pyro_grow(&live->processes, live->process_count, &live->process_capacity,
                          sizeof(*live->processes)) < 0)
                return -ENOMEM;
            process = &live->processes[live->process_count++];
            *process = (struct pyro_live_process){.pid = from->pid};
        }
        process->parent_pid = from->parent_pid;
        process->profile = profile;
        process->process = i;
    }
    return 0;
}

static void add_up_processes(struct pyro_live *live)
{
    for (size_t i = 0; i < live->process_count; i++)
        live->processes[i].gone = true;
    for (size_t i = 0; i < live->thread_count; i++) {
        const struct pyro_live_thread *thread = &live->threads[i];
        struct pyro_live_process *process = find_process(live, thread->pid);
        if (!process)
            continue;
        process->gone = process->gone && thread->gone;
        process->threads += !thread->gone;
        process->running_s += thread->running_s;
        process->gil_s += thread->gil_s;
    }
}

/* -- a refresh ---------------------------------------------------------------------------------- */

static int add_window(struct pyro_live *live, const struct pyro_profile *profile)
{
    const struct pyro_totals_filter filter = {.thread = PYRO_NO_ID,
                                              .since_us = window_begin_us(live, profile)};
    struct pyro_summary summary;
    uint64_t length_us = profile->counters.duration_us;
    int error = pyro_summary_make(&summary, profile, &filter);
    if (error == 0)
        add_summary(&live->summary, &summary);
    if (error == 0)
        error = add_up(live, profile, filter.since_us, PYRO_TALLY_NOW);
    if (error == 0)
        error = add_threads(live, profile, filter.since_us);
    if (error == 0)
        error = add_processes(live, profile);
    live->window_s += length_us > filter.since_us ? (double)(length_us - filter.since_us) / 1e6 : 0;
    return error;
}

/* The newest piece that is old enough to tell a rate. */
static const struct pyro_profile *rated_piece(const struct pyro_live *live)
{
    for (size_t i = live->piece_count; i-- > 0;)
        if (live->pieces[i]->counters.duration_us >= YOUNG_US)
            return live->pieces[i];
    return live->pieces[live->piece_count - 1];
}

static void take_counters(struct pyro_live *live)
{
    const struct pyro_profile *last = live->pieces[live->piece_count - 1];
    const struct pyro_counters *counters = &last->counters;
    bool more = live->grows;
    live->all_s = live->ended_s + (more ? (double)counters->duration_us / 1e6 : 0);
    live->missed = live->ended_missed + (more ? counters->missed_ticks : 0);
    live->failed = live->ended_failed + (more ? counters->failed : 0);
    live->unsure = live->ended_unsure + (more ? counters->unsure : 0);
    live->samples = live->ended_samples + (more ? counters->samples : 0);
    last = rated_piece(live);
    counters = &last->counters;
    live->rate_hz = pyro_summary_rate_reached(last);
    live->own_cpu = counters->duration_us
                        ? (double)counters->sampler_cpu_us / (double)counters->duration_us
                        : 0;
}

static void begin(struct pyro_live *live)
{
    pyro_tally_begin(&live->functions);
    pyro_tally_begin(&live->lines);
    live->summary = (struct pyro_summary){0};
    live->window_s = live->gil_s = 0;
    live->thread_count = live->process_count = 0;
}

int pyro_live_refresh(struct pyro_live *live)
{
    int error = 0;
    if (live->paused || !live->piece_count)
        return 0;
    begin(live);
    drop_before_window(live);
    for (size_t i = 0; i < live->piece_count && error == 0; i++)
        error = add_window(live, live->pieces[i]);
    if (error == 0 && live->grows)
        error = add_up(live, live->pieces[live->piece_count - 1], 0, PYRO_TALLY_GROWING);
    if (live->thread_count)
        qsort(live->threads, live->thread_count, sizeof(*live->threads), by_process);
    for (size_t i = 0; i < live->thread_count; i++)
        live->gil_s += live->threads[i].gil_s;
    find_gone(live);
    add_up_processes(live);
    pyro_summary_sort_waiting(&live->summary);
    take_counters(live);
    return error;
}

const struct pyro_profile *pyro_live_profile(const struct pyro_live *live)
{
    return live->piece_count ? live->pieces[live->piece_count - 1] : NULL;
}

void pyro_live_clear(struct pyro_live *live)
{
    for (size_t i = 0; i < live->piece_count; i++)
        pyro_profile_free(live->pieces[i]);
    pyro_tally_clear(&live->functions);
    pyro_tally_clear(&live->lines);
    free(live->threads);
    free(live->processes);
    *live = (struct pyro_live){0};
}

void pyro_live_reset(struct pyro_live *live)
{
    bool idle = live->idle;
    pyro_live_clear(live);
    live->idle = idle;
}
