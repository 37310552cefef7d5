/* analyze/findings.c - ask each rule, and put what they found in order. */
#include "analyze/findings.h"

#include "analyze/internal.h"
#include "analyze/rule.h"
#include "base/grow.h"
#include "profile/paths.h"
#include "profile/summary.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_SHARE 0.10 /* an ALGORITHM finding of so much hides MICRO ones */
#define TEXT_BYTES  2048
#define BYTES_MIN   (1 << 20)

const struct pyro_rule *const pyro_rules[] = {
    &pyro_rule_n_plus_one,
    &pyro_rule_slow_query,
    &pyro_rule_list_membership,
    &pyro_rule_repeated_call,
    &pyro_rule_gil_contention,
    &pyro_rule_connection_churn,
    &pyro_rule_sequential_wait,
    &pyro_rule_garbage_collection,
    &pyro_rule_whole_file,
    &pyro_rule_unbounded_cache,
    &pyro_rule_growth,
    &pyro_rule_unused_import,
    &pyro_rule_hot_line, /* the last: what the others explain is not its own */
    NULL,
};

const char *pyro_tier_name(enum pyro_tier tier)
{
    static const char *const names[] = {"algorithm", "waiting", "memory", "micro", "native"};
    return names[tier];
}

const char *pyro_confidence_name(enum pyro_confidence confidence)
{
    static const char *const names[] = {"low", "medium", "high"};
    return names[confidence];
}

/* -- what rules call ---------------------------------------------------------------------------- */

struct pyro_finding *pyro_finding_new(struct pyro_rule_context *context, uint32_t function,
                                      uint32_t line)
{
    struct pyro_findings *findings = context->findings;
    if (pyro_grow(&findings->items, findings->count, &findings->capacity,
                  sizeof(*findings->items)) < 0)
        return NULL;
    struct pyro_finding *finding = &findings->items[findings->count++];
    *finding = (struct pyro_finding){
        .rule = context->rule,
        .confidence = PYRO_CONFIDENCE_MEDIUM,
        .function = function,
        .line = line,
        .title = context->rule->name,
        .why = "",
        .fix = "",
    };
    return finding;
}

const char *pyro_finding_text(struct pyro_rule_context *context, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return pyro_arena_strndup(&context->findings->texts, text, strlen(text));
}

static void add_evidence(struct pyro_finding *finding, const struct pyro_evidence *evidence)
{
    if (finding->evidence_count < PYRO_EVIDENCE_MAX)
        finding->evidence[finding->evidence_count++] = *evidence;
}

void pyro_finding_count(struct pyro_finding *finding, const char *key, uint64_t count)
{
    add_evidence(finding, &(struct pyro_evidence){
                              .key = key, .kind = PYRO_EVIDENCE_COUNT, .number = (double)count});
}

void pyro_finding_seconds(struct pyro_finding *finding, const char *key, double seconds)
{
    add_evidence(finding, &(struct pyro_evidence){
                              .key = key, .kind = PYRO_EVIDENCE_SECONDS, .number = seconds});
}

void pyro_finding_say(struct pyro_finding *finding, const char *key, const char *text)
{
    add_evidence(finding,
                 &(struct pyro_evidence){.key = key, .kind = PYRO_EVIDENCE_TEXT, .text = text});
}

void pyro_finding_place(struct pyro_finding *finding, const char *key, uint32_t function,
                        uint32_t line)
{
    add_evidence(finding,
                 &(struct pyro_evidence){
                     .key = key, .kind = PYRO_EVIDENCE_PLACE, .function = function, .line = line});
}

bool pyro_worth_it(const struct pyro_rule_context *context, double gain_s)
{
    return gain_s > 0 && gain_s >= PYRO_FINDING_SHARE * context->findings->total_s;
}

bool pyro_worth_its_bytes(const struct pyro_rule_context *context, double gain_bytes)
{
    return gain_bytes >= BYTES_MIN &&
           gain_bytes >= PYRO_FINDING_SHARE * context->findings->peak_bytes;
}

