/* report/findings.c - what is worth changing, for a person and for a machine. */
#include "report/internal.h"

#include "base/utf8.h"
#include "profile/paths.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define LINE_BYTES   4096
#define PLACE_BYTES  512
#define LINE_COLUMNS 7 /* of ":12345" */
#define INDENT       4

static const char *text_of(const struct pyro_findings *findings, uint32_t string)
{
    return pyro_profile_text(findings->profile, string);
}

/* "shop/views.py:52", or the file's name alone where that would be longer than COLUMNS. */
static void put_place(char *place, size_t size, const struct pyro_findings *findings,
                      const struct pyro_finding *finding, size_t columns,
                      const struct pyro_report_style *style)
{
    const struct pyro_function *function = &findings->profile->functions[finding->function];
    const char *path = text_of(findings, function->file);
    const char *file = pyro_path_short(path, style->directory);
    char fitted[PLACE_BYTES];
    if (pyro_utf8_columns(file, strlen(file)) + LINE_COLUMNS > columns)
        file = pyro_path_basename(path);
    pyro_report_fit(fitted, sizeof(fitted), file, columns, style->utf8);
    snprintf(place, size, "%s:%u", fitted, finding->line ? finding->line : function->first_line);
}

/* The source of the line, without its indent; "" when it is not known. */
static const char *source_of(const struct pyro_findings *findings,
                             const struct pyro_finding *finding)
{
    const struct pyro_function *function = &findings->profile->functions[finding->function];
    const char *source =
        finding->line ? pyro_profile_source(findings->profile, function->file, finding->line) : "";
    while (source && isspace((unsigned char)*source))
        source++;
    return source ? source : "";
}

/* LABEL and TEXT, cut to the width. */
static void print_line(FILE *out, const char *label, const char *text, enum pyro_ink ink,
                       const struct pyro_report_style *style)
{
    char fitted[LINE_BYTES];
    size_t room = (size_t)style->width - INDENT - 6;
    pyro_report_fit(fitted, sizeof(fitted), text, room, style->utf8);
    fprintf(out, "%s%*s%-6s%s%s\n", pyro_ink_on(style, ink), INDENT, "", label, fitted,
            pyro_ink_off(style, ink));
}

/* "about 3.52 s back (3.20 s to 3.71 s)", "about 111 MiB less at the peak (55.9 MiB to 183 MiB)" */
static void put_gain(char *gain, size_t size, const struct pyro_finding *finding)
{
    char likely[32], low[32], high[32];
    if (finding->gain_bytes > 0) {
        pyro_summary_size(likely, sizeof(likely), (uint64_t)finding->gain_bytes);
        pyro_summary_size(low, sizeof(low), (uint64_t)finding->gain_low_bytes);
        pyro_summary_size(high, sizeof(high), (uint64_t)finding->gain_high_bytes);
        snprintf(gain, size, "about %s less at the peak (%s to %s)", likely, low, high);
        return;
    }
    pyro_summary_duration(likely, sizeof(likely), finding->gain_s);
    pyro_summary_duration(low, sizeof(low), finding->gain_low_s);
    pyro_summary_duration(high, sizeof(high), finding->gain_high_s);
    if (finding->gain_low_s > 0)
        snprintf(gain, size, "about %s back (%s to %s)", likely, low, high);
    else
        snprintf(gain, size, "up to %s back", high);
}

static size_t columns_of(const char *text)
{
    return pyro_utf8_columns(text, strlen(text));
}

/* "N+1: 846 queries of one shape from shop/views.py:17   order.customer.name"; the source in a line of its own if need be. */
static void print_title(FILE *out, const struct pyro_findings *findings,
                        const struct pyro_finding *finding, const struct pyro_report_style *style)
{
    char place[PLACE_BYTES + 16], what[LINE_BYTES / 2], title[LINE_BYTES];
    const char *maybe = finding->confidence == PYRO_CONFIDENCE_LOW ? "maybe " : "";
    const char *source = source_of(findings, finding);
    size_t width = (size_t)style->width - 2;
    pyro_report_fit(what, sizeof(what), finding->title, width, style->utf8);
    size_t taken = strlen(maybe) + columns_of(what) + 6;
    put_place(place, sizeof(place), findings, finding, taken < width ? width - taken : 0, style);
    snprintf(title, sizeof(title), "%s%s from %s", maybe, what, place);
    bool fits = columns_of(title) + 3 + columns_of(source) <= width;
    fprintf(out, "  %s%s%s", pyro_ink_on(style, PYRO_INK_HOT), title,
            pyro_ink_off(style, PYRO_INK_HOT));
    if (fits && *source) {
        char shown[LINE_BYTES];
        pyro_report_fit(shown, sizeof(shown), source, width, style->utf8);
        fprintf(out, "   %s", shown);
    }
    fputc('\n', out);
    if (!fits && *source)
        print_line(out, "line", source, PYRO_INK_PLAIN, style);
}

