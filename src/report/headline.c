/* report/headline.c - line 1, and how well it was measured. */
#include "report/internal.h"

#include "base/utf8.h"
#include "profile/uncounted.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024

void pyro_report_unsure(char *text, size_t size, uint64_t unsure, uint64_t samples)
{
    double percent = samples ? 100.0 * (double)unsure / (double)samples : 0;
    if (!unsure)
        snprintf(text, size, "0 unsure");
    else if (percent < 0.01)
        snprintf(text, size, "<0.01 %% unsure");
    else
        snprintf(text, size, "%.*f %% unsure", percent < 1 ? 2 : percent < 10 ? 1 : 0, percent);
}

/* "python 3.14.10, 1 kHz, 0 unsure" */
static void write_how(char *text, size_t size, const struct pyro_stats *stats)
{
    const struct pyro_recording_info *info = &stats->profile->info;
    char rate[32] = "", unsure[32];
    if (stats->profile->foreign) {
        snprintf(text, size, "read from %s", stats->profile->foreign);
        return;
    }
    if (info->rate_hz)
        pyro_summary_rate(rate, sizeof(rate), info->rate_hz);
    pyro_report_unsure(unsure, sizeof(unsure), stats->summary.unsure_samples,
                       stats->summary.samples);
    bool python = info->python && *info->python;
    snprintf(text, size, "%s%s%s%s%s%s", python ? "python " : "", python ? info->python : "",
             python ? ", " : "", rate, *rate ? ", " : "", unsure);
}

/* pstats' line: "2003 function calls (1004 primitive calls) in 0.412 seconds". */
static void print_calls(FILE *out, const struct pyro_stats *stats,
                        const struct pyro_report_style *style)
{
    fputs(pyro_ink_on(style, PYRO_INK_BOLD), out);
    if (stats->profile->timed_by_samples)
        fprintf(out, "%" PRIu64 " samples", stats->samples);
    else
        fprintf(out, "%" PRIu64 " function calls", stats->ncalls);
    if (stats->primitive_calls != stats->ncalls)
        fprintf(out, " (%" PRIu64 " primitive calls)", stats->primitive_calls);
    fprintf(out, " in %.3f seconds%s\n", stats->total_s, pyro_ink_off(style, PYRO_INK_BOLD));
}

/* A file of lines has no time of the program, and no calls. */
static void print_lines_alone(FILE *out, const struct pyro_profile *profile,
                              const struct pyro_report_style *style)
{
    size_t functions = 0;
    for (size_t i = 0; i < profile->line_count; i++)
        functions += profile->lines[i].line == 0;
    fprintf(out, "%s%zu function%s, counted line by line%s\n", pyro_ink_on(style, PYRO_INK_BOLD),
            functions, functions == 1 ? "" : "s", pyro_ink_off(style, PYRO_INK_BOLD));
}

void pyro_report_headline(FILE *out, const struct pyro_stats *stats,
                          const struct pyro_report_style *style)
{
    char program[256], shown[256], duration[32], split[256], how[128], how_shown[128],
        left[LINE_BYTES];
    if (stats->profile->lines_alone) {
        print_lines_alone(out, stats->profile, style);
        return;
    }
    if (stats->profile->timed) {
        print_calls(out, stats, style);
        return;
    }
    pyro_summary_program(program, sizeof(program), stats->profile);
    pyro_report_fit(shown, sizeof(shown), program, 40, style->utf8);
    pyro_summary_duration(duration, sizeof(duration), stats->duration_s);
    pyro_summary_split(split, sizeof(split), &stats->summary, style->utf8);
    write_how(how, sizeof(how), stats);
    pyro_report_fit(how_shown, sizeof(how_shown), how, 80, style->utf8);
    snprintf(left, sizeof(left), "%s  %s   %s", shown, duration, split);
    size_t columns = pyro_utf8_columns(left, strlen(left));
    size_t how_columns = pyro_utf8_columns(how_shown, strlen(how_shown));
    bool fits = columns + 3 + how_columns <= (size_t)style->width;
    int gap = fits ? style->width - (int)(columns + how_columns) : 0;
    if (gap > 8)
        gap = 8;
    fprintf(out, "%s%s%s%s%*s%s%s%s\n", pyro_ink_on(style, PYRO_INK_BOLD), left,
            pyro_ink_off(style, PYRO_INK_BOLD), fits ? "" : "\n", fits ? gap : 4, "",
            pyro_ink_on(style, PYRO_INK_GREY), how_shown, pyro_ink_off(style, PYRO_INK_GREY));
}

