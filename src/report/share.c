/* report/share.c - "shop/serializers.py: 2.1 % of 4.02 s; free, it would save 0.08 s at most". */
#include "report/share.h"

#include "base/json.h"
#include "profile/paths.h"
#include "report/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LABEL_BYTES 1024
#define OTHER_LEAST 0.005 /* of its time: less is not worth a word */

static double percent_of(const struct pyro_shares *shares, double seconds)
{
    return shares->total_s > 0 ? 100 * seconds / shares->total_s : 0;
}

static void put_seconds(char *text, size_t size, double seconds)
{
    if (seconds > 0 && seconds < 0.0005)
        snprintf(text, size, "<0.001 s");
    else
        snprintf(text, size, "%.*f s", seconds < 0.0995 ? 3 : 2, seconds);
}

/* "function orm.py:17(execute_query)", "3 functions fetch", "file shop/orm.py", "package json (12 functions)". */
static void put_label(char *label, size_t size, const struct pyro_shares *shares,
                      const struct pyro_share *share, const char *name,
                      const struct pyro_report_style *style)
{
    const struct pyro_profile *profile = shares->stats->profile;
    char text[LABEL_BYTES / 2];
    struct pyro_report_style wide = *style;
    wide.width = 200;
    if (share->kind == PYRO_SHARE_FUNCTION)
        pyro_report_label(text, sizeof(text), profile, share->function, &wide);
    else
        pyro_report_fit(text, sizeof(text), name, 100, style->utf8);
    if (share->kind == PYRO_SHARE_FILE && share->file != PYRO_NO_ID)
        pyro_report_fit(text, sizeof(text),
                        pyro_path_short(pyro_profile_text(profile, share->file), style->directory),
                        100, style->utf8);
    const char *plural = share->functions == 1 ? "" : "s";
    switch (share->kind) {
    case PYRO_SHARE_FUNCTION:
        snprintf(label, size, "%s", text);
        break;
    case PYRO_SHARE_FUNCTIONS:
        snprintf(label, size, "all %zu functions %s together", share->functions, text);
        break;
    case PYRO_SHARE_FILE:
        snprintf(label, size, "file %s (%zu function%s)", text, share->functions, plural);
        break;
    default:
        snprintf(label, size, "%s %s (%zu function%s)",
                 share->file != PYRO_NO_ID ? "module" : "package", text, share->functions, plural);
    }
}

/* "computing 0.08 s, waiting 0.00 s, in itself 0.02 s; called 846 times" */
static void print_parts(FILE *out, const struct pyro_share *share)
{
    char computing[32], waiting[32], self[32], other[32];
    double other_s = share->time_s - share->computing_s - share->waiting_s;
    put_seconds(computing, sizeof(computing), share->computing_s);
    put_seconds(waiting, sizeof(waiting), share->waiting_s);
    put_seconds(self, sizeof(self), share->self_s);
    put_seconds(other, sizeof(other), other_s);
    fprintf(out, "    ");
    if (!isnan(share->computing_s))
        fprintf(out, "computing %s, waiting %s, ", computing, waiting);
    if (other_s > OTHER_LEAST * share->time_s)
        fprintf(out, "neither (no CPU was free) %s, ", other);
    fprintf(out, "in itself %s", self);
    if (share->ncalls != PYRO_NO_CALLS)
        fprintf(out, "; called %" PRIu64 " time%s%s", share->ncalls, share->ncalls == 1 ? "" : "s",
                share->kind == PYRO_SHARE_FUNCTION ? "" : " from outside");
    fputc('\n', out);
}