/* "not the problem: shop/serializers.py; free, it would save 0.08 s" */
static void print_innocent(FILE *out, const struct pyro_finding *finding,
                           const struct pyro_report_style *style)
{
    static const char before[] = "not the problem: ";
    char after[64], saved[32], name[PLACE_BYTES];
    pyro_summary_duration(saved, sizeof(saved), finding->innocent_s);
    snprintf(after, sizeof(after), "; free, it would save %s", saved);
    int room = style->width - INDENT - (int)(strlen(before) + strlen(after));
    pyro_report_fit(name, sizeof(name), finding->innocent, room > 0 ? (size_t)room : 1,
                    style->utf8);
    fprintf(out, "%*s%s%s%s%s%s\n", INDENT, "", pyro_ink_on(style, PYRO_INK_GREY), before, name,
            after, pyro_ink_off(style, PYRO_INK_GREY));
}

static void print_finding(FILE *out, const struct pyro_findings *findings,
                          const struct pyro_finding *finding, const struct pyro_report_style *style)
{
    char gain[128];
    put_gain(gain, sizeof(gain), finding);
    print_title(out, findings, finding, style);
    print_line(out, "fix", finding->fix, PYRO_INK_PLAIN, style);
    print_line(out, "gain", gain, PYRO_INK_PLAIN, style);
    if (*finding->why)
        print_line(out, "why", finding->why, PYRO_INK_GREY, style);
    if (finding->query && *finding->query)
        print_line(out, "query", finding->query, PYRO_INK_GREY, style);
    if (finding->doubt)
        print_line(out, "but", finding->doubt, PYRO_INK_GREY, style);
    if (finding->innocent)
        print_innocent(out, finding, style);
}

#define SAMPLED_MEMORY (1u << PYRO_NEED_COUNT) /* besides what may be missing: see analyze/kept.h */

/* Is it one that saw something to judge (MISSING 0), or did not, for the want of MISSING? One that lacks several counts for the first. Those
 * about memory are neither where it was not tracked. */
static bool is_of(const struct pyro_rule *rule, const struct pyro_findings *findings,
                  unsigned missing)
{
    unsigned lacks = pyro_rule_lacks(rule, findings);
    if (strcmp(rule->mode, "run --memory") == 0) {
        if (!findings->profile->heaps)
            return false; /* of memory, which was not asked for */
        lacks |= pyro_profile_memory_period(findings->profile) ? SAMPLED_MEMORY : 0;
    }
    return missing ? (lacks & -lacks) == missing : !lacks;
}

/* "BEFORE: n-plus-one, slow-query"; returns false where there is none. */
static bool print_rules(FILE *out, const struct pyro_findings *findings, unsigned missing,
                        const char *before)
{
    size_t count = 0;
    for (const struct pyro_rule *const *at = pyro_rules; *at; at++)
        if (is_of(*at, findings, missing))
            fprintf(out, "%s %s", count++ ? "," : before, (*at)->name);
    if (count)
        fputc('\n', out);
    return count != 0;
}

static void print_none(FILE *out, const struct pyro_findings *findings)
{
    if (!print_rules(out, findings, 0,
                     "Nothing here is worth changing, as far as these rules see:"))
        fputs("No rule sees anything in such a recording\n", out);
}

static void print_unasked(FILE *out, const struct pyro_findings *findings,
                          const struct pyro_report_style *style)
{
    static const char *const why[PYRO_NEED_COUNT] = {
        "not looked for, since calls were not counted (pyrometer run counts them):",
        "not looked for, since nothing was sampled:",
        "not looked for, since it does not say what threads waited for:",
    };
    fputs(pyro_ink_on(style, PYRO_INK_GREY), out);
    for (int i = 0; i < PYRO_NEED_COUNT; i++)
        (void)print_rules(out, findings, 1u << i, why[i]);
    (void)print_rules(out, findings, SAMPLED_MEMORY,
                      "not looked for, since memory was sampled (run --memory tracks all of it):");
    fputs(pyro_ink_off(style, PYRO_INK_GREY), out);
}

static void print_lost(FILE *out, const struct pyro_findings *findings,
                       const struct pyro_report_style *style)
{
    uint64_t lost = findings->profile->counters.queries_lost;
    if (lost)
        fprintf(out, "%s%llu queries found no room to be told apart: more may be wrong%s\n",
                pyro_ink_on(style, PYRO_INK_GREY), (unsigned long long)lost,
                pyro_ink_off(style, PYRO_INK_GREY));
}

void pyro_report_findings(FILE *out, const struct pyro_findings *findings,
                          const struct pyro_report_style *style)
{
    if (!findings->count)
        print_none(out, findings);
    else
        fprintf(out, "%zu finding%s\n", findings->count, findings->count == 1 ? "" : "s");
    for (size_t i = 0; i < findings->count; i++)
        print_finding(out, findings, &findings->items[i], style);
    print_lost(out, findings, style);
    print_unasked(out, findings, style);
}

/* -- JSON --------------------------------------------------------------------------------------- */

