/* bench/model.c - commands, runs and their values. */
#include "bench/bench.h"

#include "base/grow.h"
#include "bench/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const metric_names[] = {"wall", "cpu", "peak", "growth", "calls", "queries"};

const char *pyro_metric_name(enum pyro_metric metric)
{
    return metric_names[metric];
}

int pyro_metric_by_name(const char *name, enum pyro_metric *ret_metric)
{
    for (int i = 0; i < PYRO_METRIC_COUNT; i++)
        if (strcmp(name, metric_names[i]) == 0) {
            *ret_metric = (enum pyro_metric)i;
            return 0;
        }
    return -EINVAL;
}

bool pyro_metric_is_counted(enum pyro_metric metric)
{
    return metric == PYRO_METRIC_CALLS || metric == PYRO_METRIC_QUERIES;
}

const char *pyro_bench_end_name(enum pyro_bench_end end)
{
    static const char *const names[] = {"precise", "clear",  "pairs",      "time",
                                        "once",    "failed", "interrupted"};
    return names[end];
}

int pyro_bench_add_command(struct pyro_bench *bench, const char *name, const char *text,
                           const char *directory)
{
    if (pyro_grow(&bench->commands, bench->command_count, &bench->command_capacity,
                  sizeof(*bench->commands)) < 0)
        return -ENOMEM;
    struct pyro_bench_command command = {
        .name = pyro_arena_strndup(&bench->arena, name, strlen(name)),
        .text = pyro_arena_strndup(&bench->arena, text, strlen(text)),
        .directory = pyro_arena_strndup(&bench->arena, directory, strlen(directory)),
        .recording = "",
    };
    if (!command.name || !command.text || !command.directory)
        return -ENOMEM;
    bench->commands[bench->command_count] = command;
    return (int)bench->command_count++;
}

int pyro_bench_set_recording(struct pyro_bench *bench, size_t command, const char *name)
{
    const char *copy = pyro_arena_strndup(&bench->arena, name, strlen(name));
    if (!copy)
        return -ENOMEM;
    bench->commands[command].recording = copy;
    return 0;
}

int pyro_bench_add_run(struct pyro_bench *bench, const struct pyro_bench_run *run)
{
    if (pyro_grow(&bench->runs, bench->run_count, &bench->run_capacity, sizeof(*bench->runs)) < 0)
        return -ENOMEM;
    bench->runs[bench->run_count++] = *run;
    return 0;
}

void pyro_bench_free(struct pyro_bench *bench)
{
    pyro_arena_free(&bench->arena);
    free(bench->commands);
    free(bench->runs);
    memset(bench, 0, sizeof(*bench));
}

double pyro_bench_value(const struct pyro_bench_run *run, enum pyro_metric metric)
{
    switch (metric) {
    case PYRO_METRIC_WALL:
        return run->wall_s;
    case PYRO_METRIC_CPU:
        return run->user_s + run->system_s;
    case PYRO_METRIC_PEAK:
        return run->peak_bytes ? (double)run->peak_bytes : NAN;
    case PYRO_METRIC_GROWTH:
        return run->first_half_peak_bytes && run->second_half_peak_bytes
                   ? (double)run->second_half_peak_bytes / (double)run->first_half_peak_bytes
                   : NAN;
    default:
        return NAN;
    }
}

bool pyro_bench_known(double value)
{
    return isfinite(value) && value > 0;
}

size_t pyro_bench_values(const struct pyro_bench *bench, size_t command, enum pyro_metric metric,
                         double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < bench->run_count; i++) {
        const struct pyro_bench_run *run = &bench->runs[i];
        double value = pyro_bench_value(run, metric);
        if (run->command == command && !run->warmup && pyro_bench_known(value))
            values[count++] = value;
    }
    return count;
}
