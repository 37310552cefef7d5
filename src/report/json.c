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

static void json_row(struct pyro_json *json, const struct pyro_stats *stats,
                     const struct pyro_stats_row *row)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    json_function(json, stats->profile, row->function);
    pyro_json_string(json, "kind", kind_name(stats->profile->functions[row->function].kind));
    json_calls(json, "ncalls", row->ncalls);
    json_calls(json, "primitive_calls", row->primitive_calls);
    pyro_json_double(json, "tottime_s", row->tottime_s);
    pyro_json_double(json, "cumtime_s", row->cumtime_s);
    pyro_json_null(json, "probe_s");
    pyro_json_u64(json, "samples_self", row->samples_self);
    pyro_json_u64(json, "samples_total", row->samples_total);
    pyro_json_array(json, "callers");
    size_t count;
    const struct pyro_stats_edge *edges = pyro_stats_callers(stats, row->function, &count);
    for (size_t i = 0; i < count; i++) {
        pyro_json_object(json, NULL);
        json_function(json, stats->profile, edges[i].caller);
        json_calls(json, "ncalls", edges[i].ncalls);
        pyro_json_double(json, "time_s", edges[i].time_s);
        pyro_json_end(json);
    }
    pyro_json_end(json);
    pyro_json_end(json);
}

static void json_totals(struct pyro_json *json, const struct pyro_stats *stats)
{
    static const char *const clocks[] = {"wall", "cpu", "gil", "wait"};
    pyro_json_object(json, "totals");
    pyro_json_string(json, "clock", clocks[stats->clock]);
    pyro_json_double(json, "total_s", stats->total_s);
    pyro_json_double(json, "no_python_s", stats->no_python_s);
    pyro_json_double(json, "running_s", stats->running_s);
    pyro_json_double(json, "runnable_s", stats->runnable_s);
    pyro_json_double(json, "waiting_s", stats->waiting_s);
    pyro_json_double(json, "gil_wait_s", stats->gil_wait_s);
    pyro_json_double(json, "unknown_s", stats->unknown_s);
    pyro_json_double(json, "parked_s", stats->parked_s);
    pyro_json_double(json, "gc_s", stats->gc_s);
    pyro_json_double(json, "unsure_s", stats->unsure_s);
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
