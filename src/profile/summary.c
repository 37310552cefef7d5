/* profile/summary.c - the waiting split, its wording, and the facts of a recording as JSON. */
#include "profile/summary.h"

#include "profile/uncounted.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* -- adding up ---------------------------------------------------------------------------------- */

void pyro_summary_add_waiting(struct pyro_summary *summary, const char *category, double time_us)
{
    if (!*category)
        category = "other";
    size_t i = 0;
    while (i < summary->waiting_count && strcmp(summary->waiting[i].category, category) != 0)
        i++;
    if (i == PYRO_SUMMARY_CATEGORIES)
        i--; /* there are fewer names than this; should that change, the last one takes the rest */
    else if (i == summary->waiting_count)
        summary->waiting[summary->waiting_count++].category = category;
    summary->waiting[i].time_us += time_us;
}

/* On a CPU without the GIL, a thread is in C code that let go of it: no Python runs. */
static void add_running(struct pyro_summary *summary, const struct pyro_clock_view *view,
                        const struct pyro_sample_sum *sum)
{
    summary->running_us += sum->weight_us;
    if (!view->has_gil || (view->profile->samples.kinds[sum->kind].flags & PYRO_SAMPLE_GIL))
        return;
    summary->native_us += sum->weight_us;
    const char *category = pyro_clock_wait_category_sum(view, sum);
    if (*category) {
        summary->database_us += sum->weight_us;
        pyro_summary_add_waiting(summary, category, sum->weight_us);
    }
}

static void add_sum(struct pyro_summary *summary, const struct pyro_clock_view *view,
                    const struct pyro_sample_sum *sum)
{
    const struct pyro_sample_kind *kind = &view->profile->samples.kinds[sum->kind];
    double weight_us = sum->weight_us;
    summary->samples += sum->count;
    summary->unsure_samples += kind->flags & PYRO_SAMPLE_UNSURE ? sum->count : 0;
    if (pyro_clock_parked_sum(view, sum)) {
        summary->parked_us += weight_us;
        return;
    }
    if (kind->flags & PYRO_SAMPLE_GC)
        summary->gc_us += weight_us;
    if (kind->flags & PYRO_SAMPLE_UNSURE)
        summary->unsure_us += weight_us;
    switch ((enum pyro_state)kind->state) {
    case PYRO_STATE_RUNNING:
        add_running(summary, view, sum);
        break;
    case PYRO_STATE_RUNNABLE:
        summary->runnable_us += weight_us;
        break;
    case PYRO_STATE_WAITING:
        summary->waiting_us += weight_us;
        pyro_summary_add_waiting(summary, pyro_clock_wait_category_sum(view, sum), weight_us);
        break;
    case PYRO_STATE_GIL_WAIT:
        summary->gil_wait_us += weight_us;
        pyro_summary_add_waiting(summary, pyro_clock_wait_category_sum(view, sum), weight_us);
        break;
    default:
        summary->unknown_us += weight_us;
    }
}

/* One by one, or as they were added up. */
static void add_samples(struct pyro_summary *summary, const struct pyro_clock_view *view,
                        const struct pyro_totals_filter *filter)
{
    const struct pyro_profile *profile = view->profile;
    const struct pyro_profile_samples *samples = &profile->samples;
    bool summed = samples->sums && filter->since_us == 0;
    for (size_t i = 0; summed && i < samples->sum_count; i++)
        if (pyro_totals_wants_thread(profile, filter, samples->kinds[samples->sums[i].kind].thread))
            add_sum(summary, view, &samples->sums[i]);
    for (size_t i = 0; !summed && i < samples->count; i++)
        if (pyro_totals_wants(profile, filter, i))
            add_sum(
                summary, view,
                &(struct pyro_sample_sum){.stack = pyro_sample_stack(profile, i),
                                          .kind = pyro_sample_at(profile, i)->kind,
                                          .count = 1,
                                          .weight_us = (double)pyro_sample_weight_us(profile, i)});
}