static void print_share(FILE *out, const struct pyro_shares *shares, const struct pyro_share *share,
                        const char *name, const struct pyro_report_style *style)
{
    char label[LABEL_BYTES], time[32], total[32], saves[32], duration[32];
    const char *about = style->utf8 ? "\xc2\xb1" : "+-";
    put_label(label, sizeof(label), shares, share, name, style);
    put_seconds(time, sizeof(time), share->time_s);
    put_seconds(total, sizeof(total), shares->total_s);
    put_seconds(saves, sizeof(saves), share->saves_s);
    put_seconds(duration, sizeof(duration), shares->duration_s);
    fprintf(out, "%s%s%s\n", pyro_ink_on(style, PYRO_INK_BOLD), label,
            pyro_ink_off(style, PYRO_INK_BOLD));
    fprintf(out, "    %.1f %%", percent_of(shares, share->time_s));
    if (share->sigma_s > 0)
        fprintf(out, " %s%.1f", about, fmax(0.1, percent_of(shares, share->sigma_s)));
    fprintf(out, ": %s of %s%s; free, it would save %s%s at most\n", time, total,
            shares->stats->profile->thread_count > 1 ? " over all threads" : "", saves,
            shares->stats->profile->thread_count > 1 ? " of the program's time" : "");
    print_parts(out, share);
}

void pyro_report_shares(FILE *out, const struct pyro_shares *shares, const char *name,
                        const struct pyro_report_style *style)
{
    for (size_t i = 0; i < shares->count; i++)
        print_share(out, shares, &shares->items[i], name, style);
    if (shares->more)
        fprintf(out, "%zu more functions of that name took less\n", shares->more);
    fputs(pyro_ink_on(style, PYRO_INK_GREY), out);
    if (shares->stats->traced)
        fprintf(out, "calls were timed; computing and waiting are by samples\n");
    else if (!shares->at_most)
        fprintf(out, "%s is the standard error of sampling, by %" PRIu64 " samples\n",
                style->utf8 ? "\xc2\xb1" : "+-", shares->stats->samples);
    else
        fprintf(out, "calls were timed, without stacks: the time of a file or package is at most "
                     "so much\n");
    fputs(pyro_ink_off(style, PYRO_INK_GREY), out);
}

/* -- JSON --------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {"function", "functions", "file", "package"};

static void put_share(struct pyro_json *json, const struct pyro_shares *shares,
                      const struct pyro_share *share, const char *name)
{
    const struct pyro_profile *profile = shares->stats->profile;
    const struct pyro_function *function =
        share->function == PYRO_NO_ID ? NULL : &profile->functions[share->function];
    bool python = !function || function->kind == PYRO_FUNCTION_PYTHON;
    bool file = python && share->file != PYRO_NO_ID;
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_string(json, "kind", kind_names[share->kind]);
    pyro_json_string(json, "name", function ? pyro_profile_text(profile, function->name) : name);
    pyro_json_string(json, "file", file ? pyro_profile_text(profile, share->file) : NULL);
    if (function && python)
        pyro_json_u64(json, "line", function->first_line);
    else
        pyro_json_null(json, "line");
    pyro_json_u64(json, "functions", share->functions);
    pyro_json_double(json, "share", percent_of(shares, share->time_s) / 100);
    pyro_json_double(json, "time_s", share->time_s);
    pyro_json_double(json, "error_s", share->sigma_s);
    pyro_json_double(json, "self_s", share->self_s);
    pyro_json_double(json, "computing_s", share->computing_s);
    pyro_json_double(json, "waiting_s", share->waiting_s);
    pyro_json_double(json, "saves_s", share->saves_s);
    if (share->ncalls == PYRO_NO_CALLS)
        pyro_json_null(json, "ncalls");
    else
        pyro_json_u64(json, "ncalls", share->ncalls);
    pyro_json_end(json);
}

int pyro_report_shares_json(FILE *out, const struct pyro_shares *shares, const char *name,
                            struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_summary_json(&json, "recording", shares->stats->profile, &shares->stats->summary);
    pyro_json_double(&json, "total_s", shares->total_s);
    pyro_json_double(&json, "duration_s", shares->duration_s);
    pyro_json_array(&json, "shares");
    for (size_t i = 0; i < shares->count; i++)
        put_share(&json, shares, &shares->items[i], name);
    pyro_json_end(&json);
    pyro_json_u64(&json, "more", shares->more);
    pyro_json_end(&json);
    putc('\n', out);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}
