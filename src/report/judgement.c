/* report/judgement.c - faster, slower, same or undecided, and by what right. */
#include "report/bench.h"

#include "base/json.h"
#include "base/utf8.h"
#include "report/diff.h"
#include "report/internal.h"

#include <math.h>
#include <string.h>

#define NAME_COLUMNS 32

/* How each metric says that it went up or down; in the JSON it is always faster and slower. */
struct words {
    const char *label, *less, *more;
};
static const struct words words_of[PYRO_METRIC_COUNT] = {
    [PYRO_METRIC_WALL] = {"wall", "faster", "slower"},
    [PYRO_METRIC_CPU] = {"cpu", "less CPU", "more CPU"},
    [PYRO_METRIC_PEAK] = {"peak", "less memory", "more memory"},
    [PYRO_METRIC_GROWTH] = {"growth", "grows less", "grows more"},
    [PYRO_METRIC_CALLS] = {"calls", "fewer calls", "more calls"},
    [PYRO_METRIC_QUERIES] = {"queries", "fewer queries", "more queries"},
};

static const char *verdict_text(enum pyro_metric metric, enum pyro_verdict verdict)
{
    if (verdict == PYRO_VERDICT_FASTER)
        return words_of[metric].less;
    if (verdict == PYRO_VERDICT_SLOWER)
        return words_of[metric].more;
    return pyro_verdict_name(verdict);
}

/* "-38.8 %" */
static void put_change(char *text, size_t size, double ratio)
{
    snprintf(text, size, isfinite(ratio) ? "%+.1f %%" : "?", 100 * (ratio - 1));
}

/* "847 -> 1, in one run each"; the columns it takes. */
static int print_counts(FILE *out, const struct pyro_comparison *comparison,
                        const struct pyro_report_style *style)
{
    char text[128];
    snprintf(text, sizeof(text), "%.0f %s %.0f, in one run each", comparison->counts[0],
             style->utf8 ? "\u2192" : "->", comparison->counts[1]);
    fputs(text, out);
    return (int)pyro_utf8_columns(text, strlen(text));
}

static void print_metric(FILE *out, enum pyro_metric metric,
                         const struct pyro_comparison *comparison,
                         const struct pyro_report_style *style)
{
    char change[32], low[32], high[32];
    bool decided = comparison->verdict != PYRO_VERDICT_UNDECIDED;
    enum pyro_ink ink = decided ? PYRO_INK_BOLD : PYRO_INK_PLAIN;
    put_change(change, sizeof(change), comparison->ratio);
    put_change(low, sizeof(low), comparison->ci_low);
    put_change(high, sizeof(high), comparison->ci_high);
    fprintf(out, "  %-7s %9s  ", words_of[metric].label, change);
    int room = 28;
    if (comparison->counted)
        room -= print_counts(out, comparison, style);
    else
        room -= fprintf(out, "[%s .. %s]", low, high);
    fprintf(out, "%*s%s%s%s\n", room > 1 ? room : 1, "", pyro_ink_on(style, ink),
            verdict_text(metric, comparison->verdict), pyro_ink_off(style, ink));
}

static void print_rest(FILE *out, const struct pyro_comparison *comparison)
{
    if (comparison->counted)
        fprintf(out, "  exact counts of one run each: no interval, and whether the next run has as "
                     "many is not known");
    else if (comparison->apart && comparison->pairs == 1)
        fprintf(out, "  one run each");
    else if (comparison->apart)
        fprintf(out, "  %zu runs each, measured apart: no difference below %.0f %% is believed",
                comparison->pairs, 100 * comparison->noise);
    else
        fprintf(out, "  %zu pair%s", comparison->pairs, comparison->pairs == 1 ? "" : "s");
    if (isfinite(comparison->ci_low) && isfinite(comparison->confidence))
        fprintf(out, ", %.3g %% confidence", 100 * comparison->confidence);
    if (!comparison->apart && isfinite(comparison->noise))
        fprintf(out, "; noise %.1f %%: what a command differs from itself by",
                100 * comparison->noise);
    if (isfinite(comparison->smallest_visible))
        fprintf(out, "; smallest change visible: %.1f %%", 100 * comparison->smallest_visible);
    fputc('\n', out);
}

/* The last line: what to do. */
static const char *advice(const struct pyro_judgement *judgement)
{
    const struct pyro_comparison *first = &judgement->metrics[judgement->metric];
    if (judgement->tradeoff)
        return "a trade-off: one got better, the other worse; which matters more is yours to say";
    if (judgement->keep == PYRO_KEEP)
        return "KEEP";
    if (judgement->keep == PYRO_REVERT)
        return first->verdict == PYRO_VERDICT_SAME ? "REVERT: the same, and the simpler code wins"
                                                   : "REVERT";
    if (!first->pairs)
        return "no verdict: the figure it is about is not known of both";
    if (first->verdict == PYRO_VERDICT_FASTER)
        return "undecided whether to keep it: the gain may lie below the margin; measure more "
               "(--time)";
    if (first->apart)
        return "no verdict: measure both in turn, with pyrometer bench";
    return first->pairs < PYRO_COMPARE_PAIRS_MIN
               ? "no verdict: too few pairs; measure more (--time)"
               : "undecided: measure more (--time)";
}