/* -- quality ------------------------------------------------------------------------------------ */

struct thread_cpu {
    uint32_t thread;
    double kernel_s, profile_s;
};

static int by_kernel_time(const void *left, const void *right)
{
    const struct thread_cpu *a = left, *b = right;
    if (a->kernel_s != b->kernel_s)
        return a->kernel_s > b->kernel_s ? -1 : 1;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

/* CPU of each thread as the kernel counted it and as the samples say; NULL when out of memory. */
static struct thread_cpu *thread_times(const struct pyro_profile *profile)
{
    struct thread_cpu *times = calloc(profile->thread_count + 1, sizeof(*times));
    if (!times)
        return NULL;
    for (size_t i = 0; i < profile->thread_count; i++) {
        times[i].thread = (uint32_t)i;
        times[i].kernel_s = (double)profile->threads[i].cpu_kernel_us / 1e6;
    }
    for (size_t i = 0; i < profile->samples.count; i++)
        if (pyro_sample_state(profile, i) == PYRO_STATE_RUNNING)
            times[pyro_sample_thread(profile, i)].profile_s +=
                (double)pyro_sample_weight_us(profile, i) / 1e6;
    qsort(times, profile->thread_count, sizeof(*times), by_kernel_time);
    return times;
}

#define THREADS_SHOWN 4
#define ROUGH_SHARE   0.10
#define ROUGH_S       0.05
#define OWN_FACTOR \
    1.5 /* of the sampler's own CPU time: changing over and cold caches come on top */

/* Why the two are apart; "" when they are not. Where others take the CPU away, a sample finds "running" or "ready" by what
 * prevailed since the one before. Most often it is the sampler itself that takes it, sitting beside the target. */
static const char *why_apart(const struct pyro_counters *counters, double kernel_s,
                             double profile_s)
{
    double more_s = profile_s - kernel_s, own_s = (double)counters->sampler_cpu_us / 1e6;
    double apart_s = more_s < 0 ? -more_s : more_s;
    if (apart_s <= ROUGH_SHARE * kernel_s || apart_s <= ROUGH_S)
        return "";
    if (counters->still > counters->samples / 2 && more_s > 0 && more_s <= OWN_FACTOR * own_s)
        return "   (the program waited for the sampler meanwhile)";
    return "   (cores were short: ready and running are told apart roughly)";
}

/* "CPU: kernel 0.36 s, profile 0.35 s   MainThread 0.30/0.29, worker 0.06/0.06" */
static void print_cpu(FILE *out, const struct pyro_profile *profile,
                      const struct pyro_report_style *style)
{
    struct thread_cpu *times = thread_times(profile);
    if (!times)
        return;
    double kernel_s = 0, profile_s = 0;
    for (size_t i = 0; i < profile->thread_count; i++) {
        kernel_s += times[i].kernel_s;
        profile_s += times[i].profile_s;
    }
    fprintf(out, "CPU: kernel %.2f s, profile %.2f s", kernel_s, profile_s);
    for (size_t i = 0; profile->thread_count > 1 && i < profile->thread_count; i++) {
        if (i == THREADS_SHOWN) {
            fprintf(out, ", %zu more", profile->thread_count - i);
            break;
        }
        const struct pyro_thread *thread = &profile->threads[times[i].thread];
        char name[128];
        pyro_report_fit(name, sizeof(name), pyro_profile_text(profile, thread->name), 24,
                        style->utf8);
        if (!*name)
            snprintf(name, sizeof(name), "thread %" PRIu64, thread->native_id);
        fprintf(out, "%s%s %.2f/%.2f", i ? ", " : "   ", name, times[i].kernel_s,
                times[i].profile_s);
    }
    fprintf(out, "%s\n", why_apart(&profile->counters, kernel_s, profile_s));
    free(times);
}

static void print_samples(FILE *out, const struct pyro_profile *profile)
{
    const struct pyro_counters *counters = &profile->counters;
    uint64_t unsure_samples = 0;
    for (size_t i = 0; i < profile->samples.count; i++)
        unsure_samples += (pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE) != 0;
    char reached[32], asked[32], unsure[32], own[32];
    pyro_summary_rate(reached, sizeof(reached), pyro_summary_rate_reached(profile));
    pyro_summary_rate(asked, sizeof(asked), profile->info.rate_hz);
    pyro_report_unsure(unsure, sizeof(unsure), unsure_samples, profile->samples.count);
    fprintf(out, "%zu sample%s at %s (asked %s), %" PRIu64 " missed, %" PRIu64 " late, %s",
            profile->samples.count, profile->samples.count == 1 ? "" : "s", reached, asked,
            counters->missed_ticks, counters->late, unsure);
    if (counters->failed)
        fprintf(out, ", %" PRIu64 " unreadable", counters->failed);
    if (counters->gap_us)
        fprintf(out, ", %.2f s not watched", (double)counters->gap_us / 1e6);
    if (counters->duration_us)
        fprintf(out, ", own CPU %.1f %% of a core",
                100.0 * (double)counters->sampler_cpu_us / (double)counters->duration_us);
    if (counters->sampler_rss) {
        pyro_summary_size(own, sizeof(own), counters->sampler_rss);
        fprintf(out, ", own memory %s", own);
    }
    fprintf(out, "\n");
}

static uint64_t count_calls(const struct pyro_profile *profile)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < profile->traced_count; i++)
        calls += profile->traced[i].calls;
    for (size_t i = 0; i < profile->call_count; i++)
        calls += profile->calls[i].callee == PYRO_NO_ID ? 0 : profile->calls[i].count;
    return calls;
}