const char *pyro_finding_size(struct pyro_rule_context *context, double bytes)
{
    char text[32];
    pyro_summary_size(text, sizeof(text), (uint64_t)bytes);
    return pyro_finding_text(context, "%s", text);
}

/* -- plans -------------------------------------------------------------------------------------- */

static const char *keep(struct pyro_findings *findings, const char *format, const char *text)
{
    char all[TEXT_BYTES];
    snprintf(all, sizeof(all), format, text);
    return pyro_arena_strndup(&findings->texts, all, strlen(all));
}

/* An index that is used makes a slow query somebody's intent; what one query too many does has nothing to do with it. */
static void doubt_plan(struct pyro_finding *finding)
{
    if (finding->rule != &pyro_rule_slow_query)
        return;
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->doubt = "EXPLAIN: the rows are found by indexes";
}

int pyro_finding_take_plan(struct pyro_findings *findings, size_t index, const char *plan,
                           const char *scan)
{
    struct pyro_finding *finding = &findings->items[index];
    const char *copy = pyro_arena_strndup(&findings->texts, plan, strlen(plan));
    const char *step = keep(findings, "%s", scan);
    if (!copy || !step)
        return -ENOMEM;
    pyro_finding_say(finding, "plan", copy);
    if (!*scan) {
        doubt_plan(finding);
        return 0;
    }
    if (finding->confidence == PYRO_CONFIDENCE_MEDIUM)
        finding->confidence = PYRO_CONFIDENCE_HIGH;
    pyro_finding_say(finding, "scan", step);
    finding->why = keep(findings, "EXPLAIN: %s, so every row is read", scan);
    return finding->why ? 0 : -ENOMEM;
}

/* -- what they ask ------------------------------------------------------------------------------ */

bool *pyro_mark_libraries(const struct pyro_profile *profile)
{
    bool *library = calloc(profile->function_count + 1, sizeof(*library));
    for (size_t i = 0; library && i < profile->function_count; i++)
        library[i] = profile->functions[i].kind != PYRO_FUNCTION_PYTHON ||
                     pyro_path_is_library(pyro_profile_text(profile, profile->functions[i].file));
    return library;
}

static unsigned what_is_missing(const struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    bool sampled = !context->totals.traced && !profile->timed && profile->samples.count;
    unsigned missing = context->counted.edge_count ? 0 : PYRO_NEED_CALLS;
    if (!sampled)
        missing |= PYRO_NEED_SAMPLES;
    return profile->stateless ? missing | PYRO_NEED_STATES : missing;
}

bool pyro_is_of_request(const struct pyro_profile *profile)
{
    return profile->query_count && !profile->probes && !profile->call_count &&
           !profile->traced_count;
}

unsigned pyro_rule_lacks(const struct pyro_rule *rule, const struct pyro_findings *findings)
{
    unsigned lacks = rule->needs & findings->missing;
    return rule->by_queries && pyro_is_of_request(findings->profile)
               ? lacks & ~(unsigned)PYRO_NEED_CALLS
               : lacks;
}

static int context_make(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct pyro_clock_view view;
    int result = pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&context->totals, &view, &PYRO_TOTALS_ALL);
    pyro_clock_view_clear(&view);
    if (result == 0)
        result = pyro_counted_make(&context->counted, profile, &PYRO_TOTALS_ALL);
    if (result < 0)
        return result;
    context->library = pyro_mark_libraries(profile);
    context->explained = calloc(profile->query_count + 1, sizeof(*context->explained));
    context->findings->total_s = context->totals.counted_us / 1e6;
    context->findings->missing = what_is_missing(context);
    for (size_t i = 0; profile->heaps && i < profile->process_count; i++)
        context->findings->peak_bytes += (double)profile->heaps[i].peak;
    return context->library && context->explained ? 0 : -ENOMEM;
}