/* "  2.43x faster (2.07 .. 2.86)", of a verdict about the time that passes. */
static void print_factor(FILE *out, const struct pyro_judgement *judgement)
{
    const struct pyro_comparison *first = &judgement->metrics[judgement->metric];
    double low = first->ci_low, high = first->ci_high;
    bool known = isfinite(low) && isfinite(high) && low > 0 && first->ratio > 0;
    if (judgement->metric != PYRO_METRIC_WALL || judgement->keep == PYRO_KEEP_UNKNOWN || !known)
        return;
    if (first->verdict == PYRO_VERDICT_FASTER)
        fprintf(out, "  %.3gx faster (%.3g .. %.3g)", 1 / first->ratio, 1 / high, 1 / low);
    if (first->verdict == PYRO_VERDICT_SLOWER)
        fprintf(out, "  %.3gx slower (%.3g .. %.3g)", first->ratio, low, high);
}

void pyro_report_judgement(FILE *out, const struct pyro_judgement *judgement,
                           const struct pyro_report_style *style)
{
    char before[256], after[256];
    pyro_report_fit(before, sizeof(before), judgement->before, NAME_COLUMNS, style->utf8);
    pyro_report_fit(after, sizeof(after), judgement->after, NAME_COLUMNS, style->utf8);
    fprintf(out, "%s against %s\n", after, before);
    for (int i = 0; i < PYRO_METRIC_COUNT; i++)
        if (judgement->metrics[i].pairs)
            print_metric(out, (enum pyro_metric)i, &judgement->metrics[i], style);
    if (judgement->metrics[judgement->metric].pairs)
        print_rest(out, &judgement->metrics[judgement->metric]);
    else
        fprintf(out, "  %-7s not known\n", words_of[judgement->metric].label);
    fprintf(out, "%s%s", pyro_ink_on(style, PYRO_INK_BOLD), advice(judgement));
    print_factor(out, judgement);
    fprintf(out, "%s\n", pyro_ink_off(style, PYRO_INK_BOLD));
    if (judgement->why) {
        fputc('\n', out);
        pyro_report_why(out, judgement->why, style);
    }
}

/* -- JSON ------------------------------------------------------------------------------------- */

static void put_keep(struct pyro_json *json, enum pyro_keep keep)
{
    if (keep == PYRO_KEEP_UNKNOWN)
        pyro_json_null(json, "keep");
    else
        pyro_json_bool(json, "keep", keep == PYRO_KEEP);
}

static void put_count(struct pyro_json *json, const char *key,
                      const struct pyro_comparison *comparison, int side)
{
    if (comparison->counted)
        pyro_json_u64(json, key, (uint64_t)comparison->counts[side]);
    else
        pyro_json_null(json, key);
}

static void put_comparison(struct pyro_json *json, enum pyro_metric metric,
                           const struct pyro_comparison *comparison, enum pyro_keep keep)
{
    pyro_json_string(json, "metric", pyro_metric_name(metric));
    pyro_json_string(json, "verdict", pyro_verdict_name(comparison->verdict));
    put_keep(json, keep);
    pyro_json_double(json, "ratio", comparison->ratio);
    pyro_json_double(json, "ci_low", comparison->ci_low);
    pyro_json_double(json, "ci_high", comparison->ci_high);
    pyro_json_double(json, "confidence", comparison->confidence);
    pyro_json_u64(json, "pairs", comparison->pairs);
    pyro_json_double(json, "noise", comparison->noise);
    pyro_json_double(json, "smallest_visible", comparison->smallest_visible);
    put_count(json, "before_count", comparison, 0);
    put_count(json, "after_count", comparison, 1);
}

#define WHY_ROWS 100

/* What moved most between a recording of each. */
static void put_why(struct pyro_json *json, const struct pyro_diff *why)
{
    const char *notes[PYRO_DIFF_NOTES];
    if (!why) {
        pyro_json_null(json, "why");
        return;
    }
    pyro_json_line(json);
    pyro_json_object(json, "why");
    pyro_json_array(json, "notes");
    size_t count = pyro_diff_notes(why, notes);
    for (size_t i = 0; i < count; i++)
        pyro_json_string(json, NULL, notes[i]);
    pyro_json_end(json);
    pyro_report_moves_json(json, why, WHY_ROWS);
    pyro_json_end(json);
}

static void put_judgement(struct pyro_json *json, const struct pyro_judgement *judgement)
{
    pyro_json_string(json, "before", judgement->before);
    pyro_json_string(json, "after", judgement->after);
    put_comparison(json, judgement->metric, &judgement->metrics[judgement->metric],
                   judgement->keep);
    pyro_json_bool(json, "tradeoff", judgement->tradeoff);
    pyro_json_bool(json, "apart", judgement->metrics[judgement->metric].apart);
    pyro_json_array(json, "metrics");
    for (int i = 0; i < PYRO_METRIC_COUNT; i++) {
        if (!judgement->metrics[i].pairs)
            continue;
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        put_comparison(json, (enum pyro_metric)i, &judgement->metrics[i],
                       judgement->metrics[i].keep);
        pyro_json_end(json);
    }
    pyro_json_end(json);
    put_why(json, judgement->why);
}

void pyro_report_judgements_json(FILE *out, const struct pyro_judgement *judgements, size_t count)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    put_judgement(&json, &judgements[0]);
    pyro_json_array(&json, "others");
    for (size_t i = 1; i < count; i++) {
        pyro_json_object(&json, NULL);
        put_judgement(&json, &judgements[i]);
        pyro_json_end(&json);
    }
    pyro_json_end(&json);
    pyro_json_end(&json);
    fputc('\n', out);
}