static uint64_t count_lines(const struct pyro_profile *profile)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < profile->line_count; i++)
        hits += profile->lines[i].hits;
    return hits;
}

/* "2101236 calls and 20145 lines counted; that took 0.14 s, left out of the times", and what was not. */
static void print_counts(FILE *out, const struct pyro_profile *profile)
{
    struct pyro_uncounted uncounted;
    uint64_t calls = count_calls(profile), lines = count_lines(profile);
    double probe_us;
    if (!calls || pyro_totals_probe_us(profile, &probe_us) < 0)
        return;
    fprintf(out, "%" PRIu64 " calls ", calls);
    if (lines)
        fprintf(out, "and %" PRIu64 " lines ", lines);
    fprintf(out, "%s; that took %.2f s, left out of the times\n",
            profile->traced_count ? "traced" : "counted", probe_us / 1e6);
    pyro_uncounted_make(&uncounted, profile);
    for (size_t i = 0; i < uncounted.count; i++)
        fprintf(out, "not counted: %s\n", uncounted.lines[i]);
}

/* Of what others wrote nothing is known but that. */
static void print_foreign(FILE *out, const struct pyro_profile *profile)
{
    fprintf(out, "%" PRIu64 " sample%s from %s%s\n", profile->counters.samples,
            profile->counters.samples == 1 ? "" : "s", profile->foreign,
            profile->timeless ? ", which has no times: each is taken for 1 ms" : "");
}

void pyro_report_quality(FILE *out, const struct pyro_profile *profile,
                         const struct pyro_report_style *style)
{
    if (profile->foreign) {
        print_foreign(out, profile);
        return;
    }
    fputs(pyro_ink_on(style, PYRO_INK_GREY), out);
    print_samples(out, profile);
    print_counts(out, profile);
    print_cpu(out, profile, style);
    if (profile->torn)
        fprintf(out, "the recording breaks off: what stands before is whole\n");
    else if (!profile->complete)
        fprintf(out, "the recording was not closed: its last second may be missing\n");
    fputs(pyro_ink_off(style, PYRO_INK_GREY), out);
}