void pyro_summary_sort_waiting(struct pyro_summary *summary)
{
    for (size_t i = 1; i < summary->waiting_count; i++) {
        struct pyro_summary_waiting moved = summary->waiting[i];
        size_t at = i;
        for (; at > 0 && summary->waiting[at - 1].time_us < moved.time_us; at--)
            summary->waiting[at] = summary->waiting[at - 1];
        summary->waiting[at] = moved;
    }
}

int pyro_summary_make(struct pyro_summary *summary, const struct pyro_profile *profile,
                      const struct pyro_totals_filter *filter)
{
    *summary = (struct pyro_summary){.stateless = profile->stateless};
    struct pyro_clock_view view;
    int result = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    add_samples(summary, &view, filter);
    pyro_clock_view_clear(&view);
    pyro_summary_sort_waiting(summary);
    return 0;
}

/* -- wording ------------------------------------------------------------------------------------ */

struct part {
    const char *name;
    double time;
    int percent;
};

/* Whole percent that add up to SUM: rounded down, and the largest remainders get what is left. */
static void share_out(struct part *parts, size_t count, int sum)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].time;
    if (total <= 0)
        return;
    int left = sum;
    for (size_t i = 0; i < count; i++) {
        parts[i].percent = (int)(parts[i].time / total * sum);
        left -= parts[i].percent;
    }
    for (; left > 0; left--) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (parts[i].time / total * sum - parts[i].percent >
                parts[best].time / total * sum - parts[best].percent)
                best = i;
        parts[best].percent++;
    }
}

static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", more);
}

#define NAMED_CATEGORIES 3

/* " (database 88, other 3)" after "91 % waiting"; only " (database)" when it is all one thing. */
static void append_categories(char *text, size_t size, const struct pyro_summary *summary,
                              int percent)
{
    struct part parts[PYRO_SUMMARY_CATEGORIES];
    size_t count = summary->waiting_count, named = 0;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct part){summary->waiting[i].category, summary->waiting[i].time_us, 0};
    share_out(parts, count, percent);
    if (count == 0 || parts[0].percent == percent) {
        append(text, size, count ? " (" : "");
        append(text, size, count ? parts[0].name : "");
        append(text, size, count ? ")" : "");
        return;
    }
    int other = percent;
    const char *separator = " (";
    for (size_t i = 0; i < count && named < NAMED_CATEGORIES; i++) {
        if (parts[i].percent < 1 || strcmp(parts[i].name, "other") == 0)
            continue;
        char item[64];
        snprintf(item, sizeof(item), "%s%s %d", separator, parts[i].name, parts[i].percent);
        append(text, size, item);
        separator = ", ";
        other -= parts[i].percent;
        named++;
    }
    if (other > 0) {
        char item[64];
        snprintf(item, sizeof(item), "%sother %d", separator, other);
        append(text, size, item);
    }
    append(text, size, ")");
}

#define PART_WAITING 0
#define PART_PYTHON  1
#define PART_NATIVE  2
#define PART_NO_CPU  3
#define PARTS        4

void pyro_summary_split(char *text, size_t size, const struct pyro_summary *summary, bool utf8)
{
    struct part parts[PARTS] = {
        [PART_WAITING] = {"waiting",
                          summary->waiting_us + summary->gil_wait_us + summary->database_us, 0},
        [PART_PYTHON] = {"Python", summary->running_us - summary->native_us + summary->unknown_us,
                         0},
        [PART_NATIVE] = {"C code without the GIL", summary->native_us - summary->database_us, 0},
        [PART_NO_CPU] = {"ready but without a CPU", summary->runnable_us, 0},
    };
    share_out(parts, PARTS, 100);
    snprintf(text, size, "%s", "");
    if (summary->stateless) {
        append(text, size, "computing or waiting: the file does not tell");
        return;
    }
    bool shown[PARTS] = {false};
    for (;;) {
        size_t best = PARTS;
        for (size_t i = 0; i < PARTS; i++)
            if (!shown[i] && parts[i].percent &&
                (best == PARTS || parts[i].percent > parts[best].percent))
                best = i;
        if (best == PARTS)
            break;
        shown[best] = true;
        char item[64];
        const char *separator = !*text ? "" : utf8 ? " \xc2\xb7 " : " | ";
        snprintf(item, sizeof(item), "%s%d %% %s", separator, parts[best].percent,
                 parts[best].name);
        append(text, size, item);
        if (best == PART_WAITING)
            append_categories(text, size, summary, parts[best].percent);
    }
    if (!*text)
        append(text, size, summary->parked_us > 0 ? "every thread parked" : "no samples");
}

