/* bench/read.c - files of measurements: our own, pyperf's, pytest-benchmark's.
 *
 * jansson parses; here every value is looked at before it is used, since a file may be anything. */
#include "bench/bench.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FILE_MAX   (256u << 20)
#define ROUNDS_MAX 10000 /* of a pytest-benchmark; of more, as many spread evenly are taken */

/* -- the file --------------------------------------------------------------------------------- */

/* All of it, unpacked; to be freed. */
static int read_file(const char *path, char **ret_text, size_t *ret_size, struct pyro_error *error)
{
    errno = 0;
    gzFile file = gzopen(path, "rbe"); /* what is not packed comes through as it is */
    if (!file)
        return pyro_error_set(error, errno ? -errno : -ENOMEM, "cannot open '%s': %s", path,
                              strerror(errno ? errno : ENOMEM));
    size_t size = 0, capacity = 65536;
    char *text = malloc(capacity);
    int count = 0, code = 0;
    while (text && (count = gzread(file, text + size, (unsigned)(capacity - size))) > 0) {
        size += (size_t)count;
        if (size < capacity)
            continue;
        char *grown = capacity < FILE_MAX ? realloc(text, capacity * 2) : NULL;
        if (!grown)
            break;
        text = grown;
        capacity *= 2;
    }
    if (!text || count > 0)
        code = pyro_error_set(error, text ? -EFBIG : -ENOMEM, "cannot read '%s': it is too large",
                              path);
    else if (count < 0)
        code = pyro_error_set(error, -EIO, "cannot read '%s'", path);
    gzclose(file);
    if (code < 0)
        free(text);
    *ret_text = code < 0 ? NULL : text;
    *ret_size = size;
    return code;
}

/* -- values ----------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A finite number, or NAN. */
static double number_of(const json_t *value)
{
    double number = json_is_number(value) ? json_number_value(value) : NAN;
    return isfinite(number) ? number : NAN;
}

static uint64_t size_of(const json_t *object, const char *key)
{
    double number = number_of(json_object_get(object, key));
    return number > 0 && number < 1e18 ? (uint64_t)number : 0;
}

static int add_run(struct pyro_bench *bench, const struct pyro_bench_run *run)
{
    return bench->run_count < PYRO_BENCH_RUNS_MAX ? pyro_bench_add_run(bench, run) : -EFBIG;
}

static int add_command(struct pyro_bench *bench, const char *name, const char *text,
                       const char *directory)
{
    return bench->command_count < PYRO_BENCH_COMMANDS_MAX
               ? pyro_bench_add_command(bench, name, text, directory)
               : -EFBIG;
}

/* -- our own ---------------------------------------------------------------------------------- */

static int read_own_run(const json_t *value, struct pyro_bench *bench)
{
    json_int_t command = json_integer_value(json_object_get(value, "command"));
    json_int_t round = json_integer_value(json_object_get(value, "round"));
    if (command < 0 || (size_t)command >= bench->command_count || round < 0 || round > UINT32_MAX)
        return -EINVAL;
    struct pyro_bench_run run = {
        .command = (uint32_t)command,
        .round = (uint32_t)round,
        .warmup = json_is_true(json_object_get(value, "warmup")),
        .wall_s = number_of(json_object_get(value, "wall_s")),
        .user_s = number_of(json_object_get(value, "user_s")),
        .system_s = number_of(json_object_get(value, "system_s")),
        .peak_bytes = size_of(value, "peak_bytes"),
        .first_half_peak_bytes = size_of(value, "first_half_peak_bytes"),
        .second_half_peak_bytes = size_of(value, "second_half_peak_bytes"),
    };
    return add_run(bench, &run);
}

/* A file beside this one: whoever wrote this file shall not choose any other for us to read. */
static int read_recording(const json_t *value, size_t command, struct pyro_bench *bench)
{
    const char *name = text_of(value, "recording");
    size_t length = strlen(name);
    bool fits = length > 5 && strcmp(name + length - 5, ".pyro") == 0 && !strchr(name, '/');
    return fits ? pyro_bench_set_recording(bench, command, name) : 0;
}

static int read_own(const json_t *root, struct pyro_bench *bench)
{
    size_t i;
    json_t *value;
    int code = 0;
    bench->one_process = json_is_true(json_object_get(root, "one_process"));
    json_array_foreach(json_object_get(root, "commands"), i, value)
    {
        if (code >= 0)
            code = add_command(bench, text_of(value, "name"), text_of(value, "command"),
                               text_of(value, "directory"));
        if (code >= 0)
            code = read_recording(value, i, bench);
    }
    json_array_foreach(json_object_get(root, "runs"), i, value)
    {
        if (code >= 0)
            code = read_own_run(value, bench);
    }
    return code < 0 ? code : 0;
}

/* -- pyperf ----------------------------------------------------------------------------------- */

/* Of the numbers of an array; NAN where there are none. */
static double median_of(const json_t *array)
{
    size_t count = 0, size = json_array_size(array), i;
    double *values = calloc(size + 1, sizeof(*values));
    json_t *value;
    if (!values)
        return NAN;
    json_array_foreach(array, i, value)
    {
        values[count] = number_of(value);
        count += !isnan(values[count]);
    }
    pyro_values_sort(values, count);
    double median = pyro_values_quantile(values, count, 0.5);
    free(values);
    return median;
}

