/* fuzz/fuzz_bench.c - the reader of files of measurements against any bytes.
 *
 * What comes out can be compared, whatever its values; and written as one of our own files it says
 * the same. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_judgement(const struct pyro_judgement *judgement)
{
    for (int i = 0; i < PYRO_METRIC_COUNT; i++) {
        const struct pyro_comparison *comparison = &judgement->metrics[i];
        if (comparison->verdict != PYRO_VERDICT_UNDECIDED)
            require(comparison->ci_low <= comparison->ci_high && comparison->pairs > 0);
        if (comparison->verdict == PYRO_VERDICT_FASTER)
            require(comparison->ci_high < 1);
        if (comparison->verdict == PYRO_VERDICT_SLOWER)
            require(comparison->ci_low > 1);
    }
}

static void compare(const struct pyro_bench *bench)
{
    const struct pyro_judge_options options = {.compare = {.confidence = 0.99, .margin = 0.01}};
    struct pyro_judgement judgement;
    if (bench->command_count < 2)
        return;
    if (pyro_judge(bench, 0, bench, bench->command_count - 1, &options, &judgement) == 0)
        check_judgement(&judgement);
}

static void write_and_read(const struct pyro_bench *bench)
{
    struct pyro_bench again;
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    if (!out)
        return;
    pyro_bench_write(out, bench);
    fclose(out);
    require(pyro_bench_parse(written, size, "again", &again, NULL) == 0);
    require(again.command_count == bench->command_count && again.run_count == bench->run_count);
    pyro_bench_free(&again);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_bench bench;
    if (pyro_bench_parse(data, size, "input", &bench, NULL) < 0)
        return 0;
    for (size_t i = 0; i < bench.run_count; i++)
        require(bench.runs[i].command < bench.command_count);
    compare(&bench);
    write_and_read(&bench);
    pyro_bench_free(&bench);
    return 0;
}
