/* cli/verdict.c - options about a verdict, and the verdict itself. */
#include "cli/verdict.h"

#include "cli/print.h"
#include "report/bench.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void pyro_verdict_defaults(struct pyro_verdict_options *options)
{
    *options = (struct pyro_verdict_options){
        .judge.compare = {.confidence = PYRO_COMPARE_CONFIDENCE, .margin = PYRO_COMPARE_MARGIN},
    };
}

/* -- values ----------------------------------------------------------------------------------- */

int pyro_parse_percent(const char *text, void *field, struct pyro_error *error)
{
    char *end = NULL;
    double percent = isdigit((unsigned char)*text) || *text == '.' ? strtod(text, &end) : NAN;
    if (!isfinite(percent) || (*end && strcmp(end, "%") != 0) || percent > 100 || *text == 'x')
        return pyro_error_set(error, -EINVAL,
                              "'%s' is no percentage from 0 to 100: say 1%% or 0.5%%", text);
    *(double *)field = percent / 100;
    return 0;
}

int pyro_parse_metric(const char *text, void *field, struct pyro_error *error)
{
    struct pyro_judge_options *options = field;
    if (pyro_metric_by_name(text, &options->metric) < 0)
        return pyro_error_set(error, -EINVAL,
                              "'%s' is no metric: say wall, cpu, peak, growth, calls or queries",
                              text);
    options->one_metric = true;
    return 0;
}

/* One of the words between commas. */
static int parse_condition(const char *word, size_t length, struct pyro_fail_if *fail_if,
                           struct pyro_error *error)
{
    const struct {
        const char *name;
        bool *asked;
        double *by; /* NULL: it takes no percentage */
    } conditions[] = {
        {"slower", &fail_if->slower, &fail_if->slower_by},
        {"faster", &fail_if->faster, &fail_if->faster_by},
        {"same", &fail_if->same, NULL},
        {"undecided", &fail_if->undecided, NULL},
    };
    char copy[32];
    snprintf(copy, sizeof(copy), "%.*s", (int)length, word);
    char *percent = strchr(copy, ':');
    if (percent)
        *percent++ = '\0';
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        if (strcmp(copy, conditions[i].name) != 0 || (percent && !conditions[i].by))
            continue;
        *conditions[i].asked = true;
        return percent ? pyro_parse_percent(percent, conditions[i].by, error) : 0;
    }
    return pyro_error_set(error, -EINVAL,
                          "'%s' is none of slower, slower:2%%, faster, faster:2%%, same, undecided",
                          copy);
}

int pyro_parse_fail_if(const char *text, void *field, struct pyro_error *error)
{
    int code;
    do {
        size_t length = strcspn(text, ",");
        code = parse_condition(text, length, field, error);
        text += length + (text[length] == ',');
    } while (code == 0 && *text);
    return code;
}

/* -- printing --------------------------------------------------------------------------------- */

void pyro_verdict_explain(struct pyro_judgement *judgement, const char *before, const char *after,
                          struct pyro_pair *pair, const struct pyro_verdict_options *options)
{
    const struct pyro_diff_options diff_options = {.sort = PYRO_DIFF_BY_TIME};
    struct pyro_error error = {0};
    bool unreadable;
    if (pyro_pair_open(pair, before, after, &diff_options, &unreadable, &error) < 0)
        pyro_print_error(&error);
    else if (pyro_judge_recorded(judgement, pair->diff, &options->judge) < 0)
        pyro_print_note("no memory");
}

/* A count was asked for, and there is none. */
static bool lacks_counts(const struct pyro_judgement *judgements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pyro_metric_is_counted(judgements[i].metric) &&
            !judgements[i].metrics[judgements[i].metric].counted)
            return true;
    return false;
}

static void print_lack(enum pyro_metric metric)
{
    if (metric == PYRO_METRIC_CALLS)
        pyro_print_note(
            "--metric calls: no calls were counted; recordings of Python 3.11 and newer "
            "have them: pyrometer bench --record");
    else
        pyro_print_note(
            "--metric queries: none was seen on either side; recordings of Python 3.11 "
            "and newer have them, of drivers that `pyrometer findings` knows: pyrometer "
            "bench --record");
}

int pyro_verdict_print(const struct pyro_judgement *judgements, size_t count,
                       const struct pyro_verdict_options *options)
{
    struct pyro_report_style style = pyro_print_style(stdout, NULL);
    bool fails = false;
    if (lacks_counts(judgements, count)) {
        print_lack(judgements[0].metric);
        return PYRO_EXIT_USAGE;
    }
    if (options->json)
        pyro_report_judgements_json(stdout, judgements, count);
    for (size_t i = 0; i < count; i++) {
        if (!options->json && i > 0)
            putchar('\n');
        if (!options->json)
            pyro_report_judgement(stdout, &judgements[i], &style);
        fails |= pyro_judgement_fails(&judgements[i], &options->fail_if);
    }
    if (!pyro_print_finish(stdout))
        return PYRO_EXIT_FAILED;
    return fails ? PYRO_EXIT_VERDICT : PYRO_EXIT_OK;
}