/* A run of pyperf is a process; its values are one another's neighbours in it, so their median is
 * one value. */
static int read_pyperf_run(const json_t *value, bool is_bytes, uint32_t command,
                           struct pyro_bench *bench)
{
    double median = median_of(json_object_get(value, "values"));
    if (isnan(median))
        return 0; /* it only calibrated */
    struct pyro_bench_run run = {
        .command = command,
        .round = (uint32_t)bench->run_count,
        .wall_s = is_bytes ? NAN : median,
        .user_s = NAN,
        .system_s = NAN,
        .peak_bytes = size_of(json_object_get(value, "metadata"), "mem_max_rss"),
    };
    if (is_bytes && median > 0 && median < 1e18)
        run.peak_bytes = (uint64_t)median;
    return add_run(bench, &run);
}

static int read_pyperf_benchmark(const json_t *root, const json_t *value, struct pyro_bench *bench)
{
    const json_t *own = json_object_get(value, "metadata"), *run;
    const json_t *common = json_object_get(root, "metadata"); /* what all benchmarks share */
    const char *name = text_of(own, "name"), *unit = text_of(own, "unit");
    size_t i;
    if (!*name)
        name = text_of(common, "name");
    if (!*unit)
        unit = text_of(common, "unit");
    int command = add_command(bench, name, "", ""), code = command < 0 ? command : 0;
    json_array_foreach(json_object_get(value, "runs"), i, run)
    {
        if (code == 0)
            code = read_pyperf_run(run, strcmp(unit, "byte") == 0, (uint32_t)command, bench);
    }
    return code;
}

/* -- pytest-benchmark ------------------------------------------------------------------------- */

static int add_round(double value, uint32_t command, struct pyro_bench *bench)
{
    struct pyro_bench_run run = {
        .command = command,
        .round = (uint32_t)bench->run_count,
        .wall_s = value,
        .user_s = NAN,
        .system_s = NAN,
    };
    return add_run(bench, &run);
}

static int read_pytest_benchmark(const json_t *value, struct pyro_bench *bench)
{
    const json_t *stats = json_object_get(value, "stats");
    const json_t *data = json_object_get(stats, "data"), *round;
    const char *name = text_of(value, "fullname");
    size_t i;
    int command = add_command(bench, *name ? name : text_of(value, "name"), "", "");
    int code = command < 0 ? command : 0;
    bench->one_process = true;
    json_array_foreach(data, i, round)
    {
        if (code == 0 && i % (json_array_size(data) / ROUNDS_MAX + 1) == 0)
            code = add_round(number_of(round), (uint32_t)command, bench);
    }
    if (code == 0 && json_array_size(data) == 0) /* saved without --benchmark-save-data */
        code = add_round(number_of(json_object_get(stats, "median")), (uint32_t)command, bench);
    return code;
}

/* -- which one -------------------------------------------------------------------------------- */

static int read_foreign(const json_t *root, struct pyro_bench *bench)
{
    const json_t *benchmarks = json_object_get(root, "benchmarks"), *value;
    size_t i;
    int code = json_array_size(benchmarks) ? 0 : -EINVAL;
    bench->foreign = true;
    json_array_foreach(benchmarks, i, value)
    {
        if (code == 0 && json_is_array(json_object_get(value, "runs")))
            code = read_pyperf_benchmark(root, value, bench);
        else if (code == 0 && json_is_object(json_object_get(value, "stats")))
            code = read_pytest_benchmark(value, bench);
        else if (code == 0)
            code = -EINVAL;
    }
    return code;
}

static int read_root(const json_t *root, struct pyro_bench *bench)
{
    if (strcmp(text_of(root, "format"), "pyrometer-bench") != 0)
        return read_foreign(root, bench);
    return json_integer_value(json_object_get(root, "version")) == 1 ? read_own(root, bench)
                                                                     : -ENOTSUP;
}

static int read_failed(const char *path, int code, struct pyro_error *error)
{
    if (code == -EINVAL) {
        pyro_error_set(error, code, "'%s' holds no measurements", path);
        pyro_error_hint(error, "compare reads what `bench -o`, pyperf and pytest-benchmark write");
        return code;
    }
    return pyro_error_set(error, code, "cannot read '%s': %s", path,
                          code == -ENOTSUP ? "a newer pyrometer wrote it" : strerror(-code));
}

int pyro_bench_parse(const void *text, size_t size, const char *path, struct pyro_bench *ret_bench,
                     struct pyro_error *error)
{
    json_error_t json_error;
    json_t *root = json_loadb(text, size, 0, &json_error);
    if (!root) {
        pyro_error_set(error, -EINVAL, "'%s' is no JSON: line %d", path, json_error.line);
        pyro_error_hint(error, "compare reads what `bench -o`, pyperf and pytest-benchmark write");
        return -EINVAL;
    }
    *ret_bench = (struct pyro_bench){0};
    int code = read_root(root, ret_bench);
    json_decref(root);
    if (code < 0) {
        pyro_bench_free(ret_bench);
        return read_failed(path, code, error);
    }
    return 0;
}

int pyro_bench_read(const char *path, struct pyro_bench *ret_bench, struct pyro_error *error)
{
    char *text = NULL;
    size_t size = 0;
    int code = read_file(path, &text, &size, error);
    if (code == 0)
        code = pyro_bench_parse(text, size, path, ret_bench, error);
    free(text);
    return code;
}