static void context_clear(struct pyro_rule_context *context)
{
    pyro_totals_clear(&context->totals);
    pyro_counted_clear(&context->counted);
    free(context->library);
    free(context->explained);
}

/* -- all of them -------------------------------------------------------------------------------- */

/* The part of all time, or of the peak, that it gives back. */
static double share_of(const struct pyro_findings *findings, const struct pyro_finding *finding)
{
    if (finding->gain_bytes > 0)
        return findings->peak_bytes > 0 ? finding->gain_bytes / findings->peak_bytes : 0;
    return findings->total_s > 0 ? finding->gain_s / findings->total_s : 0;
}

/* The surest of what gives back the same comes first. */
static int by_gain(const void *left, const void *right, void *findings)
{
    const struct pyro_finding *a = left, *b = right;
    bool a_low = a->confidence == PYRO_CONFIDENCE_LOW, b_low = b->confidence == PYRO_CONFIDENCE_LOW;
    if (a_low != b_low)
        return a_low ? 1 : -1;
    double a_share = share_of(findings, a), b_share = share_of(findings, b);
    if (a_share != b_share)
        return a_share > b_share ? -1 : 1;
    return (int)b->confidence - (int)a->confidence;
}

void pyro_findings_sort(struct pyro_findings *findings)
{
    if (findings->count)
        qsort_r(findings->items, findings->count, sizeof(*findings->items), by_gain, findings);
}

static bool is_large(const struct pyro_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].rule->tier == PYRO_TIER_ALGORITHM &&
            findings->items[i].gain_s >= LARGE_SHARE * findings->total_s)
            return true;
    return false;
}

static void hide_micro(struct pyro_findings *findings)
{
    size_t kept = 0;
    if (!is_large(findings))
        return;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].rule->tier != PYRO_TIER_MICRO)
            findings->items[kept++] = findings->items[i];
    findings->hidden = findings->count - kept;
    findings->count = kept;
}

/* Where there are few samples, an error may be larger than all the time that there is to win. */
static void keep_to_all(const struct pyro_findings *findings, struct pyro_finding *finding)
{
    double *const gains[] = {&finding->gain_low_s, &finding->gain_s, &finding->gain_high_s};
    for (size_t i = 0; i < sizeof(gains) / sizeof(gains[0]); i++)
        if (findings->total_s > 0 && *gains[i] > findings->total_s)
            *gains[i] = findings->total_s;
}

static int ask_rules(struct pyro_findings *findings)
{
    struct pyro_rule_context context = {.profile = findings->profile, .findings = findings};
    int result = context_make(&context);
    for (const struct pyro_rule *const *rule = pyro_rules; *rule && result == 0; rule++) {
        context.rule = *rule;
        result = (*rule)->find(&context);
    }
    for (size_t i = 0; i < findings->count; i++)
        keep_to_all(findings, &findings->items[i]);
    for (size_t i = 0; i < findings->count && result == 0; i++)
        result = findings->items[i].gain_bytes > 0
                     ? 0
                     : pyro_find_innocent(&context, &findings->items[i]);
    context_clear(&context);
    return result;
}

int pyro_findings_make(const struct pyro_profile *profile, struct pyro_findings **ret_findings,
                       struct pyro_error *error)
{
    struct pyro_findings *findings = calloc(1, sizeof(*findings));
    int result = findings ? 0 : -ENOMEM;
    if (result == 0) {
        findings->profile = profile;
        result = ask_rules(findings);
    }
    if (result < 0) {
        pyro_findings_free(findings);
        return pyro_error_set(error, result, "cannot look for findings: %s", strerror(-result));
    }
    pyro_findings_sort(findings);
    hide_micro(findings);
    *ret_findings = findings;
    return 0;
}

void pyro_findings_free(struct pyro_findings *findings)
{
    if (!findings)
        return;
    pyro_arena_free(&findings->texts);
    free(findings->items);
    free(findings);
}
