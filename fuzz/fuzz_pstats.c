/* fuzz/fuzz_pstats.c - the reader of .prof files against any bytes.
 *
 * What comes out must hold the promises of profile/profile.h, and written as a .prof file it must say the same. */
#include "formats/formats.h"
#include "formats/import.h"

#include <math.h>
#include <stdlib.h>

#define SMALL 1e9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_profile(const struct pyro_profile *profile)
{
    require(profile->timed && profile->stack_count == 1 && profile->samples.count == 0);
    for (size_t i = 0; i < profile->function_count; i++)
        require(profile->functions[i].name < profile->strings.count &&
                profile->functions[i].file < profile->strings.count);
    for (size_t i = 0; i < profile->timed_function_count; i++)
        require(profile->timed_functions[i].function < profile->function_count);
    for (size_t i = 0; i < profile->timed_edge_count; i++) {
        const struct pyro_timed_edge *edge = &profile->timed_edges[i];
        require(edge->caller < profile->function_count && edge->callee < profile->function_count);
    }
}

static struct pyro_profile *read_bytes(const void *data, size_t size)
{
    const struct pyro_prof_file file = {"input", data, size};
    struct pyro_profile *profile = NULL;
    if (pyro_pstats_read(&file, 1, &profile, NULL) < 0)
        return NULL;
    check_profile(profile);
    return profile;
}

struct sums {
    uint64_t calls, edge_calls;
};

static struct sums sums_of(const struct pyro_profile *profile)
{
    struct sums sums = {0};
    for (size_t i = 0; i < profile->timed_function_count; i++)
        sums.calls += profile->timed_functions[i].ncalls;
    for (size_t i = 0; i < profile->timed_edge_count; i++)
        sums.edge_calls += profile->timed_edges[i].ncalls;
    return sums;
}

/* Names that only differ in bytes that are no text become one when they are written. Their sums stay in range if these
 * figures are far below the limits. */
static bool is_small(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->timed_function_count; i++)
        if (fabs(profile->timed_functions[i].self_s) > SMALL ||
            fabs(profile->timed_functions[i].total_s) > SMALL)
            return false;
    for (size_t i = 0; i < profile->timed_edge_count; i++) {
        const struct pyro_timed_edge *edge = &profile->timed_edges[i];
        if ((double)edge->ncalls > SMALL || (double)edge->primitive_calls > SMALL ||
            fabs(edge->self_s) > SMALL || fabs(edge->total_s) > SMALL)
            return false;
    }
    return true;
}

static void write_and_read(const struct pyro_profile *profile)
{
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    const struct pyro_export_options options = {0};
    if (!out)
        return;
    int code = pyro_format_by_name("pstats")->write(profile, &options, out, NULL);
    fclose(out);
    struct pyro_profile *again = code == 0 ? read_bytes(written, size) : NULL;
    require(code < 0 || again);
    if (again) {
        struct sums was = sums_of(profile), is = sums_of(again);
        require(was.calls == is.calls && was.edge_calls == is.edge_calls);
        require(again->timed_by_samples == profile->timed_by_samples);
    }
    pyro_profile_free(again);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pyro_pstats_recognise(data, size);
    struct pyro_profile *profile = read_bytes(data, size);
    if (profile && is_small(profile))
        write_and_read(profile);
    pyro_profile_free(profile);
    return 0;
}
