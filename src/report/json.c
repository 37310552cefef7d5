/* report/json.c - stats as JSON: the contract of docs/json.md. */
#include "report/report.h"

#include <errno.h>

static const char *kind_name(enum pyro_function_kind kind)
{
    static const char *const names[] = {"python", "c", "special"};
    return kind <= PYRO_FUNCTION_SPECIAL ? names[kind] : NULL;
}

/* "name", "file" and "line" of a function; only a name when it is no Python function. */
static void json_function(struct pyro_json *json, const struct pyro_profile *profile, uint32_t id)
{
    if (id == PYRO_NO_ID) {
        pyro_json_string(json, "name", "<root>");
        pyro_json_null(json, "file");
        pyro_json_null(json, "line");
        return;
    }
    const struct pyro_function *function = &profile->functions[id];
    pyro_json_string(json, "name", pyro_profile_text(profile, function->name));
    if (function->kind != PYRO_FUNCTION_PYTHON) {
        pyro_json_null(json, "file");
        pyro_json_null(json, "line");
        return;
    }
    pyro_json_string(json, "file", pyro_profile_text(profile, function->file));
    pyro_json_u64(json, "line", function->first_line);
}

static void json_calls(struct pyro_json *json, const char *key, uint64_t calls)
{
    if (calls == PYRO_NO_CALLS)
        pyro_json_null(json, key);
    else
        pyro_json_u64(json, key, calls);
}

/* What was measured has the digits of its clock, what was sampled has not. */
static void json_time(struct pyro_json *json, const struct pyro_stats *stats, const char *key,
                      double time_s)
{
    if (stats->profile->timed || stats->traced)
        pyro_json_seconds(json, key, time_s);
    else
        pyro_json_double(json, key, time_s);
}

static void json_samples(struct pyro_json *json, const struct pyro_stats *stats, const char *key,
                         uint64_t samples)
{
    if (stats->traced || (stats->profile->timed && !stats->profile->timed_by_samples))
        pyro_json_null(json, key);
    else
        pyro_json_u64(json, key, samples);
}

static void json_row(struct pyro_json *json, const struct pyro_stats *stats,
                     const struct pyro_stats_row *row)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    json_function(json, stats->profile, row->function);
    pyro_json_string(json, "kind", kind_name(stats->profile->functions[row->function].kind));
    json_calls(json, "ncalls", row->ncalls);
    json_calls(json, "primitive_calls", row->primitive_calls);
    json_time(json, stats, "tottime_s", row->tottime_s);
    json_time(json, stats, "cumtime_s", row->cumtime_s);
    if (stats->profile->probes)
        pyro_json_double(json, "probe_s", row->probe_s);
    else
        pyro_json_null(json, "probe_s");
    json_samples(json, stats, "samples_self", row->samples_self);
    json_samples(json, stats, "samples_total", row->samples_total);
    if (row->lives) {
        pyro_json_u64(json, "lives", row->lives);
        pyro_json_seconds(json, "life_s", row->life_s);
    }
    pyro_json_array(json, "callers");
    size_t count;
    const struct pyro_stats_edge *edges = pyro_stats_callers(stats, row->function, &count);
    for (size_t i = 0; i < count; i++) {
        pyro_json_object(json, NULL);
        json_function(json, stats->profile, edges[i].caller);
        json_calls(json, "ncalls", edges[i].ncalls);
        json_calls(json, "primitive_calls", edges[i].primitive_calls);
        json_samples(json, stats, "samples", edges[i].samples);
        json_time(json, stats, "tottime_s", edges[i].self_s);
        json_time(json, stats, "time_s", edges[i].time_s);
        pyro_json_end(json);
    }
    pyro_json_end(json);
    pyro_json_end(json);
}

/* Sums that only samples tell. */
static void json_sampled_totals(struct pyro_json *json, const struct pyro_stats *stats)
{
    const struct {
        const char *key;
        double time_s;
    } totals[] = {
        {"no_python_s", stats->no_python_s}, {"running_s", stats->running_s},
        {"runnable_s", stats->runnable_s},   {"waiting_s", stats->waiting_s},
        {"gil_wait_s", stats->gil_wait_s},   {"unknown_s", stats->unknown_s},
        {"parked_s", stats->parked_s},       {"gc_s", stats->gc_s},
        {"unsure_s", stats->unsure_s},
    };
    for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++)
        if (stats->profile->timed)
            pyro_json_null(json, totals[i].key);
        else
            pyro_json_double(json, totals[i].key, totals[i].time_s);
}

static void json_totals(struct pyro_json *json, const struct pyro_stats *stats)
{
    static const char *const clocks[] = {"wall", "cpu", "gil", "wait"};
    pyro_json_object(json, "totals");
    pyro_json_string(json, "clock", clocks[stats->clock]);
    json_calls(json, "ncalls", stats->ncalls);
    json_calls(json, "primitive_calls", stats->primitive_calls);
    json_time(json, stats, "total_s", stats->total_s);
    json_sampled_totals(json, stats);
    pyro_json_end(json);
}

int pyro_report_stats_json(FILE *out, const struct pyro_stats *stats, struct pyro_error *error)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_summary_json(&json, "recording", stats->profile, &stats->summary);
    pyro_json_line(&json);
    json_totals(&json, stats);
    pyro_json_line(&json);
    pyro_json_array(&json, "functions");
    for (size_t i = 0; i < stats->row_count; i++)
        json_row(&json, stats, &stats->rows[i]);
    pyro_json_end(&json);
    pyro_json_end(&json);
    putc('\n', out);
    return ferror(out) ? pyro_error_set(error, -EIO, "cannot write the JSON") : 0;
}