static void json_place(struct pyro_json *json, const struct pyro_findings *findings,
                       const struct pyro_evidence *place)
{
    const struct pyro_function *function = &findings->profile->functions[place->function];
    pyro_json_object(json, place->key);
    pyro_json_string(json, "file", text_of(findings, function->file));
    pyro_json_u64(json, "line", place->line ? place->line : function->first_line);
    pyro_json_string(json, "function", text_of(findings, function->name));
    pyro_json_end(json);
}

static void json_evidence(struct pyro_json *json, const struct pyro_findings *findings,
                          const struct pyro_finding *finding)
{
    pyro_json_object(json, "evidence");
    for (size_t i = 0; i < finding->evidence_count; i++) {
        const struct pyro_evidence *evidence = &finding->evidence[i];
        switch (evidence->kind) {
        case PYRO_EVIDENCE_COUNT:
            pyro_json_u64(json, evidence->key, (uint64_t)evidence->number);
            break;
        case PYRO_EVIDENCE_SECONDS:
            pyro_json_double(json, evidence->key, evidence->number);
            break;
        case PYRO_EVIDENCE_TEXT:
            pyro_json_string(json, evidence->key, evidence->text);
            break;
        case PYRO_EVIDENCE_PLACE:
            json_place(json, findings, evidence);
            break;
        }
    }
    pyro_json_end(json);
}

static void json_gain(struct pyro_json *json, const struct pyro_finding *finding)
{
    bool is_time = finding->gain_bytes <= 0;
    if (is_time) {
        pyro_json_double(json, "gain_s", finding->gain_s);
        pyro_json_null(json, "gain_bytes");
    } else {
        pyro_json_null(json, "gain_s");
        pyro_json_u64(json, "gain_bytes", (uint64_t)finding->gain_bytes);
    }
    pyro_json_double(json, "gain_low", is_time ? finding->gain_low_s : finding->gain_low_bytes);
    pyro_json_double(json, "gain_high", is_time ? finding->gain_high_s : finding->gain_high_bytes);
}

static void json_finding(struct pyro_json *json, const struct pyro_findings *findings,
                         const struct pyro_finding *finding)
{
    const struct pyro_function *function = &findings->profile->functions[finding->function];
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_string(json, "rule", finding->rule->name);
    pyro_json_string(json, "tier", pyro_tier_name(finding->rule->tier));
    pyro_json_string(json, "confidence", pyro_confidence_name(finding->confidence));
    pyro_json_string(json, "title", finding->title);
    pyro_json_string(json, "file", text_of(findings, function->file));
    pyro_json_u64(json, "line", finding->line ? finding->line : function->first_line);
    pyro_json_string(json, "function", text_of(findings, function->name));
    json_evidence(json, findings, finding);
    pyro_json_string(json, "fix", finding->fix);
    pyro_json_string(json, "doubt", finding->doubt);
    pyro_json_string(json, "not_the_problem", finding->innocent);
    if (finding->innocent)
        pyro_json_double(json, "not_the_problem_s", finding->innocent_s);
    else
        pyro_json_null(json, "not_the_problem_s");
    json_gain(json, finding);
    pyro_json_end(json);
}

static void json_not_looked_for(struct pyro_json *json, const struct pyro_findings *findings)
{
    pyro_json_array(json, "not_looked_for");
    for (const struct pyro_rule *const *at = pyro_rules; *at; at++)
        if (pyro_rule_lacks(*at, findings))
            pyro_json_string(json, NULL, (*at)->name);
    pyro_json_end(json);
}

int pyro_report_findings_json(FILE *out, const struct pyro_findings *findings,
                              struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_json_array(&json, "findings");
    for (size_t i = 0; i < findings->count; i++)
        json_finding(&json, findings, &findings->items[i]);
    pyro_json_end(&json);
    pyro_json_line(&json);
    pyro_json_double(&json, "total_s", findings->total_s);
    if (findings->peak_bytes > 0)
        pyro_json_u64(&json, "peak_bytes", (uint64_t)findings->peak_bytes);
    else
        pyro_json_null(&json, "peak_bytes");
    pyro_json_u64(&json, "hidden", findings->hidden);
    json_not_looked_for(&json, findings);
    pyro_json_u64(&json, "queries_lost", findings->profile->counters.queries_lost);
    pyro_json_end(&json);
    putc('\n', out);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}

/* -- rules -------------------------------------------------------------------------------------- */

void pyro_report_rules(FILE *out)
{
    for (const struct pyro_rule *const *at = pyro_rules; *at; at++) {
        const struct pyro_rule *rule = *at;
        fprintf(out, "%s### %s\n\n| | |\n|---|---|\n", at == pyro_rules ? "" : "\n", rule->name);
        fprintf(out, "| tier | %s |\n| needs | `pyrometer %s`%s |\n", pyro_tier_name(rule->tier),
                rule->mode, rule->by_queries ? ", or a request recorded by `pyrometer.web`" : "");
        fprintf(out, "| looks for | %s |\n| evidence | %s |\n", rule->looks_for, rule->evidence);
        fprintf(out, "| fix | %s |\n| gain | %s |\n", rule->fix, rule->gain);
        fprintf(out, "| wrong if | %s |\n| does not see | %s |\n", rule->refuted_by,
                rule->blind_spots);
    }
}
