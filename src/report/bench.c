/* report/bench.c - what was measured, as a person wants to see it: a row for each command, its
 * distribution on one common scale, what stood out, and what else the machine did. */
#include "report/bench.h"

#include "report/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define NAME_COLUMNS_MAX 32
#define BINS_MAX         60
#define OUTLIERS_SHOWN   3
#define STEAL_SHARE      0.01
#define OTHERS_CPUS      0.2
#define SWITCHES_PER_CPUS \
    50 /* involuntary, in a second of CPU time: more than the scheduler's own */

/* -- values ----------------------------------------------------------------------------------- */

struct values {
    double *sorted;
    size_t count;
};

static double quantile(const struct values *values, double share)
{
    return pyro_values_quantile(values->sorted, values->count, share);
}

static int take_values(const struct pyro_bench *bench, size_t command, enum pyro_metric metric,
                       struct values *ret_values)
{
    ret_values->sorted = calloc(bench->run_count + 1, sizeof(double));
    if (!ret_values->sorted)
        return -ENOMEM;
    ret_values->count = pyro_bench_values(bench, command, metric, ret_values->sorted);
    pyro_values_sort(ret_values->sorted, ret_values->count);
    return 0;
}

/* -- numbers ---------------------------------------------------------------------------------- */

/* "0.512 s", "41.3 ms" */
static void put_seconds(char *text, size_t size, double seconds)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
    size_t unit = 0;
    while (unit < 3 && seconds < units[unit].unit)
        unit++;
    double value = seconds / units[unit].unit;
    if (!isfinite(seconds))
        snprintf(text, size, "?");
    else
        snprintf(text, size,
                 value < 10    ? "%.3f %s"
                 : value < 100 ? "%.2f %s"
                               : "%.1f %s",
                 value, units[unit].name);
}

static void put_mebibytes(char *text, size_t size, double bytes)
{
    snprintf(text, size, isfinite(bytes) ? "%.1f MiB" : "?", bytes / (1024 * 1024));
}

/* -- rows ------------------------------------------------------------------------------------- */

static void put_name(char *text, size_t size, const char *name,
                     const struct pyro_report_style *style)
{
    pyro_report_fit(text, size, name, NAME_COLUMNS_MAX, style->utf8);
}

static double median_of(const struct pyro_bench *bench, size_t command, enum pyro_metric metric)
{
    struct values values;
    if (take_values(bench, command, metric, &values) < 0)
        return NAN;
    double median = quantile(&values, 0.5);
    free(values.sorted);
    return median;
}

static void print_row(FILE *out, const struct pyro_bench *bench, size_t command,
                      const struct values *wall, const struct pyro_report_style *style)
{
    char name[256], median[32], low[32], high[32], least[32], most[32], cpu[32], peak[32];
    put_name(name, sizeof(name), bench->commands[command].name, style);
    put_seconds(median, sizeof(median), quantile(wall, 0.5));
    put_seconds(low, sizeof(low), quantile(wall, 0.25));
    put_seconds(high, sizeof(high), quantile(wall, 0.75));
    put_seconds(least, sizeof(least), quantile(wall, 0));
    put_seconds(most, sizeof(most), quantile(wall, 1));
    put_seconds(cpu, sizeof(cpu), median_of(bench, command, PYRO_METRIC_CPU));
    put_mebibytes(peak, sizeof(peak), median_of(bench, command, PYRO_METRIC_PEAK));
    fprintf(out, "%s\n", name);
    fprintf(out, "  %zu run%s   wall %s   half of them %s .. %s, all %s .. %s\n", wall->count,
            wall->count == 1 ? "" : "s", median, low, high, least, most);
    fprintf(out, "  cpu %s   peak %s", cpu, peak);
    double growth = median_of(bench, command, PYRO_METRIC_GROWTH);
    if (isfinite(growth))
        fprintf(out, "   growth x%.2f in the second half", growth);
    fputc('\n', out);
}

/* -- the histogram ---------------------------------------------------------------------------- */

struct scale {
    double low, high;
    size_t bins;
};

static size_t bin_of(const struct scale *scale, double value)
{
    double share = scale->high > scale->low ? (value - scale->low) / (scale->high - scale->low) : 0;
    size_t bin = (size_t)(share * (double)scale->bins);
    return bin < scale->bins ? bin : scale->bins - 1;
}

static void print_histogram(FILE *out, const struct scale *scale, const struct values *values,
                            bool utf8)
{
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const ascii[] = {" ", ".", ".", ":", ":", "+", "+", "#", "#"};
    size_t counts[BINS_MAX] = {0}, most = 1;
    for (size_t i = 0; i < values->count; i++) {
        size_t count = ++counts[bin_of(scale, values->sorted[i])];
        most = count > most ? count : most;
    }
    fputs("  |", out);
    for (size_t i = 0; i < scale->bins; i++) {
        size_t level = counts[i] ? 1 + (counts[i] - 1) * 7 / (most > 1 ? most - 1 : 1) : 0;
        fputs(utf8 ? blocks[level] : ascii[level], out);
    }
    fputs("|\n", out);
}

