/* bench/write.c - the file that `bench -o` makes; docs/json.md describes it. */
#include "bench/bench.h"

#include "base/json.h"

#include <sys/wait.h>

static void put_known(struct pyro_json *json, const char *key, uint64_t value)
{
    if (value)
        pyro_json_u64(json, key, value);
    else
        pyro_json_null(json, key);
}

static void put_noise(struct pyro_json *json, const struct pyro_bench_noise *noise)
{
    pyro_json_object(json, "noise");
    pyro_json_double(json, "load_before", noise->load_before);
    pyro_json_double(json, "others_cpus", noise->others_cpus);
    pyro_json_double(json, "steal_share", noise->steal_share);
    pyro_json_u64(json, "pages_swapped", noise->pages_swapped);
    pyro_json_string(json, "governor", *noise->governor ? noise->governor : NULL);
    if (noise->frequency_low > 0) {
        pyro_json_double(json, "frequency_low_ghz", noise->frequency_low);
        pyro_json_double(json, "frequency_high_ghz", noise->frequency_high);
    } else {
        pyro_json_null(json, "frequency_low_ghz");
        pyro_json_null(json, "frequency_high_ghz");
    }
    pyro_json_end(json);
}

static void put_run(struct pyro_json *json, const struct pyro_bench_run *run)
{
    int status = run->wait_status;
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "command", run->command);
    pyro_json_u64(json, "round", run->round);
    pyro_json_u64(json, "position", run->position);
    pyro_json_bool(json, "warmup", run->warmup);
    pyro_json_i64(json, "status", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    pyro_json_seconds(json, "wall_s", run->wall_s);
    pyro_json_double(json, "user_s", run->user_s);
    pyro_json_double(json, "system_s", run->system_s);
    put_known(json, "peak_bytes", run->peak_bytes);
    put_known(json, "first_half_peak_bytes", run->first_half_peak_bytes);
    put_known(json, "second_half_peak_bytes", run->second_half_peak_bytes);
    pyro_json_u64(json, "involuntary_switches", run->involuntary_switches);
    pyro_json_u64(json, "major_faults", run->major_faults);
    pyro_json_end(json);
}

void pyro_bench_write(FILE *out, const struct pyro_bench *bench)
{
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_json_string(&json, "format", "pyrometer-bench");
    pyro_json_u64(&json, "version", 1);
    pyro_json_string(&json, "pyrometer", PYRO_VERSION);
    pyro_json_utc(&json, "started", bench->started_unix_us);
    pyro_json_double(&json, "duration_s", bench->duration_s);
    pyro_json_string(&json, "end", pyro_bench_end_name(bench->end));
    pyro_json_bool(&json, "output_differs", bench->output_differs);
    put_noise(&json, &bench->noise);
    pyro_json_array(&json, "commands");
    for (size_t i = 0; i < bench->command_count; i++) {
        pyro_json_object(&json, NULL);
        pyro_json_string(&json, "name", bench->commands[i].name);
        pyro_json_string(&json, "command", bench->commands[i].text);
        pyro_json_string(&json, "directory",
                         *bench->commands[i].directory ? bench->commands[i].directory : NULL);
        pyro_json_string(&json, "recording",
                         *bench->commands[i].recording ? bench->commands[i].recording : NULL);
        pyro_json_end(&json);
    }
    pyro_json_end(&json);
    pyro_json_array(&json, "runs");
    for (size_t i = 0; i < bench->run_count; i++)
        put_run(&json, &bench->runs[i]);
    pyro_json_end(&json);
    pyro_json_end(&json);
    putc('\n', out);
}