/* The next word of a command line, NULL at its end; a word ends at a blank. */
static const char *next_word(const char **command, size_t *ret_length)
{
    while (isspace((unsigned char)**command))
        (*command)++;
    const char *word = *command;
    while (**command && !isspace((unsigned char)**command))
        (*command)++;
    *ret_length = (size_t)(*command - word);
    return *ret_length ? word : NULL;
}

static void copy_basename(char *text, size_t size, const char *word, size_t length)
{
    const char *slash = memrchr(word, '/', length);
    if (slash && slash + 1 < word + length) {
        length -= (size_t)(slash + 1 - word);
        word = slash + 1;
    }
    snprintf(text, size, "%.*s", (int)(length > 255 ? 255 : length), word);
}

/* Whether an option of python takes the next word: -X dev, -W error, --check-hash-based-pycs always. */
static bool takes_value(const char *word, size_t length)
{
    return (length == 2 && (word[1] == 'X' || word[1] == 'W')) ||
           (length == 24 && strncmp(word, "--check-hash-based-pycs", length) == 0);
}

/* "GET /orders": pyrometer.web records a request's method and path as the command. */
static bool is_request(const char *command)
{
    size_t method = strspn(command, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return method && strncmp(command + method, " /", 2) == 0;
}

void pyro_summary_program(char *text, size_t size, const struct pyro_profile *profile)
{
    const char *command = profile->info.command ? profile->info.command : "";
    size_t length;
    if (is_request(command)) {
        snprintf(text, size, "%s", command);
        return;
    }
    const char *word = next_word(&command, &length);
    if (!word) {
        snprintf(text, size, "python");
        return;
    }
    copy_basename(text, size, word, length);
    if (strncmp(text, "python", 6) != 0)
        return;
    while ((word = next_word(&command, &length))) {
        if (word[0] != '-') {
            copy_basename(text, size, word, length);
            return;
        }
        if (length == 2 && word[1] == 'c') {
            snprintf(text, size, "python -c");
            return;
        }
        if ((length == 2 && word[1] == 'm') || takes_value(word, length)) {
            bool module = word[1] == 'm';
            word = next_word(&command, &length);
            if (word && module)
                snprintf(text, size, "%.*s", (int)(length > 255 ? 255 : length), word);
            if (!word || module)
                return;
        }
    }
}

void pyro_summary_duration(char *text, size_t size, double seconds)
{
    if (seconds < 0.9995)
        snprintf(text, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 9.995)
        snprintf(text, size, "%.2f s", seconds);
    else if (seconds < 99.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (seconds < 3599.5)
        snprintf(text, size, "%d min %02d s", (int)(seconds + 0.5) / 60, (int)(seconds + 0.5) % 60);
    else
        snprintf(text, size, "%.0f h %02d min", (double)((uint64_t)(seconds + 30) / 3600),
                 (int)((uint64_t)(seconds + 30) / 60 % 60));
}

void pyro_summary_size(char *text, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    if (bytes < 1024)
        snprintf(text, size, "%" PRIu64 " B", bytes);
    else
        snprintf(text, size, "%.1f %s", value, units[unit]);
}

void pyro_summary_rate(char *text, size_t size, double hertz)
{
    if (hertz < 999.5)
        snprintf(text, size, "%.0f Hz", hertz);
    else
        snprintf(text, size, "%.3g kHz", hertz / 1e3);
}

double pyro_summary_rate_reached(const struct pyro_profile *profile)
{
    const struct pyro_counters *counters = &profile->counters;
    if (!counters->duration_us)
        return 0;
    return (double)counters->sweeps * 1e6 / (double)counters->duration_us;
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_modes(struct pyro_json *json, const struct pyro_recording_info *info, bool traced)
{
    pyro_json_array(json, "modes");
    if (info->mode)
        pyro_json_string(json, NULL, info->mode);
    if (traced)
        pyro_json_string(json, NULL, "trace");
    if (info->exact)
        pyro_json_string(json, NULL, "exact");
    pyro_json_end(json);
}

static uint64_t kernel_cpu_us(const struct pyro_profile *profile)
{
    uint64_t sum_us = 0;
    for (size_t i = 0; i < profile->thread_count; i++)
        sum_us += profile->threads[i].cpu_kernel_us;
    return sum_us;
}

static void json_uncounted(struct pyro_json *json, const struct pyro_profile *profile)
{
    struct pyro_uncounted uncounted;
    pyro_uncounted_make(&uncounted, profile);
    pyro_json_array(json, "not_counted");
    for (size_t i = 0; i < uncounted.count; i++)
        pyro_json_string(json, NULL, uncounted.lines[i]);
    pyro_json_end(json);
}

/* A file of others says nothing of how it was made, and of timed calls or lines not even how long that took. */
static void json_unknown(struct pyro_json *json, const char *key,
                         const struct pyro_profile *profile)
{
    static const char *const before[] = {"command", "pid", "python", "started"};
    static const char *const after[] = {
        "rate_hz",         "samples", "unsure",       "missed_ticks",  "late",    "sampler_cpu_s",
        "collector_cpu_s", "probe_s", "cpu_kernel_s", "cpu_profile_s", "waiting", "not_counted"};
    pyro_json_object(json, key);
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
        pyro_json_null(json, before[i]);
    if (profile->counters.duration_us)
        pyro_json_us_as_s(json, "duration_s", profile->counters.duration_us);
    else
        pyro_json_null(json, "duration_s");
    json_modes(json, &profile->info, false);
    for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++)
        pyro_json_null(json, after[i]);
    pyro_json_end(json);
}

void pyro_summary_json(struct pyro_json *json, const char *key, const struct pyro_profile *profile,
                       const struct pyro_summary *summary)
{
    const struct pyro_recording_info *info = &profile->info;
    const struct pyro_counters *counters = &profile->counters;
    if (profile->lines_alone || profile->foreign || (profile->timed && !counters->duration_us)) {
        json_unknown(json, key, profile);
        return;
    }
    pyro_json_object(json, key);
    pyro_json_string(json, "command", info->command);
    pyro_json_i64(json, "pid", info->pid);
    pyro_json_string(json, "python", info->python);
    pyro_json_utc(json, "started", info->started_unix_us);
    pyro_json_us_as_s(json, "duration_s", counters->duration_us);
    json_modes(json, info, profile->traced_count > 0);
    pyro_json_double(json, "rate_hz", pyro_summary_rate_reached(profile));
    pyro_json_u64(json, "samples", summary->samples);
    pyro_json_u64(json, "unsure", summary->unsure_samples);
    pyro_json_u64(json, "missed_ticks", counters->missed_ticks);
    pyro_json_u64(json, "late", counters->late);
    pyro_json_us_as_s(json, "sampler_cpu_s", counters->sampler_cpu_us);
    if (counters->sampler_rss)
        pyro_json_u64(json, "sampler_peak_bytes", counters->sampler_rss);
    else
        pyro_json_null(json, "sampler_peak_bytes");
    pyro_json_null(json, "collector_cpu_s");
    if (profile->probes)
        pyro_json_double(json, "probe_s", summary->probe_us / 1e6);
    else
        pyro_json_null(json, "probe_s");
    pyro_json_us_as_s(json, "cpu_kernel_s", kernel_cpu_us(profile));
    pyro_json_double(json, "cpu_profile_s", summary->running_us / 1e6);
    pyro_json_object(json, "waiting");
    for (size_t i = 0; i < summary->waiting_count; i++)
        pyro_json_double(json, summary->waiting[i].category, summary->waiting[i].time_us / 1e6);
    pyro_json_end(json);
    json_uncounted(json, profile);
    pyro_json_end(json);
}