static void print_axis(FILE *out, const struct scale *scale)
{
    char low[32], high[32];
    put_seconds(low, sizeof(low), scale->low);
    put_seconds(high, sizeof(high), scale->high);
    fprintf(out, "   %s%*s\n", low, (int)(scale->bins - strlen(low)), high);
}

/* -- outliers --------------------------------------------------------------------------------- */

/* Tukey's: half again the width of the middle half beyond it. Only shown, never left out. */
static void print_outliers(FILE *out, const struct values *values)
{
    double low = quantile(values, 0.25), high = quantile(values, 0.75);
    double reach = 1.5 * (high - low);
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < values->count; i++)
        count += values->sorted[i] < low - reach || values->sorted[i] > high + reach;
    if (!count)
        return;
    fprintf(out, "  %zu outlier%s, kept:", count, count == 1 ? "" : "s");
    for (size_t i = values->count; i-- > 0 && shown < OUTLIERS_SHOWN;) {
        char text[32];
        if (values->sorted[i] >= low - reach && values->sorted[i] <= high + reach)
            continue;
        put_seconds(text, sizeof(text), values->sorted[i]);
        fprintf(out, "%s %s", shown++ ? "," : "", text);
    }
    fputs(count > shown ? " ...\n" : "\n", out);
}

/* -- what disturbed --------------------------------------------------------------------------- */

static void print_sums(FILE *out, const struct pyro_bench *bench)
{
    double cpu_s = 0;
    uint64_t switches = 0, faults = 0;
    size_t failed = 0;
    for (size_t i = 0; i < bench->run_count; i++) {
        const struct pyro_bench_run *run = &bench->runs[i];
        if (run->warmup)
            continue;
        cpu_s += pyro_bench_value(run, PYRO_METRIC_CPU);
        switches += run->involuntary_switches;
        faults += run->major_faults;
        failed += run->wait_status != 0;
    }
    if ((double)switches > SWITCHES_PER_CPUS * cpu_s && switches > bench->run_count)
        fprintf(out, "  CPUs were short: the commands were pushed off theirs %.0f times a second\n",
                (double)switches / cpu_s);
    if (faults > bench->run_count)
        fprintf(out, "  %llu page faults went to the disk\n", (unsigned long long)faults);
    if (failed)
        fprintf(out, "  %zu runs ended with a status other than 0, and count\n", failed);
}

static void print_noise(FILE *out, const struct pyro_bench *bench)
{
    const struct pyro_bench_noise *noise = &bench->noise;
    if (noise->others_cpus > OTHERS_CPUS)
        fprintf(out, "  other programs used %.1f CPUs meanwhile\n", noise->others_cpus);
    if (noise->steal_share > STEAL_SHARE)
        fprintf(out, "  the host took %.1f %% of the CPU time for others (steal)\n",
                100 * noise->steal_share);
    if (noise->pages_swapped)
        fprintf(out, "  the machine swapped: %llu pages\n",
                (unsigned long long)noise->pages_swapped);
    if (noise->frequency_low > 0 && noise->frequency_low < 0.9 * noise->frequency_high)
        fprintf(out, "  CPUs ran at %.2f to %.2f GHz\n", noise->frequency_low,
                noise->frequency_high);
    if (*noise->governor && strcmp(noise->governor, "performance") != 0)
        fprintf(out, "  the frequency governor is '%s'\n", noise->governor);
    print_sums(out, bench);
    if (bench->output_differs)
        fputs("  the commands print different output\n", out);
}

/* -- all of it -------------------------------------------------------------------------------- */

static int print_commands(FILE *out, const struct pyro_bench *bench, const struct values *all,
                          const struct pyro_report_style *style)
{
    struct scale scale = {.low = INFINITY, .high = -INFINITY, .bins = BINS_MAX};
    for (size_t i = 0; i < bench->command_count; i++) {
        if (!all[i].count)
            continue;
        scale.low = fmin(scale.low, all[i].sorted[0]);
        scale.high = fmax(scale.high, all[i].sorted[all[i].count - 1]);
    }
    for (size_t i = 0; i < bench->command_count; i++) {
        if (!all[i].count)
            continue;
        print_row(out, bench, i, &all[i], style);
        if (all[i].count > 1)
            print_histogram(out, &scale, &all[i], style->utf8);
        print_outliers(out, &all[i]);
    }
    if (scale.low <= scale.high && bench->run_count > bench->command_count)
        print_axis(out, &scale);
    return 0;
}

int pyro_report_bench(FILE *out, const struct pyro_bench *bench,
                      const struct pyro_report_style *style)
{
    struct values *all = calloc(bench->command_count + 1, sizeof(*all));
    int code = all ? 0 : -ENOMEM;
    for (size_t i = 0; code == 0 && i < bench->command_count; i++)
        code = take_values(bench, i, PYRO_METRIC_WALL, &all[i]);
    if (code == 0) {
        print_commands(out, bench, all, style);
        print_noise(out, bench);
    }
    for (size_t i = 0; all && i < bench->command_count; i++)
        free(all[i].sorted);
    free(all);
    return code;
}
